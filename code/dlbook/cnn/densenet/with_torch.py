"""DenseNet in PyTorch."""
import torch
from torch import nn

from dlbook.cnn.blocks.with_torch import (AveragePool, GlobalPool, MaxPool, Norm, conv, count_operations, finish, fit, predict,
                                          to_inputs, weights_of)
from dlbook.cnn.densenet import spec

__all__ = ["count_operations", "densenet", "fit", "predict", "to_inputs", "weights_of"]


def densenet(a="121", seed=0, weights=None, dtype="float32"):
    """Build a DenseNet: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `121`, `169`, `201`.
        seed: starting weights; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Huang et al. (2016), table 1, and equation 2 for the dense layers.
    Differs from the paper: a transition has a ReLU between batch normalisation and
    convolution, as in the authors' code.
    """
    a = spec.architecture(a)
    table = spec.table(a)
    with torch.device("meta"):
        network = _DenseNet(a)
    return finish(network, table, a, seed, weights, dtype, spec.OFFICIAL)


class _DenseNet(nn.Module):
    """The stem, dense layers and transitions, the mean of each map, one dense layer."""

    def __init__(self, a):
        super().__init__()
        self.stem = _Stem(a)
        channels = a.width
        for name, kind in spec.layers(a):
            step = _STEPS[kind](a, channels)
            self.add_module(name, step)
            channels = step.channels
        self.final = _Activated(a, channels)
        self.pool = GlobalPool()
        self.logits = nn.Linear(channels, a.num_classes)

    def forward(self, x):
        for step in self.children():
            x = step(x)
        return x


class _Stem(nn.Module):
    """The first convolution: N, C, H, W -> N, width, H/4, W/4."""

    def __init__(self, a):
        super().__init__()
        kernel, stride = (7, 2) if a.stem == "imagenet" else (3, 1)
        self.conv = conv(a.channels, a.width, kernel, stride, kernel // 2)
        self.bn = Norm(a.width, a.norm)
        self.pool = MaxPool(3, 2, 1) if a.stem == "imagenet" else nn.Identity()

    def forward(self, x):
        return self.pool(_relu(self.bn(self.conv(x))))


class _Layer(nn.Module):
    """A dense layer: [x, H(x)], where H is batch norm, ReLU, convolution, twice."""

    def __init__(self, a, channels):
        super().__init__()
        self.bn1 = Norm(channels, a.norm)
        self.conv1 = conv(channels, a.bottleneck * a.growth, 1, padding=0)
        self.bn2 = Norm(a.bottleneck * a.growth, a.norm)
        self.conv2 = conv(a.bottleneck * a.growth, a.growth, 3, padding=1)
        self.dropout = nn.Dropout(a.dropout)
        self.channels = channels + a.growth

    def forward(self, x):
        new = self.conv1(_relu(self.bn1(x)))
        new = self.dropout(self.conv2(_relu(self.bn2(new))))  # N, growth, H, W
        # x holds the maps of all layers before, in their order: x_0, x_1, ..., x_(l-1).
        return torch.cat([x, new], 1)


class _Transition(nn.Module):
    """Fewer maps of half the side: N, C, H, W -> N, theta C, H/2, W/2."""

    def __init__(self, a, channels):
        super().__init__()
        self.channels = spec.compressed(a, channels)
        self.bn = Norm(channels, a.norm)
        self.conv = conv(channels, self.channels, 1, padding=0)
        self.pool = AveragePool(2, 2)

    def forward(self, x):
        return self.pool(self.conv(_relu(self.bn(x))))


_STEPS = {"layer": _Layer, "transition": _Transition}


class _Activated(nn.Module):
    """Batch normalisation and ReLU after the last block."""

    def __init__(self, a, channels):
        super().__init__()
        self.bn = Norm(channels, a.norm)

    def forward(self, x):
        return _relu(self.bn(x))


def _relu(x):
    """max(0, x), written over x, which nothing else needs."""
    return torch.relu_(x)
