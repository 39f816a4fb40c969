"""The full runs of the text generator: Nietzsche, Shakespeare and the Kalevala, and much of the generated language."""
import importlib

from dlbook import data
from dlbook.rnn.text import spec
from dlbook.train import recorded

LONG = 1_000_000  # symbols of the generated language that the chapter's own small network learns from, not live but at leisure
TASKS = (*(f"{size}-{name}" for size in ("small", "deck") for name in data.SOURCES), "quick-language")
# Size, framework and seed of the runs whose weights the course ships; both twins load them.
SHIPPED = (("small", "torch", 0), ("quick", "torch", 0))


def run(framework, seed, folder, task):
    """Train on a whole text and measure on its last tenth.

    Args:
        framework: `keras` or `torch`.
        seed: starting weights, windows, dropout.
        folder: where the weights of the shipped run are written.
        task: `<size>-<text>`, one of `TASKS`; nothing is downloaded for the generated language.

    Returns:
        dict of `files`, `metrics`, `history` (one value an epoch), `architecture` and `samples` (epoch and text).
    """
    size, _, name = task.partition("-")
    twin = importlib.import_module(f"dlbook.rnn.text.with_{framework}")
    text = data.language(LONG) if name == "language" else data.text(name)
    a = spec.SIZES[size](len(text.symbols))
    model = twin.text_network(a, seed)
    return recorded.train(twin, model, a, text, spec.TRAINING["long" if name == "language" else size], seed,
                          folder / f"{task}.safetensors" if (size, framework, seed) in SHIPPED else None)
