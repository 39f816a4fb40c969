"""GoogLeNet: the eight tests, torchvision's own model, auxiliary heads, the plain network, and held-out architectures."""
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import zoo

from dlbook.cnn.blocks.start import LocalNorm, Norm
from dlbook.cnn.googlenet import spec, with_keras, with_torch
from dlbook.parity import compare
from dlbook.train.settings import Training
from peers import torchvision_models

GOOGLENET = zoo.Zoo(spec, with_keras, with_torch, "googlenet")
STILL = {"dropout": 0, "dropout_auxiliary": 0}
SMALL = replace(spec.SMALL, width=0.125, **STILL)
TINY = spec.Architecture(("3a", "4a", "4d"), width=0.1, size=(33, 40), num_classes=5, **STILL)
PAPER = replace(spec.VARIANTS["paper"], width=0.1, size=47, num_classes=4, **STILL)
HEADS = replace(TINY, auxiliary=True)
HELD_OUT = [SMALL, HEADS, PAPER, spec.plain(SMALL), replace(spec.plain(HEADS), channels=1),
            replace(PAPER, modules=("3b", "4a", "4b", "4d"), size=99, auxiliary=True, scaling="imagenet",
                    lrn=LocalNorm(n=3, k=2.0, alpha=0.5, beta=0.6)),
            spec.Architecture(("5a",), width=0.07, stem="small", size=19, channels=2, num_classes=3, last_pool=3, kernel5=5,
                              scaling="none", norm=Norm(1e-5, 0.99), **STILL)]


@pytest.mark.large
@pytest.mark.parametrize("auxiliary", [False, True], ids=["alone", "heads"])
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name, auxiliary):
    a = replace(spec.VARIANTS[name], auxiliary=auxiliary)
    published = spec.PARAMETERS_AUXILIARY if auxiliary else spec.PARAMETERS
    zoo.check_table(GOOGLENET, a, published[name], None if auxiliary else spec.GIGA_OPERATIONS[name])
    assert spec.depth(a) == spec.DEPTH


def module_sums(name):
    """(weights and biases, multiply-accumulates) of one inception module of the paper's table 1."""
    total = zoo.table.totals([row for row in spec.table("paper") if row.block == f"inception{name}"])
    return total.parameters, total.operations


def test_the_columns_of_the_paper():
    """Where table 1 is exact, and how far it is off where it is not."""
    sums = {name: module_sums(name) for name in spec.MODULES}
    for name in ("3a", "3b"):  # K is 1,024 there
        assert abs(sums[name][0] / 1024 - spec.PAPER_KILO_PARAMETERS[name]) < 1
    off = {name: round(parameters / 1024) / spec.PAPER_KILO_PARAMETERS[name] for name, (parameters, _) in sums.items()}
    assert max(off, key=off.get) == "4c" and off["4c"] == pytest.approx(498 / 463)
    assert min(off, key=off.get) == "5a" and off["5a"] == pytest.approx(1019 / 1072)
    apart = {name: operations / 1e6 - spec.PAPER_MEGA_OPERATIONS[name] for name, (_, operations) in sums.items()}
    assert [name for name, error in apart.items() if abs(error) > 0.65] == ["5a"]
    assert apart["5a"] == pytest.approx(51.08 - 54, abs=0.01)


@pytest.mark.parametrize("a", HELD_OUT, ids=range(len(HELD_OUT)))
def test_held_out_architectures(a):
    zoo.check_table(GOOGLENET, a)
    zoo.check_outputs(GOOGLENET, a)
    zoo.check_steps(GOOGLENET, a, dtypes=("float64",))


def test_steps_in_float32():
    zoo.check_steps(GOOGLENET, SMALL, dtypes=("float32",))


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_outputs_and_gradients(name):
    a = replace(spec.VARIANTS[name], size=48, num_classes=10, **STILL)
    zoo.check_outputs(GOOGLENET, a)
    zoo.check_steps(GOOGLENET, a, count=1, dtypes=("float64",))


@pytest.mark.parametrize("module", spec.CHOICES["module"])
def test_overfits_one_batch(module):
    zoo.check_overfits(GOOGLENET, replace(spec.SMALL, modules=("3b", "4a"), size=10, dropout=0, module=module))


def test_training_with_heads_is_the_same_in_both_twins():
    """`fit` adds each head's loss; what it reports of the test images is of the logits alone."""
    images, labels = zoo.batch(HEADS, 10, dtype="float32")
    data = SimpleNamespace(train_images=images, train_labels=labels, test_images=images[:4], test_labels=labels[:4])
    seen = {}
    for twin in (with_keras, with_torch):
        network, losses = twin.googlenet(HEADS, 2), []
        history = twin.fit(network, data, Training(2, 4, 1e-3), 1, lambda step, loss, losses=losses: losses.append(loss), progress=False)
        seen[twin] = losses, history, twin.predict(network, images[:4])
    (losses, history, _), (other, theirs, predicted) = seen[with_keras], seen[with_torch]
    assert len(losses) == 6 and set(history) == set(theirs) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    # Adam adds its epsilon at another place in Keras; moving variances over few pixels differ by N / (N - 1).
    assert compare.difference(losses, other) <= 2e-3 and compare.difference(history["val_loss"], theirs["val_loss"]) <= 1e-2
    assert losses[0] > 1.5 * theirs["val_loss"][0]  # three losses of which two count 0.3, beside one
    assert theirs["val_loss"][-1] == pytest.approx(-np.log(predicted[range(4), labels[:4]]).mean(), rel=1e-4)


def test_the_first_loss_is_the_weighted_sum():
    images, labels = zoo.batch(HEADS, 4)
    k, t = zoo.twins(GOOGLENET, HEADS)
    logits, aux1, aux2 = (np.asarray(head) for head in k(with_keras.to_inputs(k, images), training=True))
    expected = sum(share * entropy(head, labels) for share, head in ((1, logits), (0.3, aux1), (0.3, aux2)))
    data = SimpleNamespace(train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    for twin, network in ((with_keras, k), (with_torch, t)):
        losses = []
        twin.fit(network, data, Training(1, 4, 1e-3), 0, lambda step, loss, losses=losses: losses.append(loss), progress=False)
        assert losses == pytest.approx([expected], rel=1e-6)


def entropy(logits, labels):
    """Mean cross-entropy, from its definition."""
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return -np.log(shares[range(len(labels)), labels]).mean()


def test_twins_have_the_same_names_and_signatures():
    zoo.check_names(GOOGLENET)


@pytest.mark.parametrize("a", [*spec.VARIANTS.values(), spec.SMALL, replace(spec.SMALL, modules=tuple(spec.MODULES))], ids=range(4))
def test_the_plain_network_costs_the_same(a):
    ours, plain = (zoo.table.totals(spec.table(b)).operations for b in (a, spec.plain(a)))
    assert plain == pytest.approx(ours, rel=0.01)
    kinds = [row.kind for row in spec.table(spec.plain(a))]
    assert "concat" not in kinds and kinds.count("conv") == len(spec.stem(a)) + len(a.modules)


@pytest.mark.parametrize("a, smallest", [(spec.VARIANTS["torchvision"], 15), (spec.VARIANTS["paper"], 31), (spec.SMALL, 2)],
                         ids=["torchvision", "paper", "small"])
def test_the_smallest_image_is_said(a, smallest):
    assert spec.table(replace(a, size=smallest))
    with pytest.raises(ValueError, match=f"are too small: this network reads {smallest} x {smallest} pixels or more"):
        with_keras.googlenet(replace(a, size=smallest - 1))


def test_the_smallest_image_is_torchvisions():
    """A window that hangs over the border sees what is left of the maps, if anything is."""
    import torch

    with torch.device("meta"):
        peer = torchvision_models().googlenet(aux_logits=False, init_weights=False).eval()
        assert peer(torch.empty(1, 3, 15, 15)).shape == (1, 1000)
        with pytest.raises(RuntimeError, match="[Oo]utput size|[Kk]ernel size"):
            peer(torch.empty(1, 3, 14, 14))
    for a in (replace(spec.VARIANTS["torchvision"], size=15), replace(spec.VARIANTS["torchvision"], size=(16, 19))):
        zoo.check_outputs(GOOGLENET, replace(a, width=0.125, num_classes=10), ("float64",))


def test_the_paper_s_heads_need_larger_images():
    a = replace(spec.VARIANTS["paper"], auxiliary=True)
    assert [row.shape for row in spec.table(a) if row.name == "aux1_pool"] == [(4, 4, 512)]
    with pytest.raises(ValueError, match="pixels or more"):
        spec.table(replace(a, size=64))


def logits_alone(network):
    """The network without its auxiliary heads: same weights."""
    return {name: value for name, value in with_torch.weights_of(network).items() if not name.startswith("aux")}


def test_heads_change_no_prediction():
    """`predict` reads the first output; the trunk is the same with and without heads."""
    with_heads = with_torch.googlenet(HEADS, 4)
    images, _ = zoo.batch(TINY, 3, dtype="float32")
    expected = with_torch.predict(with_torch.googlenet(TINY, weights=logits_alone(with_heads)), images)
    for twin in (with_keras, with_torch):
        network = twin.googlenet(HEADS, weights=with_torch.weights_of(with_heads))
        assert compare.difference(expected, twin.predict(network, images)) <= 1e-5
        assert twin.predict(network, images[:0]).shape == (0, 5)


def defect_window(network):
    """One path's windows of 3 x 3 shrink to their upper row: what is below is not seen."""
    network.inception4a.branch5.conv.weight.data[:, :, 1:] = 0


def defect_order(network):
    """One module puts its paths side by side in another order."""
    import torch

    module = network.inception3a
    module.forward = lambda x: torch.cat([module.proj(module.pool(x)), module.branch1(x), module.branch3(module.reduce3(x)),
                                          module.branch5(module.reduce5(x))], 1)


def defect_eps(network):
    """PyTorch's default in one normalisation."""
    network.inception4a.proj.bn.eps = 1e-5


def defect_ceil(network):
    """Pooling rounds down, with a border on the other side."""
    network.pool1.forward = lambda x: __import__("torch").nn.functional.max_pool2d(x, 3, 2, 1)


def defect_head(network):
    """An auxiliary head reads the paper's windows where torchvision's are meant; both are 4 x 4 means of 14 x 14 pixels."""
    from dlbook.cnn.blocks.with_torch import AveragePool

    network.aux1.pool = AveragePool(5, 3)


@pytest.mark.parametrize("plant", [defect_window, defect_order, defect_eps, defect_ceil], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(GOOGLENET, replace(TINY, size=48), plant)


def test_a_planted_defect_in_a_head_is_seen():
    zoo.check_defect(GOOGLENET, replace(HEADS, modules=("4a", "4d"), stem="small", size=14), defect_head)


@pytest.mark.large
@pytest.mark.parametrize("size", [64, 79])
def test_torchvision_agrees(size):
    peer = torchvision_models().googlenet(weights=None, aux_logits=False, transform_input=False, init_weights=False, num_classes=10)
    a = replace(spec.VARIANTS["torchvision"], size=size, num_classes=10)
    zoo.check_torchvision(GOOGLENET, a, peer, spec.torchvision_name)


@pytest.mark.large
def test_torchvision_s_auxiliary_heads_agree():
    peer = torchvision_models().googlenet(weights=None, aux_logits=True, transform_input=False, init_weights=False, num_classes=10)
    zoo.check_torchvision(GOOGLENET, replace(spec.VARIANTS["torchvision"], size=64, num_classes=10, auxiliary=True), all_heads(peer),
                          spec.torchvision_name)


def all_heads(peer):
    """Make torchvision's model answer with all heads in evaluation too."""
    import torch

    def forward(x):
        peer.training = True  # asked by the outermost module alone; normalisation and dropout stay as they are
        logits, aux2, aux1 = peer._forward(x)
        return torch.stack((logits, aux1, aux2), 1)

    peer.forward = forward
    return peer


def test_official_weights_fit_every_size_and_head():
    for change in ({}, {"size": 320}, {"auxiliary": True}, {"dropout": 0.5}):
        assert any(entry.fits(replace(spec.VARIANTS["torchvision"], **change)) for entry in spec.OFFICIAL)
    assert not any(entry.fits(spec.VARIANTS["paper"]) for entry in spec.OFFICIAL)


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no GoogLeNet 'v2'; choose from: paper, torchvision"):
        with_torch.googlenet("v2")
    with pytest.raises(ValueError, match="modules are names out of 3a, 3b, .* in this order; got \\('4a', '3a'\\)"):
        spec.Architecture(("4a", "3a"))
    with pytest.raises(ValueError, match="auxiliary heads read the modules 4a and 4d; got modules \\('3a',\\)"):
        spec.Architecture(("3a",), auxiliary=True)
    with pytest.raises(ValueError, match="module must be 'inception' or 'plain'; got 'dense'"):
        spec.Architecture(module="dense")
    with pytest.raises(ValueError, match="width must be a number above 0; got 0"):
        spec.Architecture(width=0)
    with pytest.raises(ValueError, match="dropout is a share from 0 to below 1; got 1"):
        spec.Architecture(dropout=1)
    with pytest.raises(ValueError, match="built for one size of images; got size None"):
        with_torch.googlenet(replace(TINY, size=None))
    with pytest.raises(ValueError, match="width must be a number above 0; got inf"):
        spec.Architecture(width=float("inf"))
    with pytest.raises(ValueError, match="norm must be a Norm or None; got 'bn'"):
        spec.Architecture(norm="bn")
    with pytest.raises(ValueError, match="eps must be a number above 0; got -1"):
        Norm(eps=-1)
    with pytest.raises(ValueError, match="momentum is a share from 0 to 1 of the old moving statistic; got 1.5"):
        Norm(momentum=1.5)
    with pytest.raises(ValueError, match="scale must be True or False; got None"):
        Norm(scale=None)
    with pytest.raises(ValueError, match="no official weights for this architecture"):
        with_torch.googlenet(TINY, weights="official")
