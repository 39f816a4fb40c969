"""The deconvolutional network in PyTorch."""
import torch
from torch.nn import functional as F

from dlbook.cnn.vgg import spec as vgg_spec
from dlbook.cnn.vgg import with_torch as vgg
from dlbook.explain.deconvnet import spec


def project(network, images, layer, unit, place=spec.STRONGEST, rule="deconvnet"):
    """Trace a unit's activation back to the pixels.

    Args:
        network: a VGG network with max pooling.
        images: (N, H, W, C) in [0, 1].
        layer: for example `relu3_1`.
        unit: number of the layer's map.
        place: `strongest` (where the map is largest), `all` or (row, column).
        rule: what a ReLU lets pass, see `spec.RULES`.

    Returns:
        spec.Seen, its pixels of shape (N, H, W, C).

    Raises:
        TypeError, ValueError: wrong images, or no such layer, unit, place or rule.

    Source: Zeiler and Fergus (2014), section 2.1.
    Differs from the paper: no renormalisation of filters, which VGG does not have.
    """
    steps = spec.path(network.a, layer)
    with torch.no_grad():
        maps, kept = _there(network, vgg.to_inputs(network, images), steps)
        seen = maps.permute(0, 2, 3, 1).cpu().numpy()  # N, H', W', C'
        spec.check(network.a, rule, unit, seen.shape, place)
        signal, activations, places = spec.start(seen, unit, place)
        x = torch.as_tensor(signal, device=maps.device).permute(0, 3, 1, 2)
        pixels = _back(network, x, steps, kept, rule).permute(0, 2, 3, 1).cpu().numpy()
    return spec.Seen(spec.as_colours(network.a, pixels), activations, places)


def _there(network, x, steps):
    """What the last of the steps gives, and what the way back needs of each."""
    layers, kept = dict(network.named_children()), {}
    for kind, name in steps:
        if kind == "pool":
            shape = x.shape
            x, switches = F.max_pool2d(x, vgg_spec.POOL, return_indices=True)
            kept[name] = switches, shape
        else:
            x = layers[name](x) if kind == "conv" else x.relu()
            kept[name] = x > 0
    return x, kept


def _back(network, x, steps, kept, rule):
    """From the last of the steps to the input: N, C, H, W."""
    for kind, name in reversed(steps):
        if kind == "pool":
            x = _unpool(x, *kept[name])
        elif kind == "relu":
            x = _rectified(x, kept[name], rule)
        else:
            kernel = network.get_submodule(name).weight  # the same filters, transposed
            x = F.conv_transpose2d(x, kernel, padding=kernel.shape[-1] // 2)
    return x


def _unpool(x, switches, shape):
    """Each value returns to the place that had won: N, C, H, W -> N, C, 2 H, 2 W."""
    maps = torch.zeros(shape, dtype=x.dtype, device=x.device).flatten(2)
    return maps.scatter(2, switches.flatten(2), x.flatten(2)).unflatten(2, shape[2:])


def _rectified(x, was_active, rule):
    if rule != "gradient":
        x = x.relu()
    return x if rule == "deconvnet" else x * was_active
