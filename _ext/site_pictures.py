"""Every picture has a text that stands for it, or the build fails.

Figures carry theirs in the output's metadata, {"image/png": {"alt": "..."}}; pictures inside widgets are
`<img alt="...">` in an HTML widget, because the Image widget has no place for such a text.
"""
import hashlib
import json
from binascii import a2b_base64
from html.parser import HTMLParser
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

from dlbook.publish.widgets import STATE, VIEW

logger = logging.getLogger(__name__)


class _Images(HTMLParser):
    """Counts the images of a piece of HTML that have no alternative text."""

    def __init__(self):
        super().__init__()
        self.silent = 0

    def handle_starttag(self, tag, attrs):
        """Looks at one tag."""
        self.silent += tag == "img" and not (dict(attrs).get("alt") or "").strip()


def silent_images(html):
    """The number of images without alternative text in a piece of HTML."""
    parser = _Images()
    parser.feed(html)
    return parser.silent


def alt_texts(notebook):
    """The texts of a notebook's figures.

    Args: notebook: its JSON.
    Returns: the picture's sha256 (its file name in the site) -> text.
    """
    texts = {}
    for cell in notebook["cells"]:
        for out in cell.get("outputs", []):
            for kind, content in out.get("data", {}).items():
                alt = (out.get("metadata", {}).get(kind) or {}).get("alt", "")
                if kind in ("image/png", "image/jpeg", "image/gif") and alt.strip():
                    texts[hashlib.sha256(a2b_base64("".join(content))).hexdigest()] = alt
    return texts


def widget_faults(notebook):
    """What is wrong with the pictures inside a notebook's widgets, one sentence each."""
    state = notebook["metadata"].get("widgets", {}).get(STATE, {}).get("state", {})
    for model in state.values():
        if model.get("model_name") == "ImageModel":
            yield "an Image widget has no alternative text: show the picture as widgets.HTML('<img src=... alt=...>')"
        for value in model.get("state", {}).values():
            if isinstance(value, str) and silent_images(value):
                yield f"a widget holds {silent_images(value)} image(s) without alternative text: add alt=\"...\" to the <img>"


def describe(app, doctree):
    """Gives a page's figures their texts and reports the pictures that have none."""
    source = Path(app.env.doc2path(app.env.docname))
    texts = {}
    if source.suffix == ".ipynb":
        notebook = json.loads(source.read_text())
        texts = alt_texts(notebook)
        for fault in widget_faults(notebook):
            logger.warning("%s", fault, location=app.env.docname, type="picture")
    for image in doctree.findall(nodes.image):
        image["alt"] = image.get("alt") or texts.get(Path(image["uri"]).stem, "")
        if not image["alt"].strip():
            logger.warning("a picture has no alternative text: say in words what it shows (figures: show.figure(..., alt=...); "
                           "Markdown: ![text](file))", location=image, type="picture")
    for raw in doctree.findall(nodes.raw):
        if raw.get("format") == "html" and silent_images(raw.astext()):
            logger.warning("HTML on this page has an <img> without alternative text: add alt=\"...\"", location=raw, type="picture")


def note_widgets(app, doctree, docname):
    """Says once below each widget what the static page can and cannot do."""
    link = app.builder.get_relative_uri(docname, app.config.root_doc) + "#run-it"
    note = (f'<p class="dlbook-widget-note">On this page the pictures are stored. <a href="{link}">Launch the chapter on your machine</a> '
            "to have them computed live.</p>")
    for raw in list(doctree.findall(nodes.raw)):
        if f'type="{VIEW}"' in raw.astext():
            raw.parent.insert(raw.parent.index(raw) + 1, nodes.raw("", note, format="html"))


def setup(app):
    """Registers the extension with Sphinx."""
    app.connect("doctree-read", describe)
    app.connect("doctree-resolved", note_widgets)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
