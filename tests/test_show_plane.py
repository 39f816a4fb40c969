"""Figures of games in the plane: places, shades and arrows are where they should be, and a sentence for what cannot be drawn."""
import numpy as np
import pytest

from dlbook import show
from dlbook.show import plane

RNG = np.random.default_rng(0)
DOTS = RNG.normal(size=(600, 2))


def scene(**changes):
    return show.Scene(**{"label": "turn 1", "points": DOTS, "field": DOTS[:25, 0], "force": DOTS[:9]} | changes)


def test_a_lattice_is_the_middles_of_cells():
    assert np.allclose(show.lattice(2.0, 2), [[-1, -1], [1, -1], [-1, 1], [1, 1]])
    assert show.lattice(3.0, 5).shape == (25, 2) and np.abs(show.lattice(3.0, 5)).max() == pytest.approx(2.4)


def test_points_are_drawn_in_their_own_colour_and_marker():
    fig = show.points({"real": DOTS, "generated": DOTS + 1}, "Points", 2.0)
    ax = fig.axes[0]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["real", "generated"] and ax.get_title("left") == "Points"
    first, second = ax.collections
    assert np.allclose(first.get_offsets(), DOTS[:plane.DRAWN]) and np.allclose(second.get_offsets(), DOTS[:plane.DRAWN] + 1)
    assert (first.get_facecolor() != second.get_facecolor()).any() and first.get_paths()[0].vertices.shape != second.get_paths()[0].vertices.shape
    assert ax.get_xlim() == ax.get_ylim() == (-2, 2)


def test_a_scene_has_its_field_arrows_and_points():
    """The field's first row is the lowest: what a discriminator says of the lower left is drawn there."""
    fig = show.scenes([scene(field=np.arange(25) - 12.0), scene(label="turn 2", field=None, force=None)], "Game", 2.0, real=DOTS[:8])
    full, bare = fig.axes
    image, = full.images
    assert image.origin == "lower" and image.get_array()[0, 0] < 0.01 < 0.99 < image.get_array()[-1, -1] and image.get_extent() == [-2, 2, -2, 2]
    arrows, rings, dots = full.collections
    assert np.allclose(arrows.get_offsets(), show.lattice(2.0, 3))
    shown = np.column_stack([arrows.U, arrows.V])
    assert np.allclose(shown, DOTS[:9] / np.hypot(*DOTS[:9].T).max())
    assert len(rings.get_offsets()) == 8 and len(dots.get_offsets()) == plane.DRAWN
    assert not bare.images and len(bare.collections) == 2 and bare.get_title("left") == "turn 2"
    assert show.png(fig).startswith(b"\x89PNG")


def test_shades_are_beliefs_or_heights():
    logits = np.array([-1000.0, 0.0, np.log(3), 1000.0])
    assert np.allclose(plane.shade(scene(field=logits)), [0, 0.5, 0.75, 1])
    assert np.allclose(plane.shade(scene(field=np.array([5.0, 6.0, 7.0, 9.0]), beliefs=False)), [0, 0.25, 0.5, 1])
    assert (plane.shade(scene(field=np.ones(4), beliefs=False)) == 0.5).all()


def test_no_push_is_no_arrow():
    arrows = show.scenes([scene(force=np.zeros((9, 2)))], "Game", 2.0).axes[0].collections[0]
    assert (arrows.U == 0).all() and (arrows.V == 0).all()


def test_panels_without_a_moment_are_empty():
    fig = show.scenes([scene() for _ in range(4)], "Game", 2.0)
    assert len(fig.axes) == 6 and not fig.axes[4].axison and not fig.axes[5].axison and fig.axes[3].axison


def test_games_are_followed_side_by_side():
    histories = {name: {"step": [1, 2], "modes": [2, m], "kl": [1.0, 0.5]} for name, m in (("collapsed", 2), ("cured", 8))}
    modes, kl = show.coverage(histories, 8, "Two games").axes
    assert [list(line.get_ydata()) for line in modes.lines] == [[2, 2], [2, 8], [8, 8]] and [line.get_label() for line in kl.lines] == ["collapsed", "cured"]
    assert modes.lines[0].get_marker() != modes.lines[1].get_marker()


@pytest.mark.parametrize("call, words", [
    (lambda: show.lattice(0.0, 3), "a reach above 0; got 3 along each side and a reach of 0"),
    (lambda: show.points({}, "none", 1.0), "one to 7 sets; got 0"),
    (lambda: show.scenes([], "none", 1.0), "a moment or more"),
    (lambda: show.coverage({}, 8, "none"), "one to 7 histories; got 0"),
    (lambda: scene(field=np.zeros(24)), r"a field has a value for each place of a square lattice; got shape \(24,\)"),
    (lambda: scene(force=np.zeros(9)), r"a force has two values for each place of a square lattice; got shape \(9,\)"),
    (lambda: scene(field=np.zeros((9, 2))), "a field has a value"),
])
def test_what_cannot_be_drawn_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
