"""How the network learns, in PyTorch."""
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from dlbook.cnn.species import spec
from dlbook.cnn.vgg import with_torch as vgg
from dlbook.train.batches import half_cosine, order
from dlbook.train.progress import Progress
from dlbook.train.with_torch import logits_of


def fit(model, photos, labels, held_out, training=spec.TRAINING, seed=0, change=None, progress=True):
    """Train on pieces of photos, other ones in each epoch.

    Args:
        model: a VGG network with a classifier: (N, 3, H, W) -> (N, num_classes); trained in place.
        photos: list of N photos (H, W, 3) uint8.
        labels: (N,) int64.
        held_out: images (M, H, W, 3) in [0, 1] and labels (M,), measured after each epoch.
        training: spec.Training.
        seed: of the pieces and the order of the batches.
        change: function of pieces (N, H, W, 3), their labels and a generator -> the pieces that are shown; None: as they are.
        progress: show a progress line.

    Returns:
        dict of `loss`, `accuracy`, `val_loss`, `val_accuracy`: one float an epoch.
    """
    optimizer = torch.optim.AdamW(_learning(model, training.kept), weight_decay=training.decay)
    total, step, history = training.epochs * -(-len(photos) // training.batch_size), 0, {}
    test = vgg.to_inputs(model, held_out[0]), torch.as_tensor(held_out[1])
    targets, rng = torch.as_tensor(labels), np.random.default_rng([seed, 1])
    with Progress(training.epochs, "training in PyTorch, epoch", progress) as bar:
        for epoch in range(training.epochs):
            losses, hits = [], 0
            pieces = np.stack([spec.piece(photo, rng, training.smallest, model.a.size) for photo in photos])
            inputs = vgg.to_inputs(model, change(pieces, labels, rng) if change else pieces)
            model.train()
            for batch in order(len(photos), training.batch_size, epoch, seed):
                optimizer.param_groups[0]["lr"] = half_cosine(step, total, training.learning_rate)
                logits = model(inputs[batch])  # B, num_classes
                loss = cross_entropy(logits, targets[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                hits += (logits.argmax(1) == targets[batch]).sum().item()
                step += 1
            _note(history, loss=np.mean(losses).item(), accuracy=hits / len(photos), **_measured(model, *test))
            bar.step(f"loss {history['loss'][-1]:.3f}, accuracy {history['val_accuracy'][-1]:.3f}")
    return history


def _learning(model, kept):
    """The parameters that learn; those of the first convolutions do not."""
    convolutions = [layer for layer in model.children() if isinstance(layer, torch.nn.Conv2d)]
    for layer in convolutions[:kept]:
        layer.requires_grad_(False)
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _measured(model, inputs, labels):
    logits = torch.as_tensor(logits_of(model, inputs, 100))
    return {"val_loss": cross_entropy(logits, labels).item(), "val_accuracy": (logits.argmax(1) == labels).double().mean().item()}


def _note(history, **values):
    for name, value in values.items():
        history.setdefault(name, []).append(value)
