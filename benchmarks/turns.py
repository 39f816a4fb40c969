"""Two jobs timed in turn, and what is kept of a measurement, for all benchmarks."""
import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

WARM_UP = 2  # turns that do not count


def positive(word):
    """A whole number above 0."""
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"it must be a whole number above 0; got {word!r}")
    return int(word)


def alternate(ours, peer, repeats):
    """Run two jobs in turn.

    Args:
        ours, peer: functions without arguments.
        repeats: turns that count, after the warm-up.

    Returns:
        (median seconds of ours, of the peer).
    """
    for _ in range(WARM_UP):
        ours(), peer()
    seconds = [[], []]
    for _ in range(repeats):
        for job, into in zip((ours, peer), seconds, strict=True):
            start = time.perf_counter()
            job()
            into.append(time.perf_counter() - start)
    return tuple(statistics.median(values) for values in seconds)


def compare(kind, options, measure, apart, table):
    """Measure one framework here, or several each in a process of its own; print the table and write the JSON file.

    Args:
        kind: name of the list in the file.
        options: the command line's, with `framework`, `threads` and `json`.
        measure: function of the options that measures here.
        apart: function of (framework, options) that measures in another process.
        table: function of what was found that returns text.

    Returns:
        list of what was found.
    """
    os.environ["DLBOOK_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(options.threads)
    if len(options.framework) == 1:
        found = measure(options)
    else:
        found = [one for framework in options.framework for one in apart(framework, options)]
    print(table(found), flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(report(kind, found, options), indent=1) + "\n")
    return found


def made(*command):
    """How, when and where a measurement that is recorded was made.

    Args:
        command: the words that made it, the program's file first.

    Returns:
        dict of `command`, `commit`, `date`, `versions`, `system` and `machine`.
    """
    from dlbook import machine

    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True).stdout.strip()
    return {"command": " ".join(command), "commit": commit, "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "versions": machine.versions(), "system": platform.platform(), "machine": {"processor": machine.processor(), "cores": os.cpu_count()}}


def report(kind, found, options):
    """What the JSON file holds.

    Args:
        kind: name of the list, for example `times`.
        found: list of dataclasses with a `ratio`.
        options: the command line's, with `threads` and `repeats`.

    Returns:
        dict of the machine that they were measured on, the options and the list.
    """
    from dlbook import machine

    return {"processor": machine.processor(), "versions": machine.versions(), "threads": options.threads, "repeats": options.repeats,
            kind: [dataclasses.asdict(one) | {"ratio": one.ratio} for one in found]}
