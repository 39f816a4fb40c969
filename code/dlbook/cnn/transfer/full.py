"""The full runs of transfer: cats against dogs on the real photos, in three ways."""
import importlib

from dlbook import data
from dlbook.cnn.transfer import spec

TASKS = ("scratch", "frozen", "tuned")
OFFICIAL = "mobilenet_v1_075_224/mobilenet_v1_0.75_224.npz"


def run(framework, seed, folder, task):
    """Train one network to tell cats from dogs.

    Args:
        framework: `keras` or `torch`.
        seed: fresh weights, order, crops.
        folder: of the record.
        task: one of `TASKS`.

    Returns:
        dict of `files`, `metrics`, `history` (one value an epoch).
    """
    twin = importlib.import_module(f"dlbook.cnn.transfer.with_{framework}")
    pets = data.pets("full")
    train, test = part(pets, ~pets.test), part(pets, pets.test)
    model = twin.network(task, seed=seed)
    history = twin.fit(model, *train, spec.SETTINGS[task], seed, test)
    return {
        "files": pets.files + ((OFFICIAL,) if task != "scratch" else ()),
        "metrics": {"test_accuracy": history["val_accuracy"][-1], "test_loss": history["val_loss"][-1],
                    "train_images": len(train[0]), "test_images": len(test[0])},
        "history": history,
    }


def part(pets, chosen):
    """Some of the photos, and their species: (list of photos, (N,) int64)."""
    return [photo for photo, one in zip(pets.images, chosen) if one], pets.species[chosen]
