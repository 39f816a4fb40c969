"""Style transfer by patches: the nearest patch and the loss against their definitions, equal twins, and what is refused."""
import inspect
from dataclasses import replace

import numpy as np
import pytest

from dlbook import profile

profile.setup()

import tensorflow as tf  # noqa: E402  (profile.setup comes first)
import torch  # noqa: E402

from dlbook.cnn.vgg import spec as vgg  # noqa: E402
from dlbook.parity import compare  # noqa: E402
from dlbook.style.gatys import spec as gatys  # noqa: E402
from dlbook.style.painting import paint  # noqa: E402
from dlbook.style.patches import spec, with_keras, with_torch  # noqa: E402

TWINS = {"keras": with_keras, "torch": with_torch}
SMALL = vgg.Architecture((4, 5, "M", 6, "M", 7, 7), top=False, size=None, hidden=(), scaling="caffe")
SETTINGS = gatys.Settings(content_layers=("relu3_2",), style_layers=("relu2_1", "relu3_1"), style_weight=0.5, variation_weight=10.0, steps=10)
RNG = np.random.default_rng(0)
CONTENT, STYLE, OTHER, IMAGE = (RNG.random(shape) for shape in ((26, 33, 3), (24, 29, 3), (31, 24, 3), (26, 33, 3)))
BOTH = pytest.mark.parametrize("which", TWINS)


def network(which, a=SMALL, dtype="float64", seed=3):
    return TWINS[which].vgg.vgg(a, seed, dtype=dtype)


def at(which, image=IMAGE, styles=STYLE, settings=SETTINGS, a=SMALL):
    return TWINS[which].objective(network(which, a), CONTENT, styles, settings)(image)


def tensor(which, values):
    return tf.constant(values) if which == "keras" else torch.tensor(values)


def maps(which, values):
    """(1, H, W, C) values in a twin's own layout."""
    return tf.constant(values) if which == "keras" else torch.tensor(values).movedim(-1, 1)


def by_loops(features):
    """All patches of (H, W, C), one by one."""
    height, width = features.shape[:2]
    return np.array([features[r:r + 3, c:c + 3].ravel() for r in range(height - 2) for c in range(width - 2)])


def nearest_by_loops(found, style):
    score = lambda x, s: x @ s / (np.linalg.norm(x) * np.linalg.norm(s))
    return [int(np.argmax([score(x, s) for s in style])) for x in found]


# ---------------------------------------------------------------- patches and their loss

@BOTH
def test_patches_are_all_pieces(which):
    features = RNG.normal(size=(1, 5, 6, 4))
    found = np.asarray(TWINS[which].patches(maps(which, features)))
    assert np.array_equal(found, by_loops(features[0])) and spec.count((5, 6, 4)) == len(found) == 12


@BOTH
@pytest.mark.parametrize("scores", [spec.SCORES, 7])
def test_the_nearest_is_its_definition(which, scores, monkeypatch):
    """By loops; also where few scores are held at once."""
    monkeypatch.setattr(spec, "SCORES", scores)
    found, style = np.abs(RNG.normal(size=(11, 18))), np.abs(RNG.normal(size=(5, 18)))
    style[2] *= 100  # length alone makes nothing like
    got = np.asarray(TWINS[which].nearest(tensor(which, found), tensor(which, style)))
    assert got.tolist() == nearest_by_loops(found, style) and len(set(got.tolist())) > 1


@BOTH
def test_a_patch_of_zeros_is_nearest_to_none(which):
    style = np.eye(3, 18)
    style[0] = 0
    assert np.asarray(TWINS[which].nearest(tensor(which, np.eye(3, 18)[1:]), tensor(which, style))).tolist() == [1, 2]
    loss = float(TWINS[which].patch_loss(tensor(which, np.zeros((4, 18))), tensor(which, style)))
    assert np.isfinite(loss)


@BOTH
def test_the_loss_is_its_definition(which):
    found, style = RNG.normal(size=(2, 9, 18))
    matched = style[nearest_by_loops(found, style)]
    want = sum(((x - s) ** 2).sum() for x, s in zip(found, matched)) / (9 * 18)
    twin = TWINS[which]
    assert float(twin.patch_loss(tensor(which, found), tensor(which, style))) == pytest.approx(want, rel=1e-13)
    assert float(twin.patch_loss(tensor(which, style[::-1].copy()), tensor(which, style))) == 0  # only the order differs


@BOTH
def test_the_objective_is_the_weighted_sum(which):
    """From the network's own features of the pictures, in NumPy."""
    s = replace(SETTINGS, layer_weights=(0.5, 2.0), content_weight=3.0)
    net, styles = network(which), [gatys.Style(STYLE, 3.0), gatys.Style(OTHER, 1.0)]
    c, x, *seen = (TWINS[which].vgg.features(net, image[None], s.layers) for image in (CONTENT, IMAGE, STYLE, OTHER))
    want = {"content": 3.0 * ((x["relu3_2"] - c["relu3_2"]) ** 2).mean() / 2, "style": 0.0,
            "variation": 10.0 * sum((np.diff(IMAGE, axis=axis) ** 2).sum() for axis in (0, 1)) / IMAGE.size}
    for share, f in zip((0.75, 0.25), seen):
        for name, weight in s.style_weights.items():
            found, style = by_loops(x[name][0]), by_loops(f[name][0])
            want["style"] += 0.5 * share * weight * ((found - style[nearest_by_loops(found, style)]) ** 2).mean()
    assert at(which, styles=styles, settings=s)[0] == pytest.approx(want, rel=1e-12)


@BOTH
def test_the_gradient_is_the_slope(which):
    losses_and_gradient = TWINS[which].objective(network(which, replace(SMALL, pooling="average")), CONTENT, STYLE, SETTINGS)
    gradient = losses_and_gradient(IMAGE)[1]
    assert gradient.shape == IMAGE.shape and gradient.dtype == np.float64
    for place in [(0, 0, 0), (25, 32, 2), (11, 17, 1)]:
        h = np.zeros_like(IMAGE)
        h[place] = 1e-7
        above, below = (sum(losses_and_gradient(image)[0].values()) for image in (IMAGE + h, IMAGE - h))
        assert gradient[place] == pytest.approx((above - below) / 2e-7, rel=1e-4)


CASES = {
    "plain": {},
    "another network": {"a": replace(SMALL, pooling="average", pool_padding="same", scaling="imagenet")},
    "style alone": {"settings": replace(SETTINGS, content_weight=0.0, variation_weight=0.0)},
    "content alone": {"settings": replace(SETTINGS, style_weight=0.0)},
    "two styles": {"styles": [gatys.Style(STYLE, 0.7), gatys.Style(OTHER, 0.3)]},
}


@pytest.mark.parametrize("case", CASES)
def test_twins_agree(case):
    (k_losses, k), (t_losses, t) = (at(which, **CASES[case]) for which in TWINS)
    assert list(k_losses) == list(t_losses) and k_losses == pytest.approx(t_losses, rel=1e-12)
    assert compare.difference(k, t) <= 1e-10


def test_twins_paint_the_same():
    k, t = (paint(TWINS[which], network(which), CONTENT, STYLE, SETTINGS, progress=False) for which in TWINS)
    assert k.steps == t.steps == 10 and np.abs(k.image - t.image).max() <= 1e-3
    assert sum(values[-1] for values in t.history.values()) < 0.7 * sum(values[0] for values in t.history.values())


def test_twins_have_the_same_names_and_signatures():
    names = {name for name, f in vars(with_torch).items() if inspect.isfunction(f) and f.__module__ == with_torch.__name__ and name[0] != "_"}
    assert names == {"patches", "nearest", "patch_loss", "objective", "matches"}
    for name in names:
        assert inspect.signature(getattr(with_keras, name)) == inspect.signature(getattr(with_torch, name)), name


@BOTH
def test_a_picture_matches_itself(which):
    places, grid = TWINS[which].matches(network(which), STYLE, STYLE, "relu3_1")
    assert grid == (4, 5) and np.array_equal(places, np.indices(grid).transpose(1, 2, 0))


def defect_unnormalised(patch):
    """The largest product and not the largest correlation."""
    patch.setattr(with_torch, "nearest", lambda found, style: (found @ style.T).argmax(1))


def defect_furthest(patch):
    """The patch that is least like."""
    patch.setattr(with_torch, "nearest", lambda found, style, f=with_torch.nearest: f(-found, style))


def defect_sum(patch):
    """A sum over patches and not a mean."""
    patch.setattr(with_torch, "patch_loss", lambda found, style, f=with_torch.patch_loss: f(found, style) * len(found))


def defect_place(patch):
    """The patch at the same place, as if the style were the content."""
    patch.setattr(with_torch, "nearest", lambda found, style: torch.arange(len(found)) % len(style))


@pytest.mark.parametrize("plant", [defect_unnormalised, defect_furthest, defect_sum, defect_place], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant, monkeypatch):
    want = at("keras")
    plant(monkeypatch)
    found = at("torch")
    assert found[0] != pytest.approx(want[0], rel=1e-6) and compare.difference(want[1], found[1]) > 1e-6


# ---------------------------------------------------------------- what is refused

@BOTH
def test_wrong_pictures_are_refused(which):
    with pytest.raises(ValueError, match="style 1 has a mask, and patches know none"):
        at(which, styles=gatys.Style(STYLE, mask=np.ones((4, 4))))
    with pytest.raises(ValueError, match="style 1: relu3_1 gives 2 x 7 places, and a patch has 3 x 3"):
        at(which, styles=STYLE[:11])
    with pytest.raises(ValueError, match="there is no layer 'relu9_9'"):
        at(which, settings=replace(SETTINGS, style_layers=("relu9_9",)))
    with pytest.raises(TypeError, match="divide by 255"):
        at(which, styles=(STYLE * 255).astype(np.uint8))


def test_memory_is_bounded():
    assert spec.rows(16_000) * 16_000 <= spec.SCORES and spec.rows(10**9) == 1


# ---------------------------------------------------------------- beside Gram matrices

@BOTH
def test_both_losses_are_measured(which):
    from dlbook.style.gatys import with_keras as gatys_keras
    from dlbook.style.gatys import with_torch as gatys_torch
    from dlbook.style.patches import comparison

    net, twin = network(which), {"keras": gatys_keras, "torch": gatys_torch}[which]
    mirrored = STYLE[:, ::-1].copy()
    found = comparison.measured(twin, TWINS[which], net, STYLE, {"style": STYLE, "flat": np.full_like(STYLE, 0.5), "other": mirrored}, SETTINGS)
    assert found["style"] == {"gram": pytest.approx(0, abs=1e-12), "patch": pytest.approx(0, abs=1e-12), "used": 1.0, "whole": 1.0}
    assert found["flat"]["used"] < found["other"]["used"] < 1 and found["other"]["whole"] < 0.5
    assert all(0 < found["other"][kind] < found["flat"][kind] for kind in ("gram", "patch"))


def test_shares_of_matches():
    from dlbook.style.patches import comparison

    places = np.array([[[0, 0], [0, 1], [3, 3]], [[1, 0], [1, 1], [3, 4]]])  # a whole piece of 2 x 2, and another column
    assert comparison.used(places, (4, 6)) == 6 / 24
    assert comparison.whole(places, (4, 6)) == 4 / 7  # 2 of 4 to the right, 2 of 3 down
    assert comparison.used(np.zeros((5, 5, 2), int), (4, 6)) == 1 / 24 and comparison.whole(np.zeros((5, 5, 2), int), (4, 6)) == 0
