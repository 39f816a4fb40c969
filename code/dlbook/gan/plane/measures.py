"""How near generated points are to a density in the plane that is known."""
import numpy as np
from scipy.special import ndtr

COVERED = 0.2  # share of its fair share from which a mode counts as covered
SPREAD = 0.01  # share of the truth that is spread evenly, so that a point far off costs much but not everything
CELLS = 24  # of the histogram, along each side


def covered(plane, points):
    """How many modes are covered: those near which at least a fifth of their fair share of the points lie.

    Args:
        plane: data.plane.Plane.
        points: (N, 2).

    Returns:
        int.

    Raises:
        ValueError: no points.
    """
    return int((_shares(plane, points) >= COVERED * plane.shares).sum())


def good(plane, points):
    """The share of points that lie within three standard deviations of some centre; of a round Gaussian's own points 0.989 do.

    Args:
        plane: data.plane.Plane.
        points: (N, 2).

    Returns:
        float.

    Raises:
        ValueError: no points.
    """
    return float(_shares(plane, points).sum())


def _shares(plane, points):
    """(modes,) share of the points that each mode gets."""
    _check(points)
    modes = plane.mode_of(points)
    return np.bincount(modes[modes >= 0], minlength=plane.modes) / len(modes)


def kl(plane, points, cells=CELLS):
    """Kullback-Leibler divergence from generated points to the truth, both as histograms on a square: 0 when they agree.

    Points that fill m of M equal modes just as the truth does have ln(M / m). A hundredth of the truth is spread evenly over the
    square and what lies around it, so a point where there should be none costs much, but not infinitely much. A sample of N points
    that fills C cells comes out about C / 2N too high, by chance alone.

    Args:
        plane: data.plane.Plane.
        points: (N, 2).
        cells: along each side of the square.

    Returns:
        float: nats.

    Raises:
        ValueError: no points.
    """
    _check(points)
    edges = np.linspace(-plane.reach, plane.reach, cells + 1)
    q = _with_rest(np.histogram2d(*np.asarray(points, float).T, bins=[edges, edges])[0] / len(points))
    p = _with_rest(_probabilities(plane, edges))
    p = (1 - SPREAD) * p + SPREAD / len(p)
    filled = q > 0
    # KL(q || p) = sum q ln(q / p)
    return float((q[filled] * np.log(q[filled] / p[filled])).sum())


def _probabilities(plane, edges):
    """What the true density gives to each cell, exactly: a round Gaussian is a product of one in x and one in y."""
    x, y = (np.diff(ndtr((edges - centres[:, None]) / plane.scale), axis=1) for centres in plane.centres.T)  # each K, cells
    return x.T @ y / len(plane.centres)


def _with_rest(cells):
    """The cells as a vector, and what lies outside of them."""
    return np.append(cells.ravel(), max(0.0, 1 - cells.sum()))


def _check(points):
    if not len(points):
        raise ValueError("to measure generated points, there must be some; got none.")


def measure(plane, points):
    """All three measures.

    Args:
        plane: data.plane.Plane.
        points: (N, 2).

    Returns:
        dict of `modes` (int), `good` (share) and `kl` (nats).

    Raises:
        ValueError: no points.
    """
    return {"modes": covered(plane, points), "good": good(plane, points), "kl": kl(plane, points)}
