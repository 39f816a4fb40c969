"""MobileNetV2 in Keras."""
from keras import layers

from dlbook.cnn.blocks.with_keras import (conv, count_operations, dense, depthwise, dropout, finish, fit, global_pool, images, norm,
                                          precision, predict, to_inputs, weights_of)
from dlbook.cnn.mobilenet2 import spec

__all__ = ["count_operations", "fit", "mobilenet2", "predict", "to_inputs", "weights_of"]


def mobilenet2(a="1.0", seed=0, weights=None, dtype="float32"):
    """Build a MobileNetV2: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `1.0`, `0.35`, `0.5`, `0.75`, `1.3`, `1.4`, the width
            multiplier.
        seed: starting weights; the PyTorch twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Sandler et al. (2018), table 2; table 1 for a block.
    Differs from the paper: maps come in multiples of 8, and a block with t = 1 has no
    first convolution, both as in the authors' code; 3 x 3 windows have 1 pixel of zeros
    a side, as in torchvision (`padding="same"` gives TensorFlow's).
    """
    a = spec.architecture(a)
    with precision(dtype):
        inputs = images(a)
        x = conv(inputs, "stem_conv", spec.maps(a, a.stem), spec.KERNEL, a.stem_stride,
                 a.padding)
        x = _activated(x, a, "stem_bn", "stem_relu")  # N, H/2, W/2, 32 alpha
        for name, t, width, stride in spec.blocks(a):
            x = _block(x, a, name, t, width, stride)
        x = conv(x, "last_conv", spec.last_maps(a), 1, padding=0)
        x = _activated(x, a, "last_bn", "last_relu")
        x = dropout(global_pool(x), "dropout", a.dropout, seed)  # N, 1280
        outputs = dense(x, "logits", a.num_classes)
    return finish(inputs, outputs, "mobilenet2", spec.table(a), a, seed, weights,
                  spec.OFFICIAL)


def _block(x, a, name, t, width, stride):
    """An inverted residual: N, H, W, C -> N, H/stride, W/stride, width."""
    shortcut, channels = x, x.shape[-1]
    if t > 1:
        x = conv(x, f"{name}_expand", t * channels, 1, padding=0)  # N, H, W, t C
        x = _activated(x, a, f"{name}_expand_bn", f"{name}_expand_relu")
    x = depthwise(x, f"{name}_depthwise", spec.KERNEL, stride, a.padding)
    x = _activated(x, a, f"{name}_depthwise_bn", f"{name}_depthwise_relu")
    x = conv(x, f"{name}_project", width, 1, padding=0)
    x = norm(x, f"{name}_project_bn", a.norm)  # linear: ReLU would lose too much here
    if spec.adds(channels, width, stride):
        x = layers.Add(name=f"{name}_add")([x, shortcut])
    return x


def _activated(x, a, norm_name, relu_name):
    """Batch normalisation, then min(max(0, x), 6)."""
    return layers.ReLU(6.0, name=relu_name)(norm(x, norm_name, a.norm))
