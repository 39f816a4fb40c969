"""The full run of the style-based GAN on MNIST, measured along the way; at its end also with truncated styles, and along paths."""
import importlib
from dataclasses import asdict

import numpy as np

from dlbook import data, runs
from dlbook.cnn.blocks.table import totals
from dlbook.gan import measure, session
from dlbook.gan import training as game
from dlbook.gan.dcgan import full as record
from dlbook.gan.style_based import paths, spec

TASKS = ("mnist",)
SHIPPED = (("mnist", "torch", 0),)  # task, framework and seed of the runs whose weights the course ships; both twins load them
ALONG, LAST = 2000, 10_000  # images measured along the way, and at the end
PSIS = (1.0, 0.7, 0.5)  # how far the styles keep from their mean, at the end
PATHS = 2000  # pairs of points between which paths are measured
DRAWN = (1, 2, 4, 8, 16)  # measurements after which images are drawn; so they are after the last


def run(framework, seed, folder, task):
    """Train on MNIST and measure 10,000 generated images against its test images.

    Args:
        framework: `keras` or `torch`.
        seed: starting weights, order of the images, noise.
        folder: where the shipped weights and the pictures are written.
        task: `mnist`.

    Returns:
        dict of `files`, `metrics` (with `path_z` and `path_w`, see `paths.path_length`), `history` (one value a measurement),
        `truncation` (a dict for each of PSIS: `psi` and all measures of `measure.quality`), `architecture`, `training`, `reference` (the
        same measures of training images), `parameters`, and, where an interrupted run was taken up again, `resumed`: the step from
        which the record's `seconds` counts.
    """
    twin = importlib.import_module(f"dlbook.gan.style_based.with_{framework}")
    see = importlib.import_module(f"dlbook.gan.measure_with_{framework}").see
    images, path = data.digits("full"), record.unfinished("style_based", task, framework, seed)
    resumed = runs.about(path)["step"] if path.is_file() else 0
    gan, real = twin.style_gan(spec.small, seed), see(images.test_images[:LAST])
    some = real.first(ALONG)
    history = twin.fit(gan, images.train_images, spec.TRAINING["small"], seed, path=path, collapsed=session.COLLAPSED,
                       on_measure=lambda step, history: record.note(step, history, measure.quality(see(digits(twin, gan, ALONG, seed)), some)))
    samples = history.pop("samples")
    generated = digits(twin, gan, LAST, seed)
    if (task, framework, seed) in SHIPPED:
        ship(twin.weights_of(gan), samples, generated, images.train_images, folder, task, seed)
    truncation = [{"psi": psi} | measure.quality(see(digits(twin, gan, LAST, seed, psi)), real) for psi in PSIS]
    metrics = {name: value for name, value in truncation[0].items() if name != "psi"}
    metrics |= {"nearest": record.novelty(generated, images)} | lengths(twin, gan, see, seed)
    path.unlink()
    return {
        "files": images.files, "metrics": metrics, "history": history, "truncation": truncation, "architecture": asdict(spec.small),
        "training": asdict(spec.TRAINING["small"]), "reference": measure.quality(see(images.train_images[:LAST]), real),
        "parameters": {name: totals(table(spec.small)).parameters for name, table in spec.TABLES.items()},
    } | ({"resumed": resumed} if resumed else {})


def digits(twin, gan, n, seed, psi=1.0):
    """Generated digits (n, 28, 28), without the frame; the arguments are those of the twins' `sample`."""
    return spec.without_frame(twin.sample(gan, n, seed, psi=psi))


def lengths(twin, gan, see, seed, pairs=None):
    """Length of paths among latent numbers, which lie around a sphere, and among styles, with the same noise in all images.

    Args:
        twin: the module `with_keras` or `with_torch`.
        gan: its StyleGAN.
        see: what the digit network sees, `measure_with_keras.see` or `measure_with_torch.see`.
        seed: of the pairs and the noise.
        pairs: how many; None takes PATHS.

    Returns:
        dict of `path_z` and `path_w`: floats.
    """
    pairs = pairs or PATHS
    numbers = game.shown(seed, (2 * pairs, gan.a.latents))
    noise = np.random.default_rng(seed).standard_normal((1, gan.a.pixels))
    seen = lambda w: see(spec.without_frame(twin.synthesise(gan, w, noise))).features
    z, w = (np.split(points, 2) for points in (numbers, twin.styles(gan, numbers)))
    return {"path_z": paths.path_length(lambda z: seen(twin.styles(gan, z)), *z, paths.along_sphere, seed),
            "path_w": paths.path_length(seen, *w, paths.straight, seed)}


def ship(weights, samples, generated, training, folder, task, seed):
    """Write the weights in half precision, the averaged generator in the generator's place, and the pictures.

    Args:
        weights: dict of name to array, with entries `averaged.`.
        samples: list of (12, 32, 32) uint8, one a measurement.
        generated: (N, 28, 28) in [0, 1].
        training: (M, 28, 28), the training images.
        folder: where to write.
        task, seed: of the run.
    """
    every = spec.TRAINING["small"].measured
    chosen = [*(k for k in DRAWN if k < len(samples)), len(samples)]
    record.save_half(weights, folder, spec.small, task, seed)
    record.draw_rows({f"turn {min(k * every, spec.TRAINING['small'].steps):,}": samples[k - 1] for k in chosen}, folder, task)
    record.draw_nearest(generated, training, folder, task)
