"""Compares the outputs of two executions of a notebook, and says in words what differs."""
import base64
import binascii
import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from dlbook.publish import pictures, widgets
from dlbook.publish.text import EXACT, Tolerance, close, compare_text

GLUE = "application/papermill.record/"
PICTURES = ("image/png", "image/jpeg", "image/gif")
EMBEDDED = re.compile(r"data:(image/(?:png|jpeg|gif));base64,([A-Za-z0-9+/=\s]*)(…?)")
TOLD = 6  # differences told of one cell; the rest is counted
MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
# `path:12: UserWarning: words`, a logger's level, or else the first word with its digits hidden.
WARNING = re.compile(r"(?:^|[\s:])(\w*(?:Warning|Error|Exception)|WARNING|ERROR|INFO)\b")


@dataclass(frozen=True)
class Difference:
    """One thing that differs.

    Args:
        text: what, in words: committed against now.
        pictures: bytes of the two pictures where it is a figure, else None.
    """
    text: str
    pictures: tuple | None = None

    def at(self, where):
        """The same difference with the place before it."""
        return Difference(f"{where}: {self.text}", self.pictures)


def compare_cells(committed, now, committed_notebook, now_notebook, tolerance=None):
    """What differs between the outputs of a cell in two executions of its notebook.

    Args:
        committed: the code cell as committed.
        now: the same cell, executed now.
        committed_notebook: NotebookNode that holds the first, for the state of its widgets.
        now_notebook: NotebookNode that holds the second.
        tolerance: Tolerance; by default the one that the committed cell's tags declare.

    Returns:
        list of Difference.
    """
    if tolerance is None:
        tolerance = Tolerance.from_tags(committed.metadata.get("tags", []))
    states = (widgets.models(committed_notebook), widgets.models(now_notebook))
    return compare_outputs(committed.outputs, now.outputs, tolerance, states)


def compare_outputs(committed, now, tolerance=Tolerance(), states=({}, {})):
    """What differs between two lists of outputs.

    Args:
        committed: list of outputs as nbformat has them.
        now: list of outputs.
        tolerance: Tolerance.
        states: the widget models of the two notebooks.

    Returns:
        list of Difference, empty where they agree.
    """
    found = _compare_warnings(committed, now)
    before, after = ([output for output in outputs if not _is_stderr(output)] for outputs in (committed, now))
    matcher = SequenceMatcher(None, [_kind(output) for output in before], [_kind(output) for output in after], autojunk=False)
    for operation, i, i_end, j, j_end in matcher.get_opcodes():
        if operation == "equal":
            for number in range(i_end - i):
                where = f"output {i + number + 1}"
                pair = before[i + number], after[j + number]
                found += [difference.at(where) for difference in _compare_pair(*pair, tolerance, states)]
            continue
        found += [Difference(f"output {number + 1} is missing: committed {_in_words(before[number])}") for number in range(i, i_end)]
        found += [Difference(f"output {number + 1} is extra: now {_in_words(after[number])}") for number in range(j, j_end)]
    return found


def describe(committed, now, folder=None):
    """What differs between two executed notebooks, cell by cell.

    Changes beyond a cell's tolerance are told one by one; those within it are counted.

    Args:
        committed: NotebookNode.
        now: NotebookNode, perhaps of a changed chapter.
        folder: where pictures of changed figures are written (committed, now, difference); none by default.

    Returns:
        list of str, empty where no output differs.
    """
    told = []
    for old, new in _matched(code_cells(committed), code_cells(now)):
        if new is None:
            told.append(f"{label(*old)} is gone")
        elif old is None:
            told.append(f"{label(*new)} is new")
        else:
            if old[1].source != new[1].source:
                told.append(f"{label(*new)}: its code changed")
            told += _describe_cell(old[1], new, committed, now, folder)
    return told


def code_cells(notebook):
    """The code cells of a notebook.

    Returns:
        list of (number, cell): numbers count from 1, as a reader sees them in `In [1]`.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return list(enumerate(cells, 1))


def label(number, cell):
    """A code cell in words: its number and how it begins."""
    lines = [line.strip() for line in cell.source.splitlines() if line.strip()]
    return f"cell {number} ({lines[0][:50] if lines else 'empty'})"


def with_picture(difference, folder, stem):
    """The sentence of a difference; a picture of the change is written where there is one.

    Args:
        difference: Difference.
        folder: folder of the pictures; nothing is written where it is None.
        stem: the file's name without its ending.

    Returns:
        str.
    """
    if difference.pictures is None or folder is None:
        return difference.text
    path = Path(folder) / f"{stem}.png"
    pictures.side_by_side(*difference.pictures, path)
    return f"{difference.text}; see {path}"


def _describe_cell(old, numbered, committed, now, folder):
    number, new = numbered
    tolerance = Tolerance.from_tags(new.metadata.get("tags", []))
    beyond = compare_cells(old, new, committed, now, tolerance)
    told = [f"{label(number, new)}: {with_picture(difference, folder, f'cell{number}-{rank}')}" for rank, difference in enumerate(beyond[:TOLD], 1)]
    if len(beyond) > TOLD:
        told.append(f"{label(number, new)}: and {len(beyond) - TOLD} more differences")
    within = 0 if beyond else len(compare_cells(old, new, committed, now, EXACT))
    return told + ([f"{label(number, new)}: {within} change{'s' * (within > 1)} within its tolerance"] if within else [])


def _matched(before, after):
    """Pairs of numbered cells; None stands for a cell that the other notebook does not have."""
    matcher = SequenceMatcher(None, [cell.source for _, cell in before], [cell.source for _, cell in after], autojunk=False)
    for _, i, i_end, j, j_end in matcher.get_opcodes():
        for step in range(max(i_end - i, j_end - j)):
            yield (before[i + step] if i + step < i_end else None, after[j + step] if j + step < j_end else None)


def _is_stderr(output):
    return output["output_type"] == "stream" and output["name"] == "stderr"


def _kind(output):
    if output["output_type"] == "stream":
        return output["name"]
    return output["output_type"] + " " + " ".join(sorted(output.get("data", {})))


def _in_words(output):
    if output["output_type"] == "stream":
        return f"{output['name']} `{_short(output['text'])}`"
    if output["output_type"] == "error":
        return f"the exception {output['ename']}: {_short(output['evalue'])}"
    data = {mime.removeprefix(GLUE): content for mime, content in output["data"].items()}
    kind = next((mime for mime in PICTURES if mime in data), None)
    if widgets.VIEW in data or kind:
        return f"a {'widget' if widgets.VIEW in data else 'figure'} `{_short(data.get('text/plain', kind))}`"
    mime = "text/plain" if "text/plain" in data else next(iter(data), "nothing")
    return f"{mime} `{_short(str(data.get(mime, '')))}`"


def _short(text, width=70):
    text = " ".join(str(text).split())
    return text if len(text) <= width else text[:width] + "…"


def _compare_warnings(committed, now):
    before, after = (_warnings(outputs) for outputs in (committed, now))
    gone, new = before - after, after - before
    return ([Difference(f"standard error: {kind} is gone ({count} times)") for kind, count in gone.items()]
            + [Difference(f"standard error: {kind} is new ({count} times)") for kind, count in new.items()])


def _warnings(outputs):
    """Kinds of message on standard error, counted; lines that continue a message are left out."""
    lines = [line for output in outputs if _is_stderr(output) for line in output["text"].splitlines()]
    kinds = Counter()
    for line in lines:
        if line.strip() and not line[0].isspace():
            named = WARNING.search(line)
            kinds[named[1] if named else re.sub(r"\d+", "#", line.split()[0])] += 1
    return kinds


def _compare_pair(committed, now, tolerance, states):
    """Differences of two outputs of the same kind."""
    if committed["output_type"] == "stream":
        return [Difference(text) for text in compare_text(committed["text"], now["text"], tolerance)]
    if committed["output_type"] == "error":
        if committed["ename"] != now["ename"]:
            return [Difference(f"the exception was {committed['ename']} and is {now['ename']}")]
        return [Difference(text) for text in compare_text(committed["evalue"], now["evalue"], tolerance)]
    found = []
    for mime, content in committed["data"].items():
        found += _compare_content(mime.removeprefix(GLUE), content, now["data"][mime], tolerance, states)
    return found + _compare_values(committed.get("metadata", {}), now.get("metadata", {}), tolerance, states, "metadata")


def _compare_content(mime, committed, now, tolerance, states):
    if mime in PICTURES:
        return [difference.at("figure") for difference in _compare_base64(committed, now, tolerance)]
    if mime == widgets.VIEW:
        trees = [widgets.tree(state, view["model_id"]) for state, view in zip(states, (committed, now))]
        if None in trees:
            return [Difference("widget: its state is not stored in the " + " and the ".join(
                side for side, tree in zip(("committed notebook", "notebook of now"), trees) if tree is None))]
        return _compare_values(*trees, tolerance, states, "widget")
    return _compare_values(committed, now, tolerance, states, mime)


def _compare_values(committed, now, tolerance, states, where):
    """Differences of two nested values, as JSON has them."""
    if isinstance(committed, dict) and isinstance(now, dict):
        return _compare_dicts(committed, now, tolerance, states, where)
    if isinstance(committed, (list, tuple)) and isinstance(now, (list, tuple)):
        if all(isinstance(item, dict) and "output_type" in item for item in [*committed, *now]) and [*committed, *now]:
            return [difference.at(where) for difference in compare_outputs(committed, now, tolerance, states)]
        if len(committed) != len(now):
            return [Difference(f"{where} had {len(committed)} items and has {len(now)}")]
        pairs = enumerate(zip(committed, now))
        return [found for rank, pair in pairs for found in _compare_values(*pair, tolerance, states, f"{where}[{rank}]")]
    if isinstance(committed, str) and isinstance(now, str):
        return [difference.at(where) for difference in _compare_strings(committed, now, tolerance)]
    return [] if _same_value(committed, now, tolerance) else [Difference(f"{where}: {_short(repr(committed))} -> {_short(repr(now))}")]


def _compare_dicts(committed, now, tolerance, states, where):
    found = [Difference(f"{where}.{key} is gone: committed {_short(repr(committed[key]))}") for key in committed if key not in now]
    found += [Difference(f"{where}.{key} is new: now {_short(repr(now[key]))}") for key in now if key not in committed]
    for key in committed:
        if key in now:
            found += _compare_values(committed[key], now[key], tolerance, states, f"{where}.{key}")
    return found


def _same_value(committed, now, tolerance):
    """Whether two single values agree; true and 1 do not, nor do 1 and 1.0."""
    if type(committed) is not type(now):
        return False
    if isinstance(committed, float):
        return close(committed, now, tolerance)
    if isinstance(committed, int) and not isinstance(committed, bool):
        return abs(committed - now) <= tolerance.counts
    return committed == now


def _compare_strings(committed, now, tolerance):
    """Differences of two strings, in which embedded pictures are compared as pictures."""
    if committed == now:
        return []
    if _decoded(committed).startswith(MAGIC) and _decoded(now).startswith(MAGIC):
        return [difference.at("picture") for difference in _compare_base64(committed, now, tolerance)]
    found = [Difference(text) for text in compare_text(*(EMBEDDED.sub(_placeholder, text) for text in (committed, now)), tolerance)]
    embedded = [[match for match in EMBEDDED.finditer(text) if not match[3]] for text in (committed, now)]
    for rank, (old, new) in enumerate(zip(*embedded), 1):
        found += [difference.at(f"picture {rank}") for difference in _compare_base64(old[2], new[2], tolerance)]
    return found


def _placeholder(match):
    """What stands for an embedded picture in the text around it; a representation that was cut short keeps none of it."""
    return "…" if match[3] else f"data:{match[1]}"


def _decoded(text):
    """The bytes of a base64 text; none where it is something else."""
    try:
        return base64.b64decode(text, validate=True) if len(text) > 40 else b""
    except (binascii.Error, ValueError):
        return b""


def _compare_base64(committed, now, tolerance):
    """The difference of two pictures in base64, if it is beyond the tolerance."""
    if committed.strip() == now.strip():
        return []
    try:
        both = tuple(base64.b64decode(text) for text in (committed, now))
        changed = pictures.distance(*both, tolerance.shrink)
    except pictures.SizeChanged as error:
        return [Difference(str(error), both)]
    except (OSError, ValueError) as error:
        return [Difference(f"one of the two cannot be read as a picture ({_short(error)})")]
    if changed <= tolerance.img:
        return []
    return [Difference(f"it changed by {changed:.3f} in its worst block (limit {tolerance.img:g})", both)]
