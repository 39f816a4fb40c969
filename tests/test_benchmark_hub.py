"""The load benchmark of the hub: what it keeps, and that it is bounded."""
import json

import pytest
from benchmarks import hub


def test_it_takes_no_more_students_than_a_machine_may_be_asked_for(capsys):
    for word in ("0", "17", "many", "-1"):
        with pytest.raises(SystemExit):
            hub.main(["--students", word])
        assert "it must be a whole number from 1 to 16" in capsys.readouterr().err


def test_the_record_keeps_the_other_kind_of_measurement(tmp_path, monkeypatch):
    monkeypatch.setattr(hub, "RECORD", tmp_path / "hub" / "load.json")
    asked = []

    def measure(count, chapter, before):
        asked.append((count, chapter, before))
        return {"students": count, "finished": 1.0}
    monkeypatch.setattr(hub, "measure", measure)
    hub.main(["--students", "1", "4", "--record"])
    hub.main(["--students", "4", "--before", "--record"])
    hub.main(["--students", "8", "--record"])
    assert asked == [(1, "digits", False), (4, "digits", False), (4, "digits", True), (8, "digits", False)]
    kept = json.loads(hub.RECORD.read_text())
    assert [load["students"] for load in kept["loads"]] == [8] and [load["students"] for load in kept["before"]["loads"]] == [4]
    assert {"command", "commit", "date", "versions", "machine", "system"} <= kept.keys() and kept["thrift"] is True


def test_a_hub_that_does_not_start_leaves_its_last_words(tmp_path, monkeypatch):
    """Its folder is deleted, so the message has them."""
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "start.py").write_text("import os, pathlib\nstate = pathlib.Path(os.environ['DLBOOK_HUB_STATE'])\nstate.mkdir()\n"
                                               "(state / 'hub.log').write_text('first\\n' * 900 + 'no module named that')\n")
    with pytest.raises(RuntimeError, match="the hub did not start; its last words:\n(?s:.)*no module named that$") as told:
        with hub.running_hub(tmp_path):
            pass
    assert len(str(told.value)) < 2100


def test_ports_in_a_row_are_free():
    import socket

    first = hub.free_ports(4)
    for port in range(first, first + 4):
        with socket.socket() as one:
            one.bind(("127.0.0.1", port))
