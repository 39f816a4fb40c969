"""How a generative adversarial network is trained, and what is drawn for it, in NumPy so that both twins see the same."""
from dataclasses import dataclass

import numpy as np

from dlbook.gan.objectives import spec
from dlbook.train.batches import order
from dlbook.train.progress import Progress
from dlbook.train.windows import finite

NOISE, MIX, SHOWN = 1, 2, 3  # streams of random numbers: of a seed, each use has its own


@dataclass(frozen=True)
class GanTraining:
    """How the two networks are trained, each with an Adam of its own.

    Args:
        steps: turns of the game; in each the generator learns once.
        batch_size: real and generated samples a step.
        learning_rate: of both networks.
        beta1: how slowly Adam forgets the gradients; 0.5 is the choice of Radford et al. (2015), section 4, since the other player
            has moved on by the time an older gradient is followed.
        beta2: how slowly Adam forgets the squared gradients.
        epsilon: added to the root in Adam.
        objective: one of `objectives.spec.OBJECTIVES`.
        discriminator_steps: updates of the discriminator in each turn.
        penalty: weight of the gradient penalty; 0 is none.
        average: share of itself that the average of the generator's weights keeps in each turn; 0 keeps no average.
        measured: turns from one measurement to the next.

    Raises:
        ValueError: a value out of its range, or an unknown objective.
    """
    steps: int
    batch_size: int
    learning_rate: float
    beta1: float = 0.5
    beta2: float = 0.999
    epsilon: float = 1e-7
    objective: str = "nonsaturating"
    discriminator_steps: int = 1
    penalty: float = 0.0
    average: float = 0.0
    measured: int = 100

    def __post_init__(self):
        for name in ("steps", "batch_size", "discriminator_steps", "measured"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        for name in ("learning_rate", "epsilon"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0; got {getattr(self, name)}.")
        for name in ("beta1", "beta2", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is a share from 0 to below 1; got {getattr(self, name)}.")
        if not self.penalty >= 0:
            raise ValueError(f"penalty cannot be below 0; got {self.penalty}.")
        spec.check(self.objective)


def noise(seed, step, shape):
    """Normal noise of a turn, from which samples are generated.

    Args:
        seed: whole number.
        step: whole number; each turn has its own noise.
        shape: for k discriminator steps (k, B, Z); the generator learns from the last batch.

    Returns:
        float64 array of that shape.
    """
    return np.random.default_rng([seed, NOISE, step]).standard_normal(shape)


def mix(seed, step, shape):
    """Shares of the real samples in the points of the gradient penalty.

    Args:
        seed, step: as for `noise`.
        shape: for k discriminator steps (k, B).

    Returns:
        float64 array of that shape, in [0, 1).
    """
    return np.random.default_rng([seed, MIX, step]).random(shape)


def drawn(training, latent_dim, seed, step):
    """What a turn of the game draws besides its real samples.

    Args:
        training: GanTraining with k discriminator steps.
        latent_dim: numbers from which one sample is generated, Z.
        seed, step: as for `noise`.

    Returns:
        (noise (k, B, Z), mix (k, B)).
    """
    k, size = training.discriminator_steps, training.batch_size
    return noise(seed, step, (k, size, latent_dim)), mix(seed, step, (k, size))


def shown(seed, shape):
    """Normal noise for samples to look at and to measure; no turn of a training draws it."""
    return np.random.default_rng([seed, SHOWN]).standard_normal(shape)


def batches(n, training, seed, first=0):
    """Which of n training samples each turn sees; whole batches only, in a new order each time all have been seen.

    Args:
        n: number of samples.
        training: GanTraining with k discriminator steps.
        seed: whole number.
        first: turn to begin with, counted from 0; an interrupted training goes on as if it had not been interrupted.

    Yields:
        (k, B) int64 indices, one array a turn up to the last.

    Raises:
        ValueError: fewer samples than a batch.
    """
    k, whole = training.discriminator_steps, n // training.batch_size
    if whole < 1:
        raise ValueError(f"a batch has {training.batch_size} samples, and there are {n} to learn from; take a smaller batch_size.")
    epoch, shuffled = None, None
    for step in range(first, training.steps):
        chosen = []
        for number in range(step * k, (step + 1) * k):
            if epoch != number // whole:
                epoch = number // whole
                shuffled = order(n, training.batch_size, epoch, seed)
            chosen.append(shuffled[number % whole])
        yield np.stack(chosen)


def play(step, turns, training, on_step=None, on_measure=None, label="training, part", progress=True,
         first=0):
    """Play turn after turn, watch that the losses stay finite, and stop from time to time to measure.

    Args:
        step: function that plays a turn and returns both losses, as `objectives.with_torch.stepper` makes it.
        turns: iterable of what each turn is played with: (real, noise, mix).
        training: GanTraining.
        on_step: called as on_step(step, discriminator_loss, generator_loss) after each turn, counted from 1.
        on_measure: called as on_measure(step) after each `training.measured` turns and after the last.
        label: of the progress line.
        progress: show it.
        first: turns that were played before, by a training that goes on.

    Returns:
        dict of `discriminator` and `generator`: one loss a turn.

    Raises:
        FloatingPointError: a loss became infinite or not a number.
    """
    history = {"discriminator": [], "generator": []}
    with Progress(-(-(training.steps - first) // training.measured), label, progress) as bar:
        for number, turn in enumerate(turns, first + 1):
            losses = [finite(loss, number) for loss in step(*turn)]
            for values, loss in zip(history.values(), losses):
                values.append(loss)
            if on_step:
                on_step(number, *losses)
            if number % training.measured == 0 or number == training.steps:
                bar.step()
                if on_measure:
                    on_measure(number)
    return history
