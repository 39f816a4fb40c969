"""MobileNetV2 in PyTorch."""
import torch
from torch import nn
from torch.nn.functional import relu6

from dlbook.cnn.blocks.with_torch import (GlobalPool, Norm, conv, count_operations, depthwise, finish, fit, predict, to_inputs,
                                          weights_of)
from dlbook.cnn.mobilenet2 import spec

__all__ = ["count_operations", "fit", "mobilenet2", "predict", "to_inputs", "weights_of"]


def mobilenet2(a="1.0", seed=0, weights=None, dtype="float32"):
    """Build a MobileNetV2: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `1.0`, `0.35`, `0.5`, `0.75`, `1.3`, `1.4`, the width
            multiplier.
        seed: starting weights; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Sandler et al. (2018), table 2; table 1 for a block.
    Differs from the paper: maps come in multiples of 8, and a block with t = 1 has no
    first convolution, both as in the authors' code; 3 x 3 windows have 1 pixel of zeros
    a side, as in torchvision (`padding="same"` gives TensorFlow's).
    """
    a = spec.architecture(a)
    with torch.device("meta"):
        network = _MobileNet2(a)
    return finish(network, spec.table(a), a, seed, weights, dtype, spec.OFFICIAL)


class _MobileNet2(nn.Module):
    """The stem, the blocks, a last convolution, the mean of each map, one dense layer."""

    def __init__(self, a):
        super().__init__()
        channels = spec.maps(a, a.stem)
        self.stem = _Activated(a, a.channels, channels, spec.KERNEL, a.stem_stride, a.padding)
        for name, t, width, stride in spec.blocks(a):
            self.add_module(name, _Block(a, channels, t, width, stride))
            channels = width
        self.last = _Activated(a, channels, spec.last_maps(a), 1)
        self.pool, self.dropout = GlobalPool(), nn.Dropout(a.dropout)
        self.logits = nn.Linear(spec.last_maps(a), a.num_classes)

    def forward(self, x):
        for step in self.children():
            x = step(x)
        return x


class _Activated(nn.Module):
    """Convolution, batch normalisation, ReLU that stops at 6."""

    def __init__(self, a, channels, width, kernel, stride=1, padding=0):
        super().__init__()
        self.conv = conv(channels, width, kernel, stride, padding)
        self.bn = Norm(width, a.norm)

    def forward(self, x):
        return _relu6(self.bn(self.conv(x)))


class _Block(nn.Module):
    """An inverted residual: N, C, H, W -> N, width, H/stride, W/stride."""

    def __init__(self, a, channels, t, width, stride):
        super().__init__()
        self.expands, self.adds = t > 1, spec.adds(channels, width, stride)
        if self.expands:
            self.expand = conv(channels, t * channels, 1, padding=0)
            self.expand_bn = Norm(t * channels, a.norm)
        self.depthwise = depthwise(t * channels, spec.KERNEL, stride, a.padding)
        self.depthwise_bn = Norm(t * channels, a.norm)
        self.project = conv(t * channels, width, 1, padding=0)
        self.project_bn = Norm(width, a.norm)

    def forward(self, x):
        shortcut = x
        if self.expands:
            x = _relu6(self.expand_bn(self.expand(x)))  # N, t C, H, W
        x = _relu6(self.depthwise_bn(self.depthwise(x)))
        x = self.project_bn(self.project(x))  # linear: ReLU would lose too much here
        return x + shortcut if self.adds else x


def _relu6(x):
    """min(max(0, x), 6), written over x, which nothing else needs."""
    return relu6(x, inplace=True)
