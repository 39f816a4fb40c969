"""Style transfer in PyTorch: the losses, and how they change with each pixel."""
import copy
from collections import OrderedDict

import torch
from torch import nn

from dlbook.cnn.vgg import with_torch as vgg
from dlbook.style.gatys import spec


def feature_network(pooling="max", weights="official", dtype="float32"):
    """Build VGG19 without its classifier: images (N, 3, H, W) -> maps.

    Args:
        pooling: `max` or `average`.
        weights: as for `vgg`.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        DataError: the official weights cannot be had.
    """
    return vgg.vgg(spec.architecture(pooling), weights=weights, dtype=dtype)


def gram_matrix(features, mask=None):
    """Which maps are active together, wherever in the picture that is.

    For each two maps it is the mean, over all places, of their product.

    Args:
        features: (N, C, H, W), what a layer gives.
        mask: (H, W), what each place counts; None: all alike.

    Returns:
        (N, C, C) tensor, symmetric.

    Source: Gatys et al. (2016), equation 3; with a mask Gatys et al. (2017),
    "Controlling perceptual factors in neural style transfer", guided Gram matrices.
    Differs from the paper: a mean and not a sum, so that pictures of different
    sizes compare.
    """
    maps = features.permute(0, 2, 3, 1).flatten(1, 2)  # N, H W, C
    if mask is None:
        # G_ij = 1/P sum_p F_pi F_pj
        return _Products.apply(maps, None) / maps.shape[1]  # N, C, C
    # G_ij = sum_p m_p F_pi F_pj / sum_p m_p
    return _Products.apply(maps, mask.reshape(-1, 1)) / mask.sum()  # N, C, C


class _Products(torch.autograd.Function):
    """sum_p m_p F_pi F_pj of maps (N, P, C), in single precision at least.

    Maps stand on both sides of the product. PyTorch would go back along each side by
    itself; here both ways are one product, which takes half the time.
    """

    @staticmethod
    def forward(ctx, maps, mask):
        ctx.save_for_backward(maps, mask)
        wide = _wide(maps)
        return (wide if mask is None else mask * wide).mT @ wide  # N, C, C

    @staticmethod
    def backward(ctx, slope):
        maps, mask = ctx.saved_tensors
        # dL/dF_pi = m_p sum_j (S_ij + S_ji) F_pj, with S = dL/dG
        back = maps @ (slope + slope.mT).to(maps.dtype)  # N, P, C
        return (back if mask is None else mask.to(maps.dtype) * back), None


def content_loss(features, target):
    """Half the mean squared difference of what a layer gives.

    Args:
        features, target: (N, C, H, W).

    Returns:
        scalar tensor.

    Source: Gatys et al. (2016), equation 1.
    Differs from the paper: a mean and not a sum over places and maps.
    """
    # L = 1/2 mean (F - P)^2
    return (features - target).square().mean() / 2


def style_loss(gram, target):
    """A quarter of the mean squared difference of two Gram matrices.

    Args:
        gram, target: (N, C, C).

    Returns:
        scalar tensor; for pictures of equal size it is the paper's.

    Source: Gatys et al. (2016), equation 4.
    """
    # E = 1/(4 C^2) sum_ij (G_ij - A_ij)^2
    return (gram - target).square().mean() / 4


def total_variation(image):
    """How much neighbouring pixels differ: the sum of squares a value of the image.

    Args:
        image: (..., H, W, C).

    Returns:
        scalar tensor.

    Source: Mahendran and Vedaldi (2015), "Understanding deep image representations
    by inverting them", section 3.2, with beta = 2.
    """
    down = image[..., 1:, :, :] - image[..., :-1, :, :]
    right = image[..., 1:, :] - image[..., :-1, :]
    return (down.square().sum() + right.square().sum()) / image.numel()


def objective(network, content, styles, settings=spec.SETTINGS):
    """What is asked of a picture, as a function of the picture.

    Args:
        network: a VGG network, for example `feature_network()`.
        content: (H, W, 3) in [0, 1].
        styles: a picture (H', W', 3) in [0, 1], a spec.Style, or a list of them.
        settings: spec.Settings.

    Returns:
        function of an image (H, W, 3) in [0, 1] -> (dict of `content`, `style` and
        `variation` to the weighted loss, gradient of their sum (H, W, 3)).

    Raises:
        TypeError, ValueError: wrong pictures, shares, masks or layers.
    """
    styles = spec.targets(network.a, content, styles, settings)
    losses = _losses(_in_precision(network, settings), content, styles, settings)

    def losses_and_gradient(image):
        x = _tensor(network, image).requires_grad_()
        found = losses(x)
        (gradient,) = torch.autograd.grad(sum(found.values()), x)
        values = {name: loss.item() for name, loss in found.items()}
        return values, gradient.double().cpu().numpy()

    return losses_and_gradient


def _losses(network, content, styles, s):
    """The targets, computed once, and how a picture compares with them."""
    with torch.no_grad():
        seen = _seen(network, _tensor(network, content), s.layers)
        seen = {name: _wide(seen[name]) for name in s.content_layers if name in seen}
        paintings = [_tensor(network, style.image) for style in styles]
        targets = [_grams(_seen(network, x, s.style_layers), s) for x in paintings]
    masks = [{name: mask if mask is None else _tensor(network, mask)
              for name, mask in style.masks.items()} for style in styles]

    def losses(x):
        maps, found = _seen(network, x, s.layers), {}
        if s.content_weight:
            names = s.content_layers
            apart = sum(content_loss(_wide(maps[name]), seen[name]) for name in names)
            found["content"] = s.content_weight * apart / len(names)
        if s.style_weight:
            found["style"] = s.style_weight * sum(
                style.share * _style_losses(_grams(maps, s, mask), target, s)
                for style, mask, target in zip(styles, masks, targets))
        if s.variation_weight:
            found["variation"] = s.variation_weight * total_variation(x)
        return found

    return losses


class _Rounded(nn.Module):
    """Maps in bfloat16; what comes back is of the precision that went in."""

    def forward(self, x):
        return x.to(torch.bfloat16)


def _in_precision(network, s):
    """The network, or a copy that computes in bfloat16 behind its first layer."""
    if s.precision == "network":
        return network
    # Colours reach from -124 to 151, and bfloat16 has no digits left for their shades.
    first, *others = copy.deepcopy(network).named_children()
    rounded = [(name, layer.to(torch.bfloat16)) for name, layer in others]
    half = nn.Sequential(OrderedDict([first, ("rounded", _Rounded()), *rounded]))
    half.a = network.a
    return half


def _seen(network, image, layers):
    """What layers give for an image (H, W, 3): dict of name to (1, C, H', W')."""
    matrix, shift = (_tensor(network, values) for values in spec.colours(network.a))
    inputs = (image @ matrix + shift).permute(2, 0, 1)[None]  # 1, 3, H, W
    return vgg.activations(network, inputs, layers) if layers else {}


def _grams(maps, s, masks=None):
    return {name: gram_matrix(maps[name], masks and masks[name])
            for name in s.style_layers}


def _style_losses(grams, targets, s):
    # sum_l w_l E_l
    return sum(weight * style_loss(grams[name], targets[name])
               for name, weight in s.style_weights.items())


def _wide(maps):
    """Maps in single precision at least, for sums of many values."""
    return maps.to(torch.promote_types(maps.dtype, torch.float32))


def _tensor(network, values):
    weight = next(network.parameters())
    return torch.tensor(values, dtype=weight.dtype, device=weight.device)
