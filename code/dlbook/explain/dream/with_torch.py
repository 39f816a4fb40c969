"""Deep Dream in PyTorch: what a layer sees of a picture, and how that changes with each pixel."""
import torch

from dlbook.cnn.vgg import with_torch as vgg
from dlbook.style.gatys.spec import colours


def objective(network, layers):
    """What layers see of a picture, as a function of the picture.

    Args:
        network: a VGG network.
        layers: names, for example `("relu4_1",)`.

    Returns:
        function of an image (H, W, 3) in [0, 1] -> (half the mean square of the layers'
        activations, summed over the layers; its gradient, (H, W, 3) float64).

    Raises:
        ValueError: names that the network does not have.
    """
    vgg.spec.check_names(list(layers), [name for name, _ in network.named_children()])
    weight = next(network.parameters())
    matrix, shift = (torch.as_tensor(v, dtype=weight.dtype) for v in colours(network.a))

    def value_and_gradient(image):
        x = torch.as_tensor(image, dtype=weight.dtype).requires_grad_()
        inputs = (x @ matrix + shift).permute(2, 0, 1)[None]  # 1, 3, H, W
        maps = vgg.activations(network, inputs, list(layers))
        # L = sum_l 1/2 mean F_l^2
        value = sum(maps[name].square().mean() / 2 for name in layers)
        (slope,) = torch.autograd.grad(value, x)
        return value.item(), slope.double().numpy()

    return value_and_gradient
