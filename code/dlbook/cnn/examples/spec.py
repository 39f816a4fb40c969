"""A small ConvNet for small pictures, and how it is trained on few or many of them."""
from dataclasses import dataclass

from dlbook.train.settings import Training

BATCH = 32
STEPS = 250  # at least so many, however few the examples
EPOCHS = 12  # at least so often is each example shown, however many there are


@dataclass(frozen=True)
class Architecture:
    """What fixes the network's shape.

    Args:
        num_classes: classes to tell apart.
        channels: of the input: 1 grey, 3 colour.
        size: side of the square input, pixels.
        filters: maps of the two convolutions, each followed by a max pooling of 2 x 2.
        kernel: side of their windows, pixels; no padding.
        hidden: units of the dense layer before the last.
    """
    num_classes: int = 10
    channels: int = 1
    size: int = 28
    filters: tuple = (12, 24)
    kernel: int = 5
    hidden: int = 48

    def __post_init__(self):
        for name in ("num_classes", "channels", "size", "kernel", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if len(self.filters) != 2 or min(self.filters) < 1:
            raise ValueError(f"filters are the maps of two convolutions, each at least 1; got {self.filters}.")
        if self.side < 1:
            raise ValueError(f"nothing is left of images of {self.size} x {self.size} pixels after two convolutions of {self.kernel} x {self.kernel} "
                             "and two poolings by 2; take larger images or smaller kernels.")

    @property
    def side(self):
        """Side of the maps after the second pooling: H' = (H - k + 1) / 2, twice."""
        return ((self.size - self.kernel + 1) // 2 - self.kernel + 1) // 2


def weight_shapes(a):
    """Shapes of all weights in the exchange format: kernels (O, I, H, W), matrices (out, in).

    Args:
        a: Architecture.

    Returns:
        dict of name to shape, in the order of the layers.
    """
    first, second = a.filters
    flat = second * a.side**2
    return {
        "conv1.weight": (first, a.channels, a.kernel, a.kernel), "conv1.bias": (first,),
        "conv2.weight": (second, first, a.kernel, a.kernel), "conv2.bias": (second,),
        "dense1.weight": (a.hidden, flat), "dense1.bias": (a.hidden,),
        "logits.weight": (a.num_classes, a.hidden), "logits.bias": (a.num_classes,),
    }


def parameters(a):
    """Number of weights and biases."""
    from math import prod

    return sum(prod(shape) for shape in weight_shapes(a).values())


def training(n):
    """How the network is trained on n examples: a few are shown more often, so that it makes at least `STEPS` steps.

    Args:
        n: number of examples, 1 or more.

    Returns:
        settings.Training.
    """
    per_epoch = -(-n // BATCH)
    return Training(epochs=max(EPOCHS, -(-STEPS // per_epoch)), batch_size=BATCH, learning_rate=2e-3)
