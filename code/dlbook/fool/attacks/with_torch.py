"""Adversarial examples in PyTorch: attacks on images, and training against them."""
import numpy as np
import torch
from torch.nn.functional import cross_entropy, one_hot

from dlbook.fool.attacks import spec
from dlbook.train.batches import half_cosine, order, steps
from dlbook.train.progress import Progress


def gradient(network, images, labels):
    """How the loss of each image changes with each of its pixels.

    Args:
        network: a ConvNet of the course, (N, C, H, W) -> logits (N, num_classes).
        images: (N, H, W) or (N, H, W, C) in [0, 1].
        labels: (N,) whole numbers.

    Returns:
        (N, H, W, C) array, the gradient of the cross entropy in nats.

    Raises:
        TypeError, ValueError: wrong images or labels.
    """
    x, y = _tensors(network, *spec.check(network.a, images, labels))
    return _images(_slope(network.eval(), x, y))


def attack(network, images, labels, how):
    """Change images so that the network misreads them.

    Args:
        network: a ConvNet of the course, (N, C, H, W) -> logits (N, num_classes).
        images: (N, H, W) or (N, H, W, C) in [0, 1].
        labels: (N,) whole numbers: what the images show, or, for a targeted attack,
            what the network shall say; or (N, num_classes) bool, if several classes are.
        how: spec.Attack.

    Returns:
        (N, H, W, C) array in [0, 1], no pixel more than `how.epsilon` away.

    Raises:
        TypeError, ValueError: wrong images or labels.
    """
    images, labels = spec.check(network.a, images, labels)
    x, y = _tensors(network, images, labels)
    start, _ = _tensors(network, spec.beginning(images, how), labels)
    return _images(_attacked(network.eval(), x, y, how, start))


def _attacked(network, x, y, how, changed):
    """The attack on tensors (N, C, H, W) in [0, 1]; it begins with `changed`."""
    low, high = (x - how.epsilon).clamp(min=0), (x + how.epsilon).clamp(max=1)
    pace = -how.pace if how.targeted else how.pace
    for _ in range(how.steps):
        # x <- P(x + s sign(dL/dx)), P cuts back into the box of allowed changes
        step = pace * _slope(network, changed, y, how.loss).sign()
        changed = torch.clamp(changed + step, low, high)
    return changed  # N, C, H, W


def _slope(network, x, y, loss="cross entropy"):
    """dL/dx for each image by itself: N, C, H, W."""
    x = x.detach().requires_grad_()
    losses = _losses(network(_scaled(network, x)), y, loss)
    return torch.autograd.grad(losses.sum(), x)[0]


def _losses(logits, y, loss="cross entropy"):
    """L for each image: N; `y` holds the right class of each, or marks all right ones."""
    if loss == "cross entropy" and y.ndim == 1:
        return cross_entropy(logits, y, reduction="none")
    right = y if y.ndim == 2 else one_hot(y, logits.shape[1]).bool()
    inside, outside = (logits.masked_fill(~kept, -torch.inf) for kept in (right, ~right))
    if loss == "margin":
        return outside.amax(1) - inside.amax(1)
    return logits.logsumexp(1) - inside.logsumexp(1)  # -log of the right ones together


def fit(network, data, training, how=None, seed=0, progress=True):
    """Train a classifier, on images as they are or as an attack changes them.

    Args:
        network: a ConvNet of the course, (N, C, H, W) -> logits; trained in place.
        data: data.Labelled.
        training: train.settings.Training.
        how: spec.Attack that changes every batch against the network as it is then;
            None: none.
        seed: order of the batches and random starts.
        progress: show a progress line.

    Returns:
        dict of `loss`: one float an epoch, of what was trained on.

    Source: Madry et al. (2018), equation 2.1.
    """
    images, labels = spec.check(network.a, data.train_images, data.train_labels)
    x, y = _tensors(network, images, labels)
    rng, history, step = np.random.default_rng([seed, 2]), {"loss": []}, 0
    total, peak = steps(len(x), training), training.learning_rate
    optimizer = torch.optim.Adam(network.parameters(), peak, eps=training.epsilon)
    with Progress(training.epochs, "training in PyTorch, epoch", progress) as bar:
        for epoch in range(training.epochs):
            losses = []
            for batch in order(len(x), training.batch_size, epoch, seed):
                shown, target = x[batch], y[batch]
                if how:
                    begun = _begun(shown, how, rng)
                    shown = _attacked(network.eval(), shown, target, how, begun)
                network.train()
                optimizer.param_groups[0]["lr"] = half_cosine(step, total, peak)
                loss = cross_entropy(network(_scaled(network, shown)), target)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                step += 1
            history["loss"].append(float(np.mean(losses)))
            bar.step(f"loss {history['loss'][-1]:.3f}")
    return history


def _begun(x, how, rng):
    """Random places in the boxes around a batch, drawn as the Keras twin draws them."""
    if how.start == "image":
        return x
    n, c, h, w = x.shape
    noise = rng.uniform(-how.epsilon, how.epsilon, (n, h, w, c))
    return (x + torch.as_tensor(noise, dtype=x.dtype).permute(0, 3, 1, 2)).clamp(0, 1)


def _scaled(network, x):
    """Pixels in [0, 1] as the network reads them: N, C, H, W."""
    matrix, shift = (torch.as_tensor(v, dtype=x.dtype, device=x.device)
                     for v in spec.scaling(network.a))
    return (x.permute(0, 2, 3, 1) @ matrix + shift).permute(0, 3, 1, 2)


def _tensors(network, images, labels):
    weight = next(network.parameters())
    x = torch.as_tensor(np.array(images), dtype=weight.dtype, device=weight.device)
    y = torch.as_tensor(labels, device=weight.device)
    return x.permute(0, 3, 1, 2), y


def _images(x):
    return x.detach().permute(0, 2, 3, 1).cpu().numpy()
