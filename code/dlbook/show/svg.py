"""Pieces of SVG as text: the few shapes that drawings of networks are made of, in the course's colours."""
import hashlib
from html import escape

from dlbook.show import style

GREY = "#8A94A0"
COLOURS = {"input": GREY, "conv": style.BLUE, "depthwise": style.ORANGE, "pool": style.GREEN, "dense": style.VERMILION, "add": style.PURPLE,
           "concat": style.SKY, "norm": GREY, "lrn": GREY, "relu": GREY, "dropout": GREY, "flatten": GREY,
           "embedding": style.SKY, "attention": style.ORANGE}
WORDS = {"conv": "convolution", "depthwise": "depthwise convolution", "pool": "pooling", "dense": "dense", "add": "sum", "concat": "concatenation",
         "input": "image", "norm": "normalisation", "flatten": "flattened"}
WIDE, NARROW = 680, 340  # pixels: the page, and a phone
LETTER = 0.52  # mean width of a letter, in units of the font's size
SIZE = 12  # of the letters, in pixels
LINE = 15  # from one line of text to the next


def number(value):
    """A coordinate with one decimal at most."""
    return f"{round(value, 1):g}"


def colour(kind):
    """The fill of a kind of layer; grey for those that are not known."""
    return COLOURS.get(kind, GREY)


def tag(name, inside=None, **attributes):
    """An element.

    Args:
        name: of the tag.
        inside: what stands in it, already escaped; None closes the tag at once.
        attributes: numbers are rounded, `_` in names becomes `-`, None is left out.

    Returns:
        str.
    """
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    return f"<{name}{given}/>" if inside is None else f"<{name}{given}>{inside}</{name}>"


def _value(value):
    return escape(value, quote=True) if isinstance(value, str) else number(value)


def words(x, y, text, size=SIZE, anchor="middle", bold=False, muted=False, fill="currentColor"):
    """One line of text.

    Args:
        x, y: of its anchor, on its base line.
        text: the line.
        size: of the letters.
        anchor: `start`, `middle` or `end`.
        bold, muted: the weight and a paler ink.
        fill: colour.

    Returns:
        str.
    """
    return tag("text", escape(text), x=x, y=y, font_size=size, text_anchor=anchor, font_weight="650" if bold else None,
               fill=fill, fill_opacity=0.8 if muted else None)


def width_of(text, size=SIZE, bold=False):
    """The width of a line of text, estimated."""
    return len(text) * size * LETTER * (1.06 if bold else 1)


def wrapped(text, width, size=SIZE, bold=False):
    """A text in lines that fit a width.

    Args:
        text: the words.
        width: in pixels.
        size, bold: of the letters.

    Returns:
        list of str; a word that is too wide by itself keeps a line of its own.
    """
    lines = []
    for word in text.split(" "):
        if lines and width_of(f"{lines[-1]} {word}", size, bold) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def wrapped_note(note, width, size=SIZE):
    """The note of a layer in lines: `3 x 3`, `stride 2` and `2 groups` stay together."""
    return wrapped(note.replace(" x ", "\u00a0x\u00a0").replace("stride ", "stride\u00a0").replace(" groups", "\u00a0groups"), width, size)


def line(points, arrow=False, dashed=False, stroke="currentColor"):
    """Straight lines through points, with rounded joints and perhaps an arrow's head at their end."""
    path = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)
    drawn = tag("path", d=path, fill="none", stroke=stroke, stroke_width=1.2, stroke_linejoin="round", stroke_dasharray="4 3" if dashed else None)
    return drawn + (head(*points[-2], *points[-1], fill=stroke) if arrow else "")


def head(x0, y0, x, y, fill="currentColor", size=6):
    """The head of an arrow that comes from (x0, y0) and ends at (x, y), along an axis."""
    length = max(abs(x - x0), abs(y - y0)) or 1
    dx, dy = (x - x0) / length * size, (y - y0) / length * size
    corners = [(x, y), (x - dx - dy / 2, y - dy + dx / 2), (x - dx + dy / 2, y - dy - dx / 2)]
    return tag("path", d="M" + "L".join(f"{number(a)} {number(b)}" for a, b in corners) + "Z", fill=fill)


def heading(title, about, width):
    """The title of a drawing and a line about it.

    Args:
        title, about: texts, which are wrapped.
        width: of the drawing.

    Returns:
        (str, height).
    """
    texts = [(text, True) for text in wrapped(title, width, 14, bold=True)] + [(text, False) for text in wrapped(about, width)]
    lines = [words(0, 13 + 17 * i, text, 14 if bold else SIZE, "start", bold, not bold) for i, (text, bold) in enumerate(texts)]
    return "".join(lines), 17 * len(texts) + 8


def legend(kinds, top, width):
    """What the colours mean.

    Args:
        kinds: of layers, each once.
        top: of the first line.
        width: of the drawing.

    Returns:
        (str, height).
    """
    drawn, x, y = [], 0, top
    for kind in kinds:
        room = 30 + width_of(WORDS.get(kind, kind))
        if x and x + room > width:
            x, y = 0, y + LINE + 4
        drawn += [tag("rect", x=x, y=y, width=11, height=11, rx=2, fill=colour(kind)), words(x + 16, y + 10, WORDS.get(kind, kind), anchor="start")]
        x += room
    return "".join(drawn), y + LINE - top


def drawing(inside, width, height, title, alt, narrow=False):
    """A whole SVG.

    Args:
        inside: its elements.
        width, height: in pixels; it shrinks with the page and never grows.
        title: its short name.
        alt: what it shows, for those who cannot see it.
        narrow: this is the one for phones, which the site's style sheet shows there; hidden elsewhere.

    Returns:
        str. The ids in it depend on what is drawn alone.
    """
    key = "d" + hashlib.sha256(f"{title}\n{alt}\n{width}\n{inside}".encode()).hexdigest()[:10]
    about = tag("title", escape(title), id=f"{key}t") + tag("desc", escape(alt), id=f"{key}d")
    return tag("svg", about + inside, xmlns="http://www.w3.org/2000/svg", class_="narrow" if narrow else "wide", role="img", aria_labelledby=f"{key}t {key}d",
               viewBox=f"0 0 {number(width)} {number(height)}", width=width,
               style=("display: none; " if narrow else "") + "max-width: 100%; height: auto; font-family: Helvetica Neue, Arial, Liberation Sans, Roboto, sans-serif")


def both(draw, title, alt):
    """A drawing for wide pages and one for phones.

    Args:
        draw: called with a width, returns (elements, height).
        title, alt: as for `drawing`.

    Returns:
        str of HTML.
    """
    drawn = [drawing(*_sized(draw, width), title, alt, narrow=width == NARROW) for width in (WIDE, NARROW)]
    return f'<div class="dlbook-diagram">{"".join(drawn)}</div>'


def _sized(draw, width):
    inside, height = draw(width)
    return inside, width, height


def short(count):
    """A number in three digits: 25,557,032 -> `25.6 M`."""
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= unit * 0.9995:
            return f"{float(f'{count / unit:.3g}'):g}{name}"
    return str(count)


def size_text(shape):
    """A shape as text: `56 x 56 x 256`."""
    return " x ".join(f"{n:,}" if len(shape) == 1 else str(n) for n in shape)
