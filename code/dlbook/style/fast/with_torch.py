"""A network that paints in one pass, in PyTorch."""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dlbook import profile, runs
from dlbook.cnn.vgg import with_torch as vgg
from dlbook.parity import layout
from dlbook.style.fast import spec, training
from dlbook.style.gatys import spec as gatys
from dlbook.style.gatys.with_torch import (content_loss, gram_matrix, style_loss,
                                           total_variation)
from dlbook.train import initial


def normalise(x, scale, shift):
    """Give each map of each picture a mean and a deviation.

    Args:
        x: maps (N, C, H, W).
        scale: (N, C), the deviation that each map is to have.
        shift: (N, C), the mean.

    Returns:
        (N, C, H, W).

    Source: Ulyanov et al. (2016), equation 3.
    """
    variance, mean = torch.var_mean(x, (2, 3), correction=0)  # N, C
    # y = scale (x - mean) / sqrt(variance + eps) + shift
    slope = scale * (variance + spec.EPS).rsqrt()
    start = shift - slope * mean
    return torch.addcmul(start[:, :, None, None], x, slope[:, :, None, None])


def adaptive_normalisation(features, style_features):
    """Give each map of one picture the mean and the deviation it has in another.

    Scale and shift are not learnt but measured: so any painting can be the style.

    Args:
        features: (N, C, H, W).
        style_features: (N, C, H', W').

    Returns:
        (N, C, H, W).

    Source: Huang and Belongie (2017), "Arbitrary style transfer in real-time with
    adaptive instance normalization", equation 8.
    """
    variance, mean = torch.var_mean(style_features, (2, 3), correction=0)  # N, C
    return normalise(features, (variance + spec.EPS).sqrt(), mean)


class StyleNorm(nn.Module):
    """Instance normalisation with a scale and a shift for each style, and mixtures.

    Maps (N, C, H, W), shares (N, styles) -> N, C, H, W.

    Args:
        maps: C.
        styles: how many.

    Source: Dumoulin et al. (2017), equation 5; of mixtures, section 3.3.
    """

    def __init__(self, maps, styles):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(styles, maps))
        self.shift = nn.Parameter(torch.zeros(styles, maps))

    def forward(self, x, shares):
        return normalise(x, shares @ self.scale, shares @ self.shift)


class MirrorConv(nn.Conv2d):
    """A convolution that mirrors the picture at its border: N, C, H, W -> N, C', H', W'.

    Args:
        conv: spec.Conv.
    """

    def __init__(self, conv):
        super().__init__(conv.before, conv.after, conv.kernel, conv.stride, bias=False)
        self.margin = conv.kernel // 2

    def forward(self, x):
        return super().forward(F.pad(x, [self.margin] * 4, mode="reflect"))


class PaintingNetwork(nn.Module):
    """Photos (N, 3, H, W) in [0, 1], shares (N, styles) -> pictures, the same.

    Args:
        a: spec.Architecture.
    """

    def __init__(self, a):
        super().__init__()
        self.a = a
        for conv in spec.convolutions(a):
            self.add_module(conv.name, MirrorConv(conv))
            self.add_module(f"{conv.name}_norm", StyleNorm(conv.after, a.styles))

    def forward(self, photos, shares):
        x = 2 * photos - 1
        for name in ("conv1", "conv2", "conv3"):
            x = self.part(name, x, shares).relu()
        for k in range(1, self.a.blocks + 1):  # x: N, 4 width, H / 4, W / 4
            change = self.part(f"block{k}_1", x, shares).relu()
            x = x + self.part(f"block{k}_2", change, shares)
        for name in ("up1", "up2"):
            doubled = F.interpolate(x, scale_factor=2, mode="nearest")
            x = self.part(name, doubled, shares).relu()
        return self.part("image", x, shares).sigmoid()

    def part(self, name, x, shares):
        """A convolution and the normalisation behind it."""
        return self.get_submodule(f"{name}_norm")(self.get_submodule(name)(x), shares)


def painting_network(a=spec.small, seed=0, weights=None, dtype="float32"):
    """Build the network: photos (N, 3, H, W), shares (N, styles) -> pictures.

    Args:
        a: spec.Architecture.
        seed: starting weights; the Keras twin starts the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        PaintingNetwork.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    network = PaintingNetwork(a).to(profile.torch_device(), getattr(torch, initial.precision(dtype)))
    put_back(network, spec.draw(a, seed) if weights is None else weights)
    return network.to(memory_format=torch.channels_last)  # faster


def weights_of(network):
    """All weights in the exchange format: dict of name to array."""
    return {name: value.detach().cpu().contiguous().numpy().copy() for name, value in network.state_dict().items()}


def put_back(network, weights):
    """Give a network other weights.

    Args:
        network: PaintingNetwork, changed in place.
        weights: dict as `weights_of` returns it.

    Raises:
        ValueError: the weights belong to another network, which is left as it was.
    """
    own = network.state_dict()
    layout.check(weights, {name: value.shape for name, value in own.items()})
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(torch.as_tensor(np.asarray(weights[name])))


def stylize(network, photos, shares=0):
    """Paint photos of any size in one pass.

    Args:
        network: PaintingNetwork.
        photos: (N, H, W, 3) or (H, W, 3), floating point in [0, 1].
        shares: number of a style, counted from 0; or what each style counts, (styles,)
            or (N, styles): scales and shifts are mixed.

    Returns:
        array of the photos' shape in [0, 1].

    Raises:
        TypeError, ValueError: wrong photos or shares.
    """
    images = spec.check_photos(photos)
    shares = _tensor(network, spec.as_shares(network.a, shares, len(images)))
    height, width = images.shape[1:3]
    with torch.inference_mode():
        painted = network(_inputs(network, spec.padded(images)), shares)  # N, 3, H', W'
    found = painted.permute(0, 2, 3, 1)[:, :height, :width].cpu().numpy()
    return found.reshape(np.shape(photos))


def _inputs(network, photos):
    """(N, H, W, 3) -> N, 3, H, W, channels last in memory."""
    return _tensor(network, photos).permute(0, 3, 1, 2)


def _tensor(network, values):
    weight = next(network.parameters())
    return torch.as_tensor(np.ascontiguousarray(values), dtype=weight.dtype, device=weight.device)


def perceptual_loss(features, paintings, settings=spec.SETTINGS):
    """What is asked of a batch of pictures: Gatys' losses, each picture with its own style.

    Args:
        features: a VGG network, for example `gatys.with_torch.feature_network()`.
        paintings: list of (H, W, 3) in [0, 1], one a style.
        settings: gatys.spec.Settings.

    Returns:
        function of pictures and photos (N, 3, H, W) in [0, 1] and numbers (N,) of
        styles -> dict of `content`, `style` and `variation` to the weighted loss.

    Source: Johnson et al. (2016), section 3.2.
    """
    s = settings
    with torch.no_grad():
        seen = [_seen(features, _inputs(features, image[None]), s.style_layers) for image in paintings]
        aims = {name: torch.cat([gram_matrix(maps[name]) for maps in seen]) for name in s.style_layers}

    def losses(pictures, photos, numbers):
        maps = _seen(features, pictures, s.layers)
        with torch.no_grad():
            wanted = _seen(features, photos, s.content_layers)
        content = sum(content_loss(maps[name], wanted[name]) for name in wanted)
        style = sum(weight * style_loss(gram_matrix(maps[name]), aims[name][numbers])
                    for name, weight in s.style_weights.items())
        variation = total_variation(pictures.permute(0, 2, 3, 1))
        return {"content": s.content_weight * content / len(wanted),
                "style": s.style_weight * style,
                "variation": s.variation_weight * variation}

    return losses


def _seen(features, images, layers):
    """What layers give for images (N, 3, H, W) in [0, 1]: dict of name to (N, C, H', W')."""
    matrix, shift = (_tensor(features, values) for values in gatys.colours(features.a))
    inputs = images.permute(0, 2, 3, 1) @ matrix + shift  # N, H, W, 3
    return vgg.activations(features, inputs.permute(0, 3, 1, 2), list(layers))


def train_step(network, optimizer, losses, photos, numbers):
    """One step of learning: paint, compare, move the weights.

    Args:
        network: PaintingNetwork.
        optimizer: of its weights.
        losses: as `perceptual_loss` returns it.
        photos: (B, 3, S, S) tensor in [0, 1].
        numbers: (B,) whole numbers, the style of each.

    Returns:
        dict of loss to scalar tensor, before the step.
    """
    shares = torch.eye(network.a.styles).to(photos)[numbers]  # B, styles
    found = losses(network(photos, shares), photos, numbers)
    optimizer.zero_grad()
    sum(found.values()).backward()
    optimizer.step()
    return found


def train(network, features, paintings, photos, settings=spec.TRAINING["quick"], seed=0,
          on_step=None, on_measure=None, progress=True, path=None):
    """Teach a network to paint.

    Args:
        network: PaintingNetwork, trained in place.
        features: a VGG network that says how pictures look; it does not change.
        paintings: list of (H, W, 3) in [0, 1], one a style.
        photos: (P, H, W, 3) in [0, 1] or uint8.
        settings: spec.StyleTraining.
        seed: order of the photos.
        on_step: called as on_step(step, losses) after each step.
        on_measure: called as on_measure(step, history) after each `settings.measured` steps and after
            the last; numbers that it appends to new entries of the history are kept too.
        progress: show a progress line.
        path: file in which the training is kept at each measurement, and from which it goes on if it was
            interrupted, with the same result.

    Returns:
        dict of `step`, `content`, `style` and `variation`: one value a measurement, the mean since the last.

    Raises:
        TypeError, ValueError: wrong paintings or photos, or a file of another training.
        FloatingPointError: a loss became infinite or not a number; the last good weights are back.
    """
    paintings = spec.check_paintings(network.a, paintings)
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate, eps=settings.epsilon, fused=True)
    learner = training.Learner("torch", network.a, stepper(network, optimizer, perceptual_loss(features, paintings, settings.settings)),
                               lambda: weights_of(network) | _moments(optimizer), lambda state: _restore(network, optimizer, state))
    return training.train(learner, np.asarray(photos), settings, seed, on_step, on_measure, progress, path)


def stepper(network, optimizer, losses):
    """A function that learns once from NumPy arrays.

    Args:
        network, optimizer, losses: as for `train_step`.

    Returns:
        function of photos (B, S, S, 3), numbers (B,) and a learning rate -> dict of loss to float.
    """
    def step(photos, numbers, rate):
        for group in optimizer.param_groups:
            group["lr"] = rate
        found = train_step(network, optimizer, losses, _inputs(network, photos), torch.as_tensor(numbers))
        return {name: loss.item() for name, loss in found.items()}

    return step


def _moments(optimizer):
    """All that Adam remembers: dict of `adam.<number>.<name>` to array."""
    return {f"adam.{k}.{name}": value.cpu().contiguous().numpy().copy()
            for k, values in optimizer.state_dict()["state"].items() for name, value in values.items()}


def _restore(network, optimizer, state):
    put_back(network, {name: value for name, value in state.items() if not name.startswith("adam.")})
    found, weights = {}, optimizer.param_groups[0]["params"]
    for name, value in state.items():
        if name.startswith("adam."):
            _, k, entry = name.split(".")
            # The fused Adam reads a moment from end to end: it must lie in memory as its weight does.
            moment = torch.as_tensor(value)
            found.setdefault(int(k), {})[entry] = torch.empty_like(weights[int(k)]).copy_(moment) if moment.ndim else moment
    optimizer.load_state_dict(optimizer.state_dict() | {"state": found})


def load(task="two"):
    """A trained network.

    Args:
        task: the styles it was trained on.

    Returns:
        PaintingNetwork.

    Raises:
        FileNotFoundError: no checkpoint is shipped for it.
    """
    path = runs.checkpoint("style/fast", task)
    return painting_network(spec.Architecture(**runs.about(path)["architecture"]), weights=runs.load_weights(path))
