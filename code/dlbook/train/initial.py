"""Starting weights drawn in NumPy, so that both twins start from the same numbers."""
import zlib

import numpy as np


def glorot_uniform(rng, shape):
    """Draw weights uniformly from [-r, r] with r = sqrt(6 / (fan_in + fan_out)).

    Args:
        rng: numpy.random.Generator.
        shape: (O, I) of a dense layer or (O, I, H, W) of a convolution.

    Returns:
        float64 array of that shape.

    Source: Glorot and Bengio (2010), equation 16.
    """
    receptive = int(np.prod(shape[2:]))
    fan_in, fan_out = shape[1] * receptive, shape[0] * receptive
    r = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-r, r, shape)


def precision(dtype):
    """Check the name of a network's dtype.

    Args:
        dtype: `float32` or `float64`.

    Returns:
        str: the same.

    Raises:
        ValueError: another name.
    """
    if dtype not in ("float32", "float64"):
        raise ValueError(f"dtype must be 'float32' or 'float64'; got {dtype!r}.")
    return dtype


def draw(shapes, seed):
    """Draw a network's starting weights: `glorot_uniform` for kernels and matrices, zero for biases.

    Args:
        shapes: dict of weight name to shape.
        seed: whole number.

    Returns:
        dict of weight name to float64 array.
    """
    rng = np.random.default_rng(seed)
    return {name: glorot_uniform(rng, shape) if len(shape) > 1 else np.zeros(shape) for name, shape in shapes.items()}


def draw_by_name(shapes, seed):
    """Draw starting weights, each entry from its own stream, so that the order of the layers does not matter.

    Kernels and matrices are normal with variance 2 / fan_in, which keeps the size of the signal through layers of ReLU;
    scales and variances are 1, biases and means 0.

    Args:
        shapes: dict of weight name to shape.
        seed: whole number.

    Returns:
        dict of weight name to float32 array.

    Source: He et al. (2015), "Delving deep into rectifiers", equation 10.
    """
    return {name: _he_normal(name, shape, seed) if len(shape) > 1 else _constant(name, shape) for name, shape in shapes.items()}


def _he_normal(name, shape, seed):
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    std = np.sqrt(2 / np.prod(shape[1:]))
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(std)


def _constant(name, shape):
    ones = name.endswith((".weight", ".running_var"))  # of batch normalisation
    return np.full(shape, float(ones), np.float32)
