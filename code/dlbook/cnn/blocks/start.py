"""Starting weights of a network: drawn from a seed, given, read from a file, or the official ones."""
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dlbook import runs
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


@dataclass(frozen=True)
class Official:
    """Weights that others have trained on ImageNet.

    Args:
        architecture: the architecture they belong to.
        file: registered name, `<item>/<file>`.
        names: function of one of our layers' names -> that layer's name in the file.
    """
    architecture: object
    file: str
    names: object


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
    found = [entry for entry in official if entry.architecture == a]
    if not found:
        known = ", ".join(entry.file for entry in official) or "none"
        raise ValueError(f"there are no official weights for this architecture; there are these files, each for one: {known}.")
    from dlbook.data import weights as files

    arrays = files.read(found[0].file)
    return from_torchvision(arrays, rows, found[0].names) if found[0].file.endswith(".pth") else from_keras(arrays, rows, found[0].names)


WEIGHTS = {"conv": ("weight", "bias"), "depthwise": ("weight", "bias"), "dense": ("weight", "bias"),
           "norm": ("weight", "bias", "running_mean", "running_var")}
KINDS = {"conv": "Conv2D", "depthwise": "DepthwiseConv2D", "dense": "Dense", "norm": "BatchNormalization"}


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
    state, maps, before = {}, None, None
    for row in rows:
        maps = before if row.kind == "flatten" else maps
        for theirs, ours in layout.NAMES.get(KINDS.get(row.kind), {}).items():
            array = arrays.get(f"{names(row.name)}.{theirs}")
            if array is not None:
                if theirs == "kernel":
                    array = layout.kernel(KINDS[row.kind], array.reshape(array.shape[-2:]) if row.kind == "dense" else array, maps)
                    maps = None if row.kind == "dense" else maps
                state[f"{row.name}.{ours}"] = np.ascontiguousarray(array)
        before = row.shape
    return state
