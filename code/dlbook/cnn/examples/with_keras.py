"""The small ConvNet in Keras."""
import keras
import numpy as np
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D

from dlbook.cnn.examples import spec
from dlbook.parity import layout
from dlbook.train import initial
from dlbook.train import with_keras as train


def small_network(a, seed=0, weights=None, dtype="float32"):
    """Build the small ConvNet: images (N, 28, 28, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture.
        seed: starting weights; the PyTorch twin starts from the same.
        weights: dict of name to array in PyTorch's layout, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    (first, second), options = a.filters, {"dtype": initial.precision(dtype)}
    network = keras.Sequential(
        [
            keras.Input((a.size, a.size, a.channels), **options),
            Conv2D(first, a.kernel, activation="relu", name="conv1", **options),
            # N, 24, 24, 12
            MaxPooling2D(2, name="pool1", **options),  # N, 12, 12, 12
            Conv2D(second, a.kernel, activation="relu", name="conv2", **options),
            # N, 8, 8, 24
            MaxPooling2D(2, name="pool2", **options),  # N, 4, 4, 24
            Flatten(name="flatten", **options),  # N, 384
            Dense(a.hidden, activation="relu", name="dense1", **options),  # N, 48
            Dense(a.num_classes, name="logits", **options),  # N, K
        ],
        name="small_network",
    )
    start = initial.draw_by_name(spec.weight_shapes(a), seed) if weights is None else weights
    layout.to_keras(network, start)
    return network


def to_inputs(model, images):
    """Turn images (N, 28, 28) or (N, 28, 28, 3) in [0, 1] into what the network reads: an array (N, 28, 28, C) in [-1, 1]."""
    images = np.asarray(images).astype(model.inputs[0].dtype)
    return 2 * (images[..., None] if images.ndim == 3 else images) - 1  # N, H, W, C


def fit(model, images, labels, training, seed=0, progress=True, held_out=None):
    """Train on images (N, 28, 28) or (N, 28, 28, 3) with labels (N,).

    Args:
        model: the network, trained in place.
        images, labels: of the examples.
        training: settings.Training.
        seed: order of the batches.
        progress: show a progress line.
        held_out: (images, labels) measured after each epoch, or None.

    Returns:
        dict of `loss`, `accuracy` and, with `held_out`, `val_loss` and `val_accuracy`: one float an epoch.
    """
    ready = lambda pair: (to_inputs(model, pair[0]), np.asarray(pair[1]))
    return train.fit(model, *ready((images, labels)), training, held_out and ready(held_out), seed, progress=progress)


def predict(model, images):
    """Class of each image: (N, 28, 28) or (N, 28, 28, 3) -> (N,) whole numbers."""
    return train.logits_of(model, to_inputs(model, images)).argmax(1)


def weights_of(model):
    """The network's weights in the exchange format: dict of name to array in PyTorch's layout, kernels (O, I, H, W)."""
    return layout.from_keras(model)
