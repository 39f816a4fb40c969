"""What search engines and screen readers meet first: descriptions, names that match labels, the front door."""
import re
from html import escape
from pathlib import Path

from docutils import nodes

DEFAULT = "An executable deep-learning course: every figure and number is the output of code that a test runs again."
FRONT_DOOR = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><meta name="description" content="{description}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="0; url={page}">
<link rel="canonical" href="{page}"></head><body><main><h1>{title}</h1><p><a href="{page}">Open the course</a></p></main></body></html>
"""


def description(doctree, limit=160):
    """The first paragraph of a page, cut at a word.

    Args: doctree: the page, or None for a page without a source; limit: characters.
    """
    paragraphs = (p for p in doctree.findall(nodes.paragraph) if isinstance(p.parent, nodes.section)) if doctree else ()
    text = " ".join(next((p.astext() for p in paragraphs), DEFAULT).split())
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + " ..."


def add_description(app, pagename, templatename, context, doctree):
    """Adds the page's description, unless its author gave one."""
    if 'name="description"' not in (context.get("metatags") or ""):
        tag = f'<meta name="description" content="{escape(description(doctree))}" />\n'
        context["metatags"] = (context.get("metatags") or "") + tag


def repair(app, pagename, templatename, context, doctree):
    """Removes hidden names that contradict the visible ones and repeated ids; makes list items of the entries of a list."""
    body = context.get("body")
    if body:
        body = re.sub(r'<summary aria-label="[^"]*">', "<summary>", body)  # a voice user says what is seen
        body = re.sub(r' id="(exercise|solution)-content"', "", body)  # every exercise of a page would bear the same
        context["body"] = body.replace('role="doc-biblioentry"', 'role="listitem"')


def sweep(app, exception):
    """Removes the pages of earlier builds whose source is gone."""
    if exception is None and app.builder.name == "html":
        kept = {app.builder.get_target_uri(name) for name in app.env.found_docs} | {"index.html", "search.html"}
        for page in Path(app.outdir).rglob("*.html"):
            name = page.relative_to(app.outdir).as_posix()
            if name not in kept and not name.startswith(("_static/", "_sources/", "_downloads/")):
                page.unlink()


def front_door(app, exception):
    """Writes index.html, which leads to the landing page under whatever address the site has."""
    if exception is None and app.builder.name == "html":
        page = app.builder.get_target_uri(app.config.root_doc)
        html = FRONT_DOOR.format(title=escape(app.config.html_title), description=escape(DEFAULT), page=page)
        (Path(app.outdir) / "index.html").write_text(html)


def forget_faults(app, exception):
    """After a warning, makes the next build read every page again: an unchanged page would not repeat its warning."""
    if app._warncount or exception:
        (Path(app.doctreedir) / "environment.pickle").unlink(missing_ok=True)


def setup(app):
    """Registers the extension with Sphinx."""
    app.connect("html-page-context", add_description, priority=800)
    app.connect("html-page-context", repair, priority=800)
    app.connect("build-finished", forget_faults)
    app.connect("build-finished", sweep)
    app.connect("build-finished", front_door)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
