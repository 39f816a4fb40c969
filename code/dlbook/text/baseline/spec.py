"""The facts of the n-gram baseline: which memories are counted, and what is written with them.

Source: Shannon (1951), "Prediction and entropy of printed English", whose first approximations of English are n-grams.
"""
from dlbook.text.sampling import Sampling

ORDERS = tuple(range(1, 9))  # n; with 65 symbols up to 10 would fit into 64 bits
WRITTEN = 200  # symbols of a sample
HOW = Sampling()  # drawn as they were counted


def cleanings(raw):
    """Length and kinds of symbols of a file, read in three ways.

    Args:
        raw: bytes in UTF-8.

    Returns:
        dict of a way in words to [symbols, kinds].
    """
    text = raw.decode("utf-8")
    ways = {
        "as it is": text,
        "lower-cased": text.lower(),
        # How Python 2 read a file: each byte was a symbol, and only A to Z had small letters.
        "byte by byte, A to Z lower-cased": raw.lower().decode("latin-1"),
    }
    return {way: [len(read), len(set(read))] for way, read in ways.items()}
