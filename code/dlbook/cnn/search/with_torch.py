"""The networks of the architecture search in PyTorch."""
import torch
from torch import nn
from torch.nn.functional import relu

from dlbook.cnn.blocks.with_torch import (GlobalPool, MaxPool, Norm, conv,
                                          count_operations, depthwise, finish, fit,
                                          predict, to_inputs, weights_of)
from dlbook.cnn.search import spec

__all__ = [
    "candidate", "count_operations", "fit", "predict", "to_inputs", "weights_of",
]


def candidate(a=spec.Architecture(), seed=0, weights=None, dtype="float32"):
    """Build the network of a cell: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture.
        seed: starting weights; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, or path of a checkpoint.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown dtype, or weights of another network.

    Source: Zoph et al. (2017), section 3.
    Differs from the paper: a cell reads one input, its loose results are added and
    not joined, a separable convolution is applied once, and poolings stand in place
    of reduction cells.
    """
    with torch.device("meta"):
        network = _Candidate(a)
    return finish(network, spec.table(a), a, seed, weights, dtype)


class _Candidate(nn.Module):
    """A convolution, cells and poolings, the mean of each map, one dense layer."""

    def __init__(self, a):
        super().__init__()
        self.stem_conv = conv(a.channels, a.maps, 3, padding=1)
        self.stem_bn = Norm(a.maps, a.norm)
        self.steps = []
        for i in range(1, a.repeats + 1):
            self.add_module(f"cell{i}", _Cell(a))
            self.add_module(f"pool{i}", MaxPool(2, 2))
            self.steps += [f"cell{i}", f"pool{i}"]
        self.steps.pop()  # no pooling behind the last cell
        self.pool = GlobalPool()
        self.logits = nn.Linear(a.maps, a.num_classes)

    def forward(self, x):
        x = self.stem_bn(self.stem_conv(x))  # N, maps, H, W
        for name in self.steps:
            x = getattr(self, name)(x)
        return self.logits(self.pool(relu(x)))


class _Cell(nn.Module):
    """A cell: N, C, H, W -> N, C, H, W."""

    def __init__(self, a):
        super().__init__()
        self.nodes, self.loose = a.cell, spec.loose(a.cell)
        for i, node in enumerate(a.cell, 1):
            self.add_module(f"node{i}", _Node(a, node))

    def forward(self, x):
        results = [x]
        for i, (left, right) in enumerate(self.nodes, 1):
            add = getattr(self, f"node{i}")
            results.append(add(results[left.source], results[right.source]))
        result, *others = (results[i] for i in self.loose)
        for other in others:
            result = result + other
        return result


class _Node(nn.Module):
    """Two operations, added."""

    def __init__(self, a, node):
        super().__init__()
        self.left, self.right = (_operation(a, arrow.operation) for arrow in node)

    def forward(self, left, right):
        return self.left(left) + self.right(right)


def _operation(a, name):
    """What stands on an arrow: N, C, H, W -> N, C, H, W."""
    if name == "max3":
        return MaxPool(3, 1, 1)
    return nn.Identity() if name == "identity" else _Convolution(a, name)


class _Convolution(nn.Module):
    """relu, a convolution of 3 x 3 or a separable one, normalisation."""

    def __init__(self, a, name):
        super().__init__()
        self.separable = name == "sep3"
        if self.separable:
            self.depthwise = depthwise(a.maps, 3, padding=1)
            self.pointwise = conv(a.maps, a.maps, 1, padding=0)
        else:
            self.conv = conv(a.maps, a.maps, 3, padding=1)
        self.bn = Norm(a.maps, a.norm)

    def forward(self, x):
        x = relu(x)
        x = self.pointwise(self.depthwise(x)) if self.separable else self.conv(x)
        return self.bn(x)
