"""A few plain gradient steps of a PyTorch classifier, for comparison with its twin."""
import torch
from torch.nn.functional import cross_entropy

from dlbook.parity.compare import Steps


def logits(model, inputs):
    """Logits in evaluation mode: inputs (N, C, H, W) -> NumPy array (N, num_classes)."""
    with torch.no_grad():
        return model.eval()(inputs).numpy()


def sgd(model, inputs, labels, count, learning_rate=2**-6):
    """Take `count` steps of gradient descent on one batch, in training mode.

    Args:
        model: torch.nn.Module that returns logits, changed in place.
        inputs: (N, C, H, W) tensor.
        labels: (N,) whole numbers.
        count: number of steps.
        learning_rate: a power of two, as in the Keras twin.

    Returns:
        Steps.
    """
    model.train()
    losses, first = [], None
    for _ in range(count):
        loss = cross_entropy(model(inputs), torch.as_tensor(labels))
        model.zero_grad()
        loss.backward()
        first = first or {name: p.grad.numpy().copy() for name, p in model.named_parameters()}
        with torch.no_grad():
            for p in model.parameters():
                p -= learning_rate * p.grad
        losses.append(loss.item())
    return Steps(losses, first, {name: p.detach().numpy() for name, p in model.state_dict().items()})
