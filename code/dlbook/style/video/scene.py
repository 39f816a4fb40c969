"""A film whose motion is known: a photo that moves past the camera, and before it a disc cut out of another one that goes its own way."""
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import map_coordinates

from dlbook.cnn.blocks.table import above_zero, whole
from dlbook.style.gatys.spec import check_image


@dataclass(frozen=True)
class Film:
    """Pictures one after another, and what moved between them.

    Args:
        frames: (T, H, W, 3) float32 in [0, 1].
        flow: (T - 1, H, W, 2) in pixels, down and right: `flow[t]` leads from each pixel of picture t + 1 to where it was in
            picture t.
        visible: (T - 1, H, W) bool: whether it could be seen there. It could not if it was outside, or behind the disc.
    """
    frames: np.ndarray = field(repr=False)
    flow: np.ndarray = field(repr=False)
    visible: np.ndarray = field(repr=False)


@dataclass(frozen=True)
class Motion:
    """How the scene moves; all pairs are pixels, down and right.

    Args:
        length: pictures.
        size: (height, width) of each.
        camera: how far it moves from picture to picture; the photo goes the other way.
        disc: how far the disc moves in the picture.
        start: middle of the disc in the first picture.
        radius: of the disc, pixels.

    Raises:
        ValueError: a length, size or radius that is none, or a pair that is no pair.
    """
    length: int = 18
    size: tuple = (144, 192)
    camera: tuple = (0, 2)
    disc: tuple = (1, -4)
    start: tuple = (50, 150)
    radius: float = 36.0

    def __post_init__(self):
        whole("length", self.length)
        above_zero("radius", self.radius)
        for name in ("size", "camera", "disc", "start"):
            value = getattr(self, name)
            if not (isinstance(value, tuple) and len(value) == 2 and np.isfinite(value).all()):
                raise ValueError(f"{name} must be a pair of numbers, down and right; got {value!r}.")
        for side in self.size:
            whole("each side of size", side)

    @property
    def reach(self):
        """Height and width of the photo that the camera passes over."""
        return tuple(int(np.ceil(side + abs(way) * (self.length - 1))) for side, way in zip(self.size, self.camera))


def film(photo, other, motion=Motion()):
    """Make a film.

    Args:
        photo: (H, W, 3) in [0, 1], at least as large as `motion.reach`: the ground; its middle is used.
        other: (H', W', 3) in [0, 1], at least as large as the disc: its middle is cut out.
        motion: Motion.

    Returns:
        Film.

    Raises:
        TypeError, ValueError: no pictures, or too small ones.
    """
    _check("the photo", photo, motion.reach)
    _check("the other photo", other, (int(np.ceil(2 * motion.radius)) + 1,) * 2)
    times = range(motion.length)
    masks = np.stack([_disc(motion, t) for t in times])  # T, H, W
    frames = np.stack([_frame(photo, other, motion, masks[t], t) for t in times])
    # The disc comes from where it was; the ground seems to go against the camera.
    flow = np.where(masks[1:, ..., None], -np.array(motion.disc, float), np.array(motion.camera, float))  # T - 1, H, W, 2
    visible = np.stack([_visible(masks[t], masks[t + 1], flow[t]) for t in times[:-1]]) if motion.length > 1 else masks[1:]
    return Film(frames.astype(np.float32), flow, visible)


def _check(what, image, least):
    if any(side < wanted for side, wanted in zip(check_image(what, image).shape, least)):
        raise ValueError(f"{what} must have at least {least[0]} x {least[1]} pixels for this motion; it has {image.shape[0]} x {image.shape[1]}.")


def places(size):
    """Where each pixel is: (H, W, 2) float64, down and right."""
    return np.stack(np.meshgrid(*map(np.arange, size), indexing="ij"), -1).astype(float)


def _middle(motion, t):
    return np.add(motion.start, np.multiply(t, motion.disc))


def _disc(motion, t):
    """Where the disc is in picture t: (H, W) bool."""
    return np.square(places(motion.size) - _middle(motion, t)).sum(-1) <= motion.radius**2


def _frame(photo, other, motion, disc, t):
    where = places(motion.size)
    corner = [(side - reach) // 2 + max(0, -way) * (motion.length - 1) + t * way
              for side, reach, way in zip(photo.shape, motion.reach, motion.camera)]
    ground = sample(photo, where + corner)
    own = where - _middle(motion, t) + (np.array(other.shape[:2]) - 1) / 2
    return np.where(disc[..., None], sample(other, own), ground)


def _visible(before, now, flow):
    """Whether each pixel could be seen a picture before: all pixels around that place show the same thing, the disc or the ground."""
    there = places(now.shape) + flow
    inside = ((there >= 0) & (there <= np.array(now.shape) - 1)).all(-1)
    corners = [np.floor(there), np.ceil(there)]
    around = [before[tuple(np.stack([corners[i][..., 0], corners[j][..., 1]]).astype(int).clip(0, np.array(now.shape)[:, None, None] - 1))]
              for i in (0, 1) for j in (0, 1)]
    return inside & (np.stack(around) == now).all(0)


def sample(image, where):
    """Values of a picture between its pixels.

    Args:
        image: (H, W, C).
        where: (H', W', 2) in pixels, down and right; what lies outside takes the nearest pixel of the border.

    Returns:
        (H', W', C) float64, each value between those of the four pixels around it.
    """
    rows, columns = np.moveaxis(where, -1, 0)
    return np.stack([map_coordinates(np.asarray(image[..., c], float), (rows, columns), order=1, mode="nearest") for c in range(image.shape[-1])], -1)
