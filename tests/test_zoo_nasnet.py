"""NASNet-A: the eight tests, Keras' own model, held-out cells."""
from dataclasses import replace
from functools import partial

import pytest
import zoo

from dlbook.cnn.blocks.start import Norm
from dlbook.cnn.nasnet import spec, with_keras, with_torch

NASNET = zoo.Zoo(spec, with_keras, with_torch, "nasnet")
MOBILE = spec.VARIANTS["mobile"]
# Moving statistics that follow the batches, so that twenty steps show in them.
QUICK = Norm(1e-3, 0.9)
TINY = spec.Architecture(1, 24, 5, stem="small", size=9, num_classes=4, scaling="none", norm=QUICK)
STEM = spec.Architecture(1, 96, 6, size=39, num_classes=3, norm=QUICK)
# Cells of two and three pairs, built and trained in a fraction of the time.
OTHER_CELLS = (
    spec.Cell((spec.Pair("h", "identity", "p", "sep3"), spec.Pair("h", "avg3", "1", "max3")), ("2", "1", "h")),
    spec.Cell((spec.Pair("p", "avg3", "h", "sep5"), spec.Pair("1", "max3", "1", "identity"), spec.Pair("p", "max3", "2", "sep3")),
              ("3",), stride=2),
)
LIGHT = replace(TINY, normal=OTHER_CELLS[0], reduction=OTHER_CELLS[1])
HELD_OUT = [TINY, replace(TINY, repeats=2, size=12, channels=1, num_classes=7, norm=Norm(1e-4, 0.99, scale=False)), STEM,
            replace(LIGHT, size=(14, 9))]


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name):
    total = zoo.check_table(NASNET, spec.VARIANTS[name], spec.PARAMETERS[name], spec.GIGA_OPERATIONS[name])
    assert total.parameters == spec.KERAS_TRAINABLE[name]
    assert total.parameters + total.statistics == spec.KERAS_TOTAL[name]


def test_the_penultimate_maps_are_those_of_the_name():
    """4 @ 1056: 44 maps, doubled twice, six of them side by side."""
    rows = {row.name: row for row in spec.table("mobile")}
    assert MOBILE.filters == 44
    assert rows["stage3_cell4_concat"].shape == (7, 7, 1056) and rows["pool"].shape == (MOBILE.penultimate,)
    assert [rows[f"{name}_concat"].shape for name in ("stem_cell1", "stem_cell2", "stage1_cell4", "stage2_cell4")] == [
        (56, 56, 44), (28, 28, 88), (28, 28, 264), (14, 14, 528)]
    assert len(spec.steps(MOBILE)) == 2 + 3 * 4 + 2


@pytest.mark.parametrize("a", HELD_OUT, ids=range(len(HELD_OUT)))
def test_held_out_architectures(a):
    zoo.check_table(NASNET, a)
    zoo.check_outputs(NASNET, a)


@pytest.mark.parametrize("a, dtype", [(replace(TINY, size=8), "float64"), (LIGHT, "float32")], ids=["NASNet-A", "other cells"])
def test_gradients_and_twenty_steps(a, dtype):
    zoo.check_steps(NASNET, a, dtypes=(dtype,))


@pytest.mark.large
def test_outputs_and_gradients_of_the_whole_network():
    a = replace(MOBILE, size=33, num_classes=5)
    zoo.check_outputs(NASNET, a)
    zoo.check_steps(NASNET, a, count=1, dtypes=("float64",))


def test_overfits_one_batch():
    zoo.check_overfits(NASNET, replace(LIGHT, size=6, penultimate=96), epochs=40, n=8, learning_rate=4e-3)


def test_twins_have_the_same_names_and_signatures():
    zoo.check_names(NASNET)


def defect_order(network):
    """A cell reads the last maps for those before, and the other way."""
    pair = network.stage1_cell1.pair1
    pair.left, pair.right, forward = pair.right, pair.left, pair.forward
    pair.forward = lambda left, right: forward(right, right)


def defect_border(network):
    """The averages count the zeros around the maps."""
    import torch

    network.stage1_cell1.pair2.left = torch.nn.AvgPool2d(3, 1, 1)


def defect_zeros(network):
    """Pixels outside never win, as in TensorFlow's `same`."""
    from dlbook.cnn.blocks.with_torch import MaxPool

    network.stage2_reduce.pair3.left = MaxPool(3, 2, "same")


def defect_shift(network):
    """Both halves of a factorised reduction read the same pixels."""
    adjust = network.stage2_cell1.adjust
    adjust.conv2.weight.data = adjust.conv1.weight.data.clone()


@pytest.mark.parametrize("plant", [defect_order, defect_border, defect_zeros, defect_shift], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(NASNET, LIGHT, plant)


def peer(a):
    """Keras' own network of that shape."""
    from keras.src.applications.nasnet import NASNet

    return NASNet((a.size, a.size, 3), a.penultimate, a.repeats, a.stem_filters, skip_reduction=False, weights=None, classes=a.num_classes,
                  default_size=224, classifier_activation=None)


@pytest.mark.parametrize("size", [32, 47])
def test_keras_agrees_on_small_networks(size):
    """Even and odd maps, and maps of one pixel: the zeros around them are the same."""
    a = replace(STEM, size=size)
    zoo.check_keras_applications(NASNET, a, peer(a), partial(spec.keras_name, repeats=1))


@pytest.mark.large
def test_keras_applications_agree():
    from keras import applications

    a = replace(MOBILE, num_classes=10, size=96)
    theirs = applications.NASNetMobile((96, 96, 3), weights=None, classes=10, classifier_activation=None)
    zoo.check_keras_applications(NASNET, a, theirs, spec.keras_name)


def test_every_layer_has_its_name_in_keras():
    a = replace(STEM, repeats=2)
    theirs = {layer.name for layer in peer(a).layers if layer.weights}
    ours = {spec.keras_name(row.name, repeats=2) for row in spec.table(a) if row.parameters}
    assert ours == theirs


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no NASNet 'large'; choose from: mobile"):
        with_torch.nasnet("large")
    with pytest.raises(ValueError, match="penultimate must be a multiple of 96 here; got 100"):
        spec.Architecture(penultimate=100)
    with pytest.raises(ValueError, match="stem must be 'imagenet' or 'small'; got 'tiny'"):
        spec.Architecture(stem="tiny")
    for repeats in (0, 1.5):
        with pytest.raises(ValueError, match=f"repeats must be a whole number of 1 or more; got {repeats}"):
            spec.Architecture(repeats)
    with pytest.raises(ValueError, match="stem_filters must be a whole number of 1 or more; got 0"):
        spec.Architecture(stem_filters=0)
    with pytest.raises(ValueError, match="normal must be a Cell; got 'A'"):
        spec.Architecture(normal="A")
    with pytest.raises(ValueError, match="norm must be a Norm; got None"):
        spec.Architecture(norm=None)
    with pytest.raises(ValueError, match="a normal cell has stride 1, a reduction cell 2; got 2 and 2"):
        spec.Architecture(normal=spec.REDUCTION)
    with pytest.raises(ValueError, match="built for one size of images.*; got size None"):
        spec.Architecture(size=None)
    with pytest.raises(ValueError, match="no official weights for this architecture"):
        with_torch.nasnet(TINY, weights="official")


@pytest.mark.parametrize("pair, words", [
    (("h", "sep4", "p", "sep3"), "pair 1 has the operation 'sep4'; choose from: sep3"),
    (("1", "sep3", "p", "sep3"), "pair 1 may read h, p; got '1'"),
    (("h", "identity", "p", "sep3"), "takes h as it is, which is twice as large"),
])
def test_wrong_cells_are_said(pair, words):
    with pytest.raises(ValueError, match=words):
        spec.Cell((pair,), ("1",), stride=2)
    with pytest.raises(ValueError, match="in a reduction cell not h or p; got \\('p',\\)"):
        spec.Cell((("h", "sep3", "p", "sep3"),), ("p",), stride=2)


@pytest.mark.parametrize("pairs, joined, unread", [
    ((("h", "sep3", "p", "sep3"), ("h", "avg3", "p", "max3")), ("1",), "2"),
    ((("p", "sep3", "p", "avg3"),), ("1",), "h"), ((("h", "sep3", "h", "avg3"),), ("1",), "p"),
])
def test_a_cell_computes_nothing_in_vain(pairs, joined, unread):
    with pytest.raises(ValueError, match=f"read by a pair or be joined; got a cell where nothing reads {unread}"):
        spec.Cell(pairs, joined)


@pytest.mark.parametrize("pool", ["max3", "avg3"])
def test_a_reduction_cell_that_pools_the_earlier_maps(pool):
    """The first cell of the large stem brings them to the others' number first; a cell that convolves them does not."""
    cell = spec.Cell((("h", "sep3", "p", pool), ("1", "identity", "p", "sep3")), ("1", "2"), stride=2)
    a = replace(STEM, reduction=cell, normal=OTHER_CELLS[0], penultimate=48, size=32)
    assert [step.adjust for step in spec.steps(a)][:2] == ["project", "reduce"]
    assert [step.adjust for step in spec.steps(STEM)][:2] == ["", "reduce"]
    zoo.check_table(NASNET, a)
    zoo.check_outputs(NASNET, a, ("float64",))
