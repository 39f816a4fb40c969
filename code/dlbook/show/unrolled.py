"""A drawing of a recurrent network along its steps: what it reads below, what it says above, its state from step to step."""
from dlbook.show import style, svg
from dlbook.show.diagram import check_title
from dlbook.show.page import display_html

LAYERS, SAY = (style.BLUE, style.GREEN, style.PURPLE, style.SKY), style.VERMILION
BOX = 26  # pixels: side of a cell
GAP = 24  # from a cell to what is above or below it
NARROWEST = 42  # column of one step
LOOP = 84  # room of the network that is not unrolled
START = 30  # room for the first state
ABOUT = "Read it from left to right. The arrows between the cells carry the state."


def unrolled(reads, says, title, begin="0", layers=1, loop=False, alt=None):
    """Show a recurrent network step by step.

    Args:
        reads: T texts, what it reads at each step; None or an empty text where it reads nothing.
        says: T texts, what it says after each step; None or an empty text where nothing is asked.
        title: what it does, a few words.
        begin: the first state: `0`, or what it is made from, for example `image`.
        layers: recurrent layers, one above the other.
        loop: draw the network that is not unrolled in front of it, with an arrow from its state back to itself.
        alt: what it shows, for those who cannot see it; None describes it from the steps.

    Raises:
        ValueError: no steps, not as many answers as steps, too many layers or none, or no title.
    """
    check_title(title)
    reads, says = list(reads), list(says)
    if not reads or len(reads) != len(says):
        raise ValueError(f"each step reads and says something, or None: got {len(reads)} to read and {len(says)} to say.")
    if not 1 <= layers <= len(LAYERS):
        raise ValueError(f"a drawing has one to {len(LAYERS)} layers; got {layers}.")
    steps = [(read or "", say or "") for read, say in zip(reads, says)]
    alt = alt or describe(steps, title, begin, layers)
    display_html(svg.both(lambda width: _draw(steps, title, begin, layers, loop, width), title, alt), f"{alt}\n{listing(steps)}")


def describe(steps, title, begin="0", layers=1):
    """A drawing in words.

    Args:
        steps: list of (what is read, what is said), texts.
        title, begin, layers: as for `unrolled`.

    Returns:
        str.
    """
    read, said = (", ".join(part[k] for part in steps if part[k]) for k in (0, 1))
    start = "" if begin == "0" else f" Its first state is made from: {begin}."
    return (f"{title}: a recurrent network drawn once for each of {len(steps)} steps, in {layers} layer{'s' * (layers > 1)}; an arrow leads from "
            f"each step's state to the next.{start} It reads {read or 'nothing'} and says {said or 'nothing'}.")


def listing(steps):
    """The steps, one a line: number, what is read, what is said."""
    return "\n".join(["step | reads | says"] + [f"{t + 1} | {read or '-'} | {said or '-'}" for t, (read, said) in enumerate(steps)])


# ---------------------------------------------------------------- layout

def columns(steps, width, front=0):
    """Divide steps into lines that fit a width.

    Args:
        steps: list of (what is read, what is said).
        width: of the drawing in pixels.
        front: room needed in front of the first step.

    Returns:
        (list of lines, each a list of steps; width of a column).
    """
    need = max([NARROWEST, *(svg.width_of(text) + 8 for step in steps for text in step)])
    fit = max(1, int((width - front - 8) // need))
    lines = -(-len(steps) // fit)
    each = -(-len(steps) // lines)
    return [steps[k:k + each] for k in range(0, len(steps), each)], min(max(need, 56), (width - front - 8) / each)


def _draw(steps, title, begin, layers, loop, width):
    """All elements of a drawing, and its height."""
    heading, top = svg.heading(title, ABOUT, width)
    tall = 2 * svg.LINE + layers * (BOX + GAP) + GAP + 12
    beside = loop and width == svg.WIDE
    front = max(START, svg.width_of(begin) + 22) + LOOP * beside
    parts, room = columns(steps, width, front)
    drawn, y = [heading], top + svg.LINE + 4
    if loop:
        drawn.append(_rolled(LOOP / 2 - 8, y, layers))
        y += 0 if beside else tall
    for k, line in enumerate(parts):
        y -= 0 if any(say for _, say in line) else GAP + 8  # no answers, no room for them
        drawn.append(_line(line, front, y, room, layers, begin if k == 0 else None, k < len(parts) - 1))
        y += tall
    return "".join(drawn) + _key(y - svg.LINE, layers), y + 8


def _levels(y, layers):
    """Heights in a line: base of the answers, middle of each layer's cells from the lowest on, base of what is read."""
    cells = [y + GAP + BOX / 2 + k * (BOX + GAP) for k in reversed(range(layers))]
    return y, cells, y + layers * (BOX + GAP) + GAP + 8


def _line(steps, left, y, room, layers, begin, goes_on):
    says, cells, reads = _levels(y, layers)
    drawn, end = [], left + room * len(steps)
    for level in cells:
        if begin is not None:
            drawn.append(svg.words(left - 16, level + 4, begin, anchor="end", muted=True))
        places = [left - 12, *(left + room * (t + 0.5) for t in range(len(steps))), end + 8]
        for t in range(len(steps) + goes_on):
            start, stop = places[t] + (BOX / 2 if t else 0), places[t + 1] - (BOX / 2 if t < len(steps) else 0)
            drawn.append(svg.line([(start, level), (stop - 1, level)], arrow=True))
    for t, (read, say) in enumerate(steps):
        drawn.append(_step(left + room * (t + 0.5), says, cells, reads, read, say))
    return "".join(drawn)


def _step(x, says, cells, reads, read, say):
    """One column: what is read, the cells above it, what is said."""
    drawn = [_cell(x, level, k) for k, level in enumerate(cells)]
    drawn += [svg.line([(x, low - BOX / 2), (x, high + BOX / 2 + 1)], arrow=True) for low, high in zip(cells, cells[1:])]
    if read:
        drawn += [svg.line([(x, reads - 12), (x, cells[0] + BOX / 2 + 1)], arrow=True), svg.words(x, reads, read)]
    if say:
        drawn += [svg.line([(x, cells[-1] - BOX / 2), (x, says + 5)], arrow=True, stroke=SAY), svg.words(x, says, say, bold=True, fill=SAY)]
    return "".join(drawn)


def _cell(x, y, layer):
    return svg.tag("rect", x=x - BOX / 2, y=y - BOX / 2, width=BOX, height=BOX, rx=5, fill=LAYERS[layer])


def _rolled(x, y, layers):
    """The network as it is, with its loop, and an equals sign behind it."""
    says, cells, reads = _levels(y, layers)
    drawn = [_step(x, says, cells, reads, "input", "output")]
    for level in cells:
        right = x + BOX / 2
        path = f"M{svg.number(right)} {svg.number(level + 6)}h5q7 0 7 -6q0 -6 -7 -6h-1"
        drawn += [svg.tag("path", d=path, fill="none", stroke="currentColor", stroke_width=1.2), svg.head(right + 9, level - 6, right + 1, level - 6)]
    return "".join(drawn) + svg.words(x + LOOP / 2 - 2, cells[0] + 5, "=", 18, bold=True)


def _key(y, layers):
    """What the colours mean."""
    parts = [("the same cell at every step" if layers == 1 else f"layer {k + 1}", LAYERS[k]) for k in range(layers)]
    drawn, x = [], 0
    for text, fill in [*parts, ("what it says", SAY)]:
        drawn += [svg.tag("rect", x=x, y=y, width=11, height=11, rx=2, fill=fill), svg.words(x + 16, y + 10, text, anchor="start")]
        x += 30 + svg.width_of(text)
    return "".join(drawn)
