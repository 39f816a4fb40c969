"""Inception v3: the eight tests, Keras' and torchvision's own models, average pooling at the border, and held-out architectures."""
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import zoo

from dlbook.cnn.blocks.start import Norm
from dlbook.cnn.inception import spec, with_keras, with_torch
from dlbook.parity import compare
from dlbook.train.settings import Training
from peers import torchvision_models

INCEPTION = zoo.Zoo(spec, with_keras, with_torch, "inception")
# At 107 pixels the last maps have 2 x 2. Batch normalisation over fewer than some 30 numbers, dozens of times in a row, makes steps
# chaotic: from 75 pixels (1 x 1) and 4 images, differences of 1e-13 grow a thousandfold in each step.
SMALL = {name: replace(a, width=0.05, size=107, num_classes=5, dropout=0) for name, a in spec.VARIANTS.items()}
CALM = {"n": 8, "learning_rate": 2**-9}
HEAD = replace(SMALL["torchvision"], width=0.02, size=299, auxiliary=True)
HELD_OUT = [SMALL["torchvision"], replace(SMALL["keras"], size=(107, 128), channels=1, num_classes=3, width=0.03, scaling="none"),
            replace(SMALL["torchvision"], norm=Norm(1e-5, 0.9, scale=False), counted=False, size=111, channels=2, width=0.04)]


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name):
    total = zoo.check_table(INCEPTION, spec.VARIANTS[name], spec.PARAMETERS[name], spec.GIGA_OPERATIONS)
    assert spec.depth(name) == spec.DEPTH
    if name == "keras":
        assert total.parameters + total.statistics == spec.KERAS_TOTAL
        scales = total.statistics // 2
        assert total.parameters == spec.PARAMETERS["torchvision"] - scales


@pytest.mark.large
def test_counts_with_the_auxiliary_head():
    a = replace(spec.VARIANTS["torchvision"], auxiliary=True)
    zoo.check_table(INCEPTION, a, spec.PARAMETERS_AUXILIARY["torchvision"])
    assert spec.depth(a) == spec.DEPTH


def test_the_shapes_of_the_paper():
    """Table 1: 35 x 35, 17 x 17 and 8 x 8 pixels; what the modules give as torchvision notes it."""
    shapes = {row.block: row.shape for row in spec.table("keras") if row.kind == "concat"}
    assert shapes["mixed5b"] == (35, 35, 256) and shapes["mixed5d"] == (35, 35, 288)
    assert shapes["mixed6a"] == shapes["mixed6e"] == (17, 17, 768)
    assert shapes["mixed7a"] == (8, 8, 1280) and shapes["mixed7c"] == (8, 8, 2048)


@pytest.mark.parametrize("a", HELD_OUT, ids=range(len(HELD_OUT)))
def test_held_out_architectures(a):
    zoo.check_table(INCEPTION, a)
    zoo.check_outputs(INCEPTION, a)
    zoo.check_steps(INCEPTION, a, count=2, dtypes=("float64",), **CALM)


@pytest.mark.large
def test_twenty_steps():
    zoo.check_steps(INCEPTION, replace(SMALL["keras"], width=0.1), dtypes=("float64",), n=16, learning_rate=2**-14)


@pytest.mark.parametrize("seed", (3, 4, 5))
def test_the_gradient_in_float32(seed):
    """Rounding that carries one activation across the kink of a ReLU moves a gradient by per cents; shifts of 4 leave next to none near it."""
    k, t = zoo.steps(INCEPTION, *zoo.twins(INCEPTION, SMALL["keras"], "float32", seed, shift=4), count=1, **CALM)
    assert compare.difference(zoo._stacked(k.gradients), zoo._stacked(t.gradients)) <= 1e-3


def test_the_auxiliary_head():
    zoo.check_table(INCEPTION, HEAD)
    zoo.check_outputs(INCEPTION, HEAD, dtypes=("float64",))
    zoo.check_steps(INCEPTION, HEAD, count=1, dtypes=("float64",), n=2)


def test_training_with_the_head_is_the_same_in_both_twins():
    images, labels = zoo.batch(HEAD, 8, dtype="float64")
    data = SimpleNamespace(train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    seen = []
    for twin, build in ((with_keras, INCEPTION.keras), (with_torch, INCEPTION.torch)):
        losses = []
        twin.fit(build(HEAD, 2, dtype="float64"), data, Training(1, 4, 1e-4), 1, lambda step, loss, losses=losses: losses.append(loss),
                 progress=False)
        seen.append(losses)
    # Adam adds its epsilon at another place in Keras.
    assert len(seen[0]) == 2 and compare.difference(*seen) <= 1e-3


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_outputs_and_gradients(name):
    a = replace(spec.VARIANTS[name], size=75, num_classes=10, dropout=0)
    zoo.check_outputs(INCEPTION, a)
    zoo.check_steps(INCEPTION, a, count=1, dtypes=("float64",))


def test_overfits_one_batch():
    zoo.check_overfits(INCEPTION, replace(SMALL["torchvision"], size=75, num_classes=3), epochs=30, n=8)


def test_twins_have_the_same_names_and_signatures():
    zoo.check_names(INCEPTION)


def mean_pool(twin, x, counted):
    """Average pooling of 3 x 3 of one map (H, W), in either twin."""
    if twin is with_keras:
        from dlbook.cnn.blocks.with_keras import average_pool
        return np.asarray(average_pool(x[None, :, :, None], "pool", 3, 1, "same", counted))[0, :, :, 0]
    import torch

    from dlbook.cnn.blocks.with_torch import AveragePool
    return AveragePool(3, 1, "same", counted)(torch.tensor(x)[None, None])[0, 0].numpy()


@pytest.mark.parametrize("twin", [with_keras, with_torch], ids=["keras", "torch"])
def test_average_pooling_at_the_border(twin):
    """The trap between the two official networks: at the corner four pixels lie on the map, and torchvision divides by nine."""
    ones = np.ones((4, 4), "float32")
    np.testing.assert_allclose(mean_pool(twin, ones, counted=False), 1, rtol=1e-6)
    counted = mean_pool(twin, ones, counted=True)
    assert counted[0, 0] == pytest.approx(4 / 9) and counted[0, 1] == pytest.approx(6 / 9) and counted[1, 1] == pytest.approx(1)


def test_counted_zeros_are_for_odd_windows_with_stride_1():
    from dlbook.cnn.blocks import with_keras as keras_blocks
    from dlbook.cnn.blocks import with_torch as torch_blocks

    for pool in (lambda kernel, stride: keras_blocks.average_pool(np.ones((1, 4, 4, 1)), "pool", kernel, stride, "same", True),
                 lambda kernel, stride: torch_blocks.AveragePool(kernel, stride, "same", True)):
        for kernel, stride in ((3, 2), (2, 1)):
            with pytest.raises(ValueError, match=f"odd windows with stride 1; got kernel {kernel}, stride {stride}"):
                pool(kernel, stride)


def defect_counted(network):
    """One average pooling leaves the border out, as Keras' network does."""
    network.mixed5b.pool.counted = False


def defect_order(network):
    """Two convolutions of 1 x 7 and 7 x 1 change places; with copied weights their windows do not fit."""
    first, second = network.mixed6b.seven2.conv, network.mixed6b.seven3.conv
    first.weight.data = first.weight.data.transpose(2, 3).contiguous()
    second.weight.data = second.weight.data.transpose(2, 3).contiguous()
    first.kernel_size, second.kernel_size = (7, 1), (1, 7)
    for conv in (first, second):  # how `same` pads was worked out when the layers were made
        height, width = conv.kernel_size
        conv._reversed_padding_repeated_twice = [width // 2, width // 2, height // 2, height // 2]


def defect_eps(network):
    """PyTorch's default in one normalisation."""
    network.mixed7a.three1.bn.eps = 1e-5


def defect_parted(network):
    """The second of two parted convolutions reads what the first one gives a place too far left."""
    import torch

    module = network.mixed7b.three2b
    module.forward = lambda x, forward=module.forward: forward(torch.roll(x, 1, 3))


@pytest.mark.parametrize("plant", [defect_counted, defect_order, defect_eps, defect_parted], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(INCEPTION, SMALL["torchvision"], plant)


@pytest.mark.large
def test_torchvision_agrees():
    peer = torchvision_models().inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False, num_classes=10)
    zoo.check_torchvision(INCEPTION, replace(spec.VARIANTS["torchvision"], size=80, num_classes=10), peer, spec.torchvision_name)


@pytest.mark.large
def test_torchvision_s_auxiliary_head_agrees():
    peer = torchvision_models().inception_v3(weights=None, aux_logits=True, transform_input=False, init_weights=False, num_classes=10)
    zoo.check_torchvision(INCEPTION, replace(spec.VARIANTS["torchvision"], num_classes=10, auxiliary=True), both_heads(peer),
                          spec.torchvision_name)


def both_heads(peer):
    """Make torchvision's model answer with both heads in evaluation too."""
    import torch

    def forward(x):
        peer.training = True  # asked by the outermost module alone; normalisation and dropout stay as they are
        return torch.stack(peer._forward(x), 1)

    peer.forward = forward
    return peer


@pytest.mark.large
def test_keras_applications_agrees():
    from keras import applications

    peer = applications.InceptionV3(weights=None, input_shape=(80, 80, 3), classes=10, classifier_activation=None)
    names = spec.keras_names([layer.name for layer in peer.layers])
    zoo.check_keras_applications(INCEPTION, replace(spec.VARIANTS["keras"], size=80, num_classes=10), peer, names)


def test_names_in_keras_files():
    """The file's counting, a fresh process's and a later one's lead to the same layers."""
    assert spec.keras_name("stem1_conv") == "conv2d_1" and spec.keras_name("mixed7c_proj1_bn") == "batch_normalization_94"
    assert spec.keras_name("logits") == "predictions"
    for start in (0, 1, 95):
        numbers = ["" if start + i == 0 else f"_{start + i}" for i in range(94)]
        found = [f"{kind}{number}" for kind in ("batch_normalization", "conv2d") for number in numbers][::-1]
        name = spec.keras_names([*found, "mixed0", "conv2d_bn", "predictions"])
        assert [name("stem1_conv"), name("stem2_bn"), name("mixed7c_proj1_conv"), name("logits")] == [
            f"conv2d{numbers[0]}", f"batch_normalization{numbers[1]}", f"conv2d{numbers[93]}", "predictions"]
    with pytest.raises(ValueError, match="an Inception v3 has 94 layers conv2d_N; got 1"):
        spec.keras_names(["conv2d_1"])


def test_official_weights_fit_every_size_and_head():
    assert spec.OFFICIAL[0].fits(replace(spec.VARIANTS["torchvision"], size=320, auxiliary=True))
    assert spec.OFFICIAL[1].fits(replace(spec.VARIANTS["keras"], size=150))
    assert not spec.OFFICIAL[1].fits(spec.VARIANTS["torchvision"])


@pytest.mark.parametrize("auxiliary, smallest", [(False, 75), (True, 299)], ids=["alone", "head"])
def test_the_smallest_image_is_said(auxiliary, smallest):
    a = replace(spec.VARIANTS["torchvision"], size=smallest, auxiliary=auxiliary)
    assert spec.table(a)
    with pytest.raises(ValueError, match=f"are too small: this network reads {smallest} x {smallest} pixels or more"):
        with_torch.inception(replace(a, size=smallest - 1))


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no Inception v3 'v4'; choose from: keras, torchvision"):
        with_torch.inception("v4")
    with pytest.raises(ValueError, match="width must be a number above 0; got -1"):
        spec.Architecture(width=-1)
    with pytest.raises(ValueError, match="dropout is a share from 0 to below 1; got 1"):
        spec.Architecture(dropout=1)
    with pytest.raises(ValueError, match="counted must be True or False; got 'x'"):
        spec.Architecture(counted="x")
    with pytest.raises(ValueError, match="built for one size of images; got size None"):
        spec.Architecture(size=None)
    with pytest.raises(ValueError, match="no official weights for this architecture"):
        with_keras.inception(SMALL["keras"], weights="official")
