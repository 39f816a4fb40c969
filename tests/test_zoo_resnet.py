"""Residual networks: the eight tests, torchvision's and Keras' own models, and held-out architectures."""
from dataclasses import replace

import pytest
import zoo

from dlbook.cnn.blocks.start import Norm
from dlbook.cnn.resnet import spec, with_keras, with_torch
from peers import torchvision_models

RESNET = zoo.Zoo(spec, with_keras, with_torch, "resnet")
TINY = spec.Architecture((1, 2), "bottleneck", (4, 6), size=33, num_classes=5)
HELD_OUT = [spec.SMALL, TINY, replace(TINY, shortcut=False), replace(TINY, stride_in=1, bias=True),
            replace(TINY, norm=Norm(scale=False)),
            spec.Architecture((2, 1, 1), "basic", (4, 4, 7), stem="small", size=19, channels=1, num_classes=3,
                              scaling="signed", norm=Norm(1e-3, 0.99))]


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name):
    zoo.check_table(RESNET, spec.VARIANTS[name], spec.PARAMETERS[name], spec.GIGA_OPERATIONS[name])


@pytest.mark.parametrize("name", spec.KERAS_TOTAL)
def test_counts_of_the_keras_flavour(name):
    total = zoo.table.totals(spec.table(spec.KERAS[name]))
    assert total.parameters + total.statistics == spec.KERAS_TOTAL[name]
    assert total.parameters == spec.KERAS_TRAINABLE[name]


@pytest.mark.parametrize("name", spec.GIGA_OPERATIONS_PAPER)
def test_operations_of_the_paper(name):
    """Table 1 counts multiply-adds, with the stride in a bottleneck's first convolution; it was written with two digits."""
    total = zoo.table.totals(spec.table(replace(spec.VARIANTS[name], stride_in=1)))
    assert total.operations / 1e9 == pytest.approx(spec.GIGA_OPERATIONS_PAPER[name], rel=0.03)


@pytest.mark.parametrize("a", HELD_OUT, ids=range(len(HELD_OUT)))
def test_held_out_architectures(a):
    zoo.check_table(RESNET, a)
    zoo.check_outputs(RESNET, a)
    zoo.check_steps(RESNET, a)


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_outputs_and_gradients(name):
    a = replace(spec.VARIANTS[name], size=33, num_classes=10)
    zoo.check_outputs(RESNET, a)
    zoo.check_steps(RESNET, a, count=20 if name == "18" else 1, dtypes=("float64",))


@pytest.mark.parametrize("a", [spec.SMALL, TINY], ids=["small", "bottleneck"])
def test_overfits_one_batch(a):
    zoo.check_overfits(RESNET, a)


def test_twins_have_the_same_names_and_signatures():
    zoo.check_names(RESNET)


def defect_shortcut(network):
    """One block forgets its shortcut."""
    network.stage1_block1.adds = False


def defect_eps(network):
    """Keras' default in one normalisation."""
    network.stem.bn.eps = 1e-3


def defect_padding(network):
    """The strided convolution pads as TensorFlow's `same`."""
    from dlbook.cnn.blocks.with_torch import SameConv

    network.stem.conv.__class__, network.stem.conv.padding = SameConv, 0


@pytest.mark.parametrize("plant", [defect_shortcut, defect_eps, defect_padding], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(RESNET, replace(TINY, size=32), plant)


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_torchvision_agrees(name):
    peer = getattr(torchvision_models(), f"resnet{name}")(num_classes=10)
    zoo.check_torchvision(RESNET, replace(spec.VARIANTS[name], size=40, num_classes=10), peer, spec.torchvision_name)


@pytest.mark.large
@pytest.mark.parametrize("name", spec.KERAS)
def test_keras_applications_agree(name):
    from keras import applications

    peer = getattr(applications, f"ResNet{name}")(weights=None, input_shape=(40, 40, 3), classes=10, classifier_activation=None)
    zoo.check_keras_applications(RESNET, replace(spec.KERAS[name], size=40, num_classes=10), peer, spec.keras_name)


def test_official_weights_fit_any_size():
    assert all(entry.fits(replace(entry.architecture, size=(64, 96))) for entry in spec.OFFICIAL)
    assert not any(entry.fits(replace(entry.architecture, num_classes=10)) for entry in spec.OFFICIAL)


def test_a_variant_by_number():
    assert spec.architecture(50) is spec.VARIANTS["50"]
    with pytest.raises(ValueError, match="there is no ResNet 51; choose from: 18, 34, 50"):
        with_torch.resnet(51)


WRONG = {"blocks": (1.5, 1, 1), "widths": (0, 8, 8), "strides": (0, 1, 1)}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_numbers_are_said(name):
    with pytest.raises(ValueError, match=f"{name} must be a tuple of .*whole numbers of 1 or more; got \\({WRONG[name][0]}, "):
        replace(spec.SMALL, **{name: WRONG[name]})


@pytest.mark.parametrize(("size", "said"), [(None, "None: give a number of pixels"), (-3, "-3")])
def test_wrong_sizes_are_said(size, said):
    with pytest.raises(ValueError, match=f"size.*got.* {said}"):
        replace(spec.SMALL, size=size)


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no ResNet '20'; choose from: 18, 34, 50, 101, 152"):
        with_torch.resnet("20")
    with pytest.raises(ValueError, match="block must be one of basic, bottleneck; got 'dense'"):
        spec.Architecture(block="dense")
    with pytest.raises(ValueError, match="no official weights for this architecture"):
        with_torch.resnet(TINY, weights="official")
    with pytest.raises(ValueError, match="a width and a block or more; got blocks \\(1, 1\\)"):
        spec.Architecture((1, 1))


def test_the_twins_train_alike_on_mirrored_images():
    """Whole histories of `fit`, step by step, in float64."""
    from dlbook import data
    from dlbook.parity import compare
    from dlbook.train.settings import Training

    whole = data.digits("quick")
    part = replace(whole, train_images=whole.train_images[:90], train_labels=whole.train_labels[:90], test_images=whole.test_images[:40],
                   test_labels=whole.test_labels[:40])
    a = replace(spec.SMALL, widths=(4, 6, 8))
    seen = []
    for twin in (with_keras, with_torch):
        seen.append([])
        training = Training(2, 32, 1e-3, epsilon=1e-10, mirror=True)
        twin.fit(twin.resnet(a, 1, dtype="float64"), part, training, 4, on_step=lambda _, loss: seen[-1].append(loss), progress=False)
    assert len(seen[0]) == 6 and compare.difference(*seen) < 1e-4
    plain = []
    with_torch.fit(with_torch.resnet(a, 1, dtype="float64"), part, Training(2, 32, 1e-3, epsilon=1e-10), 4,
                   on_step=lambda _, loss: plain.append(loss), progress=False)
    assert compare.difference(plain, seen[1]) > 1e-3
