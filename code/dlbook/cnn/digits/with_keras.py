"""The digit network in Keras."""
import keras
import numpy as np
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D

from dlbook import data, runs
from dlbook.cnn.digits import spec
from dlbook.parity import layout
from dlbook.train import initial
from dlbook.train import with_keras as train


def digit_network(seed=0, weights=None, dtype="float32", a=spec.ARCHITECTURE):
    """Build the digit network: images (N, 28, 28, 1) -> logits (N, 10).

    Args:
        seed: starting weights and dropout; the PyTorch twin starts the same.
        weights: dict of name to array, in PyTorch's layout, to start from.
        dtype: `float32` or `float64`.
        a: Architecture.

    Returns:
        keras.Model with 600,810 parameters.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.

    Differs from the deck: no softmax; the loss and `predict` apply it.
    """
    maps, options = a.filters, {"dtype": initial.precision(dtype)}
    network = keras.Sequential(
        [
            keras.Input((a.size, a.size, 1), **options),
            Conv2D(maps, a.kernel, activation="relu", name="conv1", **options),
            # N, 26, 26, 32
            Conv2D(maps, a.kernel, activation="relu", name="conv2", **options),
            # N, 24, 24, 32
            MaxPooling2D(a.pool, name="pool", **options),  # N, 12, 12, 32
            Dropout(a.dropout_pool, seed=seed, name="dropout1", **options),
            Flatten(name="flatten", **options),  # N, 4608
            Dense(a.hidden, activation="relu", name="dense1", **options),  # N, 128
            Dropout(a.dropout_hidden, seed=seed + 1, name="dropout2", **options),
            Dense(a.num_classes, name="logits", **options),  # N, 10
        ],
        name="digit_network",
    )
    start = initial.draw(spec.weight_shapes(a), seed) if weights is None else weights
    layout.to_keras(network, start)
    return network


def to_inputs(model, images):
    """Turn images (N, 28, 28) in [0, 1] into what the network reads: an array (N, 28, 28, 1)."""
    return data.as_images(images, model.input_shape[1]).astype(model.inputs[0].dtype)[..., None]


def fit(model, digits, training=spec.TRAINING["quick"], seed=0, on_step=None, progress=True):
    """Train on `digits.train_images` (N, 28, 28) and measure on the test images after each epoch.

    Args:
        model: the network, trained in place.
        digits: data.Labelled.
        training: spec.Training.
        seed: order of the batches.
        on_step: called as on_step(step, loss) after each step.
        progress: show a progress line.

    Returns:
        dict of `loss`, `accuracy`, `val_loss`, `val_accuracy`: one float an epoch.
    """
    held_out = to_inputs(model, digits.test_images), digits.test_labels
    return train.fit(model, to_inputs(model, digits.train_images), digits.train_labels, training, held_out, seed, on_step, progress)


def predict(model, images):
    """Probabilities of the ten digits.

    Args:
        model: the network.
        images: (N, 28, 28) floating point in [0, 1].

    Returns:
        (N, 10) array; each row sums to 1.

    Raises:
        TypeError, ValueError: the images have a wrong dtype, shape or range.
    """
    return np.asarray(keras.ops.softmax(train.logits_of(model, to_inputs(model, images))))


def weights_of(model):
    """The network's weights in the exchange format: dict of name to array in PyTorch's layout, kernels (O, I, H, W)."""
    return layout.from_keras(model)


def load(path=None):
    """The network with the weights of a checkpoint: images (N, 28, 28, 1) -> logits (N, 10).

    Args:
        path: a safetensors file; None takes the shipped one, trained on MNIST.

    Returns:
        keras.Model.

    Raises:
        FileNotFoundError, ValueError: no checkpoint there, or one of another network.
    """
    return digit_network(weights=runs.load_weights(path or runs.checkpoint("cnn/digits")))


def read(model, photo):
    """Which digit does a photo show?

    Args:
        model: the network.
        photo: path, PIL image or array (H, W), (H, W, 3) or (H, W, 4) of any size with one digit on a plain ground.

    Returns:
        int: the digit.
    """
    return int(predict(model, data.digit_from_photo(photo)[None]).argmax())
