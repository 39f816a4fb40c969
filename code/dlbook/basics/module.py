"""What all modules share: two dicts, two methods, and what is checked before they run."""
import functools

import numpy as np


class Module:
    """One step of a network, with its way forward and its way back.

    A module that derives from this has `forward(x, training=False)`, which returns y and keeps what the way back needs, and `backward(dy)`,
    which takes the gradient of a loss by y and returns that by x. On its way it writes the gradients by the weights into `gradients`.
    Shapes begin with N, the number of examples; images are (N, H, W, C). Results have the precision of x, whatever that of the weights.
    Before either method runs, its input is checked here, once for all modules.

    Args:
        weights: dict of name to array; the names are the same in `weights` and, after `backward`, in `gradients`.
    """

    def __init__(self, **weights):
        self.weights, self.gradients = weights, {}

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for name, guard in (("forward", _forward), ("backward", _backward)):
            if name in vars(cls):
                setattr(cls, name, guard(vars(cls)[name]))

    def forward(self, x, training=False):
        """Inputs (N, ...) -> outputs (N, ...)."""
        raise NotImplementedError(f"{type(self).__name__} needs a method forward(x, training=False).")

    def backward(self, dy):
        """Gradient by the outputs (N, ...) -> gradient by the inputs (N, ...)."""
        raise NotImplementedError(f"{type(self).__name__} needs a method backward(dy).")

    def as_in(self, x):
        """The weights in the precision of x, in their order."""
        return [weight.astype(x.dtype, copy=False) for weight in self.weights.values()]


def floating(x):
    """An array of floating-point numbers: float32 and float64 stay, all else becomes float64.

    Raises:
        ValueError: something that is not numbers.
    """
    x = np.asarray(x)
    if x.dtype.kind not in "fiub":
        raise ValueError(f"a module takes arrays of numbers; got dtype {x.dtype}.")
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)


def _forward(method):
    """Hand floating-point numbers to a `forward`, and remember the shape and precision of what it returns."""
    @functools.wraps(method)
    def forward(self, x, training=False):
        x = floating(x)
        if not x.ndim or not len(x):
            raise ValueError(f"{type(self).__name__} takes examples of shape (N, ...), with N of 1 or more; got {x.shape}.")
        y = method(self, x, training)
        self.returned = y.shape, y.dtype
        return y
    return forward


def _backward(method):
    """Hand a gradient to a `backward` only if it has the shape of what `forward` returned: NumPy would stretch many others silently."""
    @functools.wraps(method)
    def backward(self, dy):
        if not hasattr(self, "returned"):
            raise ValueError(f"{type(self).__name__}: the way back needs what the way forward kept; call forward first.")
        shape, dtype = self.returned
        dy = np.asarray(dy).astype(dtype, copy=False)
        if dy.shape != shape:
            raise ValueError(f"{type(self).__name__}: the gradient has the shape of the output, {shape}; got {dy.shape}.")
        return method(self, dy)
    return backward
