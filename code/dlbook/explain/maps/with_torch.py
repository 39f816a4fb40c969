"""Class activation maps and occlusion in PyTorch."""
import numpy as np
import torch

from dlbook.cnn.blocks.with_torch import predict, to_inputs
from dlbook.explain.maps import spec


def gradcam(network, images, classes, layer):
    """Where a class's reasons lie, after the gradient at a layer (Grad-CAM).

    Args:
        network: a ConvNet of the course, (N, C, H, W) -> logits (N, num_classes).
        images: (N, H, W, C) in [0, 1].
        classes: (N,) numbers of the classes that are asked about.
        layer: name of a layer with maps, best the last.

    Returns:
        (N, H', W') array, 0 or more, of the layer's size; `spec.enlarged` enlarges it.

    Raises:
        TypeError, ValueError: wrong images or classes, or no such layer.

    Source: Selvaraju et al. (2017), equations 1 and 2.
    """
    classes = spec.check(network.a, images, classes)
    maps, logits = _both(network, to_inputs(network, images), layer)
    chosen = logits[torch.arange(len(classes)), torch.as_tensor(classes)].sum()
    (slopes,) = torch.autograd.grad(chosen, maps)
    return spec.weighted(*(x.detach().permute(0, 2, 3, 1).cpu().numpy() for x in (maps, slopes)))


def _both(network, x, layer):
    """What a layer gives, (N, C, H, W), and the logits that follow from it."""
    layers, kept = dict(network.named_modules()), []
    if not layer or layer not in layers:
        raise spec.unknown_layer(layer, [name for name in layers if name])

    def keep(module, inputs, output):
        kept.append(output)
        return output.clone()  # a ReLU that follows works in place

    hook = layers[layer].register_forward_hook(keep)
    try:
        logits = network.eval()(x.requires_grad_())
    finally:
        hook.remove()
    if kept[0].ndim != 4:
        raise spec.unknown_layer(layer, [name for name in layers if name])
    return kept[0], logits


def occlusion(network, images, classes, side, stride, value=spec.GREY):
    """What covering a part of the image costs a class.

    Args:
        network: a ConvNet of the course, (N, C, H, W) -> logits (N, num_classes).
        images: (N, H, W, C) in [0, 1].
        classes: (N,) numbers of the classes that are asked about.
        side: of the square that covers, pixels.
        stride: how far it moves from one place to the next, pixels.
        value: of the square, in [0, 1].

    Returns:
        (N, H, W) array: how much probability the class loses, on average over the
        squares that cover a pixel; below 0 where covering helps it.

    Raises:
        TypeError, ValueError: wrong images, classes, side or stride.

    Source: Zeiler and Fergus (2014), section 4.2.
    """
    classes, found = spec.check(network.a, images, classes), []
    before = predict(network, images)[np.arange(len(classes)), classes]
    for image, number, whole in zip(images, classes, before):
        covered, grid = spec.occluded(image, side, stride, value)
        drops = whole - predict(network, covered)[:, number].reshape(grid)
        found.append(spec.spread(drops, image.shape[:2], side, stride))
    return np.stack(found)
