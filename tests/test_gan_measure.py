"""Measures of generated images: on known distributions, and through the eyes of the digit networks in both frameworks."""
import numpy as np
import pytest

from dlbook import profile

profile.setup()

from dlbook import data, runs  # noqa: E402  (profile.setup comes first)
from dlbook.gan import measure, measure_with_keras, measure_with_torch  # noqa: E402
from dlbook.parity import compare  # noqa: E402

EYES = (measure_with_keras, measure_with_torch)


def normal(n, shift=0.0, scale=1.0, seed=0, dimensions=5):
    return shift + scale * np.random.default_rng(seed).standard_normal((n, dimensions))


def whitened(n, seed=0, dimensions=5):
    """Samples whose mean is 0 and whose covariance is 1, exactly."""
    x = normal(n, seed=seed, dimensions=dimensions)
    x = x - x.mean(0)
    return x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T


# Fréchet distance

def test_identical_sets_are_at_distance_0():
    x = normal(300)
    assert measure.frechet(x, x) < 1e-10 and measure.frechet(x, x[::-1]) < 1e-10


def test_a_shifted_gaussian_is_as_far_as_its_shift():
    """|mu|^2, exactly: the covariances are the same."""
    x, shift = normal(200), np.array([1.0, -2.0, 0.5, 0.0, 3.0])
    assert measure.frechet(x, x + shift) == pytest.approx(shift @ shift, rel=1e-9)


def test_gaussians_of_known_covariances_are_at_their_analytic_distance():
    """With commuting covariances, |mu|^2 + sum (sigma - tau)^2 over the axes."""
    x, scales, shift = whitened(100), np.array([2.0, 1.0, 0.5, 3.0, 0.0]), 2.0
    turn, _ = np.linalg.qr(normal(5, seed=4))
    a, b = x @ turn, (x * scales) @ turn + shift
    # A covariance without one direction has an eigenvalue 0, whose root keeps half the digits.
    assert measure.frechet(a, b) == pytest.approx(5 * shift**2 + ((1 - scales) ** 2).sum(), rel=1e-7)
    assert measure.frechet(b, a) == pytest.approx(measure.frechet(a, b), rel=1e-7)


def test_other_covariances_agree_with_the_matrix_root_of_scipy():
    from scipy.linalg import sqrtm

    a, b = normal(400) @ normal(5, seed=2), 0.3 + normal(300, seed=1) @ normal(5, seed=3)
    c, d = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert measure.frechet(a, b) == pytest.approx(expected, rel=1e-9)


def test_few_samples_come_out_too_far():
    """Two samples of one distribution; the docstring warns."""
    small, large = (measure.frechet(normal(n, seed=1), normal(n, seed=2)) for n in (30, 3000))
    assert small > 10 * large > 0


def test_one_feature_is_enough():
    x = normal(50, dimensions=1)
    assert measure.frechet(x, 3 * x) == pytest.approx((3 * x.mean() - x.mean()) ** 2 + (2 * x.std(ddof=1)) ** 2)


# precision and recall

def test_samples_of_one_distribution_have_high_precision_and_recall():
    precision, recall = measure.precision_recall(normal(1500, seed=1, dimensions=3), normal(1500, seed=2, dimensions=3))
    assert precision > 0.9 and recall > 0.9
    x = normal(50)
    assert measure.precision_recall(x, x) == (1.0, 1.0)


def test_a_collapsed_generator_is_precise_and_recalls_little():
    real = np.concatenate([normal(300, shift, 0.1, seed=k) for k, shift in enumerate((0, 10, 20, 30))])
    precision, recall = measure.precision_recall(real, normal(1200, 10, 0.1, seed=9))
    assert precision > 0.9 and 0.2 < recall < 0.3
    precision, recall = measure.precision_recall(normal(1200, 10, 0.1, seed=9), real)
    assert 0.2 < precision < 0.3 and recall > 0.9
    assert measure.precision_recall(real, real + 1000) == (0.0, 0.0)


def test_precision_by_hand():
    """On a line: with k = 1 the balls of 0, 1, 3 reach 1, 1, 2 far, so they cover -1 to 5."""
    real, fake = np.array([[0.0], [1.0], [3.0]]), np.array([[-1.0], [5.1], [2.0], [9.0]])
    precision, recall = measure.precision_recall(real, fake, k=1)
    assert precision == 2 / 4
    # The balls of -1, 5.1, 2, 9 reach 3, 3.1, 3, 3.9 far.
    assert recall == 1.0


def test_blocks_do_not_matter(monkeypatch):
    a, b = normal(70, seed=1), normal(50, seed=2)
    whole = measure.precision_recall(a, b), measure.nearest(a, b)[0].tolist()
    monkeypatch.setattr(measure, "BLOCK", 7)
    assert (measure.precision_recall(a, b), measure.nearest(a, b)[0].tolist()) == whole


@pytest.mark.parametrize("call, words", [
    (lambda: measure.frechet(normal(1), normal(5)), "two samples each or more; got .1, 5. and .5, 5."),
    (lambda: measure.frechet(normal(5), normal(5, dimensions=4)), "got .5, 5. and .5, 4."),
    (lambda: measure.frechet(normal(5), normal(5) * np.nan), "features are finite"),
    (lambda: measure.precision_recall(normal(3), normal(9)), "below the number of samples, 3; got 3"),
    (lambda: measure.precision_recall(normal(9), normal(9), k=0), "got 0"),
    (lambda: measure.covered([]), "there must be some; got none"), (lambda: measure.diversity([]), "got none"),
    (lambda: measure.confident(np.zeros((0, 10))), "got none"), (lambda: measure.agreement([1], [1, 2]), "got 1 and 2 readings"),
    (lambda: measure.nearest(np.zeros((2, 3)), np.zeros((2, 4))), "same shape.*got .2, 3. and .2, 4."),
    (lambda: measure.nearest(np.zeros((0, 3)), np.zeros((2, 3))), "one each or more"),
])
def test_what_cannot_be_measured_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# classes

def test_classes_are_covered_from_a_fifth_of_their_share():
    labels = np.repeat(np.arange(10), [200, 200, 200, 100, 100, 100, 60, 20, 19, 1])
    assert len(labels) == 1000 and measure.covered(labels) == 8 and measure.counts(labels)[7] == 20
    assert measure.covered([3] * 50) == 1 and measure.covered(range(10)) == 10


def test_diversity_is_1_for_equal_shares_and_0_for_one_class():
    assert measure.diversity(np.arange(100) % 10) == pytest.approx(1) and measure.diversity([4] * 9) == 0
    assert measure.diversity([0, 1] * 5) == pytest.approx(np.log(2) / np.log(10))
    assert measure.diversity([0, 1] * 5, classes=2) == pytest.approx(1)


def test_confidence_and_agreement_are_shares():
    assert measure.confident([[0.95, 0.05], [0.6, 0.4], [0.1, 0.9], [0.5, 0.5]]) == 0.5
    assert measure.agreement([1, 2, 3, 4], [1, 2, 0, 4]) == 0.75


def test_a_copy_is_found():
    training = np.random.default_rng(0).random((40, 6, 6))
    indices, distances = measure.nearest(training[[7, 3]], training)
    assert indices.tolist() == [7, 3] and (distances == 0).all()
    moved = training[[5]].copy()
    moved[0, 0, 0] += 0.25
    indices, distances = measure.nearest(moved, training)
    assert indices.tolist() == [5] and distances[0] == pytest.approx(0.25)


# what the networks see

@pytest.fixture(scope="module")
def sights():
    digits = data.digits("quick")
    framed = np.stack([data.frame(image) for image in digits.test_images[:150]])
    return digits.test_labels[:150], framed, [eyes.see(framed) for eyes in EYES]


def test_both_frameworks_see_the_same(sights):
    _, framed, (k, t) = sights
    assert k.features.shape == (150, sum(measure.SIZES["digits"])) == (150, 416) and k.probabilities.shape == (150, 10)
    assert compare.difference(k.features, t.features) <= 1e-5 and compare.difference(k.probabilities, t.probabilities) <= 1e-5
    assert np.array_equal(k.others, t.others)
    found = [measure.quality(seen.first(70), measure.Seen(seen.features[70:140], seen.probabilities[70:140], seen.others[70:140])) for seen in (k, t)]
    assert found[0].keys() == found[1].keys() == {"frechet", "precision", "recall", "classes", "diversity", "confident", "agreement"}
    assert all(found[0][name] == pytest.approx(found[1][name], rel=1e-3, abs=0.02) for name in found[0])


def test_both_frameworks_see_the_same_in_clothes(sights):
    """None are embedded: digits, taken for clothes."""
    from dlbook.cnn.lenet import with_torch as lenet
    from dlbook.cnn.resnet import with_torch as resnet
    from dlbook.cnn.resnet.spec import SMALL

    _, framed, (digits, _) = sights
    k, t = (eyes.see(framed, "clothes") for eyes in EYES)
    assert k.features.shape == (150, sum(measure.SIZES["clothes"])) == (150, 484) and k.features.shape != digits.features.shape
    assert compare.difference(k.features, t.features) <= 1e-5 and compare.difference(k.probabilities, t.probabilities) <= 1e-5
    assert compare.difference(lenet.predict(lenet.lenet("modern", weights=runs.checkpoint("cnn/lenet", "modern-fashion")), framed), t.probabilities) < 1e-6
    others = resnet.predict(resnet.resnet(SMALL, weights=runs.checkpoint("cnn/resnet", "fashion")), framed).argmax(1)
    assert np.array_equal(k.others, others) and np.array_equal(t.others, others)
    assert len(np.unique(t.features[:, :measure.SIZES["clothes"][0]].round(6), axis=1).T) > 200  # no column stands for another


@pytest.mark.parametrize("eyes", EYES)
def test_nobody_looks_at_anything_else(eyes):
    with pytest.raises(ValueError, match="look at digits and at clothes; got 'faces'"):
        eyes.see(np.zeros((1, 28, 28)), "faces")


def test_they_read_digits_as_the_networks_do(sights):
    from dlbook.cnn.digits import with_torch as digits
    from dlbook.cnn.lenet import with_torch as lenet

    labels, framed, (_, t) = sights
    assert compare.difference(digits.predict(digits.load(), framed), t.probabilities) < 1e-6
    second = lenet.lenet("modern", weights=runs.checkpoint("cnn/lenet", "modern-mnist"))
    assert np.array_equal(lenet.predict(second, framed).argmax(1), t.others)
    assert (t.labels == labels).mean() > 0.85 and measure.agreement(t.labels, t.others) > 0.8
    assert np.allclose(np.linalg.norm(t.features[:, :measure.SIZES["digits"][0]], axis=1), 1) and np.allclose(np.linalg.norm(t.features[:, measure.SIZES["digits"][0]:], axis=1), 1)


def test_digits_are_nearer_to_digits_than_noise_is(sights):
    _, framed, (_, t) = sights
    noise = measure_with_torch.see(np.random.default_rng(0).random((75, 28, 28)))
    two = measure_with_torch.see((framed[:75] + framed[75:]) / 2)  # two digits on top of each other
    half, rest = t.first(75), measure.Seen(t.features[75:], t.probabilities[75:], t.others[75:])
    real, doubled, noisy = (measure.quality(seen, half) for seen in (rest, two, noise))
    assert real["frechet"] < doubled["frechet"] < noisy["frechet"] / 2
    assert real["precision"] > doubled["precision"] + 0.2 and noisy["precision"] == noisy["recall"] == 0
    assert real["classes"] == 10 > noisy["classes"] and real["diversity"] > 0.95 > noisy["diversity"] and real["agreement"] > noisy["agreement"]


def test_blank_images_have_features_all_the_same():
    for eyes in EYES:
        seen = eyes.see(np.zeros((2, 28, 28)))
        assert np.isfinite(seen.features).all() and np.array_equal(seen.features[0], seen.features[1])


def test_looking_does_not_disturb_a_training():
    """Building the networks seeds PyTorch's generator; the state from before is put back."""
    import torch

    measure_with_torch._networks.cache_clear()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    measure_with_torch.see(np.zeros((1, 28, 28)))
    assert torch.equal(torch.rand(3), expected)
