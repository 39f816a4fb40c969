"""LeNet-5 in Keras."""
from keras import layers, ops

from dlbook.cnn.blocks.with_keras import (conv, count_operations, dense, finish,
                                          fit, images, max_pool, precision,
                                          predict, relu, to_inputs, weights_of)
from dlbook.cnn.lenet import spec

__all__ = ["GaussianUnits", "PartialConv", "Subsampling", "count_operations",
           "fit", "lenet", "predict", "to_inputs", "weights_of"]


def lenet(a="modern", seed=0, weights=None, dtype="float32"):
    """Build a LeNet-5: images (N, H, W, C) -> logits (N, num_classes).

    Args:
        a: spec.Architecture, `original` (as published) or `modern` (as today).
        seed: starting weights; the PyTorch twin starts from the same.
        weights: dict of name to array in PyTorch's layout, or path of a checkpoint.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model.

    Raises:
        ValueError: an unknown name or dtype, or weights of another network.

    Source: LeCun et al. (1998), section II.
    Differs from the paper: training lowers the cross-entropy of the scores, as in
    all our classifiers: the paper's equation 9 without its rubbish class. Squared
    distances are divided by `spread`. Weights start larger. The bitmaps of the
    codes are our own. `modern` has ReLU, max pooling, all connections and a dense
    output; its softmax is in the loss and in `predict`.
    """
    a = spec.architecture(a)
    table = spec.table(a)
    with precision(dtype):
        inputs = images(a)  # N, 32, 32, 1
        outputs = _output(_features(inputs, a), a)
    weights = spec.start(a, seed) if weights is None else weights
    return finish(inputs, outputs, "lenet", table, a, seed, weights)


def _features(x, a):
    """Convolutions and subsampling: N, 32, 32, 1 -> N, 1, 1, 120."""
    options = {"padding": "valid", "bias": True}
    x = conv(x, "c1", a.maps[0], spec.KERNEL, **options)  # N, 28, 28, 6
    x = _pool(_active(x, a, "c1"), a, "s2")  # N, 14, 14, 6
    if a.partial:
        x = PartialConv(a.partial, name="c3")(x)  # N, 10, 10, 16
    else:
        x = conv(x, "c3", a.maps[1], spec.KERNEL, **options)
    x = _pool(_active(x, a, "c3"), a, "s4")  # N, 5, 5, 16
    return _active(conv(x, "c5", a.units[0], spec.KERNEL, **options), a, "c5")


def _output(x, a):
    """The dense part: N, 1, 1, 120 -> N, num_classes."""
    x = layers.Flatten(name="flatten")(x)  # N, 120
    x = _active(dense(x, "f6", a.units[1]), a, "f6")  # N, 84
    if a.output == "gaussian":
        return GaussianUnits(a.num_classes, a.spread, name="output")(x)
    return dense(x, "output", a.num_classes)


def _active(x, a, name):
    """The activation behind a layer."""
    if a.activation == "relu":
        return relu(x, f"{name}_relu")
    return layers.Activation(_squash, name=f"{name}_tanh")(x)


def _squash(x):
    height, slope = spec.SQUASH
    return height * ops.tanh(slope * x)  # f(a) = A tanh(S a)


def _pool(x, a, name):
    """Halve the maps."""
    if a.pooling == "max":
        return max_pool(x, name, spec.POOL, spec.POOL)
    return _active(Subsampling(name=name)(x), a, name)


class Subsampling(layers.Layer):
    """The sum of each 2 x 2 pixels times a learnt coefficient plus a learnt bias.

    Maps (N, H, W, C) -> (N, H/2, W/2, C); two parameters a map.
    """

    def build(self, shape):
        self.weight = self.add_weight(shape=shape[-1:], name="weight")
        self.bias = self.add_weight(shape=shape[-1:], name="bias")

    def call(self, x):
        total = ops.average_pool(x, spec.POOL, spec.POOL) * spec.POOL**2
        return self.weight * total + self.bias


class PartialConv(layers.Conv2D):
    """A convolution whose maps see some of the maps before.

    Only connections have weights.
    Maps (N, H, W, C) -> (N, H - 4, W - 4, len(partial)); `partial` as in
    `spec.Architecture`. The weights are (connections, 5, 5).
    """

    def __init__(self, partial, **options):
        super().__init__(len(partial), spec.KERNEL, **options)
        self.partial = partial

    def build(self, shape):
        self.places = [[place] for place in spec.places(self.partial, shape[-1])]
        self.dense_shape = (len(self.partial) * shape[-1], *self.kernel_size)
        weights = (len(self.places), *self.kernel_size)
        self._kernel = self.add_weight(shape=weights, name="weight")
        self.bias = self.add_weight(shape=(self.filters,), name="bias")

    def call(self, x):
        # O I, 5, 5, with zeros where nothing is connected
        kernel = ops.scatter(self.places, self._kernel, self.dense_shape)
        kernel = ops.reshape(kernel, (self.filters, -1, *self.kernel_size))
        kernel = ops.transpose(kernel, (2, 3, 1, 0))  # O, I, H, W -> H, W, I, O
        return ops.conv(x, kernel) + self.bias


class GaussianUnits(layers.Dense):
    """Minus the squared distance between a vector and the fixed code of each class.

    Vectors (N, D) -> scores (N, classes); distances are divided by `spread`.
    """

    def __init__(self, classes, spread=1.0, **options):
        super().__init__(classes, use_bias=False, trainable=False, **options)
        self.spread = spread

    def call(self, x):
        # -sum_j (x_j - w_ij)^2 / spread
        squares = ops.square(x[:, :, None] - self.kernel)  # N, D, classes
        return -ops.sum(squares, axis=1) / self.spread
