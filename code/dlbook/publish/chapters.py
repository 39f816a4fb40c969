"""The sources: chapters read as notebooks, and notebooks read back."""
import hashlib
import re
import warnings
from pathlib import Path

import nbformat

from dlbook.publish import ROOT, PublishError, address, compare
from dlbook.publish.text import Tolerance

LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python", "pygments_lexer": "ipython3"}
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
# What JupyterLab must fold, for each tag that the site folds.
FOLDED = {"hide-input": ["source_hidden"], "hide-output": ["outputs_hidden"], "hide-cell": ["source_hidden", "outputs_hidden"]}
UNCHECKED = re.compile(r"nbval[-_]|skip-execution$", re.IGNORECASE)
UNCHECKED_COMMENT = re.compile(r"#\s*(NBVAL_\w+|PYTEST_VALIDATE_IGNORE_OUTPUT)")
NESTED = re.compile(r"^\s*[`~:]{3,}\s*\{code-cell\}.*$", re.MULTILINE)


def chapters(root=ROOT):
    """Names of the chapters.

    Args:
        root: the repository's folder.

    Returns:
        list of str, sorted.
    """
    return sorted(path.stem for path in (Path(root) / "chapters").glob("*.md"))


def read_chapter(path):
    """A chapter's source as a notebook that has not been executed.

    Args:
        path: a MyST file with code cells.

    Returns:
        NotebookNode: the front matter is its metadata; cell ids follow from the file's name and the cell's position; the cell that fetches
        the course is there, where the folder above has settings.

    Raises:
        PublishError: there is no such file, it is no MyST notebook, or a cell is forbidden or nested.
    """
    path = Path(path)
    notebook = _converted(path)
    for name in ("jupytext", "source_map"):
        notebook.metadata.pop(name, None)
    notebook.metadata.update(kernelspec=KERNEL, language_info=LANGUAGE)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for index, cell in enumerate(notebook.cells):
        cell["id"] = hashlib.sha256(f"{path.stem}:{index}".encode()).hexdigest()[:8]
        _fold(cell)
        nested = NESTED.search(cell.source) if cell.cell_type == "markdown" else None
        if nested and _would_be_lost(cell.source, nested.start()):
            raise PublishError(f"{path}: `{nested[0].strip()}` stands inside another block, where it would never run; move it out of the block.")
    address.insert(notebook, address.fetch_cell(path.parents[1]), hashlib.sha256(f"{path.stem}:fetch".encode()).hexdigest()[:8])
    wrong = [sentence for number, cell in compare.code_cells(notebook) for sentence in problems(number, cell)]
    if wrong:
        raise PublishError(f"{path}: {wrong[0]}")
    return notebook


def read_notebook(path):
    """A notebook file.

    Raises:
        PublishError: it is not there, or is no notebook.
    """
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError) as error:
        raise PublishError(f"{path} cannot be read as a notebook ({str(error).splitlines()[0]}).") from error


def problems(number, cell):
    """What a code cell declares that it must not: that its output is not checked, or a malformed tolerance.

    Args:
        number: the cell's number, for the message.
        cell: a code cell.

    Returns:
        list of str, one sentence each.
    """
    where = compare.label(number, cell)
    found = [f"{where} has the tag {tag!r}: no cell is skipped and no output ignored; declare a tolerance instead, such as `rtol:0.02`."
             for tag in cell.metadata.get("tags", []) if UNCHECKED.match(tag)]
    found += [f"{where} holds the comment {comment!r}: no cell is skipped and no output ignored; declare a tolerance instead, such as `rtol:0.02`."
              for comment in UNCHECKED_COMMENT.findall(cell.source)]
    try:
        Tolerance.from_tags(cell.metadata.get("tags", []))
    except PublishError as error:
        found.append(f"{where}: {error}")
    return found


def _converted(path):
    import jupytext

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # such as cells in two languages
            return jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst")
    except FileNotFoundError:
        raise PublishError(f"there is no chapter file {path}.") from None
    except Exception as error:  # the parsers below jupytext raise whatever they like
        raise PublishError(f"{path} cannot be read as a MyST notebook: {' '.join(str(error).split())[:300]}") from error


def _fold(cell):
    hidden = [key for tag in cell.metadata.get("tags", []) for key in FOLDED.get(tag, [])]
    if hidden:
        cell.metadata["jupyter"] = dict(cell.metadata.get("jupyter", {}), **dict.fromkeys(sorted(hidden), True))


def _would_be_lost(source, position):
    """Whether a nested code cell stands in a directive or a list, not in a literal block that shows it as an example."""
    fences = []
    for line in source[:position].splitlines():
        fence = re.match(r"\s*([`~:]{3,})\s*(\S*)", line)
        if not fence:
            continue
        if fences and not fence[2] and fence[1].startswith(fences[-1][0]):
            fences.pop()
        elif not fences or fences[-1][1].startswith("{"):
            fences.append((fence[1], fence[2]))
    return not fences or fences[-1][1].startswith("{")
