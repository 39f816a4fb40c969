"""The playground: points, networks, moments, the drawing and its live controls."""
import re
from dataclasses import replace

import numpy as np
import pytest

from dlbook.basics import playground as play_module
from dlbook.basics.playground import SETS, Moment, Settings, build, field, play, points
from dlbook.show.playground import _Live, drawing, playground


@pytest.mark.parametrize("name", SETS)
def test_points_have_two_classes_and_come_again(name):
    x, labels = points(name, 400, seed=3)
    assert x.shape == (400, 2) and np.bincount(labels).tolist() == [200, 200] and np.abs(x).max() < play_module.REACH
    assert (x == points(name, 400, seed=3)[0]).all() and not np.allclose(x, points(name, 400, seed=4)[0])
    moved = points(name, 400, noise=0.2, seed=3)[0] - x
    assert abs(moved.std() - 0.2) < 0.02 and abs(moved.mean()) < 0.03


@pytest.mark.parametrize("seed", range(3))
def test_a_straight_line_cannot_and_a_hidden_layer_can(seed):
    for name, least in (("circle", 0.95), ("corners", 0.95)):
        line = play(Settings(data=name, depth=0, seed=seed), [200])[-1]
        hidden = play(Settings(data=name, width=8, depth=2, seed=seed), [200])[-1]
        assert line.right["training"] < 0.7 and hidden.right["training"] > least and hidden.right["test"] > 0.9
    assert play(Settings(data="halves", depth=0, seed=seed), [200])[-1].right["test"] > 0.9


def test_moments_tell_of_the_past_only():
    found = play(Settings(epochs=10), [0, 4, 10])
    assert [moment.epoch for moment in found] == [0, 4, 10] and [len(moment.losses["training"]) for moment in found] == [1, 5, 11]
    assert found[0].losses["test"] == found[2].losses["test"][:1]
    assert all(moment.field.shape == (40, 40) and 0 <= moment.field.min() <= moment.field.max() <= 1 for moment in found)


def test_a_training_can_be_ended():
    assert [moment.epoch for moment in play(Settings(epochs=50), range(51), on_moment=lambda moment: moment.epoch == 3)] == [0, 1, 2, 3]


def test_the_field_has_up_above():
    class Up:
        def forward(self, x):
            return np.stack([0 * x[:, 1], 20 * x[:, 1]], 1)

    seen = field(Up())
    assert seen[0].min() > 0.99 and seen[-1].max() < 0.01


def test_sizes_of_the_network():
    assert [w.shape for w in build(Settings(width=3, depth=2)).weights.values()] == [(3, 2), (3,), (3, 3), (3,), (2, 3), (2,)]
    assert [w.shape for w in build(Settings(depth=0)).weights.values()] == [(2, 2), (2,)]


# ---------------------------------------------------------------- the page

def moment(epoch=1, belief=0.5):
    return Moment(epoch, np.full((40, 40), belief), {"training": [0.7, 0.3][:epoch + 1], "test": [0.7, 0.4][:epoch + 1]}, {"training": 0.9, "test": 0.8})


def test_the_drawing_says_what_it_shows():
    html = drawing((np.array([[0, 0], [1.5, 1.5]]), np.array([0, 1])), moment(), "circle, wide")
    assert "after 1 epochs 90 % of the training points and 80 % of new points" in html
    assert 'aria-label="circle, wide: after 1 epochs' in html and html.count("M100 100h0") == 2 and "M198 2h0" in html
    assert drawing((np.zeros((1, 2)), np.zeros(1, int)), moment(belief=0.9), "a") != drawing((np.zeros((1, 2)), np.zeros(1, int)), moment(), "a")


def test_three_lists_choose_a_moment():
    sets = {name: points(name, 10) for name in ("circle", "corners")}
    plays = {name: {what: [moment(0), moment(1)] for what in ("a", "b", "c")} for name in sets}
    widget = playground(sets, plays)
    stack = widget.children[3]
    assert [len(stack.children), len(stack.children[0].children), len(stack.children[0].children[0].children)] == [2, 3, 2]
    assert [len(chooser.options) for chooser in widget.children[:3]] == [2, 3, 2] and len(widget.children) == 4
    assert "corners, c: after 1" in stack.children[1].children[2].children[1].value
    live = playground(sets, plays, settings=Settings()).children[4]
    assert "dlbook-live" in live._dom_classes


def test_sets_that_do_not_match_are_refused():
    sets = {"circle": points("circle", 4), "corners": points("corners", 4)}
    with pytest.raises(ValueError, match="the same experiments and the same moments"):
        playground(sets, {"circle": {"a": [moment()]}, "corners": {"b": [moment()]}})
    with pytest.raises(ValueError, match="the same experiments and the same moments"):
        playground({}, {})


def test_the_live_controls_train_and_stop():
    live = _Live(Settings(epochs=20))
    live.controls["data"].value, live.controls["depth"].value = "corners", 2
    live.on_start(None)
    live.thread.join(60)
    assert live.note.value == "Done." and "corners: after 20 epochs" in live.picture.value and not live.start.disabled
    live.controls["epochs"].value = 1000
    live.on_start(None)
    live.stop.click()
    live.thread.join(60)
    assert live.note.value == "Stopped." and int(re.search(r"after (\d+) epochs", live.picture.value)[1]) < 1000


@pytest.mark.parametrize("change, words", [
    ({"data": "moon"}, "data is one of halves, circle"), ({"activation": "gelu"}, "activation is one of ReLU"), ({"width": 0}, "width and epochs are 1 or more"),
    ({"depth": -1}, "depth 0 or more"), ({"learning_rate": 0}, "learning rate is above 0"), ({"noise": -1}, "the noise not below"),
])
def test_impossible_settings_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        replace(Settings(), **change)
