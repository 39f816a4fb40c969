"""Layers that keep a game in balance, and the discriminator made of them, in PyTorch."""
import torch
from torch import nn
from torch.nn import functional as F

from dlbook.gan.blocks import spec


class EqualConv(nn.Module):
    """A convolution with an equalised learning rate: N, C, H, W -> N, filters, H, W.

    The weights are drawn from N(0, 1) and made small at each use. Adam's steps have the
    same length for all weights; so every layer learns at the same speed.

    Args:
        channels: maps it reads.
        filters: maps it computes.
        kernel: side of the kernels, in pixels.
        padding: pixels of ground on each side; None keeps the size.
        gain: size of the signal behind the layer; `spec.GAIN` before a leaky ReLU.

    Source: Karras et al. (2018), section 4.1.
    """

    def __init__(self, channels, filters, kernel=3, padding=None, gain=spec.GAIN):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(filters, channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(filters))
        self.padding = kernel // 2 if padding is None else padding
        self.scale = gain * (channels * kernel**2) ** -0.5  # by the fan-in

    def forward(self, x):
        return F.conv2d(x, self.scale * self.weight, self.bias, padding=self.padding)


class EqualDense(nn.Module):
    """A dense layer with an equalised learning rate: N, inputs -> N, units.

    Args:
        inputs: numbers it reads.
        units: numbers it computes.
        gain: as for `EqualConv`.
        rate: share of the others' speed at which it learns. Its weights start 1 / rate
            times as large, and so are what they would be without it.

    Source: Karras et al. (2018), section 4.1; of `rate`, Karras et al. (2019),
        appendix C.
    """

    def __init__(self, inputs, units, gain=spec.GAIN, rate=1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(units, inputs))
        self.bias = nn.Parameter(torch.zeros(units))
        self.scale, self.rate = gain * rate * inputs**-0.5, rate

    def forward(self, x):
        return F.linear(x, self.scale * self.weight, self.rate * self.bias)


def leaky(x):
    """x above zero, a fifth of x below: the same shape."""
    return F.leaky_relu(x, spec.SLOPE)


def pixel_norm(x):
    """Give the numbers at each pixel, over all maps, a mean square of 1.

    Args:
        x: N, C or N, C, H, W.

    Returns:
        tensor of the same shape.

    Source: Karras et al. (2018), section 4.2.
    """
    # b = a / sqrt(1/C sum a^2 + tiny)
    return x * (x.square().mean(1, keepdim=True) + spec.TINY).rsqrt()


def with_deviation(x):
    """Add a map that says how much the samples of the batch differ: N, C, H, W -> N, C + 1, H, W.

    Of images that are all alike it is 0: the discriminator can see that at a glance,
    and the generator has to offer variety.

    Source: Karras et al. (2018), section 3.
    """
    deviation = (x.var(0, correction=0) + spec.TINY).sqrt()  # C, H, W
    # One number, the mean of all, at every pixel of every sample.
    ones = torch.ones_like(x[:, :1])  # N, 1, H, W
    return torch.cat([x, deviation.mean() * ones], 1)


def double(x):
    """Each pixel becomes four: N, C, H, W -> N, C, 2H, 2W."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def halve(x):
    """Four pixels become their mean: N, C, H, W -> N, C, H / 2, W / 2."""
    return F.avg_pool2d(x, 2)


class Discriminator(nn.Module):
    """Images (N, C, S, S) in [-1, 1] -> logits (N, 1), positive for real ones.

    Two convolutions at each resolution, then half the side, down to 4 x 4.

    Args:
        channels: 1 for grey images, 3 for colour.
        maps: their number at each resolution, from 4 x 4 up.

    Source: Karras et al. (2018), table 2.
    """

    def __init__(self, channels, maps):
        super().__init__()
        self.sides = spec.sides(maps)
        self.add_module(f"image{self.sides[-1]}", EqualConv(channels, maps[-1], 1))
        for side, coarser, own in zip(self.sides[1:], maps, maps[1:]):
            self.add_module(f"conv{side}_1", EqualConv(own, own))
            self.add_module(f"conv{side}_2", EqualConv(own, coarser))
        self.conv4_1 = EqualConv(maps[0] + 1, maps[0])
        self.conv4_2 = EqualConv(maps[0], maps[0], spec.COARSEST, 0)
        self.logit = EqualDense(maps[0], 1, gain=1)

    def read(self, images, side):
        """Images (N, C, side, side) -> maps of the same side."""
        return leaky(self.get_submodule(f"image{side}")(images))

    def down(self, x, side):
        """Maps of one side -> maps of half the side."""
        x = leaky(self.get_submodule(f"conv{side}_1")(x))  # N, C, side, side
        x = leaky(self.get_submodule(f"conv{side}_2")(x))
        return halve(x)  # N, C', side / 2, side / 2

    def end(self, x):
        """Maps (N, C, 4, 4) -> logits (N, 1)."""
        x = with_deviation(x)  # N, C + 1, 4, 4
        x = leaky(self.conv4_1(x))  # N, C, 4, 4
        x = leaky(self.conv4_2(x))  # N, C, 1, 1
        return self.logit(x.flatten(1))

    def forward(self, images):
        x = self.read(images, self.sides[-1])
        for side in reversed(self.sides[1:]):
            x = self.down(x, side)
        return self.end(x)
