"""The facts of the adversarial network on the plane: two small dense networks, and how they are trained."""
from dataclasses import dataclass, replace

import numpy as np

from dlbook.gan.training import GanTraining
from dlbook.train import initial


@dataclass(frozen=True)
class Architecture:
    """What fixes the shape of both networks.

    Args:
        latent_dim: normal numbers from which a point is generated, Z.
        units: of each hidden layer, which is followed by a ReLU.
        layers: hidden layers of each network.
        spectral: bound the slope of each of the discriminator's layers by 1: its weights are divided by their spectral norm.

    Raises:
        ValueError: a value out of its range.
    """
    latent_dim: int = 16
    units: int = 64
    layers: int = 2
    spectral: bool = False

    def __post_init__(self):
        for name in ("latent_dim", "units", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")

    @property
    def hidden(self):
        """Names of the hidden layers, from the input on: `dense1`, `dense2`."""
        return [f"dense{k + 1}" for k in range(self.layers)]


ARCHITECTURE = Architecture()


def weight_shapes(a=ARCHITECTURE):
    """Shapes of all weights in the exchange format.

    Args:
        a: Architecture.

    Returns:
        dict of name to shape, the generator's before the discriminator's. Where it is spectral, each layer of the discriminator has a
        `direction`, which is not learnt: the estimate of the direction in which it stretches most.
    """
    shapes = {}
    for network, inputs, last, outputs in (("generator", a.latent_dim, "point", 2), ("discriminator", 2, "logit", 1)):
        for layer, size in [*((name, a.units) for name in a.hidden), (last, outputs)]:
            shapes |= {f"{network}_{layer}.weight": (size, inputs), f"{network}_{layer}.bias": (size,)}
            if a.spectral and network == "discriminator":
                shapes[f"{network}_{layer}.direction"] = (size,)
            inputs = size
    return shapes


def draw(a, seed):
    """Starting weights: normal with variance 2 / fan_in, biases 0; a direction is any vector of length 1.

    Args:
        a: Architecture.
        seed: whole number; each entry has a stream of its own.

    Returns:
        dict of weight name to array.
    """
    shapes = weight_shapes(a)
    weights = initial.draw_by_name(shapes, seed)
    return weights | {name: np.full(shape, shape[0] ** -0.5) for name, shape in shapes.items() if name.endswith(".direction")}


def total(a=ARCHITECTURE):
    """Learnt parameters: dict of `generator` and `discriminator` to their number."""
    learnt = {name: int(np.prod(shape)) for name, shape in weight_shapes(a).items() if not name.endswith(".direction")}
    return {network: sum(size for name, size in learnt.items() if name.startswith(network)) for network in ("generator", "discriminator")}


# Chosen on `data.plane.ring()`, so that one change at a time is seen to matter. Everything that a remedy does not need is the same.
# Adam without momentum (beta1 0, beta2 0.9) is the choice of Gulrajani et al. (2017); with 0.5 the cured games swing from mode to mode.
# At 4e-3 a cured game has found all eight modes by step 1000; at 2e-3 its points are not yet on them at the end.
# The average changes nothing about what is covered; it takes the last turns' trembling out of the points.
_GAME = GanTraining(steps=1500, batch_size=256, learning_rate=4e-3, beta1=0.0, beta2=0.9, average=0.99)

TRAINING = {
    # Does not begin: the discriminator sees through all 16-dimensional points at once, and the loss of the generator is flat there.
    "minimax": replace(_GAME, objective="minimax"),
    # Collapses: sharp points, on one to three of the eight modes. With a latent_dim of 2 it covers seven or eight.
    "nonsaturating": _GAME,
    # First remedy: the discriminator of `ARCHITECTURES["spectral"]`, whose slope is bounded; the loss is the one that collapses.
    "spectral": _GAME,
    # Second remedy. On this small square a weight of 1 finds the modes sooner than the 10 of the paper; so do two steps of the
    # discriminator at the cost of one, and five, as in the paper, take too long for a chapter.
    "wasserstein": replace(_GAME, objective="wasserstein", penalty=1.0, discriminator_steps=2),
}
ARCHITECTURES = {name: replace(ARCHITECTURE, spectral=name == "spectral") for name in TRAINING}
