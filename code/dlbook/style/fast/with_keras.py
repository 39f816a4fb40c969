"""A network that paints in one pass, in Keras."""
import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from dlbook import runs
from dlbook.cnn.blocks.with_keras import precision
from dlbook.cnn.vgg import with_keras as vgg
from dlbook.parity import layout
from dlbook.style.fast import spec, training
from dlbook.style.gatys import spec as gatys
from dlbook.style.gatys.with_keras import (content_loss, gram_matrix, style_loss,
                                           total_variation)


def normalise(x, scale, shift):
    """Give each map of each picture a mean and a deviation.

    Args:
        x: maps (N, H, W, C).
        scale: (N, C), the deviation that each map is to have.
        shift: (N, C), the mean.

    Returns:
        (N, H, W, C).

    Source: Ulyanov et al. (2016), equation 3.
    """
    mean, variance = ops.moments(x, (1, 2))  # N, C
    # y = scale (x - mean) / sqrt(variance + eps) + shift
    slope = scale * ops.rsqrt(variance + spec.EPS)
    start = shift - slope * mean
    return x * slope[:, None, None] + start[:, None, None]


def adaptive_normalisation(features, style_features):
    """Give each map of one picture the mean and the deviation it has in another.

    Scale and shift are not learnt but measured: so any painting can be the style.

    Args:
        features: (N, H, W, C).
        style_features: (N, H', W', C).

    Returns:
        (N, H, W, C).

    Source: Huang and Belongie (2017), "Arbitrary style transfer in real-time with
    adaptive instance normalization", equation 8.
    """
    mean, variance = ops.moments(style_features, (1, 2))  # N, C
    return normalise(features, ops.sqrt(variance + spec.EPS), mean)


class StyleNorm(layers.Layer):
    """Instance normalisation with a scale and a shift for each style, and mixtures.

    Maps (N, H, W, C), shares (N, styles) -> N, H, W, C.

    Args:
        maps: C.
        styles: how many.
        name: of the layer.

    Source: Dumoulin et al. (2017), equation 5; of mixtures, section 3.3.
    """

    def __init__(self, maps, styles, name=None):
        super().__init__(name=name)
        self.scale = self.add_weight((styles, maps), "ones", name="scale")
        self.shift = self.add_weight((styles, maps), "zeros", name="shift")
        self.built = True

    def call(self, x, shares):
        scale, shift = ops.matmul(shares, self.scale), ops.matmul(shares, self.shift)
        return normalise(x, scale, shift)


class MirrorConv(layers.Conv2D):
    """A convolution that mirrors the picture at its border: N, H, W, C -> N, H', W', C'.

    Args:
        conv: spec.Conv.
    """

    def __init__(self, conv):
        super().__init__(conv.after, conv.kernel, conv.stride, use_bias=False,
                         kernel_initializer="zeros", name=conv.name)
        self.margin = conv.kernel // 2
        self.build((None, None, None, conv.before))

    def call(self, x):
        margins = (self.margin, self.margin)
        padded = ops.pad(x, ((0, 0), margins, margins, (0, 0)), "reflect")
        return super().call(padded)


class PaintingNetwork(keras.Model):
    """Photos (N, H, W, 3) in [0, 1], shares (N, styles) -> pictures, the same.

    Args:
        a: spec.Architecture.
    """

    def __init__(self, a):
        super().__init__(name="painting_network")
        self.a = a
        for conv in spec.convolutions(a):
            setattr(self, conv.name, MirrorConv(conv))
            norm = StyleNorm(conv.after, a.styles, f"{conv.name}_norm")
            setattr(self, norm.name, norm)
        self.built = True  # the layers have their weights

    def call(self, photos, shares):
        x = 2 * photos - 1
        for name in ("conv1", "conv2", "conv3"):
            x = ops.relu(self.part(name, x, shares))
        for k in range(1, self.a.blocks + 1):  # x: N, H / 4, W / 4, 4 width
            change = ops.relu(self.part(f"block{k}_1", x, shares))
            x = x + self.part(f"block{k}_2", change, shares)
        for name in ("up1", "up2"):
            doubled = ops.repeat(ops.repeat(x, 2, 1), 2, 2)
            x = ops.relu(self.part(name, doubled, shares))
        return ops.sigmoid(self.part("image", x, shares))

    def part(self, name, x, shares):
        """A convolution and the normalisation behind it."""
        return getattr(self, f"{name}_norm")(getattr(self, name)(x), shares)


def painting_network(a=spec.small, seed=0, weights=None, dtype="float32"):
    """Build the network: photos (N, H, W, 3), shares (N, styles) -> pictures.

    Args:
        a: spec.Architecture.
        seed: starting weights; the PyTorch twin starts the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        PaintingNetwork.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    with precision(dtype):
        network = PaintingNetwork(a)
    put_back(network, spec.draw(a, seed) if weights is None else weights)
    return network


def weights_of(network):
    """All weights in the exchange format: dict of name to array."""
    return layout.from_keras(network)


def put_back(network, weights):
    """Give a network other weights.

    Args:
        network: PaintingNetwork, changed in place.
        weights: dict as `weights_of` returns it.

    Raises:
        ValueError: the weights belong to another network, which is left as it was.
    """
    layout.to_keras(network, weights)


def stylize(network, photos, shares=0):
    """Paint photos of any size in one pass.

    Args:
        network: PaintingNetwork.
        photos: (N, H, W, 3) or (H, W, 3), floating point in [0, 1].
        shares: number of a style, counted from 0; or what each style counts, (styles,)
            or (N, styles): scales and shifts are mixed.

    Returns:
        array of the photos' shape in [0, 1].

    Raises:
        TypeError, ValueError: wrong photos or shares.
    """
    images = spec.check_photos(photos)
    shares = _tensor(network, spec.as_shares(network.a, shares, len(images)))
    height, width = images.shape[1:3]
    painted = network(_tensor(network, spec.padded(images)), shares)  # N, H', W', 3
    return np.asarray(painted)[:, :height, :width].reshape(np.shape(photos))


def _tensor(network, values):
    return tf.cast(np.asarray(values), network.weights[0].dtype)


def perceptual_loss(features, paintings, settings=spec.SETTINGS):
    """What is asked of a batch of pictures: Gatys' losses, each picture with its own style.

    Args:
        features: a VGG network, for example `gatys.with_keras.feature_network()`.
        paintings: list of (H, W, 3) in [0, 1], one a style.
        settings: gatys.spec.Settings.

    Returns:
        function of pictures and photos (N, H, W, 3) in [0, 1] and numbers (N,) of
        styles -> dict of `content`, `style` and `variation` to the weighted loss.

    Source: Johnson et al. (2016), section 3.2.
    """
    s = settings
    seen = [_seen(features, _tensor(features, image[None]), s.style_layers) for image in paintings]
    aims = {name: ops.concatenate([gram_matrix(maps[name]) for maps in seen]) for name in s.style_layers}

    def losses(pictures, photos, numbers):
        maps = _seen(features, pictures, s.layers)
        wanted = _seen(features, photos, s.content_layers)
        content = sum(content_loss(maps[name], wanted[name]) for name in wanted)
        style = sum(weight * style_loss(gram_matrix(maps[name]), tf.gather(aims[name], numbers))
                    for name, weight in s.style_weights.items())
        return {"content": s.content_weight * content / len(wanted),
                "style": s.style_weight * style,
                "variation": s.variation_weight * total_variation(pictures)}

    return losses


def _seen(features, images, layers):
    """What layers give for images (N, H, W, 3) in [0, 1]: dict of name to (N, H', W', C)."""
    matrix, shift = (_tensor(features, values) for values in gatys.colours(features.a))
    return vgg.activations(features, images @ matrix + shift, list(layers))


def train_step(network, optimizer, losses, photos, numbers):
    """One step of learning: paint, compare, move the weights.

    Args:
        network: PaintingNetwork.
        optimizer: of its weights.
        losses: as `perceptual_loss` returns it.
        photos: (B, S, S, 3) tensor in [0, 1].
        numbers: (B,) whole numbers, the style of each.

    Returns:
        dict of loss to scalar tensor, before the step.
    """
    shares = tf.one_hot(numbers, network.a.styles, dtype=photos.dtype)  # B, styles
    with tf.GradientTape() as tape:
        found = losses(network(photos, shares), photos, numbers)
        total = sum(found.values())
    weights = network.trainable_weights
    optimizer.apply(tape.gradient(total, weights), weights)
    return found


def train(network, features, paintings, photos, settings=spec.TRAINING["quick"], seed=0,
          on_step=None, on_measure=None, progress=True, path=None):
    """Teach a network to paint.

    Args:
        network: PaintingNetwork, trained in place.
        features: a VGG network that says how pictures look; it does not change.
        paintings: list of (H, W, 3) in [0, 1], one a style.
        photos: (P, H, W, 3) in [0, 1] or uint8.
        settings: spec.StyleTraining.
        seed: order of the photos.
        on_step: called as on_step(step, losses) after each step.
        on_measure: called as on_measure(step, history) after each `settings.measured` steps and after
            the last; numbers that it appends to new entries of the history are kept too.
        progress: show a progress line.
        path: file in which the training is kept at each measurement, and from which it goes on if it was
            interrupted, with the same result.

    Returns:
        dict of `step`, `content`, `style` and `variation`: one value a measurement, the mean since the last.

    Raises:
        TypeError, ValueError: wrong paintings or photos, or a file of another training.
        FloatingPointError: a loss became infinite or not a number; the last good weights are back.
    """
    paintings = spec.check_paintings(network.a, paintings)
    optimizer = keras.optimizers.Adam(settings.learning_rate, epsilon=settings.epsilon)
    optimizer.build(network.trainable_weights)
    learner = training.Learner("keras", network.a, stepper(network, optimizer, perceptual_loss(features, paintings, settings.settings)),
                               lambda: weights_of(network) | _moments(optimizer), lambda state: _restore(network, optimizer, state))
    return training.train(learner, np.asarray(photos), settings, seed, on_step, on_measure, progress, path)


def stepper(network, optimizer, losses):
    """A function that learns once from NumPy arrays, compiled by TensorFlow.

    Args:
        network, optimizer, losses: as for `train_step`.

    Returns:
        function of photos (B, S, S, 3), numbers (B,) and a learning rate -> dict of loss to float.
    """
    compiled = tf.function(lambda photos, numbers: train_step(network, optimizer, losses, photos, numbers))

    def step(photos, numbers, rate):
        optimizer.learning_rate = rate
        found = compiled(_tensor(network, photos), tf.constant(numbers))
        return {name: float(loss) for name, loss in found.items()}

    return step


def _moments(optimizer):
    """All that Adam remembers: dict of `adam.<number>` to array."""
    return {f"adam.{k}": np.asarray(value).copy() for k, value in enumerate(optimizer.variables)}


def _restore(network, optimizer, state):
    put_back(network, {name: value for name, value in state.items() if not name.startswith("adam.")})
    for k, variable in enumerate(optimizer.variables):
        variable.assign(state[f"adam.{k}"])


def load(task="two"):
    """A trained network.

    Args:
        task: the styles it was trained on.

    Returns:
        PaintingNetwork.

    Raises:
        FileNotFoundError: no checkpoint is shipped for it.
    """
    path = runs.checkpoint("style/fast", task)
    return painting_network(spec.Architecture(**runs.about(path)["architecture"]), weights=runs.load_weights(path))
