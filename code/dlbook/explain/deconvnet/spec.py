"""The deconvolutional network: the way back through a VGG network, from one unit to the pixels, and how its pictures are shown.

Source: Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks", section 2.1. The two relatives: Simonyan, Vedaldi
    and Zisserman (2014), "Deep inside convolutional networks" (the gradient), and Springenberg et al. (2015), "Striving for
    simplicity: the all convolutional net" (guided backpropagation), figure 1.
"""
from dataclasses import dataclass

import numpy as np

from dlbook.cnn.blocks.images import SCALINGS
from dlbook.cnn.vgg import spec as vgg

# What a ReLU lets pass on the way back: `deconvnet`: what is above 0 itself; `gradient`: what went through it on the way there;
# `guided`: both.
RULES = ("deconvnet", "gradient", "guided")
ALL, STRONGEST = "all", "strongest"


@dataclass(frozen=True, eq=False)
class Seen:
    """What was traced back.

    Args:
        pixels: (N, H, W, C), how much each pixel value has to do with it; R, G, B.
        activations: (N,) of the unit, where it was traced from; of all its places their sum.
        places: (N, 2) row and column in the unit's map; of all its places the strongest.
    """
    pixels: np.ndarray
    activations: np.ndarray
    places: np.ndarray


def path(a, layer):
    """The layers from the input to a layer.

    Args:
        a: vgg.Architecture.
        layer: `conv3_1`, `relu3_1` or `pool3`.

    Returns:
        list of (kind, name): kinds are `conv`, `relu` and `pool`.

    Raises:
        ValueError: there is no such layer, or no way back through this architecture.
    """
    if a.pooling != "max" or a.pool_padding != "valid":
        raise ValueError(f"the way back needs max pooling without padding; this network has pooling {a.pooling!r}, padding {a.pool_padding!r}.")
    if "LRN" in a.layers:
        raise ValueError("there is no way back through local response normalisation; take a network without 'LRN'.")
    found = []
    for kind, number, _, _ in vgg.steps(a):
        found.append((kind, f"{kind}{number}"))
        if kind == "conv":
            found.append(("relu", f"relu{number}"))
    names = [name for _, name in found]
    vgg.check_names([layer], names)
    return found[:names.index(layer) + 1]


def check(a, rule, unit, maps, place):
    """Refuse a rule, unit or place that does not exist.

    Args:
        a: vgg.Architecture.
        rule: one of `RULES`.
        unit: number of the map.
        maps: shape (N, H, W, C) of what the layer gives.
        place: `strongest`, `all` or (row, column).

    Raises:
        ValueError: see above.
    """
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}; got {rule!r}.")
    if isinstance(unit, bool) or not isinstance(unit, (int, np.integer)) or not 0 <= unit < maps[3]:
        raise ValueError(f"this layer has units 0 to {maps[3] - 1}; got {unit!r}.")
    if place in (ALL, STRONGEST):
        return
    if not (isinstance(place, tuple) and len(place) == 2 and 0 <= place[0] < maps[1] and 0 <= place[1] < maps[2]):
        raise ValueError(f"place is 'strongest', 'all' or (row, column) in a map of {maps[1]} x {maps[2]}; got {place!r}.")


def start(maps, unit, place):
    """What is traced back: the unit's activation, and nothing else.

    Args:
        maps: (N, H, W, C), what the layer gives.
        unit: number of the map.
        place: `strongest`, `all` or (row, column).

    Returns:
        signal (N, H, W, C), 0 but at the unit's places; activations (N,); places (N, 2).
    """
    one, signal = maps[..., unit], np.zeros_like(maps)
    places = np.stack(np.unravel_index(one.reshape(len(one), -1).argmax(1), one.shape[1:]), 1)
    if place == ALL:
        signal[..., unit] = one
        return signal, one.sum((1, 2)), places
    if place != STRONGEST:
        places = np.tile(place, (len(one), 1))
    for n, (row, column) in enumerate(places):
        signal[n, row, column, unit] = one[n, row, column]
    return signal, signal.sum((1, 2, 3)), places


def as_colours(a, pixels):
    """What was traced back, in terms of R, G, B in [0, 1] instead of the network's scaled input.

    Args:
        a: vgg.Architecture.
        pixels: (N, H, W, C).

    Returns:
        (N, H, W, C).
    """
    scale = SCALINGS[a.scaling]
    matrix = scale(np.eye(a.channels)) - scale(np.zeros((1, a.channels)))
    return pixels @ matrix.T  # the chain rule through the scaling


def window(a, layer, place, size):
    """The pixels that a unit at a place can see.

    Args:
        a: vgg.Architecture.
        layer: name.
        place: (row, column) in the layer's map.
        size: (height, width) of the image.

    Returns:
        (top, left, bottom, right), cut at the border; the last two are just outside.
    """
    kernels = {f"conv{number}": kernel for kind, number, _, kernel in vgg.steps(a) if kind == "conv"}
    low, high = np.array(place), np.array(place) + 1
    for kind, name in reversed(path(a, layer)):
        if kind == "pool":
            low, high = low * vgg.POOL, high * vgg.POOL
        elif kind == "conv":
            low, high = low - kernels[name] // 2, high + kernels[name] // 2
    return (*np.maximum(low, 0).tolist(), *np.minimum(high, size).tolist())


def picture(pixels, share=1.0):
    """What was traced back, to be looked at: grey where nothing is.

    Args:
        pixels: (H, W, C).
        share: of the values that are not 0, how many lie between black and white; 1: all, less: a stronger contrast.

    Returns:
        (H, W, C) in [0, 1].
    """
    sizes = np.abs(pixels[pixels != 0])
    return np.full(pixels.shape, 0.5) if not sizes.size else np.clip(0.5 + 0.5 * pixels / np.quantile(sizes, share), 0, 1)
