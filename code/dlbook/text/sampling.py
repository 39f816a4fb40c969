"""Choosing the next symbol: temperature, top-k, nucleus. In NumPy and float64, so that both twins write the same text."""
from dataclasses import dataclass
from numbers import Integral

import numpy as np


@dataclass(frozen=True)
class Sampling:
    """How the next symbol is chosen from a network's logits.

    Args:
        temperature: logits are divided by it; below 1 bolder, above 1 more adventurous, 0 always the best.
        top_k: choose among that many best symbols; None among all.
        top_p: choose among the best symbols that together have this probability, a nucleus; None among all.

    Raises:
        ValueError: a value out of its range.

    Source: top-k: Fan et al. (2018), section 5; nucleus: Holtzman et al. (2020), section 3.1.
    """
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self):
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature must be a finite number, 0 or above; got {self.temperature}.")
        if self.top_k is not None and not (isinstance(self.top_k, Integral) and self.top_k >= 1):
            raise ValueError(f"top_k must be a whole number, at least 1, or None for all symbols; got {self.top_k}.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is a probability, above 0 and at most 1, or None; got {self.top_p}.")


def probabilities(logits, sampling=None):
    """With what probability each symbol is chosen.

    Args:
        logits: (V,) floating point.
        sampling: Sampling.

    Returns:
        (V,) float64 array that sums to 1.

    Raises:
        ValueError: a logit is not a number, or none is finite, or they are no row.
    """
    sampling, z = sampling or Sampling(), _checked(logits)
    if sampling.temperature == 0:
        return np.eye(len(z))[z.argmax()]
    # p_i = exp(z_i / T) / sum_j exp(z_j / T)
    with np.errstate(over="ignore"):  # a tiny temperature: minus infinity, probability 0
        p = np.exp((z - z.max()) / sampling.temperature)
    if sampling.top_k is not None:
        p[_best_first(z)[sampling.top_k:]] = 0
    p /= p.sum()
    # All of them reach 1, but rounded they may do so too early.
    if sampling.top_p is not None and sampling.top_p < 1:
        # The smallest set of best symbols whose probability reaches top_p:
        # what comes before a symbol does not reach it yet.
        order = _best_first(z)
        before = np.concatenate([[0.0], np.cumsum(p[order])[:-1]])
        p[order[before >= sampling.top_p]] = 0
        p /= p.sum()
    return p


def _best_first(z):
    return np.argsort(-z, kind="stable")  # among equals the first


def _checked(logits):
    z = np.asarray(logits, np.float64)
    if z.ndim != 1 or not len(z):
        raise ValueError(f"the logits of one symbol are a row (V,); got shape {z.shape}.")
    if np.isnan(z).any() or np.isposinf(z).any():
        raise ValueError("the network returned a logit that is not a finite number; it may have diverged in training.")
    if np.isneginf(z).all():
        raise ValueError("all logits are minus infinity, so that no symbol can be chosen; leave at least one of them finite.")
    return z


def choose(logits, rng, sampling=None):
    """Choose the next symbol.

    Args:
        logits: (V,) floating point.
        rng: numpy.random.Generator.
        sampling: Sampling.

    Returns:
        int from 0 to V - 1.

    Raises:
        ValueError: a logit is not a number.
    """
    # The first symbol at which the summed probability passes a random number; one of probability 0 never is.
    cumulated = np.cumsum(probabilities(logits, sampling))
    return int(np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right"))


def generate(reader, prompt, length, sampling=None, seed=0):
    """Write on from a prompt, one symbol at a time.

    Args:
        reader: function of (T,) new symbols that returns the logits (V,) of what follows all that it has been given so far.
        prompt: (T,) numbers of at least one symbol.
        length: symbols to write.
        sampling: Sampling.
        seed: whole number; the same seed gives the same text.

    Yields:
        int: the next symbol.

    Raises:
        ValueError: an empty prompt, or a negative length.
    """
    if len(prompt) < 1:
        raise ValueError("the prompt is empty; give at least one symbol to start from.")
    if length < 0:
        raise ValueError(f"length counts symbols and cannot be negative; got {length}.")
    rng, new = np.random.default_rng(seed), np.asarray(prompt, np.int64)
    for _ in range(length):
        new = np.array([choose(reader(new), rng, sampling)])
        yield int(new[0])
