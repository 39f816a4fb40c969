"""How a text is cut into windows for training and for measuring, in NumPy so that both twins see the same ones."""
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TextTraining:
    """How a network learns to predict the next symbol, with Adam.

    Args:
        epochs: passes over the text.
        batch_size: windows a step.
        window: symbols a window; a network starts each without a memory of what came before.
        learning_rate: highest; reached after `warmup` steps, 0 at the end of a half cosine.
        warmup: steps over which the rate rises from 0.
        clip: largest length of the gradient over all weights; a longer one is shortened to it.
        decay: weight decay of matrices, decoupled from the gradient (AdamW).
        beta2: how slowly Adam forgets the squared gradients.
        epsilon: added to the root in Adam.
        measured: symbols read at once on the validation part; each is predicted from at least half as many before it.

    Raises:
        ValueError: a value out of its range.
    """
    epochs: int
    batch_size: int
    window: int
    learning_rate: float
    warmup: int = 0
    clip: float = 1.0
    decay: float = 0.0
    beta2: float = 0.999
    epsilon: float = 1e-7
    measured: int = 256

    def __post_init__(self):
        for name in ("epochs", "batch_size", "window", "measured"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        for name in ("learning_rate", "clip", "epsilon"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0; got {getattr(self, name)}.")
        for name in ("warmup", "decay"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} cannot be below 0; got {getattr(self, name)}.")
        if not 0 <= self.beta2 < 1:
            raise ValueError(f"beta2 is a share from 0 to below 1; got {self.beta2}.")

    def rate(self, step, total):
        """Learning rate of a step from 0 to total - 1.

        Source: Loshchilov and Hutter (2017), equation 5, after a linear rise.
        """
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        # eta_t = eta_max / 2 (1 + cos(pi t / T))
        return self.learning_rate / 2 * (1 + np.cos(np.pi * (step - self.warmup) / max(total - self.warmup, 1)))


def check(numbers, window):
    """Say in a sentence when a text is too short.

    Raises:
        ValueError: fewer than window + 1 symbols, or a window that reads none.
    """
    if window < 1:
        raise ValueError(f"a window must read at least 1 symbol; got {window}.")
    if len(numbers) < window + 1:
        raise ValueError(f"this text has {len(numbers)} symbols, and a window of {window} needs {window + 1}: "
                         f"{window} to read and each one's next. Take a longer text or a shorter window.")


def check_symbols(symbols, known):
    """Say in a sentence when a text has another number of symbols than a network.

    Raises:
        ValueError: the numbers differ.
    """
    if len(symbols) != known:
        raise ValueError(f"this text has {len(symbols)} different symbols and the network predicts among {known}; "
                         f"build it for {len(symbols)} symbols.")


def check_numbers(numbers, known):
    """Say in a sentence when a text has numbers of symbols that a network does not know.

    Raises:
        ValueError: a number below 0 or too large.
    """
    if len(numbers) and not (0 <= np.min(numbers) and np.max(numbers) < known):
        raise ValueError(f"this network knows {known} symbols, numbered from 0 to {known - 1}; got {np.min(numbers)} to {np.max(numbers)}.")


def finite(loss, step):
    """The loss after a step, counted from 1, or an error that says where it was lost.

    Raises:
        FloatingPointError: the loss is infinite or not a number.
    """
    if not np.isfinite(loss):
        raise FloatingPointError(f"the loss became {loss} at step {step}: the training has diverged; take a smaller learning rate.")
    return loss


def batches(numbers, training, epoch, seed):
    """Cut a text into windows side by side, from a new place each epoch, and shuffle them.

    Args:
        numbers: (T,) whole numbers.
        training: TextTraining.
        epoch: whole number; each epoch has its own cuts and order.
        seed: whole number.

    Returns:
        list of (B, window + 1) int64 arrays: what is read is `[:, :-1]`, what follows it `[:, 1:]`. All have the same number of
        windows; what is left over waits for another epoch.

    Raises:
        ValueError: the text is shorter than a window and its next symbol.
    """
    starts = _starts(numbers, training, epoch, seed)
    size = min(training.batch_size, len(starts))
    windows = np.lib.stride_tricks.sliding_window_view(numbers, training.window + 1)
    return [windows[starts[i:i + size]] for i in range(0, len(starts) // size * size, size)]


def _starts(numbers, training, epoch, seed):
    check(numbers, training.window)
    rng, places = np.random.default_rng([seed, epoch]), len(numbers) - training.window
    first = rng.integers(0, min(training.window, places))
    return rng.permutation(np.arange(first, places, training.window))


def steps(numbers, training, seed=0):
    """Number of steps of a whole training, which depends a little on where the windows start."""
    windows = [len(_starts(numbers, training, epoch, seed)) for epoch in range(training.epochs)]
    return sum(n // min(training.batch_size, n) for n in windows)


def spans(n, window):
    """Windows that measure every symbol of a text but the first once, each with half a window before it where there is one.

    Args:
        n: symbols of the text.
        window: symbols a network reads at once.

    Returns:
        (starts, counted): lists of whole numbers; the window at `start` counts its predictions from number `counted` on.

    Raises:
        ValueError: the text is shorter than a window and its next symbol.
    """
    check(range(n), window)
    stride = max(window // 2, 1)
    starts, counted, done = [0], [0], window  # predictions made so far
    while done < n - 1:
        start = min(starts[-1] + stride, n - 1 - window)
        starts.append(start)
        counted.append(done - start)
        done = start + window
    return starts, counted


def measured(numbers, window, batch_size=64):
    """Batches for measuring.

    Args:
        numbers: (T,) whole numbers.
        window: symbols read at once; a shorter text is read whole.
        batch_size: windows a batch.

    Yields:
        (windows, counts): (B, window + 1) int64 and (B, window) bool, True where a prediction counts.

    Raises:
        ValueError: fewer than two symbols, or a window that reads none.
    """
    if len(numbers) < 2:
        raise ValueError(f"this text has {len(numbers)} symbols; to measure a prediction, two are needed.")
    window = min(window, len(numbers) - 1)
    starts, counted = map(np.array, spans(len(numbers), window))
    cut = np.lib.stride_tricks.sliding_window_view(numbers, window + 1)
    for i in range(0, len(starts), batch_size):
        chosen = slice(i, i + batch_size)
        yield cut[starts[chosen]], np.arange(window) >= counted[chosen, None]
