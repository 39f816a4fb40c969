"""The decoder in PyTorch."""
import numpy as np
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from dlbook import profile
from dlbook.parity import layout
from dlbook.text import sampling
from dlbook.train import initial, recorded, windows
from dlbook.train import text_with_torch as train
from dlbook.transformer.gpt import spec


class Positions(nn.Embedding):
    """What is added to a symbol for its place: symbols (B, T), and the past keys (B, heads, P, d) -> (T, D) for the places from P on.

    Args:
        context: number of places.
        width: D.
    """

    def __init__(self, context, width):
        super().__init__(context, width)

    def forward(self, symbols, keys=None):
        known, T = 0 if keys is None else keys.shape[2], symbols.shape[1]
        spec.check_length(known + T, self.num_embeddings)
        return self.weight[known:known + T]


class Attention(nn.Module):
    """Causal attention: softmax(Q K^T / sqrt(d)) V, where no place looks ahead.

    Args:
        heads: attentions side by side.
    """

    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def forward(self, qkv, past=None):
        """Queries, keys and values (B, T, 3 D), and the past keys and values -> (B, T, D), keys, values (B, heads, P + T, d)."""
        B, T, D = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        q, k, v = (part.view(B, T, self.heads, -1).transpose(1, 2) for part in qkv.chunk(3, 2))  # B, heads, T, d
        if past is None:
            mixed = scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)  # B, heads, P + T, d
            # Row t of the new places sees the P places of the past and those up to itself.
            sees = torch.ones(T, k.shape[2], dtype=torch.bool, device=k.device).tril(k.shape[2] - T)
            mixed = scaled_dot_product_attention(q, k, v, sees)
        return mixed.transpose(1, 2).reshape(B, T, D), k, v


class _Block(nn.Module):
    """Attention over what came before, then a dense network for each place: (B, T, D) -> (B, T, D)."""

    def __init__(self, a):
        super().__init__()
        d = a.width
        self.norm1 = nn.LayerNorm(d, spec.EPSILON)
        self.qkv = nn.Linear(d, 3 * d)
        self.attention = Attention(a.heads)
        self.projection = nn.Linear(d, d)
        self.norm2 = nn.LayerNorm(d, spec.EPSILON)
        self.up = nn.Linear(d, 4 * d)
        self.gelu = nn.GELU(approximate="tanh")
        self.down = nn.Linear(4 * d, d)
        self.dropout = nn.Dropout(a.dropout)

    def forward(self, x, past=None):
        """Read on from `past`, the keys and values so far; returns the result and the new past."""
        # The norm stands before each branch, not after it: pre-norm.
        mixed, *past = self.attention(self.qkv(self.norm1(x)), past)
        x = x + self.dropout(self.projection(mixed))
        inner = self.gelu(self.up(self.norm2(x)))  # B, T, 4 D
        return x + self.dropout(self.down(inner)), past  # B, T, D


class _Decoder(nn.Module):
    """Symbols (B, T) -> logits (B, T, V) of the symbol after each."""

    def __init__(self, a):
        super().__init__()
        self.a = a
        self.symbols = nn.Embedding(a.symbols, a.width)
        self.positions = Positions(a.context, a.width)
        self.dropout = nn.Dropout(a.dropout)
        for name in a.names:
            self.add_module(name, _Block(a))
        self.norm = nn.LayerNorm(a.width, spec.EPSILON)

    def forward(self, symbols, past=None):
        """Read on from `past`, one pair of keys and values for each block; returns the logits and the new past."""
        places = self.positions(symbols, past and past[0][0])  # T, D
        x = self.dropout(self.symbols(symbols) + places)  # B, T, D
        new = []
        for k, name in enumerate(self.a.names):
            x, keys_and_values = getattr(self, name)(x, past and past[k])
            new.append(keys_and_values)
        # The embedding is used a second time, as the last layer: weight tying.
        return self.norm(x) @ self.symbols.weight.T, new  # B, T, V


def gpt(a, seed=0, weights=None, dtype="float32"):
    """Build a decoder: symbols (B, T), T at most `a.context` -> logits (B, T, V).

    Args:
        a: spec.Architecture, for example `spec.small(len(symbols))`.
        seed: starting weights and dropout; the Keras twin starts from the same weights.
        weights: dict of name to array in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        torch.nn.Module.

    Raises:
        ValueError: the weights belong to another network, or an unknown dtype.
    """
    network = _Decoder(a).to(profile.torch_device(), getattr(torch, initial.precision(dtype)))
    values = spec.draw(a, seed) if weights is None else weights
    layout.check(values, spec.weight_shapes(a))
    names = {layout.flat(name): name for name in network.state_dict()}
    network.load_state_dict({names[name]: torch.tensor(np.asarray(value)) for name, value in values.items()})
    torch.manual_seed(seed)  # dropout
    return network


def exchange(model, values):
    """Gradients, or other arrays of the weights' shapes, in the exchange format.

    Args:
        model: the network.
        values: dict of PyTorch's name to array.

    Returns:
        dict of name to array.
    """
    return {layout.flat(name): value for name, value in values.items()}


def weights_of(model):
    """The network's weights in the exchange format: dict of name to array."""
    return exchange(model, {name: value.detach().cpu().numpy().copy() for name, value in model.state_dict().items()})


def fit(model, text, training=spec.TRAINING["quick"], seed=0, on_step=None, on_epoch=None, progress=True):
    """Train on `text.train` and measure on `text.validation` after each epoch.

    Args:
        model: the network, trained in place.
        text: data.Text.
        training: TextTraining whose window is at most the context.
        seed: cuts and order of the windows.
        on_step: called as on_step(step, loss) after each step.
        on_epoch: called as on_epoch(epoch, history) after each epoch.
        progress: show a progress line.

    Returns:
        dict of `loss` and `val_loss` in nats a symbol: one float an epoch.

    Raises:
        ValueError: the text is shorter than a window, or has symbols that the network does not know, or the window is too long.
        FloatingPointError: the loss became infinite or not a number.
    """
    spec.check_length(max(training.window, training.measured), model.a.context)
    return train.fit(model, text, training, seed, on_step, on_epoch, progress)


def measure(model, numbers, window=None):
    """Mean loss in nats a symbol, each predicted from at least half a window of symbols before it.

    Args:
        model: the network.
        numbers: (T,) whole numbers.
        window: symbols read at once; None is the context.

    Returns:
        float.

    Raises:
        ValueError: fewer than two symbols, or one that the network does not know, or a window longer than the context.
    """
    spec.check_length(window or model.a.context, model.a.context)
    windows.check_numbers(numbers, model.a.symbols)
    return train.measure(model, numbers, window or model.a.context)


def reader(model, cached=True):
    """A spec.Reader of the network: reads on symbol by symbol and says what it expects next."""
    def read(numbers, past):
        with torch.inference_mode():
            logits, past = model(torch.as_tensor(numbers, device=train.device(model)), past)
        return logits[0, -1].cpu().numpy(), past

    model.eval()
    return spec.Reader(read, model.a.context, cached)


def generate(model, symbols, prompt, length, how=None, seed=0, cached=True):
    """Write on from a prompt.

    Args:
        model: the network.
        symbols: data.Symbols or tokens that it was trained on.
        prompt: text of at least one symbol.
        length: symbols to write.
        how: sampling.Sampling; None is the network's own probabilities.
        seed: whole number.
        cached: whether keys and values are kept; the text is the same, the time is not.

    Returns:
        str: what comes after the prompt.

    Raises:
        ValueError: an empty prompt, or one with a symbol that is not known, or symbols of another network.
    """
    windows.check_symbols(symbols, model.a.symbols)
    return symbols.decode(list(sampling.generate(reader(model, cached), symbols.encode(prompt), length, how, seed)))


def attention_maps(model, numbers):
    """How much each place of a text looks at each earlier one.

    Args:
        model: the network.
        numbers: (T,) whole numbers, at most the context.

    Returns:
        (layers, heads, T, T) float64 array; rows sum to 1.
    """
    kept, hooks = [], []
    for name in model.a.names:
        hooks.append(getattr(model, name).qkv.register_forward_hook(lambda _, __, y: kept.append(y[0].double().cpu().numpy())))
    with torch.inference_mode():
        model.eval()(torch.as_tensor(numbers, device=train.device(model))[None])
    for hook in hooks:
        hook.remove()
    return np.stack([spec.attention_map(qkv, model.a.heads) for qkv in kept])


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
    return recorded.load("transformer/gpt", gpt, spec, task, size)
