"""DenseNet in Keras."""
from keras import layers

from dlbook.cnn.blocks.with_keras import (average_pool, conv, count_operations, dense, dropout, finish, fit, global_pool, images,
                                          max_pool, norm, precision, predict, relu, to_inputs, weights_of)
from dlbook.cnn.densenet import spec

__all__ = ["count_operations", "densenet", "fit", "predict", "to_inputs", "weights_of"]


def densenet(a="121", seed=0, weights=None, dtype="float32"):
    """Build a DenseNet: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `121`, `169`, `201`.
        seed: starting weights; the PyTorch twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Huang et al. (2016), table 1, and equation 2 for the dense layers.
    Differs from the paper: a transition has a ReLU between batch normalisation and
    convolution, as in the authors' code.
    """
    a = spec.architecture(a)
    table = spec.table(a)
    with precision(dtype):
        inputs = images(a)
        x = _stem(inputs, a)
        for name, kind in spec.layers(a):
            x = _STEPS[kind](x, a, name, seed)
        x = _activated(x, a, "final")
        outputs = dense(global_pool(x), "logits", a.num_classes)  # N, num_classes
    return finish(inputs, outputs, "densenet", table, a, seed, weights, spec.OFFICIAL)


def _stem(x, a):
    """The first convolution: N, H, W, C -> N, H/4, W/4, width."""
    kernel, stride = (7, 2) if a.stem == "imagenet" else (3, 1)
    x = conv(x, "stem_conv", a.width, kernel, stride, kernel // 2)
    x = _activated(x, a, "stem")
    return max_pool(x, "stem_pool", 3, 2, 1) if a.stem == "imagenet" else x


def _layer(x, a, name, seed):
    """A dense layer: [x, H(x)], where H is batch norm, ReLU, convolution, twice."""
    new = _activated(x, a, name, 1)
    new = conv(new, f"{name}_conv1", a.bottleneck * a.growth, 1, padding=0)
    new = _activated(new, a, name, 2)
    new = conv(new, f"{name}_conv2", a.growth, 3, padding=1)  # N, H, W, growth
    if a.dropout:
        new = dropout(new, f"{name}_dropout", a.dropout, seed)
    # x holds the maps of all layers before, in their order: x_0, x_1, ..., x_(l-1).
    return layers.Concatenate(name=f"{name}_concat")([x, new])


def _transition(x, a, name, seed):
    """Fewer maps of half the side: N, H, W, C -> N, H/2, W/2, theta C."""
    x = _activated(x, a, name)
    x = conv(x, f"{name}_conv", spec.compressed(a, x.shape[-1]), 1, padding=0)
    return average_pool(x, f"{name}_pool", 2, 2)


_STEPS = {"layer": _layer, "transition": _transition}


def _activated(x, a, name, number=""):
    """Batch normalisation and ReLU, here before a convolution and not after it."""
    return relu(norm(x, f"{name}_bn{number}", a.norm), f"{name}_relu{number}")
