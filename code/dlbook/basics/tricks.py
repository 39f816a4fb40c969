"""Small trainings that tell whether a trick helps: one recipe with the trick and one without, from the same seeds.

The task is to read the embedded digits, 8 x 8 pixels, from few examples. A seed chooses the examples, the starting weights and the
order of the batches; two recipes with the same seed share all of it, so that their difference is the trick's.
"""
import copy
import functools
from dataclasses import dataclass, field

import numpy as np

from dlbook.basics import optimisers
from dlbook.basics.activations import ACTIVATIONS
from dlbook.basics.augment import Shift
from dlbook.basics.dense import Dense
from dlbook.basics.dropout import Dropout
from dlbook.basics.flatten import Flatten
from dlbook.basics.network import Network, accuracy, fit
from dlbook.basics.normalise import BatchNorm
from dlbook.basics.softmax import SoftmaxCrossEntropy

HELD_OUT = 797  # of the 1,797 digits: 300 to validate, the others to test; the same for every seed
VALIDATION = 300
CLASSES = 10
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Digits:
    """Digits of 8 x 8 pixels in three parts.

    Args:
        train, validation, test: (images, labels); (N, 8, 8, 1) float64 in [0, 1] and (N,) whole numbers.
    """
    train: tuple = field(repr=False)
    validation: tuple = field(repr=False)
    test: tuple = field(repr=False)


def digits(examples, seed, noise=0.0):
    """Draw examples to train on; those to validate and to test on are always the same.

    Args:
        examples: how many to train on, at most 1,000.
        seed: of the draw.
        noise: share of the examples to train on that get a wrong label.

    Returns:
        Digits.

    Raises:
        ValueError: none, or more than there are, or a share outside [0, 1].
    """
    images, labels = _all_digits()
    fixed = np.random.default_rng(0).permutation(len(images))
    held, rest = fixed[:HELD_OUT], fixed[HELD_OUT:]
    if not 1 <= examples <= len(rest):
        raise ValueError(f"there are 1 to {len(rest)} digits to train on; got {examples}.")
    if not 0 <= noise <= 1:
        raise ValueError(f"the share of wrong labels is from 0 to 1; got {noise}.")
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(rest)[:examples]
    wrong = np.arange(examples) < round(noise * examples)  # the first ones: their order is random
    # A wrong label is one of the nine others.
    shown = (labels[drawn] + wrong * rng.integers(1, CLASSES, examples)) % CLASSES
    return Digits((images[drawn], shown), *((images[some], labels[some]) for some in (held[:VALIDATION], held[VALIDATION:])))


@functools.cache
def _all_digits():
    # Imported here: nothing else of scikit-learn is needed.
    from sklearn.datasets import load_digits

    raw = load_digits()
    return raw.images[..., None] / 16, raw.target  # 17 grey levels, 0..16


@dataclass(frozen=True)
class Recipe:
    """A network and how it is trained; the defaults are a plain network that reads most digits.

    Args:
        hidden: units of each hidden layer.
        activation: a key of ACTIVATIONS.
        scale: of the starting weights: their standard deviation is scale / sqrt(inputs); sqrt(2) suits the ReLU.
        normalise: batch normalisation before each activation.
        dropout: share of the hidden units that is set to 0 in training.
        shift: pixels by which images are moved at random in training.
        optimiser: `sgd`, `momentum` or `adam`.
        rate: learning rate.
        cosine: let it fall along half a cosine.
        decay: weight decay.
        examples: to train on.
        noise: share of them that has a wrong label.
        epochs, batch_size: of the training.
    """
    hidden: tuple = (64,)
    activation: str = "ReLU"
    scale: float = 2**0.5
    normalise: bool = False
    dropout: float = 0.0
    shift: int = 0
    optimiser: str = "sgd"
    rate: float = 0.1
    cosine: bool = False
    decay: float = 0.0
    examples: int = 300
    noise: float = 0.0
    epochs: int = 30
    batch_size: int = 25

    @property
    def steps(self):
        """Of the whole training."""
        return self.epochs * -(-self.examples // self.batch_size)


@dataclass(frozen=True)
class Result:
    """What a training gave.

    Args:
        loss: mean training loss over each epoch, in nats.
        validation: (epochs + 1,) loss on the validation set, before the first epoch and after each; in nats.
        accuracy: share of the test digits that are read after the last epoch.
        network: the trained Network.
    """
    loss: list
    validation: list
    accuracy: float
    network: object = field(repr=False)


UPDATES = {"sgd": lambda decay: optimisers.SGD(decay=decay), "momentum": lambda decay: optimisers.SGD(0.9, decay), "adam": lambda decay: optimisers.Adam(decay=decay)}


def build(recipe, seed, side=8):
    """A fresh network.

    Args:
        recipe: Recipe.
        seed: of the starting weights and of all that is drawn in training.
        side: of the images, pixels.

    Returns:
        Network that takes (N, side, side, 1) and returns (N, 10) scores.
    """
    modules, inputs = [Shift(recipe.shift, [seed, 100])] if recipe.shift else [], side**2
    modules.append(Flatten())
    for layer, units in enumerate(recipe.hidden):
        modules.append(Dense(inputs, units, [seed, layer], recipe.scale / np.sqrt(inputs)))
        modules += [BatchNorm(units)] if recipe.normalise else []
        modules.append(ACTIVATIONS[recipe.activation]())
        modules += [Dropout(recipe.dropout, [seed, layer, 1])] if recipe.dropout else []
        inputs = units
    return Network(*modules, Dense(inputs, CLASSES, [seed, len(recipe.hidden)], 1 / np.sqrt(inputs)))


def train(recipe, seed):
    """Train one network.

    Args:
        recipe: Recipe.
        seed: of the examples, the starting weights and the order of the batches.

    Returns:
        Result. A training whose loss is no longer finite is left where it is; then `loss` and `validation` are shorter.

    Raises:
        ValueError: an unknown optimiser or activation.
    """
    if recipe.optimiser not in UPDATES or recipe.activation not in ACTIVATIONS:
        raise ValueError(f"choose from the optimisers {', '.join(UPDATES)} and the activations {', '.join(ACTIVATIONS)}; "
                         f"got {recipe.optimiser!r} and {recipe.activation!r}.")
    some, network = digits(recipe.examples, seed, recipe.noise), build(recipe, seed)
    update = UPDATES[recipe.optimiser](recipe.decay)
    if recipe.cosine:
        update = optimisers.Scheduled(update, optimisers.cosine(recipe.steps))
    validation = []
    note = lambda epoch: validation.append(_loss(network, *some.validation))
    try:
        with np.errstate(all="ignore"):
            loss = fit(network, *some.train, recipe.epochs, recipe.batch_size, recipe.rate, seed, update=update, on_epoch=note)
    except FloatingPointError:
        loss = []
    return Result(loss, validation, accuracy(network, *some.test), network)


def stop_early(recipe, seed, patience):
    """Train until the validation loss has not fallen for some epochs, and go back to where it was lowest.

    Args:
        recipe: Recipe; its epochs are the most.
        seed: as for `train`.
        patience: epochs to wait for a lower loss.

    Returns:
        (Result of the network at its best, its epoch, epochs that were trained).

    Raises:
        ValueError: no patience.
    """
    if patience < 1:
        raise ValueError(f"patience is a whole number of epochs from 1 on; got {patience}.")
    some, network = digits(recipe.examples, seed, recipe.noise), build(recipe, seed)
    update, losses, validation = UPDATES[recipe.optimiser](recipe.decay), [], [_loss(network, *some.validation)]
    best = 0, copy.deepcopy(network)
    for epoch in range(1, recipe.epochs + 1):
        losses += fit(network, *some.train, 1, recipe.batch_size, recipe.rate, seed + 1000 * epoch, update=update)
        validation.append(_loss(network, *some.validation))
        if validation[-1] < validation[best[0]]:
            best = epoch, copy.deepcopy(network)
        if epoch - best[0] >= patience:
            break
    return Result(losses, validation, accuracy(best[1], *some.test), best[1]), best[0], epoch


def _loss(network, images, labels):
    """Mean cross-entropy in nats; infinity where it is not a number."""
    value = SoftmaxCrossEntropy().forward(network.forward(images), labels)
    return value if np.isfinite(value) else float("inf")


@dataclass(frozen=True)
class Effect:
    """A mean of paired differences, with its spread.

    Args:
        mean: of the differences.
        low, high: the interval that holds the true mean with a confidence of 95 %.
        values: (S,) the differences, one a seed.
    """
    mean: float
    low: float
    high: float
    values: np.ndarray = field(repr=False)

    @property
    def shows(self):
        """Whether the interval leaves 0 out: an effect of the sign of the mean."""
        return self.low > 0 or self.high < 0

    def __str__(self):
        return f"{self.mean:+.1f} ({self.low:+.1f} to {self.high:+.1f})"


def effect(with_it, without, unit=1.0):
    """What a trick changes, from the same seeds with it and without.

    Args:
        with_it, without: S numbers each, one a seed, in the same order.
        unit: the differences are multiplied with it; 100 makes points of shares.

    Returns:
        Effect.

    Raises:
        ValueError: fewer than two seeds, or not as many on both sides.
    """
    if len(with_it) != len(without) or len(with_it) < 2:
        raise ValueError(f"an effect needs two or more seeds, the same on both sides; got {len(with_it)} and {len(without)} numbers.")
    from scipy import stats

    values = unit * (np.asarray(with_it, float) - np.asarray(without, float))
    # mean +- t s / sqrt(S), t of Student's distribution with S - 1 degrees of freedom
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return Effect(values.mean(), values.mean() - reach, values.mean() + reach, values)
