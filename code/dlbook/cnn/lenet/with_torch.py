"""LeNet-5 in PyTorch."""
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from dlbook.cnn.blocks.with_torch import (MaxPool, conv, count_operations, finish,
                                          fit, predict, to_inputs, weights_of)
from dlbook.cnn.lenet import spec

__all__ = ["GaussianUnits", "PartialConv", "Subsampling", "count_operations",
           "fit", "lenet", "predict", "to_inputs", "weights_of"]


def lenet(a="modern", seed=0, weights=None, dtype="float32"):
    """Build a LeNet-5: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, `original` (as published) or `modern` (as today).
        seed: starting weights; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, or path of a checkpoint.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: LeCun et al. (1998), section II.
    Differs from the paper: training lowers the cross-entropy of the scores, as in
    all our classifiers: the paper's equation 9 without its rubbish class. Squared
    distances are divided by `spread`. Weights start larger. The bitmaps of the
    codes are our own. `modern` has ReLU, max pooling, all connections and a dense
    output; its softmax is in the loss and in `predict`.
    """
    a = spec.architecture(a)
    table = spec.table(a)
    with torch.device("meta"):
        steps = [*_features(a), *_output(a)]
        network = nn.Sequential(OrderedDict(steps))
    weights = spec.start(a, seed) if weights is None else weights
    return finish(network, table, a, seed, weights, dtype)


def _features(a):
    """Convolutions and subsampling: N, 1, 32, 32 -> N, 120, 1, 1; named layers."""
    (m1, m2), options = a.maps, {"padding": "valid", "bias": True}
    c1 = conv(a.channels, m1, spec.KERNEL, **options)  # N, 6, 28, 28
    if a.partial:
        c3 = PartialConv(a.partial, m1)  # N, 16, 10, 10
    else:
        c3 = conv(m1, m2, spec.KERNEL, **options)
    c5 = conv(m2, a.units[0], spec.KERNEL, **options)  # N, 120, 1, 1
    return [("c1", c1), _active(a, "c1"), *_pool(a, m1, "s2"),  # N, 6, 14, 14
            ("c3", c3), _active(a, "c3"), *_pool(a, m2, "s4"),  # N, 16, 5, 5
            ("c5", c5), _active(a, "c5")]


def _output(a):
    """The dense part: N, 120, 1, 1 -> N, num_classes; named layers."""
    f6 = nn.Linear(spec.flattened(a), a.units[1])  # N, 120 -> N, 84
    if a.output == "gaussian":
        last = GaussianUnits(a.num_classes, a.spread, a.units[1])
    else:
        last = nn.Linear(a.units[1], a.num_classes)
    return [("flatten", nn.Flatten()), ("f6", f6), _active(a, "f6"),
            ("output", last)]


def _active(a, name):
    """The activation behind a layer."""
    layer = nn.ReLU() if a.activation == "relu" else _Squash()
    return f"{name}_{a.activation}", layer


class _Squash(nn.Module):
    def forward(self, x):
        height, slope = spec.SQUASH
        return height * torch.tanh(slope * x)  # f(a) = A tanh(S a)


def _pool(a, maps, name):
    """Halve the maps."""
    if a.pooling == "max":
        return [(name, MaxPool(spec.POOL, spec.POOL))]
    return [(name, Subsampling(maps)), _active(a, name)]


class Subsampling(nn.Module):
    """The sum of each 2 x 2 pixels times a learnt coefficient plus a learnt bias.

    Maps (N, C, H, W) -> (N, C, H/2, W/2); two parameters a map.
    """

    def __init__(self, maps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(maps))
        self.bias = nn.Parameter(torch.zeros(maps))

    def forward(self, x):
        total = F.avg_pool2d(x, spec.POOL, divisor_override=1)
        return self.weight[:, None, None] * total + self.bias[:, None, None]


class PartialConv(nn.Conv2d):
    """A convolution whose maps see some of the maps before.

    Only connections have weights.
    Maps (N, C, H, W) -> (N, len(partial), H - 4, W - 4); `partial` as in
    `spec.Architecture`. The weights are (connections, 5, 5).
    """

    def __init__(self, partial, maps):
        super().__init__(maps, len(partial), spec.KERNEL)
        self.places = spec.places(partial, maps)
        self.dense_shape = (len(partial) * maps, *self.kernel_size)
        weights = (len(self.places), *self.kernel_size)
        self.weight = nn.Parameter(torch.zeros(weights))

    def forward(self, x):
        places = torch.tensor(self.places, device=self.weight.device)
        # O I, 5, 5, with zeros where nothing is connected
        kernel = self.weight.new_zeros(self.dense_shape)
        kernel = kernel.index_copy(0, places, self.weight)
        kernel = kernel.view(self.out_channels, self.in_channels, *self.kernel_size)
        return F.conv2d(x, kernel, self.bias)


class GaussianUnits(nn.Linear):
    """Minus the squared distance between a vector and the fixed code of each class.

    Vectors (N, D) -> scores (N, classes); distances are divided by `spread`.
    """

    def __init__(self, classes, spread, units):
        super().__init__(units, classes, bias=False)
        self.spread = spread
        del self.weight  # fixed: a buffer instead of a parameter
        self.register_buffer("weight", torch.zeros(classes, units))

    def forward(self, x):
        # -sum_j (x_j - w_ij)^2 / spread
        squares = (x[:, None] - self.weight).square()  # N, classes, D
        return -squares.sum(2) / self.spread
