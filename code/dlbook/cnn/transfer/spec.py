"""Transfer's facts: which layers keep their weights, how photos are shown, how long is trained."""
from dataclasses import dataclass, replace

import numpy as np

from dlbook.cnn.blocks.start import Norm
from dlbook.cnn.blocks.table import above_zero, whole
from dlbook.cnn.mobilenet import spec as mobilenet

WAYS = {
    "scratch": "from scratch",
    "frozen": "pretrained, frozen",
    "tuned": "pretrained, fine-tuned",
}
HEAD = "logits"  # the layer that names the classes: the one that cannot be kept

SIZE = 128  # pixels; the photos are 160 pixels long, and a pass takes a third of the time at 224
# From scratch, the statistics of some dozens of batches must forget quickly; pretrained networks keep theirs, which come from a million
# photos. Dropout is left out, so that twins agree.
NORM = Norm(eps=1e-3, momentum=0.9)
PRETRAINED = replace(mobilenet.VARIANTS["0.75"], size=SIZE, dropout=0.0)  # as the mirror's weights are
TARGET = replace(PRETRAINED, norm=NORM, num_classes=2)


@dataclass(frozen=True)
class Settings:
    """How a network is trained on photos, with Adam and a learning rate that falls to 0 along half a cosine.

    Args:
        epochs: passes over the training photos.
        batch_size: photos a step.
        learning_rate: at the first step.
        smallest: least side of a random crop, as a share of the photo's shorter side; 1 with no mirror: no augmentation.
        mirror: show a random half of the photos mirrored, left for right.
        epsilon: added to the root in Adam; Keras and PyTorch add it at different places.
    """
    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3
    smallest: float = 0.6
    mirror: bool = True
    epsilon: float = 1e-7

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            whole(name, getattr(self, name))
        for name in ("learning_rate", "epsilon"):
            above_zero(name, getattr(self, name))
        if not 0 < self.smallest <= 1:
            raise ValueError(f"smallest is a share above 0, at most 1; got {self.smallest!r}.")


# A lone linear layer takes large steps. Learnt layers must not be shaken, least of all where batch norms keep the statistics they were
# trained with: at a rate of 2e-4 this tower forgot all it knew. What has nothing to learn from but these photos takes more, smaller batches.
SETTINGS = {"scratch": Settings(epochs=20, batch_size=16), "frozen": Settings(epochs=6, learning_rate=5e-3),
            "tuned": Settings(epochs=4, learning_rate=2e-5)}


def way(name):
    """Check with which weights a network is to begin: `scratch` or `frozen`; returns the same, or raises ValueError."""
    if name not in ("scratch", "frozen"):
        raise ValueError(f"a network begins from scratch or frozen; got {name!r}. To fine-tune it, unfreeze a frozen one whose head has learnt.")
    return name


def overlaid(fresh, learnt, head=HEAD):
    """Learnt weights in every layer but the head, which stays as it was drawn.

    Args:
        fresh: dict of name to array, the starting weights of the target network.
        learnt: the same of the source network.
        head: name of the layer that is not taken over.

    Returns:
        dict of name to array, of the target network.

    Raises:
        ValueError: the networks differ in more than the head.
    """
    kept = {name for name in fresh if not name.startswith(f"{head}.")}
    apart = sorted(kept ^ {name for name in learnt if not name.startswith(f"{head}.")})
    apart += [name for name in kept - set(apart) if fresh[name].shape != learnt[name].shape]
    if apart:
        raise ValueError(f"the networks must be the same but for {head}; they differ in {', '.join(apart[:3])}.")
    return {name: learnt[name] if name in kept else value for name, value in fresh.items()}


def boxes(shapes, settings, epoch, seed):
    """Which square of each photo is shown in an epoch, and whether mirrored; drawn in NumPy, so that both twins see the same.

    Args:
        shapes: list of N (height, width), in pixels.
        settings: Settings.
        epoch: each epoch draws anew.
        seed: whole number.

    Returns:
        (N, 3) float: left, top and side in pixels; and (N,) bool: mirrored.
    """
    rng = np.random.default_rng([seed, epoch, 2])
    sizes = np.array([shape[:2] for shape in shapes], float).reshape(-1, 2)
    sides = sizes.min(1) * rng.uniform(settings.smallest, 1, len(sizes))
    left, top = ((sizes[:, axis] - sides) * rng.random(len(sizes)) for axis in (1, 0))
    mirrored = (rng.random(len(sizes)) < 0.5) & settings.mirror
    return np.stack([left, top, sides], 1), mirrored


def middles(shapes):
    """The largest square in the middle of each photo: (N, 3) float, as `boxes`."""
    sizes = np.array([shape[:2] for shape in shapes], float).reshape(-1, 2)
    side = sizes.min(1)
    return np.stack([(sizes[:, 1] - side) / 2, (sizes[:, 0] - side) / 2, side], 1)


def cut(photos, squares, size, mirrored=None):
    """Cut a square out of each photo and resize it.

    Args:
        photos: N photos (H, W, 3) or (H, W), uint8.
        squares: (N, 3): left, top, side in pixels.
        size: side of the result, pixels.
        mirrored: (N,) bool, or None.

    Returns:
        (N, size, size, 3) or (N, size, size) float32 in [0, 1].

    Raises:
        ValueError: a photo of another shape or dtype.
    """
    turned = np.zeros(len(photos), bool) if mirrored is None else mirrored
    return np.stack([_cut(photo, square, size)[:, ::-1 if turn else 1] for photo, square, turn in zip(photos, squares, turned, strict=True)])


def _cut(photo, square, size):
    from PIL import Image

    left, top, side = square
    if not isinstance(photo, np.ndarray) or photo.dtype != np.uint8 or photo.shape[2:] not in ((), (3,)) or photo.ndim < 2:
        raise ValueError(f"a photo is an array (H, W, 3) or (H, W) of uint8; got {getattr(photo, 'shape', photo)} {getattr(photo, 'dtype', '')}.")
    small = Image.fromarray(photo).resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
    return np.asarray(small, np.float32) / 255


def squares(photos, size=SIZE):
    """The middle of each photo, as it is shown for measuring: (N, size, size, 3) float32 in [0, 1]."""
    return cut(photos, middles([photo.shape for photo in photos]), size)


def layers(a):
    """Where a MobileNet's features are taken: the stem and each block.

    Args:
        a: mobilenet.spec.Architecture.

    Returns:
        tuple of str.
    """
    return ("stem", *(name for name, _, _ in mobilenet.blocks(a)))
