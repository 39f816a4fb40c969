"""LeNet-5's facts: its maps and connections, the codes of its output units, published counts, how it is trained.

Source: LeCun et al. (1998), "Gradient-based learning applied to document recognition", section II and table I.
"""
import zlib
from dataclasses import dataclass

import numpy as np

from dlbook.cnn.blocks.table import Tape, above_zero, by_name, check_common, checked, output_size, sides, whole, wholes
from dlbook.train.settings import Training

KERNEL = 5  # side of every convolution's windows, in pixels
POOL = 2  # side and stride of the subsampling
SQUASH = 1.7159, 2 / 3  # f(a) = A tanh(S a), so that f(1) = 1 and f(-1) = -1: appendix A

# Table I: which of the six maps of S2 each of the sixteen maps of C3 sees.
TABLE_I = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)

# The digits 0 to 9 as the output units wish to see them in layer F6: 12 rows of 7 pixels, drawn for this course.
BITMAPS = """
.#####. ...#... .#####. ######. ....##. ####### ...###. ####### .#####. .#####.
##...## ..##... ##...## .....## ...###. ##..... .###... ##...## ##...## ##...##
##...## .###... ##...## .....## ..##.#. ##..... ##..... .....## ##...## ##...##
##..### ...#... .....## .....## .##..#. ##..... ##..... ....##. ##...## ##...##
##.#### ...#... ....##. ...###. ##...#. #####.. #####.. ....##. .##.##. ##...##
##.#.## ...#... ...##.. ...###. #....#. ....##. ##..##. ...##.. ..###.. .######
####.## ...#... ..##... .....## ####### .....## ##...## ...##.. .##.##. ..#####
###..## ...#... .##.... .....## ####### .....## ##...## ..##... ##...## .....##
##...## ...#... ##..... .....## .....#. .....## ##...## ..##... ##...## .....##
##...## ...#... ##..... ##...## .....#. ##...## ##...## .##.... ##...## .....##
.##.##. ..###.. ##..### ##..##. .....#. ##..##. .##.##. .##.... ##...## ...###.
..###.. .#####. ####### .####.. ....### .####.. ..###.. ##..... .#####. .###...
"""


def codes():
    """What the output units compare layer F6 with.

    Returns:
        (10, 84) float32 array: 1 where the digit's bitmap is black, else -1, row by row.
    """
    rows = [line.split() for line in BITMAPS.split("\n") if line]
    return np.array([[1 if pixel == "#" else -1 for row in rows for pixel in row[digit]] for digit in range(10)], np.float32)


ACTIVATIONS = ("relu", "tanh")
POOLINGS = ("max", "subsampling")
OUTPUTS = ("dense", "gaussian")


@dataclass(frozen=True)
class Architecture:
    """What fixes a LeNet-5.

    Args:
        maps: of C1 and S2, and of C3 and S4.
        units: of C5 and F6.
        activation: `relu`, or `tanh`: the paper's 1.7159 tanh(2 a / 3).
        pooling: `max`, or `subsampling`: the sum of 2 x 2 pixels times a learnt coefficient plus a learnt bias, then the activation.
        partial: the maps of S2 that each map of C3 sees; empty: all see all.
        output: `dense`, or `gaussian`: minus the squared distance between F6 and a fixed code of each class.
        spread: those distances are divided by it; 1 gives the paper's. It changes how sure the network is, not what it predicts.
        frame: smaller images that lack so many pixels on each side get them, as ground: MNIST's 28 x 28 become 32 x 32.
        size, channels: of the images; num_classes: to tell apart.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    maps: tuple = (6, 16)
    units: tuple = (120, 84)
    activation: str = "relu"
    pooling: str = "max"
    partial: tuple = ()
    output: str = "dense"
    spread: float = 1.0
    frame: int = 2
    size: int | tuple = 32
    channels: int = 1
    num_classes: int = 10
    scaling: str = "ink"

    def __post_init__(self):
        check_common(self)
        for name, known in (("activation", ACTIVATIONS), ("pooling", POOLINGS), ("output", OUTPUTS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}.")
        for name in ("maps", "units"):
            wholes(name, getattr(self, name), 2)
        whole("frame", self.frame, least=0)
        if 2 * self.frame >= min(sides(self.size)):
            raise ValueError(f"frame must leave a pixel between both sides of images of size {self.size}; got {self.frame}.")
        above_zero("spread", self.spread)
        self._check_partial()
        if self.output == "gaussian" and (self.units[1] != codes().shape[1] or self.num_classes > len(codes())):
            raise ValueError(f"the codes of Gaussian units are {len(codes())} bitmaps of {codes().shape[1]} pixels; "
                             f"got {self.num_classes} classes and {self.units[1]} units in F6.")

    def _check_partial(self):
        if self.partial and len(self.partial) != self.maps[1]:
            raise ValueError(f"partial needs an entry for each of C3's {self.maps[1]} maps; got {len(self.partial)}.")
        for seen in self.partial:
            if not seen or len(set(seen)) != len(seen) or not set(seen) <= set(range(self.maps[0])):
                raise ValueError(f"an entry of partial holds different maps of S2, from 0 to {self.maps[0] - 1}; got {seen}.")


VARIANTS = {
    # The codes of two digits differ in some 40 pixels, their scores by hundreds: under cross-entropy, plain distances make the
    # network sure of what it does not know yet. Divided by 16, they differ by some 10 at first, as the scores of dense units do.
    "original": Architecture(activation="tanh", pooling="subsampling", partial=TABLE_I, output="gaussian", spread=16.0),
    "modern": Architecture(),
}

# Twelve epochs, as for the digit network. One epoch was tried on 50,000 images and measured on the last 10,000 training images.
TRAINING = {
    "modern-mnist": Training(epochs=12, batch_size=64, learning_rate=2e-3),
    "modern-fashion": Training(epochs=12, batch_size=64, learning_rate=2e-3),
    "original-mnist": Training(epochs=12, batch_size=64, learning_rate=2e-3),
    "original-fashion": Training(epochs=12, batch_size=64, learning_rate=2e-3),
}

# Learnt parameters. The original's, layer by layer, from section II B; the codes of the output units are fixed and not among them.
LAYERS = {"c1": 156, "s2": 12, "c3": 1_516, "s4": 32, "c5": 48_120, "f6": 10_164}
PARAMETERS = {"original": 60_000, "modern": 61_706}
# Connections as section II B counts them: every use of a weight or bias at every place. The paper's sum is 340,908.
CONNECTIONS = {"c1": 122_304, "s2": 5_880, "c3": 151_600, "s4": 2_000, "c5": 48_120, "f6": 10_164, "output": 840}


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "LeNet-5")


def table(a):
    """The table of layers.

    Args:
        a: Architecture or its name.

    Returns:
        list of Row, from the input to the logits. The fixed codes of Gaussian units stand under `statistics`.

    Raises:
        ValueError: images too small for the layers.
    """
    return checked(_write, architecture(a))


class _Tape(Tape):
    """Knows the layers that only LeNet-5 has."""

    def partial(self, name, partial):
        """A convolution whose maps see some of the maps before."""
        height, width = (output_size(side, KERNEL, padding="valid") for side in self.shape[:2])
        weights = KERNEL**2 * sum(map(len, partial))
        self._write(name, "conv", (height, width, len(partial)), parameters=weights + len(partial), operations=weights * height * width,
                    note=f"{KERNEL} x {KERNEL}, partial connections")

    def subsampling(self, name):
        """Sums of windows, times a coefficient, plus a bias: two parameters a map."""
        height, width = (output_size(side, POOL, POOL, "valid") for side in self.shape[:2])
        self._write(name, "pool", (height, width, self.shape[2]), parameters=2 * self.shape[2], note=f"learnt, {POOL} x {POOL}, stride {POOL}")

    def gaussian(self, name, classes):
        """Distances to fixed codes."""
        weights = self.shape[0] * classes
        self._write(name, "dense", (classes,), statistics=weights, operations=weights, note="distance to fixed codes")


def _write(a):
    tape = _Tape(a.size, a.channels)
    tape.conv("c1", a.maps[0], KERNEL, padding="valid", bias=True)
    tape.same(f"c1_{a.activation}", a.activation)
    _pool(tape, a, "s2")
    if a.partial:
        tape.partial("c3", a.partial)
    else:
        tape.conv("c3", a.maps[1], KERNEL, padding="valid", bias=True)
    tape.same(f"c3_{a.activation}", a.activation)
    _pool(tape, a, "s4")
    tape.conv("c5", a.units[0], KERNEL, padding="valid", bias=True)
    tape.same(f"c5_{a.activation}", a.activation)
    tape.flatten("flatten")
    tape.dense("f6", a.units[1])
    tape.same(f"f6_{a.activation}", a.activation)
    (tape.gaussian if a.output == "gaussian" else tape.dense)("output", a.num_classes)
    return tape.rows


def _pool(tape, a, name):
    if a.pooling == "max":
        tape.pool(name, POOL, POOL)
    else:
        tape.subsampling(name)
        tape.same(f"{name}_{a.activation}", a.activation)


def flattened(a):
    """Numbers in the last maps, which F6 reads."""
    return next(row.shape[0] for row in table(a) if row.kind == "flatten")


def connections(a):
    """Uses of a weight or bias at any place of a layer's output, as the paper counts connections.

    Args:
        a: Architecture or its name.

    Returns:
        dict of layer name to whole number.
    """
    counts = {}
    for row in table(a):
        if row.kind == "pool" and row.parameters:
            counts[row.name] = (POOL**2 + 1) * int(np.prod(row.shape))  # the pixels of a window, and the bias
        elif row.kind in ("conv", "dense"):
            counts[row.name] = (row.parameters + row.statistics) * int(np.prod(row.shape[:-1]))
    return counts


def places(partial, maps):
    """Where the kernels of a partial convolution stand among those of a full one.

    Args:
        partial: as in Architecture.
        maps: that the layer reads.

    Returns:
        list of whole numbers: map it computes x maps + map it reads, for each connection in order.
    """
    return [i * maps + j for i, seen in enumerate(partial) for j in seen]


def start(a, seed):
    """Starting weights, from one stream for each entry.

    Uniform in [-r, r] with r = sqrt(3 / F) for tanh and sqrt(6 / F) for ReLU, where F is the number of inputs of a unit, so that
    signals keep their size from layer to layer. Coefficients start at 1, biases at 0; codes are what they are.

    Args:
        a: Architecture.
        seed: whole number.

    Returns:
        dict of name to float32 array in the exchange format.

    Source: LeCun et al. (1998), "Efficient backprop", section 4.6; He et al. (2015), "Delving deep into rectifiers", section 2.2.
    Differs from the paper: it has r = 2.4 / F, several times smaller, which Adam leaves too slowly.
    """
    return {name: _drawn(a, name, shape, seed) for name, shape in _shapes(a).items()}


def _drawn(a, name, shape, seed):
    if name == "output.weight" and a.output == "gaussian":
        return codes()[:a.num_classes]
    if len(shape) == 1:
        return np.full(shape, float(name.endswith(".weight")), np.float32)
    fan_in = np.prod(shape[1:])
    if name == "c3.weight" and a.partial:  # (connections, H, W): each map of C3 has its own number of inputs
        fan_in = np.array([KERNEL**2 * len(seen) for seen in a.partial for _ in seen])[:, None, None]
    r = np.sqrt((3 if a.activation == "tanh" else 6) / fan_in)
    return (r * np.random.default_rng([seed, zlib.crc32(name.encode())]).uniform(-1, 1, shape)).astype(np.float32)


def _shapes(a):
    """Shape of every weight: kernels (O, I, H, W), partial ones (connections, H, W), matrices (out, in), the others (C,)."""
    k, (m1, m2), (c5, f6) = (KERNEL, KERNEL), a.maps, a.units
    c3 = (sum(map(len, a.partial)), *k) if a.partial else (m2, m1, *k)
    shapes = {"c1.weight": (m1, a.channels, *k), "c3.weight": c3, "c5.weight": (c5, m2, *k),
              "f6.weight": (f6, flattened(a)), "output.weight": (a.num_classes, f6),
              "c1.bias": (m1,), "c3.bias": (m2,), "c5.bias": (c5,), "f6.bias": (f6,)}
    if a.pooling == "subsampling":
        shapes |= {f"{name}.{weight}": (maps,) for name, maps in (("s2", m1), ("s4", m2)) for weight in ("weight", "bias")}
    return shapes if a.output == "gaussian" else shapes | {"output.bias": (a.num_classes,)}
