"""Inception v3's facts: the modules, published counts, official weights.

Source: Szegedy et al. (2015), "Rethinking the inception architecture for computer vision", table 1 and figures 5 to 7 and 10.
The paper leaves the numbers of maps inside the modules open; they are those of the network that its authors published, which
keras.applications and torchvision share.
"""
from dataclasses import dataclass, replace
from functools import lru_cache

from dlbook.cnn.blocks import table as layers
from dlbook.cnn.blocks.start import Norm, Official
from dlbook.cnn.blocks.table import Tape, above_zero, by_name, check_common

ROW, COLUMN = (1, 7), (7, 1)  # windows, (height, width); one after the other they see 7 x 7 pixels

# Convolutions before the modules: (name, maps, kernel, stride, padding); a name alone is max pooling of 3 x 3, stride 2.
STEM = [("stem1", 32, 3, 2, "valid"), ("stem2", 32, 3, 1, "valid"), ("stem3", 64, 3, 1, "same"), ("pool1",),
        ("stem4", 80, 1, 1, "valid"), ("stem5", 192, 3, 1, "valid"), ("pool2",)]


# A module is a dict of its paths, which end side by side. A path is a list of convolutions (maps, kernel); a list of two in
# its place means that both read the same maps and end side by side. A path that begins with "mean" or "max" pools first.
# In a module that halves the maps, the last layer of each path has stride 2 and no padding.
def _a(maps):
    """Figure 5: 5 x 5 (kept here) and two times 3 x 3 in its place."""
    return {"one": [(64, 1)], "five": [(48, 1), (64, 5)], "double": [(64, 1), (96, 3), (96, 3)], "proj": ["mean", (maps, 1)]}


def _b(maps):
    """Figure 6 with n = 7: n x n taken apart into 1 x n and n x 1."""
    return {"one": [(192, 1)], "seven": [(maps, 1), (maps, ROW), (192, COLUMN)],
            "double": [(maps, 1), (maps, COLUMN), (maps, ROW), (maps, COLUMN), (192, ROW)], "proj": ["mean", (192, 1)]}


def _c():
    """Figure 7: paths that part once more."""
    parted = [(384, (1, 3)), (384, (3, 1))]
    return {"one": [(320, 1)], "three": [(384, 1), parted], "double": [(448, 1), (384, 3), parted], "proj": ["mean", (192, 1)]}


MODULES = {
    "mixed5b": _a(32), "mixed5c": _a(64), "mixed5d": _a(64),
    "mixed6a": {"three": [(384, 3)], "double": [(64, 1), (96, 3), (96, 3)], "pool": ["max"]},
    "mixed6b": _b(128), "mixed6c": _b(160), "mixed6d": _b(160), "mixed6e": _b(192),
    "mixed7a": {"three": [(192, 1), (320, 3)], "seven": [(192, 1), (192, ROW), (192, COLUMN), (192, 3)], "pool": ["max"]},
    "mixed7b": _c(), "mixed7c": _c(),
}
HALVING = ("mixed6a", "mixed7a")  # figure 10: convolutions and pooling side by side halve the maps
HEAD_AFTER, HEAD = "mixed6e", [("aux_reduce", 128, 1), ("aux_conv5", 768, 5)]  # the auxiliary head's convolutions


@dataclass(frozen=True)
class Architecture:
    """What fixes an Inception v3.

    Args:
        width: multiplies every number of maps.
        norm: settings of batch normalisation.
        counted: average pooling counts the zeros outside the map as pixels (torchvision), or leaves them out (Keras).
        auxiliary: also return the logits of the auxiliary head, in training and in evaluation.
        dropout: share of activations set to zero in training, before the logits.
        size, channels: of the images; num_classes: to tell apart.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    width: float = 1.0
    norm: Norm = Norm(eps=1e-3)
    counted: bool = True
    auxiliary: bool = False
    dropout: float = 0.5
    size: int | tuple = 299
    channels: int = 3
    num_classes: int = 1000
    scaling: str = "signed"

    def __post_init__(self):
        check_common(self)
        above_zero("width", self.width)
        for name in ("counted", "auxiliary"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False; got {getattr(self, name)!r}.")


VARIANTS = {
    "keras": Architecture(norm=Norm(eps=1e-3, momentum=0.99, scale=False), counted=False, dropout=0),
    "torchvision": Architecture(),
}

# Learnt parameters without the auxiliary head. Keras leaves out the 17,216 scales of batch normalisation, which the next
# convolution can make up for behind a ReLU.
PARAMETERS = {"keras": 23_817_352, "torchvision": 23_834_568}
PARAMETERS_AUXILIARY = {"torchvision": 27_161_264}  # what torchvision publishes
KERAS_TOTAL = 23_851_784  # with the moving statistics
GIGA_OPERATIONS = 5.71  # multiply-accumulates at 299 pixels in units of 10^9; torchvision's metadata: 5.713
# Layers with weights on the longest path. The paper says 42, of a network whose parts it does not list one by one.
DEPTH, DEPTH_PAPER = 48, 42
# Top-1 and top-5 in per cent on ImageNet's validation images, one crop: torchvision's and keras.applications' weights.
ACCURACY = {"torchvision": (77.29, 93.45), "keras": (77.9, 93.7)}


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "Inception v3")


def scaled(a, maps):
    """A number of maps at the architecture's width."""
    return max(1, round(maps * a.width))


def path(name, branch):
    """A path of a module, layer by layer.

    Args:
        name: of the module.
        branch: of its path.

    Returns:
        list of (name, maps, kernel, stride, padding), and for pooling (name, `mean` or `max`, kernel, stride, padding). Names
        of two layers that part from each other end in a and b.
    """
    found, convs = [], MODULES[name][branch]
    for i, layer in enumerate(convs):
        halves = name in HALVING and i == len(convs) - 1
        stride, padding = (2, "valid") if halves else (1, "same")
        if isinstance(layer, str):
            found.append((f"{name}_pool", layer, 3, stride, padding))
        else:
            # Counted from 1 within the path, pooling aside.
            number = i + (convs[0] != "mean")
            both = layer if isinstance(layer, list) else [layer]
            marks = "ab" if len(both) == 2 else [""]
            found += [(f"{name}_{branch}{number}{mark}", maps, kernel, stride, padding) for mark, (maps, kernel) in zip(marks, both)]
    return found


def parts(layer):
    """Whether a layer reads the same maps as one beside it: its name ends in a or b."""
    return layer[0].endswith(("a", "b"))


def depth(a):
    """Layers with weights on the longest path, without the auxiliary head.

    Args:
        a: Architecture or its name.

    Returns:
        int: 48.
    """
    return layers.depth(table(a))


def table(a):
    """The table of layers.

    Args:
        a: Architecture or its name.

    Returns:
        list of Row, from the input to the logits; the auxiliary head stands where it branches off.

    Raises:
        ValueError: the images are too small; it says how large they must be.
    """
    return layers.checked(_rows, architecture(a))


def _rows(a):
    tape = Tape(a.size, a.channels)
    for name, *conv in STEM:
        if conv:
            _unit(tape, a, name, *conv)
        else:
            tape.pool(name, 3, 2)
    for name in MODULES:
        with tape.block(name):
            _module(tape, a, name)
        if a.auxiliary and name == HEAD_AFTER:
            _head(tape, a)
    tape.global_pool("pool")
    tape.same("dropout", "dropout")
    tape.dense("logits", a.num_classes)
    return tape.rows


def _unit(tape, a, name, maps, kernel, stride=1, padding="same"):
    """A convolution, its normalisation and its ReLU."""
    tape.conv(f"{name}_conv", scaled(a, maps), kernel, stride, padding)
    tape.norm(f"{name}_bn", a.norm.scale)
    tape.same(f"{name}_relu", "relu")


def _module(tape, a, name):
    ends = []
    for branch in MODULES[name]:
        with tape.branch(branch) as trunk:
            for layer in path(name, branch):
                if not parts(layer):
                    _layer(tape, a, *layer)
        both = [layer for layer in path(name, branch) if parts(layer)]
        for layer in both:
            with tape.branch(f"{branch}_{layer[0][-1]}", trunk.shape) as end:
                _layer(tape, a, *layer)
            ends.append(end)
        ends += [] if both else [trunk]
    tape.concat(f"{name}_concat", ends)


def _layer(tape, a, name, maps, kernel, stride, padding):
    if isinstance(maps, str):
        tape.pool(name, kernel, stride, padding, {"mean": "average"}.get(maps, maps))
    else:
        _unit(tape, a, name, maps, kernel, stride, padding)


def _head(tape, a):
    with tape.block("aux"), tape.branch("head"):
        tape.pool("aux_pool", 5, 3, kind="average")
        for name, maps, kernel in HEAD:
            _unit(tape, a, name, maps, kernel, 1, "valid")
        tape.global_pool("aux_mean")
        tape.dense("aux_logits", a.num_classes)


STEM_NAMES = {"stem1": "Conv2d_1a_3x3", "stem2": "Conv2d_2a_3x3", "stem3": "Conv2d_2b_3x3", "stem4": "Conv2d_3b_1x1",
              "stem5": "Conv2d_4a_3x3", "logits": "fc", "aux_logits": "AuxLogits.fc"}
HEAD_NAMES = {"reduce": "conv0", "conv5": "conv1"}
BRANCH_NAMES = {"one": "branch1x1", "five": "branch5x5", "three": "branch3x3", "seven": "branch7x7", "double": "branch3x3dbl",
                "proj": "branch_pool"}
# Where torchvision's name depends on the module.
SEVENS = {("6", "double"): "branch7x7dbl", ("7", "seven"): "branch7x7x3"}


def torchvision_name(name):
    """torchvision's name of one of our layers: `mixed5b_five2_conv` -> `Mixed_5b.branch5x5_2.conv`."""
    unit, _, kind = name.rpartition("_")
    if name in STEM_NAMES or unit in STEM_NAMES:
        return STEM_NAMES.get(name) or f"{STEM_NAMES[unit]}.{kind}"
    module, _, place = unit.partition("_")
    if module == "aux":
        return f"AuxLogits.{HEAD_NAMES.get(place, place)}.{kind}"
    return f"Mixed_{module[5:]}.{_torchvision_branch(module, place)}.{kind}"


def _torchvision_branch(module, place):
    branch = place.rstrip("ab").rstrip("0123456789")
    if branch not in BRANCH_NAMES:
        return place
    theirs = BRANCH_NAMES[branch]
    if module != "mixed6a":
        theirs = SEVENS.get((module[5], branch), theirs)
    # A path of one convolution has no number there.
    convs = [layer for layer in MODULES[module][branch] if not isinstance(layer, str)]
    return theirs if len(convs) == 1 else f"{theirs}_{place.removeprefix(branch)}"


@lru_cache
def creation_order():
    """The place of each convolution in the order in which keras.applications makes them.

    Returns:
        dict of our name, without `_conv`, to 1..94: that of the table.
    """
    convs = [row.name for row in table("keras") if row.kind == "conv"]
    return {name.removesuffix("_conv"): place for place, name in enumerate(convs, 1)}


def keras_name(name):
    """The name of one of our layers in Keras' file of official weights, which counts them: `stem1_conv` -> `conv2d_1`."""
    unit, _, kind = name.rpartition("_")
    counted = {"conv": "conv2d", "bn": "batch_normalization"}.get(kind)
    place = creation_order().get(unit)
    return f"{counted}_{place}" if counted and place else {"logits": "predictions"}.get(name, name)


def keras_names(found):
    """The function `keras_name` for any copy of keras.applications' model.

    Keras counts the layers of a whole process, so that a second model's begin where the first one's ended.

    Args:
        found: names of the copy's layers, in any order.

    Returns:
        function of one of our layers' names -> that layer's name in the copy.

    Raises:
        ValueError: there are not as many convolutions and normalisations as in ours.
    """
    names = {}
    for kind in ("conv2d", "batch_normalization"):
        theirs = sorted((name for name in found if _place(name, kind) is not None), key=lambda name: _place(name, kind))
        if len(theirs) != len(creation_order()):
            raise ValueError(f"an Inception v3 has {len(creation_order())} layers {kind}_N; got {len(theirs)}.")
        names |= {f"{kind}_{place}": name for place, name in enumerate(theirs, 1)}
    return lambda name: names.get(keras_name(name), keras_name(name))


def _place(name, kind):
    """The N of `kind_N`, 0 for `kind` alone, None for a layer of another kind."""
    rest = name.removeprefix(kind)
    if name == kind:
        return 0
    return int(rest[1:]) if rest != name and rest[:1] == "_" and rest[1:].isdigit() else None


# torchvision's weights want what it calls `transform_input`: that is our scaling `signed`, as in Keras.
OFFICIAL = (
    Official(VARIANTS["torchvision"], "torchvision/inception_v3_google-0cc3c7bd.pth", torchvision_name, ("size", "dropout", "auxiliary")),
    Official(VARIANTS["keras"], "keras/inception_v3_weights_tf_dim_ordering_tf_kernels.h5", keras_names, ("size", "dropout"), counted=True),
)
