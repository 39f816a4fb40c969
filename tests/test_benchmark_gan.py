"""The benchmark of DCGAN: its arguments, its table, and measurements of tiny networks."""
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from dlbook import profile

profile.setup()

from dlbook.gan.dcgan import spec  # noqa: E402  (profile.setup comes first)

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "gan.py"


@pytest.fixture
def benchmark(monkeypatch):
    """The program as a module, with tiny networks in place of the real ones."""
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("benchmarks_gan", PATH))
    for name in ("DLBOOK_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, str(profile.current().threads))  # main changes both; they are put back
    monkeypatch.setattr(sys, "path", sys.path[:])
    module.__spec__.loader.exec_module(module)
    module.REAL = dict(module.NETWORKS)
    tiny = spec.Architecture(side=16, channels=3, width=3, latent_dim=5)
    monkeypatch.setattr(module, "NETWORKS", {"small": (tiny, 4), "side64": (spec.Architecture(side=8, width=2), 3)})
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_tiny_networks_are_timed_beside_their_peers(benchmark, tmp_path, capsys, framework):
    path, threads = tmp_path / "speeds.json", profile.current().threads  # TensorFlow cannot change its own any more
    speeds = benchmark.main(["--framework", framework, "--threads", str(threads), "--repeats", "1", "--json", str(path)])
    assert [(s.network, s.framework, s.task) for s in speeds] == [(name, framework, "train") for name in ("small", "side64")]
    assert all(s.ours > 0 and s.peer > 0 for s in speeds)
    kept, printed = json.loads(path.read_text()), capsys.readouterr().out
    assert kept["threads"] == threads and [row["ratio"] for row in kept["speeds"]] == [s.ours / s.peer for s in speeds]
    assert all(f"{s.ratio:.2f}" in printed for s in speeds)


def test_ours_and_the_peer_learn(benchmark):
    """A step of each changes its losses: both optimizers are at work."""
    for jobs in (benchmark.torch_jobs, benchmark.keras_jobs):
        for job in jobs(*benchmark.NETWORKS["small"]):
            first, second = ([float(loss) for loss in found] for found in (job(), job()))
            assert len(first) == 2 and all(a != b for a, b in zip(first, second))


def test_a_peer_that_computes_something_else_is_refused(benchmark, monkeypatch):
    plain = benchmark.torch_plain

    def wrong(gan):
        generator, discriminator = plain(gan)
        with torch.no_grad():
            generator[0].weight *= -1
        return generator, discriminator

    monkeypatch.setattr(benchmark, "torch_plain", wrong)
    with pytest.raises(RuntimeError, match="do not compute the same: their images differ by 0"):
        benchmark.torch_jobs(*benchmark.NETWORKS["small"])


def test_the_real_networks_are_those_of_the_course(benchmark):
    assert benchmark.REAL["small"] == (spec.small, spec.TRAINING["small"].batch_size)
    a, _ = benchmark.REAL["side64"]
    assert (a.side, a.channels, a.width, a.latent_dim, a.kernel) == (64, 3, 64, 100, 4)


@pytest.mark.parametrize("words, said", [(["--only", "vgg"], "vgg"), (["--threads", "0"], "above 0; got '0'"), (["--framework", "jax"], "jax")])
def test_a_slip_on_the_command_line_is_said(benchmark, capsys, words, said):
    with pytest.raises(SystemExit) as end:
        benchmark.main(words)
    assert end.value.code == 2 and said in capsys.readouterr().err
