"""The benchmark of the zoo: its arguments, its table, and a measurement of a tiny network beside itself."""
import importlib.util
import json
import sys
import time
from pathlib import Path

import pytest
import torch
import zoo as eight_tests  # noqa: F401  (sets the frameworks up)

from dlbook.cnn.vgg import spec, with_keras, with_torch

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "zoo.py"
TINY = spec.Architecture((4, "M", 6, "M"), hidden=(8,), size=16, num_classes=3)


@pytest.fixture
def benchmark(monkeypatch):
    """The program as a module; `tiny` is its only network, and its peer is the network itself with other starting weights."""
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("benchmarks_zoo", PATH))
    monkeypatch.setitem(sys.modules, "benchmarks_zoo", module)
    monkeypatch.setenv("DLBOOK_THREADS", "1")  # main changes both; they are put back
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    module.__spec__.loader.exec_module(module)
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


def tiny(benchmark, a=TINY):
    def peer(framework):
        return lambda size: {"torch": with_torch, "keras": with_keras}[framework].vgg(a, seed=7)

    def keras_names(spec, a, model):
        return lambda name: name

    return {framework: {"tiny": benchmark.Pair("vgg", lambda _: TINY, peer(framework), keras_names)} for framework in benchmark.FRAMEWORKS}


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_a_tiny_network_beside_itself(benchmark, monkeypatch, tmp_path, capsys, framework):
    monkeypatch.setattr(benchmark, "NETWORKS", tiny(benchmark))
    path = tmp_path / "times.json"
    times = benchmark.main(["--framework", framework, "--threads", "2", "--json", str(path)])
    assert [found.task for found in times] == ["train", "infer 1", "infer 8"] and [found.batch for found in times] == [8, 1, 8]
    assert all(found.ours > 0 and found.peer > 0 and found.difference < 1e-5 and found.size == 16 for found in times)
    written = json.loads(path.read_text())
    assert written["threads"] == 2 and written["repeats"] == 7 and written["versions"]["python"]
    assert [row["ratio"] for row in written["times"]] == [found.ours / found.peer for found in times]
    assert capsys.readouterr().out == benchmark.table(times) + "\n"


def test_a_peer_that_computes_something_else_is_refused(benchmark, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr(benchmark, "NETWORKS", tiny(benchmark, replace(TINY, pooling="average")))
    with pytest.raises(RuntimeError, match="tiny in torch and its peer do not compute the same"):
        benchmark.main(["--framework", "torch", "--threads", "2"])


def test_turns_and_medians(benchmark, monkeypatch):
    """A B A B after the warm-up; the median and not the mean."""
    clock, order = [0.0], []

    def job(name, seconds):
        def run():
            order.append(name)
            clock[0] += seconds.pop(0)

        return run

    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    medians = benchmark.alternate(job("A", [9, 9, 1, 2, 60]), job("B", [9, 9, 4, 4, 4]), 3)
    assert order == ["A", "B"] * 5 and medians == (2, 4)


def test_the_table(benchmark):
    times = [benchmark.Time("resnet50", "torch", "infer 1", 224, 1, 0.0505, 0.101, 0.0)]
    head, line = benchmark.table(times).split("\n")
    assert head.split() == ["network", "framework", "task", "pixels", "ours", "ms", "peer", "ms", "ratio"]
    assert line.split() == ["resnet50", "torch", "infer", "1", "224", "50.5", "101.0", "0.50"]


def test_frameworks_run_in_processes_of_their_own(benchmark, monkeypatch):
    """Each child gets the networks that have a peer there, and the parent joins what they wrote."""
    def run(command, check, stdout):
        assert command[:2] == [sys.executable, str(PATH)]
        options = benchmark.arguments(command[2:])
        assert options.threads == 3 and options.size == 96 and options.repeats == 9
        found = [benchmark.Time(name, options.framework[0], "train", 96, 8, 1.0, 2.0, 0.0) for name in options.only]
        Path(options.json).write_text(json.dumps(sys.modules["turns"].report("times", found, options)))

    monkeypatch.setattr(benchmark.subprocess, "run", run)
    times = benchmark.main(["--only", "googlenet", "mobilenet_v1", "resnet50", "--threads", "3", "--size", "96", "--repeats", "9"])
    assert [(found.network, found.framework) for found in times] == [
        ("googlenet", "torch"), ("resnet50", "torch"), ("mobilenet_v1", "keras"), ("resnet50", "keras")]


@pytest.mark.parametrize("words, message", [
    (["--only", "resnet51"], "invalid choice: 'resnet51'"),
    (["--size", "0"], "it must be a whole number above 0; got '0'"),
    (["--only", "vgg16", "--size", "96"], "the peer of vgg16 in torch reads images of its own size only; leave --size out, or vgg16"),
    (["--only", "googlenet", "--framework", "keras"], "googlenet has no peer in keras"),
])
def test_a_slip_is_said_in_one_line(benchmark, capsys, words, message):
    with pytest.raises(SystemExit):
        benchmark.arguments(words)
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_every_network_is_one_of_ours(benchmark):
    """Each pair names a system, an architecture and a model that exist."""
    import importlib

    from keras import applications
    from peers import torchvision_models

    for networks in benchmark.NETWORKS.values():
        for name, pair in networks.items():
            found = importlib.import_module(f"dlbook.cnn.{pair.system}.spec")
            assert isinstance(pair.architecture(found), found.Architecture), name
    assert hasattr(torchvision_models(), "squeezenet1_0") and hasattr(applications, "NASNetMobile")
