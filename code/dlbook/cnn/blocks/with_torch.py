"""The ConvNets' shared layers in PyTorch, and what every network can do: count, fit, predict."""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dlbook import profile
from dlbook.cnn.blocks import start
from dlbook.cnn.blocks.images import as_inputs
from dlbook.cnn.blocks.table import Totals, sides
from dlbook.parity import layout
from dlbook.train import initial
from dlbook.train import with_torch as train


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow does: an odd pixel goes to the right and below."""

    def forward(self, x):
        return super().forward(same_pad(x, self.kernel_size, self.stride))


def same_pad(x, kernel, stride, value=0.0):
    """Pad maps (N, C, H, W) so that windows at every stride see the whole map: H' = ceil(H / stride)."""
    pads = []
    for size, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1]):  # width first, as F.pad wants it
        total = max((-(-size // s) - 1) * s + k - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value) if any(pads) else x


def conv(channels, filters, kernel, stride=1, padding="same", groups=1, bias=False):
    """A convolution.

    Args:
        channels: maps it reads.
        filters: maps to compute.
        kernel: side or (height, width), in pixels.
        stride: in pixels.
        padding: `same` (as TensorFlow pads), `valid` (none) or pixels a side.
        groups: the maps are cut into so many groups, which do not see each other.
        bias: add a number to each map.

    Returns:
        nn.Module: N, channels, H, W -> N, filters, H', W'.
    """
    options = {"stride": stride, "groups": groups, "bias": bias}
    if padding == "same" and stride > 1:
        return SameConv(channels, filters, kernel, **options)
    return nn.Conv2d(channels, filters, kernel, padding=padding, **options)


def depthwise(channels, kernel, stride=1, padding="same", bias=False):
    """A convolution of each map by itself: N, C, H, W -> N, C, H', W'; arguments as for `conv`."""
    return conv(channels, channels, kernel, stride, padding, groups=channels, bias=bias)


class Norm(nn.BatchNorm2d):
    """Batch normalisation with `start.Norm` settings; the frameworks count momentum from opposite ends."""

    def __init__(self, channels, settings):
        super().__init__(channels, settings.eps, 1 - settings.momentum)
        self.num_batches_tracked = None  # only needed without a momentum
        if not settings.scale:
            self.weight = None


class LRN(nn.Module):
    """Local response normalisation with `start.LocalNorm` settings: N, C, H, W -> the same.

    As `nn.LocalResponseNorm(n, n * alpha, beta, k)`, but maps that lie channels last in memory stay so, which is faster.
    """

    def __init__(self, settings):
        super().__init__()
        self.settings = settings

    def forward(self, x):
        s, channels, x = self.settings, x.shape[1], x.permute(0, 2, 3, 1)
        squares = F.pad(x.square(), (s.n // 2, (s.n - 1) // 2))
        total = sum(squares[..., i:i + channels] for i in range(s.n))
        # b = a / (k + alpha sum a^2)^beta
        return (x * (s.k + s.alpha * total).pow(-s.beta)).permute(0, 3, 1, 2)


class MaxPool(nn.Module):
    """The largest of each window; `padding` as for `conv`, but what is outside never wins.

    `ceil`, for windows without padding: the last one may hang over the border, instead of leaving the last pixels out.
    """

    def __init__(self, kernel, stride, padding="valid", ceil=False):
        super().__init__()
        self.kernel, self.stride, self.padding, self.ceil = (kernel, kernel), (stride, stride), padding, ceil

    def forward(self, x):
        if self.padding == "same":
            return F.max_pool2d(same_pad(x, self.kernel, self.stride, -torch.inf), self.kernel, self.stride)
        return F.max_pool2d(x, self.kernel, self.stride, 0 if self.padding == "valid" else self.padding, ceil_mode=self.ceil)


class AveragePool(nn.Module):
    """The mean of each window; pixels outside the map count as zeros (`counted`) or not at all."""

    def __init__(self, kernel, stride, padding="valid", counted=False):
        super().__init__()
        if counted and padding == "same" and (stride != 1 or kernel % 2 == 0):
            raise ValueError(f"zeros outside are counted for odd windows with stride 1; got kernel {kernel}, stride {stride}.")
        self.kernel, self.stride, self.padding, self.counted = (kernel, kernel), (stride, stride), padding, counted

    def forward(self, x):
        if self.padding == "same" and self.stride == (1, 1) and self.kernel[0] % 2:
            return F.avg_pool2d(x, self.kernel, 1, self.kernel[0] // 2, count_include_pad=self.counted)
        mean = F.avg_pool2d(self._padded(x), self.kernel, self.stride)
        if self.padding == "valid":
            return mean
        # The share of each window that lies on the map.
        inside = F.avg_pool2d(self._padded(torch.ones_like(x[:1, :1])), self.kernel, self.stride)
        return mean / inside

    def _padded(self, x):
        return x if self.padding == "valid" else same_pad(x, self.kernel, self.stride)


class AdaptivePool(nn.AdaptiveAvgPool2d):
    """The means of side x side windows that cover the map and overlap where they must: N, C, H, W -> N, C, side, side."""


class GlobalPool(nn.Module):
    """The mean of each map: N, C, H, W -> N, C."""

    def forward(self, x):
        return x.mean((2, 3))


def finish(network, table, a, seed, weights, dtype, official=()):
    """Give a model its weights.

    Args:
        network: nn.Module, best made under `torch.device("meta")`, which draws no weights in vain.
        table: list of Row.
        a: the architecture; kept as `network.a`.
        seed: of the draw, and of dropout.
        weights: as for `start.weights_for`.
        dtype: `float32` or `float64`.
        official: tuple of `start.Official`.

    Returns:
        the network, in training mode, on the profile's device.
    """
    wanted = network.state_dict()
    shapes = {layout.flat(name): tuple(value.shape) for name, value in wanted.items()}
    state = start.weights_for(weights, shapes, table, seed, official, a)
    layout.check(state, shapes)
    options = {"dtype": getattr(torch, initial.precision(dtype)), "device": profile.torch_device()}
    for name in wanted:  # filled in place: the dict also says of which version it is
        wanted[name] = torch.tensor(np.asarray(state[layout.flat(name)]), **options)
    network.load_state_dict(wanted, assign=True)
    network.a = a
    torch.manual_seed(seed)  # dropout
    return network.to(memory_format=torch.channels_last)


def count_operations(model):
    """Parameters and multiply-accumulates of a network, counted while shapes alone flow through it.

    Args:
        model: nn.Module made by `finish`.

    Returns:
        Totals for one image of the size of its architecture.

    Raises:
        ValueError: it reads images of any size.
    """
    start.check_size(model.a)
    counts, hooks = [], []
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            # Every place of the output takes each weight of the kernel once.
            hooks.append(module.register_forward_hook(lambda layer, _, y: counts.append(layer.weight.numel() * y[0, 0].numel())))
    shadows = {name: value.to("meta") for name, value in model.state_dict().items()}
    image = torch.empty(1, model.a.channels, *sides(model.a.size), dtype=next(model.parameters()).dtype, device="meta")
    training = model.training
    torch.func.functional_call(model.eval(), shadows, image)
    model.train(training)
    for hook in hooks:
        hook.remove()
    return Totals(sum(p.numel() for p in model.parameters()), sum(b.numel() for b in model.buffers()), sum(counts))


def to_inputs(model, images):
    """Turn images (N, H, W) or (N, H, W, C) in [0, 1] into what the network reads: a tensor (N, C, H, W), channels last in memory."""
    a, weight = model.a, next(model.parameters())
    scaled = as_inputs(images, a.size, a.channels, a.scaling, getattr(a, "frame", 0))
    return torch.as_tensor(scaled, dtype=weight.dtype, device=weight.device).permute(0, 3, 1, 2)


def fit(model, data, training, seed=0, on_step=None, progress=True):
    """Train on `data.train_images` and measure on the test images after each epoch.

    Args:
        model: the network, trained in place.
        data: has `train_images`, `train_labels`, `test_images`, `test_labels`.
        training: train.settings.Training.
        seed: order of the batches.
        on_step: called as on_step(step, loss) after each step.
        progress: show a progress line.

    Returns:
        dict of `loss`, `accuracy`, `val_loss`, `val_accuracy`: one float an epoch.
    """
    device = next(model.parameters()).device
    labels = [torch.as_tensor(y, device=device) for y in (data.train_labels, data.test_labels)]
    held_out = to_inputs(model, data.test_images), labels[1]
    return train.fit(model, to_inputs(model, data.train_images), labels[0], training, held_out, seed, on_step, progress)


def predict(model, images):
    """Probabilities of the classes.

    Args:
        model: the network.
        images: (N, H, W) or (N, H, W, C) floating point in [0, 1].

    Returns:
        (N, num_classes) array; each row sums to 1.

    Raises:
        TypeError, ValueError: the images have a wrong dtype, shape or range, or the network has no classifier.
    """
    start.check_classifier(model.a)
    return torch.tensor(train.logits_of(model, to_inputs(model, images), 100)).softmax(1).numpy()


def weights_of(model):
    """The network's weights in the exchange format: dict of name to array in PyTorch's layout, kernels (O, I, H, W)."""
    return {layout.flat(name): value.detach().cpu().contiguous().numpy().copy() for name, value in model.state_dict().items()}
