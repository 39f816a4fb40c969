"""The full runs of the text generator: Nietzsche, Shakespeare and the Kalevala, and much of the generated language."""
import importlib

from dlbook import data
from dlbook.rnn.text import spec
from dlbook.train import recorded

TASKS = (*(f"small-{name}" for name in data.SOURCES), "deck-nietzsche", "quick-language")


def run(framework, seed, folder, task):
    """Train on a whole text and measure on its last tenth.

    Args:
        framework: `keras` or `torch`.
        seed: starting weights, windows, dropout.
        folder: where the weights of the shipped run are written.
        task: `<size>-<text>`, one of `TASKS`; nothing is downloaded for the generated language.

    Returns:
        dict of `files`, `metrics`, `history` (one value an epoch), `architecture`, `training` and `samples` (epoch and text).
    """
    twin = importlib.import_module(f"dlbook.rnn.text.with_{framework}")
    return recorded.run(twin, twin.text_network, spec, framework, seed, folder, task)
