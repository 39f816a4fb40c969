"""A recorded full run of a ConvNet on MNIST or Fashion-MNIST, the same for every system."""
import importlib

from dlbook import data, runs

DATA = {"mnist": data.digits, "fashion": data.clothes}
SHIPPED = ("torch", 0)  # framework and seed of the runs whose weights the course ships; both twins load them


def train(system, build, architecture, training, framework, seed, folder, task):
    """Train on the real data and measure on its 10,000 test images.

    Args:
        system: for example `cnn/resnet`.
        build: name of the function that builds a network.
        architecture: what it builds.
        training: train.settings.Training.
        framework: `keras` or `torch`.
        seed: starting weights, order of the batches, dropout.
        folder: where the weights of the shipped run are written.
        task: name of the run; ends in `mnist` or `fashion`, the data.

    Returns:
        dict of `files`, `metrics` and `history` (one value an epoch).
    """
    twin = importlib.import_module(f"dlbook.{system.replace('/', '.')}.with_{framework}")
    images = DATA[task.rpartition("-")[2]]("full")
    model = getattr(twin, build)(architecture, seed)
    history = twin.fit(model, images, training, seed)
    if (framework, seed) == SHIPPED:
        folder.mkdir(parents=True, exist_ok=True)
        runs.save_weights(twin.weights_of(model), folder / f"{task}.safetensors", trained_on=images.source, framework=framework, seed=seed)
    counted = twin.count_operations(model)
    return {
        "files": images.files,
        "metrics": {"test_accuracy": history["val_accuracy"][-1], "test_loss": history["val_loss"][-1],
                    "parameters": counted.parameters, "operations": counted.operations},
        "history": history,
    }
