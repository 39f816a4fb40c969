"""A style-based GAN in Keras."""
import keras
import numpy as np
from keras import ops

from dlbook import runs
from dlbook.cnn.blocks.with_keras import precision
from dlbook.gan import session
from dlbook.gan import training as game
from dlbook.gan.blocks.with_keras import Discriminator, EqualDense, double, leaky, pixel_norm
from dlbook.gan.dcgan import spec as dcgan
from dlbook.gan.dcgan.with_keras import draw, put_back, train, weights_of
from dlbook.gan.style_based import spec

BATCH = 500  # images generated at once


def modulated(x, kernel, style, demodulate=True):
    """A convolution whose kernel each image's style scales, map by map.

    Args:
        x: maps (N, H, W, I).
        kernel: (k, k, I, O).
        style: (N, I), one number for each map that is read.
        demodulate: divide each kernel by its length, so that no style makes the
            maps that it gives stronger or weaker.

    Returns:
        (N, H, W, O).

    Source: Karras et al. (2020), section 2.2, equations 1 and 3.
    """
    # Scaling what a kernel reads is scaling the kernel: one convolution for all.
    y = ops.conv(x * style[:, None, None], kernel, padding="same")
    if not demodulate:
        return y
    # sum over i, k of (s_i w_ki)^2
    power = ops.matmul(style**2, ops.sum(kernel**2, (0, 1)))  # N, O
    return y * ops.rsqrt(power + spec.TINY)[:, None, None]


class Modulated(keras.layers.Layer):
    """A modulated convolution: maps (N, H, W, I), style (N, I) -> N, H, W, O.

    Its kernel is scaled at run time, as in `EqualConv`.

    Args:
        maps, filters: that it reads, I, and gives, O.
        kernel: side of the kernel.
        name: of the layer.
    """

    def __init__(self, maps, filters, kernel=spec.KERNEL, name=None):
        super().__init__(name=name)
        shape = (kernel, kernel, maps, filters)
        self.kernel = self.add_weight(shape, "zeros", name="kernel")
        self.scale = (maps * kernel**2) ** -0.5

    def call(self, x, style):
        return modulated(x, self.scale * self.kernel, style)


class ToImage(Modulated):
    """What makes an image of maps: N, H, W, I, style (N, I) -> N, H, W, channels.

    Args:
        maps, channels: that it reads and gives.
        name: of the layer.
    """

    def __init__(self, maps, channels, name=None):
        super().__init__(maps, channels, 1, name)
        self.bias = self.add_weight((channels,), "zeros", name="bias")

    def call(self, x, style):
        kernel = self.scale * self.kernel
        return modulated(x, kernel, style, demodulate=False) + self.bias


class Noise(keras.layers.Layer):
    """Noise of learnt strength, a bias and a leaky ReLU.

    Maps (N, H, W, C), noise (N, H, W, 1) or None -> N, H, W, C.

    Args:
        maps: C.
        name: of the layer.
    """

    def __init__(self, maps, name=None):
        super().__init__(name=name)
        self.strength = self.add_weight((1,), "zeros", name="strength")
        self.bias = self.add_weight((maps,), "zeros", name="bias")

    def call(self, x, noise=None):
        if noise is not None:
            x = x + self.strength * noise
        return leaky(x + self.bias) * spec.GAIN


class Constant(keras.layers.Layer):
    """The learnt maps with which every image begins: styles (N, D) -> (N, 4, 4, C).

    Args:
        maps: C.
        name: of the layer.
    """

    def __init__(self, maps, name=None):
        super().__init__(name=name)
        shape = (maps, spec.START, spec.START)
        self.weight = self.add_weight(shape, "zeros", name="weight")

    def call(self, styles):
        maps = ops.transpose(self.weight, (1, 2, 0))[None]  # 1, 4, 4, C
        return ops.repeat(maps, ops.shape(styles)[0], 0)


class Generator(keras.Model):
    """Numbers (N, R) -> images (N, H, W, channels): a mapping and a synthesis.

    Args:
        a: spec.Architecture.
    """

    def __init__(self, a):
        super().__init__(name="generator")
        self.a, d = a, a.latents
        for k in range(1, a.mapped + 1):
            self.add(f"map{k}", EqualDense, d, d, rate=a.pace)
        self.add("constant", Constant, a.maps[0])
        for layer in a.layers:
            self.add(f"{layer.name}_style", EqualDense, d, layer.before, gain=1)
            self.add(layer.name, Modulated, layer.before, layer.after)
            self.add(f"{layer.name}_noise", Noise, layer.after)
        for side, maps in zip(a.sides, a.maps):
            self.add(f"image{side}_style", EqualDense, d, maps, gain=1)
            self.add(f"image{side}", ToImage, maps, a.channels)

    def add(self, name, layer, *args, **options):
        """A layer with a name."""
        setattr(self, name, layer(*args, **options, name=name))

    def call(self, numbers, training=False):
        z, noise, chance = ops.split(numbers, spec.cuts(self.a), 1)
        w = self.mapping(z)  # N, D
        own = chance > ops.convert_to_tensor(spec.crossings(self.a), w.dtype)  # N, L
        other = ops.roll(w, 1, 0) if training else w  # the neighbour's
        styles = ops.where(own[..., None], w[:, None], other[:, None])  # N, L, D
        return self.synthesis(styles, noise)

    def mapping(self, z):
        """Latent numbers (N, D) -> styles (N, D)."""
        w = pixel_norm(z)
        for k in range(1, self.a.mapped + 1):
            w = leaky(getattr(self, f"map{k}")(w))
        return w

    def synthesis(self, styles, noise=None):
        """Styles (N, L, D), noise of all layers (N, P) or None -> images (N, H, W, C)."""
        x, image = self.constant(styles), None
        for k, layer in enumerate(self.a.layers):
            w = styles[:, k]  # N, D
            x = double(x) if layer.doubled else x
            x = self.styled(layer.name, x, w)  # N, side, side, maps
            x = getattr(self, f"{layer.name}_noise")(x, self.cut(noise, k))
            if layer.image:
                more = self.styled(f"image{layer.side}", x, w)  # N, side, side, C
                image = more if image is None else double(image) + more
        return ops.tanh(image)

    def styled(self, name, x, w):
        """A modulated convolution of maps (N, H, W, I), told the style (N, D)."""
        return getattr(self, name)(x, getattr(self, f"{name}_style")(w))

    def cut(self, noise, k):
        """Layer k's map (N, side, side, 1) of all noise (N, P), or None."""
        if noise is None:
            return None
        (first, end), side = spec.noise_spans(self.a)[k], self.a.layers[k].side
        return ops.reshape(noise[:, first:end], (-1, side, side, 1))


class StyleGAN:
    """A generator, a discriminator, and a generator that follows the first on average.

    Numbers (N, R) -> images (N, H, W, C) -> logits (N, 1).

    Args:
        a: spec.Architecture.
    """

    def __init__(self, a):
        self.a = a
        self.generator, self.averaged = Generator(a), Generator(a)
        self.discriminator = Discriminator(a.channels, a.judged)


def style_gan(a=spec.quick, seed=0, weights=None, dtype="float32"):
    """Build both networks: numbers (N, R) -> images (N, H, W, C) -> logits (N, 1).

    Args:
        a: spec.Architecture.
        seed: starting weights; the PyTorch twin starts the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        StyleGAN with a `generator`, a `discriminator` and an `averaged` generator that equals the first until they are trained.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    with precision(dtype):
        gan = StyleGAN(a)
    put_back(gan, spec.draw(a, seed) if weights is None else weights)
    return gan


def to_inputs(gan, images):
    """Turn images (N, S, S) or (N, S, S, 3) in [0, 1], or digits of 28 x 28, into an array (N, S, S, C) in [-1, 1]."""
    return spec.inputs(gan.a, images).astype(gan.generator.weights[0].dtype)


def sample(gan, n, seed=0, averaged=True, psi=1.0):
    """Generate images (n, S, S) or (n, S, S, 3) in [0, 1] from numbers drawn from a seed; see `draw`.

    Args:
        gan: StyleGAN.
        n: number of images.
        seed: whole number.
        averaged: take the averaged generator; False takes the one that is trained.
        psi: how far the styles keep from their mean; see `spec.truncated`.

    Returns:
        floating point array.
    """
    numbers = game.shown(seed, (n, gan.a.latent_dim))
    if psi == 1:
        return draw(gan, numbers, averaged)
    z, noise, _ = np.split(numbers, spec.cuts(gan.a), 1)
    w = spec.truncated(styles(gan, z, averaged), mean_style(gan, averaged=averaged), psi)
    return synthesise(gan, w, noise, averaged)


def styles(gan, z, averaged=True):
    """What the mapping makes of latent numbers.

    Args:
        gan: StyleGAN.
        z: (N, D).
        averaged: take the averaged generator; False takes the one that is trained.

    Returns:
        (N, D) array.
    """
    network = gan.averaged if averaged else gan.generator
    return np.asarray(network.mapping(ops.convert_to_tensor(z, network.weights[0].dtype)))


def mean_style(gan, n=10_000, seed=0, averaged=True):
    """The mean of n styles, (D,), whose latent numbers are drawn from a seed."""
    return styles(gan, game.shown(seed, (n, gan.a.latents)), averaged).mean(0)


def synthesise(gan, w, noise=None, averaged=True):
    """Make images of styles.

    Args:
        gan: StyleGAN.
        w: styles (N, D), or one for each layer, (N, L, D).
        noise: (N, P) pixels of all layers' noise, (1, P) for the same in all images, or None for images without noise.
        averaged: take the averaged generator; False takes the one that is trained.

    Returns:
        images (N, S, S) or (N, S, S, 3) in [0, 1].

    Raises:
        ValueError: styles or noise of other shapes.
    """
    network, (w, noise) = gan.averaged if averaged else gan.generator, spec.synthesis_inputs(gan.a, w, noise)
    tensor = lambda values: None if values is None else ops.convert_to_tensor(values, network.weights[0].dtype)
    parts = [np.asarray(network.synthesis(tensor(some), tensor(pixels))) for some, pixels in spec.portions(w, noise, BATCH)]
    return dcgan.to_images(np.concatenate(parts))


def fit(gan, images, training=spec.TRAINING["quick"], seed=0, on_step=None, on_measure=None,
        progress=True, path=None, collapsed=session.COLLAPSED):
    """Train both networks; the arguments are those of DCGAN's `fit`.

    Args:
        gan: StyleGAN, trained in place.
        images: (N, S, S) or (N, S, S, 3), or digits of 28 x 28, floating point in [0, 1].
        training: GanTraining.
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
        dict as DCGAN's `fit` has it.

    Raises:
        ValueError: too few images, or a file of another training.
        FloatingPointError: a loss became infinite or not a number; the last good weights are back.
        Collapse: the generator makes one image again and again; the last good weights are back.
    """
    inputs = to_inputs(gan, images)
    return train(gan, inputs, images, training, seed, on_step, on_measure, progress, path, collapsed)


def load(task="mnist"):
    """A trained style-based GAN: numbers (N, R) -> images (N, S, S).

    Args:
        task: the images it was trained on.

    Returns:
        StyleGAN whose generator is the averaged one.

    Raises:
        FileNotFoundError: no checkpoint is shipped for it.
    """
    path = runs.checkpoint("gan/style_based", task)
    return style_gan(spec.Architecture(**runs.about(path)["architecture"]), weights=runs.load_weights(path))
