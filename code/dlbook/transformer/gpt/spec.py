"""The decoder's facts: embeddings of symbols and places, blocks of causal attention, a prediction of the next symbol.

Source: Radford et al. (2019), "Language models are unsupervised multitask learners", section 2.3 (GPT-2), and Vaswani et al. (2017).
The course's networks are small; `GPT2` has the shape of the published one of 124 million parameters.
"""
import zlib
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from dlbook.cnn.blocks.table import Row
from dlbook.train.windows import TextTraining

EPSILON = 1e-5  # of layer normalisation, in both frameworks; Keras' own default is 1e-3


@dataclass(frozen=True)
class Architecture:
    """What fixes the network's shape.

    Args:
        symbols: different symbols or tokens.
        context: symbols that it can look back on, itself included.
        width: numbers that stand for a symbol inside the network.
        layers: blocks of attention and a dense network.
        heads: attentions side by side in a block; they share the width.
        dropout: share set to zero in training after the embeddings and at the end of each branch.

    Raises:
        ValueError: a value out of its range.
    """
    symbols: int
    context: int = 256
    width: int = 128
    layers: int = 4
    heads: int = 4
    dropout: float = 0.0

    def __post_init__(self):
        for name in ("symbols", "context", "width", "layers", "heads"):
            value = getattr(self, name)
            if not (isinstance(value, Integral) and value >= 1):
                raise ValueError(f"{name} must be a whole number, at least 1; got {value!r}.")
        if self.width % self.heads:
            raise ValueError(f"the heads share the width, so it must be a multiple of their number; got {self.width} and {self.heads}.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share from 0 to below 1; got {self.dropout}.")

    @property
    def names(self):
        """Names of the blocks, from the input on."""
        return [f"block{k + 1}" for k in range(self.layers)]


GPT2 = Architecture(symbols=50_257, context=1_024, width=768, layers=12, heads=12)
GPT2_PARAMETERS = 124_439_808  # the embedding of the symbols counted once: it is also the last layer


def small(symbols):
    """As many parameters as the LSTM of two layers of 256 units, within 5 per cent; the course ships it."""
    return Architecture(symbols, 256, 128, 4, 4)


def quick(symbols):
    """As many parameters as the LSTM of 128 units, within 2 per cent for the 26 symbols of the generated language; trained live."""
    return Architecture(symbols, 64, 56, 2, 4)


SIZES = {"small": small, "quick": quick}

TRAINING = {
    # nanoGPT's settings for small networks: a high rate after a warm-up, and a shorter memory of Adam's squared gradients.
    # Small batches: on a short text attention needs steps more than it needs exact gradients.
    "quick": TextTraining(epochs=8, batch_size=8, window=64, learning_rate=8e-3, warmup=100, decay=0.1, beta2=0.99, measured=64),
    "long": TextTraining(epochs=3, batch_size=16, window=64, learning_rate=5e-3, warmup=200, decay=0.1, beta2=0.99, measured=64),
    "small": TextTraining(epochs=10, batch_size=16, window=256, learning_rate=3e-3, warmup=100, decay=0.1, beta2=0.99),
}


def check_length(length, context):
    """Say in a sentence when a text is too long to be read at once.

    Args:
        length: symbols to read.
        context: symbols that the network can look back on.

    Raises:
        ValueError: more symbols than the context.
    """
    if length > context:
        raise ValueError(f"this network looks back on {context} symbols; got {length} at once. Cut the text into shorter windows.")


def weight_shapes(a):
    """Shapes of all weights in the exchange format.

    Args:
        a: Architecture.

    Returns:
        dict of name to shape, in the order of the layers; matrices are (out, in).
    """
    d = a.width
    shapes = {"symbols.weight": (a.symbols, d), "positions.weight": (a.context, d)}
    for block in a.names:
        layers = {"qkv": (3 * d, d), "projection": (d, d), "up": (4 * d, d), "down": (d, 4 * d)}
        for layer in ("norm1", "qkv", "projection", "norm2", "up", "down"):
            shape = layers.get(layer, (d,))
            shapes |= {f"{block}_{layer}.weight": shape, f"{block}_{layer}.bias": shape[:1]}
    return shapes | {"norm.weight": (d,), "norm.bias": (d,)}


def total(a):
    """Number of learnt parameters; the symbols' embedding, which is also the last layer, counts once."""
    return sum(int(np.prod(shape)) for shape in weight_shapes(a).values())


def table(a):
    """The table of layers, computed from the architecture by arithmetic alone: what each gives for one symbol, and what that costs.

    Args:
        a: Architecture.

    Returns:
        list of Row. An attention is counted with a full context: each symbol is compared with as many as the network can look back on.
    """
    d = a.width
    rows = [Row("symbols", "embedding", (d,), a.symbols * d, note=f"1 of {a.symbols:,}"),
            Row("positions", "add", (d,), a.context * d, note=f"1 of {a.context:,}")]
    for block in a.names:
        # Q K^T and A V: two times D multiply-accumulates for each symbol looked at
        attention = Row(f"{block}_attention", "attention", (d,), operations=2 * a.context * d, block=block, note=f"heads: {a.heads}")
        rows += [_norm(f"{block}_norm1", d, block), _dense(f"{block}_qkv", d, 3 * d), attention, _dense(f"{block}_projection", d, d),
                 Row(f"{block}_add1", "add", (d,), block=block),
                 _norm(f"{block}_norm2", d, block), _dense(f"{block}_up", d, 4 * d), Row(f"{block}_gelu", "gelu", (4 * d,), block=block),
                 _dense(f"{block}_down", 4 * d, d), Row(f"{block}_add2", "add", (d,), block=block)]
    # The last layer is the embedding again: nothing is learnt a second time.
    return [*rows, _norm("norm", d), Row("logits", "dense", (a.symbols,), operations=a.symbols * d, note="embedding again")]


def _norm(name, d, block=""):
    return Row(name, "layer norm", (d,), 2 * d, block=block)


def _dense(name, inputs, units):
    block, _, what = name.partition("_")
    return Row(name, "dense", (units,), (inputs + 1) * units, operations=inputs * units, block=block, note=what)


def draw(a, seed):
    """Starting weights: normal with a deviation of 0.02, smaller where a branch ends; scales 1, biases and shifts 0.

    Args:
        a: Architecture.
        seed: whole number; each entry has a stream of its own.

    Returns:
        dict of weight name to float64 array.

    Source: Radford et al. (2019), section 2.3: the ends of the 2 L branches are scaled by 1 / sqrt(2 L), so that their sum keeps its size.
    Differs from the paper: symbols start with a deviation of 0.16 / sqrt(D), which is 0.02 for D = 64. They are the last layer too, and of a
    network wider than that the first logits would be so large that its first loss lies above ln V by several per cent.
    """
    return {name: _one(name, shape, seed, a) for name, shape in weight_shapes(a).items()}


def _one(name, shape, seed, a):
    if len(shape) == 1:
        return np.full(shape, float(name.endswith(".weight")))
    deviation = 0.02
    if name == "symbols.weight":
        deviation = 0.16 / np.sqrt(a.width)
    elif name.endswith(("projection.weight", "down.weight")):
        deviation = 0.02 / np.sqrt(2 * a.layers)
    return deviation * np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(shape)


def attention_map(qkv, heads):
    """How much each place looks at each earlier one.

    Args:
        qkv: (T, 3 D) queries, keys and values of a block.
        heads: number of attentions.

    Returns:
        (heads, T, T) float64 array; each row sums to 1, and nothing looks ahead.
    """
    T, D = len(qkv), qkv.shape[1] // 3
    q, k = (np.asarray(part, np.float64).reshape(T, heads, -1).transpose(1, 0, 2) for part in (qkv[:, :D], qkv[:, D:2 * D]))  # heads, T, d
    # A = softmax(Q K^T / sqrt(d)), minus infinity where a place would look ahead
    scores = np.where(np.tri(T, dtype=bool), q @ k.transpose(0, 2, 1) / np.sqrt(D // heads), -np.inf)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


# Our layer -> that of the published GPT-2, inside `transformer.h.<k>.` or `transformer.`
PUBLISHED = {"norm1": "ln_1", "qkv": "attn.c_attn", "projection": "attn.c_proj", "norm2": "ln_2", "up": "mlp.c_fc", "down": "mlp.c_proj"}
OUTSIDE = {"symbols": "wte", "positions": "wpe", "norm": "ln_f"}


def from_gpt2(state, a):
    """Weights of a published GPT-2 in the exchange format.

    Args:
        state: dict of the name in `transformers` to array; its matrices are (in, out).
        a: Architecture of the same shape.

    Returns:
        dict of name to array.

    Raises:
        ValueError: a weight is missing.
    """
    weights = {}
    for name in weight_shapes(a):
        layer, _, kind = name.partition(".")
        block, _, inner = layer.partition("_")
        inside = f"h.{int(block.removeprefix('block')) - 1}.{PUBLISHED[inner]}" if inner else OUTSIDE[layer]
        theirs = f"transformer.{inside}.{kind}"
        if theirs not in state:
            raise ValueError(f"these are no weights of a GPT-2 with {a.layers} blocks: {theirs} is missing.")
        array = np.asarray(state[theirs])
        weights[name] = array.T if inner in ("qkv", "projection", "up", "down") and kind == "weight" else array
    return weights


class Reader:
    """Reads symbols one after the other and says what it expects next.

    With a cache, each symbol's keys and values are computed once; without one, the whole context is read again each time. When the
    context is full, it starts anew from its last half: the places of symbols are counted from there.

    Args:
        read: function of ((1, T) symbols, past) that returns the logits (V,) after the last symbol, and the new past.
        context: symbols that the network can look back on.
        cached: whether to keep keys and values.
    """

    def __init__(self, read, context, cached=True):
        self.read, self.context, self.cached = read, context, cached
        self.seen, self.past = np.zeros(0, np.int64), None

    def __call__(self, numbers):
        """Read on: symbols (T,) -> logits (V,) of the next one."""
        new = np.asarray(numbers, np.int64)
        self.seen = np.concatenate([self.seen, new])
        if len(self.seen) > self.context:
            self.seen = self.seen[-max(self.context // 2, 1):]
            new, self.past = self.seen, None
        elif not self.cached:
            new, self.past = self.seen, None
        logits, self.past = self.read(new[None], self.past)
        return logits
