"""Weights of a Keras model under PyTorch's names and in PyTorch's layout, and back.

This is the one exchange format of the course: checkpoints are written in it, starting weights are drawn in it, and the
PyTorch twin loads it. An entry is called `<layer>.<weight>`; where PyTorch nests its modules (`block1.conv1`), the layer's
name is flat (`block1_conv1`), as Keras has it. It needs NumPy alone.
"""
import numpy as np

# Keras' name of a weight -> PyTorch's, for each kind of layer.
NAMES = {
    "Conv2D": {"kernel": "weight", "bias": "bias"},
    "Conv2DTranspose": {"kernel": "weight", "bias": "bias"},
    "DepthwiseConv2D": {"kernel": "weight", "bias": "bias"},
    "Dense": {"kernel": "weight", "bias": "bias"},
    "BatchNormalization": {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"},
    # PyTorch's two biases of an LSTM or SimpleRNN are one here; those of a GRU are the two rows of `bias`.
    "SimpleRNN": {"kernel": "weight_ih", "recurrent_kernel": "weight_hh", "bias": "bias"},
    "LSTM": {"kernel": "weight_ih", "recurrent_kernel": "weight_hh", "bias": "bias"},
    "GRU": {"kernel": "weight_ih", "recurrent_kernel": "weight_hh", "bias": "bias"},
    "Positions": {"embeddings": "weight"},
    "ReversibleEmbedding": {"embeddings": "weight"},
    "LayerNormalization": {"gamma": "weight", "beta": "bias"},
    # LeNet-5's own layers; what is called `weight` has the same layout in both twins.
    "PartialConv": {"weight": "weight", "bias": "bias"},
    "Subsampling": {"weight": "weight", "bias": "bias"},
    "GaussianUnits": {"kernel": "weight"},
    "SpectralDense": {"kernel": "weight", "bias": "bias", "direction": "direction"},
    "EqualConv": {"kernel": "weight", "bias": "bias"},
    "EqualDense": {"kernel": "weight", "bias": "bias"},
    "Modulated": {"kernel": "weight"},
    "ToImage": {"kernel": "weight", "bias": "bias"},
    "Noise": {"strength": "strength", "bias": "bias"},
    "Constant": {"weight": "weight"},
    "MirrorConv": {"kernel": "weight"},
    "StyleNorm": {"scale": "scale", "shift": "shift"},
}
CONVOLUTIONS = ("Conv2D", "Conv2DTranspose", "EqualConv", "Modulated", "ToImage", "MirrorConv")
RECURRENT = ("SimpleRNN", "LSTM", "GRU")


def from_keras(model, values=None):
    """Weights (or anything of their shapes, such as gradients) of a Keras model in the exchange format.

    Args:
        model: keras.Model whose layers with weights are among `NAMES`, each with a stable name.
        values: list of arrays in the order of `model.weights`; None takes the weights themselves.

    Returns:
        dict of `<layer>.<weight>` to array: convolutions (O, I, H, W), transposed ones (I, O, H, W), dense layers (out, in),
        recurrent layers (gates x units, in), embeddings (number, dimensions), the others (C,).

    Raises:
        TypeError: a layer with weights whose layout is not known here.
    """
    values = model.get_weights() if values is None else values
    arrays = {id(variable): np.asarray(value) for variable, value in zip(model.weights, values, strict=True)}
    maps, state = _flattened(model), {}
    for layer, variable, name in _variables(model):
        state[name] = _from_keras(type(layer).__name__, variable.name, arrays[id(variable)], maps.get(layer.name))
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
    maps = _flattened(model)
    for layer, variable, name in _variables(model):
        variable.assign(_to_keras(type(layer).__name__, variable, np.asarray(state[name]), maps.get(layer.name)))


def flat(name):
    """The exchange format's name of an entry of a PyTorch state dict: `block1.conv1.weight` -> `block1_conv1.weight`."""
    module, _, weight = name.rpartition(".")
    return f"{module.replace('.', '_')}.{weight}"


def check(state, shapes):
    """Say in a sentence where the names or shapes of weights differ from those wanted.

    Args:
        state: dict of name to array.
        shapes: dict of name to shape.

    Raises:
        ValueError: they differ.
    """
    missing, extra = sorted(set(shapes) - set(state)), sorted(set(state) - set(shapes))
    if missing or extra:
        raise ValueError(f"these weights belong to another network: missing {missing or 'none'}, not expected {extra or 'none'}.")
    for name, shape in shapes.items():
        if tuple(np.shape(state[name])) != tuple(shape):
            raise ValueError(f"{name} has shape {tuple(np.shape(state[name]))}; this network needs {tuple(shape)}.")


def kernel(kind, array, maps=None):
    """A kernel of Keras in PyTorch's layout.

    Args:
        kind: `Conv2D`, `Conv2DTranspose`, `DepthwiseConv2D` or `Dense`.
        array: (H, W, I, O), (H, W, O, I), (H, W, C, M) or (in, out).
        maps: (H, W, C) of the feature maps that a dense layer reads flattened; None when it reads a vector.

    Returns:
        (O, I, H, W), (I, O, H, W), (C * M, 1, H, W) or (out, in) array.
    """
    if kind in CONVOLUTIONS:
        return array.transpose(3, 2, 0, 1)  # H, W, I, O -> O, I, H, W; a transposed one's H, W, O, I -> I, O, H, W
    if kind == "DepthwiseConv2D":
        height, width, channels, each = array.shape
        return array.transpose(2, 3, 0, 1).reshape(channels * each, 1, height, width)
    if maps is None:
        return array.T  # in, out -> out, in
    # Keras flattens H, W, C and PyTorch C, H, W: the columns change places.
    return array.reshape(*maps, -1).transpose(3, 2, 0, 1).reshape(array.shape[1], -1)


def _from_keras(kind, name, array, maps):
    if kind in RECURRENT:
        return gates(kind, np.ascontiguousarray(array if name == "bias" else array.T), axis=-1 if name == "bias" else 0)
    return np.ascontiguousarray(kernel(kind, array, maps)) if name == "kernel" else array


def _to_keras(kind, variable, array, maps):
    if kind in RECURRENT:
        return gates(kind, array, axis=-1) if variable.name == "bias" else gates(kind, array, axis=0).T
    return _kernel_back(kind, array, maps, variable.shape) if variable.name == "kernel" else array


def gates(kind, array, axis=0):
    """The gates of a recurrent layer in the other framework's order; the same function leads back.

    Args:
        kind: `SimpleRNN`, `LSTM` or `GRU`.
        array: the gates' blocks follow each other along `axis`.
        axis: 0 for matrices in PyTorch's layout, -1 for biases.

    Returns:
        array of the same shape. Both have an LSTM's gates as input, forget, candidate, output; a GRU's are update, reset,
        candidate in Keras and reset, update, candidate in PyTorch.
    """
    if kind != "GRU":
        return array
    first, second, candidate = np.split(array, 3, axis)
    return np.concatenate([second, first, candidate], axis)


def recurrent_to_torch(values):
    """Weights of a recurrent layer under PyTorch's names, with its two biases: those of a GRU, or the one and zeros.

    Args:
        values: dict of `weight_ih`, `weight_hh` and `bias`.

    Returns:
        dict of PyTorch's name to array.
    """
    bias = np.asarray(values["bias"])
    first, second = bias if bias.ndim > 1 else (bias, np.zeros_like(bias))
    return {"weight_ih_l0": values["weight_ih"], "weight_hh_l0": values["weight_hh"], "bias_ih_l0": first, "bias_hh_l0": second}


def recurrent_from_torch(values, gru):
    """Arrays of a recurrent layer's weights, or gradients of them, under PyTorch's names in the exchange format.

    Args:
        values: dict of PyTorch's name to array.
        gru: whether both biases are learnt; else the second one is left out.

    Returns:
        dict of `weight_ih`, `weight_hh` and `bias`.
    """
    first = values["bias_ih_l0"]
    return {"weight_ih": values["weight_ih_l0"], "weight_hh": values["weight_hh_l0"],
            "bias": np.stack([first, values["bias_hh_l0"]]) if gru else first}


def _variables(model):
    """(layer, variable, name in the exchange format) of every weight."""
    for layer in model.layers:
        kind = type(layer).__name__
        if layer.weights and kind not in NAMES:
            raise TypeError(f"layer {layer.name!r} is a {kind}; the exchange format knows {', '.join(NAMES)}.")
        for variable in layer.weights if kind in NAMES else []:
            if variable.name in NAMES[kind]:
                yield layer, variable, f"{layer.name}.{NAMES[kind][variable.name]}"


def _flattened(model):
    """Name of each dense layer that reads flattened feature maps -> their shape (H, W, C)."""
    found = {}
    for layer in model.layers:
        if type(layer).__name__ == "Flatten" and len(layer.input.shape) == 4:
            found |= {reader.name: tuple(layer.input.shape[1:]) for reader in _next_dense(layer)}
    return found


def _next_dense(layer):
    """The dense layers that read a layer's output, directly or through layers that keep its order (dropout, activations)."""
    for node in layer._outbound_nodes:  # Keras has no public name for what reads a layer
        reader = node.operation
        if type(reader).__name__ == "Dense":
            yield reader
        elif not getattr(reader, "weights", None):
            yield from _next_dense(reader)


def _kernel_back(kind, weight, maps, shape):
    if kind in CONVOLUTIONS:
        return weight.transpose(2, 3, 1, 0)  # O, I, H, W -> H, W, I, O
    if kind == "DepthwiseConv2D":
        height, width, channels, each = shape
        return weight.reshape(channels, each, height, width).transpose(2, 3, 0, 1)
    if maps is None:
        return weight.T
    height, width, channels = maps
    return weight.reshape(-1, channels, height, width).transpose(2, 3, 1, 0).reshape(shape)
