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


# Chosen on `data.plane.ring()` so that one change at a time is seen to matter: what a remedy does not need is the same in all.
# Modes and seconds are those of three seeds in both frameworks on one core.
_GAME = GanTraining(
    steps=1500,  # 3 to 8 s
    batch_size=256,
    # At half of it the cured games too cover all modes, but a third of their points is not on them yet.
    learning_rate=4e-3,
    # Gulrajani et al. (2017), section 4. With a momentum of 0.5 the game of the spectral norm runs away from the ring.
    beta1=0.0, beta2=0.9,
    # Takes the trembling of the last turns out of the points, and changes nothing about what is covered.
    average=0.99,
)

TRAINING = {
    # Saturates: the discriminator soon sees through every point, and there the generator's loss is flat. After all turns
    # less than half of the points are near any mode.
    "minimax": replace(_GAME, objective="minimax"),
    # Collapses: nearly all points are good ones, on one to three of the eight modes, and no more than four after 4,000 turns.
    # Noise of 16 numbers brings that about; with 2 it covers six or seven modes.
    "nonsaturating": _GAME,
    # First remedy: a discriminator whose slope is bounded, `ARCHITECTURES["spectral"]`; the loss is the one that collapses.
    # All eight modes by turn 1,000.
    "spectral": _GAME,
    # Second remedy: all eight modes by turn 1,000. With the paper's weight of 10 the points run away from the ring at this learning
    # rate. Two steps of the discriminator find the modes sooner than one; the paper's five take 10 s.
    "wasserstein": replace(_GAME, objective="wasserstein", penalty=1.0, discriminator_steps=2),
}
ARCHITECTURES = {name: replace(ARCHITECTURE, spectral=name == "spectral") for name in TRAINING}
