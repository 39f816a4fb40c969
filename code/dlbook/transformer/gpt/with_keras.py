"""The decoder in Keras."""
import keras
import numpy as np
import tensorflow as tf
from keras import ops
from keras.layers import Dense, Dropout, LayerNormalization, ReversibleEmbedding

from dlbook.parity import layout
from dlbook.text import sampling
from dlbook.train import initial, recorded, windows
from dlbook.train import text_with_keras as train
from dlbook.transformer.gpt import spec


class Positions(keras.layers.Layer):
    """What is added to a symbol for its place: symbols (B, T), and the past keys (B, heads, P, d) -> (T, D) for the places from P on.

    Args:
        context: number of places.
        width: D.
        options: dtype and name.
    """

    def __init__(self, context, width, **options):
        super().__init__(**options)
        self.embeddings = self.add_weight(shape=(context, width), name="embeddings")

    def call(self, symbols, keys=None):
        known, T = 0 if keys is None else ops.shape(keys)[2], ops.shape(symbols)[1]
        if isinstance(known + T, int):  # inside a compiled function the length may be open
            spec.check_length(known + T, self.embeddings.shape[0])
        return ops.take(self.embeddings, ops.arange(known, known + T), axis=0)


class Attention(keras.layers.Layer):
    """Causal attention: softmax(Q K^T / sqrt(d)) V, where no place looks ahead.

    Args:
        heads: attentions side by side.
        options: dtype and name.
    """

    def __init__(self, heads, **options):
        super().__init__(**options)
        self.heads = heads

    def call(self, qkv, past=None):
        """Queries, keys and values (B, T, 3 D), and the past keys and values -> (B, T, D), keys, values (B, heads, P + T, d)."""
        B, T, D = ops.shape(qkv)[0], ops.shape(qkv)[1], qkv.shape[2] // 3
        q, k, v = (ops.transpose(ops.reshape(part, (B, T, self.heads, D // self.heads)), (0, 2, 1, 3)) for part in ops.split(qkv, 3, axis=2))
        if past is not None:
            k, v = ops.concatenate([past[0], k], 2), ops.concatenate([past[1], v], 2)  # B, heads, P + T, d
        # Row t of the new places sees the P places of the past and those up to itself.
        P = ops.shape(k)[2] - T
        sees = ops.arange(P, P + T)[:, None] >= ops.arange(P + T)[None]
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / np.sqrt(D // self.heads)  # B, heads, T, P + T
        shares = ops.softmax(ops.where(sees, scores, -1e30))
        mixed = ops.transpose(ops.matmul(shares, v), (0, 2, 1, 3))  # B, T, heads, d
        return ops.reshape(mixed, (B, T, D)), k, v


def gpt(a, seed=0, weights=None, dtype="float32"):
    """Build a decoder: symbols (B, T), T at most `a.context` -> logits (B, T, V).

    Args:
        a: spec.Architecture, for example `spec.small(len(symbols))`.
        seed: starting weights and dropout; the PyTorch twin starts the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    layers = _layers(a, seed, initial.precision(dtype))
    symbols = keras.Input((None,), dtype="int32", name="input")
    logits, _ = _decode(layers, a, symbols)
    network = keras.Model(symbols, logits, name="gpt")
    network.a, network.layers_by_name = a, layers
    layout.to_keras(network, spec.draw(a, seed) if weights is None else weights)
    return network


def _layers(a, seed, dtype):
    """All layers by name."""
    d, options = a.width, {"dtype": dtype}
    layers = [ReversibleEmbedding(a.symbols, d, name="symbols", **options), Positions(a.context, d, name="positions", **options),
              Dropout(a.dropout, seed=seed, name="dropout", **options), LayerNormalization(epsilon=spec.EPSILON, name="norm", **options)]
    for k, block in enumerate(a.names):
        layers += [
            LayerNormalization(epsilon=spec.EPSILON, name=f"{block}_norm1", **options),
            Dense(3 * d, name=f"{block}_qkv", **options),
            Attention(a.heads, name=f"{block}_attention", **options),
            Dense(d, name=f"{block}_projection", **options),
            Dropout(a.dropout, seed=seed + 2 * k + 1, name=f"{block}_dropout1", **options),
            LayerNormalization(epsilon=spec.EPSILON, name=f"{block}_norm2", **options),
            Dense(4 * d, name=f"{block}_up", **options),
            Dense(d, name=f"{block}_down", **options),
            Dropout(a.dropout, seed=seed + 2 * k + 2, name=f"{block}_dropout2", **options),
        ]
    return {layer.name: layer for layer in layers}


def _decode(layers, a, symbols, past=None):
    """Read on from `past`, one pair of keys and values for each block; returns the logits and the new past."""
    places = layers["positions"](symbols, past and past[0][0])  # T, D
    x = layers["dropout"](layers["symbols"](symbols) + places)  # B, T, D
    new = []
    for k, block in enumerate(a.names):
        mixed, *keys_and_values = layers[f"{block}_attention"](layers[f"{block}_qkv"](layers[f"{block}_norm1"](x)), past and past[k])
        x = x + layers[f"{block}_dropout1"](layers[f"{block}_projection"](mixed))
        inner = _gelu(layers[f"{block}_up"](layers[f"{block}_norm2"](x)))  # B, T, 4 D
        x = x + layers[f"{block}_dropout2"](layers[f"{block}_down"](inner))  # B, T, D
        new.append(keys_and_values)
    # The embedding is used a second time, as the last layer: weight tying.
    return layers["symbols"](layers["norm"](x), reverse=True), new  # B, T, V


def _gelu(x):
    """The activation of GPT-2. Keras' own rounds a constant of it to single precision, and float64 twins would agree to 1e-9 only.

    Source: Hendrycks and Gimpel (2016), section 2, the approximation by tanh.
    """
    # x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
    return 0.5 * x * (1 + ops.tanh(np.sqrt(2 / np.pi).item() * (x + 0.044715 * x * x * x)))


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
        training: TextTraining whose window is at most the context.
        seed: cuts and order of the windows.
        on_step: called as on_step(step, loss) after each step.
        on_epoch: called as on_epoch(epoch, history) after each epoch.
        progress: show a progress line.

    Returns:
        dict of `loss` and `val_loss` in nats a symbol: one float an epoch.

    Raises:
        ValueError: the text is shorter than a window, or has symbols that the network does not know, or the window is too long.
        FloatingPointError: the loss became infinite or not a number.
    """
    spec.check_length(max(training.window, training.measured), model.a.context)
    return train.fit(model, text, training, seed, on_step, on_epoch, progress)


def measure(model, numbers, window=None):
    """Mean loss in nats a symbol, each predicted from at least half a window of symbols before it.

    Args:
        model: the network.
        numbers: (T,) whole numbers.
        window: symbols read at once; None is the context.

    Returns:
        float.

    Raises:
        ValueError: fewer than two symbols, or one that the network does not know, or a window longer than the context.
    """
    spec.check_length(window or model.a.context, model.a.context)
    windows.check_numbers(numbers, model.a.symbols)
    return train.measure(model, numbers, window or model.a.context)


def reader(model, cached=True):
    """A spec.Reader of the network: reads on symbol by symbol and says what it expects next."""
    a = model.a
    if not hasattr(model, "read_on"):  # compiled once for each network: it takes longer than to write a line
        model.read_on = _compiled(_with_past(model))
    nothing = [tf.zeros((1, a.heads, 0, a.width // a.heads), model.get_layer("norm").dtype)] * (2 * a.layers)

    def read(numbers, past):
        logits, *past = model.read_on([tf.constant(numbers, tf.int32), *(past or nothing)])
        return logits[0, -1].numpy(), past

    return spec.Reader(read, a.context, cached)


def _compiled(network):
    """A network as one compiled function, for one text of any length and a past of any length."""
    return tf.function(network, input_signature=[[tf.TensorSpec((1, *i.shape[1:]), i.dtype) for i in network.inputs]])


def _with_past(model):
    """The same layers as a network that takes past keys and values and returns the new ones."""
    a, dtype = model.a, model.get_layer("norm").dtype
    symbols = keras.Input((None,), dtype="int32")
    flat = [keras.Input((a.heads, None, a.width // a.heads), dtype=dtype) for _ in range(2 * a.layers)]
    logits, new = _decode(model.layers_by_name, a, symbols, list(zip(flat[::2], flat[1::2])))
    return keras.Model([symbols, *flat], [logits, *(part for pair in new for part in pair)])


def generate(model, symbols, prompt, length, how=None, seed=0, cached=True):
    """Write on from a prompt.

    Args:
        model: the network.
        symbols: data.Symbols or tokens that it was trained on.
        prompt: text of at least one symbol.
        length: symbols to write.
        how: sampling.Sampling; None is the network's own probabilities.
        seed: whole number.
        cached: whether keys and values are kept; the text is the same, the time is not.

    Returns:
        str: what comes after the prompt.

    Raises:
        ValueError: an empty prompt, or one with a symbol that is not known, or symbols of another network.
    """
    windows.check_symbols(symbols, model.a.symbols)
    return symbols.decode(list(sampling.generate(reader(model, cached), symbols.encode(prompt), length, how, seed)))


def attention_maps(model, numbers):
    """How much each place of a text looks at each earlier one.

    Args:
        model: the network.
        numbers: (T,) whole numbers, at most the context.

    Returns:
        (layers, heads, T, T) float64 array; rows sum to 1.
    """
    inside = keras.Model(model.input, [model.get_layer(f"{block}_qkv").output for block in model.a.names])
    kept = inside(np.asarray(numbers)[None], training=False)
    return np.stack([spec.attention_map(np.asarray(qkv[0]), model.a.heads) for qkv in (kept if isinstance(kept, list) else [kept])])


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
    return recorded.load("transformer/gpt", gpt, spec, task, size)
