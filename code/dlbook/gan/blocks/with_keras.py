"""Layers that keep a game in balance, and the discriminator made of them, in Keras."""
import keras
from keras import ops

from dlbook.gan.blocks import spec


class EqualConv(keras.layers.Layer):
    """A convolution with an equalised learning rate: N, H, W, C -> N, H, W, filters.

    The weights are drawn from N(0, 1) and made small at each use. Adam's steps have the
    same length for all weights; so every layer learns at the same speed.

    Args:
        channels: maps it reads.
        filters: maps it computes.
        kernel: side of the kernels, in pixels.
        padding: pixels of ground on each side: 0, or None, which keeps the size.
        gain: size of the signal behind the layer; `spec.GAIN` before a leaky ReLU.
        name: of the layer.

    Source: Karras et al. (2018), section 4.1.
    """

    def __init__(self, channels, filters, kernel=3, padding=None, gain=spec.GAIN, name=None):
        super().__init__(name=name)
        shape = (kernel, kernel, channels, filters)
        self.kernel = self.add_weight(shape, "zeros", name="kernel")
        self.bias = self.add_weight((filters,), "zeros", name="bias")
        self.padding = "same" if padding is None else "valid"
        self.scale = gain * (channels * kernel**2) ** -0.5  # by the fan-in

    def call(self, x):
        return ops.conv(x, self.scale * self.kernel, padding=self.padding) + self.bias


class EqualDense(keras.layers.Layer):
    """A dense layer with an equalised learning rate: N, inputs -> N, units.

    Args:
        inputs: numbers it reads.
        units: numbers it computes.
        gain: as for `EqualConv`.
        rate: share of the others' speed at which it learns. Its weights start 1 / rate
            times as large, and so are what they would be without it.
        name: of the layer.

    Source: Karras et al. (2018), section 4.1; of `rate`, Karras et al. (2019),
        appendix C.
    """

    def __init__(self, inputs, units, gain=spec.GAIN, rate=1.0, name=None):
        super().__init__(name=name)
        self.kernel = self.add_weight((inputs, units), "zeros", name="kernel")
        self.bias = self.add_weight((units,), "zeros", name="bias")
        self.scale, self.rate = gain * rate * inputs**-0.5, rate

    def call(self, x):
        return ops.matmul(x, self.scale * self.kernel) + self.rate * self.bias


def leaky(x):
    """x above zero, a fifth of x below: the same shape."""
    return ops.leaky_relu(x, spec.SLOPE)


def pixel_norm(x):
    """Give the numbers at each pixel, over all maps, a mean square of 1.

    Args:
        x: N, C or N, H, W, C.

    Returns:
        tensor of the same shape.

    Source: Karras et al. (2018), section 4.2.
    """
    # b = a / sqrt(1/C sum a^2 + tiny)
    return x * ops.rsqrt(ops.mean(ops.square(x), -1, keepdims=True) + spec.TINY)


def with_deviation(x):
    """Add a map that says how much the samples of the batch differ: N, H, W, C -> N, H, W, C + 1.

    Of images that are all alike it is 0: the discriminator can see that at a glance,
    and the generator has to offer variety.

    Source: Karras et al. (2018), section 3.
    """
    deviation = ops.sqrt(ops.var(x, 0) + spec.TINY)  # H, W, C
    # One number, the mean of all, at every pixel of every sample.
    ones = ops.ones_like(x[..., :1])  # N, H, W, 1
    return ops.concatenate([x, ops.mean(deviation) * ones], -1)


def double(x):
    """Each pixel becomes four: N, H, W, C -> N, 2H, 2W, C."""
    return ops.repeat(ops.repeat(x, 2, 1), 2, 2)


def halve(x):
    """Four pixels become their mean: N, H, W, C -> N, H / 2, W / 2, C."""
    return ops.average_pool(x, 2)


class Discriminator(keras.Model):
    """Images (N, S, S, C) in [-1, 1] -> logits (N, 1), positive for real ones.

    Two convolutions at each resolution, then half the side, down to 4 x 4.

    Args:
        channels: 1 for grey images, 3 for colour.
        maps: their number at each resolution, from 4 x 4 up.

    Source: Karras et al. (2018), table 2.
    """

    def __init__(self, channels, maps):
        super().__init__(name="discriminator")
        self.sides = spec.sides(maps)
        self.add(f"image{self.sides[-1]}", channels, maps[-1], 1)
        for side, coarser, own in zip(self.sides[1:], maps, maps[1:]):
            self.add(f"conv{side}_1", own, own)
            self.add(f"conv{side}_2", own, coarser)
        self.add("conv4_1", maps[0] + 1, maps[0])
        self.add("conv4_2", maps[0], maps[0], spec.COARSEST, 0)
        self.logit = EqualDense(maps[0], 1, gain=1, name="logit")
        self.built = True  # the layers have their weights

    def add(self, name, *args):
        """A convolution with a name; `args` as for `EqualConv`."""
        setattr(self, name, EqualConv(*args, name=name))

    def read(self, images, side):
        """Images (N, side, side, C) -> maps of the same side."""
        return leaky(getattr(self, f"image{side}")(images))

    def down(self, x, side):
        """Maps of one side -> maps of half the side."""
        x = leaky(getattr(self, f"conv{side}_1")(x))  # N, side, side, C
        x = leaky(getattr(self, f"conv{side}_2")(x))
        return halve(x)  # N, side / 2, side / 2, C'

    def end(self, x):
        """Maps (N, 4, 4, C) -> logits (N, 1)."""
        x = with_deviation(x)  # N, 4, 4, C + 1
        x = leaky(self.conv4_1(x))  # N, 4, 4, C
        x = leaky(self.conv4_2(x))  # N, 1, 1, C
        return self.logit(x[:, 0, 0])

    def call(self, images):
        x = self.read(images, self.sides[-1])
        for side in reversed(self.sides[1:]):
            x = self.down(x, side)
        return self.end(x)
