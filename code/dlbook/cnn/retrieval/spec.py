"""Retrieval's facts and arithmetic: similarity, ranking, average precision, an index. It needs no deep-learning framework."""
import numpy as np

ONE_TWIN = "the networks are `cnn/transfer`'s in both frameworks; what is done with their features is NumPy"

CELLS = 64  # of an index: about the square root of some thousands of vectors


def unit(features):
    """Vectors of length 1, so that their product is the cosine of the angle between them.

    Args:
        features: (N, D).

    Returns:
        (N, D) float32.

    Raises:
        ValueError: a wrong shape, or a vector of length 0, which has no direction.
    """
    features = np.asarray(features, np.float32)
    if features.ndim != 2:
        raise ValueError(f"features have shape (N, D); got {features.shape}.")
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise ValueError(f"features must be finite and not all 0; number {int(np.argmin(np.isfinite(lengths) & (lengths > 0)))} is not.")
    return features / lengths


def similarity(queries, collection):
    """Cosine similarity of every query with everything in the collection.

    Args:
        queries: (Q, D) features.
        collection: (N, D) features.

    Returns:
        (Q, N) float32 in [-1, 1].
    """
    # cos(a, b) = a . b / (|a| |b|)
    return unit(queries) @ unit(collection).T


def ranking(similarities, own=None):
    """The collection in order of similarity.

    Args:
        similarities: (Q, N).
        own: (Q,) place of each query in the collection, which is left out; None where the queries are not in it.

    Returns:
        (Q, N) or (Q, N - 1) int64, the most similar first; of equals, the one that comes first.
    """
    order = np.argsort(-similarities, axis=1, kind="stable")
    if own is None:
        return order
    return order[order != np.asarray(own)[:, None]].reshape(len(order), -1)


def average_precision(relevant):
    """How well the right pictures stand in front.

    Args:
        relevant: (N,) bool, in the order of the ranking: whether each picture is a right one.

    Returns:
        float in [0, 1]: the mean, over the right pictures, of the share of right ones down to each.

    Raises:
        ValueError: there is no right picture, so nothing can be found.

    Source: Manning, Raghavan and Schuetze (2008), "Introduction to information retrieval", section 8.4.
    """
    relevant = np.asarray(relevant, bool)
    if relevant.ndim != 1 or not relevant.any():
        raise ValueError(f"a ranking needs a right picture or more; got {int(relevant.sum())} in shape {relevant.shape}.")
    places = np.flatnonzero(relevant) + 1  # counted from 1
    # AP = 1/R sum_r (right ones up to place_r) / place_r
    return float(np.mean(np.arange(1, len(places) + 1) / places))


def mean_average_precision(order, labels, wanted):
    """The mean of average precision over queries; those of whose kind there is no other picture are left out.

    Args:
        order: (Q, N) ranking.
        labels: labels of the collection.
        wanted: (Q,) label of each query.

    Returns:
        float in [0, 1].
    """
    relevant = np.asarray(labels)[order] == np.asarray(wanted)[:, None]
    return float(np.mean([average_precision(row) for row in relevant if row.any()]))


def precision_at(order, labels, wanted, k):
    """Share of right pictures among the first k of each ranking: float in [0, 1]; arguments as `mean_average_precision`."""
    if not 1 <= k <= order.shape[1]:
        raise ValueError(f"k is from 1 to the number of pictures, {order.shape[1]}; got {k}.")
    return float((np.asarray(labels)[order[:, :k]] == np.asarray(wanted)[:, None]).mean())


def index(collection, cells=CELLS, seed=0):
    """Sort a collection into cells, so that a query is compared with a few cells alone.

    Args:
        collection: (N, D) features.
        cells: how many; each has a centre, found by k-means.
        seed: of k-means.

    Returns:
        faiss index; `search` asks it.

    Raises:
        ValueError: more cells than pictures.

    Source: Sivic and Zisserman (2003), "Video Google", inverted files; Johnson, Douze and Jegou (2019), the library FAISS.
    """
    import faiss

    vectors = unit(collection)
    if not 1 <= cells <= len(vectors):
        raise ValueError(f"cells is from 1 to the number of pictures, {len(vectors)}; got {cells}.")
    faiss.omp_set_num_threads(1)  # the same order of sums everywhere
    found = faiss.IndexIVFFlat(faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
    found.cp.seed, found.cp.min_points_per_centroid = seed + 1, 1
    found.train(vectors)
    found.add(vectors)
    return found


def search(found, queries, k, cells):
    """Ask an index for the most similar pictures.

    Args:
        found: from `index`.
        queries: (Q, D) features.
        k: how many pictures.
        cells: how many cells are looked through for each query.

    Returns:
        (Q, k) int64, the most similar first; -1 where the cells held fewer.

    Raises:
        ValueError: more cells than there are.
    """
    if not 1 <= cells <= found.nlist:
        raise ValueError(f"from 1 to {found.nlist} cells can be looked through; got {cells}.")
    found.nprobe = cells
    return found.search(unit(queries), k)[1]


def recall(found, exact):
    """Share of the truly most similar pictures that an index found.

    Args:
        found, exact: (Q, k) places.

    Returns:
        float in [0, 1].
    """
    if np.shape(found) != np.shape(exact):
        raise ValueError(f"both hold as many pictures; got {np.shape(found)} and {np.shape(exact)}.")
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(np.asarray(found).tolist(), np.asarray(exact).tolist())]))
