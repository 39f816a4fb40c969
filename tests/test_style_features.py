"""The small feature network: how it learns, that both twins load it, that it paints; the drawn styles; the photos it learns from."""
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from dlbook import data, profile, runs

profile.setup()

import torch  # noqa: E402  (profile.setup comes first)

from dlbook.cnn.vgg import spec as vgg  # noqa: E402
from dlbook.data import cifar, zipped  # noqa: E402
from dlbook.parity import compare  # noqa: E402
from dlbook.style import drawn, features  # noqa: E402
from dlbook.style.features import comparison, full, spec, with_torch  # noqa: E402
from dlbook.style.gatys import spec as gatys  # noqa: E402
from dlbook.style.gatys import with_keras as gatys_keras  # noqa: E402
from dlbook.style.gatys import with_torch as gatys_torch  # noqa: E402
from dlbook.style.painting import paint  # noqa: E402

GATYS = {"keras": gatys_keras, "torch": gatys_torch}
BOTH = pytest.mark.parametrize("which", GATYS)
RNG = np.random.default_rng(0)
TEACHER = vgg.Architecture((6, "M", 8, 8), top=False, size=None, hidden=(), scaling="caffe")
PUPIL = replace(TEACHER, layers=(4, "M", 5, 5))
LAYERS = ("relu1_1", "relu2_2")
SMALL = spec.Imitation(pieces=12, side=16, epochs=30, batch_size=4, learning_rate=1e-2, samples=200)


# ---------------------------------------------------------------- learning

def test_chosen_maps_tell_most():
    """Of maps of which two are mixtures of the others, those two are left out; and the strongest comes first."""
    base = RNG.normal(size=(300, 3)) * (1, 20, 5)
    samples = np.stack([base[:, 0], base[:, :1].sum(1) * 1e-3 + base[:, 1] * 1e-3, base[:, 1], 0.1 * base[:, 2] + 0.1 * base[:, 0], base[:, 2]], 1)
    assert spec.chosen_maps(samples, 1).tolist() == [2]
    assert spec.chosen_maps(samples, 3).tolist() == [0, 2, 4]
    with pytest.raises(ValueError, match="at most the layer's 5 maps; got 6"):
        spec.chosen_maps(samples, 6)


def photos(count=5, height=20, width=28):
    return [RNG.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]


def test_pieces_are_pieces():
    plain = replace(SMALL, shuffled=0.0, noise=0.0)
    images = [*photos(2), np.zeros((15, 40, 3), np.uint8)]  # the last is smaller than a piece
    found = spec.pieces(images, plain)
    assert found.shape == (12, 16, 16, 3) and found.dtype == np.float32
    cut = {(image[r:r + 16, c:c + 16] if turned else image[r:r + 16, c:c + 16][:, ::-1]).tobytes()
           for image in images[:2] for r in range(5) for c in range(13) for turned in (0, 1)}
    assert all(np.round(piece * 255).astype(np.uint8).tobytes() in cut for piece in found)
    with pytest.raises(ValueError, match="no photo is as large as a piece of 16 x 16"):
        spec.pieces(images[2:], plain)


def test_pieces_are_changed_and_repeatable():
    images = photos()
    assert np.array_equal(spec.pieces(images, SMALL), spec.pieces(images, SMALL))
    assert not np.array_equal(spec.pieces(images, SMALL), spec.pieces(images, SMALL, seed=1))
    grey = [np.full((20, 20, 3), (0, 100, 200), np.uint8)]
    found = spec.pieces(grey, replace(SMALL, pieces=40, shuffled=1.0))
    assert found.min() >= 0 and found.max() <= 1 and len({tuple(np.round(piece.mean((0, 1)), 1)) for piece in found}) > 4
    assert 8 <= sum(piece.std((0, 1)).max() > 1e-4 for piece in found) <= 32  # noise in every second, about


def taught(settings=SMALL):
    teacher, network = gatys_torch.vgg.vgg(TEACHER, 1), gatys_torch.vgg.vgg(PUPIL, 2)
    images = spec.pieces(photos(), settings)
    chosen, wanted = with_torch.lessons(teacher, images, spec.widths(PUPIL, LAYERS), settings.samples)
    return teacher, network, images, chosen, wanted


def test_lessons_are_the_teachers_maps():
    teacher, _, images, chosen, wanted = taught()
    maps = gatys_torch.vgg.features(teacher, images, list(LAYERS))
    assert {name: len(numbers) for name, numbers in chosen.items()} == {"relu1_1": 4, "relu2_2": 5}
    for name in LAYERS:
        assert wanted[name].dtype == torch.float16
        assert compare.difference(maps[name][..., chosen[name]], wanted[name].float().movedim(1, -1).numpy()) <= 1e-3


def test_the_share_missed_is_its_definition():
    _, network, images, _, wanted = taught()
    found = gatys_torch.vgg.features(network, images, list(LAYERS))
    for name, share in with_torch.missed(network, images, wanted).items():
        target = wanted[name].float().movedim(1, -1).numpy()
        assert share.item() == pytest.approx(((found[name] - target) ** 2).sum() / (target**2).sum(), rel=1e-5)


def test_the_network_learns():
    _, network, images, _, wanted = taught()
    seen = []
    history = with_torch.imitate(network, images, wanted, SMALL, on_step=lambda step, share: seen.append((step, share)), progress=False)
    assert list(history) == list(LAYERS) and all(len(values) == 30 for values in history.values())
    assert [step for step, _ in seen] == list(range(1, 91))
    assert history["relu1_1"][-1] < 0.5 and history["relu2_2"][-1] < 0.5 * history["relu2_2"][0]


def test_a_wrong_teacher_is_not_learnt():
    """Maps of other images: little beyond their mean can be learnt."""
    _, network, images, _, wanted = taught()
    shuffled = {name: maps.roll(1, 0) for name, maps in wanted.items()}
    assert with_torch.imitate(network, images, shuffled, SMALL, progress=False)["relu1_1"][-1] > 0.75


@pytest.mark.parametrize("wrong", [{"pieces": 0}, {"learning_rate": 0}, {"noise": 2.0}, {"shuffled": -1}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*got {next(iter(wrong.values()))}"):
        spec.Imitation(**wrong)


def test_the_run_is_made_in_pytorch(tmp_path):
    with pytest.raises(ValueError, match="in PyTorch alone.*got framework 'keras'"):
        full.run("keras", 0, tmp_path, "imitation")


# ---------------------------------------------------------------- the shipped network

def test_both_twins_load_the_shipped_network():
    images = RNG.random((1, 24, 32, 3))
    k, t = (GATYS[which].vgg.features(features.network(which, "float64"), images, list(spec.IMITATED)) for which in GATYS)
    assert spec.widths() == {name: maps.shape[-1] for name, maps in t.items()}
    assert all(compare.difference(k[name], t[name]) <= 1e-10 for name in t)
    with pytest.raises(ValueError, match="unknown framework 'jax'"):
        features.network("jax")


def test_the_shipped_weights_are_small_and_those_of_the_record():
    path = runs.checkpoint(full.SYSTEM, "imitation")
    assert path.stat().st_size < 2e6 and runs.about(path)["seed"] == 0
    (record,) = runs.records(full.SYSTEM, "imitation")
    assert record["task"] == "imitation" and all(share < 1 for share in record["metrics"].values())
    assert {name: len(numbers) for name, numbers in record["chosen"].items()} == spec.widths()


@BOTH
def test_it_paints(which):
    """The style's loss falls, and the picture is neither the photo nor the style."""
    content, style = data.photo("cat", 48), drawn.strokes(48)
    painting = paint(GATYS[which], features.network(which), content, style, replace(features.SETTINGS, steps=6), progress=False)
    assert painting.steps == 6 and painting.history["style"][-1] < 0.5 * painting.history["style"][0]
    assert np.abs(painting.image - content).mean() > 0.02 and np.corrcoef(painting.image.ravel(), content.ravel())[0, 1] > 0.5


# ---------------------------------------------------------------- the comparison

@BOTH
def test_balanced_weights_make_losses_of_nothing_one(which):
    """With maps that are all 0 each loss is 1, whatever the network's scale; here by the losses' definitions."""
    network = GATYS[which].vgg.vgg(replace(spec.CANDIDATES["random"][1], layers=(4, "M", 5)), 0)
    asked = gatys.Settings(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"), style_weight=3.0, content_weight=2.0)
    content, style = RNG.random((2, 1, 12, 14, 3))
    seen, target = (GATYS[which].vgg.features(network, image, ["relu1_1", "relu2_1"]) for image in (content, style))
    s = spec.balanced(seen, target, asked)
    assert s.content_weight * np.square(seen["relu2_1"]).mean() / 2 == pytest.approx(2.0, rel=1e-6)
    grams = [(maps := target[name].reshape(-1, target[name].shape[-1])).T @ maps / len(maps) for name in asked.style_layers]
    assert s.style_weight * sum(w * np.square(g).mean() / 4 for w, g in zip(s.layer_weights, grams)) == pytest.approx(3.0, rel=1e-5)


def test_the_candidates_can_be_painted_with():
    content, style = RNG.random((2, 32, 32, 3))
    for _, a in spec.CANDIDATES.values():
        network = gatys_torch.vgg.vgg(a, 0)
        found = comparison.painted(gatys_torch, network, content, style, replace(comparison.SETTINGS, steps=2))
        assert found.image.shape == (32, 32, 3) and np.isfinite(found.image).all() and found.steps == 2


def test_the_judge_tells_photo_and_style_apart():
    content, style = RNG.random((2, 24, 24, 3))
    judge = features.network("torch")
    found = comparison.judged(gatys_torch, judge, content, style, {"photo": content, "style": style})
    assert found["photo"] == {"content": 0.0, "style": 1.0} and found["style"]["style"] == 0 and found["style"]["content"] > 0
    table = [{"network": "a", "content": c, "style_loss": s} for c, s in ((1, 4), (3, 0))]
    assert comparison.means(table) == {"a_content": 2.0, "a_style": 2.0}


def test_the_chosen_network_is_the_best_of_the_record():
    (record,) = runs.records(full.SYSTEM, "comparison")
    table, metrics = record["table"], record["metrics"]
    assert {row["network"] for row in table} == {"photo", "vgg19", *spec.CANDIDATES} and {row["style"] for row in table} == set(comparison.STYLES)
    assert metrics == comparison.means(table)
    others = [metrics[f"{name}_style"] for name in spec.CANDIDATES if name != "imitation"]
    assert metrics["vgg19_style"] < metrics["imitation_style"] < 0.5 * min(others)
    assert runs.picture(full.SYSTEM, "comparison")[:4] == b"\x89PNG"


# ---------------------------------------------------------------- the full runs, made small

def some_pets(name):
    assert name == "full"
    return data.Pets("some pets", "none", tuple(photos(6, 40, 36)), np.zeros(6, int), np.zeros(6, int), np.arange(6) % 2 == 1, ("pug",))


def test_the_imitation_is_recorded(monkeypatch, tmp_path):
    monkeypatch.setattr(full.data, "pets", some_pets)
    monkeypatch.setattr(gatys_torch, "feature_network", lambda: features.network("torch"))  # a teacher with the same layers, which is at hand
    result = full.imitation(0, tmp_path, replace(SMALL, side=32, pieces=4, epochs=2))
    assert result["files"] == ("oxford_pets_small/oxford_pets_small.zip", full.TEACHER) and result["training"]["epochs"] == 2
    assert list(result["metrics"]) == [f"missed_{name}" for name in spec.IMITATED] and all(np.isfinite(list(result["metrics"].values())))
    assert {name: len(numbers) for name, numbers in result["chosen"].items()} == spec.widths()
    weights = runs.load_weights(tmp_path / "imitation.safetensors")
    assert {value.dtype for value in weights.values()} == {np.dtype("float16")} and "some pets" in runs.about(tmp_path / "imitation.safetensors")["trained_on"]


def test_the_comparison_is_recorded(monkeypatch, tmp_path):
    images, labels = RNG.random((12, 32, 32, 3), np.float32), np.arange(12) % 10
    monkeypatch.setattr(full.data, "things", lambda name: data.Labelled("some things", "none", images, labels, images, labels, files=("a/b",)))
    monkeypatch.setattr(gatys_torch, "feature_network", lambda: features.network("torch"))
    monkeypatch.setattr(full.spec, "TRAINING", replace(spec.TRAINING, epochs=1))
    for name, value in {"STYLES": ("strokes", "glass"), "DRAWN": ("strokes", "glass"), "SETTINGS": replace(comparison.SETTINGS, steps=1)}.items():
        monkeypatch.setattr(comparison, name, value)
    monkeypatch.setattr(comparison, "photo", lambda f=comparison.photo: f(32))
    monkeypatch.setattr(comparison, "style", lambda name, f=comparison.style: f(name, 32))
    result = full.comparison(0, tmp_path)
    names = ["photo", *spec.CANDIDATES, "vgg19"]
    assert [row["network"] for row in result["table"]] == 2 * names and result["files"] == ("a/b", full.TEACHER)
    assert {row["style_loss"] for row in result["table"] if row["network"] == "photo"} == {1.0}
    assert list(result["metrics"]) == [f"{name}_{kind}" for name in names for kind in ("content", "style")]
    assert (tmp_path / "comparison.png").read_bytes()[:4] == b"\x89PNG" and 0 <= result["things"]["test_accuracy"] <= 1


# ---------------------------------------------------------------- drawn styles

@pytest.mark.parametrize("name", drawn.STYLES)
def test_drawn_styles_are_pictures(name):
    picture = drawn.STYLES[name](40)
    assert picture.shape == (40, 40, 3) and picture.dtype == np.float32
    assert picture.min() >= 0 and picture.max() <= 1 and picture.std() > 0.1
    assert np.array_equal(picture, drawn.STYLES[name](40)) and not np.array_equal(picture, drawn.STYLES[name](40, seed=9))
    with pytest.raises(ValueError, match="size.*0"):
        drawn.STYLES[name](0)


def test_drawn_styles_look_the_same_at_any_size():
    for name, draw in drawn.STYLES.items():
        large = draw(96).reshape(48, 2, 48, 2, 3).mean((1, 3))
        assert np.corrcoef(large.ravel(), draw(48).ravel())[0, 1] > 0.7, name


# ---------------------------------------------------------------- the photos it learns from

def packed(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return buffer.getvalue()


def jpeg(colour, shape=(8, 6)):
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", shape, colour).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def serve(tmp_path, monkeypatch):
    def give(files):
        path = tmp_path / "some.zip"
        path.write_bytes(packed(files))
        monkeypatch.setattr(zipped, "fetch", lambda name: path)

    return give


def test_pets_are_read(serve):
    serve({"oxford_pets_small/labels.csv": "id,species,breed,split\nPug_1,dog,pug,test\nBengal_2,cat,bengal,trainval\n",
           "oxford_pets_small/images/Pug_1.jpg": jpeg("red"), "oxford_pets_small/images/Bengal_2.jpg": jpeg("blue", (4, 7))})
    found = data.pets("full")
    assert [image.shape for image in found.images] == [(6, 8, 3), (7, 4, 3)] and found.images[0][0, 0].argmax() == 0
    assert found.species.tolist() == [1, 0] and found.breed_names == ("bengal", "pug") and found.breeds.tolist() == [1, 0]
    assert found.test.tolist() == [True, False] and found.files == ("oxford_pets_small/oxford_pets_small.zip",) and "1 photos to train on, 1 to test on" in str(found)


def test_things_are_read(serve):
    serve({f"cifar10_small/{part}/{name}/0000.jpg": jpeg((20 * number, 0, 0), (32, 32))
           for part in ("train", "test") for number, name in enumerate(cifar.NAMES)})
    found = data.things("full")
    assert found.train_images.shape == (10, 32, 32, 3) and found.train_images.dtype == np.float32 and found.train_images.max() <= 1
    assert found.test_labels.tolist() == list(range(10)) and found.names[3] == "cat"
    assert np.allclose(found.train_images.mean((1, 2))[:, 0] * 255, 20 * np.arange(10), atol=3)


@pytest.mark.parametrize("read, size", [(data.pets, "12 MB"), (data.things, "13 MB")])
def test_quick_has_no_such_photos(read, size):
    with pytest.raises(data.DataError, match=f"profile 'quick' has none.*{size}"):
        read("quick")


def test_how_small_the_network_is():
    """A tenth of VGG19's operations up to relu5_1, and a twentieth of its weights, about."""
    from dlbook.cnn.blocks.table import totals

    small, large = (totals(vgg.table(gatys.part(a, list(spec.IMITATED)), (144, 144))) for a in (spec.NETWORK, gatys.architecture()))
    assert round(large.operations / small.operations) == 10 and round(large.parameters / small.parameters) == 21
