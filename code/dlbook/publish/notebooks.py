"""From `chapters/x.md` to `book/x.ipynb`: one way only, executed, and the same to the byte when nothing changed."""
import os
import re
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import nbformat

from dlbook.publish import ROOT, PublishError, compare, fingerprint, widgets
from dlbook.publish.chapters import chapters, problems, read_chapter, read_notebook
from dlbook.publish.kernels import CELL_TIMEOUT, CellFailure, Cost, client, run_cells
from dlbook.publish.resolve import resolve
from dlbook.publish.text import ADDRESS

__all__ = ["Built", "Cost", "CellFailure", "build", "chapters", "client", "execute", "problems", "read_chapter", "read_notebook"]

PROGRESS = re.compile(r"^.*\d+%\|[^|\n]*\|.*\[\d+:\d\d.*\]\s*\n?", re.MULTILINE)
# It begins where a word begins: else each character of a long word, such as an embedded picture, would be tried as the first one.
CELL_FILE = re.compile(r"(?<![^\s'\"(<>])[^\s'\"(<>]*ipykernel_\d+[/\\]\d+\.py")


@dataclass(frozen=True)
class Built:
    """A chapter's notebook, executed and written.

    Args:
        path: the notebook's file.
        notebook: what was written.
        before: what the file held before; None where it did not exist.
        cost: Cost of the execution.
    """
    path: Path
    notebook: nbformat.NotebookNode
    before: nbformat.NotebookNode | None
    cost: Cost


def execute(notebook, cwd, name="notebook", timeout=CELL_TIMEOUT):
    """Run a notebook in a fresh kernel and settle what would differ between two executions.

    Ids of widgets follow from `name`; memory addresses, folders of this machine and progress bars leave the outputs.

    Args:
        notebook: NotebookNode, changed in place.
        cwd: folder in which the kernel works.
        name: the chapter's name.
        timeout: seconds a cell may take.

    Returns:
        Cost: seconds and peak memory.

    Raises:
        CellFailure: a cell did not run to its end; the outputs up to it are in the notebook.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    try:
        return run_cells(notebook, cwd, timeout)
    finally:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [output for output in map(_settled, cell.outputs) if not _is_empty(output)]
        widgets.settle(notebook, name)


def build(name, root=ROOT, timeout=CELL_TIMEOUT):
    """Convert and execute a chapter, and write its notebook once all of it succeeded.

    Args:
        name: the chapter's name, such as `digits`.
        root: the repository's folder.
        timeout: seconds a cell may take.

    Returns:
        Built.

    Raises:
        PublishError: there is no such chapter, or a cell failed; the notebook that was there is left as it was.
    """
    root = Path(root)
    source, target = root / "chapters" / f"{name}.md", root / "book" / f"{name}.ipynb"
    if not source.is_file():
        raise PublishError(f"there is no chapter {name!r}; there are: {', '.join(chapters(root)) or 'none yet'}.")
    notebook = read_chapter(source)
    before = read_notebook(target) if target.is_file() else None
    notebook.metadata["dlbook"] = fingerprint.fingerprint(name, root)  # taken first: a file changed meanwhile makes the notebook stale
    target.parent.mkdir(exist_ok=True)
    try:
        cost = execute(notebook, target.parent, name, timeout)
    except CellFailure as failure:
        raise PublishError(_explained(failure, notebook, name, before is not None)) from failure
    resolve(notebook, notebook, target.parent)
    notebook.metadata["dlbook"]["outputs"] = fingerprint.outputs_hash(notebook)
    write(notebook, target)
    return Built(target, notebook, before, cost)


def add_arguments(parser):
    """Arguments of `python -m dlbook.publish chapter`."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="chapters to execute; all stale ones when none is named")
    parser.add_argument("--all", action="store_true", help="execute every chapter, stale or not")
    parser.add_argument("--timeout", type=int, default=CELL_TIMEOUT, metavar="SECONDS", help="most seconds a cell may take (%(default)s)")


def main(options, root=ROOT):
    """Execute chapters and tell what they took and what changed.

    Args:
        options: `names`, `all` and `timeout`.
        root: the repository's folder.

    Returns:
        int: 1 where a chapter failed, else 0.
    """
    existing = chapters(root)
    unknown = sorted(set(options.names) - set(existing))
    if unknown:
        raise PublishError(f"there is no chapter {unknown[0]!r}; there are: {', '.join(existing) or 'none yet'}.")
    names = options.names or [name for name in existing if options.all or fingerprint.stale(name, root)]
    if not names:
        print("No notebook is stale." if existing else "There is no chapter yet.")
    return max([_build_and_tell(name, root, options.timeout) for name in names], default=0)


def _build_and_tell(name, root, timeout):
    try:
        built = build(name, root, timeout)
    except PublishError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"book/{name}.ipynb: {built.cost.seconds:.1f} s, {built.cost.megabytes} MB", flush=True)
    if built.before is None:
        print("  new")
        return 0
    changes = compare.describe(built.before, built.notebook, Path(root) / "_build" / "nbval" / name)
    print("\n".join(f"  {change}" for change in changes or ["no output changed"]), flush=True)
    return 0


def _settled(output):
    """An output without what differs from one machine or process to the next."""
    if output["output_type"] == "stream":
        output["text"] = portable(PROGRESS.sub("", output["text"]))
    elif output["output_type"] == "error":
        output["evalue"] = portable(output["evalue"])
        output["traceback"] = [portable(line) for line in output["traceback"]]
    else:
        for mime, content in output["data"].items():
            if isinstance(content, str) and "text/" in mime:
                output["data"][mime] = portable(content)
    return output


def _is_empty(output):
    """Whether nothing is left of an output, as of a progress line at its end."""
    if output["output_type"] == "stream":
        return output["text"] == ""
    return "data" in output and all(content == "" for content in output["data"].values())


def portable(text):
    """A text without memory addresses and without the folders of this machine."""
    text = CELL_FILE.sub("cell.py", ADDRESS.sub("at 0x0", text))
    for folder, short in _folders():
        text = text.replace(folder + os.sep, short)
    return text


def _folders():
    paths = sysconfig.get_paths()
    return [(paths["purelib"], "site-packages/"), (paths["stdlib"], "python/"), (str(ROOT), "")]


def _explained(failure, notebook, name, existed):
    """The message about a cell that failed."""
    kept = f"book/{name}.ipynb is left as it was" if existed else "no notebook was written"
    report = [f"  {line}" for line in failure.traceback.splitlines()[-25:]]
    if failure.index < 0:
        return "\n".join([f"chapter {name}: {failure.reason}; {kept}.", *report])
    cell = notebook.cells[failure.index]
    number = next(number for number, other in compare.code_cells(notebook) if other is cell)
    lines = cell.source.strip().splitlines()
    shown = [f"    {line}" for line in lines[:6]] + (["    ..."] if len(lines) > 6 else [])
    return "\n".join([f"chapter {name}: cell {number} {failure.reason}; {kept}.", *shown, *report])


def write(notebook, target):
    """Write a notebook so that its file is whole at every moment.

    Args:
        notebook: NotebookNode.
        target: path of its file.
    """
    nbformat.validate(notebook)
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(nbformat.writes(notebook, version=4).rstrip("\n") + "\n", encoding="utf-8", newline="\n")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
