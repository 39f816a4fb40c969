"""Small colour photos of ten kinds of things: a part of CIFAR-10, in `full` only."""
import numpy as np

from dlbook import profile
from dlbook.data import zipped
from dlbook.data.labelled import Labelled
from dlbook.data.registry import FILES, DataError

FILE = "cifar10_small/cifar10_small_jpeg.zip"
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def things(name=None):
    """12,000 photos of CIFAR-10, from a JPEG copy: not the original pixels.

    Args:
        name: `full`, or None for the profile in force, which must then be `full`.

    Returns:
        Labelled; images (N, 32, 32, 3), R, G, B.

    Raises:
        ValueError: an unknown profile.
        DataError: the profile is `quick`, which has none; or the file is neither cached nor on the mirror.

    Source: A. Krizhevsky (2009), "Learning multiple layers of features from tiny images".
    """
    if profile.chosen(name) == "quick":
        raise DataError("no photos of CIFAR-10 are embedded, so profile 'quick' has none; "
                        "data.things('full') or DLBOOK_PROFILE=full reads 12,000 of them (13 MB).")
    with zipped.archive(FILE) as opened:
        parts = [values for part in ("train", "test") for values in _part(opened, part)]
    return Labelled("a part of CIFAR-10, from a JPEG copy", FILES[FILE].licence, *parts, files=(FILE,), names=NAMES)


def _part(opened, part):
    """Images (N, 32, 32, 3) float32 in [0, 1] and labels (N,) int64 of `train` or `test`."""
    paths = sorted(path for path in opened.namelist() if path.startswith(f"cifar10_small/{part}/") and path.endswith(".jpg"))
    images = np.stack([zipped.picture(opened, path) for path in paths]).astype(np.float32) / 255
    return images, np.array([NAMES.index(path.split("/")[2]) for path in paths])
