"""What a notebook was made from: the files whose change makes it stale."""
import ast
import functools
import hashlib
import json
from pathlib import Path

from dlbook.publish import ROOT, PublishError
from dlbook.publish.chapters import read_chapter, read_notebook

PACKAGE = "dlbook"
LOCK = "constraints.txt"


def fingerprint(name, root=ROOT):
    """Hashes of everything that a chapter's outputs depend on.

    Args:
        name: the chapter's name.
        root: the repository's folder.

    Returns:
        dict: `sources` maps each file (relative to the root) to its SHA-256, whatever its line endings. The files are the chapter,
        the modules of the package that it imports, directly or through others, data files beside these modules, the recorded
        runs of the systems among them, and the lock file.
    """
    root = Path(root)
    chapter = root / "chapters" / f"{name}.md"
    files = [chapter, root / LOCK, *_module_files(imported(chapter, root), root)]
    return {"sources": {path.relative_to(root).as_posix(): file_hash(path) for path in sorted(files) if path.is_file()}}


def outputs_hash(notebook):
    """SHA-256 of everything that executing a notebook gave: a stored output that was edited by hand is seen, however little it changed.

    Args:
        notebook: NotebookNode.

    Returns:
        str, 64 hexadecimal digits.
    """
    given = [(cell.execution_count, cell.outputs) for cell in notebook.cells if cell.cell_type == "code"]
    text = json.dumps([given, notebook.metadata.get("widgets")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def stale(name, root=ROOT):
    """Why a chapter's notebook is not up to date.

    Args:
        name: the chapter's name.
        root: the repository's folder.

    Returns:
        list of str, one sentence for each reason; empty where it is up to date.
    """
    path = Path(root) / "book" / f"{name}.ipynb"
    remedy = f"refresh it with: make chapter NAME={name}"
    if not path.is_file():
        return [f"book/{name}.ipynb does not exist; make it with: make chapter NAME={name}"]
    notebook = read_notebook(path)
    about = notebook.metadata.get("dlbook", {})
    recorded = about.get("sources")
    if recorded is None:
        return [f"book/{name}.ipynb does not say what it was made from; {remedy}"]
    edited = [] if about.get("outputs") == outputs_hash(notebook) else [f"book/{name}.ipynb was edited after it was executed; {remedy}"]
    current = fingerprint(name, root)["sources"]
    changes = {file: "changed" for file in current.keys() & recorded.keys() if current[file] != recorded[file]}
    changes |= {file: "is now used" for file in current.keys() - recorded.keys()}
    changes |= {file: "is no longer used" for file in recorded.keys() - current.keys()}
    return edited + [f"book/{name}.ipynb is stale: {file} {changes[file]}; {remedy}" for file in sorted(changes)]


def imported(chapter, root=ROOT):
    """The package's modules that a chapter imports, directly or through other modules, at the top or inside functions.

    Args:
        chapter: path of the chapter's source.
        root: the repository's folder.

    Returns:
        set of str, dotted names; the packages that contain them are among them.

    Raises:
        PublishError: a cell or a module is no valid Python.
    """
    code = Path(root) / "code"
    waiting, seen = set(), set()
    for cell in read_chapter(chapter).cells:
        if cell.cell_type == "code":
            waiting |= _mentioned(_parsed(_without_magics(cell.source), chapter), "", False, code)
    while waiting:
        module = waiting.pop()
        seen.add(module)
        path = _file(module, code)
        waiting |= _imports_of(path, path.stat().st_mtime_ns, module, code) - seen
    return seen


def file_hash(path):
    """SHA-256 of a file; the line endings of a text do not matter.

    Args:
        path: a file.

    Returns:
        str, 64 hexadecimal digits.
    """
    data = Path(path).read_bytes()
    return hashlib.sha256(data if b"\0" in data else data.replace(b"\r\n", b"\n")).hexdigest()


def _module_files(modules, root):
    """The modules' files, the data files beside them, and the recorded runs of the systems they belong to."""
    code, files = root / "code", set()
    for module in modules:
        path = _file(module, code)
        files.add(path)
        files |= {data for data in path.parent.iterdir() if _is_data(data)}
        parts = module.split(".")[1:3]
        if len(parts) == 2:
            files |= {record for record in (root / "runs").joinpath(*parts).rglob("*") if _is_data(record)}
    return files


def _is_data(path):
    return path.is_file() and path.suffix not in (".py", ".pyc", ".part", ".tmp") and not path.name.startswith(".")


def _without_magics(source):
    """A cell's source with IPython's own syntax turned into Python."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


def _parsed(source, path):
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise PublishError(f"{path}: not valid Python ({error.msg}): {(error.text or '').strip()}") from error


@functools.lru_cache(maxsize=None)
def _imports_of(path, _changed, module, code):
    """Modules that a module's file mentions; the time of its last change is part of the key of the cache."""
    return frozenset(_mentioned(_parsed(path.read_text(encoding="utf-8"), path), module, path.name == "__init__.py", code))


def _mentioned(tree, module, is_package, code):
    """The package's modules that a syntax tree imports, and the packages around them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package)
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            names |= _by_name(node.args[0], module, is_package, code)
    around = {".".join(name.split(".")[:end]) for name in names for end in range(1, name.count(".") + 2)}
    return {name for name in around if name.split(".")[0] == PACKAGE and _file(name, code)}


def _absolute(node, module, is_package):
    """The dotted name that a `from ... import` starts from."""
    if not node.level:
        return node.module
    parts = module.split(".")
    parts = parts[:len(parts) - node.level + is_package]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", None))


def _by_name(argument, module, is_package, code):
    """Modules that `import_module` may load: the one named, or all in the package where the name is computed there."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return {module + argument.value if argument.value.startswith(".") else argument.value}
    if not is_package:
        return set()
    folder = code.joinpath(*module.split("."))
    return {".".join(path.relative_to(code).with_suffix("").parts) for path in folder.rglob("*.py") if path.name != "__init__.py"}


def _file(module, code):
    """The file of a module; None where the name is not a module of the package."""
    path = code.joinpath(*module.split("."))
    if (path / "__init__.py").is_file():
        return path / "__init__.py"
    return path.with_name(path.name + ".py") if path.with_name(path.name + ".py").is_file() else None
