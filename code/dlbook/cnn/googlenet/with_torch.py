"""GoogLeNet in PyTorch."""
import torch
from torch import nn
from torch.nn.functional import relu

from dlbook.cnn.blocks.with_torch import (LRN, AdaptivePool, AveragePool, GlobalPool,
                                          MaxPool, Norm, conv, count_operations, finish,
                                          fit, predict, to_inputs, weights_of)
from dlbook.cnn.googlenet import spec

__all__ = ["count_operations", "fit", "googlenet", "predict", "to_inputs", "weights_of"]


def googlenet(a="torchvision", seed=0, weights=None, dtype="float32"):
    """Build a GoogLeNet: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `paper` or `torchvision`.
        seed: starting weights and dropout; the Keras twin starts from the same
            weights.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module; with auxiliary heads it returns a tuple of the logits and
        those of the two heads.

    Raises:
        ValueError: an unknown name or dtype, too small images, or weights of
            another network.

    Source: Szegedy et al. (2014), table 1 and figure 3.
    Differs from the paper, as `torchvision`: batch normalisation in place of biases
    and of local response normalisation; windows of 3 x 3 on the path called 5 x 5, of
    2 x 2 in the last max pooling; the heads' means cover the whole map; less dropout.
    Both read images scaled to [-1, 1]; the paper subtracts the mean of each colour.
    The numbers of local response normalisation in `paper` are those of Caffe's copy
    of the network, for the paper gives none.
    """
    a = spec.architecture(a)
    rows = spec.table(a)
    with torch.device("meta"):
        network = _GoogLeNet(a)
    return finish(network, rows, a, seed, weights, dtype, spec.OFFICIAL)


class _GoogLeNet(nn.Module):
    """The stem, the modules, the mean of each map, one dense layer."""

    def __init__(self, a):
        super().__init__()
        self.steps, self.heads, channels = [], {}, spec.stem(a)[-1][1]
        for name, layer in _stem(a):
            self._step(name, layer)
        for name, m, pool in spec.modules(a):
            if pool:
                self._step(pool[0], MaxPool(pool[1], 2, ceil=True))
            module = _module(a, name, channels, m)
            self._step(name, module)
            channels = module.channels
            head = spec.head(a, name)
            if head:
                self.heads[name] = head
                self.add_module(head, _Head(a, head, channels))
        self.pool = GlobalPool()
        self.dropout = nn.Dropout(a.dropout)
        self.logits = nn.Linear(channels, a.num_classes)

    def _step(self, name, module):
        self.add_module(name, module)
        self.steps.append(name)

    def forward(self, x):
        heads = []
        for name in self.steps:
            x = getattr(self, name)(x)
            if name in self.heads:
                heads.append(getattr(self, self.heads[name])(x))
        logits = self.logits(self.dropout(self.pool(x)))
        return (logits, *heads) if heads else logits


class _Unit(nn.Module):
    """A convolution, its normalisation (if any) and its ReLU."""

    def __init__(self, a, channels, maps, kernel, stride=1):
        super().__init__()
        bias = a.norm is None
        self.conv = conv(channels, maps, kernel, stride, kernel // 2, bias=bias)
        self.bn = Norm(maps, a.norm) if a.norm else nn.Identity()
        self.channels = maps

    def forward(self, x):
        return relu(self.bn(self.conv(x)), inplace=True)


def _stem(a):
    """What comes before the modules: N, C, H, W -> N, 192, H/8, W/8."""
    channels = a.channels
    for name, maps, kernel, stride, behind in spec.stem(a):
        yield name, _Unit(a, channels, maps, kernel, stride)
        channels = maps
        for layer in behind:
            if layer.startswith("pool"):
                yield layer, MaxPool(3, 2, ceil=True)
            else:
                yield layer, LRN(a.lrn)


def _module(a, name, channels, m):
    """An inception module, or in the plain network one convolution of 3 x 3."""
    if a.module == "plain":
        return _Plain(a, name, channels)
    return _Inception(a, channels, m)


class _Plain(nn.Module):
    """What takes an inception module's place in the plain network."""

    def __init__(self, a, name, channels):
        super().__init__()
        self.channels = spec.plain_widths(a)[name]
        self.plain = _Unit(a, channels, self.channels, 3)

    def forward(self, x):
        return self.plain(x)


class _Inception(nn.Module):
    """An inception module: four paths side by side."""

    def __init__(self, a, channels, m):
        super().__init__()
        self.branch1 = _Unit(a, channels, m.branch1, 1)
        self.reduce3 = _Unit(a, channels, m.branch3[0], 1)
        self.branch3 = _Unit(a, m.branch3[0], m.branch3[1], 3)
        self.reduce5 = _Unit(a, channels, m.branch5[0], 1)
        self.branch5 = _Unit(a, m.branch5[0], m.branch5[1], a.kernel5)
        self.pool = MaxPool(3, 1, 1)
        self.proj = _Unit(a, channels, m.proj, 1)
        self.channels = m.branch1 + m.branch3[1] + m.branch5[1] + m.proj

    def forward(self, x):
        branch1 = self.branch1(x)
        branch3 = self.branch3(self.reduce3(x))
        branch5 = self.branch5(self.reduce5(x))
        proj = self.proj(self.pool(x))
        return torch.cat([branch1, branch3, branch5, proj], 1)


class _Head(nn.Module):
    """An auxiliary head: N, C, H, W -> logits N, num_classes."""

    def __init__(self, a, name, channels):
        super().__init__()
        maps, units = spec.head_widths(a)
        strided = a.head_pool == "strided"
        self.pool = AveragePool(5, 3) if strided else AdaptivePool(spec.HEAD_SIDE)
        self.reduce = _Unit(a, channels, maps, 1)
        self.dense = nn.Linear(spec.flattened(a, name), units)
        self.dropout = nn.Dropout(a.dropout_auxiliary)
        self.logits = nn.Linear(units, a.num_classes)

    def forward(self, x):
        x = self.reduce(self.pool(x)).flatten(1)
        x = relu(self.dense(x), inplace=True)  # N, 1024
        return self.logits(self.dropout(x))
