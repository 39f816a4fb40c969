"""How a step is made of a gradient: momentum, Adam, weight decay, and learning rates that change.

Each is called as update(network, learning_rate), as `network.fit` does after every way back, and changes the weights in place.
"""
import numpy as np

from dlbook.train.batches import half_cosine


class SGD:
    """Stochastic gradient descent, with momentum and weight decay if wanted.

    Args:
        momentum: share of the last step's velocity that stays, from 0 to below 1.
        decay: strength of weight decay, for all weights but biases.

    Raises:
        ValueError: a momentum outside [0, 1), or a decay below 0.
    """

    def __init__(self, momentum=0.0, decay=0.0):
        _check(momentum=momentum)
        self.momentum, self.decay, self.velocity = momentum, _decay(decay), {}

    def __call__(self, network, learning_rate):
        """Make one step.

        Args:
            network: a module whose gradients belong to the batch at hand.
            learning_rate: eta.
        """
        gradients = network.gradients
        for name, weight in network.weights.items():
            # g = dL/dw + lambda w: the gradient of the loss plus lambda/2 |w|^2
            g = gradients[name] + self.decay * weight if _decays(name) else gradients[name]
            # v <- mu v + g
            self.velocity[name] = self.momentum * self.velocity.get(name, 0) + g
            # w <- w - eta v
            weight -= learning_rate * self.velocity[name]


class Adam:
    """Steps whose size does not depend on the size of the gradient, only on how steadily it points one way.

    Args:
        beta1, beta2: what stays of the averages of the gradient and of its square.
        epsilon: keeps the division finite.
        decay: strength of weight decay, apart from the gradient, for all weights but biases.

    Raises:
        ValueError: a beta outside [0, 1), or a decay below 0.

    Source: Kingma and Ba (2015), algorithm 1; the decay is that of Loshchilov and Hutter (2019), algorithm 2, without its schedule.
    """

    def __init__(self, beta1=0.9, beta2=0.999, epsilon=1e-8, decay=0.0):
        _check(beta1=beta1, beta2=beta2)
        self.beta1, self.beta2, self.epsilon, self.decay = beta1, beta2, epsilon, _decay(decay)
        self.mean, self.square, self.steps = {}, {}, 0

    def __call__(self, network, learning_rate):
        """Make one step.

        Args:
            network: a module whose gradients belong to the batch at hand.
            learning_rate: eta.
        """
        gradients, self.steps = network.gradients, self.steps + 1
        for name, weight in network.weights.items():
            g = gradients[name]
            # m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2
            m = self.mean[name] = self.beta1 * self.mean.get(name, 0) + (1 - self.beta1) * g
            v = self.square[name] = self.beta2 * self.square.get(name, 0) + (1 - self.beta2) * g**2
            # Both began at 0; dividing makes up for it.
            m, v = m / (1 - self.beta1**self.steps), v / (1 - self.beta2**self.steps)
            if _decays(name):
                # w <- w - eta lambda w
                weight -= learning_rate * self.decay * weight
            # w <- w - eta m / (sqrt(v) + epsilon)
            weight -= learning_rate * m / (np.sqrt(v) + self.epsilon)


class Scheduled:
    """An update whose learning rate changes from step to step.

    Args:
        update: SGD, Adam or another.
        factor: called as factor(step), counted from 0; the learning rate is multiplied with what it returns.
    """

    def __init__(self, update, factor):
        self.update, self.factor, self.step = update, factor, 0

    def __call__(self, network, learning_rate):
        """Make one step.

        Args:
            network: a module whose gradients belong to the batch at hand.
            learning_rate: the one that the factors multiply.
        """
        self.update(network, learning_rate * self.factor(self.step))
        self.step += 1


def cosine(steps, warm_up=0):
    """A schedule: rise in a straight line, then fall along half a cosine to 0.

    Args:
        steps: of the whole training.
        warm_up: of them, those that rise.

    Returns:
        function of the step that returns a factor from 0 to 1.

    Raises:
        ValueError: no step is left to fall.

    Source: Loshchilov and Hutter (2017), equation 5, without restarts.
    """
    if not 0 <= warm_up < steps:
        raise ValueError(f"a warm-up is shorter than the training; got {warm_up} of {steps} steps.")

    def factor(step):
        if step < warm_up:
            return (step + 1) / warm_up
        # f = (1 + cos(pi t)) / 2, t from 0 to 1
        return half_cosine(min(step, steps) - warm_up, steps - warm_up, 1)

    return factor


def _decays(name):
    """Biases do not decay: they set no slope."""
    return not name.endswith("bias")


def _check(**shares):
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ValueError(f"{name} is from 0 to below 1; got {share}.")


def _decay(decay):
    if decay < 0:
        raise ValueError(f"weight decay is 0 or more; got {decay}.")
    return decay
