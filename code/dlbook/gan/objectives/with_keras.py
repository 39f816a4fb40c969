"""What the two networks play for, and a step of the game, in Keras."""
import keras
import numpy as np
import tensorflow as tf
from keras.ops import mean, softplus

from dlbook.gan.objectives import spec


def discriminator_loss(name, real_logits, fake_logits):
    """What the discriminator makes small: how wrong it is about both kinds of samples.

    Args:
        name: one of `spec.OBJECTIVES`.
        real_logits, fake_logits: its answers, (N,) or (N, 1).

    Returns:
        scalar tensor.

    Raises:
        ValueError: an unknown objective.
    """
    if spec.check(name) == "wasserstein":
        return mean(fake_logits) - mean(real_logits)
    # -log sigmoid(D(x)) - log(1 - sigmoid(D(G(z))))
    return mean(softplus(-real_logits)) + mean(softplus(fake_logits))


def generator_loss(name, fake_logits):
    """What the generator makes small: how well the discriminator sees through it.

    Args:
        name: one of `spec.OBJECTIVES`.
        fake_logits: its opponent's answers to generated samples, (N,) or (N, 1).

    Returns:
        scalar tensor.

    Raises:
        ValueError: an unknown objective.
    """
    if spec.check(name) == "wasserstein":
        return -mean(fake_logits)
    if name == "minimax":
        return -mean(softplus(fake_logits))  # log(1 - sigmoid(D(G(z))))
    return mean(softplus(-fake_logits))  # -log sigmoid(D(G(z)))


def gradient_penalty(discriminator, real, fake, mix):
    """How far the discriminator's slope is from 1, between real and generated samples.

    Args:
        discriminator: samples (N, ...) -> logits (N,) or (N, 1).
        real, fake: samples of the same shape (N, ...).
        mix: (N,) numbers in [0, 1], the share of `real` in each point.

    Returns:
        scalar tensor: the mean of (|slope| - 1)^2.

    Source: Gulrajani et al. (2017), equation 3.
    """
    mix = tf.reshape(mix, [-1] + [1] * (len(real.shape) - 1))
    between = mix * real + (1 - mix) * fake
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = discriminator(between, training=True)
    slope = tape.gradient(logits, between)  # of their sum
    axes = list(range(1, len(real.shape)))
    length = tf.sqrt(tf.reduce_sum(slope**2, axes) + spec.TINY)  # N
    return mean((length - 1) ** 2)


def discriminator_step(gan, optimizer, training, real, fake, mix):
    """One update of the discriminator.

    Args:
        gan: has a `generator` and a `discriminator`.
        optimizer: the discriminator's.
        training: GanTraining.
        real, fake: samples (B, ...), true and generated.
        mix: (B,) numbers in [0, 1], for the gradient penalty.

    Returns:
        scalar tensor: the loss before the update, with the penalty.
    """
    judge = gan.discriminator
    with tf.GradientTape() as tape:
        answers = judge(real, training=True), judge(fake, training=True)
        loss = discriminator_loss(training.objective, *answers)
        if training.penalty:
            loss += training.penalty * gradient_penalty(judge, real, fake, mix)
    descend(optimizer, tape, loss, judge)
    return loss


def generator_step(gan, optimizer, training, fake, tape):
    """One update of the generator.

    Args:
        gan: has a `generator` and a `discriminator`.
        optimizer: the generator's.
        training: GanTraining.
        fake: what it has generated (B, ...).
        tape: GradientTape on which it did so; it goes on recording.

    Returns:
        scalar tensor: the loss before the update.
    """
    with tape:
        answers = gan.discriminator(fake, training=True)
        loss = generator_loss(training.objective, answers)
    descend(optimizer, tape, loss, gan.generator)
    return loss


def alternate(gan, optimizers, training, real, noise, mix):
    """One turn of the game: the discriminator's updates, then one of the generator.

    Args:
        gan: has a `generator` and a `discriminator`; changed in place.
        optimizers: (the discriminator's, the generator's).
        training: GanTraining with k discriminator steps.
        real: (k, B, ...) samples.
        noise: (k, B, Z); both networks learn from what is made of the last.
        mix: (k, B) numbers in [0, 1].

    Returns:
        (the discriminator's last loss, the generator's loss), scalar tensors.
    """
    for k in range(training.discriminator_steps):
        with tf.GradientTape() as tape:
            fake = gan.generator(noise[k], training=True)
        told_apart = discriminator_step(
            gan, optimizers[0], training, real[k], fake, mix[k])
    seen_through = generator_step(gan, optimizers[1], training, fake, tape)
    if training.average:
        average(gan.averaged, gan.generator, training.average)
    return told_apart, seen_through


def descend(optimizer, tape, loss, network):
    """Move the weights of one network, and only those, down a loss of shape ()."""
    weights = network.trainable_weights
    optimizer.apply(tape.gradient(loss, weights), weights)


def average(averaged, generator, decay):
    """Let a second generator follow the first: its weights become decay x their own + (1 - decay) x the first's.

    Args:
        averaged, generator: networks of the same shape; the first is changed in place.
        decay: share of itself that each of its weights keeps.
    """
    for mean_of, value in zip(averaged.weights, generator.weights, strict=True):
        mean_of.assign_add((1 - decay) * (value - mean_of))


def adams(gan, training):
    """An Adam for each network of a GAN, which takes noise (N, Z) to samples (N, ...).

    Args:
        gan: has a `generator` and a `discriminator`.
        training: GanTraining.

    Returns:
        (the discriminator's, the generator's).
    """
    def adam(network):
        optimizer = keras.optimizers.Adam(training.learning_rate, training.beta1, training.beta2, training.epsilon)
        optimizer.build(network.trainable_weights)
        return optimizer
    return adam(gan.discriminator), adam(gan.generator)


def moments_of(optimizers):
    """All that the two Adams remember, as arrays: dict of `<player>.adam.<number>` to array."""
    return {f"{player}.adam.{k}": np.asarray(value).copy() for player, optimizer in zip(spec.PLAYERS, optimizers)
            for k, value in enumerate(optimizer.variables)}


def put_moments(optimizers, state):
    """Give the two Adams other memories; `state` is a dict as `moments_of` returns it, and may hold more."""
    for player, optimizer in zip(spec.PLAYERS, optimizers):
        for k, variable in enumerate(optimizer.variables):
            variable.assign(state[f"{player}.adam.{k}"])


def stepper(gan, training, optimizers=None):
    """A function that plays one turn on NumPy arrays, compiled by TensorFlow.

    Args:
        gan: has a `generator` and a `discriminator`; changed in place by each turn.
        training: GanTraining with k discriminator steps.
        optimizers: as `adams` makes them, to go on with; None begins anew.

    Returns:
        function of real (k, B, ...), noise (k, B, Z) and mix (k, B) that returns both losses as floats, as `alternate` does.
    """
    optimizers = optimizers or adams(gan, training)
    dtype = gan.generator.weights[0].dtype
    compiled = tf.function(lambda *tensors: alternate(gan, optimizers, training, *tensors))

    def step(*arrays):
        return tuple(float(loss) for loss in compiled(*(tf.constant(a, dtype) for a in arrays)))
    return step
