"""The text generator's eight tests, its memory from call to call, and what it refuses."""
import numpy as np
import pytest
import sequences
import torch
from sequences import Pair

from dlbook import data
from dlbook.parity import compare
from dlbook.parity import with_keras as keras_steps
from dlbook.parity import with_torch as torch_steps
from dlbook.rnn.text import spec, with_keras, with_torch
from dlbook.text.sampling import Sampling
from dlbook.train.windows import TextTraining

TEXT = Pair(spec, with_keras, with_torch, "text_network")
CELLS = ("rnn", "lstm", "gru")
TWINS = pytest.mark.parametrize("twin", (with_keras, with_torch), ids=["keras", "torch"])
FAST = TextTraining(epochs=40, batch_size=1, window=12, learning_rate=6e-2, measured=12)


def small(cell="lstm", layers=2, **more):
    return spec.Architecture(**{"symbols": 7, "units": 5, "layers": layers, "cell": cell} | more)


@pytest.mark.parametrize("twin", (with_keras, with_torch), ids=["keras", "torch"])
def test_parameters_of_the_decks_network(twin):
    """Convention: Keras' formula, 4 x units x (inputs + units + 1) an LSTM. PyTorch's second bias, 4 x units, stays 0 and is not counted."""
    a = spec.deck(59)
    assert spec.total(a) == 4 * 512 * (59 + 512 + 1) + 4 * 512 * (512 + 512 + 1) + 513 * 59 == 3_300_923
    weights = {name: np.zeros(shape) for name, shape in spec.weight_shapes(a).items()}
    network = twin.text_network(a, weights=weights)
    assert sum(w.size for w in twin.weights_of(network).values()) == 3_300_923
    if twin is with_keras:
        assert network.count_params() == 3_300_923
    else:
        learnt = [p.requires_grad for p in network.parameters()]
        assert sum(p.numel() for p in network.parameters() if p.requires_grad) == 3_300_923
        assert sum(p.numel() for p in network.parameters()) == 3_300_923 + 2 * 4 * 512 and learnt.count(False) == 2


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_table_of_shapes_and_parameters(cell, layers):
    a = small(cell, layers)
    rows, weights = spec.table(a, 9), spec.weight_shapes(a)
    k, t = sequences.twins(TEXT, a, "float32")
    shapes = {}
    for name, layer in t.named_children():
        layer.register_forward_hook(lambda _, __, y, name=name: shapes.update({name: tuple((y[0] if isinstance(y, tuple) else y).shape[1:])}))
    t(torch.as_tensor(sequences.batch(a, 2, 8)))
    assert [row.name for row in rows] == ["one_hot", *a.names, "logits"] and rows[0].shape == (9, 7)
    for row in rows[1:]:
        layer = k.get_layer(row.name)
        output = layer.output[0] if isinstance(layer.output, list) else layer.output
        assert shapes[row.name] == row.shape and tuple(output.shape[1:]) == (None, row.shape[1])
        assert layer.count_params() == row.parameters == sum(np.prod(s) for n, s in weights.items() if n.startswith(f"{row.name}."))
        assert row.parameters == eval(row.count.replace("x", "*"))  # the formula that a chapter shows
    assert spec.total(a) == k.count_params() == sum(p.numel() for p in t.parameters() if p.requires_grad)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_agree(cell, layers):
    sequences.check_outputs(TEXT, small(cell, layers))


@pytest.mark.parametrize("cell, layers, dtype", [("rnn", 2, "float64"), ("lstm", 1, "float64"), ("lstm", 3, "float64"), ("gru", 2, "float64"),
                                                 ("lstm", 2, "float32"), ("gru", 1, "float32"), ("rnn", 3, "float32")])
def test_gradients_and_twenty_steps_agree(cell, layers, dtype):
    sequences.check_steps(TEXT, small(cell, layers), dtype)


def test_learns_a_text_by_heart():
    sequences.check_overfits(TEXT, small(symbols=6, units=32, layers=1), FAST, length=13)


def test_twins_have_the_same_names_and_signatures():
    sequences.check_names(TEXT)


def swapped_gates(network):
    """The gates in a wrong order: forget, input."""
    with torch.no_grad():
        for p in (network.lstm1.weight_ih_l0, network.lstm1.weight_hh_l0, network.lstm1.bias_ih_l0):
            p.copy_(torch.cat([p[5:10], p[:5], p[10:]]))


def swapped_layers(network):
    """The first layer's step from state to state is the second's."""
    network.lstm1.weight_hh_l0, network.lstm2.weight_hh_l0 = network.lstm2.weight_hh_l0, network.lstm1.weight_hh_l0


def shifted(network):
    """Each symbol is taken for the one before it in the order of symbols."""
    forward = network.forward
    network.forward = lambda symbols, states=None: forward((symbols - 1) % 7, states)


def second_bias(network):
    """PyTorch's second bias learns as well, so that the bias moves twice as fast."""
    network.lstm1.bias_hh_l0.requires_grad_(True)


@pytest.mark.parametrize("plant", [swapped_gates, swapped_layers, shifted, second_bias], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    sequences.check_defect(TEXT, small(), plant, outputs=plant is not second_bias)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_the_twins_train_alike(cell):
    """A GRU's two biases are vectors in PyTorch and rows of a matrix in Keras: neither decays."""
    sequences.check_training(TEXT, small(cell, 1), window=16)


@TWINS
@pytest.mark.parametrize("cell", CELLS)
def test_reading_in_parts_is_reading_at_once(twin, cell):
    a = small(cell)
    k, t = sequences.twins(TEXT, a)
    network, steps = (k, keras_steps) if twin is with_keras else (t, torch_steps)
    numbers = sequences.batch(a, 1, 29)
    whole, reader, read = steps.text_logits(network, numbers)[0], twin.Reader(network), 0
    for part in (3, 1, 1, 7, 1, 17):
        read += part
        logits = reader(numbers[0, read - part:read])
        assert logits.shape == (7,) and compare.difference(whole[read - 1], logits) <= 1e-12
    assert read == 30
    fresh = twin.Reader(network)(numbers[0, -3:])  # another reader has read nothing yet
    assert compare.difference(whole[-1], fresh) > 1e-3


@pytest.mark.parametrize("dtype", sequences.TOLERANCE)
@pytest.mark.parametrize("cell", CELLS)
def test_both_twins_write_the_same_text(cell, dtype):
    sequences.check_same_text(TEXT, small(cell), dtype, range(4), 30)


def test_same_seed_same_text():
    network = sequences.twins(TEXT, small())[1]
    write = lambda seed, temperature=1.0: with_torch.generate(network, sequences.letters(small()), "ab", 30, Sampling(temperature), seed)
    assert all(write(seed) == write(seed) for seed in range(20)) and len({write(seed) for seed in range(20)}) == 20
    assert write(0, temperature=0) == write(1, temperature=0)  # the best symbol needs no seed


@TWINS
@pytest.mark.parametrize("cell", CELLS)
def test_nothing_is_known_at_first(twin, cell):
    """The loss before the first step is ln V within 2 per cent: nothing speaks for one symbol or the other."""
    text = data.language(2_000, 600)
    for layers, units in ((1, 128), (2, 64)):
        network = twin.text_network(small(cell, layers, symbols=len(text.symbols), units=units), seed=1)
        assert twin.measure(network, text.validation[:500], 64) == pytest.approx(np.log(len(text.symbols)), rel=0.02)


@TWINS
def test_same_seed_same_start_and_same_training(twin):
    text, training = data.language(500, 100), TextTraining(1, 8, 12, 1e-2, measured=12)
    a = small(symbols=len(text.symbols), layers=1, dropout=0.2)
    histories = [twin.fit(twin.text_network(a, seed), text, training, seed, progress=False) for seed in (7, 7, 8)[:2 + (twin is with_torch)]]
    assert histories[0] == histories[1] and (twin is with_keras or histories[0] != histories[2])


@TWINS
def test_dropout_acts_in_training_only(twin):
    """And it sets to zero the share that it should, behind each layer."""
    a, dry = small(units=40, dropout=0.5), small(units=40)
    weights, symbols = sequences.perturbed(TEXT, a), sequences.batch(a)
    build = TEXT.keras if twin is with_keras else TEXT.torch
    wet_network, dry_network = build(a, weights=weights), build(dry, weights=weights)
    steps = keras_steps if twin is with_keras else torch_steps
    assert np.array_equal(steps.text_logits(wet_network, symbols), steps.text_logits(dry_network, symbols))
    if twin is with_keras:
        assert [layer.rate for layer in wet_network.layers if hasattr(layer, "rate")] == [0.5, 0.5]
        noisy = np.asarray(wet_network(symbols, training=True))
    else:
        assert wet_network.dropout.p == 0.5
        noisy = wet_network.train()(torch.as_tensor(symbols))[0].detach().numpy()
    assert compare.difference(steps.text_logits(dry_network, symbols), noisy) > 0.01


@TWINS
def test_strangers_in_a_prompt_are_named(twin):
    network, symbols = twin.text_network(small()), sequences.letters(small())
    with pytest.raises(ValueError, match="'X', 'é' .first at position 2. are not among the 7 symbols"):
        twin.generate(network, symbols, "abXé", 5)
    with pytest.raises(ValueError, match="the prompt is empty; give at least one symbol"):
        twin.generate(network, symbols, "", 5)
    with pytest.raises(ValueError, match="cannot be negative; got -1"):
        twin.generate(network, symbols, "a", -1)
    with pytest.raises(ValueError, match="has 3 different symbols and the network predicts among 7"):
        twin.generate(network, data.Symbols("abc"), "a", 5)
    assert twin.generate(network, symbols, "a", 0) == ""


@TWINS
def test_texts_that_do_not_fit_are_refused(twin):
    text = data.language(1_000, 300)
    with pytest.raises(ValueError, match=f"has {len(text.symbols)} different symbols and the network predicts among 7"):
        twin.fit(twin.text_network(small()), text, progress=False)
    network = twin.text_network(small(symbols=len(text.symbols)))
    with pytest.raises(ValueError, match="a window of 5000 needs 5001"):
        twin.fit(network, text, TextTraining(1, 4, 5_000, 1e-3), progress=False)
    with pytest.raises(ValueError, match="has 1 symbols; to measure a prediction, two are needed"):
        twin.measure(network, [3])
    V = len(text.symbols)
    with pytest.raises(ValueError, match=f"knows {V} symbols, numbered from 0 to {V - 1}; got 0 to {V}"):
        twin.measure(network, np.arange(V + 1))


@TWINS
def test_weights_of_another_network_are_refused(twin):
    a = small()
    weights = sequences.perturbed(TEXT, a)
    with pytest.raises(ValueError, match="missing.*'logits.bias'"):
        twin.text_network(a, weights={name: w for name, w in weights.items() if name != "logits.bias"})
    with pytest.raises(ValueError, match="missing.*'gru1.bias'.*not expected.*'lstm1.bias'"):
        twin.text_network(small("gru"), weights=weights)
    with pytest.raises(ValueError, match=r"lstm1.weight_ih has shape \(20, 7\); this network needs \(24, 7\)"):
        twin.text_network(small(units=6), weights=weights)
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'half'"):
        twin.text_network(a, dtype="half")
    with pytest.raises(FileNotFoundError, match="no weights are shipped in .*small-nothing.* make full RUN=rnn/text TASK=small-nothing"):
        twin.load("nothing")


@pytest.mark.parametrize("change, words", [
    ({"symbols": 0}, "symbols must be a whole number, at least 1; got 0"), ({"units": 2.5}, "units must be a whole number, at least 1; got 2.5"),
    ({"layers": "2"}, "layers must be a whole number, at least 1; got '2'"), ({"cell": "elman"}, "one of: rnn, lstm, gru; got 'elman'"),
    ({"dropout": 1.0}, "dropout is a share from 0 to below 1; got 1.0"), ({"dropout": float("nan")}, "got nan"),
])
def test_impossible_architectures_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        small(**change)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN, whose kernel this is")
def test_an_lstm_learns_with_the_fused_kernel_of_the_processor():
    from torch.profiler import profile

    model = with_torch.text_network(spec.Architecture(5, 8))
    with profile() as seen:
        model(torch.zeros(2, 6, dtype=torch.int64))[0].sum().backward()
    names = {event.key for event in seen.key_averages()}
    assert {"aten::mkldnn_rnn_layer", "aten::mkldnn_rnn_layer_backward"} <= names
