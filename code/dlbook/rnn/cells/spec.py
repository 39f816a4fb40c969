"""The cells' facts: how many gates each has, the shapes of their weights, how they start.

Source: Elman (1990), SimpleRNN; Hochreiter and Schmidhuber (1997) and Gers et al. (2000), LSTM; Cho et al. (2014), GRU.
"""
from dataclasses import dataclass
from numbers import Integral

from dlbook.rnn import start


@dataclass(frozen=True)
class Architecture:
    """What fixes a recurrent layer's shape.

    Args:
        cell: `rnn`, `lstm` or `gru`.
        inputs: numbers it reads at a step, I.
        units: size of its state, D.

    Raises:
        ValueError: a value out of its range.
    """
    cell: str
    inputs: int
    units: int

    def __post_init__(self):
        start.cell_shapes(self.cell, self.inputs, self.units)  # says what cells there are
        for name in ("inputs", "units"):
            value = getattr(self, name)
            if not (isinstance(value, Integral) and value >= 1):
                raise ValueError(f"{name} must be a whole number, at least 1; got {value!r}.")


def weight_shapes(a):
    """Shapes of the weights in the exchange format: dict of name to shape."""
    return start.cell_shapes(a.cell, a.inputs, a.units)


def draw(a, seed=0):
    """Starting weights: orthogonal from state to state, 1 for an LSTM's forget bias; dict of name to float64 array."""
    named = {f"{a.cell}1.{name}": shape for name, shape in weight_shapes(a).items()}
    return {name.partition(".")[2]: value for name, value in start.draw(named, seed).items()}
