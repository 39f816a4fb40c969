"""Weights of a Keras model under PyTorch's names and in PyTorch's layout, and back.

This is the one exchange format of the course: checkpoints are written in it, starting weights are drawn in it, and the
PyTorch twin loads it as its state dict. It needs NumPy alone.
"""
import numpy as np


def _convolution(kernel):
    return kernel.transpose(3, 2, 0, 1)  # H, W, I, O -> O, I, H, W


def _convolution_back(weight):
    return weight.transpose(2, 3, 1, 0)  # O, I, H, W -> H, W, I, O


def _dense(kernel, maps):
    if maps is None:
        return kernel.T  # in, out -> out, in
    # Keras flattens H, W, C and PyTorch C, H, W: the columns change places.
    return kernel.reshape(*maps, -1).transpose(3, 2, 0, 1).reshape(kernel.shape[1], -1)


def _dense_back(weight, maps):
    if maps is None:
        return weight.T
    height, width, channels = maps
    return weight.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(-1, weight.shape[0])


def _flattened(model):
    """Name of each dense layer that reads flattened feature maps -> their shape (H, W, C)."""
    maps, found = None, {}
    for layer in model.layers:
        kind = type(layer).__name__
        if kind == "Flatten":
            maps = tuple(layer.input.shape[1:])
        elif kind == "Dense":
            found[layer.name], maps = maps, None
    return {name: shape for name, shape in found.items() if shape is not None and len(shape) == 3}


def from_keras(model, values=None):
    """Weights (or anything of their shapes, such as gradients) of a Keras model in the exchange format.

    Args:
        model: keras.Model made of convolutions, dense layers and layers without weights, each with a stable name.
        values: list of arrays in the order of `model.weights`; None takes the weights themselves.

    Returns:
        dict of `<layer>.weight` and `<layer>.bias` to array: convolutions (O, I, H, W), dense layers (out, in).

    Raises:
        TypeError: a layer with weights whose layout is not known here.
    """
    values = model.get_weights() if values is None else values
    arrays = {id(variable): np.asarray(value) for variable, value in zip(model.weights, values, strict=True)}
    maps, state = _flattened(model), {}
    for layer in _with_weights(model):
        kernel, *bias = [arrays[id(variable)] for variable in layer.weights]
        dense = type(layer).__name__ == "Dense"
        state[f"{layer.name}.weight"] = np.ascontiguousarray(_dense(kernel, maps.get(layer.name)) if dense else _convolution(kernel))
        if bias:
            state[f"{layer.name}.bias"] = bias[0]
    return state


def to_keras(model, state):
    """Copy weights in the exchange format into a Keras model.

    Args:
        model: keras.Model, changed in place.
        state: dict as `from_keras` returns it.

    Raises:
        ValueError: names or shapes do not fit; the model is left as it was.
        TypeError: a layer with weights whose layout is not known here.
    """
    check(state, {name: value.shape for name, value in from_keras(model).items()})
    maps, values = _flattened(model), {}
    for layer in _with_weights(model):
        weight = np.asarray(state[f"{layer.name}.weight"])
        dense = type(layer).__name__ == "Dense"
        values[layer.name] = [_dense_back(weight, maps.get(layer.name)) if dense else _convolution_back(weight)]
        if layer.use_bias:
            values[layer.name].append(state[f"{layer.name}.bias"])
    for layer in _with_weights(model):
        layer.set_weights(values[layer.name])


def check(state, shapes):
    """Say in a sentence where the names or shapes of weights differ from those wanted.

    Raises:
        ValueError: they differ.
    """
    missing, extra = sorted(set(shapes) - set(state)), sorted(set(state) - set(shapes))
    if missing or extra:
        raise ValueError(f"these weights belong to another network: missing {missing or 'none'}, not expected {extra or 'none'}.")
    for name, shape in shapes.items():
        if tuple(np.shape(state[name])) != tuple(shape):
            raise ValueError(f"{name} has shape {tuple(np.shape(state[name]))}; this network needs {tuple(shape)}.")


def _with_weights(model):
    layers = [layer for layer in model.layers if layer.weights]
    for layer in layers:
        if type(layer).__name__ not in {"Conv2D", "Dense"}:
            raise TypeError(f"layer {layer.name!r} is a {type(layer).__name__}; the exchange format knows Conv2D and Dense.")
    return layers
