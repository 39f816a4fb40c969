"""What the full runs of all text networks have in common: what they record, and how it is loaded again."""
from dataclasses import asdict

import numpy as np

from dlbook import data, runs
from dlbook.text.sampling import Sampling

LONG = 1_000_000  # symbols of the generated language that the chapters' own small networks learn from, not live but at leisure
# Size, framework and seed of the runs whose weights the course ships; both twins load them.
SHIPPED = (("small", "torch", 0), ("quick", "torch", 0))
SAMPLED = (1, 2, 3, 5, 8, 12, 16, 20, 25, 30)  # epochs after which the network writes; so it does after the last
WRITTEN = 400  # symbols of such a sample
HOW = Sampling(temperature=0.8)


def run(twin, build, spec, framework, seed, folder, task):
    """One full run: a whole text, measured on its last tenth.

    Args:
        twin: module with `fit`, `generate` and `weights_of`.
        build: its function of (architecture, seed) that builds the network.
        spec: the system's module with `SIZES` and `TRAINING`.
        framework: `keras` or `torch`.
        seed: starting weights, windows, dropout.
        folder: where the weights of a shipped run are written.
        task: `<size>-<text>`; nothing is downloaded for the generated language.

    Returns:
        dict as `runs.record` takes it.
    """
    size, _, name = task.partition("-")
    text = data.language(LONG) if name == "language" else data.text(name)
    a = spec.SIZES[size](len(text.symbols))
    checkpoint = folder / f"{task}.safetensors" if (size, framework, seed) in SHIPPED else None
    return train(twin, build(a, seed), a, text, spec.TRAINING["long" if name == "language" else size], seed, checkpoint)


def load(system, build, spec, task, size):
    """A recorded network and its symbols.

    Args:
        system: for example `rnn/text`.
        build: function of (architecture, weights=...) that builds the network.
        spec: the system's module with `Architecture`.
        task: the text it was trained on.
        size: of the network, one of `spec.SIZES`.

    Returns:
        (network, data.Symbols).

    Raises:
        FileNotFoundError: no checkpoint is shipped for it.
    """
    path = runs.checkpoint(system, f"{size}-{task}")
    about = runs.about(path)
    return build(spec.Architecture(**about["architecture"]), weights=runs.load_weights(path)), data.Symbols(about["symbols"])


def train(twin, model, a, text, training, seed, checkpoint=None):
    """Train a text network, let it write along the way, and measure it.

    Args:
        twin: module with `fit`, `generate` and `weights_of`.
        model: the network.
        a: its architecture, a dataclass.
        text: data.Text.
        training: TextTraining.
        seed: cuts and order of the windows, and the samples.
        checkpoint: file to write the weights to, in half precision; None writes none.

    Returns:
        dict as `runs.record` takes it.
    """
    samples, prompt = [], text.symbols.decode(text.validation[:1])

    def write(epoch, history):
        if epoch in SAMPLED or epoch == training.epochs:
            samples.append({"epoch": epoch, "text": twin.generate(model, text.symbols, prompt, WRITTEN, HOW, seed)})
            print(f"epoch {epoch}: loss {history['loss'][-1]:.4f}, validation {history['val_loss'][-1]:.4f} nats", flush=True)

    history = twin.fit(model, text, training, seed, on_epoch=write)
    if checkpoint:
        _save(twin.weights_of(model), checkpoint, a, text, seed)
    val = history["val_loss"][-1]
    return {
        "files": text.files,
        "metrics": {"loss": history["loss"][-1], "val_loss": val, "val_bits": val / np.log(2)},
        "history": history, "architecture": asdict(a), "training": asdict(training), "samples": samples,
    }


def _save(weights, path, a, text, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    runs.save_weights({name: value.astype(np.float16) for name, value in weights.items()}, path,
                      architecture=asdict(a), symbols=text.symbols.characters, trained_on=text.name, seed=seed)
