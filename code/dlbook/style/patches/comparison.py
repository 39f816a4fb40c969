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
        patches that are the nearest one of some patch of the picture, the mean over the layers.
    """
    alone = replace(settings, content_weight=0.0, style_weight=1.0, variation_weight=0.0)
    found = {}
    for name, image in results.items():
        losses = {kind: twin.objective(network, image, style, alone)(image)[0]["style"] for kind, twin in (("gram", gatys), ("patch", patches))}
        found[name] = losses | {"used": used(patches, network, image, style, settings.style_layers)}
    return found


def used(patches, network, image, style, layers):
    """The share of a style's patches that a picture is nearest to; arguments as for `measured`, `layers` a tuple of names."""
    shares = []
    for layer in layers:
        numbers, count = patches.matches(network, image, style, layer)
        shares.append(len(np.unique(numbers)) / count)
    return float(np.mean(shares))
