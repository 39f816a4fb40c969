"""Residual networks in Keras."""
from keras import layers

from dlbook.cnn.blocks.with_keras import (conv, count_operations, dense, finish, fit, global_pool, images, max_pool, norm,
                                          precision, predict, relu, to_inputs, weights_of)
from dlbook.cnn.resnet import spec

__all__ = ["count_operations", "fit", "predict", "resnet", "to_inputs", "weights_of"]


def resnet(a="50", seed=0, weights=None, dtype="float32"):
    """Build a residual network: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `18`, `34`, `50`, `101`, `152`.
        seed: starting weights; the PyTorch twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: He et al. (2015), table 1.
    Differs from the paper: in a bottleneck the 3 x 3 convolution has the stride and not
    the first 1 x 1 (`stride_in=1` gives the paper's); images lose the mean of each colour
    and are divided by its deviation, where the paper subtracts the mean of each pixel.
    """
    a = spec.architecture(a)
    with precision(dtype):
        inputs = images(a)
        x = _stem(inputs, a)
        for name, width, stride in spec.stages(a):
            x = _block(x, a, name, width, stride)
        x = global_pool(x)  # N, C
        outputs = dense(x, "logits", a.num_classes)
    return finish(inputs, outputs, "resnet", spec.table(a), a, seed, weights, spec.OFFICIAL)


def _stem(x, a):
    """The first convolution, before any block: N, H, W, C -> N, H/4, W/4, 64."""
    kernel, stride = (7, 2) if a.stem == "imagenet" else (3, 1)
    x = conv(x, "stem_conv", a.widths[0], kernel, stride, kernel // 2, bias=a.bias)
    x = relu(norm(x, "stem_bn", a.norm), "stem_relu")
    return max_pool(x, "stem_pool", 3, 2, 1) if a.stem == "imagenet" else x


def _block(x, a, name, width, stride):
    """A residual block: relu(F(x) + x), where F is two or three convolutions."""
    convs, shortcut = spec.convolutions(a, width, stride), x
    if spec.projects(a, x.shape[-1], width, stride):
        shortcut = conv(x, f"{name}_shortcut_conv", convs[-1][0], 1, stride, 0, bias=a.bias)
        shortcut = norm(shortcut, f"{name}_shortcut_bn", a.norm)
    for i, (filters, kernel, step) in enumerate(convs, 1):
        x = conv(x, f"{name}_conv{i}", filters, kernel, step, kernel // 2, bias=a.bias)
        x = norm(x, f"{name}_bn{i}", a.norm)
        if i < len(convs):
            x = relu(x, f"{name}_relu{i}")
    if a.shortcut:
        x = layers.Add(name=f"{name}_add")([x, shortcut])  # F(x) + x
    return relu(x, f"{name}_relu")
