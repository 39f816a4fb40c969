"""Pooling: each window of a map is summed up in one number, its largest or its mean. A window that does not fit whole is left out."""
import numpy as np

from dlbook.basics.convolution import check_window, output_side, shifted
from dlbook.basics.module import Module


class MaxPooling(Module):
    """The largest number of each window, for each channel by itself.

    Args:
        size: the window covers size x size pixels.
        stride: pixels from one window to the next; None takes `size`, so that windows do not overlap.

    Raises:
        ValueError: a number that makes no window.
    """

    def __init__(self, size=2, stride=None):
        super().__init__()
        self.size, self.stride = _window(size, stride)

    def forward(self, x, training=False):
        """Maps (N, H, W, C) -> smaller maps (N, H', W', C)."""
        seen = np.stack(_seen(x, self.size, self.stride))  # k k, N, H', W', C
        self.shape, self.winner = x.shape, seen.argmax(axis=0)
        # y = max over the window
        return np.take_along_axis(seen, self.winner[None], axis=0)[0]

    def backward(self, dy):
        """Gradient by the outputs -> that by the inputs (N, H, W, C): all of it goes to the largest pixel, the first of equal ones."""
        dx = np.zeros(self.shape, dy.dtype)
        for place, view in enumerate(_seen(dx, self.size, self.stride)):
            # dL/dx = dL/dy where x was the largest, else 0
            view += np.where(self.winner == place, dy, 0)
        return dx


class AveragePooling(Module):
    """The mean of each window, for each channel by itself.

    Args:
        size: the window covers size x size pixels.
        stride: pixels from one window to the next; None takes `size`, so that windows do not overlap.

    Raises:
        ValueError: a number that makes no window.
    """

    def __init__(self, size=2, stride=None):
        super().__init__()
        self.size, self.stride = _window(size, stride)

    def forward(self, x, training=False):
        """Maps (N, H, W, C) -> smaller maps (N, H', W', C)."""
        self.shape = x.shape
        # y = sum over the window / (k k)
        return sum(_seen(x, self.size, self.stride)) / self.size**2

    def backward(self, dy):
        """Gradient by the outputs -> that by the inputs (N, H, W, C): each pixel of the window gets an equal part."""
        dx = np.zeros(self.shape, dy.dtype)
        for view in _seen(dx, self.size, self.stride):
            # dL/dx = dL/dy / (k k), added up over the windows that hold the pixel
            view += dy / self.size**2
        return dx


def _window(size, stride):
    """(size, stride), checked."""
    stride = size if stride is None else stride
    check_window(size, stride)
    return size, stride


def _seen(x, size, stride):
    """List of k k views of (N, H', W', C): what lies in all windows at each place of the window."""
    if x.ndim != 4:
        raise ValueError(f"pooling takes images (N, H, W, C); got an array of shape {x.shape}.")
    height, width = (output_side(side, size, stride) for side in x.shape[1:3])
    return [view for _, view in shifted(x, size, height, width, stride)]
