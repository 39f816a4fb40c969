"""Two jobs timed in turn, and what is kept of them, for all benchmarks."""
import argparse
import dataclasses
import statistics
import time

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
