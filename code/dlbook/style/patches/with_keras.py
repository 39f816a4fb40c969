"""Style transfer by patches in Keras."""
import numpy as np
import tensorflow as tf
from keras import ops

from dlbook.style.gatys import with_keras as gatys
from dlbook.style.gatys.with_keras import _seen, _tensor
from dlbook.style.patches import spec

feature_network, vgg = gatys.feature_network, gatys.vgg


def patches(features):
    """All pieces of 3 x 3 places of some maps.

    Args:
        features: (1, H, W, C), what a layer gives.

    Returns:
        (P, 9 C) tensor with P = (H - 2) (W - 2), row by row.
    """
    height, width = (size - spec.SIDE + 1 for size in features.shape[1:3])
    shifted = [features[0, down:down + height, right:right + width]
               for down, right in spec.OFFSETS]
    joined = ops.concatenate(shifted, axis=-1)  # H - 2, W - 2, 9 C
    return ops.reshape(joined, (height * width, joined.shape[-1]))  # P, 9 C


def nearest(found, style):
    """The patch of the style that each patch of a picture is most like.

    Args:
        found: (P, 9 C), patches of the picture.
        style: (Q, 9 C), patches of the style.

    Returns:
        (P,) int64 tensor of numbers from 0 to Q - 1.

    Source: Li and Wand (2016), equation 3: normalised cross-correlation.
    """
    # NN(i) = argmax_j <x_i, s_j> / (|x_i| |s_j|); |x_i| changes no order
    length = tf.maximum(tf.norm(style, axis=1, keepdims=True), spec.TINY)
    directions = style / length  # Q, 9 C
    rows = spec.rows(len(style))
    parts = [found[start:start + rows] for start in range(0, len(found), rows)]
    return tf.concat([tf.argmax(tf.matmul(part, directions, transpose_b=True), 1)
                      for part in parts], 0)


def patch_loss(found, style):
    """The mean squared difference of each patch and the nearest one of the style.

    Args:
        found: (P, 9 C), patches of the picture.
        style: (Q, 9 C), patches of the style.

    Returns:
        scalar tensor; its gradient takes the choice of the nearest as given.

    Source: Li and Wand (2016), equation 2.
    Differs from the paper: a mean and not a sum over patches and values.
    """
    # E = 1/(9 C P) sum_i |x_i - s_NN(i)|^2
    matched = tf.gather(style, nearest(tf.stop_gradient(found), style))  # P, 9 C
    return ops.mean(ops.square(found - matched))


def objective(network, content, styles, settings=spec.SETTINGS):
    """What is asked of a picture, as a function of the picture.

    Args:
        network: a VGG network, for example `feature_network()`.
        content: (H, W, 3) in [0, 1].
        styles: a picture (H', W', 3) in [0, 1], a gatys.Style without a mask, or a
            list of them; each has a loss of its own, weighed by its share.
        settings: gatys.Settings.

    Returns:
        function of an image (H, W, 3) in [0, 1] -> (dict of `content`, `style` and
        `variation` to the weighted loss, gradient of their sum (H, W, 3)).

    Raises:
        TypeError, ValueError: wrong pictures, shares or layers, or a mask.
    """
    styles = spec.targets(network.a, content, styles, settings)
    losses = _losses(network, content, styles, settings)

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
    targets = [_patches(_seen(network, _tensor(network, style.image), s.style_layers), s)
               for style in styles]

    def losses(x):
        maps, found = _seen(network, x, s.layers), {}
        if s.content_weight:
            names = s.content_layers
            apart = sum(gatys.content_loss(maps[name], seen[name]) for name in names)
            found["content"] = s.content_weight * apart / len(names)
        if s.style_weight:
            pieces = _patches(maps, s)
            found["style"] = s.style_weight * sum(
                style.share * sum(weight * patch_loss(pieces[name], target[name])
                                  for name, weight in s.style_weights.items())
                for style, target in zip(styles, targets))
        if s.variation_weight:
            found["variation"] = s.variation_weight * gatys.total_variation(x)
        return found

    return losses


def _patches(maps, s):
    return {name: patches(maps[name]) for name in s.style_layers}


def matches(network, image, style, layer):
    """Where in a style lies the patch that each patch of a picture is most like.

    Args:
        network: a VGG network.
        image, style: (H, W, 3) in [0, 1].
        layer: name of a layer.

    Returns:
        (H', W', 2) int64 array, row and column among the style's patches, and how
        many rows and columns of them there are.
    """
    maps = [_seen(network, _tensor(network, x), [layer])[layer] for x in (image, style)]
    numbers = nearest(*(patches(x) for x in maps)).numpy()
    found, grid = (tuple(size - spec.SIDE + 1 for size in x.shape[1:3]) for x in maps)
    return np.stack(np.divmod(numbers.reshape(found), grid[1]), -1), grid  # H', W', 2
