"""How a classifier is measured."""
import numpy as np


def top_k_error(probabilities, labels, k=5):
    """Share of images whose label is not among the `k` likeliest classes.

    Args:
        probabilities: (N, K), any scores of which higher means likelier; of
            equal ones, the class that comes first counts as higher.
        labels: (N,), whole numbers from 0 to K - 1.
        k: guesses allowed for each image, from 1 to K.

    Returns:
        float in [0, 1].

    Raises:
        ValueError: wrong shapes, a label that is no class, scores that are
            not numbers, or more guesses than classes.

    Source: Russakovsky et al. (2015), "ImageNet large scale visual
    recognition challenge", section 4.1, for one label an image.
    """
    scores, labels = np.asarray(probabilities), np.asarray(labels)
    _check(scores, labels, k)
    guesses = np.argsort(-scores, axis=1, kind="stable")[:, :k]  # (N, k)
    missed = (guesses != labels[:, None]).all(axis=1)  # (N,)
    return float(missed.mean())


def standard_error(error, images):
    """How much a measured error would vary with other test images of the same kind.

    Args:
        error: share of images misclassified, in [0, 1].
        images: how many it was measured on.

    Returns:
        float: the standard deviation of the binomial share, sqrt(e (1 - e) / N).

    Raises:
        ValueError: the error is no share, or there are no images.
    """
    if not 0 <= error <= 1 or images < 1:
        raise ValueError(f"an error is a share from 0 to 1, measured on an image or more; got {error} on {images}.")
    return float(np.sqrt(error * (1 - error) / images))


def _check(scores, labels, k):
    if scores.ndim != 2 or not len(scores) or labels.shape != scores.shape[:1]:
        raise ValueError(f"probabilities have shape (N, K) and labels (N,), with an image or more; got {scores.shape} and {labels.shape}.")
    if labels.dtype.kind not in "ui" or labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"labels are whole numbers from 0 to {scores.shape[1] - 1}; got {labels.min()} to {labels.max()}, dtype {labels.dtype}.")
    if not np.isfinite(scores).all():
        raise ValueError("probabilities must be numbers; some are nan or infinite.")
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k is from 1 to the number of classes, {scores.shape[1]}; got {k}.")
