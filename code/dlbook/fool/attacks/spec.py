"""Adversarial examples: how large a change may be, how it is looked for, and the networks that are attacked.

Source: Goodfellow, Shlens and Szegedy (2015), "Explaining and harnessing adversarial examples", ICLR (one step); Kurakin, Goodfellow and
    Bengio (2017), "Adversarial examples in the physical world" (many steps, a target); Madry et al. (2018), "Towards deep learning
    models resistant to adversarial attacks", ICLR (random starts, training); Carlini and Wagner (2017), "Towards evaluating the
    robustness of neural networks" (the margin).
"""
from dataclasses import dataclass

import numpy as np

from dlbook.cnn.blocks.images import SCALINGS
from dlbook.cnn.blocks.table import whole
from dlbook.cnn.vgg import spec as vgg
from dlbook.train.settings import Training

STARTS = ("image", "random")
LOSSES = ("cross entropy", "margin")
PACE = 2.5  # the steps of an attack together could cross the box of allowed changes so many times its half side: Madry et al., appendix


@dataclass(frozen=True)
class Attack:
    """How an image is changed so that a network misreads it; no pixel changes by more than `epsilon`.

    Args:
        epsilon: largest change of a pixel value in [0, 1].
        steps: how often the gradient is followed; 1 is the fast gradient sign method, more is projected gradient descent.
        step: change of every pixel a step; None: all of `epsilon` in one step, or PACE * epsilon / steps.
        start: `image`, or `random`, anywhere in the box of allowed changes.
        targeted: the labels given are those that the network shall say, not the true ones.
        seed: of random starts.
        loss: what is climbed: the `cross entropy`, or the `margin`, by which the best wrong logit exceeds the best right one. The
            margin does not grow flat where the network is sure.
    """
    epsilon: float
    steps: int = 1
    step: float | None = None
    start: str = "image"
    targeted: bool = False
    seed: int = 0
    loss: str = "cross entropy"

    def __post_init__(self):
        if not (isinstance(self.epsilon, (int, float)) and 0 <= self.epsilon <= 1):
            raise ValueError(f"epsilon is a change of pixels in [0, 1], from 0 to 1; got {self.epsilon!r}: divide by 255 if it counts grey levels.")
        whole("steps", self.steps)
        if self.step is not None and not self.step > 0:
            raise ValueError(f"step must be above 0, or None; got {self.step!r}.")
        for name, known in (("start", STARTS), ("loss", LOSSES)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}.")

    @property
    def pace(self):
        """Change of a pixel a step."""
        if self.step is not None:
            return self.step
        return self.epsilon if self.steps == 1 else PACE * self.epsilon / self.steps


def fgsm(epsilon, targeted=False):
    """The fast gradient sign method: Goodfellow et al. (2015), section 4."""
    return Attack(epsilon, targeted=targeted)


def pgd(epsilon, steps=20, targeted=False, seed=0):
    """Projected gradient descent from a random start: Madry et al. (2018), section 2.1."""
    return Attack(epsilon, steps, start="random", targeted=targeted, seed=seed)


# For digits of 28 x 28; small, for it is attacked thousands of times. Live, a thinner one.
NETWORK = vgg.Architecture((16, "M", 32, "M", 64), hidden=(64,), dropout=0.0, size=28, channels=1, num_classes=10, scaling="none")
SMALL = vgg.Architecture((8, "M", 16, "M", 32), hidden=(), size=28, channels=1, num_classes=10, scaling="none")
TRAINING = Training(epochs=3, batch_size=64, learning_rate=2e-3)
DEFENCE = Attack(0.2, steps=5, start="random")  # what the robust network is trained against
EPSILONS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)  # against which accuracy is measured


def check(a, images, labels):
    """Refuse images or labels that do not belong together or to the network.

    Args:
        a: the network's architecture.
        images: (N, H, W) or (N, H, W, C) floating point in [0, 1].
        labels: (N,) whole numbers; or (N, num_classes) bool, which marks all classes that are right.

    Returns:
        (images (N, H, W, C), labels (N,) int64 or (N, num_classes) bool).

    Raises:
        TypeError, ValueError: see above.
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.dtype.kind != "f":
        raise TypeError(f"images are floating point in [0, 1]; got dtype {images.dtype}; divide by 255: images / 255.")
    images = images[..., None] if images.ndim == 3 and a.channels == 1 else images
    if images.ndim != 4 or images.shape[3] != a.channels:
        raise ValueError(f"images have shape (N, H, W, {a.channels}) here; got shape {images.shape}.")
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"images hold values in [0, 1]; got values from {images.min():g} to {images.max():g}.")
    if labels.dtype == bool:
        if labels.shape != (len(images), a.num_classes) or not (labels.any(1) & ~labels.all(1)).all():
            raise ValueError(f"labels that mark classes have shape ({len(images)}, {a.num_classes}), with a right class and a wrong one in each row; "
                             f"got shape {labels.shape}.")
        return images, labels
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(f"each of {len(images)} images needs a label, a whole number; got {labels.dtype} of shape {labels.shape}.")
    if labels.size and not (labels.min() >= 0 and labels.max() < a.num_classes):
        raise ValueError(f"labels are from 0 to {a.num_classes - 1}; got {labels.min()} to {labels.max()}.")
    return images, labels.astype(np.int64)


def scaling(a):
    """How a network scales pixels: what it reads is `pixels @ matrix + shift`, for pixels in [0, 1].

    Args:
        a: its architecture.

    Returns:
        (C, C) and (C,) float64 arrays.
    """
    scale = SCALINGS[a.scaling]
    shift = scale(np.zeros((1, a.channels)))[0]  # every scaling is linear but for a shift
    return scale(np.eye(a.channels)) - shift, shift


def beginning(images, attack):
    """The first images of an attack: (N, H, W, C), the images themselves or random ones in the box around them."""
    if attack.start == "image":
        return images
    noise = np.random.default_rng(attack.seed).uniform(-attack.epsilon, attack.epsilon, images.shape)
    return np.clip(images + noise, 0, 1).astype(images.dtype)
