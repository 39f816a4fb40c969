"""The benchmark of the NumPy convolution: its arguments, its table, tiny cases, and peers that compute something else."""
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

PATH = Path(__file__).resolve().parents[1] / "benchmarks" / "basics.py"
TINY = {"grey, one 3 x 3": (1, 9, 1, 1, 3), "first layer": (2, 7, 3, 2, 3)}


@pytest.fixture
def benchmark(monkeypatch):
    """The program as a module, with tiny images."""
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("benchmarks_basics", PATH))
    monkeypatch.setitem(sys.modules, "benchmarks_basics", module)
    for name in ("DLBOOK_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # main changes both; they are put back
    module.__spec__.loader.exec_module(module)
    monkeypatch.setattr(module, "CASES", TINY)
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


def test_tiny_images_beside_both_peers(benchmark, tmp_path, capsys):
    path = tmp_path / "speeds.json"
    speeds = benchmark.main(["--repeats", "2", "--json", str(path)])
    assert {(s.case, s.dtype, s.peer) for s in speeds} == {(c, d, p) for c in TINY for d in ("float32", "float64") for p in ("scipy", "torch")}
    assert all(s.ours >= s.ours_least > 0 and s.theirs >= s.theirs_least > 0 for s in speeds)
    kept, printed = json.loads(path.read_text()), capsys.readouterr().out
    assert kept["threads"] == 1 and [row["ratio"] for row in kept["speeds"]] == [s.theirs / s.ours for s in speeds]
    assert all(f"{s.ratio:.2f}" in printed for s in speeds)


def test_a_record_keeps_how_it_was_made(benchmark, monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark, "RECORD", tmp_path / "basics" / "speed.json")
    speeds = benchmark.main(["--record", "--repeats", "1"])
    kept = json.loads(benchmark.RECORD.read_text())
    assert kept["command"] == "benchmarks/basics.py --record --repeats 1" and len(kept["commit"]) == 40 and kept["machine"]["cores"] > 0
    assert {"numpy", "scipy", "torch"} <= set(kept["versions"]) and kept["threads"] == 1 and kept["repeats"] == 1
    assert kept["cases"]["first layer"] == {"images": 2, "side": 7, "channels": 3, "kernels": 2, "size": 3}
    assert [row["theirs_least"] for row in kept["speeds"]] == [s.theirs_least for s in speeds]


def test_the_chapter_has_a_whole_record(benchmark):
    kept = json.loads((PATH.parents[1] / "runs" / "basics" / "convolution" / "speed.json").read_text())
    module = importlib.util.module_from_spec(benchmark.__spec__)
    benchmark.__spec__.loader.exec_module(module)  # its own cases, not the tiny ones
    assert {(s["case"], s["dtype"], s["peer"]) for s in kept["speeds"]} == {(c, d, p) for c in module.CASES for d in ("float32", "float64") for p in module.PEERS}


def test_both_take_turns(benchmark):
    turns = []
    mine, theirs = benchmark.in_turn(lambda: turns.append("A"), lambda: turns.append("B"), 3)
    assert "".join(turns) == "AB" * 5 and len(mine) == len(theirs) == 3


@pytest.mark.parametrize("peer", ["scipy", "torch"])
def test_a_peer_that_computes_something_else_is_refused(benchmark, monkeypatch, peer):
    job = getattr(benchmark, f"{peer}_job")
    monkeypatch.setattr(benchmark, f"{peer}_job", lambda *arguments: lambda: job(*arguments)() + 0.1)
    with pytest.raises(RuntimeError, match=f"ours and {peer}'s convolution do not compute the same for 'first layer'"):
        benchmark.jobs("first layer", "float64")


def test_the_kernel_is_used_as_it_is(benchmark):
    x, kernel = np.zeros((1, 5, 5, 1)), np.arange(9.0).reshape(3, 3, 1, 1)
    x[0, 2, 2] = 1
    assert benchmark.our_job(x, kernel)()[0, :, :, 0].tolist() == kernel[::-1, ::-1, 0, 0].tolist()


@pytest.mark.parametrize("words, said", [(["--only", "vgg"], "vgg"), (["--threads", "0"], "above 0; got '0'"), (["--dtype", "float16"], "float16"), (["--record", "--dtype", "float32"], "both precisions")])
def test_a_slip_on_the_command_line_is_said(benchmark, capsys, words, said):
    with pytest.raises(SystemExit) as end:
        benchmark.main(words)
    assert end.value.code == 2 and said in capsys.readouterr().err
