"""How the painting network is trained: the loop of both twins, its photos, and the file from which it goes on."""
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dlbook import runs
from dlbook.train.batches import half_cosine
from dlbook.train.progress import Progress
from dlbook.train.windows import finite


@dataclass(frozen=True)
class Learner:
    """What a twin lends to the loop.

    Args:
        framework: `keras` or `torch`.
        a: spec.Architecture.
        step: takes photos (B, S, S, 3), styles (B,) and a learning rate, learns once and returns a dict of losses.
        state: returns all that the next step depends on, a dict of name to array.
        restore: takes such a dict.
    """
    framework: str
    a: object
    step: object
    state: object
    restore: object


def batch(photos, training, styles, step, seed=0):
    """What one step learns from; each step has its own stream of random numbers.

    Args:
        photos: (P, H, W, 3) of at least `training.side` pixels, in [0, 1] or uint8.
        training: spec.StyleTraining.
        styles: how many there are.
        step: counted from 0.
        seed: whole number.

    Returns:
        (squares (B, S, S, 3) float32 in [0, 1], half of them mirrored; numbers (B,) of the styles, which take turns).
    """
    rng, side = np.random.default_rng([seed, step]), training.side
    chosen = []
    for k in rng.choice(len(photos), training.batch_size, replace=len(photos) < training.batch_size):
        top, left = (rng.integers(0, length - side + 1) for length in photos.shape[1:3])
        square = photos[k, top:top + side, left:left + side]
        chosen.append(square[:, ::-1] if rng.random() < 0.5 else square)
    scale = 255 if photos.dtype == np.uint8 else 1
    numbers = (step * training.batch_size + np.arange(training.batch_size)) % styles
    return np.stack(chosen).astype(np.float32) / np.float32(scale), numbers


def train(learner, photos, training, seed=0, on_step=None, on_measure=None, progress=True, path=None):
    """Teach the network, and go on where an interrupted training stopped; both twins' `train` is this loop.

    Args:
        learner: Learner.
        photos, training, seed, on_step, on_measure, progress, path: as for the twins' `train`.

    Returns:
        dict of `step` and each loss: one value a measurement, the mean since the one before.

    Raises:
        ValueError: photos that are too small, or a file of another training.
        FloatingPointError: a loss became infinite or not a number; the last good weights are back.
    """
    session = _Session(learner, check(photos, training), training, seed, on_measure, path)
    first = session.take_up()
    with Progress(training.steps - first, "learning to paint, step", progress) as bar:
        for step in range(first, training.steps):
            squares, numbers = batch(photos, training, learner.a.styles, step, seed)
            rate = half_cosine(step, training.steps, training.learning_rate)
            losses = session.checked(step + 1, learner.step(squares, numbers, rate))
            if on_step:
                on_step(step + 1, losses)
            if (step + 1) % training.measured == 0 or step + 1 == training.steps:
                session.measure(step + 1)
            bar.step(f"loss {sum(losses.values()):.4g}")
    return session.history


def check(photos, training):
    """Refuse photos from which nothing can be learnt; returns them.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or range, or photos smaller than the squares.
    """
    side = training.side
    if photos.dtype.kind != "f" and photos.dtype != np.uint8:
        raise TypeError(f"photos must be uint8, or floating point in [0, 1]; got dtype {photos.dtype}.")
    if photos.ndim != 4 or photos.shape[3] != 3 or not len(photos) or min(photos.shape[1:3]) < side:
        raise ValueError(f"photos must have shape (P, H, W, 3), with sides of at least {side} pixels; got {photos.shape}.")
    if photos.dtype.kind == "f" and not (photos.min() >= 0 and photos.max() <= 1):
        raise ValueError(f"photos must hold values in [0, 1]; got values from {photos.min():g} to {photos.max():g}.")
    return photos


class _Session:
    """What is remembered of a training: its history, and the last state in which all was well."""

    def __init__(self, learner, photos, training, seed, on_measure, path):
        self.learner, self.on_measure, self.path = learner, on_measure, path and Path(path)
        about = {"framework": learner.framework, "architecture": asdict(learner.a), "training": asdict(training), "seed": seed, "photos": len(photos)}
        self.about = json.loads(json.dumps(about))
        self.history, self.losses, self.step, self.good = {"step": []}, [], 0, learner.state()

    def checked(self, step, losses):
        """The losses of a step, remembered; where one is no number, the last good weights come back."""
        try:
            finite(sum(losses.values()), step)
        except FloatingPointError as error:
            self.learner.restore(self.good)
            raise FloatingPointError(f"{error} The weights of step {self.step} were put back.") from None
        self.losses.append(losses)
        return losses

    def measure(self, step):
        """Write the mean losses into the history, tell who listens, and keep all."""
        means = {name: float(np.mean([losses[name] for losses in self.losses])) for name in self.losses[0]}
        for name, value in ({"step": step} | means).items():
            self.history.setdefault(name, []).append(value)
        if self.on_measure:
            self.on_measure(step, self.history)
        self.losses, self.step, self.good = [], step, self.learner.state()
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            runs.save_weights(self.good, self.path, **self.about, step=step, history=self.history)

    def take_up(self):
        """Go on from the file, if there is one; returns how many steps it has seen."""
        if not (self.path and self.path.is_file()):
            return 0
        about = runs.about(self.path)
        for name, value in self.about.items():
            if about.get(name) != value:
                raise ValueError(f"{self.path} was kept by a training with {name} {about.get(name)}; this one has {value}. "
                                 "Delete it, or name another file.")
        self.history, self.step = about["history"], about["step"]
        self.learner.restore(runs.load_weights(self.path))
        self.good = self.learner.state()
        return self.step
