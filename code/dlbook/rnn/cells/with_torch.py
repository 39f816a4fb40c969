"""The cells in PyTorch: its own fused layers, given the course's weights."""
import numpy as np
import torch
from torch import nn

from dlbook.parity import layout
from dlbook.rnn.cells import spec
from dlbook.train import initial

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def cell_layer(a, seed=0, weights=None, dtype="float32"):
    """Build a recurrent layer: sequences (B, T, I) -> states (B, T, D), and the last state.

    Args:
        a: spec.Architecture.
        seed: starting weights; the Keras and NumPy twins start the same.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.RNN, LSTM or GRU. PyTorch's second bias, which an LSTM and a SimpleRNN only add to the first, stays 0.

    Raises:
        ValueError: the weights belong to another layer, or an unknown dtype.
    """
    layer = LAYERS[a.cell](a.inputs, a.units, batch_first=True, dtype=getattr(torch, initial.precision(dtype)))
    values = spec.draw(a, seed) if weights is None else weights
    layout.check(values, spec.weight_shapes(a))
    layer.load_state_dict({name: torch.tensor(np.asarray(value)) for name, value in layout.recurrent_to_torch(values).items()})
    layer.bias_hh_l0.requires_grad_(a.cell == "gru")
    return layer


def states(layer, x):
    """Sequences (B, T, I) -> states (B, T, D), as NumPy arrays."""
    with torch.no_grad():
        return layer(torch.as_tensor(x, dtype=layer.weight_ih_l0.dtype))[0].numpy()


def gradients(layer, x, dh):
    """Gradients of sum(states * dh).

    Args:
        layer: what `cell_layer` returns.
        x: (B, T, I) sequences.
        dh: (B, T, D) gradient by the states.

    Returns:
        ((B, T, I) gradient by the inputs, dict of those by the weights in the exchange format), NumPy arrays.
    """
    inputs = torch.tensor(x, dtype=layer.weight_ih_l0.dtype, requires_grad=True)
    layer.zero_grad()
    (layer(inputs)[0] * torch.as_tensor(dh)).sum().backward()
    found = {name: p.grad.numpy() for name, p in layer.named_parameters() if p.grad is not None}
    return inputs.grad.numpy(), layout.recurrent_from_torch(found, layer.mode == "GRU")
