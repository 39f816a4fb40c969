"""A drawing of any network, made from its table of layers: boxes in the size of their maps, from left to right, line after line."""
from dataclasses import dataclass
from math import log10, sqrt

from dlbook.show import outline, svg
from dlbook.show.page import display_html

SLANT = 0.22  # how far the depth of a box goes to the right and up, in units of its height
ARC = 10  # from a box to the shortcut's arc around it
CAPTION = "Below a box: its output, its parameters and their share of all."
STRIPE = 3.4  # pixels: the narrowest stripe in which a step of a block can be seen


@dataclass(frozen=True)
class Place:
    """Where a box stands.

    Args:
        box: outline.Box.
        x: middle of its column, y: middle of its height, in pixels.
        width, height: of the front; the depth goes `SLANT` times the height to the right and up.
        texts: list of (text, bold, muted) below it.
        below: where the texts start.
    """
    box: object
    x: float
    y: float
    width: float
    height: float
    texts: tuple
    below: float


def diagram(rows, title, alt=None):
    """Show a network as boxes: their height is the size of the maps, their width the number of channels.

    Args:
        rows: list of rows as `dlbook.cnn.blocks.table.Row`, from the input to the output.
        title: the network's name.
        alt: what it shows, for those who cannot see it; None describes it from the rows.

    Raises:
        ValueError: no rows, or no title.
    """
    check_title(title)
    found = outline.boxes(rows)
    alt = alt or describe(found, title)
    display_html(svg.both(lambda width: _draw(found, title, width), title, alt), f"{alt}\n{listing(found)}")


def check_title(title):
    """Raise a ValueError where a drawing has no title."""
    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"a drawing needs a title, such as the network's name; got {title!r}.")


def describe(found, title):
    """A drawing in words, with its numbers.

    Args:
        found: list of outline.Box.
        title: the network's name.

    Returns:
        str.
    """
    blocks = sum(box.count for box in found)
    way = ", ".join(f"{_counted(box)} ({svg.size_text(box.shape)})" for box in found)
    return (f"{title}: {way}. {f'{blocks} blocks, ' if blocks else ''}{sum(box.parameters for box in found):,} parameters, "
            f"{sum(box.operations for box in found):,} multiply-accumulates.")


def _counted(box):
    return (f"{box.count} blocks {box.name}" if box.count > 1 else box.name) + (f" from {box.source}" if box.source else "")


def listing(found):
    """What is drawn, one box a line: name, layers, output, parameters, share, multiply-accumulates."""
    total = sum(box.parameters for box in found)
    lines = ["box | blocks | layers of one | output | parameters | share | multiply-accumulates"]
    for box in found:
        layers = ", ".join(step.kinds for step in box.steps)
        lines.append(f"{box.name} | {box.count or '-'} | {layers} | {svg.size_text(box.shape)} | {box.parameters:,} | {share(box.parameters, total)} | {box.operations:,}")
    return "\n".join(lines)


def share(part, total):
    """A part of a whole in per cent, in two digits; no sign of it where there is nothing."""
    return f"{float(f'{100 * part / total:.2g}'):g} %" if part else "-"


# ---------------------------------------------------------------- layout

def place(found, width, top=0):
    """Put boxes into lines of equal columns.

    Args:
        found: list of outline.Box.
        width: of the drawing in pixels.
        top: where it starts.

    Returns:
        (list of lines, each a list of Place; where they end).
    """
    total, largest = sum(box.parameters for box in found), max([box.shape[0] for box in found if len(box.shape) == 3], default=1)
    sized = [(box, _front(box, largest)) for box in found]
    columns, placed = max(1, int(width // max(_column(box, *size) for box, size in sized))), []
    for group in ([item for item in sized if not item[0].source], [item for item in sized if item[0].source]):
        for here in _even(group, columns):
            placed.append(_line(here, top, width / len(_even(group, columns)[0]), total))
            top = max(one.below + svg.LINE * len(one.texts) for one in placed[-1]) + 10
    return placed, top


def _even(items, columns):
    """Divide a list into lines of about the same length."""
    each = -(-len(items) // -(-len(items) // columns)) if items else 1
    return [items[start:start + each] for start in range(0, len(items), each)]


def _line(here, top, room, total):
    tall = max(height for _, (_, height) in here)
    over = max(height * SLANT * 0.6 + (ARC + 4) * bool(box.shortcut) + 8 * (box.count > 1) + (tall - height) / -2 for box, (_, height) in here)
    y = top + max(over, 0) + tall / 2 + 6
    return [Place(box, room * (i + 0.5), y, width, height, _texts(box, room - 4, total), y + tall / 2 + 17) for i, (box, (width, height)) in enumerate(here)]


def _front(box, largest):
    """Width and height of a box's front: by the square root of the channels and of the size of the maps."""
    if len(box.shape) == 1:
        return 9, 12 + 14 * log10(box.shape[0])
    stripes = sum(map(outline.length, outline.paths(box.steps)))
    return max(4 + 1.15 * sqrt(box.shape[2]), stripes * STRIPE), 22 + 84 * sqrt(box.shape[0] / largest)


def _column(box, width, height):
    texts = svg.width_of(box.name, bold=True), svg.width_of(svg.size_text(box.shape))
    return max(width + height * SLANT + 2 * ARC + 14, *texts) + 4


def _texts(box, room, total):
    """The lines below a box."""
    texts = [(box.name, True, False)]
    if box.source:
        texts += [(line, False, False) for line in svg.wrapped(f"from {box.source}", room)]
    if box.count > 1:
        texts.append((f"{box.count} x this block", False, False))
    elif not box.count and box.steps[0].main.note:
        texts += [(line, False, False) for line in svg.wrapped_note(box.steps[0].main.note, room)]
    texts.append((svg.size_text(box.shape), False, False))
    if box.parameters:
        texts.append((f"{svg.short(box.parameters)}, {share(box.parameters, total)}", False, True))
    return tuple(texts)


# ---------------------------------------------------------------- drawing

def _draw(found, title, width):
    """All elements of a drawing, and its height."""
    parameters, operations = (sum(getattr(box, name) for box in found) for name in ("parameters", "operations"))
    heading, top = svg.heading(title, f"{parameters:,} parameters, {svg.short(operations)} multiply-accumulates", width)
    placed, bottom = place(found, width, top)
    lines, aside = ([line for line in placed if bool(line[0].box.source) == beside] for beside in (False, True))
    kinds = dict.fromkeys(step.kind for box in found for step in box.steps)
    key, more = svg.legend(kinds, bottom + 4, width)
    drawn = [heading, *(_arrows(line, width, line is not lines[0], line is not lines[-1]) for line in lines)]
    drawn += [svg.line([(_start(one) - 24, one.y), (_start(one), one.y)], arrow=True) for line in aside for one in line]
    drawn += [_box(one) for line in [*lines, *aside] for one in line]
    return "".join(drawn) + key + svg.words(0, bottom + more + 16, CAPTION, 11, "start", muted=True), bottom + more + 22


def _left(one):
    """Half of what the depth of a box adds to its width: box and depth together stand in the middle of the column."""
    return one.height * SLANT / 2


def _right(one):
    return one.x + one.width / 2 + _left(one)


def _start(one):
    return one.x - one.width / 2 - _left(one) - 4


def _arrows(line, width, goes_on, goes_further):
    """Arrows between the boxes of a line, into its first one where it continues a line, and out of its last one where another follows."""
    starts = [2] * goes_on + [_right(one) + 3 for one in line]
    ends = [_start(one) for one in line[not goes_on:]] + [width - 2] * goes_further
    return "".join(svg.line([(start, line[0].y), (end, line[0].y)], arrow=True) for start, end in zip(starts, ends))


def _box(one):
    x, y = one.x - one.width / 2 - _left(one), one.y - one.height / 2
    behind = [_solid(one, x + 7 * k, y - 5 * k) for k in ((1,) if one.box.count > 1 else ())]
    texts = [svg.words(one.x, one.below + svg.LINE * i, text, bold=bold, muted=muted) for i, (text, bold, muted) in enumerate(one.texts)]
    return "".join([*behind, _solid(one, x, y), _arc(one, x, y) if one.box.shortcut else "", *texts])


def _solid(one, x, y):
    """A box in oblique projection; its front has a stripe for each step of the block and a band for each path."""
    w, h, dx, dy = one.width, one.height, one.height * SLANT, one.height * SLANT * 0.6
    if len(one.box.shape) == 1:
        dx = dy = 3
    fill = svg.colour(one.box.steps[-1].kind)
    top = f"M{svg.number(x)} {svg.number(y)}l{svg.number(dx)} {svg.number(-dy)}h{svg.number(w)}l{svg.number(-dx)} {svg.number(dy)}Z"
    side = f"M{svg.number(x + w)} {svg.number(y)}l{svg.number(dx)} {svg.number(-dy)}v{svg.number(h)}l{svg.number(-dx)} {svg.number(dy)}Z"
    faces = svg.tag("rect", x=x, y=y, width=w, height=h, fill="#fff") + _stripes(outline.paths(one.box.steps), x, y, w, h)
    for face, shade in ((top, "#fff"), (side, "#000")):
        faces += svg.tag("path", d=face, fill=fill, stroke="#fff", stroke_width=0.6) + svg.tag("path", d=face, fill=shade, fill_opacity=0.45 if shade == "#fff" else 0.25)
    return faces


def _stripes(nodes, x, y, width, height):
    """The front of a box: a stripe for each step, bands for parallel paths; shortcuts are left to the arc."""
    lengths, drawn = list(map(outline.length, nodes)), ""
    for node, length in zip(nodes, lengths):
        part = width * length / sum(lengths)
        drawn += _stripe(node, x, y, part, height) if isinstance(node, outline.Step) else _banded(node, x, y, part, height)
        x += part
    return drawn


def _stripe(step, x, y, width, height):
    return svg.tag("rect", x=x, y=y, width=width, height=height, fill=svg.colour(step.kind), stroke="#fff", stroke_width=0.6)


def _banded(node, x, y, width, height):
    ways = [way for name, way in node.paths if way and name != outline.SHORTCUT]
    end = width / outline.length(node) if node.join else 0
    drawn = "".join(_stripes(way, x, y + height / len(ways) * i, width - end, height / len(ways)) for i, way in enumerate(ways))
    return drawn + (_stripe(node.join, x + width - end, y, end, height) if node.join else "")


def _arc(one, x, y):
    """The shortcut: it leaves the line before a box, passes over it and comes back behind it."""
    start, end = x - ARC, x + one.width + one.height * SLANT + 7 * (one.box.count > 1) + ARC
    top = y - one.height * SLANT * 0.6 - ARC * 0.7 - 5 * (one.box.count > 1)
    colour, r = svg.colour(one.box.shortcut), ARC * 0.8
    path = (f"M{svg.number(start)} {svg.number(one.y)}V{svg.number(top + r)}q0 {svg.number(-r)} {svg.number(r)} {svg.number(-r)}"
            f"H{svg.number(end - r)}q{svg.number(r)} 0 {svg.number(r)} {svg.number(r)}V{svg.number(one.y - 5)}")
    return svg.tag("path", d=path, fill="none", stroke=colour, stroke_width=2) + svg.head(end, one.y - 12, end, one.y - 1, colour, 7)
