"""From images to rows of numbers."""
from dlbook.basics.module import Module


class Flatten(Module):
    """Lays the numbers of each example in one row, last axis fastest."""

    def forward(self, x, training=False):
        """Inputs (N, H, W, C), or (N, ...) -> outputs (N, H W C)."""
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy):
        """Gradient by the outputs (N, H W C) -> that by the inputs (N, H, W, C)."""
        return dy.reshape(self.shape)
