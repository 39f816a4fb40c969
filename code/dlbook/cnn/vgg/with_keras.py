"""VGG in Keras."""
import keras
import numpy as np
from keras import layers

from dlbook.cnn.blocks.with_keras import (adaptive_pool, average_pool, conv,
                                          count_operations, dense, dropout, finish,
                                          fit, images, lrn, max_pool, precision,
                                          predict, relu, to_inputs, weights_of)
from dlbook.cnn.vgg import spec

__all__ = ["activations", "count_operations", "features", "fit", "predict",
           "to_inputs", "vgg", "weights_of"]


def vgg(a="16", seed=0, weights=None, dtype="float32"):
    """Build a VGG network: images (N, H, W, C) -> logits (N, num_classes) or maps.

    Args:
        a: spec.Architecture, or `11`, `11-LRN`, `13`, `16C`, `16`, `19`.
        seed: starting weights and dropout; the PyTorch twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Simonyan and Zisserman (2014), table 1.
    Differs from the paper: colours are divided by their deviation too, as
    torchvision's weights expect; scaling `caffe`, as Keras' weights expect,
    subtracts the mean alone, as the paper does. No softmax; the loss and `predict`
    apply it.
    """
    a = spec.architecture(a)
    with precision(dtype):
        inputs = images(a)
        x = _convolutions(inputs, a)
        outputs = _classifier(x, a, seed) if a.top else x
    table = spec.table(a)
    return finish(inputs, outputs, "vgg", table, a, seed, weights, spec.OFFICIAL)


def _convolutions(x, a):
    """The convolutional part: N, 224, 224, 3 -> N, 7, 7, 512."""
    pool = {"max": max_pool, "average": average_pool}[a.pooling]
    for kind, number, filters, kernel in spec.steps(a):
        if kind == "conv":
            x = conv(x, f"conv{number}", filters, kernel, bias=True)
            x = relu(x, f"relu{number}")
        elif kind == "lrn":
            x = lrn(x, f"lrn{number}", spec.LRN)
        else:
            x = pool(x, f"pool{number}", spec.POOL, spec.POOL, a.pool_padding)
    return x


def _classifier(x, a, seed):
    """The fully connected part: N, 7, 7, 512 -> N, num_classes."""
    if spec.pooled(a):
        x = adaptive_pool(x, "classifier_pool", a.classifier_pool)
    x = layers.Flatten(name="flatten")(x)
    for number, units in spec.hidden(a):
        x = relu(dense(x, f"fc{number}", units), f"relu{number}")
        x = dropout(x, f"dropout{number}", a.dropout, seed)
    return dense(x, "logits", a.num_classes)


def activations(model, inputs, names):
    """What layers give, in evaluation mode; gradients flow back to the inputs.

    Args:
        model: the network.
        inputs: (N, H, W, C) as `to_inputs` scales them.
        names: list of names of layers, for example `relu4_2`.

    Returns:
        dict of name to tensor (N, H', W', C'), or (N, D) in the classifier.

    Raises:
        TypeError, ValueError: names that the network does not have.
    """
    spec.check_names(names, [layer.name for layer in model.layers[1:]])
    outputs = {name: model.get_layer(name).output for name in names}
    return keras.Model(model.input, outputs)(inputs, training=False)


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
    found = activations(model, to_inputs(model, images), names)
    return {name: np.asarray(value) for name, value in found.items()}
