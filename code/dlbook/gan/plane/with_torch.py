"""The adversarial network on the plane in PyTorch."""
import copy
from collections import OrderedDict

import numpy as np
import torch
from torch import nn
from torch.nn.functional import linear, normalize

from dlbook import profile
from dlbook.data.plane import as_points
from dlbook.gan import training as game
from dlbook.gan.objectives import with_torch as objectives
from dlbook.gan.plane import spec, turns
from dlbook.parity import layout
from dlbook.train import initial


class SpectralDense(nn.Linear):
    """A dense layer that stretches no vector: its weights have a spectral norm of 1.

    They are divided by it; one step of power iteration follows it each time the
    layer is used in training.

    Args:
        inputs, outputs: numbers it reads and gives, (N, inputs) -> (N, outputs).

    Source: Miyato et al. (2018), arXiv 1802.05957, algorithm 1.
    """

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.register_buffer("direction", torch.ones(outputs))

    def forward(self, x):
        with torch.no_grad():
            v = normalize(self.direction @ self.weight, dim=0)  # inputs
            u = normalize(self.weight @ v, dim=0)  # outputs
            if self.training:
                self.direction = u
        sigma = u @ self.weight @ v
        return linear(x, self.weight / sigma, self.bias)


class PlaneGan(nn.Module):
    """A generator (N, Z) -> points (N, 2) and a discriminator (N, 2) -> logits (N, 1).

    Args:
        a: spec.Architecture.
        dtype: `float32` or `float64`.
    """

    def __init__(self, a, dtype):
        super().__init__()
        judging = SpectralDense if a.spectral else nn.Linear
        self.a = a
        self.generator = _dense(a, nn.Linear, a.latent_dim, "point", 2)
        self.discriminator = _dense(a, judging, 2, "logit", 1)
        self.to(getattr(torch, dtype))


def _dense(a, layer, inputs, last, outputs):
    """Hidden layers with a ReLU each, and a last one without."""
    parts = OrderedDict()
    for name in a.hidden:
        parts[name] = layer(inputs, a.units)
        parts[f"{name}_relu"] = nn.ReLU()
        inputs = a.units
    parts[last] = layer(inputs, outputs)
    return nn.Sequential(parts)


def plane_gan(a=spec.ARCHITECTURE, seed=0, weights=None, dtype="float32"):
    """Build a generator (N, Z) -> points (N, 2) and a discriminator (N, 2) -> logits (N, 1).

    Args:
        a: spec.Architecture.
        seed: starting weights; the Keras twin starts from the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        PlaneGan; its `averaged` is a second generator for the average of the first's weights.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    gan = PlaneGan(a, initial.precision(dtype)).to(profile.torch_device())
    values = spec.draw(a, seed) if weights is None else weights
    layout.check(values, spec.weight_shapes(a))
    gan.load_state_dict({name: torch.tensor(np.asarray(values[layout.flat(name)])) for name in gan.state_dict()})
    gan.averaged = copy.deepcopy(gan.generator)
    return gan


def weights_of(gan):
    """The weights of both networks in the exchange format: dict of name to array, matrices (out, in)."""
    values = {layout.flat(name): value.detach().cpu().numpy().copy() for name, value in gan.state_dict().items()}
    return {name: values[name] for name in spec.weight_shapes(gan.a)}


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
    with torch.no_grad():
        return generator.eval()(_tensor(gan, game.shown(seed, (n, gan.a.latent_dim)))).cpu().numpy()


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
    with torch.no_grad():
        return gan.discriminator.eval()(_tensor(gan, as_points(points)))[:, 0].cpu().numpy()


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
    points = _tensor(gan, as_points(points)).requires_grad_()
    logits = gan.discriminator.eval()(points)
    loss = len(points) * objectives.generator_loss(objective, logits)  # the sum over the points
    return -torch.autograd.grad(loss, points)[0].cpu().numpy()


def _tensor(gan, values):
    weight = gan.generator.point.weight
    return torch.as_tensor(values, dtype=weight.dtype, device=weight.device)
