"""Cat or dog: the course's own small network, to look into and to fool."""
import importlib

from dlbook import profile
from dlbook.cnn.species.spec import NAMES, NETWORK, SIZE

__all__ = ["NAMES", "NETWORK", "SIZE", "network"]


def network(framework="torch", dtype="float32"):
    """The network with its shipped weights; it needs no download.

    Args:
        framework: `torch` or `keras`.
        dtype: `float32` or `float64`.

    Returns:
        a network of `cnn.vgg`: images of SIZE x SIZE pixels -> two logits, cat and dog.

    Raises:
        ValueError: an unknown framework or dtype.
    """
    from dlbook import runs

    if framework not in profile.FRAMEWORKS:
        raise ValueError(f"unknown framework {framework!r}; choose from: {', '.join(profile.FRAMEWORKS)}.")
    twin = importlib.import_module(f"dlbook.cnn.vgg.with_{framework}")
    return twin.vgg(NETWORK, weights=runs.checkpoint("cnn/species"), dtype=dtype)
