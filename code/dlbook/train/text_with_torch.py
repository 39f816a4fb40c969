"""The PyTorch training loop of networks that predict the next symbol."""
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from dlbook.train import windows
from dlbook.train.progress import Progress


def fit(model, text, training, seed=0, on_step=None, on_epoch=None, progress=True):
    """Train with Adam and a learning rate that rises, then falls to 0.

    Args:
        model: symbols (B, T) -> (logits (B, T, V), states); trained in place.
        text: data.Text.
        training: windows.TextTraining.
        seed: cuts and order of the windows.
        on_step: called as on_step(step, loss) after each step.
        on_epoch: called as on_epoch(epoch, history) after each epoch.
        progress: show a progress line.

    Returns:
        dict of `loss` and `val_loss` in nats a symbol: one float an epoch.

    Raises:
        ValueError: the text is shorter than a window.
        FloatingPointError: the loss became infinite or not a number.
    """
    windows.check_symbols(text.symbols, model.a.symbols)
    step, history = 0, {"loss": [], "val_loss": []}
    total = windows.steps(text.train, training, seed)
    optimizer = torch.optim.AdamW(
        groups(model, training.decay), betas=(0.9, training.beta2),
        eps=training.epsilon, fused=True)
    with Progress(training.epochs, "training in PyTorch, epoch", progress) as bar:
        for epoch in range(training.epochs):
            model.train()
            losses = []
            for window in windows.batches(text.train, training, epoch, seed):
                symbols = torch.as_tensor(window, device=device(model))
                for group in optimizer.param_groups:
                    group["lr"] = training.rate(step, total)
                logits, _ = model(symbols[:, :-1])  # B, T, V
                loss = cross_entropy(logits.flatten(0, 1), symbols[:, 1:].flatten())
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), training.clip)
                optimizer.step()
                step += 1
                losses.append(windows.finite(loss.item(), step))
                if on_step:
                    on_step(step, losses[-1])
            history["loss"].append(float(np.mean(losses)))
            history["val_loss"].append(windows.finite(
                measure(model, text.validation, training.measured), step))
            bar.step(f"loss {history['loss'][-1]:.3f}")
            if on_epoch:
                on_epoch(epoch + 1, history)
    return history


def groups(model, decay):
    """Parameters for AdamW: matrices, whose weights decay, and vectors, whose do not."""
    learnt = [p for p in model.parameters() if p.requires_grad]
    return [{"params": [p for p in learnt if p.ndim > 1], "weight_decay": decay},
            {"params": [p for p in learnt if p.ndim == 1], "weight_decay": 0.0}]


def device(model):
    """The device that a model's weights are on."""
    return next(model.parameters()).device


def measure(model, numbers, window):
    """Mean loss in nats a symbol, each predicted from at least half a window of symbols before it.

    Args:
        model: as in `fit`.
        numbers: (T,) whole numbers.
        window: symbols read at once.

    Returns:
        float.

    Raises:
        ValueError: fewer than two symbols.
    """
    model.eval()
    total = count = 0
    with torch.no_grad():
        for cut, counts in windows.measured(numbers, window):
            symbols = torch.as_tensor(cut, device=device(model))
            logits, _ = model(symbols[:, :-1])  # B, T, V
            losses = cross_entropy(logits.transpose(1, 2), symbols[:, 1:], reduction="none")  # B, T
            total += losses.double().cpu().numpy()[counts].sum()
            count += counts.sum()
    return float(total / count)
