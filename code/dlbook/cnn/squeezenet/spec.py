"""SqueezeNet's facts: the fire modules of both versions, published counts, official weights.

Source: Iandola et al. (2016), "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", table 1;
version 1.1: the authors' release notes.
"""
from dataclasses import dataclass, replace

from dlbook.cnn.blocks.start import SIZE, Official
from dlbook.cnn.blocks.table import Tape, by_name, check_common, checked, is_whole, whole, wholes

STRIDE = 2  # of the first convolution
POOL = 3, 2  # side and stride of every pooling, which rounds up

# "M" is pooling; three numbers are a fire module: maps that the first convolution squeezes its input into, and maps that two
# convolutions side by side, 1 x 1 and 3 x 3, expand them to.
V1_0 = ("M", (16, 64, 64), (16, 64, 64), (32, 128, 128), "M", (32, 128, 128), (48, 192, 192), (48, 192, 192), (64, 256, 256), "M", (64, 256, 256))
V1_1 = ("M", (16, 64, 64), (16, 64, 64), "M", (32, 128, 128), (32, 128, 128), "M", (48, 192, 192), (48, 192, 192), (64, 256, 256), (64, 256, 256))


@dataclass(frozen=True)
class Architecture:
    """What fixes a SqueezeNet.

    Args:
        stem: maps and side of the first convolution.
        layers: pooling and fire modules, see above.
        border: pixels of zeros a side around the maps that the last convolution reads: 1 in the authors' weights, 0 elsewhere.
        dropout: share of the last fire module's activations set to zero in training.
        size: of the images, side or (height, width) in pixels.
        channels: of the images; num_classes: to tell apart.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    stem: tuple = (96, 7)
    layers: tuple = V1_0
    border: int = 0
    dropout: float = 0.5
    size: int | tuple = SIZE
    channels: int = 3
    num_classes: int = 1000
    scaling: str = "imagenet"

    def __post_init__(self):
        wholes("stem, maps and side,", self.stem, 2)
        wrong = [layer for layer in self.layers if layer != "M" and not _is_fire(layer)]
        if wrong:
            raise ValueError(f"a layer is 'M' or (squeeze, expand by 1 x 1, expand by 3 x 3), whole numbers of 1 or more; got {wrong[0]!r}.")
        if set(self.layers) <= {"M"}:
            raise ValueError(f"layers must hold a fire module, (squeeze, expand by 1 x 1, expand by 3 x 3); got {self.layers}.")
        whole("border", self.border, least=0)
        check_common(self)


def _is_fire(layer):
    return isinstance(layer, tuple) and len(layer) == 3 and all(is_whole(n) for n in layer)


VARIANTS = {"1.0": Architecture(), "1.1": Architecture((64, 3), V1_1)}
# As the authors trained it. The paper's table says 224 pixels, but its maps of 111 x 111 come from 227 (or from a border).
CAFFE = replace(VARIANTS["1.0"], size=227, border=1, scaling="caffe-whole")

PARAMETERS = {"1.0": 1_248_424, "1.1": 1_235_496}
# Before pruning, the paper's table 1.
PARAMETERS_PAPER = {"conv1": 14_208, "fire2": 11_920, "fire3": 12_432, "fire4": 45_344, "fire5": 49_440, "fire6": 104_880,
                    "fire7": 111_024, "fire8": 188_992, "fire9": 197_184, "conv10": 513_000}
SIDES_PAPER = {"conv1": 111, "pool1": 55, "pool4": 27, "pool8": 13}
# Multiply-accumulates at 224 pixels in units of 10^9: torchvision's `_ops`.
GIGA_OPERATIONS = {"1.0": 0.819, "1.1": 0.349}
# Top-1 and top-5 accuracy in per cent on ImageNet's validation images, of torchvision's weights.
ACCURACY = {"1.0": (58.09, 80.42), "1.1": (58.18, 80.62)}


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "SqueezeNet")


def steps(a):
    """Pooling and fire modules in their order.

    Args:
        a: Architecture.

    Returns:
        list of (name, layer): `fire2` and its three numbers, or `pool1`, after the layer whose number it has, and "M"; a second
        pooling after the same layer is `pool1_2`.
    """
    found, number, pools = [], 1, 0
    for layer in a.layers:
        number, pools = (number, pools + 1) if layer == "M" else (number + 1, 0)
        name = f"pool{number}" if layer == "M" else f"fire{number}"
        found.append((name if pools < 2 else f"{name}_{pools}", layer))
    return found


def last(a):
    """Number of the last convolution: one after the last fire module, 10 in both versions."""
    return 2 + sum(layer != "M" for layer in a.layers)


def table(a):
    """The table of layers.

    Args:
        a: Architecture or its name.

    Returns:
        list of Row, from the input to the logits, which are the means of the last maps.

    Raises:
        ValueError: the images are too small.
    """
    return checked(_table, architecture(a))


def _table(a):
    tape, end = Tape(a.size, a.channels), last(a)
    tape.conv("conv1", *a.stem, STRIDE, "valid", bias=True)
    tape.same("relu1", "relu")
    for name, layer in steps(a):
        if layer == "M":
            tape.pool(name, *POOL, ceil=True)
        else:
            with tape.block(name):
                _fire(tape, name, *layer)
    tape.same(f"dropout{end - 1}", "dropout")
    tape.conv(f"conv{end}", a.num_classes, 1, padding=a.border, bias=True)
    tape.same(f"relu{end}", "relu")
    tape.global_pool(f"pool{end}")
    return tape.rows


def _fire(tape, name, squeeze, expand1x1, expand3x3):
    tape.conv(f"{name}_squeeze", squeeze, 1, bias=True)
    tape.same(f"{name}_squeeze_relu", "relu")
    paths = []
    for side, filters in ((1, expand1x1), (3, expand3x3)):
        with tape.branch(f"expand{side}x{side}") as path:
            tape.conv(f"{name}_expand{side}x{side}", filters, side, bias=True)
            tape.same(f"{name}_expand{side}x{side}_relu", "relu")
        paths.append(path)
    tape.concat(f"{name}_concat", paths)


def torchvision_name(a):
    """torchvision's names, which count the layers.

    Args:
        a: Architecture.

    Returns:
        function of one of our layers' names -> torchvision's: `fire2_squeeze` -> `features.3.squeeze`.
    """
    places = {name: f"features.{place}" for place, (name, _) in enumerate(steps(a), 2)}  # after a convolution and its ReLU
    places |= {"conv1": "features.0", f"conv{last(a)}": "classifier.1"}

    def name_of(name):
        first, _, rest = name.partition("_")
        return places.get(first, first) + ("." + rest if rest else "")

    return name_of


def caffe_name(name):
    """The authors' name of one of our layers: `fire2_squeeze` -> `fire2.conv1x1_1`, `fire2_expand3x3` -> `fire2.conv3x3_2`."""
    first, _, rest = name.partition("_")
    inside = {"squeeze": ".conv1x1_1", "expand1x1": ".conv1x1_2", "expand3x3": ".conv3x3_2"}
    return {"conv10": "conv_final"}.get(first, first) + inside.get(rest, rest)


ANY = ("size", "dropout")  # what the weights do not depend on
OFFICIAL = (
    Official(VARIANTS["1.0"], "torchvision/squeezenet1_0-b66bff10.pth", torchvision_name(VARIANTS["1.0"]), ANY),
    Official(VARIANTS["1.1"], "torchvision/squeezenet1_1-b8a52dc0.pth", torchvision_name(VARIANTS["1.1"]), ANY),
    # Pruned and rounded: two thirds of the weights are 0.
    Official(CAFFE, "squeezenet/squeezenet_v1.0_dc.npz", caffe_name, ANY),
)
