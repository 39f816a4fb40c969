"""The PyTorch training loop for classifiers."""
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from dlbook.parity.compare import AUXILIARY
from dlbook.train.batches import half_cosine, mirrored, order, steps
from dlbook.train.progress import Progress


def fit(model, inputs, labels, training, validation=None,
        seed=0, on_step=None, progress=True):
    """Train a classifier with Adam and a learning rate that falls to 0.

    Args:
        model: inputs (N, C, H, W) -> logits (N, num_classes), or a tuple of them and
            those of auxiliary heads; trained in place.
        inputs: (N, C, H, W) tensor of the model's device and dtype.
        labels: (N,) int64 tensor.
        training: settings.Training.
        validation: (inputs, labels) measured after each epoch, or None.
        seed: order of the batches.
        on_step: called as on_step(step, loss) after each step.
        progress: show a progress line while training.

    Returns:
        dict of `loss`, `accuracy` and, with validation, `val_loss` and
        `val_accuracy`: one float an epoch.
    """
    peak, total = training.learning_rate, steps(len(inputs), training)
    step, history = 0, {}
    optimizer = torch.optim.Adam(
        model.parameters(), peak, eps=training.epsilon, fused=True)
    with Progress(training.epochs, "training in PyTorch, epoch", progress) as bar:
        for epoch in range(training.epochs):
            model.train()
            losses, correct = [], 0
            shown = _shown(inputs, training, epoch, seed)
            for batch in order(len(inputs), training.batch_size, epoch, seed):
                x, y = shown[batch], labels[batch]
                optimizer.param_groups[0]["lr"] = half_cosine(step, total, peak)
                logits, *heads = _heads(model(x))  # each B, num_classes
                loss = cross_entropy(logits, y)
                for head in heads:
                    loss = loss + AUXILIARY * cross_entropy(head, y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item() * len(y))
                correct += (logits.argmax(1) == y).sum().item()
                step += 1
                if on_step:
                    on_step(step, loss.item())
            _append(history, loss=sum(losses) / len(inputs),
                    accuracy=correct / len(inputs), **_validate(model, validation))
            bar.step(f"loss {history['loss'][-1]:.3f}")
    return history


def _heads(outputs):
    """The logits, and those of auxiliary heads where there are any."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _shown(inputs, training, epoch, seed):
    """The images as an epoch shows them."""
    if not training.mirror:
        return inputs
    turned = torch.as_tensor(mirrored(len(inputs), epoch, seed), device=inputs.device)
    return torch.where(turned[:, None, None, None], inputs.flip(3), inputs)


def logits_of(model, inputs, batch_size=500):
    """Logits in evaluation mode, batch by batch; those of auxiliary heads are left out.

    Args:
        model: torch.nn.Module.
        inputs: (N, C, H, W) tensor.
        batch_size: inputs at once.

    Returns:
        (N, num_classes) NumPy array.
    """
    model.eval()
    with torch.no_grad():
        return np.concatenate([_heads(model(x))[0].cpu().numpy() for x in inputs.split(batch_size)])


def _validate(model, validation):
    if validation is None:
        return {}
    inputs, labels = validation
    logits = torch.tensor(logits_of(model, inputs))
    labels = labels.cpu()
    return {"val_loss": cross_entropy(logits, labels).item(), "val_accuracy": (logits.argmax(1) == labels).double().mean().item()}


def _append(history, **values):
    for name, value in values.items():
        history.setdefault(name, []).append(value)
