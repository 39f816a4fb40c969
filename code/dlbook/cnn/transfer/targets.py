"""Target tasks: what features are tried on, from near ImageNet to far from it."""
from dataclasses import dataclass, field

import numpy as np

from dlbook import data
from dlbook.cnn.transfer import spec

TRAIN, TEST = 400, 500  # images a task at most; a task with fewer gives what it has
NAMES = {
    "species": "cats or dogs, photos",
    "breeds": "37 breeds of pets, photos",
    "things": "ten kinds of things, photos of 32 pixels",
    "small pets": "cats or dogs, photos of 32 pixels",
    "clothes": "ten kinds of clothes, grey",
    "digits": "handwritten digits, grey",
}


@dataclass(frozen=True, eq=False)
class Target:
    """Images of one task, all of one size.

    Args:
        name: a key of `NAMES`.
        train_images, test_images: (N, size, size, 3) float32 in [0, 1].
        train_labels, test_labels: (N,) int64.
        files: names of the registered files they were read from.
    """
    name: str
    train_images: np.ndarray = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    test_images: np.ndarray = field(repr=False)
    test_labels: np.ndarray = field(repr=False)
    files: tuple = ()


def target(name, size, seed=0):
    """Read a task.

    Args:
        name: a key of `NAMES`.
        size: side of the images, pixels.
        seed: chooses the images.

    Returns:
        Target with at most `TRAIN` images to learn from and `TEST` to measure on.

    Raises:
        ValueError: another name.
        DataError: its images cannot be had.
    """
    if name not in NAMES:
        raise ValueError(f"there is no task {name!r}; choose from: {', '.join(NAMES)}.")
    rng = np.random.default_rng([seed, 7])
    return _pets(name, size, rng) if name in ("species", "breeds") else _labelled(name, size, rng)


def _pets(name, size, rng):
    pets = data.pets("full")
    train, test = _some(rng, np.flatnonzero(~pets.test), TRAIN), _some(rng, np.flatnonzero(pets.test), TEST)
    images = [spec.squares([pets.images[i] for i in part], size) for part in (train, test)]
    labels = getattr(pets, name)
    return Target(name, images[0], labels[train], images[1], labels[test], pets.files)


def _labelled(name, size, rng):
    images = data.clothes("full") if name == "clothes" else data.digits("quick") if name == "digits" else data.things("full")
    kinds = np.array([images.names.index(kind) for kind in ("cat", "dog")]) if name == "small pets" else np.unique(images.train_labels)
    parts = [(images.train_images, images.train_labels, TRAIN), (images.test_images, images.test_labels, TEST)]
    found = []
    for pictures, labels, most in parts:
        chosen = _some(rng, np.flatnonzero(np.isin(labels, kinds)), most)
        found += [np.stack([_coloured(picture, size) for picture in pictures[chosen]]), np.searchsorted(kinds, labels[chosen])]
    return Target(name, *found, images.files)


def _some(rng, places, most):
    return np.sort(rng.permutation(places)[:most])


def _coloured(image, size):
    """A small image, grey (H, W) or in colour, in [0, 1] -> (size, size, 3)."""
    whole = np.round(image * 255).astype(np.uint8)
    whole = np.repeat(whole[..., None], 3, axis=2) if whole.ndim == 2 else whole
    return spec.squares([whole], size)[0]
