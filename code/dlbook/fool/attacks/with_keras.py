"""Adversarial examples in Keras: attacks on images, and training against them."""
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

from dlbook.fool.attacks import spec
from dlbook.train.batches import half_cosine, order, steps
from dlbook.train.progress import Progress


def gradient(network, images, labels):
    """How the loss of each image changes with each of its pixels.

    Args:
        network: a ConvNet of the course, (N, H, W, C) -> logits (N, num_classes).
        images: (N, H, W) or (N, H, W, C) in [0, 1].
        labels: (N,) whole numbers.

    Returns:
        (N, H, W, C) array, the gradient of the cross entropy in nats.

    Raises:
        TypeError, ValueError: wrong images or labels.
    """
    x, y = _tensors(network, *spec.check(network.a, images, labels))
    return _slope(network, x, y).numpy()


def attack(network, images, labels, how):
    """Change images so that the network misreads them.

    Args:
        network: a ConvNet of the course, (N, H, W, C) -> logits (N, num_classes).
        images: (N, H, W) or (N, H, W, C) in [0, 1].
        labels: (N,) whole numbers: what the images show, or, for a targeted attack,
            what the network shall say; or (N, num_classes) bool, if several classes are.
        how: spec.Attack.

    Returns:
        (N, H, W, C) array in [0, 1], no pixel more than `how.epsilon` away.

    Raises:
        TypeError, ValueError: wrong images or labels.
    """
    images, labels = spec.check(network.a, images, labels)
    x, y = _tensors(network, images, labels)
    start, _ = _tensors(network, spec.beginning(images, how), labels)
    slope = _compiled(network, how.loss, labels.ndim)
    return _attacked(x, y, how, start, slope).numpy()


def _attacked(x, y, how, changed, slope):
    """The attack on tensors (N, H, W, C) in [0, 1]; it begins with `changed`."""
    low, high = tf.maximum(x - how.epsilon, 0), tf.minimum(x + how.epsilon, 1)
    pace = -how.pace if how.targeted else how.pace
    for _ in range(how.steps):
        # x <- P(x + s sign(dL/dx)), P cuts back into the box of allowed changes
        step = pace * tf.sign(slope(changed, y))
        changed = tf.clip_by_value(changed + step, low, high)
    return changed  # N, H, W, C


@lru_cache(maxsize=4)  # a graph keeps its network alive
def _compiled(network, loss="cross entropy", ndim=1):
    """`_slope` of a network as a graph, for batches of any size."""
    inputs = tf.TensorSpec([None, None, None, network.a.channels], network.inputs[0].dtype)
    targets = tf.TensorSpec([None] * ndim, tf.int64 if ndim == 1 else tf.bool)
    return tf.function(lambda x, y: _slope(network, x, y, loss), [inputs, targets])


def _slope(network, x, y, loss="cross entropy"):
    """dL/dx for each image by itself: N, H, W, C."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        losses = _losses(network(_scaled(network, x), training=False), y, loss)
    return tape.gradient(losses, x)


def _losses(logits, y, loss="cross entropy"):
    """L for each image: N; `y` holds the right class of each, or marks all right ones."""
    if loss == "cross entropy" and y.shape.rank == 1:
        return tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
    right = y if y.shape.rank == 2 else tf.one_hot(y, logits.shape[1], True, False)
    inside, outside = (tf.where(kept, logits, -np.inf) for kept in (right, ~right))
    if loss == "margin":
        return tf.reduce_max(outside, 1) - tf.reduce_max(inside, 1)
    # -log of the right ones together
    return tf.reduce_logsumexp(logits, 1) - tf.reduce_logsumexp(inside, 1)


def fit(network, data, training, how=None, seed=0, progress=True):
    """Train a classifier, on images as they are or as an attack changes them.

    Args:
        network: a ConvNet of the course, (N, H, W, C) -> logits; trained in place.
        data: data.Labelled.
        training: train.settings.Training.
        how: spec.Attack that changes every batch against the network as it is then;
            None: none.
        seed: order of the batches and random starts.
        progress: show a progress line.

    Returns:
        dict of `loss`: one float an epoch, of what was trained on.

    Source: Madry et al. (2018), equation 2.1.
    """
    images, labels = spec.check(network.a, data.train_images, data.train_labels)
    rng, history, step = np.random.default_rng([seed, 2]), {"loss": []}, 0
    total, peak = steps(len(images), training), training.learning_rate
    optimizer = keras.optimizers.Adam(peak, epsilon=training.epsilon)
    slope = _compiled(network, how.loss) if how else None
    learn = tf.function(_learn)
    with Progress(training.epochs, "training in Keras, epoch", progress) as bar:
        for epoch in range(training.epochs):
            losses = []
            for batch in order(len(images), training.batch_size, epoch, seed):
                shown, target = _tensors(network, images[batch], labels[batch])
                if how:
                    begun = _begun(shown, how, rng)
                    shown = _attacked(shown, target, how, begun, slope)
                optimizer.learning_rate = half_cosine(step, total, peak)
                losses.append(float(learn(network, optimizer, shown, target)))
                step += 1
            history["loss"].append(float(np.mean(losses)))
            bar.step(f"loss {history['loss'][-1]:.3f}")
    return history


def _learn(network, optimizer, x, y):
    """One training step: the mean loss before it."""
    with tf.GradientTape() as tape:
        logits = network(_scaled(network, x), training=True)
        loss = tf.reduce_mean(_losses(logits, y))
    variables = network.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
    return loss


def _begun(x, how, rng):
    """Random places in the boxes around a batch, drawn as the PyTorch twin draws them."""
    if how.start == "image":
        return x
    noise = rng.uniform(-how.epsilon, how.epsilon, x.shape)
    return tf.clip_by_value(x + tf.cast(noise, x.dtype), 0, 1)


def _scaled(network, x):
    """Pixels in [0, 1] as the network reads them: N, H, W, C."""
    matrix, shift = (tf.cast(v, x.dtype) for v in spec.scaling(network.a))
    return tf.tensordot(x, matrix, 1) + shift


def _tensors(network, images, labels):
    return tf.cast(np.asarray(images), network.inputs[0].dtype), tf.constant(labels)
