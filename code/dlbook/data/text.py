"""Texts as rows of symbols: a generated language in `quick`, Nietzsche, Shakespeare and the Kalevala in `full`, or any text of yours."""
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlbook.data.registry import fetch

SHOWN = 8  # unknown symbols that a message lists
KNOWN = 100  # known ones that it lists; a Chinese text has thousands


class Symbols:
    """The symbols of a text and their numbers.

    Args:
        characters: the distinct symbols, in the order of their numbers.

    Raises:
        ValueError: a symbol stands twice, or there is none.
    """

    def __init__(self, characters):
        self.characters = "".join(characters)
        if not self.characters:
            raise ValueError("a text without a symbol has nothing to learn; give one with at least two different symbols.")
        self._codes = _code_points(self.characters)
        # The number of each code point; -1 for a stranger. The last entry stands for all code points above.
        self._numbers = np.full(int(self._codes.max()) + 2, -1)
        self._numbers[self._codes] = np.arange(len(self))
        if (self._numbers >= 0).sum() < len(self):
            twice = next(c for c in self.characters if self.characters.count(c) > 1)
            raise ValueError(f"the symbol {twice!r} stands twice in {_start(self.characters)}; name each once.")

    @classmethod
    def of(cls, text):
        """The symbols of a text, in the order of their code points."""
        codes = _code_points(text)
        seen = np.zeros(int(codes.max(initial=0)) + 1, bool)
        seen[codes] = True
        return cls("".join(map(chr, np.flatnonzero(seen))))

    def __len__(self):
        return len(self.characters)

    def __eq__(self, other):
        return isinstance(other, Symbols) and self.characters == other.characters

    def encode(self, text):
        """Numbers of a text's symbols.

        Args:
            text: str of any length.

        Returns:
            (T,) int64 array.

        Raises:
            TypeError: not a str.
            ValueError: the text has symbols that are not among these; the message names them.
        """
        codes = _code_points(text)
        numbers = self._numbers[np.minimum(codes, len(self._numbers) - 1)]  # T
        if numbers.min(initial=0) < 0:
            raise ValueError(self._unknown(codes[numbers < 0], int(np.argmin(numbers))))
        return numbers

    def _unknown(self, codes, first):
        strangers = [chr(c) for c in np.unique(codes)]
        more = f" and {len(strangers) - SHOWN} more" if len(strangers) > SHOWN else ""
        return (f"{', '.join(map(repr, strangers[:SHOWN]))}{more} (first at position {first:,}) "
                f"{'is' if len(strangers) == 1 else 'are'} not among the {len(self)} symbols this network knows: {_start(self.characters)}.")

    def decode(self, numbers):
        """The text of a row of numbers.

        Args:
            numbers: (T,) whole numbers from 0 to `len(self) - 1`.

        Returns:
            str.

        Raises:
            TypeError: not whole numbers.
            ValueError: a number belongs to no symbol.
        """
        numbers = np.asarray(numbers)
        if not numbers.size:
            return ""
        if numbers.dtype.kind not in "iu":
            raise TypeError(f"symbols have whole numbers; got {numbers.dtype}, such as {numbers.flat[0]}.")
        if numbers.min() < 0 or numbers.max() >= len(self):
            raise ValueError(f"the numbers of these symbols go from 0 to {len(self) - 1}; got {numbers.min()} to {numbers.max()}.")
        return self._codes[numbers].tobytes().decode("utf-32-le", "surrogatepass")

    def only_known(self, text):
        """A text without the symbols that are not among these."""
        return "".join(c for c in text if c in self.characters)


def _start(characters):
    """The first symbols, as a message shows them."""
    return repr(characters[:KNOWN]) + ("..." if len(characters) > KNOWN else "")


def _code_points(text):
    """(T,) uint32 array of a text's code points; ten million of them take a tenth of a second."""
    if not isinstance(text, str):
        raise TypeError(f"a text is a str; got {type(text).__name__}. Bytes are turned into one by raw.decode('utf-8').")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@dataclass(frozen=True)
class Text:
    """A text to learn from.

    Args:
        name: what it is, for people.
        licence: whose it is.
        train: (T,) numbers of the symbols that are learnt from.
        validation: (V,) numbers of those that follow, for measuring.
        symbols: Symbols.
        files: registered names of the files it was read from.
        bits: smallest possible bits a symbol on the validation part, where the source is known; else None.
    """
    name: str
    licence: str
    train: np.ndarray
    validation: np.ndarray
    symbols: Symbols
    files: tuple = ()
    bits: float | None = None

    def __str__(self):
        return f"{self.name}: {len(self.train):,} symbols to learn from, {len(self.validation):,} to measure on, {len(self.symbols)} different ones"


@dataclass(frozen=True)
class Source:
    """A registered text: its file, how it is cleaned and how much of it is learnt from."""
    name: str
    licence: str
    file: str
    clean: object = None
    share: float = 0.9


def _byte_by_byte(raw):
    """Lower-case the letters A to Z and count every byte as a symbol.

    The Keras example of 2015 read the file this way, under Python 2: 600,901 bytes of 59 kinds, the numbers of the deck. Read
    as UTF-8 and lower-cased it has 600,893 characters of 57 kinds. A character of two bytes becomes two symbols here.
    """
    return raw.lower().decode("latin-1")


SOURCES = {
    "nietzsche": Source("Friedrich Nietzsche, Beyond Good and Evil, translated by Helen Zimmern", "public domain", "text/nietzsche.txt",
                        _byte_by_byte),
    # The split of char-rnn and nanoGPT: 1,003,854 characters and 111,540.
    "shakespeare": Source("William Shakespeare, parts of the plays (tinyshakespeare)", "public domain", "text/tinyshakespeare.txt"),
    "kalevala": Source("Elias Lönnrot, Kalevala, in Finnish", "public domain", "text/kalevala.txt"),
}


def text(name="shakespeare"):
    """A registered text.

    Args:
        name: `nietzsche`, `shakespeare` or `kalevala`.

    Returns:
        Text.

    Raises:
        ValueError: an unknown name.
        DataError: the file cannot be had.
    """
    if name not in SOURCES:
        raise ValueError(f"there is no text {name!r}; choose from: {', '.join(SOURCES)}. Your own text is read by read_text.")
    source = SOURCES[name]
    raw = fetch(source.file).read_bytes()
    content = source.clean(raw) if source.clean else _decoded(raw, source.file)
    return _split(content, source.share, source.name, source.licence, (source.file,))


def read_text(source, share=0.9, name=None):
    """Any text: a file of yours, its bytes, or the text itself.

    A byte order mark is dropped, and line ends become a single newline each.

    Args:
        source: Path of a text file in UTF-8, or its bytes, or the text itself as a str.
        share: part of the text to learn from; the rest is for measuring.
        name: what to call it.

    Returns:
        Text.

    Raises:
        FileNotFoundError: the path leads nowhere.
        IsADirectoryError: it leads to a folder.
        TypeError: neither Path, bytes nor str.
        ValueError: not UTF-8, or too short, or a share that leaves nothing on one side, or a str that is the name of a file.
    """
    if isinstance(source, Path):
        name, source = name or source.name, _bytes_of(source)
    label = name or "your text"
    if isinstance(source, bytes):
        content = _decoded(source, label)
    elif isinstance(source, str):
        content = _unix(_no_file(source))
    else:
        raise TypeError(f"a text is read from a Path, from bytes or from a str; got {type(source).__name__}.")
    return _split(content, share, label, "yours")


def _bytes_of(path):
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a text file in it.")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    return path.read_bytes()


def _no_file(text):
    """The text, unless it is the name of a file: one would learn from the name and not notice."""
    if len(text) < 256 and os.path.isfile(text):
        raise ValueError(f"{text!r} is the name of a file; pass Path({text!r}) to read it.")
    return text


def _decoded(raw, label):
    try:
        return _unix(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        utf16 = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        remedy = "raw.decode('utf-16'), since it begins like that" if utf16 else "raw.decode('latin-1') if it is an older file"
        raise ValueError(f"{label} is not UTF-8: byte {raw[error.start]:#04x} at position {error.start:,} fits nothing; "
                         f"save it again as UTF-8, or pass {remedy}.") from error


def _unix(content):
    """Without a byte order mark, each line ending in a newline alone."""
    content = content.removeprefix("\ufeff")
    return content.replace("\r\n", "\n").replace("\r", "\n")


def _split(content, share, name, licence, files=()):
    if not 0 < share < 1:
        raise ValueError(f"share is the part to learn from, above 0 and below 1; got {share}.")
    cut = int(share * len(content))
    if cut < 2 or len(content) - cut < 2:
        raise ValueError(f"{name} has {len(content)} symbols; at least two to learn from and two to measure on are needed "
                         f"({cut} and {len(content) - cut} here).")
    symbols = Symbols.of(content)
    if len(symbols) < 2:
        raise ValueError(f"{name} has one symbol only, {symbols.characters!r}: there is nothing to predict.")
    numbers = symbols.encode(content)
    return Text(name, licence, numbers[:cut], numbers[cut:], symbols, tuple(files))
