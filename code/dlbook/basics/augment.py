"""Data augmentation, as a module: it changes images in training and lets them pass otherwise."""
import numpy as np

from dlbook.basics.convolution import pad, unpad
from dlbook.basics.module import Module


class Shift(Module):
    """In training, moves every image by a random number of pixels, up or down and left or right; what comes in at the edge is 0.

    Args:
        pixels: the furthest move.
        seed: of the draws, or a generator of NumPy.

    Raises:
        ValueError: not a whole number from 0 on.
    """

    def __init__(self, pixels, seed=0):
        if not isinstance(pixels, int) or pixels < 0:
            raise ValueError(f"images are moved by a whole number of pixels from 0 on; got {pixels!r}.")
        super().__init__()
        self.pixels, self.rng = pixels, np.random.default_rng(seed)

    def forward(self, x, training=False):
        """Images (N, H, W, C) -> images of the same shape."""
        n, height, width = x.shape[:3]
        down, right = self.rng.integers(0, 2 * self.pixels + 1, (2, n, 1, 1)) if training else np.full((2, n, 1, 1), self.pixels)
        # Where each pixel comes from: its image, its row and its column among the padded ones.
        self.source = np.arange(n)[:, None, None], down + np.arange(height)[:, None], right + np.arange(width)
        # y[i, j] = x[i + a, j + b], a and b drawn for each image
        return pad(x, self.pixels)[self.source]

    def backward(self, dy):
        """Gradient by the outputs (N, H, W, C) -> that by the inputs: moved back."""
        dx = np.zeros_like(pad(dy, self.pixels))
        # dL/dx[i + a, j + b] = dL/dy[i, j]
        dx[self.source] = dy
        return unpad(dx, self.pixels)
