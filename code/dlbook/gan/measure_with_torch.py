"""What the course's digit networks see in images, in PyTorch."""
import functools

import torch
from torch.nn.functional import avg_pool2d

from dlbook import runs
from dlbook.cnn.digits import with_torch as digits
from dlbook.cnn.lenet import with_torch as lenet
from dlbook.gan import measure
from dlbook.train.with_torch import logits_of


def see(images):
    """Look at images with the shipped digit network and, for a second opinion, the shipped LeNet-5.

    Args:
        images: (N, 28, 28) floating point in [0, 1].

    Returns:
        measure.Seen: features (N, 416), probabilities (N, 10) and the second network's classes (N,).

    Raises:
        TypeError, ValueError: the images have a wrong dtype, shape or range.
        FileNotFoundError: the networks' weights are not there.
    """
    eyes, second = _networks()
    return measure.seen(logits_of(eyes, digits.to_inputs(eyes.network, images)), lenet.predict(second, images).argmax(1))


class _Eyes(torch.nn.Module):
    """What the digit network sees on its way: N, 1, 28, 28 -> N, 426."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        seen = {}
        for name, layer in self.network.named_children():
            x = seen[name] = layer(x)
        # 12 x 12 -> 3 x 3 means of each map
        parts = avg_pool2d(seen["pool"], 4).flatten(1)
        return torch.cat([parts, seen["relu3"], seen["logits"]], 1)


@functools.cache
def _networks():
    # Building them seeds PyTorch's generator; a training that is measured must not notice.
    with torch.random.fork_rng():
        return _Eyes(digits.load()), lenet.lenet("modern", weights=runs.checkpoint("cnn/lenet", "modern-mnist"))
