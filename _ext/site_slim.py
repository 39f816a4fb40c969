"""Makes the built site light: no style rule and no icon that no page can use, no source maps.

Works on the finished files and is cautious: a rule goes only when a class or id that it needs stands in no
page and in no script of the site. The site works the same without this step, only heavier.
"""
import logging
import re
from io import BytesIO
from pathlib import Path

import pydata_sphinx_theme
from fontTools import subset
from fontTools.ttLib import TTFont

FONT_AWESOME = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/vendor/fontawesome"
UNTOUCHED = ("katex", "widgets", "dlbook.css")  # vendored, or styling what scripts draw later
NESTED = ("@media", "@supports", "@layer", "@container")
HTML_NAMES = re.compile(r'(?:class|id)="([^"]*)"')
WORD = re.compile(r"[A-Za-z_][\w-]*")
NAME = re.compile(r"[.#](-?[A-Za-z_](?:\\.|[\w-])*)")
ICON = re.compile(r"\\([ef][0-9a-f]{3})\b|([\ue000-\uf8ff])")  # escaped, or as the character itself


def rules(css):
    """Splits a style sheet into (prelude, block) pairs; block is None for statements such as @charset."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.S)
    start = depth = opened = 0
    quote = None
    for i, char in enumerate(css):
        if quote:
            quote = None if char == quote and css[i - 1] != "\\" else quote
        elif char in "\"'":
            quote = char
        elif char == "{":
            opened, depth = (i if depth == 0 else opened), depth + 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                yield css[start:opened].strip(), css[opened + 1:i]
                start = i + 1
        elif char == ";" and depth == 0 and "{" not in css[start:i] and "url(" not in css[start:i]:
            yield css[start:i].strip(), None
            start = i + 1


def selectors(prelude):
    """Splits a selector list at its top-level commas."""
    return re.split(r",(?![^(]*\))", prelude)


def usable(selector, names):
    """Whether all classes and ids that a selector requires occur in the site."""
    required = re.sub(r"\[[^\]]*\]|:(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)", "", selector)
    return all(name.replace("\\", "") in names for name in NAME.findall(required))


def prune(css, names):
    """The style sheet without the rules that cannot match.

    Args: css: text; names: every class and id of pages and scripts.
    """
    kept = []
    for prelude, block in rules(css):
        if block is None:
            kept.append(prelude + ";")
        elif prelude.startswith(NESTED):
            inner = prune(block, names)
            kept.append(f"{prelude}{{{inner}}}" if inner else "")
        elif prelude.startswith("@"):
            kept.append(f"{prelude}{{{block}}}")
        else:
            alive = [s for s in selectors(prelude) if usable(s, names)]
            kept.append(f"{','.join(alive)}{{{block}}}" if alive else "")
    return "".join(kept)


def names_in(site):
    """Every class and id in the pages, and every word in the scripts."""
    names = set()
    for page in site.rglob("*.html"):
        text = page.read_text()
        names.update(word for value in HTML_NAMES.findall(text) for word in value.split())
        names.update(word for script in re.findall(r"<script>(.*?)</script>", text, re.S) for word in WORD.findall(script))
    for script in site.rglob("*.js"):
        if not _vendored(script, site):
            names.update(WORD.findall(script.read_text()))
    return names


def _vendored(path, site):
    parts = path.relative_to(site / "_static").parts if path.is_relative_to(site / "_static") else path.parts
    return parts[0] in UNTOUCHED or "fontawesome" in path.parts and path.suffix == ".js"


def subset_icons(codes, target):
    """Writes the icon font with the given characters only.

    Args: codes: code points; target: a .woff file.
    """
    logging.getLogger("fontTools").setLevel(logging.WARNING)
    font = TTFont(BytesIO(next(FONT_AWESOME.rglob("fa-solid-900.ttf")).read_bytes()))
    cutter = subset.Subsetter(subset.Options(layout_features=[], notdef_outline=True, glyph_names=False))
    cutter.populate(unicodes=codes)
    cutter.subset(font)
    font.flavor = "woff"
    target.parent.mkdir(parents=True, exist_ok=True)
    font.save(target)


def slim_icons(sheet, sheets):
    """Replaces the icon fonts by one with the icons in use, and the style sheet's font rules to match.

    Args: sheet: the (pruned) icon style sheet's path; sheets: all style sheets of the site.
    """
    found = {pair for path in sheets for pair in ICON.findall(path.read_text())}
    codes = {int(code, 16) if code else ord(char) for code, char in found}
    fonts = sheet.parent.parent / "webfonts"
    subset_icons(codes, fonts / "icons.woff")
    for font in fonts.glob("fa-*"):
        font.unlink()
    face = '@font-face{font-family:"Font Awesome 6 Free";font-style:normal;font-weight:900;font-display:block;src:url(../webfonts/icons.woff) format("woff")}'
    text = "".join(f"{p}{{{b}}}" for p, b in rules(sheet.read_text()) if b is not None and p != "@font-face")
    sheet.write_text(face + text)


def slim(site):
    """Shrinks the style sheets and icons of a built site and removes what nothing links to."""
    static = site / "_static"
    names = names_in(site)
    sheets = [path for path in static.rglob("*.css") if not _vendored(path, site)]
    for path in sheets:
        text = path.read_text()
        smaller = prune(text, names)
        if smaller != text:
            path.write_text(smaller)
    for sheet in static.glob("vendor/fontawesome/*/css/all.min.css"):
        slim_icons(sheet, sheets)
    for path in [*static.rglob("*.map"), *static.glob("vendor/fontawesome/*/js/*")]:
        path.unlink()


def finish(app, exception):
    """Runs at the end of a build that went well."""
    if exception is None and app.builder.name == "html":
        slim(Path(app.outdir))


def setup(app):
    """Registers the extension with Sphinx."""
    # The next build copies the full sheets again, as it should; it need not say so for each of them.
    logging.getLogger("sphinx.sphinx.util.osutil").addFilter(lambda record: record.levelno > logging.INFO)
    app.connect("build-finished", finish, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
