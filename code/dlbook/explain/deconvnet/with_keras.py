"""The deconvolutional network in Keras."""
import numpy as np
import tensorflow as tf

from dlbook.cnn.vgg import spec as vgg_spec
from dlbook.cnn.vgg import with_keras as vgg
from dlbook.explain.deconvnet import spec


def project(network, images, layer, unit, place=spec.STRONGEST, rule="deconvnet"):
    """Trace a unit's activation back to the pixels.

    Args:
        network: a VGG network with max pooling.
        images: (N, H, W, C) in [0, 1].
        layer: for example `relu3_1`.
        unit: number of the layer's map.
        place: `strongest` (where the map is largest), `all` or (row, column).
        rule: what a ReLU lets pass, see `spec.RULES`.

    Returns:
        spec.Seen, its pixels of shape (N, H, W, C).

    Raises:
        TypeError, ValueError: wrong images, or no such layer, unit, place or rule.

    Source: Zeiler and Fergus (2014), section 2.1.
    Differs from the paper: no renormalisation of filters, which VGG does not have.
    """
    steps = spec.path(network.a, layer)
    maps, kept = _there(network, tf.constant(vgg.to_inputs(network, images)), steps)
    seen = maps.numpy()  # N, H', W', C'
    spec.check(network.a, rule, unit, seen.shape, place)
    signal, activations, places = spec.start(seen, unit, place)
    pixels = _back(network, tf.constant(signal), steps, kept, rule).numpy()
    return spec.Seen(spec.as_colours(network.a, pixels), activations, places)


def _there(network, x, steps):
    """What the last of the steps gives, and what the way back needs of each."""
    kept = {}
    for kind, name in steps:
        if kind == "pool":
            x, kept[name] = _pool(x)
        else:
            x = network.get_layer(name)(x) if kind == "conv" else tf.nn.relu(x)
            kept[name] = x > 0
    return x, kept


def _back(network, x, steps, kept, rule):
    """From the last of the steps to the input: N, H, W, C."""
    for kind, name in reversed(steps):
        if kind == "pool":
            x = _unpool(x, *kept[name])
        elif kind == "relu":
            x = _rectified(x, kept[name], rule)
        else:
            kernel = network.get_layer(name).kernel  # the same filters, transposed
            shape = [*x.shape[:3], kernel.shape[2]]
            x = tf.nn.conv2d_transpose(x, kernel, shape, strides=1, padding="SAME")
    return x


def _pool(x):
    """Max pooling that keeps the number, in its window, of each place that won."""
    side, (n, height, width, channels) = vgg_spec.POOL, x.shape
    rows, columns = height // side, width // side
    cut = x[:, :rows * side, :columns * side]
    windows = tf.reshape(cut, (n, rows, side, columns, side, channels))
    windows = tf.transpose(windows, (0, 1, 3, 5, 2, 4))
    windows = tf.reshape(windows, (n, rows, columns, channels, side * side))
    return tf.reduce_max(windows, -1), (tf.argmax(windows, -1), (height, width))


def _unpool(x, switches, size):
    """Each value returns to the place that had won: N, H, W, C -> N, 2 H, 2 W, C."""
    side, (n, rows, columns, channels) = vgg_spec.POOL, x.shape
    windows = x[..., None] * tf.one_hot(switches, side * side, dtype=x.dtype)
    windows = tf.reshape(windows, (n, rows, columns, channels, side, side))
    windows = tf.transpose(windows, (0, 1, 4, 2, 5, 3))
    maps = tf.reshape(windows, (n, rows * side, columns * side, channels))
    left_out = np.array(size) - (rows * side, columns * side)
    return tf.pad(maps, [[0, 0], [0, left_out[0]], [0, left_out[1]], [0, 0]])


def _rectified(x, was_active, rule):
    if rule != "gradient":
        x = tf.nn.relu(x)
    return x if rule == "deconvnet" else x * tf.cast(was_active, x.dtype)
