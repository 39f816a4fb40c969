"""Where the course is published: the two settings of `_config.yml`, and the cell of each notebook that fetches the course.

`python -m dlbook.publish address https://github.com/you/dlbook --hub https://hub.example.edu` sets both and renews the cell;
nothing has to be executed again, since the cell does nothing where the course is installed.
"""
import re
from pathlib import Path
from urllib.parse import urlsplit

import nbformat

from dlbook.publish import ROOT, PublishError

CONFIG = "_config.yml"
MARK = "# Fetches the course where it is missing"
# hub/colab.txt: the names of what the course needs, without versions, so that Colab keeps its own where it has them.
CELL = MARK + """, as on Colab; everywhere else this does nothing.
import importlib.util, os, sys

if getattr(importlib.util.find_spec("dlbook"), "origin", None):  # a bare folder of that name is no package
    pass
elif os.path.isdir("../code/dlbook"):  # the notebook lies in a clone, as in a session at CSC
    sys.path.insert(0, os.path.abspath("../code"))
else:
    !(test -d dlbook || git clone -q --depth 1 -b {branch} {repository} dlbook) && pip install -q -r dlbook/hub/colab.txt
    sys.path.insert(0, os.path.abspath("dlbook/code"))"""
SETTINGS = {"repository": r"(?m)^(repository:\n  url: )\S+", "branch": r"(?m)^(repository:\n.*\n  branch: )\S+", "hub": r"(?m)^(launch_buttons:\n  jupyterhub_url: )\S+"}


def fetch_cell(root=ROOT):
    """The cell that fetches the course on Colab.

    Args:
        root: the repository's folder.

    Returns:
        str, the cell's source; None in a folder without settings.
    """
    config = Path(root) / CONFIG
    if not config.is_file():
        return None
    text = config.read_text(encoding="utf-8")
    return CELL.format(**{name: _setting(text, name) for name in ("repository", "branch")})


def insert(notebook, source, number):
    """Put the cell before a notebook's first code cell; the site leaves it out.

    Args:
        notebook: NotebookNode, changed.
        source: from `fetch_cell`; nothing is done where it is None.
        number: the cell's id.
    """
    first = next((index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code"), None)
    if source and first is not None:
        notebook.cells.insert(first, nbformat.v4.new_code_cell(source, id=number, metadata={"tags": ["remove-cell"]}))


def _setting(text, name):
    found = re.search(SETTINGS[name], text)
    if not found:
        raise PublishError(f"{CONFIG} has no setting for the {name}; it needs the lines `repository:`, `  url: ...`, `  branch: ...` "
                           "and `launch_buttons:`, `  jupyterhub_url: ...`, in this order.")
    return found[0][len(found[1]):]


def add_arguments(parser):
    """`REPOSITORY`, `--branch` and `--hub`."""
    parser.add_argument("repository", help="address from which Git gets the course, for example https://github.com/you/dlbook")
    parser.add_argument("--branch", help="its branch (default: as it is)")
    parser.add_argument("--hub", help="address of your JupyterHub (default: as it is)")


def main(options, root=ROOT):
    """Set the addresses and renew the notebooks' first code cells.

    Args:
        options: `repository`, `branch`, `hub`.
        root: the repository's folder.

    Raises:
        PublishError: an address is none; nothing is changed then.
    """
    from dlbook.publish.notebooks import write

    given = {name: value for name in SETTINGS if (value := getattr(options, name))}
    for name in given.keys() - {"branch"}:
        parts = urlsplit(given[name])
        if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", given[name]):
            raise PublishError(f"{given[name]!r} is no address of a {name}; it begins with https://, for example https://github.com/you/dlbook.")
    if not re.fullmatch(r"[\w./-]+", given.get("branch", "main")):
        raise PublishError(f"{given['branch']!r} is no name of a branch; it has letters, digits, dots, slashes and hyphens.")
    config = Path(root) / CONFIG
    text = config.read_text(encoding="utf-8")
    for name, value in given.items():
        _setting(text, name)
        text = re.sub(SETTINGS[name], lambda found, value=value: found[1] + value.rstrip("/"), text)
    config.write_text(text, encoding="utf-8")
    for path in sorted((Path(root) / "book").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.source.startswith(MARK):
                cell.source = fetch_cell(root)
        write(notebook, path)
    print(f"{CONFIG} and the notebooks now name {given['repository']}. Build the site anew: make book")
