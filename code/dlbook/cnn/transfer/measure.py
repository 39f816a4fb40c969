"""How good features are: a linear classifier on top of them, with few labels or many, all dimensions or some."""
import numpy as np

COST = 1e-3  # of a mistake, in the support vector machine; the same for every task and layer, so that none is tuned on test images
CHUNK = 255  # features are kept in whole numbers up to this


def linear(train, labels, cost=COST):
    """A linear support vector machine behind features of mean 0 and deviation 1.

    Args:
        train: (N, D) features.
        labels: (N,) whole numbers, two kinds or more.
        cost: of a mistake; 0.001 keeps the weights small.

    Returns:
        scikit-learn classifier with `predict` and `score`.

    Raises:
        ValueError: all labels are the same.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    if len(np.unique(labels)) < 2:
        raise ValueError(f"a classifier needs two classes or more to learn; all labels are {labels[0]}.")
    # The primal problem has one solution, which is found without drawing anything.
    return make_pipeline(StandardScaler(), LinearSVC(C=cost, dual=False, tol=1e-4)).fit(train, labels)


def accuracy(train, labels, test, truth, cost=COST):
    """Share of test examples that a linear classifier on features names rightly: float in [0, 1]; arguments as `linear`."""
    return float(linear(train, labels, cost).score(test, truth))


def few(labels, each, seed):
    """Choose the same number of examples of every class.

    Args:
        labels: (N,) whole numbers.
        each: examples a class; of a class with fewer, all.
        seed: of the choice.

    Returns:
        (M,) int64, sorted numbers of examples.
    """
    rng = np.random.default_rng(seed)
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(labels == label))[:each] for label in np.unique(labels)]))


def reduced(train, test, dimensions):
    """Features along their directions of largest variance.

    Args:
        train: (N, D), which the directions are taken from.
        test: (M, D).
        dimensions: to keep, at most min(N, D).

    Returns:
        (N, dimensions), (M, dimensions).

    Raises:
        ValueError: more dimensions than there are.

    Source: Pearson (1901); the directions are right singular vectors of the centred features.
    """
    if not 1 <= dimensions <= min(train.shape):
        raise ValueError(f"from 1 to {min(train.shape)} dimensions can be kept of {train.shape[0]} examples with {train.shape[1]}; got {dimensions}.")
    mean, scale = train.mean(0), train.std(0) + 1e-6
    train, test = (train - mean) / scale, (test - mean) / scale
    _, _, directions = np.linalg.svd(train, full_matrices=False)
    return train @ directions[:dimensions].T, test @ directions[:dimensions].T


def packed(features):
    """Features that are not negative in one byte each, so that they can be shipped.

    Args:
        features: (N, D), 0 or more.

    Returns:
        dict of `bytes` (N, D) uint8 and `scale` (D,) float32: features are about bytes * scale.

    Raises:
        ValueError: a feature is negative or not a number.
    """
    features = np.asarray(features, np.float32)
    if not np.isfinite(features).all() or features.min() < 0:
        raise ValueError(f"features must be numbers of 0 or more, as a ReLU gives them; got {features.min():g}.")
    scale = np.maximum(features.max(0), 1e-6) / CHUNK
    return {"bytes": np.round(features / scale).astype(np.uint8), "scale": scale.astype(np.float32)}


def unpacked(stored):
    """Features as `packed` stored them: (N, D) float32."""
    return stored["bytes"].astype(np.float32) * stored["scale"]
