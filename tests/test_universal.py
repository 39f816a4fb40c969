"""One hidden layer comes as near to a function as one likes."""
import numpy as np
import pytest

from dlbook.basics import universal


@pytest.mark.parametrize("width", [1, 3, 16, 64])
def test_the_constructed_network_goes_through_its_points(width):
    knots = np.linspace(-1, 1, width + 1)[:, None]
    assert np.allclose(universal.constructed(width).forward(knots), universal.target(knots), atol=1e-12)


def test_straight_pieces_are_exact_where_the_function_is_straight():
    assert universal.error(universal.constructed(4, lambda x: np.maximum(0, x)), lambda x: np.maximum(0, x)) < 1e-12


@pytest.mark.parametrize("f", [universal.target, lambda x: np.exp(x), lambda x: np.cos(4 * x)])
def test_twice_the_width_is_a_quarter_of_the_error(f):
    ratios = [universal.error(universal.constructed(w, f), f) / universal.error(universal.constructed(2 * w, f), f) for w in (8, 16)]
    assert all(3 < ratio < 5.5 for ratio in ratios), ratios


def test_what_is_learnt_gets_better_with_width():
    narrow, wide = (np.median([universal.error(universal.learnt(w, seed)) for seed in range(3)]) for w in (1, 32))
    assert wide < 0.1 < narrow


def test_kinks_are_spread():
    first = universal.drawn(400, 0).modules[0].weights
    kinks = -first["bias"] / first["weight"][:, 0]
    assert kinks.min() < -0.9 and kinks.max() > 0.9 and abs(kinks.mean()) < 0.1


def test_no_unit_is_refused():
    with pytest.raises(ValueError, match="1 unit or more; got 0"):
        universal.constructed(0)
