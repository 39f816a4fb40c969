"""AlexNet in PyTorch."""
from collections import OrderedDict

import torch
from torch import nn

from dlbook.cnn.alexnet import spec
from dlbook.cnn.blocks.with_torch import (LRN, AdaptivePool, MaxPool, conv,
                                          count_operations, finish, fit, predict,
                                          to_inputs, weights_of)

__all__ = ["alexnet", "count_operations", "fit", "predict", "to_inputs",
           "weights_of"]


def alexnet(a="two-tower", seed=0, weights=None, dtype="float32"):
    """Build an AlexNet: images (N, C, H, W) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, `two-tower` (as published) or `one-tower` (today).
        seed: starting weights and dropout; the Keras twin has the same weights.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`, which exist for `one-tower`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Krizhevsky et al. (2012), figure 2.
    Differs from the paper: it reads 227 pixels; the paper writes 224, but a first
    layer of 55 x 55 needs 227, for (227 - 11) / 4 + 1 = 55. Both towers are one
    network with grouped convolutions. Normalisation sums over neighbours across the
    towers' border. Colours are divided by their deviation too. No softmax; the loss
    and `predict` apply it. Dropout is on the outputs of the hidden layers;
    torchvision has it on the inputs.
    """
    a = spec.architecture(a)
    table = spec.table(a)
    with torch.device("meta"):
        steps = [*_convolutions(a), *_classifier(a)]
        network = nn.Sequential(OrderedDict(steps))
    return finish(network, table, a, seed, weights, dtype, spec.OFFICIAL)


def _convolutions(a):
    """The convolutional part: N, 3, 227, 227 -> N, 256, 6, 6; named layers."""
    steps, channels = [], a.channels
    for c in spec.convolutions(a):
        layer = conv(channels, c.filters, c.kernel, c.stride, c.padding,
                     c.groups, bias=True)
        steps += [(f"conv{c.number}", layer),
                  (f"relu{c.number}", nn.ReLU(inplace=True))]
        if c.lrn:
            steps.append((f"lrn{c.number}", LRN(a.lrn)))
        if c.pool:
            steps.append((f"pool{c.number}", MaxPool(*spec.POOL)))
        channels = c.filters
    return steps


def _classifier(a):
    """The dense part: N, 256, 6, 6 -> N, num_classes; named layers."""
    steps, width = [("flatten", nn.Flatten())], spec.flattened(a)  # N, 9216
    if spec.pooled(a):
        steps.insert(0, ("classifier_pool", AdaptivePool(a.classifier_pool)))
    for i, units in spec.hidden(a):
        layer = nn.Linear(width, units)  # N, 4096
        steps += [(f"fc{i}", layer), (f"relu{i}", nn.ReLU(inplace=True)),
                  (f"dropout{i}", nn.Dropout(a.dropout))]
        width = units
    return [*steps, ("logits", nn.Linear(width, a.num_classes))]
