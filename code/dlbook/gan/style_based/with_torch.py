"""A style-based GAN in PyTorch."""
import numpy as np
import torch
from torch import nn
from torch.nn.functional import conv2d

from dlbook import profile, runs
from dlbook.gan import session
from dlbook.gan import training as game
from dlbook.gan.blocks.with_torch import Discriminator, EqualDense, double, leaky, pixel_norm
from dlbook.gan.dcgan import spec as dcgan
from dlbook.gan.dcgan.with_torch import draw, put_back, train, weights_of
from dlbook.gan.style_based import spec
from dlbook.train import initial

BATCH = 500  # images generated at once


def modulated(x, kernel, style, demodulate=True):
    """A convolution whose kernel each image's style scales, map by map.

    Args:
        x: maps (N, I, H, W).
        kernel: (O, I, k, k).
        style: (N, I), one number for each map that is read.
        demodulate: divide each kernel by its length, so that no style makes the
            maps that it gives stronger or weaker.

    Returns:
        (N, O, H, W).

    Source: Karras et al. (2020), section 2.2, equations 1 and 3.
    """
    # Scaling what a kernel reads is scaling the kernel: one convolution for all.
    y = conv2d(x * style[:, :, None, None], kernel, padding="same")
    if not demodulate:
        return y
    # sum over i, k of (s_i w_oik)^2
    power = style.square() @ kernel.square().sum((2, 3)).T  # N, O
    return y * (power + spec.TINY).rsqrt()[:, :, None, None]


class Modulated(nn.Module):
    """A modulated convolution: maps (N, I, H, W), style (N, I) -> N, O, H, W.

    Its kernel is scaled at run time, as in `EqualConv`.

    Args:
        maps, filters: that it reads, I, and gives, O.
        kernel: side of the kernel.
    """

    def __init__(self, maps, filters, kernel=spec.KERNEL):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(filters, maps, kernel, kernel))
        self.scale = (maps * kernel**2) ** -0.5

    def forward(self, x, style):
        return modulated(x, self.scale * self.weight, style)


class ToImage(Modulated):
    """What makes an image of maps: N, I, H, W, style (N, I) -> N, channels, H, W.

    Args:
        maps, channels: that it reads and gives.
    """

    def __init__(self, maps, channels):
        super().__init__(maps, channels, 1)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x, style):
        y = modulated(x, self.scale * self.weight, style, demodulate=False)
        return y + self.bias[:, None, None]


class Noise(nn.Module):
    """Noise of learnt strength, a bias and a leaky ReLU.

    Maps (N, C, H, W), noise (N, 1, H, W) or None -> N, C, H, W.

    Args:
        maps: C.
    """

    def __init__(self, maps):
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(1))
        self.bias = nn.Parameter(torch.zeros(maps))

    def forward(self, x, noise=None):
        if noise is not None:
            x = x + self.strength * noise
        return leaky(x + self.bias[:, None, None]) * spec.GAIN


class Constant(nn.Module):
    """The learnt maps with which every image begins: styles (N, D) -> (N, C, 4, 4).

    Args:
        maps: C.
    """

    def __init__(self, maps):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(maps, spec.START, spec.START))

    def forward(self, styles):
        return self.weight.expand(len(styles), -1, -1, -1)


class Generator(nn.Module):
    """Numbers (N, R) -> images (N, channels, H, W): a mapping and a synthesis.

    Args:
        a: spec.Architecture.
    """

    def __init__(self, a):
        super().__init__()
        self.a, d = a, a.latents
        for k in range(1, a.mapped + 1):
            self.add_module(f"map{k}", EqualDense(d, d, rate=a.pace))
        self.constant = Constant(a.maps[0])
        for layer in a.layers:
            told = EqualDense(d, layer.before, gain=1)
            self.add_module(f"{layer.name}_style", told)
            self.add_module(layer.name, Modulated(layer.before, layer.after))
            self.add_module(f"{layer.name}_noise", Noise(layer.after))
        for side, maps in zip(a.sides, a.maps):
            self.add_module(f"image{side}_style", EqualDense(d, maps, gain=1))
            self.add_module(f"image{side}", ToImage(maps, a.channels))

    def forward(self, numbers):
        z, noise, chance = numbers.tensor_split(spec.cuts(self.a), 1)
        w = self.mapping(z)  # N, D
        own = chance > torch.as_tensor(spec.crossings(self.a)).to(w)  # N, L
        other = w.roll(1, 0) if self.training else w  # the neighbour's
        styles = torch.where(own[..., None], w[:, None], other[:, None])  # N, L, D
        return self.synthesis(styles, noise)

    def mapping(self, z):
        """Latent numbers (N, D) -> styles (N, D)."""
        w = pixel_norm(z)
        for k in range(1, self.a.mapped + 1):
            w = leaky(self.get_submodule(f"map{k}")(w))
        return w

    def synthesis(self, styles, noise=None):
        """Styles (N, L, D), noise of all layers (N, P) or None -> images (N, C, H, W)."""
        x, image = self.constant(styles), None
        for k, layer in enumerate(self.a.layers):
            w = styles[:, k]  # N, D
            x = double(x) if layer.doubled else x
            x = self.styled(layer.name, x, w)  # N, maps, side, side
            x = self.get_submodule(f"{layer.name}_noise")(x, self.cut(noise, k))
            if layer.image:
                more = self.styled(f"image{layer.side}", x, w)  # N, C, side, side
                image = more if image is None else double(image) + more
        return image.tanh()

    def styled(self, name, x, w):
        """A modulated convolution of maps (N, I, H, W), told the style (N, D)."""
        style = self.get_submodule(f"{name}_style")(w)  # N, I
        return self.get_submodule(name)(x, style)

    def cut(self, noise, k):
        """Layer k's map (N, 1, side, side) of all noise (N, P), or None."""
        if noise is None:
            return None
        (first, end), side = spec.noise_spans(self.a)[k], self.a.layers[k].side
        return noise[:, first:end].reshape(-1, 1, side, side)


class StyleGAN(nn.Module):
    """A generator, a discriminator, and a generator that follows the first on average.

    Numbers (N, R) -> images (N, C, H, W) -> logits (N, 1).

    Args:
        a: spec.Architecture.
    """

    def __init__(self, a):
        super().__init__()
        self.a = a
        self.generator, self.averaged = Generator(a), Generator(a).requires_grad_(False)
        self.discriminator = Discriminator(a.channels, a.judged)


def style_gan(a=spec.quick, seed=0, weights=None, dtype="float32"):
    """Build both networks: numbers (N, R) -> images (N, C, H, W) -> logits (N, 1).

    Args:
        a: spec.Architecture.
        seed: starting weights; the Keras twin starts the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        StyleGAN with a `generator`, a `discriminator` and an `averaged` generator that equals the first until they are trained.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    gan = StyleGAN(a).to(profile.torch_device(), getattr(torch, initial.precision(dtype)))
    put_back(gan, spec.draw(a, seed) if weights is None else weights)
    return gan.to(memory_format=torch.channels_last)  # faster


def to_inputs(gan, images):
    """Turn images (N, S, S) or (N, S, S, 3) in [0, 1], or digits of 28 x 28, into a tensor (N, C, S, S) in [-1, 1]."""
    weight = next(gan.parameters())
    scaled = torch.as_tensor(spec.inputs(gan.a, images), dtype=weight.dtype, device=weight.device)
    return scaled.permute(0, 3, 1, 2).contiguous()


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
    with torch.no_grad():
        return network.mapping(torch.as_tensor(z).to(network.constant.weight)).cpu().numpy()


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
    tensor = lambda values: None if values is None else torch.as_tensor(values).to(network.constant.weight)
    with torch.no_grad():
        parts = [network.synthesis(tensor(some), tensor(pixels)) for some, pixels in spec.portions(w, noise, BATCH)]
    return dcgan.to_images(torch.cat(parts).permute(0, 2, 3, 1).cpu().numpy())


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
    inputs = to_inputs(gan, images).cpu().numpy()
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
