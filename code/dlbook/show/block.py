"""A drawing of one block in detail, from the top down: parallel paths side by side, joined at the end."""
from dataclasses import dataclass

from dlbook.show import svg
from dlbook.show.diagram import check_title
from dlbook.show.outline import SHORTCUT, Step, paths, steps
from dlbook.show.page import display_html

BOX = 150  # pixels: the widest box
COLUMN = 62  # the narrowest column in which the texts can be read
EMPTY = 54  # column of a path without layers
GAP = 22  # between a box and the next
RAIL = 14  # left and right of paths that need more than one line


@dataclass(frozen=True)
class Card:
    """A box with texts.

    Args:
        x: its middle, y: its top, width, height: in pixels.
        kind: of layer, for the colour.
        texts: lines in it; the first is bold.
    """
    x: float
    y: float
    width: float
    height: float
    kind: str
    texts: tuple


@dataclass(frozen=True)
class Wire:
    """A line through points.

    Args:
        points: tuple of (x, y).
        arrow: whether it ends in an arrow's head.
    """
    points: tuple
    arrow: bool = True


@dataclass(frozen=True)
class Note:
    """A text beside a line.

    Args:
        x, y: of its middle.
        text: the words.
    """
    x: float
    y: float
    text: str


def block_diagram(rows, title, alt=None):
    """Show one block in detail.

    Args:
        rows: rows of one block as `dlbook.cnn.blocks.table.Row`; rows with the same `branch` are one path.
        title: the block's name.
        alt: what it shows, for those who cannot see it; None describes it from the rows.

    Raises:
        ValueError: no rows, rows of several blocks, or no title.
    """
    check_title(title)
    blocks = list(dict.fromkeys(row.block for row in rows))
    if len(blocks) != 1:
        raise ValueError(f"one block is drawn at a time; the rows are of {len(blocks)}: {', '.join(blocks) or 'none'}.")
    found = steps(rows)
    alt = alt or describe(found, title)
    display_html(svg.both(lambda width: _draw(found, title, width), title, alt), f"{alt}\n{listing(found)}")


def describe(found, title):
    """A block in words, with its numbers.

    Args:
        found: list of Step.
        title: the block's name.

    Returns:
        str.
    """
    return (f"{title}: {_in_words(paths(found))}. {sum(step.parameters for step in found):,} parameters, "
            f"{sum(step.operations for step in found):,} multiply-accumulates.")


def _in_words(nodes):
    return ", then ".join(_step_in_words(node) if isinstance(node, Step) else _fork_in_words(node) for node in nodes)


def _step_in_words(step):
    return f"{_what(step)} ({svg.size_text(step.shape)})"


def _fork_in_words(node):
    ways = "; ".join(_in_words(path) if path else "the input unchanged" for _, path in node.paths)
    return f"side by side [{ways}]" + (f", then {_step_in_words(node.join)}" if node.join else "")


def listing(found):
    """What is drawn, one step a line: name, path, layers, output, parameters, multiply-accumulates."""
    lines = ["step | path | layers | window | output | parameters | multiply-accumulates"]
    return "\n".join([*lines, *(f"{step.main.name} | {step.branch or '-'} | {step.kinds} | {step.main.note or '-'} | {svg.size_text(step.shape)} | "
                                f"{step.parameters:,} | {step.operations:,}" for step in found)])


def _what(step):
    return f"{svg.WORDS.get(step.kind, step.kind)} {step.main.note}".strip()


# ---------------------------------------------------------------- layout

def arrange(nodes, x, width, y):
    """Stack nodes from the top down.

    Args:
        nodes: list of Step and Parallel.
        x: middle of the column; width: of the column; y: where it starts, in pixels.

    Returns:
        (list of Card, Wire and Note; the y where the path ends).
    """
    items = []
    for node in nodes:
        more, y = (_step if isinstance(node, Step) else _fork)(node, x, width, y)
        items += more
    return items, y


def _step(step, x, width, y):
    """An arrow and the card it leads to."""
    card = _card(step, x, min(BOX, width - 6), y + GAP)
    return [Wire(((x, y), (x, card.y))), card], card.y + card.height


def _card(step, x, width, y):
    name = svg.WORDS.get(step.kind, step.kind)
    texts = [name if svg.width_of(name, 11, bold=True) <= width - 4 else step.kind, *_notes(step, width)]
    texts += _shape(step.shape, width)
    texts += [f"{step.parameters:,}"] if step.parameters else []
    return Card(x, y, width, 13 * len(texts) + 9, step.kind, tuple(texts))


def _notes(step, width):
    return svg.wrapped_note(step.main.note, width - 4, 11) if step.main.note else []


def _shape(shape, width):
    text = svg.size_text(shape)
    return [text] if len(shape) == 1 or svg.width_of(text, 11) <= width - 4 else [f"{shape[0]} x {shape[1]}", f"x {shape[2]}"]


def leaves(node):
    """Columns that a node needs side by side, in units of a column with layers."""
    if isinstance(node, Step):
        return 1
    return sum(max(map(leaves, path)) if path else EMPTY / COLUMN for _, path in node.paths)


def _needs(path):
    return max(map(leaves, path)) if path else EMPTY / COLUMN


def _fork(node, x, width, y):
    """Paths side by side, in several lines where one has no room for them, and their join."""
    lines = _in_lines(node.paths, width)
    lines = _in_lines(node.paths, width - 2 * RAIL) if len(lines) > 1 else lines  # rails take room
    if len(lines) == 1:
        items, bottom, ends = _side_by_side(lines[0], x, width, y)
    else:
        items, bottom, ends = _stacked(lines, x, width, y)
    items.append(Wire(((min([*ends, x]), bottom), (max([*ends, x]), bottom)), arrow=False))
    if node.join is None:
        return items, bottom
    more, bottom = _step(node.join, x, width, bottom)
    return items + more, bottom


def _in_lines(ways, width):
    """Divide paths into lines that fit a width."""
    lines, room = [[]], 0
    for way in ways:
        need = _needs(way[1]) * COLUMN
        if lines[-1] and room + need > width + 1:
            lines, room = [*lines, []], 0
        lines[-1].append(way)
        room += need
    return lines


def _side_by_side(ways, x, width, y):
    """Columns from a bar at the top to a bar at the bottom.

    Returns:
        (items, y of the bar at the bottom, the columns' middles).
    """
    needs = [_needs(path) * COLUMN for _, path in ways]
    stretch = min(width / sum(needs), (BOX + 16) / COLUMN)
    left, top, columns = x - stretch * sum(needs) / 2, y + 12, []
    for (name, path), need in zip(ways, needs):
        middle = left + stretch * need / 2
        columns.append((middle, name, *arrange(path, middle, stretch * need, top)))
        left += stretch * need
    bottom = max(end for *_, end in columns) + 14
    middles = [middle for middle, *_ in columns]
    items = [Wire(((x, y), (x, top)), arrow=False), Wire(((min([*middles, x]), top), (max([*middles, x]), top)), arrow=False)]
    for middle, name, inside, end in columns:
        items += [*inside, Wire(((middle, end), (middle, bottom)), arrow=False)]
        items += [] if inside else [Note(middle, (top + bottom) / 2, "identity")]
    return items, bottom, middles


def _stacked(lines, x, width, y):
    """Lines of columns below each other; a rail on the left feeds them, one on the right collects what they give."""
    left, right = x - width / 2 + 3, x + width / 2 - 3
    items, starts, y0 = [], [], y
    for ways in lines:
        starts.append(y + 12)
        more, y, ends = _side_by_side(ways, x, width - 2 * RAIL, y + 8)
        items += more[1:] + [Wire(((left, starts[-1] + 8), (x, starts[-1] + 8)), arrow=False), Wire(((min(ends), y), (right, y)), arrow=False)]
        y += 4
    first, last = starts[0] + 8, starts[-1] + 8
    rails = [Wire(((x, y0), (x, first)), arrow=False), Wire(((left, first), (left, last)), arrow=False)]
    return [*items, *rails, Wire(((right, first), (right, y)), arrow=False)], y, [right]


# ---------------------------------------------------------------- drawing

def _draw(found, title, width):
    """All elements of a drawing, and its height."""
    about = f"{sum(step.parameters for step in found):,} parameters, {svg.short(sum(step.operations for step in found))} multiply-accumulates"
    heading, top = svg.heading(title, about, width)
    items, bottom = arrange(paths(found), width / 2, width - 2, top + 18)
    start, end = svg.words(width / 2, top + 13, "input", muted=True), svg.line([(width / 2, bottom), (width / 2, bottom + 16)], arrow=True)
    return heading + start + "".join(map(_drawn, items)) + end, bottom + 22


def _drawn(item):
    if isinstance(item, Wire):
        return svg.line(item.points, arrow=item.arrow)
    if isinstance(item, Note):
        width = svg.width_of(item.text) + 8
        paper = svg.tag("rect", x=item.x - width / 2, y=item.y - 10, width=width, height=16, rx=8, fill=svg.colour("input"))
        return paper + svg.words(item.x, item.y + 2, item.text, 11, fill="#000")
    return _drawn_card(item)


def _drawn_card(card):
    fill = svg.colour(card.kind)
    left = card.x - card.width / 2
    shape = svg.tag("rect", x=left, y=card.y, width=card.width, height=card.height, rx=5, fill=fill, fill_opacity=0.16, stroke=fill, stroke_width=1.4)
    bar = svg.tag("rect", x=left, y=card.y, width=card.width, height=4, rx=2, fill=fill)
    return shape + bar + "".join(svg.words(card.x, card.y + 16 + 13 * i, text, 11, bold=i == 0) for i, text in enumerate(card.texts))
