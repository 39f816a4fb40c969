"""AlexNet in Keras."""
from keras import layers

from dlbook.cnn.alexnet import spec
from dlbook.cnn.blocks.with_keras import (adaptive_pool, conv, count_operations,
                                          dense, dropout, finish, fit, images, lrn,
                                          max_pool, precision, predict, relu,
                                          to_inputs, weights_of)

__all__ = ["alexnet", "count_operations", "fit", "predict", "to_inputs",
           "weights_of"]


def alexnet(a="two-tower", seed=0, weights=None, dtype="float32"):
    """Build an AlexNet: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, `two-tower` (as published) or `one-tower` (today).
        seed: starting weights and dropout; the PyTorch twin has the same weights.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`, which exist for `one-tower`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

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
    with precision(dtype):
        inputs = images(a)
        outputs = _classifier(_convolutions(inputs, a), a, seed)
    return finish(inputs, outputs, "alexnet", table, a, seed, weights,
                  spec.OFFICIAL)


def _convolutions(x, a):
    """The convolutional part: N, 227, 227, 3 -> N, 6, 6, 256."""
    for c in spec.convolutions(a):
        x = conv(x, f"conv{c.number}", c.filters, c.kernel, c.stride, c.padding,
                 c.groups, bias=True)
        x = relu(x, f"relu{c.number}")
        if c.lrn:
            x = lrn(x, f"lrn{c.number}", a.lrn)
        if c.pool:
            x = max_pool(x, f"pool{c.number}", *spec.POOL)
    return x


def _classifier(x, a, seed):
    """The dense part: N, 6, 6, 256 -> N, num_classes."""
    if spec.pooled(a):
        x = adaptive_pool(x, "classifier_pool", a.classifier_pool)
    x = layers.Flatten(name="flatten")(x)  # N, 9216
    for i, units in spec.hidden(a):
        x = relu(dense(x, f"fc{i}", units), f"relu{i}")  # N, 4096
        x = dropout(x, f"dropout{i}", a.dropout, seed)
    return dense(x, "logits", a.num_classes)
