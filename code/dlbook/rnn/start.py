"""Starting weights and shapes of recurrent layers, framework-free."""
import zlib

import numpy as np

from dlbook.train import initial

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def cell_shapes(cell, inputs, units):
    """Shapes of a recurrent layer's weights in the exchange format.

    Args:
        cell: `rnn`, `lstm` or `gru`.
        inputs: size of what it reads at a step.
        units: size of its state.

    Returns:
        dict of `weight_ih` (gates x units, inputs), `weight_hh` (gates x units, units) and `bias` (gates x units,); a GRU's
        `bias` is (2, 3 x units), one for what it reads and one for its state.

    Raises:
        ValueError: an unknown cell.
    """
    if cell not in GATES:
        raise ValueError(f"cell must be one of: {', '.join(GATES)}; got {cell!r}.")
    rows = GATES[cell] * units
    return {"weight_ih": (rows, inputs), "weight_hh": (rows, units), "bias": (2, rows) if cell == "gru" else (rows,)}


def draw(shapes, seed, forget=1.0):
    """Starting weights: orthogonal for the step from state to state, Glorot's uniform for all other matrices, 0 for biases.

    Args:
        shapes: dict of `<layer>.<weight>` to shape.
        seed: whole number; each entry has a stream of its own.
        forget: bias of an LSTM's forget gates, so that it remembers at first.

    Returns:
        dict of weight name to float64 array.

    Source: Saxe et al. (2014), orthogonal; Jozefowicz et al. (2015), section 2.2, forget bias of 1.
    """
    return {name: _one(name, shape, seed, forget) for name, shape in shapes.items()}


def _one(name, shape, seed, forget):
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if name.endswith(".weight_hh"):
        units = shape[1]
        return np.concatenate([orthogonal(rng, units) for _ in range(shape[0] // units)])
    if not name.endswith(".bias"):
        # Keras' way: all gates of a layer together make the fan-out.
        return initial.glorot_uniform(rng, shape)
    bias = np.zeros(shape)
    if name.startswith("lstm"):
        bias[shape[0] // 4:shape[0] // 2] = forget  # the second of four blocks is the forget gate's
    return bias


def orthogonal(rng, units):
    """A random orthogonal matrix (units, units): it keeps the length of every vector."""
    q, r = np.linalg.qr(rng.standard_normal((units, units)))
    return q * np.sign(np.diag(r))  # without the signs the draw would not be uniform
