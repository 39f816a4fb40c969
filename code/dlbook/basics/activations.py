"""Activations: simple functions of one number, applied to each."""
import numpy as np

from dlbook.basics.module import Module


class ReLU(Module):
    """Lets positive numbers through and sets the others to 0."""

    def forward(self, x, training=False):
        """Inputs (N, ...) -> outputs of the same shape."""
        self.open = x > 0
        # y = max(0, x)
        return x * self.open

    def backward(self, dy):
        """Gradient by the outputs -> that by the inputs, of the same shape."""
        # dy/dx = 1 where x > 0, else 0
        return dy * self.open


class Tanh(Module):
    """Squashes every number into (-1, 1)."""

    def forward(self, x, training=False):
        """Inputs (N, ...) -> outputs of the same shape."""
        # y = (e^x - e^-x) / (e^x + e^-x)
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        """Gradient by the outputs -> that by the inputs, of the same shape."""
        # dy/dx = 1 - y^2
        return dy * (1 - self.y**2)


class Sigmoid(Module):
    """Squashes every number into (0, 1)."""

    def forward(self, x, training=False):
        """Inputs (N, ...) -> outputs of the same shape."""
        # y = 1 / (1 + e^-x), written with tanh so that nothing overflows
        self.y = (1 + np.tanh(x / 2)) / 2
        return self.y

    def backward(self, dy):
        """Gradient by the outputs -> that by the inputs, of the same shape."""
        # dy/dx = y (1 - y)
        return dy * self.y * (1 - self.y)


class Identity(Module):
    """Changes nothing: what a network is without an activation."""

    def forward(self, x, training=False):
        """Inputs (N, ...) -> the same."""
        # y = x
        return x

    def backward(self, dy):
        """Gradient by the outputs -> the same."""
        # dy/dx = 1
        return dy


ACTIVATIONS = {"ReLU": ReLU, "tanh": Tanh, "sigmoid": Sigmoid, "none": Identity}
