"""Where a chapter can be run: the buttons on its page, and the tables and the form of the page Launch.

The hub's address and the repository are two settings of _config.yml. A button whose address nobody has set yet leads to the
page that says how, and never to a host that does not exist.
"""
import json
import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import yaml
from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

PAGE = "book/launch"
UNSET = ("ORG", "example.org")  # what stands in _config.yml until somebody sets it
LOOPBACK = ("127.0.0.1", "localhost", "::1")
BINDER, COLAB = "https://mybinder.org", "https://colab.research.google.com"
LOGOS = {name: f"_static/images/logo_{name.lower()}.{kind}" for name, kind in (("JupyterHub", "svg"), ("Binder", "svg"), ("Colab", "png"))}
FORM = """<form class="dlbook-launch" novalidate data-repository="{repository}" data-branch="{branch}">
<label for="launch-address">The address in your browser's address bar while the session is open</label>
<input id="launch-address" type="url" inputmode="url" autocomplete="off" spellcheck="false" placeholder="https://" aria-describedby="launch-says">
<button type="submit">Show the links</button>
<p id="launch-says" role="status"></p>
<ul hidden></ul>
<script type="application/json">{chapters}</script>
</form>
<script>
{script}</script>
"""


@dataclass(frozen=True)
class Launch:
    """The settings.

    Args:
        hub: address of a JupyterHub, without a final slash; empty for the one that shows the page; None when nobody has set it.
        repository: address from which Git gets the course; None when nobody has set it.
        branch: its branch.
    """
    hub: str | None
    repository: str | None
    branch: str

    @property
    def path(self):
        """The repository's path at its host, without `.git`."""
        return urlsplit(self.repository or "").path.strip("/").removesuffix(".git")

    @property
    def folder(self):
        """The folder that a student gets: the last part of the repository's address."""
        return self.path.rpartition("/")[2]

    def pull(self, docname):
        """What follows `git-pull?` in an address that brings a chapter and opens it."""
        return urlencode({"repo": self.repository, "urlpath": f"lab/tree/{self.folder}/{docname}.ipynb", "branch": self.branch}, safe="/")

    def on_hub(self, docname):
        """Address of a chapter on the JupyterHub; None where one of the two is not set."""
        if self.hub is not None and self.repository:
            return f"{self.hub}/hub/user-redirect/git-pull?{self.pull(docname)}"

    def on_binder(self, docname):
        """Address of a chapter on Binder; None where the repository is not set or only this machine reaches it."""
        parts = urlsplit(self.repository or "")
        if parts.hostname and parts.hostname not in LOOPBACK:
            kind = {"github.com": f"gh/{self.path}", "gitlab.com": f"gl/{quote(self.path, safe='')}"}.get(parts.hostname, f"git/{quote(self.repository, safe='')}")
            return f"{BINDER}/v2/{kind}/{quote(self.branch, safe='')}?urlpath=lab/tree/{docname}.ipynb"

    def on_colab(self, docname):
        """Address of a chapter on Colab, which opens notebooks of GitHub alone; None for another repository."""
        if urlsplit(self.repository or "").hostname == "github.com":
            return f"{COLAB}/github/{self.path}/blob/{self.branch}/{docname}.ipynb"


def read_launch(root, environment=os.environ):
    """The settings of _config.yml; DLBOOK_HUB, DLBOOK_REPOSITORY and DLBOOK_BRANCH come before them.

    Args: root: the repository's folder; environment: the environment's variables.
    Returns: a Launch.
    Raises: ExtensionError when an address is none.
    """
    config = yaml.safe_load((Path(root) / "_config.yml").read_text())
    repository = environment.get("DLBOOK_REPOSITORY") or config["repository"]["url"]
    branch = environment.get("DLBOOK_BRANCH") or config["repository"]["branch"]
    hub = environment.get("DLBOOK_HUB") or config["launch_buttons"]["jupyterhub_url"]
    return Launch(_address(hub, "launch_buttons: jupyterhub_url", own="/"), _address(repository, "repository: url"), branch)


def _address(text, name, own=None):
    """An address without its final slash; None for one that nobody has set."""
    if text and text == own:
        return ""
    parts = urlsplit(text or "")
    if text and (parts.scheme not in ("http", "https") or not parts.hostname):
        raise ExtensionError(f"{name} in _config.yml is {text!r}; it must be an address that begins with https://, for example https://hub.example.org.")
    unset = not text or UNSET[0] in parts.path.split("/") or parts.hostname.endswith(UNSET[1])
    return None if unset else text.rstrip("/")


def buttons(launch, docname, page):
    """The entries of a chapter's menu.

    Args: launch: a Launch; docname: the chapter; page: address of the page Launch from the chapter's.
    Returns: list of dict, as the theme draws them.
    """
    hub, binder, colab = (find(docname) for find in (launch.on_hub, launch.on_binder, launch.on_colab))
    here = f"{page}?chapter={docname.rpartition('/')[2]}"
    entries = [("JupyterHub", hub or f"{here}#own-hub", "Open this chapter on the class's JupyterHub"),
               ("CSC or another hub", f"{here}#csc", "Open this chapter in a session that you have started")]
    if launch.repository is None or binder:
        entries.append(("Binder", binder or f"{here}#binder", "Open this chapter on Binder"))
    if launch.repository is None or colab:
        entries.append(("Colab", colab or f"{here}#colab", "Open this chapter on Colab"))
    entries.append(("Your computer", f"{here}#your-computer", "How to run this chapter on your own computer"))
    icons = LOGOS | {"CSC or another hub": "fas fa-link", "Your computer": "fas fa-laptop"}
    return [{"type": "link", "text": text, "tooltip": tooltip, "icon": icons[text], "url": url} for text, url, tooltip in entries]


def add_buttons(app, pagename, templatename, context, doctree):
    """Puts the menu among the buttons above a chapter."""
    chapter = next((c for c in app.dlbook_course.chapters if c.docname == pagename), None)
    if chapter:
        page = app.builder.get_relative_uri(pagename, PAGE)
        context["header_buttons"].insert(0, {
            "type": "group", "tooltip": "Run this chapter", "icon": "fas fa-rocket", "label": "launch-buttons",
            "buttons": buttons(app.dlbook_launch, pagename, page)})


# ---------------------------------------------------------------- the page Launch

def form(launch, chapters):
    """The form that makes links out of a session's address."""
    listed = json.dumps([{"name": c.name, "title": c.title, "path": f"{c.docname}.ipynb"} for c in chapters]).replace("<", "\\u003c")
    script = (Path(__file__).parent / "launch.js").read_text()
    return FORM.format(repository=escape(launch.repository or ""), branch=escape(launch.branch), chapters=listed, script=script)


def addresses(launch):
    """Which addresses this site was built with, as a sentence."""
    hub = "the hub that shows this page" if launch.hub == "" else f"the hub {launch.hub}" if launch.hub else "no hub yet"
    where = f"the repository {launch.repository}, branch {launch.branch}" if launch.repository else "no repository yet"
    return f"<p>The buttons of this site are set to {escape(hub)} and {escape(where)}.</p>"


def sizing(record):
    """What the measured load of a hub was, and what it means for a class.

    Args: record: as benchmarks/hub.py writes it.
    Returns: HTML: a table and its caption.
    """
    from site_course import table

    loads = [("", load) for load in record["loads"]] + [(", without what the hub sets", load) for load in record.get("before", {}).get("loads", ())]
    rows = [(None, [f"{load['students']}{how}", f"{load['course']:.0f} s", f"{load['first_output']:.0f} s", f"{load['finished']:.0f} s",
                    f"{load['megabytes']:,.0f} MB"]) for how, load in loads]
    about = (f"Measured on {record['machine']['cores']} cores ({record['machine']['processor']}), {record['date'][:10]}, "
             f"with {record['chapter']}; commit {record['commit'][:7]}.")
    head = ["students at once", "click to open chapter", "click to first output", "click to the chapter's end", "memory a student"]
    return table(head, rows, "Load of a classroom hub") + f'<p class="dlbook-note">{escape(about)}</p>'


class LaunchPiece(SphinxDirective):
    """Places one generated piece: `{launch} form`, `addresses` or `sizing`."""

    required_arguments = 1

    def run(self):
        """Returns the piece as a raw HTML node."""
        app = self.env.app
        record = Path(app.srcdir) / "runs" / "hub" / "load.json"
        pieces = {"form": lambda: form(app.dlbook_launch, app.dlbook_course.chapters), "addresses": lambda: addresses(app.dlbook_launch),
                  "sizing": lambda: sizing(json.loads(record.read_text()))}
        if self.arguments[0] not in pieces:
            raise self.error(f"'{{launch}} {self.arguments[0]}' is unknown: use {', '.join(pieces)}.")
        return [nodes.raw("", pieces[self.arguments[0]](), format="html")]


def load(app):
    """Reads the settings once a build."""
    app.dlbook_launch = read_launch(app.srcdir)


def outdated(app, env, added, changed, removed):
    """All chapters and the page Launch, when a setting or the list of chapters has changed."""
    mark = (app.dlbook_launch, [(c.docname, c.title) for c in app.dlbook_course.chapters], os.stat(Path(__file__).parent / "launch.js").st_mtime_ns)
    old, env.dlbook_launch = getattr(env, "dlbook_launch", None), mark
    return [] if old == mark else [name for name in (PAGE, *(c.docname for c in app.dlbook_course.chapters)) if name in env.found_docs]


def setup(app):
    """Registers the extension with Sphinx."""
    app.add_directive("launch", LaunchPiece)
    app.connect("builder-inited", load)
    app.connect("env-get-outdated", outdated)
    app.connect("html-page-context", add_buttons, priority=700)  # after the theme has begun its list, before the page is drawn
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
