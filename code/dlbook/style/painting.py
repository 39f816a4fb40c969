"""The way of a picture around its optimisation: sizes, the first picture, several resolutions, the content's own colours."""
from dataclasses import replace

import numpy as np

from dlbook.cnn.blocks.table import whole
from dlbook.style.gatys.spec import SETTINGS, Style, check_image, shapes
from dlbook.style.images import LUMINANCE, covering, fitted, resized
from dlbook.style.optimise import Painting, optimise

COLOURS = ("style", "keep")


def paint(twin, network, content, styles, settings=SETTINGS, size=None, resolutions=1, colour="style", on_step=None, progress=True):
    """Paint the content of one picture in the style of others.

    Args:
        twin: `style.gatys.with_torch` or `with_keras`.
        network: that twin's `feature_network()`, or another VGG network of it.
        content: (H, W, 3) in [0, 1].
        styles: a picture (H', W', 3) in [0, 1], a Style, or a list of them; each is brought to the content's longer side.
        settings: Settings; its steps are done at each resolution.
        size: longer side of the result, pixels; None: the content's.
        resolutions: how often to paint, each time twice as large as before, from the last result; large shapes of the style
            come from small pictures, which a layer sees as a whole.
        colour: `style`, or `keep`: only lightness is painted, and the content's colours stay.
        on_step: called as on_step(step, losses, image) after each step, counted through all resolutions; when it returns True,
            the work stops there.
        progress: show a progress line.

    Returns:
        Painting of the size asked for; its history goes through all resolutions.

    Raises:
        TypeError, ValueError: wrong pictures or settings, or pictures too small for the layers.
    """
    whole("resolutions", resolutions)
    if colour not in COLOURS:
        raise ValueError(f"colour must be one of {', '.join(COLOURS)}; got {colour!r}.")
    content, styles = check_image("the content", content), _as_styles(styles)
    sizes = _sizes(network.a, content, settings, size, resolutions)
    original = resized(content, sizes[-1])
    if colour == "keep":
        content, styles = grey(content), [replace(style, image=as_light_as(grey(style.image), grey(content))) for style in styles]
    painting = _coarse_to_fine(twin, network, content, styles, settings, sizes, on_step, progress)
    image = with_colours_of(original, painting.image) if colour == "keep" else painting.image
    return replace(painting, image=image)


def _as_styles(styles):
    styles = [style if isinstance(style, Style) else Style(style) for style in (styles if isinstance(styles, (list, tuple)) else [styles])]
    return [replace(style, image=check_image(f"style {number}", style.image)) for number, style in enumerate(styles, 1)]


def _sizes(a, content, settings, size, resolutions):
    """The sizes to paint at, smallest first; the smallest must leave something for the layers to see."""
    size = whole("size", size) or size if size is not None else max(content.shape[:2])
    sizes = [fitted(content.shape[:2], max(1, round(size / 2**k))) for k in reversed(range(resolutions))]
    if settings.layers:
        try:
            shapes(a, settings.layers, sizes[0])
        except ValueError as error:
            hint = " Ask for fewer resolutions or a larger size." if resolutions > 1 else " Ask for a larger size."
            raise ValueError(f"{error}{hint}") from None
    return sizes


def _coarse_to_fine(twin, network, content, styles, settings, sizes, on_step, progress):
    image, history, stopped, done = None, {}, False, 0
    for shape in sizes:
        small = resized(content, shape)
        fitting = [replace(style, image=resized(style.image, fitted(style.image.shape[:2], max(shape)))) for style in styles]
        first = start(small, fitting, settings) if image is None else resized(image, shape)
        said = on_step and (lambda step, losses, image, done=done: on_step(done + step, losses, image))
        painting = optimise(twin.objective(network, small, fitting, settings), first, settings, said, progress,
                            f"Painting {shape[1]} x {shape[0]} pixels")
        for name, values in painting.history.items():
            history.setdefault(name, []).extend(values if image is None else values[1:])
        image, stopped, done = painting.image, painting.stopped, done + painting.steps
        if stopped:
            break
    return Painting(resized(image, sizes[-1]), history, stopped)


def start(content, styles, settings=SETTINGS):
    """The first picture.

    Args:
        content: (H, W, 3) in [0, 1].
        styles: list of Style.
        settings: Settings; its `start` and, for noise, `seed` count.

    Returns:
        (H, W, 3) array in [0, 1]: the content, the first style cut to its proportions, or noise.
    """
    if settings.start == "style":
        return covering(styles[0].image, content.shape[:2])
    if settings.start == "noise":
        return np.random.default_rng(settings.seed).random(content.shape)
    return content


def luminance(image):
    """How light each pixel is: (H, W, 3) -> (H, W)."""
    return np.asarray(image) @ np.array(LUMINANCE)


def grey(image):
    """A picture without its colours: (H, W, 3) -> the same."""
    return np.repeat(luminance(image)[..., None], 3, axis=2).clip(0, 1)


def as_light_as(image, other):
    """A picture with another one's mean and deviation.

    Args:
        image, other: (H, W, 3) in [0, 1].

    Returns:
        (H, W, 3) in [0, 1].

    Source: Gatys, Bethge, Hertzmann and Shechtman (2016), "Preserving color in neural artistic style transfer", section 3.2.
    """
    deviation = max(image.std(), np.finfo(float).tiny)
    return np.clip((image - image.mean()) * (other.std() / deviation) + other.mean(), 0, 1)


def with_colours_of(content, painted):
    """The lightness of one picture with the colours of another.

    Args:
        content: (H, W, 3) in [0, 1], whose colours are taken.
        painted: (H, W, 3) in [0, 1], whose lightness is taken.

    Returns:
        (H, W, 3) in [0, 1]. What a pixel's channels differ by is the content's; where its lightness leaves no room for that, the
        lightness gives way.
    """
    offsets = content - luminance(content)[..., None]  # their luminance is 0
    light = luminance(painted)[..., None].clip(-offsets.min(2, keepdims=True), 1 - offsets.max(2, keepdims=True))
    return np.clip(light + offsets, 0, 1)
