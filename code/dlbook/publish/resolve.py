"""Puts the run's numbers and the package's code into a notebook's text, so that it reads whole wherever it is opened.

In a chapter's source a number is `{glue:text}` and its name, and code is a `literalinclude`. The site could resolve both, but
JupyterLab and Colab cannot: there the reader would see names for numbers and nothing for code. So the notebook gets both as text
when it is made; nothing is typed by hand, and a test makes the text again from the stored outputs and compares.
"""
import re
from types import SimpleNamespace

from sphinx.directives.code import LiteralIncludeReader

from dlbook.publish import PublishError
from dlbook.publish.compare import GLUE

NUMBER = re.compile(r"\{glue:text\}`([^`]+)`")
INCLUDE = re.compile(r"^(?P<fence>`{3,})\{literalinclude\} +(?P<file>\S+)\n(?P<options>(?::[\w-]+:.*\n)*)(?P=fence)$", re.MULTILINE)
CONFIG = SimpleNamespace(source_encoding="utf-8")  # all that the reader asks of Sphinx


def resolve(notebook, outputs, folder):
    """Resolve the numbers and the code in a notebook's text.

    Args:
        notebook: NotebookNode of the chapter; its Markdown cells are changed in place.
        outputs: the executed NotebookNode, perhaps the same, whose outputs hold the numbers.
        folder: the folder that the names of included files start from.

    Raises:
        PublishError: a number that no cell glues, or code that cannot be found.
    """
    numbers = glued(outputs)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = NUMBER.sub(lambda match: _number(match, numbers), cell.source)
            cell.source = INCLUDE.sub(lambda match: _code(match, folder), cell.source)


def glued(notebook):
    """The numbers that a notebook's cells glue: dict of name to text."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            text = output.get("data", {}).get(GLUE + "text/plain")
            if name and text is not None:
                found[name] = text[1:-1] if re.fullmatch(r"'.*'", text) else text
    return found


def _number(match, numbers):
    if match[1] not in numbers:
        raise PublishError(f"the text names the number {match[1]!r}, which no cell glues; there are: {', '.join(sorted(numbers)) or 'none'}.")
    return numbers[match[1]]


def _code(match, folder):
    options = dict(re.findall(r"^:([\w-]+):[ \t]*(.*)$", match["options"], re.MULTILINE))
    language = options.pop("language", "python")
    try:
        text, _ = LiteralIncludeReader(str(folder / match["file"]), options, CONFIG).read()
    except (OSError, ValueError) as error:
        raise PublishError(f"the code of {match['file']} cannot be shown: {error}.") from error
    return f"{match['fence']}{language}\n{text.rstrip()}\n{match['fence']}"
