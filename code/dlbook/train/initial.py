"""Starting weights drawn in NumPy, so that both twins start from the same numbers."""
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
