"""MobileNetV2: the eight tests, torchvision's and Keras' own models, and held-out architectures."""
from dataclasses import replace

import pytest
import zoo

from dlbook.cnn.blocks.start import Norm
from dlbook.cnn.mobilenet2 import spec, with_keras, with_torch
from peers import torchvision_models

MOBILENET2 = zoo.Zoo(spec, with_keras, with_torch, "mobilenet2")
TINY = spec.Architecture(settings=((1, 8, 1, 1), (3, 16, 2, 2)), stem=8, last=12, size=33, num_classes=5, dropout=0)
HELD_OUT = [TINY, replace(TINY, norm=Norm(scale=False)), replace(TINY, padding="same", norm=Norm(1e-3, 0.999), size=34),
            spec.Architecture(0.6, ((2, 20, 2, 1), (1, 30, 1, 2)), stem=13, stem_stride=1, last=17, size=15, channels=1, num_classes=3,
                              dropout=0, scaling="none", padding="same")]


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name):
    zoo.check_table(MOBILENET2, name, spec.PARAMETERS.get(name), spec.GIGA_OPERATIONS[name])


@pytest.mark.parametrize("name", spec.VARIANTS)
def test_parameters_of_the_checkpoints(name):
    """The authors' code counts without batch normalisation."""
    counted = sum(row.parameters for row in spec.table(name) if row.kind != "norm")
    assert counted / 1e6 == pytest.approx(spec.MEGA_PARAMETERS[name], abs=0.005)


@pytest.mark.parametrize("name", spec.KERAS_TOTAL)
def test_counts_of_the_keras_flavour(name):
    total = zoo.table.totals(spec.table(spec.KERAS[name]))
    assert total.parameters + total.statistics == spec.KERAS_TOTAL[name]
    assert total.parameters == spec.PARAMETERS[name]


def test_maps_are_multiples_of_eight():
    """By hand: 24 x 0.35 = 8.4 -> 8; 32 x 0.35 = 11.2 -> 8 is more than 10 % below, so 16; 24 x 1.3 = 31.2 -> 32; 3 -> 8 at least."""
    expected = {(0.35, 24): 8, (0.35, 32): 16, (1.3, 24): 32, (1.0, 3): 8, (0.75, 16): 16, (1.4, 320): 448, (0.5, 24): 16}
    assert {(alpha, width): spec.maps(spec.Architecture(alpha), width) for alpha, width in expected} == expected
    assert [spec.last_maps(spec.Architecture(alpha)) for alpha in (0.35, 1.0, 1.4)] == [1280, 1280, 1792]


@pytest.mark.parametrize("a", HELD_OUT, ids=range(len(HELD_OUT)))
def test_held_out_architectures(a):
    zoo.check_table(MOBILENET2, a)
    zoo.check_outputs(MOBILENET2, a)
    zoo.check_steps(MOBILENET2, a)


@pytest.mark.large
@pytest.mark.parametrize("name", ["0.35", "1.0", "1.4"])
def test_outputs_and_gradients(name):
    a = replace(spec.VARIANTS[name], size=33, num_classes=10, dropout=0)
    zoo.check_outputs(MOBILENET2, a, dtypes=("float32",))  # in float64 the step compares the loss
    zoo.check_steps(MOBILENET2, a, count=1, dtypes=("float64",))


def test_overfits_one_batch():
    zoo.check_overfits(MOBILENET2, replace(TINY, alpha=2.0, last=40, size=24))


def test_twins_have_the_same_names_and_signatures():
    zoo.check_names(MOBILENET2)


def defect_eps(network):
    """Keras' default in one normalisation."""
    network.stem.bn.eps = 1e-3


def defect_padding(network):
    """The strided convolution pads as TensorFlow's `same`."""
    from dlbook.cnn.blocks.with_torch import SameConv

    network.block2.depthwise.__class__, network.block2.depthwise.padding = SameConv, 0


def defect_bottleneck(network):
    """A bottleneck that is not linear."""
    import torch

    network.block2.project_bn.register_forward_hook(lambda _, __, y: torch.relu(y))


def defect_shortcut(network):
    """One block forgets its shortcut."""
    network.block3.adds = False


@pytest.mark.parametrize("plant", [defect_eps, defect_padding, defect_bottleneck, defect_shortcut], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(MOBILENET2, replace(TINY, size=32), plant)


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_torchvision_agrees(name):
    peer = torchvision_models().mobilenet_v2(num_classes=10, width_mult=float(name))
    zoo.check_torchvision(MOBILENET2, replace(spec.VARIANTS[name], size=41, num_classes=10), peer, spec.torchvision_name)


@pytest.mark.large
@pytest.mark.parametrize("name", ["0.35", "1.0", "1.3"])
def test_keras_applications_agree(name):
    from keras import applications

    # 63 pixels: odd maps too, which `same` pads on all sides.
    peer = applications.MobileNetV2((63, 63, 3), alpha=float(name), weights=None, classes=10, classifier_activation=None)
    a = replace(spec.KERAS[name], size=63, num_classes=10)
    assert zoo.table.totals(spec.table(a)).parameters == sum(int(zoo.np.prod(w.shape)) for w in peer.trainable_weights)
    zoo.check_keras_applications(MOBILENET2, a, peer, spec.keras_name)


def test_official_weights_fit_any_size_and_dropout():
    assert all(entry.fits(replace(entry.architecture, size=(64, 96), dropout=0)) for entry in spec.OFFICIAL)
    assert not any(entry.fits(replace(entry.architecture, padding="same")) for entry in spec.OFFICIAL)


def test_a_variant_by_number():
    assert spec.architecture(1.4) is spec.VARIANTS["1.4"]


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no MobileNetV2 '2.0'; choose from: 1.0, 0.35"):
        with_torch.mobilenet2("2.0")
    with pytest.raises(ValueError, match="a row \\(t, c, n, s\\) of settings must be a tuple of 4 whole numbers of 1 or more; got \\(1, 8, 1\\)"):
        spec.Architecture(settings=((1, 8, 1),))
    with pytest.raises(ValueError, match="settings are rows \\(t, c, n, s\\), one or more; got \\(\\)"):
        spec.Architecture(settings=())
    for alpha in (0, float("inf")):
        with pytest.raises(ValueError, match=f"alpha must be a number above 0; got {alpha}"):
            spec.Architecture(alpha)
    with pytest.raises(ValueError, match="stem must be a whole number of 1 or more; got 2.5"):
        spec.Architecture(stem=2.5)
    for size, said in ((None, "None: give a number of pixels"), (-3, "-3")):
        with pytest.raises(ValueError, match=f"size.*got.* {said}"):
            spec.Architecture(size=size)
    with pytest.raises(ValueError, match="padding must be 1 or 'same'; got 'valid'"):
        spec.Architecture(padding="valid")
    with pytest.raises(ValueError, match="last must be a whole number of 1 or more; got 0"):
        spec.Architecture(last=0)
    with pytest.raises(ValueError, match="dropout is a share from 0 to below 1; got 1"):
        spec.Architecture(dropout=1)
    with pytest.raises(ValueError, match="no official weights for this architecture"):
        with_torch.mobilenet2(TINY, weights="official")
