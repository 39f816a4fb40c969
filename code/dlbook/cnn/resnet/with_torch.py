"""Residual networks in PyTorch."""
import torch
from torch import nn
from torch.nn.functional import relu

from dlbook.cnn.blocks.with_torch import (GlobalPool, MaxPool, Norm, conv, count_operations, finish, fit, predict, to_inputs,
                                          weights_of)
from dlbook.cnn.resnet import spec

__all__ = ["count_operations", "fit", "predict", "resnet", "to_inputs", "weights_of"]


def resnet(a="50", seed=0, weights=None, dtype="float32"):
    """Build a residual network: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `18`, `34`, `50`, `101`, `152`.
        seed: starting weights; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: He et al. (2015), table 1.
    Differs from the paper: in a bottleneck the 3 x 3 convolution has the stride and not
    the first 1 x 1 (`stride_in=1` gives the paper's); images lose the mean of each colour
    and are divided by its deviation, where the paper subtracts the mean of each pixel.
    """
    a = spec.architecture(a)
    with torch.device("meta"):
        network = _ResNet(a)
    return finish(network, spec.table(a), a, seed, weights, dtype, spec.OFFICIAL)


class _ResNet(nn.Module):
    """The stem, the blocks, the mean of each map, one dense layer."""

    def __init__(self, a):
        super().__init__()
        self.stem = _Stem(a)
        channels = a.widths[0]
        for name, width, stride in spec.stages(a):
            self.add_module(name, _Block(a, channels, width, stride))
            channels = width * spec.EXPANSION[a.block]
        self.pool = GlobalPool()
        self.logits = nn.Linear(channels, a.num_classes)

    def forward(self, x):
        for step in self.children():
            x = step(x)
        return x


class _Stem(nn.Module):
    """The first convolution, before any block: N, C, H, W -> N, 64, H/4, W/4."""

    def __init__(self, a):
        super().__init__()
        kernel, stride = (7, 2) if a.stem == "imagenet" else (3, 1)
        self.conv = conv(a.channels, a.widths[0], kernel, stride, kernel // 2, bias=a.bias)
        self.bn = Norm(a.widths[0], a.norm)
        self.pool = MaxPool(3, 2, 1) if a.stem == "imagenet" else nn.Identity()

    def forward(self, x):
        return self.pool(relu(self.bn(self.conv(x))))


class _Block(nn.Module):
    """A residual block: relu(F(x) + x), where F is two or three convolutions."""

    def __init__(self, a, channels, width, stride):
        super().__init__()
        convs = spec.convolutions(a, width, stride)
        self.depth, self.adds = len(convs), a.shortcut
        self.projects = spec.projects(a, channels, width, stride)
        if self.projects:
            self.shortcut_conv = conv(channels, convs[-1][0], 1, stride, 0, bias=a.bias)
            self.shortcut_bn = Norm(convs[-1][0], a.norm)
        for i, (filters, kernel, step) in enumerate(convs, 1):
            layer = conv(channels, filters, kernel, step, kernel // 2, bias=a.bias)
            self.add_module(f"conv{i}", layer)
            self.add_module(f"bn{i}", Norm(filters, a.norm))
            channels = filters

    def forward(self, x):
        shortcut = self.shortcut_bn(self.shortcut_conv(x)) if self.projects else x
        for i in range(1, self.depth + 1):
            x = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(x))
            if i < self.depth:
                x = relu(x)
        return relu(x + shortcut) if self.adds else relu(x)  # F(x) + x
