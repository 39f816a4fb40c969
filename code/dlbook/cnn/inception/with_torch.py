"""Inception v3 in PyTorch."""
import torch
from torch import nn
from torch.nn.functional import relu

from dlbook.cnn.blocks.with_torch import (AveragePool, GlobalPool, MaxPool, Norm, conv,
                                          count_operations, finish, fit, predict,
                                          to_inputs, weights_of)
from dlbook.cnn.inception import spec

__all__ = ["count_operations", "fit", "inception", "predict", "to_inputs", "weights_of"]


def inception(a="keras", seed=0, weights=None, dtype="float32"):
    """Build an Inception v3: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `keras` or `torchvision`.
        seed: starting weights and dropout; the Keras twin starts from the same
            weights.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module; with the auxiliary head it returns a tuple of the logits
        and those of the head.

    Raises:
        ValueError: an unknown name or dtype, too small images, or weights of
            another network.

    Source: Szegedy et al. (2015), table 1.
    Differs from the paper: five convolutions before the modules and not six; the
    first modules keep a path of 5 x 5.
    """
    a = spec.architecture(a)
    rows = spec.table(a)
    with torch.device("meta"):
        network = _InceptionV3(a)
    return finish(network, rows, a, seed, weights, dtype, spec.OFFICIAL)


class _InceptionV3(nn.Module):
    """The stem, the modules, the mean of each map, one dense layer."""

    def __init__(self, a):
        super().__init__()
        self.steps, channels = [], a.channels
        for name, *numbers in spec.STEM:
            layer = _Unit(a, channels, *numbers) if numbers else MaxPool(3, 2)
            self._step(name, layer)
            channels = layer.channels if numbers else channels
        for name in spec.MODULES:
            module = _Module(a, channels, name)
            self._step(name, module)
            channels = module.channels
            if a.auxiliary and name == spec.HEAD_AFTER:
                self.aux = _Head(a, channels)
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
            if name == spec.HEAD_AFTER and hasattr(self, "aux"):
                heads = [self.aux(x)]
        logits = self.logits(self.dropout(self.pool(x)))
        return (logits, *heads) if heads else logits


class _Unit(nn.Module):
    """A convolution, its normalisation and its ReLU."""

    def __init__(self, a, channels, maps, kernel, stride=1, padding="same"):
        super().__init__()
        self.channels = spec.scaled(a, maps)
        self.conv = conv(channels, self.channels, kernel, stride, padding)
        self.bn = Norm(self.channels, a.norm)

    def forward(self, x):
        return relu(self.bn(self.conv(x)), inplace=True)


class _Module(nn.Module):
    """An inception module: paths side by side."""

    def __init__(self, a, channels, name):
        super().__init__()
        self.paths, self.channels = [], 0
        for branch in spec.MODULES[name]:
            self._add_path(a, channels, spec.path(name, branch))

    def _add_path(self, a, channels, path):
        """One path: the names of its layers, and of both where it parts."""
        both = [layer for layer in path if spec.parts(layer)]
        trunk = path[:len(path) - len(both)]
        for layer in trunk:
            channels = self._add_layer(a, channels, *layer)
        ends = [self._add_layer(a, channels, *layer) for layer in both]
        self.channels += sum(ends) or channels
        self.paths.append([[_inside(layer) for layer in end] for end in (trunk, both)])

    def _add_layer(self, a, channels, name, maps, kernel, stride, padding):
        """A convolution, or pooling where `maps` is its kind; returns its channels."""
        if maps == "max":
            layer = MaxPool(kernel, stride, padding)
        elif maps == "mean":
            layer = AveragePool(kernel, stride, padding, a.counted)
        else:
            layer = _Unit(a, channels, maps, kernel, stride, padding)
        self.add_module(_inside((name,)), layer)
        return getattr(layer, "channels", channels)

    def forward(self, x):
        ends = []
        for trunk, both in self.paths:
            y = x
            for name in trunk:
                y = getattr(self, name)(y)
            ends += [getattr(self, name)(y) for name in both] or [y]
        return torch.cat(ends, 1)


def _inside(layer):
    """A layer's name within its module: `mixed5b_five2` is `five2` there."""
    return layer[0].partition("_")[2]


class _Head(nn.Module):
    """The auxiliary head: N, 768, 17, 17 -> logits N, num_classes."""

    def __init__(self, a, channels):
        super().__init__()
        self.pool = AveragePool(5, 3)  # N, 768, 5, 5
        self.units = []
        for name, maps, kernel in spec.HEAD:
            unit = _Unit(a, channels, maps, kernel, 1, "valid")
            self.add_module(_inside((name,)), unit)
            self.units.append(_inside((name,)))
            channels = unit.channels
        self.mean = GlobalPool()
        self.logits = nn.Linear(channels, a.num_classes)

    def forward(self, x):
        x = self.pool(x)
        for name in self.units:
            x = getattr(self, name)(x)
        return self.logits(self.mean(x))
