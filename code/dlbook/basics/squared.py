"""Squared error: the usual loss where a number is wanted, not a class."""
import numpy as np

from dlbook.basics.module import floating


class SquaredError:
    """The mean over all entries of (y - target)^2."""

    def forward(self, y, targets):
        """Outputs and targets of one shape (N, K) -> the loss, a float.

        Raises:
            ValueError: the shapes differ.
        """
        y, targets = floating(y), np.asarray(targets)
        if y.shape != targets.shape:
            raise ValueError(f"outputs and targets need the same shape; got {y.shape} and {targets.shape}.")
        self.apart = y - targets.astype(y.dtype, copy=False)
        # L = mean (y - t)^2
        return float((self.apart**2).mean())

    def backward(self):
        """Gradient of the loss by the outputs (N, K)."""
        # dL/dy = 2 (y - t) / (N K)
        return 2 * self.apart / self.apart.size
