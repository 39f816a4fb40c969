"""LeNet-5 in PyTorch."""
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from dlbook.cnn.blocks.with_torch import (MaxPool, conv, count_operations, finish, fit,
                                          predict, to_inputs, weights_of)
from dlbook.cnn.lenet import spec

__all__ = ["GaussianUnits", "PartialConv", "Subsampling", "count_operations", "fit",
           "lenet", "predict", "to_inputs", "weights_of"]


def lenet(a="modern", seed=0, weights=None, dtype="float32"):
    """Build a LeNet-5: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, `original` (as published) or `modern` (as built today).
        seed: starting weights; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, or path of a checkpoint.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: LeCun et al. (1998), section II.
    Differs from the paper: cross-entropy of the scores is what training lowers. That is
    the paper's equation 9 without its rubbish class, and the loss of all our classifiers.
    The bitmaps behind the codes are our own. `modern` has ReLU, max pooling, all
    connections and a dense output with softmax, which the loss and `predict` apply.
    """
    a = spec.architecture(a)
    table = spec.table(a)
    with torch.device("meta"):
        steps = [*_features(a), *_output(a)]
        network = nn.Sequential(OrderedDict(steps))
    weights = spec.start(a, seed) if weights is None else weights
    return finish(network, table, a, seed, weights, dtype)


def _features(a):
    """Convolutions and subsampling: N, 1, 32, 32 -> N, 120, 1, 1; (name, module) pairs."""
    (m1, m2), options = a.maps, {"padding": "valid", "bias": True}
    c3 = PartialConv(m1, a.partial) if a.partial else conv(m1, m2, spec.KERNEL, **options)
    return [
        ("c1", conv(a.channels, m1, spec.KERNEL, **options)), _active(a, "c1"),
        # N, 6, 28, 28
        *_pool(a, m1, "s2"),  # N, 6, 14, 14
        ("c3", c3), _active(a, "c3"),  # N, 16, 10, 10
        *_pool(a, m2, "s4"),  # N, 16, 5, 5
        ("c5", conv(m2, a.units[0], spec.KERNEL, **options)), _active(a, "c5"),
    ]


def _output(a):
    """The dense part: N, 120, 1, 1 -> N, num_classes; list of (name, module)."""
    last = GaussianUnits if a.output == "gaussian" else nn.Linear
    return [
        ("flatten", nn.Flatten()),  # N, 120
        ("f6", nn.Linear(spec.flattened(a), a.units[1])), _active(a, "f6"),  # N, 84
        ("output", last(a.units[1], a.num_classes)),
    ]


def _active(a, name):
    """The activation behind a layer."""
    return f"{name}_{a.activation}", nn.ReLU() if a.activation == "relu" else _Squash()


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
    """A convolution whose maps see some of the maps before; only connections have weights.

    Maps (N, C, H, W) -> (N, len(partial), H - 4, W - 4); `partial` as in
    `spec.Architecture`. The weights are (connections, 5, 5).
    """

    def __init__(self, maps, partial):
        super().__init__(maps, len(partial), spec.KERNEL)
        self.places = spec.places(partial, maps)
        self.dense_shape = (len(partial) * maps, *self.kernel_size)
        weights = (len(self.places), *self.kernel_size)
        self.weight = nn.Parameter(torch.zeros(weights))

    def forward(self, x):
        places = torch.tensor(self.places, device=self.weight.device)
        # O I, 5, 5, with zeros where nothing is connected
        kernel = self.weight.new_zeros(self.dense_shape).index_copy(0, places, self.weight)
        kernel = kernel.view(self.out_channels, self.in_channels, *self.kernel_size)
        return F.conv2d(x, kernel, self.bias)


class GaussianUnits(nn.Linear):
    """Minus the squared distance between a vector and the fixed code of each class.

    Vectors (N, D) -> scores (N, classes).
    """

    def __init__(self, units, classes):
        super().__init__(units, classes, bias=False)
        del self.weight  # fixed: a buffer instead of a parameter
        self.register_buffer("weight", torch.zeros(classes, units))

    def forward(self, x):
        # y_i = -sum_j (x_j - w_ij)^2
        return -(x[:, None] - self.weight).square().sum(2)
