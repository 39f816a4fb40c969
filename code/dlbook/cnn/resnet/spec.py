"""Residual networks' facts: the stages of each depth, published counts, official weights.

Source: He et al. (2015), "Deep residual learning for image recognition", table 1; the small ones section 4.2.
"""
from dataclasses import dataclass, replace

from dlbook.cnn.blocks.start import Norm, Official
from dlbook.cnn.blocks.table import Tape, by_name, check_common, wholes
from dlbook.train.settings import Training

EXPANSION = {"basic": 1, "bottleneck": 4}  # maps that leave a block, per map inside it


@dataclass(frozen=True)
class Architecture:
    """What fixes a residual network.

    Args:
        blocks: blocks in each stage.
        block: `basic` (two convolutions of 3 x 3) or `bottleneck` (1 x 1, 3 x 3, 1 x 1).
        widths: maps inside the blocks of each stage.
        strides: of the first block of each stage; None: every stage but the first halves the maps.
        stem: `imagenet` (7 x 7, stride 2, then pooling by 2) or `small` (3 x 3), for images of some 30 pixels.
        shortcut: add each block's input to its output; False gives the plain network that the paper compares with.
        stride_in: convolution of a bottleneck that halves the maps: 1 (the paper) or 2 (now usual, more exact).
        bias: of the convolutions; Keras' official weights have it, though normalisation removes it.
        norm: settings of batch normalisation.
        size, channels: of the images; num_classes: to tell apart.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    blocks: tuple = (3, 4, 6, 3)
    block: str = "bottleneck"
    widths: tuple = (64, 128, 256, 512)
    strides: tuple | None = None
    stem: str = "imagenet"
    shortcut: bool = True
    stride_in: int = 2
    bias: bool = False
    norm: Norm = Norm()
    size: int = 224
    channels: int = 3
    num_classes: int = 1000
    scaling: str = "imagenet"

    def __post_init__(self):
        if self.block not in EXPANSION:
            raise ValueError(f"block must be one of {', '.join(EXPANSION)}; got {self.block!r}.")
        if self.stem not in ("imagenet", "small"):
            raise ValueError(f"stem must be 'imagenet' or 'small'; got {self.stem!r}.")
        if self.stride_in not in (1, 2):
            raise ValueError(f"stride_in must be 1 or 2; got {self.stride_in}.")
        wholes("blocks", self.blocks)
        wholes("widths", self.widths)
        if not self.blocks or len(self.blocks) != len(self.widths):
            raise ValueError(f"each stage needs a width and a block or more; got blocks {self.blocks} and widths {self.widths}.")
        if self.strides is not None:
            wholes("strides", self.strides, len(self.blocks))
        check_common(self)


VARIANTS = {
    "18": Architecture((2, 2, 2, 2), "basic"),
    "34": Architecture((3, 4, 6, 3), "basic"),
    "50": Architecture((3, 4, 6, 3)),
    "101": Architecture((3, 4, 23, 3)),
    "152": Architecture((3, 8, 36, 3)),
}

# Keras' official weights: strides as in the paper, and biases.
KERAS = {name: replace(VARIANTS[name], stride_in=1, bias=True, norm=Norm(eps=1.001e-5, momentum=0.99), scaling="caffe") for name in ("50", "101", "152")}

# For clothes and digits of 28 x 28: the first stage halves the maps too, so that a run takes minutes on two cores.
SMALL = Architecture((1, 1, 1), "basic", (32, 64, 128), (2, 2, 2), stem="small", size=28, channels=1, num_classes=10, scaling="none")

TRAINING = {
    "mnist": Training(epochs=5, batch_size=128, learning_rate=4e-3),
    # Clothes have no reading direction: mirrored ones are clothes too, and keep the network from learning the images by heart.
    "fashion": Training(epochs=10, batch_size=128, learning_rate=4e-3, mirror=True),
}

# Learnt parameters; torchvision counts them so, and Keras as "trainable", with the biases.
PARAMETERS = {"18": 11_689_512, "34": 21_797_672, "50": 25_557_032, "101": 44_549_160, "152": 60_192_808}
KERAS_TOTAL = {"50": 25_636_712, "152": 60_419_944}  # with the moving statistics
KERAS_TRAINABLE = {"50": 25_583_592, "152": 60_268_520}
# Multiply-accumulates at 224 pixels in units of 10^9; the paper's table 1 says 1.8, 3.6, 3.8, 7.6, 11.3, with the stride in the
# first convolution of a block; in the second it is a little more.
GIGA_OPERATIONS = {"18": 1.81, "34": 3.66, "50": 4.09, "101": 7.80, "152": 11.51}
GIGA_OPERATIONS_PAPER = {"18": 1.8, "34": 3.6, "50": 3.8, "101": 7.6, "152": 11.3}
# Top-1 and top-5 accuracy in per cent on ImageNet's validation images, of torchvision's weights.
ACCURACY = {"18": (69.76, 89.08), "34": (73.31, 91.42), "50": (76.13, 92.86), "101": (77.37, 93.55), "152": (78.31, 94.05)}


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "ResNet")


def table(a):
    """The table of layers.

    Args:
        a: Architecture or its name.

    Returns:
        list of Row, from the input to the logits.
    """
    a = architecture(a)
    tape = Tape(a.size, a.channels)
    kernel, stride = (7, 2) if a.stem == "imagenet" else (3, 1)
    tape.conv("stem_conv", a.widths[0], kernel, stride, kernel // 2, bias=a.bias)
    tape.norm("stem_bn", a.norm.scale)
    tape.same("stem_relu", "relu")
    if a.stem == "imagenet":
        tape.pool("stem_pool", 3, 2, 1)
    for name, width, stride in stages(a):
        with tape.block(name):
            _block(tape, a, name, width, stride)
    tape.global_pool("pool")
    tape.dense("logits", a.num_classes)
    return tape.rows


def stages(a):
    """Every block of a network.

    Args:
        a: Architecture.

    Returns:
        list of (name, width, stride).
    """
    strides = a.strides or (1,) + (2,) * (len(a.blocks) - 1)
    return [(f"stage{s}_block{b}", width, stride if b == 1 else 1)
            for s, (count, width, stride) in enumerate(zip(a.blocks, a.widths, strides), 1) for b in range(1, count + 1)]


def convolutions(a, width, stride):
    """The convolutions of a block.

    Args:
        a: Architecture.
        width: maps inside the block.
        stride: of the block.

    Returns:
        list of (filters, kernel, stride).
    """
    if a.block == "basic":
        return [(width, 3, stride), (width, 3, 1)]
    first, second = (stride, 1) if a.stride_in == 1 else (1, stride)
    return [(width, 1, first), (width, 3, second), (width * EXPANSION[a.block], 1, 1)]


def projects(a, channels, width, stride):
    """Whether a block's shortcut needs a convolution of 1 x 1 because the shape changes."""
    return a.shortcut and (stride > 1 or channels != width * EXPANSION[a.block])


def _block(tape, a, name, width, stride):
    channels, convs = tape.shape[2], convolutions(a, width, stride)
    with tape.branch("shortcut") as shortcut:
        if projects(a, channels, width, stride):
            tape.conv(f"{name}_shortcut_conv", width * EXPANSION[a.block], 1, stride, 0, bias=a.bias)
            tape.norm(f"{name}_shortcut_bn", a.norm.scale)
    for i, (filters, kernel, step) in enumerate(convs, 1):
        tape.conv(f"{name}_conv{i}", filters, kernel, step, kernel // 2, bias=a.bias)
        tape.norm(f"{name}_bn{i}", a.norm.scale)
        if i < len(convs):
            tape.same(f"{name}_relu{i}", "relu")
    if a.shortcut:
        with tape.branch("") as main:
            pass
        tape.add(f"{name}_add", [main, shortcut])
    tape.same(f"{name}_relu", "relu")


def torchvision_name(name):
    """torchvision's name of one of our layers: `stage1_block2_conv1` -> `layer1.1.conv1`."""
    parts = name.split("_")
    if parts[0] == "stem":
        return {"conv": "conv1", "bn": "bn1"}.get(parts[1], name)
    if name == "logits":
        return "fc"
    if not parts[0].startswith("stage"):
        return name
    inside = {"shortcut_conv": "downsample.0", "shortcut_bn": "downsample.1"}.get("_".join(parts[2:]), parts[-1])
    return f"layer{parts[0][5:]}.{int(parts[1][5:]) - 1}.{inside}"


def keras_name(name):
    """The name that keras.applications gives one of our layers: `stage1_block2_conv1` -> `conv2_block2_1_conv`."""
    parts = name.split("_")
    if parts[0] == "stem":
        return f"conv1_{parts[1]}"
    if not parts[0].startswith("stage"):
        return {"logits": "predictions"}.get(name, name)
    inside = f"0_{parts[3]}" if parts[2] == "shortcut" else f"{parts[2][-1]}_{parts[2][:-1]}"
    return f"conv{int(parts[0][5:]) + 1}_{parts[1]}_{inside}"


FREE = ("size",)  # what the weights do not depend on
OFFICIAL = (
    Official(VARIANTS["18"], "torchvision/resnet18-f37072fd.pth", torchvision_name, FREE),
    Official(VARIANTS["34"], "torchvision/resnet34-b627a593.pth", torchvision_name, FREE),
    Official(VARIANTS["50"], "torchvision/resnet50-0676ba61.pth", torchvision_name, FREE),
    Official(VARIANTS["101"], "torchvision/resnet101-63fe2227.pth", torchvision_name, FREE),
    Official(VARIANTS["152"], "torchvision/resnet152-394f9c45.pth", torchvision_name, FREE),
    Official(KERAS["50"], "keras/resnet50_weights_tf_dim_ordering_tf_kernels.h5", keras_name, FREE),
    Official(KERAS["101"], "keras/resnet101_weights_tf_dim_ordering_tf_kernels.h5", keras_name, FREE),
    Official(KERAS["152"], "keras/resnet152_weights_tf_dim_ordering_tf_kernels.h5", keras_name, FREE),
)
