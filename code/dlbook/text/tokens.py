"""Tokens: pieces of a text that are longer than a symbol, found by joining the most frequent pairs.

The pairs are counted and joined by the library `tokenizers`. Its alphabet are the 256 bytes of UTF-8, so there is no unknown
token: every text becomes tokens and, joined again, is the same text.
"""
import json
import os
from dataclasses import replace

import numpy as np

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # as many threads as the profile says; the library would take them all

from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: E402  (it reads the variable above)

BYTES = 256
SEEN = 2  # a pair that stands once in a text says nothing about others


class Tokens:
    """The tokens of a text and their numbers: the 256 bytes, then what each pair joins. It has what `data.Symbols` has.

    Args:
        pairs: the joined pairs in their order, each two tokens as bytes; [] has the bytes alone. Two pairs may make the same token.

    Raises:
        ValueError: a pair joins what is no token yet.

    Source: Sennrich et al. (2016), section 3.2, joining pairs; Radford et al. (2019), section 2.2, of bytes.
    """

    def __init__(self, pairs):
        self.pairs = [(bytes(left), bytes(right)) for left, right in pairs]
        names = _names()
        self._bytes, known = [bytes([byte]) for byte in names], {bytes([byte]) for byte in names}
        for left, right in self.pairs:
            if not {left, right} <= known:
                raise ValueError(f"the pair {left!r}, {right!r} must join two earlier tokens.")
            if left + right not in known:
                self._bytes.append(left + right)
                known.add(left + right)
        written = {piece: "".join(names[byte] for byte in piece) for piece in self._bytes}
        self._joined = Tokenizer(models.BPE({name: number for number, name in enumerate(written.values())},
                                            [(written[left], written[right]) for left, right in self.pairs]))
        self._joined.pre_tokenizer = _words()

    @classmethod
    def learn(cls, text, size):
        """Join the most frequent pairs of a text, one after the other; never across the end of a word.

        Args:
            text: str.
            size: tokens wanted, at least 256. There are fewer when no pair is left that stands twice.

        Returns:
            Tokens; the same text and size give the same ones.

        Raises:
            ValueError: an empty text, one that is no Unicode, or a size below 256.
        """
        if size < BYTES:
            raise ValueError(f"size must be at least {BYTES}, since every byte is a token; got {size}.")
        if not text:
            raise ValueError("there is nothing to learn in an empty text; give some sentences.")
        learnt = Tokenizer(models.BPE())
        learnt.pre_tokenizer = _words()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        learnt.train_from_iterator([_unicode(text)], trainers.BpeTrainer(
            vocab_size=int(size), min_frequency=SEEN, initial_alphabet=alphabet, show_progress=False))
        return cls(_pairs(learnt))

    def __len__(self):
        return len(self._bytes)

    def __eq__(self, other):
        return isinstance(other, Tokens) and self.pairs == other.pairs

    def encode(self, text):
        """Numbers of a text's tokens.

        Args:
            text: any str.

        Returns:
            (T,) int64 array.

        Raises:
            ValueError: half a surrogate pair, which is no Unicode.
        """
        return np.array(self._joined.encode(_unicode(text)).ids, np.int64)

    def decode(self, numbers):
        """The text of a row of numbers.

        Args:
            numbers: (T,) whole numbers from 0 to `len(self) - 1`.

        Returns:
            str; bytes that are no UTF-8, as a network may write them, become the replacement character.

        Raises:
            ValueError: a number belongs to no token.
        """
        return b"".join(self._pieces(numbers)).decode("utf-8", "replace")

    def pieces(self, text):
        """A text cut into its tokens.

        Args:
            text: any str.

        Returns:
            list of str; a token that is a part of a character is shown by its bytes, such as `\\xf0`.

        Raises:
            ValueError: half a surrogate pair, which is no Unicode.
        """
        return [piece.decode("utf-8", "backslashreplace") for piece in self._pieces(self.encode(text))]

    def only_known(self, text):
        """The whole text: there is no unknown token. `data.Symbols` leaves out what it does not know."""
        return text

    def _pieces(self, numbers):
        numbers = np.asarray(numbers, np.int64)
        if numbers.size and not (0 <= numbers.min() and numbers.max() < len(self)):
            raise ValueError(f"the numbers of these tokens go from 0 to {len(self) - 1}; got {numbers.min()} to {numbers.max()}.")
        return [self._bytes[number] for number in numbers]


def tokenized(text, size):
    """A text in tokens, whose pairs were learnt on its training part alone.

    Args:
        text: data.Text.
        size: tokens wanted, at least 256.

    Returns:
        data.Text whose `symbols` are Tokens; `bits`, where known, counts by token.

    Raises:
        ValueError: a size below 256.
    """
    learnt, measured = text.symbols.decode(text.train), text.symbols.decode(text.validation)
    tokens = Tokens.learn(learnt, size)
    validation = tokens.encode(measured)
    # The whole part costs the same bits, however it is cut.
    bits = None if text.bits is None else text.bits * len(text.validation) / len(validation)
    return replace(text, train=tokens.encode(learnt), validation=validation, symbols=tokens, bits=bits)


def bits_per_character(nats, symbols, numbers):
    """What a character costs, so that networks that read other pieces can be compared.

    Args:
        nats: mean loss a token, from the second one on, as `measure` returns it.
        symbols: Tokens or data.Symbols.
        numbers: (T,) whole numbers that were measured.

    Returns:
        float, bits a character.

    Raises:
        ValueError: fewer than two tokens.
    """
    if len(numbers) < 2:
        raise ValueError(f"this text has {len(numbers)} tokens; to measure a prediction, two are needed.")
    characters = len(symbols.decode(numbers)) - len(symbols.decode(numbers[:1]))  # those that were predicted
    # bits = nats / ln 2, and T - 1 tokens stand for that many characters
    return float(nats / np.log(2) * (len(numbers) - 1) / max(characters, 1))


def _words():
    """Cuts a text where a word, a number or a row of signs begins; a space belongs to the word that follows it."""
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _names():
    """The letter by which the library writes each byte, in the order of the bytes: GPT-2's, without spaces and control characters."""
    own = [byte for byte in range(BYTES) if 33 <= byte <= 126 or 161 <= byte <= 172 or 174 <= byte]
    others = {byte: chr(BYTES + k) for k, byte in enumerate(sorted(set(range(BYTES)) - set(own)))}
    return {byte: others.get(byte, chr(byte)) for byte in range(BYTES)}


def _pairs(learnt):
    """The pairs that a tokenizer of the library has joined, as bytes."""
    byte = {name: number for number, name in _names().items()}
    return [tuple(bytes(byte[c] for c in part) for part in pair) for pair in json.loads(learnt.to_str())["model"]["merges"]]


def _unicode(text):
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text[error.start]!r} at position {error.start:,} is half of a surrogate pair and no character; "
                         "read the text again as UTF-8.") from error
    return text
