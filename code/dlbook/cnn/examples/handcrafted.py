"""Features that people thought of, and the linear support vector machine that weighs them.

Source: Dalal and Triggs (2005) for HOG, Swain and Ballard (1991) for colour histograms, Ojala et al. (2002) for local binary patterns, Cortes and Vapnik (1995) for the machine.
"""
import numpy as np

LEVELS = 16  # bins of a histogram of grey or of one colour
ANGLES = 9  # directions of edges from 0 to 180 degrees: Dalal and Triggs (2005), section 6.3
CELL = 7  # side of the squares in which HOG counts, pixels: 4 x 4 squares in 28 x 28
PENALTIES = (1e-3, 1e-2, 1e-1)  # of the machine; one is chosen by cross-validation on the training examples
FOLDS = 3


def colours(images):
    """How often each level of each channel occurs, wherever it is.

    Args:
        images: (N, H, W) or (N, H, W, C) in [0, 1].

    Returns:
        (N, C * 16): shares, which add up to 1 for each channel.
    """
    images = images[..., None] if images.ndim == 3 else images
    level = np.minimum((images * LEVELS).astype(int), LEVELS - 1)  # N, H, W, C
    counted = np.stack([(level == k).mean(axis=(1, 2)) for k in range(LEVELS)], axis=-1)  # N, C, 16
    return counted.reshape(len(images), -1)


def edges(images):
    """How strong edges of each direction are, wherever they are.

    Args:
        images: (N, H, W) or (N, H, W, C) in [0, 1].

    Returns:
        (N, 9): mean strength of the edges of each direction.
    """
    strength, direction = _edges(_grey(images))
    which = np.minimum((direction / np.pi * ANGLES).astype(int), ANGLES - 1)
    return np.stack([(strength * (which == k)).mean(axis=(1, 2)) for k in range(ANGLES)], axis=1)


def hog(images):
    """Histogram of oriented gradients: edges counted by direction in small squares, each compared with its neighbours.

    Args:
        images: (N, H, W) or (N, H, W, C) in [0, 1].

    Returns:
        (N, D) float array.
    """
    # Imported here: scikit-image takes a while to load.
    from skimage.feature import hog as of_one

    options = {"orientations": ANGLES, "pixels_per_cell": (CELL, CELL), "cells_per_block": (2, 2)}
    return np.stack([of_one(image, **options) for image in _grey(images)])


def patterns(images):
    """Local binary patterns: which of its eight neighbours are brighter than a pixel; how often each such pattern occurs.

    Args:
        images: (N, H, W) or (N, H, W, C) in [0, 1].

    Returns:
        (N, 10): shares of the uniform patterns, alike under rotation, and of all others.

    Source: Ojala, Pietikainen and Maenpaa (2002), section 2.
    """
    # Imported here: scikit-image takes a while to load.
    from skimage.feature import local_binary_pattern

    # Of bytes: whether two neighbours are equal must not hang on rounding.
    grey = np.round(255 * _grey(images)).astype(np.uint8)
    coded = np.stack([local_binary_pattern(image, 8, 1, "uniform") for image in grey])  # N, H, W: 0 to 9
    return np.stack([(coded == k).mean(axis=(1, 2)) for k in range(10)], axis=1)


FEATURES = {"colours": colours, "edges": edges, "patterns": patterns, "HOG": hog}


def all_features(images):
    """All of them side by side: (N, H, W) or (N, H, W, C) -> (N, D)."""
    return np.concatenate([make(images) for make in FEATURES.values()], axis=1)


def machine(features, labels):
    """A linear support vector machine, with the penalty that does best in cross-validation on these examples alone.

    Args:
        features: (N, D).
        labels: (N,), each class at least three times.

    Returns:
        a fitted estimator of scikit-learn with `predict(features)`.
    """
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    chain = make_pipeline(StandardScaler(), LinearSVC(random_state=0, dual="auto", max_iter=20_000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return GridSearchCV(chain, {"linearsvc__C": PENALTIES}, cv=folds).fit(features, labels)


def _grey(images):
    return images if images.ndim == 3 else images @ np.array([0.2125, 0.7154, 0.0721], images.dtype)  # Rec. 709


def _edges(grey):
    """Strength and direction (0 to pi) of the edge at every pixel, from the differences between its neighbours."""
    down, across = np.gradient(grey, axis=(1, 2))
    return np.hypot(down, across), np.arctan2(down, across) % np.pi
