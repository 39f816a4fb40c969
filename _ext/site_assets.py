"""Which files a page loads: everything from the site itself, and only what the page uses.

The vendored files (KaTeX style, widget manager) are copied from `vendor/` in the virtual environment, never
through html_static_path: Jupyter Book would add every script it finds there to every page.
"""
import hashlib
import json
import shutil
import sys
from pathlib import Path

from sphinx.errors import ExtensionError

from dlbook.publish.widgets import STATE

VENDOR = Path(sys.prefix) / "vendor"
COPIES = {"katex/dist": "katex", "@jupyter-widgets/html-manager/dist": "widgets"}
# file -> what a page must contain to need it
NEEDED_FOR = {"katex/katex.min.css": 'class="katex', "togglebutton.js": "dropdown", "togglebutton.css": "dropdown",
              "copybutton.js": 'class="highlight', "clipboard.min.js": 'class="highlight', "copybutton.css": 'class="highlight',
              "design-tabs.js": "sd-tab-set", "sphinx-design.min.css": 'class="sd-', "styles/mystnb": "cell"}
REPLACED = ("katex-math.css",)  # dlbook.css lays out formulas
TOGGLE_SETTINGS = ("toggleHintShow", "toggleHintHide", "toggleOpenOnPrint", "togglebuttonSelector")


def check_pins(app):
    """Stops the build when the vendored files are missing or of another version."""
    pins = json.loads((Path(app.srcdir) / "_ext" / "vendor.json").read_text())
    for name, pin in pins.items():
        stamp = VENDOR / name / "pin.json"
        if not stamp.is_file() or json.loads(stamp.read_text()) != pin:
            raise ExtensionError(f"{name} {pin['version']} is not in {VENDOR}: run 'python -m dlbook.publish vendor' first.")


def copy_vendored(app):
    """Copies the vendored files that pages load into the site."""
    if app.builder.format == "html":
        for source, target in COPIES.items():
            shutil.copytree(VENDOR / source, Path(app.outdir) / "_static" / target, dirs_exist_ok=True)


def needed(name, settings, body):
    """Whether a page with this body uses a script or style.

    Args: name: file name or ""; settings: inline script text or ""; body: the page's HTML.
    """
    if any(word in settings for word in TOGGLE_SETTINGS):
        return "dropdown" in body
    if name.endswith(REPLACED):
        return False
    return all(mark in body for part, mark in NEEDED_FOR.items() if part in name)


def choose(app, pagename, templatename, context, doctree):
    """Drops what the page does not use and moves the widgets' state behind the text."""
    body = context.get("body", "")
    scripts, states = [], []
    for script in context["script_files"]:
        attributes = getattr(script, "attributes", {})
        if attributes.get("type") == STATE:
            states.append(attributes["body"])
        elif needed(_name(script), attributes.get("body") or "", body):
            scripts.append(script)
    context["script_files"] = scripts
    context["css_files"] = [style for style in context["css_files"] if needed(_name(style), "", body)]
    if states:
        context["body"] = body + "".join(f'<script type="{STATE}">{state}</script>' for state in states)


def _name(file):
    return str(getattr(file, "filename", file) or "")


def house_changed(app, env, added, changed, removed):
    """All pages, when the site's own style, script, template or extension changed since the last build."""
    files = [path for folder in ("_ext", "book/_static") for path in sorted((Path(app.srcdir) / folder).rglob("*"))]
    contents = [path.read_bytes() for path in files if path.is_file() and path.suffix != ".pyc"]
    mark = hashlib.sha256(b"".join(contents)).hexdigest()
    old, env.dlbook_house = getattr(env, "dlbook_house", mark), mark
    return [] if old == mark else list(env.found_docs)


def setup(app):
    """Registers the extension with Sphinx."""
    app.add_config_value("comments_config", {}, "")  # Jupyter Book sets it for an extension that we leave out
    app.connect("env-get-outdated", house_changed)
    app.connect("builder-inited", check_pins, priority=100)
    app.connect("builder-inited", copy_vendored)
    app.connect("html-page-context", choose, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
