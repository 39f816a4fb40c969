"""Starting weights of a network: drawn from a seed, given, read from a file, or the official ones."""
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dlbook import runs
from dlbook.cnn.blocks.table import above_zero, whole
from dlbook.parity import layout
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
    """
    architecture: object
    file: str
    names: object
    free: tuple = ()

    def fits(self, a):
        """Whether the weights are for architecture `a`."""
        return type(a) is type(self.architecture) and replace(self.architecture, **{name: getattr(a, name) for name in self.free}) == a


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
        ValueError: weights of another network, or no official ones for this architecture.
    """
    if weights is None:
        return initial.draw_by_name(shapes, seed)
    if isinstance(weights, str) and weights == "official":
        return _official(rows, official, a)
    return weights if isinstance(weights, Mapping) else runs.load_weights(weights)


def _official(rows, official, a):
    found = [entry for entry in official if entry.fits(a)]
    if not found:
        known = ", ".join(entry.file for entry in official) or "none"
        raise ValueError(f"there are no official weights for this architecture; there are these files, each for one: {known}.")
    entry, arrays = _first_at_hand(found)
    convert = from_torchvision if any(name.endswith(".weight") for name in arrays) else from_keras
    return convert(arrays, rows, entry.names)


def _first_at_hand(found):
    """Of several files that fit, the first that can be had: (Official, dict of `<layer>.<weight>` to array)."""
    from dlbook.data import weights as files
    from dlbook.data.registry import DataError

    for entry in found:
        try:
            return entry, by_layer(files.read(entry.file))
        except DataError:
            if entry is found[-1]:
                raise


def by_layer(arrays):
    """Weights of any file under names `<layer>.<weight>`.

    Args:
        arrays: dict of name to array; Keras' files say `conv1/kernel:0`, the oldest ones `block1_conv1_W_1:0`.

    Returns:
        dict of `<layer>.<weight>` to array.
    """
    return {_by_layer(name): array for name, array in arrays.items()}


def _by_layer(name):
    name = name.removesuffix(":0").replace("/", ".")
    for old, new in (("_W_1", ".kernel"), ("_b_1", ".bias")):
        name = name.removesuffix(old) + new if name.endswith(old) else name
    return name


def check_size(a):
    """Refuse to count the operations of an architecture that reads images of any size."""
    if a.size is None:
        raise ValueError(f"operations are counted at a size, and this network reads images of any; build it for one: replace(a, size={SIZE}).")


def check_classifier(a):
    """Refuse to predict with an architecture without a classifier."""
    if not getattr(a, "top", True):
        raise ValueError("this network has no classifier (top=False); build it with top=True, or ask for its features.")


SIZE = 224  # pixels; what networks for ImageNet mostly read
WEIGHTS = {"conv": ("weight", "bias"), "depthwise": ("weight", "bias"), "dense": ("weight", "bias"),
           "norm": ("weight", "bias", "running_mean", "running_var")}
KINDS = {"conv": "Conv2D", "depthwise": "DepthwiseConv2D", "dense": "Dense", "norm": "BatchNormalization"}
POINTWISE = "pointwise_kernel"  # a separable layer of Keras is two of ours: its `kernel` is the depthwise one, this the other


def from_torchvision(arrays, rows, names):
    """Weights of a torchvision model in the exchange format.

    Args:
        arrays: dict of the model's names (`layer1.0.conv1.weight`) to arrays.
        rows: our table of the same network.
        names: function of our layer's name -> the model's name of it.

    Returns:
        dict of name to array.

    Raises:
        KeyError: the file has no such weight.
    """
    state = {}
    for row in rows:
        for weight in WEIGHTS.get(row.kind, ()):
            array = arrays.get(f"{names(row.name)}.{weight}")
            if array is not None:
                # A classifier written as a convolution of 1 x 1 is our dense layer.
                state[f"{row.name}.{weight}"] = array.reshape(array.shape[0], -1) if row.kind == "dense" and weight == "weight" else array
    return state


def from_keras(arrays, rows, names):
    """Weights of a Keras model in the exchange format, without Keras.

    Args:
        arrays: dict of `<layer>.<weight>` (`kernel`, `bias`, `gamma`, `beta`, `moving_mean`, `moving_variance`) to arrays in Keras' layout.
        rows: our table of the same network.
        names: function of our layer's name -> the model's name of it.

    Returns:
        dict of name to array.
    """
    arrays = {_todays_name(name): array for name, array in arrays.items()}
    state, maps, before = {}, None, None
    for row in rows:
        maps = before if row.kind == "flatten" else maps
        for theirs, ours in layout.NAMES.get(KINDS.get(row.kind), {}).items():
            layer = names(row.name)
            array = arrays.get(f"{layer}.{theirs}")
            if row.kind == "conv" and theirs == "kernel":
                array = arrays.get(f"{layer}.{POINTWISE}", array)
            if array is not None:
                if theirs == "kernel":
                    array = layout.kernel(KINDS[row.kind], array.reshape(array.shape[-2:]) if row.kind == "dense" else array, maps)
                    maps = None if row.kind == "dense" else maps
                state[f"{row.name}.{ours}"] = np.ascontiguousarray(array)
        before = row.shape
    return state


def _todays_name(name):
    """`conv1/kernel:0`, as files have it, and `conv1.depthwise_kernel`, as Keras once said, are `conv1.kernel`."""
    layer, _, weight = name.removesuffix(":0").replace("/", ".").rpartition(".")
    return f"{layer.partition('.')[0]}.{weight.removeprefix('depthwise_')}"
