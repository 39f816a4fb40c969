"""What a drawing of a network shows, found in its table of layers: steps, boxes, and the paths through a block.

Nothing here knows of coordinates or colours; `diagram` draws a whole network, `block` one block.
"""
from dataclasses import dataclass, replace
from itertools import groupby
from os.path import commonprefix

WEIGHTED = ("conv", "depthwise", "dense")
SILENT = ("norm", "relu", "tanh", "lrn", "dropout")  # drawn with the layer that they follow
JOINS = ("add", "concat")
SHORTCUT = "shortcut"


@dataclass(frozen=True)
class Step:
    """A layer, with the normalisation, ReLU and so on that belong to it.

    Args:
        rows: tuple of rows as `dlbook.cnn.blocks.table.Row`.
    """
    rows: tuple

    @property
    def main(self):
        """The row that names the step: its convolution, dense layer, pooling or join, else its first row."""
        return next((row for row in self.rows if row.kind not in SILENT), self.rows[0])

    @property
    def kind(self):
        """Kind of the main row."""
        return self.main.kind

    @property
    def kinds(self):
        """Kinds of all rows, for example `conv + norm + relu`."""
        return " + ".join(row.kind for row in self.rows)

    @property
    def branch(self):
        """The path through the block; empty on the main one."""
        return self.main.branch

    @property
    def shape(self):
        """Of the output, (H, W, C) or (D,)."""
        return self.rows[-1].shape

    @property
    def parameters(self):
        """Learnt parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def operations(self):
        """Multiply-accumulates for one image."""
        return sum(row.operations for row in self.rows)


@dataclass(frozen=True)
class Box:
    """What is drawn once: a layer outside blocks, a block, or a run of blocks with equal structure.

    Args:
        name: of the layer or block, or first and last of a run: `stage3_block2-6`.
        steps: tuple of Step of the layer or the first block.
        count: blocks in the run; 0 for a layer outside blocks.
        shape: of the output of the last.
        parameters, operations: of all together.
        source: of a box beside the main path, such as an auxiliary head: the name of the box that it reads; else empty.
    """
    name: str
    steps: tuple
    count: int
    shape: tuple
    parameters: int
    operations: int
    source: str = ""

    @property
    def shortcut(self):
        """`add` or `concat` where the block's input takes part in it, else an empty text."""
        return next((node.join.kind for node in paths(self.steps) if isinstance(node, Parallel) and node.join and _has_shortcut(node)), "")


@dataclass(frozen=True)
class Parallel:
    """Paths side by side.

    Args:
        paths: tuple of (name, tuple of Step or Parallel); no steps where the input passes unchanged.
        join: the Step that adds or joins them; None where a later one does.
    """
    paths: tuple
    join: object = None


def steps(rows):
    """Merge normalisation, ReLU and so on into the layers that they belong to.

    Args:
        rows: list of rows.

    Returns:
        list of Step: what leads a path goes with the layer behind it, all else with the layer before it.
    """
    found, leading = [], []
    for row in rows:
        if row.kind not in SILENT:
            found += [Step((*leading, row))] if _takes(row, leading) else [Step(tuple(leading)), Step((row,))]
            leading = []
        elif found and not leading and row.branch == found[-1].branch:
            found[-1] = Step((*found[-1].rows, row))
        else:
            leading.append(row)
    return found + ([Step(tuple(leading))] if leading else [])


def _takes(row, leading):
    """Whether a layer takes the silent ones before it: those on its own way, but no normalisation to a pooling."""
    same_way = all(row.branch == other.branch or row.branch.startswith(f"{other.branch}_") for other in leading)
    return same_way and (row.kind in WEIGHTED or not any(other.parameters for other in leading))


def boxes(rows):
    """The boxes of a network's drawing.

    Args:
        rows: list of rows, from the input to the output.

    Returns:
        list of Box in order.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError("a drawing needs the rows of a table; got none.")
    blocks = []
    for name, group in groupby(rows, lambda row: row.block):
        found = steps(list(group))
        blocks += [(name, tuple(found))] if name else [("", (step,)) for step in found]
    return _sourced([_box(list(run)) for _, run in groupby(_numbered(blocks), lambda item: item[0])])


def _sourced(found):
    """Note what feeds the boxes beside the main path: the last box on it."""
    source, noted = "", []
    for box in found:
        aside = bool(source) and all(step.branch and step.kind not in JOINS for step in box.steps)
        noted.append(replace(box, source=source) if aside else box)
        source = source if aside else box.name
    return noted


def _numbered(blocks):
    """Blocks with a number that changes wherever a block does not look like the one before it."""
    number, last = 0, None
    for name, found in blocks:
        signature = _signature(found) if name else None
        number += signature is None or signature != last
        last = signature
        yield number, (name, found)


def _signature(found):
    """What makes two blocks look alike: their layers and what these give; how much enters may differ, as it does in a DenseNet."""
    return tuple((step.kind, step.branch, step.main.note, step.shape if step.kind in WEIGHTED else step.shape[:-1]) for step in found)


def _box(run):
    names, found = zip(*(block for _, block in run))
    everything = [step for block in found for step in block]
    name = span(names[0], names[-1]) if names[0] else found[0][0].main.name
    return Box(name, found[0], len(found) if names[0] else 0, found[-1][-1].shape,
               sum(step.parameters for step in everything), sum(step.operations for step in everything))


def span(first, last):
    """The first and last name of a run in one: `block9`, `block10` -> `block9-10`."""
    if first == last:
        return first
    common = commonprefix([first, last]).rstrip("0123456789")
    return f"{first}-{last[len(common):]}"


def paths(found, parent=""):
    """The way through a block.

    Args:
        found: list of Step of one block, or of one branch of it.
        parent: name of that branch.

    Returns:
        list of Step and Parallel, from the input to the output. A branch `three_a` forks off at the end of the branch `three`;
        a join `..._pair1_add` takes the branches `pair1_left` and `pair1_right` where there are such, else all that are open.
    """
    nodes, opened = [], {}
    for step in found:
        if step.kind in JOINS and step.branch == parent:
            mine = _partners(opened, step)
            others = {name: way for name, way in opened.items() if name not in mine}
            nodes = _joined(nodes + _open_end(others, parent), mine, step)
            opened = {}
        elif step.branch != parent:
            opened.setdefault(_root(step.branch, opened), []).append(step)
        elif opened:  # the main path runs beside what has forked off
            opened.setdefault(parent, []).append(step)
        else:
            nodes.append(step)
    return nodes + _open_end(opened, parent)


def length(node):
    """Layers on the longest path through a node, with its join."""
    if isinstance(node, Step):
        return 1
    return max((sum(map(length, way)) for _, way in node.paths), default=0) + (node.join is not None)


def _partners(opened, join):
    stem = join.main.name.rpartition("_")[0]
    pair = {name: way for name, way in opened.items() if "_" in name and stem.endswith("_" + name.rpartition("_")[0])}
    return pair or opened


def _root(branch, opened):
    return next((name for name in opened if name and branch.startswith(f"{name}_")), branch)


def _open_end(opened, parent):
    """Branches that nothing has joined: one alone is simply the way on."""
    if len(opened) == 1:
        (name, way), = opened.items()
        return paths(way, name)
    return [_parallel(opened, None, parent)] if opened else []


def _parallel(opened, join, parent=""):
    names = sorted(opened, key=lambda name: name == SHORTCUT)  # shortcuts are drawn on the right
    return Parallel(tuple((name, tuple(opened[name] if name == parent else paths(opened[name], name))) for name in names), join)


def _joined(nodes, opened, join):
    """The nodes so far, with what a join joins as one Parallel at their end."""
    start = 1 + max((i for i, node in enumerate(nodes) if isinstance(node, Parallel)), default=-1)
    before, main = nodes[:start], nodes[start:]
    if set(opened) - {SHORTCUT}:
        node = _parallel(opened, join, join.branch)
        return [*nodes, node if len(node.paths) > 1 else Parallel((*node.paths, ("", ())), join)]
    sums = [node for node in before if isinstance(node, Parallel) and node.join]
    if not main and not opened and len(sums) > 1:  # sums that were made before are joined
        return [*(node for node in before if node not in sums), Parallel(tuple((node.join.main.name, (node,)) for node in sums), join)]
    beside = (SHORTCUT, tuple(opened.get(SHORTCUT, ())))
    return [*before, Parallel((("", tuple(main)), beside), join)]


def _has_shortcut(node):
    return len(node.paths) == 2 and any(name == SHORTCUT or not way for name, way in node.paths)
