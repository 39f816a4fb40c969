"""The facts of style transfer in one pass: the network that paints, one scale and shift a style, and how it learns.

Source: Johnson, Alahi and Fei-Fei (2016), "Perceptual losses for real-time style transfer and super-resolution", ECCV (the network and
    its loss); Ulyanov, Vedaldi and Lempitsky (2016), "Instance normalization: the missing ingredient for fast stylization"; Dumoulin,
    Shlens and Kudlur (2017), "A learned representation for artistic style", ICLR (one scale and shift a style, nearest upsampling).
"""
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np

from dlbook.cnn.blocks.table import Row, above_zero, is_whole, whole
from dlbook.style.gatys.spec import Settings, check_image
from dlbook.train import initial

EDGE = 9  # side of the first and the last kernel, pixels: Johnson et al., table 1 of the supplement
KERNEL = 3  # side of all others
STRIDE = 4  # the smallest maps have a quarter of the picture's side
LEAST = 8  # pixels; on less, the maps have no pixels to be mirrored at their border
EPS = 1e-5  # added to the variance: Ulyanov et al., equation 3, say "a small constant"


@dataclass(frozen=True)
class Architecture:
    """What fixes the painting network.

    Args:
        styles: how many it can paint in.
        width: maps at the picture's size; twice as many at half of it, four times at a quarter.
        blocks: residual blocks at a quarter.

    Raises:
        ValueError: a value that is no whole number above 0.
    """
    styles: int = 2
    width: int = 16
    blocks: int = 5

    def __post_init__(self):
        for name in ("styles", "width", "blocks"):
            whole(name, getattr(self, name))


published = Architecture(styles=1, width=32)  # Johnson et al.
small = Architecture()  # half as wide: a quarter of the work
quick = Architecture(width=8, blocks=2)  # trained live

SIZES = {"published": published, "small": small, "quick": quick}


@dataclass(frozen=True)
class Conv:
    """One convolution, and the normalisation behind it.

    Args:
        name: the convolution's; the normalisation is called `<name>_norm`.
        before, after: maps that it reads and gives.
        kernel: its side in pixels.
        stride: in pixels.
    """
    name: str
    before: int
    after: int
    kernel: int = KERNEL
    stride: int = 1


def convolutions(a):
    """The network, convolution by convolution.

    Args:
        a: Architecture.

    Returns:
        list of Conv. Behind `up1` and `up2`'s names stands what doubles the maps before them; `block1_1` and `block1_2` are a block's.

    Source: Johnson et al. (2016), table 1 of the supplement.
    Differs from the paper: nearest upsampling and a convolution in place of a transposed one, and borders mirrored at every
        convolution (Dumoulin et al., table 1); half the maps.
    """
    w = a.width
    down = [Conv("conv1", 3, w, EDGE), Conv("conv2", w, 2 * w, stride=2), Conv("conv3", 2 * w, 4 * w, stride=2)]
    blocks = [Conv(f"block{k}_{half}", 4 * w, 4 * w) for k in range(1, a.blocks + 1) for half in (1, 2)]
    return [*down, *blocks, Conv("up1", 4 * w, 2 * w), Conv("up2", 2 * w, w), Conv("image", w, 3, EDGE)]


def weight_shapes(a):
    """Names and shapes of all weights in the exchange format: kernels (O, I, H, W), scales and shifts (styles, O)."""
    shapes = {}
    for conv in convolutions(a):
        shapes[f"{conv.name}.weight"] = (conv.after, conv.before, conv.kernel, conv.kernel)
        shapes |= {f"{conv.name}_norm.{part}": (a.styles, conv.after) for part in ("scale", "shift")}
    return shapes


def draw(a, seed):
    """Starting weights: kernels as for layers of ReLU, scales 1, shifts 0.

    Args:
        a: Architecture.
        seed: whole number.

    Returns:
        dict of weight name to float32 array.
    """
    fixed = {"scale": np.ones, "shift": np.zeros}
    shapes = weight_shapes(a)
    kernels = initial.draw_by_name({name: shape for name, shape in shapes.items() if name.endswith(".weight")}, seed)
    return {name: kernels[name] if name in kernels else fixed[name.rpartition(".")[2]](shape, np.float32) for name, shape in shapes.items()}


def table(a, size):
    """The table of layers for a picture.

    Args:
        a: Architecture.
        size: (height, width) of the picture, multiples of 4.

    Returns:
        list of Row; a normalisation's parameters are those of all styles.
    """
    (height, width), rows = size, [Row("input", "input", (*size, 3))]
    for conv in convolutions(a):
        factor = 2 if conv.name.startswith("up") else 1
        height, width = height * factor // conv.stride, width * factor // conv.stride
        shape, weights = (height, width, conv.after), conv.kernel**2 * conv.before * conv.after
        note = f"{conv.kernel} x {conv.kernel}" + (", stride 2" if conv.stride > 1 else ", doubled before" if factor > 1 else "")
        rows.append(Row(conv.name, "conv", shape, weights, operations=weights * height * width, note=note))
        rows.append(Row(f"{conv.name}_norm", "norm", shape, 2 * a.styles * conv.after, note=f"{a.styles} styles"))
    return rows


@dataclass(frozen=True)
class StyleTraining:
    """How the network learns, with Adam and a learning rate that falls along half a cosine.

    Args:
        steps: of Adam.
        batch_size: photos a step; their styles take turns.
        learning_rate: at the first step; 0 after the last.
        side: of the squares of photos it learns from, pixels.
        style_size: longer side of the paintings whose Gram matrices are the aim, pixels.
        epsilon: added to the root in Adam.
        measured: steps from one measurement to the next.
        settings: style.gatys.spec.Settings: the layers, and what each loss weighs.

    Raises:
        ValueError: a value out of its range.
    """
    steps: int
    batch_size: int = 4
    learning_rate: float = 1e-3  # Johnson et al., section 4.1
    side: int = 128
    style_size: int = 256
    epsilon: float = 1e-7
    measured: int = 100
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self):
        for name in ("steps", "batch_size", "side", "style_size", "measured"):
            whole(name, getattr(self, name))
        if self.side % STRIDE or self.side < LEAST:
            raise ValueError(f"side must be a multiple of {STRIDE}, at least {LEAST}; got {self.side}.")
        for name in ("learning_rate", "epsilon"):
            above_zero(name, getattr(self, name))


# Cheaper than the layers of painting step by step: nothing behind relu4_1 is computed. Weights chosen by eye, after 200 steps on squares of
# 96 pixels: with a style weight of 2e-3 faces are gone, with 1e-4 they are known and the strokes show.
SETTINGS = Settings(content_layers=("relu3_3",), style_layers=("relu1_1", "relu2_1", "relu3_1", "relu4_1"), style_weight=1e-4,
                    variation_weight=2e7)
TRAINING = {
    "small": StyleTraining(3200, batch_size=2, learning_rate=2e-3, measured=200, settings=SETTINGS),
    "quick": StyleTraining(40, side=48, style_size=96, measured=10, settings=SETTINGS),
}


def check_photos(photos):
    """Photos as a batch, checked.

    Args:
        photos: (N, H, W, 3) or (H, W, 3), floating point in [0, 1].

    Returns:
        (N, H, W, 3) array.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or range.
    """
    photos = np.asarray(photos)
    if photos.ndim == 4 and not len(photos):
        raise ValueError("there must be a photo; got none.")
    for photo in photos if photos.ndim == 4 else [photos]:
        check_image("a photo", photo)
    return photos if photos.ndim == 4 else photos[None]


def padded(photos):
    """Photos with their last rows and columns mirrored, until both sides are multiples of 4 and large enough.

    Args:
        photos: (N, H, W, 3).

    Returns:
        (N, H', W', 3).
    """
    missing = [max(LEAST, -(-side // STRIDE) * STRIDE) - side for side in photos.shape[1:3]]
    return np.pad(photos, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)), "symmetric")


def as_shares(a, shares, n):
    """What each style counts in each picture.

    Args:
        a: Architecture.
        shares: number of one style, counted from 0; or a number of 0 or more for each style, (styles,), for all pictures;
            or one row for each picture, (N, styles).
        n: number of pictures, N.

    Returns:
        (N, styles) float64; each row adds up to 1.

    Raises:
        ValueError: none of these.
    """
    if isinstance(shares, Integral) and not isinstance(shares, bool):
        if not 0 <= shares < a.styles:
            raise ValueError(f"this network knows {a.styles} styles, numbered from 0 to {a.styles - 1}; got {shares}.")
        shares = np.arange(a.styles) == shares
    found = np.asarray(shares, float)
    if found.shape not in ((a.styles,), (n, a.styles)):
        raise ValueError(f"shares is the number of a style, {a.styles} numbers, or a row of them for each of {n} pictures; got shape {found.shape}.")
    found = np.broadcast_to(found, (n, a.styles))
    if not (np.isfinite(found).all() and (found >= 0).all() and found.any(1).all()):
        raise ValueError(f"shares are numbers of 0 or more, one of them above 0 in each picture; got {np.asarray(shares).tolist()}.")
    return found / found.sum(1, keepdims=True)


def check_paintings(a, paintings):
    """One painting for each style, checked.

    Args:
        a: Architecture.
        paintings: list of (H, W, 3) floating point in [0, 1].

    Returns:
        list of arrays.

    Raises:
        TypeError, ValueError: another number of them, or a wrong dtype, shape or range.
    """
    if len(paintings) != a.styles:
        raise ValueError(f"this network learns {a.styles} styles and needs a painting for each; got {len(paintings)}.")
    return [check_image(f"painting {k}", painting) for k, painting in enumerate(paintings)]


def check_style(a, number):
    """Refuse what is not the number of a style; returns it.

    Raises:
        ValueError: it is none.
    """
    if not is_whole(number, 0) or number >= a.styles:
        raise ValueError(f"this network knows {a.styles} styles, numbered from 0 to {a.styles - 1}; got {number!r}.")
    return number
