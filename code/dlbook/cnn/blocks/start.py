"""Starting weights of a network: drawn from a seed, given, read from a file, or the official ones."""
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path

from dlbook import runs
from dlbook.cnn.blocks.convert import from_keras, from_torchvision
from dlbook.cnn.blocks.table import above_zero, whole
from dlbook.train import initial


@dataclass(frozen=True)
class Norm:
    """Settings of batch normalisation.

    Args:
        eps: added to the variance.
        momentum: share of the old moving statistic that a step keeps (Keras' meaning; PyTorch's number is 1 minus this).
        scale: whether the channels are scaled after normalisation.
    """
    eps: float = 1e-5
    momentum: float = 0.9
    scale: bool = True

    def __post_init__(self):
        above_zero("eps", self.eps)
        if not (isinstance(self.momentum, (int, float)) and 0 <= self.momentum <= 1):
            raise ValueError(f"momentum is a share from 0 to 1 of the old moving statistic; got {self.momentum!r}.")
        if not isinstance(self.scale, bool):
            raise ValueError(f"scale must be True or False; got {self.scale!r}.")


@dataclass(frozen=True)
class LocalNorm:
    """Settings of local response normalisation: b = a / (k + alpha * sum of a^2 over n adjacent maps)^beta at each place.

    Args:
        n: maps in the sum; the map itself is in the middle.
        k, alpha, beta: as in the equation. PyTorch and Caffe divide their alpha by n; here, as in the paper, it is not divided.

    Source: Krizhevsky et al. (2012), section 3.3.
    """
    n: int = 5
    k: float = 2.0
    alpha: float = 1e-4
    beta: float = 0.75

    def __post_init__(self):
        whole("n", self.n)
        for name in ("k", "alpha", "beta"):
            above_zero(name, getattr(self, name))


@dataclass(frozen=True)
class Official:
    """Weights that others have trained on ImageNet.

    Args:
        architecture: the architecture they belong to.
        file: registered name, `<item>/<file>`.
        names: function of one of our layers' names -> that layer's name in the file.
        free: fields of the architecture that the weights do not depend on, for example `size`.
        counted: the file numbers its layers, not always from 1; `names` is then a function of all names of its layers -> the
            function above.
    """
    architecture: object
    file: str
    names: object
    free: tuple = ()
    counted: bool = False

    def fits(self, a):
        """Whether the weights are for architecture `a`."""
        return type(a) is type(self.architecture) and not self.differences(a)

    def differences(self, a):
        """Names of the fields in which architecture `a` is not that of the weights."""
        return [field.name for field in fields(a) if field.name not in self.free and getattr(a, field.name) != getattr(self.architecture, field.name)]


def weights_for(weights, shapes, rows, seed, official=(), a=None):
    """The weights a network starts with.

    Args:
        weights: None (draw them), a dict of name to array in the exchange format, the path of a safetensors file, or `official`.
        shapes: dict of name to shape, as the network wants them.
        rows: the network's table, a list of Row.
        seed: of the draw.
        official: tuple of Official.
        a: the network's architecture.

    Returns:
        dict of name to array.

    Raises:
        ValueError: no official ones for this architecture, or a damaged file.
        DataError: the official file cannot be had.
        FileNotFoundError: no file of that name.
        KeyError: the official file lacks a weight.
    """
    if weights is None:
        return initial.draw_by_name(shapes, seed)
    if isinstance(weights, str) and weights == "official":
        return _official(rows, official, a)
    if isinstance(weights, str) and get_close_matches(weights.lower(), ["official"]) and not Path(weights).exists():
        raise ValueError(f"weights is a dict, the path of a file, 'official' or None; got {weights!r}: did you mean 'official'?")
    return weights if isinstance(weights, Mapping) else runs.load_weights(weights)


def _official(rows, official, a):
    entry, arrays = _read_first(_fitting(official, a))
    if any(name.endswith(".weight") for name in arrays):
        return from_torchvision(arrays, rows, entry.names)
    # Keras counts some networks' layers, and not always from 1.
    names = entry.names({name.rpartition("/")[0] for name in arrays}) if entry.counted else entry.names
    return from_keras(arrays, rows, names)


def _fitting(official, a):
    """The files that fit an architecture; where none does, say how the nearest differs."""
    if not official:
        raise ValueError("this network has no official weights; weights=None draws them from the seed.")
    found = [entry for entry in official if entry.fits(a)]
    if found:
        return found
    nearest = min(official, key=lambda entry: len(entry.differences(a)))
    apart = "; ".join(f"{name} is {getattr(a, name)!r}, the weights are for {getattr(nearest.architecture, name)!r}"
                      for name in nearest.differences(a))
    others = dict.fromkeys(entry.file for entry in official if entry.file != nearest.file)
    more = f" There are also: {', '.join(others)}." if others else ""
    raise ValueError(f"there are no official weights for this architecture. Nearest is {nearest.file}: {apart}.{more}")


def _read_first(found):
    """Of several files that fit, the first on this machine, else the first that can be downloaded: (Official, its arrays)."""
    from dlbook.data import registry
    from dlbook.data import weights as files

    reasons = []
    for entry in sorted(found, key=lambda entry: not registry.at_hand(entry.file)):
        try:
            return entry, files.read(entry.file)
        except registry.DataError as error:
            if registry.at_hand(entry.file):
                raise  # it is damaged: no other file is taken in silence
            reasons.append(str(error))
    raise registry.DataError(" ".join(reasons))


def check_size(a):
    """Refuse to count the operations of an architecture that reads images of any size."""
    if a.size is None:
        raise ValueError(f"operations are counted at a size, and this network reads images of any; build it for one: replace(a, size={SIZE}).")


def check_classifier(a):
    """Refuse to predict with an architecture without a classifier."""
    if not getattr(a, "top", True):
        raise ValueError("this network has no classifier (top=False); build it with top=True, or ask for its features.")


SIZE = 224  # pixels; what networks for ImageNet mostly read
