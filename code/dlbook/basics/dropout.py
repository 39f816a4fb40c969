"""Dropout."""
import numpy as np

from dlbook.basics.module import Module


class Dropout(Module):
    """In training, sets a random share of the numbers to 0 and enlarges the others, so that their expected sum stays; otherwise does nothing.

    Args:
        share: how many are set to 0, from 0 to below 1.
        seed: of the draws, or a generator of NumPy.

    Raises:
        ValueError: another share.

    Source: Srivastava et al. (2014), in the form that enlarges in training instead of shrinking in use.
    """

    def __init__(self, share, seed=0):
        if not 0 <= share < 1:
            raise ValueError(f"dropout sets a share from 0 to below 1 to zero; got {share}.")
        super().__init__()
        self.share, self.rng = share, np.random.default_rng(seed)

    def forward(self, x, training=False):
        """Inputs (N, ...) -> outputs of the same shape."""
        self.mask = np.ones_like(x)
        if training:
            # m = 0 with probability share, else 1 / (1 - share): its mean is 1
            self.mask = (self.rng.random(x.shape) >= self.share).astype(x.dtype) / x.dtype.type(1 - self.share)
        # y = m x
        return x * self.mask

    def backward(self, dy):
        """Gradient by the outputs -> that by the inputs, of the same shape."""
        # dy/dx = m
        return dy * self.mask
