"""What the course's digit networks see in images, in Keras."""
import functools

import keras
from keras.layers import AveragePooling2D, Concatenate, Flatten, Permute

from dlbook import runs
from dlbook.cnn.digits import with_keras as digits
from dlbook.cnn.lenet import with_keras as lenet
from dlbook.gan import measure
from dlbook.train.with_keras import logits_of


def see(images):
    """Look at images with the shipped digit network and, for a second opinion, the shipped LeNet-5.

    Args:
        images: (N, 28, 28) floating point in [0, 1].

    Returns:
        measure.Seen: features (N, 416), probabilities (N, 10) and the second network's classes (N,).

    Raises:
        TypeError, ValueError: the images have a wrong dtype, shape or range.
        FileNotFoundError: the networks' weights are not there.
    """
    eyes, second = _networks()
    return measure.seen(logits_of(eyes, digits.to_inputs(eyes, images)), lenet.predict(second, images).argmax(1))


@functools.cache
def _networks():
    network = digits.load()
    at = lambda name: network.get_layer(name).output
    # 12 x 12 -> 3 x 3 means of each map, in the order of the twin
    parts = Flatten(name="parts")(Permute((3, 1, 2))(AveragePooling2D(4)(at("pool"))))
    eyes = keras.Model(network.inputs[0], Concatenate()([parts, at("dense1"), at("logits")]))  # N, 28, 28, 1 -> N, 426
    return eyes, lenet.lenet("modern", weights=runs.checkpoint("cnn/lenet", "modern-mnist"))
