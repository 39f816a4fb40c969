"""Points in the plane whose true density is known, for models that learn to draw from a density."""
from dataclasses import dataclass

import numpy as np

NEAR = 3.0  # standard deviations from a centre within which a point counts as one of its own


@dataclass(frozen=True, eq=False)
class Plane:
    """A density in the plane: round Gaussians of one width, all equally probable.

    Args:
        name: what it looks like.
        centres: (K, 2) of the Gaussians.
        scale: their standard deviation in each direction.
        mode: (K,) the mode, from 0 on, that each Gaussian is part of; None makes each a mode of its own.

    Raises:
        ValueError: centres that are no points, or none; a scale that is not above 0; not a mode for each centre.
    """
    name: str
    centres: np.ndarray
    scale: float
    mode: np.ndarray = None

    def __post_init__(self):
        centres = as_points(self.centres)
        if not len(centres):
            raise ValueError("a density needs at least one centre; got none.")
        if not 0 < self.scale < np.inf:
            raise ValueError(f"scale must be above 0 and finite; got {self.scale}.")
        mode = np.arange(len(centres)) if self.mode is None else np.asarray(self.mode)
        if set(mode.tolist()) != set(range(mode.max() + 1)) or mode.shape != (len(centres),):
            raise ValueError(f"each of the {len(centres)} centres needs a mode, numbered from 0 on without a gap; got {self.mode!r}.")
        object.__setattr__(self, "centres", centres)
        object.__setattr__(self, "mode", mode)

    @property
    def modes(self):
        """Number of modes."""
        return int(self.mode.max()) + 1

    @property
    def shares(self):
        """(modes,) probability of each mode; they sum to 1."""
        return np.bincount(self.mode) / len(self.mode)

    @property
    def reach(self):
        """Half the side of the square around 0 that holds the density: all centres, and four standard deviations beyond."""
        return float(np.abs(self.centres).max() + 4 * self.scale)

    def sample(self, rng, n):
        """Draw n points.

        Args:
            rng: numpy.random.Generator.
            n: whole number, at least 0.

        Returns:
            (n, 2) float64 array.
        """
        which = rng.integers(0, len(self.centres), n)
        return self.centres[which] + self.scale * rng.standard_normal((n, 2))

    def density(self, points):
        """The probability density at points.

        Args:
            points: (N, 2).

        Returns:
            (N,) float64 array; its integral over the plane is 1.
        """
        # p(x) = 1/K sum_k exp(-|x - c_k|^2 / (2 s^2)) / (2 pi s^2)
        squares = (self._distances(points) / self.scale) ** 2  # N, K
        return np.exp(-squares / 2).mean(1) / (2 * np.pi * self.scale**2)

    def mode_of(self, points):
        """The mode that each point belongs to: that of the nearest centre, if it lies within three standard deviations.

        Args:
            points: (N, 2).

        Returns:
            (N,) whole numbers, -1 for a point that is near no centre.
        """
        distances = self._distances(points)  # N, K
        nearest = distances.argmin(1)
        return np.where(distances[np.arange(len(nearest)), nearest] <= NEAR * self.scale, self.mode[nearest], -1)

    def _distances(self, points):
        # one coordinate after the other: no array N, K, 2
        x, y = as_points(points).T
        return np.hypot(x[:, None] - self.centres[:, 0], y[:, None] - self.centres[:, 1])


def as_points(points):
    """Check points in the plane.

    Args:
        points: (N, 2) finite numbers.

    Returns:
        (N, 2) float64 array.

    Raises:
        ValueError: another shape, or values that are not finite.
    """
    points = np.asarray(points, float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points in the plane have shape (N, 2); got {points.shape}.")
    if not np.isfinite(points).all():
        raise ValueError(f"points must be finite; {int((~np.isfinite(points)).any(1).sum())} of {len(points)} are not.")
    return points


def ring(modes=8, radius=2.0, scale=0.1):
    """Gaussians on a circle around 0.

    Args:
        modes: how many.
        radius: of the circle.
        scale: standard deviation of each.

    Returns:
        Plane.

    Raises:
        ValueError: fewer than one mode, or a scale that is not above 0.
    """
    _check_count("modes", modes)
    angles = 2 * np.pi * np.arange(modes) / modes
    return Plane(f"ring of {modes} Gaussians", radius * np.column_stack([np.cos(angles), np.sin(angles)]), scale)


def grid(side=5, gap=1.0, scale=0.05):
    """Gaussians on a square grid around 0.

    Args:
        side: how many in a row and in a column.
        gap: distance of neighbours.
        scale: standard deviation of each.

    Returns:
        Plane.

    Raises:
        ValueError: a side below one, or a scale that is not above 0.
    """
    _check_count("side", side)
    line = gap * (np.arange(side) - (side - 1) / 2)
    return Plane(f"grid of {side * side} Gaussians", np.array([(x, y) for y in line for x in line]), scale)


def spirals(turns=1.25, radius=2.0, scale=0.08, sections=8, centres=25):
    """Two spiral arms around 0, one the other turned by half a circle.

    An arm is a chain of Gaussians so close together that no gap is seen, with equal steps along it.

    Args:
        turns: how often an arm winds around 0.
        radius: at its end; it begins at an eighth of that.
        scale: standard deviation across an arm.
        sections: equally long parts of an arm, each a mode.
        centres: Gaussians a section.

    Returns:
        Plane.

    Raises:
        ValueError: fewer than one section or centre, or a scale that is not above 0.
    """
    _check_count("sections", sections)
    _check_count("centres", centres)
    fine = np.linspace(0, 1, 4001)
    path = _arm(fine, turns, radius)
    length = np.concatenate([[0], np.hypot(*np.diff(path, axis=0).T).cumsum()])
    count = sections * centres
    arm = _arm(np.interp((np.arange(count) + 0.5) / count, length / length[-1], fine), turns, radius)
    return Plane("two spirals", np.concatenate([arm, -arm]), scale, np.repeat(np.arange(2 * sections), centres))


def _arm(share, turns, radius):
    """Points of an arm, (N, 2), where a share from 0 to 1 of its angle is done."""
    angle, r = 2 * np.pi * turns * share, radius * (1 + 7 * share) / 8
    return np.column_stack([r * np.cos(angle), r * np.sin(angle)])


def _check_count(name, value):
    if not value >= 1:
        raise ValueError(f"{name} must be at least 1; got {value}.")
