"""Source networks: small ones, taught on a part of CIFAR-10 without its cats and dogs, each with one factor changed."""
from dataclasses import dataclass, replace

import numpy as np

from dlbook.cnn.experiments import thinned
from dlbook.cnn.mobilenet import spec as mobilenet
from dlbook.data.labelled import Labelled
from dlbook.train.settings import Training

LEFT_OUT = ("cat", "dog")  # the target task tells these apart: the source must not know them
BASE = replace(mobilenet.SMALL, widths=(32, 64, 64, 128, 128), strides=(2, 1, 1, 2, 1), stem_stride=1, size=16, channels=3, num_classes=8, scaling="signed")
EACH = 500  # images of every class, of which a source learns from a share
THINNED = 2  # only every second pixel of 32 x 32 is kept, so that dozens of networks can be taught in minutes
TRAINING = Training(epochs=3, batch_size=64, learning_rate=4e-3, mirror=True)


@dataclass(frozen=True)
class Source:
    """A source network with one factor changed.

    Args:
        factor: `base`, `width`, `depth`, `epochs`, `images` or `classes`.
        value: of the factor: a number.
        a: mobilenet.spec.Architecture.
        epochs: of training; 0 leaves the network as it was drawn.
        images: share of the training images of every class.
        classes: how many classes it learns to tell apart.
    """
    factor: str
    value: float
    a: mobilenet.Architecture = BASE
    epochs: int = TRAINING.epochs
    images: float = 1.0
    classes: int = 8


def _depth(blocks):
    """The base network with so many blocks: the last stage is made longer, or blocks go from the end."""
    widths = (BASE.widths + BASE.widths[-1:] * 4)[:blocks]
    return replace(BASE, widths=widths, strides=(BASE.strides + (1,) * 4)[:blocks])


SOURCES = (
    Source("base", 1),
    *(Source("width", alpha, a=replace(BASE, alpha=alpha)) for alpha in (0.25, 0.5)),
    *(Source("depth", blocks, a=_depth(blocks)) for blocks in (1, 8)),
    *(Source("epochs", epochs, epochs=epochs) for epochs in (0, 1)),
    *(Source("images", share, images=share) for share in (0.1, 0.3)),
    *(Source("classes", count, classes=count) for count in (2, 4)),
)
# The base network's place on the axis of every factor.
AT_BASE = {"width": 1.0, "depth": len(BASE.widths), "epochs": TRAINING.epochs, "images": 1.0, "classes": 8}


def lessons(things, source, seed):
    """The images that a source network learns from.

    Args:
        things: data.Labelled of ten classes.
        source: Source.
        seed: chooses images, and classes where they are few.

    Returns:
        Labelled whose classes are numbered from 0; without `LEFT_OUT`.
    """
    rng = np.random.default_rng([seed, 5])
    known = [number for number, name in enumerate(things.names) if name not in LEFT_OUT]
    chosen = np.sort(rng.permutation(known)[:source.classes])
    train = np.concatenate([_some(rng, things.train_labels == number, round(source.images * EACH)) for number in chosen])
    test = np.flatnonzero(np.isin(things.test_labels, chosen))
    number = {int(old): new for new, old in enumerate(chosen)}
    relabelled = lambda labels: np.array([number[int(label)] for label in labels])
    return Labelled(f"{things.source}, without cats and dogs", things.licence, things.train_images[train], relabelled(things.train_labels[train]),
                    things.test_images[test], relabelled(things.test_labels[test]), things.files, tuple(things.names[i] for i in chosen))


def _some(rng, mask, count):
    """So many of the places where a mask is set, at random."""
    return np.sort(rng.permutation(np.flatnonzero(mask))[:max(1, count)])


def taught(source, things, seed):
    """Train one source network, in PyTorch.

    Args:
        source: Source.
        things: data.Labelled of ten classes.
        seed: weights, images, order.

    Returns:
        (network, history); the history is empty where nothing is trained.
    """
    from dlbook.cnn.mobilenet import with_torch

    images = thinned(lessons(things, source, seed), THINNED)
    network = with_torch.mobilenet(replace(source.a, num_classes=source.classes), seed)
    if not source.epochs:
        return network, {}
    # As many steps, whatever the number of images: a factor is changed alone.
    epochs = round(source.epochs * BASE.num_classes * EACH / len(images.train_images))
    return network, with_torch.fit(network, images, replace(TRAINING, epochs=epochs), seed, progress=False)
