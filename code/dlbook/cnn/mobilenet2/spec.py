"""MobileNetV2's facts: its rows of inverted residuals, published counts, official weights.

Source: Sandler et al. (2018), "MobileNetV2: inverted residuals and linear bottlenecks", table 2.
"""
from dataclasses import dataclass, replace

from dlbook.cnn.blocks.start import Norm, Official
from dlbook.cnn.blocks.table import Tape, above_zero, by_name, check_common, whole, wholes

KERNEL = 3  # side of every window that is not 1 x 1
DIVISOR = 8  # maps come in multiples of this, except those inside the blocks


@dataclass(frozen=True)
class Architecture:
    """What fixes a MobileNetV2.

    Args:
        alpha: width multiplier: every layer has about this share of the maps below; the last one never less than all of them.
        settings: rows (t, c, n, s): n blocks that leave c maps, with t times their input's maps inside; the first has stride s.
        stem, stem_stride: maps and stride of the first convolution.
        last: maps of the convolution after the blocks.
        padding: of the 3 x 3 windows: 1 pixel a side (torchvision) or `same` (TensorFlow: on even sides below and right alone).
        norm: settings of batch normalisation.
        size, channels: of the images; num_classes: to tell apart.
        dropout: share of the pooled activations set to zero in training.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    alpha: float = 1.0
    settings: tuple = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    stem: int = 32
    stem_stride: int = 2
    last: int = 1280
    padding: int | str = 1
    norm: Norm = Norm()
    size: int = 224
    channels: int = 3
    num_classes: int = 1000
    dropout: float = 0.2
    scaling: str = "imagenet"

    def __post_init__(self):
        if not isinstance(self.settings, tuple) or not self.settings:
            raise ValueError(f"settings are rows (t, c, n, s), one or more; got {self.settings!r}.")
        for row in self.settings:
            wholes("a row (t, c, n, s) of settings", row, 4)
        above_zero("alpha", self.alpha)
        if self.padding not in (1, "same"):
            raise ValueError(f"padding must be 1 or 'same'; got {self.padding!r}.")
        for name in ("stem", "stem_stride", "last"):
            whole(name, getattr(self, name))
        check_common(self)


VARIANTS = {name: Architecture(float(name)) for name in ("1.0", "0.35", "0.5", "0.75", "1.3", "1.4")}

# As keras.applications and the authors' code have it.
KERAS = {name: replace(a, padding="same", norm=Norm(eps=1e-3, momentum=0.999), dropout=0.0, scaling="signed") for name, a in VARIANTS.items()}

PARAMETERS = {"1.0": 3_504_872}  # learnt: torchvision's count, and Keras' "trainable"
KERAS_TOTAL = {"1.0": 3_538_984}  # with the moving statistics
# Multiply-accumulates at 224 pixels in units of 10^9, and 10^6 parameters without those of batch normalisation. Source: the table of
# checkpoints of the authors' code (TensorFlow, slim/nets/mobilenet), but for alpha = 1 torchvision's metadata: the table and the paper
# cut 300.8 M to 300 M. Table 4 of the paper has 585 M and 6.9 M for alpha = 1.4, where the code has other numbers of maps.
GIGA_OPERATIONS = {"1.0": 0.301, "0.35": 0.059, "0.5": 0.097, "0.75": 0.209, "1.3": 0.509, "1.4": 0.582}
MEGA_PARAMETERS = {"1.0": 3.47, "0.35": 1.66, "0.5": 1.95, "0.75": 2.61, "1.3": 5.34, "1.4": 6.06}
# Top-1 and top-5 in per cent: of torchvision's weights (metadata), of Keras' (keras.io), of the checkpoints in the table above.
ACCURACY = {"1.0": (71.878, 90.286)}
ACCURACY_KERAS = {"1.0": (71.3, 90.1)}
ACCURACY_CHECKPOINTS = {"1.0": (71.8, 91.0), "0.35": (60.3, 82.9), "0.5": (65.4, 86.4), "0.75": (69.8, 89.6), "1.3": (74.4, 92.1),
                        "1.4": (75.0, 92.5)}


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "MobileNetV2")


def maps(a, width):
    """Maps of a layer: the multiple of `DIVISOR` nearest to alpha times `width`, never more than 10 % below it.

    Source: the authors' code; the paper says nothing of it.
    """
    exact = a.alpha * width
    nearest = max(DIVISOR, int(exact + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest + DIVISOR if nearest < 0.9 * exact else nearest


def last_maps(a):
    """Maps of the convolution after the blocks: more in wider networks, not fewer in narrower ones (section 4 of the paper)."""
    return maps(replace(a, alpha=max(1.0, a.alpha)), a.last)


def blocks(a):
    """Every block of a network.

    Args:
        a: Architecture.

    Returns:
        list of (name, t, maps that leave it, stride).
    """
    every = [(t, maps(a, c), s if i == 0 else 1) for t, c, n, s in a.settings for i in range(n)]
    return [(f"block{i}", *block) for i, block in enumerate(every, 1)]


def adds(channels, width, stride):
    """Whether a block's input is added to its output: only where the shape stays."""
    return stride == 1 and channels == width


def table(a):
    """The table of layers.

    Args:
        a: Architecture or its name.

    Returns:
        list of Row, from the input to the logits.
    """
    a = architecture(a)
    tape = Tape(a.size, a.channels)
    tape.conv("stem_conv", maps(a, a.stem), KERNEL, a.stem_stride, a.padding)
    _activated(tape, a, "stem_bn", "stem_relu")
    for name, t, width, stride in blocks(a):
        with tape.block(name):
            _block(tape, a, name, t, width, stride)
    tape.conv("last_conv", last_maps(a), 1, padding=0)
    _activated(tape, a, "last_bn", "last_relu")
    tape.global_pool("pool")
    tape.same("dropout", "dropout", f"{a.dropout:g}")
    tape.dense("logits", a.num_classes)
    return tape.rows


def _block(tape, a, name, t, width, stride):
    channels = tape.shape[2]
    with tape.branch("shortcut") as shortcut:
        pass
    if t > 1:
        tape.conv(f"{name}_expand", t * channels, 1, padding=0)
        _activated(tape, a, f"{name}_expand_bn", f"{name}_expand_relu")
    tape.depthwise(f"{name}_depthwise", KERNEL, stride, a.padding)
    _activated(tape, a, f"{name}_depthwise_bn", f"{name}_depthwise_relu")
    tape.conv(f"{name}_project", width, 1, padding=0)
    tape.norm(f"{name}_project_bn", a.norm.scale)
    if adds(channels, width, stride):
        with tape.branch("") as main:
            pass
        tape.add(f"{name}_add", [main, shortcut])


def _activated(tape, a, norm, relu):
    tape.norm(norm, a.norm.scale)
    tape.same(relu, "relu", "at most 6")


ROWS = sum(n for _, _, n, _ in Architecture().settings)  # blocks of the paper's table; official names count on
STEPS = ("expand", "depthwise", "project")  # of a block


def torchvision_name(name):
    """torchvision's name of one of our layers: `block2_project_bn` -> `features.2.conv.3`; `last_conv` is for the paper's table."""
    block, _, layer = name.partition("_")
    if block == "logits":
        return "classifier.1"
    if block in ("stem", "last"):
        return f"features.{0 if block == 'stem' else ROWS + 1}.{int(layer == 'bn')}"
    step, _, bn = layer.partition("_")
    if step not in STEPS:
        return name
    # The first block has no expansion. torchvision wraps a convolution, its normalisation and its ReLU, but not the projection.
    i = STEPS.index(step) - (block == "block1")
    inside = f"{i + bool(bn)}" if step == "project" else f"{i}.{int(bool(bn))}"
    return f"features.{block[5:]}.conv.{inside}"


def keras_name(name):
    """The name that keras.applications gives one of our layers: `block2_project_bn` -> `block_1_project_BN`."""
    special = {"stem_conv": "Conv1", "stem_bn": "bn_Conv1", "last_conv": "Conv_1", "last_bn": "Conv_1_bn", "logits": "predictions"}
    block, _, layer = name.partition("_")
    if name in special or not block.startswith("block"):
        return special.get(name, name)
    prefix = "expanded_conv" if block == "block1" else f"block_{int(block[5:]) - 1}"
    return f"{prefix}_{layer.replace('_bn', '_BN')}"


OFFICIAL = (Official(VARIANTS["1.0"], "torchvision/mobilenet_v2-b0353104.pth", torchvision_name, free=("size", "dropout")),)
