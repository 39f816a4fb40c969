"""Handwritten digits as 28 x 28 grey images: embedded ones in `quick`, MNIST in `full`."""
import gzip
from dataclasses import dataclass, field

import numpy as np

from dlbook import profile
from dlbook.data.photo import SIZE
from dlbook.data.registry import fetch

HELD_OUT = 1 / 3  # share of the embedded digits kept for testing
IDX_IMAGES, IDX_LABELS = 2051, 2049  # magic numbers of MNIST's file format

MNIST = {part: (f"mnist/{prefix}-images-idx3-ubyte.gz", f"mnist/{prefix}-labels-idx1-ubyte.gz")
         for part, prefix in (("train", "train"), ("test", "t10k"))}


@dataclass(frozen=True)
class Digits:
    """Labelled images of the digits 0 to 9, split for training and testing.

    Args:
        source: what the images are, in words.
        licence: their licence, in words.
        train_images: (N, 28, 28) float32 in [0, 1]; 0 is paper, 1 is ink.
        train_labels: (N,) int64 in 0..9.
        test_images, test_labels: the same for testing.
        files: names of the registered files they were read from; empty for embedded data.
    """
    source: str
    licence: str
    train_images: np.ndarray = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    test_images: np.ndarray = field(repr=False)
    test_labels: np.ndarray = field(repr=False)
    files: tuple = ()

    def __str__(self):
        return f"{self.source}: {len(self.train_images):,} images to train on, {len(self.test_images):,} to test on"


def digits(name=None):
    """The digits of a profile: scikit-learn's 1,797 in `quick`, MNIST's 70,000 in `full`.

    Args:
        name: `quick`, `full`, or None for the profile in force.

    Returns:
        Digits.

    Raises:
        ValueError: an unknown profile.
        DataError: MNIST is neither cached nor on the mirror and cannot be downloaded.
    """
    name = name or profile.current().name
    if name not in profile.PROFILES:
        raise ValueError(f"unknown profile {name!r}; choose from: {', '.join(profile.PROFILES)}.")
    return _embedded() if name == "quick" else _mnist()


def _embedded():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    raw = load_digits()
    images = enlarge(raw.images / 16)  # 17 grey levels, 0..16
    labels = raw.target.astype(np.int64)
    a, b, c, d = train_test_split(images, labels, test_size=HELD_OUT, random_state=0, stratify=labels)
    return Digits("UCI handwritten digits, embedded in scikit-learn, enlarged from 8 x 8 to 28 x 28",
                  "CC BY 4.0, E. Alpaydin and C. Kaynak", a, c, b, d)


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


def _mnist():
    parts = {part: (_read_idx(images), _read_idx(labels)) for part, (images, labels) in MNIST.items()}
    (a, c), (b, d) = parts["train"], parts["test"]
    scale = lambda pixels: pixels.astype(np.float32) / 255
    return Digits("MNIST", "CC BY-SA 3.0, Yann LeCun and Corinna Cortes", scale(a), c.astype(np.int64), scale(b), d.astype(np.int64),
                  files=MNIST["train"] + MNIST["test"])


def _read_idx(name):
    """Read one of MNIST's files: a magic number, the sizes as big-endian 32-bit integers, then the bytes."""
    with gzip.open(fetch(name)) as stream:
        raw = stream.read()
    magic = int.from_bytes(raw[:4], "big")
    axes = {IDX_IMAGES: 3, IDX_LABELS: 1}[magic]
    shape = np.frombuffer(raw, ">i4", axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)
