"""The full runs of progressive growing on MNIST: the same networks grown, and trained whole from the start in the same time."""
import importlib
import time
from dataclasses import asdict

from dlbook import data, runs
from dlbook.cnn.blocks.table import totals
from dlbook.gan import measure, session
from dlbook.gan.dcgan import full as record
from dlbook.gan.progressive import spec

TASKS = ("grown", "whole")
SHIPPED = (("grown", "torch", 0),)  # task, framework and seed of the runs whose weights the course ships; both twins load them
ALONG, LAST = 2000, 10_000  # images measured along the way, and at the end


def run(framework, seed, folder, task):
    """Train on MNIST and measure 10,000 generated images against its test images.

    Args:
        framework: `keras` or `torch`.
        seed: starting weights, order of the images, noise.
        folder: where the shipped weights and the pictures are written.
        task: `grown` through all resolutions, or `whole` at the finest one from the start, for about as long.

    Returns:
        dict of `files`, `metrics`, `history` (one value a measurement: all measures of `measure.quality`, of images that are enlarged
        to full size before the networks have grown to it; `side`, of the images; `seconds` of the processor, without those of
        measuring), `architecture`, `training`, `reference` (the same measures of training images), `parameters`, and, where an
        interrupted run was taken up again, `resumed`: the step from which the record's own `seconds` counts.
    """
    twin = importlib.import_module(f"dlbook.gan.progressive.with_{framework}")
    see = importlib.import_module(f"dlbook.gan.measure_with_{framework}").see
    images, path = data.digits("full"), record.unfinished("progressive", task, framework, seed)
    resumed = runs.about(path)["step"] if path.is_file() else 0
    gan, real = twin.progressive(spec.small, seed), see(images.test_images[:LAST])
    training = spec.TRAINING[task]
    watch = _Watch(gan, lambda: see(spec.without_frame(twin.sample(gan, ALONG, seed))), real.first(ALONG))
    history = twin.fit(gan, images.train_images, training, seed, on_measure=watch, path=path, collapsed=session.COLLAPSED)
    samples = history.pop("samples")
    generated = spec.without_frame(twin.sample(gan, LAST, seed))
    if (task, framework, seed) in SHIPPED:
        record.save_half(twin.weights_of(gan), folder, spec.small, task, seed)
        record.draw_rows(rows(samples, history["side"]), folder, task)
        record.draw_nearest(generated, images.train_images, folder, task)
    metrics = measure.quality(see(generated), real) | {"nearest": record.novelty(generated, images)}
    path.unlink()
    return {
        "files": images.files, "metrics": metrics, "history": history, "architecture": asdict(spec.small), "training": asdict(training),
        "reference": measure.quality(see(images.train_images[:LAST]), real),
        "parameters": {name: totals(table(spec.small)).parameters for name, table in spec.TABLES.items()},
    } | ({"resumed": resumed} if resumed else {})


class _Watch:
    """Adds side, seconds and measures to a history, each time it is called; the clock stands still meanwhile."""

    def __init__(self, gan, generated, real):
        self.gan, self.generated, self.real, self.started = gan, generated, real, time.process_time()

    def __call__(self, step, history):
        before = history["seconds"][-1] if "seconds" in history else 0.0
        found = {"side": self.gan.growth.side, "seconds": round(before + time.process_time() - self.started, 1)}
        found |= measure.quality(self.generated(), self.real)
        for name, value in found.items():
            history.setdefault(name, []).append(value)
        print(f"step {step}: " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()), flush=True)
        self.started = time.process_time()


def rows(samples, sides):
    """The images to draw: the last of each size, and of the finest one also the first and those half-way.

    Args:
        samples: list of (12, H, W), one a measurement.
        sides: of the images at each measurement.

    Returns:
        dict of label to (12, H, W), in the order of the training.
    """
    chosen = {f"{side} x {side}": k for k, side in enumerate(sides) if side != sides[-1]}  # the last of each size
    finest = [k for k, side in enumerate(sides) if side == sides[-1]]
    for name, k in (("begins", finest[0]), ("half-way", finest[len(finest) // 2]), ("ends", finest[-1])):
        chosen[f"{sides[k]} x {sides[k]} {name}"] = k
    return {label: samples[k] for label, k in chosen.items()}
