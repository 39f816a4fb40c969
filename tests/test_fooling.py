"""Adversarial examples: attacks against definitions and an independent library, equal twins, training; and shortcuts."""
import inspect
from dataclasses import replace

import numpy as np
import pytest

from dlbook import data, profile

profile.setup()

import torch  # noqa: E402  (profile.setup comes first)

from dlbook.cnn.vgg import spec as vgg  # noqa: E402
from dlbook.cnn.vgg import with_keras as vgg_keras  # noqa: E402
from dlbook.cnn.vgg import with_torch as vgg_torch  # noqa: E402
from dlbook.data.labelled import Labelled  # noqa: E402
from dlbook.fool.attacks import measure, photos, spec, with_keras, with_torch  # noqa: E402
from dlbook.fool.shortcut import spec as shortcut  # noqa: E402
from dlbook.parity import compare  # noqa: E402
from dlbook.train.settings import Training  # noqa: E402

TWINS, VGG = {"keras": with_keras, "torch": with_torch}, {"keras": vgg_keras, "torch": vgg_torch}
BOTH = pytest.mark.parametrize("which", TWINS)
COLOUR = vgg.Architecture((4, "M", 5, "M", 6), hidden=(7,), dropout=0.5, size=12, num_classes=4, scaling="caffe")
RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.random((6, 12, 12, 3)), np.array([0, 1, 2, 3, 0, 1])
DIGITS = data.digits("quick")
TRAINING = replace(spec.TRAINING, epochs=4, batch_size=32)


def network(which, a=COLOUR, seed=3, dtype="float64"):
    return VGG[which].vgg(a, seed, dtype=dtype)


# ---------------------------------------------------------------- the gradient and the attacks

@BOTH
def test_the_gradient_is_the_slope_of_each_images_own_loss(which):
    net = network(which)
    slopes = TWINS[which].gradient(net, IMAGES, LABELS)
    loss = lambda images: -np.log(VGG[which].predict(net, images)[np.arange(6), LABELS])
    for n, row, column, channel in [(0, 0, 0, 0), (3, 11, 5, 2), (5, 6, 6, 1)]:
        h = np.zeros_like(IMAGES)
        h[n, row, column, channel] = 1e-5
        assert slopes[n, row, column, channel] == pytest.approx((loss(IMAGES + h) - loss(IMAGES - h))[n] / 2e-5, rel=1e-4, abs=1e-8)


def test_gradients_of_twins_agree():
    a, b = (TWINS[which].gradient(network(which), IMAGES, LABELS) for which in TWINS)
    assert np.abs(a).max() > 0 and compare.difference(a, b) <= 1e-10


@BOTH
def test_one_step_is_its_definition(which):
    net = network(which)
    slopes = TWINS[which].gradient(net, IMAGES, LABELS)
    for targeted, way in ((False, 1), (True, -1)):
        found = TWINS[which].attack(net, IMAGES, LABELS, spec.fgsm(0.07, targeted))
        assert np.allclose(found, np.clip(IMAGES + way * 0.07 * np.sign(slopes), 0, 1), rtol=0, atol=1e-14)


@BOTH
def test_many_steps_are_their_definition(which):
    net, how = network(which), spec.Attack(0.1, steps=3, step=0.06, start="random", seed=4)
    want = np.clip(IMAGES + np.random.default_rng(4).uniform(-0.1, 0.1, IMAGES.shape), 0, 1)
    for _ in range(3):
        want = want + 0.06 * np.sign(TWINS[which].gradient(net, want, LABELS))
        want = np.clip(np.clip(want, IMAGES - 0.1, IMAGES + 0.1), 0, 1)
    assert np.allclose(TWINS[which].attack(net, IMAGES, LABELS, how), want, rtol=0, atol=1e-12)


HOWS = {"one step": spec.fgsm(0.05), "steps": spec.pgd(0.05, 10), "targeted": spec.pgd(0.1, 5, targeted=True), "from the image": spec.Attack(0.1, 4), "margin": spec.Attack(0.05, 5, loss="margin")}
# Two right classes of the four an image.
GROUPS = np.array([[True, True, False, False], [False, True, False, True], [False, True, True, False]] * 2)


@pytest.mark.parametrize("how", HOWS)
def test_attacks_of_twins_agree(how):
    a, b = (TWINS[which].attack(network(which), IMAGES, LABELS, HOWS[how]) for which in TWINS)
    assert np.abs(a - IMAGES).max() > 0.04 and np.abs(a - b).max() <= 1e-12


@BOTH
@pytest.mark.parametrize("loss", spec.LOSSES)
@pytest.mark.parametrize("labels", [LABELS, GROUPS], ids=["a class", "classes"])
def test_every_loss_is_its_definition(which, loss, labels):
    """The sign of its slope at some pixels, by differences; the logits are the logarithms of the probabilities but for a constant an image."""
    net, h = network(which, replace(COLOUR, scaling="none")), np.zeros_like(IMAGES)  # not so sure that all probabilities are 0 or 1
    right = labels if labels.ndim == 2 else np.eye(4)[labels] > 0

    def value(images):
        chances = VGG[which].predict(net, images)
        inside, outside = np.where(right, chances, 0), np.where(right, 0, chances)
        return -np.log(inside.sum(1)) if loss == "cross entropy" else np.log(outside.max(1)) - np.log(inside.max(1))

    step = TWINS[which].attack(net, IMAGES, labels, replace(spec.fgsm(1e-3), loss=loss)) - IMAGES
    for row, column, channel in [(0, 1, 0), (11, 5, 2), (6, 6, 1)]:
        h[:] = 0
        h[:, row, column, channel] = 1e-5
        slope, inner = value(IMAGES + h) - value(IMAGES - h), np.abs(IMAGES[:, row, column, channel] - 0.5) < 0.49
        assert np.array_equal(np.sign(step[:, row, column, channel])[inner], np.sign(slope)[inner])


def test_attacks_on_groups_of_classes_agree():
    for how in (spec.pgd(0.05, 5), spec.pgd(0.05, 5, targeted=True), spec.Attack(0.05, 5, loss="margin")):
        a, b = (TWINS[which].attack(network(which), IMAGES, GROUPS, how) for which in TWINS)
        assert np.abs(a - IMAGES).max() > 0.04 and np.abs(a - b).max() <= 1e-12


@BOTH
@pytest.mark.parametrize("how", HOWS)
def test_attacks_stay_in_the_box(which, how):
    found = TWINS[which].attack(network(which, dtype="float32"), IMAGES.astype("float32"), LABELS, HOWS[how])
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
    assert np.abs(found - IMAGES).max() <= HOWS[how].epsilon + 1e-6


@pytest.mark.parametrize("defect", ["sign", "box", "scaling"])
def test_a_defect_is_seen(defect, monkeypatch):
    want = with_keras.attack(network("keras"), IMAGES, LABELS, spec.pgd(0.05, 5))
    slope, scaled, attacked = with_torch._slope, with_torch._scaled, with_torch._attacked
    if defect == "sign":
        monkeypatch.setattr(with_torch, "_slope", lambda *words: -slope(*words))
    elif defect == "box":
        monkeypatch.setattr(with_torch, "_attacked", lambda net, x, y, how, begun: attacked(net, x, y, replace(how, epsilon=0.06, step=how.pace), begun))
    else:
        monkeypatch.setattr(with_torch, "_scaled", lambda net, x: scaled(net, x.flip(1)))
    assert np.abs(want - with_torch.attack(network("torch"), IMAGES, LABELS, spec.pgd(0.05, 5))).max() > 1e-3


def independent(net, a):
    """The network as the Adversarial Robustness Toolbox wants it: reads (N, C, H, W) in [0, 1]."""
    art = pytest.importorskip("art.estimators.classification", reason="adversarial-robustness-toolbox comes with the extra `test`")

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net.eval()

        def forward(self, x):
            return self.net(vgg_scaled(x, a))

    return art.PyTorchClassifier(Scaled().eval(), torch.nn.CrossEntropyLoss(), (a.channels, a.size, a.size), a.num_classes, clip_values=(0.0, 1.0))


def vgg_scaled(x, a):
    """Scaling `caffe` written out, apart from the code under test."""
    return x if a.scaling == "none" else x.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68])[:, None, None]


@BOTH
@pytest.mark.parametrize("kind", ["one step", "steps", "targeted"])
def test_attacks_agree_with_an_independent_library(which, kind):
    """Nicolae et al. (2018), Adversarial Robustness Toolbox. From the image itself: random starts are drawn otherwise there."""
    pytest.importorskip("art.attacks.evasion", reason="adversarial-robustness-toolbox comes with the extra `test`")
    from art.attacks.evasion import FastGradientMethod, ProjectedGradientDescentPyTorch

    images, targeted = IMAGES.astype("float32"), kind == "targeted"
    theirs = independent(network("torch", dtype="float32"), COLOUR)
    if kind == "one step":
        attack, how = FastGradientMethod(theirs, norm=np.inf, eps=0.05), spec.fgsm(0.05)
    else:
        how = spec.Attack(0.05, steps=7, step=0.015, targeted=targeted)
        attack = ProjectedGradientDescentPyTorch(theirs, norm=np.inf, eps=0.05, eps_step=0.015, max_iter=7, targeted=targeted, num_random_init=0, verbose=False)
    want = attack.generate(np.ascontiguousarray(images.transpose(0, 3, 1, 2)), np.eye(4)[LABELS]).transpose(0, 2, 3, 1)
    found = TWINS[which].attack(network(which, dtype="float32"), images, LABELS, how)
    # In single precision the sign of a slope near 0 is chance; all other pixels are the same.
    assert np.abs(want - images).max() > 0.04 and (np.abs(found - want) < 1e-5).mean() > 0.995


@BOTH
@pytest.mark.parametrize("words, message", [
    ((IMAGES, LABELS[:3]), "each of 6 images needs a label"), ((IMAGES, LABELS + 1), "labels are from 0 to 3; got 1 to 4"),
    ((IMAGES * 2, LABELS), "values in \\[0, 1\\]; got"), ((IMAGES[..., 0], LABELS), "\\(N, H, W, 3\\) here; got shape"), ((IMAGES, LABELS / 1), "whole number"),
    ((IMAGES, GROUPS[:, :3]), "shape \\(6, 4\\), with a right class and a wrong one"), ((IMAGES, GROUPS | True), "a wrong one in each row"),
])
def test_wrong_images_are_refused(which, words, message):
    with pytest.raises(ValueError, match=message):
        TWINS[which].attack(network(which), *words, spec.fgsm(0.1))
    with pytest.raises(TypeError, match="divide by 255"):
        TWINS[which].gradient(network(which), (IMAGES * 255).astype("uint8"), LABELS)


@pytest.mark.parametrize("wrong", [{"epsilon": 8}, {"epsilon": -0.1}, {"steps": 0}, {"step": 0.0}, {"start": "there"}, {"loss": "hinge"}])
def test_wrong_attacks_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*got"):
        spec.Attack(**{"epsilon": 0.1} | wrong)


# ---------------------------------------------------------------- accuracy and training

@pytest.fixture(scope="module")
def trained():
    found = {}
    for name, how in {"plain": None, "robust": spec.Attack(0.15, 4, start="random")}.items():
        found[name] = network("torch", spec.SMALL, 0, "float32")
        with_torch.fit(found[name], DIGITS, TRAINING, how, progress=False)
    return found


def accuracy(net, how, restarts=1, count=200):
    return measure.withstands(with_torch, vgg_torch.predict, net, DIGITS.test_images[:count, ..., None], DIGITS.test_labels[:count], how, restarts).mean()


def test_attacks_are_as_strong_as_they_should_be(trained):
    """More steps, more room and more starts never help the network; without limit everything is fooled; one's own is the strongest."""
    plain = trained["plain"]
    assert accuracy(plain, spec.pgd(0)) > 0.9 > accuracy(plain, spec.fgsm(0.1)) > accuracy(plain, spec.pgd(0.1, 20))
    assert accuracy(plain, spec.pgd(0.1, 10), 3) <= accuracy(plain, spec.pgd(0.1, 10)) <= accuracy(plain, spec.pgd(0.05, 10))
    assert accuracy(trained["robust"], spec.pgd(0.6, 20)) < 0.05
    images, labels = DIGITS.test_images[:200], DIGITS.test_labels[:200]
    made = with_torch.attack(plain, images, labels, spec.pgd(0.1))
    assert (vgg_torch.predict(trained["robust"], made).argmax(1) == labels).mean() >= accuracy(trained["robust"], spec.pgd(0.1))


def test_training_against_attacks_helps(trained):
    stronger = spec.pgd(0.1, 20)
    assert accuracy(trained["robust"], stronger, 2) > accuracy(trained["plain"], stronger, 2) + 0.2


def test_targets_are_reached(trained):
    images, labels = DIGITS.test_images[:100, ..., None], DIGITS.test_labels[:100]
    reach = [measure.towards(with_torch, vgg_torch.predict, trained["plain"], images, labels, spec.pgd(e, 20, targeted=True)) for e in (0.0, 0.1, 0.3)]
    assert reach[0] < 0.05 and reach[0] < reach[1] < reach[2] and reach[2] > 0.8


def test_twins_train_alike():
    few = replace(DIGITS, train_images=DIGITS.train_images[:96], train_labels=DIGITS.train_labels[:96])
    losses, weights = [], []
    for which in TWINS:
        net = network(which, spec.SMALL, 0)
        how = Training(epochs=2, batch_size=32, learning_rate=1e-3)
        losses.append(TWINS[which].fit(net, few, how, spec.Attack(0.1, 2, start="random"), progress=False)["loss"])
        weights.append(VGG[which].weights_of(net))
    assert losses[0] == pytest.approx(losses[1], rel=2e-3)  # Adam's epsilon stands elsewhere
    assert compare.worst(*weights)[1] < 0.1


def test_dropout_is_off_while_attacking_and_the_network_stays(trained):
    net = network("torch")
    before = {name: value.copy() for name, value in vgg_torch.weights_of(net).items()}
    one, two = (with_torch.attack(net.train(), IMAGES, LABELS, spec.pgd(0.1, 3)) for _ in range(2))
    assert np.array_equal(one, two) and all(np.array_equal(before[name], value) for name, value in vgg_torch.weights_of(net).items())


def test_twins_have_the_same_names_and_signatures():
    public = [{name: inspect.signature(one) for name, one in vars(module).items()
               if inspect.isfunction(one) and one.__module__ == module.__name__ and not name.startswith("_")} for module in TWINS.values()]
    assert public[0] == public[1] and public[0].keys() == {"gradient", "attack", "fit"}


def test_what_is_rounded_can_be_saved():
    image = IMAGES.astype("float32")
    assert np.abs(photos.rounded(image) - image).max() <= 0.5 / 255 + 1e-6
    assert np.array_equal(photos.rounded(image) * 255, np.round(photos.rounded(image) * 255))


# ---------------------------------------------------------------- shortcuts

@pytest.mark.parametrize("count, size", [(10, 28), (2, 64), (3, 20), (7, 30)])
def test_marks_do_not_touch(count, size):
    images = np.zeros((count, size, size), np.float32)
    found = shortcut.marked(images, np.arange(count), count)
    assert not images.any() and (found.sum((1, 2)) > 0).all() and found.sum(0).max() == 1
    assert found.sum() == sum((b - t) * (r - left) for t, left, b, r in (shortcut.box(k, count, size) for k in range(count)))


def test_marks_are_where_they_are_said_to_be():
    labels, rng = np.arange(300) % 10, np.random.default_rng(0)
    assert np.array_equal(shortcut.marks(labels, 10, "true", rng), labels) and (shortcut.marks(labels, 10, "none", rng) == -1).all()
    moved = shortcut.marks(labels, 10, "moved", rng)
    assert not (moved == labels).any() and set(moved) == set(range(10))
    assert 0.02 < (shortcut.marks(labels, 10, "random", rng) == labels).mean() < 0.25
    colour = shortcut.marked(np.zeros((2, 20, 20, 3)), [0, 1], 2)
    assert not np.array_equal(colour[0].max((0, 1)), colour[1].max((0, 1)))
    with pytest.raises(ValueError, match="kind must be one of"):
        shortcut.marks(labels, 10, "here", rng)
    with pytest.raises(ValueError, match="room for 8 marks; got class 0"):
        shortcut.box(0, 9, 4)


def test_accuracies_of_readers_that_are_known():
    """One reads the mark alone, one knows the truth."""
    images, labels = np.zeros((40, 28, 28), np.float32), np.arange(40) % 10
    stamps = shortcut.marked(np.zeros((10, 28, 28), np.float32), np.arange(10), 10)
    mark = shortcut.accuracies(lambda x: (x.reshape(len(x), -1) @ stamps.reshape(10, -1).T).argmax(1), images, labels, 10)
    assert mark == {"true": 1.0, "none": 0.1, "moved": 0.0, "followed": 1.0}
    truth = shortcut.accuracies(lambda x: labels, images, labels, 10)
    assert truth == {"true": 1.0, "none": 1.0, "moved": 1.0, "followed": 0.0}
    heats = shortcut.marked(np.zeros((10, 28, 28)), np.arange(10), 10)
    assert shortcut.on_the_marks(heats, np.arange(10), 10) == pytest.approx(1) and shortcut.on_the_marks(heats, (np.arange(10) + 1) % 10, 10) == 0


@pytest.mark.parametrize("seed", [0, 5])
def test_a_shortcut_is_learnt_found_and_cured(seed):
    from dlbook.explain.maps import with_torch as maps

    shown, share, found = shortcut.marked(DIGITS.test_images[:20], DIGITS.test_labels[:20], 10)[..., None], {}, {}
    for kind in ("true", "random"):
        net = network("torch", spec.SMALL, seed, "float32")
        vgg_torch.fit(net, shortcut.spoilt(DIGITS, kind, seed), replace(TRAINING, epochs=6), seed, progress=False)
        found[kind] = shortcut.accuracies(lambda x: vgg_torch.predict(net, x).argmax(1), DIGITS.test_images, DIGITS.test_labels, 10, seed)
        share[kind] = shortcut.on_the_marks(maps.occlusion(net, shown, DIGITS.test_labels[:20], 4, 2, 0.0), DIGITS.test_labels[:20], 10)
    assert found["true"]["true"] > 0.98 and found["true"]["moved"] < 0.7 and found["true"]["followed"] > 0.25
    assert found["random"]["moved"] > 0.9 and share["true"] > 0.4 > 0.1 > share["random"]


def test_only_the_training_images_are_spoilt():
    few = Labelled("s", "l", np.zeros((3, 28, 28), np.float32), np.array([0, 4, 9]), np.zeros((2, 28, 28), np.float32), np.array([1, 2]), names=tuple("0123456789"))
    spoilt = shortcut.spoilt(few, "true")
    assert spoilt.train_images.any((1, 2)).all() and not spoilt.test_images.any() and "with marks" in spoilt.source
