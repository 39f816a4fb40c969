"""The order in which images are shown, drawn in NumPy so that both twins see the same batches."""
import numpy as np


def order(n, batch_size, epoch, seed):
    """Shuffle n examples and cut them into batches.

    Args:
        n: number of examples.
        batch_size: examples a batch; the last may be smaller.
        epoch: whole number; each epoch has its own order.
        seed: whole number.

    Returns:
        list of (B,) int64 index arrays that together hold 0..n-1 once each.
    """
    shuffled = np.random.default_rng([seed, epoch]).permutation(n)
    return [shuffled[i:i + batch_size] for i in range(0, n, batch_size)]


def mirrored(n, epoch, seed):
    """Which examples are shown mirrored, left for right, in an epoch: half of them, drawn anew each time.

    Returns:
        (n,) array of bool.
    """
    return np.random.default_rng([seed, epoch, 1]).random(n) < 0.5


def steps(n, training):
    """Number of steps of a whole training of n examples."""
    return training.epochs * -(-n // training.batch_size)


def half_cosine(step, total, peak):
    """Learning rate that falls from `peak` at step 0 to 0 at step `total` along half a cosine.

    Source: Loshchilov and Hutter (2017), equation 5, without restarts.
    """
    # eta_t = eta_max / 2 (1 + cos(pi t / T))
    return peak / 2 * (1 + np.cos(np.pi * step / total))
