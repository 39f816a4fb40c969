"""Widgets that also move on a static page: every state is drawn beforehand, a slider chooses among them."""
import base64
import io
import re
from html import escape

import numpy as np

from dlbook.show import style
from dlbook.show.figures import JPEG, QUALITY, as_pictures

LABEL = "{} of {}"


def frames(pictures, captions, label, width=160, alts=None):
    """A slider that walks through pictures; works without a kernel.

    Args:
        pictures: list of PNG or JPEG bytes, or images as for `as_pictures`.
        captions: one text a picture, shown below it; a bit of HTML is allowed.
        label: name of the slider, one or two words.
        width: of the pictures, in CSS pixels.
        alts: what each picture shows; None takes the caption.

    Returns:
        ipywidgets.VBox to be the last value of a cell.

    Raises:
        ValueError: no pictures, or another number of captions or texts.
    """
    import ipywidgets

    pictures, n = as_png(pictures), len(captions)
    if not pictures or len(pictures) != n:
        raise ValueError(f"each picture needs a caption: got {len(pictures)} pictures and {n} captions.")
    if alts is not None and len(alts) != n:
        raise ValueError(f"each picture needs its alt text: got {n} pictures and {len(alts)} texts.")
    stack = ipywidgets.Stack([ipywidgets.HTML(_frame(*frame, width)) for frame in zip(pictures, captions, alts or captions)], selected_index=0)
    slider = ipywidgets.SelectionSlider(options=[LABEL.format(i + 1, n) for i in range(n)], description=label,
                                        style={"description_width": "initial"})
    ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    return ipywidgets.VBox([slider, stack])


def frames_of_two(pictures, options, captions, labels, width=160, alts=None):
    """Two sliders that choose a row and a column of pictures; works without a kernel.

    Args:
        pictures: one list a row, of PNG or JPEG bytes.
        options: (texts of the rows, texts of the columns), each text once.
        captions: one list a row, of texts shown below the pictures; a bit of HTML is allowed.
        labels: names of the two sliders.
        width: of the pictures, in CSS pixels.
        alts: what each picture shows, one list a row; None takes the captions.

    Returns:
        ipywidgets.VBox to be the last value of a cell.

    Raises:
        ValueError: no pictures, or not one for each row and column, each with its caption and text.
    """
    import ipywidgets

    rows, columns = map(len, options)
    for name, lists in {"pictures": pictures, "captions": captions, "alts": captions if alts is None else alts}.items():
        if not rows or not columns or [len(row) for row in lists] != [columns] * rows:
            raise ValueError(f"{rows} rows and {columns} columns are named; got {name} of {[len(row) for row in lists]}.")
    inner = [ipywidgets.Stack([ipywidgets.HTML(_frame(*frame, width)) for frame in zip(*row)], selected_index=0)
             for row in zip(pictures, captions, alts or captions)]
    outer = ipywidgets.Stack(inner, selected_index=0)
    row, column = (ipywidgets.SelectionSlider(options=list(texts), description=label, style={"description_width": "initial"})
                   for texts, label in zip(options, labels))
    ipywidgets.jslink((row, "index"), (outer, "selected_index"))
    for stack in inner:
        ipywidgets.jslink((column, "index"), (stack, "selected_index"))
    return ipywidgets.VBox([row, column, outer])


def as_jpeg(pictures, quality=QUALITY):
    """Colour pictures as files a tenth as large as PNG, where small losses do not matter.

    Args:
        pictures: (N, H, W, 3), as for `as_pictures`.
        quality: 1 to 95, as Pillow counts it.

    Returns:
        list of JPEG bytes.
    """
    from PIL import Image

    return [_bytes(Image.fromarray(np.round(255 * picture).astype(np.uint8)), "jpeg", quality=quality) for picture in as_pictures(pictures)]


def verdict(predicted, true):
    """A caption that says what was read, in red, and what is true, in blue; the words say it too.

    Args:
        predicted, true: labels.

    Returns:
        str: HTML.
    """
    return (f'<span style="color: {style.RED}">read <b>{escape(str(predicted))}</b></span>, '
            f'<span style="color: {style.BLUE}">true <b>{escape(str(true))}</b></span>')


def as_png(pictures):
    """Pictures as files.

    Args:
        pictures: list of PNG bytes, or images as for `as_pictures`; of grey ones, 1 is black ink.

    Returns:
        list of PNG bytes.
    """
    if len(pictures) and isinstance(pictures[0], bytes):
        return list(pictures)
    from PIL import Image

    images = as_pictures(pictures)
    ink = images.ndim == 3  # grey pictures of the course are ink on paper: 1 is black
    return [_bytes(Image.fromarray(np.round(255 * ((1 - image) if ink else image)).astype(np.uint8))) for image in images]


def _bytes(image, kind="png", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _frame(data, caption, alt, width):
    source, kind = base64.b64encode(data).decode(), "jpeg" if data.startswith(JPEG) else "png"
    return (f'<figure style="margin: 0"><img src="data:image/{kind};base64,{source}" alt="{escape(_plain(alt), quote=True)}" '
            f'style="width: {width}px; max-width: 100%; image-rendering: pixelated"><figcaption>{caption}</figcaption></figure>')


def _plain(html):
    return re.sub(r"<[^>]+>", "", html)
