"""NASNet-A in Keras."""
from keras import layers

from dlbook.cnn.blocks.with_keras import (average_pool, conv, count_operations,
                                          dense, depthwise, finish, fit, global_pool,
                                          images, max_pool, norm, precision, predict,
                                          relu, to_inputs, weights_of)
from dlbook.cnn.nasnet import spec

__all__ = [
    "count_operations", "fit", "nasnet", "predict", "to_inputs", "weights_of",
]


def nasnet(a="mobile", seed=0, weights=None, dtype="float32"):
    """Build a NASNet-A: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, or `mobile`.
        seed: starting weights; the PyTorch twin starts from the same.
        weights: dict of name to array in PyTorch's layout, path of a checkpoint, or
            `official`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: Zoph et al. (2017), figures 2 and 4.
    Differs from the paper: as in Keras, no auxiliary head, no dropped paths and no
    dropout in training, and the pooling of a reduction cell counts the zeros around
    the maps.
    """
    a = spec.architecture(a)
    with precision(dtype):
        inputs = images(a)
        x = conv(inputs, "stem_conv", a.stem_filters, *spec.stem(a))
        h = p = norm(x, "stem_bn", a.norm)  # N, H/2, W/2, 32
        for step in spec.steps(a):
            # A cell reads the maps of the last two.
            h, p = _cell(h, p, step, a.norm), h
        x = global_pool(relu(h, "relu"))  # N, C
        outputs = dense(x, "logits", a.num_classes)
    table = spec.table(a)
    return finish(inputs, outputs, "nasnet", table, a, seed, weights, spec.OFFICIAL)


def _cell(h, p, step, settings):
    """A cell: N, H, W, C twice -> N, H/stride, W/stride, C'."""
    maps = {"p": _adjust(p, step, settings)}
    maps["h"] = _relu_conv_norm(h, f"{step.name}_squeeze", step.filters, settings)
    for i, pair in enumerate(step.cell.pairs, 1):
        maps[str(i)] = _pair(maps, f"{step.name}_pair{i}", step, pair, settings)
    joined = [maps[source] for source in step.cell.joined]
    return layers.Concatenate(name=f"{step.name}_concat")(joined)


def _adjust(p, step, settings):
    """Bring the maps of the cell before the last to the size of the last."""
    name = f"{step.name}_adjust"
    if step.adjust == "reduce":
        return _factorised_reduction(p, name, step.filters, settings)
    if step.adjust == "project":
        return _relu_conv_norm(p, name, step.filters, settings)
    return p


def _relu_conv_norm(x, name, filters, settings):
    """Another number of maps: N, H, W, C -> N, H, W, filters."""
    x = conv(relu(x, f"{name}_relu"), f"{name}_conv", filters, 1)
    return norm(x, f"{name}_bn", settings)


def _factorised_reduction(x, name, filters, settings):
    """Halve the maps: N, H, W, C -> N, H/2, W/2, filters.

    One half of the result reads every second pixel, the other half those between.
    """
    x = relu(x, f"{name}_relu")
    # One pixel up and to the left.
    between = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(x)
    between = layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_crop")(between)
    even = conv(x, f"{name}_conv1", filters // 2, 1, 2)
    odd = conv(between, f"{name}_conv2", filters // 2, 1, 2)
    x = layers.Concatenate(name=f"{name}_concat")([even, odd])
    return norm(x, f"{name}_bn", settings)


def _pair(maps, name, step, pair, settings):
    """Two operations, added."""
    ends = []
    for side, source, operation in pair.sides():
        stride = step.cell.stride_from(source)
        options = (operation, step.filters, stride, settings)
        ends.append(_operation(maps[source], f"{name}_{side}", *options))
    return layers.Add(name=f"{name}_add")(ends)


def _operation(x, name, operation, filters, stride, settings):
    """What stands on an arrow: N, H, W, C -> N, H/stride, W/stride, filters."""
    kind, kernel = spec.OPERATIONS[operation]
    if kind == "separable":
        return _separable(x, name, filters, kernel, stride, settings)
    if kind == "identity":
        return x
    return _pool(x, f"{name}_pool", kind, kernel, stride)


def _separable(x, name, filters, kernel, stride, settings):
    """A separable convolution, twice: N, H, W, C -> N, H/s, W/s, filters."""
    for turn, step in ((1, stride), (2, 1)):
        x = relu(x, f"{name}_relu{turn}")
        x = depthwise(x, f"{name}_depthwise{turn}", kernel, step)
        x = conv(x, f"{name}_pointwise{turn}", filters, 1)
        x = norm(x, f"{name}_bn{turn}", settings)
    return x


def _pool(x, name, kind, kernel, stride):
    """Pooling: N, H, W, C -> N, H/stride, W/stride, C.

    With stride 2 the zeros around the maps count, with stride 1 they do not.
    """
    pool, padding = max_pool if kind == "max" else average_pool, "same"
    if stride == 2:
        zeros, padding = spec.zeros(x.shape[1:3], kernel), "valid"
        x = layers.ZeroPadding2D(zeros, name=f"{name}_pad")(x)
    return pool(x, name, kernel, stride, padding)
