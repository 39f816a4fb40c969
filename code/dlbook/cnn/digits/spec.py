"""The digit network's facts: the architecture, its table of layers, how it is trained.

Source: the Keras example network for MNIST (2017), as tabulated in the lecture deck "Deep Learning Applications", slides 7 to 11.
Differs from the deck: the last layer returns logits; softmax is applied by the loss and by `predict`, which is numerically safer.
"""
from dataclasses import dataclass

from dlbook.train.settings import Training


@dataclass(frozen=True)
class Architecture:
    """What fixes the network's shape.

    Args:
        size: side of the square grey input, in pixels.
        filters: feature maps of each of the two convolutions.
        kernel: side of their kernels, in pixels; no padding, so each convolution trims the border.
        pool: side and stride of the max pooling.
        hidden: units of the hidden dense layer.
        num_classes: digits to tell apart.
        dropout_pool, dropout_hidden: share of activations set to zero in training, after the pooling and after the hidden layer.
    """
    size: int = 28
    filters: int = 32
    kernel: int = 3
    pool: int = 2
    hidden: int = 128
    num_classes: int = 10
    dropout_pool: float = 0.25
    dropout_hidden: float = 0.5

    def __post_init__(self):
        for name in ("size", "filters", "kernel", "pool", "hidden", "num_classes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        for name in ("dropout_pool", "dropout_hidden"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is a share from 0 to below 1; got {getattr(self, name)}.")
        if (self.size - 2 * (self.kernel - 1)) // self.pool < 1:
            raise ValueError(f"nothing is left of images of {self.size} x {self.size} pixels after two convolutions of "
                             f"{self.kernel} x {self.kernel} and a pooling by {self.pool}; take larger images or smaller kernels.")


ARCHITECTURE = Architecture()


TRAINING = {
    # Small batches: 1,198 images give few steps an epoch.
    "quick": Training(epochs=8, batch_size=32, learning_rate=1e-3),
    # 12 epochs as in the deck. Batch and rate were chosen on the last 10,000 training images, without a look at the test images:
    # batches of 64 at 2e-3 read 99.16 % of them, batches of 128 at 1e-3 (Adam's usual rate) 99.04 %.
    "full": Training(epochs=12, batch_size=64, learning_rate=2e-3),
}

# The deck's numbers: parameters of each layer that has any, their sum, and the size of the flattened layer, which is not in the sum.
PARAMETERS = {"conv1": 320, "conv2": 9_248, "dense1": 589_952, "logits": 1_290}
TOTAL = 600_810
FLATTENED = 4_608


@dataclass(frozen=True)
class Row:
    """One layer of the table: its name, its output shape (H, W, C) or (D,), its parameters and how they are counted."""
    name: str
    shape: tuple
    parameters: int
    count: str


def table(a=ARCHITECTURE):
    """The table of layers, computed from the architecture.

    Args:
        a: Architecture.

    Returns:
        list of Row, from the input to the logits.
    """
    side1 = a.size - a.kernel + 1  # a convolution without padding: H' = H - k + 1
    side2 = side1 - a.kernel + 1
    side3 = side2 // a.pool
    flat, k2 = side3 * side3 * a.filters, a.kernel**2
    return [
        Row("input", (a.size, a.size, 1), 0, ""),
        Row("conv1", (side1, side1, a.filters), (k2 * 1 + 1) * a.filters, f"({a.kernel} x {a.kernel} x 1 + 1) x {a.filters}"),
        Row("conv2", (side2, side2, a.filters), (k2 * a.filters + 1) * a.filters,
            f"({a.kernel} x {a.kernel} x {a.filters} + 1) x {a.filters}"),
        Row("pool", (side3, side3, a.filters), 0, ""),
        Row("flatten", (flat,), 0, ""),
        Row("dense1", (a.hidden,), (flat + 1) * a.hidden, f"({flat:,} + 1) x {a.hidden}"),
        Row("logits", (a.num_classes,), (a.hidden + 1) * a.num_classes, f"({a.hidden} + 1) x {a.num_classes}"),
    ]


def weight_shapes(a=ARCHITECTURE):
    """Shapes of all weights, under the names and in the layout of PyTorch: kernels (O, I, H, W), matrices (out, in).

    Returns:
        dict of name to shape, in the order of the layers.
    """
    k, f = a.kernel, a.filters
    flat = next(row.shape[0] for row in table(a) if row.name == "flatten")
    return {
        "conv1.weight": (f, 1, k, k), "conv1.bias": (f,),
        "conv2.weight": (f, f, k, k), "conv2.bias": (f,),
        "dense1.weight": (a.hidden, flat), "dense1.bias": (a.hidden,),
        "logits.weight": (a.num_classes, a.hidden), "logits.bias": (a.num_classes,),
    }
