"""What the search is about: handwritten digits in three parts, and what a cell is worth on them."""
import importlib
from dataclasses import dataclass, replace

from dlbook import data
from dlbook.cnn.search import spec
from dlbook.data.handwritten import enlarge


@dataclass(frozen=True)
class Result:
    """What training one candidate gave.

    Args:
        validation: accuracy on the images that choose, in [0, 1].
        test: accuracy on the images that report.
        parameters: learnt.
        operations: multiply-accumulates for one image.
    """
    validation: float
    test: float
    parameters: int
    operations: int


@dataclass(frozen=True)
class Task:
    """The images of a search.

    Args:
        choose: data.Labelled, whose test images are the validation part.
        report: data.Labelled with the same training images and the test images proper.
    """
    choose: data.Labelled
    report: data.Labelled


def digits(size=spec.Architecture().size):
    """The embedded digits in three parts: to train on, to choose by, to report.

    Args:
        size: side of the images in pixels.

    Returns:
        Task.
    """
    from sklearn.model_selection import train_test_split

    whole = data.digits("quick")
    labels = whole.train_labels
    a, b, c, d = train_test_split(enlarge(whole.train_images, size), labels,
                                  test_size=spec.VALIDATION, random_state=0, stratify=labels)
    report = replace(whole, source=f"{whole.source} and reduced to {size} x {size}", train_images=a,
                     train_labels=c, test_images=enlarge(whole.test_images, size))
    return Task(replace(report, test_images=b, test_labels=d), report)


def train(cell, task, framework="torch", seed=0, training=spec.TRAINING):
    """Train the network of a cell and measure it.

    Args:
        cell: tuple of spec.Node.
        task: Task.
        framework: `torch` or `keras`.
        seed: starting weights and order of the batches.
        training: train.settings.Training.

    Returns:
        Result.
    """
    twin = importlib.import_module(f"dlbook.cnn.search.with_{framework}")
    model = twin.candidate(spec.Architecture(cell, size=task.choose.train_images.shape[1]), seed)
    counted = twin.count_operations(model)
    history = twin.fit(model, task.choose, training, seed, progress=False)
    predicted = twin.predict(model, task.report.test_images).argmax(1)
    test = float((predicted == task.report.test_labels).mean())
    return Result(history["val_accuracy"][-1], test, counted.parameters, counted.operations)


def recorded(record):
    """The table of all cells in a record of the full run.

    Args:
        record: dict as `runs.records("cnn/search")` has it.

    Returns:
        dict of cell to Result, in the order of `SPACE.cells()`.
    """
    columns = record["table"]
    rows = zip(*(columns[name] for name in Result.__dataclass_fields__), strict=True)
    return {spec.decode(text): Result(*row) for text, row in zip(columns["cell"], rows, strict=True)}
