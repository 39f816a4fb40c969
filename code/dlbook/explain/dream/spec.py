"""Deep Dream: gradient ascent on what a layer sees, from small pictures to large ones.

Source: Mordvintsev, Olah and Tyka (2015), "Inceptionism: going deeper into neural networks", and the notebook "deepdream" beside it.
"""
from dataclasses import dataclass

import numpy as np

from dlbook.cnn.blocks.table import above_zero, is_whole, whole
from dlbook.style.images import resized
from dlbook.train.progress import Progress


@dataclass(frozen=True)
class Settings:
    """How a picture is dreamt.

    Args:
        layers: whose activations shall grow.
        octaves: how many sizes, each larger than the one before; the last is the picture's own.
        scale: from one size to the next.
        steps: of gradient ascent at each size.
        rate: mean change of a pixel value a step, in [0, 1].
        jitter: the picture is shifted by up to so many pixels before each step, so that no grid of the network shows in it.
        seed: of the shifts.
    """
    layers: tuple = ("relu4_1",)
    octaves: int = 4
    scale: float = 1.4
    steps: int = 10
    rate: float = 0.012
    jitter: int = 16
    seed: int = 0

    def __post_init__(self):
        if isinstance(self.layers, str) or not self.layers:
            raise ValueError(f"layers is a tuple of one name or more; got {self.layers!r}.")
        for name in ("octaves", "steps"):
            whole(name, getattr(self, name))
        above_zero("rate", self.rate)
        if not self.scale > 1:
            raise ValueError(f"scale must be above 1; got {self.scale!r}.")
        if not (is_whole(self.jitter) or self.jitter == 0):
            raise ValueError(f"jitter is a whole number of pixels, 0 or more; got {self.jitter!r}.")


SETTINGS = Settings()
LEAST = 16  # pixels; below, four poolings leave a single place


def sizes(shape, settings):
    """The sizes of the octaves.

    Args:
        shape: (height, width) of the picture.
        settings: Settings.

    Returns:
        list of (height, width), from the smallest to the picture's own.

    Raises:
        ValueError: the smallest would be too small.
    """
    found = [tuple(round(side / settings.scale**k) for side in shape) for k in reversed(range(settings.octaves))]
    if min(found[0]) < LEAST:
        raise ValueError(f"{settings.octaves} octaves begin with {found[0][0]} x {found[0][1]} pixels, and {LEAST} is the least: take fewer octaves.")
    return found


def dream(objective, image, settings=SETTINGS, on_step=None, progress=True):
    """Dream a picture.

    Args:
        objective: function of an image (H, W, 3) -> (what the layers see, its gradient (H, W, 3)), for example of a twin.
        image: (H, W, 3) in [0, 1].
        settings: Settings.
        on_step: called as on_step(octave, step, value, picture) after each step.
        progress: show a progress line.

    Returns:
        (H, W, 3) float64 in [0, 1].

    Differs from the source: pixels stay within [0, 1] at each step.
    """
    image, rng = np.asarray(image, float), np.random.default_rng(settings.seed)
    octaves, detail = sizes(image.shape[:2], settings), None
    with Progress(len(octaves) * settings.steps, "dreaming, step", progress) as bar:
        for octave, shape in enumerate(octaves):
            base = resized(image, shape)
            # What was dreamt so far, at the new size, is laid over the picture.
            picture = base if detail is None else np.clip(base + _enlarged(detail, shape), 0, 1)
            for step in range(settings.steps):
                picture, value = _step(objective, picture, settings, rng)
                bar.step(f"{shape[0]} x {shape[1]} pixels")
                if on_step:
                    on_step(octave, step, value, picture)
            detail = picture - base
    return picture


def _step(objective, picture, settings, rng):
    """One step up, on a picture that is shifted and shifted back."""
    shift = rng.integers(-settings.jitter, settings.jitter + 1, 2) if settings.jitter else np.zeros(2, int)
    value, slope = objective(np.roll(picture, shift, (0, 1)))
    slope = np.roll(slope, -shift, (0, 1))
    # x <- x + rate g / mean |g|
    move = settings.rate * slope / max(np.abs(slope).mean(), np.finfo(float).tiny)
    return np.clip(picture + move, 0, 1), value


def _enlarged(detail, shape):
    """A difference of pictures, at another size: it may be below 0."""
    return 2 * resized(detail / 2 + 0.5, shape) - 1
