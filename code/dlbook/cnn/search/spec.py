"""The space that is searched: small cells in the style of NASNet, and the network that a cell makes.

Source: Zoph et al. (2017), "Learning transferable architectures for scalable image recognition",
section 3, made small: one kind of cell, one input to it, two nodes, four operations, so that every
cell can be trained and the search be checked.
"""
import functools
import itertools
from dataclasses import dataclass
from typing import NamedTuple

from dlbook.cnn.blocks.start import Norm
from dlbook.cnn.blocks.table import Path, Tape, check_common, sides, whole
from dlbook.train.settings import Training

# Windows of 3 x 3: a convolution, a separable one, the largest of each window; and nothing at all.
OPERATIONS = ("conv3", "sep3", "max3", "identity")


class Arrow(NamedTuple):
    """What goes into a node: an operation on the result of node `source`; 0 is the cell's input."""
    source: int
    operation: str


class Node(NamedTuple):
    """A node of a cell: the sum of two arrows."""
    left: Arrow
    right: Arrow


@dataclass(frozen=True)
class Space:
    """All cells of so many nodes. A cell is a tuple of Node; the first is number 1 and reads the input only.

    Args:
        nodes: in a cell.
        operations: that an arrow may have.
    """
    nodes: int = 2
    operations: tuple = OPERATIONS

    def __post_init__(self):
        if self.nodes < 1 or not self.operations or set(self.operations) - set(OPERATIONS):
            raise ValueError(f"a space has a node or more and operations among {', '.join(OPERATIONS)}; "
                             f"got {self.nodes} and {self.operations}.")

    def arrows(self, number):
        """Every Arrow that may go into node `number`."""
        return [Arrow(source, operation) for source in range(number) for operation in self.operations]

    @property
    def written(self):
        """How many cells can be written down, the same cell in several ways: prod_n (n * operations)^2."""
        count = 1
        for number in range(1, self.nodes + 1):
            count *= len(self.arrows(number))**2
        return count

    def cells(self):
        """Every different cell once, in its canonical form.

        Returns:
            list of cells, sorted.
        """
        return list(_cells(self))

    def draw(self, rng):
        """A cell at random: each arrow by itself.

        Args:
            rng: numpy.random.Generator.

        Returns:
            cell in canonical form.
        """
        arrow = lambda choices: choices[rng.integers(len(choices))]
        choices = [self.arrows(number) for number in range(1, self.nodes + 1)]
        return canonical(tuple(Node(arrow(arrows), arrow(arrows)) for arrows in choices))

    def mutate(self, cell, rng):
        """A neighbour of a cell: one arrow gets another source or another operation.

        Args:
            cell: tuple of Node.
            rng: numpy.random.Generator.

        Returns:
            another cell in canonical form.

        Source: Real et al. (2018), "Regularized evolution for image classifier architecture search",
        section 3: hidden state mutation and operation mutation, at equal chances.
        """
        number, side = int(rng.integers(1, self.nodes + 1)), int(rng.integers(2))
        here = cell[number - 1][side]
        by_source = number > 1 and (rng.random() < 0.5 or len(self.operations) == 1)
        wanted = (by_source, not by_source)  # exactly one of the two changes
        others = [arrow for arrow in self.arrows(number)
                  if (arrow.source != here.source, arrow.operation != here.operation) == wanted]
        if not others:
            raise ValueError(f"{encode(cell)} has no neighbours in {self}.")
        node = list(cell[number - 1])
        node[side] = others[rng.integers(len(others))]
        return canonical((*cell[:number - 1], Node(*node), *cell[number:]))


SPACE = Space()


@functools.cache
def _cells(space):
    pairs = [itertools.combinations_with_replacement(space.arrows(n), 2) for n in range(1, space.nodes + 1)]
    return tuple(sorted({canonical(tuple(Node(*pair) for pair in cell)) for cell in itertools.product(*pairs)}))


def canonical(cell):
    """The one way to write a cell, the smallest of all.

    Left and right, and nodes that do not read each other, may be exchanged without changing the cell.

    Args:
        cell: tuple of Node.

    Returns:
        cell.
    """
    ways = (_renumbered(cell, order) for order in itertools.permutations(range(1, len(cell) + 1)))
    return min(way for way in ways if way)


def _renumbered(cell, order):
    """The cell with its nodes in another order, or None where a node would come before what it reads."""
    new = {0: 0} | {old: number for number, old in enumerate(order, 1)}
    nodes = []
    for number, old in enumerate(order, 1):
        arrows = sorted(Arrow(new[arrow.source], arrow.operation) for arrow in cell[old - 1])
        if arrows[-1].source >= number:
            return None
        nodes.append(Node(*arrows))
    return tuple(nodes)


def encode(cell):
    """A cell as text, for records and figures: `0.conv3+0.max3 1.sep3+0.identity`."""
    return " ".join("+".join(f"{arrow.source}.{arrow.operation}" for arrow in node) for node in cell)


def decode(text):
    """The cell that a text says.

    Args:
        text: as `encode` writes it.

    Returns:
        tuple of Node.

    Raises:
        ValueError: the text is no cell.
    """
    try:
        arrows = [[arrow.split(".") for arrow in node.split("+")] for node in text.split()]
        cell = tuple(Node(*(Arrow(int(source), operation) for source, operation in node)) for node in arrows)
    except (TypeError, ValueError):
        raise ValueError(f"a cell is written like '0.conv3+0.max3 1.sep3+0.identity'; got {text!r}.") from None
    return checked(cell)


def checked(cell):
    """A cell, if it is one.

    Raises:
        ValueError: a node reads one that comes later, or an unknown operation.
    """
    if not isinstance(cell, tuple) or not all(isinstance(node, Node) for node in cell):
        raise ValueError(f"a cell is a tuple of Node; got {cell!r}.")
    for number, node in enumerate(cell, 1):
        for source, operation in node:
            if not 0 <= source < number:
                raise ValueError(f"node {number} may read 0 to {number - 1}; got {source}.")
            if operation not in OPERATIONS:
                raise ValueError(f"node {number} has the operation {operation!r}; "
                                 f"choose from: {', '.join(OPERATIONS)}.")
    if not cell:
        raise ValueError("a cell has a node or more; got none.")
    return cell


def loose(cell):
    """Numbers of the nodes that no node reads; their sum is what the cell gives."""
    read = {arrow.source for node in cell for arrow in node}
    return [number for number in range(1, len(cell) + 1) if number not in read]


PLAIN = decode("0.conv3+0.identity 1.conv3+1.identity")  # two residual convolutions


@dataclass(frozen=True)
class Architecture:
    """What fixes a candidate: a convolution, the cell repeated, the mean of each map, a dense layer.

    Args:
        cell: tuple of Node.
        maps: everywhere in the network; a cell keeps their number.
        repeats: how often the cell stands there; a pooling by 2 between each two.
        norm: settings of batch normalisation.
        size, channels: of the images; num_classes: to tell apart.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    cell: tuple = PLAIN
    maps: int = 8
    repeats: int = 2
    norm: Norm = Norm()
    size: int | tuple = 14
    channels: int = 1
    num_classes: int = 10
    scaling: str = "none"

    def __post_init__(self):
        checked(self.cell)
        whole("maps", self.maps)
        whole("repeats", self.repeats)
        check_common(self)
        if min(sides(self.size)) < 2**(self.repeats - 1):
            raise ValueError(f"a pooling stands between each two of {self.repeats} cells, and images of size {self.size} "
                             "soon leave maps too small for a window of 2 x 2; take larger images or fewer repeats.")


# How a candidate is trained: some 200 steps, a second on one core.
TRAINING = Training(epochs=8, batch_size=32, learning_rate=1e-2)
VALIDATION = 1 / 3  # share of the training images that choose the cell; the test images report it


def table(a):
    """The table of layers.

    Args:
        a: Architecture.

    Returns:
        list of Row, from the input to the logits.
    """
    tape = Tape(a.size, a.channels)
    tape.conv("stem_conv", a.maps, 3)
    tape.norm("stem_bn", a.norm.scale)
    for i in range(1, a.repeats + 1):
        with tape.block(f"cell{i}"):
            _cell(tape, a, f"cell{i}")
        if i < a.repeats:
            tape.pool(f"pool{i}", 2, 2)
    tape.same("relu", "relu")
    tape.global_pool("pool")
    tape.dense("logits", a.num_classes)
    return tape.rows


def _cell(tape, a, name):
    results = [Path(tape.shape)]
    for number, node in enumerate(a.cell, 1):
        ends = []
        for side, arrow in zip(("left", "right"), node):
            path = f"node{number}_{side}"
            with tape.branch(path, results[arrow.source].shape) as end:
                _operation(tape, a, f"{name}_{path}", arrow.operation)
            ends.append(end)
        tape.add(f"{name}_node{number}_add", ends)
        results.append(Path(tape.shape))
    ends = [results[number] for number in loose(a.cell)]
    if len(ends) > 1:
        tape.add(f"{name}_add", ends)


def _operation(tape, a, name, operation):
    if operation == "max3":
        tape.pool(f"{name}_pool", 3, 1, "same")
    if operation in ("conv3", "sep3"):
        tape.same(f"{name}_relu", "relu")
        if operation == "conv3":
            tape.conv(f"{name}_conv", a.maps, 3)
        else:
            tape.depthwise(f"{name}_depthwise", 3)
            tape.conv(f"{name}_pointwise", a.maps, 1)
        tape.norm(f"{name}_bn", a.norm.scale)
