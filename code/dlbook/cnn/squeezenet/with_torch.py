"""SqueezeNet in PyTorch."""
from collections import OrderedDict

import torch
from torch import nn
from torch.nn.functional import relu

from dlbook.cnn.blocks.with_torch import (GlobalPool, MaxPool, conv,
                                          count_operations, finish, fit, predict,
                                          to_inputs, weights_of)
from dlbook.cnn.squeezenet import spec

__all__ = ["count_operations", "fit", "predict", "squeezenet", "to_inputs",
           "weights_of"]


def squeezenet(a="1.0", seed=0, weights=None, dtype="float32"):
    """Build a SqueezeNet: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `1.0`, `1.1`.
        seed: starting weights and dropout; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Iandola et al. (2016), table 1.
    Differs from the paper: it reads 224 pixels, for which the first maps are 109 and
    not 111 pixels wide. Colours are divided by their deviation too; scaling
    `caffe-whole`, with the authors' weights, subtracts the mean alone. Pooling rounds
    up, as in the authors' code. `1.1` is from the authors' later release: smaller
    windows in the first layer, and earlier pooling. No softmax; the loss and
    `predict` apply it.
    """
    a = spec.architecture(a)
    with torch.device("meta"):
        steps, channels = _stem(a), a.stem[0]
        for name, layer in spec.steps(a):
            if layer == "M":
                steps.append((name, MaxPool(*spec.POOL, ceil=True)))
            else:
                steps.append((name, _Fire(channels, *layer)))
                channels = sum(layer[1:])
        network = nn.Sequential(OrderedDict(steps + _classifier(a, channels)))
    table = spec.table(a)
    return finish(network, table, a, seed, weights, dtype, spec.OFFICIAL)


def _stem(a):
    """(name, module) of the first layer: N, 3, 227, 227 -> N, 96, 111, 111."""
    layer = conv(a.channels, *a.stem, spec.STRIDE, "valid", bias=True)
    return [("conv1", layer), ("relu1", nn.ReLU(inplace=True))]


class _Fire(nn.Module):
    """Few maps, then many: N, C, H, W -> N, expand1x1 + expand3x3, H, W."""

    def __init__(self, channels, squeeze, expand1x1, expand3x3):
        super().__init__()
        self.squeeze = conv(channels, squeeze, 1, bias=True)
        self.expand1x1 = conv(squeeze, expand1x1, 1, bias=True)
        self.expand3x3 = conv(squeeze, expand3x3, 3, bias=True)

    def forward(self, x):
        x = relu(self.squeeze(x), inplace=True)  # N, squeeze, H, W
        left, right = self.expand1x1(x), self.expand3x3(x)
        return relu(torch.cat([left, right], 1), inplace=True)


def _classifier(a, channels):
    """(name, module) of a map a class, and its mean: N, 512, 13, 13 -> N, 1000."""
    end = spec.last(a)
    layer = conv(channels, a.num_classes, 1, padding=a.border, bias=True)
    return [
        (f"dropout{end - 1}", nn.Dropout(a.dropout)),
        (f"conv{end}", layer),
        (f"relu{end}", nn.ReLU(inplace=True)),
        (f"pool{end}", GlobalPool()),
    ]
