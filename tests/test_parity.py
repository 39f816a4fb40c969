"""The exchange format and the measure of agreement: each is checked against its definition."""
import numpy as np
import pytest

from dlbook import profile

profile.setup()

import keras  # noqa: E402  (profile.setup comes first)
import torch  # noqa: E402
from keras import layers  # noqa: E402
from torch import nn  # noqa: E402

from dlbook.parity import compare, layout  # noqa: E402


def small():
    return keras.Sequential([keras.Input((6, 5, 2)), layers.Conv2D(3, (3, 2), name="conv"), layers.Flatten(), layers.Dense(7, name="first"),
                             layers.Dense(4, use_bias=False, name="last")])


def test_shapes_are_pytorchs():
    shapes = {name: value.shape for name, value in layout.from_keras(small()).items()}
    # 6 x 5 less a 3 x 2 window leaves 4 x 4 of 3 maps
    assert shapes == {"conv.weight": (3, 2, 3, 2), "conv.bias": (3,), "first.weight": (7, 48), "first.bias": (7,), "last.weight": (4, 7)}


def test_flattened_maps_are_reordered_entry_by_entry():
    network = small()
    kernel = np.asarray(network.get_layer("first").kernel)  # rows in the order H, W, C
    weight = layout.from_keras(network)["first.weight"]  # columns in the order C, H, W
    for h, w, c in np.ndindex(4, 4, 3):
        assert np.array_equal(weight[:, (c * 4 + h) * 4 + w], kernel[(h * 4 + w) * 3 + c])


def test_there_and_back_changes_nothing():
    network, other = small(), small()
    layout.to_keras(other, layout.from_keras(network))
    assert all(np.array_equal(a, b) for a, b in zip(network.get_weights(), other.get_weights(), strict=True))


PAIRS = {  # a Keras layer and the PyTorch layer that computes the same, on maps (4, 6, 5, 4)
    "convolution": (layers.Conv2D(6, 3, dtype="float64"), nn.Conv2d(4, 6, 3)),
    "grouped convolution": (layers.Conv2D(6, 3, groups=2, dtype="float64"), nn.Conv2d(4, 6, 3, groups=2)),
    "depthwise convolution": (layers.DepthwiseConv2D(3, depth_multiplier=2, dtype="float64"), nn.Conv2d(4, 8, 3, groups=4)),
    "batch normalisation": (layers.BatchNormalization(epsilon=1e-5, dtype="float64"), nn.BatchNorm2d(4)),
    "dense": (layers.Dense(3, dtype="float64"), None),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_every_kind_of_layer_computes_the_same_with_copied_weights(pair):
    rng = np.random.default_rng(0)
    keras_layer, torch_layer = PAIRS[pair]
    body = [layers.Flatten(dtype="float64"), keras_layer] if torch_layer is None else [keras_layer]
    network = keras.Sequential([keras.Input((6, 5, 4), dtype="float64"), *body])
    state = {name: rng.uniform(0.5, 1.5, value.shape) for name, value in layout.from_keras(network).items()}
    layout.to_keras(network, state)
    twin = nn.Sequential(nn.Flatten(), nn.Linear(120, 3)) if torch_layer is None else nn.Sequential(torch_layer)
    twin = twin.double().eval()
    named = {name: name.rpartition(".")[2] for name in state}
    twin[-1].load_state_dict({named[name]: torch.tensor(value) for name, value in state.items()}, strict=False)
    x = rng.standard_normal((4, 6, 5, 4))
    ours = np.asarray(network(x, training=False))
    theirs = twin(torch.tensor(x.transpose(0, 3, 1, 2))).detach().numpy()
    assert compare.difference(ours, theirs.transpose(0, 2, 3, 1) if theirs.ndim == 4 else theirs) <= 1e-12
    assert all(np.array_equal(value, layout.from_keras(network)[name]) for name, value in state.items())


def test_every_dense_layer_behind_flattened_maps_is_found():
    inputs = keras.Input((4, 4, 2))
    flattened = layers.Flatten()(inputs)
    heads = [layers.Dense(3, name="one")(layers.Dropout(0.1)(flattened)), layers.Dense(2, name="two")(flattened)]
    network = keras.Model(inputs, heads)
    kernel = np.asarray(network.get_layer("two").kernel)
    assert np.array_equal(layout.from_keras(network)["two.weight"][:, 1], kernel[2])  # C, H, W = 0, 0, 1 <- H, W, C = 0, 1, 0


def test_names_of_nested_modules_are_flat():
    assert layout.flat("block1.conv1.weight") == "block1_conv1.weight" and layout.flat("conv1.bias") == "conv1.bias"


def test_a_refused_state_leaves_the_network_as_it_was():
    network = small()
    before, state = network.get_weights(), layout.from_keras(small())
    with pytest.raises(ValueError, match="last.weight has shape .4, 8.; this network needs .4, 7."):
        layout.to_keras(network, state | {"last.weight": np.zeros((4, 8))})
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))


def test_a_layer_without_known_layout_is_named():
    network = keras.Sequential([keras.Input((5, 2)), layers.Conv1D(3, 2, name="memory")])
    with pytest.raises(TypeError, match="'memory' is a Conv1D; the exchange format knows Conv2D, "):
        layout.from_keras(network)


def test_difference_is_relative_to_the_largest_value():
    assert compare.difference([1.0, -200.0], [1.0, -199.0]) == pytest.approx(1 / 200)
    assert compare.difference([0.0], [0.0]) == 0
    assert compare.difference([1.0], [np.nan]) == np.inf
    with pytest.raises(ValueError, match="shapes differ"):
        compare.difference([1.0], [1.0, 2.0])


def test_worst_names_the_entry():
    a, b = {"x": np.ones(2), "y": np.ones(2)}, {"x": np.ones(2), "y": np.array([1.0, 1.5])}
    assert compare.worst(a, b) == ("y", 0.5)
    with pytest.raises(ValueError, match="names differ: .'y'. are in one only"):
        compare.worst(a, {"x": np.ones(2)})
