"""The full runs of the baseline: n-grams counted in each of the real texts. They take seconds and no framework."""
from dlbook import data
from dlbook.data.registry import fetch
from dlbook.text import sampling
from dlbook.text.baseline import spec
from dlbook.text.ngram import NGram

TASKS = tuple(data.SOURCES)


def run(framework, seed, folder, task):
    """Count n-grams in the first nine tenths of a text and measure them on the last.

    Args:
        framework: `keras` or `torch`; no matter which, since neither is used.
        seed: of the samples.
        folder: nothing is written there.
        task: name of the text, one of `TASKS`.

    Returns:
        dict of `files`, `metrics`, `history` (none), `orders` (n), `bits` (a symbol, for each n), `samples` (n and text),
        `lengths` (symbols to learn from and to measure on), `symbols` (all different ones) and `cleanings`.
    """
    text = data.text(task)
    models = [NGram(text.train, len(text.symbols), n) for n in spec.ORDERS]
    bits = [model.bits(text.validation) for model in models]
    return {
        "files": text.files,
        "metrics": {"best_bits": min(bits), "best_n": spec.ORDERS[bits.index(min(bits))]},
        "history": {}, "orders": spec.ORDERS, "bits": bits,
        "samples": [{"n": model.n, "text": _written(model, text, seed)} for model in models],
        "lengths": [len(text.train), len(text.validation)], "symbols": text.symbols.characters,
        "cleanings": spec.cleanings(fetch(text.files[0]).read_bytes()),
    }


def _written(model, text, seed):
    prompt = text.validation[:1]
    return text.symbols.decode(list(sampling.generate(model.reader(), prompt, spec.WRITTEN, spec.HOW, seed)))
