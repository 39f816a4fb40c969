"""Pictures of units and of the ways forward and back."""
import pytest

from dlbook import show
from dlbook.show.backprop import chain, units


def test_few_units_are_all_drawn_and_of_many_the_first_and_last():
    fig = units([4, 100], "t", ["in", "out"])
    drawn = {line.get_label(): len(line.get_ydata()) for line in fig.axes[0].lines}
    assert drawn == {"4": 4, "100": 6}
    assert len(fig.axes[0].collections[0].get_segments()) == 24  # every unit with every unit
    texts = [text.get_text() for text in fig.axes[0].texts]
    assert texts == ["in", "...", "out"]
    assert show.png(fig).startswith(b"\x89PNG")


def test_arrows_go_there_and_back():
    fig = chain(["a", "b"], ["x", "y", "z"], ["dx", "dy", "dz"], "t")
    assert [text.get_text() for text in fig.axes[0].texts] == ["a", "b", "x", "dx", "y", "dy", "z", "dz"]
    arrows = [patch for patch in fig.axes[0].patches if hasattr(patch, "_posA_posB")]
    turns = [end[0] > start[0] for start, end in (arrow._posA_posB for arrow in arrows)]
    assert turns == [True, False] * 3


@pytest.mark.parametrize("act, words", [
    (lambda: units([3], "t", ["a"]), "two layers or more"), (lambda: units([3, 3], "t", ["a"]), "2 layers and 1 labels"),
    (lambda: chain(["a"], ["x"], ["y"], "t"), "1 modules need 2 arrows"), (lambda: chain([], [""], [""], "t"), "0 modules"),
])
def test_bad_input_gets_a_sentence(act, words):
    with pytest.raises(ValueError, match=words):
        act()
