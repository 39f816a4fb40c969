"""MobileNet: the eight tests, Keras' own model, the official weights, the cost of full convolutions, and held-out architectures."""
from dataclasses import replace

import numpy as np
import pytest
import zoo

from dlbook.cnn.blocks.start import Norm
from dlbook.cnn.mobilenet import full, spec, with_keras, with_torch
from dlbook.data import DataError, registry

MOBILENET = zoo.Zoo(spec, with_keras, with_torch, "mobilenet")
TINY = spec.Architecture(0.5, (8, 12, 12), (2, 1, 2), stem=10, size=33, num_classes=5, dropout=0)
# Batch normalisation over a few numbers makes many steps in a row chaotic; here the last maps have 2 x 2 pixels of 16 images.
CALM = {"n": 16, "learning_rate": 2**-12}
HELD_OUT = [spec.SMALL, TINY, replace(TINY, padding="same", size=(33, 46)), replace(TINY, convolution="full", size=34), replace(spec.SMALL, convolution="full", size=15),
            spec.Architecture(0.3, (20, 33), (1, 3), stem=7, stem_stride=1, size=22, channels=2, num_classes=3, dropout=0,
                              norm=Norm(1e-5, 0.9, scale=False))]


ESPRESSO = 967  # its number among ImageNet's classes


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name):
    total = zoo.check_table(MOBILENET, name, spec.PARAMETERS[name], spec.GIGA_OPERATIONS[name])
    assert total.parameters + total.statistics == spec.KERAS_TOTAL[name]


@pytest.mark.parametrize("size", spec.GIGA_OPERATIONS_BY_SIZE)
def test_operations_by_size(size):
    operations = zoo.table.totals(spec.table(replace(spec.VARIANTS["1.0"], size=size))).operations
    assert operations / 1e9 == pytest.approx(spec.GIGA_OPERATIONS_BY_SIZE[size], abs=0.75e-3)


def test_full_convolutions_cost_what_the_paper_says():
    """Table 4 leaves the classifier's 1.02 million out, or has a slip in the last digit."""
    a = replace(spec.VARIANTS["1.0"], convolution="full")
    rows = spec.table(a)
    total = zoo.table.totals(rows)
    giga, millions = spec.FULL_CONVOLUTIONS
    assert (total.operations - rows[-1].operations) / 1e9 == pytest.approx(giga, abs=0.5e-3)
    assert total.parameters / 1e6 == pytest.approx(millions, abs=0.05)
    separable = zoo.table.totals(spec.table("1.0"))
    assert 8 < total.operations / separable.operations < 9  # section 3.1: "8 to 9 times less computation"


def test_shallow_network_costs_what_the_paper_says():
    a = spec.VARIANTS["1.0"]
    keep = [i for i in range(len(a.widths)) if not 6 <= i <= 10]
    total = zoo.table.totals(spec.table(replace(a, widths=tuple(a.widths[i] for i in keep), strides=tuple(a.strides[i] for i in keep))))
    giga, millions = spec.SHALLOW
    assert total.operations / 1e9 == pytest.approx(giga, abs=0.5e-3)
    assert total.parameters / 1e6 == pytest.approx(millions, abs=0.05)


def test_the_small_network_is_small():
    total = zoo.table.totals(spec.table(spec.SMALL))
    assert total.operations < 10e6
    assert 4 * (total.parameters + total.statistics) < 5e6  # bytes of a checkpoint


@pytest.mark.parametrize("a", HELD_OUT, ids=range(len(HELD_OUT)))
def test_held_out_architectures(a):
    zoo.check_table(MOBILENET, a)
    zoo.check_outputs(MOBILENET, a)
    zoo.check_steps(MOBILENET, a)


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_outputs_and_gradients(name):
    a = replace(spec.VARIANTS[name], size=65, num_classes=10, dropout=0)
    zoo.check_outputs(MOBILENET, a)
    zoo.check_steps(MOBILENET, a, count=20 if name == "0.25" else 1, dtypes=("float64",), **CALM)


@pytest.mark.parametrize("a", [spec.SMALL, replace(spec.SMALL, convolution="full", size=14)], ids=["separable", "full"])
def test_overfits_one_batch(a):
    zoo.check_overfits(MOBILENET, a)


def test_twins_have_the_same_names_and_signatures():
    zoo.check_names(MOBILENET)


def defect_eps(network):
    """PyTorch's default in one normalisation."""
    network.stem.bn.eps = 1e-5


def defect_padding(network):
    """The strided convolution pads alike on all sides."""
    from torch import nn

    network.block1.pad, network.block1.depthwise.padding = nn.Identity(), (1, 1)


def defect_order(network):
    """Two maps change places between the two convolutions."""
    network.block2.depthwise_bn.register_forward_hook(lambda _, __, y: y.flip(1))


@pytest.mark.parametrize("plant", [defect_eps, defect_padding, defect_order], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(MOBILENET, replace(TINY, size=32), plant)


@pytest.mark.parametrize("convolution", spec.CONVOLUTIONS)
def test_relu_stops_at_six(convolution, monkeypatch):
    """Scales so large that activations would pass 6; a twin that lets them through is seen."""
    import keras
    import torch

    a = replace(TINY, convolution=convolution)
    weights = {name: value * 9 if name.endswith("bn.weight") else value
               for name, value in with_torch.weights_of(MOBILENET.torch(a, dtype="float64")).items()}
    k, t = MOBILENET.keras(a, weights=weights, dtype="float64"), MOBILENET.torch(a, weights=weights, dtype="float64")
    images, _ = zoo.batch(a, 2)
    for layer in (layer for layer in k.layers if layer.name.endswith("relu")):
        assert np.max(keras.Model(k.input, layer.output)(with_keras.to_inputs(k, images))) == 6
    assert zoo.compare.difference(*zoo.outputs(MOBILENET, k, t, images)) <= zoo.OUTPUTS["float64"]
    monkeypatch.setattr(with_torch, "_activated", torch.relu)
    assert zoo.compare.difference(*zoo.outputs(MOBILENET, k, t, images)) > zoo.SEEN


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_keras_applications_agree(name):
    from keras import applications

    peer = applications.MobileNet((64, 64, 3), alpha=float(name), weights=None, classes=10, classifier_activation=None)
    zoo.check_keras_applications(MOBILENET, replace(spec.VARIANTS[name], size=64, num_classes=10), peer, spec.keras_name)


@pytest.mark.parametrize("size", [(97, 131), (80, 80)])
def test_keras_applications_agree_on_odd_maps(size):
    """By hand, 97 pixels: 49 behind the stem, then 24, 12, 6, 3."""
    from keras import applications

    peer = applications.MobileNet((*size, 3), alpha=0.25, weights=None, classes=10, classifier_activation=None)
    a = replace(spec.VARIANTS["0.25"], size=size, num_classes=10)
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in peer.layers}
    for row in (row for row in spec.table(a) if row.kind in ("conv", "depthwise")):
        assert row.shape == shapes[spec.keras_name(row.name)], row
    assert size[0] != 97 or [spec.table(a)[i].shape[0] for i in (1, -4)] == [49, 3]
    zoo.check_keras_applications(MOBILENET, a, peer, spec.keras_name)
    same = replace(a, padding="same")
    with pytest.raises(AssertionError):
        zoo.check_keras_applications(MOBILENET, same, peer, spec.keras_name)


def test_paddings_differ_on_odd_maps_alone():
    """The published size is a multiple of 32; the recorded small network meets even maps alone."""
    for a in (spec.VARIANTS["1.0"], spec.SMALL):
        assert spec.table(replace(a, padding="keras")) == spec.table(replace(a, padding="same"))
    assert spec.SMALL.padding == "same"
    sides = {padding: spec.table(replace(spec.VARIANTS["1.0"], size=97, padding=padding))[-4].shape for padding in spec.PADDINGS}
    assert sides == {"keras": (3, 3, 1024), "same": (4, 4, 1024)}


def test_official_weights_fit_any_size_and_dropout():
    entry, = spec.OFFICIAL
    assert entry.fits(replace(entry.architecture, size=(64, 96), dropout=0.5, padding="same"))
    assert not entry.fits(replace(entry.architecture, num_classes=10))


def test_a_variant_by_number():
    assert spec.architecture(0.25) is spec.VARIANTS["0.25"]


def test_official_weights_see_the_coffee():
    """The official weights of alpha = 0.75, in both twins, on a photo that scikit-image ships."""
    from skimage import data as photos
    from skimage.transform import resize

    try:
        registry.fetch(spec.OFFICIAL[0].file)
    except DataError as error:
        if "is not on this machine" not in str(error):
            raise
        pytest.skip(f"{spec.OFFICIAL[0].file} is not on this machine; DLBOOK_MIRROR names a folder that holds it")
    photo = resize(photos.coffee()[:, 100:500], (224, 224), anti_aliasing=True).astype("float32")[None]
    k = with_keras.predict(MOBILENET.keras("0.75", weights="official"), photo)
    t = with_torch.predict(MOBILENET.torch("0.75", weights="official"), photo)
    assert np.abs(k - t).max() < 1e-4
    assert ESPRESSO in np.argsort(t[0])[-2:]


@pytest.mark.parametrize(("framework", "task"), [("keras", "mnist"), ("torch", "fashion")])
def test_full_run(framework, task, monkeypatch, tmp_path):
    """The whole way of a recorded run, on 60 drawn images."""
    from types import SimpleNamespace

    images, labels = zoo.batch(spec.SMALL, 60, dtype="float32")
    drawn = SimpleNamespace(train_images=images, train_labels=labels, test_images=images[:20], test_labels=labels[:20], source="drawn",
                            files={"drawn": "0"})
    monkeypatch.setitem(full.full.DATA, task, lambda profile: drawn)
    monkeypatch.setitem(spec.TRAINING, task, replace(spec.TRAINING[task], epochs=1, batch_size=20))
    result = full.run(framework, 0, tmp_path, task)
    total = zoo.table.totals(spec.table(spec.SMALL))
    assert (result["metrics"]["parameters"], result["metrics"]["operations"]) == (total.parameters, total.operations)
    assert len(result["history"]["val_accuracy"]) == 1
    assert (tmp_path / f"{task}.safetensors").exists() == (framework == "torch")
    if framework == "torch":
        again = MOBILENET.keras(spec.SMALL, weights=tmp_path / f"{task}.safetensors")
        assert again.count_params() == total.parameters + total.statistics


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no MobileNet '2.0'; choose from: 1.0, 0.75, 0.5, 0.25"):
        with_torch.mobilenet("2.0")
    with pytest.raises(ValueError, match="convolution must be one of separable, full; got 'sparse'"):
        spec.Architecture(convolution="sparse")
    with pytest.raises(ValueError, match="a width and a stride; got widths \\(8,\\) and strides \\(1, 2\\)"):
        spec.Architecture(widths=(8,), strides=(1, 2))
    with pytest.raises(ValueError, match="alpha must leave one map or more of 32; got 0.01"):
        spec.Architecture(0.01)
    with pytest.raises(ValueError, match="stem_stride must be a whole number of 1 or more; got 0"):
        spec.Architecture(stem_stride=0)
    with pytest.raises(ValueError, match="widths must be a tuple of whole numbers of 1 or more; got \\(8.5, 8\\)"):
        spec.Architecture(widths=(8.5, 8), strides=(1, 1))
    with pytest.raises(ValueError, match="alpha must be a number above 0; got inf"):
        spec.Architecture(float("inf"))
    with pytest.raises(ValueError, match="padding must be one of keras, same; got 1"):
        spec.Architecture(padding=1)
    for size, said in ((None, "None: give a number of pixels"), (-3, "-3")):
        with pytest.raises(ValueError, match=f"size.*got.* {said}"):
            spec.Architecture(size=size)
    for twin in (with_keras, with_torch):
        with pytest.raises(ValueError, match="images of size 16 are too small: this network reads 31 x 31 pixels or more"):
            twin.mobilenet(replace(spec.VARIANTS["1.0"], size=16))
    with pytest.raises(ValueError, match="dropout is a share from 0 to below 1; got 1"):
        spec.Architecture(dropout=1)
    with pytest.raises(ValueError, match="no official weights for this architecture"):
        with_torch.mobilenet("1.0", weights="official")
