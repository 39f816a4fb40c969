"""The benchmark of style transfer: its arguments, its table, and measurements of a narrow network."""
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dlbook import profile

profile.setup()

from dlbook.style.gatys import spec, with_keras, with_torch  # noqa: E402  (profile.setup comes first)

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "style.py"
TWINS = {"torch": with_torch, "keras": with_keras}


@pytest.fixture
def benchmark(monkeypatch):
    """The program as a module, with a narrow network in place of the real one."""
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("benchmarks_style", PATH))
    for name in ("DLBOOK_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, str(profile.current().threads))  # main changes both; they are put back
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setitem(sys.modules, module.__name__, module)
    module.__spec__.loader.exec_module(module)
    module.REAL = module.NETWORK
    narrow = tuple(layer if layer == "M" else 4 for layer in module.NETWORK.layers)
    monkeypatch.setattr(module, "NETWORK", replace(module.NETWORK, layers=narrow))
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


@pytest.mark.parametrize("framework", TWINS)
def test_a_narrow_network_is_timed_beside_its_peers(benchmark, tmp_path, capsys, framework):
    path, threads = tmp_path / "times.json", profile.current().threads  # TensorFlow cannot change its own any more
    times = benchmark.main(["--framework", framework, "--threads", str(threads), "--repeats", "1", "--size", "32", "--precision", "network",
                            "--json", str(path)])
    assert [(t.peer, t.task) for t in times] == [(peer, task) for peer in benchmark.PEERS for task in benchmark.TASKS[framework]]
    assert all(t.size == 32 and t.framework == framework and t.ours > 0 and t.plain > 0 and t.ratio == t.plain / t.ours for t in times)
    kept, printed = json.loads(path.read_text()), capsys.readouterr().out
    assert kept["threads"] == threads and [row["ratio"] for row in kept["times"]] == [t.ratio for t in times]
    assert all(f"{t.ratio:.2f}" in printed for t in times)


@pytest.mark.parametrize("framework", TWINS)
@pytest.mark.parametrize("peer", ["tutorial", "careful"])
def test_the_peers_ask_the_same(benchmark, framework, peer):
    """The same losses and gradient as ours, in either precision."""
    network = TWINS[framework].vgg.vgg(benchmark.NETWORK)
    plain = {"torch": benchmark.torch_jobs, "keras": benchmark.keras_jobs}[framework](network, 32, peer)["gradient"]()
    for precision in spec.PRECISIONS:
        ours = benchmark.our_jobs(TWINS[framework], network, 32, precision)["gradient"]()
        assert ours[1].shape == plain[1].shape == (32, 32, 3)
        benchmark.same(ours, plain, precision)


def test_what_the_tutorial_wastes(benchmark, monkeypatch):
    """Its weights get gradients and its last layer is computed; neither is so in the careful loop."""
    network = with_torch.vgg.vgg(benchmark.NETWORK)
    for peer in benchmark.PEERS:
        models = []
        monkeypatch.setattr(torch.nn, "Sequential", lambda *layers, f=torch.nn.Sequential: models.append(f(*layers)) or models[-1])
        benchmark.torch_jobs(network, 32, peer)["gradient"]()
        monkeypatch.undo()
        convolutions = [layer for layer in models[0] if isinstance(layer, torch.nn.Conv2d)]
        assert len(convolutions) == {"tutorial": 16, "careful": 13}[peer]
        assert (convolutions[0].weight.grad is not None) == (peer == "tutorial")


def test_a_peer_that_computes_something_else_is_refused(benchmark):
    gradient = np.ones((4, 4, 3))
    benchmark.same(({"style": 1.0}, gradient), ({"style": 1.0}, gradient), "network")
    with pytest.raises(RuntimeError, match="do not compute the same: their gradients differ by 1 of their length, network"):
        benchmark.same(({"style": 1.0}, 2 * gradient), ({"style": 1.0}, gradient), "network")
    with pytest.raises(RuntimeError, match="do not compute the same: the style loss is 1 and 2, bfloat16"):
        benchmark.same(({"style": 1.0}, gradient), ({"style": 2.0}, gradient), "bfloat16")


def test_the_real_network_is_that_of_the_course(benchmark):
    assert benchmark.REAL == spec.architecture() and benchmark.SIZES == (256, 512)
    assert sorted(benchmark.places().values()) == sorted(spec.SETTINGS.layers)


@pytest.mark.parametrize("words, said", [(["--size", "0"], "above 0; got '0'"), (["--peer", "best"], "best"), (["--framework", "jax"], "jax")])
def test_a_slip_on_the_command_line_is_said(benchmark, capsys, words, said):
    with pytest.raises(SystemExit) as end:
        benchmark.main(words)
    assert end.value.code == 2 and said in capsys.readouterr().err
