"""The adversarial network on the plane in Keras."""
import keras
import numpy as np
import tensorflow as tf
from keras.layers import Dense

from dlbook.data.plane import as_points
from dlbook.gan import training as game
from dlbook.gan.objectives import with_keras as objectives
from dlbook.gan.plane import spec, turns
from dlbook.parity import layout
from dlbook.train import initial


class SpectralDense(Dense):
    """A dense layer that stretches no vector: its weights have a spectral norm of 1.

    They are divided by it; one step of power iteration follows it each time the
    layer is used in training.

    Args:
        outputs: numbers that it gives, (N, inputs) -> (N, outputs).
        options: of `keras.layers.Dense`.

    Source: Miyato et al. (2018), arXiv 1802.05957, algorithm 1.
    """

    def build(self, shape):
        super().build(shape)
        self.direction = self.add_weight(
            name="direction", shape=(self.units,), initializer="ones",
            trainable=False)

    def call(self, x, training=False):
        # Keras' kernel (inputs, outputs) is the transpose of the paper's W.
        w = tf.stop_gradient(self.kernel)
        v = tf.math.l2_normalize(tf.linalg.matvec(w, self.direction))  # inputs
        u = tf.math.l2_normalize(tf.linalg.matvec(w, v, transpose_a=True))  # outputs
        if training:
            self.direction.assign(u)
        sigma = tf.tensordot(v, tf.linalg.matvec(self.kernel, u), 1)
        return self.activation(x @ (self.kernel / sigma) + self.bias)


class PlaneGan:
    """A generator (N, Z) -> points (N, 2) and a discriminator (N, 2) -> logits (N, 1).

    Args:
        a: spec.Architecture.
        dtype: `float32` or `float64`.
    """

    def __init__(self, a, dtype):
        judging = SpectralDense if a.spectral else Dense
        self.a = a
        self.generator = _dense(a, Dense, "generator", a.latent_dim, "point", 2, dtype)
        self.discriminator = _dense(a, judging, "discriminator", 2, "logit", 1, dtype)
        self.averaged = _dense(a, Dense, "generator", a.latent_dim, "point", 2, dtype)


def _dense(a, layer, network, inputs, last, outputs, dtype):
    """Hidden layers with a ReLU each, and a last one without."""
    parts = [layer(a.units, activation="relu", name=f"{network}_{name}", dtype=dtype) for name in a.hidden]
    return keras.Sequential([keras.Input((inputs,), dtype=dtype), *parts, layer(outputs, name=f"{network}_{last}", dtype=dtype)], name=network)


def plane_gan(a=spec.ARCHITECTURE, seed=0, weights=None, dtype="float32"):
    """Build a generator (N, Z) -> points (N, 2) and a discriminator (N, 2) -> logits (N, 1).

    Args:
        a: spec.Architecture.
        seed: starting weights; the PyTorch twin starts from the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        PlaneGan; its `averaged` is a second generator for the average of the first's weights.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    gan = PlaneGan(a, initial.precision(dtype))
    values = spec.draw(a, seed) if weights is None else weights
    layout.check(values, spec.weight_shapes(a))
    for network in (gan.generator, gan.discriminator, gan.averaged):
        layout.to_keras(network, {name: value for name, value in values.items() if name.startswith(network.name)})
    return gan


def weights_of(gan):
    """The weights of both networks in the exchange format: dict of name to array, matrices (out, in)."""
    return layout.from_keras(gan.generator) | layout.from_keras(gan.discriminator)


def fit(gan, plane, training=spec.TRAINING["nonsaturating"], seed=0,
        on_step=None, on_measure=None, progress=True):
    """Train both networks, and measure the generator's points along the way.

    Args:
        gan: what `plane_gan` returns, trained in place.
        plane: data.plane.Plane; each turn sees points (k, B, 2) that were never seen before.
        training: GanTraining.
        seed: points and noise.
        on_step: called as on_step(step, discriminator_loss, generator_loss) after each turn.
        on_measure: called as on_measure(step, history) after each measurement.
        progress: show a progress line.

    Returns:
        dict of `discriminator` and `generator`, one loss a turn, and of `step`, `modes`, `good` and `kl`, one value a measurement.

    Raises:
        FloatingPointError: a loss became infinite or not a number.
    """
    step = objectives.stepper(gan, training)
    return turns.play(step, lambda: sample(gan, turns.MEASURED, seed, training.average > 0),
                      plane, gan.a, training, seed, on_step, on_measure, progress)


def sample(gan, n, seed=0, averaged=False):
    """Let the generator make points.

    Args:
        gan: what `plane_gan` returns.
        n: number of points.
        seed: of the noise.
        averaged: use the average of the generator's weights.

    Returns:
        (n, 2) array.
    """
    generator = gan.averaged if averaged else gan.generator
    return np.asarray(generator(_tensor(gan, game.shown(seed, (n, gan.a.latent_dim))), training=False))


def field(gan, points):
    """What the discriminator says of points: its logits, positive where it takes a point for real.

    Args:
        gan: what `plane_gan` returns.
        points: (N, 2).

    Returns:
        (N,) array.

    Raises:
        ValueError: points of another shape, or that are not finite.
    """
    return np.asarray(gan.discriminator(_tensor(gan, as_points(points)), training=False))[:, 0]


def force(gan, points, objective):
    """Where the discriminator pushes generated points: minus the slope of the generator's loss of each point by its place.

    Args:
        gan: what `plane_gan` returns.
        points: (N, 2).
        objective: one of `objectives.spec.OBJECTIVES`.

    Returns:
        (N, 2) array.

    Raises:
        ValueError: points of another shape, or that are not finite, or an unknown objective.
    """
    points = _tensor(gan, as_points(points))
    with tf.GradientTape() as tape:
        tape.watch(points)
        logits = gan.discriminator(points, training=False)
        loss = len(points) * objectives.generator_loss(objective, logits)  # the sum over the points
    return -np.asarray(tape.gradient(loss, points))


def _tensor(gan, values):
    return tf.constant(values, gan.generator.weights[0].dtype)
