"""The text generator's facts: one-hot symbols, recurrent layers, a prediction of the next symbol.

Source: the lecture deck "Deep Learning Applications" (2019), slides 24 to 30: two LSTM layers of 512 units. The course's small
network has two of 256.
"""
from dataclasses import dataclass, replace
from numbers import Integral

from dlbook.rnn import start
from dlbook.train.windows import TextTraining


@dataclass(frozen=True)
class Architecture:
    """What fixes the network's shape.

    Args:
        symbols: different symbols; each is read as a vector of that length with a single 1.
        units: size of the state of each recurrent layer.
        layers: recurrent layers, each reading the states of the one below.
        cell: `lstm`, `gru` or `rnn`.
        dropout: share of each layer's output set to zero in training.

    Raises:
        ValueError: a value out of its range.
    """
    symbols: int
    units: int = 512
    layers: int = 2
    cell: str = "lstm"
    dropout: float = 0.0

    def __post_init__(self):
        for name in ("symbols", "units", "layers"):
            value = getattr(self, name)
            if not (isinstance(value, Integral) and value >= 1):
                raise ValueError(f"{name} must be a whole number, at least 1; got {value!r}.")
        if self.cell not in start.GATES:
            raise ValueError(f"cell must be one of: {', '.join(start.GATES)}; got {self.cell!r}.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is a share from 0 to below 1; got {self.dropout}.")

    @property
    def names(self):
        """Names of the recurrent layers, from the input on: `lstm1`, `lstm2`."""
        return [f"{self.cell}{k + 1}" for k in range(self.layers)]


def deck(symbols):
    """The deck's network: two LSTM layers of 512 units; dropout is ours."""
    return Architecture(symbols, 512, 2, "lstm", 0.2)


def small(symbols):
    """The network that the course ships: two LSTM layers of 256 units."""
    return replace(deck(symbols), units=256, dropout=0.1)


def quick(symbols):
    """The network that the chapter trains live: one LSTM layer of 128 units."""
    return Architecture(symbols, 128, 1)


SIZES = {"deck": deck, "small": small, "quick": quick}

TRAINING = {
    # A text of 60,000 symbols gives 29 steps an epoch.
    "quick": TextTraining(epochs=12, batch_size=32, window=64, learning_rate=1e-2, measured=128),
    "long": TextTraining(epochs=2, batch_size=8, window=64, learning_rate=1e-2, measured=128),
    "small": TextTraining(epochs=20, batch_size=32, window=128, learning_rate=4e-3),
    "deck": TextTraining(epochs=16, batch_size=32, window=128, learning_rate=2e-3),
}

PUBLISHED = {
    # Keras' example "Character-level text generation with LSTM" (keras.io): its training loss on Nietzsche after each epoch, in nats.
    # One layer of 128 units; it reads 40 characters and learns from the next one alone.
    "keras": (2.2850, 1.6243, 1.4987, 1.4367, 1.3964, 1.3667),
    # nanoGPT's README, Shakespeare: best validation loss on a GPU (A100, about 3 minutes) and in the setting for a CPU (about 3 minutes).
    "nanogpt": {"gpu": 1.4697, "cpu": 1.88},
}


def weight_shapes(a):
    """Shapes of all weights in the exchange format.

    Args:
        a: Architecture.

    Returns:
        dict of name to shape, in the order of the layers.
    """
    shapes, inputs = {}, a.symbols
    for name in a.names:
        shapes |= {f"{name}.{weight}": shape for weight, shape in start.cell_shapes(a.cell, inputs, a.units).items()}
        inputs = a.units
    return shapes | {"logits.weight": (a.symbols, a.units), "logits.bias": (a.symbols,)}


def draw(a, seed):
    """Starting weights, with which the first loss is that of a guess, ln V, within 2 per cent.

    Args:
        a: Architecture.
        seed: whole number; each entry has a stream of its own.

    Returns:
        dict of weight name to float64 array.
    """
    weights = start.draw(weight_shapes(a), seed)
    if a.cell == "rnn":
        # No gate makes a SimpleRNN's states smaller: they are about twice an LSTM's, and the first guesses would be too sure.
        weights["logits.weight"] *= 0.5
    return weights


@dataclass(frozen=True)
class Row:
    """One layer of the table: its name, its output shape (T, D) for T symbols, its parameters and how they are counted."""
    name: str
    shape: tuple
    parameters: int
    count: str


def table(a, window=None):
    """The table of layers, computed from the architecture.

    Args:
        a: Architecture.
        window: symbols read, T; None leaves it open.

    Returns:
        list of Row, from the one-hot symbols to the logits. An LSTM or SimpleRNN is counted with one bias, as Keras has it.
    """
    g, rows, inputs = start.GATES[a.cell], [Row("one_hot", (window, a.symbols), 0, "")], a.symbols
    biases = 2 if a.cell == "gru" else 1
    for name in a.names:
        rows.append(Row(name, (window, a.units), g * a.units * (inputs + a.units + biases), f"{g} x {a.units} x ({inputs} + {a.units} + {biases})"))
        inputs = a.units
    return [*rows, Row("logits", (window, a.symbols), (a.units + 1) * a.symbols, f"({a.units} + 1) x {a.symbols}")]


def total(a):
    """Number of learnt parameters of an architecture."""
    return sum(row.parameters for row in table(a))
