"""Class activation maps and occlusion in Keras."""
import keras
import numpy as np
import tensorflow as tf

from dlbook.cnn.blocks.with_keras import predict, to_inputs
from dlbook.explain.maps import spec


def gradcam(network, images, classes, layer):
    """Where a class's reasons lie, after the gradient at a layer (Grad-CAM).

    Args:
        network: a ConvNet of the course, (N, H, W, C) -> logits (N, num_classes).
        images: (N, H, W, C) in [0, 1].
        classes: (N,) numbers of the classes that are asked about.
        layer: name of a layer with maps, best the last.

    Returns:
        (N, H', W') array, 0 or more, of the layer's size; `spec.enlarged` enlarges it.

    Raises:
        TypeError, ValueError: wrong images or classes, or no such layer.

    Source: Selvaraju et al. (2017), equations 1 and 2.
    """
    classes = spec.check(network.a, images, classes)
    both = _both(network, layer)
    with tf.GradientTape() as tape:
        maps, logits = both(tf.constant(to_inputs(network, images)), training=False)
        tape.watch(maps)
        chosen = tf.reduce_sum(tf.gather(logits, classes, axis=1, batch_dims=1))
    slopes = tape.gradient(chosen, maps)
    return spec.weighted(maps.numpy(), slopes.numpy())


def _both(network, layer):
    """A model that gives a layer's maps, (N, H, W, C), and the logits."""
    known = [one.name for one in network.layers if len(one.output.shape) == 4]
    if layer not in known:
        raise spec.unknown_layer(layer, known)
    return keras.Model(network.input, [network.get_layer(layer).output, network.output])


def occlusion(network, images, classes, side, stride, value=spec.GREY):
    """What covering a part of the image costs a class.

    Args:
        network: a ConvNet of the course, (N, H, W, C) -> logits (N, num_classes).
        images: (N, H, W, C) in [0, 1].
        classes: (N,) numbers of the classes that are asked about.
        side: of the square that covers, pixels.
        stride: how far it moves from one place to the next, pixels.
        value: of the square, in [0, 1].

    Returns:
        (N, H, W) array: how much probability the class loses, on average over the
        squares that cover a pixel; below 0 where covering helps it.

    Raises:
        TypeError, ValueError: wrong images, classes, side or stride.

    Source: Zeiler and Fergus (2014), section 4.2.
    """
    classes, found = spec.check(network.a, images, classes), []
    before = predict(network, images)[np.arange(len(classes)), classes]
    for image, number, whole in zip(images, classes, before):
        covered, grid = spec.occluded(image, side, stride, value)
        drops = whole - predict(network, covered)[:, number].reshape(grid)
        found.append(spec.spread(drops, image.shape[:2], side, stride))
    return np.stack(found)
