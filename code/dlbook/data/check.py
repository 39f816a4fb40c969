"""One place that says what is wrong with a batch of images, in a sentence."""
import numpy as np


def as_images(images, size):
    """Check a batch of grey images.

    Args:
        images: (N, size, size), floating point in [0, 1].
        size: side in pixels.

    Returns:
        (N, size, size) floating point: the same numbers as a NumPy array.

    Raises:
        TypeError: not an array of real floating-point numbers.
        ValueError: a wrong shape, values outside [0, 1], or values that are not finite.
    """
    want = f"images must be an array (N, {size}, {size}) of floating-point numbers in [0, 1]"
    try:
        images = np.asarray(images)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"{want}; got something that is no array: {error}.") from error
    if images.dtype.kind != "f":
        hint = "; divide by 255" if images.dtype == np.uint8 else ""
        raise TypeError(f"{want}; got dtype {images.dtype}{hint}.")
    if images.ndim != 3 or images.shape[1:] != (size, size):
        hint = "; for one image add an axis: image[None]" if images.shape == (size, size) else ""
        raise ValueError(f"{want}; got shape {images.shape}{hint}.")
    if images.size and not (np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"{want}; got values from {images.min():g} to {images.max():g}.")
    return images
