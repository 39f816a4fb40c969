"""Training on several processes: the same result as one, nothing lost when it is killed, stopped, or out of disk."""
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from dlbook import profile

profile.setup("torch")

from dlbook import data, runs  # noqa: E402  (profile.setup comes first)
from dlbook.cnn.digits import with_torch as digit_twin  # noqa: E402
from dlbook.train.distributed import __main__ as command  # noqa: E402
from dlbook.train.distributed import checkpoint, spec, with_torch  # noqa: E402
from dlbook.train.settings import Training  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
PART = Training(epochs=2, batch_size=32, learning_rate=1e-3)  # 5 steps an epoch of the part; the last batch has 2 images
SHORT = Training(epochs=1, batch_size=300, learning_rate=1e-3)  # 4 steps of the whole of the embedded digits


@pytest.fixture(scope="module")
def part():
    whole = data.digits("quick")
    return data.Labelled("part", "", whole.train_images[:130], whole.train_labels[:130], whole.test_images[:61], whole.test_labels[:61])


@pytest.fixture(scope="module")
def alone(part):
    """The training of the chapter: no checkpoint, no processes."""
    losses, network = [], digit_twin.digit_network(3)
    history = digit_twin.fit(network, part, PART, 3, on_step=lambda _, loss: losses.append(loss), progress=False)
    return digit_twin.weights_of(network), losses, history


def weights(network):
    return {name: value.detach().numpy() for name, value in network.named_parameters()}


def worst(a, b):
    """Largest difference of two sets of weights of the same names."""
    assert a.keys() == b.keys()
    return max(float(np.abs(a[name] - b[name]).max()) for name in a)


def test_one_process_trains_as_the_chapter_does_dropout_and_all(part, alone):
    network, done = with_torch.train(part, PART, 3)
    assert worst(alone[0], weights(network)) == 0 and alone[1] == done.losses and done.step == 10
    for name, values in alone[2].items():
        assert done.history[name] == pytest.approx(values, rel=1e-6), name


class Killed(Exception):
    pass


def killed_after(step):
    """An `on_step` that ends a training as a kill does: at once, with nothing written."""
    def on_step(number, _):
        if number == step:
            raise Killed
    return on_step


@pytest.mark.parametrize("step", [4, 5, 7])  # within an epoch, at its end, within the next one
def test_a_killed_job_loses_nothing(part, alone, tmp_path, step):
    with pytest.raises(Killed):
        with_torch.train(part, PART, 3, folder=tmp_path, every=2, on_step=killed_after(step))
    assert runs.about(tmp_path / checkpoint.NAME)["step"] == (step - 1) // 2 * 2  # the step at which it was killed wrote nothing
    network, done = with_torch.train(part, PART, 3, folder=tmp_path, every=2)
    assert worst(alone[0], weights(network)) == 0 and done.losses == alone[1]
    assert done.history["val_loss"] == pytest.approx(alone[2]["val_loss"], rel=1e-6)
    again, same = with_torch.train(part, PART, 3, folder=tmp_path, every=2, on_step=killed_after(1))  # finished: no step is done
    assert same.losses == done.losses and worst(weights(again), weights(network)) == 0


def test_a_stop_keeps_the_very_step(part, alone, tmp_path):
    asked = iter([False] * 3 + [True] * 9)
    with pytest.raises(spec.Stopped, match="after step 4 of 10; run the same command again"):
        with_torch.train(part, PART, 3, folder=tmp_path, stop=lambda: next(asked))
    assert runs.about(tmp_path / checkpoint.NAME)["step"] == 4
    network, done = with_torch.train(part, PART, 3, folder=tmp_path)
    assert done.losses == alone[1] and worst(alone[0], weights(network)) == 0


@pytest.fixture
def small_disk():
    """Files of at most 1 MB can be written; a checkpoint takes 7."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(full=True):
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**6 if full else soft, hard))
    yield fill
    fill(False)


def test_a_full_disk_is_told_and_the_last_checkpoint_stays_whole(part, alone, tmp_path, small_disk):
    def fill_up(step, _):
        small_disk(step >= 5)
    with pytest.raises(OSError, match=r"of step 6 cannot be written to .* \(.+\); the last whole one, of step 4, stays. Make room"):
        with_torch.train(part, PART, 3, folder=tmp_path, every=2, on_step=fill_up)
    small_disk(False)
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.NAME]
    network, done = with_torch.train(part, PART, 3, folder=tmp_path, every=2)
    assert done.losses == alone[1] and worst(alone[0], weights(network)) == 0


def test_the_first_checkpoint_on_a_full_disk(part, tmp_path, small_disk):
    small_disk()
    with pytest.raises(OSError, match=r"of step 1 cannot be written to .*; there is none yet\. Make room"):
        with_torch.train(part, PART, 3, folder=tmp_path, every=1)
    small_disk(False)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_training_is_refused(part, tmp_path):
    with pytest.raises(Killed):
        with_torch.train(part, PART, 3, folder=tmp_path, every=1, on_step=killed_after(2))
    with pytest.raises(ValueError, match="belongs to another training: its seed is 3, asked for is 4"):
        with_torch.train(part, PART, 4, folder=tmp_path)
    whole = (tmp_path / checkpoint.NAME).read_bytes()
    (tmp_path / checkpoint.NAME).write_bytes(whole[:1000])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        with_torch.train(part, PART, 3, folder=tmp_path)


def spoiled(path, change):
    """Write a checkpoint anew, its tensors and its facts changed, without a thought for its checksum."""
    tensors, about = runs.load_weights(path), runs.about(path)
    change(tensors, about)
    runs.save_weights(tensors, path, **about)


def test_a_checkpoint_whose_content_is_damaged_is_refused(part, tmp_path):
    with pytest.raises(Killed):
        with_torch.train(part, PART, 3, folder=tmp_path, every=1, on_step=killed_after(2))
    path = tmp_path / checkpoint.NAME
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + b"\x3c" * 400 + whole[middle + 400:])
    assert runs.load_weights(path)  # to the library it is a whole file
    with pytest.raises(ValueError, match="is not a whole checkpoint: its content has changed since it was written; name another folder with --out"):
        with_torch.train(part, PART, 3, folder=tmp_path)
    for change, words in ((lambda tensors, about: about.update(step=3), "its content has changed"),
                          (lambda tensors, about: about.pop("checksum"), "was written without a checksum, by an earlier version"),
                          (lambda tensors, about: tensors.pop("losses"), "its content has changed")):
        path.write_bytes(whole)
        spoiled(path, change)
        with pytest.raises(ValueError, match=words):
            with_torch.train(part, PART, 3, folder=tmp_path)

    def without_losses(tensors, about):
        tensors.pop("losses")
        about["checksum"] = checkpoint.checksum(tensors, {name: value for name, value in about.items() if name != "checksum"})
    path.write_bytes(whole)
    spoiled(path, without_losses)
    with pytest.raises(ValueError, match="is not a whole checkpoint: it has no 'losses'"):
        with_torch.train(part, PART, 3, folder=tmp_path)
    path.write_bytes(whole)
    assert with_torch.train(part, PART, 3, folder=tmp_path)[1].step == 10


def test_a_file_where_the_folder_should_be_is_told_in_a_sentence(part, tmp_path, capsys):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError, match=r"of step 1 cannot be written to .*taken \(.+\); there is none yet"):
        with_torch.train(part, PART, 3, folder=tmp_path / "taken", every=1)
    assert run(["--out", str(tmp_path / "taken")]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"dlbook: nothing can be written to the folder {tmp_path / 'taken'} (") and err.count("\n") == 1


@pytest.mark.parametrize("world", [2, 3, 8])
def test_the_rows_of_all_processes_are_the_batch(world):
    for count in (1, 2, 24, 25):
        bounds = [spec.Processes(rank, world, 0, 1).rows(count) for rank in range(world)]
        assert bounds[0][0] == 0 and bounds[-1][1] == count
        assert all(end == first for (_, end), (first, _) in zip(bounds, bounds[1:], strict=False))


@pytest.mark.parametrize("given, words", [
    ({"batch_size": 64}, "a batch of 64 cannot be shared equally by 3 processes; take 63 or 66"),
    ({"batch_size": 2}, "a batch of 2 cannot be shared equally by 3 processes; take 3, or"),
    ({"every": 0}, "every so many steps, 1 or more; got 0"),
])
def test_what_cannot_be_shared_is_refused(given, words):
    training = Training(epochs=1, batch_size=given.get("batch_size", 63), learning_rate=1.0)
    with pytest.raises(ValueError, match=words):
        spec.check(training, spec.Processes(0, 3, 0, 3), given.get("every", 1))


@pytest.mark.parametrize("environment, words", [
    ({"RANK": "0"}, "says RANK but not WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE; start the processes with torchrun"),
    ({"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}, "RANK is a number from 0 to WORLD_SIZE - 1; got 2 of 2"),
    ({"RANK": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}, "RANK='x' in the environment must be a whole number"),
])
def test_a_wrong_environment_is_refused(environment, words):
    with pytest.raises(ValueError, match=words):
        spec.Processes.from_environment(environment)


def test_backends():
    pair = spec.Processes(0, 2, 0, 2)
    assert spec.check_backend(None, pair, 0) == "gloo" and spec.check_backend(None, pair, 2) == "nccl"
    with pytest.raises(ValueError, match="unknown backend 'mpi'; choose from: gloo .processors., nccl"):
        spec.check_backend("mpi", pair, 0)
    with pytest.raises(ValueError, match="nccl needs a GPU for each of the 2 processes on this machine and sees 1; start 1 with it"):
        spec.check_backend("nccl", pair, 1)


def test_cores_are_shared_unless_threads_are_named(monkeypatch):
    monkeypatch.setenv("DLBOOK_PROFILE", "full")
    monkeypatch.delenv("DLBOOK_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    for given, want in (({}, "4"), ({"DLBOOK_THREADS": "3"}, "3")):
        command.share_cores(spec.Processes(0, 2, 0, 2), given)
        assert given == {"DLBOOK_THREADS": want}


def run(words):
    """The command in this process, whose answers to signals are as before afterwards; returns its exit status."""
    before = [signal.getsignal(number) for number in command.SIGNALS]
    try:
        return command.main(words)
    finally:
        for number, handler in zip(command.SIGNALS, before, strict=True):
            signal.signal(number, handler)


@pytest.mark.parametrize("words, status, said", [
    (["--framework", "keras"], 1, "dlbook: Keras on TensorFlow does not train on several processes"),
    (["--epochs", "0"], 1, "dlbook: epochs must be at least 1; got 0."),
    (["--backend", "mpi"], 1, "dlbook: unknown backend 'mpi'; choose from"),
])
def test_the_command_answers_a_slip_in_a_sentence(words, status, said, tmp_path, capsys):
    assert run(["--out", str(tmp_path), *words]) == status
    err = capsys.readouterr().err
    assert err.startswith(said) and err.count("\n") == 1 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words, said", [
    (["--out", ""], "argument --out: it must name a folder, for example results; got ''"),
    (["--out", "x", "--seed", "-1"], "argument --seed: it must be a whole number from 0 to 4294967295; got '-1'"),
    (["--out", "x", "--seed", "4294967296"], "argument --seed: it must be a whole number from 0 to 4294967295; got '4294967296'"),
])
def test_the_command_names_the_option_that_is_wrong(words, said, capsys):
    with pytest.raises(SystemExit):
        command.main(words)
    assert said in capsys.readouterr().err


SECOND = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}


def test_each_process_tells_what_ends_it(tmp_path, monkeypatch, capsys):
    """What is wrong on one machine alone, here an unknown profile, is said by the process that it ends."""
    for name, value in SECOND.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DLBOOK_PROFILE", "fast")
    assert run(["--out", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("dlbook: [rank 1] ") and "fast" in err and err.count("\n") == 1


GLOO = "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4711\nand more"


@pytest.mark.parametrize("error, world, told", [
    (RuntimeError(GLOO), "2", True), (RuntimeError(GLOO), "1", False), (RuntimeError("shape '[2]' is invalid"), "2", False)])
def test_the_end_of_another_process_is_told_in_a_sentence_and_a_mistake_of_ours_is_not(error, world, told, tmp_path, monkeypatch, capsys):
    def fail(*given):
        raise error
    monkeypatch.setattr(command, "_train", fail)
    for name, value in (SECOND | {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}).items():
        monkeypatch.setenv(name, value)
    if not told:
        with pytest.raises(RuntimeError):
            run(["--out", str(tmp_path)])
        return
    assert run(["--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err == ("dlbook: another process ended (Connection closed by peer [127.0.0.1]:4711); run the same command again, "
                                       "it goes on from the last checkpoint.\n")


def test_a_disk_that_is_full_for_the_weights_is_told_and_the_training_is_kept(tmp_path, small_disk, monkeypatch, capsys):
    real = with_torch.train

    def full_at_the_end(*given, **named):
        done = real(*given, **named)
        small_disk()
        return done
    monkeypatch.setattr(with_torch, "train", full_at_the_end)
    words = ["--out", str(tmp_path), "--epochs", "1", "--batch", "400"]
    assert run(words) == 1
    small_disk(False)
    err = capsys.readouterr().err
    assert err.startswith(f"dlbook: the weights cannot be written to {tmp_path / 'weights.safetensors'} (") and err.count("\n") == 1
    assert err.endswith("the training is whole in checkpoint.safetensors; make room and run the same command again.\n")
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.NAME] and run(words) == 0 and (tmp_path / "weights.safetensors").is_file()


def test_a_signal_ends_the_command_with_the_status_for_another_run(tmp_path, monkeypatch, capsys):
    """A real signal to this process, at the first of three steps; it is seen before the second, which is still done."""
    real = with_torch.train
    monkeypatch.setattr(with_torch, "train", lambda *given, **named: real(
        *given, **named, on_step=lambda step, _: step == 1 and os.kill(os.getpid(), signal.SIGUSR1)))
    assert run(["--out", str(tmp_path), "--epochs", "1", "--batch", "400"]) == command.REQUEUE
    assert capsys.readouterr().err.startswith("dlbook: stopped by a signal after step 2 of 3; run the same command again")
    monkeypatch.undo()
    assert run(["--out", str(tmp_path), "--epochs", "1", "--batch", "400"]) == 0
    assert "3 steps on 1 process in" in capsys.readouterr().out


def test_keras_still_cannot():
    """What the command says of Keras is true of the installed one; where this fails, Keras has learnt it.

    Its source is read, since importing Keras takes longer than all the rest.
    """
    import ast
    from importlib.util import find_spec

    backends = Path(find_spec("keras").origin).parent / "src" / "backend"
    offered = {name: {node.name for node in ast.parse((backends / name / "distribution_lib.py").read_text()).body
                      if isinstance(node, ast.FunctionDef)} for name in ("tensorflow", "jax")}
    assert "initialize" in offered["jax"] and "initialize" not in offered["tensorflow"]


def launch(folder, *words, restarts=0):
    """Two gloo processes by torchrun, one thread each, on the embedded digits."""
    environment = {name: value for name, value in os.environ.items() if name not in spec.VARIABLES.values()}
    environment |= {"DLBOOK_THREADS": "1", "OMP_NUM_THREADS": "1", "DLBOOK_PROFILE": "quick",
                    "PYTHONPATH": os.pathsep.join([str(ROOT / "code"), os.environ.get("PYTHONPATH", "")])}
    settings = ["--epochs", str(SHORT.epochs), "--batch", str(SHORT.batch_size), "--every", "1"]
    return subprocess.Popen([*TORCHRUN, "--max-restarts", str(restarts), "--monitor-interval", "0.1", "-m", "dlbook.train.distributed",
                             "--out", str(folder), *settings, *words],
                            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_two_processes_one_killed_give_the_result_of_one(tmp_path):
    """Two processes; one is killed after the first checkpoint; torchrun starts them again, and they end where one alone does."""
    import psutil

    job = launch(tmp_path, restarts=1)
    killed = None
    for _ in range(6000):
        if job.poll() is not None or (tmp_path / checkpoint.NAME).exists():
            workers = psutil.Process(job.pid).children() if job.poll() is None else []
            killed = next(w for w in workers if w.environ()["RANK"] == "1")
            killed.send_signal(signal.SIGKILL)
            break
        time.sleep(0.02)
    said, _ = job.communicate(timeout=600)
    assert killed is not None and job.returncode == 0, said
    assert "4 steps on 2 processes" in said and "of the test images read" in said and "Traceback" not in said
    network, done = with_torch.train(data.digits("quick"), SHORT)
    found = runs.load_weights(tmp_path / "weights.safetensors")
    assert worst(found, weights(network)) < 1e-4
    about, losses = runs.about(tmp_path / checkpoint.NAME), runs.load_weights(tmp_path / checkpoint.NAME)["losses"]
    np.testing.assert_allclose(losses, done.losses, rtol=1e-4)
    for name, values in done.history.items():
        assert about["history"][name] == pytest.approx(values, rel=1e-4), name
    assert json.dumps(about["identity"]) and about["step"] == 4
    assert digit_twin.predict(digit_twin.load(tmp_path / "weights.safetensors"), np.zeros((1, 28, 28))).shape == (1, 10)
