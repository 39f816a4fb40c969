"""Layers that keep a game in balance without batch normalisation: their constants and starting weights.

Source: Karras, Aila, Laine and Lehtinen (2018), "Progressive growing of GANs for improved quality, stability, and variation" (arXiv
    1710.10196): section 3 (minibatch deviation), 4.1 (equalised learning rate), 4.2 (pixel normalisation), table 2 (the networks).
"""
import zlib

import numpy as np

SLOPE = 0.2  # of the leaky ReLU below zero: appendix A.1
TINY = 1e-8  # under the roots: section 4.2
GAIN = 2**0.5  # keeps the size of the signal through a leaky ReLU: He et al. (2015), equation 10
COARSEST = 4  # side of the smallest maps


def sides(maps):
    """Sides of the maps, from the coarsest on, each twice the one before.

    Args:
        maps: how many there are at each resolution, from 4 x 4 up.

    Returns:
        tuple of int, for example (4, 8, 16, 32).
    """
    return tuple(COARSEST << k for k in range(len(maps)))


def draw(shapes, seed):
    """Starting weights for layers with an equalised learning rate: normal with deviation 1, biases 0.

    Args:
        shapes: dict of weight name to shape; what has one axis is a bias.
        seed: whole number; each entry has a stream of its own.

    Returns:
        dict of weight name to float32 array.

    Source: section 4.1.
    """
    return {name: _one(name, shape, seed) for name, shape in shapes.items()}


def _one(name, shape, seed):
    if len(shape) == 1:
        return np.zeros(shape, np.float32)
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return rng.standard_normal(shape).astype(np.float32)
