"""The digit network's eight tests: counts, shapes, equal outputs, gradients and steps, overfitting, equal names, and a planted defect."""
import inspect

import numpy as np
import pytest

from dlbook import profile

profile.setup()

from dlbook.cnn.digits import spec, with_keras, with_torch  # noqa: E402  (profile.setup comes first)
from dlbook.parity import compare, layout  # noqa: E402
from dlbook.parity import with_keras as keras_steps  # noqa: E402
from dlbook.parity import with_torch as torch_steps  # noqa: E402

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
TWINS = (with_keras, with_torch)


def batch(dtype, n=16, seed=1):
    rng = np.random.default_rng(seed)
    return rng.random((n, 28, 28)).astype(dtype), rng.integers(0, 10, n)


def without_dropout():
    return spec.Architecture(dropout_pool=0.0, dropout_hidden=0.0)


def twins(dtype, a=None, seed=3):
    return [twin.digit_network(seed, dtype=dtype, a=a or without_dropout()) for twin in TWINS]


@pytest.mark.parametrize("twin", TWINS, ids=["keras", "torch"])
def test_parameters_are_the_published_ones(twin):
    """Convention: weights and biases of every layer; the flattened size is no parameter."""
    weights = twin.weights_of(twin.digit_network())
    counts = {name: sum(w.size for key, w in weights.items() if key.startswith(name + ".")) for name in spec.PARAMETERS}
    assert counts == spec.PARAMETERS
    assert sum(w.size for w in weights.values()) == spec.TOTAL == sum(spec.PARAMETERS.values())


def test_table_agrees_with_the_deck():
    rows = {row.name: row for row in spec.table()}
    assert {name: row.parameters for name, row in rows.items() if row.parameters} == spec.PARAMETERS
    assert rows["flatten"].shape == (spec.FLATTENED,)


def test_shapes_in_keras():
    network = with_keras.digit_network()
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in network.layers}
    for row in spec.table()[1:]:
        assert shapes[row.name] == row.shape


def test_shapes_in_torch():
    network = with_torch.digit_network()
    shapes = {}
    for name, layer in network.named_children():
        layer.register_forward_hook(lambda _, __, output, name=name: shapes.update({name: tuple(output.shape[1:])}))
    network(with_torch.to_inputs(network, batch("float32")[0]))
    for row in spec.table()[1:]:
        want = row.shape if len(row.shape) == 1 else (row.shape[2], *row.shape[:2])  # H, W, C -> C, H, W
        assert shapes[row.name] == want


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_outputs_agree(dtype):
    images, _ = batch(dtype)
    k, t = twins(dtype)
    assert compare.difference(keras_steps.logits(k, with_keras.to_inputs(k, images)),
                              torch_steps.logits(t, with_torch.to_inputs(t, images))) <= TOLERANCE[dtype]
    assert compare.difference(with_keras.predict(k, images), with_torch.predict(t, images)) <= TOLERANCE[dtype]


def steps(dtype, count, k=None, t=None):
    """Losses, gradients at the first step and weights at the end, from both twins."""
    images, labels = batch(dtype)
    pair = twins(dtype)
    k, t = k or pair[0], t or pair[1]
    return (keras_steps.sgd(k, with_keras.to_inputs(k, images), labels, count),
            torch_steps.sgd(t, with_torch.to_inputs(t, images), labels, count))


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_gradients_and_twenty_steps_agree(dtype):
    k, t = steps(dtype, 20)
    assert len(k.losses) == 20 and k.losses[-1] < k.losses[0]
    assert compare.difference(k.losses, t.losses) <= TOLERANCE[dtype]
    assert compare.worst(k.gradients, t.gradients)[1] <= TOLERANCE[dtype]
    assert compare.worst(k.weights, t.weights)[1] <= TOLERANCE[dtype]


@pytest.mark.parametrize("twin", TWINS, ids=["keras", "torch"])
def test_overfits_one_batch(twin):
    from dlbook.data import Labelled

    images, labels = batch("float32", n=32)  # noise: nothing to learn but the images themselves
    digits = Labelled("noise", "none", images, labels, images, labels)
    network = twin.digit_network(a=without_dropout())
    history = twin.fit(network, digits, spec.Training(epochs=60, batch_size=32, learning_rate=2e-3), progress=False)
    assert history["val_accuracy"][-1] == 1.0 and history["val_loss"][-1] < 0.05


def public(module):
    return {name: inspect.signature(value) for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")}


def test_twins_have_the_same_names_and_signatures():
    assert public(with_keras) == public(with_torch)


def defect_activation(network):
    """The ReLU after conv1 is left out."""
    import torch

    network.relu1 = torch.nn.Identity()


def defect_flatten(network):
    """The maps are flattened in Keras' order, as if no reordering were needed."""
    import torch

    class Wrong(torch.nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1).flatten(1)

    network.flatten = Wrong()


def defect_pool(network):
    """Average instead of maximum."""
    import torch

    network.pool = torch.nn.AvgPool2d(2)


@pytest.mark.parametrize("plant", [defect_activation, defect_flatten, defect_pool], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen_in_outputs_gradients_and_steps(plant):
    k, t = twins("float64")
    plant(t)
    images, _ = batch("float64")
    assert compare.difference(with_keras.predict(k, images), with_torch.predict(t, images)) > 1e-6
    a, b = steps("float64", 20, k, t)
    assert compare.worst(a.gradients, b.gradients)[1] > 1e-6
    assert compare.difference(a.losses, b.losses) > 1e-6
    assert compare.worst(a.weights, b.weights)[1] > 1e-6


def test_weights_survive_the_way_through_keras():
    state = with_torch.weights_of(with_torch.digit_network(seed=5))
    network = with_keras.digit_network(weights=state)
    assert all((layout.from_keras(network)[name] == value).all() for name, value in state.items())


@pytest.mark.parametrize("twin", TWINS, ids=["keras", "torch"])
def test_weights_of_another_network_are_refused(twin):
    state = twin.weights_of(twin.digit_network())
    with pytest.raises(ValueError, match="missing.*conv1.bias"):
        twin.digit_network(weights={name: w for name, w in state.items() if name != "conv1.bias"})
    with pytest.raises(ValueError, match="logits.bias has shape .3,.; this network needs .10,."):
        twin.digit_network(weights=state | {"logits.bias": np.zeros(3)})


@pytest.mark.parametrize("twin", TWINS, ids=["keras", "torch"])
@pytest.mark.parametrize("images, error, words", [
    (np.zeros((2, 28, 28), np.uint8), TypeError, "dtype uint8; divide by 255"),
    (np.zeros((28, 28)), ValueError, r"add an axis: image\[None\]"),
    (np.zeros((2, 32, 32)), ValueError, r"got shape \(2, 32, 32\)"),
    (np.full((2, 28, 28), 3.0), ValueError, "got values from 3 to 3"),
    (np.full((2, 28, 28), np.nan), ValueError, "nan"),
])
def test_wrong_images_are_refused_in_a_sentence(twin, images, error, words):
    network = twin.digit_network()
    with pytest.raises(error, match=words):
        twin.predict(network, images)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_other_architectures_agree_too(dtype):
    a = spec.Architecture(size=19, filters=5, kernel=4, pool=3, hidden=7, num_classes=4)
    images = np.random.default_rng(0).random((6, 19, 19))
    k, t = (twin.digit_network(2, dtype=dtype, a=a) for twin in TWINS)
    assert compare.difference(with_keras.predict(k, images), with_torch.predict(t, images)) <= TOLERANCE[dtype]
    assert sum(w.size for w in with_torch.weights_of(t).values()) == sum(row.parameters for row in spec.table(a))


@pytest.mark.parametrize("change, words", [
    ({"filters": 0}, "filters must be at least 1; got 0"), ({"dropout_pool": 1.0}, "from 0 to below 1; got 1.0"),
    ({"size": 8, "kernel": 5}, "nothing is left of images of 8 x 8"),
])
def test_impossible_architectures_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        spec.Architecture(**change)


def test_impossible_trainings_are_refused():
    with pytest.raises(ValueError, match="epochs must be at least 1; got 0"):
        spec.Training(epochs=0, batch_size=1, learning_rate=1.0)
    with pytest.raises(ValueError, match="learning_rate must be above 0; got nan"):
        spec.Training(epochs=1, batch_size=1, learning_rate=float("nan"))


def test_the_twins_train_alike():
    """The `fit` of the chapter and of the recorded runs: same batches, same learning rates, same Adam, step by step.

    Dropout is off, since the frameworks draw different masks; epsilon is tiny, since the two place it differently; and Keras
    keeps the loss and the learning rate in float32, which leaves differences of about 1e-7 a step.
    """
    from dlbook import data

    whole = data.digits("quick")
    digits = data.Labelled("part", "", whole.train_images[:150], whole.train_labels[:150], whole.test_images[:60], whole.test_labels[:60])
    training = spec.Training(epochs=3, batch_size=32, learning_rate=1e-3, epsilon=1e-15)
    histories, steps_seen = [], []
    for twin in TWINS:
        steps_seen.append([])
        network = twin.digit_network(1, dtype="float64", a=without_dropout())
        histories.append(twin.fit(network, digits, training, seed=4, on_step=lambda _, loss: steps_seen[-1].append(loss), progress=False))
    k, t = histories
    assert k.keys() == t.keys() and all(len(values) == 3 for values in k.values())
    assert all(compare.difference(k[name], t[name]) < 1e-5 for name in k)
    assert len(steps_seen[0]) == 15 and compare.difference(*steps_seen) < 1e-5
    assert steps_seen[0][0] == pytest.approx(steps_seen[1][0], rel=1e-6)  # before any step: the very same first batch


def test_dropout_is_where_the_deck_has_it():
    """0.25 after the pooling, 0.5 after the hidden layer."""
    k = [(layer.name, layer.rate) for layer in with_keras.digit_network().layers if hasattr(layer, "rate")]
    network = with_torch.digit_network()
    names = [name for name, _ in network.named_children()]
    t = [(name, layer.p) for name, layer in network.named_children() if hasattr(layer, "p")]
    assert k == t == [("dropout1", 0.25), ("dropout2", 0.5)]
    assert names.index("pool") < names.index("dropout1") < names.index("dense1") < names.index("dropout2") < names.index("logits")


def test_the_full_run_has_the_settings_that_were_chosen():
    full = spec.TRAINING["full"]
    assert (full.epochs, full.batch_size, full.learning_rate) == (12, 64, 2e-3)


@pytest.mark.parametrize("twin", TWINS, ids=["keras", "torch"])
def test_unknown_dtypes_and_empty_weights_are_refused(twin):
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'int32'"):
        twin.digit_network(dtype="int32")
    with pytest.raises(ValueError, match="missing"):
        twin.digit_network(weights={})


@pytest.mark.parametrize("twin", TWINS, ids=["keras", "torch"])
def test_no_images_no_answers(twin):
    assert twin.predict(twin.digit_network(), np.zeros((0, 28, 28))).shape == (0, 10)


@pytest.mark.parametrize("twin", TWINS, ids=["keras", "torch"])
def test_same_seed_same_training(twin):
    from dlbook import data

    digits = data.digits("quick")
    training = spec.Training(epochs=1, batch_size=200, learning_rate=1e-3)
    runs = []
    for _ in range(2):
        profile.setup(seed=0)
        runs.append(twin.fit(twin.digit_network(7), digits, training, seed=7, progress=False))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("twin", TWINS, ids=["keras", "torch"])
def test_the_shipped_weights_read_photos(twin):
    """Three lines, as in the README: import, load, read."""
    from test_photo import GROUNDS, drawn

    model = twin.load()
    for ground in ("tall, cream paper", "wide blackboard", "red on blue"):
        assert [twin.read(model, drawn(digit, *GROUNDS[ground])) for digit in range(10)] == list(range(10)), ground


def test_the_twins_read_alike_with_the_shipped_weights():
    from dlbook import data

    framed = np.stack([data.frame(image) for image in data.digits("quick").test_images])
    k, t = (twin.predict(twin.load(), framed) for twin in TWINS)
    assert compare.difference(k, t) <= TOLERANCE["float32"]
    assert (t.argmax(1) == data.digits("quick").test_labels).mean() > 0.88
