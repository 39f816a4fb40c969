"""Two jobs timed in turn, for all benchmarks."""
import argparse
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
