"""The cells in Keras: its own layers, given the course's weights."""
import keras
import numpy as np
import tensorflow as tf
from keras.layers import GRU, LSTM, SimpleRNN

from dlbook.parity import layout
from dlbook.rnn.cells import spec
from dlbook.train import initial

LAYERS = {"rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}


def cell_layer(a, seed=0, weights=None, dtype="float32"):
    """Build a recurrent layer: sequences (B, T, I) -> states (B, T, D).

    Args:
        a: spec.Architecture.
        seed: starting weights; the PyTorch and NumPy twins start the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model with one layer, `cell`.

    Raises:
        ValueError: the weights belong to another layer, or an unknown dtype.
    """
    options = {"dtype": initial.precision(dtype)}
    inputs = keras.Input((None, a.inputs), **options)
    model = keras.Model(inputs, LAYERS[a.cell](a.units, return_sequences=True, name="cell", **options)(inputs))
    values = spec.draw(a, seed) if weights is None else weights
    layout.to_keras(model, {f"cell.{name}": value for name, value in values.items()})
    return model


def states(layer, x):
    """Sequences (B, T, I) -> states (B, T, D), as NumPy arrays."""
    return np.asarray(layer(np.asarray(x, layer.inputs[0].dtype), training=False))


def gradients(layer, x, dh):
    """Gradients of sum(states * dh).

    Args:
        layer: what `cell_layer` returns.
        x: (B, T, I) sequences.
        dh: (B, T, D) gradient by the states.

    Returns:
        ((B, T, I) gradient by the inputs, dict of those by the weights in the exchange format), NumPy arrays.
    """
    inputs = tf.constant(x, layer.inputs[0].dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = tf.reduce_sum(layer(inputs, training=False) * tf.constant(dh, inputs.dtype))
    dx, *found = tape.gradient(loss, [inputs, *layer.trainable_weights])
    return dx.numpy(), {name.partition(".")[2]: value for name, value in layout.from_keras(layer, [g.numpy() for g in found]).items()}
