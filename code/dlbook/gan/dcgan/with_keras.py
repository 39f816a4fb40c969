"""DCGAN in Keras."""
import keras
import numpy as np
from keras.layers import (Activation, BatchNormalization, Conv2D, Conv2DTranspose,
                          Dense, Flatten, LeakyReLU, Permute, ReLU, Reshape)

from dlbook import runs
from dlbook.cnn.blocks.images import as_inputs
from dlbook.cnn.blocks.with_keras import precision
from dlbook.gan import session
from dlbook.gan import training as game
from dlbook.gan.dcgan import spec
from dlbook.gan.objectives import with_keras as objectives
from dlbook.parity import layout

PARTS = ("generator", "discriminator", "averaged")
BATCH = 500  # images generated at once


def _up(filters, kernel, name):
    """A fractionally strided convolution: N, H, W, C -> N, 2H, 2W, filters."""
    return Conv2DTranspose(filters, kernel, 2, "same", use_bias=False, name=name)


def _down(filters, kernel, name):
    """A strided convolution: N, H, W, C -> N, H / 2, W / 2, filters."""
    return Conv2D(filters, kernel, 2, "same", use_bias=False, name=name)


def _norm(name):
    """Batch normalisation of maps (N, H, W, C), with the settings of the twin."""
    return BatchNormalization(
        epsilon=spec.NORM.eps, momentum=spec.NORM.momentum, name=name)


def generator(a):
    """Noise (N, z) -> images (N, H, W, C) in [-1, 1]."""
    first, side = a.maps[0], a.start
    layers = [
        Dense(first * side**2, use_bias=False, name="project"),
        Reshape((first, side, side)),
        Permute((2, 3, 1)),  # maps last
        _norm("project_norm"),
        ReLU(),
    ]
    for k, maps in enumerate(a.maps[1:], 1):  # half the maps, twice the side
        layers += [_up(maps, a.kernel, f"up{k}"), _norm(f"up{k}_norm"), ReLU()]
    layers += [_up(a.channels, a.kernel, "image"), Activation("tanh")]
    return keras.Sequential([_input(a.latent_dim), *layers], name="generator")


def discriminator(a):
    """Images (N, H, W, C) in [-1, 1] -> logits (N, 1), positive for real ones."""
    layers = []
    for k, maps in enumerate(reversed(a.maps), 1):  # half the side
        layers.append(_down(maps, a.kernel, f"down{k}"))
        if k > 1:  # no normalisation of the image
            layers.append(_norm(f"down{k}_norm"))
        layers.append(LeakyReLU(spec.SLOPE))
    layers += [Flatten(), Dense(1, use_bias=False, name="logit")]
    image = _input(a.side, a.side, a.channels)
    return keras.Sequential([image, *layers], name="discriminator")


def _input(*shape):
    return keras.Input(shape, dtype=keras.config.dtype_policy().name)


class DCGAN:
    """A generator, a discriminator, and a generator that follows the first on average.

    Noise (N, z) -> images (N, H, W, C) -> logits (N, 1).

    Args:
        a: spec.Architecture.
    """

    def __init__(self, a):
        self.a = a
        self.generator, self.discriminator = generator(a), discriminator(a)
        self.averaged = generator(a)


def dcgan(a=spec.quick, seed=0, weights=None, dtype="float32"):
    """Build both networks: noise (N, z) -> images (N, H, W, C) -> logits (N, 1).

    Args:
        a: spec.Architecture.
        seed: starting weights; the PyTorch twin starts the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        DCGAN with a `generator`, a `discriminator` and an `averaged` generator that equals the first until they are trained.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    with precision(dtype):
        gan = DCGAN(a)
    put_back(gan, spec.draw(a, seed) if weights is None else weights)
    return gan


def weights_of(gan):
    """All weights in the exchange format: dict of name to array, convolutions (O, I, H, W), transposed ones (I, O, H, W).

    Those of the averaged generator stand under `averaged.`.
    """
    return {f"{part}.{name}": value for part in PARTS for name, value in layout.from_keras(getattr(gan, part)).items()}


def put_back(gan, weights):
    """Give a GAN other weights.

    Args:
        gan: DCGAN, changed in place.
        weights: dict as `weights_of` returns it; without the averaged generator, that becomes the generator.

    Raises:
        ValueError: the weights belong to another network; the GAN is left as it was.
    """
    whole = spec.with_average(weights)
    layout.check(whole, {name: value.shape for name, value in weights_of(gan).items()})
    for part in PARTS:
        own = {name.partition(".")[2]: value for name, value in whole.items() if name.startswith(part + ".")}
        layout.to_keras(getattr(gan, part), own)


def to_inputs(gan, images):
    """Turn images (N, H, W) or (N, H, W, 3) in [0, 1] into what the discriminator reads: an array (N, H, W, C) in [-1, 1]."""
    return as_inputs(images, gan.a.side, gan.a.channels, "signed").astype(gan.generator.inputs[0].dtype)


def draw(gan, noise, averaged=True):
    """Generate images (N, H, W) or (N, H, W, 3) in [0, 1].

    Args:
        gan: DCGAN.
        noise: (N, z).
        averaged: take the averaged generator; False takes the one that is trained.

    Returns:
        floating point array.
    """
    network = gan.averaged if averaged else gan.generator
    noise = np.asarray(noise, network.weights[0].dtype)
    parts = [np.asarray(network(noise[i:i + BATCH], training=False)) for i in range(0, len(noise), BATCH)]
    return spec.to_images(np.concatenate(parts))


def sample(gan, n, seed=0, averaged=True):
    """Generate images (n, H, W) or (n, H, W, 3) in [0, 1] from noise drawn from a seed; see `draw`."""
    return draw(gan, game.shown(seed, (n, gan.a.latent_dim)), averaged)


def fit(gan, images, training=spec.TRAINING["quick"], seed=0, on_step=None, on_measure=None,
        progress=True, path=None, collapsed=session.COLLAPSED):
    """Train both networks on images (N, H, W) or (N, H, W, 3).

    Args:
        gan: DCGAN, trained in place.
        images: floating point in [0, 1].
        training: GanTraining without a gradient penalty, which does not go with batch normalisation.
        seed: order of the images, and noise.
        on_step: called as on_step(step, discriminator_loss, generator_loss) after each turn.
        on_measure: called as on_measure(step, history) after each `training.measured` turns and
            after the last; numbers that it appends to new entries of the history are kept too.
        progress: show a progress line.
        path: file in which the training is kept at each measurement, and from which it goes on if it
            was interrupted, with the same result.
        collapsed: images that once were varied, or are the last, and differ less than this share of
            what real ones do, end the training; 0 lets it go on.

    Returns:
        dict with one value a measurement: `step`, `discriminator` and `generator` (mean losses since the
        last one), `variety` (squared distance of two generated images, as a share of that of two real
        ones) and `samples` ((12, H, W) or (12, H, W, 3) uint8, always from the same noise).

    Raises:
        ValueError: too few images, a gradient penalty, or a file of another training.
        FloatingPointError: a loss became infinite or not a number; the last good weights are back.
        Collapse: the generator makes one image again and again; the last good weights are back.
    """
    spec.check(training)
    inputs = to_inputs(gan, images)
    return train(gan, inputs, images, training, seed, on_step, on_measure, progress, path, collapsed)


def train(gan, inputs, images, training, seed, *more):
    """Train any GAN of which its weights and its optimizers are all there is to remember.

    Args:
        gan: has a `generator`, a `discriminator`, an `averaged` generator and an architecture `a`.
        inputs: the images as its discriminator reads them, an array whose first axis is N.
        images: the same in [0, 1].
        training, seed: as for `fit`.
        more: what `session.train` takes behind the seed.

    Returns:
        dict as `fit` has it.

    Raises:
        ValueError, FloatingPointError, Collapse: as `fit`.
    """
    optimizers = objectives.adams(gan, training)
    player = session.Player(
        "keras", gan.a, objectives.stepper(gan, training, optimizers), lambda noise: draw(gan, noise),
        lambda: weights_of(gan) | objectives.moments_of(optimizers), lambda state: _restore(gan, optimizers, state))
    return session.train(player, lambda step, batch: inputs[batch], images, training, seed, *more)


def _restore(gan, optimizers, state):
    put_back(gan, {name: value for name, value in state.items() if ".adam." not in name})
    objectives.put_moments(optimizers, state)


def load(task="mnist"):
    """A trained DCGAN: noise (N, z) -> images (N, H, W).

    Args:
        task: the images it was trained on.

    Returns:
        DCGAN whose generator is the averaged one.

    Raises:
        FileNotFoundError: no checkpoint is shipped for it.
    """
    path = runs.checkpoint("gan/dcgan", task)
    return dcgan(spec.Architecture(**runs.about(path)["architecture"]), weights=runs.load_weights(path))
