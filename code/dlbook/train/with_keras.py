"""The Keras training loop for classifiers: `fit` with the course's batches and learning rate."""
import keras
import numpy as np

from dlbook import machine
from dlbook.parity.compare import AUXILIARY
from dlbook.train.batches import half_cosine, mirrored, order, steps
from dlbook.train.progress import Progress


def fit(model, inputs, labels, training, validation=None,
        seed=0, on_step=None, progress=True):
    """Train a classifier with Adam and a learning rate that falls to 0.

    Args:
        model: inputs (N, H, W, C) -> logits (N, num_classes), or a list of them and
            those of auxiliary heads; trained in place.
        inputs: (N, H, W, C) array of the model's dtype.
        labels: (N,) int64 array.
        training: settings.Training.
        validation: (inputs, labels) measured after each epoch, or None.
        seed: order of the batches.
        on_step: called as on_step(step, loss) after each step.
        progress: show a progress line while training.

    Returns:
        dict of `loss`, `accuracy` and, with validation, `val_loss` and
        `val_accuracy`: one float an epoch.
    """
    peak, total = training.learning_rate, steps(len(inputs), training)
    others = len(model.outputs) - 1  # auxiliary heads
    model.compile(
        optimizer=keras.optimizers.Adam(peak, epsilon=training.epsilon),
        loss=[keras.losses.SparseCategoricalCrossentropy(from_logits=True)]
        * (1 + others),
        loss_weights=[1.0] + [AUXILIARY] * others,
        metrics=[["accuracy"]] + [[]] * others,
    )
    batches = _Batches(inputs, labels, training, seed, 1 + others)
    with Progress(training.epochs, "training in Keras, epoch", progress) as bar:
        history = model.fit(
            batches, epochs=training.epochs, shuffle=False, verbose=0,
            callbacks=[_Watch(batches, total, peak, on_step, bar)],
            validation_data=validation and (
                validation[0], _for_each(validation[1], 1 + others)),
        ).history
    return _of_logits(history, model)


def _for_each(labels, heads):
    """The same labels for each head."""
    return labels if heads == 1 else (labels,) * heads


def _of_logits(history, model):
    """The loss that was trained on, and what else Keras measured of the logits; what it measured of auxiliary heads is left out."""
    if len(model.outputs) > 1:
        # Keras puts the output's name before the measure's.
        logits = model.output_names[0]
        history = {name: history[theirs] for name, theirs in (
            ("loss", "loss"), ("accuracy", f"{logits}_accuracy"),
            ("val_loss", f"val_{logits}_loss"), ("val_accuracy", f"val_{logits}_accuracy")) if theirs in history}
    return {name: [float(v) for v in values] for name, values in history.items()}


def logits_of(model, inputs, batch_size=500):
    """Logits in evaluation mode, batch by batch; those of auxiliary heads are left out.

    Args:
        model: keras.Model.
        inputs: (N, H, W, C) array.
        batch_size: inputs at once.

    Returns:
        (N, num_classes) NumPy array.
    """
    # Not `model.predict`: it rounds float64 inputs to float32.
    parts = [inputs[i:i + batch_size] for i in range(0, len(inputs), batch_size)]
    none = np.zeros((0, *model.outputs[0].shape[1:]))  # Keras' pooling takes no empty batch
    return np.concatenate([_logits(model, part) for part in parts]) if parts else none


def _logits(model, inputs):
    outputs = model(inputs, training=False)
    return np.asarray(outputs[0] if isinstance(outputs, list) else outputs)


class _Batches(keras.utils.PyDataset):
    """Feeds `fit` the batches that `order` draws, a new order each epoch."""

    def __init__(self, inputs, labels, training, seed, heads=1):
        super().__init__()
        self.inputs, self.labels, self.training, self.seed, self.heads = inputs, labels, training, seed, heads
        self.shuffle(0)

    def shuffle(self, epoch):
        """Draw the order of an epoch."""
        n = len(self.inputs)
        self.batches = order(n, self.training.batch_size, epoch, self.seed)
        self.turned = mirrored(n, epoch, self.seed) if self.training.mirror else np.zeros(n, bool)

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        batch = self.batches[index]
        x, turned = self.inputs[batch], self.turned[batch]
        if turned.any():
            x[turned] = x[turned][:, :, ::-1]  # indexing has made a copy: the images themselves stay
        return x, _for_each(self.labels[batch], self.heads)


class _Watch(keras.callbacks.Callback):
    """Draws each epoch's order, sets the learning rate before each step and reports after it."""

    def __init__(self, batches, total, peak, on_step, bar):
        super().__init__()
        self.batches, self.total, self.peak, self.on_step, self.bar = batches, total, peak, on_step, bar
        self.step = self.seen = self.summed = 0

    def on_epoch_begin(self, epoch, logs=None):
        # By the number that `fit` counts: it looks at a batch or two, and ends that look as an epoch, before the first one.
        self.batches.shuffle(epoch)
        self.seen = self.summed = 0

    def on_train_batch_begin(self, batch, logs=None):
        if self.step == 0:
            machine.keep_freed_memory()
        self.model.optimizer.learning_rate = half_cosine(self.step, self.total, self.peak)

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.on_step:
            # Keras reports the epoch's mean so far; the loss of this step is what it added.
            before, size = self.summed, len(self.batches.batches[batch])
            self.seen += size
            self.summed = logs["loss"] * self.seen
            self.on_step(self.step, (self.summed - before) / size)

    def on_epoch_end(self, epoch, logs=None):
        self.bar.step(f"loss {logs['loss']:.3f}")
