"""The cells from scratch: equal to both frameworks in values and gradients, right by finite differences, and sensitive to defects."""
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlbook import profile

profile.setup()

from dlbook.parity import compare, layout  # noqa: E402  (profile.setup comes first)
from dlbook.rnn import start  # noqa: E402
from dlbook.rnn.cells import spec, with_keras, with_numpy, with_torch  # noqa: E402

CELLS = tuple(start.GATES)
TWINS = {"keras": with_keras, "torch": with_torch}
CLOSE = 1e-12  # relative, in float64


def weights(a, seed=5):
    """Weights that are all different from 0, biases too: a forgotten one would be seen."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-1, 1, shape) / np.sqrt(a.units) for name, shape in spec.weight_shapes(a).items()}


def batch(a, B=3, T=6, seed=1):
    """Sequences and gradients by the states."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((B, T, a.inputs)), rng.standard_normal((B, T, a.units))


def from_scratch(a, values, x, dh):
    """States, gradient by the inputs, gradients by the weights."""
    cell = with_numpy.CELLS[a.cell](values)
    return cell.forward(x), *cell.backward(dh)


def in_framework(twin, a, values, x, dh, dtype="float64"):
    layer = twin.cell_layer(a, weights=values, dtype=dtype)
    return twin.states(layer, x), *twin.gradients(layer, x, dh)


def apart(ours, theirs):
    """The largest relative difference of states and of gradients."""
    (h, dx, dw), (h2, dx2, dw2) = ours, theirs
    return compare.difference(h, h2), max(compare.difference(dx, dx2), compare.worst(dw, dw2)[1])


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("cell", CELLS)
def test_values_and_gradients_are_those_of_the_frameworks(cell, twin):
    a = spec.Architecture(cell, 4, 5)
    values, (x, dh) = weights(a), batch(a)
    assert max(apart(from_scratch(a, values, x, dh), in_framework(TWINS[twin], a, values, x, dh))) <= CLOSE
    single = in_framework(TWINS[twin], a, values, x.astype("float32"), dh.astype("float32"), "float32")
    assert single[0].dtype == np.float32 and max(apart(from_scratch(a, values, x, dh), single)) <= 1e-5


@settings(max_examples=40, deadline=None)
@given(cell=st.sampled_from(CELLS), B=st.integers(1, 4), T=st.integers(1, 7), I=st.integers(1, 5), D=st.integers(1, 6), seed=st.integers(0, 99))
def test_any_shape_is_equal_to_pytorch(cell, B, T, I, D, seed):
    a = spec.Architecture(cell, I, D)
    values, (x, dh) = weights(a, seed), batch(a, B, T, seed)
    h, dx, dw = from_scratch(a, values, x, dh)
    assert h.shape == (B, T, D) and dx.shape == (B, T, I) and {name: g.shape for name, g in dw.items()} == spec.weight_shapes(a)
    assert max(apart((h, dx, dw), in_framework(with_torch, a, values, x, dh))) <= 1e-10


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 5, 2, 3), (3, 1, 2, 3), (2, 4, 3, 1)], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_the_smallest_shapes_are_equal_to_keras(cell, shape):
    B, T, I, D = shape
    a = spec.Architecture(cell, I, D)
    values, (x, dh) = weights(a), batch(a, B, T)
    assert max(apart(from_scratch(a, values, x, dh), in_framework(with_keras, a, values, x, dh))) <= CLOSE


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_those_of_finite_differences(cell):
    """dL/dw = (L(w + e) - L(w - e)) / 2 e for every single number, with L = sum(states * dh)."""
    a, e = spec.Architecture(cell, 2, 3), 1e-6
    values, (x, dh) = weights(a), batch(a, 2, 4)
    _, dx, dw = from_scratch(a, values, x, dh)
    arrays, found = {**values, "x": x}, {**dw, "x": dx}

    def loss():
        return (with_numpy.CELLS[cell]({name: arrays[name] for name in values}).forward(arrays["x"]) * dh).sum()

    for name, array in arrays.items():
        numeric = np.zeros_like(array)
        for i in np.ndindex(array.shape):
            kept = array[i]
            array[i] = kept + e
            above = loss()
            array[i] = kept - e
            numeric[i] = (above - loss()) / (2 * e)
            array[i] = kept
        assert compare.difference(found[name], numeric) < 1e-8, name


@pytest.mark.parametrize("cell", CELLS)
def test_long_sequences_stay_equal(cell):
    """500 steps, and a loss on the last state alone, so that the gradient goes all the way back."""
    a = spec.Architecture(cell, 3, 8)
    values, (x, dh) = weights(a), batch(a, 2, 500)
    ours = from_scratch(a, values, x, dh)
    assert max(apart(ours, in_framework(with_torch, a, values, x, dh))) <= 1e-10
    assert compare.difference(ours[0], with_keras.states(with_keras.cell_layer(a, weights=values, dtype="float64"), x)) <= 1e-10
    dh[:, :-1] = 0
    h, dx, dw = from_scratch(a, values, x, dh)
    _, theirs, by_weights = in_framework(with_torch, a, values, x, dh)
    assert compare.worst(dw, by_weights)[1] <= 1e-10
    early = slice(400, 480)  # small numbers, each compared with the largest among them
    assert 0 < np.abs(dx[:, early]).max() < np.abs(dx[:, -1]).max()
    assert compare.difference(dx[:, early], theirs[:, early]) <= 1e-8


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gates_are_between_0_and_1(cell):
    a = spec.Architecture(cell, 3, 4)
    kept = with_numpy.CELLS[cell](weights(a))
    h = kept.forward(batch(a, 2, 30)[0] * 3)
    candidate = 2  # of both cells, in the order of `gates`
    gates = np.delete(kept.gates, candidate, axis=2)
    assert kept.gates.shape == (2, 30, start.GATES[cell], 4) and (0 < gates).all() and (gates < 1).all()
    assert (np.abs(kept.gates[:, :, candidate]) < 1).all() and gates.min() < 0.1 and gates.max() > 0.9
    if cell == "lstm":
        i, f, g, o = kept.gates.transpose(2, 0, 1, 3)
        assert np.allclose(kept.c[:, 1:], f * kept.c[:, :-1] + i * g, rtol=1e-14) and np.allclose(h, o * np.tanh(kept.c[:, 1:]), rtol=1e-14)
    else:
        r, z, n = kept.gates.transpose(2, 0, 1, 3)
        assert np.allclose(h, (1 - z) * n + z * kept.h[:, :-1], rtol=1e-14)


def test_an_open_memory_keeps_everything():
    """Forget gate open, input gate shut: the memory of step 1 stays for 200 steps, and so does the gradient."""
    a = spec.Architecture("lstm", 1, 1)
    values = {name: np.zeros(shape) for name, shape in spec.weight_shapes(a).items()}
    values["weight_ih"][:] = [[200], [0], [2], [0]]  # writes where x is 1
    values["bias"][:] = [-100, 100, 0, 100]
    x = np.zeros((1, 200, 1))
    x[0, 0] = 1
    cell = with_numpy.LSTM(values)
    h = cell.forward(x)
    assert np.allclose(h, np.tanh(np.tanh(2)), rtol=1e-12)
    dh = np.zeros_like(h)
    dh[0, -1] = 1
    _, gradients = cell.backward(dh)
    # dh/dW_g = (1 - tanh(c)^2) (1 - g^2) x, written at the first step alone
    assert gradients["weight_ih"][2, 0] == pytest.approx((1 - np.tanh(np.tanh(2)) ** 2) * (1 - np.tanh(2) ** 2), rel=1e-12)


def test_nothing_overflows():
    a = spec.Architecture("lstm", 1, 1)
    with np.errstate(all="raise"):
        h, dx, _ = from_scratch(a, weights(a), np.array([[[1e4], [-1e4], [1e4]]]), np.ones((1, 3, 1)))
    assert np.isfinite(h).all() and np.isfinite(dx).all()


@pytest.mark.parametrize("cell", CELLS)
def test_one_hot_whole_numbers_are_read_as_numbers(cell):
    a = spec.Architecture(cell, 4, 3)
    x = np.eye(4, dtype=np.int64)[np.array([[0, 3, 1], [2, 2, 0]])]
    ours, again = (from_scratch(a, weights(a), symbols, np.ones((2, 3, 3), kind)) for symbols, kind in ((x, int), (x.astype(float), float)))
    assert max(apart(ours, again)) == 0 and np.abs(ours[0]).max() > 0.1


def gates_in_a_wrong_order(a, values):
    """The first two blocks of rows change places, as when Keras' GRU is loaded into PyTorch without reordering."""
    D = a.units
    return {name: np.concatenate([w[..., D:2 * D], w[..., :D], w[..., 2 * D:]], -1) if name == "bias" else
            np.concatenate([w[D:2 * D], w[:D], w[2 * D:]]) for name, w in values.items()}


def second_bias_forgotten(a, values):
    """A GRU's second bias stands inside the reset gate's bracket, so that adding it to the first is not the same."""
    first, second = values["bias"]
    return {**values, "bias": np.stack([first + second, 0 * second])}


def transposed(a, values):
    """The step from state to state the wrong way round."""
    return {**values, "weight_hh": np.concatenate([block.T for block in np.split(values["weight_hh"], start.GATES[a.cell])])}


@pytest.mark.parametrize("cell, spoil", [("lstm", gates_in_a_wrong_order), ("gru", gates_in_a_wrong_order), ("gru", second_bias_forgotten),
                                         ("rnn", transposed), ("lstm", transposed), ("gru", transposed)])
def test_a_planted_defect_is_seen(cell, spoil):
    a = spec.Architecture(cell, 3, 4)
    values, (x, dh) = weights(a), batch(a)
    ours = from_scratch(a, values, x, dh)
    for twin in TWINS.values():
        states, gradients = apart(ours, in_framework(twin, a, spoil(a, values), x, dh))
        assert states > 1e-3 and gradients > 1e-3


def test_gates_change_places_between_the_frameworks():
    """Update, reset, candidate in Keras; reset, update, candidate in PyTorch: the same function leads both ways."""
    rows = np.arange(6.0)
    assert layout.gates("GRU", rows).tolist() == [2, 3, 0, 1, 4, 5] and (layout.gates("GRU", layout.gates("GRU", rows)) == rows).all()
    assert (layout.gates("LSTM", rows) == rows).all()


@pytest.mark.parametrize("cell", CELLS)
def test_all_three_start_the_same(cell):
    a = spec.Architecture(cell, 3, 4)
    x = batch(a)[0]
    ours = with_numpy.CELLS[cell](spec.draw(a, 7)).forward(x)
    for twin in TWINS.values():
        assert compare.difference(ours, twin.states(twin.cell_layer(a, 7, dtype="float64"), x)) <= CLOSE
    assert compare.difference(ours, with_numpy.CELLS[cell](spec.draw(a, 8)).forward(x)) > 0.1


@pytest.mark.parametrize("cell", CELLS)
def test_starting_weights_are_orthogonal_and_remember(cell):
    a = spec.Architecture(cell, 3, 6)
    values = spec.draw(a)
    for block in np.split(values["weight_hh"], start.GATES[cell]):
        assert np.allclose(block @ block.T, np.eye(6), atol=1e-12)
    r = np.sqrt(6 / (3 + start.GATES[cell] * 6))
    assert 0.8 * r < np.abs(values["weight_ih"]).max() <= r
    bias = np.zeros(spec.weight_shapes(a)["bias"])
    if cell == "lstm":
        bias[6:12] = 1
    assert (values["bias"] == bias).all()


def test_orthogonal_matrices_are_drawn_uniformly():
    """Without the correction of the signs, the diagonal of QR's Q would lean to one side."""
    rng = np.random.default_rng(0)
    drawn = np.array([start.orthogonal(rng, 3) for _ in range(2_000)])
    assert np.abs(drawn.mean(0)).max() < 4 * np.sqrt(1 / 3 / 2_000)  # entries have mean 0 and variance 1 / 3


def test_twins_have_the_same_names_and_signatures():
    def public(module):
        return {name: inspect.signature(value) for name, value in vars(module).items()
                if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")}

    assert public(with_keras) == public(with_torch) and set(public(with_keras)) == {"cell_layer", "states", "gradients"}
    assert set(with_numpy.CELLS) == set(with_keras.LAYERS) == set(with_torch.LAYERS) == set(CELLS)


@pytest.mark.parametrize("cell, inputs, units", [("rnn", 7, 5), ("lstm", 7, 5), ("gru", 7, 5)])
def test_parameters(cell, inputs, units):
    """Convention: Keras' count, one bias for each gate, and a GRU's two."""
    a = spec.Architecture(cell, inputs, units)
    count = sum(int(np.prod(shape)) for shape in spec.weight_shapes(a).values())
    assert count == start.GATES[cell] * units * (inputs + units + (2 if cell == "gru" else 1)) == with_keras.cell_layer(a).count_params()
    assert count == sum(p.numel() for p in with_torch.cell_layer(a).parameters() if p.requires_grad)


@pytest.mark.parametrize("act, words", [
    (lambda: spec.Architecture("LSTM", 2, 3), "cell must be one of: rnn, lstm, gru; got 'LSTM'"),
    (lambda: spec.Architecture("rnn", 0, 3), "inputs must be a whole number, at least 1; got 0"),
    (lambda: spec.Architecture("rnn", 2, 3.5), "units must be a whole number, at least 1; got 3.5"),
    (lambda: with_numpy.SimpleRNN(spec.draw(spec.Architecture("rnn", 2, 3))).forward(np.zeros((5, 2))), r"\(batch, steps, 2\); got \(5, 2\)"),
    (lambda: with_numpy.GRU(spec.draw(spec.Architecture("gru", 2, 3))).forward(np.zeros((1, 5, 3))), r"\(batch, steps, 2\); got \(1, 5, 3\)"),
])
def test_what_cannot_be_is_said_in_a_sentence(act, words):
    with pytest.raises(ValueError, match=words):
        act()


@pytest.mark.parametrize("twin", TWINS)
def test_wrong_weights_and_dtypes_are_refused(twin):
    a, build = spec.Architecture("lstm", 2, 3), TWINS[twin].cell_layer
    with pytest.raises(ValueError, match="missing.*bias"):
        build(a, weights={name: w for name, w in weights(a).items() if name != "bias"})
    with pytest.raises(ValueError, match=r"weight_ih has shape \(9, 2\); this network needs \(12, 2\)"):
        build(a, weights=weights(spec.Architecture("gru", 2, 3)))
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'float16'"):
        build(a, dtype="float16")
