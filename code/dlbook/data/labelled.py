"""Labelled images, and the file format that MNIST and Fashion-MNIST share."""
import gzip
from dataclasses import dataclass, field

import numpy as np

from dlbook.data.registry import fetch

IDX_IMAGES, IDX_LABELS = 2051, 2049  # magic numbers of the format


@dataclass(frozen=True)
class Labelled:
    """Images with their classes, split for training and testing.

    Args:
        source: what the images are, in words.
        licence: their licence, in words.
        train_images: float32 in [0, 1]: grey (N, 28, 28), where 0 is the ground (paper) and 1 is ink or cloth, or colour (N, H, W, 3).
        train_labels: (N,) int64, the number of each image's class, counted from 0.
        test_images, test_labels: the same for testing.
        files: names of the registered files they were read from; empty for embedded data.
        names: names of the classes, by their numbers; empty where they have none.
    """
    source: str
    licence: str
    train_images: np.ndarray = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    test_images: np.ndarray = field(repr=False)
    test_labels: np.ndarray = field(repr=False)
    files: tuple = ()
    names: tuple = field(default=(), repr=False)

    def __str__(self):
        return f"{self.source}: {len(self.train_images):,} images to train on, {len(self.test_images):,} to test on"


def idx_files(item):
    """Names of the four files of a set in this format.

    Args:
        item: the set's folder in the registry, for example `mnist`.

    Returns:
        dict of part (`train`, `test`) to the registered names of its images and its labels.
    """
    return {part: (f"{item}/{prefix}-images-idx3-ubyte.gz", f"{item}/{prefix}-labels-idx1-ubyte.gz")
            for part, prefix in (("train", "train"), ("test", "t10k"))}


def read_idx_set(item, source, licence, names):
    """Read a set of four registered files.

    Args:
        item: the set's folder in the registry, for example `mnist`.
        source, licence, names: as Labelled has them.

    Returns:
        Labelled.

    Raises:
        DataError: a file is neither cached nor on the mirror and cannot be downloaded.
    """
    files = idx_files(item)
    parts = [read_idx(name) for part in ("train", "test") for name in files[part]]
    scaled = [array.astype(np.float32) / 255 if array.ndim == 3 else array.astype(np.int64) for array in parts]
    return Labelled(source, licence, *scaled, files=files["train"] + files["test"], names=names)


def read_idx(name):
    """Read one registered file: a magic number, the sizes as big-endian 32-bit integers, then the bytes.

    Args:
        name: the file's registered name.

    Returns:
        uint8 array: images (N, H, W) or labels (N,).
    """
    with gzip.open(fetch(name)) as stream:
        raw = stream.read()
    magic = int.from_bytes(raw[:4], "big")
    axes = {IDX_IMAGES: 3, IDX_LABELS: 1}[magic]
    shape = np.frombuffer(raw, ">i4", axes, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)
