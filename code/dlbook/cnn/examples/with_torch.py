"""The small ConvNet in PyTorch."""
from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from dlbook import profile
from dlbook.cnn.examples import spec
from dlbook.parity import layout
from dlbook.train import initial
from dlbook.train import with_torch as train


def small_network(a, seed=0, weights=None, dtype="float32"):
    """Build the small ConvNet: images (N, C, 28, 28) -> logits (N, num_classes).

    Args:
        a: spec.Architecture.
        seed: starting weights; the Keras twin starts from the same.
        weights: dict of name to array in PyTorch's layout, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    first, second = a.filters
    network = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(a.channels, first, a.kernel),  # N, 12, 24, 24
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),  # N, 12, 12, 12
            conv2=nn.Conv2d(first, second, a.kernel),  # N, 24, 8, 8
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),  # N, 24, 4, 4
            flatten=nn.Flatten(),  # N, 384
            dense1=nn.Linear(second * a.side**2, a.hidden),  # N, 48
            relu3=nn.ReLU(),
            logits=nn.Linear(a.hidden, a.num_classes),  # N, K
        )
    ).to(profile.torch_device(), getattr(torch, initial.precision(dtype)))
    shapes = spec.weight_shapes(a)
    start = initial.draw_by_name(shapes, seed) if weights is None else weights
    layout.check(start, shapes)
    network.load_state_dict({name: torch.tensor(np.asarray(value)) for name, value in start.items()})
    return network


def to_inputs(model, images):
    """Turn images (N, 28, 28) or (N, 28, 28, 3) in [0, 1] into what the network reads: a tensor (N, C, 28, 28) in [-1, 1]."""
    weight, images = model.conv1.weight, np.asarray(images)
    images = images[..., None] if images.ndim == 3 else images  # N, H, W, C
    return 2 * torch.as_tensor(images, dtype=weight.dtype, device=weight.device).permute(0, 3, 1, 2) - 1


def fit(model, images, labels, training, seed=0, progress=True, held_out=None):
    """Train on images (N, 28, 28) or (N, 28, 28, 3) with labels (N,).

    Args:
        model: the network, trained in place.
        images, labels: of the examples.
        training: settings.Training.
        seed: order of the batches.
        progress: show a progress line.
        held_out: (images, labels) measured after each epoch, or None.

    Returns:
        dict of `loss`, `accuracy` and, with `held_out`, `val_loss` and `val_accuracy`: one float an epoch.
    """
    ready = lambda pair: (to_inputs(model, pair[0]), torch.as_tensor(np.asarray(pair[1]), device=model.conv1.weight.device))
    return train.fit(model, *ready((images, labels)), training, held_out and ready(held_out), seed, progress=progress)


def predict(model, images):
    """Class of each image: (N, 28, 28) or (N, 28, 28, 3) -> (N,) whole numbers."""
    return train.logits_of(model, to_inputs(model, images)).argmax(1)


def weights_of(model):
    """The network's weights in the exchange format: dict of name to array in PyTorch's layout, kernels (O, I, H, W)."""
    return {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
