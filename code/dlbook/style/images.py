"""Pictures in and out: any file becomes (H, W, 3) in [0, 1], upright, of the size that is asked for."""
import os
from pathlib import Path

import numpy as np
from PIL import Image

from dlbook.cnn.blocks.table import whole
from dlbook.data.photo import opened, upright

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
QUALITY = 95  # of JPEG
LUMINANCE = (0.299, 0.587, 0.114)  # of R, G and B: ITU-R BT.601


def read(picture, size=None):
    """Read a picture.

    Args:
        picture: path of a file in any format that Pillow reads, or a PIL image. A turned photo is turned upright, grey becomes colour,
            what is transparent becomes white, 16 bits are read as such, of an animation the first picture is taken.
        size: longer side of the result, pixels; None keeps the picture's own.

    Returns:
        (H, W, 3) float32 in [0, 1]; R, G, B.

    Raises:
        FileNotFoundError: no file of that name.
        ValueError: no picture, or one that is damaged.
    """
    if size is not None:
        whole("size", size)
    if not isinstance(picture, Image.Image):
        if not Path(picture).exists():
            raise FileNotFoundError(f"there is no file {picture}.")
        picture = opened(picture)
    picture = upright(picture)
    shape = fitted((picture.height, picture.width), size)
    if picture.mode.startswith(("I", "F")):  # one channel of more than 8 bits
        return np.repeat(resized(_deep(picture, shape), shape), 3, axis=2)
    return resized(_colour(picture, shape), shape)


def read_mask(picture):
    """Read a mask: where white is, a style counts, where black is, it does not.

    Args:
        picture: as for `read`; colours count as their lightness.

    Returns:
        (H, W) array in [0, 1] of the file's size; its largest value is 1, so that a mask of zeros and ones, whatever white is in its file, is as good.

    Raises:
        FileNotFoundError, ValueError: as `read`, or a mask that is black everywhere.
    """
    light = read(picture) @ np.array(LUMINANCE, np.float32)
    if not light.max() > 0:
        raise ValueError(f"the mask {picture} is black everywhere: no place is left for its style; leave that style out.")
    return light / light.max()


def _reduction(picture, shape):
    """How many pixels a side are averaged before a picture becomes floating point, of which a large photo takes gigabytes."""
    return max(1, min(picture.height // shape[0], picture.width // shape[1]) // 2)


def _deep(picture, shape):
    """One channel of 16 or more bits, or of floating point -> (H, W, 1) in [0, 1], at most about four times as large as `shape`."""
    floats = picture.convert("F")
    least, most = floats.getextrema()
    grey = np.array(floats.reduce(_reduction(picture, shape)))  # a mean with a value that is not finite is not finite
    if not np.isfinite(grey).all() or least < 0:
        raise ValueError(f"a grey picture holds finite values of 0 or more; this one has values from {least:g} to {most:g}.")
    white = [1] * (picture.mode == "F") + [2**16 - 1, most]
    grey /= np.float32(next(top for top in white if most <= top))
    return grey[..., None]


def _colour(picture, shape):
    """8 bits a channel, with transparency or without -> (H, W, 3) in [0, 1], at most about four times as large as `shape`."""
    factor = _reduction(picture, shape)
    try:
        picture = picture.convert("RGBA")
    except ValueError as error:
        raise ValueError(f"a picture of mode {picture.mode} cannot be read as colours: {error}") from error
    if factor > 1:
        picture = picture.reduce(factor)
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"), np.float32) / 255


def fitted(shape, size):
    """The shape of a picture whose longer side is to be `size`.

    Args:
        shape: (height, width).
        size: pixels, or None: as it is.

    Returns:
        (height, width), each at least 1.
    """
    if size is None:
        return tuple(shape)
    return tuple(max(1, round(side * size / max(shape))) for side in shape)


def resized(image, shape):
    """A picture at another size; made smaller, each pixel is a mean over those it stands for.

    Args:
        image: (H, W, 3) in [0, 1].
        shape: (height, width).

    Returns:
        (height, width, 3) array of the same dtype, in [0, 1].
    """
    image = np.asarray(image)
    if image.shape[:2] == tuple(shape):
        return image
    channels = [Image.fromarray(np.ascontiguousarray(image[..., c], np.float32)).resize(shape[::-1], Image.Resampling.BICUBIC)
                for c in range(image.shape[2])]
    return np.clip(np.stack(channels, -1), 0, 1).astype(image.dtype)


def covering(image, shape):
    """The largest part of the middle of a picture that has the proportions of `shape`, at that size.

    Args:
        image: (H, W, 3) in [0, 1].
        shape: (height, width).

    Returns:
        (height, width, 3) array of the same dtype.
    """
    factor = min(side / wanted for side, wanted in zip(image.shape, shape))
    height, width = (max(1, round(wanted * factor)) for wanted in shape)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return resized(image[top:top + height, left:left + width], shape)


def check_name(path):
    """Refuse a name under which no picture can be written.

    Args:
        path: of the file to be.

    Raises:
        ValueError: an unknown suffix.
        FileNotFoundError: its folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"a picture is written as {', '.join(SUFFIXES)}; got {path.name!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} into.")


def save(image, path):
    """Write a picture; a file of that name is replaced only once the new one is whole.

    Args:
        image: (H, W, 3) in [0, 1].
        path: of the file, with the suffix .png, .jpg or .jpeg.

    Raises:
        ValueError, FileNotFoundError: as `check_name`.
    """
    check_name(path)
    path = Path(path)
    pixels = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    part = path.with_name(f".{path.name}.part")
    try:
        Image.fromarray(pixels).save(part, SUFFIXES[path.suffix.lower()], quality=QUALITY)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
