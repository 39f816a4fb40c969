"""How a picture is changed step by step until a function of it is small; the same for both frameworks."""
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, minimize

from dlbook.style.gatys.spec import SETTINGS, check_image
from dlbook.train.progress import Progress

MEMORY = 10  # pairs of steps and gradients that L-BFGS remembers
FIRST_MOVE = 0.1  # how far L-BFGS's first step moves a pixel in [0, 1] at most
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

    Source: Byrd, Lu, Nocedal and Zhu (1995), "A limited memory algorithm for bound constrained optimization", as SciPy has it.
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
    shape, scale = image.shape, None

    def scaled(pixels):
        nonlocal scale
        total, gradient = run.at(pixels.reshape(shape))
        if scale is None:
            # The first step follows the gradient as it is: a large one would throw every pixel to black or white.
            scale = FIRST_MOVE / max(np.abs(gradient).max(), np.finfo(float).tiny)
        return scale * total, scale * gradient.ravel()

    # With both tolerances 0 it goes on until the steps are done or no smaller value is found.
    options = {"maxiter": settings.steps, "maxfun": 20 * settings.steps, "maxcor": MEMORY, "ftol": 0, "gtol": 0}
    minimize(scaled, image.ravel(), jac=True, method="L-BFGS-B", bounds=Bounds(0, 1), options=options,
             callback=lambda pixels: run.step(pixels.reshape(shape)))


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
