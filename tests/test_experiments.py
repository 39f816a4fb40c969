"""The helpers of live experiments: sweeps, spreads, gradients by layer."""
import numpy as np
import pytest

from dlbook import profile

profile.setup()

from dlbook import data  # noqa: E402  (profile.setup comes first)
from dlbook.cnn import experiments  # noqa: E402
from dlbook.cnn.resnet import spec, with_keras, with_torch  # noqa: E402
from dlbook.parity import with_keras as keras_steps  # noqa: E402
from dlbook.parity import with_torch as torch_steps  # noqa: E402
from dlbook.train.settings import Training  # noqa: E402

TINY = spec.Architecture((2, 1), "basic", (3, 4), stem="small", size=10, channels=1, num_classes=10, scaling="none")


def test_thinned_keeps_every_third_pixel():
    images = data.digits("quick")
    small = experiments.thinned(images, 3)
    assert small.train_images.shape[1:] == (10, 10) and (small.test_images == images.test_images[:, ::3, ::3]).all()
    assert small.source.endswith("thinned to 10 x 10") and (small.train_labels == images.train_labels).all()
    for step in (0, 28):
        with pytest.raises(ValueError, match=f"from 1 to 27 pixels for images of 28 x 28; got {step}"):
            experiments.thinned(images, step)


def test_a_sweep_runs_every_setting_with_every_seed():
    seen = []
    results = experiments.sweep(lambda setting, seed: seen.append((setting, seed)) or setting * 10 + seed, {"a": 1, 2: 2}, range(2))
    assert results == {"a": [10, 11], 2: [20, 21]} and seen == [(1, 0), (1, 1), (2, 0), (2, 1)]
    for settings, seeds in (({}, [0]), ({"a": 1}, [])):
        with pytest.raises(ValueError, match="a sweep needs a setting and a seed or more"):
            experiments.sweep(print, settings, seeds)


def test_trainings_side_by_side_give_the_same_numbers():
    from dlbook.cnn.lenet import spec, with_torch

    profile.setup("torch")  # one thread here too, as in the pool: two would add up a loss in another order
    images = data.digits("quick")
    train = lambda a, seed: experiments.trained(with_torch, "lenet", a, images, Training(1, 100, 1e-3), seed)  # noqa: E731
    alone, both = (experiments.sweep(train, {"modern": spec.VARIANTS["modern"]}, range(3), at_once=n) for n in (1, 2))
    assert [history for _, history in alone["modern"]] == [history for _, history in both["modern"]]
    assert len({history["loss"][0] for _, history in both["modern"]}) == 3


def test_the_last_values_and_their_words():
    histories = {3: [{"accuracy": [0.1, 0.2], "val_accuracy": [0.5]}, {"accuracy": [0.4], "val_accuracy": [0.6]}]}
    assert experiments.last(histories) == {3: [0.2, 0.4]} and experiments.last(histories, "val_accuracy") == {3: [0.5, 0.6]}
    assert experiments.mean_and_range([0.2, 0.4]) == "0.30 (0.20 to 0.40)"
    assert experiments.mean_and_range([1, 2, 6], 1) == "3.0 (1.0 to 6.0)"


@pytest.mark.parametrize("twin", [with_keras, with_torch])
def test_a_training_starts_from_its_seed(twin):
    images = experiments.thinned(data.digits("quick"), 3)
    training = Training(1, 256, 1e-2)
    network, history = experiments.trained(twin, "resnet", TINY, images, training, 1)
    again = experiments.trained(twin, "resnet", TINY, images, training, 1)[1]
    other = experiments.trained(twin, "resnet", TINY, images, training, 2)[1]
    assert history == again and history["loss"] != other["loss"] and network.a == TINY
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}


@pytest.mark.parametrize("name", spec.VARIANTS)
def test_depth_is_what_the_paper_counts(name):
    """ResNet-50 has 50 layers: the convolutions on its shortcuts are not counted."""
    assert len(experiments.main_layers(spec.table(name))) == int(name)


def test_norms_and_agreement_by_hand():
    first = {"a.weight": np.array([3.0, 4.0]), "b.weight": np.array([[1.0, 0.0]]), "b.bias": np.array([9.0])}
    second = {"a.weight": np.array([-6.0, -8.0]), "b.weight": np.array([[0.0, 2.0]]), "b.bias": np.array([9.0])}
    assert experiments.gradient_norms(first, ["a", "b"]) == pytest.approx([5, 1])
    assert experiments.agreement(first, second, ["a", "b"]) == pytest.approx([-1, 0])
    assert experiments.agreement(first, first, ["b", "a"]) == pytest.approx([1, 1])
    with pytest.raises(ValueError, match="a gradient of zero has no direction: b"):
        experiments.agreement(first, second | {"b.weight": np.zeros((1, 2))}, ["a", "b"])


def test_first_gradients_are_the_same_in_both_frameworks():
    rng = np.random.default_rng(0)
    images, labels = rng.random((9, 10, 10), dtype=np.float32), rng.integers(0, 10, 9)
    names = experiments.main_layers(spec.table(TINY))
    keras = experiments.first_gradients(with_keras, keras_steps, "resnet", TINY, images, labels, 1)
    torch = experiments.first_gradients(with_torch, torch_steps, "resnet", TINY, images, labels, 1)
    for k, t in zip(keras, torch):
        assert experiments.gradient_norms(k, names) == pytest.approx(experiments.gradient_norms(t, names), rel=1e-6)
        assert experiments.agreement(k, t, names) == pytest.approx(np.ones(len(names)), abs=1e-9)
    # Five images in the first half, four in the second: each half is differentiated by itself.
    half = torch_steps.sgd(with_torch.resnet(TINY, 1, dtype="float64"), with_torch.to_inputs(with_torch.resnet(TINY, dtype="float64"), images[5:].astype(float)),
                           labels[5:], 1).gradients
    assert experiments.agreement(half, torch[1], names) == pytest.approx(np.ones(len(names)), abs=1e-12)
    assert np.abs(experiments.agreement(torch[0], torch[1], names) - 1).max() > 0.01
