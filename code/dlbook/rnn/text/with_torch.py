"""The text generator in PyTorch."""
import numpy as np
import torch
from torch import nn
from torch.nn.functional import one_hot

from dlbook import profile
from dlbook.parity import layout
from dlbook.rnn.cells import with_torch as cells
from dlbook.rnn.text import spec
from dlbook.text import sampling
from dlbook.train import initial, recorded, windows
from dlbook.train import text_with_torch as train

STEPS = {"rnn": torch.rnn_tanh_cell, "lstm": torch.lstm_cell, "gru": torch.gru_cell}


class _TextNetwork(nn.Module):
    """Symbols (B, T) -> logits (B, T, V) of the symbol after each."""

    def __init__(self, a):
        super().__init__()
        self.a, inputs = a, a.symbols
        for name in a.names:
            self.add_module(name, cells.LAYERS[a.cell](inputs, a.units, batch_first=True))
            inputs = a.units
        self.dropout = nn.Dropout(a.dropout)
        self.logits = nn.Linear(a.units, a.symbols)
        if a.cell != "gru":  # PyTorch's second bias would only be added to the first: it stays 0
            for name in a.names:
                getattr(self, name).bias_hh_l0.requires_grad_(False)

    def forward(self, symbols, states=None):
        """Read on from `states`, one for each layer; returns the logits and the new states."""
        x = one_hot(symbols, self.a.symbols).to(self.logits.weight.dtype)  # B, T, V
        new = []
        for k, name in enumerate(self.a.names):
            x, state = getattr(self, name)(x, states and states[k])  # B, T, D
            x = self.dropout(x)
            new.append(state)
        return self.logits(x), new  # B, T, V


def text_network(a, seed=0, weights=None, dtype="float32"):
    """Build a text generator: symbols (B, T) -> logits (B, T, V).

    Args:
        a: spec.Architecture, for example `spec.deck(len(symbols))`.
        seed: starting weights and dropout; the Keras twin starts from the same weights.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    network = _TextNetwork(a).to(profile.torch_device(), getattr(torch, initial.precision(dtype)))
    values = spec.draw(a, seed) if weights is None else weights
    layout.check(values, spec.weight_shapes(a))
    network.load_state_dict({name: torch.tensor(np.asarray(value)) for name, value in _to_torch(values, a).items()})
    torch.manual_seed(seed)  # dropout
    return network


def _to_torch(weights, a):
    """The exchange format under PyTorch's names, with its two biases."""
    state = {name: value for name, value in weights.items() if name.startswith("logits")}
    for layer in a.names:
        own = layout.recurrent_to_torch(_of(weights, layer))
        state |= {f"{layer}.{name}": value for name, value in own.items()}
    return state


def _of(values, layer):
    """The entries of one layer, without its name."""
    return {name.removeprefix(f"{layer}."): value for name, value in values.items() if name.startswith(f"{layer}.")}


def exchange(model, values):
    """Gradients, or other arrays of the weights' shapes, in the exchange format.

    Args:
        model: the network.
        values: dict of PyTorch's name to array.

    Returns:
        dict of name to array.
    """
    state = {}
    for layer in model.a.names:
        own = layout.recurrent_from_torch(_of(values, layer), model.a.cell == "gru")
        state |= {f"{layer}.{name}": value for name, value in own.items()}
    return state | {name: values[name] for name in ("logits.weight", "logits.bias")}


def weights_of(model):
    """The network's weights in the exchange format: dict of name to array."""
    return exchange(model, {name: value.detach().cpu().numpy().copy() for name, value in model.state_dict().items()})


def fit(model, text, training=spec.TRAINING["quick"], seed=0, on_step=None, on_epoch=None, progress=True):
    """Train on `text.train` and measure on `text.validation` after each epoch.

    Args:
        model: the network, trained in place.
        text: data.Text.
        training: TextTraining.
        seed: cuts and order of the windows.
        on_step: called as on_step(step, loss) after each step.
        on_epoch: called as on_epoch(epoch, history) after each epoch.
        progress: show a progress line.

    Returns:
        dict of `loss` and `val_loss` in nats a symbol: one float an epoch.

    Raises:
        ValueError: the text is shorter than a window, or has symbols that the network does not know.
        FloatingPointError: the loss became infinite or not a number.
    """
    return train.fit(model, text, training, seed, on_step, on_epoch, progress)


def measure(model, numbers, window=256):
    """Mean loss in nats a symbol, each predicted from at least half a window of symbols before it.

    Args:
        model: the network.
        numbers: (T,) whole numbers.
        window: symbols read at once.

    Returns:
        float.

    Raises:
        ValueError: fewer than two symbols, or one that the network does not know.
    """
    windows.check_numbers(numbers, model.a.symbols)
    return train.measure(model, numbers, window)


class Reader:
    """Reads symbols one after the other and says what it expects next; it keeps its state between calls.

    Args:
        model: the network.
    """

    def __init__(self, model):
        # Single steps: the layers' fused kernels prepare their weights at each call, which takes longer than one symbol.
        self.step, self.logits = STEPS[model.a.cell], model.logits
        self.symbols = torch.eye(model.a.symbols, dtype=model.logits.weight.dtype, device=train.device(model))
        self.weights = [list(getattr(model, name).parameters()) for name in model.a.names]
        state = self.symbols.new_zeros(1, model.a.units)
        self.states = [(state, state) if model.a.cell == "lstm" else state] * model.a.layers

    def __call__(self, numbers):
        """Read on: symbols (T,) -> logits (V,) of the next one."""
        with torch.inference_mode():
            for number in numbers:
                x = self._read(self.symbols[None, number])  # 1, D
            return self.logits(x)[0].cpu().numpy()

    def _read(self, x):
        """One symbol (1, V) through all layers -> the last one's output (1, D)."""
        for k, weights in enumerate(self.weights):
            self.states[k] = self.step(x, self.states[k], *weights)
            x = self.states[k][0] if isinstance(self.states[k], tuple) else self.states[k]
        return x


def generate(model, symbols, prompt, length, how=None, seed=0):
    """Write on from a prompt.

    Args:
        model: the network.
        symbols: data.Symbols that it was trained on.
        prompt: text of at least one symbol.
        length: symbols to write.
        how: sampling.Sampling; None is the network's own probabilities.
        seed: whole number.

    Returns:
        str: what comes after the prompt.

    Raises:
        ValueError: an empty prompt, or one with a symbol that is not known, or symbols of another network.
    """
    windows.check_symbols(symbols, model.a.symbols)
    return symbols.decode(list(sampling.generate(Reader(model), symbols.encode(prompt), length, how, seed)))


def load(task="shakespeare", size="small"):
    """A trained network and its symbols.

    Args:
        task: the text it was trained on.
        size: of the network, one of `spec.SIZES`.

    Returns:
        (torch.nn.Module, data.Symbols).

    Raises:
        FileNotFoundError: no checkpoint is shipped for it.
    """
    return recorded.load("rnn/text", text_network, spec, task, size)
