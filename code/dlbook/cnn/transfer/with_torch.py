"""Transfer in PyTorch: features of any layer, and training on photos in three ways."""
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from dlbook.cnn.mobilenet import with_torch as mobilenet
from dlbook.cnn.resnet import with_torch as resnet
from dlbook.cnn.transfer import spec
from dlbook.train import with_torch as train
from dlbook.train.batches import half_cosine, order
from dlbook.train.progress import Progress

__all__ = ["features", "fit", "network", "predict", "unfreeze",
           "weights_of"]
predict, weights_of = mobilenet.predict, mobilenet.weights_of


def network(way, a=spec.TARGET, seed=0, weights="official", source=spec.PRETRAINED,
            dtype="float32"):
    """A MobileNet to be trained for a new task.

    Args:
        way: `scratch` or `frozen`.
        a: mobilenet.spec.Architecture of the new network.
        seed: fresh weights; the Keras twin starts from the same.
        weights: of the source network, as for `mobilenet`; not used from scratch.
        source: mobilenet.spec.Architecture of the source network.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module; of a frozen one only `logits` can be trained.

    Raises:
        ValueError: another way, or networks that differ in more than their heads.
        DataError: the official weights cannot be had.
    """
    model = mobilenet.mobilenet(a, seed, dtype=dtype)
    if spec.way(way) != "scratch":
        learnt = weights_of(mobilenet.mobilenet(source, weights=weights, dtype=dtype))
        model = mobilenet.mobilenet(a, seed, spec.overlaid(weights_of(model), learnt), dtype)
    model.keeps_statistics = way != "scratch"  # those of its batch norms
    for name, value in model.named_parameters():
        value.requires_grad = way != "frozen" or name.startswith(f"{spec.HEAD}.")
    return model


def unfreeze(model):
    """Let all weights of a frozen network be trained; its batch norms go on keeping their statistics.

    Args:
        model: from `network`, changed in place.
    """
    for value in model.parameters():
        value.requires_grad = True


def features(model, images, layers, batch_size=64):
    """What layers give for images: the mean of each map.

    Args:
        model: MobileNet.
        images: (N, H, W, C) floating point in [0, 1].
        layers: names, see `spec.layers`.
        batch_size: images at once.

    Returns:
        dict of layer to (N, maps) array.

    Raises:
        ValueError: the network has no layer of that name.
    """
    known = [name for name, _ in model.named_children()]
    missing = [name for name in layers if name not in known]
    if missing:
        raise ValueError(f"no layer {missing[0]!r}; there are: {', '.join(known)}.")
    model.eval()
    found = {name: [] for name in layers}
    for start in range(0, len(images), batch_size):
        x = mobilenet.to_inputs(model, images[start:start + batch_size])
        with torch.no_grad():
            for name, layer in model.named_children():
                x = layer(x)  # N, C, H', W'
                if name in found:  # N, C
                    found[name].append(x.flatten(2).mean(2) if x.ndim == 4 else x)
    return {name: torch.cat(parts).numpy() for name, parts in found.items()}


def fit(model, photos, labels, settings, seed=0, validation=None, on_step=None,
        progress=True):
    """Train a classifier on photos, each shown cut and turned anew in every epoch.

    Args:
        model: from `network`, trained in place.
        photos: list of N photos (H, W, 3) uint8.
        labels: (N,) int64.
        settings: spec.Settings.
        seed: order, crops, mirrors.
        validation: (photos, labels) measured after each epoch, or None.
        on_step: called as on_step(step, loss) after each step.
        progress: show a progress line.

    Returns:
        dict of `loss`, `accuracy` and, with validation, `val_loss`, `val_accuracy`.
    """
    trained = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.Adam(trained, settings.learning_rate, eps=settings.epsilon)
    total, step, history = settings.epochs * -(-len(photos) // settings.batch_size), 0, {}
    shapes, held_out = [p.shape for p in photos], _held_out(model, validation)
    with Progress(settings.epochs, "training in PyTorch, epoch", progress) as bar:
        for epoch in range(settings.epochs):
            boxes, mirrored = spec.boxes(shapes, settings, epoch, seed)
            losses, right = 0.0, 0
            model.train(not model.keeps_statistics)
            for batch in order(len(photos), settings.batch_size, epoch, seed):
                shown = spec.cut([photos[i] for i in batch], boxes[batch], model.a.size,
                                 mirrored[batch])
                y = torch.as_tensor(labels[batch])
                optimizer.param_groups[0]["lr"] = half_cosine(
                    step, total, settings.learning_rate)
                logits = model(mobilenet.to_inputs(model, shown))  # B, classes
                loss = cross_entropy(logits, y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses += loss.item() * len(y)
                right += int((logits.argmax(1) == y).sum())
                step += 1
                if on_step:
                    on_step(step, loss.item())
            train._append(history, loss=losses / len(photos), accuracy=right / len(photos),
                          **train._validate(model, held_out))
            bar.step(f"loss {history['loss'][-1]:.3f}")
    return history


def _held_out(model, validation):
    """The middles of the photos to be measured on, as the network reads them."""
    if validation is None:
        return None
    photos, labels = validation
    images = spec.squares(photos, model.a.size)
    return mobilenet.to_inputs(model, images), torch.as_tensor(np.asarray(labels))
