"""n-grams against a slow count by hand, and sampling against plain loops."""
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dlbook import data
from dlbook.text.ngram import NGram
from dlbook.text.sampling import Sampling, choose, generate, probabilities

ROWS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


# n-grams.

def slow(numbers, V, n, context, symbol):
    """Witten-Bell by dictionaries: p(s | c) = lambda count(c s) / count(c) + (1 - lambda) p(s | c'), lambda = count(c) / (count(c) + kinds(c))."""
    counts, p = defaultdict(Counter), 1 / V
    for i in range(len(numbers)):
        for k in range(min(n, i + 1)):
            counts[tuple(numbers[i - k:i])][numbers[i]] += 1
    for k in range(min(n, len(context) + 1)):
        followers = counts.get(tuple(context[len(context) - k:]))
        if not followers:
            break
        times, kinds = sum(followers.values()), len(followers)
        share = times / (times + kinds)
        p = share * followers[symbol] / times + (1 - share) * p
    return p


@settings(deadline=None, max_examples=60)
@given(numbers=ROWS, read=ROWS, n=st.integers(1, 6))
def test_probabilities_are_the_slow_ones(numbers, read, n):
    """Of a text that it has seen or not, for n = 1 to 6, from the first symbol on."""
    fast = NGram(numbers, 5, n).probabilities(read)
    for i, symbol in enumerate(read):
        assert fast[i] == pytest.approx(slow(numbers, 5, n, read[max(i - n + 1, 0):i], symbol), rel=1e-12)


def test_the_slow_ones_by_hand():
    """After `a` (0) came b, b, c: count 3, kinds 2; b was seen 2 of 6 times, of 3 kinds, uniform 1/3 below."""
    numbers = [0, 1, 0, 1, 0, 2]
    unigram = (2 + 3 / 3) / (6 + 3)
    assert NGram(numbers, 3, 1).following([])[1] == pytest.approx(unigram)
    assert NGram(numbers, 3, 2).following([0])[1] == pytest.approx((2 + 2 * unigram) / (3 + 2)) == pytest.approx(slow(numbers, 3, 2, [0], 1))


@settings(deadline=None, max_examples=60)
@given(numbers=ROWS, context=st.lists(st.integers(0, 5), max_size=8), n=st.integers(1, 6))
def test_chances_sum_to_one_after_any_context(numbers, context, n):
    """Symbol 5 was never seen, so its contexts are new."""
    p = NGram(numbers, 6, n).following(context)
    assert p.shape == (6,) and p.min() > 0 and p.sum() == pytest.approx(1, rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(numbers=ROWS, read=ROWS, n=st.integers(1, 6))
def test_following_is_what_probabilities_says(numbers, read, n):
    model = NGram(numbers, 5, n)
    one_by_one = [model.following(read[:i])[symbol] for i, symbol in enumerate(read)]
    np.testing.assert_allclose(model.probabilities(read), one_by_one, rtol=1e-12)


def test_bits_are_the_mean_cost_and_fall_with_the_memory():
    text = data.language(20_000, 5_000)
    V = len(text.symbols)
    models = [NGram(text.train, V, n) for n in range(1, 7)]
    bits = [model.bits(text.validation) for model in models]
    assert np.log2(V) > bits[0] and all(a > b for a, b in zip(bits, bits[1:]))
    by_hand = -np.mean([np.log2(models[2].following(text.validation[:i])[text.validation[i]]) for i in range(1, len(text.validation))])
    assert bits[2] == pytest.approx(by_hand, rel=1e-12)


def test_uniform_noise_costs_all_its_bits():
    """Nothing can be predicted of it; a long memory only costs more."""
    noise = np.random.default_rng(0).integers(0, 8, 40_000)
    bits = [NGram(noise[:20_000], 8, n).bits(noise[20_000:]) for n in (1, 3, 6)]
    assert 3 <= bits[0] < 3.01 and bits[0] < bits[1] < bits[2]


def test_a_text_of_one_symbol():
    model = NGram([0] * 10, 1, 4)
    assert model.following([0, 0]).tolist() == [1.0] and str(model.bits([0, 0, 0])) == "0.0"
    surprised = NGram([1], 3, 6)  # shorter than n: the longer memories have counted nothing
    assert surprised.following([2, 2, 2, 2, 2]).tolist() == pytest.approx([0.5 / 3, (1 + 1 / 3) / 2, 0.5 / 3])


@pytest.mark.parametrize(("arguments", "words"), [
    (([0], 2, 0), "n counts symbols and must be at least 1; got 0"), (([0], 0, 1), "num_symbols must be at least 1; got 0"),
    (([], 2, 1), "nothing to count in an empty text"), (([0], 65, 11), "65 symbols to the power of 11 do not fit into 64 bits; take n at most 10"),
    (([0, 2], 2, 1), "the numbers of 2 symbols go from 0 to 1; got 0 to 2"), (([-1], 2, 1), "got -1 to -1"),
])
def test_wrong_counts_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        NGram(*arguments)


def test_the_largest_n_that_is_allowed_does_not_overflow():
    numbers = np.random.default_rng(1).integers(60, 65, 300)
    model = NGram(numbers, 65, 10)
    assert model.following(numbers[:9]).sum() == pytest.approx(1)
    assert model.probabilities(numbers)[50] == pytest.approx(slow(numbers.tolist(), 65, 10, numbers[41:50].tolist(), numbers[50]), rel=1e-12)


def test_strangers_and_too_short_texts_are_refused():
    model = NGram([0, 1, 0], 2, 3)
    for call in (lambda: model.probabilities([0, 2]), lambda: model.following([3]), lambda: model.bits([0, 7])):
        with pytest.raises(ValueError, match="the numbers of 2 symbols go from 0 to 1"):
            call()
    for short in ([], [0]):
        with pytest.raises(ValueError, match=f"this text has {len(short)} symbols; to measure a prediction, two are needed"):
            model.bits(short)


def test_the_reader_reads_on():
    text = data.language(5000, 1000)
    model = NGram(text.train, len(text.symbols), 4)
    for prompt in (text.validation[:1], text.validation[:20]):
        read = model.reader()
        np.testing.assert_allclose(np.exp(read(prompt)), model.following(prompt), rtol=1e-12)
        np.testing.assert_allclose(np.exp(read(np.array([3]))), model.following([*prompt, 3]), rtol=1e-12)
    written = text.symbols.decode(list(generate(model.reader(), text.validation[:5], 400, seed=1)))
    assert set(written) <= set(text.symbols.characters) and len(written) == 400
    assert written == text.symbols.decode(list(generate(model.reader(), text.validation[:5], 400, seed=1)))
    assert written != text.symbols.decode(list(generate(model.reader(), text.validation[:5], 400, seed=2)))


def test_what_a_long_memory_writes_is_more_like_the_language():
    """A trigram's own text costs less under a model of the language than a unigram's."""
    text = data.language(20_000, 2_000)
    V = len(text.symbols)
    judge = NGram(text.train, V, 5)
    costs = [judge.bits(list(generate(NGram(text.train, V, n).reader(), [0], 2000))) for n in (1, 2, 3, 5)]
    assert all(a > b for a, b in zip(costs, costs[1:]))


# Sampling.

LOGITS = arrays.arrays(np.float64, st.integers(1, 12), elements=st.one_of(st.floats(-30, 30), st.just(-np.inf), st.sampled_from([0.0, 1.0])))
HOW = st.builds(Sampling, st.sampled_from([0.0, 0.01, 0.5, 1.0, 3.0]), st.none() | st.integers(1, 14), st.none() | st.floats(0.01, 1))


def softmax(z):
    p = np.exp(z - z.max())
    return p / p.sum()


def by_hand(logits, how):
    """Temperature, then top-k, then the nucleus, one symbol at a time."""
    ranked = sorted(range(len(logits)), key=lambda i: -logits[i])  # stable: among equals the first
    if how.temperature == 0:
        return np.eye(len(logits))[ranked[0]]
    p = softmax(np.asarray(logits) / how.temperature)
    kept = ranked[:how.top_k]
    if how.top_p is not None:
        total, nucleus, all_kept = 0.0, [], sum(p[i] for i in kept)
        while kept and total < how.top_p:
            nucleus.append(kept.pop(0))
            total += p[nucleus[-1]] / all_kept
        kept = nucleus
    q = np.zeros(len(p))
    q[kept] = p[kept]
    return q / q.sum()


@settings(deadline=None, max_examples=300)
@given(logits=LOGITS, how=HOW)
def test_every_combination_is_the_plain_loop(logits, how):
    assume(np.isfinite(logits).any())
    p = probabilities(logits, how)
    assert p.sum() == pytest.approx(1, rel=1e-12) and not p[np.isneginf(logits)].any()
    if how.top_p is not None:  # where the sum comes within rounding of top_p, one symbol more or less is right
        ranked = np.sort(by_hand(logits, Sampling(how.temperature, how.top_k)))[::-1].cumsum()
        assume(how.temperature == 0 or abs(ranked - how.top_p).min() > 1e-12 or how.top_p == 1)
    if how.top_p == 1:
        how = Sampling(how.temperature, how.top_k)
    np.testing.assert_allclose(p, by_hand(logits, how), rtol=1e-9, atol=1e-300)


def test_temperature_zero_is_the_best_and_the_first_of_equals():
    rng = np.random.default_rng(0)
    for _ in range(50):
        z = rng.standard_normal(9)
        assert probabilities(z, Sampling(0)).tolist() == np.eye(9)[z.argmax()].tolist()
        assert choose(z, rng, Sampling(0)) == z.argmax()
    assert choose([1.0, 2.0, 2.0], rng, Sampling(0)) == 1


def test_a_temperature_near_zero_comes_near_to_it_and_a_high_one_levels_all():
    z = np.array([0.0, 3.0, 2.9, -np.inf])
    for t in (1e-4, 1e-300, 5e-324):
        assert probabilities(z, Sampling(t)).tolist() == [0, 1, 0, 0]
    np.testing.assert_allclose(probabilities(z, Sampling(1e9)), [1 / 3, 1 / 3, 1 / 3, 0], atol=1e-8)
    # Rounded, all are equally probable now; the best is still the best.
    assert probabilities(z, Sampling(1e300, top_k=1)).tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("how", [Sampling(), Sampling(0.7), Sampling(2, top_k=4), Sampling(1, top_p=0.8)])
def test_what_is_drawn_has_the_probabilities(how):
    """Chi-square of 20,000 draws stays below its 99.9 % point for up to 7 degrees of freedom, 24.3, and a wrong temperature does not."""
    z, n = np.array([0.5, 2.0, -1.0, 1.0, 0.0, 1.5, -0.5, 0.2]), 20_000
    p, rng = by_hand(z, how), np.random.default_rng(4)
    seen = np.bincount([choose(z, rng, how) for _ in range(n)], minlength=len(z))
    assert not seen[p == 0].any()

    def chi_square(q):
        return ((seen - n * q)[q > 0] ** 2 / (n * q[q > 0])).sum()

    assert chi_square(p) < 24.3 < chi_square(by_hand(z, Sampling(how.temperature * 1.2, how.top_k, how.top_p)))


@settings(deadline=None)
@given(logits=arrays.arrays(np.float64, st.integers(1, 12), elements=st.sampled_from([0.0, 1.0, 2.0])), k=st.integers(1, 14))
def test_top_k_keeps_exactly_k_even_among_equals(logits, k):
    p = probabilities(logits, Sampling(top_k=k))
    assert (p > 0).sum() == min(k, len(logits))
    kept, left = np.flatnonzero(p > 0), np.flatnonzero(p == 0)
    # No worse one is kept, and among equals the first.
    assert all((-logits[a], a) < (-logits[b], b) for a in kept for b in left)


def test_a_nucleus_is_the_smallest_set_that_reaches_its_share():
    p = np.array([0.125, 0.5, 0.25, 0.125])
    for share, kept in ((0.01, [1]), (0.5, [1]), (0.51, [1, 2]), (0.75, [1, 2]), (0.8, [0, 1, 2]), (0.875, [0, 1, 2]), (0.9, [0, 1, 2, 3]), (1, [0, 1, 2, 3])):
        assert np.flatnonzero(probabilities(np.log(p), Sampling(top_p=share))).tolist() == kept, share


def test_a_nucleus_of_one_keeps_the_most_improbable_symbols():
    z = np.concatenate([np.random.default_rng(0).standard_normal(60), [-40.0]])  # its probability is lost in rounding the sum
    assert probabilities(z, Sampling(top_p=1.0))[-1] > 0
    np.testing.assert_array_equal(probabilities(z, Sampling(top_p=1.0)), probabilities(z))


class Fixed:
    """A generator whose random numbers are given."""

    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value


@settings(deadline=None, max_examples=300)
@given(logits=LOGITS, how=HOW, r=st.sampled_from([0.0, 5e-324, 0.5, 1 - 2**-53]) | st.floats(0, 1, exclude_max=True))
def test_a_symbol_of_probability_zero_is_never_chosen(logits, how, r):
    assume(np.isfinite(logits).any())
    assert probabilities(logits, how)[choose(logits, Fixed(r), how)] > 0


def test_the_ends_of_the_random_numbers():
    z = [-np.inf, 0.0, 1.0, -np.inf]
    assert choose(z, Fixed(0.0)) == 1 and choose(z, Fixed(1 - 2**-53)) == 2


@pytest.mark.parametrize(("logits", "words"), [
    ([0, np.nan], "a logit that is not a finite number; it may have diverged"), ([0, np.inf], "a logit that is not a finite number"),
    ([-np.inf, -np.inf], "all logits are minus infinity"), ([], r"are a row \(V,\); got shape \(0,\)"), ([[0.0, 1.0]], r"got shape \(1, 2\)"),
])
@pytest.mark.parametrize("how", [Sampling(), Sampling(0), Sampling(1, 2, 0.5)])
def test_logits_that_cannot_be_chosen_from(logits, how, words):
    with pytest.raises(ValueError, match=words):
        choose(logits, np.random.default_rng(0), how)


@pytest.mark.parametrize(("settings", "words"), [
    ({"temperature": -0.5}, "temperature must be a finite number, 0 or above; got -0.5"), ({"temperature": float("nan")}, "got nan"),
    ({"temperature": float("inf")}, "must be a finite number, 0 or above; got inf"), ({"top_k": 0}, "top_k must be a whole number, at least 1.*got 0"),
    ({"top_k": 2.5}, "whole number.*got 2.5"), ({"top_k": float("nan")}, "got nan"), ({"top_p": 0}, "top_p is a probability.*got 0"),
    ({"top_p": 1.01}, "got 1.01"), ({"top_p": float("nan")}, "got nan"), ({"top_p": -1}, "got -1"),
])
def test_bad_settings_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        Sampling(**settings)


def test_float32_logits_are_read_in_float64():
    z = np.array([1.0, 2.0], np.float32)
    assert probabilities(z).dtype == np.float64 and probabilities(z)[1] == pytest.approx(1 / (1 + np.exp(-1)), rel=1e-15)


class Echo:
    """A reader that expects symbol i after i - 1, and keeps what it was given."""

    def __init__(self):
        self.given = []

    def __call__(self, numbers):
        self.given.append(list(numbers))
        return np.log(np.eye(5)[(numbers[-1] + 1) % 5] + 0.01)


def test_generate_gives_the_reader_each_symbol_once():
    echo = Echo()
    written = list(generate(echo, [1, 2], 6, Sampling(0)))
    assert written == [3, 4, 0, 1, 2, 3] and all(type(symbol) is int for symbol in written)
    assert echo.given == [[1, 2], [3], [4], [0], [1], [2]]  # what follows the last one is not asked for
    assert list(generate(Echo(), [1], 0)) == []


def test_the_same_seed_writes_the_same_text():
    texts = [tuple(generate(Echo(), [0], 200, Sampling(1.5), seed)) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
    # A generator that is read slowly gives the same as one that is read at once, and a longer text begins like a shorter one.
    slowly = generate(Echo(), [0], 300, Sampling(1.5), 0)
    assert tuple(next(slowly) for _ in range(200)) == texts[0]


def test_generate_refuses():
    with pytest.raises(ValueError, match="the prompt is empty"):
        list(generate(Echo(), [], 5))
    with pytest.raises(ValueError, match="cannot be negative; got -1"):
        list(generate(Echo(), [0], -1))
