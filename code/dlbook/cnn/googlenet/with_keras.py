"""GoogLeNet in Keras."""
from keras import layers

from dlbook.cnn.blocks.with_keras import (adaptive_pool, average_pool, conv,
                                          count_operations, dense, dropout, finish, fit,
                                          global_pool, images, lrn, max_pool, norm,
                                          precision, predict, relu, to_inputs, weights_of)
from dlbook.cnn.googlenet import spec

__all__ = ["count_operations", "fit", "googlenet", "predict", "to_inputs", "weights_of"]


def googlenet(a="torchvision", seed=0, weights=None, dtype="float32"):
    """Build a GoogLeNet: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `paper` or `torchvision`.
        seed: starting weights and dropout; the PyTorch twin starts from the same
            weights.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model; with auxiliary heads it returns a list of the logits and those
        of the two heads.

    Raises:
        ValueError: an unknown name or dtype, too small images, or weights of
            another network.

    Source: Szegedy et al. (2014), table 1 and figure 3.
    Differs from the paper, as `torchvision`: batch normalisation in place of biases
    and of local response normalisation; windows of 3 x 3 on the path called 5 x 5, of
    2 x 2 in the last max pooling; the heads' means cover the whole map; less dropout.
    Both read images scaled to [-1, 1]; the paper subtracts the mean of each colour.
    The numbers of local response normalisation in `paper` are those of Caffe's copy
    of the network, for the paper gives none.
    """
    a = spec.architecture(a)
    rows = spec.table(a)
    with precision(dtype):
        inputs = images(a)
        x, outputs = _stem(inputs, a), []
        for name, m, pool in spec.modules(a):
            if pool:
                x = max_pool(x, *pool, 2, ceil=True)  # N, H/2, W/2, C
            x = _module(x, a, name, m)
            if spec.head(a, name):
                outputs.append(_head(x, a, spec.head(a, name), seed))
        x = dropout(global_pool(x), "dropout", a.dropout, seed)  # N, C
        outputs = [dense(x, "logits", a.num_classes), *outputs]
    outputs = outputs if a.auxiliary else outputs[0]
    return finish(
        inputs, outputs, "googlenet", rows, a, seed, weights, spec.OFFICIAL)


def _unit(x, a, name, maps, kernel, stride=1):
    """A convolution, its normalisation (if any) and its ReLU."""
    bias = a.norm is None
    x = conv(x, f"{name}_conv", maps, kernel, stride, kernel // 2, bias=bias)
    x = norm(x, f"{name}_bn", a.norm) if a.norm else x
    return relu(x, f"{name}_relu")


def _stem(x, a):
    """What comes before the modules: N, H, W, C -> N, H/8, W/8, 192."""
    for name, maps, kernel, stride, behind in spec.stem(a):
        x = _unit(x, a, name, maps, kernel, stride)
        for layer in behind:
            if layer.startswith("pool"):
                x = max_pool(x, layer, 3, 2, ceil=True)
            else:
                x = lrn(x, layer, a.lrn)
    return x


def _module(x, a, name, m):
    """An inception module: four paths side by side; in the plain network, one."""
    if a.module == "plain":
        return _unit(x, a, f"{name}_plain", spec.plain_widths(a)[name], 3)
    branch1 = _unit(x, a, f"{name}_branch1", m.branch1, 1)
    branch3 = _unit(x, a, f"{name}_reduce3", m.branch3[0], 1)
    branch3 = _unit(branch3, a, f"{name}_branch3", m.branch3[1], 3)
    branch5 = _unit(x, a, f"{name}_reduce5", m.branch5[0], 1)
    branch5 = _unit(branch5, a, f"{name}_branch5", m.branch5[1], a.kernel5)
    proj = max_pool(x, f"{name}_pool", 3, 1, "same")
    proj = _unit(proj, a, f"{name}_proj", m.proj, 1)
    paths = [branch1, branch3, branch5, proj]
    return layers.Concatenate(name=f"{name}_concat")(paths)


def _head(x, a, name, seed):
    """An auxiliary head: N, H, W, C -> logits N, num_classes."""
    maps, units = spec.head_widths(a)
    if a.head_pool == "strided":
        x = average_pool(x, f"{name}_pool", 5, 3)
    else:
        x = adaptive_pool(x, f"{name}_pool", spec.HEAD_SIDE)  # N, 4, 4, C
    x = _unit(x, a, f"{name}_reduce", maps, 1)
    x = layers.Flatten(name=f"{name}_flatten")(x)
    x = relu(dense(x, f"{name}_dense", units), f"{name}_relu")  # N, 1024
    x = dropout(x, f"{name}_dropout", a.dropout_auxiliary, seed)
    return dense(x, f"{name}_logits", a.num_classes)
