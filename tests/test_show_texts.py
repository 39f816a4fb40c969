"""Figures of text: what they show, also for those who cannot see it, and a sentence for what cannot be shown."""
import re

import numpy as np
import pytest

from dlbook import data, show
from dlbook.show import texts
from dlbook.show.figures import contents


@pytest.fixture
def displayed(monkeypatch):
    """What `display` was given: a list of data."""
    import IPython.display

    calls = []
    monkeypatch.setattr(IPython.display, "display", lambda shown, metadata=None, raw=False: calls.append(shown))
    return calls


HISTORY = {"loss": [3.0, 2.0, 1.5], "val_loss": [2.5, 2.2, 2.1]}


def test_one_hot_shows_each_symbol_once_and_the_text_one_step_ahead():
    fig = show.one_hot("hello_wo", "Vectors")
    ax, = fig.axes
    assert [label.get_text() for label in ax.get_xticklabels()] == list("hello_w")
    assert [label.get_text() for label in ax.get_yticklabels()] == sorted(set("hello_wo"))
    inside = [text.get_text() for text in ax.texts]
    cells, targets = np.array(inside[:6 * 7], int).reshape(6, 7), "".join(inside[6 * 7:-1])
    assert (cells.sum(axis=0) == 1).all() and cells.sum(axis=1).tolist() == [1, 1, 1, 2, 1, 1]  # _ e h l o w
    assert targets == "ello_wo" and inside[-1] == "target"


def test_one_hot_names_what_cannot_be_seen():
    labels = [label.get_text() for label in show.one_hot("a \n\x00b", "x").axes[0].get_xticklabels()]
    assert labels == ["a", "space", "line end", r"\x00"]
    with pytest.raises(ValueError, match="got the text 'a'"):
        show.one_hot("a", "x")


def test_orders_keep_their_numbers():
    fig = show.orders({"n-gram": {1: 4.0, 2: 2.5}}, "Bits", {"LSTM": 0.75}, limit=0.5, limits=(0, 5))
    words = contents(fig)
    for part in ("n-gram: 4 2.5", "LSTM: 0.75: 0.75 0.75", "limit: 0.50: 0.5 0.5", "n, symbols counted together"):
        assert part in words
    assert fig.axes[0].get_ylim() == (0, 5)
    with pytest.raises(ValueError, match="series and levels; got 0"):
        show.orders({}, "Bits")


def test_learning_curves_in_nats_and_bits():
    fig = show.learning({"LSTM": HISTORY}, "Learning", {"published: 1.37": 1.37}, limits=(1, 3))
    words = contents(fig)
    for part in ("LSTM, training: 3 2 1.5", "LSTM, validation: 2.5 2.2 2.1", "published: 1.37: 1.37 1.37"):
        assert part in words
    right = next(iter(fig.axes[0].child_axes))
    fig.draw_without_rendering()
    assert right.get_ylabel() == "bits a symbol" and np.allclose(right.get_ylim(), np.array([1, 3]) / np.log(2))
    with pytest.raises(ValueError, match="got 0 and 0"):
        show.learning({}, "x")
    with pytest.raises(ValueError, match="at most 4 levels; got 1 and 5"):
        show.learning({"LSTM": HISTORY}, "x", {str(k): 1.0 for k in range(5)})


def test_one_epoch_is_drawn_too():
    assert "LSTM, training: 3" in contents(show.learning({"LSTM": {"loss": [3.0], "val_loss": [2.0]}}, "x", {"a": 1.0}))


def test_agreement_has_a_bar_for_each_model_and_kind():
    examples = {"near": "the dog sleep|s", "far": "the dog that sees the cats sleep|s"}
    fig = show.agreement({"count": {"near": 0.9, "far": 0.2}, "LSTM": {"near": 0.8, "far": 0.7}}, "Verbs", examples)
    words = contents(fig)
    assert "bars: 0.9 0.2" in words and "bars: 0.8 0.7" in words
    assert [label.get_text() for label in fig.axes[0].get_xticklabels()] == ["the dog\nsleep|s", "the dog that sees\nthe cats sleep|s"]
    with pytest.raises(ValueError, match="got 0"):
        show.agreement({}, "x", examples)


def test_samples_are_text_that_is_escaped_and_says_its_language(displayed):
    show.samples([("epoch 1", "a < b\n c"), ("epoch 2", "\x07tä")], "Written & read", "fi")
    html, plain = displayed[0]["text/html"], displayed[0]["text/plain"]
    assert "a &lt; b\n c" in html and html.count('lang="fi"') == 2 and "Written &amp; read" in html and "\x07" not in html
    assert plain == "Written & read\n--- epoch 1\na < b\n c\n--- epoch 2\n\u25aftä"
    with pytest.raises(ValueError, match="no sample"):
        show.samples([], "x")


def test_next_symbols_lists_the_likeliest_and_sums_the_rest():
    html = show.next_symbols([0.1, 0.6, 0.05, 0.25], data.Symbols("ab c"), count=2)
    assert re.findall(r"<th[^>]*>([^<]+)</th>", html) == ["b", "c", "2 others"]
    assert re.findall(r">(\d\.\d{3})</td>", html) == ["0.600", "0.250", "0.150"] and "width: 60.0%" in html
    assert re.findall(r"<th[^>]*>([^<]+)</th>", show.next_symbols([0.5, 0.5], " <")) == ["space", "&lt;"]
    with pytest.raises(ValueError, match="got 2 symbols and 3 probabilities"):
        show.next_symbols([0.2, 0.3, 0.5], "ab")


def test_pages_move_without_a_kernel():
    widget = show.pages(["<p>one</p>", "<p>two</p>"], ["T = 0", "T = 1"], "temperature")
    slider, stack = widget.children
    assert list(slider.options) == ["T = 0", "T = 1"] and [page.value for page in stack.children] == ["<p>one</p>", "<p>two</p>"]
    assert stack.selected_index == 0 and slider.description == "temperature"


@pytest.mark.parametrize("contents_, labels, words", [
    ([], [], "got 0 pages and the labels none"),
    (["a", "b"], ["x"], "got 2 pages and the labels x"),
    (["a", "b"], ["x", "x"], "got 2 pages and the labels x, x"),
])
def test_pages_need_labels_of_their_own(contents_, labels, words):
    with pytest.raises(ValueError, match=words):
        show.pages(contents_, labels, "x")


def test_figures_are_the_same_bytes_each_time():
    draw = lambda: show.png(texts.learning({"LSTM": HISTORY}, "Learning", {"a": 2.0}))
    assert draw() == draw()
