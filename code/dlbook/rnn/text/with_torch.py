"""The text generator in PyTorch."""
import numpy as np
import torch
from torch import nn
from torch.nn.functional import one_hot

from dlbook import profile, runs
from dlbook.data import Symbols
from dlbook.parity import layout
from dlbook.rnn.text import spec
from dlbook.text import sampling
from dlbook.train import initial, windows
from dlbook.train import text_with_torch as train

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class _TextNetwork(nn.Module):
    """Symbols (B, T) -> logits (B, T, V) of the symbol after each."""

    def __init__(self, a):
        super().__init__()
        self.a, inputs = a, a.symbols
        for name in a.names:
            self.add_module(name, LAYERS[a.cell](inputs, a.units, batch_first=True))
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
        bias = np.asarray(weights[f"{layer}.bias"])
        both = bias if a.cell == "gru" else (bias, np.zeros_like(bias))
        state |= {f"{layer}.weight_ih_l0": weights[f"{layer}.weight_ih"], f"{layer}.weight_hh_l0": weights[f"{layer}.weight_hh"],
                  f"{layer}.bias_ih_l0": both[0], f"{layer}.bias_hh_l0": both[1]}
    return state


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
        bias = values[f"{layer}.bias_ih_l0"]
        state |= {f"{layer}.weight_ih": values[f"{layer}.weight_ih_l0"], f"{layer}.weight_hh": values[f"{layer}.weight_hh_l0"],
                  f"{layer}.bias": np.stack([bias, values[f"{layer}.bias_hh_l0"]]) if model.a.cell == "gru" else bias}
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
        self.model, self.states = model.eval(), None

    def __call__(self, numbers):
        """Read on: symbols (T,) -> logits (V,) of the next one."""
        with torch.inference_mode():
            device = self.model.logits.weight.device
            logits, self.states = self.model(torch.as_tensor(numbers, device=device)[None], self.states)
        return logits[0, -1].cpu().numpy()


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
    path = runs.checkpoint("rnn/text", f"{size}-{task}")
    about = runs.about(path)
    return text_network(spec.Architecture(**about["architecture"]), weights=runs.load_weights(path)), Symbols(about["symbols"])
