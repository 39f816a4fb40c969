"""The full runs of DCGAN: 14 epochs on MNIST or Fashion-MNIST, measured after each."""
import functools
import importlib
from dataclasses import asdict

import numpy as np

from dlbook import data, runs
from dlbook.cnn.blocks.table import totals
from dlbook.gan import measure, session
from dlbook.gan.dcgan import spec

TASKS = ("mnist", "fashion")
SHOWN = {"mnist": "digits", "fashion": "clothes"}  # what their images show
SHIPPED = (("mnist", "torch", 0), ("fashion", "torch", 0))  # task, framework and seed of the runs whose weights the course ships; both twins load them
ALONG, LAST = 2000, 10_000  # images measured after each epoch, and at the end
DRAWN = (1, 2, 4, 8, 16)  # epochs after which images are drawn; so they are after the last
COLUMNS = 12  # images a row of the pictures
COMPARED = 500  # images whose nearest training image is looked for


def run(framework, seed, folder, task):
    """Train on 60,000 images and measure 10,000 generated ones against as many test images.

    Args:
        framework: `keras` or `torch`.
        seed: starting weights, order of the images, noise.
        folder: where the shipped weights and the pictures are written.
        task: one of `TASKS`.

    Returns:
        dict of `files`, `metrics`, `history` (one value an epoch), `architecture`, `training`, `reference` (the same measures of
        training images) and, where an interrupted run was taken up again, `resumed`: the step from which `seconds` counts.
    """
    twin = importlib.import_module(f"dlbook.gan.dcgan.with_{framework}")
    look = importlib.import_module(f"dlbook.gan.measure_with_{framework}").see
    see = functools.partial(look, what=SHOWN[task])
    images, path = getattr(data, SHOWN[task])("full"), unfinished("dcgan", task, framework, seed)
    resumed = runs.about(path)["step"] if path.is_file() else 0
    gan, real = twin.dcgan(spec.small, seed), see(images.test_images[:LAST])

    def on_measure(step, history):
        note(step, history, measure.quality(see(twin.sample(gan, ALONG, seed)), real.first(ALONG)))

    history = twin.fit(gan, images.train_images, spec.TRAINING["small"], seed, on_measure=on_measure, path=path,
                       collapsed=session.COLLAPSED)
    samples = history.pop("samples")
    generated = twin.sample(gan, LAST, seed)
    if (task, framework, seed) in SHIPPED:
        ship(twin.weights_of(gan), samples, generated, images.train_images, folder, task, seed)
    metrics = measure.quality(see(generated), real) | {"nearest": novelty(generated, images)}
    path.unlink()
    return {
        "files": images.files, "metrics": metrics, "history": history, "architecture": asdict(spec.small),
        "training": asdict(spec.TRAINING["small"]), "reference": measure.quality(see(images.train_images[:LAST]), real),
        "parameters": {name: totals(table(spec.small)).parameters for name, table in spec.TABLES.items()},
    } | ({"resumed": resumed} if resumed else {})


def note(step, history, found):
    """Add measures to a history, and print them: `found` is a dict of name to number."""
    for name, value in found.items():
        history.setdefault(name, []).append(value)
    print(f"step {step}: " + ", ".join(f"{name} {values[-1]:.3f}" for name, values in history.items() if name not in ("step", "samples")), flush=True)


def unfinished(system, task, framework, seed):
    """Path of the file in which a run of a system of `gan` is kept while it lasts; git does not see it."""
    return runs.ROOT / "_build" / "unfinished" / f"gan-{system}-{task}-{framework}-seed{seed}.safetensors"


def novelty(generated, images):
    """How far generated images lie from the nearest training image, as a share of how far test images do.

    Args:
        generated: (N, H, W) in [0, 1].
        images: data.Labelled.

    Returns:
        float: near 1 for new images, near 0 for copies.
    """
    distances = [np.median(measure.nearest(some[:COMPARED], images.train_images)[1]) for some in (generated, images.test_images)]
    return float(distances[0] / distances[1])


def ship(weights, samples, generated, training, folder, task, seed):
    """Write the weights in half precision, the averaged generator in the generator's place, and the pictures.

    Args:
        weights: dict of name to array, with entries `averaged.`.
        samples: list of (12, H, W) uint8, one an epoch.
        generated: (N, H, W) in [0, 1].
        training: (M, H, W), the training images.
        folder: where to write.
        task, seed: of the run.
    """
    chosen = [*(epoch for epoch in DRAWN if epoch < len(samples)), len(samples)]
    save_half(weights, folder, spec.small, task, seed)
    draw_rows({f"epoch {epoch}": samples[epoch - 1] for epoch in chosen}, folder, task)
    draw_nearest(generated, training, folder, task)


def save_half(weights, folder, a, task, seed):
    """Write weights in half precision, the averaged generator in the generator's place, as `<task>.safetensors`.

    Args:
        weights: dict of name to array, with entries `averaged.`.
        folder: where to write; made if it is not there.
        a: the architecture.
        task, seed: of the run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: value.astype(np.float16) for name, value in spec.averaged_alone(weights).items()}
    runs.save_weights(half, folder / f"{task}.safetensors", architecture=asdict(a), trained_on=task, seed=seed)


def draw_rows(rows, folder, task):
    """Draw what was generated along a training, as `<task>-samples.png`: `rows` is a dict of label to images (12, H, W)."""
    from dlbook import show

    labels = [label if k == 0 else "" for label in rows for k in range(COLUMNS)]
    images = np.concatenate([row[:COLUMNS] for row in rows.values()])
    (folder / f"{task}-samples.png").write_bytes(show.png(show.grid(images, "Images from the same noise, as training goes on", labels, COLUMNS, 0.55)))


def draw_nearest(generated, training, folder, task):
    """Draw the first generated images (N, H, W) and of each the nearest of the training images (M, H, W), as `<task>-nearest.png`."""
    from dlbook import show

    generated = generated[:COLUMNS]
    indices, _ = measure.nearest(generated, training)
    labels = [text if k == 0 else "" for text in ("generated", "nearest") for k in range(len(generated))]
    images = np.concatenate([generated, training[indices]])
    (folder / f"{task}-nearest.png").write_bytes(show.png(show.grid(images, "Generated images and the nearest training image of each", labels, COLUMNS, 0.55)))
