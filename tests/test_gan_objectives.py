"""The objectives of adversarial training: values, slopes and penalties known from NumPy, equal in both twins; what is drawn for a training."""
import inspect

import numpy as np
import pytest

from dlbook import profile

profile.setup()

import keras  # noqa: E402  (profile.setup comes first)
import tensorflow as tf  # noqa: E402
import torch  # noqa: E402

from dlbook.gan import training  # noqa: E402
from dlbook.gan.objectives import spec, with_keras, with_torch  # noqa: E402
from dlbook.gan.training import GanTraining  # noqa: E402

TWINS = {"keras": with_keras, "torch": with_torch}
RNG = np.random.default_rng(0)
REAL, FAKE = RNG.normal(1, 2, 40), RNG.normal(-1, 2, 30)


def tensor(which, values):
    return tf.constant(values) if which == "keras" else torch.tensor(values)


def belief(logits):
    return 1 / (1 + np.exp(-logits))


VALUES = {  # (of the discriminator, of the generator), written as in the papers
    "minimax": (lambda r, f: -np.log(belief(r)).mean() - np.log(1 - belief(f)).mean(), lambda f: np.log(1 - belief(f)).mean()),
    "nonsaturating": (lambda r, f: -np.log(belief(r)).mean() - np.log(1 - belief(f)).mean(), lambda f: -np.log(belief(f)).mean()),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda f: -f.mean()),
}


@pytest.mark.parametrize("which", TWINS)
@pytest.mark.parametrize("name", spec.OBJECTIVES)
def test_losses_are_those_of_the_papers(name, which):
    twin, (of_d, of_g) = TWINS[which], VALUES[name]
    assert float(twin.discriminator_loss(name, tensor(which, REAL), tensor(which, FAKE))) == pytest.approx(of_d(REAL, FAKE), rel=1e-12)
    assert float(twin.generator_loss(name, tensor(which, FAKE))) == pytest.approx(of_g(FAKE), rel=1e-12)


@pytest.mark.parametrize("which", TWINS)
@pytest.mark.parametrize("name", spec.OBJECTIVES)
def test_a_discriminator_that_is_very_sure_gives_finite_losses(name, which):
    twin, sure = TWINS[which], np.array([1000.0, -1000.0])
    assert np.isfinite(float(twin.discriminator_loss(name, tensor(which, -sure), tensor(which, sure))))
    assert np.isfinite(float(twin.generator_loss(name, tensor(which, sure))))


def slope_at(which, name, logit):
    """Derivative of the generator's loss by the logit of its one sample."""
    x = tensor(which, np.array([logit]))
    if which == "torch":
        x.requires_grad_()
        with_torch.generator_loss(name, x).backward()
        return x.grad.item()
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = with_keras.generator_loss(name, x)
    return float(tape.gradient(loss, x)[0])


@pytest.mark.parametrize("which", TWINS)
def test_minimax_saturates_where_the_other_is_steep(which):
    """A fake seen through, at a logit of -10: d/dD of log(1 - s(D)) is -s(D), that of -log s(D) is s(D) - 1."""
    assert slope_at(which, "minimax", -10.0) == pytest.approx(-belief(-10.0), rel=1e-12)
    assert slope_at(which, "nonsaturating", -10.0) == pytest.approx(belief(-10.0) - 1, rel=1e-12)
    assert slope_at(which, "wasserstein", -10.0) == -1


@pytest.mark.parametrize("which", TWINS)
@pytest.mark.parametrize("shape", [(30, 2), (30, 4, 4, 1)])
def test_the_penalty_of_a_plane_is_its_slope(which, shape):
    """A discriminator that is linear has one slope everywhere: the length of its weights."""
    weights = RNG.normal(size=shape[1:])
    w = tensor(which, weights)
    if which == "torch":
        def judge(x):
            return (x * w).flatten(1).sum(1)
    else:
        def judge(x, training):
            return tf.reduce_sum(x * w, list(range(1, len(shape))))
    real, fake, mix = (tensor(which, RNG.normal(size=s)) for s in (shape, shape, 30))
    assert float(TWINS[which].gradient_penalty(judge, real, fake, mix)) == pytest.approx((np.sqrt((weights**2).sum()) - 1) ** 2, rel=1e-9)


@pytest.mark.parametrize("which", TWINS)
def test_the_penalty_is_taken_between_real_and_generated(which):
    """Of D(x) = |x|^2 / 2 the slope at x is x itself: the penalty tells where it was taken."""
    real, fake, mix = np.full((2, 2), 3.0), np.full((2, 2), 1.0), np.array([0.0, 0.25])
    judge = (lambda x: (x**2).sum(1) / 2) if which == "torch" else (lambda x, training: tf.reduce_sum(x**2, 1) / 2)
    where = mix[:, None] * real + (1 - mix[:, None]) * fake
    want = ((np.hypot(*where.T) - 1) ** 2).mean()
    penalty = TWINS[which].gradient_penalty(judge, *(tensor(which, a) for a in (real, fake, mix)))
    assert (penalty.item() if which == "torch" else float(penalty)) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("which", TWINS)
def test_a_flat_discriminator_has_a_finite_slope(which):
    """The root's derivative at 0 is infinite; a discriminator may well be flat somewhere."""
    points, mix = tensor(which, np.ones((3, 2))), tensor(which, np.full(3, 0.5))
    w = tensor(which, np.zeros(2))
    if which == "torch":
        w.requires_grad_()
        slope, = torch.autograd.grad(with_torch.gradient_penalty(lambda x: (x * w).sum(1), points, points, mix), w)
    else:
        with tf.GradientTape() as tape:
            tape.watch(w)
            penalty = with_keras.gradient_penalty(lambda x, training: tf.reduce_sum(x * w, 1), points, points, mix)
        slope = tape.gradient(penalty, w)
    assert np.isfinite(np.asarray(slope)).all()


@pytest.mark.parametrize("which", TWINS)
def test_the_average_follows(which):
    if which == "keras":
        networks = [keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, kernel_initializer=value)]) for value in ("zeros", "ones")]
        first = (lambda network: network.weights[0].numpy())
    else:
        networks = [torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)]
        for network, value in zip(networks, (0.0, 1.0)):
            torch.nn.init.constant_(network.weight, value)
        first = (lambda network: network.weight.detach().numpy())
    for want in (0.25, 0.25 + 0.25 * 0.75):
        TWINS[which].average(*networks, 0.75)
        assert np.allclose(first(networks[0]), want) and (first(networks[1]) == 1).all()


@pytest.mark.parametrize("which", TWINS)
def test_unknown_objectives_are_refused(which):
    for call in (lambda: TWINS[which].generator_loss("hinge", tensor(which, FAKE)),
                 lambda: TWINS[which].discriminator_loss("hinge", tensor(which, REAL), tensor(which, FAKE))):
        with pytest.raises(ValueError, match="one of: minimax, nonsaturating, wasserstein; got 'hinge'"):
            call()


def public(module):
    return {name: list(inspect.signature(value).parameters) for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")}


def test_twins_have_the_same_names_and_signatures():
    """One difference: Keras' gradients belong to a tape, which goes along."""
    k, t = public(with_keras), public(with_torch)
    assert k["generator_step"].pop() == "tape"
    assert k.pop("descend") == ["optimizer", "tape", "loss", "network"] and t.pop("descend") == ["optimizer", "loss"]
    assert k == t


# ---------------------------------------------------------------- the settings, and what is drawn

@pytest.mark.parametrize("change, words", [
    ({"steps": 0}, "steps must be at least 1; got 0"), ({"batch_size": 0}, "batch_size must be at least 1"),
    ({"discriminator_steps": 0}, "discriminator_steps must be at least 1"), ({"measured": 0}, "measured must be at least 1"),
    ({"learning_rate": 0.0}, "learning_rate must be above 0; got 0.0"), ({"epsilon": float("nan")}, "epsilon must be above 0; got nan"),
    ({"beta1": 1.0}, "beta1 is a share from 0 to below 1; got 1.0"), ({"average": -0.1}, "average is a share"),
    ({"penalty": -1.0}, "penalty cannot be below 0; got -1.0"), ({"objective": "hinge"}, "objective must be one of"),
])
def test_impossible_trainings_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        GanTraining(**{"steps": 10, "batch_size": 4, "learning_rate": 1e-3} | change)


def test_each_turn_has_noise_of_its_own():
    how = GanTraining(steps=3, batch_size=4, learning_rate=1e-3, discriminator_steps=2)
    noise, mix = training.drawn(how, 5, seed=1, step=2)
    assert noise.shape == (2, 4, 5) and mix.shape == (2, 4) and mix.min() >= 0 and mix.max() < 1
    assert (noise == training.noise(1, 2, (2, 4, 5))).all() and (mix == training.mix(1, 2, (2, 4))).all()
    others = [training.noise(1, 3, (2, 4, 5)), training.noise(2, 2, (2, 4, 5)), training.shown(1, (2, 4, 5))]
    assert all((noise != other).all() for other in others)


def test_batches_show_everything_once_before_anything_twice():
    how = GanTraining(steps=9, batch_size=4, learning_rate=1e-3, discriminator_steps=2)
    turns = list(training.batches(13, how, seed=3))  # three whole batches an epoch: six epochs in nine turns
    assert len(turns) == 9 and all(turn.shape == (2, 4) for turn in turns)
    for epoch in np.concatenate(turns).reshape(6, 12):
        assert len(set(epoch.tolist())) == 12 and 0 <= epoch.min() and epoch.max() < 13


def test_batches_go_on_where_they_were_interrupted():
    how = GanTraining(steps=9, batch_size=4, learning_rate=1e-3, discriminator_steps=2)
    assert (np.stack(list(training.batches(13, how, 3)))[5:] == np.stack(list(training.batches(13, how, 3, first=5)))).all()
    assert list(training.batches(13, how, 3, first=9)) == []


def test_too_few_samples_for_a_batch():
    with pytest.raises(ValueError, match="a batch has 4 samples, and there are 3"):
        next(training.batches(3, GanTraining(steps=1, batch_size=4, learning_rate=1.0), 0))


def test_a_game_is_played_turn_by_turn_and_measured():
    how, seen, measured = GanTraining(steps=5, batch_size=1, learning_rate=1.0, measured=2), [], []
    history = training.play(lambda a: (a, 2 * a), [(n,) for n in range(5)], how, lambda *args: seen.append(args), measured.append)
    assert history == {"discriminator": [0, 1, 2, 3, 4], "generator": [0, 2, 4, 6, 8]}
    assert seen[0] == (1, 0, 0) and seen[-1] == (5, 4, 8) and measured == [2, 4, 5]


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
def test_a_game_that_diverges_says_where(lost):
    with pytest.raises(FloatingPointError, match="at step 3: the training has diverged"):
        training.play(lambda loss: (0.0, loss), [(1.0,), (1.0,), (lost,)], GanTraining(steps=3, batch_size=1, learning_rate=1.0))
