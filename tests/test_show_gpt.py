"""The chapter on the decoder: its drawings of attention, its table of layers, and the network that one can talk to."""
import importlib
import io

import numpy as np
import pytest
from PIL import Image

from dlbook import show
from dlbook.rnn.text import spec as rnn
from dlbook.show import attention, figures, svg
from dlbook.transformer.gpt import spec

talk = importlib.import_module("dlbook.show.chat")  # the module; the package's `chat` is its function
TEXT = "the\ncat"


def causal(T, seed=0):
    """Random attention that looks back only."""
    shares = np.tril(np.random.default_rng(seed).random((T, T)) + 0.1)
    return shares / shares.sum(1, keepdims=True)


# ---------------------------------------------------------------- maps

def test_a_map_names_its_symbols_and_shows_each_share():
    shares = causal(len(TEXT))
    ax = show.attention_map(shares, TEXT, "Layer 1").axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["t", "h", "e", "\u21b5", "c", "a", "t"]
    assert np.array_equal(ax.images[0].get_array(), shares) and ax.images[0].get_clim() == (0, 1)


def test_tokens_can_be_named_too():
    ax = show.attention_map(causal(3), ["the", " cat", "s"], "Tokens").axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["the", "\u2423cat", "s"]


def test_bars_are_the_shares_of_one_place():
    shares = causal(len(TEXT))
    fig = show.attention_from({"first": shares[4], "second": shares[6]}, TEXT, "From here")
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["first", "second"]
    for ax, row in zip(fig.axes, (shares[4], shares[6])):
        assert [bar.get_height() for bar in ax.patches] == pytest.approx(row.tolist())
    assert "From here" in figures.contents(fig)


def test_the_slider_has_a_picture_and_words_for_each_head():
    maps = np.stack([[causal(5, seed) for seed in (0, 1, 2)], [causal(5, seed) for seed in (3, 4, 5)]])
    slider, stack = show.attention_heads(maps, "abcde").children
    assert len(stack.children) == len(slider.options) == 6
    assert "layer 2, head 1: looks" in stack.children[3].value and 'alt="Attention of layer 2, head 1: looks' in stack.children[3].value
    assert len({child.value for child in stack.children}) == 6


@pytest.mark.parametrize("shares, words", [
    (np.eye(4), "looks 0.0 symbols back on average; 100% goes to the symbol itself, 0% to the one before"),
    (np.eye(4, k=-1) + np.diag([1, 0, 0, 0]), "looks 0.8 symbols back on average; 25% goes to the symbol itself, 100% to the one before"),
])
def test_what_a_head_does_is_said(shares, words):
    assert attention.habit(shares) == words


@pytest.mark.parametrize("call, words", [
    (lambda: show.attention_map(causal(3), "four", "x"), r"shape \(4, 4\); got \(3, 3\)"),
    (lambda: show.attention_map(2 * causal(3), "abc", "x"), "sum to 1; got shape .*, sum 2"),
    (lambda: show.attention_map(np.zeros((0, 0)), "", "x"), "one symbol or more; got none"),
    (lambda: show.attention_from({}, "abc", "x"), "row of a head or more; got none"),
    (lambda: show.attention_from({"a": np.full(2, 0.5)}, "abc", "x"), r"over 3 symbols .* got shape \(2,\)"),
    (lambda: show.attention_heads(causal(3), "abc"), r"\(layers, heads, T, T\); got \(3, 3\)"),
])
def test_what_is_no_attention_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_a_long_text_is_drawn_wider():
    small, large = (Image.open(io.BytesIO(figures.png(show.attention_map(causal(T), "a" * T, "x")))).size for T in (5, 50))
    assert large[0] > 2 * small[0]


# ---------------------------------------------------------------- the table of layers

@pytest.mark.parametrize("a", [spec.quick(26), spec.small(65), spec.GPT2, spec.Architecture(7, 5, 6, 3, 2)])
def test_the_table_counts_what_is_learnt(a):
    rows = spec.table(a)
    assert sum(row.parameters for row in rows) == spec.total(a)
    by_layer = {}
    for name, shape in spec.weight_shapes(a).items():
        by_layer[name.split(".")[0]] = by_layer.get(name.split(".")[0], 0) + int(np.prod(shape))
    assert {row.name: row.parameters for row in rows if row.parameters} == by_layer


def test_the_table_counts_operations_of_a_full_context():
    """By hand: 12 D^2 for the dense layers of a block, 2 C D for its attention, V D for the logits."""
    a = spec.GPT2
    expected = a.layers * (12 * a.width**2 + 2 * a.context * a.width) + a.symbols * a.width
    assert sum(row.operations for row in spec.table(a)) == expected


def test_published_size():
    assert sum(row.parameters for row in spec.table(spec.GPT2)) == spec.GPT2_PARAMETERS == 124_439_808


def test_the_race_is_between_equals():
    """What the chapter trains live, on the 26 symbols of the generated language."""
    assert spec.total(spec.quick(26)) == pytest.approx(rnn.total(rnn.quick(26)), rel=0.02)


def test_the_drawing_shows_the_norm_before_each_branch(monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata=None, raw=False: shown.append(data))
    rows = [row for row in spec.table(spec.small(65)) if row.block == "block1"]
    show.block_diagram(rows, "A block")
    show.diagram(spec.table(spec.GPT2), "GPT-2")
    steps = [line.split(" | ")[0] for line in shown[0]["text/plain"].splitlines()[2:]]
    assert steps == [row.name for row in rows] and steps[0] == "block1_norm1" and steps[5] == "block1_norm2"
    assert shown[0]["text/plain"].count("the input unchanged") == 2  # two residual branches
    assert "12 blocks block1-12 (768)" in shown[1]["text/plain"] and "124,439,808 parameters" in shown[1]["text/plain"]
    assert svg.colour("attention") in shown[1]["text/html"] and svg.colour("attention") != svg.GREY


# ---------------------------------------------------------------- talking

@pytest.fixture
def conversation():
    """A chat whose network repeats what it is told; what it was asked is kept."""
    asked = []

    def write(prompt, length, temperature, seed):
        asked.append((prompt, length, temperature, seed))
        if "?" in prompt:
            raise ValueError("'?' is not among the symbols this network knows.")
        return "<&>" * 3

    widget = show.chat(write, {"To be\n": "or not", "Sein": "oder"}, length=20)
    return widget, asked


def parts(widget):
    """The reader's box, slider, button and answer."""
    return widget.children[1].children


def test_examples_can_be_chosen_without_a_kernel(conversation):
    choice, answers = conversation[0].children[0].children
    assert list(choice.options) == ["To be", "Sein"] and answers.selected_index == 0
    assert "<b>To be\n</b>or not" in answers.children[0].value and "<b>Sein</b>oder" in answers.children[1].value


def test_the_network_is_asked_only_when_the_button_is_pressed(conversation):
    widget, asked = conversation
    box, slider, button, answer = parts(widget)
    assert asked == [] and talk.WAITING in answer.value and box.value == "To be\n"
    box.value, slider.value = "The king", 1.2
    button.click()
    assert asked == [("The king", 20, 1.2, 0)]
    assert "<b>The king</b>&lt;&amp;&gt;&lt;&amp;&gt;" in answer.value  # what a network writes is text, never HTML
    button.click()
    assert asked[1][-1] == 1  # another seed: another text


def test_an_unknown_symbol_is_said_and_the_next_try_works(conversation):
    box, _, button, answer = parts(conversation[0])
    box.value = "Who?"
    button.click()
    assert "&#x27;?&#x27; is not among the symbols this network knows." in answer.value and not button.disabled
    box.value = "Who"
    button.click()
    assert "<b>Who</b>" in answer.value


def test_what_needs_a_kernel_is_marked_for_the_style_sheet(conversation):
    from dlbook.runs import ROOT

    assert talk.LIVE in conversation[0].children[1]._dom_classes
    assert f".{talk.LIVE} {{ display: none; }}" in (ROOT / "book" / "_static" / "dlbook.css").read_text()


@pytest.mark.parametrize("recorded", [{}, {"": "x"}])
def test_a_chat_without_examples_is_refused(recorded):
    with pytest.raises(ValueError, match="needs recorded examples"):
        show.chat(lambda *_: "", recorded)


def test_long_prompts_are_one_line_in_the_list():
    assert talk._short("a\n" * 40) == "a " * 29 + "a\u2026" and talk._short("\n") == "(a line break)"
