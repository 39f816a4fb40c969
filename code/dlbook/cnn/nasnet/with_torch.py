"""NASNet-A in PyTorch."""
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.functional import relu

from dlbook.cnn.blocks.with_torch import (GlobalPool, Norm, conv, count_operations,
                                          depthwise, finish, fit, predict, same_pad,
                                          to_inputs, weights_of)
from dlbook.cnn.nasnet import spec

__all__ = [
    "count_operations", "fit", "nasnet", "predict", "to_inputs", "weights_of",
]


def nasnet(a="mobile", seed=0, weights=None, dtype="float32"):
    """Build a NASNet-A: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `mobile`.
        seed: starting weights; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Zoph et al. (2017), figures 2 and 4.
    Differs from the paper: as in Keras, no auxiliary head, no dropped paths and no
    dropout in training, and the pooling of a reduction cell counts the zeros around
    the maps.
    """
    a = spec.architecture(a)
    with torch.device("meta"):
        network = _NASNet(a)
    table = spec.table(a)
    return finish(network, table, a, seed, weights, dtype, spec.OFFICIAL)


class _NASNet(nn.Module):
    """The stem, the cells, the mean of each map, one dense layer."""

    def __init__(self, a):
        super().__init__()
        self.stem_conv = conv(a.channels, a.stem_filters, *spec.stem(a))
        self.stem_bn = Norm(a.stem_filters, a.norm)
        steps = spec.steps(a)
        self.cells = [step.name for step in steps]
        for step in steps:
            self.add_module(step.name, _Cell(step, a.norm))
        self.pool = GlobalPool()
        self.logits = nn.Linear(a.penultimate, a.num_classes)

    def forward(self, x):
        h = p = self.stem_bn(self.stem_conv(x))  # N, 32, H/2, W/2
        for name in self.cells:
            # A cell reads the maps of the last two.
            h, p = getattr(self, name)(h, p), h
        return self.logits(self.pool(relu(h)))


class _Cell(nn.Module):
    """A cell: N, C, H, W twice -> N, C', H/stride, W/stride."""

    def __init__(self, step, norm):
        super().__init__()
        self.pairs, self.joined = step.cell.pairs, step.cell.joined
        self.adjust = _adjust(step, norm)
        self.squeeze = _ReluConvNorm(step.h[-1], step.filters, norm)
        for i, pair in enumerate(self.pairs, 1):
            self.add_module(f"pair{i}", _Pair(step, pair, norm))

    def forward(self, h, p):
        maps = {"p": self.adjust(p), "h": self.squeeze(h)}
        for i, pair in enumerate(self.pairs, 1):
            add = getattr(self, f"pair{i}")
            maps[str(i)] = add(maps[pair.left], maps[pair.right])
        return torch.cat([maps[source] for source in self.joined], 1)


def _adjust(step, norm):
    """Bring the maps of the cell before the last to the size of the last."""
    if step.adjust == "reduce":
        return _FactorisedReduction(step.p[-1], step.filters, norm)
    if step.adjust == "project":
        return _ReluConvNorm(step.p[-1], step.filters, norm)
    return nn.Identity()


class _ReluConvNorm(nn.Module):
    """Another number of maps: N, C, H, W -> N, filters, H, W."""

    def __init__(self, channels, filters, norm):
        super().__init__()
        self.conv = conv(channels, filters, 1, padding=0)
        self.bn = Norm(filters, norm)

    def forward(self, x):
        return self.bn(self.conv(relu(x)))


class _FactorisedReduction(nn.Module):
    """Halve the maps: N, C, H, W -> N, filters, H/2, W/2.

    One half of the result reads every second pixel, the other half those between.
    """

    def __init__(self, channels, filters, norm):
        super().__init__()
        self.conv1 = conv(channels, filters // 2, 1, 2, 0)
        self.conv2 = conv(channels, filters // 2, 1, 2, 0)
        self.bn = Norm(filters, norm)

    def forward(self, x):
        x = relu(x)
        between = F.pad(x, (-1, 1, -1, 1))  # one pixel up and to the left
        return self.bn(torch.cat([self.conv1(x), self.conv2(between)], 1))


class _Pair(nn.Module):
    """Two operations, added."""

    def __init__(self, step, pair, norm):
        super().__init__()
        for side, source, name in pair.sides():
            stride = step.cell.stride_from(source)
            channels = step.channels(source)
            module = _operation(name, channels, step.filters, stride, norm)
            self.add_module(side, module)

    def forward(self, left, right):
        return self.left(left) + self.right(right)


def _operation(name, channels, filters, stride, norm):
    """What stands on an arrow: N, C, H, W -> N, filters, H/stride, W/stride."""
    kind, kernel = spec.OPERATIONS[name]
    if kind == "separable":
        return _Separable(channels, filters, kernel, stride, norm)
    return nn.Identity() if kind == "identity" else _Pool(kind, kernel, stride)


class _Separable(nn.Module):
    """A separable convolution, twice: N, C, H, W -> N, filters, H/s, W/s."""

    def __init__(self, channels, filters, kernel, stride, norm):
        super().__init__()
        self.depthwise1 = depthwise(channels, kernel, stride)
        self.pointwise1 = conv(channels, filters, 1, padding=0)
        self.bn1 = Norm(filters, norm)
        self.depthwise2 = depthwise(filters, kernel)
        self.pointwise2 = conv(filters, filters, 1, padding=0)
        self.bn2 = Norm(filters, norm)

    def forward(self, x):
        x = self.bn1(self.pointwise1(self.depthwise1(relu(x))))
        return self.bn2(self.pointwise2(self.depthwise2(relu(x))))


class _Pool(nn.Module):
    """Pooling: N, C, H, W -> N, C, H/stride, W/stride.

    With stride 2 the zeros around the maps count, with stride 1 they do not.
    """

    def __init__(self, kind, kernel, stride):
        super().__init__()
        self.kind, self.kernel, self.stride = kind, kernel, stride

    def forward(self, x):
        inside = self.kernel // 2
        if self.stride == 2:
            x, inside = same_pad(x, (self.kernel,) * 2, (2, 2)), 0
        if self.kind == "max":
            return F.max_pool2d(x, self.kernel, self.stride, inside)
        options = {"count_include_pad": False}
        return F.avg_pool2d(x, self.kernel, self.stride, inside, **options)
