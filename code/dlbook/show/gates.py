"""The inside of recurrent cells: a drawing of their parts, and their gates as they open and close along a sequence."""
import numpy as np

from dlbook.show import style, svg
from dlbook.show.diagram import check_title
from dlbook.show.figures import new_figure
from dlbook.show.page import display_html

DOOR, VALUE = style.ORANGE, style.BLUE
PANEL, TALL = 216, 186  # pixels: one cell
ABOUT = "What enters a box is multiplied by weights and added up. The circles work number by number."
NAMES = {"rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}
BOTTOM, MIDDLE, TOP = 152, 116, 36  # heights in a panel: what the step reads, the gates, the state


def cells(kinds, title, alt):
    """Show the parts of recurrent cells, side by side.

    Args:
        kinds: any of `rnn`, `lstm`, `gru`.
        title: above them.
        alt: what they show, for those who cannot see it.

    Raises:
        ValueError: an unknown cell, none, or no title.
    """
    check_title(title)
    unknown = [kind for kind in kinds if kind not in NAMES]
    if unknown or not kinds:
        raise ValueError(f"the cells are: {', '.join(NAMES)}; got {(unknown or [None])[0]!r}.")
    display_html(svg.both(lambda width: _draw(kinds, title, width), title, alt), alt)


def _draw(kinds, title, width):
    heading, top = svg.heading(title, ABOUT, width)
    fit = max(1, width // PANEL)
    drawn = [svg.tag("g", PARTS[kind]() + svg.words(PANEL / 2, TALL - 6, NAMES[kind], bold=True),
                     transform=f"translate({(k % fit) * width // fit + (width // fit - PANEL) // 2} {svg.number(top + k // fit * (TALL + 14))})")
             for k, kind in enumerate(kinds)]
    bottom = top + -(-len(kinds) // fit) * (TALL + 14)
    return heading + "".join(drawn) + _key(bottom), bottom + 20


def _key(y):
    drawn, x = [], 0
    for text, fill in (("gate: sigmoid, from 0 to 1", DOOR), ("value: tanh, from -1 to 1", VALUE)):
        drawn += [svg.tag("rect", x=x, y=y, width=11, height=11, rx=2, fill=fill), svg.words(x + 16, y + 10, text, anchor="start")]
        x += 30 + svg.width_of(text)
    return "".join(drawn)


def _box(x, y, text, fill):
    half = 14 + 5 * (len(text) > 1)
    return svg.tag("rect", x=x - half, y=y - 11, width=2 * half, height=22, rx=4, fill=fill) + svg.words(x, y + 4, text, bold=True, fill="#fff" if fill == VALUE else "#000")


def _round(x, y, sign):
    return svg.tag("circle", cx=x, cy=y, r=9, fill="none", stroke="currentColor", stroke_width=1.2) + svg.words(x, y + 4, sign, 13)


def _to(*points):
    return svg.line(points, arrow=True)


def _feed(*doors):
    """What every gate reads: the old state from the left, and the input from below."""
    drawn = svg.line([(4, BOTTOM), (doors[-1], BOTTOM)]) + svg.words(2, BOTTOM - 6, "h before", 11, "start") + svg.words(2, BOTTOM + 14, "x", 11, "start")
    return drawn + "".join(_to((x, BOTTOM), (x, MIDDLE + 12)) for x in doors)


def _rnn():
    x = PANEL / 2
    return _feed(x) + _box(x, MIDDLE, "tanh", VALUE) + _to((x, MIDDLE - 11), (x, TOP), (PANEL - 4, TOP)) + svg.words(PANEL - 4, TOP - 7, "h", 11, "end")


def _lstm():
    f, i, g, o, mix = 62, 104, 150, 194, 127
    signs = _round(f, TOP, "\u00d7") + _round(mix, TOP, "+") + _round(mix, 76, "\u00d7") + _round(o, 86, "\u00d7")
    boxes = _box(f, MIDDLE, "f", DOOR) + _box(i, MIDDLE, "i", DOOR) + _box(g, MIDDLE, "g", VALUE) + _box(o, MIDDLE, "o", DOOR)
    lines = _to((4, TOP), (f - 10, TOP)) + _to((f + 9, TOP), (mix - 10, TOP)) + _to((mix + 9, TOP), (PANEL - 2, TOP))
    lines += _to((f, MIDDLE - 11), (f, TOP + 10)) + _to((i, MIDDLE - 11), (i, 76), (mix - 10, 76)) + _to((g, MIDDLE - 11), (g, 76), (mix + 10, 76))
    lines += _to((mix, 67), (mix, TOP + 10)) + svg.line([(o, TOP), (o, 48)]) + _to((o, 66), (o, 76)) + _to((o, MIDDLE - 11), (o, 96))
    lines += _to((o + 9, 86), (PANEL + 2, 86))
    texts = svg.words(2, TOP - 8, "c before", 11, "start") + svg.words(PANEL - 2, TOP - 8, "c", 11, "end") + svg.words(PANEL, 78, "h", 11, "end")
    return _feed(f, i, g, o) + signs + boxes + lines + svg.words(o, 61, "tanh", 11) + texts


def _gru():
    z, r, n = 62, 112, 178
    signs = _round(z, TOP, "\u00d7") + _round(n, TOP, "+") + _round(n, 76, "\u00d7") + _round(145, MIDDLE, "\u00d7")
    boxes = _box(z, MIDDLE, "z", DOOR) + _box(r, MIDDLE, "r", DOOR) + _box(n, MIDDLE, "n", VALUE)
    lines = _to((4, TOP), (z - 10, TOP)) + _to((z + 9, TOP), (n - 10, TOP)) + _to((n + 9, TOP), (PANEL - 2, TOP))
    lines += _to((z, MIDDLE - 11), (z, TOP + 10)) + svg.line([(z, 76), (92, 76)]) + _to((132, 76), (n - 10, 76)) + _to((n, MIDDLE - 11), (n, 86))
    lines += _to((n, 67), (n, TOP + 10)) + svg.line([(r + 14, MIDDLE), (136, MIDDLE)]) + _to((154, MIDDLE), (n - 15, MIDDLE))
    texts = svg.words(2, TOP - 8, "h before", 11, "start") + svg.words(PANEL - 2, TOP - 8, "h", 11, "end") + svg.words(112, 80, "1 - z", 11)
    return _feed(z, r, n) + signs + boxes + lines + texts


PARTS = {"rnn": _rnn, "lstm": _lstm, "gru": _gru}


def gates(trace, symbols, title, shade=None):
    """Draw values inside a cell along a sequence, one strip each: gates as bars from 0 (shut) to 1 (open), values as bars from 0 up or down.

    Args:
        trace: dict of label to (T,) values; what leaves [0, 1] is a value, not a gate.
        symbols: T texts below the strips, what is read at each step.
        title: above them.
        shade: (T,) true where the ground is tinted, or None.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no values, or not one a symbol.
    """
    if not trace or any(len(values) != len(symbols) for values in trace.values()):
        raise ValueError(f"each strip needs a value for each of the {len(symbols)} symbols; got {({name: len(v) for name, v in trace.items()})}.")
    fig, axes = new_figure(7.0, 0.55 + 0.62 * len(trace), len(trace), 1, sharex=True, squeeze=False)
    for ax, (label, values) in zip(axes[:, 0], trace.items()):
        _strip(ax, label, np.asarray(values, float), shade)
    axes[-1, 0].set_xticks(range(len(symbols)), symbols)
    axes[0, 0].set_title(title)
    return fig


def _strip(ax, label, values, shade):
    door = values.min() >= 0 and values.max() <= 1
    top = 1 if door else max(1, abs(values).max())
    if shade is not None:
        ax.bar(range(len(values)), np.where(shade, 2 * top, 0), width=1, bottom=-top, color=style.BLACK, alpha=0.08, linewidth=0)
    ax.bar(range(len(values)), values, width=0.8, color=DOOR if door else VALUE)
    ax.set(ylim=(0, 1.05) if door else (-1.05 * top, 1.05 * top), xlim=(-0.6, len(values) - 0.4))
    ax.set_yticks([0, 1] if door else [-round(top, 1), 0, round(top, 1)])
    ax.tick_params(axis="x", length=0)
    ax.grid(False)
    ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
