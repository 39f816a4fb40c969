"""A playground: points of two kinds in the plane, a small network that learns to tell them apart, and what it believes of every place."""
from dataclasses import dataclass

import numpy as np

from dlbook.basics.activations import ACTIVATIONS
from dlbook.basics.dense import Dense
from dlbook.basics.network import Network, accuracy, fit
from dlbook.basics.softmax import SoftmaxCrossEntropy, softmax

REACH = 1.5  # the plane that is shown goes from -1.5 to 1.5 both ways
CELLS = 40  # places along each side, at which the network is asked
POINTS = 100  # to learn from, and as many new ones to be tested on
BATCH = 10


@dataclass(frozen=True)
class Settings:
    """What can be chosen.

    Args:
        data: one of `SETS`.
        width: units of each hidden layer.
        depth: hidden layers; 0 leaves a single dense layer.
        activation: one of `activations.ACTIVATIONS`.
        learning_rate: of gradient descent.
        noise: standard deviation by which every point is moved; the plane shown is 3 wide.
        epochs: how often each point is shown.
        seed: points, starting weights and order.

    Raises:
        ValueError: something that cannot be.
    """
    data: str = "circle"
    width: int = 8
    depth: int = 1
    activation: str = "ReLU"
    learning_rate: float = 0.1
    noise: float = 0.1
    epochs: int = 200
    seed: int = 0

    def __post_init__(self):
        for name, known in (("data", SETS), ("activation", ACTIVATIONS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}; got {getattr(self, name)!r}.")
        if self.width < 1 or self.depth < 0 or self.epochs < 1:
            raise ValueError(f"width and epochs are 1 or more, depth 0 or more; got {self.width}, {self.epochs} and {self.depth}.")
        if not (self.learning_rate > 0 and self.noise >= 0):
            raise ValueError(f"the learning rate is above 0 and the noise not below; got {self.learning_rate} and {self.noise}.")


@dataclass(frozen=True, eq=False)
class Moment:
    """What can be seen after some epochs.

    Args:
        epoch: after which it was taken; 0 is the untrained network.
        field: (40, 40) belief, from 0 to 1, that a place belongs to class 1; rows from the top.
        losses: {"training", "test"} to the loss after each epoch so far, in nats.
        right: {"training", "test"} to the share of points told right.
    """
    epoch: int
    field: np.ndarray
    losses: dict
    right: dict


def points(name, n, noise=0.0, seed=0):
    """Points of two classes, in turn.

    Args:
        name: one of `SETS`.
        n: how many.
        noise: standard deviation by which each is moved.
        seed: whole number.

    Returns:
        (n, 2) float64 places within about -1 to 1, (n,) labels 0 and 1.
    """
    rng, labels = np.random.default_rng([*np.atleast_1d(seed).tolist(), list(SETS).index(name)]), np.arange(n) % 2
    places = SETS[name](rng, labels)
    return places + noise * rng.normal(size=places.shape), labels


def _circle(rng, labels):
    """A disc, and a ring around it."""
    radius = np.where(labels == 0, 0.5 * np.sqrt(rng.random(len(labels))), rng.uniform(0.85, 1.15, len(labels)))
    return _polar(radius, rng.uniform(0, 2 * np.pi, len(labels)))


def _corners(rng, labels):
    """Opposite corners belong together: "exclusive or"."""
    x = rng.uniform(0.12, 1.1, (len(labels), 2))
    side = np.where(rng.random(len(labels)) < 0.5, 1, -1)
    return x * np.stack([side, side * np.where(labels == 0, 1, -1)], axis=1)


def _halves(rng, labels):
    """One class on each side of a slanting line."""
    x = rng.uniform(-1, 1, (len(labels), 2))
    across = np.where(labels == 0, -1, 1) * rng.uniform(0.12, 1.0, len(labels))
    return np.stack([x[:, 0] * 0.7 + across * 0.6, -x[:, 0] * 0.7 + across * 0.6], axis=1)


def _spirals(rng, labels):
    """Two arms that wind around each other."""
    t = np.sqrt(rng.uniform(0.02, 1, len(labels)))
    return _polar(1.2 * t, 1.25 * 2 * np.pi * t + np.pi * labels)


def _polar(radius, angle):
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


SETS = {"halves": _halves, "circle": _circle, "corners": _corners, "spirals": _spirals}


def build(settings):
    """The network: 2 coordinates -> hidden layers -> scores of the two classes (N, 2).

    Args:
        settings: Settings.

    Returns:
        basics.Network.
    """
    rng, sizes, modules = np.random.default_rng([settings.seed, 1]), [2] + settings.depth * [settings.width], []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layer = Dense(inputs, outputs, rng)
        layer.weights["bias"] = 0.5 * rng.normal(size=outputs)  # so that not all kinks go through the middle
        modules += [layer, ACTIVATIONS[settings.activation]()]
    return Network(*modules, Dense(sizes[-1], 2, rng, scale=np.sqrt(1 / sizes[-1])))


def play(settings, moments, on_moment=None):
    """Train, and look now and then.

    Args:
        settings: Settings.
        moments: epochs after which to look, from 0 to `settings.epochs`.
        on_moment: called as on_moment(Moment) at once; if it returns something true, the training ends there.

    Returns:
        list of Moment.
    """
    sets = {"training": points(settings.data, POINTS, settings.noise, [settings.seed, 0]),
            "test": points(settings.data, POINTS, settings.noise, [settings.seed, 1])}
    network, loss, found = build(settings), SoftmaxCrossEntropy(), []
    losses = {name: [] for name in sets}

    def look(epoch):
        for name, (x, labels) in sets.items():
            losses[name].append(loss.forward(network.forward(x), labels))
        if epoch in moments:
            right = {name: accuracy(network, *pair) for name, pair in sets.items()}
            found.append(Moment(epoch, field(network), {name: list(values) for name, values in losses.items()}, right))
            if on_moment and on_moment(found[-1]):
                raise _Enough

    try:
        fit(network, *sets["training"], settings.epochs, BATCH, settings.learning_rate, settings.seed, on_epoch=look)
    except _Enough:
        pass
    return found


class _Enough(Exception):
    """Somebody has pressed Stop."""


def field(network):
    """What a network believes of every place of the plane shown.

    Args:
        network: Module from (N, 2) to (N, 2).

    Returns:
        (40, 40) probability of class 1; the first row is the upper edge.
    """
    line = REACH * ((2 * np.arange(CELLS) + 1) / CELLS - 1)
    x, y = np.meshgrid(line, line[::-1])
    return softmax(network.forward(np.column_stack([x.ravel(), y.ravel()])))[:, 1].reshape(CELLS, CELLS)
