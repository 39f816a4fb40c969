"""What the course consists of: its systems, its chapters, and what running a chapter costs.

Read from book/systems.yml, _toc.yml, the notebooks in book/ and the records of verified runs; no page is
needed for that, so the landing page can show a chapter that is built after it. Draws the box under each
chapter's title, the map, the coverage tables and the status page.
"""
import hashlib
import json
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

SYSTEMS = "book/systems.yml"
COVERAGE = "book/coverage"
STATUS = "book/status"


@dataclass(frozen=True)
class Chapter:
    """One executed notebook that makes systems of the course runnable."""

    docname: str
    title: str
    covers: tuple
    cells: int
    figures: int
    record: dict = field(default_factory=dict)  # as in dlbook.publish.verified.records; empty: never verified

    @property
    def name(self):
        """The chapter's short name, as in `make chapter NAME=...`."""
        return self.docname.rpartition("/")[2]


@dataclass(frozen=True)
class Course:
    """Decks, groups of systems, and chapters in the order of the table of contents."""

    decks: dict
    groups: list
    chapters: list

    def covering(self, system):
        """The chapters that make a system runnable."""
        return [c for c in self.chapters if system in c.covers]

    def page_of(self, system):
        """The document that makes a system runnable: its first chapter, or the page that systems.yml names; None where there is none."""
        found = next((group["systems"][system] for group in self.groups if system in group["systems"]), {})
        return next((c.docname for c in self.covering(system)), found.get("page"))


def toc_files(toc):
    """Every file named in a table of contents, in reading order."""
    for key, value in toc.items():
        if key in ("root", "file"):
            yield value
        elif key in ("parts", "chapters", "sections", "subtrees", "entries"):
            for entry in value:
                yield from toc_files(entry)


def read_course(root, records):
    """Collects the course from the files under `root`.

    Args: root: the repository; records: chapter name -> what its last verified run took.
    Returns: a Course.
    Raises: ExtensionError when a chapter covers a system that is not listed.
    """
    root = Path(root)
    listed = yaml.safe_load((root / SYSTEMS).read_text())
    known = {key for group in listed["groups"] for key in group["systems"]}
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    notebooks = [root / f"{name}.ipynb" for name in toc_files(toc)]
    chapters = [read_chapter(path, root, records, known) for path in notebooks if path.exists()]
    return Course(listed["decks"], listed["groups"], [c for c in chapters if c.covers])


def read_chapter(path, root, records, known):
    """One notebook's facts as a Chapter; `known` is the set of ids it may cover."""
    notebook = json.loads(path.read_text())
    covers = notebook["metadata"].get("covers", [])
    for system in covers:
        if system not in known:
            raise ExtensionError(f"{path.relative_to(root)}: covers names {system!r}, which is not a system in {SYSTEMS}.")
    code = [c for c in notebook["cells"] if c["cell_type"] == "code" and "".join(c["source"]).strip()]
    return Chapter(str(path.relative_to(root).with_suffix("")), notebook_title(notebook, path.stem), tuple(covers),
                   len(code), sum(map(figures, code)), records.get(path.stem, {}))


def notebook_title(notebook, fallback):
    """The text of the first heading of a notebook."""
    for cell in notebook["cells"]:
        for line in "".join(cell["source"]).splitlines() if cell["cell_type"] == "markdown" else []:
            if line.startswith("# "):
                return line[2:].strip()
    return fallback


def figures(cell):
    """The number of pictures among a code cell's outputs."""
    return sum(any(kind.startswith("image/") for kind in out.get("data", {})) for out in cell["outputs"])


# ---------------------------------------------------------------- words for numbers

def seconds(record):
    """A run time for people: '38 s', or a dash."""
    return f"{record['seconds']:.0f} s" if record else "-"


def memory(record):
    """A peak memory for people: '850 MB', '1.4 GB', or a dash."""
    if not record:
        return "-"
    return f"{record['memory_mb'] / 1000:.1f} GB" if record["memory_mb"] >= 1000 else f"{record['memory_mb']:.0f} MB"


def day(record):
    """The date of a record without the time, or 'not yet'."""
    return str(record["date"])[:10] if record else "not yet"


def machine(record):
    """One line on the machine of a record."""
    return f"{record['machine']['processor']}, {record['machine']['cores']} cores"


# ---------------------------------------------------------------- pieces of pages

def cost_box(chapter, course, link):
    """The box below a chapter's title: what running it costs, when it was verified, what it covers.

    Args: chapter: a Chapter; course: the Course; link: docname -> relative URL.
    Returns: HTML.
    """
    names = {key: s["name"] for group in course.groups for key, s in group["systems"].items()}
    covers = ", ".join(f'<a href="{link(COVERAGE)}#{key.lower()}">{escape(names[key])} ({key})</a>' for key in chapter.covers)
    facts = [("Running it takes", seconds(chapter.record)), ("Memory", memory(chapter.record)), ("Download", "none"),
             ("Last verified", f'<a href="{link(STATUS)}#{chapter.name}">{day(chapter.record)}</a>'), ("Covers", covers)]
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f'<aside class="dlbook-cost" aria-label="What running this chapter costs"><dl>{rows}</dl></aside>'


def chapter_links(chapters, link):
    """The chapters as comma-separated links."""
    return ", ".join(f'<a href="{link(c.docname)}">{escape(c.title)}</a>' for c in chapters)


def map_card(group, course, link):
    """One group of systems on the landing page: the runnable ones as links, the others by name."""
    items = []
    for key, system in group["systems"].items():
        page = course.page_of(key)
        name = escape(system["name"])
        if page:
            items.append(f'<li class="ready"><a href="{link(page)}">{name}</a></li>')
        else:
            items.append(f"<li>{name}</li>")
    ready = sum(bool(course.page_of(key)) for key in group["systems"])
    return (f'<section class="dlbook-card"><h3>{escape(group["title"])}</h3>'
            f'\n<p>{ready} of {len(items)} runnable</p>\n<ul>' + "\n".join(items) + "</ul></section>\n")


def map_of_course(course, link):
    """All groups as cards."""
    return f'<div class="dlbook-map">{"".join(map_card(g, course, link) for g in course.groups)}</div>'


def table(head, rows, label):
    """An HTML table; each row is a pair of its id (or None) and its cells, which are HTML already."""
    top = "\n".join(f'<th scope="col">{h}</th>' for h in head)
    body = "".join(_row(key, cells) for key, cells in rows)
    return (f'<div class="dlbook-scroll"><table class="dlbook-table" aria-label="{escape(label)}">'
            f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>")


def _row(key, cells):
    mark = f' id="{key}"' if key else ""
    rest = "\n".join(f"<td>{cell}</td>" for cell in cells[1:])  # line ends keep words apart in search results
    return f'<tr{mark}><th scope="row">{cells[0]}</th>\n{rest}</tr>\n'


def coverage_table(group, course, link):
    """One group of systems: id, name, slides, and the chapters that run it."""
    rows = [(key.lower(), [key, escape(s["name"]), escape(s["slides"]), chapter_links(course.covering(key), link) or _page_link(course.page_of(key), link)])
            for key, s in group["systems"].items()]
    return table(["id", "system", "slides", "chapter"], rows, f"Systems of {group['title']}")


def _page_link(page, link):
    """A page that is no chapter, by its name, or that there is none yet."""
    return f'<a href="{link(page)}">{escape(page.rpartition("/")[2].title())}</a>' if page else "planned"


def deck_list(course):
    """The decks and their letters."""
    texts = {key: f"{deck['title']}, {deck['year']}" if deck["year"] else deck["title"] for key, deck in course.decks.items()}
    items = "".join(f"<div><dt>{key}</dt><dd>{escape(text)}</dd></div>" for key, text in texts.items())
    return f'<dl class="dlbook-decks">{items}</dl>'


def coverage_sum(course):
    """One sentence on how much of the course is runnable."""
    systems = [key for group in course.groups for key in group["systems"]]
    ready = sum(bool(course.page_of(key)) for key in systems)
    return f"<p>{ready} of {len(systems)} systems are runnable today.</p>"


def status_table(course, link):
    """Each chapter's cost and last verification."""
    rows = [(c.name, [f'<a href="{link(c.docname)}">{escape(c.title)}</a>', seconds(c.record), memory(c.record), str(c.cells),
                      str(c.figures), day(c.record)]) for c in course.chapters]
    return table(["chapter", "run time", "peak memory", "code cells", "figures", "last verified"], rows, "What each chapter costs")


def environments(course):
    """The machine and package versions of each verified chapter, folded."""
    parts = []
    for c in course.chapters:
        if c.record:
            rows = [(None, [escape(name), escape(str(version))]) for name, version in sorted(c.record["versions"].items())]
            parts.append(f'<details class="dlbook-versions"><summary>{escape(c.title)}: {escape(machine(c.record))}</summary>'
                         f'{table(["package", "version"], rows, f"Package versions of {c.title}")}</details>')
    return "".join(parts) or "<p>No chapter has been verified on this machine yet: run <code>make test</code>.</p>"


# ---------------------------------------------------------------- Sphinx

class CoursePiece(SphinxDirective):
    """Places one generated piece: `{course} map`, `coverage KEY`, `decks`, `sum`, `status` or `environments`."""

    required_arguments = 1
    optional_arguments = 1

    def run(self):
        """Returns the piece as a raw HTML node."""
        course = self.env.app.dlbook_course
        kind, key = self.arguments[0], (self.arguments[1:] or [""])[0]
        group = next((g for g in course.groups if g["key"] == key), None)
        pieces = {"map": lambda: map_of_course(course, self.link), "decks": lambda: deck_list(course), "sum": lambda: coverage_sum(course),
                  "status": lambda: status_table(course, self.link), "environments": lambda: environments(course),
                  "coverage": lambda: coverage_table(group, course, self.link)}
        if kind not in pieces or (kind == "coverage") != (group is not None):
            raise self.error(f"'{{course}} {' '.join(self.arguments)}' is unknown: use {', '.join(pieces)}; "
                             f"coverage takes one of {', '.join(g['key'] for g in course.groups)}.")
        return [nodes.raw("", pieces[kind](), format="html")]

    def link(self, docname):
        """The relative URL from this page to another."""
        return self.env.app.builder.get_relative_uri(self.env.docname, docname)


def load(app):
    """Reads the course once a build."""
    from dlbook.publish import verified
    app.dlbook_course = read_course(app.srcdir, verified.records(Path(app.srcdir)))


def outdated(app, env, added, changed, removed):
    """The pages to write again because the course changed, although their own source did not."""
    course = app.dlbook_course
    marks = {c.docname: _mark([c, course.groups]) for c in course.chapters}
    marks |= {name: _mark(course) for name in (app.config.root_doc, COVERAGE, STATUS)}
    old, env.dlbook_marks = getattr(env, "dlbook_marks", {}), marks
    return [name for name, mark in marks.items() if old.get(name) != mark and name in env.found_docs]


def _mark(facts):
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def place_cost_box(app, doctree, docname):
    """Puts the box below the title of every chapter."""
    course = app.dlbook_course
    chapter = next((c for c in course.chapters if c.docname == docname), None)
    title = next(iter(doctree.findall(nodes.title)), None)
    if chapter and title and app.builder.format == "html":
        box = cost_box(chapter, course, lambda name: app.builder.get_relative_uri(docname, name))
        title.parent.insert(title.parent.index(title) + 1, nodes.raw("", box, format="html"))


def setup(app):
    """Registers the extension with Sphinx."""
    app.add_directive("course", CoursePiece)
    app.connect("builder-inited", load)
    app.connect("env-get-outdated", outdated)
    app.connect("doctree-resolved", place_cost_box)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
