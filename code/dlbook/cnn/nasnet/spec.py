"""NASNet's facts: the two cells that a search found, how they are stacked, published counts, official weights.

Source: Zoph et al. (2017), "Learning transferable architectures for scalable image recognition",
figures 2 and 4, table 3 and appendix A.
"""
from dataclasses import dataclass, field
from typing import NamedTuple

from dlbook.cnn.blocks.start import Norm, Official
from dlbook.cnn.blocks.table import Path, Tape, by_name, check_common, is_whole, output_size, sides, whole

# What may stand on an arrow of a cell: kind and side of its window. A separable convolution is applied twice.
OPERATIONS = {"sep3": ("separable", 3), "sep5": ("separable", 5), "sep7": ("separable", 7),
              "avg3": ("average", 3), "max3": ("max", 3), "identity": ("identity", 1)}


class Pair(NamedTuple):
    """Two operations whose results are added; an input is `h`, `p` or the number of an earlier pair."""
    left: str
    left_op: str
    right: str
    right_op: str

    def sides(self):
        """((side, input, operation), ...) of the left and the right."""
        return ("left", self.left, self.left_op), ("right", self.right, self.right_op)


@dataclass(frozen=True)
class Cell:
    """A cell as data: what it computes from the last cell's maps `h` and those of the cell before, `p`.

    Args:
        pairs: tuple of Pair; the first is called 1.
        joined: whose channels stand side by side in the result.
        stride: 2 in a reduction cell: every operation that reads `h` or `p` halves the maps.
    """
    pairs: tuple
    joined: tuple
    stride: int = 1

    def __post_init__(self):
        if self.stride not in (1, 2):
            raise ValueError(f"the stride of a cell is 1 or 2; got {self.stride}.")
        known = {"h", "p"}
        object.__setattr__(self, "pairs", tuple(Pair(*pair) for pair in self.pairs))  # plain tuples will do
        for number, pair in enumerate(self.pairs, 1):
            for _, source, operation in pair.sides():
                self._check(number, source, operation, known)
            known.add(str(number))
        wrong = set(self.joined) - (known if self.stride == 1 else known - {"h", "p"})
        if wrong or not self.joined:
            raise ValueError(f"a cell joins some of its results ({', '.join(sorted(known))}), "
                             f"in a reduction cell not h or p; got {self.joined}.")
        unread = known - set(self.joined) - {source for pair in self.pairs for _, source, _ in pair.sides()}
        if unread:
            raise ValueError("h, p and every pair of a cell must be read by a pair or be joined; "
                             f"got a cell where nothing reads {', '.join(sorted(unread))}.")

    def _check(self, number, source, operation, known):
        if source not in known:
            raise ValueError(f"pair {number} may read {', '.join(sorted(known))}; got {source!r}.")
        if operation not in OPERATIONS:
            raise ValueError(f"pair {number} has the operation {operation!r}; "
                             f"choose from: {', '.join(OPERATIONS)}.")
        if operation == "identity" and self.stride_from(source) == 2:
            raise ValueError(f"pair {number} of a reduction cell takes {source} as it is, "
                             "which is twice as large as the rest.")

    def stride_from(self, source):
        """Stride of an operation that reads `source`."""
        return self.stride if source in ("h", "p") else 1

    def keeps(self, source):
        """Whether an operation that reads `source` keeps its number of maps: only convolutions can change it."""
        kinds = {OPERATIONS[operation][0] for pair in self.pairs for _, read, operation in pair.sides() if read == source}
        return source in self.joined or bool(kinds - {"separable"})


# Figure 4, from the left to the right.
NORMAL = Cell((
    Pair("h", "sep5", "p", "sep3"),
    Pair("p", "sep5", "p", "sep3"),
    Pair("h", "avg3", "p", "identity"),
    Pair("p", "avg3", "p", "avg3"),
    Pair("h", "sep3", "h", "identity"),
), joined=("p", "1", "2", "3", "4", "5"))
REDUCTION = Cell((
    Pair("h", "sep5", "p", "sep7"),
    Pair("h", "max3", "p", "sep7"),
    Pair("h", "avg3", "p", "sep5"),
    Pair("2", "identity", "1", "avg3"),
    Pair("1", "sep3", "h", "max3"),
), joined=("2", "3", "4", "5"), stride=2)

STAGES = 3  # groups of normal cells; a reduction cell stands between two groups and doubles the maps


@dataclass(frozen=True)
class Architecture:
    """What fixes a NASNet; the paper writes it `repeats @ penultimate`.

    Args:
        repeats: normal cells in each of the three groups.
        penultimate: maps that leave the last cell.
        stem_filters: maps of the first convolution.
        stem: `imagenet` (3 x 3, stride 2, then two reduction cells) or `small` (3 x 3), for images
            of some 30 pixels.
        normal, reduction: Cell.
        norm: settings of batch normalisation.
        size: side of the images or (height, width), in pixels; the zeros around maps depend on it.
        channels: of the images; num_classes: to tell apart.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    repeats: int = 4
    penultimate: int = 1056
    stem_filters: int = 32
    stem: str = "imagenet"
    normal: Cell = field(default=NORMAL, repr=False)
    reduction: Cell = field(default=REDUCTION, repr=False)
    norm: Norm = Norm(eps=1e-3, momentum=0.9997)
    size: int | tuple = 224
    channels: int = 3
    num_classes: int = 1000
    scaling: str = "signed"

    def __post_init__(self):
        if self.stem not in ("imagenet", "small"):
            raise ValueError(f"stem must be 'imagenet' or 'small'; got {self.stem!r}.")
        check_common(self)
        whole("repeats", self.repeats)
        whole("stem_filters", self.stem_filters)
        for name in ("normal", "reduction"):
            if not isinstance(getattr(self, name), Cell):
                raise ValueError(f"{name} must be a Cell; got {getattr(self, name)!r}.")
        if self.normal.stride != 1 or self.reduction.stride != 2:
            raise ValueError("a normal cell has stride 1, a reduction cell 2; "
                             f"got {self.normal.stride} and {self.reduction.stride}.")
        # The stem's cells have a quarter and a half of the maps, and a factorised reduction halves them once more.
        multiple = len(self.normal.joined) * 2**(STAGES - 1) * (4 if self.stem == "imagenet" else 1)
        if not is_whole(self.penultimate) or self.penultimate % multiple:
            raise ValueError(f"penultimate must be a multiple of {multiple} here; got {self.penultimate!r}.")

    @property
    def filters(self):
        """Maps of every operation in the first group of cells."""
        return self.penultimate // (len(self.normal.joined) * 2**(STAGES - 1))


VARIANTS = {"mobile": Architecture()}

# For clothes and digits of 28 x 28: the first group of cells sees every pixel.
SMALL = Architecture(1, 192, 8, stem="small", size=28, channels=1, num_classes=10, scaling="none",
                     norm=Norm(1e-3, 0.9))

PARAMETERS = {"mobile": 5_289_978}  # learnt; the paper's table 3 says 5.3 M
KERAS_TOTAL = {"mobile": 5_326_716}  # with the moving statistics
KERAS_TRAINABLE = {"mobile": 5_289_978}
# Multiply-accumulates at 224 pixels in units of 10^9, convolutions and the dense layer without biases: 563.6 M,
# and 564 M in the paper's table 3.
GIGA_OPERATIONS = {"mobile": 0.564}
# Top-1 and top-5 in per cent, of Keras' weights (keras.io); the paper's own network: 74.0 and 91.6 (table 3).
ACCURACY = {"mobile": (74.4, 91.9)}


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "NASNet")


@dataclass(frozen=True)
class Step:
    """One cell of a network, with what it meets there.

    Args:
        name: of the cell in both twins.
        cell: Cell.
        filters: maps of each of its operations.
        h, p: (H, W, C) of the last cell's maps and of those of the cell before.
        adjust: how `p` is brought to the size and the number of maps of the rest: `reduce`, `project` or empty.
    """
    name: str
    cell: Cell
    filters: int
    h: tuple
    p: tuple
    adjust: str

    def channels(self, source):
        """Maps of an input of a pair: those of `p` are its own where it is not adjusted."""
        return self.p[-1] if source == "p" and not self.adjust else self.filters


def stem(a):
    """Kernel, stride and padding of the first convolution."""
    return (3, 2, "valid") if a.stem == "imagenet" else (3, 1, "same")


def steps(a):
    """Every cell of a network.

    Args:
        a: Architecture.

    Returns:
        list of Step.
    """
    h = p = (*(output_size(side, *stem(a)) for side in sides(a.size)), a.stem_filters)
    found = []
    for name, cell, filters in _cells(a):
        # As in Keras, the very first cell of the large stem reads the same maps twice and adjusts none, if it can do without.
        unadjusted = not found and a.stem == "imagenet" and not cell.keeps("p")
        adjust = "" if unadjusted else _adjust(h, p, filters)
        found.append(Step(name, cell, filters, h, p, adjust))
        h, p = (*(output_size(side, 1, cell.stride) for side in h[:2]), filters * len(cell.joined)), h
    return found


def _cells(a):
    """(name, cell, filters) of every cell."""
    stems = [("stem_cell1", a.reduction, a.filters // 4), ("stem_cell2", a.reduction, a.filters // 2)]
    found = stems if a.stem == "imagenet" else []
    for stage in range(1, STAGES + 1):
        filters = a.filters * 2**(stage - 1)
        found += [(f"stage{stage}_reduce", a.reduction, filters)] if stage > 1 else []
        found += [(f"stage{stage}_cell{i}", a.normal, filters) for i in range(1, a.repeats + 1)]
    return found


def _adjust(h, p, filters):
    if p[:2] != h[:2]:
        return "reduce"
    return "project" if p[-1] != filters else ""


def zeros(size, kernel):
    """Zeros before and behind maps whose windows step by 2: as TensorFlow's `same`, an odd one behind.

    Args:
        size: (H, W) of the maps.
        kernel: side of the windows, odd.

    Returns:
        ((above, below), (left, right)) in pixels.
    """
    return tuple((kernel // 2 - (1 - side % 2), kernel // 2) for side in size)


def table(a):
    """The table of layers.

    Args:
        a: Architecture or its name.

    Returns:
        list of Row, from the input to the logits.
    """
    a = architecture(a)
    tape = Tape(a.size, a.channels)
    tape.conv("stem_conv", a.stem_filters, *stem(a))
    tape.norm("stem_bn", a.norm.scale)
    p = tape.shape
    for step in steps(a):
        h = tape.shape
        with tape.block(step.name):
            _cell(tape, a, step, p)
        p = h
    tape.same("relu", "relu")
    tape.global_pool("pool")
    tape.dense("logits", a.num_classes)
    return tape.rows


def _cell(tape, a, step, p):
    with tape.branch("p", p) as previous:
        _write_adjust(tape, a, step)
    with tape.branch("h") as last:
        _relu_conv_norm(tape, a, f"{step.name}_squeeze", step.filters)
    paths = {"p": previous, "h": last}
    for number, pair in enumerate(step.cell.pairs, 1):
        ends = []
        for side, source, operation in pair.sides():
            name = f"pair{number}_{side}"
            with tape.branch(name, paths[source].shape) as end:
                stride = step.cell.stride_from(source)
                _operation(tape, a, f"{step.name}_{name}", operation, step.filters, stride)
            ends.append(end)
        tape.add(f"{step.name}_pair{number}_add", ends)
        paths[str(number)] = Path(tape.shape)
    tape.concat(f"{step.name}_concat", [paths[source] for source in step.cell.joined])


def _write_adjust(tape, a, step):
    name = f"{step.name}_adjust"
    if step.adjust == "project":
        _relu_conv_norm(tape, a, name, step.filters)
    if step.adjust == "reduce":
        tape.same(f"{name}_relu", "relu")
        with tape.branch("p_even") as even:
            tape.conv(f"{name}_conv1", step.filters // 2, 1, 2)
        with tape.branch("p_odd") as odd:
            tape.conv(f"{name}_conv2", step.filters // 2, 1, 2)
        tape.concat(f"{name}_concat", [even, odd])
        tape.norm(f"{name}_bn", a.norm.scale)


def _relu_conv_norm(tape, a, name, filters):
    tape.same(f"{name}_relu", "relu")
    tape.conv(f"{name}_conv", filters, 1)
    tape.norm(f"{name}_bn", a.norm.scale)


def _operation(tape, a, name, operation, filters, stride):
    kind, kernel = OPERATIONS[operation]
    if kind == "separable":
        for turn, step in ((1, stride), (2, 1)):
            tape.same(f"{name}_relu{turn}", "relu")
            tape.depthwise(f"{name}_depthwise{turn}", kernel, step)
            tape.conv(f"{name}_pointwise{turn}", filters, 1)
            tape.norm(f"{name}_bn{turn}", a.norm.scale)
    elif kind != "identity":
        tape.pool(f"{name}_pool", kernel, stride, "same", kind)


def keras_name(name, repeats=4):
    """The name that keras.applications gives one of our layers: `stage2_cell1_squeeze_conv` -> `normal_conv_1_5`.

    Args:
        name: of our layer.
        repeats: of the architecture; Keras numbers its cells through.

    Returns:
        str; of a depthwise and a pointwise convolution the separable layer they make there.
    """
    parts = name.split("_", 2)
    if len(parts) < 3:
        return {"stem_conv": "stem_conv1", "stem_bn": "stem_bn1", "logits": "predictions"}.get(name, name)
    group, cell, layer = parts
    kind = "normal" if group != "stem" and cell != "reduce" else "reduction"
    return f"{_keras_layer(kind, layer)}_{_keras_cell(group, cell, repeats)}"


def _keras_cell(group, cell, repeats):
    if group == "stem":
        return f"stem_{cell[4:]}"
    before = (int(group[5:]) - 1) * repeats
    if cell == "reduce":
        return f"reduce_{before}"
    # The reduction cells are counted but do not use a number in the first group.
    return f"{before + int(cell[4:]) - (before == 0)}"


def _keras_layer(kind, layer):
    part, _, inside = layer.partition("_")
    if part == "adjust":
        theirs = {"conv": "adjust_conv_projection", "conv1": "adjust_conv_1", "conv2": "adjust_conv_2"}
        return theirs.get(inside, f"adjust_{inside}")
    if part == "squeeze":
        return f"{kind}_{inside}_1"
    side, _, inside = inside.partition("_")
    # Keras calls the left of a reduction cell's fifth pair `left4`.
    number = "4" if (kind, part, side) == ("reduction", "pair5", "left") else part[4:]
    middle = "_bn" if inside.startswith("bn") else ""
    return f"separable_conv_{inside[-1:]}{middle}_{kind}_{side}{number}"


OFFICIAL = (Official(VARIANTS["mobile"], "keras/NASNet-mobile.h5", keras_name, free=("size",)),)
