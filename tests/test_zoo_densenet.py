"""DenseNet: the eight tests, torchvision's and Keras' own models, and held-out architectures."""
from dataclasses import replace

import numpy as np
import pytest
import zoo

from dlbook.cnn.blocks import start
from dlbook.cnn.blocks.start import Norm
from dlbook.cnn.densenet import spec, with_keras, with_torch
from peers import torchvision_models

DENSENET = zoo.Zoo(spec, with_keras, with_torch, "densenet")
TINY = spec.Architecture((2, 3), growth=4, width=6, size=33, num_classes=5)
SHORT = replace(spec.SMALL, blocks=(2, 2))
HELD_OUT = [SHORT, TINY, replace(TINY, compression=1.0, bottleneck=1),
            replace(TINY, norm=Norm(scale=False)),
            spec.Architecture((1, 2, 1), growth=5, width=7, bottleneck=3, compression=0.3, stem="small", size=19, channels=1, num_classes=3,
                              scaling="signed", norm=Norm(1e-3, 0.99))]
WIDE = spec.Architecture((6, 12, 36, 24), growth=48, width=96)  # DenseNet-161
WIDE_PARAMETERS, WIDE_GIGA_OPERATIONS = 28_681_000, 7.728  # torchvision's metadata


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name):
    total = zoo.check_table(DENSENET, name, spec.PARAMETERS[name], spec.GIGA_OPERATIONS[name])
    assert total.parameters + total.statistics == spec.KERAS_TOTAL[name]


@pytest.mark.parametrize("name", spec.VARIANTS)
def test_names_count_layers_with_weights(name):
    """121 is 1 + 2 x (6 + 12 + 24 + 16) + 3 + 1: the stem, two convolutions a dense layer, the transitions, the classifier."""
    assert sum(row.kind in ("conv", "dense") for row in spec.table(name)) == int(name)


def test_counts_of_a_wider_network():
    total = zoo.table.totals(spec.table(WIDE))
    assert total.parameters == WIDE_PARAMETERS
    assert total.operations / 1e9 == pytest.approx(WIDE_GIGA_OPERATIONS, abs=0.75e-3)


@pytest.mark.parametrize("a", HELD_OUT, ids=range(len(HELD_OUT)))
def test_held_out_architectures(a):
    zoo.check_table(DENSENET, a)
    zoo.check_outputs(DENSENET, a)
    zoo.check_steps(DENSENET, a)


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_outputs_and_gradients(name):
    a = replace(spec.VARIANTS[name], size=33, num_classes=10)
    zoo.check_outputs(DENSENET, a, dtypes=("float32",))  # in float64 the step compares the loss
    zoo.check_steps(DENSENET, a, count=1, dtypes=("float64",))


def test_overfits_one_batch():
    zoo.check_overfits(DENSENET, replace(SHORT, size=12))


def test_dropout_is_for_training_alone():
    a = replace(TINY, dropout=0.5)
    zoo.check_table(DENSENET, a)
    zoo.check_outputs(DENSENET, a)
    images, _ = zoo.batch(a, 2, dtype="float32")
    k, t = DENSENET.keras(a), DENSENET.torch(a)
    for train in (lambda: np.asarray(k(with_keras.to_inputs(k, images), training=True)),
                  lambda: t.train()(with_torch.to_inputs(t, images)).detach().numpy()):
        assert zoo.compare.difference(train(), train()) > zoo.SEEN


def masks(a, seed):
    """What each dropout of the Keras twin makes of ones: 0, or 1 / (1 - share)."""
    layers = [layer for layer in DENSENET.keras(a, seed).layers if layer.name.endswith("dropout")]
    return [np.asarray(layer(np.ones((2, 5, 5, a.growth), "float32"), training=True)) for layer in layers]


def test_each_dropout_draws_its_own_mask():
    """From the seed and the layer's name: other layers and other seeds draw others, the same network draws the same again."""
    a = replace(TINY, dropout=0.5)
    first, again, other = masks(a, 0), masks(a, 0), masks(a, 1)
    assert len(first) == sum(a.blocks) and {0, 2} == set(np.unique(first))
    assert all((first[i] != first[j]).any() for i in range(len(first)) for j in range(i))
    assert all((one == two).all() for one, two in zip(first, again, strict=True))
    assert all((one != two).any() for one, two in zip(first, other, strict=True))


def test_official_weights_fit_any_size_and_dropout():
    assert all(entry.fits(replace(entry.architecture, size=(64, 96), dropout=0.2)) for entry in spec.OFFICIAL)
    assert not any(entry.fits(replace(entry.architecture, num_classes=10)) for entry in spec.OFFICIAL)


def test_a_variant_by_number():
    assert spec.architecture(121) is spec.VARIANTS["121"]


def test_twins_have_the_same_names_and_signatures():
    zoo.check_names(DENSENET)


def defect_eps(network):
    """Keras' default in one normalisation."""
    network.block2_layer1.bn1.eps = 1e-3


def defect_order(network):
    """The new maps come first."""
    import torch

    layer = network.block1_layer2
    layer.register_forward_hook(lambda _, __, y: torch.roll(y, TINY.growth, 1))


def defect_activation_after(network):
    """Convolution first, then batch normalisation and ReLU, as in older networks."""
    import torch

    layer = network.block1_layer1
    layer.forward = lambda x: torch.cat([x, layer.conv2(torch.relu(layer.bn2(layer.conv1(torch.relu(x)))))], 1)


def defect_pool(network):
    """A transition takes the largest and not the mean."""
    from dlbook.cnn.blocks.with_torch import MaxPool

    network.transition1.pool = MaxPool(2, 2)


@pytest.mark.parametrize("plant", [defect_eps, defect_order, defect_activation_after, defect_pool], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(DENSENET, TINY, plant)


@pytest.mark.large
@pytest.mark.parametrize("name", ["121", "161", "169", "201"])
def test_torchvision_agrees(name):
    peer = getattr(torchvision_models(), f"densenet{name}")(num_classes=10)
    a = WIDE if name == "161" else spec.VARIANTS[name]
    zoo.check_torchvision(DENSENET, replace(a, size=40, num_classes=10), peer, spec.torchvision_name)


@pytest.mark.large
@pytest.mark.parametrize("name", spec.KERAS)
def test_keras_applications_agree(name):
    from keras import applications

    peer = getattr(applications, f"DenseNet{name}")(weights=None, input_shape=(40, 40, 3), classes=10, classifier_activation=None)
    zoo.check_keras_applications(DENSENET, replace(spec.KERAS[name], size=40, num_classes=10), peer, spec.keras_name)


def test_names_in_torchvision_files():
    """torchvision renames what it reads from its files; read under the files' own names, every weight is found."""
    rows = spec.table(TINY)
    weights = with_torch.weights_of(DENSENET.torch(TINY))
    written = {}
    for name, value in weights.items():
        layer, _, weight = name.rpartition(".")
        written[f"{spec.torchvision_file_name(layer)}.{weight}"] = value
    assert "features.denseblock1.denselayer2.norm.1.running_var" in written
    assert "features.denseblock2.denselayer3.conv.2.weight" in written
    assert {"features.conv0.weight", "features.norm0.bias", "features.transition1.norm.weight", "features.norm5.bias",
            "classifier.bias"} <= set(written)
    again = start.from_torchvision(written, rows, spec.torchvision_file_name)
    assert again.keys() == weights.keys() and all((again[name] == weights[name]).all() for name in weights)


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no DenseNet '264'; choose from: 121, 169, 201"):
        with_torch.densenet("264")
    with pytest.raises(ValueError, match="stem must be 'imagenet' or 'small'; got 'large'"):
        spec.Architecture(stem="large")
    with pytest.raises(ValueError, match="blocks must be a tuple of whole numbers of 1 or more; got \\(6, 0\\)"):
        spec.Architecture((6, 0))
    for value in (0, 2.5):
        with pytest.raises(ValueError, match=f"growth must be a whole number of 1 or more; got {value}"):
            spec.Architecture(growth=value)
    for size, said in ((None, "None: give a number of pixels"), (-3, "-3")):
        with pytest.raises(ValueError, match=f"size.*got.* {said}"):
            spec.Architecture(size=size)
    for twin in (with_keras, with_torch):
        with pytest.raises(ValueError, match="images of size 3 are too small: this network reads 5 x 5 pixels or more"):
            twin.densenet(replace(TINY, size=3))
    with pytest.raises(ValueError, match="compression is a share above 0, at most 1, that leaves a map; got 1.5 of 64 maps"):
        spec.Architecture(compression=1.5)
    with pytest.raises(ValueError, match="dropout is a share from 0 to below 1; got 1"):
        spec.Architecture(dropout=1)
    with pytest.raises(ValueError, match="no official weights for this architecture"):
        with_torch.densenet(TINY, weights="official")
