"""A few plain gradient steps of a Keras classifier, for comparison with its twin."""
import keras
import numpy as np
import tensorflow as tf

from dlbook.parity import layout
from dlbook.parity.compare import AUXILIARY, Steps


def logits(model, inputs):
    """Logits in evaluation mode: inputs (N, H, W, C) -> NumPy array (N, num_classes); with auxiliary heads (N, heads, num_classes)."""
    outputs = model(inputs, training=False)
    return np.stack([np.asarray(head) for head in outputs], 1) if isinstance(outputs, (list, tuple)) else np.asarray(outputs)


def sgd(model, inputs, labels, count, learning_rate=2**-6):
    """Take `count` steps of gradient descent on one batch, in training mode.

    Args:
        model: keras.Model that returns logits, or a list of the logits and those of auxiliary heads, whose losses count
            `compare.AUXILIARY` each; changed in place.
        inputs: (N, H, W, C) array.
        labels: (N,) whole numbers.
        count: number of steps.
        learning_rate: a power of two, which float32 holds exactly: Keras keeps it in float32 even for float64 weights.

    Returns:
        Steps.
    """
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=inputs.dtype)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            heads = outputs if isinstance(outputs, (list, tuple)) else [outputs]
            loss = loss_of(labels, heads[0]) + AUXILIARY * sum(loss_of(labels, head) for head in heads[1:])
        gradients = tape.gradient(loss, model.trainable_weights, unconnected_gradients="zero")
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
            weight.assign_sub(learning_rate * gradient)
        return loss, gradients

    losses, first = [], None
    for _ in range(count):
        loss, gradients = step()
        losses.append(float(loss))
        first = first or layout.from_keras(model, _beside_all(model, gradients))
    return Steps(losses, first, layout.from_keras(model))


def _beside_all(model, gradients):
    """Gradients in the order of all weights; those that are not trained get zeros."""
    known = {id(w): np.asarray(g) for w, g in zip(model.trainable_weights, gradients, strict=True)}
    return [known.get(id(w), np.zeros(w.shape)) for w in model.weights]


def text_logits(model, symbols):
    """Logits of a text network in evaluation mode: symbols (B, T) -> NumPy array (B, T, V)."""
    return np.asarray(model(np.asarray(symbols), training=False))


def text_sgd(model, symbols, count, exchange, learning_rate=2**-4):
    """Take `count` steps of gradient descent on one batch of texts, each symbol predicted from those before it.

    Args:
        model: symbols (B, T) -> logits (B, T, V); changed in place.
        symbols: (B, T + 1) whole numbers.
        count: number of steps.
        exchange: the twin's function that brings gradients and weights into the exchange format.
        learning_rate: a power of two, which float32 holds exactly.

    Returns:
        Steps.
    """
    read, following = tf.constant(symbols[:, :-1], tf.int32), tf.constant(symbols[:, 1:])

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            # The framework's own formula: Keras' loss function would add up in single precision.
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(following, model(read, training=True)))
        # An embedding's gradient names the rows that were read; the others get zeros.
        gradients = [tf.convert_to_tensor(gradient) for gradient in tape.gradient(loss, model.trainable_weights)]
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
            weight.assign_sub(learning_rate * gradient)
        return loss, gradients

    losses, first = [], None
    for _ in range(count):
        loss, gradients = step()
        losses.append(float(loss))
        first = first or exchange(model, _beside_all(model, gradients))
    return Steps(losses, first, layout.from_keras(model))
