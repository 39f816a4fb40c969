"""When each notebook was last executed and agreed with what is committed, and on what machine."""
import json
import os
from datetime import datetime, timezone
from pathlib import Path

from dlbook import machine
from dlbook.publish import ROOT, PublishError
from dlbook.publish.chapters import chapters
from dlbook.publish.fingerprint import file_hash

def record(notebook, cost, root=ROOT):
    """Note that a notebook was executed and every output agreed.

    Args:
        notebook: path of the notebook's file.
        cost: `kernels.Cost` of the execution.
        root: folder under which `_build/verified` is written.

    Returns:
        Path: the file written, `_build/verified/<name>.json`.
    """
    notebook = Path(notebook)
    about = {
        "seconds": cost.seconds, "memory_mb": cost.megabytes,
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "profile": os.environ.get("DLBOOK_PROFILE", "quick"),
        "versions": machine.versions(), "machine": {"processor": machine.processor(), "cores": os.cpu_count()},
        "notebook": file_hash(notebook),
    }
    path = Path(root) / "_build" / "verified" / f"{notebook.stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
    return path


def records(root=ROOT):
    """The last verification of each notebook, from the committed record and from runs on this machine.

    Args:
        root: the repository's folder.

    Returns:
        dict of chapter name to dict with `seconds, memory_mb, date, profile, versions, machine, notebook`; of two
        records of a chapter the one with the later date.

    Raises:
        PublishError: a record cannot be read.
    """
    committed = Path(root) / "book" / "verified.json"
    found = _read(committed) if committed.is_file() else {}
    for path in sorted((Path(root) / "_build" / "verified").glob("*.json")):
        about = _read(path)
        if about.get("date", "") >= found.get(path.stem, {}).get("date", ""):
            found[path.stem] = about
    return dict(sorted(found.items()))


def add_arguments(parser):
    """`python -m dlbook.publish verified` takes no arguments."""


def main(options, root=ROOT):
    """Write the merged records to `book/verified.json`.

    Args:
        options: none are used.
        root: the repository's folder.
    """
    merged = {name: about for name, about in records(root).items() if name in chapters(root)}
    path = Path(root) / "book" / "verified.json"
    path.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")
    print(f"book/verified.json: {len(merged)} of {len(chapters(root))} chapters verified")


def _read(path):
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PublishError(f"{path} is not valid JSON ({error}); delete it and verify the notebooks again.") from error
    if not isinstance(found, dict):
        raise PublishError(f"{path} must hold an object; delete it and verify the notebooks again.")
    return found
