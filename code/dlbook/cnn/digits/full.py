"""The full run of the digit network: 12 epochs on MNIST."""
import importlib

from dlbook import data, runs
from dlbook.cnn.digits import spec

SHIPPED = ("torch", 0)  # framework and seed of the run whose weights the course ships; both twins load them
DRAWN = 24  # misclassified images in the picture beside the record


def run(framework, seed, folder):
    """Train on MNIST and measure on its 10,000 test images.

    Args:
        framework: `keras` or `torch`.
        seed: starting weights, order of the batches, dropout.
        folder: where the weights of the shipped run are written.

    Returns:
        dict of `files`, `metrics`, `history` (one value an epoch), `confusion` (10 rows true x 10 columns predicted)
        and `wrong` (index, true digit, predicted digit of each misclassified test image).
    """
    twin = importlib.import_module(f"dlbook.cnn.digits.with_{framework}")
    digits = data.digits("full")
    model = twin.digit_network(seed)
    history = twin.fit(model, digits, spec.TRAINING["full"], seed)
    predicted = twin.predict(model, digits.test_images).argmax(1)
    wrong = (predicted != digits.test_labels).nonzero()[0]
    if (framework, seed) == SHIPPED:
        folder.mkdir(parents=True, exist_ok=True)
        runs.save_weights(twin.weights_of(model), folder / "checkpoint.safetensors", trained_on="MNIST", framework=framework, seed=seed)
        (folder / "mistakes.png").write_bytes(_picture(digits, predicted, wrong[:DRAWN]))
    return {
        "files": digits.files,
        "metrics": {"test_accuracy": float((predicted == digits.test_labels).mean()), "test_loss": history["val_loss"][-1]},
        "history": history,
        "confusion": _confusion(digits.test_labels, predicted),
        "wrong": [[int(i), int(digits.test_labels[i]), int(predicted[i])] for i in wrong],
    }


def _confusion(true, predicted):
    from sklearn.metrics import confusion_matrix

    return confusion_matrix(true, predicted, labels=range(10)).tolist()


def _picture(digits, predicted, which):
    from dlbook import show

    fig = show.mistakes(digits.test_images[which], digits.test_labels[which], predicted[which], "MNIST test images the network misread", columns=6)
    return show.png(fig)
