"""How straight the ways between images are: a measure of how well a space of latent numbers or styles is disentangled, in NumPy."""
import numpy as np

EPSILON = 1e-3  # step along a path; the paper's 1e-4 is too near to the rounding of single precision
TINY = 1e-12  # sine of an angle below which two directions are one


def straight(a, b, t):
    """Points of straight lines: a, b (N, D) and shares t (N, 1) of the way -> (N, D)."""
    return a + t * (b - a)


def along_sphere(a, b, t):
    """Points of the shortest ways on a sphere: a, b (N, D), whose lengths do not matter, and shares t (N, 1) -> (N, D) of length 1.

    Source: Shoemake (1985), "Animating rotation with quaternion curves", section 3.3.
    """
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    angle = np.arccos(np.clip((a * b).sum(1, keepdims=True), -1, 1))  # N, 1
    sine = np.sin(angle)
    curved = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.maximum(sine, TINY)
    return np.where(sine > TINY, curved, a)


def path_length(features, starts, ends, way, seed=0, epsilon=EPSILON):
    """How much what is seen changes on the ways between pairs of points: the mean of d^2 / epsilon^2.

    Where a space is entangled, a way between two images passes through things that neither shows, and is long.

    Args:
        features: function of points (N, D) -> what is seen in the images made of them, (N, F).
        starts, ends: (N, D), the pairs.
        way: `straight` or `along_sphere`.
        seed: of the place on each way where it is measured.
        epsilon: length of the step there, as a share of the way.

    Returns:
        float. It belongs to its features: compare it with other spaces and other generators by the same ones.

    Source: Karras et al. (2019), section 4.1.
    Differs from the paper: the distance is Euclidean, of what the course's digit network sees, not of another network's features with
        weights that people's judgements have set.
    """
    t = np.random.default_rng(seed).random((len(starts), 1)) * (1 - epsilon)
    here, there = (np.asarray(features(way(starts, ends, place)), np.float64) for place in (t, t + epsilon))
    return float(((here - there) ** 2).sum(1).mean() / epsilon**2)
