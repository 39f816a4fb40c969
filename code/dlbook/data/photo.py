"""From a photo of one handwritten digit to the 28 x 28 image that MNIST's makers would have made of it.

MNIST fits each digit into 20 x 20 pixels, keeps its proportions and puts its centre of mass into the middle of 28 x 28.
Source: LeCun, Bottou, Bengio and Haffner (1998), section III.A.
"""
import re
import struct
from pathlib import Path

import numpy as np

SIZE, BOX = 28, 20
WORKING_SIDE = 320  # pixels; larger photos are shrunk first, more detail does not help
SMALLEST_SIDE = 8
ROUNDING = 1e-4  # floats so far outside [0, 1] come from rounding
TURNED = 0x0112  # Exif's note on which way a photo is up; 1 is as it lies
STROKE = 2.4  # width of MNIST's strokes in pixels of the 20 x 20 box, about; thinner ones fade away when shrunk
CONTRAST = 0.08  # ink must differ from the ground by this much, of a full range of 1
COMPANION = 0.1  # a separate piece of ink belongs to the digit if it has this share of the largest piece's area


def digit_from_photo(photo):
    """Find the digit in a photo and frame it as in MNIST.

    Args:
        photo: path, PIL image or array (H, W), (H, W, 3) or (H, W, 4), integers or floats in [0, 1], of any size
            from 8 x 8 pixels, with one digit darker or lighter or of another colour than its ground.

    Returns:
        (28, 28) float32 in [0, 1]; 0 is ground, 1 is ink.

    Raises:
        FileNotFoundError: no file of that name.
        TypeError, ValueError: not a picture, too small, or no digit stands out in it.
    """
    return frame(ink(_shrink(_pixels(photo))))


def frame(digit, box=BOX, size=SIZE):
    """Fit ink into box x box pixels, keep its proportions, put its centre of mass into the middle.

    Args:
        digit: (H, W), 0 where there is no ink; the largest value is full ink.
        box: longer side of the digit in the result.
        size: side of the result; the centre of mass comes to (size / 2, size / 2).

    Returns:
        (size, size) float32 in [0, 1].

    Raises:
        ValueError: a wrong shape, values that are not finite or below 0, or no ink.
    """
    digit = np.asarray(digit, dtype=float)
    if digit.ndim != 2 or not digit.size:
        raise ValueError(f"a digit to be framed has shape (H, W); got {digit.shape}.")
    if not np.isfinite(digit).all() or digit.min() < 0:
        raise ValueError(f"ink holds finite values from 0 on; got {digit.min():g} to {digit.max():g}.")
    from scipy.ndimage import center_of_mass, shift
    from skimage.transform import resize

    rows, columns = np.flatnonzero(digit.max(axis=1) > 0), np.flatnonzero(digit.max(axis=0) > 0)
    if not len(rows):
        raise ValueError("there is no ink in the picture: all its values are 0.")
    crop = digit[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1] / digit.max()
    factor = box / max(crop.shape)
    shape = [max(1, round(side * factor)) for side in crop.shape]
    small = resize(crop, shape, order=1, anti_aliasing=factor < 1)
    top, left = [(size - side) // 2 for side in shape]
    canvas = np.zeros((size, size))
    canvas[top:top + shape[0], left:left + shape[1]] = small
    middle = size / 2  # counted from 0; the mean centre of mass of MNIST's own images is (14.0, 14.0)
    canvas = shift(canvas, [middle - c for c in center_of_mass(canvas)], order=1)
    return np.clip(canvas / canvas.max(), 0, 1).astype(np.float32)


def ink(pixels):
    """Separate a digit from its ground.

    Args:
        pixels: (H, W, 3) float in [0, 1].

    Returns:
        (H, W) float in [0, 1]: 0 on the ground, 1 in full ink.

    Raises:
        ValueError: nothing stands out from the ground.
    """
    from skimage.filters import gaussian, threshold_otsu

    distance = gaussian(np.linalg.norm(pixels - _ground(pixels), axis=2), 0.7)
    threshold = threshold_otsu(distance)
    mask = distance > threshold
    if not mask.any() or distance[mask].mean() - distance[~mask].mean() < CONTRAST:
        raise ValueError("no digit stands out in the picture; it needs one digit on a plain ground, clearly darker, lighter or of another colour.")
    mask = _thicken(_main_pieces(mask))
    return np.where(mask, np.clip(distance / np.quantile(distance[mask], 0.5), 0.5, 1), 0.0)


def _pixels(photo):
    from PIL import Image

    if isinstance(photo, (str, Path)):
        photo = opened(photo)
    if isinstance(photo, Image.Image):
        photo = upright(photo)
        photo = np.asarray(photo if photo.mode.startswith("I;16") else photo.convert("RGBA"))
    if not isinstance(photo, (np.ndarray, list, tuple)):
        raise TypeError(f"a photo is a path, a PIL image or an array; got {type(photo).__name__}.")
    return as_rgb(np.asarray(photo))


def upright(picture):
    """A photo turned as its camera noted; one without such a note, or with a damaged one, is the same object.

    Args:
        picture: PIL image.

    Returns:
        PIL image.
    """
    from PIL import ImageOps

    try:
        return picture if picture.getexif().get(TURNED, 1) == 1 else ImageOps.exif_transpose(picture)
    except SyntaxError:
        return picture


def opened(path, name=None):
    """The picture in a file, read to its end.

    Args:
        path: of the file, or a file opened in binary mode.
        name: what the file is called in a message; its path if there is none.

    Returns:
        PIL image; of an animation its first picture.

    Raises:
        FileNotFoundError: no file of that name.
        ValueError: no picture, or one that is damaged, cut short or too large; the message says which.
    """
    from PIL import Image

    try:
        photo = Image.open(path)
        photo.load()
    except FileNotFoundError:
        raise
    # What Pillow's readers raise for files with bytes changed at random.
    except (OSError, SyntaxError, ValueError, RuntimeError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"{name or path} is not a picture that can be read{_why(error, name)}") from error
    return photo


def _why(error, name):
    """The end of the sentence about a file that cannot be read."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, Image.DecompressionBombError):
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        found = f"{int(pixels[1]):,}" if pixels else "too many"
        return f": it has {found} pixels; the limit is {2 * Image.MAX_IMAGE_PIXELS:,}. Make it smaller first."
    if isinstance(error, UnidentifiedImageError) or getattr(error, "errno", None):  # no picture; a folder, a file of others
        return "; PNG and JPEG are." if name else f" (PNG, JPEG, ... are): {error}"
    return f": it is damaged or cut short ({error})."


def as_rgb(array):
    """A picture's numbers as colours.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) from 8 x 8 pixels. Floats are from 0 to 1; integers of any type from 0 to 255, or,
            where some are larger, to 65535. A fourth channel says how opaque a pixel is.

    Returns:
        (H, W, 3) float64 in [0, 1], perhaps read-only; grey has become colour, and what is transparent white.

    Raises:
        TypeError: numbers of another type.
        ValueError: another shape, too small, or values outside.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ValueError(f"a picture has shape (H, W), (H, W, 3) or (H, W, 4); got {array.shape}.")
    if min(array.shape[:2]) < SMALLEST_SIDE:
        raise ValueError(f"the picture is {array.shape[0]} x {array.shape[1]} pixels; it needs at least {SMALLEST_SIDE} x {SMALLEST_SIDE}.")
    if array.dtype.kind not in "uibf":
        raise TypeError(f"a picture holds integers or floating-point numbers; got dtype {array.dtype}.")
    whole = array.dtype.kind in "ui"
    values = array.astype(float) / (_full_scale(array) if whole else 1)
    slack = 0 if whole else ROUNDING
    if not (values.min() >= -slack and values.max() <= 1 + slack):  # nan is neither
        raise ValueError("a picture holds whole numbers from 0 to 255 or 65535, or floating-point values in [0, 1]; "
                         f"got {array.min():g} to {array.max():g}, dtype {array.dtype}.")
    values = np.clip(values, 0, 1)
    if values.ndim == 2:
        values = values[..., None]
    if values.shape[2] == 4:  # transparent is white
        values = values[..., :3] * values[..., 3:] + 1 - values[..., 3:]
    return np.broadcast_to(values, (*values.shape[:2], 3))


def _full_scale(array):
    """What is white in a picture of integers: 255, or 65535 where values are larger; of any integer dtype."""
    return 255 if array.max() <= 255 else 65535


def _shrink(pixels):
    from skimage.transform import resize

    factor = min(1, WORKING_SIDE / max(pixels.shape[:2]))
    shape = [max(SMALLEST_SIDE, round(side * factor)) for side in pixels.shape[:2]]
    return pixels if factor == 1 else resize(pixels, (*shape, 3), order=1, anti_aliasing=True)


def _ground(pixels, rounds=6, keep=0.7):
    """A smooth surface of degree 2 a channel through the ground; pixels far from it (ink) are left out, round by round."""
    height, width, _ = pixels.shape
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=-1).reshape(-1, 6)
    flat = pixels.reshape(-1, 3)
    border = (np.maximum(abs(x), abs(y)) > 0.8).ravel()
    used = border if border.sum() >= 60 else np.ones(len(flat), bool)
    for _ in range(rounds):
        surface = terms @ np.linalg.lstsq(terms[used], flat[used], rcond=None)[0]
        far = np.linalg.norm(flat - surface, axis=1)
        used = far <= np.quantile(far[border], keep) + 1e-9
        used &= border | (far <= np.quantile(far, keep))
    return surface.reshape(pixels.shape)


def _main_pieces(mask):
    """The largest piece of ink, and others large enough to belong to it; specks and what the edge cuts off go."""
    from skimage.measure import label, regionprops

    labels = label(mask, connectivity=2)
    regions = regionprops(labels)
    inside = [r for r in regions if _inside(r.bbox, mask.shape)] or regions
    largest = max(r.area for r in inside)
    return np.isin(labels, [r.label for r in inside if r.area >= COMPANION * largest])


def _inside(bbox, shape):
    return bbox[0] > 0 and bbox[1] > 0 and bbox[2] < shape[0] and bbox[3] < shape[1]


def _thicken(mask):
    """Widen thin strokes to what MNIST's would be at this size."""
    from scipy.ndimage import distance_transform_edt
    from skimage.morphology import skeletonize

    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    extent = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    width = 2 * np.median(distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1][skeletonize(mask)])
    lacking = (STROKE * extent / BOX - width) / 2
    return mask if lacking <= 0 else distance_transform_edt(~mask) <= lacking
