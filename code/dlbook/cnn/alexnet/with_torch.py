"""AlexNet in PyTorch."""
from collections import OrderedDict

import torch
from torch import nn

from dlbook.cnn.alexnet import spec
from dlbook.cnn.blocks.with_torch import (LRN, MaxPool, conv, count_operations, finish,
                                          fit, predict, to_inputs, weights_of)

__all__ = ["alexnet", "count_operations", "fit", "predict", "to_inputs", "weights_of"]


def alexnet(a="two-tower", seed=0, weights=None, dtype="float32"):
    """Build an AlexNet: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, `two-tower` (as published) or `one-tower` (in use today).
        seed: starting weights and dropout; the Keras twin starts from the same weights.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`, which exist for `one-tower`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Krizhevsky et al. (2012), figure 2.
    Differs from the paper: it reads 227 pixels; the paper writes 224, but a first layer of
    55 x 55 needs 227, for (227 - 11) / 4 + 1 = 55. Both towers are one network with
    grouped convolutions. Normalisation sums over neighbours across the towers' border.
    Colours are divided by their deviation too. No softmax; the loss and `predict` apply it.
    torchvision's one tower drops the inputs of the hidden layers, this one their outputs.
    """
    a = spec.architecture(a)
    table = spec.table(a)
    with torch.device("meta"):
        steps = [*_convolutions(a), *_classifier(a)]
        network = nn.Sequential(OrderedDict(steps))
    return finish(network, table, a, seed, weights, dtype, spec.OFFICIAL)


def _convolutions(a):
    """The convolutional part: N, 3, 227, 227 -> N, 256, 6, 6; list of (name, module)."""
    steps, channels = [], a.channels
    for i, maps, kernel, stride, padding, groups, normalise, pool in spec.convolutions(a):
        layer = conv(channels, maps, kernel, stride, padding, groups, bias=True)
        steps += [(f"conv{i}", layer), (f"relu{i}", nn.ReLU(inplace=True))]
        if normalise:
            steps.append((f"lrn{i}", LRN(a.lrn)))
        if pool:
            steps.append((f"pool{i}", MaxPool(*spec.POOL)))
        channels = maps
    return steps


def _classifier(a):
    """The dense part: N, 256, 6, 6 -> N, num_classes; list of (name, module)."""
    steps, width = [("flatten", nn.Flatten())], spec.flattened(a)  # N, 9216
    for i, units in spec.hidden(a):
        layer = nn.Linear(width, units)  # N, 4096
        steps += [(f"fc{i}", layer), (f"relu{i}", nn.ReLU(inplace=True)),
                  (f"dropout{i}", nn.Dropout(a.dropout))]
        width = units
    return [*steps, ("logits", nn.Linear(width, a.num_classes))]
