"""LeNet-5 as published and as built today: the eight tests, the paper's counts, and each of its own layers by its formula."""
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import zoo

from dlbook import data, runs
from dlbook.cnn.blocks.images import as_inputs
from dlbook.cnn.lenet import full, spec, with_keras, with_torch
from dlbook.parity import layout
from dlbook.train.settings import Training

LENET = zoo.Zoo(spec, with_keras, with_torch, "lenet")
ORIGINAL, MODERN = spec.VARIANTS["original"], spec.VARIANTS["modern"]
HELD_OUT = [
    replace(MODERN, maps=(3, 5), units=(11, 7), size=37, channels=3, num_classes=4, scaling="signed"),
    replace(MODERN, maps=(4, 3), partial=((0, 3), (1,), (0, 1, 2)), size=(36, 41), frame=0),
    replace(MODERN, activation="tanh", pooling="subsampling", scaling="none"),
    replace(ORIGINAL, maps=(2, 3), partial=((1,), (0, 1), (0,)), units=(9, 84), num_classes=7, size=44),
    replace(ORIGINAL, output="dense", units=(10, 6), partial=()),
]
HELD_OUT.append(replace(HELD_OUT[3], spread=1.0, num_classes=10))


def rate(a):
    """Learnt sums and plain distances are steep: in larger steps the loss jumps up and down, and rounding errors grow with it."""
    if a.output == "gaussian" and a.spread == 1:
        return 2**-10
    return 2**-8 if a.pooling == "subsampling" else 2**-6


@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name):
    zoo.check_table(LENET, spec.VARIANTS[name], spec.PARAMETERS[name])


def test_parameters_and_connections_are_the_papers():
    rows = spec.table("original")
    assert {row.name: row.parameters for row in rows if row.parameters} == spec.LAYERS
    assert sum(spec.LAYERS.values()) == spec.PARAMETERS["original"] == 60_000
    assert spec.connections("original") == spec.CONNECTIONS
    assert sum(spec.CONNECTIONS.values()) == 340_908


def test_shapes_are_the_decks():
    shapes = {row.name: row.shape for row in spec.table("original")}
    assert [shapes[name] for name in ("c1", "s2", "c3", "s4", "c5", "f6", "output")] == [
        (28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (1, 1, 120), (84,), (10,)]


def test_table_i_has_the_papers_structure():
    """Six maps see three neighbours and six see four, in a ring; three see two pairs; one sees all. No two see the same."""
    ring = lambda first, count: {(first + i) % 6 for i in range(count)}
    seen = [set(maps) for maps in spec.TABLE_I]
    assert sorted(map(sorted, seen[:6])) == sorted(sorted(ring(i, 3)) for i in range(6))
    assert sorted(map(sorted, seen[6:12])) == sorted(sorted(ring(i, 4)) for i in range(6))
    assert sorted(map(sorted, seen[12:15])) == sorted(sorted(ring(i, 2) | ring(i + 3, 2)) for i in range(3))
    assert seen[15] == set(range(6)) and len({tuple(sorted(maps)) for maps in seen}) == 16


def test_codes_are_bitmaps_that_differ_clearly():
    codes = spec.codes()
    assert codes.shape == (10, 7 * 12) and set(np.unique(codes)) == {-1, 1}
    assert min((a != b).sum() for a, b in combinations(codes, 2)) >= 15


def test_the_squashing_function_keeps_the_codes():
    """Appendix A: f(1) = 1 and f(-1) = -1, so that F6 can reach every code."""
    height, slope = spec.SQUASH
    assert height * np.tanh(slope * np.array([1, -1])) == pytest.approx([1, -1], abs=1e-4)


@pytest.mark.parametrize("a", [ORIGINAL, MODERN, *HELD_OUT], ids=range(2 + len(HELD_OUT)))
def test_twins_agree(a):
    zoo.check_table(LENET, a)
    zoo.check_outputs(LENET, a)
    zoo.check_steps(LENET, a, learning_rate=rate(a))


@pytest.mark.parametrize("a", [ORIGINAL, MODERN], ids=["original", "modern"])
def test_overfits_one_batch(a):
    zoo.check_overfits(LENET, a)


def test_twins_have_the_same_names_and_signatures():
    import inspect

    public = [set(twin.__all__) for twin in (with_keras, with_torch)]
    assert public[0] == public[1]
    for name in ("lenet", "fit", "predict", "to_inputs", "weights_of", "count_operations"):
        assert inspect.signature(getattr(with_keras, name)) == inspect.signature(getattr(with_torch, name))


def defect_partial(network):
    """One map of C3 sees another map of S2 than table I says."""
    network.c3.places = [1, *network.c3.places[1:]]
    network.c3.places[1] = 0


def defect_subsampling(network):
    """The mean of the four pixels instead of their sum."""
    network.s2.weight.data /= 4


def defect_squash(network):
    """A plain tanh."""
    from torch import nn

    network.c1_tanh = nn.Tanh()


def defect_codes(network):
    """The code of one digit in another place."""
    network.output.weight = network.output.weight.roll(1, 1)


@pytest.mark.parametrize("plant", [defect_partial, defect_subsampling, defect_squash, defect_codes], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(LENET, ORIGINAL, plant)


def layer_of(twin, name, a=ORIGINAL):
    """A function of maps (N, H, W, C) or vectors (N, D), in float64, that one layer of a twin computes; and the weights."""
    import torch

    network = twin.lenet(a, 5, dtype="float64")
    weights = {key: value for key, value in twin.weights_of(network).items() if key.startswith(f"{name}.")}
    if twin is with_keras:
        return lambda x: np.asarray(network.get_layer(name)(x)), weights

    def compute(x):
        maps = torch.tensor(x)
        with torch.no_grad():
            y = getattr(network, name)(maps.permute(0, 3, 1, 2) if maps.ndim == 4 else maps)
        return (y.permute(0, 2, 3, 1) if y.ndim == 4 else y).numpy()

    return compute, weights


TWINS = pytest.mark.parametrize("twin", [with_keras, with_torch], ids=["keras", "torch"])


@TWINS
def test_partial_connections_by_the_formula(twin):
    """Each map of C3: the sum of 5 x 5 windows of the maps it sees, by one loop over the connections."""
    compute, weights = layer_of(twin, "c3")
    x = np.random.default_rng(0).standard_normal((2, 7, 6, 6))
    want, connection = np.zeros((2, 3, 2, 16)), iter(weights["c3.weight"])
    for i, seen in enumerate(spec.TABLE_I):
        for j in seen:
            kernel = next(connection)
            for h, w in np.ndindex(3, 2):
                want[:, h, w, i] += (x[:, h:h + 5, w:w + 5, j] * kernel).sum((1, 2))
    assert weights["c3.weight"].shape == (60, 5, 5) and next(connection, None) is None
    assert zoo.compare.difference(want + weights["c3.bias"], compute(x)) <= 1e-14


@TWINS
def test_subsampling_by_the_formula(twin):
    compute, weights = layer_of(twin, "s2")
    x = np.random.default_rng(0).standard_normal((2, 6, 5, 6))  # the fifth column has no partner
    total = x[:, ::2, 0:4:2] + x[:, 1::2, 0:4:2] + x[:, ::2, 1:4:2] + x[:, 1::2, 1:4:2]
    assert zoo.compare.difference(weights["s2.weight"] * total + weights["s2.bias"], compute(x)) <= 1e-14


@TWINS
def test_gaussian_units_by_the_formula(twin):
    """A vector that is a digit's code scores 0 for that digit; another code scores minus 4 for each pixel that differs."""
    codes = spec.codes().astype(float)
    for spread in (1.0, 16.0):
        compute, weights = layer_of(twin, "output", replace(ORIGINAL, spread=spread))
        assert np.array_equal(weights["output.weight"], codes)
        assert np.array_equal(compute(codes), -4.0 / spread * (codes[:, None] != codes).sum(2))


@TWINS
def test_codes_stay_as_they_are_in_training(twin):
    rng = np.random.default_rng(0)
    images, labels = rng.random((32, 28, 28)).astype("float32"), rng.integers(0, 10, 32)
    noise = data.Labelled("noise", "none", images, labels, images, labels)
    network = twin.lenet("original", 1)
    before = twin.weights_of(network)
    twin.fit(network, noise, Training(epochs=1, batch_size=16, learning_rate=1e-3), progress=False)
    after = twin.weights_of(network)
    assert [name for name in before if np.array_equal(before[name], after[name])] == ["output.weight"]


@TWINS
def test_fits_the_digits_of_the_quick_profile(twin):
    """Images of 28 x 28 pixels go in as they come."""
    digits = data.digits("quick")
    network = twin.lenet("modern", 0)
    history = twin.fit(network, digits, Training(epochs=3, batch_size=32, learning_rate=2e-3), progress=False)
    assert history["val_accuracy"][-1] > 0.9
    assert (twin.predict(network, digits.test_images).argmax(1) == digits.test_labels).mean() == pytest.approx(history["val_accuracy"][-1])


def test_a_frame_is_ground():
    images = np.random.default_rng(0).random((3, 28, 28)).astype("float32")
    framed = as_inputs(images, 32, 1, "ink", 2)
    assert framed.shape == (3, 32, 32, 1) and np.array_equal(framed, as_inputs(np.pad(images, ((0, 0), (2, 2), (2, 2))), 32, 1, "ink", 2))
    assert framed[:, 0].max() == framed[:, :, -1].max() == np.float32(-0.1)
    with pytest.raises(ValueError, match="shape \\(N, 32, 32, 1\\) or \\(N, 28, 28, 1\\) here; got shape \\(3, 30, 30, 1\\)"):
        as_inputs(np.zeros((3, 30, 30)), 32, 1, "ink", 2)


def test_starting_weights_keep_the_size_of_signals():
    """Uniform with variance 1 / F, where the number F of inputs of a unit differs from map to map in C3."""
    weights = spec.start(ORIGINAL, 0)
    assert weights["f6.weight"].var() == pytest.approx(1 / 120, rel=0.03) and weights["c5.weight"].var() == pytest.approx(1 / 400, rel=0.03)
    assert spec.start(MODERN, 0)["c5.weight"].var() == pytest.approx(2 / 400, rel=0.03)
    connections = np.split(weights["c3.weight"], np.cumsum([len(seen) for seen in spec.TABLE_I])[:-1])
    for seen, kernels in zip(spec.TABLE_I, connections, strict=True):
        assert 0.9 < np.abs(kernels).max() * np.sqrt(25 * len(seen) / 3) <= 1.0001
    assert (weights["s4.weight"] == 1).all() and not weights["f6.bias"].any()
    assert weights["c5.weight"].tolist() == spec.start(ORIGINAL, 0)["c5.weight"].tolist() != spec.start(ORIGINAL, 1)["c5.weight"].tolist()


def test_weights_pass_through_a_checkpoint_from_twin_to_twin(tmp_path):
    t = with_torch.lenet("original", 7)
    runs.save_weights(with_torch.weights_of(t), tmp_path / "c.safetensors", trained_on="nothing")
    k = with_keras.lenet("original", weights=tmp_path / "c.safetensors")
    back = with_keras.weights_of(k)
    layout.check(back, {name: value.shape for name, value in with_torch.weights_of(t).items()})
    assert all(np.array_equal(value, back[name]) for name, value in with_torch.weights_of(t).items())
    assert sum(value.size for value in back.values()) == 60_000 + 840


def test_full_runs_have_settings(monkeypatch, tmp_path):
    """Each task trains its variant on its data, and the shipped run leaves its weights behind."""
    calls = []
    monkeypatch.setattr(full.full, "train", lambda *words: calls.append(words) or {})
    for task in full.TASKS:
        full.run("torch", 0, tmp_path, task)
    assert set(full.TASKS) == set(spec.TRAINING)
    assert [(call[2], call[3], call[-1]) for call in calls] == [(spec.VARIANTS[task.split("-")[0]], spec.TRAINING[task], task) for task in full.TASKS]


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no LeNet-5 '4'; choose from: original, modern"):
        with_torch.lenet("4")
    with pytest.raises(ValueError, match="activation must be one of relu, tanh; got 'sigmoid'"):
        spec.Architecture(activation="sigmoid")
    with pytest.raises(ValueError, match="partial needs an entry for each of C3's 16 maps; got 2"):
        spec.Architecture(partial=((0, 1), (2,)))
    with pytest.raises(ValueError, match="different maps of S2, from 0 to 1; got \\(0, 2\\)"):
        spec.Architecture(maps=(2, 2), partial=((0, 2), (1,)))
    with pytest.raises(ValueError, match="10 bitmaps of 84 pixels; got 11 classes and 84 units in F6"):
        spec.Architecture(output="gaussian", num_classes=11)
    with pytest.raises(ValueError, match="images of size 30 are too small: this network reads 32 x 32 pixels or more"):
        with_keras.lenet(replace(MODERN, size=30))
    with pytest.raises(ValueError, match="maps must be a tuple of 2 whole numbers of 1 or more; got \\(6,\\)"):
        spec.Architecture(maps=(6,))
    with pytest.raises(ValueError, match="spread must be a number above 0; got 0"):
        spec.Architecture(spread=0)
    for frame in (-1, 1.5):
        with pytest.raises(ValueError, match=f"frame must be a whole number of 0 or more; got {frame}"):
            spec.Architecture(frame=frame)
    for frame in (16, 40):
        with pytest.raises(ValueError, match=f"must leave a pixel between both sides of images of size 32; got {frame}"):
            spec.Architecture(frame=frame)
    assert spec.Architecture(frame=15)
