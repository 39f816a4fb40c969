"""SimpleRNN, LSTM and GRU from scratch in NumPy, with their backward pass through time.

All three have the same two methods. `forward` reads a batch of sequences and keeps what `backward` needs; `backward` takes the gradient
of a loss with respect to every state and returns those with respect to the inputs and the weights. Weights are in the course's
exchange format: `weight_ih` (gates x D, I), `weight_hh` (gates x D, D), `bias`.
"""
import numpy as np


def sigmoid(a):
    """1 / (1 + exp(-a)), written with tanh so that nothing overflows."""
    return 0.5 * (1 + np.tanh(0.5 * a))


class SimpleRNN:
    """h_t = tanh(W x_t + U h_{t-1} + b).

    Args:
        weights: dict of `weight_ih` (D, I), `weight_hh` (D, D) and `bias` (D,).

    Source: Elman (1990).
    """

    def __init__(self, weights):
        self.W, self.U = weights["weight_ih"], weights["weight_hh"]
        self.b = weights["bias"]

    def forward(self, x):
        """Sequences (B, T, I) -> states (B, T, D)."""
        self.x = x = _floating(x, self.W)
        (B, T, _), D = x.shape, self.U.shape[1]
        self.h = np.zeros((B, T + 1, D), x.dtype)  # h[:, t] is the state before step t
        for t in range(T):
            # h_t = tanh(W x_t + U h_{t-1} + b)
            a = x[:, t] @ self.W.T + self.h[:, t] @ self.U.T + self.b
            self.h[:, t + 1] = np.tanh(a)
        return self.h[:, 1:]

    def backward(self, dh):
        """Gradient by the states (B, T, D) -> that by the inputs (B, T, I), dict of those by the weights."""
        d_in, after = np.zeros_like(self.h[:, 1:]), 0.0  # after: what later steps say
        for t in reversed(range(dh.shape[1])):
            # tanh' = 1 - tanh^2
            d_in[:, t] = (dh[:, t] + after) * (1 - self.h[:, t + 1] ** 2)
            after = d_in[:, t] @ self.U
        return _sum_up(self.x, self.h[:, :-1], d_in, self.W)


class LSTM:
    """Three gates guard a memory cell c: what to keep (f), what to write (i), what to show (o).

    Args:
        weights: dict of `weight_ih` (4 D, I), `weight_hh` (4 D, D) and `bias` (4 D,), in the order i, f, g, o.

    Source: Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).
    """

    def __init__(self, weights):
        self.W, self.U = weights["weight_ih"], weights["weight_hh"]
        self.b = weights["bias"]

    def forward(self, x):
        """Sequences (B, T, I) -> states (B, T, D).

        `gates` i, f, g, o (B, T, 4, D) and cells `c` (B, T + 1, D) are kept.
        """
        self.x = x = _floating(x, self.W)
        (B, T, _), D = x.shape, self.U.shape[1]
        self.h, self.c = np.zeros((2, B, T + 1, D), x.dtype)
        self.gates = np.zeros((B, T, 4, D), x.dtype)
        for t in range(T):
            a = x[:, t] @ self.W.T + self.h[:, t] @ self.U.T + self.b  # B, 4 D
            a = a.reshape(B, 4, D).transpose(1, 0, 2)
            # i, f, o = sigmoid(...); g = tanh(...)
            i, f, g, o = sigmoid(a[0]), sigmoid(a[1]), np.tanh(a[2]), sigmoid(a[3])
            # c_t = f * c_{t-1} + i * g
            self.c[:, t + 1] = f * self.c[:, t] + i * g
            # h_t = o * tanh(c_t)
            self.h[:, t + 1] = o * np.tanh(self.c[:, t + 1])
            self.gates[:, t] = np.stack([i, f, g, o], 1)
        return self.h[:, 1:]

    def backward(self, dh):
        """Gradient by the states (B, T, D) -> that by the inputs (B, T, I), dict of those by the weights."""
        d_in, after, dc = np.zeros_like(self.gates), 0.0, 0.0
        for t in reversed(range(dh.shape[1])):
            i, f, g, o = self.gates[:, t].transpose(1, 0, 2)
            d, tanh_c = dh[:, t] + after, np.tanh(self.c[:, t + 1])
            # by c_t: from h_t, and from c_{t+1} on the straight way
            dc = dc + d * o * (1 - tanh_c**2)
            # sigmoid' = s (1 - s), tanh' = 1 - tanh^2
            by_i, by_f = dc * g * i * (1 - i), dc * self.c[:, t] * f * (1 - f)
            by_g, by_o = dc * i * (1 - g**2), d * tanh_c * o * (1 - o)
            d_in[:, t] = np.stack([by_i, by_f, by_g, by_o], 1)
            after = d_in[:, t].reshape(len(dh), -1) @ self.U
            # no matrix, no squashing: while f is near 1 the gradient passes whole
            dc = dc * f
        return _sum_up(self.x, self.h[:, :-1], _flat(d_in), self.W)


class GRU:
    """Two gates mix the old state with a new candidate: how much of the old one to read (r) and to keep (z).

    Args:
        weights: dict of `weight_ih` (3 D, I), `weight_hh` (3 D, D) and `bias` (2, 3 D), in the order r, z, n.

    Source: Cho et al. (2014).
    Differs from the paper: the reset gate acts after the multiplication by U, as in both frameworks, and keeps what z = 1 marks.
    """

    def __init__(self, weights):
        self.W, self.U = weights["weight_ih"], weights["weight_hh"]
        self.b = weights["bias"]

    def forward(self, x):
        """Sequences (B, T, I) -> states (B, T, D); `gates` r, z, n (B, T, 3, D) are kept."""
        self.x = x = _floating(x, self.W)
        (B, T, _), D = x.shape, self.U.shape[1]
        self.h, self.m = np.zeros((B, T + 1, D), x.dtype), np.zeros((B, T, D), x.dtype)
        self.gates = np.zeros((B, T, 3, D), x.dtype)
        for t in range(T):
            a = (x[:, t] @ self.W.T + self.b[0]).reshape(B, 3, D)
            u = (self.h[:, t] @ self.U.T + self.b[1]).reshape(B, 3, D)
            # r, z = sigmoid(...); n = tanh(W x + r * (U h + b))
            r, z = sigmoid(a[:, 0] + u[:, 0]), sigmoid(a[:, 1] + u[:, 1])
            self.m[:, t] = u[:, 2]  # what r lets through
            n = np.tanh(a[:, 2] + r * u[:, 2])
            # h_t = (1 - z) * n + z * h_{t-1}
            self.h[:, t + 1] = (1 - z) * n + z * self.h[:, t]
            self.gates[:, t] = np.stack([r, z, n], 1)
        return self.h[:, 1:]

    def backward(self, dh):
        """Gradient by the states (B, T, D) -> that by the inputs (B, T, I), dict of those by the weights."""
        by_input, by_state = np.zeros((2, *self.gates.shape), self.gates.dtype)
        after = 0.0
        for t in reversed(range(dh.shape[1])):
            r, z, n = self.gates[:, t].transpose(1, 0, 2)
            d = dh[:, t] + after
            dn = d * (1 - z) * (1 - n**2)
            dr = dn * self.m[:, t] * r * (1 - r)
            dz = d * (self.h[:, t] - n) * z * (1 - z)
            by_input[:, t] = np.stack([dr, dz, dn], 1)
            by_state[:, t] = np.stack([dr, dz, dn * r], 1)
            after = by_state[:, t].reshape(len(dh), -1) @ self.U + d * z
        d_in, d_state = _flat(by_input), _flat(by_state)
        dx, gradients = _sum_up(self.x, self.h[:, :-1], d_in, self.W)
        gradients["weight_hh"] = np.einsum("btg,btd->gd", d_state, self.h[:, :-1])
        gradients["bias"] = np.stack([d_in.sum((0, 1)), d_state.sum((0, 1))])
        return dx, gradients


def _floating(x, W):
    """Sequences (B, T, I) in floating point, at least as exact as the weights: whole numbers, such as one-hot symbols, would be cut off.

    Raises:
        ValueError: another shape.
    """
    x = np.asarray(x)
    if x.ndim != 3 or x.shape[2] != W.shape[1]:
        raise ValueError(f"sequences have the shape (batch, steps, {W.shape[1]}); got {x.shape}.")
    return x.astype(np.result_type(x, W), copy=False)


def _flat(gates):
    """(B, T, gates, D) -> (B, T, gates x D)."""
    B, T, each, D = gates.shape
    return gates.reshape(B, T, each * D)


def _sum_up(x, h, d_in, W):
    """The same weights act at every step, so their gradients are sums over all steps: x and h are what the step read."""
    return d_in @ W, {
        "weight_ih": np.einsum("btg,bti->gi", d_in, x),
        "weight_hh": np.einsum("btg,btd->gd", d_in, h),
        "bias": d_in.sum((0, 1)),
    }


CELLS = {"rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}
