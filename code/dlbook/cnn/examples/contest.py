"""The contest: the same images, the same examples, features made by hand or learnt. For either framework."""
import numpy as np

from dlbook.cnn.examples import handcrafted, spec

LEARNT = "ConvNet"
TOGETHER = "all four"


def drawn(labels, per_class, seed):
    """Choose examples, the same number of each class.

    Args:
        labels: (N,) of all examples.
        per_class: how many of each class.
        seed: whole number.

    Returns:
        (K * per_class,) indices, in random order.

    Raises:
        ValueError: a class has fewer.
    """
    rng, counts = np.random.default_rng([seed, per_class]), np.bincount(labels)
    if not 1 <= per_class <= counts.min():
        raise ValueError(f"of each class 1 to {counts.min()} examples can be drawn; got {per_class}.")
    return rng.permutation(np.concatenate([rng.choice(np.flatnonzero(labels == k), per_class, replace=False) for k in range(len(counts))]))


def described(images):
    """What each way of looking by hand makes of all images.

    Args:
        images: data.Labelled.

    Returns:
        dict of name to (features to train on (N, D), features to test on).
    """
    found = {name: (way(images.train_images), way(images.test_images)) for name, way in handcrafted.FEATURES.items()}
    return found | {TOGETHER: tuple(np.concatenate(several, axis=1) for several in zip(*found.values()))}


def by_hand(images, features, which):
    """Accuracy of the linear machine on each kind of features.

    Args:
        images: data.Labelled.
        features: as `described` returns them.
        which: indices of the examples that may be learnt from.

    Returns:
        dict of name to test accuracy, from 0 to 1.
    """
    labels = images.train_labels[which]
    right = {name: handcrafted.machine(train[which], labels).predict(test) == images.test_labels for name, (train, test) in features.items()}
    return {name: float(found.mean()) for name, found in right.items()}


def learnt(twin, images, which, seed):
    """Accuracy of the small ConvNet.

    Args:
        twin: `cnn.examples.with_keras` or `with_torch`.
        images: data.Labelled.
        which: indices of the examples that may be learnt from.
        seed: starting weights and order of the batches.

    Returns:
        float: test accuracy, from 0 to 1.
    """
    network = twin.small_network(architecture(images), seed)
    twin.fit(network, images.train_images[which], images.train_labels[which], spec.training(len(which)), seed, progress=False)
    return float((twin.predict(network, images.test_images) == images.test_labels).mean())


def architecture(images):
    """The small ConvNet for a set of images: data.Labelled -> spec.Architecture."""
    channels = 1 if images.train_images.ndim == 3 else images.train_images.shape[3]
    return spec.Architecture(num_classes=len(images.names), channels=channels, size=images.train_images.shape[1])


def round_of(twin, images, features, per_class, seed):
    """One round: everybody learns from the same examples and is tested on the same images.

    Args:
        twin, images, features: as above.
        per_class: examples of each class.
        seed: of the draw, of the starting weights and of the order of the batches.

    Returns:
        dict of contender to test accuracy; the ConvNet comes last.
    """
    which = drawn(images.train_labels, per_class, seed)
    return by_hand(images, features, which) | {LEARNT: learnt(twin, images, which, seed)}
