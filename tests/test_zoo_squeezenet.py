"""SqueezeNet: the eight tests, the paper's table 1, torchvision's own models, and held-out architectures."""
from dataclasses import replace

import peers
import pytest
import zoo

from dlbook.cnn.squeezenet import spec, with_keras, with_torch
from dlbook.data import registry

SQUEEZENET = zoo.Zoo(spec, with_keras, with_torch, "squeezenet")
TINY = spec.Architecture((6, 3), ("M", (3, 4, 5), "M", (4, 3, 3)), dropout=0.0, size=21, num_classes=5)
# Sides before pooling: 10 and 5, 12 and 6, 9 and 4: windows that fit, and that hang over by a pixel at even sides.
HELD_OUT = [replace(TINY, size=(26, 37)), replace(TINY, size=25, border=2, channels=1, scaling="signed", num_classes=3), replace(TINY, stem=(4, 5), size=22, scaling="caffe-whole")]


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name):
    total = zoo.check_table(SQUEEZENET, spec.VARIANTS[name], spec.PARAMETERS[name], spec.GIGA_OPERATIONS[name])
    assert total.statistics == 0


def test_the_table_of_the_paper():
    """Parameters of each layer, and sides of the maps, which follow from 227 pixels."""
    rows, found = spec.table(spec.CAFFE), {}
    for row in rows:
        if row.parameters:
            found[row.block or row.name] = found.get(row.block or row.name, 0) + row.parameters
    assert found == spec.PARAMETERS_PAPER and sum(found.values()) == spec.PARAMETERS["1.0"]
    sides = {row.name: row.shape[0] for row in rows}
    assert {name: sides[name] for name in spec.SIDES_PAPER} == spec.SIDES_PAPER
    assert {row.name: row.shape[0] for row in spec.table("1.0")}["conv1"] == 109  # not 111 from 224 pixels


def test_depth():
    """Two layers a fire module, and the first and the last convolution."""
    assert [zoo.table.depth(spec.table(name)) for name in spec.VARIANTS] == [18, 18]


@pytest.mark.parametrize("a", HELD_OUT, ids=range(len(HELD_OUT)))
def test_held_out_architectures(a):
    zoo.check_table(SQUEEZENET, a)
    zoo.check_outputs(SQUEEZENET, a)
    zoo.check_steps(SQUEEZENET, a)


def test_layers_of_equal_kind_have_different_names():
    """Two poolings behind one another, before and after a fire module."""
    a = replace(TINY, layers=("M", "M", (3, 4, 5), "M", "M"), size=40)
    assert [name for name, _ in spec.steps(a)] == ["pool1", "pool1_2", "fire2", "pool2", "pool2_2"]
    zoo.check_table(SQUEEZENET, a)
    zoo.check_outputs(SQUEEZENET, a, ("float64",))


@pytest.mark.parametrize("size", range(9, 26))
def test_pooling_rounds_up_at_every_size(size):
    a = replace(TINY, size=size)
    zoo.check_table(SQUEEZENET, a)
    zoo.check_outputs(SQUEEZENET, a, ("float64",))


@pytest.mark.large
@pytest.mark.parametrize("name", [*spec.VARIANTS, "caffe"])
def test_outputs_and_gradients(name):
    a = replace(spec.VARIANTS.get(name, spec.CAFFE), size=43, num_classes=10, dropout=0.0)
    zoo.check_outputs(SQUEEZENET, a)
    zoo.check_steps(SQUEEZENET, a, count=3, dtypes=("float64",))


def test_overfits_one_batch():
    a = replace(TINY, stem=(32, 5), layers=("M", (16, 32, 32)), size=13)
    zoo.check_overfits(SQUEEZENET, a, learning_rate=4e-3)


def test_twins_have_the_same_names_and_signatures():
    zoo.check_names(SQUEEZENET)


def defect_floor(network):
    """Pooling leaves the last row and column out."""
    network.pool1.ceil = False


def defect_order(network):
    """A fire module joins its two halves the other way round; they are equally wide, so that no shape shows it."""
    fire = network.fire3
    fire.expand1x1, fire.expand3x3 = fire.expand3x3, fire.expand1x1


def defect_relu(network):
    """The last ReLU lets a little through."""
    from torch import nn

    network.relu4 = nn.LeakyReLU(0.01)


def defect_stem(network):
    """The first convolution repeats its border."""
    network.fire2.expand3x3.padding_mode = "replicate"


@pytest.mark.parametrize("plant", [defect_floor, defect_order, defect_relu, defect_stem], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(SQUEEZENET, TINY, plant)


@pytest.mark.large
@pytest.mark.parametrize("size", [41, 48, (39, 66)])
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_torchvision_agrees(name, size):
    peer = getattr(peers.torchvision_models(), f"squeezenet{name.replace('.', '_')}")(num_classes=10)
    a = replace(spec.VARIANTS[name], size=size, num_classes=10)
    zoo.check_torchvision(SQUEEZENET, a, peer, spec.torchvision_name(a))


@pytest.mark.parametrize("name", spec.VARIANTS)
def test_the_smallest_image_is_torchvisions(name):
    """A window that hangs over the border sees what is left of the maps, if anything is."""
    import torch

    smallest = next(size for size in range(1, 64) if fits(replace(spec.VARIANTS[name], size=size)))
    with torch.device("meta"):
        peer = getattr(peers.torchvision_models(), f"squeezenet{name.replace('.', '_')}")()
        assert peer(torch.empty(1, 3, smallest, smallest)).shape == (1, 1000)
        with pytest.raises(RuntimeError, match="[Oo]utput size|[Kk]ernel size"):
            peer(torch.empty(1, 3, smallest - 1, smallest - 1))
    zoo.check_outputs(SQUEEZENET, replace(spec.VARIANTS[name], size=smallest, num_classes=10, dropout=0.0), ("float64",))


def fits(a):
    try:
        return bool(spec.table(a))
    except ValueError:
        return False


def test_accuracy_and_operations_are_torchvisions():
    for name in spec.VARIANTS:
        meta = peers.torchvision_models().get_model_weights(f"squeezenet{name.replace('.', '_')}").IMAGENET1K_V1.meta
        assert meta["_ops"] == spec.GIGA_OPERATIONS[name] and meta["num_params"] == spec.PARAMETERS[name]
        assert tuple(round(value, 2) for value in meta["_metrics"]["ImageNet-1K"].values()) == spec.ACCURACY[name]


def test_names_of_official_files():
    assert {entry.file for entry in spec.OFFICIAL} <= set(registry.FILES)
    assert spec.caffe_name("fire9_expand3x3") == "fire9.conv3x3_2" and spec.caffe_name("conv10") == "conv_final"
    name = spec.torchvision_name(spec.VARIANTS["1.1"])
    assert [name(ours) for ours in ("conv1", "fire4_squeeze", "conv10")] == ["features.0", "features.6.squeeze", "classifier.1"]


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no SqueezeNet '2'; choose from: 1.0, 1.1"):
        with_torch.squeezenet("2")
    with pytest.raises(ValueError, match="stem, maps and side, must be a tuple of 2 whole numbers of 1 or more; got \\(96,\\)"):
        spec.Architecture((96,))
    with pytest.raises(ValueError, match="got \\(16, 64\\)"):
        spec.Architecture(layers=((16, 64),))
    with pytest.raises(ValueError, match="layers must hold a fire module, .*; got \\('M',\\)"):
        spec.Architecture(layers=("M",))
    with pytest.raises(ValueError, match="dropout is a share from 0 to below 1; got -1"):
        spec.Architecture(dropout=-1)
    with pytest.raises(ValueError, match="size must be a whole number of pixels above 0, or \\(height, width\\); got \\(3, 0\\)"):
        spec.Architecture(size=(3, 0))
    with pytest.raises(ValueError, match="border must be a whole number of 0 or more; got -1"):
        spec.Architecture(border=-1)
    with pytest.raises(ValueError, match="built for one size of images; got size None"):
        spec.Architecture(size=None)
    with pytest.raises(ValueError, match="images of size \\(18, 40\\) are too small: this network reads 21 x 21 pixels or more"):
        with_torch.squeezenet(spec.Architecture(size=(18, 40)))
    with pytest.raises(ValueError, match="no official weights for this architecture"):
        with_keras.squeezenet(TINY, weights="official")
