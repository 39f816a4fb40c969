"""Films: the scene's flow and mask are what really moved, flicker on known cases, and both ways to calm a painted film."""
import json
from dataclasses import replace

import numpy as np
import pytest

from dlbook import profile, runs
from dlbook.style.gatys.spec import Settings
from dlbook.style.optimise import optimise
from dlbook.style.video import full, scene, spec, steady

RNG = np.random.default_rng(0)
PHOTO, OTHER = RNG.random((40, 60, 3)), RNG.random((14, 15, 3))
MOTION = scene.Motion(length=5, size=(20, 26), camera=(1, 2), disc=(2, -3), start=(7, 20), radius=4.5)
FILM = scene.film(PHOTO, OTHER, MOTION)
STEPS = Settings(steps=4, optimizer="adam", learning_rate=0.05)


def painted(seed=1):
    """A painter whose every picture has noise of its own: a film that flickers."""
    rng = np.random.default_rng(seed)
    return lambda frame: np.clip(0.8 * frame + 0.2 * rng.random(frame.shape), 0, 1)


# ---------------------------------------------------------------- the scene

def test_frames_show_the_photo_and_the_disc():
    """With whole steps every pixel is one of the photos' own."""
    assert FILM.frames.shape == (5, 20, 26, 3) and FILM.frames.dtype == np.float32
    corner = [(40 - 24) // 2, (60 - 34) // 2]  # the camera passes over 24 x 34 pixels in the middle
    for t in range(5):
        ground = PHOTO[corner[0] + t:, corner[1] + 2 * t:][:20, :26]
        for y, x in np.ndindex(20, 26):
            away = y - (7 + 2 * t), x - (20 - 3 * t)
            on = away[0]**2 + away[1]**2 <= 4.5**2
            want = (OTHER[6:8, 7][0] + OTHER[6:8, 7][1]) / 2 if on and away == (0, 0) else ground[y, x]
            if not on or away == (0, 0):
                assert np.allclose(FILM.frames[t, y, x], want, atol=1e-6)


def test_flow_and_mask_say_what_moved():
    """Every visible pixel stood in the picture before, where the flow says; every other one was outside or behind the disc."""
    for t in range(4):
        moved = np.abs(FILM.frames[t + 1] - steady.warp(FILM.frames[t], FILM.flow[t])).max(-1)
        assert moved[FILM.visible[t]].max() < 1e-6
        there = scene.places(MOTION.size) + FILM.flow[t]
        inside = ((there >= 0) & (there <= (19, 25))).all(-1)
        assert not FILM.visible[t][~inside].any()
        hidden = inside & ~FILM.visible[t]
        assert hidden.sum() > 5 and moved[hidden].min() > 1e-3
        behind = np.square(there - (7 + 2 * t, 20 - 3 * t)).sum(-1) <= 4.5**2
        assert behind[hidden].all()


def test_motions_of_parts_of_a_pixel():
    """Then pictures are smooth, and a visible pixel's four neighbours show the same thing as it does."""
    smooth = np.stack([np.add.outer(np.arange(40), 2 * np.arange(60)) / 160] * 3, -1)
    film = scene.film(smooth, OTHER, replace(MOTION, camera=(0.5, -1.25), disc=(0.4, 1.3), start=(8, 6)))
    moved = np.abs(film.frames[1:] - np.stack([steady.warp(*pair) for pair in zip(film.frames, film.flow)])).max(-1)
    ground = (film.flow == (0.5, -1.25)).all(-1)
    assert moved[film.visible & ground].max() < 1e-5 and film.visible.mean() > 0.7
    assert (film.flow[~ground] == (-0.4, -1.3)).all()


def test_a_film_of_one_picture():
    film = scene.film(PHOTO, OTHER, replace(MOTION, length=1))
    assert film.frames.shape == (1, 20, 26, 3) and film.flow.shape == (0, 20, 26, 2) and film.visible.shape == (0, 20, 26)


@pytest.mark.parametrize("change, words", [
    ({"length": 0}, "length must be a whole number of 1 or more; got 0"), ({"radius": -1}, "radius must be a number above 0; got -1"),
    ({"camera": 3}, "camera must be a pair of numbers, down and right; got 3"), ({"disc": (1, 2, 3)}, r"disc must be a pair .*got \(1, 2, 3\)"),
    ({"start": (np.nan, 1)}, "start must be a pair"), ({"size": (20, 0)}, "each side of size must be a whole number of 1 or more; got 0"),
])
def test_impossible_motions_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        replace(MOTION, **change)


def test_photos_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="the photo must have at least 24 x 34 pixels for this motion; it has 20 x 60"):
        scene.film(PHOTO[:20], OTHER, MOTION)
    with pytest.raises(ValueError, match="the other photo must have at least 10 x 10 pixels for this motion; it has 9 x 15"):
        scene.film(PHOTO, OTHER[:9], MOTION)
    with pytest.raises(TypeError, match="the photo must be floating point in .0, 1.; got dtype uint8"):
        scene.film((PHOTO * 255).astype(np.uint8), OTHER, MOTION)


# ---------------------------------------------------------------- warping and flicker

def test_warping_moves_a_picture():
    image, flow = RNG.random((6, 7, 2)), np.zeros((6, 7, 2))
    assert np.array_equal(steady.warp(image, flow), image)
    flow[:] = 1, -2
    assert np.array_equal(steady.warp(image, flow)[:-1, 2:], image[1:, :-2]) and np.array_equal(steady.warp(image, flow)[-1, 2:], image[-1, :-2])
    flow[:] = 0, 0.25
    assert np.allclose(steady.warp(image, flow)[:, :-1], 0.75 * image[:, :-1] + 0.25 * image[:, 1:])


def test_flicker_is_zero_for_a_steady_film_and_known_for_others():
    assert steady.flicker(FILM.frames, FILM.flow, FILM.visible) < 1e-12
    lights = FILM.frames + np.array([0, 0.1, 0, 0.1, 0])[:, None, None, None]  # every second picture is lighter
    assert steady.flicker(lights, FILM.flow, FILM.visible) == pytest.approx(0.01, rel=1e-4)
    noise = np.random.default_rng(5).normal(0, 0.3, FILM.frames.shape)  # the variance of a difference is twice one's
    assert steady.flicker(FILM.frames + noise, FILM.flow, FILM.visible) == pytest.approx(2 * 0.09, rel=0.05)
    assert steady.flicker(FILM.frames, FILM.flow, np.ones_like(FILM.visible)) > 1e-3  # what was hidden would count
    still = np.zeros((2, 3, 4, 3)), np.zeros((1, 3, 4, 2)), np.ones((1, 3, 4), bool)
    assert steady.flicker(*still) == 0


def test_what_has_no_flicker_is_said():
    with pytest.raises(ValueError, match="no pixel of this film can be seen in two pictures running"):
        steady.flicker(FILM.frames, FILM.flow, np.zeros_like(FILM.visible))
    with pytest.raises(ValueError, match=r"two pictures or more; got \(1, 20, 26, 3\)"):
        steady.flicker(FILM.frames[:1], FILM.flow, FILM.visible)
    with pytest.raises(ValueError, match=r"need a flow \(4, 20, 26, 2\) and a mask \(4, 20, 26\); got \(3, 20, 26, 2\)"):
        steady.flicker(FILM.frames, FILM.flow[:3], FILM.visible)
    with pytest.raises(ValueError, match=r"needs a flow \(H, W, 2\); got \(20, 26, 3\) and \(20, 26, 3\)"):
        steady.warp(FILM.frames[0], FILM.frames[0])


# ---------------------------------------------------------------- calming

def test_blending_keeps_what_was_visible_and_calms():
    alone = steady.frame_by_frame(painted(), FILM)
    assert np.array_equal(alone, steady.blended(painted(), FILM, 0))
    found = [steady.flicker(steady.blended(painted(), FILM, share), FILM.flow, FILM.visible) for share in (0, 0.3, 0.6, 0.9, 1)]
    assert found == sorted(found, reverse=True) and found[0] > 0.002 and found[-1] < 1e-12
    kept = steady.blended(painted(), FILM, 0.25)
    seen = FILM.visible[0][..., None]
    assert np.allclose(kept[1], np.where(seen, 0.75 * alone[1] + 0.25 * steady.warp(alone[0], FILM.flow[0]), alone[1]))
    for share in (-0.1, 1.5, np.nan):
        with pytest.raises(ValueError, match="share is a number from 0 to 1"):
            steady.blended(painted(), FILM, share)


def near(target):
    """An objective: half the squared distance of a picture from a target."""
    return lambda image: ({"content": float(np.square(image - target).sum() / 2)}, image - target)


def test_the_temporal_loss_is_its_definition_and_its_gradient_the_slope():
    remembered, visible, image = RNG.random((4, 5, 3)), RNG.random((4, 5)) < 0.5, RNG.random((4, 5, 3))
    asked = steady.with_memory(near(PHOTO[:4, :5]), remembered, visible, 7.0)
    losses, gradient = asked(image)
    assert losses["temporal"] == pytest.approx(7 * sum(visible[y, x] * (image[y, x, c] - remembered[y, x, c]) ** 2 for y, x, c in np.ndindex(4, 5, 3)) / 60)
    assert losses["content"] == near(PHOTO[:4, :5])(image)[0]["content"]
    for place in [(0, 0, 0), (3, 4, 2), (1, 2, 1)]:
        h = np.zeros_like(image)
        h[place] = 1e-6
        above, below = (sum(asked(image + sign * h)[0].values()) for sign in (1, -1))
        assert gradient[place] == pytest.approx((above - below) / 2e-6, rel=1e-6, abs=1e-8)


def test_painting_from_the_picture_before():
    """The first picture as painted alone; each other starts from the one before where that was visible, else from the film."""
    starts, rng = [], np.random.default_rng(4)

    def objective_of(frame):
        target, calls = rng.random(frame.shape), []

        def objective(image):
            calls.append(image)
            if len(calls) == 1:
                starts.append(image)
            return near(target)(image)
        return objective

    found = steady.optimised(objective_of, FILM, STEPS, 0.0, progress=False)
    assert found.shape == FILM.frames.shape and np.array_equal(starts[0], FILM.frames[0])
    for t in range(1, 5):
        moved = steady.warp(found[t - 1], FILM.flow[t - 1])
        assert np.allclose(starts[t], np.where(FILM.visible[t - 1][..., None], moved, FILM.frames[t]))
    with pytest.raises(ValueError, match="weight must be a number of 0 or more; got -1"):
        steady.optimised(objective_of, FILM, STEPS, -1)


def test_the_temporal_loss_calms():
    found = []
    for weight in (0.0, 1e3, 1e5):
        rng = np.random.default_rng(4)
        film = steady.optimised(lambda frame: near(0.8 * frame + 0.2 * rng.random(frame.shape)), FILM, replace(STEPS, steps=15), weight, progress=False)
        found.append(steady.flicker(film, FILM.flow, FILM.visible))
    assert found[0] > 3 * found[1] > 6 * found[2]


@pytest.mark.parametrize("which", ["keras", "torch"])
def test_both_twins_paint_films(which):
    """The objective of either twin fits, and both films agree."""
    profile.setup()
    import importlib

    from dlbook.cnn.vgg import spec as vgg

    eyes = vgg.Architecture((4, "M", 5), top=False, size=None, hidden=(), scaling="caffe")
    settings = Settings(content_layers=("relu2_1",), style_layers=("relu1_1",), style_weight=1e-4, variation_weight=1.0, steps=3)
    twin = importlib.import_module(f"dlbook.style.gatys.with_{which}")
    network, film = twin.vgg.vgg(eyes, 3, dtype="float64"), scene.Film(FILM.frames[:2], FILM.flow[:1], FILM.visible[:1])
    found = steady.optimised(lambda frame: twin.objective(network, frame, OTHER, settings), film, settings, 100.0, progress=False)
    first = optimise(twin.objective(network, film.frames[0], OTHER, settings), film.frames[0], settings, progress=False).image
    assert np.array_equal(found[0], first) and found.shape == film.frames.shape
    FOUND[which] = found
    if len(FOUND) == 2:
        assert np.abs(FOUND["keras"] - FOUND["torch"]).max() < 1e-4


FOUND = {}


# ---------------------------------------------------------------- the full run

def test_the_courses_own_scene():
    film = full.made(spec.SHORT)
    assert film.frames.shape == (spec.SHORT.length, *spec.SHORT.size, 3) and steady.flicker(film.frames, film.flow, film.visible) < 1e-9
    assert 0.8 < film.visible.mean() < 1


def test_a_full_run_compares_all_ways(monkeypatch, tmp_path):
    from dlbook.style.gatys import with_torch as engine

    profile.setup("torch")
    target = RNG.random((20, 26, 3)).astype(np.float32)
    monkeypatch.setattr(spec, "SHORT", MOTION)
    monkeypatch.setattr(spec, "SETTINGS", STEPS)
    monkeypatch.setattr(full, "made", lambda motion: scene.film(PHOTO, OTHER, motion))
    monkeypatch.setattr(full, "fetch", lambda name: name)
    monkeypatch.setattr(full.images, "read", lambda name, size: target)
    monkeypatch.setattr(engine, "feature_network", lambda: None)
    monkeypatch.setattr(engine, "objective", lambda network, frame, painting, settings: near((frame + painting) / 2))
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    result = full.run("torch", 0, tmp_path, "flicker")
    ways = ["film", "own_start", "temporal0", "temporal1e+07", "temporal1e+08"]
    metrics = result["metrics"]
    assert list(metrics) == [name for way in ways for name in (way, f"{way}_asked")] and json.dumps(result)
    assert metrics["film"] < 1e-12 and metrics["film_asked"] == 1 and metrics["own_start_asked"] < 1
    assert metrics["temporal1e+08"] < 0.1 * metrics["temporal0"]
