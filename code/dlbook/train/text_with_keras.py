"""The Keras training loop of networks that predict the next symbol: `fit` with the course's windows and learning rate."""
import keras
import numpy as np

from dlbook import machine
from dlbook.train import windows
from dlbook.train.progress import Progress


def fit(model, text, training, seed=0, on_step=None, on_epoch=None, progress=True):
    """Train with Adam and a learning rate that rises, then falls to 0.

    Args:
        model: symbols (B, T) -> logits (B, T, V); trained in place.
        text: data.Text.
        training: windows.TextTraining.
        seed: cuts and order of the windows.
        on_step: called as on_step(step, loss) after each step.
        on_epoch: called as on_epoch(epoch, history) after each epoch.
        progress: show a progress line.

    Returns:
        dict of `loss` and `val_loss` in nats a symbol: one float an epoch.

    Raises:
        ValueError: the text is shorter than a window.
        FloatingPointError: the loss became infinite or not a number.
    """
    windows.check_symbols(text.symbols, model.a.symbols)
    total = windows.steps(text.train, training, seed)
    optimizer = keras.optimizers.AdamW(
        training.learning_rate, weight_decay=training.decay, beta_2=training.beta2,
        epsilon=training.epsilon, global_clipnorm=training.clip)
    optimizer.exclude_from_weight_decay([w for w in model.trainable_weights if is_vector(w)])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with Progress(training.epochs, "training in Keras, epoch", progress) as bar:
        watch = _Watch(text.validation, training, total, on_step, on_epoch, bar)
        # One `fit` an epoch: the number of windows changes with the place where
        # they start, and Keras counts them before a callback could cut them anew.
        for epoch in range(training.epochs):
            shown = _Windows(windows.batches(text.train, training, epoch, seed))
            model.fit(shown, initial_epoch=epoch, epochs=epoch + 1, shuffle=False,
                      verbose=0, callbacks=[watch])
    return watch.measured


def is_vector(weight):
    """Whether a weight is a bias, scale or shift, which do not decay; the two biases of a GRU are the rows of one matrix."""
    return len(weight.shape) == 1 or weight.name == "bias"


def measure(model, numbers, window):
    """Mean loss in nats a symbol, each predicted from at least half a window of symbols before it.

    Args:
        model: as in `fit`.
        numbers: (T,) whole numbers.
        window: symbols read at once.

    Returns:
        float.

    Raises:
        ValueError: fewer than two symbols.
    """
    total = count = 0
    for cut, counts in windows.measured(numbers, window):
        logits = keras.ops.convert_to_tensor(model.predict_on_batch(cut[:, :-1]))  # B, T, V
        losses = keras.losses.sparse_categorical_crossentropy(cut[:, 1:], logits, from_logits=True)  # B, T
        total += np.asarray(losses, np.float64)[counts].sum()
        count += counts.sum()
    return float(total / count)


class _Windows(keras.utils.PyDataset):
    """Feeds `fit` the windows of an epoch."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        window = self.batches[index]
        return window[:, :-1], window[:, 1:]


class _Watch(keras.callbacks.Callback):
    """Sets the learning rate before each step, measures after each epoch and reports."""

    def __init__(self, validation, training, total, on_step, on_epoch, bar):
        super().__init__()
        self.validation, self.training, self.total = validation, training, total
        self.on_step, self.on_epoch, self.bar = on_step, on_epoch, bar
        self.step, self.summed, self.measured = 0, 0.0, {"loss": [], "val_loss": []}

    def on_epoch_begin(self, epoch, logs=None):
        self.summed = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        if self.step == 0:
            machine.keep_freed_memory()
        self.model.optimizer.learning_rate = self.training.rate(self.step, self.total)

    def on_train_batch_end(self, batch, logs=None):
        # Keras reports the epoch's mean so far; the loss of this step is what it added.
        before, self.summed = self.summed, logs["loss"] * (batch + 1)
        self.step += 1
        loss = windows.finite(self.summed - before, self.step)
        if self.on_step:
            self.on_step(self.step, loss)

    def on_epoch_end(self, epoch, logs=None):
        val_loss = measure(self.model, self.validation, self.training.measured)
        self.measured["loss"].append(float(logs["loss"]))
        self.measured["val_loss"].append(windows.finite(val_loss, self.step))
        self.bar.step(f"loss {logs['loss']:.3f}")
        if self.on_epoch:
            self.on_epoch(epoch + 1, self.measured)
