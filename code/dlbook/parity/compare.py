"""How far two results are apart, relative to their size."""
from dataclasses import dataclass

import numpy as np

AUXILIARY = 0.3  # weight of an auxiliary head's loss: Szegedy et al. (2014), section 5


@dataclass(frozen=True)
class Steps:
    """What a few steps of gradient descent gave.

    Args:
        losses: loss before each step.
        gradients: dict of weight name to the gradient at the first step, in the exchange format.
        weights: dict of weight name to its value after the last step, in the exchange format.
    """
    losses: list
    gradients: dict
    weights: dict


def difference(a, b):
    """Largest difference between two arrays, relative to the largest absolute value of the first.

    Args:
        a, b: arrays of the same shape.

    Returns:
        float; 0 when they are equal, infinity when only one has values that are not finite.

    Raises:
        ValueError: the shapes differ.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {a.shape} and {b.shape}.")
    if not np.isfinite(a - b).all():
        return float("inf")
    return float(np.abs(a - b).max() / max(np.abs(a).max(), np.finfo(float).tiny))


def worst(a, b):
    """The entry of two dicts of arrays that differs most.

    Args:
        a, b: dicts with the same names.

    Returns:
        (name, relative difference).

    Raises:
        ValueError: the names or shapes differ.
    """
    if a.keys() != b.keys():
        raise ValueError(f"names differ: {sorted(a.keys() ^ b.keys())} are in one only.")
    return max(((name, difference(a[name], b[name])) for name in a), key=lambda pair: pair[1])
