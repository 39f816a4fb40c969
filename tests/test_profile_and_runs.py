"""Profiles, and recorded runs: how they are written, found and refused."""
import json
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from dlbook import profile, runs

ROOT = Path(__file__).resolve().parents[1]
FIELDS = {"command", "commit", "profile", "framework", "data", "versions", "hardware", "seconds", "seed", "metrics", "history"}


def test_quick_is_the_default(monkeypatch):
    monkeypatch.delenv("DLBOOK_PROFILE", raising=False)
    monkeypatch.delenv("DLBOOK_THREADS", raising=False)
    assert profile.current() == profile.PROFILES["quick"] and (profile.current().threads, profile.current().torch_threads) == (2, 1)


@pytest.mark.parametrize("name, value, words", [
    ("DLBOOK_PROFILE", "fast", "'fast'; it must be one of: quick, full"),
    ("DLBOOK_THREADS", "many", "'many'; it must be a whole number above zero"),
    ("DLBOOK_THREADS", "0", "'0'; it must be a whole number above zero"),
])
def test_wrong_settings_are_said(monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=words):
        profile.setup("torch")


def test_an_unknown_framework_is_said():
    with pytest.raises(ValueError, match="unknown framework 'jax'"):
        profile.setup("jax")


def test_setup_is_quiet_and_imports_only_what_is_asked():
    code = "import sys; from dlbook import profile; profile.setup('torch'); print('keras' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False True\n", "")


def test_setup_seeds_every_generator():
    code = ("import random, numpy as np; from dlbook import profile; profile.setup(seed=5); import torch, keras\n"
            "print(random.random(), np.random.rand(), torch.rand(1).item(), float(keras.random.uniform((1,))[0]))\n"
            "profile.setup(seed=5); print(random.random(), np.random.rand(), torch.rand(1).item(), float(keras.random.uniform((1,))[0]))\n"
            "print(torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    lines = done.stdout.splitlines()
    assert done.stderr == "" and lines[0] == lines[1] and lines[2] == "1 True"


@pytest.mark.parametrize("asked", ["", "'keras'"])
def test_pytorch_keeps_its_threads_when_setup_is_called_again(asked):
    """OpenMP's threads are limited anew each time; those of PyTorch are OpenMP's."""
    code = f"from dlbook import profile; profile.setup('torch'); import torch; profile.setup({asked}); print(torch.get_num_threads())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_every_module_of_the_package_leaves_the_standard_library_alone():
    import code

    assert "dlbook" not in code.__file__ and hasattr(code, "InteractiveConsole")
    assert not (ROOT / "code" / "__init__.py").exists()


def test_weights_come_back_whole_or_not_at_all(tmp_path):
    path = tmp_path / "w.safetensors"
    runs.save_weights({"b": np.arange(3.0), "a": np.ones((2, 2), np.float32)}, path, note="test")
    loaded = runs.load_weights(path)
    assert loaded["a"].dtype == np.float32 and np.array_equal(loaded["b"], np.arange(3.0))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        runs.load_weights(path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        runs.load_weights(tmp_path / "none.safetensors")


def test_the_same_weights_give_the_same_bytes(tmp_path):
    weights = {name: np.arange(3.0) for name in "cab"}
    for name in ("one", "two", "three"):
        runs.save_weights(dict(reversed(weights.items())) if name == "two" else weights, tmp_path / name, a=1, b="x", c=None, d=2)
    assert len({(tmp_path / name).read_bytes() for name in ("one", "two", "three")}) == 1


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.safetensors"
    runs.save_weights({"a": np.ones(2)}, path)
    with pytest.raises(Exception):
        runs.save_weights({"a": np.array(["text"])}, path)
    assert np.array_equal(runs.load_weights(path)["a"], np.ones(2)) and list(tmp_path.iterdir()) == [path]


def test_what_is_not_recorded_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    with pytest.raises(FileNotFoundError, match="make full RUN=cnn/digits"):
        runs.records("cnn/digits")
    with pytest.raises(FileNotFoundError, match="make full RUN=cnn/digits"):
        runs.checkpoint("cnn/digits")


def test_an_unknown_run_is_refused(capsys):
    assert runs.main(["cnn/none"]) == 2
    assert "cnn/digits" in runs.available()
    assert f"there is no full run 'cnn/none'; there are: {', '.join(runs.available())}." in capsys.readouterr().err


@pytest.mark.parametrize("words, said", [
    (["cnn/digits", "--framework", "jax"], "invalid choice: 'jax'"), (["cnn/digits", "--seed", "x"], "invalid int value: 'x'"),
    (["cnn/digits", "--seed", "-1"], "--seed"), ([], "required: system"),
])
def test_a_slip_on_the_command_line_is_said_in_one_line(capsys, words, said):
    with pytest.raises(SystemExit):
        runs.main(words)
    error = capsys.readouterr().err
    assert error.startswith("dlbook: ") and said in error and error.count("\n") == 1


def test_a_full_run_without_its_data_is_said_in_one_line(monkeypatch, capsys, tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist/train-images-idx3-ubyte.gz").write_bytes(b"damaged")
    monkeypatch.setenv("DLBOOK_MIRROR", str(tmp_path))
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DLBOOK_PROFILE", "full")
    assert runs.main(["cnn/digits", "--framework", "torch", "--seed", "0"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("dlbook: ") and "is damaged" in error and error.count("\n") == 1


def test_a_record_says_how_it_was_made(monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    monkeypatch.setattr(runs, "ROOT", ROOT)
    path = runs.record("cnn/digits", "torch", 4, {"files": ["mnist/t10k-labels-idx1-ubyte.gz"], "metrics": {"x": 1.0}, "history": {"x": [1.0]}}, 2.0)
    record = json.loads(path.read_text())
    assert FIELDS <= record.keys() and path.name == "torch-seed4.json"
    assert record["command"] == "make full RUN=cnn/digits FRAMEWORK=torch SEED=4"
    assert record["data"] == {"mnist/t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A system of two tasks whose runs take no time; what was run is in `toy.done`."""
    monkeypatch.delenv("DLBOOK_THREADS", raising=False)  # it would stand in the command
    full = types.ModuleType("dlbook.cnn.toy.full")
    full.TASKS, full.done = {"first": 1, "second": 2}, []

    def run(framework, seed, folder, task):
        full.done.append((framework, seed, task))
        folder.mkdir(parents=True, exist_ok=True)
        runs.save_weights({"a": np.full(1, seed)}, folder / f"{task}.safetensors")
        return {"files": (), "metrics": {"loss": float(seed)}, "history": {"loss": [1.0, float(seed)]}}

    full.run = run
    monkeypatch.setitem(sys.modules, "dlbook.cnn.toy.full", full)
    monkeypatch.setattr(runs, "available", lambda: ["cnn/toy"])
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    monkeypatch.setenv("DLBOOK_PROFILE", "full")
    return full


def test_one_task_of_several_is_recorded(toy, tmp_path):
    assert runs.main(["cnn/toy", "--task", "second", "--framework", "torch", "--seed", "3"]) == 0
    assert toy.done == [("torch", 3, "second")]
    assert sorted(path.name for path in (tmp_path / "runs/cnn/toy").iterdir()) == ["second-torch-seed3.json", "second.safetensors"]
    record, = runs.records("cnn/toy")
    assert record["task"] == "second" and record["command"] == "make full RUN=cnn/toy TASK=second FRAMEWORK=torch SEED=3"
    assert runs.records("cnn/toy", "second") == [record] and runs.checkpoint("cnn/toy", "second").name == "second.safetensors"
    with pytest.raises(FileNotFoundError, match="no recorded run of 'first' in .*make full RUN=cnn/toy TASK=first$"):
        runs.records("cnn/toy", "first")
    with pytest.raises(FileNotFoundError, match="first.safetensors; make them with: make full RUN=cnn/toy TASK=first$"):
        runs.checkpoint("cnn/toy", "first")
    with pytest.raises(FileNotFoundError, match="checkpoint.safetensors"):
        runs.checkpoint("cnn/toy")


def test_without_a_task_all_are_recorded(toy):
    assert runs.main(["cnn/toy", "--framework", "torch", "--seed", "0", "1"]) == 0
    assert toy.done == [("torch", 0, "first"), ("torch", 1, "first"), ("torch", 0, "second"), ("torch", 1, "second")]
    assert [record["task"] for record in runs.records("cnn/toy")] == ["first", "first", "second", "second"]
    assert [record["seed"] for record in runs.records("cnn/toy", "second")] == [0, 1]


def test_an_unknown_task_is_refused(toy, capsys):
    assert runs.main(["cnn/toy", "--task", "first", "third"]) == 2 and not toy.done
    assert capsys.readouterr().err == "cnn/toy has no task 'third'; there are: first, second.\n"
    del toy.TASKS
    assert runs.main(["cnn/toy", "--task", "first"]) == 2
    assert capsys.readouterr().err == "cnn/toy has no task 'first'; it is recorded without tasks.\n"


def test_make_hands_every_choice_on():
    """What a record says as its command is what `make` understands."""
    command = runs._command("cnn/toy", "first", "torch", 4)
    done = subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert "-m dlbook.runs cnn/toy --task first --framework torch --seed 4\n" in done.stdout


def test_asking_for_tasks_loads_no_framework():
    """`profile.setup` comes before Keras and PyTorch; the modules `full.py` are read before it."""
    code = ("import sys; from dlbook import runs; print([len(runs.tasks(system)) for system in runs.available()],"
            " 'torch' in sys.modules, 'tensorflow' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("[") and done.stdout.endswith("] False False\n"), done.stdout + done.stderr


# What a run without files of its own trains on: data that come with packages, whose versions stand in the record, or generated ones.
EMBEDDED = {"cnn/search", "gan/plane", "cnn/examples"}
# Measurements of finished networks, which have no curve.
MEASURED = {"cnn/recognise", "cnn/retrieval", "cnn/transfer"}
# One seed is enough where nothing is drawn: a convex problem, and pictures made from fixed weights.
ONCE = {"cnn/species", "explain/deconvnet", "explain/dream"}
# Three seeds in PyTorch alone: a network of the style chapters, which has no Keras training.
ONE_FRAMEWORK = {"fool/shortcut"}


@pytest.mark.parametrize("system", runs.available())
def test_shipped_records_are_whole(system):
    found = runs.records(system)
    for record in found:
        needed = FIELDS - ({"history"} if system in MEASURED else set())
        assert needed <= record.keys() and record["profile"] == "full" and not record["commit"].endswith("-dirty")
        assert len({len(values) for values in record.get("history", {}).values()}) <= 1  # one value an epoch, or a measurement, each
        assert all(len(checksum) == 64 for checksum in record["data"].values())
        assert record["data"] or system in EMBEDDED or record["task"] == "quick-language"
    seeds = {(record.get("task"), record["framework"], record["seed"]) for record in found}
    # Three seeds in both frameworks; of a system with tasks each task; of the search, whose table has 315 trainings, two seeds.
    assert len(seeds) == len(found) and (len(found) >= (3 if system in ONE_FRAMEWORK else 6) or runs.tasks(system) or system in {"cnn/search"} | ONCE)
    assert {record.get("task") for record in found} == set(runs.tasks(system) or [None])


WEIGHTS = sorted({path.parent.relative_to(ROOT / "runs").as_posix() for path in (ROOT / "runs").rglob("*.safetensors")})


def faults_of_card(folder):
    """What is missing in the model card of a folder of runs, or wrong: list of str."""
    card, files = folder / "README.md", [path.name for path in folder.glob("*.safetensors")]
    if not card.is_file():
        return ["there is no README.md"]
    text = card.read_text()
    records = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    known = {round(float(value), 4) for record in records for part in ("metrics", "reference") for value in _numbers(record.get(part, {}))}
    needed = {"the command": rf"make full RUN={folder.parent.name}/{folder.name}\b", "the data": r"(?i)\b(data|computed from|learnt from)\b",
              "a licence": r"(?i)\blicence\b", "what was measured": r"(?i)\bmeasured\b", "its limits": r"(?i)\blimits\b|not good for"}
    own = r"BSD-3-Clause \(`LICENSE`\)|that of the pets, CC BY-SA 4\.0"
    return ([f"it does not name {name}" for name in files if f"`{name}`" not in text]
            + [f"it lacks {what}" for what, pattern in needed.items() if not re.search(pattern, text)]
            + ["it does not give the weights' own licence"] * (not re.search(own, text))
            + [f"no record has {found}" for found in re.findall(r"\b\d\.\d{4}\b", text) if float(found) not in known])


def _numbers(metrics):
    return [value for value in metrics.values() if isinstance(value, (int, float))]


@pytest.mark.parametrize("folder", WEIGHTS)
def test_shipped_weights_have_a_model_card(folder):
    """Which files, from what data, under which licences, measured and for what; numbers of four digits are those of the records."""
    assert not faults_of_card(ROOT / "runs" / folder)


@pytest.mark.parametrize("change, said", [
    (("BSD-3-Clause", "GPL"), "weights' own licence"), (("RUN=cnn/mobilenet", "RUN=cnn/resnet"), "lacks the command"), (("0.9920", "0.9921"), "no record has 0.9921"),
    (("`fashion.safetensors`", "the other"), "does not name fashion.safetensors"), (("not good for", "also for"), "lacks its limits"),
])
def test_a_planted_fault_of_a_card_is_seen(tmp_path, change, said):
    folder = tmp_path / "cnn" / "mobilenet"
    folder.mkdir(parents=True)
    assert faults_of_card(folder) == ["there is no README.md"]
    for path in (ROOT / "runs/cnn/mobilenet").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    assert not faults_of_card(folder)
    (folder / "README.md").write_text((folder / "README.md").read_text().replace(*change))
    assert len(faults_of_card(folder)) == 1 and said in faults_of_card(folder)[0]
