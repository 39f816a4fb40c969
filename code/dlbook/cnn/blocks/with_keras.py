"""The ConvNets' shared layers in Keras, and what every network can do: count, fit, predict."""
from contextlib import contextmanager
from zlib import crc32

import keras
import numpy as np
from keras import layers, ops

from dlbook.cnn.blocks import start
from dlbook.cnn.blocks.images import as_inputs
from dlbook.cnn.blocks.table import Totals, sides
from dlbook.parity import layout
from dlbook.train import initial
from dlbook.train import with_keras as train


@contextmanager
def precision(dtype):
    """Layers made inside compute in `float32` or `float64`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(initial.precision(dtype))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def images(a):
    """The network's input: N, H, W, channels."""
    return keras.Input((*sides(a.size), a.channels), dtype=keras.config.dtype_policy().name, name="input")


def conv(x, name, filters, kernel, stride=1, padding="same", groups=1, bias=False):
    """A convolution.

    Args:
        x: N, H, W, C.
        name: of the layer.
        filters: maps to compute.
        kernel: side or (height, width), in pixels.
        stride: in pixels.
        padding: `same` (as TensorFlow pads), `valid` (none) or pixels a side.
        groups: the maps are cut into so many groups, which do not see each other.
        bias: add a number to each map.

    Returns:
        N, H', W', filters.
    """
    x, padding = _padded(x, name, kernel, stride, padding)
    return layers.Conv2D(filters, kernel, stride, padding, groups=groups, use_bias=bias, kernel_initializer="zeros", name=name)(x)


def depthwise(x, name, kernel, stride=1, padding="same", bias=False):
    """A convolution of each map by itself: N, H, W, C -> N, H', W', C; arguments as for `conv`."""
    x, padding = _padded(x, name, kernel, stride, padding)
    return layers.DepthwiseConv2D(kernel, stride, padding, use_bias=bias, depthwise_initializer="zeros", name=name)(x)


def _padded(x, name, kernel, stride, padding):
    """Pixels a side become a layer of zeros, except where `same` adds the very same ones."""
    if not isinstance(padding, int):
        return x, padding
    if padding == 0:
        return x, "valid"
    if stride == 1 and kernel == 2 * padding + 1:
        return x, "same"
    return layers.ZeroPadding2D(padding, name=f"{name}_pad")(x), "valid"


def norm(x, name, settings):
    """Batch normalisation with `start.Norm` settings."""
    return layers.BatchNormalization(epsilon=settings.eps, momentum=settings.momentum, scale=settings.scale, name=name)(x)


def lrn(x, name, settings):
    """Local response normalisation with `start.LocalNorm` settings: N, H, W, C -> the same."""
    return layers.Lambda(_divided_by_neighbours, arguments={"settings": settings}, name=name)(x)


def _divided_by_neighbours(x, settings):
    n, channels = settings.n, x.shape[-1]
    squares = ops.pad(ops.square(x), [[0, 0], [0, 0], [0, 0], [n // 2, (n - 1) // 2]])
    total = sum(squares[..., i:i + channels] for i in range(n))
    # b = a / (k + alpha sum a^2)^beta; on a CPU, exp and log are several times faster than a power.
    return x * ops.exp(-settings.beta * ops.log(settings.k + settings.alpha * total))


def relu(x, name):
    """max(0, x)."""
    return layers.ReLU(name=name)(x)


def max_pool(x, name, kernel, stride, padding="valid", ceil=False):
    """The largest of each window; `padding` as for `conv`, but what is outside never wins.

    `ceil`, for windows without padding: the last one may hang over the border, instead of leaving the last pixels out.
    """
    if ceil and padding in ("valid", 0):
        padding = _hanging(x.shape[1:3], kernel, stride)
    if padding not in ("same", "valid", 0):
        # Zeros would win over negative numbers; behind a ReLU there are none.
        return layers.MaxPooling2D(kernel, stride, name=name)(layers.ZeroPadding2D(padding, name=f"{name}_pad")(x))
    return layers.MaxPooling2D(kernel, stride, padding or "valid", name=name)(x)


def _hanging(shape, kernel, stride):
    """The padding of windows whose last one hangs over the border: `same` where it adds the very same pixels."""
    if None in shape:
        raise ValueError("pooling that rounds up needs maps of a known size; give the architecture a size.")
    over = [-(size - kernel) % stride for size in shape]
    if over == [1, 1] and all(-(-size // stride) == (size + 1 - kernel) // stride + 1 for size in shape):
        return "same"
    return tuple((0, pixels) for pixels in over) if any(over) else "valid"


def average_pool(x, name, kernel, stride, padding="valid", counted=False):
    """The mean of each window; pixels outside the map count as zeros (`counted`) or not at all."""
    if counted and padding == "same":
        if stride != 1 or kernel % 2 == 0:
            raise ValueError(f"zeros outside are counted for odd windows with stride 1; got kernel {kernel}, stride {stride}.")
        x, padding = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x), "valid"
    return layers.AveragePooling2D(kernel, stride, padding, name=name)(x)


def adaptive_pool(x, name, side):
    """The means of side x side windows that cover the map and overlap where they must: N, H, W, C -> N, side, side, C."""
    if 1 in x.shape[1:3]:
        # In a graph, Keras wants two pixels at least; the means of one pixel and of its copies are the same.
        x = layers.UpSampling2D([1 + (size == 1) for size in x.shape[1:3]], name=f"{name}_repeat")(x)
    return layers.AdaptiveAveragePooling2D(side, name=name)(x)


def global_pool(x, name="pool"):
    """The mean of each map: N, H, W, C -> N, C."""
    return layers.GlobalAveragePooling2D(name=name)(x)


def dense(x, name, units):
    """A fully connected layer: N, D -> N, units."""
    return layers.Dense(units, kernel_initializer="zeros", name=name)(x)


def dropout(x, name, rate, seed):
    """Set a share of the activations to zero in training: each layer draws its own, from the network's seed and its name."""
    return layers.Dropout(rate, seed=(seed + crc32(name.encode())) % 2**31, name=name)(x)


def finish(inputs, outputs, name, table, a, seed, weights, official=()):
    """Make the model and give it its weights.

    Args:
        inputs, outputs: of the functional model.
        name: of the model.
        table: list of Row.
        a: the architecture; kept as `model.a`.
        seed: of the draw.
        weights: as for `start.weights_for`.
        official: tuple of `start.Official`.

    Returns:
        keras.Model.
    """
    network = keras.Model(inputs, outputs, name=name)
    shapes = {name: value.shape for name, value in layout.from_keras(network).items()}
    layout.to_keras(network, start.weights_for(weights, shapes, table, seed, official, a))
    network.a = a
    return network


def count_operations(model):
    """Parameters and multiply-accumulates of a network, counted from its layers.

    Args:
        model: keras.Model.

    Returns:
        Totals for one image of the size the model was built for.

    Raises:
        ValueError: it was built for any size.
    """
    start.check_size(model.a)
    return Totals(
        sum(int(np.prod(w.shape)) for w in model.trainable_weights),
        sum(int(np.prod(w.shape)) for w in model.non_trainable_weights if w.dtype != "uint32"),  # not dropout's seed
        sum(_operations(layer) for layer in model.layers),
    )


def _operations(layer):
    if isinstance(layer, layers.Dense):
        return int(np.prod(layer.kernel.shape))
    if not isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
        return 0
    # Every place of the output takes each weight of the kernel once.
    return int(np.prod(layer.kernel.shape)) * int(np.prod(layer.output.shape[1:3]))


def to_inputs(model, images):
    """Turn images (N, H, W) or (N, H, W, C) in [0, 1] into what the network reads: an array (N, H, W, C)."""
    a = model.a
    return as_inputs(images, a.size, a.channels, a.scaling, getattr(a, "frame", 0)).astype(model.inputs[0].dtype)


def fit(model, data, training, seed=0, on_step=None, progress=True):
    """Train on `data.train_images` and measure on the test images after each epoch.

    Args:
        model: the network, trained in place.
        data: has `train_images`, `train_labels`, `test_images`, `test_labels`.
        training: train.settings.Training.
        seed: order of the batches.
        on_step: called as on_step(step, loss) after each step.
        progress: show a progress line.

    Returns:
        dict of `loss`, `accuracy`, `val_loss`, `val_accuracy`: one float an epoch.
    """
    held_out = to_inputs(model, data.test_images), data.test_labels
    return train.fit(model, to_inputs(model, data.train_images), data.train_labels, training, held_out, seed, on_step, progress)


def predict(model, images):
    """Probabilities of the classes.

    Args:
        model: the network.
        images: (N, H, W) or (N, H, W, C) floating point in [0, 1].

    Returns:
        (N, num_classes) array; each row sums to 1.

    Raises:
        TypeError, ValueError: the images have a wrong dtype, shape or range, or the network has no classifier.
    """
    start.check_classifier(model.a)
    return np.asarray(ops.softmax(train.logits_of(model, to_inputs(model, images), 100)))


def weights_of(model):
    """The network's weights in the exchange format: dict of name to array in PyTorch's layout, kernels (O, I, H, W)."""
    return layout.from_keras(model)
