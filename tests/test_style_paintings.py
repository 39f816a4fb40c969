"""The recorded paintings: a small network and small pictures go the way of the full run."""
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dlbook import profile

profile.setup()

from dlbook import runs  # noqa: E402
from dlbook.cnn.vgg import with_torch as vgg  # noqa: E402
from dlbook.data import registry  # noqa: E402
from dlbook.style import images, paintings  # noqa: E402
from dlbook.style.gatys import full, spec, with_keras, with_torch  # noqa: E402


def small_network(pooling="max"):
    a = spec.architecture(pooling)
    layers = tuple(layer if isinstance(layer, str) else 4 for layer in a.layers)
    return vgg.vgg(replace(a, layers=layers, top=False, size=None), seed=0)


@pytest.fixture
def small(monkeypatch):
    drawn = {name: np.random.default_rng(k).random((40, 50, 3)).astype(np.float32) for k, name in enumerate(paintings.PAINTINGS)}
    monkeypatch.setattr(full, "painting", lambda name, size: images.resized(drawn[name], images.fitted((40, 50), size)))
    for name, value in {"SIZE": 64, "SMALL": 32, "STEPS": 3, "SMALL_STEPS": 2, "CONTENT_LAYERS": ("relu1_1", "relu4_2")}.items():
        monkeypatch.setattr(full, name, value)
    monkeypatch.setattr(with_torch, "feature_network", small_network)
    return full


def test_a_large_painting_is_kept_with_its_way(small, tmp_path):
    found = small.run("torch", 0, tmp_path, "starry_night-much")
    assert found["settings"]["style_weight"] == full.MUCH and found["files"] == [full.NETWORK, "style_images/starry_night.jpg"]
    assert {len(values) for values in found["history"].values()} == {1 + 3 * full.RESOLUTIONS}
    assert found["metrics"] == {name: values[-1] for name, values in found["history"].items()}
    assert images.read(tmp_path / "starry_night-much.jpg").shape == (64, 64, 3)
    way = full.tiles(images.read(tmp_path / "starry_night-much-steps.jpg"), 32)
    assert found["pictures"] == [0, 1, 2, 5] and len(way) == 4
    apart = [np.abs(picture - full.photo(full.PHOTO, 32)).mean() for picture in way]  # JPEG and resizing lose a little
    assert apart[0] < 0.05 and apart[0] < apart[3]


def test_the_sheets_name_their_pictures(small, tmp_path):
    layers = small.run("torch", 0, tmp_path, "layers")
    assert layers["pictures"][0] == "relu1_1, 1e-05" and len(layers["pictures"]) == 2 * len(full.STYLE_WEIGHTS)
    assert images.read(tmp_path / "layers.jpg").shape == (64, 32 * len(full.STYLE_WEIGHTS), 3)
    ways = small.run("torch", 0, tmp_path, "ways")
    assert ways["pictures"] == list(full.WAYS) == list(ways["losses"])
    pictures = full.tiles(images.read(tmp_path / "ways.jpg"), 32)
    assert len({picture.tobytes() for picture in pictures}) == len(full.WAYS)


def test_every_task_is_known_to_the_keras_twin_too():
    assert callable(with_keras.feature_network) and set(full.LARGE) < set(full.TASKS)
    assert {name for name, _ in full.LARGE.values()} <= set(paintings.PAINTINGS)


def test_a_sheet_gives_its_pictures_back():
    pictures = np.random.default_rng(0).random((5, 4, 4, 3))
    sheet = full.sheet(list(pictures), 4, columns=2)
    assert sheet.shape == (12, 8, 3)
    found = full.tiles(sheet, 4)
    assert np.array_equal(found[:5], pictures) and (found[5] == 1).all()


@pytest.mark.parametrize("side", [4, 5])
def test_two_masks_share_the_picture(side):
    upper, lower = full.halves(side)
    assert np.array_equal(upper + lower, np.ones((side, side))) and upper[0].all() and lower[-1].all()


@pytest.mark.parametrize("name", paintings.PAINTINGS)
def test_a_painting_is_fetched_by_its_registered_name(name, monkeypatch, tmp_path):
    images.save(np.full((20, 30, 3), 0.5), tmp_path / "x.png")
    monkeypatch.setattr(paintings, "registry", SimpleNamespace(fetch=lambda file: registry.FILES[file] and tmp_path / "x.png"))
    assert paintings.painting(name, 15).shape == (10, 15, 3)


def test_an_unknown_painting_is_said():
    with pytest.raises(ValueError, match="there is no painting 'mona_lisa'; choose from: shipwreck"):
        paintings.painting("mona_lisa")
    with pytest.raises(FileNotFoundError, match="make full RUN=style/gatys TASK=mona_lisa"):
        runs.records("style/gatys", "mona_lisa")
