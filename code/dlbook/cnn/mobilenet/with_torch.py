"""MobileNet in PyTorch."""
import torch
from torch import nn
from torch.nn.functional import relu6

from dlbook.cnn.blocks.with_torch import (GlobalPool, Norm, conv, count_operations, depthwise, finish, fit, predict, to_inputs,
                                          weights_of)
from dlbook.cnn.mobilenet import spec

__all__ = ["count_operations", "fit", "mobilenet", "predict", "to_inputs", "weights_of"]


def mobilenet(a="1.0", seed=0, weights=None, dtype="float32"):
    """Build a MobileNet: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `1.0`, `0.75`, `0.5`, `0.25`, the width multiplier.
        seed: starting weights; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Howard et al. (2017), table 1.
    Differs from the paper: ReLU stops at 6, as in the authors' code; the last block has
    stride 1: with the 2 of table 1 its maps would not have the 7 x 7 pixels stated there.
    Maps of an odd side are halved as keras.applications does; see `padding`.
    """
    a = spec.architecture(a)
    table = spec.table(a)
    with torch.device("meta"):
        network = _MobileNet(a)
    return finish(network, table, a, seed, weights, dtype, spec.OFFICIAL)


class _MobileNet(nn.Module):
    """The stem, the blocks, the mean of each map, one dense layer."""

    def __init__(self, a):
        super().__init__()
        self.stem = _Stem(a)
        channels = spec.maps(a, a.stem)
        for name, width, stride in spec.blocks(a):
            self.add_module(name, _BLOCKS[a.convolution](a, channels, width, stride))
            channels = width
        self.pool, self.dropout = GlobalPool(), nn.Dropout(a.dropout)
        self.logits = nn.Linear(channels, a.num_classes)

    def forward(self, x):
        for step in self.children():
            x = step(x)
        return x


class _Stem(nn.Module):
    """The first convolution, before any block: N, C, H, W -> N, 32 alpha, H/2, W/2."""

    def __init__(self, a):
        super().__init__()
        width = spec.maps(a, a.stem)
        self.conv = conv(a.channels, width, spec.KERNEL, a.stem_stride)
        self.bn = Norm(width, a.norm)

    def forward(self, x):
        return _activated(self.bn(self.conv(x)))


class _SeparableBlock(nn.Module):
    """Filter each map by itself, then mix the maps: k k C + C width a pixel."""

    def __init__(self, a, channels, width, stride):
        super().__init__()
        padded = spec.pads(a, stride)
        # One pixel below and right.
        self.pad = nn.ZeroPad2d((0, 1, 0, 1)) if padded else nn.Identity()
        self.depthwise = depthwise(channels, spec.KERNEL, stride,
                                   "valid" if padded else "same")
        self.depthwise_bn = Norm(channels, a.norm)
        self.pointwise = conv(channels, width, 1)
        self.pointwise_bn = Norm(width, a.norm)

    def forward(self, x):
        x = _activated(self.depthwise_bn(self.depthwise(self.pad(x))))
        return _activated(self.pointwise_bn(self.pointwise(x)))


class _FullBlock(nn.Module):
    """One convolution does both: k k C width multiply-accumulates a pixel."""

    def __init__(self, a, channels, width, stride):
        super().__init__()
        self.conv = conv(channels, width, spec.KERNEL, stride)
        self.conv_bn = Norm(width, a.norm)

    def forward(self, x):
        return _activated(self.conv_bn(self.conv(x)))


_BLOCKS = {"separable": _SeparableBlock, "full": _FullBlock}


def _activated(x):
    """min(max(0, x), 6), written over x, which nothing else needs."""
    return relu6(x, inplace=True)
