"""Are the gradients right? What `backward` says, against what really happens when a number is moved a little.

Source: the five-point formula is that of Abramowitz and Stegun (1964), equation 25.3.6, with x in the middle.
"""
import copy

import numpy as np

# The step of the differences. The formula's own error falls with its fourth power, 1e-12, and that of rounding, 1e-16 / step, is 1e-13:
# at least ten digits of a gradient can be checked, mostly eleven or twelve. The ordinary difference of two points is wrong by step^2: with this
# step it has six to seven, with its own best one, 1e-5, ten or eleven at most.
STEP = 1e-3


def slope(f, array, step=STEP):
    """Gradient of a function, by moving each entry of an array up and down.

    Args:
        f: called without arguments, returns a float that depends on the entries of `array`.
        array: float64 array of any shape; its entries are moved, and put back.
        step: how far; within twice this distance the function must have no kink.

    Returns:
        array of the same shape: df/d(entry).

    Raises:
        ValueError: an array of another precision.
    """
    if getattr(array, "dtype", None) != np.float64:
        raise ValueError(f"differences need float64; got {getattr(array, 'dtype', type(array).__name__)}, in which rounding would hide most digits.")
    found = np.zeros_like(array)
    for at in np.ndindex(array.shape):
        before, values = array[at], []
        for k in (-2, -1, 1, 2):
            array[at] = before + k * step
            values.append(f())
        array[at] = before
        a, b, c, d = values
        # f' = (f(x - 2h) - 8 f(x - h) + 8 f(x + h) - f(x + 2h)) / 12 h
        found[at] = (a - 8 * b + 8 * c - d) / (12 * step)
    return found


def module(module, x, seed=0, training=False, step=STEP):
    """Check the way back of a module.

    The outputs are weighed with random numbers r and added up; the gradient of this sum by the outputs is r. For every call a copy of the module
    goes forward, so that one with random draws draws the same.

    Args:
        module: Module.
        x: (N, ...) float64 inputs, further than two steps from any kink.
        seed: of the random numbers.
        training: handed to `forward`.
        step: of the differences.

    Returns:
        dict of name to relative difference, as `apart` counts it: `x`, and each weight.
    """
    x = np.array(x, np.float64)
    went = copy.deepcopy(module)
    r = np.random.default_rng(seed).normal(size=went.forward(x, training).shape)
    by_x = went.backward(r)
    total = lambda: float((r * copy.deepcopy(module).forward(x, training)).sum())
    found = {"x": apart(slope(total, x, step), by_x)}
    for name, weight in module.weights.items():
        found[name] = apart(slope(total, weight, step), went.gradients[name])
    return found


def loss(loss, y, targets, step=STEP):
    """Check the way back of a loss.

    Args:
        loss: has forward(y, targets) and backward().
        y: (N, K) float64 outputs of a network.
        targets: as the loss wants them.
        step: of the differences.

    Returns:
        float: the relative difference, as `apart` counts it.
    """
    y = np.array(y, np.float64)
    loss.forward(y, targets)
    by_y = loss.backward()
    return apart(slope(lambda: loss.forward(y, targets), y, step), by_y)


def apart(true, found):
    """Largest difference between two gradients, relative to the largest entry of the first (of 1e-3 where all are smaller).

    Args:
        true, found: arrays.

    Returns:
        float; infinity where the shapes differ or something is not finite.
    """
    true, found = np.asarray(true), np.asarray(found)
    if true.shape != found.shape or not np.isfinite(true - found).all():
        return float("inf")
    return float(np.abs(true - found).max() / max(np.abs(true).max(), 1e-3))
