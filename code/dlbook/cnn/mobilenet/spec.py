"""MobileNet's facts: its thirteen separable blocks, published counts, official weights.

Source: Howard et al. (2017), "MobileNets: efficient convolutional neural networks for mobile vision applications", table 1.
"""
from dataclasses import dataclass, replace

from dlbook.cnn.blocks.start import Norm, Official
from dlbook.cnn.blocks.table import Tape, above_zero, by_name, check_common, checked, whole, wholes
from dlbook.train.settings import Training

KERNEL = 3  # side of every window that is not 1 x 1
CONVOLUTIONS = ("separable", "full")
PADDINGS = ("keras", "same")


@dataclass(frozen=True)
class Architecture:
    """What fixes a MobileNet.

    Args:
        alpha: width multiplier: every layer has this share of the maps below. Course slides call it "depth multiplier".
        widths: maps that leave each block, at alpha = 1.
        strides: of each block, in pixels.
        stem: maps of the first convolution, at alpha = 1.
        stem_stride: of the first convolution, in pixels.
        convolution: `separable` (each map is filtered by itself, then a 1 x 1 convolution mixes them) or `full` (one convolution of
            3 x 3 does both), the network that the paper compares with in table 4.
        padding: of the windows of strided depthwise convolutions: `keras` (one pixel below and right, so that odd maps are halved
            rounding down) or `same` (as TensorFlow pads, rounding up). On even maps both are one. All other windows are `same`, in
            Keras too.
        norm: settings of batch normalisation, Keras' own.
        size, channels: of the images; num_classes: to tell apart.
        dropout: share of the pooled activations set to zero in training.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    alpha: float = 1.0
    widths: tuple = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
    strides: tuple = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    stem: int = 32
    stem_stride: int = 2
    convolution: str = "separable"
    padding: str = "keras"
    norm: Norm = Norm(eps=1e-3, momentum=0.99)
    size: int = 224
    channels: int = 3
    num_classes: int = 1000
    dropout: float = 1e-3
    scaling: str = "signed"

    def __post_init__(self):
        if self.convolution not in CONVOLUTIONS:
            raise ValueError(f"convolution must be one of {', '.join(CONVOLUTIONS)}; got {self.convolution!r}.")
        if self.padding not in PADDINGS:
            raise ValueError(f"padding must be one of {', '.join(PADDINGS)}; got {self.padding!r}.")
        wholes("widths", self.widths)
        wholes("strides", self.strides)
        if not self.widths or len(self.widths) != len(self.strides):
            raise ValueError(f"each block needs a width and a stride; got widths {self.widths} and strides {self.strides}.")
        for name in ("stem", "stem_stride"):
            whole(name, getattr(self, name))
        above_zero("alpha", self.alpha)
        if int(min(self.stem, *self.widths) * self.alpha) < 1:
            raise ValueError(f"alpha must leave one map or more of {min(self.stem, *self.widths)}; got {self.alpha}.")
        check_common(self)


VARIANTS = {name: Architecture(float(name)) for name in ("1.0", "0.75", "0.5", "0.25")}

# For clothes and digits of 28 x 28. The stem halves the maps: separable blocks on large maps spend their time on moving numbers.
SMALL = Architecture(widths=(64, 128, 128, 224, 224), strides=(1, 1, 2, 1, 1), stem_stride=2, padding="same", size=28, channels=1,
                     num_classes=10, dropout=0.0, scaling="none")

# Batch, rate and mirrors of the small residual network, so that the two records can be compared; batch normalisation bears the high rate.
TRAINING = {
    "mnist": Training(epochs=4, batch_size=128, learning_rate=4e-3),
    # Clothes have no reading direction: mirrored ones are clothes too.
    "fashion": Training(epochs=8, batch_size=128, learning_rate=4e-3, mirror=True),
}

# Learnt parameters, and all with the moving statistics, as keras.applications.MobileNet counts them.
PARAMETERS = {"1.0": 4_231_976, "0.75": 2_585_560, "0.5": 1_331_592, "0.25": 470_072}
KERAS_TOTAL = {"1.0": 4_253_864, "0.75": 2_601_976, "0.5": 1_342_536, "0.25": 475_544}
# Multiply-accumulates in units of 10^9 at 224 pixels (table 6); TensorFlow's list of checkpoints says 0.317 for alpha = 0.75, which
# this architecture does not have. With fewer pixels: table 7, where 0.290 was cut and not rounded.
GIGA_OPERATIONS = {"1.0": 0.569, "0.75": 0.325, "0.5": 0.149, "0.25": 0.041}
GIGA_OPERATIONS_BY_SIZE = {224: 0.569, 192: 0.418, 160: 0.290, 128: 0.186}
# Full convolutions (table 4; without the classifier it is 4.866 exactly) and five blocks of 14 x 14 pixels left out (table 5): 10^9
# multiply-accumulates, 10^6 parameters.
FULL_CONVOLUTIONS = (4.866, 29.3)
SHALLOW = (0.307, 2.9)
# Top-1 and top-5 in per cent: of Keras' weights for 1.0 (keras.io), of the official TensorFlow checkpoint for 0.75.
ACCURACY = {"1.0": (70.4, 89.5), "0.75": (68.4, 88.2)}
# Top-1 in per cent as the paper has it: the four widths (table 6), and full convolutions (table 4).
ACCURACY_PAPER = {"1.0": 70.6, "0.75": 68.4, "0.5": 63.7, "0.25": 50.6}
FULL_ACCURACY = 71.7


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "MobileNet")


def maps(a, width):
    """Maps of a layer: the share `alpha` of `width`, rounded down."""
    return int(width * a.alpha)


def blocks(a):
    """Every block of a network.

    Args:
        a: Architecture.

    Returns:
        list of (name, maps that leave it, stride).
    """
    return [(f"block{i}", maps(a, width), stride) for i, (width, stride) in enumerate(zip(a.widths, a.strides), 1)]


def pads(a, stride):
    """Whether a depthwise convolution reads maps with one more pixel below and right, as in Keras where it skips pixels."""
    return a.padding == "keras" and stride > 1


def table(a):
    """The table of layers.

    Args:
        a: Architecture or its name.

    Returns:
        list of Row, from the input to the logits.

    Raises:
        ValueError: an unknown name, or images so small that nothing is left of a map.
    """
    return checked(_table, architecture(a))


def _table(a):
    tape = Tape(a.size, a.channels)
    tape.conv("stem_conv", maps(a, a.stem), KERNEL, a.stem_stride)
    _activated(tape, a, "stem_bn", "stem_relu")
    for name, width, stride in blocks(a):
        with tape.block(name):
            _block(tape, a, name, width, stride)
    tape.global_pool("pool")
    tape.same("dropout", "dropout", f"{a.dropout:g}")
    tape.dense("logits", a.num_classes)
    return tape.rows


def _block(tape, a, name, width, stride):
    if a.convolution == "full":
        tape.conv(f"{name}_conv", width, KERNEL, stride)
        return _activated(tape, a, f"{name}_conv_bn", f"{name}_conv_relu")
    if pads(a, stride):
        tape.shape = (tape.shape[0] + 1, tape.shape[1] + 1, tape.shape[2])
    tape.depthwise(f"{name}_depthwise", KERNEL, stride, "valid" if pads(a, stride) else "same")
    _activated(tape, a, f"{name}_depthwise_bn", f"{name}_depthwise_relu")
    tape.conv(f"{name}_pointwise", width, 1)
    return _activated(tape, a, f"{name}_pointwise_bn", f"{name}_pointwise_relu")


def _activated(tape, a, norm, relu):
    tape.norm(norm, a.norm.scale)
    tape.same(relu, "relu", "at most 6")


def keras_name(name):
    """The name that keras.applications gives one of our layers: `block2_depthwise_bn` -> `conv_dw_2_bn`."""
    block, _, layer = name.partition("_")
    if block == "stem":
        return {"conv": "conv1", "bn": "conv1_bn"}.get(layer, name)
    if not block.startswith("block"):
        return {"logits": "conv_preds"}.get(name, name)
    part, _, norm = layer.partition("_")
    short = {"depthwise": "dw", "pointwise": "pw"}.get(part, part)
    return "_".join(filter(None, ("conv", short, block[5:], norm)))


OFFICIAL = (Official(VARIANTS["0.75"], "mobilenet_v1_075_224/mobilenet_v1_0.75_224.npz", keras_name,
                     free=("size", "dropout", "padding")),)
