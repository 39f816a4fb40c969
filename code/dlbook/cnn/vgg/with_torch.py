"""VGG in PyTorch."""
from collections import OrderedDict

import torch
from torch import nn

from dlbook.cnn.blocks.with_torch import (LRN, AdaptivePool, AveragePool, MaxPool,
                                          conv, count_operations, finish, fit,
                                          predict, to_inputs, weights_of)
from dlbook.cnn.vgg import spec

__all__ = ["activations", "count_operations", "features", "fit", "predict",
           "to_inputs", "vgg", "weights_of"]


def vgg(a="16", seed=0, weights=None, dtype="float32"):
    """Build a VGG network: images (N, C, H, W) -> logits (N, num_classes) or maps.

    Args:
        a: spec.Architecture, or `11`, `11-LRN`, `13`, `16C`, `16`, `19`.
        seed: starting weights and dropout; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Simonyan and Zisserman (2014), table 1.
    Differs from the paper: colours are divided by their deviation too, as
    torchvision's weights expect; scaling `caffe`, as Keras' weights expect,
    subtracts the mean alone, as the paper does. No softmax; the loss and `predict`
    apply it.
    """
    a = spec.architecture(a)
    with torch.device("meta"):
        steps = [*_convolutions(a), *(_classifier(a) if a.top else [])]
        network = nn.Sequential(OrderedDict(steps))
    table = spec.table(a)
    return finish(network, table, a, seed, weights, dtype, spec.OFFICIAL)


def _convolutions(a):
    """(name, module) of the convolutional part: N, 3, 224, 224 -> N, 512, 7, 7."""
    pool = {"max": MaxPool, "average": AveragePool}[a.pooling]
    steps, channels = [], a.channels
    for kind, number, filters, kernel in spec.steps(a):
        if kind == "conv":
            layer = conv(channels, filters, kernel, bias=True)
            steps.append((f"conv{number}", layer))
            steps.append((f"relu{number}", nn.ReLU(inplace=True)))
            channels = filters
        elif kind == "lrn":
            steps.append((f"lrn{number}", LRN(spec.LRN)))
        else:
            layer = pool(spec.POOL, spec.POOL, a.pool_padding)
            steps.append((f"pool{number}", layer))
    return steps


def _classifier(a):
    """(name, module) of the dense part: N, 512, 7, 7 -> N, num_classes."""
    steps, width = [("flatten", nn.Flatten())], spec.flattened(a)
    if spec.pooled(a):
        steps.insert(0, ("classifier_pool", AdaptivePool(a.classifier_pool)))
    for number, units in spec.hidden(a):
        steps.append((f"fc{number}", nn.Linear(width, units)))
        steps.append((f"relu{number}", nn.ReLU(inplace=True)))
        steps.append((f"dropout{number}", nn.Dropout(a.dropout)))
        width = units
    return [*steps, ("logits", nn.Linear(width, a.num_classes))]


def activations(model, inputs, names):
    """What layers give, in evaluation mode; gradients flow back to the inputs.

    Args:
        model: the network.
        inputs: (N, C, H, W) as `to_inputs` scales them.
        names: list of names of layers, for example `relu4_2`.

    Returns:
        dict of name to tensor (N, C', H', W'), or (N, D) in the classifier.

    Raises:
        TypeError, ValueError: names that the network does not have.
    """
    spec.check_names(names, [name for name, _ in model.named_children()])
    training = model.training
    try:
        found = _until(model.eval(), inputs, set(names))
    finally:
        model.train(training)
    return {name: found[name] for name in names}


def _until(model, x, names):
    """What layers give, computed no further than the last of them."""
    found = {}
    for name, layer in model.named_children():
        if found.keys() == names:
            break
        x = layer(x)
        if name in names:
            found[name] = x.clone()  # the ReLU that follows works in place
    return found


def features(model, images, names):
    """What layers give for images.

    Args:
        model: the network.
        images: (N, H, W, C) floating point in [0, 1]; colour is R, G, B.
        names: list of names of layers, for example `relu4_2`.

    Returns:
        dict of name to NumPy array (N, H', W', C'), or (N, D) in the classifier.

    Raises:
        TypeError, ValueError: wrong images, or names the network does not have.
    """
    with torch.no_grad():
        found = activations(model, to_inputs(model, images), names)
    return {name: x.movedim(1, -1).cpu().numpy() for name, x in found.items()}
