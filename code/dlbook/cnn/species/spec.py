"""Cat or dog: a small VGG whose convolutions have learnt to see as VGG19 does, and whose last layer has learnt from photos of pets."""
from dataclasses import dataclass

import numpy as np

from dlbook.cnn.blocks.table import above_zero, whole
from dlbook.cnn.vgg import spec as vgg
from dlbook.style.features import spec as features

ONE_TWIN = "it is trained once, in PyTorch; the network itself is `cnn/vgg` in both frameworks"
NAMES = ("cat", "dog")
SIZE = 96  # pixels; the last maps have 6 x 6
# Means of the last maps and one linear layer: what a map says can be traced to its places.
NETWORK = vgg.Architecture(features.LAYERS, hidden=(), classifier_pool=1, size=SIZE, num_classes=len(NAMES), scaling="caffe")


@dataclass(frozen=True)
class Training:
    """How such a network is trained further, with Adam and a learning rate that falls along a half cosine.

    Args:
        epochs: passes over the photos.
        batch_size: photos a step.
        learning_rate: at the first step; 0 at the last.
        decay: share of the learning rate by which every weight shrinks a step.
        smallest: share of a photo's shorter side that a piece has at least.
        kept: how many of the first convolutions stay as they begin: edges and spots serve cats and dogs, too, and most of the time
            goes into them.
    """
    epochs: int = 4
    batch_size: int = 32
    learning_rate: float = 2e-4
    decay: float = 0.01
    smallest: float = 0.6
    kept: int = 4

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            whole(name, getattr(self, name))
        above_zero("learning_rate", self.learning_rate)
        if not 0 < self.smallest <= 1:
            raise ValueError(f"smallest is a share above 0 and at most 1; got {self.smallest!r}.")


TRAINING = Training()


def middle(image, size=SIZE):
    """The largest square in the middle of a photo.

    Args:
        image: (H, W, 3) uint8.
        size: side of the result, pixels.

    Returns:
        (size, size, 3) float32 in [0, 1].
    """
    side = min(image.shape[:2])
    return _cut(image, (image.shape[0] - side) // 2, (image.shape[1] - side) // 2, side, size)


def piece(image, rng, smallest=TRAINING.smallest, size=SIZE):
    """A square piece of a photo, anywhere in it, mirrored or not.

    Args:
        image: (H, W, 3) uint8.
        rng: numpy.random.Generator.
        smallest: share of the shorter side that the piece has at least.
        size: side of the result, pixels.

    Returns:
        (size, size, 3) float32 in [0, 1].
    """
    shorter = min(image.shape[:2])
    side = int(rng.integers(max(1, round(smallest * shorter)), shorter + 1))
    top, left = (int(rng.integers(length - side + 1)) for length in image.shape[:2])
    found = _cut(image, top, left, side, size)
    return found[:, ::-1] if rng.random() < 0.5 else found


def _cut(image, top, left, side, size):
    from PIL import Image

    square = Image.fromarray(image[top:top + side, left:left + side])
    return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255
