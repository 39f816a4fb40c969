"""The text generator in Keras."""
import keras
import numpy as np
import tensorflow as tf
from keras.layers import Dense, Dropout

from dlbook.parity import layout
from dlbook.rnn.cells import with_keras as cells
from dlbook.rnn.text import spec
from dlbook.text import sampling
from dlbook.train import initial, recorded, windows
from dlbook.train import text_with_keras as train


def text_network(a, seed=0, weights=None, dtype="float32"):
    """Build a text generator: symbols (B, T) -> logits (B, T, V).

    Args:
        a: spec.Architecture, for example `spec.deck(len(symbols))`.
        seed: starting weights and dropout; the PyTorch twin starts the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    options = {"dtype": initial.precision(dtype)}
    symbols = keras.Input((None,), dtype="int32", name="symbols")
    x = keras.ops.one_hot(symbols, a.symbols, dtype=dtype)  # B, T, V
    for k, name in enumerate(a.names):
        layer = cells.LAYERS[a.cell](a.units, return_sequences=True,
                                     return_state=True, name=name, **options)
        x, *_ = layer(x)  # B, T, D
        x = Dropout(a.dropout, seed=seed + k, name=f"dropout{k + 1}", **options)(x)
    logits = Dense(a.symbols, name="logits", **options)(x)  # B, T, V
    network = keras.Model(symbols, logits, name="text_network")
    network.a = a
    values = spec.draw(a, seed) if weights is None else weights
    layout.to_keras(network, values)
    return network


def exchange(model, values):
    """Gradients, or other arrays of the weights' shapes, in the exchange format.

    Args:
        model: the network.
        values: list of arrays in the order of Keras' weights.

    Returns:
        dict of name to array.
    """
    return layout.from_keras(model, values)


def weights_of(model):
    """The network's weights in the exchange format: dict of name to array."""
    return layout.from_keras(model)


def fit(model, text, training=spec.TRAINING["quick"], seed=0, on_step=None, on_epoch=None, progress=True):
    """Train on `text.train` and measure on `text.validation` after each epoch.

    Args:
        model: the network, trained in place.
        text: data.Text.
        training: TextTraining.
        seed: cuts and order of the windows.
        on_step: called as on_step(step, loss) after each step.
        on_epoch: called as on_epoch(epoch, history) after each epoch.
        progress: show a progress line.

    Returns:
        dict of `loss` and `val_loss` in nats a symbol: one float an epoch.

    Raises:
        ValueError: the text is shorter than a window, or has symbols that the network does not know.
        FloatingPointError: the loss became infinite or not a number.
    """
    return train.fit(model, text, training, seed, on_step, on_epoch, progress)


def measure(model, numbers, window=256):
    """Mean loss in nats a symbol, each predicted from at least half a window of symbols before it.

    Args:
        model: the network.
        numbers: (T,) whole numbers.
        window: symbols read at once.

    Returns:
        float.

    Raises:
        ValueError: fewer than two symbols, or one that the network does not know.
    """
    windows.check_numbers(numbers, model.a.symbols)
    return train.measure(model, numbers, window)


class Reader:
    """Reads symbols one after the other and says what it expects next; it keeps its state between calls.

    Args:
        model: the network.
    """

    def __init__(self, model):
        if not hasattr(model, "read_on"):  # compiled once for each network: it takes longer than to write a line
            model.read_on = _compiled(_with_states(model))
        a = model.a
        self.read_on = model.read_on
        self.states = [tf.zeros((1, a.units), model.get_layer("logits").dtype) for _ in range(a.layers * _states(a))]

    def __call__(self, numbers):
        """Read on: symbols (T,) -> logits (V,) of the next one."""
        logits, *self.states = self.read_on([tf.constant(numbers, tf.int32)[None], *self.states])
        return logits[0, -1].numpy()


def _states(a):
    """Vectors that a layer hands from step to step: an LSTM has its memory besides its output."""
    return 2 if a.cell == "lstm" else 1


def _compiled(network):
    """A network as one compiled function, for one text of any length."""
    return tf.function(network, input_signature=[[tf.TensorSpec((1, *i.shape[1:]), i.dtype) for i in network.inputs]])


def _with_states(model):
    """The same layers as a network that takes their states and returns the new ones."""
    a, dtype, states, new = model.a, model.get_layer("logits").dtype, [], []
    symbols = keras.Input((None,), dtype="int32")
    x = keras.ops.one_hot(symbols, a.symbols, dtype=dtype)
    for name in a.names:
        own = [keras.Input((a.units,), dtype=dtype) for _ in range(_states(a))]
        x, *after = model.get_layer(name)(x, initial_state=own)
        states, new = states + own, new + after
    return keras.Model([symbols, *states], [model.get_layer("logits")(x), *new])


def generate(model, symbols, prompt, length, how=None, seed=0):
    """Write on from a prompt.

    Args:
        model: the network.
        symbols: data.Symbols that it was trained on.
        prompt: text of at least one symbol.
        length: symbols to write.
        how: sampling.Sampling; None is the network's own probabilities.
        seed: whole number.

    Returns:
        str: what comes after the prompt.

    Raises:
        ValueError: an empty prompt, or one with a symbol that is not known, or symbols of another network.
    """
    windows.check_symbols(symbols, model.a.symbols)
    return symbols.decode(list(sampling.generate(Reader(model), symbols.encode(prompt), length, how, seed)))


def load(task="shakespeare", size="small"):
    """A trained network and its symbols.

    Args:
        task: the text it was trained on.
        size: of the network, one of `spec.SIZES`.

    Returns:
        (keras.Model, data.Symbols).

    Raises:
        FileNotFoundError: no checkpoint is shipped for it.
    """
    return recorded.load("rnn/text", text_network, spec, task, size)
