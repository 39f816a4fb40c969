"""A few plain gradient steps of a PyTorch classifier, for comparison with its twin."""
import numpy as np
import torch
from torch.nn.functional import cross_entropy

from dlbook.parity import layout
from dlbook.parity.compare import AUXILIARY, Steps


def logits(model, inputs):
    """Logits in evaluation mode: inputs (N, C, H, W) -> NumPy array (N, num_classes); with auxiliary heads (N, heads, num_classes)."""
    with torch.no_grad():
        outputs = model.eval()(inputs)
        return (torch.stack(outputs, 1) if isinstance(outputs, tuple) else outputs).numpy()


def sgd(model, inputs, labels, count, learning_rate=2**-6):
    """Take `count` steps of gradient descent on one batch, in training mode.

    Args:
        model: torch.nn.Module that returns logits, or a tuple of the logits and those of auxiliary heads; changed in place.
        inputs: (N, C, H, W) tensor.
        labels: (N,) whole numbers.
        count: number of steps.
        learning_rate: a power of two, as in the Keras twin.

    Returns:
        Steps.
    """
    model.train()
    labels = torch.as_tensor(labels)
    losses, first = [], None
    for _ in range(count):
        loss = _loss(model(inputs), labels)
        model.zero_grad()
        loss.backward()
        first = first or _gradients(model)
        with torch.no_grad():
            for p in model.parameters():
                if p.grad is not None:
                    p -= learning_rate * p.grad
        losses.append(loss.item())
    return Steps(losses, first, {layout.flat(name): value.detach().numpy() for name, value in model.state_dict().items()})


def _loss(outputs, labels):
    heads = outputs if isinstance(outputs, tuple) else (outputs,)
    return cross_entropy(heads[0], labels) + AUXILIARY * sum(cross_entropy(head, labels) for head in heads[1:])


def _gradients(model):
    """Gradients of the learnt weights; moving statistics and weights without any influence get zeros."""
    learnt = {name: p.grad.numpy().copy() for name, p in model.named_parameters() if p.grad is not None}
    return {layout.flat(name): learnt.get(name, np.zeros(value.shape)) for name, value in model.state_dict().items()}


def text_logits(model, symbols):
    """Logits of a text network in evaluation mode: symbols (B, T) -> NumPy array (B, T, V)."""
    with torch.no_grad():
        return model.eval()(torch.as_tensor(symbols))[0].numpy()


def text_sgd(model, symbols, count, exchange, learning_rate=2**-4):
    """Take `count` steps of gradient descent on one batch of texts, each symbol predicted from those before it.

    Args:
        model: symbols (B, T) -> (logits (B, T, V), states or past); changed in place.
        symbols: (B, T + 1) whole numbers.
        count: number of steps.
        exchange: the twin's function that brings gradients and weights into the exchange format.
        learning_rate: a power of two, as in the Keras twin.

    Returns:
        Steps.
    """
    model.train()
    symbols, losses, first = torch.as_tensor(symbols), [], None
    for _ in range(count):
        loss = cross_entropy(model(symbols[:, :-1])[0].flatten(0, 1), symbols[:, 1:].flatten())
        model.zero_grad()
        loss.backward()
        learnt = {name: p for name, p in model.named_parameters() if p.grad is not None}
        first = first or exchange(model, {name: p.grad.numpy().copy() for name, p in learnt.items()})
        with torch.no_grad():
            for p in learnt.values():
                p -= learning_rate * p.grad
        losses.append(loss.item())
    return Steps(losses, first, exchange(model, {name: value.detach().numpy() for name, value in model.state_dict().items()}))
