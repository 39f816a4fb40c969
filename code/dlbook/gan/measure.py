"""How good generated images are, measured on what a classifier sees in them; nothing is admired.

For digits the classifier is the course's own digit network (`cnn/digits`). Its features are what its maps see where, coarsely,
behind the pooling (288 numbers), and its hidden layer (128 numbers), each as a vector of length 1: the hidden layer alone takes
noise for digits, since both small activations and none lie in the middle of those of digits, and the maps alone take two digits on
top of each other for one. For clothes it is a LeNet-5 that was trained on them, with 400 and 84 numbers. A Fréchet distance between
these features cannot be compared with a published FID: that one is taken from 2,048 features of another network, Inception v3,
trained on photos. Compare it with what two sets of real images of the same size give, and with what noise gives.
"""
from dataclasses import dataclass

import numpy as np

# How many numbers behind the pooling and in the hidden layer
SIZES = {"digits": (9 * 32, 128), "clothes": (25 * 16, 84)}
TINY = 1e-12  # length below which a vector has no direction
BLOCK = 500  # rows of a table of distances that are computed at once
CONFIDENT = 0.9  # probability from which on a reading counts as sure
SHARE = 0.2  # of its fair share, from which on a class counts as covered


@dataclass(frozen=True)
class Seen:
    """What classifiers see in N images.

    Args:
        features: (N, 416) of digits, (N, 484) of clothes, see above.
        probabilities: (N, 10), its own.
        others: (N,) the classes that a second network reads, which was trained apart.
    """
    features: np.ndarray
    probabilities: np.ndarray
    others: np.ndarray

    @property
    def labels(self):
        """(N,) the classes that the first network reads."""
        return self.probabilities.argmax(1)

    def first(self, n):
        """The same of the first n images."""
        return Seen(self.features[:n], self.probabilities[:n], self.others[:n])


def seen(activations, others, what="digits"):
    """Put together what the networks of a framework see.

    Args:
        activations: (N, ...) of the first network, side by side: its maps behind the pooling, its hidden layer, its logits.
        others: (N,) the classes that the second network reads.
        what: what the images show, one of `SIZES`.

    Returns:
        Seen.
    """
    pooled, hidden, logits = np.split(np.asarray(activations, np.float64), np.cumsum(SIZES[what]), axis=1)
    likely = np.exp(logits - logits.max(1, keepdims=True))
    return Seen(np.concatenate([_direction(pooled), _direction(hidden)], 1), likely / likely.sum(1, keepdims=True), np.asarray(others))


def _direction(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), TINY)


def check(what):
    """What images show, checked.

    Args:
        what: one of `SIZES`.

    Returns:
        str: the same.

    Raises:
        ValueError: something else.
    """
    if what not in SIZES:
        raise ValueError(f"there are networks that look at {' and at '.join(SIZES)}; got {what!r}.")
    return what


def frechet(a, b):
    """Fréchet distance of two sets of features, each taken for normal.

    Args:
        a, b: (N, D) and (M, D), at least two each. From few samples it comes out too large, so compare equal numbers.

    Returns:
        float: 0 for equal means and covariances; |shift|^2 for equal covariances.

    Raises:
        ValueError: too few samples, different D, or numbers that are not finite.

    Source: Heusel et al. (2017), arXiv 1706.08500, equation 6.
    """
    a, b = _features(a, b)
    root = _root(np.cov(a, rowvar=False).reshape(a.shape[1], -1))
    other = np.cov(b, rowvar=False).reshape(b.shape[1], -1)
    # |m - n|^2 + tr(C + D - 2 (C D)^(1/2)); C D has the eigenvalues of C^(1/2) D C^(1/2), which is symmetric
    between = np.sqrt(np.clip(np.linalg.eigvalsh(root @ other @ root), 0, None)).sum()
    distance = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(root @ root) + np.trace(other) - 2 * between
    return float(max(distance, 0))


def _root(matrix):
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def precision_recall(real, fake, k=3):
    """How much of what is generated looks real, and how much of what is real is generated.

    Args:
        real, fake: features (N, D) and (M, D). Both shares fall with the number of samples, so compare equal numbers.
        k: a set's region is the union of balls around its samples, each out to the sample's k-th neighbour in the set.

    Returns:
        (precision, recall): the shares of `fake` in the region of `real`, and of `real` in that of `fake`.

    Raises:
        ValueError: not more than k samples, different D, or numbers that are not finite.

    Source: Kynkäänniemi et al. (2019), arXiv 1904.06991, equations 1 and 2.
    """
    real, fake = _features(real, fake)
    if not 1 <= k < min(len(real), len(fake)):
        raise ValueError(f"k is a number of neighbours from 1 to below the number of samples, {min(len(real), len(fake))}; got {k}.")
    return _share_inside(fake, real, k), _share_inside(real, fake, k)


def _share_inside(points, region, k):
    """Share of points that lie in a ball around some sample of the region."""
    # The nearest of all is the sample itself.
    radii = np.concatenate([np.partition(rows, k, axis=1)[:, k] for _, rows in _distances(region, region)])
    return float(np.mean(np.concatenate([(rows <= radii).any(1) for _, rows in _distances(points, region)])))


def _distances(a, b):
    """Squared distances, block by block: (first row of a, (block, M))."""
    lengths = (b**2).sum(1)
    for i in range(0, len(a), BLOCK):
        block = a[i:i + BLOCK]
        # |x - y|^2 = |x|^2 - 2 x y + |y|^2
        rows = (block**2).sum(1)[:, None] - 2 * block @ b.T + lengths
        if a is b:
            rows[np.arange(len(block)), np.arange(i, i + len(block))] = 0  # without rounding
        yield i, np.maximum(rows, 0, out=rows)


def _features(a, b):
    a, b = (np.asarray(x, np.float64) for x in (a, b))
    for x in (a, b):
        if x.ndim != 2 or len(x) < 2 or x.shape[1] != a.shape[1]:
            raise ValueError(f"two sets of features have shapes (N, D) and (M, D), two samples each or more; got {a.shape} and {b.shape}.")
        if not np.isfinite(x).all():
            raise ValueError("features are finite numbers; got some that are not.")
    return a, b


def counts(labels, classes=10):
    """How many samples of each class: labels (N,) -> whole numbers (classes,)."""
    return np.bincount(np.asarray(labels, np.int64), minlength=classes)


def covered(labels, classes=10):
    """How many classes are generated: those with at least a fifth of their fair share.

    Args:
        labels: (N,) the class that a classifier reads in each sample.
        classes: how many there are, all equally frequent.

    Returns:
        int.

    Raises:
        ValueError: no samples.
    """
    _some(labels)
    return int((counts(labels, classes) >= SHARE * len(labels) / classes).sum())


def diversity(labels, classes=10):
    """Entropy of the classes that are generated, as a share of its largest value: 1 when all are equally frequent.

    Args:
        labels, classes: as for `covered`.

    Returns:
        float, 0 when only one class is generated.

    Raises:
        ValueError: no samples.
    """
    _some(labels)
    p = counts(labels, classes) / len(labels)
    p = p[p > 0]
    # H = -sum p log p, of at most log K
    return float(abs(np.sum(p * np.log(p))) / np.log(classes))


def confident(probabilities, at_least=CONFIDENT):
    """Share of samples in which a classifier is sure of one class: probabilities (N, classes) -> float."""
    _some(probabilities)
    return float((np.max(probabilities, axis=1) >= at_least).mean())


def agreement(labels, others):
    """Share of samples that two classifiers, trained apart, read alike.

    Args:
        labels, others: (N,) the class that each reads.

    Returns:
        float.

    Raises:
        ValueError: no samples, or different numbers.
    """
    _some(labels)
    if np.shape(labels) != np.shape(others):
        raise ValueError(f"both classifiers read the same samples; got {len(labels)} and {len(others)} readings.")
    return float(np.mean(np.asarray(labels) == np.asarray(others)))


def _some(samples):
    if not len(samples):
        raise ValueError("to measure generated images, there must be some; got none.")


def nearest(samples, training):
    """For each sample the most similar training image: a generator that has learnt images by heart is found out here.

    Args:
        samples: (N, ...) images, or features (N, D).
        training: (M, ...) of the same shape.

    Returns:
        (indices (N,) int64, distances (N,)): Euclidean; 0 for a copy.

    Raises:
        ValueError: no samples, or different shapes.
    """
    samples, training = (np.asarray(x, np.float64) for x in (samples, training))
    if not (len(samples) and len(training)) or samples.shape[1:] != training.shape[1:]:
        raise ValueError(f"samples and training images have the same shape, one each or more; got {samples.shape} and {training.shape}.")
    a, b = samples.reshape(len(samples), -1), training.reshape(len(training), -1)
    indices = np.concatenate([rows.argmin(1) for _, rows in _distances(a, b)])
    return indices, np.sqrt(((a - b[indices]) ** 2).sum(1))  # anew, without the rounding of the formula above


def quality(fake, real, k=3):
    """All measures of generated images.

    Args:
        fake, real: Seen, of as many images each.
        k: as for `precision_recall`.

    Returns:
        dict of `frechet`, `precision`, `recall`, `classes` (covered, of 10), `diversity`, `confident` and `agreement`.
    """
    precision, recall = precision_recall(real.features, fake.features, k)
    return {
        "frechet": frechet(real.features, fake.features), "precision": precision, "recall": recall,
        "classes": covered(fake.labels), "diversity": diversity(fake.labels),
        "confident": confident(fake.probabilities), "agreement": agreement(fake.labels, fake.others),
    }
