"""Handwritten digits as 28 x 28 grey images: embedded ones in `quick`, MNIST in `full`."""
import numpy as np

from dlbook import profile
from dlbook.data.labelled import Labelled, read_idx_set
from dlbook.data.photo import SIZE

HELD_OUT = 1 / 3  # share of the embedded digits kept for testing
NAMES = tuple("0123456789")


def digits(name=None):
    """The digits of a profile: scikit-learn's 1,797 in `quick`, MNIST's 70,000 in `full`.

    Args:
        name: `quick`, `full`, or None for the profile in force.

    Returns:
        Labelled.

    Raises:
        ValueError: an unknown profile.
        DataError: MNIST is neither cached nor on the mirror and cannot be downloaded.
    """
    if profile.chosen(name) == "quick":
        return _embedded()
    return read_idx_set("mnist", "MNIST", "CC BY-SA 3.0, Yann LeCun and Corinna Cortes", NAMES)


def _embedded():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    raw = load_digits()
    images = enlarge(raw.images / 16)  # 17 grey levels, 0..16
    labels = raw.target.astype(np.int64)
    a, b, c, d = train_test_split(images, labels, test_size=HELD_OUT, random_state=0, stratify=labels)
    return Labelled("UCI handwritten digits, embedded in scikit-learn, enlarged from 8 x 8 to 28 x 28",
                    "CC BY 4.0, E. Alpaydin and C. Kaynak", a, c, b, d, names=NAMES)


def enlarge(images, size=SIZE):
    """Resize square images by linear interpolation.

    Args:
        images: (N, h, h) in [0, 1].
        size: side of the result in pixels.

    Returns:
        (N, size, size) float32 in [0, 1].
    """
    from scipy.ndimage import zoom

    factor = size / images.shape[1]
    return np.clip(zoom(images, (1, factor, factor), order=1, grid_mode=True, mode="nearest"), 0, 1).astype(np.float32)
