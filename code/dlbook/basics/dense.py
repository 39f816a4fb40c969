"""The dense (fully connected) layer."""
import numpy as np

from dlbook.basics.module import Module


class Dense(Module):
    """Each of m outputs weighs all n inputs: m x n weights and m biases.

    Args:
        inputs, outputs: n and m.
        seed: of the starting weights, or a generator of NumPy. Biases start at 0.
        scale: standard deviation of the starting weights; None is sqrt(2 / n).

    Raises:
        ValueError: a size below 1.

    Source: the scale is that of He et al. (2015), equation 10.
    """

    def __init__(self, inputs, outputs, seed=0, scale=None):
        if inputs < 1 or outputs < 1:
            raise ValueError(f"a dense layer has 1 or more inputs and outputs; got {inputs} and {outputs}.")
        scale = np.sqrt(2 / inputs) if scale is None else scale
        weight = np.random.default_rng(seed).normal(0, scale, (outputs, inputs))
        super().__init__(weight=weight, bias=np.zeros(outputs))

    def forward(self, x, training=False):
        """Inputs (N, n) -> outputs (N, m)."""
        if x.shape[1:] != (self.weights["weight"].shape[1],):
            raise ValueError(f"this dense layer takes (N, {self.weights['weight'].shape[1]}); got {x.shape}. Images need Flatten before it.")
        W, b = self.as_in(x)
        self.x = x
        # y = W x + b, for N examples at once: each is a row of x
        return x @ W.T + b  # N, m

    def backward(self, dy):
        """Gradient by the outputs (N, m) -> that by the inputs (N, n)."""
        W, _ = self.as_in(dy)
        # dL/dW_ij = sum over the examples of dL/dy_i x_j
        self.gradients["weight"] = dy.T @ self.x  # m, n
        # dL/db_i = sum over the examples of dL/dy_i
        self.gradients["bias"] = dy.sum(axis=0)  # m
        # dL/dx_j = sum_i dL/dy_i W_ij
        return dy @ W  # N, n
