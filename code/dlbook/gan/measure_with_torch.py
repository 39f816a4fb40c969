"""What the course's networks see in images, in PyTorch."""
import functools

import torch
from torch.nn.functional import avg_pool2d

from dlbook import runs
from dlbook.cnn.digits import with_torch as digits
from dlbook.cnn.lenet import with_torch as lenet
from dlbook.cnn.resnet import spec as resnets
from dlbook.cnn.resnet import with_torch as resnet
from dlbook.gan import measure
from dlbook.train.with_torch import logits_of

READ = {"digits": digits.to_inputs, "clothes": lenet.to_inputs}
# Layers that are looked at: behind the pooling, hidden, last
LAYERS = {"digits": ("pool", "relu3", "logits"), "clothes": ("s4", "f6_relu", "output")}
PARTS = {"digits": 4, "clothes": 1}  # side of the parts of the maps whose means are taken


def see(images, what="digits"):
    """Look at images with a shipped network and, for a second opinion, with another.

    Args:
        images: (N, 28, 28) floating point in [0, 1].
        what: `digits`, read by the digit network and LeNet-5, or `clothes`, read by LeNet-5 and the small ResNet.

    Returns:
        measure.Seen: features (N, 416) or (N, 484), probabilities (N, 10) and the second network's classes (N,).

    Raises:
        TypeError, ValueError: the images have a wrong dtype, shape or range; or there are no networks for them.
        FileNotFoundError: the networks' weights are not there.
    """
    eyes, first, second = _networks(measure.check(what))
    return measure.seen(logits_of(eyes, READ[what](first, images)), lenet.predict(second, images).argmax(1), what)


class _Eyes(torch.nn.Module):
    """What a network sees on its way: N, 1, H, W -> N, 426 or N, 494."""

    def __init__(self, network, what):
        super().__init__()
        self.network, self.what = network, what

    def forward(self, x):
        seen = {}
        for name, layer in self.network.named_children():
            x = seen[name] = layer(x)
        pooled, hidden, logits = (seen[name] for name in LAYERS[self.what])
        # the digit network's maps, 12 x 12 -> 3 x 3 means; LeNet-5's, 5 x 5, as they are
        parts = avg_pool2d(pooled, PARTS[self.what]).flatten(1)
        return torch.cat([parts, hidden, logits], 1)


@functools.cache
def _networks(what):
    # Building them seeds PyTorch's generator; a training that is measured must not notice.
    with torch.random.fork_rng():
        if what == "digits":
            first, second = digits.load(), lenet.lenet("modern", weights=runs.checkpoint("cnn/lenet", "modern-mnist"))
        else:
            first = lenet.lenet("modern", weights=runs.checkpoint("cnn/lenet", "modern-fashion"))
            second = resnet.resnet(resnets.SMALL, weights=runs.checkpoint("cnn/resnet", "fashion"))
        return _Eyes(first, what), first, second
