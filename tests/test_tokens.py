"""Tokens: any text comes back, the pairs are those that counting gives, and networks train on them."""
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from dlbook import data
from dlbook.text import tokens
from dlbook.text.tokens import Tokens

ODD = ["", "plain words", "  two  spaces and a tab\t", "one\ntwo\r\nthree\n\n",
       "Ämmän päällä, mennä", "日本語とΕλληνικά и русский", "👩‍🚀😀\u200b\x00\x7f"]


@pytest.fixture(scope="module")
def language():
    return data.language(20_000, 5_000)


@pytest.fixture(scope="module")
def learnt(language):
    return Tokens.learn(language.symbols.decode(language.train), 320)


@pytest.mark.parametrize("text", ODD)
def test_every_text_comes_back(learnt, text):
    numbers = learnt.encode(text)
    assert numbers.dtype == np.int64 and numbers.ndim == 1 and numbers.max(initial=0) < len(learnt)
    assert learnt.decode(numbers) == text == Tokens([]).decode(Tokens([]).encode(text))
    assert learnt.only_known(text) == text


@settings(max_examples=100, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60), source=st.text(min_size=1, max_size=60))
def test_every_text_comes_back_whatever_was_learnt(text, source):
    learnt = Tokens.learn(source.encode("utf-8", "replace").decode(), 270)
    assert learnt.decode(learnt.encode(text)) == text
    assert len(learnt.encode(text)) <= len(text.encode())
    assert learnt == Tokens(learnt.pairs) and (Tokens(learnt.pairs).encode(text) == learnt.encode(text)).all()


def test_bytes_alone_are_the_bytes():
    text = "aé😀\n"
    assert Tokens([]).encode(text).tolist() == list(text.encode())
    assert len(Tokens([])) == len(Tokens.learn(text, 256)) == 256


def join(word, pair):
    """A word, a tuple of pieces, after the pair was joined in it from the left."""
    out, i = [], 0
    while i < len(word):
        out.append(b"".join(pair) if word[i:i + 2] == pair else word[i])
        i += 2 if word[i:i + 2] == pair else 1
    return tuple(out)


def test_each_pair_is_a_most_frequent_one(language):
    """Counted here from scratch, as in Sennrich et al. (2016), figure 1; of equally frequent pairs any may come first."""
    text = language.symbols.decode(language.train[:6_000])
    learnt, cuts = Tokens.learn(text, 300), pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
    words = [tuple(bytes([byte]) for byte in text[a:b].encode()) for _, (a, b) in cuts]
    assert len(learnt.pairs) == 44 and b"".join(b"".join(word) for word in words) == text.encode()
    for chosen in learnt.pairs:
        counts = Counter(pair for word in words for pair in zip(word, word[1:]))
        assert counts[chosen] == max(counts.values()) >= 2
        words = [join(word, chosen) for word in words]
    assert learnt.pieces(text) == [piece.decode() for word in words for piece in word]


def test_pieces_can_be_read(learnt):
    text = "the girls see the dog.\n"
    assert "".join(learnt.pieces(text)) == text and " the" in learnt.pieces(text) and len(learnt.pieces(text)) < 14
    assert learnt.pieces("😀") == ["\\xf0", "\\x9f", "\\x98", "\\x80"]
    assert learnt.decode(learnt.encode("😀")[:2]) == "\ufffd"  # half a character that a network may write


def test_same_text_same_pairs(language, learnt):
    text = language.symbols.decode(language.train)
    assert Tokens.learn(text, 320) == learnt != Tokens.learn(text, 319)
    assert Tokens.learn(text, 319).pairs == learnt.pairs[:-1]  # a longer list only goes on
    code = ("from dlbook import data; from dlbook.text.tokens import Tokens; t = data.language(20_000, 5_000);"
            "print(Tokens.learn(t.symbols.decode(t.train), 320).pairs)")
    for parallel in ("false", "true"):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                             env=os.environ | {"TOKENIZERS_PARALLELISM": parallel}).stdout
        assert out.strip() == str(learnt.pairs)


def test_two_ways_to_the_same_token():
    """`abc` from `ab` and `c` or from `a` and `bc`: one token, two pairs."""
    pairs = [(b"a", b"b"), (b"ab", b"c"), (b"b", b"c"), (b"a", b"bc")]
    made = Tokens(pairs)
    assert len(made) == 256 + 3 and made.pieces("abc ab bc") == ["abc", " ", "ab", " ", "bc"]
    assert made.pairs == pairs


def test_tokens_of_a_short_text_are_few():
    assert len(Tokens.learn("ab", 300)) == 256  # no pair stands twice
    assert len(Tokens.learn("abab ab", 300)) == 257


def test_the_validation_part_is_not_learnt_from(language):
    learn, words = language.symbols.decode(language.train), "zzzz qqqq " * 50
    text = data.read_text(learn + words, share=len(learn) / (len(learn) + len(words)) + 1e-9)
    assert text.symbols.decode(text.validation) == words
    cut = tokens.tokenized(text, 320)
    assert cut.symbols == Tokens.learn(learn, 320) and "zz" not in cut.symbols.pieces(words)
    assert cut.symbols.decode(cut.train) == learn and cut.symbols.decode(cut.validation) == words
    assert cut.name == text.name and cut.bits is None


def test_bits_a_character(language):
    cut = tokens.tokenized(language, 320)
    assert cut.bits * len(cut.validation) == pytest.approx(language.bits * len(language.validation))
    assert tokens.tokenized(cut, 320).bits == pytest.approx(cut.bits)  # cutting anew changes nothing
    # "abcd" in two tokens: the second, of two characters, cost 2 bits.
    two = Tokens([(b"a", b"b"), (b"c", b"d")])
    assert tokens.bits_per_character(2 * np.log(2), two, two.encode("abcd")) == pytest.approx(1)
    # A symbol is a character: bits are nats / ln 2.
    assert tokens.bits_per_character(1.5, language.symbols, language.validation) == pytest.approx(1.5 / np.log(2))
    # A network that knows nothing, on bytes or on tokens: V kinds cost log2 V bits each.
    whole = tokens.bits_per_character(np.log(len(cut.symbols)), cut.symbols, cut.validation)
    assert whole == pytest.approx(np.log2(len(cut.symbols)) * len(cut.validation) / len(language.validation), rel=1e-3)


@pytest.mark.parametrize("act, words", [
    (lambda: Tokens.learn("some text", 255), "size must be at least 256, since every byte is a token; got 255"),
    (lambda: Tokens.learn("", 300), "nothing to learn in an empty text"),
    (lambda: Tokens.learn("half \ud83d of it", 300), "position 5 is half of a surrogate pair"),
    (lambda: Tokens([]).encode("\ude00"), "position 0 is half of a surrogate pair"),
    (lambda: Tokens([]).decode([3, 256]), "from 0 to 255; got 3 to 256"),
    (lambda: Tokens([]).decode([-1]), "from 0 to 255; got -1 to -1"),
    (lambda: Tokens([(b"ab", b"c")]), "b'ab', b'c' must join two earlier tokens"),
    (lambda: tokens.bits_per_character(1.0, Tokens([]), [3]), "has 1 tokens; to measure a prediction, two are needed"),
])
def test_what_cannot_be_is_said_in_a_sentence(act, words):
    with pytest.raises(ValueError, match=words):
        act()
