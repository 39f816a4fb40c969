"""Planted defects must fail with a message that shows committed against now; a jitter inside the tolerance must pass."""
import base64
import copy
import io
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import nbformat
import numpy as np
import psutil
import pytest
from dlbook import machine
from dlbook.publish import PublishError, chapters, compare, notebooks, pictures, verified, widgets
from dlbook.publish.text import NUMBER, Tolerance, compare_text

pytestmark = pytest.mark.notebook
TESTS = Path(__file__).parent
HEAD = "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\n---\n\n# Defects\n"
SETUP = """
import base64, io, sys, warnings
import ipywidgets, numpy as np, matplotlib.pyplot as plt
from IPython.display import display

def draw(heights, title):
    figure, axes = plt.subplots(figsize=(4, 3))
    axes.bar(range(len(heights)), heights)
    axes.set_title(title)
    return figure

def png(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png")
    plt.close(figure)
    return file.getvalue()

def slides(heights, value):
    html = [f'<img src="data:image/png;base64,{base64.b64encode(png(draw([1, height], "frame"))).decode()}" alt="bars">' for height in heights]
    stack = ipywidgets.Stack([ipywidgets.HTML(text) for text in html], selected_index=value)
    slider = ipywidgets.IntSlider(value, 0, 1)
    ipywidgets.jslink((slider, "value"), (stack, "selected_index"))
    return ipywidgets.VBox([slider, stack])
"""
FIGURE = "draw([1, 2, {}], 'accuracy {}'); plt.show()"
ALT = "display({{'image/png': png(draw([1, 2], 'bars'))}}, raw=True, metadata={{'image/png': {{'alt': '{}'}}}})"
CURVE = "plt.figure(figsize=(4, 3)); x = np.linspace(0, 3); plt.plot(x, np.exp(-x) * (1 + {} * np.sin(40 * x))); plt.show()"
# name: (source, what it is filled with now, what with where the output is committed, tags, what the message must say)
DEFECTS = {
    "digit": ("print('accuracy {}')", ["0.9712"], ["0.9812"], "", ["accuracy 0.9812 -> 0.9712"]),
    "last digit": ("print('loss {}')", ["0.31457"], ["0.31458"], "", ["0.31458 -> 0.31457"]),
    "integer": ("print('{} digits')", ["1,797"], ["1,798"], "rtol:0.1", ["1,798 -> 1,797"]),
    "percent": ("print('{} %')", ["97.12"], ["-97.12"], "", ["-97.12 -> 97.12"]),
    "word": ("print('{} network')", ["deep"], ["wide"], "", ["committed `wide network`, now `deep network`"]),
    "bar": (FIGURE, ["3", "0.97"], ["2.9", "0.97"], "", ["figure: it changed by", "see ", ".png"]),
    "title": (FIGURE, ["3", "0.97"], ["3", "0.98"], "", ["figure: it changed by", "see ", ".png"]),
    "slider": ("slides([1, 2], {})", ["0"], ["1"], "", ["widget.children[0].value: 1 -> 0"]),
    "frame": ("slides([1, {}], 0)", ["2"], ["1.9"], "", ["children[1].children[1].value", "picture 1: it changed by", ".png"]),
    "alt text": (ALT, ["two bars"], ["three bars"], "", ["metadata.image/png.alt", "committed `three bars`, now `two bars`"]),
    "missing": ("print({})", ["1"], ["1); display('a'"], "", ["output 2 is missing", "'a'"]),
    "extra": ("print({})", ["1); display('a'"], ["1"], "", ["output 2 is extra", "'a'"]),
    "new warning": ("{}", ["warnings.warn('new')"], ["warnings"], "", ["standard error: UserWarning is new"]),
    "old warning": ("{}", ["None"], ["warnings.warn('old')"], "", ["standard error: UserWarning is gone"]),
    "html": ("display({{'text/html': '<b>{}</b>'}}, raw=True)", ["0.5"], ["0.6"], "", ["text/html: 0.6 -> 0.5"]),
    "glue": ("display({{'application/papermill.record/text/plain': '{}'}}, raw=True, metadata={{'scrapbook': {{'name': '{}'}}}})",
             ["0.5", "acc"], ["0.5", "loss"], "", ["committed `loss`, now `acc`"]),
    "exception": ("raise ValueError('got {}')", ["3"], ["4"], "raises-exception", ["got 4 -> 3"]),
    "count too far": ("print({})", ["100"], ["104"], "counts:3", ["104 -> 100"]),
}
JITTERS = {
    "number": ("print('accuracy {}  loss {}')", ["0.9712", "1.0e-3"], ["0.9733", "0.0010008"], "rtol:0.01"),
    "rounding": ("np.array([{}, 1.0])", ["0.123456789012345"], ["0.123456789012346"], ""),
    "count": ("print({})", ["100"], ["103"], "counts:3"),
    "curve": (CURVE, ["0"], ["1e-4"], ""),
    "same warning": ("warnings.warn('loss {}', RuntimeWarning)", ["0.1"], ["0.2"], ""),
    "address": ("print(object()){}", [""], ["  # "], ""),
}
FORBIDDEN = {"nbval-skip": "no cell is skipped", "NBVAL_IGNORE_OUTPUT": "no cell is skipped", "nbval-ignore-output": "no output ignored",
             "rtol:much": "'rtol:much' is malformed", "tol:0.1": "'tol:0.1' names no tolerance"}


def chapter(root, name, cells):
    """Write a chapter of cells given as (source, tags)."""
    blocks = []
    for source, tags in cells:
        listed = ", ".join(f'"{tag}"' for tag in tags.split())
        options = f":tags: [{listed}]\n\n" if tags else ""
        blocks.append(f"```{{code-cell}} ipython3\n{options}{source}\n```\n")
    for folder in ("chapters", "book"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "chapters" / f"{name}.md").write_text(HEAD + "\n" + "\n".join(blocks))
    (root / "constraints.txt").touch()


def filled(now):
    """The cells of the chapter of defects and jitters, as they are now or as they are committed."""
    every = [*DEFECTS.values(), *JITTERS.values()]
    return [(SETUP, ""), *((source.format(*(values if now else committed)), tags) for source, values, committed, tags, *_ in every)]


def with_outputs(notebook, other):
    """A notebook's cells with the outputs and widgets of another execution."""
    made = copy.deepcopy(notebook)
    for cell, source in zip(made.cells, other.cells):
        if cell.cell_type == "code":
            cell.outputs = source.outputs
    made.metadata["widgets"] = other.metadata["widgets"]
    return made


def run_pytest(root, *options):
    """Run pytest over the notebooks of a folder: dict of (notebook, test) to its message, empty where it passed; and what was printed."""
    report = root / "report.xml"
    (root / "pytest.ini").write_text("[pytest]\n")
    environment = dict(os.environ, PYTHONPATH=str(TESTS), JUPYTER_RUNTIME_DIR=str(root / "runtime"))
    command = [sys.executable, "-m", "pytest", "--nbval", f"--junitxml={report}", "-p", "no:cacheprovider", *options, "book"]
    printed = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = Path(case.get("classname").replace(".", "/")).name
        bad = [child.text or child.get("message") for child in case if child.tag in ("failure", "error", "skipped")]
        found[name if name != "ipynb" else Path(case.get("classname").replace(".", "/")).parts[-2], case.get("name")] = "\n".join(bad)
    return found, printed.stdout + printed.stderr


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Results of one run over a notebook full of defects, a clean one, one that was never executed, and one that hides outputs."""
    root = tmp_path_factory.mktemp("planted")
    chapter(root, "clean", filled(now=True))
    clean = notebooks.build("clean", root)
    chapter(root, "defects", filled(now=False))
    wrong = notebooks.build("defects", root).notebook
    nbformat.write(with_outputs(clean.notebook, wrong), root / "book" / "defects.ipynb")
    chapter(root, "fresh", [("print(1)", "")])
    nbformat.write(chapters.read_chapter(root / "chapters" / "fresh.md"), root / "book" / "fresh.ipynb")
    hiding = nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_code_cell(f"# {word}\n1" if word.isupper() else "1", execution_count=1, metadata={} if word.isupper() else {"tags": [word]})
        for word in FORBIDDEN])
    nbformat.write(hiding, root / "book" / "hiding.ipynb")
    found, printed = run_pytest(root, "-p", "nbval_book", "-n", "2", "--dist", "loadfile")
    return root, found, printed


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_fails(planted, name):
    message = planted[1]["defects", f"cell {list(DEFECTS).index(name) + 2}"]
    for words in DEFECTS[name][4]:
        assert words in message


@pytest.mark.parametrize("name", JITTERS)
def test_a_jitter_passes(planted, name):
    assert planted[1]["defects", f"cell {len(DEFECTS) + list(JITTERS).index(name) + 2}"] == ""


def test_an_honest_notebook_passes_and_is_recorded(planted):
    root, found, _ = planted
    assert len([test for notebook, test in found if notebook == "clean"]) == 1 + len(DEFECTS) + len(JITTERS)
    assert [message for (notebook, _), message in found.items() if notebook == "clean" and message] == []
    records = verified.records(root)
    assert list(records) == ["clean"]
    assert records["clean"]["seconds"] > 0 and records["clean"]["memory_mb"] > 20
    assert set(records["clean"]["versions"]) == {"python", *machine.PACKAGES}


def test_the_pictures_of_a_changed_figure_are_written(planted):
    root, found, _ = planted
    path = Path(found["defects", f"cell {list(DEFECTS).index('bar') + 2}"].split("see ")[1].splitlines()[0])
    assert path.is_relative_to(root / "_build" / "nbval" / "defects")
    sheet = pictures._pixels(path.read_bytes())
    assert sheet.shape[1] > 3 * 300 and sheet[:, -300:].min() < 0.7  # three panels, and the difference is visible


def test_a_notebook_that_was_never_executed_fails(planted):
    assert "never executed; run: make chapter NAME=fresh" in planted[1]["fresh", "cell 1"]


@pytest.mark.parametrize("word", FORBIDDEN)
def test_no_cell_hides_its_output(planted, word):
    assert FORBIDDEN[word] in planted[1]["hiding", f"cell {list(FORBIDDEN).index(word) + 1}"]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Results of one run over notebooks that do not run to their end."""
    root = tmp_path_factory.mktemp("stopped")
    endings = {"raises": "1 / 0", "dies": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "sleeps": "import time; time.sleep(60)"}
    (root / "book").mkdir()
    for name, source in endings.items():
        cells = [nbformat.v4.new_code_cell(text, execution_count=rank + 1) for rank, text in enumerate(["pass", source, "pass"])]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), root / "book" / f"{name}.ipynb")
    return root, *run_pytest(root, "-p", "nbval_book", "--nbval-cell-timeout", "2")


@pytest.mark.parametrize("name, reason", [
    ("raises", "raised ZeroDivisionError: division by zero"), ("dies", "ended its kernel (signal 9"), ("sleeps", "did not finish within 2 seconds")])
def test_a_cell_that_does_not_end_stops_its_notebook(stopped, name, reason):
    found = stopped[1]
    assert found[name, "cell 1"] == ""
    assert reason in found[name, "cell 2"]
    assert "not run, because cell 2" in found[name, "cell 3"] and reason in found[name, "cell 3"]


def test_no_kernel_stays_behind(stopped, planted):
    folders = [str(root / "runtime") for root in (stopped[0], planted[0])]
    commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert [command for command in commands if "ipykernel" in command and any(folder in command for folder in folders)] == []


def test_nbval_alone_runs_the_notebooks(tmp_path):
    chapter(tmp_path, "plain", [("print('accuracy 0.9712')", ""), ("print(3)", "")])
    notebook = notebooks.build("plain", tmp_path).notebook
    notebook.cells[-1].outputs[0].text = "4\n"
    nbformat.write(notebook, tmp_path / "book" / "plain.ipynb")
    found, _ = run_pytest(tmp_path, "--nbval-current-env", "--noconftest")
    assert found["plain", "Cell 0"] == "" and found["plain", "Cell 1"] != ""


def test_an_option_that_hides_differences_is_refused(tmp_path):
    command = [sys.executable, "-m", "pytest", "--nbval", "-p", "nbval_book", "--nbval-sanitize-with", "x", str(tmp_path)]
    printed = subprocess.run(command, cwd=tmp_path, env=dict(os.environ, PYTHONPATH=str(TESTS)), capture_output=True, text=True)
    assert printed.returncode != 0 and "hides differences" in printed.stderr


@pytest.mark.parametrize("text, numbers", [
    ("accuracy 0.9712 of 1,797", ["0.9712", "1,797"]), ("[1. 0. 0.5]", ["1.", "0.", "0.5"]), ("It has 10.", ["10"]),
    ("v1.2.3 conv2d_1 #1e5000 &#8217; 127.0.0.1", []), ("-1e-05 −3.5 nan -inf", ["-1e-05", "−3.5", "nan", "-inf"]), ("3e10abc 2.5GB", ["3", "2.5"])])
def test_numbers_are_found_in_text(text, numbers):
    assert NUMBER.findall(text) == numbers


@pytest.mark.parametrize("committed, now", [
    ("a  0.5\n-----", "a 0.5\n-------"), ("[ 0.1  1.]", "[0.1 1.]"), ("[1.0,\n 2.0]", "[1.0, 2.0]"), ("x 1", "x 0.999999"), ("nan 2.0", "nan 2.0000001"),
    ("1.2e-17", "-3e-16"), ("<a at 0x7f01>", "<a at 0x7f02>")])
def test_texts_that_agree(committed, now):
    assert compare_text(committed, now, Tolerance()) == []


@pytest.mark.parametrize("committed, now", [
    ("600810.", "600811."), ("10", "10.0"), ("07", "7"), ("a\nb", "a b"), ("a b", "ab"), ("nan", "0.5"), ("inf", "-inf"), ("1.2.3", "1.2.4"), ("9.9999", "9.9998"),
    ("-0.5", "0.5"), ("1e400", "2e400"), ("9007199254740993", "9007199254740992"), ("1 2", "1 2 3")])
def test_texts_that_differ(committed, now):
    assert compare_text(committed, now, Tolerance()) != []


@pytest.mark.parametrize("tags", [["rtol:x"], ["rtol=0.1"], ["rtol"], ["counts:1.5"], ["rtol:-1"], ["img:nan"], ["rtol:5"], ["shrink:0"], ["shrink:9"], ["shrink:1.5"], ["rtol:0.1", "rtol:0.2"], ["tol:1"]])
def test_a_malformed_tolerance_is_told(tags):
    with pytest.raises(PublishError, match="malformed|names no tolerance|declared twice"):
        Tolerance.from_tags(tags)


def test_tolerances_are_read_from_tags():
    assert Tolerance.from_tags(["hide-input", "rtol:0.02", "counts:3", "img:0.05", "atol:1e-3", "shrink:3"]) == Tolerance(0.02, 1e-3, 3, 0.05, 3)


def picture(change=0.0, size=(64, 64)):
    """Bytes of a PNG with a grey square, a little darker where `change` says so."""
    from PIL import Image

    grey = np.full(size, 255, dtype="uint8")
    grey[20:40, 20:40] = round(100 * (1 - change))
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "png")
    return file.getvalue()


def test_one_pixel_of_a_small_frame_is_seen():
    from PIL import Image

    grey = np.full((28, 28), 200, dtype="uint8")
    grey[5:20, 12:16] = 30
    other = grey.copy()
    other[3, 24] = 30
    files = [io.BytesIO(), io.BytesIO()]
    for file, pixels in zip(files, (grey, other)):
        Image.fromarray(pixels).save(file, "png")
    assert pictures.distance(*[file.getvalue() for file in files]) > Tolerance().img


def test_a_flat_patch_of_another_colour_is_seen():
    assert pictures.distance(picture(), picture()) == 0
    assert pictures.distance(picture(), picture(0.2)) > Tolerance().img
    assert pictures.distance(picture(), picture(0.01)) < Tolerance().img


def curve(values):
    """Bytes of a PNG with one curve on fixed axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    axes.plot(values)
    axes.set(xlim=(0, 9), ylim=(0, 1.1))
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def test_shrunk_pictures_forgive_a_pixel_and_not_a_curve():
    falling = 1 / np.arange(1, 11)
    moved, other = curve(falling * 1.02), curve(falling * 1.1)
    assert pictures.distance(curve(falling), moved) > 0.2 > pictures.distance(curve(falling), moved, shrink=3)
    assert pictures.distance(curve(falling), other, shrink=3) > 0.4


@pytest.mark.parametrize("other, words", [(picture(size=(64, 65)), "its size was 64 x 64 pixels and is 65 x 64"), (b"no picture", "cannot be read as a picture")])
def test_pictures_that_cannot_be_compared_are_told(other, words):
    outputs = [[nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(data).decode()})] for data in (picture(), other)]
    assert words in compare.compare_outputs(*outputs)[0].text


def test_a_widget_link_that_vanished_is_seen(planted):
    committed = chapters.read_notebook(planted[0] / "book" / "clean.ipynb")
    now = copy.deepcopy(committed)
    states = now.metadata["widgets"][widgets.STATE]["state"]
    for model_id in [key for key, model in states.items() if model["model_name"] == "LinkModel"]:
        del states[model_id]
    number = list(DEFECTS).index("slider") + 2
    pair = [dict(compare.code_cells(notebook))[number] for notebook in (committed, now)]
    assert "links had 1 items and has 0" in compare.compare_cells(*pair, committed, now)[0].text


def test_a_notebook_without_the_state_of_its_widgets_is_told(planted):
    committed = chapters.read_notebook(planted[0] / "book" / "clean.ipynb")
    now = copy.deepcopy(committed)
    del now.metadata["widgets"]
    number = list(DEFECTS).index("slider") + 2
    pair = [dict(compare.code_cells(notebook))[number] for notebook in (committed, now)]
    assert "state is not stored in the notebook of now" in compare.compare_cells(*pair, committed, now)[0].text
