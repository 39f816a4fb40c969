"""Convolution, pooling, batch normalisation, optimisers, small trainings: against both frameworks, and with defects that must be seen."""
import numpy as np
import pytest
from basics_cases import defects, window
from hypothesis import given, settings
from hypothesis import strategies as st

from dlbook import basics
from dlbook.basics import check, optimisers, surface, tricks
from dlbook.basics.augment import Shift
from dlbook.basics.convolution import Convolution, by_formula, by_formula_backward, output_side, pad, unpad
from dlbook.basics.normalise import BatchNorm
from dlbook.basics.pooling import AveragePooling, MaxPooling

SEEDS = st.integers(0, 10_000)
CLOSE = 1e-10


def drawn(seed):
    """(settings, images, kernel, bias, generator), float64."""
    rng = np.random.default_rng(seed)
    how, shape = window(rng)
    filters = int(rng.integers(1, 4))
    return how, rng.normal(size=shape), rng.normal(size=(how[0], how[0], shape[3], filters)), rng.normal(size=filters), rng


def in_torch(x, kernel, bias, stride, padding, dilation):
    """(result, pull): the result (N, H', W', F), and a function of dy that returns the gradients by x, kernel and bias."""
    import torch

    tensors = [torch.tensor(array, requires_grad=True) for array in (x, kernel, bias)]
    y = torch.nn.functional.conv2d(tensors[0].permute(0, 3, 1, 2).contiguous(), tensors[1].permute(3, 2, 0, 1).contiguous(), tensors[2],
                                   stride, padding, dilation).permute(0, 2, 3, 1)
    return y.detach().numpy(), lambda dy: [g.numpy() for g in torch.autograd.grad(y, tensors, torch.tensor(dy))]


def in_keras(x, kernel, bias, stride, padding, dilation):
    """The same in Keras, which has no stride and dilation at once: there every stride-th result of stride 1 is taken."""
    import keras
    import tensorflow as tf

    tensors = [tf.constant(array) for array in (x, kernel, bias)]
    with tf.GradientTape(persistent=True) as tape:
        for tensor in tensors:
            tape.watch(tensor)
        padded = keras.ops.pad(tensors[0], ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        both = stride > 1 and dilation > 1
        y = keras.ops.conv(padded, tensors[1], 1 if both else stride, "valid", dilation_rate=dilation) + tensors[2]
        y = y[:, ::stride, ::stride] if both else y
    return np.asarray(y), lambda dy: [np.asarray(g) for g in tape.gradient(y, tensors, tf.constant(dy))]


def ours(x, kernel, bias, stride, padding, dilation):
    layer = Convolution(*kernel.shape[2:], len(kernel), stride, padding, dilation)
    layer.weights |= {"weight": kernel, "bias": bias}
    return layer.forward(x), lambda dy: [layer.backward(dy), layer.gradients["weight"], layer.gradients["bias"]]


def formula(x, kernel, bias, stride, padding, dilation):
    return by_formula(x, kernel, bias, stride, padding, dilation), lambda dy: list(by_formula_backward(x, kernel, dy, stride, padding, dilation))


def furthest(one, other, seed):
    """Largest relative difference of two convolutions on one random case: results and all gradients."""
    (_, *how), *arrays, rng = drawn(seed)
    (y, pull), (z, draw) = one(*arrays, *how), other(*arrays, *how)
    dy = rng.normal(size=y.shape)
    return max(check.apart(a, b) for a, b in zip([z, *draw(dy)], [y, *pull(dy)], strict=True))


@pytest.mark.parametrize("peer", [in_torch, in_keras, formula])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_convolution_agrees(peer, seed):
    assert furthest(ours, peer, seed) < CLOSE


def test_strides_dilations_and_padding_are_all_drawn():
    assert len({drawn(seed)[0][1:] for seed in range(200)}) == 3 * 3 * 3


def test_a_wrong_sign_in_the_readable_way_back_is_caught():
    """It is a function and not a module: each of the three gradients is turned here."""
    for turned in range(3):
        def wrong(*arguments, turned=turned):
            y, pull = formula(*arguments)
            return y, lambda dy: [-g if i == turned else g for i, g in enumerate(pull(dy))]
        assert max(furthest(ours, wrong, seed) for seed in range(3)) > 1


@pytest.mark.parametrize("kind", [Convolution, MaxPooling, AveragePooling, BatchNorm, Shift], ids=lambda kind: kind.__name__)
def test_each_way_back_has_signs_to_turn(kind):
    """What is planted in test_basics.py: no gradient of these modules is left out."""
    assert len(defects(kind)) >= {Convolution: 6, BatchNorm: 7}.get(kind, 1)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(side=st.integers(1, 12), size=st.integers(1, 4), stride=st.integers(1, 3), padding=st.integers(0, 3), dilation=st.integers(1, 3))
def test_the_side_of_the_result_is_counted_right(side, size, stride, padding, dilation):
    places = [top for top in range(-padding, side + padding) if top + dilation * (size - 1) < side + padding][::stride]
    if places:
        assert output_side(side, size, stride, padding, dilation) == len(places)
    else:
        with pytest.raises(ValueError, match="does not fit"):
            output_side(side, size, stride, padding, dilation)


def test_the_kernel_is_not_turned_round():
    from scipy import signal

    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(9, 8)), rng.normal(size=(3, 3))
    y = by_formula(x[None, :, :, None], kernel[:, :, None, None], np.zeros(1))[0, :, :, 0]
    assert np.allclose(y, signal.correlate(x, kernel, "valid")) and not np.allclose(y, signal.convolve(x, kernel, "valid"))


def test_padding_is_undone():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 1))
    assert (unpad(pad(x, 2), 2) == x).all() and pad(x, 0) is x


def test_equal_pixels_pass_the_gradient_once():
    layer = MaxPooling()
    layer.forward(np.ones((1, 2, 2, 1)))
    assert layer.backward(np.ones((1, 1, 1, 1))).ravel().tolist() == [1, 0, 0, 0]


# ---------------------------------------------------------------- batch normalisation and augmentation

def test_batch_norm_rests_on_running_averages_outside_training():
    rng = np.random.default_rng(0)
    layer = BatchNorm(3, momentum=0.5)
    for _ in range(60):
        y = layer.forward(2 * rng.normal(size=(500, 3)) + 5, training=True)
    assert np.allclose(y.mean(0), 0) and np.allclose(y.std(0), 1, atol=1e-4)
    assert np.allclose(layer.mean, 5, atol=0.3) and np.allclose(layer.variance, 4, atol=0.5)
    x = rng.normal(size=(4, 3))
    assert np.allclose(layer.forward(x), (x - layer.mean) / np.sqrt(layer.variance + 1e-5))
    assert max(check.module(layer, x, seed=7).values()) < CLOSE


def test_shift_moves_whole_images_in_training_only():
    x = np.zeros((300, 7, 7, 1))
    x[:, 3, 3] = 1
    layer = Shift(2, seed=1)
    places = {tuple(place[1:3]) for place in np.argwhere(layer.forward(x, training=True))}
    assert places == {(i, j) for i in range(1, 6) for j in range(1, 6)}
    assert (layer.forward(x) == x).all()


# ---------------------------------------------------------------- optimisers

class Weights:
    """Something to be moved: two weights and the gradients that it is given."""

    def __init__(self, rng):
        self.weights = {"0.weight": rng.normal(size=(3, 2)), "0.bias": rng.normal(size=2)}


@pytest.mark.parametrize("ours_, theirs", [
    (lambda: optimisers.SGD(), lambda t, p: t.optim.SGD(p, 0.1)),
    (lambda: optimisers.SGD(0.9), lambda t, p: t.optim.SGD(p, 0.1, momentum=0.9)),
    (lambda: optimisers.SGD(0.8, decay=0.01), lambda t, p: t.optim.SGD([{"params": p[:1], "weight_decay": 0.01}, {"params": p[1:]}], 0.1, momentum=0.8)),
    (lambda: optimisers.Adam(), lambda t, p: t.optim.Adam(p, 0.1)),
    (lambda: optimisers.Adam(0.8, 0.99, decay=0.05),
     lambda t, p: t.optim.AdamW([{"params": p[:1], "weight_decay": 0.05}, {"params": p[1:], "weight_decay": 0.0}], 0.1, (0.8, 0.99))),
])
def test_steps_are_those_of_torch(ours_, theirs):
    import torch

    rng = np.random.default_rng(0)
    some, update = Weights(rng), ours_()
    twins = [torch.tensor(weight.copy(), requires_grad=True) for weight in some.weights.values()]
    optimiser = theirs(torch, twins)
    for _ in range(20):
        some.gradients = {name: rng.normal(size=weight.shape) for name, weight in some.weights.items()}
        for twin, gradient in zip(twins, some.gradients.values()):
            twin.grad = torch.tensor(gradient)
        update(some, 0.1)
        optimiser.step()
    assert all(check.apart(twin.detach().numpy(), weight) < CLOSE for twin, weight in zip(twins, some.weights.values()))


def test_momentum_is_that_of_keras():
    import keras

    rng = np.random.default_rng(1)
    some, update = Weights(rng), optimisers.SGD(0.75)
    twins = [keras.Variable(weight, dtype="float64") for weight in some.weights.values()]
    optimiser = keras.optimizers.SGD(0.125, momentum=0.75)  # powers of two: Keras keeps them in single precision
    for _ in range(10):
        some.gradients = {name: rng.normal(size=weight.shape) for name, weight in some.weights.items()}
        optimiser.apply(list(some.gradients.values()), twins)
        update(some, 0.125)
    assert all(check.apart(np.asarray(twin), weight) < CLOSE for twin, weight in zip(twins, some.weights.values()))


def test_a_schedule_multiplies_the_learning_rate():
    rates = []
    update = optimisers.Scheduled(lambda network, rate: rates.append(rate), optimisers.cosine(10, warm_up=4))
    for _ in range(11):
        update(None, 2.0)
    assert np.allclose(rates[:5], [0.5, 1, 1.5, 2, 2]) and rates[-1] == 0 and all(np.diff(rates[4:]) < 0)


# ---------------------------------------------------------------- the surface

@settings(max_examples=20, deadline=None, derandomize=True)
@given(w=st.floats(-3, 3), v=st.floats(-3, 3))
def test_the_slope_of_the_surface(w, v):
    place = np.array([w, v])
    slope = check.slope(lambda: float(surface.loss(*place)), place)
    assert check.apart(slope, np.array(surface.gradient(w, v))) < 1e-8


def test_the_surface_has_two_equal_valleys_and_a_saddle():
    w, v = surface.GOAL
    assert surface.loss(w, v) < 1e-30 and surface.loss(-w, -v) < 1e-30
    assert np.allclose(surface.gradient(0, 0), 0)
    h = 1e-3
    second = lambda dw, dv: surface.loss(dw, dv) + surface.loss(-dw, -dv) - 2 * surface.loss(0, 0)
    assert second(h, h) < 0 < second(h, -h)  # down one way, up the other
    assert surface.loss(1.0, 0.0) == surface.loss(-2.0, 0.0)


def test_a_ball_rolls_into_a_valley():
    path = surface.Ball(0.5, 0.5).path(optimisers.SGD(0.9), 0.1, 300)
    assert path.shape == (301, 2) and np.allclose(path[-1], surface.GOAL, atol=0.05)


# ---------------------------------------------------------------- small trainings

def test_the_seed_draws_all_but_the_test():
    a, b, c = tricks.digits(50, 0), tricks.digits(50, 1), tricks.digits(50, 0)
    assert (a.train[0] == c.train[0]).all() and not (a.train[0] == b.train[0]).all() and (a.test[0] == b.test[0]).all()
    assert [len(part[1]) for part in (a.train, a.validation, a.test)] == [50, 300, 497]
    everything = np.concatenate([tricks.digits(1000, 0).train[0], a.validation[0], a.test[0]]).reshape(1797, -1)
    assert len({tuple(image) for image in everything}) > 1790  # no digit is in two parts, but for twins in the set


def test_wrong_labels_are_as_many_as_wanted():
    clean, noisy = tricks.digits(200, 3), tricks.digits(200, 3, noise=0.25)
    assert (clean.train[0] == noisy.train[0]).all() and (clean.train[1] != noisy.train[1]).sum() == 50
    assert (clean.test[1] == noisy.test[1]).all()


def test_a_training_is_repeatable_and_learns():
    recipe = tricks.Recipe(epochs=10)
    one, two = tricks.train(recipe, 4), tricks.train(recipe, 4)
    assert one.loss == two.loss and one.accuracy == two.accuracy > 0.7 and len(one.validation) == 11


def test_every_part_of_a_recipe_reaches_the_network():
    recipe = tricks.Recipe(hidden=(8, 8), activation="tanh", normalise=True, dropout=0.2, shift=1, epochs=1, optimiser="adam", cosine=True, decay=0.1)
    kinds = [type(module).__name__ for module in tricks.build(recipe, 0).modules]
    assert kinds == ["Shift", "Flatten", *["Dense", "BatchNorm", "Tanh", "Dropout"] * 2, "Dense"]
    assert np.isfinite(tricks.train(recipe, 0).loss).all()


def test_a_training_that_explodes_ends_quietly():
    result = tricks.train(tricks.Recipe(hidden=(32, 32), rate=1e120, epochs=3), 0)
    assert len(result.validation) < 4 and not len(result.loss) == 3


def test_early_stopping_goes_back_to_the_best():
    result, best, trained = tricks.stop_early(tricks.Recipe(hidden=(64,), examples=100, noise=0.4, rate=0.5, epochs=60), 0, patience=4)
    assert trained == best + 4 < 60 and np.argmin(result.validation) == best
    assert tricks._loss(result.network, *tricks.digits(100, 0).validation) == result.validation[best]


def test_an_effect_has_the_interval_of_the_t_test():
    from scipy import stats

    rng = np.random.default_rng(0)
    a, b = rng.normal(0.3, 1, 12), rng.normal(0, 1, 12)
    found, known = tricks.effect(a, b), stats.ttest_rel(a, b).confidence_interval(0.95)
    assert np.allclose([found.low, found.high], known) and found.shows == (known.low > 0 or known.high < 0)
    assert str(tricks.effect([0.02, 0.04], [0.01, 0.01], 100)) == "+2.0 (-10.7 to +14.7)"


# ---------------------------------------------------------------- what is said when something is wrong

@pytest.mark.parametrize("act, words", [
    (lambda: Convolution(0, 3), "1 or more channels and filters; got 0 and 3"),
    (lambda: Convolution(1, 1, stride=0), "stride is a whole number from 1 on; got 0"),
    (lambda: Convolution(1, 1, padding=-1), "padding is a whole number from 0 on; got -1"),
    (lambda: Convolution(1, 1, size=2.0), "size is a whole number from 1 on; got 2.0"),
    (lambda: Convolution(3, 1).forward(np.zeros((1, 5, 5, 1))), r"of the same C; got \(1, 5, 5, 1\) and \(3, 3, 3, 1\)"),
    (lambda: Convolution(1, 1, 5).forward(np.zeros((1, 3, 9, 1))), "a window of 5 pixels does not fit into 3 pixels .* a padding of 1 would do"),
    (lambda: by_formula(np.zeros((5, 5)), np.zeros((3, 3, 1, 1)), 0), r"images \(N, H, W, C\)"),
    (lambda: MaxPooling(0), "size is a whole number from 1 on; got 0"),
    (lambda: AveragePooling().forward(np.zeros((4, 4))), r"pooling takes images .* got an array of shape \(4, 4\)"),
    (lambda: BatchNorm(0), "1 or more features"),
    (lambda: BatchNorm(3).forward(np.zeros((2, 4))), r"takes \(N, ..., 3\); got \(2, 4\)"),
    (lambda: Shift(-1), "a whole number of pixels from 0 on; got -1"),
    (lambda: optimisers.SGD(momentum=1), "momentum is from 0 to below 1; got 1"),
    (lambda: optimisers.Adam(beta2=1.5), "beta2 is from 0 to below 1; got 1.5"),
    (lambda: optimisers.Adam(decay=-1), "weight decay is 0 or more; got -1"),
    (lambda: optimisers.cosine(3, warm_up=3), "a warm-up is shorter than the training; got 3 of 3"),
    (lambda: tricks.digits(2000, 0), "1 to 1000 digits to train on; got 2000"),
    (lambda: tricks.digits(20, 0, noise=2), "from 0 to 1; got 2"),
    (lambda: tricks.train(tricks.Recipe(optimiser="magic"), 0), "choose from the optimisers sgd, momentum, adam"),
    (lambda: tricks.stop_early(tricks.Recipe(), 0, 0), "patience is a whole number of epochs from 1 on; got 0"),
    (lambda: tricks.effect([1], [2]), "two or more seeds"),
])
def test_bad_input_gets_a_sentence(act, words):
    with pytest.raises(ValueError, match=words):
        act()


def test_a_network_of_these_modules_is_checked_as_a_whole():
    rng = np.random.default_rng(5)
    network = basics.Network(Convolution(1, 2, 3, padding=1, seed=1), basics.Tanh(), AveragePooling(), BatchNorm(2), basics.Flatten(), basics.Dense(18, 3))
    found = check.module(network, rng.normal(size=(5, 6, 6, 1)), training=True)
    assert max(found.values()) < 1e-9
