"""Transfer in Keras: features of any layer, and training on photos in three ways."""
import keras
import numpy as np
from keras import ops

from dlbook.cnn.mobilenet import with_keras as mobilenet
from dlbook.cnn.resnet import with_keras as resnet
from dlbook.cnn.transfer import spec
from dlbook.train import with_keras as train
from dlbook.train.batches import half_cosine, order
from dlbook.train.progress import Progress

__all__ = ["features", "fit", "network", "predict", "unfreeze",
           "weights_of"]
predict, weights_of = mobilenet.predict, mobilenet.weights_of


def network(way, a=spec.TARGET, seed=0, weights="official", source=spec.PRETRAINED,
            dtype="float32"):
    """A MobileNet to be trained for a new task.

    Args:
        way: `scratch` or `frozen`.
        a: mobilenet.spec.Architecture of the new network.
        seed: fresh weights; the PyTorch twin starts from the same.
        weights: of the source network, as for `mobilenet`; not used from scratch.
        source: mobilenet.spec.Architecture of the source network.
        dtype: `float32` or `float64`.

    Returns:
        keras.Model; of a frozen one only `logits` can be trained.

    Raises:
        ValueError: another way, or networks that differ in more than their heads.
        DataError: the official weights cannot be had.
    """
    model = mobilenet.mobilenet(a, seed, dtype=dtype)
    if spec.way(way) != "scratch":
        learnt = weights_of(mobilenet.mobilenet(source, weights=weights, dtype=dtype))
        model = mobilenet.mobilenet(a, seed, spec.overlaid(weights_of(model), learnt), dtype)
    model.keeps_statistics = way != "scratch"  # those of its batch norms
    for layer in model.layers:
        layer.trainable = way != "frozen" or layer.name == spec.HEAD
    return model


def unfreeze(model):
    """Let all weights of a frozen network be trained; its batch norms go on keeping their statistics.

    Args:
        model: from `network`, changed in place.
    """
    for layer in model.layers:
        layer.trainable = True
    model.transfer_step = None  # it was compiled for the head alone


def features(model, images, layers, batch_size=64):
    """What layers give for images: the mean of each map.

    Args:
        model: MobileNet.
        images: (N, H, W, C) floating point in [0, 1].
        layers: names, see `spec.layers`.
        batch_size: images at once.

    Returns:
        dict of layer to (N, maps) array.

    Raises:
        ValueError: the network has no layer of that name.
    """
    ends = _ends(model)
    missing = [name for name in layers if name not in ends]
    if missing:
        raise ValueError(f"no layer {missing[0]!r}; there are: {', '.join(ends)}.")
    part = keras.Model(model.input, [_mean(ends[name].output) for name in layers])
    found = {name: [] for name in layers}
    for start in range(0, len(images), batch_size):
        x = mobilenet.to_inputs(model, images[start:start + batch_size])
        given = part(x, training=False)
        for name, values in zip(layers, given if isinstance(given, list) else [given]):
            found[name].append(np.asarray(values))  # N, C
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _ends(model):
    """The last Keras layer of the stem and of each block, and those behind the blocks, under the twin's names."""
    return {layer.name.partition("_")[0]: layer for layer in model.layers if layer.name != "input"}


def _mean(x):
    """The mean of each map: N, H, W, C -> N, C."""
    return ops.mean(x, (1, 2)) if len(x.shape) == 4 else x


def fit(model, photos, labels, settings, seed=0, validation=None, on_step=None,
        progress=True):
    """Train a classifier on photos, each shown cut and turned anew in every epoch.

    Args:
        model: from `network`, trained in place.
        photos: list of N photos (H, W, 3) uint8.
        labels: (N,) int64.
        settings: spec.Settings.
        seed: order, crops, mirrors.
        validation: (photos, labels) measured after each epoch, or None.
        on_step: called as on_step(step, loss) after each step.
        progress: show a progress line.

    Returns:
        dict of `loss`, `accuracy` and, with validation, `val_loss`, `val_accuracy`.
    """
    model.compile(keras.optimizers.Adam(settings.learning_rate, epsilon=settings.epsilon),
                  keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    total, step, history = settings.epochs * -(-len(photos) // settings.batch_size), 0, {}
    shapes, held_out = [p.shape for p in photos], _held_out(model, validation)
    with Progress(settings.epochs, "training in Keras, epoch", progress) as bar:
        for epoch in range(settings.epochs):
            boxes, mirrored = spec.boxes(shapes, settings, epoch, seed)
            losses, right = 0.0, 0
            for batch in order(len(photos), settings.batch_size, epoch, seed):
                shown = spec.cut([photos[i] for i in batch], boxes[batch], model.a.size,
                                 mirrored[batch])
                model.optimizer.learning_rate = half_cosine(
                    step, total, settings.learning_rate)
                loss, logits = _train_step(model, mobilenet.to_inputs(model, shown),
                                           labels[batch])
                losses += float(loss) * len(batch)
                right += int((np.asarray(logits).argmax(1) == labels[batch]).sum())
                step += 1
                if on_step:
                    on_step(step, float(loss))
            _append(history, loss=losses / len(photos), accuracy=right / len(photos),
                    **_validate(model, held_out))
            bar.step(f"loss {history['loss'][-1]:.3f}")
    return history


def _train_step(model, x, y):
    """One step on a batch: its loss and logits before the step."""
    import tensorflow

    if getattr(model, "transfer_step", None) is None:
        model.transfer_step = tensorflow.function(_step_of(model), reduce_retracing=True)
    return model.transfer_step(tensorflow.constant(x), tensorflow.constant(y))


def _step_of(model):
    """The step as a function that TensorFlow can compile."""
    import tensorflow

    def step(x, y):
        with tensorflow.GradientTape() as tape:
            logits = model(x, training=not model.keeps_statistics)
            loss = ops.mean(keras.losses.sparse_categorical_crossentropy(
                y, logits, from_logits=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        model.optimizer.apply(gradients, model.trainable_variables)
        return loss, logits

    return step


def _held_out(model, validation):
    """The middles of the photos to be measured on, as the network reads them."""
    if validation is None:
        return None
    photos, labels = validation
    images = spec.squares(photos, model.a.size)
    return mobilenet.to_inputs(model, images), np.asarray(labels)


def _validate(model, held_out):
    """Loss and accuracy of what is held out, if there is any."""
    if held_out is None:
        return {}
    inputs, labels = held_out
    logits = train.logits_of(model, inputs, 100)
    losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    return {"val_loss": float(np.mean(losses)),
            "val_accuracy": float((logits.argmax(1) == labels).mean())}


def _append(history, **values):
    for name, value in values.items():
        history.setdefault(name, []).append(value)
