"""Progressive growing: the networks begin at 4 x 4 pixels, and get a finer resolution each time they have learnt the last.

Source: Karras, Aila, Laine and Lehtinen (2018), "Progressive growing of GANs for improved quality, stability, and variation" (arXiv
    1710.10196), sections 2 to 4, figure 2 (fading in) and table 2 (the networks).
Differs from the paper: fewer and smaller maps, up to 32 x 32 pixels; the non-saturating objective of Goodfellow et al. (2014).
"""
import re
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral

import numpy as np

from dlbook.cnn.blocks.images import as_inputs
from dlbook.cnn.blocks.table import Row, share, wholes
from dlbook.gan.blocks import spec as blocks
from dlbook.gan.training import GanTraining

FRAME = 2  # pixels of ground around digits of 28 x 28


@dataclass(frozen=True)
class Architecture:
    """What fixes the shapes of both networks.

    Args:
        maps: their number at each resolution, from 4 x 4 up; four resolutions end at 32 x 32.
        channels: 1 for grey images, 3 for colour.
        latent_dim: numbers in the noise that an image is made from.

    Raises:
        ValueError: a value out of its range.
    """
    maps: tuple = (32, 32, 16, 8)
    channels: int = 1
    latent_dim: int = 32

    def __post_init__(self):
        object.__setattr__(self, "maps", tuple(self.maps))
        wholes("maps", self.maps)
        if not self.maps:
            raise ValueError("maps must name at least one resolution; got ().")
        if not (isinstance(self.latent_dim, Integral) and self.latent_dim >= 1):
            raise ValueError(f"latent_dim must be a whole number, at least 1; got {self.latent_dim!r}.")
        if self.channels not in (1, 3):
            raise ValueError(f"images have 1 channel (grey) or 3 (colour); got {self.channels}.")

    @property
    def sides(self):
        """Sides of the images along the way, for example (4, 8, 16, 32)."""
        return blocks.sides(self.maps)

    @property
    def side(self):
        """Side of the finished images."""
        return self.sides[-1]


@dataclass(frozen=True)
class Schedule:
    """How long the networks stay at each resolution.

    Args:
        turns: of the game, from 4 x 4 up; where the first are 0, the networks begin larger.
        fade: share of a resolution's turns in which it is faded in; not at the one they begin with.

    Raises:
        ValueError: a value out of its range.
    """
    turns: tuple
    fade: float = 0.5

    def __post_init__(self):
        object.__setattr__(self, "turns", tuple(self.turns))
        wholes("turns", self.turns, least=0)
        if not self.turns or 0 in self.turns[self.first:]:
            raise ValueError(f"turns end at the finest resolution, and none between the first and the last may be left out; got {self.turns!r}.")
        share("fade", self.fade)

    @property
    def first(self):
        """Index of the resolution with which the networks begin."""
        return next((k for k, turns in enumerate(self.turns) if turns), len(self.turns) - 1)

    @property
    def steps(self):
        """Turns in all."""
        return sum(self.turns)

    def at(self, step):
        """Where the networks are in a turn.

        Args:
            step: turn, counted from 0.

        Returns:
            (side, alpha): side of the images in pixels; share of the newest resolution in them, 1 when it has faded in.
        """
        ends = np.cumsum(self.turns)
        stage = int(np.searchsorted(ends, step, "right"))
        passed, fading = step - int(ends[stage]) + self.turns[stage], self.fade * self.turns[stage]
        faded = stage == self.first or passed >= fading
        return blocks.COARSEST << stage, 1.0 if faded else passed / fading


@dataclass(frozen=True)
class Growing(GanTraining):
    """How the networks are trained while they grow; at each new resolution Adam begins anew.

    Args:
        schedule: Schedule of as many turns as `steps`.

    The others are those of GanTraining.

    Raises:
        ValueError: a value out of its range.
    """
    schedule: Schedule = Schedule((1,))

    def __post_init__(self):
        super().__post_init__()
        if self.steps != self.schedule.steps:
            raise ValueError(f"steps must be the schedule's turns, {self.schedule.steps}; got {self.steps}.")


def growing(schedule, **settings):
    """Growing for a schedule, whose number of turns is its `steps`; `settings` are the other fields."""
    return Growing(steps=schedule.steps, schedule=schedule, **settings)


small = Architecture(maps=(48, 32, 16, 8), latent_dim=64)  # trained at leisure on MNIST
quick = Architecture(maps=(32, 32, 16, 8), latent_dim=32)  # trained live

SIZES = {"small": small, "quick": quick}

# Milliseconds of one core that a turn of `small` takes at each resolution, PyTorch, batches of 32; what counts is their ratio.
COST = (11.7, 25.5, 43.5, 74.7)
GROWN = Schedule((1000, 2000, 4000, 11_000))
# Turns at 32 x 32 that take as long as all of GROWN, to a hundred.
WHOLE = round(sum(turns * cost for turns, cost in zip(GROWN.turns, COST)) / COST[-1] / 100) * 100

# beta1 and beta2 are the paper's (appendix A.1). Its rate of 1e-3 is for millions of images: weights that start at deviation 1 have
# moved little after some thousand steps of it.
ADAM = {"batch_size": 32, "beta1": 0.0, "beta2": 0.99, "epsilon": 1e-8}
SMALL = ADAM | {"learning_rate": 3e-3, "average": 0.998, "measured": 1000}

TRAINING = {
    # 1,198 images: Fréchet distance 0.18. With a rate of 1e-3 it was still 0.72 after as long.
    "quick": growing(Schedule((60, 80, 100, 140)), **ADAM, learning_rate=8e-3, average=0.95, measured=20),
    "grown": growing(GROWN, **SMALL),
    "whole": growing(Schedule((0, 0, 0, WHOLE)), **SMALL),
}


def check(a, training):
    """Refuse a schedule that does not go with an architecture.

    Raises:
        ValueError: it names another number of resolutions.
    """
    if len(training.schedule.turns) != len(a.maps):
        raise ValueError(f"this network grows through {len(a.maps)} resolutions, {a.sides}; got a schedule of {len(training.schedule.turns)}.")


def active(layer, side):
    """Whether a layer takes part when images have a side: the finest resolution's, the one's before, from which it fades, and all below.

    Args:
        layer: name, for example `conv16_1`.
        side: in pixels.

    Returns:
        bool.
    """
    kind, own = re.match(r"([a-z]+)(\d*)", layer).groups()
    if not own:
        return True
    return int(own) in (side, side // 2) if kind == "image" else int(own) <= side


def inputs(a, images):
    """Check images (N, S, S) or (N, S, S, 3) in [0, 1], frame digits of 28 x 28, and scale them: (N, S, S, C) in [-1, 1]."""
    return as_inputs(images, a.side, a.channels, "signed", FRAME)


def without_frame(images):
    """Cut the frame off again: generated digits (N, 32, 32) -> (N, 28, 28), as the networks that measure them read them."""
    return images[:, FRAME:-FRAME, FRAME:-FRAME]


def seen_at(images, side, alpha):
    """What the discriminator reads of real images: of its own side, and as blurred as what is generated.

    Args:
        images: (..., S, S, C).
        side: in pixels.
        alpha: share of the newest resolution.

    Returns:
        (..., side, side, C) array.

    Source: Karras et al. (2018), figure 2, caption.
    """
    while images.shape[-2] > side:
        images = halve(images)
    if alpha == 1:
        return images
    # During a fade-in, real images are blended like generated ones.
    return (1 - alpha) * enlarge(halve(images), side) + alpha * images


def halve(images):
    """Four pixels become their mean: (..., H, W, C) -> (..., H / 2, W / 2, C)."""
    *more, height, width, channels = images.shape
    return images.reshape(*more, height // 2, 2, width // 2, 2, channels).mean((-4, -2))


def enlarge(images, side):
    """Each pixel becomes a square of pixels: (..., H, W, C) -> (..., side, side, C)."""
    times = side // images.shape[-2]
    return images.repeat(times, -3).repeat(times, -2)


def check_growth(a, side, alpha):
    """Refuse a size that the networks do not have.

    Raises:
        ValueError: another side than those of the architecture, or a share outside [0, 1].
    """
    if side not in a.sides:
        raise ValueError(f"side must be one of {', '.join(map(str, a.sides))}; got {side!r}.")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is the newest resolution's share, from 0 to 1; got {alpha!r}.")


def full_size(a, images):
    """Enlarge images (N, H, W) or (N, H, W, 3) to the architecture's side."""
    whole = images if images.ndim == 4 else images[..., None]
    return enlarge(whole, a.side).reshape(len(images), a.side, a.side, *images.shape[3:])


def generator_table(a, side=None):
    """The generator's layers, fully faded in, computed from the architecture.

    Args:
        a: Architecture.
        side: that it has grown to; None: all the way.

    Returns:
        list of blocks.table.Row, from the noise (z,) to the image (H, W, C).
    """
    side = side or a.side
    first, size = a.maps[0], a.maps[0] * blocks.COARSEST**2
    rows = [Row("noise", "input", (a.latent_dim,)), _dense("start", a.latent_dim, size), _conv("conv4", blocks.COARSEST, first, first)]
    for own_side, coarser, own in zip(a.sides[1:], a.maps, a.maps[1:]):
        if own_side <= side:
            rows += [_conv(f"conv{own_side}_1", own_side, coarser, own), _conv(f"conv{own_side}_2", own_side, own, own)]
    return [*rows, _conv(f"image{side}", side, rows[-1].shape[-1], a.channels, 1)]


def discriminator_table(a, side=None):
    """The discriminator's layers, fully faded in, computed from the architecture.

    Args:
        a: Architecture.
        side: that it has grown to; None: all the way.

    Returns:
        list of blocks.table.Row, from the image (H, W, C) to the logit (1,).
    """
    side = side or a.side
    maps = dict(zip(a.sides, a.maps))
    rows = [Row("image", "input", (side, side, a.channels)), _conv(f"image{side}", side, a.channels, maps[side], 1)]
    for own_side, coarser, own in reversed(list(zip(a.sides[1:], a.maps, a.maps[1:]))):
        if own_side <= side:
            rows += [_conv(f"conv{own_side}_1", own_side, own, own), _conv(f"conv{own_side}_2", own_side, own, coarser),
                     Row(f"halve{own_side}", "pool", (own_side // 2, own_side // 2, coarser), note="mean, 2 x 2, stride 2")]
    first = a.maps[0]
    rows.append(Row("deviation", "concat", (blocks.COARSEST, blocks.COARSEST, first + 1)))
    return [*rows, _conv("conv4_1", blocks.COARSEST, first + 1, first), _conv("conv4_2", 1, first, first, blocks.COARSEST), _dense("logit", first, 1)]


TABLES = {"generator": generator_table, "discriminator": discriminator_table}


def _dense(name, inputs, units):
    return Row(name, "dense", (units,), inputs * units + units, operations=inputs * units)


def _conv(name, side, channels, filters, kernel=3):
    """A convolution whose maps have a side."""
    weights = kernel**2 * channels * filters
    return Row(name, "conv", (side, side, filters), weights + filters, operations=weights * side**2, note=f"{kernel} x {kernel}")


def weight_shapes(a):
    """Shapes of all weights in the exchange format, those of every resolution's image among them.

    Args:
        a: Architecture.

    Returns:
        dict of `generator.<layer>.<weight>` and `discriminator.<layer>.<weight>` to shape: convolutions (O, I, H, W), matrices
        (out, in), biases (out,).
    """
    shapes = {}
    for part, table in TABLES.items():
        for side in a.sides:  # a layer has the same shape at each of them
            for before, row in pairwise(table(a, side)):
                if row.parameters:
                    shapes |= {f"{part}.{row.name}.weight": _shape(before, row), f"{part}.{row.name}.bias": row.shape[-1:]}
    return shapes


def _shape(before, row):
    if row.kind == "dense":
        return (row.shape[0], before.shape[-1])
    kernel = int(row.note.partition(" ")[0])
    return (row.shape[-1], _maps(before), kernel, kernel)


def _maps(before):
    """Maps that a convolution reads: those of the row before it, or of the vector that is cut into maps of 4 x 4."""
    return before.shape[-1] if len(before.shape) == 3 else before.shape[0] // blocks.COARSEST**2


def draw(a, seed):
    """Starting weights: normal with deviation 1, biases 0, since the layers scale them at each use.

    Args:
        a: Architecture.
        seed: whole number; each entry has a stream of its own.

    Returns:
        dict of weight name to float32 array.
    """
    return blocks.draw(weight_shapes(a), seed)
