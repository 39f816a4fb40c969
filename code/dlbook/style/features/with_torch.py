"""The small feature network in PyTorch: how it learns from VGG19."""
import numpy as np
import torch

from dlbook.cnn.vgg import with_torch as vgg
from dlbook.style.features import spec
from dlbook.train.batches import half_cosine, order
from dlbook.train.progress import Progress

AT_ONCE = 16  # pieces that VGG19 looks at together


def lessons(teacher, images, widths, samples):
    """What the small network is to give for some images: some of the maps of VGG19.

    Args:
        teacher: VGG19.
        images: (N, H, W, 3) float32 in [0, 1].
        widths: dict of layer to how many of its maps are imitated.
        samples: places a layer at which the maps are compared, to choose those.

    Returns:
        dict of layer to numbers of the chosen maps, (count,) int64, and dict of layer
        to (N, count, H', W') tensor in half precision.
    """
    few = vgg.features(teacher, images[:AT_ONCE], list(widths))
    chosen = {name: spec.chosen_maps(_some(maps, samples), widths[name])
              for name, maps in few.items()}
    return chosen, answers(teacher, images, chosen)


def _some(maps, samples):
    """Evenly chosen places of maps (N, H, W, C): (P, C)."""
    places = maps.reshape(-1, maps.shape[-1])
    return places[np.linspace(0, len(places) - 1, min(samples, len(places))).astype(int)]


def answers(teacher, images, chosen):
    """What VGG19 gives for images, the chosen maps alone.

    Args:
        teacher: VGG19.
        images: (N, H, W, 3) float32 in [0, 1].
        chosen: dict of layer to numbers of maps.

    Returns:
        dict of layer to (N, count, H', W') tensor in half precision.
    """
    found = {name: [] for name in chosen}
    for start in range(0, len(images), AT_ONCE):
        with torch.no_grad():
            x = vgg.to_inputs(teacher, images[start:start + AT_ONCE])
            maps = vgg.activations(teacher, x, list(chosen))
        for name, numbers in chosen.items():
            found[name].append(maps[name][:, numbers].half())
    return {name: torch.cat(parts) for name, parts in found.items()}


def imitate(network, images, wanted, settings=spec.IMITATION, seed=0, on_step=None,
            progress=True):
    """Train a small network so that its maps are those of a large one.

    Args:
        network: VGG network, trained in place.
        images: (N, H, W, 3) float32 in [0, 1].
        wanted: dict of layer to (N, C, H', W') tensor.
        settings: spec.Imitation.
        seed: order of the images.
        on_step: called as on_step(step, share missed) after each step.
        progress: show a progress line.

    Returns:
        dict of layer to a list: the share of the squares that is missed, an epoch.
    """
    history, step = {name: [] for name in wanted}, 0
    size, peak = settings.batch_size, settings.learning_rate
    total = settings.epochs * -(-len(images) // size)
    optimizer = torch.optim.Adam(network.parameters(), peak)
    with Progress(settings.epochs, "learning from VGG19, epoch", progress) as bar:
        for epoch in range(settings.epochs):
            seen = []
            for batch in order(len(images), size, epoch, seed):
                optimizer.param_groups[0]["lr"] = half_cosine(step, total, peak)
                shares = missed(network, images[batch],
                                {name: maps[batch] for name, maps in wanted.items()})
                loss = torch.stack(list(shares.values())).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                seen.append([share.item() for share in shares.values()])
                step += 1
                if on_step:
                    on_step(step, loss.item())
            for name, share in zip(wanted, np.mean(seen, axis=0)):
                history[name].append(float(share))
            bar.step(f"missed {np.mean(seen):.3f}")
    return history


def missed(network, images, wanted):
    """The share of the squares of some maps that a network misses, layer by layer.

    Args:
        network: VGG network.
        images: (N, H, W, 3) in [0, 1].
        wanted: dict of layer to (N, C, H', W') tensor.

    Returns:
        dict of layer to scalar tensor: 0 where all is met, 1 for maps that are all 0.
    """
    found = vgg.activations(network, vgg.to_inputs(network, images), list(wanted))
    # sum (S - T)^2 / sum T^2
    return {name: (found[name] - maps).square().sum() / maps.float().square().sum()
            for name, maps in wanted.items()}
