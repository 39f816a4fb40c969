"""The networks of the architecture search in Keras."""
from keras import layers

from dlbook.cnn.blocks.with_keras import (conv, count_operations, dense, depthwise,
                                          finish, fit, global_pool, images, max_pool,
                                          norm, precision, predict, relu, to_inputs,
                                          weights_of)
from dlbook.cnn.search import spec

__all__ = [
    "candidate", "count_operations", "fit", "predict", "to_inputs", "weights_of",
]


def candidate(a=spec.Architecture(), seed=0, weights=None, dtype="float32"):
    """Build the network of a cell: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture.
        seed: starting weights; the PyTorch twin starts from the same.
        weights: dict of name to array in PyTorch's layout, or path of a checkpoint.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: an unknown dtype, or weights of another network.

    Source: Zoph et al. (2017), section 3.
    Differs from the paper: a cell reads one input, its loose results are added and
    not joined, a separable convolution is applied once, and poolings stand in place
    of reduction cells.
    """
    with precision(dtype):
        inputs = images(a)
        x = conv(inputs, "stem_conv", a.maps, 3)
        x = norm(x, "stem_bn", a.norm)  # N, H, W, maps
        for i in range(1, a.repeats + 1):
            x = _cell(x, a, f"cell{i}")
            if i < a.repeats:  # no pooling behind the last cell
                x = max_pool(x, f"pool{i}", 2, 2)
        x = global_pool(relu(x, "relu"))  # N, maps
        outputs = dense(x, "logits", a.num_classes)
    return finish(inputs, outputs, "candidate", spec.table(a), a, seed, weights)


def _cell(x, a, name):
    """A cell: N, H, W, C -> N, H, W, C."""
    results = [x]
    for i, node in enumerate(a.cell, 1):
        results.append(_node(results, a, f"{name}_node{i}", node))
    loose = [results[i] for i in spec.loose(a.cell)]
    return layers.Add(name=f"{name}_add")(loose) if len(loose) > 1 else loose[0]


def _node(results, a, name, node):
    """Two operations, added."""
    ends = []
    for side, arrow in zip(("left", "right"), node):
        x = results[arrow.source]
        ends.append(_operation(x, a, f"{name}_{side}", arrow.operation))
    return layers.Add(name=f"{name}_add")(ends)


def _operation(x, a, name, operation):
    """What stands on an arrow: N, H, W, C -> N, H, W, C."""
    if operation == "max3":
        return max_pool(x, f"{name}_pool", 3, 1, "same")
    return x if operation == "identity" else _convolution(x, a, name, operation)


def _convolution(x, a, name, operation):
    """relu, a convolution of 3 x 3 or a separable one, normalisation."""
    x = relu(x, f"{name}_relu")
    if operation == "sep3":
        x = depthwise(x, f"{name}_depthwise", 3)
        x = conv(x, f"{name}_pointwise", a.maps, 1)
    else:
        x = conv(x, f"{name}_conv", a.maps, 3)
    return norm(x, f"{name}_bn", a.norm)
