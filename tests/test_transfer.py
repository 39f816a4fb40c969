"""Transfer: twins that start, see and learn alike; photos cut alike; features measured; the records and what is shipped."""
import inspect
import json
import os
from dataclasses import replace

import numpy as np
import pytest

from dlbook import profile

profile.setup()

from test_data import at_hand  # noqa: E402

from dlbook import data, runs  # noqa: E402  (profile.setup comes first)
from dlbook.cnn.mobilenet import spec as mobilenet  # noqa: E402
from dlbook.cnn.mobilenet import with_torch as networks  # noqa: E402
from dlbook.cnn.resnet import spec as resnet  # noqa: E402
from dlbook.cnn.transfer import full, measure, sources, spec, targets, ways, with_keras, with_torch  # noqa: E402
from dlbook.parity import compare  # noqa: E402

TWINS = {"keras": with_keras, "torch": with_torch}
BOTH = pytest.mark.parametrize("which", TWINS)
SOURCE = replace(mobilenet.SMALL, widths=(6, 8), strides=(2, 1), stem=5, size=16, channels=3, num_classes=5, scaling="signed")
TARGET = replace(SOURCE, num_classes=3, norm=spec.NORM)
LEARNT = networks.weights_of(networks.mobilenet(SOURCE, 7, dtype="float64"))
RNG = np.random.default_rng(0)
PHOTOS = [RNG.integers(0, 256, (20 + i, 26, 3), dtype=np.uint8) for i in range(12)]
LABELS = np.arange(12) % 3
SHORT = spec.Settings(epochs=2, batch_size=4, learning_rate=2**-7, epsilon=1e-30)
BORROW = {"a": TARGET, "weights": LEARNT, "source": SOURCE, "dtype": "float64"}
SMALL_STEPS = {"scratch": SHORT, "frozen": SHORT, "tuned": replace(SHORT, learning_rate=2**-12)}


def test_twins_have_the_same_names():
    assert with_keras.__all__ == with_torch.__all__
    for name in with_keras.__all__:
        left, right = (inspect.signature(getattr(twin, name)) for twin in TWINS.values())
        assert list(left.parameters) == list(right.parameters), name


@BOTH
def test_all_but_the_head_is_taken_over(which):
    weights = TWINS[which].weights_of(TWINS[which].network("frozen", seed=3, **BORROW))
    fresh = TWINS[which].weights_of(TWINS[which].network("scratch", seed=3, **BORROW))
    for name, value in weights.items():
        assert np.array_equal(value, fresh[name] if name.startswith("logits.") else LEARNT[name]), name


def test_networks_that_differ_are_refused():
    with pytest.raises(ValueError, match="the same but for logits"):
        spec.overlaid({"a.weight": np.zeros(2)}, {"a.weight": np.zeros(3)})
    with pytest.raises(ValueError, match="from scratch or frozen; got 'tuned'"):
        with_torch.network("tuned", **BORROW)


def test_features_agree_layer_by_layer():
    images = spec.squares(PHOTOS, 16).astype("float64")
    left, right = (twin.features(twin.network("frozen", **BORROW), images, spec.layers(TARGET)) for twin in TWINS.values())
    assert list(left) == ["stem", "block1", "block2"] and left["block2"].shape == (12, 8)
    for name in left:
        assert compare.difference(left[name], right[name]) <= 1e-12, name


@BOTH
def test_a_layer_that_is_not_there_is_named(which):
    with pytest.raises(ValueError, match="no layer 'block9'"):
        TWINS[which].features(TWINS[which].network("scratch", **BORROW), spec.squares(PHOTOS, 16).astype("float64"), ["block9"])


@pytest.mark.parametrize("way", ["scratch", "pretrained"])
def test_twins_learn_alike(way):
    """The same losses, step by step, and the same features afterwards."""
    train = ways.scratch if way == "scratch" else ways.train
    found = [train(twin, PHOTOS, LABELS, (PHOTOS, LABELS), SMALL_STEPS, 1, False, **BORROW) for twin in TWINS.values()]
    (left, first), (right, second) = found
    histories = [(first, second)] if way == "scratch" else [(first[name], second[name]) for name in first]
    for one, other in histories:
        assert one.keys() == other.keys()
        assert np.allclose(one["loss"], other["loss"], rtol=1e-4), "Keras keeps the learning rate in float32"
    for name, value in with_keras.weights_of(left).items():
        if "running_var" not in name:  # PyTorch divides by N - 1
            assert np.allclose(value, with_torch.weights_of(right)[name], atol=2e-4), name


@BOTH
def test_frozen_is_frozen_and_then_not(which):
    twin = TWINS[which]
    network, histories = ways.train(twin, PHOTOS, LABELS, None, SMALL_STEPS, 1, False, **BORROW)
    frozen = twin.network("frozen", seed=1, **BORROW)
    twin.fit(frozen, PHOTOS, LABELS, SHORT, 1, progress=False)
    for name, value in twin.weights_of(frozen).items():
        assert np.array_equal(value, LEARNT[name]) != name.startswith("logits."), name
    for name, value in twin.weights_of(network).items():
        kept = "running" in name  # batch norms keep their statistics
        assert np.array_equal(value, LEARNT.get(name)) == kept, name
    assert len(histories["tuned"]["loss"]) == len(histories["frozen"]["loss"]) + SHORT.epochs


def test_a_planted_defect_is_noticed():
    """Batch norms in training mode: a frozen tower that is not frozen."""
    network = with_torch.network("frozen", **BORROW)
    network.keeps_statistics = False
    with_torch.fit(network, PHOTOS, LABELS, SHORT, 1, progress=False)
    assert any(not np.array_equal(value, LEARNT[name]) for name, value in with_torch.weights_of(network).items() if "running" in name)


def test_squares_lie_inside_and_change_every_epoch():
    shapes = [photo.shape for photo in PHOTOS]
    first, second = (spec.boxes(shapes, SHORT, epoch, 0)[0] for epoch in range(2))
    for (left, top, side), (height, width, _) in zip(first, shapes):
        assert 0 <= left <= width - side and 0 <= top <= height - side and 0.6 * min(height, width) <= side <= min(height, width)
    assert not np.allclose(first, second)
    whole = replace(SHORT, smallest=1.0, mirror=False)
    boxes, mirrored = spec.boxes([(9, 9, 3)] * 5, whole, 0, 0)
    assert (boxes == [0, 0, 9]).all() and not mirrored.any()


def test_cutting_and_mirroring():
    photo = np.zeros((10, 20, 3), np.uint8)
    photo[:, 10:] = 255
    plain, turned = spec.cut([photo, photo], np.array([[5, 0, 10]] * 2), 10, np.array([False, True]))
    assert plain[:, :4].max() < 0.1 and plain[:, 6:].min() > 0.9 and np.allclose(plain[:, ::-1], turned)
    assert spec.cut([photo[..., 0]], np.array([[0, 0, 10]]), 6).shape == (1, 6, 6)
    with pytest.raises(ValueError, match="of uint8"):
        spec.cut([photo / 255], np.array([[0, 0, 10]]), 6)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"learning_rate": -1}, {"smallest": 0}, {"smallest": 1.5}])
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError):
        spec.Settings(**wrong)


def test_features_are_packed_in_bytes():
    values = RNG.random((50, 7)).astype(np.float32) * 6
    stored = measure.packed(values)
    assert stored["bytes"].dtype == np.uint8 and np.abs(measure.unpacked(stored) - values).max() <= values.max() / 255
    with pytest.raises(ValueError, match="0 or more"):
        measure.packed(-values)


def test_directions_are_principal_components():
    from sklearn.decomposition import PCA

    train, test = RNG.random((40, 6)), RNG.random((9, 6))
    left, right = measure.reduced(train, test, 3)
    scaled = (train - train.mean(0)) / (train.std(0) + 1e-6)
    assert np.allclose(np.abs(left), np.abs(PCA(3).fit_transform(scaled)), atol=1e-9) and right.shape == (9, 3)
    with pytest.raises(ValueError, match="from 1 to 6 dimensions"):
        measure.reduced(train, test, 7)


def test_few_labels():
    labels = np.repeat([0, 1, 2], [50, 20, 3])
    chosen = measure.few(labels, 5, 0)
    assert np.bincount(labels[chosen]).tolist() == [5, 5, 3] and not np.array_equal(chosen, measure.few(labels, 5, 1))
    with pytest.raises(ValueError, match="two classes or more"):
        measure.linear(np.ones((3, 2)), np.zeros(3))


def _things(each=600):
    """Noise with the labels of CIFAR-10, the red of an image being the number of its class."""
    rng = np.random.default_rng(0)
    labels, truth = np.arange(10).repeat(each), np.arange(10).repeat(4)
    images = [rng.random((len(some), 32, 32, 3), np.float32) for some in (labels, truth)]
    for pictures, some in zip(images, (labels, truth)):
        pictures[..., 0] = some[:, None, None] / 10
    return data.Labelled("x", "y", images[0], labels, images[1], truth, (), data.cifar.NAMES)


def test_sources_leave_cats_and_dogs_out():
    things = _things()
    whole = sources.lessons(things, sources.SOURCES[0], 0)
    assert len(whole.names) == 8 and not set(whole.names) & set(sources.LEFT_OUT) and len(whole.train_images) == 8 * 600
    two = next(source for source in sources.SOURCES if (source.factor, source.value) == ("classes", 2))
    assert len(sources.lessons(things, two, 0).names) == 2 and set(sources.lessons(things, two, 1).train_labels) == {0, 1}
    for source in sources.SOURCES:
        rows = resnet.table(replace(source.a, num_classes=source.classes))
        features = next(row for row in rows if row.name == sources.LAYER).shape
        assert features == ((source.a.widths[-1],)) and (source.factor == "width") == (features != (64,))
    for some in (whole, sources.pets(things, 50, 0)):
        for pictures, labels in ((some.train_images, some.train_labels), (some.test_images, some.test_labels)):
            assert [some.names[label] for label in labels] == [things.names[round(red * 10)] for red in pictures[:, 0, 0, 0]]
    assert len(some.train_images) == 100 and some.names == sources.LEFT_OUT


@pytest.mark.parametrize("name", TWINS)
def test_a_source_is_taught_and_borrowed_from(name, monkeypatch):
    """A source learns which red is which, in as many steps from fewer images; its features tell cats from dogs, which it never saw."""
    twin, things = TWINS[name], _things(60)
    monkeypatch.setattr(sources, "EACH", 60)
    monkeypatch.setattr(sources, "LABELS", (5, 30))
    monkeypatch.setattr(sources, "BASE", replace(sources.BASE, widths=(4, 8, 8)))
    drawn, learnt = (replace(sources.SOURCES[0], a=sources.BASE, epochs=epochs) for epochs in (0, 2))
    fresh, history = sources.taught(twin.resnet, drawn, things, 0)
    again, _ = sources.taught(twin.resnet, drawn, things, 0)
    assert history == {} and compare.worst(*(twin.weights_of(one) for one in (fresh, again)))[1] == 0
    network, history = sources.taught(twin.resnet, learnt, things, 0)
    assert len(history["loss"]) == 2 and history["loss"][1] < history["loss"][0]
    few = sources.taught(twin.resnet, replace(learnt, images=0.5), things, 0)[1]
    assert len(few["loss"]) == 4, "half of the images, as many steps"
    table = sources.tuning(twin.resnet, twin.features, network, things, 0)
    assert [row["labels"] for row in table] == [5, 30] and all(0 <= row[way] <= 1 for row in table for way in ("frozen", "tuned", "scratch"))
    assert table[1]["frozen"] > 0.9, "the red of cats and of dogs is carried by features of other things"


def test_targets_refuse_and_read_what_is_embedded():
    with pytest.raises(ValueError, match="there is no task 'birds'"):
        targets.target("birds", 16)
    found = targets.target("digits", 16, 0)
    assert found.train_images.shape[1:] == (16, 16, 3) and len(found.train_images) == targets.TRAIN and found.files == ()


def test_shipped_features():
    """Ten labels of each species are worth more than nine right answers of ten, for every choice of them."""
    stored = runs.load_weights(runs.checkpoint("cnn/transfer", "features"))
    features, species, test = measure.unpacked(stored), stored["species"].astype(int), stored["test"].astype(bool)
    train = np.flatnonzero(~test)
    found = [measure.accuracy(features[some], species[some], features[test], species[test])
             for some in (train[measure.few(species[train], 10, seed)] for seed in range(10, 16))]
    assert min(found) > 0.85 and np.mean(found) > 0.92
    shuffled = np.random.default_rng(0).permutation(species)
    assert measure.accuracy(features[train], shuffled[train], features[test], species[test]) < 0.8, "labels that mean nothing"


def test_records_of_the_three_ways():
    scratch, pretrained = (runs.records("cnn/transfer", name) for name in full.WAYS)
    assert len(scratch) >= 3 and len(pretrained) >= 3
    assert min(record["metrics"]["tuned_accuracy"] for record in pretrained) >= 0.96
    assert max(record["metrics"]["test_accuracy"] for record in scratch) < 0.8
    for record in pretrained:
        assert len(record["history"]["loss"]) == len(record["frozen"]["loss"]) + spec.SETTINGS["tuned"].epochs


def test_records_of_layers():
    """Near tasks are best read late, far ones earlier."""
    records = runs.records("cnn/transfer", "layers")
    assert len(records) >= 3
    for record in records:
        rows = {(row["task"], row["layer"]): row["test_accuracy"] for row in record["table"]}
        assert rows["digits", "block7"] > rows["digits", "pixels"] > rows["digits", "block13"]
        assert rows["species", "block11"] > rows["species", "block7"] > rows["species", "pixels"]


@pytest.mark.skipif(not os.environ.get("DLBOOK_MIRROR"), reason="the real network and photos are read from a mirror; DLBOOK_MIRROR names none")
def test_the_real_network_gives_what_is_shipped():
    at_hand(full.OFFICIAL)
    at_hand("oxford_pets_small/oxford_pets_small.zip")
    stored = runs.load_weights(runs.checkpoint("cnn/transfer", "features"))
    photos, a = data.pets("full").images[:6], replace(spec.PRETRAINED, size=full.FEATURES)
    for twin in TWINS.values():
        found = twin.features(twin.network("frozen", a, source=a), spec.squares(photos, full.FEATURES), ("block13",))["block13"]
        assert np.abs(found - measure.unpacked(stored)[:6]).max() <= stored["scale"].max() * 0.51 + 1e-4


@pytest.mark.skipif(not os.environ.get("DLBOOK_MIRROR"), reason="the real photos are read from a mirror; DLBOOK_MIRROR names none")
def test_the_full_run_on_a_few_photos(monkeypatch):
    at_hand(full.OFFICIAL)
    whole = data.pets("full")
    some = np.r_[np.flatnonzero(whole.species == 0)[:12], np.flatnonzero(whole.species == 1)[:12]]
    part = replace(whole, images=tuple(whole.images[i] for i in some), species=whole.species[some], breeds=whole.breeds[some],
                   test=np.arange(24) % 2 == 0)
    monkeypatch.setattr(data, "pets", lambda name: part)
    result = full.way(with_torch, "pretrained", 0)
    assert result["metrics"]["train_images"] == 12 and result["metrics"]["tuned_accuracy"] > 0.5
    json.dumps(result["metrics"])
