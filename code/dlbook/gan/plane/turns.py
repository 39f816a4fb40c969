"""The turns of a game on the plane, in NumPy so that both twins see the same points and noise."""
import numpy as np

from dlbook.gan import training as game
from dlbook.gan.plane import measures

REAL = 0  # stream of random numbers, beside those of `gan.training`
MEASURED = 2000  # generated points at each measurement


def turns(plane, a, training, seed):
    """What each turn is played with.

    Args:
        plane: data.plane.Plane.
        a: spec.Architecture.
        training: GanTraining with k discriminator steps.
        seed: whole number.

    Yields:
        (real points (k, B, 2), noise (k, B, Z), mix (k, B)).
    """
    k, size = training.discriminator_steps, training.batch_size
    for step in range(training.steps):
        real = plane.sample(np.random.default_rng([seed, REAL, step]), k * size)
        yield real.reshape(k, size, 2), *game.drawn(training, a.latent_dim, seed, step)


def play(step, sample, plane, a, training, seed=0, on_step=None, on_measure=None, progress=True):
    """Play a whole game and measure it along the way; both twins' `fit` is this function.

    Args:
        step: plays a turn and returns both losses.
        sample: makes points (N, 2) with the generator as it is.
        plane, a, training, seed: as for `turns`.
        on_step, on_measure, progress: as for the twins' `fit`.

    Returns:
        dict of `discriminator` and `generator`, one loss a turn, and of `step`, `modes`, `good` and `kl`, one value a measurement.

    Raises:
        FloatingPointError: a loss became infinite or not a number.
    """
    measured = {"step": [], "modes": [], "good": [], "kl": []}

    def measure(number):
        for name, value in ({"step": number} | measures.measure(plane, sample())).items():
            measured[name].append(value)
        if on_measure:
            on_measure(number, measured)
    return game.play(step, turns(plane, a, training, seed), training, on_step, measure, "two networks play, part", progress) | measured
