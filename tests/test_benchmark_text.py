"""The benchmark of the text networks: its arguments, its table, and measurements of tiny networks."""
import dataclasses
import importlib
import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from dlbook import profile

profile.setup()

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "text.py"


@pytest.fixture
def benchmark(monkeypatch):
    """The program as a module, with tiny networks in place of the real ones."""
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("benchmarks_text", PATH))
    monkeypatch.setitem(sys.modules, "benchmarks_text", module)
    for name in ("DLBOOK_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # main changes both; they are put back
    module.__spec__.loader.exec_module(module)
    monkeypatch.setattr(module, "ours_of", tiny)
    monkeypatch.setattr(module, "BATCH", 2)
    monkeypatch.setattr(module, "WINDOW", 8)
    monkeypatch.setattr(module, "WRITTEN", {"torch": 10, "keras": 3})
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


def tiny(name, framework):
    system, build = ("transformer.gpt", "gpt") if name.startswith("gpt") else ("rnn.text", "text_network")
    spec = importlib.import_module(f"dlbook.{system}.spec")
    twin = importlib.import_module(f"dlbook.{system}.with_{framework}")
    a = spec.Architecture(65, context=16, width=8, layers=1, heads=2) if name.startswith("gpt") else spec.Architecture(65, units=4)
    return twin, getattr(twin, build)(a), a


@pytest.mark.parametrize("framework, tasks", [("torch", {("lstm-small", "train"), ("lstm-small", "generate"), ("gpt-small", "train"), ("gpt-small", "generate")}),
                                              ("keras", {("lstm-small", "train"), ("lstm-small", "generate")})])
def test_tiny_networks_beside_their_peers(benchmark, tmp_path, capsys, framework, tasks):
    path = tmp_path / "speeds.json"
    speeds = benchmark.main(["--only", "lstm-small", "gpt-small", "--framework", framework, "--threads", "2", "--repeats", "1", "--json", str(path)])
    assert {(s.network, s.task) for s in speeds} == tasks and all(s.ours > 0 and s.peer > 0 for s in speeds)
    kept, printed = json.loads(path.read_text()), capsys.readouterr().out
    assert kept["threads"] == 2 and [row["ratio"] for row in kept["speeds"]] == [s.ours / s.peer for s in speeds]
    assert all(f"{s.ratio:.2f}" in printed for s in speeds)


def test_a_peer_that_computes_something_else_is_refused(benchmark, monkeypatch):
    plain = benchmark.torch_plain

    def wrong(ours, a):
        peer = plain(ours, a)
        with torch.no_grad():
            peer.logits.bias += 0.01
        return peer

    monkeypatch.setattr(benchmark, "torch_plain", wrong)
    with pytest.raises(RuntimeError, match="lstm-small and its peer do not compute the same: their logits differ by 0.01"):
        benchmark.torch_jobs("lstm-small")


def test_the_real_networks_are_those_of_the_course():
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("benchmarks_text_whole", PATH))
    sys.modules["benchmarks_text_whole"] = module
    module.__spec__.loader.exec_module(module)
    _, _, a = module.ours_of("lstm-small", "torch")
    assert dataclasses.astuple(a) == (65, 256, 2, "lstm", 0.0)
    del sys.modules["benchmarks_text_whole"]


@pytest.mark.parametrize("words, said", [(["--only", "vgg"], "vgg"), (["--threads", "0"], "above 0; got '0'"), (["--framework", "jax"], "jax")])
def test_a_slip_on_the_command_line_is_said(benchmark, capsys, words, said):
    with pytest.raises(SystemExit) as end:
        benchmark.main(words)
    assert end.value.code == 2 and said in capsys.readouterr().err
