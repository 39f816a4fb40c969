"""Batch normalisation."""
import numpy as np

from dlbook.basics.module import Module


class BatchNorm(Module):
    """Gives each feature mean 0 and variance 1 over the batch, then a scale and a shift of its own, which are learnt.

    In training the batch's own mean and variance count, and running averages of them are kept; otherwise those averages count.

    Args:
        features: C, the size of the last axis.
        momentum: share of the running averages that each batch leaves in place.
        epsilon: added to the variance, so that nothing is divided by zero.

    Raises:
        ValueError: fewer than one feature, or a momentum outside [0, 1).

    Source: Ioffe and Szegedy (2015), algorithm 1. The running variance divides by the number of values, as Keras does; PyTorch by one less.
    """

    def __init__(self, features, momentum=0.9, epsilon=1e-5):
        if features < 1 or not 0 <= momentum < 1:
            raise ValueError(f"batch normalisation needs 1 or more features and a momentum from 0 to below 1; got {features} and {momentum}.")
        super().__init__(weight=np.ones(features), bias=np.zeros(features))
        self.momentum, self.epsilon = momentum, epsilon
        self.mean, self.variance = np.zeros(features), np.ones(features)

    def forward(self, x, training=False):
        """Inputs (N, ..., C) -> outputs of the same shape."""
        scale, shift = self.as_in(x)
        if x.shape[-1:] != scale.shape:
            raise ValueError(f"this batch normalisation takes (N, ..., {len(scale)}); got {x.shape}.")
        self.axes, self.training = tuple(range(x.ndim - 1)), training
        if training:
            mean, variance = x.mean(self.axes), x.var(self.axes)  # C
            self.mean = self.momentum * self.mean + (1 - self.momentum) * mean
            self.variance = self.momentum * self.variance + (1 - self.momentum) * variance
        else:
            mean, variance = self.mean.astype(x.dtype), self.variance.astype(x.dtype)
        self.deviation = np.sqrt(variance + x.dtype.type(self.epsilon))  # C
        # n = (x - mean) / sqrt(variance + epsilon)
        self.normal = (x - mean) / self.deviation
        # y = scale n + shift
        return scale * self.normal + shift

    def backward(self, dy):
        """Gradient by the outputs (N, ..., C) -> that by the inputs."""
        scale, _ = self.as_in(dy)
        # dL/dscale = sum dL/dy n, dL/dshift = sum dL/dy
        self.gradients["weight"] = (dy * self.normal).sum(self.axes)
        self.gradients["bias"] = dy.sum(self.axes)
        dn = dy * scale
        if self.training:
            # What moves all values of a feature alike, or stretches them, moves nothing behind the normalisation: it is taken out.
            # dL/dx = (dn - mean(dn) - n mean(dn n)) / deviation
            dn = dn - dn.mean(self.axes) - self.normal * (dn * self.normal).mean(self.axes)
        return dn / self.deviation
