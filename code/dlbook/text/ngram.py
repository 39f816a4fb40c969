"""n-grams: the chance of a symbol from how often it followed the last n - 1 ones, smoothed towards shorter memories."""
import numpy as np


class NGram:
    """An n-gram model with Witten-Bell smoothing.

    Args:
        numbers: (T,) whole numbers from 0 to num_symbols - 1 to count in.
        num_symbols: different symbols, V.
        n: symbols counted together; n = 1 knows no context.

    Raises:
        ValueError: n below 1 or so large that V^n passes 64 bits, no symbols, an empty text, or numbers that belong to no symbol.

    Source: Witten and Bell (1991), method C, interpolated as in Chen and Goodman (1999), equation 17.
    """

    def __init__(self, numbers, num_symbols, n):
        if n < 1:
            raise ValueError(f"n counts symbols and must be at least 1; got {n}.")
        if num_symbols < 1:
            raise ValueError(f"num_symbols must be at least 1; got {num_symbols}.")
        if n * np.log2(num_symbols) > 62:
            raise ValueError(f"{num_symbols} symbols to the power of {n} do not fit into 64 bits; take n at most {int(62 / np.log2(num_symbols))}.")
        if len(numbers) < 1:
            raise ValueError("there is nothing to count in an empty text.")
        self.V, self.n = num_symbols, n
        numbers = _checked(numbers, num_symbols)
        self.orders = [_Counts(*_codes(numbers, num_symbols, k), num_symbols) for k in range(1, n + 1)]

    def probabilities(self, numbers):
        """Chance of each symbol of a text, given those before it.

        Args:
            numbers: (T,) whole numbers.

        Returns:
            (T,) float64 array; the first symbols know a shorter context.

        Raises:
            ValueError: numbers that belong to no symbol.
        """
        numbers = _checked(numbers, self.V)
        p = np.full(len(numbers), 1 / self.V)  # order 0: all symbols alike
        for k, counts in enumerate(self.orders, 1):
            contexts, grams = _codes(numbers, self.V, k)
            p[k - 1:] = counts.mix(contexts, grams, p[k - 1:])
        return p

    def following(self, context):
        """Chance of each symbol after a context: (T,) whole numbers -> (V,) float64 array that sums to 1.

        Raises:
            ValueError: numbers that belong to no symbol.
        """
        context = _checked(context[max(len(context) - self.n + 1, 0):], self.V)
        p, symbols = np.full(self.V, 1 / self.V), np.arange(self.V)
        for k, counts in enumerate(self.orders[:len(context) + 1], 1):
            code = _code(context[len(context) - k + 1:], self.V)
            p = counts.mix(np.full(self.V, code), code * self.V + symbols, p)
        return p

    def bits(self, numbers):
        """Mean bits a symbol of a text, its first symbol left out as the networks leave it out.

        Raises:
            ValueError: fewer than two symbols.
        """
        if len(numbers) < 2:
            raise ValueError(f"this text has {len(numbers)} symbols; to measure a prediction, two are needed.")
        return float(np.log2(1 / self.probabilities(numbers)[1:]).mean())

    def reader(self):
        """A reader for sampling.generate: reads symbols (T,), returns the logarithms of the chances (V,) of the next one."""
        seen = []

        def read(numbers):
            seen.extend(int(i) for i in numbers)
            return np.log(self.following(seen[max(len(seen) - self.n + 1, 0):]))

        return read


class _Counts:
    """How often each context and each n-gram of one order was seen, and how many different symbols followed a context."""

    def __init__(self, contexts, grams, V):
        self.grams, self.times = np.unique(grams, return_counts=True)
        self.contexts, self.total = np.unique(contexts, return_counts=True)
        self.kinds = np.unique(self.grams // V, return_counts=True)[1]

    def mix(self, contexts, grams, shorter):
        """p_k(s | c) from the shorter memory's p_{k-1}(s | c)."""
        times = _look_up(self.grams, self.times, grams)
        total = _look_up(self.contexts, self.total, contexts)
        kinds = _look_up(self.contexts, self.kinds, contexts)
        # p_k(s | c) = (count(c s) + kinds(c) p_{k-1}(s | c')) / (count(c) + kinds(c))
        mixed = (times + kinds * shorter) / np.maximum(total + kinds, 1)
        return np.where(total > 0, mixed, shorter)  # an unseen context leaves it all to the shorter one


def _checked(numbers, V):
    """The numbers as an array; others than 0 to V - 1 would be counted as another symbol after another context."""
    numbers = np.asarray(numbers, np.int64)
    if numbers.size and (numbers.min() < 0 or numbers.max() >= V):
        raise ValueError(f"the numbers of {V} symbols go from 0 to {V - 1}; got {numbers.min()} to {numbers.max()}.")
    return numbers


def _codes(numbers, V, k):
    """Numbers that stand for the contexts of k - 1 symbols and the n-grams of k, at every place that has them."""
    n = max(len(numbers) - k + 1, 0)
    contexts = np.zeros(n, np.int64)
    for j in range(k - 1):
        contexts = contexts * V + numbers[j:j + n]
    return contexts, contexts * V + numbers[k - 1:k - 1 + n]


def _code(numbers, V):
    code = 0
    for i in numbers:
        code = code * V + int(i)
    return code


def _look_up(keys, values, wanted):
    """Values of sorted keys; 0 for a key that is not there."""
    if not len(keys):
        return np.zeros(np.shape(wanted))
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
