"""The facts of style transfer: which layers see content and style, what each loss weighs, and what is asked of the pictures.

Source: Gatys, Ecker and Bethge (2016), "Image style transfer using convolutional neural networks", CVPR.
"""
from dataclasses import dataclass, replace

import numpy as np

from dlbook.cnn.blocks.images import SCALINGS
from dlbook.cnn.blocks.table import above_zero, whole
from dlbook.cnn.vgg import spec as vgg

OPTIMIZERS = ("lbfgs", "adam")
STARTS = ("content", "style", "noise")
PRECISIONS = ("network", "bfloat16")
LOSSES = ("content", "style", "variation")


@dataclass(frozen=True)
class Settings:
    """What is asked of the picture, and how it is searched for.

    Args:
        content_layers: whose activations shall stay; section 2.3 of the paper takes conv4_2.
        style_layers: whose Gram matrices shall be the style's; section 2.3: the first of each stage.
        layer_weights: what each style layer weighs; None: all alike, together 1.
        content_weight: of the content loss, the paper's alpha.
        style_weight: of the style loss, its beta.
        variation_weight: of the total variation, which the paper has not: it calms single pixels.
        optimizer: `lbfgs` (the paper) or `adam`.
        steps: of the optimiser.
        learning_rate: of Adam alone: how far a pixel in [0, 1] moves in a step, about.
        start: where the picture begins: `content`, `style` or `noise`; the paper: noise (figure 6 compares them).
        seed: of the noise.
        precision: of the maps: `network`, as its weights are, or `bfloat16` behind the first layer, which takes about half the time
            on a processor with instructions for it; losses and sums stay in single precision.

    Raises:
        ValueError: a value out of its range.
    """
    content_layers: tuple = ("relu4_2",)
    style_layers: tuple = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    layer_weights: tuple | None = None
    content_weight: float = 1.0
    # Chosen by eye with VGG19 and max pooling, a photo of 128 to 160 pixels and three paintings, 30 to 50 steps: at 1e-5 hardly a brush
    # stroke shows, at 1e-4 a few, at 2e-3 the picture is painted and the face is known, at 1e-2 the face begins to go.
    style_weight: float = 2e-3
    # At 1e7 grain of single pixels stays. Average pooling gives losses a tenth as large or less: 3e7 blurs the picture there.
    variation_weight: float = 3e7
    optimizer: str = "lbfgs"
    steps: int = 300
    learning_rate: float = 0.02
    start: str = "content"
    seed: int = 0
    precision: str = "network"

    def __post_init__(self):
        for name in ("content_layers", "style_layers"):
            _check_layers(name, getattr(self, name))
        _check_layer_weights(self.layer_weights, self.style_layers)
        for loss in LOSSES:
            _check_weight(f"{loss}_weight", getattr(self, f"{loss}_weight"))
        if not any(getattr(self, f"{loss}_weight") for loss in LOSSES):
            raise ValueError("content_weight, style_weight and variation_weight are all 0: nothing is asked of the picture.")
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("start", self.start, STARTS)
        _check_choice("precision", self.precision, PRECISIONS)
        whole("steps", self.steps)
        whole("seed", self.seed, least=0)
        above_zero("learning_rate", self.learning_rate)

    @property
    def style_weights(self):
        """What each style layer weighs: dict of name to number."""
        equal = (1 / len(self.style_layers),) * len(self.style_layers)
        return dict(zip(self.style_layers, self.layer_weights or equal))

    @property
    def layers(self):
        """Names of the layers that have something to say, each once."""
        content = self.content_layers if self.content_weight else ()
        style = self.style_layers if self.style_weight else ()
        return list(dict.fromkeys((*content, *style)))


def _check_layers(name, layers):
    if not isinstance(layers, tuple) or not layers or not all(isinstance(layer, str) for layer in layers):
        raise ValueError(f"{name} must be a tuple of names of layers, for example ('relu4_2',); got {layers!r}.")
    if len(set(layers)) < len(layers):
        raise ValueError(f"{name} must name each layer once; got {layers!r}.")


def _check_layer_weights(weights, layers):
    if weights is None:
        return
    if not isinstance(weights, tuple) or len(weights) != len(layers):
        raise ValueError(f"layer_weights must be a tuple of {len(layers)} numbers, one a style layer, or None; got {weights!r}.")
    for weight in weights:
        _check_weight("each of layer_weights", weight)
    if not any(weights):
        raise ValueError(f"layer_weights must hold a number above 0; got {weights!r}.")


def _check_weight(name, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < np.inf:
        raise ValueError(f"{name} must be a number of 0 or more; got {value!r}.")


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r}.")


SETTINGS = Settings()


@dataclass(frozen=True, eq=False)
class Style:
    """One style of a picture.

    Args:
        image: (H, W, 3) in [0, 1].
        share: what it weighs beside the others; the shares are divided by their sum.
        mask: (H, W) in [0, 1], of any size: where in the picture it counts; None: everywhere.
    """
    image: np.ndarray
    share: float = 1.0
    mask: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Target:
    """A style that has been checked: its `image`, its `share` of all, and its `masks`, dict of layer to (H', W') or None."""
    image: np.ndarray
    share: float
    masks: dict


def architecture(pooling="max"):
    """VGG19 without its classifier, as the paper uses it.

    Args:
        pooling: `max`, or `average`, which the paper finds slightly more pleasing (section 2).

    Returns:
        cnn.vgg.spec.Architecture.
    """
    return replace(vgg.MAPS["19"], pooling=pooling)


def part(a, names):
    """The part of a network that must be computed to see what some layers give.

    Args:
        a: cnn.vgg.spec.Architecture.
        names: list of names of layers of the convolutional part.

    Returns:
        Architecture that ends with the last of them, for images of any size.

    Raises:
        ValueError: a name the network does not have.
    """
    steps = [(f"{kind}{number}", f"relu{number}") if kind == "conv" else (f"{kind}{number}",) for kind, number, *_ in vgg.steps(a)]
    vgg.check_names(names, [name for step in steps for name in step])
    last = max(place for place, step in enumerate(steps) if set(step) & set(names))
    return replace(a, layers=a.layers[:last + 1], top=False, size=None)


def shapes(a, names, size):
    """Shapes of layers' maps; nothing behind the last of them is asked of the image.

    Args:
        a: cnn.vgg.spec.Architecture.
        names: list of names of layers of the convolutional part.
        size: (height, width) of the image, pixels.

    Returns:
        dict of name to (H', W', C).

    Raises:
        ValueError: a name the network does not have, or an image too small for the last of the layers.
    """
    rows = {row.name: row.shape for row in vgg.table(part(a, names), tuple(size))}
    return {name: rows[name] for name in names}


def targets(a, content, styles, settings):
    """Check the pictures, and bring the styles' shares and masks into the form in which the losses need them.

    Args:
        a: the network's architecture.
        content: (H, W, 3) in [0, 1].
        styles: a picture (H, W, 3) in [0, 1], a Style, or a list of them.
        settings: Settings.

    Returns:
        list of Target, one for each style with a share above 0; none when style weighs nothing.

    Raises:
        TypeError, ValueError: a picture or mask of wrong shape or range or too small, or shares that are no shares.
    """
    if a.channels != 3:
        raise ValueError(f"style transfer needs a network that reads colour images, 3 channels; this one reads {a.channels}.")
    styles = [style if isinstance(style, Style) else Style(style) for style in (styles if isinstance(styles, (list, tuple)) else [styles])]
    if settings.layers:
        part(a, settings.layers)  # they are there
    content = check_image("the content", content)
    sizes = _seen("the content", a, settings.layers, content) if settings.layers else {}
    if not settings.style_weight:
        return []
    total = _check_shares(styles)
    found = []
    for number, style in enumerate(styles, 1):
        if style.share:
            image = check_image(f"style {number}", style.image)
            _seen(f"style {number}", a, settings.style_layers, image)
            found.append(Target(image, style.share / total, _masks(style.mask, settings, sizes)))
    return found


def _seen(what, a, names, image):
    try:
        return shapes(a, names, image.shape[:2])
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def check_image(what, image):
    """A picture as an array, checked.

    Args:
        what: its part in the work, for the message.
        image: (H, W, 3) floating point in [0, 1].

    Returns:
        the array.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or range.
    """
    image = np.asarray(image)
    if image.dtype.kind != "f":
        raise TypeError(f"{what} must be floating point in [0, 1]; got dtype {image.dtype}; divide by 255: image / 255.")
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"{what} must have shape (H, W, 3); got {image.shape}.")
    if not (image.min() >= 0 and image.max() <= 1):
        raise ValueError(f"{what} must hold values in [0, 1]; got values from {image.min():g} to {image.max():g}.")
    return image


def _check_shares(styles):
    if not styles:
        raise ValueError("there must be a style; got an empty list.")
    for style in styles:
        _check_weight("share", style.share)
    total = sum(style.share for style in styles)
    if not total:
        raise ValueError("the shares of the styles are all 0; give one of them a share above 0.")
    return total


def _masks(mask, settings, sizes):
    """A mask at each style layer's size: dict of name to (H', W') float64, or to None without a mask."""
    if mask is None:
        return dict.fromkeys(settings.style_layers)
    mask = np.asarray(mask, float)
    if mask.ndim != 2 or not mask.size or not (mask.min() >= 0 and mask.max() <= 1):
        raise ValueError(f"a mask must have shape (H, W) and values in [0, 1]; got shape {mask.shape}"
                         + (f" and values from {mask.min():g} to {mask.max():g}." if mask.size else "."))
    if not mask.any():
        raise ValueError("a mask must be above 0 somewhere; this one is 0 everywhere: leave its style out.")
    return {name: reduced(mask, sizes[name][:2]) for name in settings.style_layers}


def reduced(mask, shape):
    """A mask at another size: each value is the mean of the area it covers.

    Args:
        mask: (H, W).
        shape: (H', W').

    Returns:
        (H', W') float64.
    """
    rows, columns = (_covering(old, new) for old, new in zip(mask.shape, shape))
    return rows @ mask @ columns.T


def _covering(old, new):
    """(new, old) matrix: which share of each of the new cells each of the old ones covers; every row adds up to 1."""
    edges = np.arange(old + 1) / old
    low, high = np.arange(new)[:, None] / new, np.arange(1, new + 1)[:, None] / new
    covered = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
    return np.clip(covered, 0, None) * new


def colours(a):
    """How the network scales colours, as a matrix and a shift: what it reads is `image @ matrix + shift`, for images in [0, 1].

    Args:
        a: the network's architecture.

    Returns:
        (3, 3) and (3,) float64 arrays.
    """
    scale = SCALINGS[a.scaling]
    shift = scale(np.zeros((1, 3)))[0]  # every scaling is linear but for a shift
    return scale(np.eye(3)) - shift, shift
