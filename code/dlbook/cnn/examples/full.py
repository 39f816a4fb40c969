"""The full contest: more examples and more seeds, and MNIST instead of the embedded digits."""
import importlib
from dataclasses import replace

from dlbook import data
from dlbook.cnn.examples import contest
from dlbook.data.patches import PHOTOS, patches

TASKS = ("textures", "photos", "digits")
# Examples of each class. From 1,000 of each digit on, the machine of all features takes minutes.
PER_CLASS = {"textures": (3, 6, 12, 25, 50, 100, 200, 400), "photos": (3, 6, 12, 25, 50, 100, 200, 400), "digits": (3, 10, 30, 100, 300)}
POOL, TESTED = 1000, 200  # pieces of each photo: to draw examples from, and to test on


def run(framework, seed, folder, task):
    """Every contender at every number of examples.

    Args:
        framework: `keras` or `torch`, for the ConvNet.
        seed: of the examples drawn, the starting weights and the order of the batches.
        folder: nothing is written there.
        task: one of `TASKS`; the digits are MNIST, of which all 10,000 test images are read.

    Returns:
        dict as `runs.record` takes it; `history` holds `per_class` and the test accuracy of each contender.
    """
    twin = importlib.import_module(f"dlbook.cnn.examples.with_{framework}")
    images = patches(task, POOL, TESTED) if task in PHOTOS else _few(data.digits("full"), max(PER_CLASS[task]), seed)
    features = contest.described(images)
    rounds = [contest.round_of(twin, images, features, per_class, seed) for per_class in PER_CLASS[task]]
    history = {"per_class": list(PER_CLASS[task])} | {name: [found[name] for found in rounds] for name in rounds[0]}
    return {"files": images.files, "metrics": rounds[-1], "history": history}


def _few(images, per_class, seed):
    """The same test images, and only so many to learn from as are needed: features of all 60,000 would take minutes."""
    which = contest.drawn(images.train_labels, per_class, seed)
    return replace(images, train_images=images.train_images[which], train_labels=images.train_labels[which])
