"""Retrieval: similarity, ranking, average precision against scikit-learn, the index against exact search, the record."""
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from dlbook import data, runs
from dlbook.cnn.retrieval import full, spec

RNG = np.random.default_rng(0)
FEATURES = RNG.random((300, 16)).astype(np.float32)


def test_similarity_is_the_cosine():
    from sklearn.metrics.pairwise import cosine_similarity

    assert np.allclose(spec.similarity(FEATURES[:5], FEATURES), cosine_similarity(FEATURES[:5], FEATURES), atol=1e-6)
    assert np.allclose(spec.similarity(7 * FEATURES[:5], FEATURES), spec.similarity(FEATURES[:5], FEATURES), atol=1e-6)


@pytest.mark.parametrize("wrong", [np.zeros((2, 3)), np.array([[1.0, np.nan]]), np.ones(3)])
def test_arrows_without_a_direction_are_refused(wrong):
    with pytest.raises(ValueError):
        spec.unit(wrong)


def test_a_ranking_leaves_the_query_out():
    own = np.array([3, 200])
    order = spec.ranking(spec.similarity(FEATURES[own], FEATURES), own)
    assert order.shape == (2, 299) and not (order == own[:, None]).any()
    whole = spec.ranking(spec.similarity(FEATURES[own], FEATURES))
    assert whole[:, 0].tolist() == own.tolist() and np.array_equal(whole[:, 1:], order)


def test_average_precision_is_scikit_learns():
    for _ in range(50):
        scores, relevant = RNG.random(40), RNG.random(40) < 0.3
        relevant[RNG.integers(40)] = True
        ours = spec.average_precision(relevant[np.argsort(-scores)])
        assert ours == pytest.approx(average_precision_score(relevant, scores), abs=1e-12)


@pytest.mark.parametrize(("relevant", "expected"), [([1, 1, 0], 1), ([0, 0, 1], 1 / 3), ([1, 0, 1], (1 + 2 / 3) / 2)])
def test_average_precision_by_hand(relevant, expected):
    assert spec.average_precision(relevant) == pytest.approx(expected)


def test_average_precision_needs_something_to_find():
    with pytest.raises(ValueError, match="a right picture or more"):
        spec.average_precision([False, False])
    order = spec.ranking(spec.similarity(FEATURES[:2], FEATURES), [0, 1])
    labels = np.arange(300)
    labels[[0, 5]] = 1000
    assert spec.mean_average_precision(order, labels, labels[:2]) == spec.average_precision(labels[order[0]] == 1000)


def test_chance_is_about_the_share_of_right_pictures():
    labels = RNG.integers(10, size=2000)
    order = spec.ranking(RNG.random((300, 2000)))
    assert spec.mean_average_precision(order, labels, labels[:300]) == pytest.approx(0.1, abs=0.01)


def test_a_wrong_order_is_noticed():
    """The planted defect: the least similar first."""
    labels = (FEATURES[:, 0] > 0.5).astype(int)
    values = FEATURES * [20, *[1] * 15] - [10, *[0.5] * 15]
    right, wrong = (spec.ranking(sign * spec.similarity(values, values), np.arange(300)) for sign in (1, -1))
    assert spec.mean_average_precision(right, labels, labels) > 0.9 > 0.4 > spec.mean_average_precision(wrong, labels, labels)
    assert spec.precision_at(right, labels, labels, 5) > 0.9
    with pytest.raises(ValueError, match="k is from 1"):
        spec.precision_at(right, labels, labels, 300)


def test_the_index_finds_what_exact_search_finds():
    exact = spec.ranking(spec.similarity(FEATURES[:40], FEATURES))[:, :5]
    index = spec.index(FEATURES, cells=12)
    recalls = [spec.recall(spec.search(index, FEATURES[:40], 5, cells), exact) for cells in (1, 4, 12)]
    assert recalls[0] < recalls[1] <= recalls[2] == 1
    assert np.array_equal(spec.search(index, FEATURES[:40], 5, 4), spec.search(spec.index(FEATURES, cells=12), FEATURES[:40], 5, 4))


def test_the_index_refuses():
    index = spec.index(FEATURES, cells=4)
    with pytest.raises(ValueError, match="from 1 to 4 cells"):
        spec.search(index, FEATURES[:1], 5, 5)
    with pytest.raises(ValueError, match="from 1 to the number of pictures, 300"):
        spec.index(FEATURES, cells=301)
    with pytest.raises(ValueError, match="as many pictures"):
        spec.recall(np.zeros((2, 3)), np.zeros((2, 4)))


def test_the_record_is_what_the_shipped_features_give():
    """The live chapter and the record measure the same search: packed features lose nothing that matters."""
    from dlbook.cnn.transfer import measure

    record, = runs.records("cnn/retrieval", "pets")
    stored = runs.load_weights(runs.checkpoint("cnn/transfer", "features"))
    features, asked = measure.unpacked(stored), np.flatnonzero(stored["test"])
    order, breeds = spec.ranking(spec.similarity(features[asked], features), asked), stored["breeds"].astype(int)
    assert spec.mean_average_precision(order, breeds, breeds[asked]) == pytest.approx(record["metrics"]["breed_map"], abs=0.003)


def test_the_sheet_of_results():
    from PIL import Image

    record, = runs.records("cnn/retrieval", "pets")
    with Image.open(runs.RUNS / "cnn/retrieval/pets.jpg") as sheet:
        assert sheet.size == ((full.SHOWN + 1) * full.THUMB, full.QUERIES * full.THUMB)
    assert len(record["queries"]) == full.QUERIES and all(len(row["found"]) == full.SHOWN for row in record["queries"])
    assert record["data"].keys() == {"oxford_pets_small/oxford_pets_small.zip", full.OFFICIAL} and data.registry.FILES.keys() >= record["data"].keys()
