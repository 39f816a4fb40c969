"""What the full runs of all text networks record."""
from dataclasses import asdict

import numpy as np

from dlbook import runs
from dlbook.text.sampling import Sampling

SAMPLED = (1, 2, 3, 5, 8, 12, 16, 20, 25, 30)  # epochs after which the network writes; so it does after the last
WRITTEN = 400  # symbols of such a sample
HOW = Sampling(temperature=0.8)


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
