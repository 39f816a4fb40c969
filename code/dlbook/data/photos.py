"""The photos that scikit-image carries inside its package: they need no network."""
import numpy as np

# Name -> scikit-image's name of it, and where it comes from: scikit-image's `data/README.txt` and docstrings.
PHOTOS = {
    "astronaut": ("astronaut", "Eileen Collins, NASA, public domain"),
    "cat": ("chelsea", "Chelsea, by Stefan van der Walt, CC0"),
    "coffee": ("coffee", "a cup of espresso, by Rachel Michetti, CC0"),
    "rocket": ("rocket", "a rocket before its launch, SpaceX, CC0"),
    "galaxies": ("hubble_deep_field", "Hubble eXtreme Deep Field, NASA, public domain"),
}


def photo(name, size=None):
    """A colour photo.

    Args:
        name: a key of `PHOTOS`.
        size: side of the square in the middle of the photo, resized, in pixels; None gives the whole photo as it is.

    Returns:
        (size, size, 3) or (H, W, 3) float32 in [0, 1]; R, G, B.

    Raises:
        ValueError: an unknown name, or a size that is not a whole number above 0.
    """
    if name not in PHOTOS:
        raise ValueError(f"there is no photo {name!r}; choose from: {', '.join(PHOTOS)}.")
    if size is not None and (not isinstance(size, int) or size < 1):
        raise ValueError(f"size is a whole number of pixels above 0, or None; got {size!r}.")
    # Imported here: reading a photo is the only use.
    from skimage import data

    pixels = getattr(data, PHOTOS[name][0])().astype(np.float32) / 255  # H, W, 3
    return pixels if size is None else centre(pixels, size)


def centre(pixels, size):
    """Cut the largest square out of the middle of a photo and resize it.

    Args:
        pixels: (H, W, 3) float in [0, 1].
        size: side of the result, pixels.

    Returns:
        (size, size, 3) float32 in [0, 1].
    """
    from skimage.transform import resize

    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    square = pixels[top:top + side, left:left + side]
    return np.clip(resize(square, (size, size), anti_aliasing=side > size), 0, 1).astype(np.float32)
