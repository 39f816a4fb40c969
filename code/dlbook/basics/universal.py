"""One hidden layer is enough to come as near to a function as you like: weights that are written down, and weights that are learnt.

Source: Cybenko (1989) and Hornik, Stinchcombe and White (1989) for the theorem; the construction with ReLUs is folklore.
"""
import numpy as np

from dlbook.basics.activations import ReLU
from dlbook.basics.dense import Dense
from dlbook.basics.network import Network, fit
from dlbook.basics.squared import SquaredError

PLACES = np.linspace(-1, 1, 257)[:, None]  # N, 1: where the function is known
EPOCHS, BATCH, RATE = 300, 32, 0.05


def target(x):
    """A wavy function with a kink: numbers of any shape -> numbers of the same shape."""
    return np.sin(np.pi * x) + 0.5 * np.abs(x - 0.2) * np.cos(5 * x)


def constructed(width, f=target):
    """A network of ReLUs whose weights are calculated: it joins width + 1 points of the function by straight lines.

    Args:
        width: hidden units, each the place of one kink.
        f: a function of numbers from -1 to 1.

    Returns:
        basics.Network from (N, 1) to (N, 1).

    Raises:
        ValueError: no unit.
    """
    if width < 1:
        raise ValueError(f"a hidden layer has 1 unit or more; got {width}.")
    knots = np.linspace(-1, 1, width + 1)  # t_0 to t_n
    heights = f(knots)
    slopes = np.diff(heights) / np.diff(knots)  # s_k, of the straight pieces
    network = Network(Dense(1, width), ReLU(), Dense(width, 1))
    first, _, last = network.modules
    # g(x) = f(t_0) + sum over k of (s_k - s_k-1) max(0, x - t_k), with s_-1 = 0
    first.weights["weight"], first.weights["bias"] = np.ones((width, 1)), -knots[:-1]  # max(0, x - t_k)
    last.weights["weight"], last.weights["bias"] = np.diff(slopes, prepend=0)[None], heights[:1]  # s_k - s_k-1, and f(t_0)
    return network


def drawn(width, seed):
    """A network to be trained: random slopes, and kinks spread over the whole range.

    Args:
        width: hidden units.
        seed: whole number.

    Returns:
        basics.Network from (N, 1) to (N, 1).
    """
    rng = np.random.default_rng([seed, width])
    first = Dense(1, width, rng, scale=1)
    # The kink of w x + b is at -b / w.
    first.weights["bias"] = -first.weights["weight"][:, 0] * rng.uniform(-1, 1, width)
    return Network(first, ReLU(), Dense(width, 1, rng, scale=np.sqrt(1 / width)))


def learnt(width, seed, f=target, on_epoch=None):
    """The same kind of network, trained by gradient descent.

    Args:
        width: hidden units.
        seed: starting weights and order.
        f: a function of numbers from -1 to 1.
        on_epoch: called as on_epoch(network, epoch) before the first epoch and after each.

    Returns:
        basics.Network from (N, 1) to (N, 1).
    """
    network = drawn(width, seed)
    look = on_epoch and (lambda epoch: on_epoch(network, epoch))
    fit(network, PLACES, f(PLACES), EPOCHS, BATCH, RATE, seed, SquaredError(), on_epoch=look)
    return network


def error(network, f=target):
    """Root mean square difference between a network and a function, over 257 places from -1 to 1."""
    return float(np.sqrt(((network.forward(PLACES) - f(PLACES)) ** 2).mean()))
