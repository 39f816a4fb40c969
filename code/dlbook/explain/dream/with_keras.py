"""Deep Dream in Keras: what a layer sees of a picture, and how that changes with each pixel."""
import tensorflow as tf

from dlbook.cnn.vgg import with_keras as vgg
from dlbook.style.gatys.spec import colours


def objective(network, layers):
    """What layers see of a picture, as a function of the picture.

    Args:
        network: a VGG network.
        layers: names, for example `("relu4_1",)`.

    Returns:
        function of an image (H, W, 3) in [0, 1] -> (half the mean square of the layers'
        activations, summed over the layers; its gradient, (H, W, 3) float64).

    Raises:
        ValueError: names that the network does not have.
    """
    vgg.spec.check_names(list(layers), [layer.name for layer in network.layers[1:]])
    dtype = network.inputs[0].dtype
    matrix, shift = (tf.cast(v, dtype) for v in colours(network.a))

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], dtype)])
    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            inputs = (tf.tensordot(x, matrix, 1) + shift)[None]  # 1, H, W, 3
            maps = vgg.activations(network, inputs, list(layers))
            # L = sum_l 1/2 mean F_l^2
            value = sum(tf.reduce_mean(tf.square(maps[name])) / 2 for name in layers)
        return value, tape.gradient(value, x)

    def value_and_gradient(image):
        value, slope = both(tf.cast(image, dtype))
        return float(value), tf.cast(slope, tf.float64).numpy()

    return value_and_gradient
