"""How a picture is changed step by step until a function of it is small; the same for both frameworks."""
from collections import deque
from dataclasses import dataclass

import numpy as np

from dlbook.style.gatys.spec import SETTINGS, check_image
from dlbook.train.progress import Progress

MEMORY = 10  # moves that L-BFGS remembers, with what they changed
FIRST_MOVE = 0.1  # how far L-BFGS's first step moves a pixel in [0, 1] at most
ENOUGH = 1e-4  # share of the fall which the gradient promises that a step must bring: Nocedal and Wright (2006), section 3.1
TRIALS = 20  # lengths that are tried for a step
CURVED = 1e-10  # cosine of a move and its change, below which it says nothing of the curvature
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's: Kingma and Ba (2015), algorithm 1


@dataclass(frozen=True, eq=False)
class Painting:
    """What an optimisation gave.

    Args:
        image: (H, W, 3) float64 in [0, 1].
        history: dict of loss to a list of its values, at the start and after each step.
        stopped: whether it was stopped before its last step.
    """
    image: np.ndarray
    history: dict
    stopped: bool = False

    @property
    def steps(self):
        """Number of steps done."""
        return max((len(values) for values in self.history.values()), default=1) - 1


def optimise(objective, start, settings=SETTINGS, on_step=None, progress=True, label="Painting"):
    """Change a picture until what is asked of it is met as well as the given steps allow.

    Args:
        objective: function of an image (H, W, 3) -> (dict of losses, gradient of their sum (H, W, 3)).
        start: (H, W, 3) in [0, 1], the first picture.
        settings: Settings; its `optimizer`, `steps` and, for Adam, `learning_rate` count here.
        on_step: called as on_step(step, losses, image) after each step; when it returns True, the work stops there.
        progress: show a progress line.
        label: what the progress line says.

    Returns:
        Painting; with the picture so far where it was stopped, by `on_step` or by an interrupt (Ctrl-C).

    Raises:
        FloatingPointError: a loss became infinite or not a number.

    Source: L-BFGS: Nocedal and Wright (2006), "Numerical Optimization", section 7.2; its bounds: Bertsekas (1982), "Projected Newton
    methods for optimization problems with simple constraints". SciPy's takes a fifth of the time of a step for its bounds alone.
    """
    image = np.array(check_image("the first picture", start), np.float64)
    with Progress(settings.steps, label, progress) as bar:
        run = _Run(objective, image, on_step, bar)
        try:
            {"lbfgs": _lbfgs, "adam": _adam}[settings.optimizer](run, image, settings)
        except (StopIteration, KeyboardInterrupt):
            run.stopped = True
    return Painting(run.image, run.history, run.stopped)


class _Run:
    """The picture so far, its losses, and who is told of them."""

    def __init__(self, objective, image, on_step, bar):
        self.objective, self.image, self.on_step, self.bar = objective, image, on_step, bar
        self.history, self.losses, self.stopped = {}, None, False

    def at(self, image):
        """(sum of the losses, its gradient) for a picture."""
        losses, gradient = self.objective(image)
        total = sum(losses.values())
        if not (np.isfinite(total) and np.isfinite(gradient).all()):
            raise FloatingPointError(f"after {max(self.done, 0)} steps the losses are {losses}; smaller weights keep them finite.")
        self.losses = losses
        if not self.history:
            self._note()
        return total, gradient

    @property
    def done(self):
        """Number of steps done; -1 before the first picture is measured."""
        return len(next(iter(self.history.values()), [])) - 1

    def _note(self):
        for name, loss in self.losses.items():
            self.history.setdefault(name, []).append(loss)

    def step(self, image):
        """Keep a new picture, the one measured last."""
        self.image = np.array(image)
        self._note()
        self.bar.step(f"loss {sum(self.losses.values()):.4g}")
        if self.on_step and self.on_step(self.done, self.losses, self.image):
            self.stopped = True
            raise StopIteration


def _lbfgs(run, image, settings):
    """Limited-memory BFGS within the bounds: pixels that stand at one and would leave it stay out of the step."""
    total, gradient = run.at(image)
    pairs = deque(maxlen=MEMORY)  # (how the picture moved, how its gradient changed)
    for _ in range(settings.steps):
        free = ((image > 0) | (gradient < 0)) & ((image < 1) | (gradient > 0))
        found = _search(run, image, total, gradient, free * _direction(free * gradient, pairs))
        if found is None and pairs:  # what is remembered misleads: along the gradient itself
            pairs.clear()
            found = _search(run, image, total, gradient, free * _direction(free * gradient, pairs))
        if found is None:
            return  # no lower place is found
        (image, total, gradient), old = found, (image, gradient)
        move, change = image - old[0], gradient - old[1]
        if np.vdot(move, change) > CURVED * np.vdot(change, change) ** 0.5 * np.vdot(move, move) ** 0.5:
            pairs.append((move, change))
        run.step(image)


def _direction(gradient, pairs):
    """-H g, with H the inverse Hessian as the last moves show it (Nocedal and Wright, 2006, algorithm 7.4); without any, -g, cut to size."""
    q, shares = gradient.copy(), []
    for move, change in reversed(pairs):
        shares.append(np.vdot(move, q) / np.vdot(move, change))
        q -= shares[-1] * change
    if pairs:
        move, change = pairs[-1]
        q *= np.vdot(move, change) / np.vdot(change, change)
    else:  # a whole gradient would throw every pixel to black or white
        q *= FIRST_MOVE / max(np.abs(q).max(), np.finfo(float).tiny)
    for (move, change), share in zip(pairs, reversed(shares)):
        q += (share - np.vdot(change, q) / np.vdot(move, change)) * move
    return -q


def _search(run, image, total, gradient, direction):
    """A lower place along a direction, bent at the bounds: (picture, sum of the losses, gradient), or None."""
    length = 1.0
    for _ in range(TRIALS):
        there = np.clip(image + length * direction, 0, 1)
        expected = np.vdot(gradient, there - image)
        if not expected < 0:
            return None
        lower, slope = run.at(there)
        if lower <= total + ENOUGH * expected:
            return there, lower, slope
        # The lowest place of the parabola through both values with this slope, but not too near to either end.
        length *= min(0.5, max(0.1, -expected / (2 * (lower - total - expected))))
    return None


def _adam(run, image, settings):
    _, gradient = run.at(image)
    mean, square = np.zeros_like(image), np.zeros_like(image)
    for step in range(1, settings.steps + 1):
        mean = BETA1 * mean + (1 - BETA1) * gradient
        square = BETA2 * square + (1 - BETA2) * gradient**2
        # x <- x - rate m^ / (sqrt(v^) + eps), with m^ = m / (1 - b1^t) and v^ = v / (1 - b2^t)
        move = mean / (1 - BETA1**step) / (np.sqrt(square / (1 - BETA2**step)) + EPSILON)
        image = np.clip(image - settings.learning_rate * move, 0, 1)
        _, gradient = run.at(image)
        run.step(image)
