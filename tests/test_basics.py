"""From scratch in NumPy: gradients against differences and both frameworks, defects that must be seen, and a network that learns."""
import numpy as np
import pytest
from basics_cases import CASES, defects, modules
from hypothesis import given, settings
from hypothesis import strategies as st

from dlbook import basics, data
from dlbook.basics import check
from dlbook.basics.convolution import Convolution
from dlbook.basics.normalise import BatchNorm

SEEDS = st.integers(0, 10_000)
KINDS = sorted(CASES, key=lambda kind: kind.__name__)
LOSSES = {basics.SoftmaxCrossEntropy: lambda rng, n, k: rng.integers(0, k, n), basics.SquaredError: lambda rng, n, k: rng.normal(size=(n, k))}
CLOSE = 1e-10


def names(kinds):
    return [kind.__name__ for kind in kinds]


def test_every_module_has_a_case():
    assert names(modules()) == names(KINDS)


# ---------------------------------------------------------------- gradients

@pytest.mark.parametrize("kind", KINDS, ids=names(KINDS))
@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_gradients_agree_with_differences(kind, seed):
    case = CASES[kind]
    module, x = case.draw(np.random.default_rng(seed))
    found = check.module(module, x, seed, case.training)
    assert max(found.values()) < CLOSE, found
    assert found.keys() == {"x", *module.weights}


@pytest.mark.parametrize("kind", LOSSES, ids=names(LOSSES))
@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=SEEDS, n=st.integers(1, 6), k=st.integers(1, 6))
def test_gradients_of_losses_agree_with_differences(kind, seed, n, k):
    rng = np.random.default_rng(seed)
    assert check.loss(kind(), 3 * rng.normal(size=(n, k)), LOSSES[kind](rng, n, k)) < CLOSE


def test_two_points_would_not_have_been_enough():
    """Why the check takes four values: the ordinary difference cannot see the last three digits."""
    x, r = np.random.default_rng(0).normal(size=(4, 3)), 1e-5
    two = (np.tanh(x + r) - np.tanh(x - r)) / (2 * r)
    exact = 1 - np.tanh(x) ** 2
    assert check.apart(exact, two) > 1e-12
    assert check.module(basics.Tanh(), x)["x"] < 1e-11


def through(framework, case, module, x):
    """Outputs, gradient by the inputs, and by the weights, of a framework; the loss is the sum of the outputs times r."""
    r = np.random.default_rng(0).normal(size=module.forward(x, case.training).shape)
    by_x = module.backward(r)
    ours = [module.forward(x, case.training), by_x, *module.gradients.values()]
    arrays = [x, *module.weights.values()]
    return ours, {"torch": _in_torch, "keras": _in_keras}[framework](getattr(case, framework), arrays, r)


def _in_torch(call, arrays, r):
    import torch

    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = call(*tensors)
    (y * torch.tensor(r)).sum().backward()
    return [y.detach().numpy(), *(tensor.grad.numpy() for tensor in tensors)]


def _in_keras(call, arrays, r):
    import tensorflow as tf

    tensors = [tf.Variable(array) for array in arrays]
    with tf.GradientTape() as tape:
        y = call(*[tensor.value() if hasattr(tensor, "value") else tensor for tensor in tensors])
        total = tf.reduce_sum(y * r)
    return [np.asarray(y), *map(np.asarray, tape.gradient(total, tensors))]


@pytest.mark.parametrize("framework", ["torch", "keras"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if CASES[kind].torch], ids=lambda kind: kind.__name__)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=SEEDS)
def test_both_frameworks_agree(framework, kind, seed):
    case = CASES[kind]
    ours, theirs = through(framework, case, *case.draw(np.random.default_rng(seed)))
    assert len(ours) == len(theirs)
    assert max(check.apart(a, b) for a, b in zip(theirs, ours)) < CLOSE


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=SEEDS, n=st.integers(1, 6), k=st.integers(2, 6))
def test_the_losses_agree_with_both_frameworks(seed, n, k):
    import keras
    import tensorflow as tf
    import torch

    rng = np.random.default_rng(seed)
    z, labels, targets = 5 * rng.normal(size=(n, k)), rng.integers(0, k, n), rng.normal(size=(n, k))
    pairs = {"torch": (lambda y: torch.nn.functional.cross_entropy(y, torch.tensor(labels)), lambda y: torch.nn.functional.mse_loss(y, torch.tensor(targets))),
             "keras": (lambda y: tf.reduce_mean(keras.ops.cast(keras.losses.sparse_categorical_crossentropy(labels, y, from_logits=True), "float64")),
                       lambda y: tf.reduce_mean(keras.losses.mean_squared_error(targets, y)))}
    for framework, losses in pairs.items():
        for loss, wanted, call in zip((basics.SoftmaxCrossEntropy(), basics.SquaredError()), (labels, targets), losses):
            ours = [loss.forward(z, wanted), loss.backward()]
            theirs = {"torch": _in_torch, "keras": _in_keras}[framework](call, [z], np.ones(()))
            assert max(check.apart(a, b) for a, b in zip(theirs, ours)) < CLOSE


# ---------------------------------------------------------------- planted defects

def caught(kind, seeds=range(3)):
    """Does the check of gradients see that something is wrong? An exception counts: a reader would see it too."""
    case = CASES[kind]
    try:
        return any(max(check.module(*case.draw(np.random.default_rng(seed)), seed, case.training).values()) > CLOSE for seed in seeds)
    except Exception:
        return True


@pytest.mark.parametrize("kind", KINDS, ids=names(KINDS))
def test_a_wrong_sign_in_any_way_back_is_caught(kind, monkeypatch):
    planted = defects(kind)
    assert planted and not caught(kind)
    for what, wrong in planted:
        monkeypatch.setattr(kind, "backward", wrong)
        assert caught(kind), what
        monkeypatch.undo()
    assert not caught(kind)


@pytest.mark.parametrize("kind", LOSSES, ids=names(LOSSES))
def test_a_wrong_sign_in_any_loss_is_caught(kind, monkeypatch):
    rng = np.random.default_rng(0)
    y, targets = rng.normal(size=(4, 3)), LOSSES[kind](rng, 4, 3)
    planted = defects(kind)
    assert planted
    for what, wrong in planted:
        monkeypatch.setattr(kind, "backward", wrong)
        assert check.loss(kind(), y, targets) > CLOSE, what
        monkeypatch.undo()
    assert check.loss(kind(), y, targets) < CLOSE


def test_defects_are_planted_one_at_a_time():
    whats = [what for what, _ in defects(basics.Tanh)]
    assert len(whats) == 2 and "1 - self.y ** 2 became 1 + self.y ** 2" in whats[1]
    assert len(defects(basics.Dense)) == 3  # two gradients and what is returned


def test_what_is_kept_on_the_way_is_spoilt_too():
    """A value that only lives inside a way back, and what was put together over several statements."""
    planted = {what.split(": ", 1)[1] for kind in (basics.Network, BatchNorm, Convolution) for what, _ in defects(kind)}
    assert planted >= {"dy = -module.backward(dy)", "dn = -(dy * scale)", "dkernel[s, t] = -(view.reshape(len(rows), -1).T @ rows)"}
    assert not any("zeros" in what and "rows" not in what for what in planted)  # the sign of an empty array says nothing
    assert len(CASES[basics.Network].draw(np.random.default_rng(0))[0].modules) % 2  # an even number would turn its signs back


# ---------------------------------------------------------------- behaviour

@pytest.mark.parametrize("kind", KINDS, ids=names(KINDS))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_precision_is_that_of_the_inputs(kind, dtype):
    case = CASES[kind]
    module, x = case.draw(np.random.default_rng(1))
    y = module.forward(x.astype(dtype), case.training)
    dx = module.backward(np.ones_like(y))
    assert y.dtype == dx.dtype == dtype and dx.shape == x.shape
    assert all(gradient.dtype == dtype and gradient.shape == module.weights[name].shape for name, gradient in module.gradients.items())


def test_whole_numbers_become_floating_point():
    assert basics.ReLU().forward(np.array([[1, -2]])).tolist() == [[1.0, 0.0]]


def test_dropout_keeps_the_mean_and_rests_outside_training():
    x, layer = np.ones((200, 100)), basics.Dropout(0.3, seed=1)
    y = layer.forward(x, training=True)
    assert abs((y == 0).mean() - 0.3) < 0.01 and abs(y.mean() - 1) < 0.01 and set(np.round(np.unique(y), 12)) == {0, round(1 / 0.7, 12)}
    assert (layer.backward(x) == y).all()
    assert (layer.forward(x) == x).all()
    assert (basics.Dropout(0.3, seed=1).forward(x, training=True) == y).all()


def test_softmax_adds_up_and_survives_large_scores():
    p = basics.softmax(np.array([[1000.0, 0.0], [-1000.0, -1001.0]]))
    assert np.isfinite(p).all() and np.allclose(p.sum(1), 1)
    loss = basics.SoftmaxCrossEntropy()
    assert loss.forward(np.array([[1000.0, 0.0]]), [1]) == 1000.0 and np.isfinite(loss.backward()).all()


def test_steps_of_gradient_descent_are_those_of_torch():
    import torch

    rng = np.random.default_rng(3)
    x, labels = rng.normal(size=(40, 5)), rng.integers(0, 3, 40)
    network = basics.Network(basics.Dense(5, 8, 1), basics.ReLU(), basics.Dense(8, 3, 2))
    twin = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).double()
    twin.load_state_dict({name: torch.tensor(weight) for name, weight in network.weights.items()})  # the names are the same
    descent = torch.optim.SGD(twin.parameters(), 0.1)
    losses = []
    for epoch in range(20):
        for batch in basics.network.order(40, 40, epoch, 0):
            loss = torch.nn.functional.cross_entropy(twin(torch.tensor(x[batch])), torch.tensor(labels[batch]))
            descent.zero_grad()
            loss.backward()
            descent.step()
            losses.append(loss.item())
    history = basics.fit(network, x, labels, epochs=20, batch_size=40, learning_rate=0.1)
    assert check.apart(losses, history) < CLOSE
    assert all(check.apart(twin.state_dict()[name].numpy(), weight) < CLOSE for name, weight in network.weights.items())


@pytest.mark.parametrize("seed", range(4))
def test_it_learns_to_read_digits(seed):
    digits = data.digits()
    network = basics.Network(basics.Flatten(), basics.Dense(784, 64, [seed, 1]), basics.ReLU(), basics.Dense(64, 10, [seed, 2]))
    history = basics.fit(network, digits.train_images, digits.train_labels, epochs=20, seed=seed)
    assert history[-1] < 0.1 < history[0]
    assert basics.accuracy(network, digits.test_images, digits.test_labels) >= 0.95


def test_it_can_learn_one_batch_by_heart():
    digits = data.digits()
    network = basics.Network(basics.Flatten(), basics.Dense(784, 32, 1), basics.Tanh(), basics.Dropout(0.0), basics.Dense(32, 10, 2))
    x, labels = digits.train_images[:32], digits.train_labels[:32]
    assert basics.fit(network, x, labels, epochs=200, learning_rate=0.5)[-1] < 0.01
    assert basics.accuracy(network, x, labels) == 1


# ---------------------------------------------------------------- what is said when something is wrong

@pytest.mark.parametrize("act, words", [
    (lambda: basics.Dense(0, 3), "1 or more inputs and outputs; got 0 and 3"),
    (lambda: basics.Dense(4, 3).forward(np.zeros((2, 5))), r"takes \(N, 4\); got \(2, 5\)"),
    (lambda: basics.Dense(4, 3).forward(np.zeros((2, 2, 2, 1))), "Images need Flatten"),
    (lambda: basics.ReLU().backward(np.zeros((2, 3))), "call forward first"),
    (lambda: basics.ReLU().forward(np.zeros((0, 3))), "N of 1 or more"),
    (lambda: basics.ReLU().forward(np.array([["a"]])), "arrays of numbers; got dtype <U1"),
    (lambda: basics.Dropout(1.0), "a share from 0 to below 1 to zero; got 1.0"),
    (lambda: basics.SoftmaxCrossEntropy().forward(np.zeros((2, 3)), [0, 3]), "labels are from 0 to 2; got 0 to 3"),
    (lambda: basics.SoftmaxCrossEntropy().forward(np.zeros((2, 3)), [0.0, 1.0]), "whole numbers as labels"),
    (lambda: basics.SquaredError().forward(np.zeros((2, 1)), np.zeros(2)), r"same shape; got \(2, 1\) and \(2,\)"),
    (lambda: basics.fit(basics.ReLU(), np.zeros((3, 2)), [0, 1], epochs=1), "got 3 examples, 2 targets"),
    (lambda: check.slope(lambda: 0.0, np.zeros(3, np.float32)), "differences need float64"),
    (lambda: check.slope(lambda: 0.0, [1, 2]), "differences need float64"),
])
def test_bad_input_gets_a_sentence(act, words):
    with pytest.raises(ValueError, match=words):
        act()


def test_a_gradient_of_another_shape_is_refused():
    layer = basics.Tanh()
    layer.forward(np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"shape of the output, \(4, 3\); got \(3,\)"):
        layer.backward(np.ones(3))  # NumPy alone would stretch it


def test_a_loss_that_explodes_is_said():
    rng = np.random.default_rng(0)
    with pytest.raises(FloatingPointError, match="a learning rate below 1000000"), np.errstate(all="ignore"):
        basics.fit(basics.Network(basics.Dense(3, 8, 1), basics.Dense(8, 8, 2), basics.Dense(8, 1, 3)), rng.normal(size=(20, 3)), rng.normal(size=(20, 1)),
                   epochs=200, learning_rate=1e6, loss=basics.SquaredError())


def test_an_unwritten_module_says_what_it_needs():
    class Empty(basics.Module):
        pass

    with pytest.raises(NotImplementedError, match="Empty needs a method forward"):
        Empty().forward(np.zeros((1, 1)))
    with pytest.raises(NotImplementedError, match="Empty needs a method backward"):
        Empty().backward(np.zeros((1, 1)))


def test_one_thread_is_one_thread():
    from threadpoolctl import threadpool_info, threadpool_limits

    with threadpool_limits(2):
        basics.one_thread()
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
