"""Networks that practise tasks of memory, in Keras: one recurrent layer and a dense one on its states."""
import keras
import numpy as np
import tensorflow as tf
from keras.layers import Dense

from dlbook.parity import layout
from dlbook.rnn import memory
from dlbook.rnn.cells import spec
from dlbook.rnn.cells.with_keras import LAYERS
from dlbook.train import initial
from dlbook.train.progress import Progress


class Network(keras.Model):
    """Sequences (B, T, I) -> answers: scores (B, K), or numbers (B,).

    A task that is answered at each step has a T behind the B.

    Args:
        task: memory.Task.
        cell: `rnn`, `lstm` or `gru`.
        units: size of its state, D.
        dtype: `float32` or `float64`.
    """

    def __init__(self, task, cell, units, dtype):
        super().__init__(dtype=dtype)
        self.each, self.number = task.each, not task.outputs
        self.cell = LAYERS[cell](
            units, return_sequences=task.each, name="cell", dtype=dtype)
        self.answer = Dense(task.outputs or 1, name="answer", dtype=dtype)

    def call(self, x):
        answers = self.answer(self.cell(x))  # B, T, D or B, D
        return answers[..., 0] if self.number else answers


def network(task, cell, units, seed=0, weights=None, dtype="float64"):
    """Build a network for a task.

    Args:
        task: memory.Task.
        cell: `rnn`, `lstm` or `gru`.
        units: size of its state, D.
        seed: starting weights; the PyTorch twin starts the same.
        weights: dict of the cell's weights in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        Network: (B, T, I) -> scores (B, K) or as the task has it.
    """
    a = spec.Architecture(cell, task.inputs, units)
    model = Network(task, cell, units, initial.precision(dtype))
    model(np.zeros((1, 1, task.inputs)))  # makes the weights
    values = spec.draw(a, seed) if weights is None else weights
    start = initial.glorot_uniform(np.random.default_rng(seed), (task.outputs or 1, units))
    layout.to_keras(model, {f"cell.{name}": value for name, value in values.items()}
                    | {"answer.weight": start, "answer.bias": np.zeros(len(start))})
    return model


def tensors(model, x, y):
    """Sequences (B, T, I) and answers as tensors of the network's precision."""
    return tf.constant(x, model.cell.dtype), tf.constant(y, model.cell.dtype if model.number else tf.int64)


def loss_of(model, x, y):
    """Mean loss of sequences (B, T, I): cross-entropy in nats, or the squared error."""
    said = model(x)
    if model.number:
        return tf.reduce_mean((said - y) ** 2)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, said))


def fit(model, task, practice=memory.Practice(), seed=0, progress=False):
    """Practise: every step on a batch of sequences (B, T, I) that was never seen before.

    Args:
        model: what `network` returns, trained in place.
        task: memory.Task.
        practice: memory.Practice.
        seed: of the sequences.
        progress: show a progress line.

    Returns:
        dict of `loss` and `norm`, the gradient's before clipping: one float a step.
    """
    rng, step, history = np.random.default_rng([seed, 1]), _step(model, practice), {"loss": [], "norm": []}
    with Progress(practice.steps, task.name, show=progress) as bar:
        for _ in range(practice.steps):
            loss, norm = step(*tensors(model, *task.draw(rng, practice.batch_size)))
            history["loss"].append(float(loss))
            history["norm"].append(float(norm))
            bar.step()
    return history


def _step(model, practice):
    """A step of Adam with a falling learning rate and a bound on the gradient's norm, compiled by TensorFlow."""
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(practice.learning_rate, practice.steps), epsilon=1e-8)
    optimizer.build(model.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(model, x, y)
        gradients = tape.gradient(loss, model.trainable_variables)
        norm = tf.linalg.global_norm(gradients)
        if practice.clip:
            gradients, _ = tf.clip_by_global_norm(gradients, practice.clip, norm)
        optimizer.apply(gradients, model.trainable_variables)
        return loss, norm
    return step


def answers(model, x):
    """What the network says: classes, whole numbers (B,) or (B, T), or floats, as a NumPy array."""
    said = np.asarray(model(tf.constant(x, model.cell.dtype)))
    return said if model.number else said.argmax(-1)


def score(model, task, n=500, seed=0):
    """How well it does on n new sequences: the share of right answers, or the mean squared error.

    Args:
        model: what `network` returns, (B, T, I) -> answers.
        task: memory.Task.
        n: sequences.
        seed: theirs; they are not those of `fit`.

    Returns:
        float.
    """
    x, y = task.draw(np.random.default_rng([seed, 2]), n)
    said = answers(model, x)
    return float(((said - y) ** 2).mean() if model.number else (said == y).mean())


def weights_of(model):
    """The weights of its recurrent layer in the exchange format: dict of name to array."""
    return {name.partition(".")[2]: value for name, value in layout.from_keras(model).items() if name.startswith("cell.")}
