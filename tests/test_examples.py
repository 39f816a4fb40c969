"""Features made by hand against features learnt: the pieces of photos, the features, the twins, the contest."""
import inspect

import numpy as np
import pytest

from dlbook import profile

profile.setup()

from dlbook import data, runs  # noqa: E402  (profile.setup comes first)
from dlbook.cnn.examples import contest, full, handcrafted, spec, with_keras, with_torch  # noqa: E402
from dlbook.data import patches as cut  # noqa: E402
from dlbook.data.patches import patches, places  # noqa: E402
from dlbook.parity import compare  # noqa: E402
from dlbook.parity import with_keras as keras_steps  # noqa: E402
from dlbook.parity import with_torch as torch_steps  # noqa: E402

TWINS = (with_keras, with_torch)
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
A = spec.Architecture(num_classes=5, channels=3)


def batch(dtype, n=12):
    rng = np.random.default_rng(1)
    return rng.random((n, 28, 28, 3)).astype(dtype), rng.integers(0, 5, n)


# ---------------------------------------------------------------- the images

@pytest.mark.parametrize("kind, shape", [("textures", (28, 28)), ("photos", (28, 28, 3))])
def test_pieces_have_their_shape_range_and_classes(kind, shape):
    found = patches(kind, 7, 4)
    assert found.train_images.shape == (35, *shape) and found.test_images.shape == (20, *shape)
    assert found.train_images.dtype == np.float32 and 0 <= found.train_images.min() <= found.train_images.max() <= 1
    assert np.bincount(found.train_labels).tolist() == [7] * 5 and np.bincount(found.test_labels).tolist() == [4] * 5
    assert len(found.names) == 5
    assert all((a == b).all() for a, b in zip((found.train_images, found.test_labels), (patches(kind, 7, 4).train_images, patches(kind, 7, 4).test_labels)))


def test_no_pixel_is_in_training_and_in_testing():
    """A photo whose pixels are their own numbers shows where each piece was cut."""
    photo = np.arange(300 * 451).reshape(300, 451)
    sets = [set(cut._pieces(photo, 400, colour, [0, colour]).ravel().tolist()) for colour in (0, 1)]
    assert not sets[0] & sets[1] and min(map(len, sets)) > 10_000


def test_the_blocks_are_those_of_a_chessboard():
    white, black = (places((300, 451, 3), colour) for colour in (0, 1))
    assert len(white) + len(black) == 5 * 8 and not set(white) & set(black)
    assert all(i + cut.BLOCK <= 300 and j + cut.BLOCK <= 451 for i, j in white + black)


def test_textures_cannot_be_told_by_their_light():
    images = patches("textures", 50, 10).train_images
    assert np.abs(images.mean(axis=(1, 2)) - 0.5).max() < 0.03 and np.quantile(np.abs(images.std(axis=(1, 2)) - cut.SPREAD), 0.95) < 0.04


# ---------------------------------------------------------------- features

def test_shapes_of_the_features():
    for images, channels in ((batch("float32")[0], 3), (batch("float32")[0][..., 0], 1)):
        widths = {name: way(images).shape for name, way in handcrafted.FEATURES.items()}
        assert widths == {"colours": (12, 16 * channels), "edges": (12, 9), "patterns": (12, 10), "HOG": (12, 324)}
        assert handcrafted.all_features(images).shape == (12, 16 * channels + 9 + 10 + 324)


def test_colours_count_and_do_not_look_where():
    images, _ = batch("float32")
    shuffled = images.reshape(12, 784, 3)[:, np.random.default_rng(0).permutation(784)].reshape(images.shape)
    assert np.allclose(handcrafted.colours(images), handcrafted.colours(shuffled))
    assert np.allclose(handcrafted.colours(images).sum(axis=1), 3)
    assert not np.allclose(handcrafted.hog(images), handcrafted.hog(shuffled))


def test_edges_know_their_direction():
    stripes = np.tile((np.arange(28) // 4 % 2).astype(np.float32), (28, 1))
    across, along = handcrafted.edges(np.stack([stripes, stripes.T]))
    assert across.argmax() == 0 and along.argmax() == 4 and (across > 0).sum() == (along > 0).sum() == 1


def test_patterns_do_not_hang_on_brightness():
    images = np.round(255 * batch("float32")[0][..., 0] * 0.4).astype(np.float32) / 255
    brighter = images + np.float32(50 / 255)
    # A neighbour on a diagonal is a mixture of four pixels; where it equals the pixel itself, rounding decides.
    assert np.allclose(handcrafted.patterns(images), handcrafted.patterns(brighter), atol=0.03)
    assert not np.allclose(handcrafted.colours(images), handcrafted.colours(brighter), atol=0.03)
    assert np.allclose(handcrafted.patterns(images).sum(axis=1), 1)


# ---------------------------------------------------------------- the twins

@pytest.mark.parametrize("twin", TWINS, ids=["keras", "torch"])
def test_parameters(twin):
    weights = twin.weights_of(twin.small_network(A))
    assert {name: weight.shape for name, weight in weights.items()} == spec.weight_shapes(A)
    assert sum(w.size for w in weights.values()) == spec.parameters(A) == (75 + 1) * 12 + (300 + 1) * 24 + (384 + 1) * 48 + 49 * 5


def twins(dtype):
    return [twin.small_network(A, 3, dtype=dtype) for twin in TWINS]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_outputs_gradients_and_twenty_steps_agree(dtype):
    images, labels = batch(dtype)
    k, t = twins(dtype)
    inputs = with_keras.to_inputs(k, images), with_torch.to_inputs(t, images)
    assert compare.difference(keras_steps.logits(k, inputs[0]), torch_steps.logits(t, inputs[1])) <= TOLERANCE[dtype]
    a, b = keras_steps.sgd(k, inputs[0], labels, 20), torch_steps.sgd(t, inputs[1], labels, 20)
    assert a.losses[-1] < a.losses[0] and compare.difference(a.losses, b.losses) <= TOLERANCE[dtype]
    assert compare.worst(a.gradients, b.gradients)[1] <= TOLERANCE[dtype] and compare.worst(a.weights, b.weights)[1] <= TOLERANCE[dtype]


def test_a_planted_defect_is_seen():
    import torch

    images, labels = batch("float64")
    k, t = twins("float64")
    t.pool1 = torch.nn.AvgPool2d(2)
    a, b = keras_steps.sgd(k, with_keras.to_inputs(k, images), labels, 2), torch_steps.sgd(t, with_torch.to_inputs(t, images), labels, 2)
    assert compare.difference(a.losses, b.losses) > 1e-6 and compare.worst(a.gradients, b.gradients)[1] > 1e-6


@pytest.mark.parametrize("twin", TWINS, ids=["keras", "torch"])
def test_it_learns_one_batch_by_heart(twin):
    images, labels = batch("float32", 32)
    network = twin.small_network(A)
    history = twin.fit(network, images, labels, spec.Training(60, 32, 2e-3), progress=False, held_out=(images[:8], labels[:8]))
    assert (twin.predict(network, images) == labels).all() and history["loss"][-1] < 0.1 and history["val_accuracy"][-1] == 1


def test_twins_have_the_same_names_and_signatures():
    public = lambda module: {name: inspect.signature(value) for name, value in vars(module).items()
                             if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")}
    assert public(with_keras) == public(with_torch)


def test_few_examples_are_shown_more_often():
    for n in (1, 15, 300, 100_000):
        training, per_epoch = spec.training(n), -(-n // spec.BATCH)
        assert training.epochs >= spec.EPOCHS and training.epochs * per_epoch >= spec.STEPS


# ---------------------------------------------------------------- the contest

def test_examples_are_drawn_evenly_and_differently():
    labels = np.repeat([0, 1, 2], [5, 6, 7])
    first, second = contest.drawn(labels, 4, 0), contest.drawn(labels, 4, 1)
    assert np.bincount(labels[first]).tolist() == [4, 4, 4] and len(set(first.tolist())) == 12
    assert sorted(first.tolist()) != sorted(second.tolist()) and (first == contest.drawn(labels, 4, 0)).all()


def test_everybody_beats_guessing_and_noise_beats_nobody():
    images = patches("photos", 12, 20)
    found = contest.round_of(with_torch, images, contest.described(images), 12, 0)
    assert list(found) == ["colours", "edges", "patterns", "HOG", "all four", "ConvNet"]
    assert all(value > 0.3 for value in found.values()), found
    rng = np.random.default_rng(0)
    noise = data.Labelled("noise", "", rng.random((60, 28, 28)).astype("float32"), np.arange(60) % 5, rng.random((400, 28, 28)).astype("float32"),
                          np.arange(400) % 5, names=tuple("abcde"))
    found = contest.round_of(with_torch, noise, contest.described(noise), 12, 0)
    assert all(abs(value - 0.2) < 0.09 for value in found.values()), found


@pytest.mark.parametrize("task", full.TASKS)
def test_the_record_holds_every_contender_at_every_number(task):
    found = runs.records("cnn/examples", task)
    assert len(found) >= 3 and len({record["seed"] for record in found}) == len(found)
    for record in found:
        assert record["history"]["per_class"] == list(full.PER_CLASS[task])
        assert all(len(values) == len(full.PER_CLASS[task]) for values in record["history"].values())
        assert record["metrics"][contest.LEARNT] == record["history"][contest.LEARNT][-1]


@pytest.mark.parametrize("act, words", [
    (lambda: patches("clouds"), "no patches 'clouds'"), (lambda: patches("photos", 0), "got 0 and 60"),
    (lambda: contest.drawn(np.array([0, 0, 1]), 2, 0), "1 to 1 examples can be drawn; got 2"),
    (lambda: spec.Architecture(size=12), "nothing is left of images of 12 x 12"), (lambda: spec.Architecture(hidden=0), "hidden must be at least 1; got 0"),
    (lambda: spec.Architecture(filters=(4,)), "two convolutions"),
])
def test_bad_input_gets_a_sentence(act, words):
    with pytest.raises(ValueError, match=words):
        act()
