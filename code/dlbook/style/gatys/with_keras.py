"""Style transfer in Keras: the losses, and how they change with each pixel."""
import keras
import numpy as np
import tensorflow as tf
from keras import ops

from dlbook.cnn.vgg import with_keras as vgg
from dlbook.style.gatys import spec


def feature_network(pooling="max", weights="official", dtype="float32"):
    """Build VGG19 without its classifier: images (N, H, W, 3) -> maps.

    Args:
        pooling: `max` or `average`.
        weights: as for `vgg`.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        DataError: the official weights cannot be had.
    """
    return vgg.vgg(spec.architecture(pooling), weights=weights, dtype=dtype)


def gram_matrix(features, mask=None):
    """Which maps are active together, wherever in the picture that is.

    For each two maps it is the mean, over all places, of their product.

    Args:
        features: (N, H, W, C), what a layer gives.
        mask: (H, W), what each place counts; None: all alike.

    Returns:
        (N, C, C) tensor, symmetric.

    Source: Gatys et al. (2016), equation 3; with a mask Gatys et al. (2017),
    "Controlling perceptual factors in neural style transfer", guided Gram matrices.
    Differs from the paper: a mean and not a sum, so that pictures of different
    sizes compare.
    """
    n, height, width, channels = ops.shape(features)
    maps = ops.reshape(features, (n, height * width, channels))  # N, H W, C
    if mask is None:
        # G_ij = 1/P sum_p F_pi F_pj
        return _products(maps) / (height * width)  # N, C, C
    # G_ij = sum_p m_p F_pi F_pj / sum_p m_p
    return _products(maps, ops.reshape(mask, (-1, 1))) / ops.sum(mask)  # N, C, C


def _products(maps, mask=None):
    """sum_p m_p F_pi F_pj of maps (N, P, C), in single precision at least.

    Maps stand on both sides of the product. TensorFlow would go back along each side
    by itself; here both ways are one product, which takes half the time.
    """
    @tf.custom_gradient
    def products(maps):
        wide = _wide(maps)
        weighted = wide if mask is None else mask * wide

        def back(slope):
            # dL/dF_pi = m_p sum_j (S_ij + S_ji) F_pj, with S = dL/dG
            both = tf.cast(slope + tf.linalg.matrix_transpose(slope), maps.dtype)
            product = tf.matmul(maps, both)  # N, P, C
            return product if mask is None else tf.cast(mask, maps.dtype) * product

        return tf.matmul(weighted, wide, transpose_a=True), back  # N, C, C

    return products(maps)


def content_loss(features, target):
    """Half the mean squared difference of what a layer gives.

    Args:
        features, target: (N, H, W, C).

    Returns:
        scalar tensor.

    Source: Gatys et al. (2016), equation 1.
    Differs from the paper: a mean and not a sum over places and maps.
    """
    # L = 1/2 mean (F - P)^2
    return ops.mean(ops.square(features - target)) / 2


def style_loss(gram, target):
    """A quarter of the mean squared difference of two Gram matrices.

    Args:
        gram, target: (N, C, C).

    Returns:
        scalar tensor; for pictures of equal size it is the paper's.

    Source: Gatys et al. (2016), equation 4.
    """
    # E = 1/(4 C^2) sum_ij (G_ij - A_ij)^2
    return ops.mean(ops.square(gram - target)) / 4


def total_variation(image):
    """How much neighbouring pixels differ: the sum of squares a value of the image.

    Args:
        image: (..., H, W, C).

    Returns:
        scalar tensor.

    Source: Mahendran and Vedaldi (2015), "Understanding deep image representations
    by inverting them", section 3.2, with beta = 2.
    """
    down = image[..., 1:, :, :] - image[..., :-1, :, :]
    right = image[..., 1:, :] - image[..., :-1, :]
    values = int(np.prod(image.shape))
    return (ops.sum(ops.square(down)) + ops.sum(ops.square(right))) / values


def objective(network, content, styles, settings=spec.SETTINGS):
    """What is asked of a picture, as a function of the picture.

    Args:
        network: a VGG network, for example `feature_network()`.
        content: (H, W, 3) in [0, 1].
        styles: a picture (H', W', 3) in [0, 1], a spec.Style, or a list of them.
        settings: spec.Settings.

    Returns:
        function of an image (H, W, 3) in [0, 1] -> (dict of `content`, `style` and
        `variation` to the weighted loss, gradient of their sum (H, W, 3)).

    Raises:
        TypeError, ValueError: wrong pictures, shares, masks or layers.
    """
    styles = spec.targets(network.a, content, styles, settings)
    losses = _losses(_in_precision(network, settings), content, styles, settings)

    @tf.function
    def compiled(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            found = losses(x)
            total = sum(found.values())
        return found, tape.gradient(total, x)

    def losses_and_gradient(image):
        found, gradient = compiled(_tensor(network, image))
        values = {name: float(loss) for name, loss in found.items()}
        return values, np.asarray(gradient, np.float64)

    return losses_and_gradient


def _losses(network, content, styles, s):
    """The targets, computed once, and how a picture compares with them."""
    seen = _seen(network, _tensor(network, content), s.layers)
    seen = {name: _wide(seen[name]) for name in s.content_layers if name in seen}
    paintings = [_tensor(network, style.image) for style in styles]
    targets = [_grams(_seen(network, x, s.style_layers), s) for x in paintings]
    masks = [{name: mask if mask is None else _tensor(network, mask)
              for name, mask in style.masks.items()} for style in styles]

    def losses(x):
        maps, found = _seen(network, x, s.layers), {}
        if s.content_weight:
            names = s.content_layers
            apart = sum(content_loss(_wide(maps[name]), seen[name]) for name in names)
            found["content"] = s.content_weight * apart / len(names)
        if s.style_weight:
            found["style"] = s.style_weight * sum(
                style.share * _style_losses(_grams(maps, s, mask), target, s)
                for style, mask, target in zip(styles, masks, targets))
        if s.variation_weight:
            found["variation"] = s.variation_weight * total_variation(x)
        return found

    return losses


def _in_precision(network, s):
    """The network, or a copy that computes in bfloat16 behind its first layer."""
    if s.precision == "network":
        return network
    # Colours reach from -124 to 151, and bfloat16 has no digits left for their shades.
    kept = [layer.name for layer in network.layers[:2]]  # the input and the first layer

    def rounded(layer):
        dtype = {} if layer.name in kept else {"dtype": "bfloat16"}
        return type(layer).from_config(layer.get_config() | dtype)

    half = keras.models.clone_model(network, clone_function=rounded)
    half.set_weights(network.get_weights())
    half.a = network.a
    return half


def _seen(network, image, layers):
    """What layers give for an image (H, W, 3): dict of name to (1, H', W', C)."""
    matrix, shift = (_tensor(network, values) for values in spec.colours(network.a))
    inputs = (image @ matrix + shift)[None]  # 1, H, W, 3
    return vgg.activations(network, inputs, layers) if layers else {}


def _grams(maps, s, masks=None):
    return {name: gram_matrix(maps[name], masks and masks[name])
            for name in s.style_layers}


def _style_losses(grams, targets, s):
    # sum_l w_l E_l
    return sum(weight * style_loss(grams[name], targets[name])
               for name, weight in s.style_weights.items())


def _wide(maps):
    """Maps in single precision at least, for sums of many values."""
    return tf.cast(maps, tf.float32) if maps.dtype == tf.bfloat16 else maps


def _tensor(network, values):
    return tf.cast(np.asarray(values), network.inputs[0].dtype)
