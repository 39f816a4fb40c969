"""Inception v3 in Keras."""
from keras import layers

from dlbook.cnn.blocks.with_keras import (average_pool, conv, count_operations, dense,
                                          dropout, finish, fit, global_pool, images,
                                          max_pool, norm, precision, predict, relu,
                                          to_inputs, weights_of)
from dlbook.cnn.inception import spec

__all__ = ["count_operations", "fit", "inception", "predict", "to_inputs", "weights_of"]


def inception(a="keras", seed=0, weights=None, dtype="float32"):
    """Build an Inception v3: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `keras` or `torchvision`.
        seed: starting weights and dropout; the PyTorch twin starts from the same
            weights.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model; with the auxiliary head it returns a list of the logits and
        those of the head.

    Raises:
        ValueError: an unknown name or dtype, too small images, or weights of
            another network.

    Source: Szegedy et al. (2015), table 1.
    Differs from the paper: five convolutions before the modules and not six; the
    first modules keep a path of 5 x 5.
    """
    a = spec.architecture(a)
    rows = spec.table(a)
    with precision(dtype):
        inputs = images(a)
        x, heads = _stem(inputs, a), []
        for name in spec.MODULES:
            x = _module(x, a, name)
            if a.auxiliary and name == spec.HEAD_AFTER:
                heads = [_head(x, a)]
        x = dropout(global_pool(x), "dropout", a.dropout, seed)  # N, 2048
        logits = dense(x, "logits", a.num_classes)
    outputs = [logits, *heads] if heads else logits
    return finish(
        inputs, outputs, "inception", rows, a, seed, weights, spec.OFFICIAL)


def _unit(x, a, name, maps, kernel, stride=1, padding="same"):
    """A convolution, its normalisation and its ReLU."""
    x = conv(x, f"{name}_conv", spec.scaled(a, maps), kernel, stride, padding)
    return relu(norm(x, f"{name}_bn", a.norm), f"{name}_relu")


def _stem(x, a):
    """What comes before the modules: N, 299, 299, 3 -> N, 35, 35, 192."""
    for name, *numbers in spec.STEM:
        x = _unit(x, a, name, *numbers) if numbers else max_pool(x, name, 3, 2)
    return x


def _module(x, a, name):
    """An inception module: paths side by side."""
    ends = []
    for branch in spec.MODULES[name]:
        ends += _path(x, a, spec.path(name, branch))
    return layers.Concatenate(name=f"{name}_concat")(ends)


def _path(x, a, path):
    """One path through a module; the list of its ends, two where it parts."""
    both = [layer for layer in path if spec.parts(layer)]
    for layer in path[:len(path) - len(both)]:
        x = _layer(x, a, *layer)
    return [_layer(x, a, *layer) for layer in both] or [x]


def _layer(x, a, name, maps, kernel, stride, padding):
    """A convolution, or pooling where `maps` is its kind."""
    if maps == "max":
        return max_pool(x, name, kernel, stride, padding)
    if maps == "mean":
        return average_pool(x, name, kernel, stride, padding, a.counted)
    return _unit(x, a, name, maps, kernel, stride, padding)


def _head(x, a):
    """The auxiliary head: N, 17, 17, 768 -> logits N, num_classes."""
    x = average_pool(x, "aux_pool", 5, 3)  # N, 5, 5, 768
    for name, maps, kernel in spec.HEAD:
        x = _unit(x, a, name, maps, kernel, 1, "valid")
    return dense(global_pool(x, "aux_mean"), "aux_logits", a.num_classes)
