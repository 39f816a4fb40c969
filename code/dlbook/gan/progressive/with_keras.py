"""Progressive growing in Keras."""
import sys

import keras
from keras import ops

from dlbook import runs
from dlbook.cnn.blocks.with_keras import precision
from dlbook.gan import session
from dlbook.gan import training as game
from dlbook.gan.blocks import with_keras as blocks
from dlbook.gan.blocks.with_keras import EqualConv, EqualDense, double, halve, leaky, pixel_norm
from dlbook.gan.dcgan import with_keras as dcgan
from dlbook.gan.dcgan.with_keras import put_back, weights_of
from dlbook.gan.objectives import with_keras as objectives
from dlbook.gan.progressive import spec
from dlbook.gan.progressive.growing import Grower


class Growth:
    """How far the networks have grown: `side` of the images, and `alpha`, the share of the newest resolution.

    The share is a variable: a compiled step reads it anew each time.
    """

    def __init__(self, side):
        self.alpha = keras.Variable(1.0, trainable=False, dtype=keras.config.dtype_policy().name)
        self.set(side, 1.0)

    def set(self, side, alpha):
        """Grow to a side, with a share of its resolution."""
        self.side = side
        self.alpha.assign(alpha)

    def fade(self, old, new):
        """The resolution before, enlarged, and the newest, in their shares."""
        return (1 - self.alpha) * old + self.alpha * new


class Generator(keras.Model):
    """Noise (N, z) -> images (N, S, S, C) in about [-1, 1], of the side S that it has grown to.

    Args:
        a: spec.Architecture.
        growth: Growth, shared with the other networks.
    """

    def __init__(self, a, growth):
        super().__init__(name="generator")
        self.a, self.growth = a, growth
        self.start = EqualDense(a.latent_dim, a.maps[0] * 4 * 4, name="start")
        self.add("conv4", a.maps[0], a.maps[0])
        for side, coarser, own in zip(a.sides[1:], a.maps, a.maps[1:]):
            self.add(f"conv{side}_1", coarser, own)
            self.add(f"conv{side}_2", own, own)
        for side, own in zip(a.sides, a.maps):
            self.add(f"image{side}", own, a.channels, 1, gain=1)
        self.built = True  # the layers have their weights

    def add(self, name, *args, **options):
        """A convolution with a name; the arguments are those of `EqualConv`."""
        setattr(self, name, EqualConv(*args, **options, name=name))

    def begin(self, z):
        """Noise (N, z) -> maps (N, 4, 4, C)."""
        x = ops.reshape(self.start(pixel_norm(z)), (-1, self.a.maps[0], 4, 4))
        x = pixel_norm(leaky(ops.transpose(x, (0, 2, 3, 1))))  # N, 4, 4, C
        return pixel_norm(leaky(self.conv4(x)))

    def up(self, x, side):
        """Maps of half the side -> maps of a side."""
        x = double(x)  # N, side, side, C
        x = pixel_norm(leaky(getattr(self, f"conv{side}_1")(x)))  # N, side, side, C'
        return pixel_norm(leaky(getattr(self, f"conv{side}_2")(x)))

    def image(self, x, side):
        """Maps (N, side, side, C') -> images (N, side, side, C)."""
        return getattr(self, f"image{side}")(x)

    def call(self, z):
        before, x, side = None, self.begin(z), self.growth.side
        for finer in self.a.sides[1:]:
            if finer <= side:
                before, x = x, self.up(x, finer)
        if before is None:
            return self.image(x, side)
        old = double(self.image(before, side // 2))
        return self.growth.fade(old, self.image(x, side))


class Discriminator(blocks.Discriminator):
    """Images (N, S, S, C) in [-1, 1] -> logits (N, 1), of the side S that it has grown to.

    Args:
        a: spec.Architecture.
        growth: Growth, shared with the other networks.
    """

    def __init__(self, a, growth):
        super().__init__(a.channels, a.maps)
        self.growth = growth
        for side, own in zip(a.sides[:-1], a.maps):
            self.add(f"image{side}", a.channels, own, 1)

    def call(self, images):
        side = self.growth.side
        x = self.read(images, side)
        if side > self.sides[0]:
            old = self.read(halve(images), side // 2)
            x = self.growth.fade(old, self.down(x, side))
        for coarser in reversed(self.sides[1:]):
            if coarser < side:
                x = self.down(x, coarser)
        return self.end(x)


class Progressive:
    """A generator, a discriminator, and a generator that follows the first on average, all grown alike.

    Noise (N, z) -> images (N, S, S, C) -> logits (N, 1).

    Args:
        a: spec.Architecture.
    """

    def __init__(self, a):
        self.a, self.growth = a, Growth(a.side)
        self.generator, self.discriminator = Generator(a, self.growth), Discriminator(a, self.growth)
        self.averaged = Generator(a, self.growth)


def progressive(a=spec.quick, seed=0, weights=None, dtype="float32"):
    """Build both networks, fully grown: noise (N, z) -> images (N, S, S, C) -> logits (N, 1).

    Args:
        a: spec.Architecture.
        seed: starting weights; the PyTorch twin starts the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        Progressive with a `generator`, a `discriminator`, an `averaged` generator that equals the first until they are trained,
        and a `growth`.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    with precision(dtype):
        gan = Progressive(a)
    put_back(gan, spec.draw(a, seed) if weights is None else weights)
    grow(gan, a.side)
    return gan


def grow(gan, side, alpha=1.0):
    """Let the networks make and judge images of another size; only the layers that this takes are learnt from then on.

    Args:
        gan: Progressive, changed in place.
        side: of the images, one of `gan.a.sides`.
        alpha: share of the newest resolution, in [0, 1].

    Raises:
        ValueError: another side or share.
    """
    spec.check_growth(gan.a, side, alpha)
    gan.growth.set(side, alpha)
    for network in (gan.generator, gan.discriminator):
        for layer in network.layers:
            layer.trainable = spec.active(layer.name, side)


def to_inputs(gan, images):
    """Turn images (N, S, S) or (N, S, S, 3) in [0, 1], or digits of 28 x 28, into an array (N, S, S, C) in [-1, 1]."""
    return spec.inputs(gan.a, images).astype(gan.generator.weights[0].dtype)


def draw(gan, noise, averaged=True):
    """Generate images (N, S, S) or (N, S, S, 3) in [0, 1], enlarged to full size if the networks have not grown to it.

    Args:
        gan: Progressive.
        noise: (N, z).
        averaged: take the averaged generator; False takes the one that is trained.

    Returns:
        floating point array.
    """
    return spec.full_size(gan.a, dcgan.draw(gan, noise, averaged))


def sample(gan, n, seed=0, averaged=True):
    """Generate images (n, S, S) or (n, S, S, 3) in [0, 1] from noise drawn from a seed; see `draw`."""
    return draw(gan, game.shown(seed, (n, gan.a.latent_dim)), averaged)


def fit(gan, images, training=spec.TRAINING["quick"], seed=0, on_step=None, on_measure=None,
        progress=True, path=None, collapsed=session.COLLAPSED):
    """Train both networks while they grow; the arguments are those of DCGAN's `fit`.

    Args:
        gan: Progressive, trained in place.
        images: (N, S, S) or (N, S, S, 3), or digits of 28 x 28, floating point in [0, 1].
        training: spec.Growing, with the schedule.
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
        dict as DCGAN's `fit` has it; `samples` are enlarged to full size.

    Raises:
        ValueError: too few images, a schedule for other networks, or a file of another training.
        FloatingPointError: a loss became infinite or not a number; the last good weights are back.
        Collapse: the generator makes one image again and again; the last good weights are back.
    """
    spec.check(gan.a, training)
    inputs = spec.inputs(gan.a, images)
    grower = Grower(gan, training, sys.modules[__name__], objectives)
    return grower.train("keras", inputs, images, seed, on_step, on_measure, progress, path, collapsed)


def load(task="grown"):
    """A trained GAN, fully grown: noise (N, z) -> images (N, S, S).

    Args:
        task: the run it comes from, one of `full.TASKS`.

    Returns:
        Progressive whose generator is the averaged one.

    Raises:
        FileNotFoundError: no checkpoint is shipped for it.
    """
    path = runs.checkpoint("gan/progressive", task)
    return progressive(spec.Architecture(**runs.about(path)["architecture"]), weights=runs.load_weights(path))
