"""SqueezeNet in Keras."""
from keras import layers

from dlbook.cnn.blocks.with_keras import (conv, count_operations, dropout, finish,
                                          fit, global_pool, images, max_pool,
                                          precision, predict, relu, to_inputs,
                                          weights_of)
from dlbook.cnn.squeezenet import spec

__all__ = ["count_operations", "fit", "predict", "squeezenet", "to_inputs",
           "weights_of"]


def squeezenet(a="1.0", seed=0, weights=None, dtype="float32"):
    """Build a SqueezeNet: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `1.0`, `1.1`.
        seed: starting weights and dropout; the PyTorch twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Iandola et al. (2016), table 1.
    Differs from the paper: it reads 224 pixels, for which the first maps are 109 and
    not 111 pixels wide. Colours are divided by their deviation too; scaling
    `caffe-whole`, with the authors' weights, subtracts the mean alone. Pooling rounds
    up, as in the authors' code. `1.1` is from the authors' later release: smaller
    windows in the first layer, and earlier pooling. No softmax; the loss and
    `predict` apply it.
    """
    a = spec.architecture(a)
    with precision(dtype):
        inputs = images(a)
        x = conv(inputs, "conv1", *a.stem, spec.STRIDE, "valid", bias=True)
        x = relu(x, "relu1")
        for name, layer in spec.steps(a):
            if layer == "M":
                x = max_pool(x, name, *spec.POOL, ceil=True)
            else:
                x = _fire(x, name, *layer)
        outputs = _classifier(x, a, seed)
    table, official = spec.table(a), spec.OFFICIAL
    return finish(inputs, outputs, "squeezenet", table, a, seed, weights, official)


def _fire(x, name, squeeze, expand1x1, expand3x3):
    """Few maps, then many: N, H, W, C -> N, H, W, expand1x1 + expand3x3."""
    x = conv(x, f"{name}_squeeze", squeeze, 1, bias=True)
    x = relu(x, f"{name}_squeeze_relu")  # N, H, W, squeeze
    left = conv(x, f"{name}_expand1x1", expand1x1, 1, bias=True)
    right = conv(x, f"{name}_expand3x3", expand3x3, 3, bias=True)
    left = relu(left, f"{name}_expand1x1_relu")
    right = relu(right, f"{name}_expand3x3_relu")
    return layers.Concatenate(name=f"{name}_concat")([left, right])


def _classifier(x, a, seed):
    """A map a class, and its mean: N, 13, 13, 512 -> N, num_classes."""
    end = spec.last(a)
    x = dropout(x, f"dropout{end - 1}", a.dropout, seed)
    x = conv(x, f"conv{end}", a.num_classes, 1, padding=a.border, bias=True)
    return global_pool(relu(x, f"relu{end}"), f"pool{end}")
