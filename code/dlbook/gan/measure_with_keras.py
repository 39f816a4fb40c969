"""What the course's networks see in images, in Keras."""
import functools

import keras
from keras.layers import AveragePooling2D, Concatenate, Flatten, Permute

from dlbook import runs
from dlbook.cnn.digits import with_keras as digits
from dlbook.cnn.lenet import with_keras as lenet
from dlbook.cnn.resnet import spec as resnets
from dlbook.cnn.resnet import with_keras as resnet
from dlbook.gan import measure
from dlbook.train.with_keras import logits_of

READ = {"digits": digits.to_inputs, "clothes": lenet.to_inputs}
# Layers that are looked at: behind the pooling, hidden, last
LAYERS = {"digits": ("pool", "dense1", "logits"), "clothes": ("s4", "f6_relu", "output")}
PARTS = {"digits": 4, "clothes": 1}  # side of the parts of the maps whose means are taken


def see(images, what="digits"):
    """Look at images with a shipped network and, for a second opinion, with another.

    Args:
        images: (N, 28, 28) floating point in [0, 1].
        what: `digits`, read by the digit network and LeNet-5, or `clothes`, read by LeNet-5 and the small ResNet.

    Returns:
        measure.Seen: features (N, 416) or (N, 484), probabilities (N, 10) and the second network's classes (N,).

    Raises:
        TypeError, ValueError: the images have a wrong dtype, shape or range; or there are no networks for them.
        FileNotFoundError: the networks' weights are not there.
    """
    eyes, first, second = _networks(measure.check(what))
    return measure.seen(logits_of(eyes, READ[what](first, images)), lenet.predict(second, images).argmax(1), what)


@functools.cache
def _networks(what):
    if what == "digits":
        first, second = digits.load(), lenet.lenet("modern", weights=runs.checkpoint("cnn/lenet", "modern-mnist"))
    else:
        first = lenet.lenet("modern", weights=runs.checkpoint("cnn/lenet", "modern-fashion"))
        second = resnet.resnet(resnets.SMALL, weights=runs.checkpoint("cnn/resnet", "fashion"))
    return _eyes(first, what), first, second


def _eyes(network, what):
    """What a network sees on its way: N, H, W, 1 -> N, 426 or N, 494."""
    pooled, hidden, logits = (network.get_layer(name).output for name in LAYERS[what])
    # the digit network's maps, 12 x 12 -> 3 x 3 means; LeNet-5's, 5 x 5, as they are; in the order of the twin
    parts = Flatten(name="parts")(Permute((3, 1, 2))(AveragePooling2D(PARTS[what])(pooled)))
    return keras.Model(network.inputs[0], Concatenate()([parts, hidden, logits]))
