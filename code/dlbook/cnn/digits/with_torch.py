"""The digit network in PyTorch."""
from collections import OrderedDict

import numpy as np
import torch
from torch import nn

from dlbook import data, profile, runs
from dlbook.cnn.digits import spec
from dlbook.parity import layout
from dlbook.train import initial
from dlbook.train import with_torch as train


def digit_network(seed=0, weights=None, dtype="float32", a=spec.ARCHITECTURE):
    """Build the digit network: images (N, 1, 28, 28) -> logits (N, 10).

    Args:
        seed: starting weights and dropout; the Keras twin starts from the same weights.
        weights: dict of name to array in PyTorch's layout, to start from instead.
        dtype: `float32` or `float64`.
        a: Architecture.

    Returns:
        torch.nn.Module with 600,810 parameters.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.

    Differs from the deck: no softmax; the loss and `predict` apply it.
    """
    maps, flat = a.filters, spec.weight_shapes(a)["dense1.weight"][1]
    network = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, maps, a.kernel),  # N, 32, 26, 26
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(maps, maps, a.kernel),  # N, 32, 24, 24
            relu2=nn.ReLU(),
            pool=nn.MaxPool2d(a.pool),  # N, 32, 12, 12
            dropout1=nn.Dropout(a.dropout_pool),
            flatten=nn.Flatten(),  # N, 4608
            dense1=nn.Linear(flat, a.hidden),  # N, 128
            relu3=nn.ReLU(),
            dropout2=nn.Dropout(a.dropout_hidden),
            logits=nn.Linear(a.hidden, a.num_classes),  # N, 10
        )
    ).to(profile.torch_device(), getattr(torch, initial.precision(dtype)))
    start = initial.draw(spec.weight_shapes(a), seed) if weights is None else weights
    layout.check(start, spec.weight_shapes(a))
    tensors = {name: torch.tensor(np.asarray(value)) for name, value in start.items()}
    network.load_state_dict(tensors)
    network.size = a.size  # side of the images it reads
    torch.manual_seed(seed)  # dropout
    return network


def to_inputs(model, images):
    """Turn images (N, 28, 28) in [0, 1] into what the network reads: a tensor (N, 1, 28, 28)."""
    weight = model.conv1.weight
    return torch.as_tensor(data.as_images(images, model.size), dtype=weight.dtype, device=weight.device)[:, None]


def fit(model, digits, training=spec.TRAINING["quick"], seed=0, on_step=None, progress=True):
    """Train on `digits.train_images` (N, 28, 28) and measure on the test images after each epoch.

    Args:
        model: the network, trained in place.
        digits: data.Labelled.
        training: spec.Training.
        seed: order of the batches.
        on_step: called as on_step(step, loss) after each step.
        progress: show a progress line.

    Returns:
        dict of `loss`, `accuracy`, `val_loss`, `val_accuracy`: one float an epoch.
    """
    labels = [torch.as_tensor(y, device=model.conv1.weight.device) for y in (digits.train_labels, digits.test_labels)]
    held_out = to_inputs(model, digits.test_images), labels[1]
    return train.fit(model, to_inputs(model, digits.train_images), labels[0], training, held_out, seed, on_step, progress)


def predict(model, images):
    """Probabilities of the ten digits.

    Args:
        model: the network.
        images: (N, 28, 28) floating point in [0, 1].

    Returns:
        (N, 10) array; each row sums to 1.

    Raises:
        TypeError, ValueError: the images have a wrong dtype, shape or range.
    """
    return torch.tensor(train.logits_of(model, to_inputs(model, images))).softmax(1).numpy()


def weights_of(model):
    """The network's weights in the exchange format: dict of name to array in PyTorch's layout, kernels (O, I, H, W)."""
    return {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}


def load(path=None):
    """The network with the weights of a checkpoint: images (N, 1, 28, 28) -> logits (N, 10).

    Args:
        path: a safetensors file; None takes the shipped one, trained on MNIST.

    Returns:
        torch.nn.Module.

    Raises:
        FileNotFoundError, ValueError: no checkpoint there, or one of another network.
    """
    return digit_network(weights=runs.load_weights(path or runs.checkpoint("cnn/digits")))


def read(model, photo):
    """Which digit does a photo show?

    Args:
        model: the network.
        photo: path, PIL image or array (H, W), (H, W, 3) or (H, W, 4) of any size with one digit on a plain ground.

    Returns:
        int: the digit.
    """
    return int(predict(model, data.digit_from_photo(photo)[None]).argmax())
