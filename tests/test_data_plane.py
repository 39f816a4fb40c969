"""Points in the plane: their density integrates to 1, samples follow it, modes are counted as they lie."""
import numpy as np
import pytest

from dlbook.data import plane

PLANES = {"ring": plane.ring(), "grid": plane.grid(), "spirals": plane.spirals()}
MODES = {"ring": 8, "grid": 25, "spirals": 16}
WITHIN = 1 - np.exp(-4.5)  # share of a round Gaussian within three standard deviations of its centre


def raster(p, cells=162):
    """Middles of square cells, (cells^2, 2), and the area of one."""
    side = 2 * p.reach / cells
    line = -p.reach + side * (np.arange(cells) + 0.5)
    return np.stack(np.meshgrid(line, line), -1).reshape(-1, 2), side**2


@pytest.mark.parametrize("name", PLANES)
def test_the_density_integrates_to_one(name):
    points, area = raster(PLANES[name])
    assert PLANES[name].density(points).sum() * area == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("name", PLANES)
def test_samples_follow_the_density(name):
    """Share of samples in each of 36 squares against the integral of the density over it: at most 5 standard errors apart."""
    p, n, coarse = PLANES[name], 40_000, 6
    points, area = raster(p)
    edges = np.linspace(-p.reach, p.reach, coarse + 1)
    want, *_ = np.histogram2d(*points.T, bins=[edges, edges], weights=p.density(points) * area)
    got, *_ = np.histogram2d(*p.sample(np.random.default_rng(0), n).T, bins=[edges, edges])
    error = np.sqrt(want * (1 - want) / n) + 1e-4
    assert (abs(got / n - want) < 5 * error).all()


@pytest.mark.parametrize("name", PLANES)
def test_samples_belong_to_all_modes_equally(name):
    p = PLANES[name]
    modes = p.mode_of(p.sample(np.random.default_rng(1), 20_000))
    counts = np.bincount(modes[modes >= 0], minlength=p.modes) / 20_000
    assert p.modes == MODES[name] and p.shares.sum() == pytest.approx(1)
    assert abs(counts - p.shares).max() < 0.01
    if name != "spirals":  # a spiral's Gaussians overlap: more of a sample lies near some centre
        assert (modes >= 0).mean() == pytest.approx(WITHIN, abs=0.003)


def test_one_gaussian_is_the_textbook_formula():
    from scipy.stats import multivariate_normal

    p, points = plane.Plane("one", [[0.5, -1.0]], 0.3), np.random.default_rng(2).normal(size=(50, 2))
    assert np.allclose(p.density(points), multivariate_normal([0.5, -1.0], 0.09).pdf(points), rtol=1e-12)


def test_the_ring_lies_on_its_circle_and_the_grid_is_square():
    assert np.allclose(np.hypot(*plane.ring(5, 3.0).centres.T), 3.0)
    assert sorted(map(tuple, plane.grid(2, 2.0).centres.tolist())) == [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)]


def test_spiral_arms_are_evenly_filled_and_opposite():
    centres = PLANES["spirals"].centres
    first, second = np.split(centres, 2)
    steps = np.hypot(*np.diff(first, axis=0).T)
    assert steps.max() / steps.min() < 1.02 and np.allclose(first, -second)
    assert steps.max() < PLANES["spirals"].scale  # no gap is seen


def test_a_point_near_no_centre_has_no_mode():
    p = plane.ring(8, 2.0, 0.1)
    points = p.centres[3] + [[0.29, 0], [0.31, 0], [0, 0]]
    assert p.mode_of(points).tolist() == [3, -1, 3] and p.mode_of(np.zeros((1, 2))).tolist() == [-1]


def test_the_same_generator_draws_the_same_points():
    draw = [plane.ring().sample(np.random.default_rng(seed), 10) for seed in (0, 0, 1)]
    assert (draw[0] == draw[1]).all() and (draw[0] != draw[2]).any()
    assert plane.ring().sample(np.random.default_rng(0), 0).shape == (0, 2) and plane.ring().density(np.zeros((0, 2))).shape == (0,)


@pytest.mark.parametrize("call, words", [
    (lambda: plane.ring(0), "modes must be at least 1; got 0"),
    (lambda: plane.grid(0), "side must be at least 1; got 0"),
    (lambda: plane.spirals(sections=0), "sections must be at least 1; got 0"),
    (lambda: plane.ring(scale=0.0), "scale must be above 0 and finite; got 0.0"),
    (lambda: plane.Plane("none", np.zeros((0, 2)), 1.0), "at least one centre; got none"),
    (lambda: plane.Plane("two", [[0, 0], [1, 1]], 1.0, [0]), "each of the 2 centres needs a mode"),
    (lambda: plane.Plane("gap", [[0, 0], [1, 1]], 1.0, [0, 2]), "without a gap"),
    (lambda: plane.ring().density([1.0, 2.0]), r"shape \(N, 2\); got \(2,\)"),
    (lambda: plane.ring().mode_of([[np.nan, 0.0]]), "1 of 1 are not"),
])
def test_what_is_no_density_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
