"""Every notebook is its chapter, executed, and up to date; and the machinery that makes it so."""
import copy
import json
import sys
from argparse import Namespace

import nbformat
import pytest
from dlbook.publish import ROOT, PublishError, chapters, compare, fingerprint, kernels, notebooks, verified
from dlbook.publish.__main__ import COMMANDS
from dlbook.publish.__main__ import main as publish
from dlbook.publish.resolve import glued, resolve

HEAD = "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\ncovers: [C1]\n---\n\n# A chapter\n\n"
SOURCE = HEAD + """
```{code-cell} ipython3
:tags: [hide-input]

import warnings
import ipywidgets, matplotlib.pyplot as plt, numpy as np
from dlbook.shapes import area
```

```{code-cell} ipython3
plt.figure(figsize=(3, 2)); plt.plot(np.arange(5) ** 2); plt.show()
slider = ipywidgets.IntSlider(2, 0, 5)
text = ipywidgets.IntText()
ipywidgets.jslink((slider, "value"), (text, "value"))
display(ipywidgets.VBox([slider, text]))
```

```{code-cell} ipython3
:tags: [hide-cell, raises-exception]

from tqdm import tqdm
print(area(2), object(), __import__("sys").executable, flush=True)
print([step for step in tqdm(range(3))])
warnings.warn("mind the gap")
raise ValueError("announced")
```
"""


@pytest.fixture
def house(tmp_path):
    """A small repository: one chapter, a package of four modules, a recorded run and a lock file."""
    files = {
        "chapters/small.md": SOURCE,
        "constraints.txt": "numpy==1\n",
        "code/dlbook/__init__.py": "",
        "code/dlbook/shapes/__init__.py": "def area(side):\n    from ..deep import power\n    return power(side)\n",
        "code/dlbook/shapes/table.csv": "1,2\n",
        "code/dlbook/deep.py": "def power(x):\n    return x ** 2\n",
        "code/dlbook/unrelated.py": "# nobody imports this\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def fresh(house, name="small"):
    """Write a notebook that claims to be made from the files as they are, without executing it."""
    notebook = chapters.read_chapter(house / "chapters" / f"{name}.md")
    notebook.metadata["dlbook"] = fingerprint.fingerprint(name, house) | {"outputs": fingerprint.outputs_hash(notebook)}
    (house / "book").mkdir(exist_ok=True)
    nbformat.write(notebook, house / "book" / f"{name}.ipynb")


def made():
    """Names of the chapters whose notebook is there; `test_no_notebook_is_stale` names the others."""
    return [name for name in chapters.chapters() if (ROOT / "book" / f"{name}.ipynb").is_file()]


def edit(path, text):
    """Write a file of the small repository."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_no_notebook_is_stale():
    reasons = [reason for name in chapters.chapters() for reason in fingerprint.stale(name)]
    assert not reasons, "\n".join(reasons)


def test_every_notebook_has_its_chapters_cells():
    wrong = []
    for name in made():
        source = chapters.read_chapter(ROOT / "chapters" / f"{name}.md")
        notebook = chapters.read_notebook(ROOT / "book" / f"{name}.ipynb")
        resolve(source, notebook, ROOT / "book")
        cells = [[(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in each.cells] for each in (source, notebook)]
        wrong += [] if cells[0] == cells[1] else [f"book/{name}.ipynb differs from chapters/{name}.md; run: make chapter NAME={name}"]
    assert not wrong, "\n".join(wrong)


def test_every_notebook_has_a_chapter():
    left_over = sorted({path.stem for path in (ROOT / "book").glob("*.ipynb")} - set(chapters.chapters()))
    assert not left_over, f"no chapter makes these notebooks; delete them: {left_over}"


def test_no_cell_hides_its_output():
    wrong = []
    for name in made():
        notebook = chapters.read_notebook(ROOT / "book" / f"{name}.ipynb")
        wrong += [f"{name}: {problem}" for numbered in compare.code_cells(notebook) for problem in chapters.problems(*numbered)]
    assert not wrong, "\n".join(wrong)


def test_a_second_execution_writes_the_same_bytes(house, capsys, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", str(house / "share"))  # a kernel of the user's own, which must not be taken
    edit(house / "share" / "kernels" / "python3" / "kernel.json", json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("MPLBACKEND", "agg")
    first = notebooks.build("small", house)
    data = first.path.read_bytes()
    assert notebooks.main(Namespace(names=["small"], all=False, timeout=60), house) == 0
    assert first.path.read_bytes() == data
    assert "no output changed" in capsys.readouterr().out
    assert first.cost.seconds > 0 and first.cost.megabytes > 20
    check_contents(first.notebook)
    assert fingerprint.stale("small", house) == []
    edited = chapters.read_notebook(first.path)
    edited.cells[-1].outputs[0]["text"] += " "
    nbformat.write(edited, first.path)
    assert "was edited after it was executed" in fingerprint.stale("small", house)[0]


def check_contents(notebook):
    """What the notebook of the small chapter must hold, and what must not be in it."""
    _, setup, live, last = notebook.cells
    assert notebook.metadata["covers"] == ["C1"]
    assert setup.metadata["jupyter"] == {"source_hidden": True}
    assert last.metadata["jupyter"] == {"source_hidden": True, "outputs_hidden": True}
    assert [sorted(output.data) for output in live.outputs] == [["image/png", "text/plain"], ["application/vnd.jupyter.widget-view+json", "text/plain"]]
    streams = {output.name: output.text for output in last.outputs if output.output_type == "stream"}
    assert streams["stdout"] == f"4 <object object at 0x0> {notebooks.portable(sys.executable)}\n[0, 1, 2]\n"
    assert streams["stderr"].startswith("cell.py:") and "it/s" not in streams["stderr"]
    assert last.outputs[-1].ename == "ValueError"


def test_a_cell_that_raises_leaves_the_old_notebook(house, capsys):
    edit(house / "chapters" / "small.md", HEAD + "```{code-cell} ipython3\nx = 1\n```\n\n```{code-cell} ipython3\n# divide\nx / 0\n```\n")
    fresh(house)
    before = (house / "book" / "small.ipynb").read_bytes()
    assert notebooks.main(Namespace(names=["small"], all=False, timeout=60), house) == 1
    message = capsys.readouterr().err
    assert "chapter small: cell 2 raised ZeroDivisionError: division by zero; book/small.ipynb is left as it was." in message
    assert "    x / 0" in message
    assert (house / "book" / "small.ipynb").read_bytes() == before
    assert [path.name for path in (house / "book").iterdir()] == ["small.ipynb"]


def test_a_kernel_that_does_not_start_says_why(house, monkeypatch):
    argv = [sys.executable, "-c", "raise SystemExit('a library is missing')", "{connection_file}"]
    monkeypatch.setattr(kernels, "get_kernel_dict", lambda: {"argv": argv, "display_name": "x", "language": "python"})
    with pytest.raises(PublishError, match="(?s)chapter small: the kernel did not start.*no notebook was written.*a library is missing"):
        notebooks.build("small", house)


@pytest.mark.parametrize("crash, words", [("os.write(2, b'CHECK failed'); time.sleep(0.5); os.abort()", "signal 6"), ("os._exit(3)", "exit status 3")])
def test_a_kernel_that_dies_is_told_with_its_last_words(house, crash, words):
    edit(house / "chapters" / "small.md", HEAD + f"```{{code-cell}} ipython3\nimport os, time\n{crash}\n```\n")
    with pytest.raises(PublishError, match=rf"cell 1 ended its kernel \({words}\)") as told:
        notebooks.build("small", house)
    assert ("CHECK failed" in str(told.value).split("no notebook")[1].split("abort()")[-1]) == ("CHECK" in crash)


@pytest.mark.parametrize("file, text, words", [
    ("chapters/small.md", SOURCE + "\nMore.\n", "chapters/small.md changed"),
    ("code/dlbook/deep.py", "def power(x):\n    return x ** 3\n", "code/dlbook/deep.py changed"),
    ("code/dlbook/__init__.py", "# changed\n", "code/dlbook/__init__.py changed"),
    ("code/dlbook/shapes/table.csv", "1,3\n", "code/dlbook/shapes/table.csv changed"),
    ("code/dlbook/shapes/__init__.py", "def area(side):\n    return side ** 2\n", "code/dlbook/deep.py is no longer used"),
    ("code/dlbook/shapes/__init__.py", "import dlbook.unrelated\nfrom dlbook import deep\n", "code/dlbook/unrelated.py is now used"),
    ("constraints.txt", "numpy==2\n", "constraints.txt changed")])
def test_a_change_makes_the_notebook_stale(house, file, text, words):
    fresh(house)
    assert fingerprint.stale("small", house) == []
    edit(house / file, text)
    assert f"book/small.ipynb is stale: {words}; refresh it with: make chapter NAME=small" in fingerprint.stale("small", house)


@pytest.mark.parametrize("file, text", [
    ("code/dlbook/unrelated.py", "# another comment\n"), ("code/dlbook/deep.py", "def power(x):\r\n    return x ** 2\r\n"), ("runs/cnn/other/a.json", "{}")])
def test_a_change_elsewhere_does_not(house, file, text):
    fresh(house)
    (house / file).parent.mkdir(parents=True, exist_ok=True)
    (house / file).write_bytes(text.encode())
    assert fingerprint.stale("small", house) == []


@pytest.mark.parametrize("statement", [
    "import dlbook.cnn.digits.with_torch", "from dlbook.cnn import digits", "from dlbook.cnn.digits import with_torch",
    "def late():\n    from dlbook.cnn.digits.with_torch import Net", "import importlib; importlib.import_module('dlbook.cnn.digits')"])
def test_a_recorded_run_belongs_to_its_system(house, statement):
    for name in ("cnn", "cnn/digits"):
        edit(house / "code" / "dlbook" / name / "__init__.py", "")
    edit(house / "code" / "dlbook" / "cnn" / "digits" / "with_torch.py", "Net = 1\n")
    edit(house / "runs" / "cnn" / "digits" / "torch-seed0.json", "{}")
    edit(house / "chapters" / "small.md", HEAD + f"```{{code-cell}} ipython3\n%matplotlib inline\n{statement}\n```\n")
    fresh(house)
    edit(house / "runs" / "cnn" / "digits" / "torch-seed0.json", '{"seed": 0}')
    assert [reason.split(":")[1].split(";")[0] for reason in fingerprint.stale("small", house)] == [" runs/cnn/digits/torch-seed0.json changed"]


def test_a_package_that_loads_its_modules_by_name_counts_them_all(house):
    edit(house / "code" / "dlbook" / "data" / "__init__.py",
         "def __getattr__(name):\n    import importlib\n    return importlib.import_module(f'dlbook.data.{name}')\n")
    edit(house / "code" / "dlbook" / "data" / "digits.py", "")
    edit(house / "chapters" / "small.md", HEAD + "```{code-cell} ipython3\nfrom dlbook import data\n```\n")
    assert fingerprint.imported(house / "chapters" / "small.md", house) == {"dlbook", "dlbook.data", "dlbook.data.digits"}


def test_a_missing_notebook_is_stale(house):
    assert fingerprint.stale("small", house) == ["book/small.ipynb does not exist; make it with: make chapter NAME=small"]


@pytest.mark.parametrize("cell, words", [
    (":tags: [nbval-skip]\n\n1", "no cell is skipped"), (":tags: [skip-execution]\n\n1", "no cell is skipped"), ("# NBVAL_IGNORE_OUTPUT\n1", "no output ignored"),
    (':tags: ["rtol:high"]\n\n1', "'rtol:high' is malformed"), (":tags: hide-input\n\n1", "cannot be read"), ("x = (", "not valid Python")])
def test_a_chapter_that_hides_or_errs_is_refused(house, cell, words):
    edit(house / "chapters" / "small.md", HEAD + f"```{{code-cell}} ipython3\n{cell}\n```\n")
    with pytest.raises(PublishError, match=words):
        notebooks.build("small", house)


def test_a_cell_inside_another_block_is_refused_and_an_example_is_not(house):
    cell = "```{code-cell} ipython3\n1\n```\n"
    edit(house / "chapters" / "small.md", HEAD + f"````{{tab-item}} A\n{cell}````\n")
    with pytest.raises(PublishError, match="stands inside another block, where it would never run"):
        chapters.read_chapter(house / "chapters" / "small.md")
    edit(house / "chapters" / "small.md", HEAD + f"````markdown\n{cell}````\n")
    assert [one.cell_type for one in chapters.read_chapter(house / "chapters" / "small.md").cells] == ["markdown"]


def executed(*cells):
    """A notebook whose cells, given as (source, printed), look executed."""
    made = [nbformat.v4.new_code_cell(source, execution_count=rank, outputs=[nbformat.v4.new_output("stream", name="stdout", text=text)])
            for rank, (source, text) in enumerate(cells, 1)]
    return nbformat.v4.new_notebook(cells=made)


def test_changes_are_told_cell_by_cell():
    old = executed(("a = 1", "1"), ("train()", "accuracy 0.9712"), ("b", "0.5"), ("gone", "x"))
    new = executed(("a = 1", "1"), ("train()", "accuracy 0.9733"), ("b", "0.5000001"))
    told = compare.describe(old, new)
    assert told[0].startswith("cell 2 (train()): output 1: accuracy 0.9712 -> 0.9733")
    assert told[1:] == ["cell 3 (b): 1 change within its tolerance", "cell 4 (gone) is gone"]
    assert compare.describe(old, copy.deepcopy(old)) == []


def text_and_glue(text, **numbers):
    """A notebook of one text cell and one cell that has glued numbers."""
    outputs = [nbformat.v4.new_output("display_data", {"application/papermill.record/text/plain": repr(value)}, metadata={"scrapbook": {"name": name}})
               for name, value in numbers.items()]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(outputs=outputs)])


def test_numbers_and_code_are_put_into_the_text(house):
    notebook = text_and_glue("It reads {glue:text}`share` of {glue:text}`n`.\n\n```{literalinclude} ../code/dlbook/deep.py\n:language: python\n"
                             ":pyobject: power\n```\n\nEnd.", share="97.8%", n=599)
    assert glued(notebook) == {"share": "97.8%", "n": "599"}
    resolve(notebook, notebook, house / "chapters")
    assert notebook.cells[0].source == "It reads 97.8% of 599.\n\n```python\ndef power(x):\n    return x ** 2\n```\n\nEnd."


@pytest.mark.parametrize("text, words", [
    ("{glue:text}`other`", "'other', which no cell glues; there are: n"),
    ("```{literalinclude} ../code/dlbook/none.py\n```", "none.py cannot be shown"),
    ("```{literalinclude} ../code/dlbook/deep.py\n:pyobject: root\n```", "deep.py cannot be shown"),
])
def test_a_number_or_code_that_is_missing_is_told(house, text, words):
    notebook = text_and_glue(text, n=1)
    with pytest.raises(PublishError, match=words):
        resolve(notebook, notebook, house / "chapters")


def test_an_unknown_chapter_is_told_with_those_that_exist(house):
    with pytest.raises(PublishError, match="there is no chapter 'smal'; there are: small."):
        notebooks.main(Namespace(names=["smal"], all=False, timeout=60), house)


def test_the_newest_verification_wins(house):
    edit(house / "book" / "verified.json", json.dumps({"small": {"date": "2030-01-01T00:00:00Z"}, "old": {"date": "2020-01-01T00:00:00Z"}}))
    edit(house / "book" / "small.ipynb", "{}")
    verified.record(house / "book" / "small.ipynb", kernels.Cost(1.5, 100), house)
    assert verified.records(house)["small"] == {"date": "2030-01-01T00:00:00Z"}
    edit(house / "book" / "verified.json", "{}")
    verified.main(None, house)
    kept = json.loads((house / "book" / "verified.json").read_text())
    assert kept["small"]["seconds"] == 1.5 and kept["small"]["machine"]["cores"] >= 1


def test_no_chapter_took_longer_than_a_minute():
    """What a reader waits at most: the last verification, as committed."""
    seconds = {name: about["seconds"] for name, about in json.loads((ROOT / "book" / "verified.json").read_text()).items()}
    assert not {name: taken for name, taken in seconds.items() if taken > 60}, "too slow, or verified on a busy machine"


def test_a_broken_record_is_told(house):
    edit(house / "_build" / "verified" / "small.json", "{")
    with pytest.raises(PublishError, match="small.json is not valid JSON"):
        verified.records(house)


def test_every_command_is_listed_and_explains_itself(capsys):
    for name in COMMANDS:
        with pytest.raises(SystemExit) as stopped:
            publish([name, "--help"])
        assert stopped.value.code == 0 and f"publish {name}" in capsys.readouterr().out
