"""The Keras training loop for classifiers: `fit` with the course's batches and learning rate."""
import keras
import numpy as np

from dlbook.train.batches import half_cosine, order, steps
from dlbook.train.progress import Progress


def fit(model, inputs, labels, training, validation=None,
        seed=0, on_step=None, progress=True):
    """Train a classifier with Adam and a learning rate that falls to 0.

    Args:
        model: inputs (N, H, W, C) -> logits (N, num_classes); trained in place.
        inputs: (N, H, W, C) array of the model's dtype.
        labels: (N,) int64 array.
        training: has `epochs`, `batch_size`, `learning_rate`, `epsilon`.
        validation: (inputs, labels) measured after each epoch, or None.
        seed: order of the batches.
        on_step: called as on_step(step, loss) after each step; the loss is
            the epoch's mean so far.
        progress: show a progress line while training.

    Returns:
        dict of `loss`, `accuracy` and, with validation, `val_loss` and
        `val_accuracy`: one float an epoch.
    """
    peak, total = training.learning_rate, steps(len(inputs), training)
    model.compile(
        optimizer=keras.optimizers.Adam(peak, epsilon=training.epsilon),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    bar = Progress(training.epochs, "training in Keras, epoch", progress)
    history = model.fit(
        _Batches(inputs, labels, training.batch_size, seed),
        epochs=training.epochs, shuffle=False, verbose=0,
        callbacks=[_Watch(total, peak, on_step, bar)],
        validation_data=validation,
    ).history
    bar.close()
    return {name: [float(v) for v in values] for name, values in history.items()}


def logits_of(model, inputs, batch_size=500):
    """Logits in evaluation mode, batch by batch.

    Args:
        model: keras.Model.
        inputs: (N, H, W, C) array.
        batch_size: inputs at once.

    Returns:
        (N, num_classes) NumPy array.
    """
    # Not `model.predict`: it rounds float64 inputs to float32.
    parts = [inputs[i:i + batch_size] for i in range(0, len(inputs), batch_size)]
    return np.concatenate([np.asarray(model(part, training=False)) for part in parts])


class _Batches(keras.utils.PyDataset):
    """Feeds `fit` the batches that `order` draws, a new order each epoch."""

    def __init__(self, inputs, labels, batch_size, seed):
        super().__init__()
        self.inputs, self.labels, self.batch_size, self.seed, self.epoch = inputs, labels, batch_size, seed, 0
        self.on_epoch_begin()

    def on_epoch_begin(self):
        self.batches = order(len(self.inputs), self.batch_size, self.epoch, self.seed)

    def on_epoch_end(self):
        self.epoch += 1
        self.on_epoch_begin()

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        batch = self.batches[index]
        return self.inputs[batch], self.labels[batch]


class _Watch(keras.callbacks.Callback):
    """Sets the learning rate before each step and reports after it."""

    def __init__(self, total, peak, on_step, bar):
        super().__init__()
        self.total, self.peak, self.on_step, self.bar, self.step = total, peak, on_step, bar, 0

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = half_cosine(self.step, self.total, self.peak)

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.on_step:
            self.on_step(self.step, logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        self.bar.step(f"loss {logs['loss']:.3f}")
