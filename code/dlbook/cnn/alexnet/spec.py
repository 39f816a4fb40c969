"""AlexNet's facts: its layers in two towers and in one, published counts and shapes, official weights.

Source: Krizhevsky et al. (2012), "ImageNet classification with deep convolutional neural networks", section 3.5 and figure 2;
the one tower: Krizhevsky (2014), "One weird trick for parallelizing convolutional neural networks", as torchvision has it.
"""
from dataclasses import dataclass
from typing import NamedTuple

from dlbook.cnn.blocks.start import LocalNorm, Official
from dlbook.cnn.blocks.table import Tape, by_name, check_common, checked, is_whole, whole, wholes

KERNELS = ((11, 4), (5, 1), (3, 1), (3, 1), (3, 1))  # side and stride of the five convolutions
NORMALISED = (1, 2)  # convolutions with local response normalisation behind them
POOLED = (1, 2, 5)  # convolutions with a pooling behind them
POOL = (3, 2)  # side and stride: windows overlap, section 3.4


@dataclass(frozen=True)
class Architecture:
    """What fixes an AlexNet.

    Args:
        widths: maps of the five convolutions, of both towers together.
        groups: into how many towers each convolution's maps are cut; 1 sees the maps of all towers.
        pad: zeros on each side of the image before the first convolution, in pixels.
        lrn: settings of local response normalisation; None leaves it out.
        dense: units of the two hidden dense layers.
        dropout: share of their activations set to zero in training.
        classifier_pool: the first dense layer reads the means of so many x so many windows that cover the last maps: 6 (the one
            tower) lets it read images of any size, and changes nothing at 224 pixels; None: the maps themselves (the paper).
        size, channels: of the images; num_classes: to tell apart.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    widths: tuple = (96, 256, 384, 384, 256)
    groups: tuple = (1, 2, 1, 2, 2)
    pad: int = 0
    lrn: LocalNorm | None = LocalNorm(n=5, k=2.0, alpha=1e-4, beta=0.75)
    dense: tuple = (4096, 4096)
    dropout: float = 0.5
    classifier_pool: int | None = None
    size: int | tuple = 227
    channels: int = 3
    num_classes: int = 1000
    scaling: str = "imagenet"

    def __post_init__(self):
        check_common(self, optional=("lrn",))
        for name, count in (("widths", 5), ("groups", 5), ("dense", 2)):
            wholes(name, getattr(self, name), count)
        whole("pad", self.pad, least=0)
        if self.classifier_pool is not None and not is_whole(self.classifier_pool):
            raise ValueError(f"classifier_pool must be a whole number of 1 or more, or None; got {self.classifier_pool!r}.")
        for maps, filters, groups in zip((self.channels, *self.widths), self.widths, self.groups):
            if maps % groups or filters % groups:
                raise ValueError(f"{maps} maps cannot become {filters} in {groups} equal groups; take multiples of {groups}, "
                                 f"or other groups than {self.groups}.")


# 227 and not the paper's 224 pixels: (227 - 11) / 4 + 1 = 55, as its figure 2 has it; (224 - 11) / 4 + 1 is not whole.
# The one tower reads 224 and pads by 2: (224 + 2 * 2 - 11) / 4 + 1 = 55.25, of which 55 windows fit.
VARIANTS = {
    "two-tower": Architecture(),
    "one-tower": Architecture((64, 192, 384, 256, 256), (1, 1, 1, 1, 1), pad=2, lrn=None, classifier_pool=6, size=224),
}

# Learnt parameters with biases. Two towers: "60 million", section 1; one tower: torchvision.
PARAMETERS = {"two-tower": 60_965_224, "one-tower": 61_100_840}
# Multiply-accumulates in units of 10^9. Two towers: Sze et al. (2017), "Efficient processing of deep neural networks", table 2;
# one tower: torchvision's `_ops`.
GIGA_OPERATIONS = {"two-tower": 0.724, "one-tower": 0.714}
# Figure 2 of the paper: what each of the two towers computes; its dense layers are cut in two as well, 2048 units each,
# and both together have 4096.
TOWER_SHAPES = [(55, 55, 48), (27, 27, 128), (13, 13, 192), (13, 13, 192), (13, 13, 128), (4096,), (4096,), (1000,)]
# Per cent on ImageNet's validation images, (top-1, top-5), of torchvision's weights.
ACCURACY = {"one-tower": (56.52, 79.07)}


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "AlexNet")


class Conv(NamedTuple):
    """A convolution, and whether normalisation and pooling follow it."""
    number: int
    filters: int
    kernel: int
    stride: int
    padding: int
    groups: int
    lrn: bool
    pool: bool


def convolutions(a):
    """The five convolutions.

    Args:
        a: Architecture.

    Returns:
        list of Conv. All but the first keep the size of the maps.
    """
    return [Conv(i, filters, kernel, stride, kernel // 2 if i > 1 else a.pad, groups, a.lrn is not None and i in NORMALISED, i in POOLED)
            for i, ((kernel, stride), filters, groups) in enumerate(zip(KERNELS, a.widths, a.groups), 1)]


def hidden(a):
    """The hidden dense layers: list of (number, units); they go on counting where the convolutions end."""
    return list(enumerate(a.dense, len(a.widths) + 1))


def table(a):
    """The table of layers.

    Args:
        a: Architecture or its name.

    Returns:
        list of Row, from the input to the logits.

    Raises:
        ValueError: images too small for the layers.
    """
    return checked(_write, architecture(a))


def _write(a):
    tape = Tape(a.size, a.channels)
    for c in convolutions(a):
        tape.conv(f"conv{c.number}", c.filters, c.kernel, c.stride, c.padding, c.groups, bias=True)
        tape.same(f"relu{c.number}", "relu")
        if c.lrn:
            tape.same(f"lrn{c.number}", "lrn", f"{a.lrn.n} adjacent maps")
        if c.pool:
            tape.pool(f"pool{c.number}", *POOL)
    # At the size where the maps are as large already, the means are the maps.
    if a.classifier_pool and tape.shape[:2] != (a.classifier_pool, a.classifier_pool):
        tape.adaptive_pool("classifier_pool", a.classifier_pool)
    tape.flatten("flatten")
    for number, units in hidden(a):
        tape.dense(f"fc{number}", units)
        tape.same(f"relu{number}", "relu")
        tape.same(f"dropout{number}", "dropout")
    tape.dense("logits", a.num_classes)
    return tape.rows


def pooled(a):
    """Whether the first dense layer reads means of the last maps."""
    return any(row.name == "classifier_pool" for row in table(a))


def flattened(a):
    """Numbers in the last maps or their means, which the first dense layer reads."""
    return next(row.shape[0] for row in table(a) if row.kind == "flatten")


def tower_shapes(a):
    """What one tower computes, as figure 2 of the paper and the lecture deck write it.

    Args:
        a: Architecture or its name.

    Returns:
        list of the five convolutions' shapes (H, W, maps of one tower) and the three dense layers' (units of all towers,).
    """
    a = architecture(a)
    towers = max(a.groups)
    return [(*row.shape[:2], row.shape[2] // towers) if row.kind == "conv" else row.shape
            for row in table(a) if row.kind in ("conv", "dense")]


TORCHVISION = {"conv1": "features.0", "conv2": "features.3", "conv3": "features.6", "conv4": "features.8", "conv5": "features.10",
               "fc6": "classifier.1", "fc7": "classifier.4", "logits": "classifier.6"}


def torchvision_name(name):
    """torchvision's name of one of our layers: `conv2` -> `features.3`."""
    return TORCHVISION.get(name, name)


OFFICIAL = (Official(VARIANTS["one-tower"], "torchvision/alexnet-owt-7be5be79.pth", torchvision_name, free=("dropout", "size")),)
