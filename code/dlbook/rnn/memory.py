"""Tasks that need memory, drawn afresh for every batch, and how far back a loss reaches. Framework-free.

Source: Hochreiter and Schmidhuber (1997), section 5, adding problem and recall over gaps; Le et al. (2015), section 4.1, the adding
problem in its present form; Pascanu et al. (2013), figure 6, the wall in the loss.
"""
from dataclasses import dataclass
from functools import cache
from typing import Callable

import numpy as np

from dlbook.data.language import GRAMMAR, Language
from dlbook.data.text import Symbols
from dlbook.rnn.cells import with_numpy

NOISE = 4  # kinds of symbols that mean nothing, in `recall`
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPELLING = Symbols.of("".join(NAMES) + ".")  # the full stop ends a name
VERBS = {word for n in ("sg", "pl") for kind in ("VI", "VT") for _, (word,) in GRAMMAR[f"{kind}_{n}"]}
NUMBERS = ("singular", "plural")


@dataclass(frozen=True)
class Task:
    """What a network has to do with a sequence.

    Args:
        name: a few words.
        inputs: numbers it reads at a step, I.
        outputs: classes to choose from, K; 0 where the answer is a number.
        each: it answers after every step; else after the last one alone.
        draw: called as draw(rng, n), gives n sequences (n, T, I) float64 and the answers: whole numbers for classes, floats else,
            (n, T) if `each`, else (n,).
    """
    name: str
    inputs: int
    outputs: int
    each: bool
    draw: Callable


@dataclass(frozen=True)
class Practice:
    """How a network practises a task.

    Args:
        steps: batches, each of sequences never seen before.
        batch_size: sequences in a batch.
        learning_rate: of Adam; it falls to zero along half a cosine.
        clip: largest norm of the gradient, or None.

    Raises:
        ValueError: a value out of its range.
    """
    steps: int = 300
    batch_size: int = 32
    learning_rate: float = 5e-3
    clip: float | None = 1.0

    def __post_init__(self):
        for name in ("steps", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if not self.learning_rate > 0 or (self.clip is not None and not self.clip > 0):
            raise ValueError(f"learning_rate and clip must be above 0; got {self.learning_rate} and {self.clip}.")


def one_hot(numbers, kinds):
    """Whole numbers (...) -> vectors (..., kinds) with a single 1, float64."""
    return np.eye(kinds)[numbers]


def carry(length):
    """Add two binary numbers, one digit of each a step, the lowest first; what has to be remembered is the carry.

    Args:
        length: digits of the sum; the highest digits of both numbers are 0, so that it fits.

    Returns:
        Task: reads (n, T, 2), answers with the digit of the sum at each step.

    Raises:
        ValueError: fewer than 2 digits, or more than 62.
    """
    _check(length, 2, 62)

    def draw(rng, n):
        both = rng.integers(0, 2 ** (length - 1), (n, 2))
        digits = (np.column_stack([both, both.sum(1)])[:, None] >> np.arange(length)[:, None]) & 1  # (n, T, 3)
        return digits[..., :2].astype(float), digits[..., 2]
    return Task("adding binary numbers", 2, 2, True, draw)


def latch(length, often=0.2):
    """Keep a bit: at marked steps a new one is given, at all other steps the one to ignore; say at each step which one is kept.

    Args:
        length: steps, T.
        often: probability of a mark; the first step is always marked.

    Returns:
        Task: reads the bit as -1 or 1 and the mark as 0 or 1, (n, T, 2); answers with the bit kept, 0 or 1.
    """
    _check(length, 1)

    def draw(rng, n):
        bits, marks = rng.integers(0, 2, (n, length)), rng.random((n, length)) < often
        marks[:, 0] = True
        last = np.maximum.accumulate(np.where(marks, np.arange(length), 0), axis=1)  # step of the newest mark
        return np.stack([2.0 * bits - 1, marks], 2), np.take_along_axis(bits, last, 1)
    return Task("keeping a bit", 2, 2, True, draw)


def recall(length, kinds=4):
    """Say at the end which symbol came first; all others between are noise.

    Args:
        length: steps, T.
        kinds: symbols that may come first; a guess is right once in `kinds` times.

    Returns:
        Task: reads one-hot symbols (n, T, kinds + 4), answers with the first one.

    Raises:
        ValueError: fewer than 2 steps or kinds.
    """
    _check(length, 2)
    _check(kinds, 2)

    def draw(rng, n):
        first, noise = rng.integers(0, kinds, n), rng.integers(kinds, kinds + NOISE, (n, length - 1))
        return one_hot(np.column_stack([first, noise]), kinds + NOISE), first
    return Task("recalling the first symbol", kinds + NOISE, kinds, False, draw)


def adding(length):
    """Add the two numbers that are marked, one in each half of a sequence of random numbers.

    Args:
        length: steps, T.

    Returns:
        Task: reads a number in [0, 1] and a mark, (n, T, 2), answers with the sum. Saying 1 always has a squared error of 1/6.

    Raises:
        ValueError: fewer than 2 steps.

    Source: Le et al. (2015), section 4.1.
    """
    _check(length, 2)

    def draw(rng, n):
        numbers, marks = rng.random((n, length)), np.zeros((n, length))
        half, rows = length // 2, np.arange(n)
        for places in (rng.integers(0, half, n), rng.integers(half, length, n)):
            marks[rows, places] = 1
        return np.stack([numbers, marks], 2), (numbers * marks).sum(1)
    return Task("the adding problem", 2, 0, False, draw)


def _check(value, lowest, highest=None):
    if value < lowest or (highest is not None and value > highest):
        raise ValueError(f"from {lowest} {f'to {highest}' if highest else 'on'}; got {value}.")


# ---------------------------------------------------------------- sentences

@cache
def letters():
    """The symbols of sentences: data.Symbols of the generated language, without its full stop and newline."""
    words = {part for rules in GRAMMAR.values() for _, parts in rules for part in parts if part not in GRAMMAR}
    return Symbols.of("".join(sorted(words)) + " ")


@dataclass(frozen=True)
class Beginning:
    """A sentence up to its main verb.

    Args:
        text: the subject and a space.
        plural: 1 where the verb has to be plural, else 0.
        clause: (start, end) of the relative clause in the text, or None.
    """
    text: str
    plural: int
    clause: tuple | None


def beginning(words):
    """Cut a sentence of the generated language before its main verb.

    Args:
        words: tuple of str, as Sentence has them.

    Returns:
        Beginning.
    """
    verbs = [k for k, word in enumerate(words) if word in VERBS]
    main = verbs["that" in words[:verbs[0]]]  # the clause's verb comes first
    text, clause = " ".join(words[:main]) + " ", None
    if "that" in words[:main]:
        clause = (text.index("that"), len(text))
    return Beginning(text, int(not words[main].endswith("s")), clause)


def beginnings(rng, n, clause=None):
    """Draw beginnings of sentences.

    Args:
        rng: numpy.random.Generator.
        n: how many.
        clause: True for those with a relative clause alone, False for those without, None for all.

    Returns:
        list of n Beginning.
    """
    language, found = Language(), []
    while len(found) < n:
        one = beginning(language.sentence(rng).words)
        if clause is None or clause == (one.clause is not None):
            found.append(one)
    return found


def padded(texts, side="left"):
    """Texts of different lengths as one array, filled up with steps of zeros.

    Args:
        texts: n texts in `letters()`.
        side: where the zeros go, `left` or `right`.

    Returns:
        (n, T, I) float64, T the length of the longest.

    Raises:
        ValueError: an unknown side, or a symbol that the language does not have.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side is 'left' or 'right'; got {side!r}.")
    symbols, longest = letters(), max(map(len, texts))
    x = np.zeros((len(texts), longest, len(symbols)))
    for row, text in zip(x, texts):
        start = longest - len(text) if side == "left" else 0
        row[start:start + len(text)] = one_hot(symbols.encode(text), len(symbols))
    return x


def agreement(clause=None):
    """Read the beginning of a sentence letter by letter and say whether its verb has to be singular or plural.

    Args:
        clause: as for `beginnings`.

    Returns:
        Task: reads one-hot letters (n, T, I), zeros before the sentence; answers 1 for plural.
    """
    def draw(rng, n):
        found = beginnings(rng, n, clause)
        return padded([one.text for one in found]), np.array([one.plural for one in found])
    return Task("agreement of the verb", len(letters()), 2, False, draw)


# ---------------------------------------------------------------- names of digits

def spelled(labels):
    """The names of digits, letter by letter.

    Args:
        labels: (N,) whole numbers from 0 to 9.

    Returns:
        (what is read (N, T, I) float64, what has to be said (N, T) whole numbers): a name's letter is read one step after it was
        said, nothing before the first; behind the full stop nothing is asked, which is -1.
    """
    longest = max(map(len, NAMES)) + 1
    names = np.full((len(NAMES), longest), -1)
    for row, name in zip(names, NAMES):
        row[:len(name) + 1] = SPELLING.encode(name + ".")
    read = np.zeros((len(NAMES), longest, len(SPELLING)))
    read[:, 1:] = one_hot(names[:, :-1], len(SPELLING)) * (names[:, :-1, None] >= 0)
    return read[labels], names[labels]


# ---------------------------------------------------------------- how far a loss reaches

def reach(cell, weights, x, seed=0):
    """How much a loss at the end moves with what was read k steps before.

    Args:
        cell: `rnn`, `lstm` or `gru`.
        weights: dict of name to float64 array in the exchange format.
        x: (B, T, I) sequences.
        seed: of the direction in which the loss pulls at the last state.

    Returns:
        (T,) array: the norm of the gradient by the input k = 0 ... T - 1 steps before the end, geometric mean over the batch.
    """
    layer = with_numpy.CELLS[cell](weights)
    dh = np.zeros_like(layer.forward(x))
    pull = np.random.default_rng(seed).standard_normal(dh.shape[2])
    dh[:, -1] = pull / np.linalg.norm(pull)
    norms = np.linalg.norm(layer.backward(dh)[0], axis=2)  # B, T
    return np.exp(np.log(np.maximum(norms, 1e-300)).mean(0))[::-1]


def radius(matrix):
    """Spectral radius of a square matrix: the size of its largest eigenvalue."""
    return float(abs(np.linalg.eigvals(matrix)).max())


# ---------------------------------------------------------------- the wall

STEPS, START, TARGET = 50, 0.5, 0.7


def wall(w, b):
    """The loss of the smallest recurrent network after 50 steps, h_t = w sigmoid(h_{t-1}) + b, which should end at 0.7.

    Args:
        w, b: its weight and its bias, arrays of the same shape.

    Returns:
        (loss, its derivative by w, by b), arrays of that shape.

    Source: Pascanu et al. (2013), figure 6.
    """
    h, by_w, by_b = np.full_like(w, START), np.zeros_like(w), np.zeros_like(b)
    for _ in range(STEPS):
        s = with_numpy.sigmoid(h)
        slope = w * s * (1 - s)
        # dh_t/dw = sigmoid(h_{t-1}) + w sigmoid' dh_{t-1}/dw
        h, by_w, by_b = w * s + b, s + slope * by_w, 1 + slope * by_b
    s = with_numpy.sigmoid(h)
    error = s - TARGET
    return error**2, 2 * error * s * (1 - s) * by_w, 2 * error * s * (1 - s) * by_b


def descend(start, steps, learning_rate, clip=None):
    """Gradient descent on the wall.

    Args:
        start: (w, b).
        steps: how many.
        learning_rate: times the gradient is the step.
        clip: largest norm of the gradient, or None.

    Returns:
        (steps + 1, 4) array: w, b, loss and the gradient's norm before clipping.
    """
    place, path = np.array(start, float), []
    for _ in range(steps + 1):
        loss, *slope = wall(*place)
        norm = np.linalg.norm(slope)
        path.append([*place, loss, norm])
        place = place - learning_rate * np.array(slope) * (1 if clip is None else min(1, clip / norm))
    return np.array(path)
