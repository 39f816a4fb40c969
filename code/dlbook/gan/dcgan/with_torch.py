"""DCGAN in PyTorch."""
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import conv2d

from dlbook import profile, runs
from dlbook.cnn.blocks.images import as_inputs
from dlbook.cnn.blocks.with_torch import Norm, conv
from dlbook.gan import session
from dlbook.gan import training as game
from dlbook.gan.dcgan import spec
from dlbook.gan.objectives import with_torch as objectives
from dlbook.parity import layout
from dlbook.train import initial

BATCH = 500  # images generated at once


class _Up(nn.ConvTranspose2d):
    """A fractionally strided convolution: N, channels, H, W -> N, filters, 2H, 2W.

    Padded as TensorFlow pads: of a kernel of 5 x 5, the odd row and column hang
    over below and to the right.
    """

    def __init__(self, channels, filters, kernel):
        super().__init__(channels, filters, kernel, stride=2,
                         padding=(kernel - 2) // 2, bias=False)

    def forward(self, x):
        height, width = x.shape[2:]
        return super().forward(x)[:, :, :2 * height, :2 * width]


class _Maps(nn.Unflatten):
    """A vector cut into maps: N, C H W -> N, C, H, W, in memory channels last."""

    def forward(self, x):
        return super().forward(x).contiguous(memory_format=torch.channels_last)


class _Logit(nn.Linear):
    """A dense layer on maps: N, C, H, W -> N, 1.

    Computed as a convolution with a kernel as large as the map, since its slope
    then lies in memory as the maps do.
    """

    def __init__(self, maps, side):
        super().__init__(maps * side**2, 1, bias=False)
        self.kernel = (1, maps, side, side)

    def forward(self, x):
        return conv2d(x, self.weight.view(self.kernel)).flatten(1)


def _down(channels, filters, kernel):
    """A strided convolution: N, channels, H, W -> N, filters, H / 2, W / 2."""
    return conv(channels, filters, kernel, 2, "same" if kernel % 2 else kernel // 2 - 1)


def generator(a):
    """Noise (N, z) -> images (N, C, H, W) in [-1, 1]."""
    first, side = a.maps[0], a.start
    layers = OrderedDict(
        project=nn.Linear(a.latent_dim, first * side**2, bias=False),
        maps=_Maps(1, (first, side, side)),
        project_norm=Norm(first, spec.NORM),
        project_relu=nn.ReLU(inplace=True),
    )
    for k, (before, after) in enumerate(pairwise(a.maps), 1):  # half the maps,
        layers[f"up{k}"] = _Up(before, after, a.kernel)  # twice the side
        layers[f"up{k}_norm"] = Norm(after, spec.NORM)
        layers[f"up{k}_relu"] = nn.ReLU(inplace=True)
    layers["image"] = _Up(a.maps[-1], a.channels, a.kernel)  # no normalisation
    layers["tanh"] = nn.Tanh()
    return nn.Sequential(layers)


def discriminator(a):
    """Images (N, C, H, W) in [-1, 1] -> logits (N, 1), positive for real ones."""
    layers, maps = OrderedDict(), [a.channels, *reversed(a.maps)]
    for k, (before, after) in enumerate(pairwise(maps), 1):  # half the side
        layers[f"down{k}"] = _down(before, after, a.kernel)
        if k > 1:  # no normalisation of the image
            layers[f"down{k}_norm"] = Norm(after, spec.NORM)
        layers[f"down{k}_relu"] = nn.LeakyReLU(spec.SLOPE, inplace=True)
    layers["logit"] = _Logit(a.maps[0], a.start)
    return nn.Sequential(layers)


class DCGAN(nn.Module):
    """A generator, a discriminator, and a generator that follows the first on average.

    Noise (N, z) -> images (N, C, H, W) -> logits (N, 1).

    Args:
        a: spec.Architecture.
    """

    def __init__(self, a):
        super().__init__()
        self.a = a
        self.generator, self.discriminator = generator(a), discriminator(a)
        self.averaged = generator(a).requires_grad_(False)


def dcgan(a=spec.quick, seed=0, weights=None, dtype="float32"):
    """Build both networks: noise (N, z) -> images (N, C, H, W) -> logits (N, 1).

    Args:
        a: spec.Architecture.
        seed: starting weights; the Keras twin starts the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        DCGAN with a `generator`, a `discriminator` and an `averaged` generator that equals the first until they are trained.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    gan = DCGAN(a).to(profile.torch_device(), getattr(torch, initial.precision(dtype)))
    put_back(gan, spec.draw(a, seed) if weights is None else weights)
    return gan.to(memory_format=torch.channels_last)  # faster


def weights_of(gan):
    """All weights in the exchange format: dict of name to array, convolutions (O, I, H, W), transposed ones (I, O, H, W).

    Those of the averaged generator stand under `averaged.`.
    """
    return {name: value.detach().cpu().contiguous().numpy().copy() for name, value in gan.state_dict().items()}


def put_back(gan, weights):
    """Give a GAN other weights.

    Args:
        gan: DCGAN, changed in place.
        weights: dict as `weights_of` returns it; without the averaged generator, that becomes the generator.

    Raises:
        ValueError: the weights belong to another network; the GAN is left as it was.
    """
    whole, own = spec.with_average(weights), gan.state_dict()
    layout.check(whole, {name: value.shape for name, value in own.items()})
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(torch.as_tensor(np.asarray(whole[name])))


def to_inputs(gan, images):
    """Turn images (N, H, W) or (N, H, W, 3) in [0, 1] into what the discriminator reads: a tensor (N, C, H, W) in [-1, 1]."""
    weight = next(gan.parameters())
    scaled = as_inputs(images, gan.a.side, gan.a.channels, "signed")
    return torch.as_tensor(scaled, dtype=weight.dtype, device=weight.device).permute(0, 3, 1, 2).contiguous()


def draw(gan, noise, averaged=True):
    """Generate images (N, H, W) or (N, H, W, 3) in [0, 1].

    Args:
        gan: DCGAN.
        noise: (N, z).
        averaged: take the averaged generator; False takes the one that is trained.

    Returns:
        floating point array.
    """
    network = (gan.averaged if averaged else gan.generator).eval()
    weight = next(network.parameters())
    with torch.no_grad():
        parts = [network(z) for z in torch.as_tensor(noise, dtype=weight.dtype, device=weight.device).split(BATCH)]
    return spec.to_images(torch.cat(parts).permute(0, 2, 3, 1).cpu().numpy())


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
    inputs = to_inputs(gan, images).cpu().numpy()
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
        "torch", gan.a, objectives.stepper(gan, training, optimizers), lambda noise: draw(gan, noise),
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
