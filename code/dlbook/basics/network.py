"""A chain of modules, and its training by stochastic gradient descent."""
import numpy as np

from dlbook.basics.module import Module
from dlbook.basics.softmax import SoftmaxCrossEntropy
from dlbook.train.batches import order


class Network(Module):
    """Modules one after the other; a module itself, so chains can be chained.

    Args:
        modules: in the order of the way forward.
    """

    def __init__(self, *modules):
        self.modules = modules

    def forward(self, x, training=False):
        """Inputs (N, ...) -> what the last module returns."""
        for module in self.modules:
            x = module.forward(x, training)
        return x

    def backward(self, dy):
        """Gradient by the outputs -> that by the inputs; each module keeps the gradients by its own weights."""
        for module in reversed(self.modules):
            dy = module.backward(dy)
        return dy

    @property
    def weights(self):
        """All weights: dict of `place.name` to array, such as `0.weight`."""
        return self._all("weights")

    @property
    def gradients(self):
        """All gradients, under the names of the weights; empty before the first way back."""
        return self._all("gradients")

    def _all(self, kind):
        return {f"{i}.{name}": array for i, module in enumerate(self.modules) for name, array in getattr(module, kind).items()}


def sgd(network, learning_rate):
    """One step of gradient descent: every weight moves a little against its gradient, in place.

    Args:
        network: a module whose gradients belong to the batch at hand.
        learning_rate: how little.
    """
    for name, weight in network.weights.items():
        # w <- w - eta dL/dw
        weight -= learning_rate * network.gradients[name]


def fit(network, x, targets, epochs, batch_size=32, learning_rate=0.1, seed=0, loss=None, update=sgd, on_epoch=None):
    """Train a network, and keep how the loss fell.

    Args:
        network: Module.
        x, targets: N examples, and what belongs to each: labels (N,), or values as the loss wants them.
        epochs: how often each example is shown.
        batch_size: examples a step.
        learning_rate: handed to `update`.
        seed: of the order of the examples, drawn anew for each epoch.
        loss: has forward(y, targets) and backward(); None is SoftmaxCrossEntropy.
        update: called as update(network, learning_rate) after each way back.
        on_epoch: called as on_epoch(epoch) before the first epoch, with 0, and after each.

    Returns:
        list of floats: the mean loss over each epoch, as it was before each step.

    Raises:
        ValueError: not one target an example, or fewer than one epoch or example a batch.
        FloatingPointError: the loss is no longer finite.
    """
    x, targets, loss = np.asarray(x), np.asarray(targets), loss or SoftmaxCrossEntropy()
    if len(x) != len(targets) or epochs < 1 or batch_size < 1:
        raise ValueError(f"each example needs a target, and epochs and batch_size are 1 or more; got {len(x)} examples, {len(targets)} targets, "
                         f"{epochs} epochs of batches of {batch_size}.")
    tell, history = on_epoch or (lambda epoch: None), []
    tell(0)
    for epoch in range(epochs):
        total = 0.0
        for batch in order(len(x), batch_size, epoch, seed):
            total += len(batch) * loss.forward(network.forward(x[batch], training=True), targets[batch])
            network.backward(loss.backward())
            update(network, learning_rate)
        history.append(total / len(x))
        if not np.isfinite(total):
            raise FloatingPointError(f"the loss is {total} in epoch {epoch + 1}; a learning rate below {learning_rate} may help.")
        tell(epoch + 1)
    return history


def accuracy(network, x, labels):
    """Share of the examples whose highest score is that of the right class.

    Args:
        network: Module that returns scores (N, K).
        x, labels: N examples and their labels (N,).

    Returns:
        float from 0 to 1.
    """
    return float((network.forward(x).argmax(axis=1) == np.asarray(labels)).mean())
