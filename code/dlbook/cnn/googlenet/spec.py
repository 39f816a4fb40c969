"""GoogLeNet's facts: the inception modules, published counts, official weights.

Source: Szegedy et al. (2014), "Going deeper with convolutions", table 1 and section 5.
"""
from dataclasses import dataclass, replace

from dlbook.cnn.blocks import table as layers
from dlbook.cnn.blocks.start import LocalNorm, Norm, Official
from dlbook.cnn.blocks.table import Tape, above_zero, by_name, check_common, share


@dataclass(frozen=True)
class Inception:
    """Maps of an inception module's four paths, which end side by side.

    Args:
        branch1: of the convolution of 1 x 1.
        branch3: (reduced by a convolution of 1 x 1, computed from them by one of 3 x 3).
        branch5: the same for 5 x 5.
        proj: of the convolution of 1 x 1 behind max pooling.
    """
    branch1: int
    branch3: tuple
    branch5: tuple
    proj: int


# Table 1, columns "#1 x 1" to "pool proj". The number is the stage: the maps are halved before each new one.
MODULES = {
    "3a": Inception(64, (96, 128), (16, 32), 32),
    "3b": Inception(128, (128, 192), (32, 96), 64),
    "4a": Inception(192, (96, 208), (16, 48), 64),
    "4b": Inception(160, (112, 224), (24, 64), 64),
    "4c": Inception(128, (128, 256), (24, 64), 64),
    "4d": Inception(112, (144, 288), (32, 64), 64),
    "4e": Inception(256, (160, 320), (32, 128), 128),
    "5a": Inception(256, (160, 320), (32, 128), 128),
    "5b": Inception(384, (192, 384), (48, 128), 128),
}
# Convolutions before the modules: (name, maps, kernel, stride, max pooling and local response normalisation behind it).
STEMS = {
    "imagenet": [("stem1", 64, 7, 2, ("pool1", "lrn1")), ("stem2", 64, 1, 1, ()), ("stem3", 192, 3, 1, ("lrn2", "pool2"))],
    "small": [("stem1", 192, 3, 1, ())],
}
HEADS = {"4a": "aux1", "4d": "aux2"}  # auxiliary heads read what these modules give
HEAD_MAPS, HEAD_UNITS, HEAD_SIDE = 128, 1024, 4


@dataclass(frozen=True)
class Architecture:
    """What fixes a GoogLeNet.

    Args:
        modules: names of the inception modules, keys of `MODULES` in their order.
        module: `inception`, or `plain`: one convolution of 3 x 3 in place of each, for the same operations in all.
        width: multiplies every number of maps and hidden units.
        stem: `imagenet` (three convolutions, pooled twice) or `small` (one), for images of some 30 pixels.
        kernel5: side of the window on the path called 5 x 5: 5 (the paper) or 3 (torchvision).
        last_pool: side of the windows of the last max pooling: 3 (the paper) or 2 (torchvision).
        norm: settings of batch normalisation; None gives biases instead, as in the paper.
        lrn: settings of local response normalisation behind the stem's convolutions, as in the paper; None: none.
        auxiliary: also return the logits of two auxiliary heads, in training and in evaluation.
        head_pool: what the heads read: means of 5 x 5 pixels with stride 3 (`strided`, the paper), or of
            4 x 4 windows that cover maps of any size (`adaptive`, torchvision).
        dropout, dropout_auxiliary: share of activations set to zero in training, before the logits.
        size, channels: of the images; num_classes: to tell apart.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    modules: tuple = tuple(MODULES)
    module: str = "inception"
    width: float = 1.0
    stem: str = "imagenet"
    kernel5: int = 3
    last_pool: int = 2
    norm: Norm | None = Norm(eps=1e-3)
    lrn: LocalNorm | None = None
    auxiliary: bool = False
    head_pool: str = "adaptive"
    dropout: float = 0.2
    dropout_auxiliary: float = 0.7
    size: int | tuple = 224
    channels: int = 3
    num_classes: int = 1000
    scaling: str = "signed"

    def __post_init__(self):
        check_common(self, optional=("norm", "lrn"))
        _check_choices(self)
        _check_modules(self)
        above_zero("width", self.width)
        share("dropout_auxiliary", self.dropout_auxiliary)


CHOICES = {"module": ("inception", "plain"), "stem": tuple(STEMS), "kernel5": (3, 5), "last_pool": (2, 3), "head_pool": ("adaptive", "strided")}


def _check_choices(a):
    for name, choices in CHOICES.items():
        if getattr(a, name) not in choices:
            raise ValueError(f"{name} must be {' or '.join(repr(choice) for choice in choices)}; got {getattr(a, name)!r}.")


def _check_modules(a):
    known = [name for name in MODULES if name in a.modules]
    if not a.modules or list(a.modules) != known:
        raise ValueError(f"modules are names out of {', '.join(MODULES)}, in this order; got {a.modules}.")
    if a.auxiliary and not set(HEADS) <= set(a.modules):
        raise ValueError(f"the auxiliary heads read the modules {' and '.join(HEADS)}; got modules {a.modules}.")


def _scaled(a, maps):
    """A number of maps at the architecture's width."""
    return max(1, round(maps * a.width))


def stem(a):
    """The convolutions before the modules.

    Args:
        a: Architecture.

    Returns:
        list of (name, maps, kernel, stride, names of the layers behind it: `pool...` or `lrn...`).
    """
    return [(name, _scaled(a, maps), kernel, stride, [layer for layer in behind if a.lrn or not layer.startswith("lrn")])
            for name, maps, kernel, stride, behind in STEMS[a.stem]]


def modules(a):
    """The modules, with the pooling that comes before one.

    Args:
        a: Architecture.

    Returns:
        list of (name, Inception, (name, kernel) of the pooling or None).
    """
    found, stage = [], a.modules[0][0]
    for name in a.modules:
        # The maps are halved before each new stage.
        pool = None if name[0] == stage else (f"pool{int(name[0]) - 1}", a.last_pool if name[0] == "5" else 3)
        stage, m = name[0], MODULES[name]
        pairs = [tuple(_scaled(a, maps) for maps in pair) for pair in (m.branch3, m.branch5)]
        found.append((f"inception{name}", Inception(_scaled(a, m.branch1), *pairs, _scaled(a, m.proj)), pool))
    return found


def head(a, name):
    """The auxiliary head that reads a module: its name, or None."""
    return HEADS.get(name.removeprefix("inception")) if a.auxiliary else None


def head_widths(a):
    """(maps, hidden units) of an auxiliary head."""
    return _scaled(a, HEAD_MAPS), _scaled(a, HEAD_UNITS)


def cost(a, m, channels):
    """Multiply-accumulates of an inception module for one pixel.

    Args:
        a: Architecture.
        m: Inception.
        channels: maps it reads.

    Returns:
        int; also its number of weights, without biases.
    """
    (reduce3, maps3), (reduce5, maps5) = m.branch3, m.branch5
    return channels * (m.branch1 + reduce3 + reduce5 + m.proj) + 9 * reduce3 * maps3 + a.kernel5**2 * reduce5 * maps5


def plain_widths(a):
    """Maps of the convolutions that take the modules' places in the plain network.

    A convolution of 3 x 3 from w to w maps costs 9 w^2 a pixel: w = sqrt(cost / 9). The maps that it reads are not quite
    as many as those it gives, so all widths are multiplied by one factor that makes the sums equal.

    Args:
        a: Architecture.

    Returns:
        dict of module name to maps.
    """
    channels, before = stem(a)[-1][1], stem(a)[-1][1]
    wanted, first, between, roots = 0, 0, 0, {}
    for name, m, _ in modules(a):
        pixels = 4.0 ** -int(name[-2])  # each stage has a quarter of the pixels of the one before
        root = (cost(a, m, channels) / 9) ** 0.5
        wanted += cost(a, m, channels) * pixels
        if roots:
            between += 9 * before * root * pixels
        else:
            first = 9 * before * root * pixels  # the stem's maps stay as they are
        channels, before, roots[name] = sum((m.branch1, m.branch3[1], m.branch5[1], m.proj)), root, root
    # f first + f^2 between = wanted
    f = (-first + (first**2 + 4 * between * wanted) ** 0.5) / (2 * between) if between else wanted / first
    return {name: max(1, round(f * root)) for name, root in roots.items()}


def plain(a):
    """The plain network for the same operations: every module is one convolution of 3 x 3.

    Args:
        a: Architecture or its name.

    Returns:
        Architecture.
    """
    return replace(architecture(a), module="plain")


# The paper gives no numbers. These are from Caffe's copy of the network (bvlc_googlenet), whose alpha of 10^-4 is
# divided by the 5 maps.
LRN = LocalNorm(n=5, k=1.0, alpha=2e-5, beta=0.75)

VARIANTS = {
    "paper": Architecture(kernel5=5, last_pool=3, norm=None, lrn=LRN, head_pool="strided", dropout=0.4),
    "torchvision": Architecture(),
}

# For clothes and digits of 28 x 28, whose modules see maps of 28, 14 and 7 pixels, as in the large network.
SMALL = Architecture(("3a", "3b", "4a"), width=0.25, stem="small", size=28, channels=1, num_classes=10, scaling="none")

# Learnt parameters without the auxiliary heads. torchvision publishes its own; the paper's follow from its table 1, which says
# only "the network has 22 layers" and rounds each module's.
PARAMETERS = {"paper": 6_998_552, "torchvision": 6_624_904}
PARAMETERS_AUXILIARY = {"paper": 13_378_280, "torchvision": 13_004_888}
DEPTH = 22  # layers with weights; section 5
# Multiply-accumulates at 224 pixels in units of 10^9. torchvision's metadata says 1.498. Table 1's last column adds up to 1.502:
# its 34 M of the first convolution would be 118 M (7 x 7 x 3 x 64 weights at 112 x 112 places), which gives 1.58.
GIGA_OPERATIONS = {"paper": 1.58, "torchvision": 1.50}
# Table 1, columns "params" in K and "ops" in M. With K = 1,024 the first two are exact to rounding; the others are up to 7 per cent
# away from what the columns beside them give (4c: 463 against 498). The operations agree to rounding, except 5a (51).
PAPER_KILO_PARAMETERS = {"3a": 159, "3b": 380, "4a": 364, "4b": 437, "4c": 463, "4d": 580, "4e": 840, "5a": 1072, "5b": 1388}
PAPER_MEGA_OPERATIONS = {"3a": 128, "3b": 304, "4a": 73, "4b": 88, "4c": 100, "4d": 119, "4e": 170, "5a": 54, "5b": 71}
# Top-1 and top-5 in per cent on ImageNet's validation images, one crop: torchvision's weights.
ACCURACY = {"torchvision": (69.78, 89.53)}


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "GoogLeNet")


def depth(a):
    """Layers with weights on the longest path, without the auxiliary heads.

    Args:
        a: Architecture or its name.

    Returns:
        int: 22 for the whole network.
    """
    return layers.depth(table(a))


def table(a):
    """The table of layers.

    Args:
        a: Architecture or its name.

    Returns:
        list of Row, from the input to the logits; auxiliary heads stand where they branch off.

    Raises:
        ValueError: the images are too small; it says how large they must be.
    """
    return layers.checked(_rows, architecture(a))


def _rows(a):
    tape, widths = Tape(a.size, a.channels), plain_widths(a)
    _stem(tape, a)
    for name, m, pool in modules(a):
        if pool:
            tape.pool(*pool, 2, ceil=True)
        with tape.block(name):
            if a.module == "plain":
                _unit(tape, a, f"{name}_plain", widths[name], 3)
            else:
                _inception(tape, a, name, m)
        if head(a, name):
            _head(tape, a, head(a, name))
    tape.global_pool("pool")
    tape.same("dropout", "dropout")
    tape.dense("logits", a.num_classes)
    return tape.rows


def flattened(a, name):
    """Numbers that an auxiliary head's first dense layer reads."""
    return next(row.shape[0] for row in table(a) if row.name == f"{name}_flatten")


def _unit(tape, a, name, maps, kernel, stride=1):
    """A convolution, its normalisation and its ReLU."""
    tape.conv(f"{name}_conv", maps, kernel, stride, kernel // 2, bias=a.norm is None)
    if a.norm:
        tape.norm(f"{name}_bn", a.norm.scale)
    tape.same(f"{name}_relu", "relu")


def _stem(tape, a):
    for name, maps, kernel, stride, behind in stem(a):
        _unit(tape, a, name, maps, kernel, stride)
        for layer in behind:
            if layer.startswith("pool"):
                tape.pool(layer, 3, 2, ceil=True)
            else:
                tape.same(layer, "lrn")


def _inception(tape, a, name, m):
    with tape.branch("branch1") as path1:
        _unit(tape, a, f"{name}_branch1", m.branch1, 1)
    with tape.branch("branch3") as path3:
        _unit(tape, a, f"{name}_reduce3", m.branch3[0], 1)
        _unit(tape, a, f"{name}_branch3", m.branch3[1], 3)
    with tape.branch("branch5") as path5:
        _unit(tape, a, f"{name}_reduce5", m.branch5[0], 1)
        _unit(tape, a, f"{name}_branch5", m.branch5[1], a.kernel5)
    with tape.branch("pool") as path_pool:
        tape.pool(f"{name}_pool", 3, 1, "same")
        _unit(tape, a, f"{name}_proj", m.proj, 1)
    tape.concat(f"{name}_concat", [path1, path3, path5, path_pool])


def _head(tape, a, name):
    maps, units = head_widths(a)
    with tape.block(name), tape.branch("head"):
        if a.head_pool == "strided":
            tape.pool(f"{name}_pool", 5, 3, kind="average")
        else:
            tape.adaptive_pool(f"{name}_pool", HEAD_SIDE)
        _unit(tape, a, f"{name}_reduce", maps, 1)
        tape.flatten(f"{name}_flatten")
        tape.dense(f"{name}_dense", units)
        tape.same(f"{name}_relu", "relu")
        tape.same(f"{name}_dropout", "dropout")
        tape.dense(f"{name}_logits", a.num_classes)


TORCHVISION = {"branch1": "branch1", "reduce3": "branch2.0", "branch3": "branch2.1", "reduce5": "branch3.0", "branch5": "branch3.1",
               "proj": "branch4.1", "reduce": "conv", "dense": "fc1", "logits": "fc2"}


def torchvision_name(name):
    """torchvision's name of one of our layers: `inception3a_reduce5_conv` -> `inception3a.branch3.0.conv`."""
    if name == "logits":
        return "fc"
    parts = name.split("_")
    if parts[0].startswith("stem"):
        return f"conv{parts[0][4:]}.{parts[1]}"
    return ".".join([parts[0], *(TORCHVISION.get(part, part) for part in parts[1:])])


# In the file the auxiliary heads are as they were drawn, not trained. The images' scaling is what torchvision calls `transform_input`.
OFFICIAL = (Official(VARIANTS["torchvision"], "torchvision/googlenet-1378be20.pth", torchvision_name,
                     ("size", "dropout", "dropout_auxiliary", "auxiliary")),)
