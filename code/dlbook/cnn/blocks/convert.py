"""Weights of torchvision's and of Keras' models in the exchange format, and back; by names and layouts alone, without either library.

All four functions take the network's table and a function of one of our layers' names -> that layer's name over there, which
its `spec.py` has: `torchvision_name`, `keras_name`.
"""
import re

import numpy as np

from dlbook.parity import layout

WEIGHTS = {"conv": ("weight", "bias"), "depthwise": ("weight", "bias"), "dense": ("weight", "bias"),
           "norm": ("weight", "bias", "running_mean", "running_var")}
KINDS = {"conv": "Conv2D", "depthwise": "DepthwiseConv2D", "dense": "Dense", "norm": "BatchNormalization"}
# A separable layer of Keras is two of ours; the first name is also an older one of a depthwise layer's `kernel`.
SEPARABLE = {"depthwise": "depthwise_kernel", "conv": "pointwise_kernel"}
TOPS = ("predictions", "probs", "fc1000")  # what Keras has called the classifier, today's name first
OLD_WEIGHTS = {"W": "kernel", "b": "bias"}


def from_torchvision(arrays, rows, names):
    """Weights of a torchvision model in the exchange format.

    Args:
        arrays: dict of the model's names (`layer1.0.conv1.weight`) to arrays.
        rows: our table of the same network.
        names: function of our layer's name -> the model's name of it.

    Returns:
        dict of name to array.

    Raises:
        KeyError: there is no such weight.
    """
    state = {}
    for row in rows:
        theirs = {weight: f"{names(row.name)}.{weight}" for weight in WEIGHTS.get(row.kind, ())}
        found = {weight: arrays[name] for weight, name in theirs.items() if name in arrays}
        _check(row, found, theirs)
        for weight, array in found.items():
            # A classifier written as a convolution of 1 x 1 is our dense layer.
            state[f"{row.name}.{weight}"] = array.reshape(array.shape[0], -1) if row.kind == "dense" and weight == "weight" else array
    return state


def to_torchvision(state, rows, names):
    """Weights in the exchange format under the names of a torchvision model, which can load them as its state.

    Args:
        state: dict of name to array, as `weights_of` returns it.
        rows: our table of the network.
        names: function of our layer's name -> the model's name of it.

    Returns:
        dict of the model's names to arrays, with its counters of batches at 0.

    Raises:
        KeyError: there is no such weight.
    """
    arrays = {}
    for row in rows:
        for weight, array in _of_row(state, row).items():
            arrays[f"{names(row.name)}.{weight}"] = array
        if row.kind == "norm":
            arrays[f"{names(row.name)}.num_batches_tracked"] = np.array(0)
    return arrays


def from_keras(arrays, rows, names):
    """Weights of a Keras model in the exchange format.

    Args:
        arrays: dict of `<layer>.<weight>` (`kernel`, `bias`, `gamma`, `beta`, `moving_mean`, `moving_variance`) to arrays in Keras'
            layout, or of `<layer>/<weight>:0`, as `data.weights.read` returns it, under names of today or older ones.
        rows: our table of the same network.
        names: function of our layer's name -> the model's name of it.

    Returns:
        dict of name to array.

    Raises:
        KeyError: there is no such weight.
    """
    arrays = {_todays_name(name): array for name, array in arrays.items()}
    top = next((name for name in TOPS if f"{name}.kernel" in arrays), TOPS[0])
    state = {}
    for row, maps in _with_maps(rows):
        layer = top if names(row.name) == TOPS[0] else names(row.name)
        theirs = {ours: f"{layer}.{name}" for name, ours in layout.NAMES[KINDS[row.kind]].items()}
        separable = f"{layer}.{SEPARABLE.get(row.kind)}"
        if separable in arrays:
            theirs["weight"] = separable
        found = {weight: arrays[name] for weight, name in theirs.items() if name in arrays}
        _check(row, found, theirs)
        for weight, array in found.items():
            state[f"{row.name}.{weight}"] = np.ascontiguousarray(_kernel(row.kind, array, maps) if array.ndim > 1 else array)
    return state


def to_keras(state, rows, names):
    """Weights in the exchange format under the names and in the layout of a Keras model.

    Args:
        state: dict of name to array, as `weights_of` returns it.
        rows: our table of the network.
        names: function of our layer's name -> the model's name of it; two of ours with one name make a separable layer.

    Returns:
        dict of `<layer>.<weight>` to array. Where the model has a convolution of 1 x 1 for our dense layer, as MobileNet has, the
        kernel (in, out) has yet to be reshaped to (1, 1, in, out).

    Raises:
        KeyError: there is no such weight.
    """
    arrays = {}
    depthwise, pointwise = ({names(row.name) for row in rows if row.kind == kind} for kind in SEPARABLE)
    for row, maps in _with_maps(rows):
        layer = names(row.name)
        theirs = {ours: name for name, ours in layout.NAMES[KINDS[row.kind]].items()}
        if row.kind in SEPARABLE and layer in depthwise & pointwise:
            theirs["weight"] = SEPARABLE[row.kind]
        for weight, array in _of_row(state, row).items():
            arrays[f"{layer}.{theirs[weight]}"] = np.ascontiguousarray(_kernel_back(row.kind, array, maps) if array.ndim > 1 else array)
    return arrays


def _todays_name(name):
    """`conv1/kernel:0`, as files have it, and `conv1/conv1_W_1:0`, as the oldest had it, are `conv1.kernel`."""
    layer, _, weight = name.removesuffix(":0").replace("/", ".").rpartition(".")
    layer = layer.replace(".", "_")
    weight = re.sub(r"_\d+$", "", weight.removeprefix(f"{layer}_"))
    return f"{layer}.{OLD_WEIGHTS.get(weight, weight)}"


def _of_row(state, row):
    """A row's weights in the exchange format: dict of `weight`, `bias`, ... to array."""
    ours = {weight: f"{row.name}.{weight}" for weight in WEIGHTS.get(row.kind, ())}
    found = {weight: state[name] for weight, name in ours.items() if name in state}
    _check(row, found, ours)
    return found


def _check(row, found, names):
    """Refuse a row that lacks numbers and a weight; convolutions may have no bias and normalisation no scale."""
    missing = [name for weight, name in names.items() if weight not in found]
    if missing and sum(array.size for array in found.values()) < row.parameters + row.statistics:
        raise KeyError(f"there is no weight {missing[0]!r}, which our layer {row.name!r} needs.")


def _with_maps(rows):
    """Each row with weights, and for the first dense layer behind a flatten the maps (H, W, C) that were flattened."""
    maps, before = None, None
    for row in rows:
        maps = before if row.kind == "flatten" else maps
        if row.kind in WEIGHTS:
            yield row, maps if row.kind == "dense" else None
        maps, before = None if row.kind == "dense" else maps, row.shape


def _kernel(kind, array, maps):
    return layout.kernel(KINDS[kind], array.reshape(array.shape[-2:]) if kind == "dense" else array, maps)


def _kernel_back(kind, array, maps):
    """The inverse of `layout.kernel`."""
    if kind == "conv":
        return array.transpose(2, 3, 1, 0)  # O, I, H, W -> H, W, I, O
    if kind == "depthwise":
        return array.transpose(2, 3, 0, 1)  # C, 1, H, W -> H, W, C, 1
    if maps is not None:
        height, width, channels = maps
        array = array.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(array), -1)  # columns in the order H, W, C
    return array.T  # out, in -> in, out
