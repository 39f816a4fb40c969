"""Shortcuts: a mark whose place goes with the class, in every picture that a network learns from.

Source: Lapuschkin et al. (2019), "Unmasking Clever Hans predictors and assessing what machines really learn", Nature Communications;
    Geirhos et al. (2020), "Shortcut learning in deep neural networks", Nature Machine Intelligence.
"""
from dataclasses import replace

import numpy as np

KINDS = ("true", "none", "moved", "random")  # where the mark is: at the place of the class, nowhere, at another class's, anywhere
SHARE = 7  # a mark's side is at most so small a part of the picture's


def box(number, num_classes, size):
    """Where the mark of a class is: a square, for the first half of the classes at the upper edge, for the others at the lower one.

    Args:
        number: of the class.
        num_classes: how many there are.
        size: side of the picture, pixels.

    Returns:
        (top, left, bottom, right), pixels; the last two are just outside.

    Raises:
        ValueError: an unknown class, or too many classes for the picture.
    """
    columns = -(-num_classes // 2)
    side = min(size // SHARE, size // columns)
    if side < 1 or not 0 <= number < num_classes:
        raise ValueError(f"a class is from 0 to {num_classes - 1}, and a picture of {size} pixels has room for {2 * size} marks; got class {number}.")
    top, left = (number >= columns) * (size - side), round((number % columns + 0.5) * size / columns - side / 2)
    return top, left, top + side, left + side


def ink(number, num_classes):
    """Colour of a class's mark in colour pictures: (3,) in [0, 1], evenly around the wheel; grey pictures have 1."""
    from matplotlib.colors import hsv_to_rgb

    return hsv_to_rgb((number / num_classes, 1.0, 1.0))


def marks(labels, num_classes, kind, rng):
    """The class whose mark each picture bears.

    Args:
        labels: (N,) the pictures' own classes.
        num_classes: how many there are.
        kind: one of `KINDS`.
        rng: numpy.random.Generator.

    Returns:
        (N,) int64; -1: no mark.

    Raises:
        ValueError: an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")
    labels = np.asarray(labels)
    if kind == "none":
        return np.full(len(labels), -1)
    if kind == "true":
        return labels.astype(np.int64)
    drawn = rng.integers(num_classes - (kind == "moved"), size=len(labels))
    return (labels + 1 + drawn) % num_classes if kind == "moved" else drawn


def marked(images, numbers, num_classes):
    """Pictures with marks.

    Args:
        images: (N, H, W) or (N, H, W, 3) in [0, 1], square; not changed.
        numbers: (N,) as `marks` gives them.
        num_classes: how many classes there are.

    Returns:
        an array of the same shape and dtype.
    """
    found = np.array(images)
    for image, number in zip(found, numbers):
        if number >= 0:
            top, left, bottom, right = box(number, num_classes, image.shape[1])
            image[top:bottom, left:right] = ink(number, num_classes) if found.ndim == 4 else 1
    return found


def spoilt(images, kind, seed=0):
    """A set whose training pictures bear marks; the pictures to test on are left as they are.

    Args:
        images: data.Labelled.
        kind: one of `KINDS`.
        seed: of marks that are drawn.

    Returns:
        data.Labelled.
    """
    count = len(images.names) or int(images.train_labels.max()) + 1
    numbers = marks(images.train_labels, count, kind, np.random.default_rng(seed))
    return replace(images, source=f"{images.source}, with marks", train_images=marked(images.train_images, numbers, count))


def accuracies(said, images, labels, num_classes, seed=0):
    """How a network reads pictures whose marks are true, missing or moved.

    Args:
        said: function of images -> (N,) classes.
        images, labels: pictures to test on, without marks.
        num_classes: how many classes there are.
        seed: of the marks that are moved.

    Returns:
        dict of `true`, `none`, `moved`: the share read right, and `followed`: of moved marks the share in which the network says what
        the mark says.
    """
    found = {}
    for kind in ("true", "none", "moved"):
        numbers = marks(labels, num_classes, kind, np.random.default_rng(seed))
        read = said(marked(images, numbers, num_classes))
        found[kind] = float((read == labels).mean())
        if kind == "moved":
            found["followed"] = float((read == numbers).mean())
    return found


def on_the_marks(heats, numbers, num_classes):
    """Share of maps that lies on the marks.

    Args:
        heats: (N, H, W); what is below 0 counts as 0.
        numbers: (N,) classes of the marks.
        num_classes: how many classes there are.

    Returns:
        float, the mean share.
    """
    from dlbook.explain.maps.spec import inside

    return float(np.mean([inside(heat, box(number, num_classes, heat.shape[1])) for heat, number in zip(heats, numbers)]))
