"""Gram matrices and patches side by side: how well a picture meets either, and how much of the style it uses."""
from dataclasses import replace

import numpy as np


def measured(gatys, patches, network, style, results, settings):
    """Measure pictures by both losses.

    Args:
        gatys, patches: the modules of one framework, `style.gatys.with_torch` and `style.patches.with_torch` for example.
        network: a VGG network of that framework.
        style: (H, W, 3) in [0, 1].
        results: dict of name to picture (H', W', 3) in [0, 1].
        settings: gatys.Settings; its style layers count, for both losses.

    Returns:
        dict of name to dict of `gram`, the Gram matrices' loss; `patch`, the patches' loss; and `used`, the share of the style's
        patches that are the nearest one of some patch of the picture; and `whole`, the share of neighbouring patches whose nearest
        ones are neighbours too, in the same direction: the larger the pieces of the style in the picture, the more. Both are means over
        the layers.
    """
    alone = replace(settings, content_weight=0.0, style_weight=1.0, variation_weight=0.0)
    found = {}
    for name, image in results.items():
        losses = {kind: twin.objective(network, image, style, alone)(image)[0]["style"] for kind, twin in (("gram", gatys), ("patch", patches))}
        places = [patches.matches(network, image, style, layer) for layer in settings.style_layers]
        found[name] = losses | {kind: float(np.mean([share(*place) for place in places])) for kind, share in (("used", used), ("whole", whole))}
    return found


def used(places, grid):
    """The share of a style's patches that a picture is nearest to.

    Args:
        places: (H, W, 2), as `matches` gives it.
        grid: (rows, columns) of the style's patches.

    Returns:
        float from 0 to 1.
    """
    return len(np.unique(places.reshape(-1, 2), axis=0)) / (grid[0] * grid[1])


def whole(places, grid):
    """The share of neighbouring patches whose nearest ones are neighbours in the same direction; arguments and returns as for `used`."""
    right = (places[:, 1:] - places[:, :-1] == (0, 1)).all(-1)
    down = (places[1:] - places[:-1] == (1, 0)).all(-1)
    return float(np.concatenate([right.ravel(), down.ravel()]).mean())
