"""MobileNet in Keras."""
from keras import layers

from dlbook.cnn.blocks.with_keras import (conv, count_operations, dense, depthwise, dropout, finish, fit, global_pool, images, norm,
                                          precision, predict, to_inputs, weights_of)
from dlbook.cnn.mobilenet import spec

__all__ = ["count_operations", "fit", "mobilenet", "predict", "to_inputs", "weights_of"]


def mobilenet(a="1.0", seed=0, weights=None, dtype="float32"):
    """Build a MobileNet: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `1.0`, `0.75`, `0.5`, `0.25`, the width multiplier.
        seed: starting weights; the PyTorch twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Howard et al. (2017), table 1.
    Differs from the paper: ReLU stops at 6, as in the authors' code; the last block has
    stride 1: with the 2 of table 1 its maps would not have the 7 x 7 pixels stated there.
    Maps of an odd side are halved as keras.applications does; see `padding`.
    """
    a = spec.architecture(a)
    table = spec.table(a)
    with precision(dtype):
        inputs = images(a)
        x = conv(inputs, "stem_conv", spec.maps(a, a.stem), spec.KERNEL, a.stem_stride)
        x = _activated(x, a, "stem_bn", "stem_relu")  # N, H/2, W/2, 32 alpha
        for name, width, stride in spec.blocks(a):
            x = _block(x, a, name, width, stride)
        x = dropout(global_pool(x), "dropout", a.dropout, seed)  # N, C
        outputs = dense(x, "logits", a.num_classes)
    return finish(inputs, outputs, "mobilenet", table, a, seed, weights, spec.OFFICIAL)


def _block(x, a, name, width, stride):
    """One block: N, H, W, C -> N, H/stride, W/stride, width."""
    if a.convolution == "full":  # k k C width multiply-accumulates a pixel
        x = conv(x, f"{name}_conv", width, spec.KERNEL, stride)
        return _activated(x, a, f"{name}_conv_bn", f"{name}_conv_relu")
    # Filter each map by itself, then mix the maps: k k C + C width a pixel.
    padded = spec.pads(a, stride)
    if padded:
        # One pixel below and right.
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_depthwise_pad")(x)
    x = depthwise(x, f"{name}_depthwise", spec.KERNEL, stride,
                  "valid" if padded else "same")
    x = _activated(x, a, f"{name}_depthwise_bn", f"{name}_depthwise_relu")
    x = conv(x, f"{name}_pointwise", width, 1)
    return _activated(x, a, f"{name}_pointwise_bn", f"{name}_pointwise_relu")


def _activated(x, a, norm_name, relu_name):
    """Batch normalisation, then min(max(0, x), 6)."""
    return layers.ReLU(6.0, name=relu_name)(norm(x, norm_name, a.norm))
