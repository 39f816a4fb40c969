"""DCGAN's facts: a generator that doubles its maps until they are an image, and a discriminator that halves them again.

Source: Radford, Metz and Chintala (2016), "Unsupervised representation learning with deep convolutional generative adversarial
    networks" (arXiv 1511.06434), section 3 (the rules) and figure 1 (the generator at 64 x 64).
Its rules: strided convolutions in place of pooling; batch normalisation in both networks, but not at the generator's output nor at
    the discriminator's input; no hidden dense layers; ReLU in the generator and tanh at its output; leaky ReLU in the discriminator.
Differs from the paper: the noise is normal, not uniform; kernels of 4 x 4 outside `published`, since a kernel that the stride
    divides covers all pixels equally often (Odena et al., 2016, "Deconvolution and checkerboard artifacts").
"""
import zlib
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral

import numpy as np

from dlbook.cnn.blocks.start import Norm
from dlbook.cnn.blocks.table import Row
from dlbook.gan.training import GanTraining

SLOPE = 0.2  # of the leaky ReLU below zero: section 4
STD = 0.02  # of the starting weights, normal around 0: section 4
NORM = Norm(eps=1e-5, momentum=0.9)
COARSEST = (4, 7)  # sides of the smallest maps: 4 at 32 x 32 or 64 x 64, 7 at 28 x 28


@dataclass(frozen=True)
class Architecture:
    """What fixes the shapes of both networks.

    Args:
        side: of the square images, in pixels: 4, 5, 6 or 7 times a power of two, for example 28, 32 or 64.
        channels: 1 for grey images, 3 for colour.
        width: maps at half the side; twice as many at a quarter, and so on.
        latent_dim: numbers in the noise that an image is made from.
        kernel: side of the kernels, in pixels.

    Raises:
        ValueError: a value out of its range.
    """
    side: int = 28
    channels: int = 1
    width: int = 32
    latent_dim: int = 64
    kernel: int = 4

    def __post_init__(self):
        for name in ("side", "channels", "width", "latent_dim", "kernel"):
            value = getattr(self, name)
            if not (isinstance(value, Integral) and value >= 1):
                raise ValueError(f"{name} must be a whole number, at least 1; got {value!r}.")
        if self.channels not in (1, 3):
            raise ValueError(f"images have 1 channel (grey) or 3 (colour); got {self.channels}.")
        if self.kernel not in (4, 5):
            raise ValueError(f"kernels are 4 x 4, or 5 x 5 as in the paper; got {self.kernel}.")
        if not (self.stages and COARSEST[0] <= self.start <= COARSEST[1] and self.side == self.start << self.stages):
            raise ValueError(f"side must be 4, 5, 6 or 7 times a power of two, for example 28, 32 or 64; got {self.side}.")

    @property
    def stages(self):
        """How often the side is halved."""
        return next(k for k in range(self.side) if self.side >> k <= COARSEST[1])

    @property
    def start(self):
        """Side of the smallest maps."""
        return self.side >> self.stages

    @property
    def maps(self):
        """Number of maps from the smallest to those at half the side, for example (64, 32)."""
        return [self.width << k for k in reversed(range(self.stages))]


published = Architecture(side=64, channels=3, width=128, latent_dim=100, kernel=5)
small = Architecture(side=28, width=48, latent_dim=64)  # trained at leisure on MNIST
quick = Architecture(side=28, width=24, latent_dim=32)  # trained live

SIZES = {"published": published, "small": small, "quick": quick}

EPOCH = 937  # whole batches of 64 in MNIST's 60,000 images

TRAINING = {
    # beta1 is the paper's (section 4), and so would be a rate of 2e-4: on MNIST, with an average of 0.999, images are then still
    # grey after an epoch (Fréchet distance 2.2; here 0.34).
    # 1,198 images: of five settings that cost about the same time, this one came nearest to the data (Fréchet distance 0.13; two halves of
    # the data are at 0.04, noise at 2.1). Narrower networks, batches of 64 and a rate of 2e-3 came to 0.14 to 0.17.
    "quick": GanTraining(steps=800, batch_size=32, learning_rate=1e-3, average=0.98, measured=100),
    "small": GanTraining(steps=14 * EPOCH, batch_size=64, learning_rate=5e-4, average=0.995, measured=EPOCH),
}


def check(training):
    """Refuse a training that does not go with these networks.

    Raises:
        ValueError: a gradient penalty: it asks for the slope at each image, and batch normalisation ties the images of a batch together.

    Source: Gulrajani et al. (2017), section 4, "No critic batch normalization".
    """
    if training.penalty:
        raise ValueError(f"a gradient penalty does not go with batch normalisation in the discriminator; got penalty {training.penalty}, take 0.")


def to_images(outputs):
    """Turn a generator's outputs (N, H, W, C) in [-1, 1] into images (N, H, W) or (N, H, W, 3) in [0, 1]."""
    images = np.clip((outputs + 1) / 2, 0, 1)  # rounding may leave the range by a hair
    return images[..., 0] if images.shape[-1] == 1 else images


def generator_table(a):
    """The generator's layers, computed from the architecture.

    Args:
        a: Architecture.

    Returns:
        list of blocks.table.Row, from the noise (z,) to the image (H, W, C).
    """
    first = a.maps[0]
    shape = (a.start, a.start, first)
    size = int(np.prod(shape))
    rows = [Row("noise", "input", (a.latent_dim,)),
            Row("project", "dense", (size,), size * a.latent_dim, operations=size * a.latent_dim), _norm("project_norm", shape)]
    for k, (before, after) in enumerate(pairwise([*a.maps, a.channels]), 1):
        seen, shape = shape, (2 * shape[0], 2 * shape[1], after)
        weights = a.kernel**2 * before * after
        name = f"up{k}" if k < a.stages else "image"
        # Each pixel that is read is spread over a kernel's pixels.
        rows.append(Row(name, "conv", shape, weights, operations=weights * seen[0] * seen[1]))
        rows += [_norm(f"{name}_norm", shape)] if k < a.stages else []
    return rows


def discriminator_table(a):
    """The discriminator's layers, computed from the architecture.

    Args:
        a: Architecture.

    Returns:
        list of blocks.table.Row, from the image (H, W, C) to the logit (1,).
    """
    shape = (a.side, a.side, a.channels)
    rows = [Row("image", "input", shape)]
    for k, (before, after) in enumerate(pairwise([a.channels, *reversed(a.maps)]), 1):
        shape = (shape[0] // 2, shape[1] // 2, after)
        weights = a.kernel**2 * before * after
        rows.append(Row(f"down{k}", "conv", shape, weights, operations=weights * shape[0] * shape[1]))
        rows += [_norm(f"down{k}_norm", shape)] if k > 1 else []
    size = int(np.prod(shape))
    return [*rows, Row("logit", "dense", (1,), size, operations=size)]


TABLES = {"generator": generator_table, "discriminator": discriminator_table}


def _norm(name, shape):
    return Row(name, "norm", shape, 2 * shape[-1], 2 * shape[-1])


def weight_shapes(a):
    """Shapes of all weights in the exchange format.

    Args:
        a: Architecture.

    Returns:
        dict of `generator.<layer>.<weight>` and `discriminator.<layer>.<weight>` to shape: convolutions that shrink (O, I, H, W),
        those that enlarge (I, O, H, W), matrices (out, in), batch normalisation (C,).
    """
    shapes = {}
    for part, table in TABLES.items():
        rows = table(a)
        for before, row in zip(rows, rows[1:]):
            shapes |= {f"{part}.{row.name}.{name}": shape for name, shape in _shapes(part, before.shape, row, a.kernel).items()}
    return shapes


def _shapes(part, before, row, kernel):
    if row.kind == "norm":
        return dict.fromkeys(("weight", "bias", "running_mean", "running_var"), row.shape[-1:])
    if row.kind == "dense":
        return {"weight": (row.shape[0], int(np.prod(before)))}
    ends = (before[-1], row.shape[-1]) if part == "generator" else (row.shape[-1], before[-1])
    return {"weight": (*ends, kernel, kernel)}


def draw(a, seed):
    """Starting weights: normal with deviation 0.02; of batch normalisation, scales and variances are 1, shifts and means 0.

    Args:
        a: Architecture.
        seed: whole number; each entry has a stream of its own.

    Returns:
        dict of weight name to float32 array.
    """
    return {name: _one(name, shape, seed) for name, shape in weight_shapes(a).items()}


def _one(name, shape, seed):
    if len(shape) == 1:
        return np.full(shape, float(name.endswith((".weight", ".running_var"))), np.float32)
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return rng.normal(0, STD, shape).astype(np.float32)


def with_average(weights):
    """Weights with those of the averaged generator, which are the generator's own where they are missing.

    Args:
        weights: dict of name to array in the exchange format.

    Returns:
        dict of name to array, with entries `generator.`, `discriminator.` and `averaged.`.
    """
    if any(name.startswith("averaged.") for name in weights):
        return weights
    return weights | {"averaged." + name.partition(".")[2]: value for name, value in weights.items() if name.startswith("generator.")}


def averaged_alone(weights):
    """Weights with the averaged generator in the generator's place, as they are shipped.

    Args:
        weights: dict of name to array, with entries `averaged.`.

    Returns:
        dict of name to array, with entries `generator.` and `discriminator.`.
    """
    kept = {name.replace("averaged.", "generator."): value for name, value in weights.items() if name.startswith("averaged.")}
    return kept | {name: value for name, value in weights.items() if name.startswith("discriminator.")}
