"""AlexNet in two towers and in one: the eight tests, the deck's shapes, normalisation by its formula, torchvision's own model."""
from dataclasses import replace

import numpy as np
import pytest
import zoo

from dlbook.cnn.alexnet import spec, with_keras, with_torch
from dlbook.cnn.blocks.start import LocalNorm
from peers import torchvision_models

ALEXNET = zoo.Zoo(spec, with_keras, with_torch, "alexnet")
# Two towers at the smallest size; alpha is large, so that normalisation changes the maps of a small network visibly.
TOWERS = spec.Architecture((8, 12, 8, 12, 16), dense=(20, 14), dropout=0.0, size=67, num_classes=5, lrn=LocalNorm(alpha=0.1))
TOWER = replace(TOWERS, groups=(1, 1, 1, 1, 1), pad=2, lrn=None, size=63)
HELD_OUT = [TOWERS, TOWER, replace(TOWERS, widths=(9, 6, 12, 3, 6), groups=(1, 3, 3, 1, 3), lrn=LocalNorm(4, 1.0, 0.3, 0.5), size=80),
            replace(TOWER, widths=(5, 7, 3, 4, 2), dense=(6, 9), pad=1, size=100, channels=1, num_classes=3, scaling="signed"),
            replace(TOWERS, lrn=None, size=(67, 90)), replace(TOWER, classifier_pool=2, size=(63, 131))]


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name):
    zoo.check_table(ALEXNET, spec.VARIANTS[name], spec.PARAMETERS[name], spec.GIGA_OPERATIONS[name])


def test_parameters_of_each_layer():
    """By hand from figure 2: kernels see the maps of their own tower, except in conv3 and the dense layers."""
    counts = {row.name: row.parameters for row in spec.table("two-tower") if row.parameters}
    assert counts == {"conv1": (11 * 11 * 3 + 1) * 96, "conv2": (5 * 5 * 48 + 1) * 256, "conv3": (3 * 3 * 256 + 1) * 384,
                      "conv4": (3 * 3 * 192 + 1) * 384, "conv5": (3 * 3 * 192 + 1) * 256, "fc6": (6 * 6 * 256 + 1) * 4096,
                      "fc7": 4097 * 4096, "logits": 4097 * 1000}
    assert sum(counts.values()) == spec.PARAMETERS["two-tower"] == 60_965_224


def test_shapes_of_the_towers_are_the_decks():
    assert spec.tower_shapes("two-tower") == spec.TOWER_SHAPES
    assert spec.tower_shapes("one-tower")[:2] == [(55, 55, 64), (27, 27, 192)]


def test_the_papers_size_does_not_give_its_maps():
    """Without padding, 224 pixels leave 54 windows of 11 at stride 4, not the 55 of figure 2."""
    assert spec.tower_shapes(replace(spec.VARIANTS["two-tower"], size=224))[0] == (54, 54, 48)


@pytest.mark.parametrize("name", spec.VARIANTS)
def test_last_maps_are_six_by_six(name):
    """torchvision pools adaptively to 6 x 6: at its size they are that already."""
    assert spec.flattened(spec.VARIANTS[name]) == 6 * 6 * 256


@pytest.mark.parametrize("a", HELD_OUT, ids=range(len(HELD_OUT)))
def test_held_out_architectures(a):
    zoo.check_table(ALEXNET, a)
    zoo.check_outputs(ALEXNET, a)
    zoo.check_steps(ALEXNET, a)


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_outputs_and_gradients(name):
    """All convolutions at full width; the dense layers are narrow, to save memory."""
    a = replace(spec.VARIANTS[name], size=67, dense=(256, 128), num_classes=10, dropout=0.0)
    zoo.check_outputs(ALEXNET, a)
    zoo.check_steps(ALEXNET, a, count=1, dtypes=("float64",))


@pytest.mark.parametrize("a", [TOWERS, TOWER], ids=["two-tower", "one-tower"])
def test_overfits_one_batch(a):
    zoo.check_overfits(ALEXNET, replace(a, widths=(16, 16, 16, 16, 16), dense=(64, 64)), epochs=40, learning_rate=4e-3)


def test_twins_have_the_same_names_and_signatures():
    zoo.check_names(ALEXNET)


def neighbours(x, s):
    """The paper's equation, map by map: (..., C) -> the same."""
    result = np.empty_like(x)
    for i in range(x.shape[-1]):
        low, high = max(0, i - s.n // 2), min(x.shape[-1], i - s.n // 2 + s.n)
        result[..., i] = x[..., i] / (s.k + s.alpha * (x[..., low:high] ** 2).sum(-1)) ** s.beta
    return result


@pytest.mark.parametrize("n", [5, 4, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normalisation_is_the_papers_equation(n, dtype):
    import keras
    import torch

    from dlbook.cnn.blocks.with_keras import lrn, precision
    from dlbook.cnn.blocks.with_torch import LRN

    settings = LocalNorm(n, 2.0, 0.03, 0.75)
    x = 3 * np.random.default_rng(0).standard_normal((2, 3, 4, 7)).astype(dtype)
    with precision(dtype):
        inputs = keras.Input(x.shape[1:], dtype=dtype)
        k = np.asarray(keras.Model(inputs, lrn(inputs, "lrn", settings))(x))
    maps = torch.tensor(x).permute(0, 3, 1, 2)
    t = LRN(settings)(maps).permute(0, 2, 3, 1).numpy()
    theirs = torch.nn.LocalResponseNorm(n, settings.alpha * n, settings.beta, settings.k)(maps).permute(0, 2, 3, 1).numpy()
    for ours in (k, t, theirs):
        assert ours.dtype == dtype and zoo.compare.difference(neighbours(x, settings), ours) <= (1e-15 if dtype == "float64" else 1e-6)


def test_towers_do_not_see_each_other():
    """A change in the second half of conv1's maps leaves the first half of conv2's as they were."""
    import torch

    t = with_torch.alexnet(replace(TOWERS, lrn=None), dtype="float64")
    maps = torch.rand(1, 8, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    other = maps.clone()
    other[:, 4:] += 1
    before, after = t.conv2(maps), t.conv2(other)
    assert torch.equal(before[:, :6], after[:, :6]) and (before[:, 6:] != after[:, 6:]).all()


def defect_lrn(network):
    """PyTorch's own convention: alpha is divided by n."""
    s = network.lrn1.settings
    network.lrn1.settings = replace(s, alpha=s.alpha / s.n)


def defect_groups(network):
    """The towers of one convolution change places."""
    from torch import nn

    class Swapped(nn.Module):
        def forward(self, x):
            return x.roll(x.shape[1] // 2, 1)

    network.relu2 = nn.Sequential(nn.ReLU(), Swapped())


def defect_pooling(network):
    """Windows of 2 x 2 that do not overlap, at maps of such a size that the shapes stay the same."""
    network.pool1.kernel = (2, 2)


def defect_padding(network):
    """The first convolution pads: its maps have the same size, their windows lie elsewhere."""
    network.conv1.padding = (1, 1)


@pytest.mark.parametrize("plant", [defect_lrn, defect_groups, defect_pooling, defect_padding], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(ALEXNET, TOWERS, plant)


@pytest.mark.large
@pytest.mark.parametrize("size", [224, 256, (97, 131)])
def test_torchvision_agrees(size):
    """Also where its adaptive pooling changes the last maps; the classifier is narrow in both, to save memory."""
    from torch import nn

    a = replace(spec.VARIANTS["one-tower"], dense=(256, 128), num_classes=10, size=size)
    assert spec.pooled(a) == (size != 224)
    peer = torchvision_models().alexnet(num_classes=10)
    peer.classifier[1], peer.classifier[4], peer.classifier[6] = nn.Linear(9216, 256), nn.Linear(256, 128), nn.Linear(128, 10)
    zoo.check_torchvision(ALEXNET, a, peer, spec.torchvision_name)


@pytest.mark.large
def test_torchvision_has_as_many_parameters():
    import torch

    with torch.device("meta"):
        peer = torchvision_models().alexnet()
    assert sum(p.numel() for p in peer.parameters()) == spec.PARAMETERS["one-tower"]


def test_which_official_weights_fit():
    a = spec.VARIANTS["one-tower"]
    assert spec.table(a) == spec.table(replace(a, classifier_pool=None))
    for fitting in (a, replace(a, size=(97, 131), dropout=0.1)):
        assert [entry.file for entry in spec.OFFICIAL if entry.fits(fitting)] == ["torchvision/alexnet-owt-7be5be79.pth"]
    assert not [entry for entry in spec.OFFICIAL if entry.fits(replace(a, size=256, classifier_pool=None))]  # fc6 would not fit


@pytest.mark.parametrize("field, value, words", [
    ("pad", -1, "pad must be a whole number of 0 or more; got -1"),
    ("pad", 1.5, "pad must be a whole number of 0 or more; got 1.5"),
    ("widths", (4, 4, 4, 4), "widths must be a tuple of 5 whole numbers of 1 or more; got \\(4, 4, 4, 4\\)"),
    ("groups", (0, 1, 1, 1, 1), "groups must be a tuple of 5 whole numbers of 1 or more; got \\(0, 1, 1, 1, 1\\)"),
    ("classifier_pool", 0, "classifier_pool must be a whole number of 1 or more, or None; got 0"),
    ("lrn", "x", "lrn must be a LocalNorm or None; got 'x'"),
    ("size", None, "built for one size of images; got size None"),
    ("channels", 0, "channels must be a whole number of 1 or more; got 0"),
])
def test_wrong_fields_are_said(field, value, words):
    with pytest.raises(ValueError, match=words):
        replace(TOWERS, **{field: value})


@pytest.mark.parametrize("field, value, words", [
    ("n", 0, "n must be a whole number of 1 or more; got 0"), ("n", 2.5, "n must be a whole number of 1 or more; got 2.5"),
    ("k", 0, "k must be a number above 0; got 0"), ("alpha", float("nan"), "alpha must be a number above 0; got nan"),
])
def test_wrong_normalisations_are_said(field, value, words):
    with pytest.raises(ValueError, match=words):
        LocalNorm(**{field: value})


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no AlexNet 'three-tower'; choose from: two-tower, one-tower"):
        with_torch.alexnet("three-tower")
    with pytest.raises(ValueError, match="96 maps cannot become 255 in 2 equal groups; take multiples of 2"):
        spec.Architecture((96, 255, 384, 384, 256))
    with pytest.raises(ValueError, match="dense must be a tuple of 2 whole numbers of 1 or more; got \\(4096,\\)"):
        spec.Architecture(dense=(4096,))
    with pytest.raises(ValueError, match="dropout is a share from 0 to below 1; got 1"):
        spec.Architecture(dropout=1)
    with pytest.raises(ValueError, match="images of size 60 are too small: this network reads 67 x 67 pixels or more"):
        with_keras.alexnet(replace(TOWERS, size=60))
    with pytest.raises(ValueError, match="no official weights for this architecture"):
        with_torch.alexnet("two-tower", weights="official")
