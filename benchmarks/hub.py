"""Load of a classroom hub: so many students press the button of one chapter at the same moment and run all of it.

    sudo .venv/bin/python benchmarks/hub.py --students 1 4 8 --record

starts a hub of its own for each number (as `make hub` does), waits for the slowest student and ends it. Bounded: at most 16
students on this machine alone, and every step has its patience. `--before` leaves out what the hub sets to save time and memory.
"""
import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import psutil  # noqa: E402
from students import Student, code_of, megabytes_of  # noqa: E402  (found beside this file)
from turns import made  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "runs" / "hub" / "load.json"
PASSWORD = "benchmark-of-the-hub"
MOST = 16


def free_ports(count):
    """The first of so many free ports in a row."""
    for first in range(20000, 60000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    raise RuntimeError("no free ports")


@contextmanager
def running_hub(clone=ROOT, before=(), **given):
    """A hub of its own, started as `make hub` does, with its state in a new folder that is removed afterwards.

    Args:
        clone: the clone that students get.
        before: words of the command before Python.
        given: variables of the environment, as hub/jupyterhub_config.py lists them.

    Yields:
        (its address, its process, its environment).
    """
    state = Path(tempfile.mkdtemp(prefix="dlbook-hub-"))
    port = free_ports(4)
    given = {"DLBOOK_HUB_STATE": str(state / "state"), "DLBOOK_HUB_PORT": str(port), "DLBOOK_HUB_PASSWORD": PASSWORD,
             "PYTHONPATH": str(clone / "code"), "DLBOOK_HUB_SPAWNER": "folders"} | given
    environment = {name: value for name, value in (os.environ | given).items() if value is not None}
    hub = subprocess.Popen([*before, sys.executable, str(clone / "hub" / "start.py")], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        for line in hub.stdout:
            if line.startswith("Ctrl-C"):
                break
        else:
            log = state / "state" / "hub.log"  # goes with its folder, so its last words are told here
            raise RuntimeError(f"the hub did not start; its last words:\n{log.read_text(errors='replace')[-2000:] if log.is_file() else 'none'}")
        yield f"http://127.0.0.1:{port}", hub, environment
    finally:
        stop(hub, port)
        shutil.rmtree(state, ignore_errors=True)


def stop(hub, port):
    """End a hub and every student's server.

    Args:
        hub: the process of hub/start.py.
        port: its first one.
    """
    hub.send_signal(signal.SIGTERM)
    try:
        hub.wait(30)
    except subprocess.TimeoutExpired:
        hub.kill()
    theirs = list(processes_of(port))
    for process in theirs:
        process.kill()
    psutil.wait_procs(theirs, timeout=10)


def processes_of(port):
    """The students' programs that a hub has started."""
    for process in psutil.process_iter():
        try:
            if f":{port + 1}/" in process.environ().get("JUPYTERHUB_API_URL", ""):
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


class Memory(threading.Thread):
    """Looks every second at what the students' programs hold, and keeps the most."""

    def __init__(self, names):
        super().__init__(daemon=True)
        self.names, self.most, self.over = names, dict.fromkeys(names, 0.0), threading.Event()

    def run(self):
        """Look until it is over."""
        while not self.over.wait(1):
            for name, held in megabytes_of(self.names).items():
                self.most[name] = max(self.most[name], held)


def one_student(address, name, repository, branch, chapter):
    """What one student waits for: dict of seconds from the click."""
    start = time.monotonic()
    student = Student(address, name, PASSWORD)
    student.log_in()
    student.start()
    ready = time.monotonic() - start
    student.pull(repository, branch)
    pulled = time.monotonic() - start
    path = f"dlbook/book/{chapter}.ipynb"
    ran = student.run(code_of(student.read(path)), path)
    return {"server": ready, "course": pulled, "first_output": pulled + ran.first_output, "finished": pulled + ran.finished,
            "outputs": len(ran.outputs)}


def measure(count, chapter, before):
    """Let so many students do the same at the same moment.

    Args:
        count: students.
        chapter: name of the chapter.
        before: leave out what the hub sets to save time and memory.

    Returns:
        dict: `students`, the seconds of the slowest from its click (`server`, `course`, `first_output`, `finished`),
        `megabytes` of the student who held most, and `median_finished`.
    """
    names = [f"load{number}" for number in range(count)]
    built = ROOT / "_build" / "hub" / "_build" / "html"  # the site plays no part here
    with running_hub(DLBOOK_HUB_STUDENTS=str(count), DLBOOK_HUB_THRIFT="0" if before else "1",
                     DLBOOK_HUB_SITE=str(built) if (built / "index.html").is_file() else None) as (address, _, given):
        repository = f"{address}/services/course/git/dlbook"
        branch = subprocess.check_output(["git", "symbolic-ref", "--short", "HEAD"], cwd=ROOT, text=True).strip()
        memory = Memory(names)
        memory.start()
        with ThreadPoolExecutor(count) as pool:
            waits = list(pool.map(lambda name: one_student(address, name, repository, branch, chapter), names))
        memory.over.set()
    slowest = {key: round(max(wait[key] for wait in waits), 1) for key in ("server", "course", "first_output", "finished")}
    return {"students": count, **slowest, "median_finished": round(statistics.median(wait["finished"] for wait in waits), 1),
            "megabytes": round(max(memory.most.values())), "outputs": waits[0]["outputs"]}


def record(options, loads):
    """Everything that is kept of a measurement, as a dict."""
    return {**made("benchmarks/hub.py", *sys.argv[1:]), "chapter": options.chapter, "thrift": not options.before, "loads": loads}


def students(word):
    """A number of students that one machine may be asked for."""
    if not word.isdigit() or not 1 <= int(word) <= MOST:
        raise argparse.ArgumentTypeError(f"it must be a whole number from 1 to {MOST}; got {word!r}")
    return int(word)


def main(arguments=None):
    """Measure, print a table, and keep it where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=students, nargs="+", default=[1, 4, 8], help="how many at once, one measurement each (default: 1 4 8)")
    parser.add_argument("--chapter", default="digits", help="name of the chapter (default: digits)")
    parser.add_argument("--before", action="store_true", help="leave out what the hub sets to save time and memory")
    parser.add_argument("--record", action="store_true", help="write runs/hub/load.json for the sizing table of the page Launch")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    options = parser.parse_args(arguments)
    loads = []
    for count in options.students:
        loads.append(measure(count, options.chapter, options.before))
        print(json.dumps(loads[-1]), flush=True)
    found = record(options, loads)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.record:
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(json.dumps(kept(found, options.before), indent=1) + "\n")


def kept(found, before):
    """What the record holds from now on: the new measurement, and the other kind's as it was."""
    last = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    if before:
        return last | {"before": {key: found[key] for key in ("command", "commit", "date", "loads")}}
    return found | {key: last[key] for key in ("before",) if key in last}


if __name__ == "__main__":
    main()
