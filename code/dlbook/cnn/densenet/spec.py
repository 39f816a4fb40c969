"""DenseNet's facts: the dense blocks of each depth, published counts, official weights.

Source: Huang, Liu, van der Maaten and Weinberger (2016), "Densely connected convolutional networks", table 1 (DenseNet-BC).
"""
import re
from dataclasses import dataclass, replace

from dlbook.cnn.blocks.start import Norm, Official
from dlbook.cnn.blocks.table import Tape, above_zero, by_name, check_common, checked, whole, wholes


@dataclass(frozen=True)
class Architecture:
    """What fixes a DenseNet.

    Args:
        blocks: dense layers in each block; between blocks a transition halves the maps' sides.
        growth: maps that each dense layer adds, the paper's k.
        width: maps of the first convolution.
        bottleneck: a dense layer's 1 x 1 convolution leaves this many times `growth` maps.
        compression: share of the maps that a transition keeps, the paper's theta.
        stem: `imagenet` (7 x 7, stride 2, then pooling by 2) or `small` (3 x 3), for images of some 30 pixels.
        norm: settings of batch normalisation.
        size, channels: of the images; num_classes: to tell apart.
        dropout: share of each dense layer's new maps set to zero in training; the paper has 0.2 where images are few.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    blocks: tuple = (6, 12, 24, 16)
    growth: int = 32
    width: int = 64
    bottleneck: int = 4
    compression: float = 0.5
    stem: str = "imagenet"
    norm: Norm = Norm()
    size: int = 224
    channels: int = 3
    num_classes: int = 1000
    dropout: float = 0.0
    scaling: str = "imagenet"

    def __post_init__(self):
        if self.stem not in ("imagenet", "small"):
            raise ValueError(f"stem must be 'imagenet' or 'small'; got {self.stem!r}.")
        wholes("blocks", self.blocks)
        if not self.blocks:
            raise ValueError(f"each block needs one dense layer or more; got blocks {self.blocks}.")
        for name in ("growth", "width", "bottleneck"):
            whole(name, getattr(self, name))
        above_zero("compression", self.compression)
        if self.compression > 1 or self.width * self.compression < 1:
            raise ValueError(f"compression is a share above 0, at most 1, that leaves a map; got {self.compression} of {self.width} maps.")
        check_common(self)


VARIANTS = {
    "121": Architecture((6, 12, 24, 16)),
    "169": Architecture((6, 12, 32, 32)),
    "201": Architecture((6, 12, 48, 32)),
}

# Keras' official weights: another epsilon, and slower moving statistics.
KERAS = {name: replace(a, norm=Norm(eps=1.001e-5, momentum=0.99)) for name, a in VARIANTS.items()}

# The paper's own recipe for small images (section 4.2): a 3 x 3 stem with 2 x growth maps; here three short blocks.
SMALL = Architecture((4, 4, 4), growth=12, width=24, stem="small", size=28, channels=1, num_classes=10, scaling="none")

# Learnt parameters: torchvision's count, and Keras' "trainable"; Keras' totals add the moving statistics.
PARAMETERS = {"121": 7_978_856, "169": 14_149_480, "201": 20_013_928}
KERAS_TOTAL = {"121": 8_062_504, "169": 14_307_880, "201": 20_242_984}
# Multiply-accumulates at 224 pixels in units of 10^9: torchvision's metadata (`_ops`).
GIGA_OPERATIONS = {"121": 2.834, "169": 3.360, "201": 4.291}
# Top-1 and top-5 in per cent: torchvision's weights (metadata), and Keras' (keras.io).
ACCURACY = {"121": (74.434, 91.972), "169": (75.600, 92.806), "201": (76.896, 93.370)}
ACCURACY_KERAS = {"121": (75.0, 92.3), "169": (76.2, 93.2), "201": (77.3, 93.6)}


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "DenseNet")


def layers(a):
    """Every dense layer and every transition of a network, in order.

    Args:
        a: Architecture.

    Returns:
        list of (name, kind), kind `layer` or `transition`.
    """
    steps = []
    for b, count in enumerate(a.blocks, 1):
        steps += [(f"block{b}_layer{i}", "layer") for i in range(1, count + 1)]
        if b < len(a.blocks):
            steps.append((f"transition{b}", "transition"))
    return steps


def compressed(a, channels):
    """Maps that leave a transition, per maps that enter it."""
    return int(channels * a.compression)


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
    _stem(tape, a)
    for name, kind in layers(a):
        with tape.block(name):
            STEPS[kind](tape, a, name)
    _activated(tape, a, "final", "")
    tape.global_pool("pool")
    tape.dense("logits", a.num_classes)
    return tape.rows


def _stem(tape, a):
    kernel, stride = (7, 2) if a.stem == "imagenet" else (3, 1)
    tape.conv("stem_conv", a.width, kernel, stride, kernel // 2)
    _activated(tape, a, "stem", "")
    if a.stem == "imagenet":
        tape.pool("stem_pool", 3, 2, 1)


def _layer(tape, a, name):
    with tape.branch("") as known:
        pass
    with tape.branch("new") as new:
        _activated(tape, a, name, 1)
        tape.conv(f"{name}_conv1", a.bottleneck * a.growth, 1, padding=0)
        _activated(tape, a, name, 2)
        tape.conv(f"{name}_conv2", a.growth, 3, padding=1)
        if a.dropout:
            tape.same(f"{name}_dropout", "dropout", f"{a.dropout:g}")
    tape.concat(f"{name}_concat", [known, new])


def _transition(tape, a, name):
    _activated(tape, a, name, "")
    tape.conv(f"{name}_conv", compressed(a, tape.shape[2]), 1, padding=0)
    tape.pool(f"{name}_pool", 2, 2, kind="average")


def _activated(tape, a, name, number):
    tape.norm(f"{name}_bn{number}", a.norm.scale)
    tape.same(f"{name}_relu{number}", "relu")


STEPS = {"layer": _layer, "transition": _transition}


def torchvision_name(name):
    """torchvision's name of one of our layers: `block1_layer2_conv1` -> `features.denseblock1.denselayer2.conv1`."""
    parts = name.split("_")
    if parts[0] == "logits":
        return "classifier"
    ours = parts[-1].replace("bn", "norm")
    if parts[0] == "stem":
        return f"features.{ours}0"
    if parts[0] == "final":
        return "features.norm5"
    if parts[0].startswith("transition"):
        return f"features.{parts[0]}.{ours}"
    return f"features.dense{parts[0]}.dense{parts[1]}.{ours}" if len(parts) > 2 else name


def torchvision_file_name(name):
    """The same in torchvision's files, which are older than its code: `...denselayer2.conv1` is `...denselayer2.conv.1`."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))", r"\1.", torchvision_name(name))


def keras_name(name):
    """The name that keras.applications gives one of our layers: `block1_layer2_conv1` -> `conv2_block2_1_conv`."""
    parts = name.split("_")
    if parts[0] == "stem":
        return f"conv1_{parts[1]}"
    if parts[0].startswith("transition"):
        return f"pool{int(parts[0][10:]) + 1}_{parts[1]}"
    if not parts[0].startswith("block"):
        return {"logits": "predictions", "final_bn": "bn"}.get(name, name)
    inside = {"bn1": "0_bn", "conv1": "1_conv", "bn2": "1_bn", "conv2": "2_conv"}.get(parts[2], parts[2])
    return f"conv{int(parts[0][5:]) + 1}_block{parts[1][5:]}_{inside}"


FREE = ("size", "dropout")  # what the weights do not depend on
OFFICIAL = (
    Official(VARIANTS["121"], "torchvision/densenet121-a639ec97.pth", torchvision_file_name, FREE),
    Official(VARIANTS["169"], "torchvision/densenet169-b2777c0a.pth", torchvision_file_name, FREE),
    Official(VARIANTS["201"], "torchvision/densenet201-c1103571.pth", torchvision_file_name, FREE),
    Official(KERAS["121"], "keras/densenet121_weights_tf_dim_ordering_tf_kernels.h5", keras_name, FREE),
    Official(KERAS["169"], "keras/densenet169_weights_tf_dim_ordering_tf_kernels.h5", keras_name, FREE),
    Official(KERAS["201"], "keras/densenet201_weights_tf_dim_ordering_tf_kernels.h5", keras_name, FREE),
)
