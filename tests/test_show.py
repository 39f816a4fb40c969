"""What is shown: the same bytes each time, never without alt text, and a sentence for what cannot be shown."""
import io

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dlbook import show


@pytest.fixture
def shown(monkeypatch):
    """What `display` was given: a list of (data, metadata)."""
    import IPython.display

    calls = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata=None, raw=False: calls.append((data, metadata)))
    return calls


def plot():
    fig, ax = show.new_figure()
    ax.plot([1, 2, 3], [1, 4, 9])
    ax.set(title="squares", xlabel="n", ylabel="n squared")
    return fig


def test_the_same_figure_gives_the_same_bytes_and_size():
    from io import BytesIO

    from PIL import Image

    assert show.png(plot()) == show.png(plot())
    assert Image.open(BytesIO(show.png(plot()))).size == (768, 384)  # 6.4 x 3.2 inches at 120 dots


def test_a_figure_carries_its_alt_text(shown):
    show.figure(plot(), alt="The squares\n of one to three.")
    data, metadata = shown[0]
    assert data["image/png"].startswith(b"\x89PNG") and metadata["image/png"]["alt"] == "The squares of one to three."


def test_a_figure_carries_its_words_and_numbers(shown):
    """They are compared too: a changed title or value is seen even where the picture may differ a little."""
    fig, axes = show.new_figure(rows=1, columns=2)
    axes[0].plot([1, 2], [0.5, 0.25], label="loss")
    axes[0].legend()
    axes[0].set(title="Curve", xlabel="epoch")
    axes[1].bar([1, 2], [3, 4])
    axes[1].text(1, 3, "three")
    show.figure(fig, alt="A curve and bars.")
    assert shown[0][0]["text/plain"].splitlines() == ["[A curve and bars.]", "Curve | epoch | loss", "loss: 0.5 0.25", "three", "bars: 3 4"]


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_no_figure_without_alt_text(alt):
    with pytest.raises(ValueError, match="needs alt text"):
        show.figure(plot(), alt=alt)


def test_only_figures_are_figures():
    with pytest.raises(TypeError, match="Figure is needed; got list"):
        show.figure([], alt="nothing")
    assert isinstance(plot(), Figure)


@pytest.mark.parametrize("images, error, words", [
    (np.zeros((28, 28)), ValueError, r"got \(28, 28\)"),
    (np.zeros((1, 28, 28), int), TypeError, "dtype int64"),
    (np.full((1, 28, 28), 255.0), ValueError, "got 255 to 255"),
    (np.zeros((1, 28, 28, 4)), ValueError, r"got \(1, 28, 28, 4\)"),
])
def test_pictures_that_cannot_be_drawn(images, error, words):
    with pytest.raises(error, match=words):
        show.grid(images, "pictures")


def test_a_confusion_matrix_is_square():
    with pytest.raises(ValueError, match=r"square; got shape \(2, 3\)"):
        show.confusion(np.zeros((2, 3), int), "counts")


@pytest.mark.parametrize("call, words", [
    (lambda: show.grid(np.zeros((0, 4, 4)), "none"), "got 0 pictures"),
    (lambda: show.grid(np.zeros((3, 4, 4)), "few", ["one"]), "got 3 pictures, 1 labels"),
    (lambda: show.grid(np.zeros((3, 4, 4)), "none", columns=0), "0 columns"),
    (lambda: show.mistakes(np.zeros((2, 4, 4)), [1, 2], [1], "x"), "got 2 and 1"),
    (lambda: show.numbers(np.zeros((4, 4, 3)), "x"), r"got \(4, 4, 3\)"),
    (lambda: show.curves({}, "x"), "got none"),
    (lambda: show.curves({"a": {"loss": [1.0]}}, "x"), "each with accuracy, loss, val_accuracy, val_loss; got a"),
    (lambda: show.confusion(np.full((2, 2), 0.5), "x"), "counts, whole numbers from 0 on; got dtype float64"),
    (lambda: show.frames(np.zeros((2, 4, 4)), ["a", "b"], "x", alts=["a"]), "got 2 pictures and 1 texts"),
])
def test_what_cannot_be_shown_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_table(shown):
    show.table(["layer", "parameters"], [["conv1", 320], ["dense1", 589_952]], "Layers <all>")
    html = shown[0][0]["text/html"]
    assert "Layers &lt;all&gt;" in html and '<td style="text-align: right">589,952</td>' in html and 'scope="col"' in html
    with pytest.raises(ValueError, match="2 columns; this row has 1"):
        show.table(["a", "b"], [[1]], "x")


def test_quiz(shown):
    answers = [("1", False, "Too few."), ("2", True, "One and one."), ("3 < 4", False, "Too many.")]
    show.quiz("How many?", answers)
    html = shown[0][0]["text/html"]
    assert html.count("<details") == 3 and html.count('class="right"') == 1 and "3 &lt; 4" in html
    with pytest.raises(ValueError, match="exactly one right answer; this one has 0"):
        show.quiz("How many?", answers[:1])
    with pytest.raises(ValueError, match="needs feedback"):
        show.quiz("How many?", [*answers, ("4", False, "")])


def test_frames_hold_a_picture_each_with_alt_text():
    images = np.linspace(0, 1, 3 * 64).reshape(3, 8, 8)
    widget = show.frames(images, ["<b>one</b>", "two", "three"], "image")
    slider, stack = widget.children
    assert list(slider.options) == ["1 of 3", "2 of 3", "3 of 3"] and stack.selected_index == 0
    sources = [child.value for child in stack.children]
    assert len(set(sources)) == 3 and 'alt="one"' in sources[0] and all("data:image/png;base64," in s for s in sources)
    with pytest.raises(ValueError, match="3 pictures and 1 captions"):
        show.frames(images, ["one"], "image")


def test_two_sliders_choose_a_row_and_a_column():
    files = show.as_jpeg(np.linspace(0, 1, 6 * 8 * 8 * 3).reshape(6, 8, 8, 3))
    names = [[f"{row}{column}" for column in "xyz"] for row in "ab"]
    widget = show.frames_of_two([files[:3], files[3:]], ("ab", "xyz"), names, ("row", "column"))
    row, column, outer = widget.children
    assert [slider.description for slider in (row, column)] == ["row", "column"] and list(column.options) == list("xyz")
    shown = [[html.value for html in inner.children] for inner in outer.children]
    assert [[f'alt="{name}"' in html for name, html in zip(*pair)] for pair in zip(names, shown)] == [[True] * 3] * 2
    assert len({html for inner in shown for html in inner}) == 6 and "data:image/jpeg;base64," in shown[0][0]
    with pytest.raises(ValueError, match=r"2 rows and 3 columns are named; got pictures of \[3\]"):
        show.frames_of_two([files[:3]], ("ab", "xyz"), names, ("row", "column"))


def test_a_figure_of_photos_is_kept_as_jpeg_with_its_words(shown):
    show.figure(plot(), "Three points.", photos=True)
    data, about = shown[0]
    assert set(data) == {"image/jpeg", "text/plain"} and about["image/jpeg"]["alt"] == "Three points."
    assert data["image/jpeg"].startswith(b"\xff\xd8") and "squares" in data["text/plain"]


def test_jpeg_loses_little():
    picture = np.zeros((1, 16, 16, 3))
    picture[0, :8, :, 0] = 0.5
    read = np.asarray(Image.open(io.BytesIO(show.as_jpeg(picture)[0]))) / 255
    assert np.abs(read - picture[0]).mean() < 0.02


def test_spread_shows_every_seed_and_the_means():
    fig = show.spread({"plain": {8: [0.9, 0.8], 20: [0.5, 0.7]}, "residual": {8: [0.9], 20: [1.0]}}, "Depth", "layers", "accuracy")
    lines = [line.get_ydata().tolist() for line in fig.axes[0].lines]
    assert lines == [[pytest.approx(0.85), pytest.approx(0.6)], [0.9, 0.8, 0.5, 0.7], [0.9, 1.0], [0.9, 1.0]]
    for nothing in ({}, {"plain": {8: []}}):
        with pytest.raises(ValueError, match="each x with a value or more; got"):
            show.spread(nothing, "", "", "")
