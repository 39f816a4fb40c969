"""Source networks: small ones, taught on a part of CIFAR-10 without its cats and dogs, each with one factor changed."""
from dataclasses import dataclass, replace

import numpy as np

from dlbook.cnn.resnet import spec as resnet
from dlbook.cnn.transfer import measure, spec
from dlbook.data.labelled import Labelled
from dlbook.train.settings import Training

LEFT_OUT = ("cat", "dog")  # the target task tells these apart: the source must not know them
BASE = replace(resnet.SMALL, widths=(16, 32, 64), strides=(2, 2, 2), size=32, channels=3, num_classes=8)
EACH = 1000  # images of every class, of which a source learns from a share
TRAINING = Training(epochs=12, batch_size=64, learning_rate=4e-3, mirror=True)
LAYER = "pool"  # the mean of each of the last maps: the features that are borrowed
LABELS = (25, 100, 400, 1000)  # of each kind, with which the base network is fine-tuned
TUNING = Training(epochs=12, batch_size=32, learning_rate=1e-3, mirror=True)


@dataclass(frozen=True)
class Source:
    """A source network with one factor changed.

    Args:
        factor: `base`, `width`, `depth`, `epochs`, `images` or `classes`.
        value: of the factor: a number.
        a: resnet.spec.Architecture.
        epochs: of training; 0 leaves the network as it was drawn.
        images: share of the training images of every class.
        classes: how many classes it learns to tell apart.
    """
    factor: str
    value: float
    a: resnet.Architecture = BASE
    epochs: int = TRAINING.epochs
    images: float = 1.0
    classes: int = 8


def _wide(factor):
    """The base network with so many times as many maps."""
    return replace(BASE, widths=tuple(round(width * factor) for width in BASE.widths))


# All end with as many maps. The shallow ones must make maps smaller in larger steps.
DEPTHS = {1: {"blocks": (1,), "widths": (64,), "strides": (4,)}, 2: {"blocks": (1, 1), "widths": (32, 64), "strides": (2, 4)}, 6: {"blocks": (2, 2, 2)}}

SOURCES = (
    Source("base", 1),
    *(Source("width", factor, a=_wide(factor)) for factor in (0.25, 0.5, 2)),
    *(Source("depth", blocks, a=replace(BASE, **changed)) for blocks, changed in DEPTHS.items()),
    *(Source("epochs", epochs, epochs=epochs) for epochs in (0, 1, 4)),
    *(Source("images", share, images=share) for share in (0.1, 0.25, 0.5)),
    *(Source("classes", count, classes=count) for count in (2, 4)),
)
# The base network's place on the axis of every factor.
AT_BASE = {"width": 1.0, "depth": sum(BASE.blocks), "epochs": TRAINING.epochs, "images": 1.0, "classes": 8}


def lessons(things, source, seed):
    """The images that a source network learns from.

    Args:
        things: data.Labelled of ten classes.
        source: Source.
        seed: chooses images, and classes where they are few.

    Returns:
        Labelled whose classes are numbered from 0, without `LEFT_OUT`.
    """
    rng = np.random.default_rng([seed, 5])
    known = [number for number, name in enumerate(things.names) if name not in LEFT_OUT]
    chosen = np.sort(rng.permutation(known)[:source.classes])
    return _part(things, chosen, round(source.images * EACH), rng)


def pets(things, each, seed):
    """The classes that no source knows, with few labels or many.

    Args:
        things: data.Labelled of ten classes.
        each: labels of each kind, at most.
        seed: chooses the images to learn from; those to measure on are always the same.

    Returns:
        Labelled of cats (0) and dogs (1).
    """
    return _part(things, [things.names.index(name) for name in LEFT_OUT], each, np.random.default_rng([seed, 6]))


def _part(things, kinds, each, rng):
    """Some images of some classes, and all test images of these classes."""
    kinds = np.asarray(kinds)
    train = np.sort(np.concatenate([rng.permutation(np.flatnonzero(things.train_labels == kind))[:max(1, each)] for kind in kinds]))
    test = np.flatnonzero(np.isin(things.test_labels, kinds))
    parts = [(images[part], np.searchsorted(kinds, labels[part])) for images, labels, part in
             ((things.train_images, things.train_labels, train), (things.test_images, things.test_labels, test))]
    return Labelled(f"{', '.join(things.names[kind] for kind in kinds)} of {things.source}", things.licence, *parts[0], *parts[1], things.files,
                    tuple(things.names[kind] for kind in kinds))


def taught(twin, source, things, seed):
    """Train one source network.

    Args:
        twin: `dlbook.cnn.resnet`'s `with_keras` or `with_torch`.
        source: Source.
        things: data.Labelled of ten classes.
        seed: weights, images, order.

    Returns:
        (network, history); the history is empty where nothing is trained.
    """
    images = lessons(things, source, seed)
    network = twin.resnet(replace(source.a, num_classes=source.classes), seed)
    if not source.epochs:
        return network, {}
    # As many steps, whatever the number of images: a factor is changed alone.
    epochs = round(source.epochs * BASE.num_classes * EACH / len(images.train_images))
    return network, twin.fit(network, images, replace(TRAINING, epochs=epochs), seed, progress=False)


def tuned(twin, learnt, images, seed):
    """Fine-tune a source network, or train the same network from scratch.

    Args:
        twin: `dlbook.cnn.resnet`'s `with_keras` or `with_torch`.
        learnt: weights of the source network, dict of name to array; None: from scratch.
        images: Labelled of the target task.
        seed: fresh weights, order.

    Returns:
        float, accuracy on the test images after the last epoch.
    """
    a = replace(BASE, num_classes=len(images.names))
    fresh = twin.resnet(a, seed)
    network = fresh if learnt is None else twin.resnet(a, seed, spec.overlaid(twin.weights_of(fresh), learnt))
    training = TUNING if learnt is not None else replace(TUNING, learning_rate=TRAINING.learning_rate)
    return twin.fit(network, images, training, seed, progress=False)["val_accuracy"][-1]


def tuning(twin, features, network, things, seed):
    """The base network's features for cats and dogs, with few labels or many: as they are, fine-tuned, and from scratch.

    Args:
        twin: `dlbook.cnn.resnet`'s `with_keras` or `with_torch`.
        features: called as features(network, images, layers); see the twins of transfer.
        network: base network, trained.
        things: data.Labelled of ten classes.
        seed: labels, fresh weights, order.

    Returns:
        list of dict: `labels` of each kind, and accuracies `frozen`, `tuned` and `scratch`.
    """
    learnt, table = twin.weights_of(network), []
    test = features(network, pets(things, max(LABELS), seed).test_images, (LAYER,))[LAYER]  # the same, however many labels there are
    for each in LABELS:
        images = pets(things, each, seed)
        train = features(network, images.train_images, (LAYER,))[LAYER]
        table.append({"labels": each, "frozen": measure.accuracy(train, images.train_labels, test, images.test_labels),
                      "tuned": tuned(twin, learnt, images, seed), "scratch": tuned(twin, None, images, seed)})
    return table
