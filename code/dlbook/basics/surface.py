"""A loss that can be looked at: a network of two weights, and the paths that training takes over it.

The network is y = v tanh(w x), its task to be like one with w = 2 and v = 1.5. Its loss has what large networks' losses have:
a saddle point between two equally good valleys, and plateaus where the tanh is saturated.
"""
import numpy as np

X = np.linspace(-3, 3, 25)  # inputs that the loss is a mean over
GOAL = (2.0, 1.5)  # w and v of the network to be like


def loss(w, v):
    """Mean squared error at places of the plane.

    Args:
        w, v: arrays of one shape, or numbers.

    Returns:
        array of that shape.
    """
    apart = _error(np.asarray(w, float), np.asarray(v, float))
    # L = mean over x of (v tanh(w x) - t)^2
    return (apart**2).mean(axis=-1)


def gradient(w, v):
    """Derivatives of the loss.

    Args:
        w, v: as for `loss`.

    Returns:
        (dL/dw, dL/dv), arrays of that shape.
    """
    w, v = np.asarray(w, float), np.asarray(v, float)
    apart, y = _error(w, v), np.tanh(w[..., None] * X)
    # dL/dw = mean of 2 (v tanh(w x) - t) v (1 - tanh^2(w x)) x,  dL/dv = mean of 2 (v tanh(w x) - t) tanh(w x)
    return (2 * apart * v[..., None] * (1 - y**2) * X).mean(axis=-1), (2 * apart * y).mean(axis=-1)


def _error(w, v):
    # v tanh(w x) - t(x), with t(x) = 1.5 tanh(2 x), for every x
    return v[..., None] * np.tanh(w[..., None] * X) - GOAL[1] * np.tanh(GOAL[0] * X)


class Ball:
    """A place on the surface that an update of `optimisers` can move, as it moves a network.

    Args:
        w, v: where it starts.
    """

    def __init__(self, w, v):
        self.weights, self.gradients = {"w": np.array(w, float), "v": np.array(v, float)}, {}

    def path(self, update, learning_rate, steps):
        """Let it roll.

        Args:
            update: called as update(ball, learning_rate).
            learning_rate: handed to it.
            steps: how many.

        Returns:
            (steps + 1, 2) array of w and v, from the start on.
        """
        places = [[float(value) for value in self.weights.values()]]
        for _ in range(steps):
            self.gradients = dict(zip("wv", gradient(*self.weights.values())))
            update(self, learning_rate)
            places.append([float(value) for value in self.weights.values()])
        return np.array(places)
