"""The feature network of the profile `quick`, chosen by comparison: a small VGG that has learnt to see as VGG19 does."""
import importlib

from dlbook import profile
from dlbook.style.features.spec import NETWORK, PATCHES, SETTINGS

__all__ = ["NETWORK", "PATCHES", "SETTINGS", "network"]


def network(framework="torch", dtype="float32"):
    """The feature network with its shipped weights; it needs no download.

    Args:
        framework: `torch` or `keras`.
        dtype: `float32` or `float64`.

    Returns:
        a network of `cnn.vgg`, for `style.gatys` and `style.patches`; `SETTINGS` and `PATCHES` suit it.

    Raises:
        ValueError: an unknown framework or dtype.
    """
    from dlbook import runs

    if framework not in profile.FRAMEWORKS:
        raise ValueError(f"unknown framework {framework!r}; choose from: {', '.join(profile.FRAMEWORKS)}.")
    twin = importlib.import_module(f"dlbook.cnn.vgg.with_{framework}")
    return twin.vgg(NETWORK, weights=runs.checkpoint("style/features", "imitation"), dtype=dtype)
