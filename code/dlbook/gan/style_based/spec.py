"""The style-based generator's facts: a mapping from latent numbers to a style, and a synthesis that is told the style at each layer.

Source: Karras, Laine and Aila (2019), "A style-based generator architecture for generative adversarial networks" (arXiv 1812.04948):
    the mapping network, the learnt constant, noise inputs, style mixing (section 3.1) and truncation (appendix B).
    Karras et al. (2020), "Analyzing and improving the image quality of StyleGAN" (arXiv 1912.04958): convolutions whose kernels the
    style modulates, in place of the normalisation of maps (section 2.2), and images summed over all sides (section 4.1).
Differs from the papers: maps and images are doubled by repeating pixels, without a filter; the image at a side takes the style of the
    last convolution there; tanh makes an image of the sum: without it, in trainings as short as ours, the discriminator looks at nothing
    but the unrest of the ground, and the generator answers with one quiet image; no penalty on the length of paths.

One vector of normal numbers makes one image: the latent numbers z, then each layer's map of noise, row by row, and at last one number
that decides, in training, from which layer on the style is a neighbour's.
"""
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf, log2
from numbers import Integral, Real
from statistics import NormalDist

import numpy as np

from dlbook.cnn.blocks.table import Row
from dlbook.gan.blocks import spec as start
from dlbook.gan.progressive import spec as progressive
from dlbook.gan.progressive.spec import inputs, without_frame  # noqa: F401  (both networks read the same images)
from dlbook.gan.training import GanTraining

START = 4  # side of the learnt constant
KERNEL = 3  # side of the kernels but those that make an image, which are 1 x 1
GAIN = 2**0.5  # behind the leaky ReLU of the synthesis, which else halves the power of a signal: Karras et al. (2020), appendix B
TINY = 1e-8  # added to the power by which maps are demodulated: Karras et al. (2020), equation 3


@dataclass(frozen=True)
class Layer:
    """A convolution of the synthesis.

    Args:
        name: `conv8` or, where a side has several, `conv8_1`.
        side: of the maps it gives, in pixels.
        before, after: maps that it reads and gives.
        doubled: the maps that it reads are doubled first.
        image: the last one of its side, behind which an image is made.
    """
    name: str
    side: int
    before: int
    after: int
    doubled: bool
    image: bool


@dataclass(frozen=True)
class Architecture:
    """What fixes the shapes of both networks.

    Args:
        side: of the square images, in pixels: a power of two from 8 on.
        channels: 1 for grey images, 3 for colour.
        width: the generator's maps at the full side; twice as many at half of it, and so on.
        judge: the discriminator's.
        most: neither has more maps at any side.
        latents: numbers in z, and in the style w, D.
        mapped: dense layers from z to w.
        convolutions: of the generator at each side (at the smallest, one).
        pace: share of the learning rate at which the mapping learns.
        mixing: share of the images in training that are made from two styles.

    Raises:
        ValueError: a value out of its range.
    """
    side: int = 32
    channels: int = 1
    width: int = 8
    judge: int = 8
    most: int = 64
    latents: int = 64
    mapped: int = 2
    convolutions: int = 1
    pace: float = 0.1
    mixing: float = 0.9

    def __post_init__(self):
        for name in ("side", "channels", "width", "judge", "most", "latents", "mapped", "convolutions"):
            value = getattr(self, name)
            if not (isinstance(value, Integral) and value >= 1):
                raise ValueError(f"{name} must be a whole number, at least 1; got {value!r}.")
        if self.side < 2 * START or self.side & (self.side - 1):
            raise ValueError(f"side must be a power of two from {2 * START} on, for example 32; got {self.side}.")
        if self.channels not in (1, 3):
            raise ValueError(f"images have 1 channel (grey) or 3 (colour); got {self.channels}.")
        if not (isinstance(self.pace, Real) and 0 < self.pace <= 1):
            raise ValueError(f"pace is a share of the learning rate, above 0 and at most 1; got {self.pace!r}.")
        if not (isinstance(self.mixing, Real) and 0 <= self.mixing <= 1):
            raise ValueError(f"mixing is a share of the images, from 0 to 1; got {self.mixing!r}.")

    @property
    def sides(self):
        """Sides from the smallest to that of the images, for example [4, 8, 16, 32]."""
        return [START << k for k in range(int(log2(self.side // START)) + 1)]

    @property
    def layers(self):
        """Convolutions of the synthesis, a list of Layer; each is told its style, so there are as many styles, L."""
        found, before = [], self.maps[0]
        for side, after in zip(self.sides, self.maps):
            count = 1 if side == START else self.convolutions
            for k in range(1, count + 1):
                name = f"conv{side}" if count == 1 else f"conv{side}_{k}"
                found.append(Layer(name, side, before, after, side > START and k == 1, k == count))
                before = after
        return found

    @property
    def latent_dim(self):
        """Normal numbers from which an image is made, R: z, the pixels of all noise maps, and one that decides on mixing."""
        return self.latents + self.pixels + 1

    @property
    def pixels(self):
        """Pixels of all noise maps, P."""
        return sum(layer.side**2 for layer in self.layers)

    @property
    def maps(self):
        """The generator's maps at each side, from the smallest on."""
        return [min(self.most, self.width * self.side // side) for side in self.sides]

    @property
    def judged(self):
        """The discriminator's maps at each side, from the smallest on."""
        return [min(self.most, self.judge * self.side // side) for side in self.sides]


# Two mapping layers, where the paper has eight: each makes different latents more alike, and these trainings are too short to undo that.
small = Architecture(width=8, judge=8, mapped=2, convolutions=2)  # trained at leisure on MNIST
# Trained live, on digits of half the side: 32 x 32 pixels cost three times as much, and in a quarter of a minute come out as blots.
quick = Architecture(side=16, width=16, judge=12, latents=32, mapped=2, most=48)

SIZES = {"small": small, "quick": quick}

# beta1 and beta2 are the paper's; its rate of 1e-3 is for millions of images, as in `progressive`.
ADAM = {"learning_rate": 3e-3, "beta1": 0.0, "beta2": 0.99, "epsilon": 1e-8}

TRAINING = {
    "quick": GanTraining(steps=320, batch_size=32, average=0.97, measured=80, **ADAM | {"learning_rate": 6e-3}),
    "small": GanTraining(steps=11_000, batch_size=32, average=0.998, measured=1000, **ADAM),
}


def cuts(a):
    """Where the noise begins and where it ends in the numbers of an image: two whole numbers."""
    return [a.latents, a.latents + a.pixels]


def noise_spans(a):
    """Where each layer's noise stands among that of all layers.

    Args:
        a: Architecture.

    Returns:
        list of (first, behind the last) of the P pixels, one a layer; a map's rows follow each other.
    """
    return list(pairwise(accumulate((layer.side**2 for layer in a.layers), initial=0)))


def crossings(a):
    """Bounds of the normal number that decides on mixing: a layer has the image's own style where the number is above its bound.

    The first layer always has. In a share `mixing` of all images, one of the layers behind it, each as likely as the others, is
    the first with the style of a neighbour; from there on the others have it too.

    Args:
        a: Architecture.

    Returns:
        (L,) array that rises from -infinity.
    """
    last = len(a.layers) - 1
    return np.array([_quantile(a.mixing * k / last) for k in range(last + 1)])


def _quantile(share):
    """The number below which a normal number lies in such a share of cases."""
    return {0: -inf, 1: inf}[share] if share in (0, 1) else NormalDist().inv_cdf(share)


def mixed(a, coarse, fine, crossover):
    """Two styles for one image: the first up to a layer, the second from there on.

    Args:
        a: Architecture with L layers.
        coarse, fine: styles (N, D).
        crossover: layers that have the first style, from 0 to L.

    Returns:
        (N, L, D) array.

    Raises:
        ValueError: a crossover out of this range.
    """
    last = len(a.layers)
    if not (isinstance(crossover, Integral) and 0 <= crossover <= last):
        raise ValueError(f"the styles change at a layer from 0 to {last}; got {crossover!r}.")
    return np.stack([coarse if k < crossover else fine for k in range(last)], 1)


def truncated(styles, mean, psi):
    """Styles drawn towards their mean: images become more alike, and fewer of them fail.

    Args:
        styles: (N, D) or (N, L, D).
        mean: (D,), as the twins' `mean_style` gives it.
        psi: what is left of the distance: 1 leaves the styles as they are, 0 makes all of them the mean.

    Returns:
        array of the shape of `styles`.

    Raises:
        ValueError: psi is not finite.

    Source: Karras et al. (2019), appendix B.
    """
    if not np.isfinite(psi):
        raise ValueError(f"psi is a finite number, mostly from 0 to 1; got {psi!r}.")
    return styles if psi == 1 else mean + psi * (styles - mean)


def synthesis_inputs(a, styles, noise):
    """Check what images are made of, and give it a layer's and an image's axis where it has none.

    Args:
        a: Architecture.
        styles: (N, D) or (N, L, D).
        noise: (N, P), (1, P) or None.

    Returns:
        (styles (N, L, D), noise (N, P) or None).

    Raises:
        ValueError: other shapes.
    """
    styles, count = np.asarray(styles), len(a.layers)
    whole = np.repeat(styles[:, None], count, 1) if styles.ndim == 2 else styles
    if whole.ndim != 3 or whole.shape[1:] != (count, a.latents):
        raise ValueError(f"styles have shape (N, {a.latents}), or (N, {count}, {a.latents}) with one for each layer; got {styles.shape}.")
    if noise is None:
        return whole, None
    noise = np.asarray(noise)
    if noise.shape not in ((len(whole), a.pixels), (1, a.pixels)):
        raise ValueError(f"noise has shape ({len(whole)}, {a.pixels}), or (1, {a.pixels}) for the same in all images; got {noise.shape}.")
    return whole, noise if len(noise) == len(whole) else np.repeat(noise, len(whole), 0)


def portions(styles, noise, size):
    """Styles (N, L, D) and noise (N, P) or None, some images at a time: (styles, noise) of at most `size` images each."""
    for first in range(0, len(styles), size):
        some = slice(first, first + size)
        yield styles[some], None if noise is None else noise[some]


def mapping_table(a):
    """The mapping's layers, computed from the architecture.

    Args:
        a: Architecture.

    Returns:
        list of blocks.table.Row, from the latent numbers (D,) to the style (D,).
    """
    d = a.latents
    return [Row("latents", "input", (d,))] + [
        Row(f"map{k}", "dense", (d,), d * d + d, operations=d * d, block=f"map{k}") for k in range(1, a.mapped + 1)]


def synthesis_table(a):
    """The synthesis' layers, computed from the architecture: at each side a block, and beside it what makes an image of its maps.

    Args:
        a: Architecture.

    Returns:
        list of blocks.table.Row, from the constant (4, 4, C) to the image (H, W, channels).
    """
    first = (START, START, a.maps[0])
    rows = [Row("constant", "input", first, int(np.prod(first)))]
    for layer in a.layers:
        block, shape = f"{layer.side} x {layer.side}", (layer.side, layer.side, layer.after)
        weights = KERNEL**2 * layer.before * layer.after
        rows += [_style(layer.name, a.latents, layer.before, block=block),
                 Row(layer.name, "conv", shape, weights, operations=weights * layer.side**2, block=block, note="3 x 3"),
                 Row(f"{layer.name}_noise", "relu", shape, layer.after + 1, block=block)]
        rows += _image(a, layer) if layer.image else []
    return rows


def _style(name, latents, maps, **place):
    return Row(f"{name}_style", "dense", (maps,), latents * maps + maps, operations=latents * maps, **place)


def _image(a, layer):
    name, place = f"image{layer.side}", {"block": f"image{layer.side}", "branch": "image"}
    weights = layer.after * a.channels
    return [_style(name, a.latents, layer.after, **place),
            Row(name, "conv", (layer.side, layer.side, a.channels), weights + a.channels, operations=weights * layer.side**2, note="1 x 1", **place)]


def generator_table(a):
    """The generator's layers: the mapping's, then the synthesis'.

    Args:
        a: Architecture.

    Returns:
        list of blocks.table.Row.
    """
    return mapping_table(a) + synthesis_table(a)


def discriminator_table(a):
    """The discriminator's layers, computed from the architecture.

    Args:
        a: Architecture.

    Returns:
        list of blocks.table.Row, from the image (H, W, channels) to the logit (1,).
    """
    return progressive.discriminator_table(progressive.Architecture(maps=a.judged, channels=a.channels))


TABLES = {"generator": generator_table, "discriminator": discriminator_table}


def weight_shapes(a):
    """Shapes of all weights in the exchange format.

    Args:
        a: Architecture.

    Returns:
        dict of `generator.<layer>.<weight>` and `discriminator.<layer>.<weight>` to shape: convolutions (O, I, H, W), matrices
        (out, in), the constant (C, 4, 4), biases (C,), a noise's strength (1,).
    """
    shapes = {"constant.weight": (a.maps[0], START, START)}
    for k in range(1, a.mapped + 1):
        shapes |= _dense(f"map{k}", a.latents, a.latents)
    for layer in a.layers:
        shapes |= _dense(f"{layer.name}_style", a.latents, layer.before)
        shapes[f"{layer.name}.weight"] = (layer.after, layer.before, KERNEL, KERNEL)
        shapes |= {f"{layer.name}_noise.strength": (1,), f"{layer.name}_noise.bias": (layer.after,)}
        if layer.image:
            shapes |= _dense(f"image{layer.side}_style", a.latents, layer.after)
            shapes |= {f"image{layer.side}.weight": (a.channels, layer.after, 1, 1), f"image{layer.side}.bias": (a.channels,)}
    return {f"generator.{name}": shape for name, shape in shapes.items()} | {
        f"discriminator.{name}": shape for name, shape in _judging_shapes(a).items()}


def _dense(name, inputs, units):
    return {f"{name}.weight": (units, inputs), f"{name}.bias": (units,)}


def _judging_shapes(a):
    shapes, rows = {}, discriminator_table(a)
    for before, row in pairwise(rows):
        if row.kind == "conv":
            kernel = START if row.name == "conv4_2" else int(row.note[0])
            shapes |= {f"{row.name}.weight": (row.shape[-1], before.shape[-1], kernel, kernel), f"{row.name}.bias": row.shape[-1:]}
    return shapes | _dense("logit", a.judged[0], 1)


def draw(a, seed):
    """Starting weights: normal with deviation 1; of the mapping as much larger as it learns slower; biases 0, but 1 where a style is made.

    So at first all styles are near 1 and change little, and noise has no strength.

    Args:
        a: Architecture.
        seed: whole number; each entry has a stream of its own.

    Returns:
        dict of weight name to float32 array.

    Source: Karras et al. (2019), appendix C.
    """
    weights = start.draw(weight_shapes(a), seed)
    for name, value in weights.items():
        if name.endswith("_style.bias"):
            value[:] = 1
        elif ".map" in name:
            value /= a.pace
    return weights
