"""Small experiments that run live: sweeps over settings and seeds, and what gradients do layer by layer. For either framework."""
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from dlbook.cnn.blocks.convert import WEIGHTS
from dlbook.train.progress import Progress

SHORTCUT = "shortcut"  # the path beside the layers of a residual block


def thinned(images, step):
    """A set of images of which only every `step`-th pixel is kept, so that an experiment takes seconds.

    Args:
        images: data.Labelled.
        step: in pixels, both ways; 3 makes 10 x 10 out of 28 x 28.

    Returns:
        data.Labelled.

    Raises:
        ValueError: a step below 1, or so large that no picture is left.
    """
    side = images.train_images.shape[1]
    if not 1 <= step < side:
        raise ValueError(f"the step is from 1 to {side - 1} pixels for images of {side} x {side}; got {step}.")
    train, test = (part[:, ::step, ::step] for part in (images.train_images, images.test_images))
    source = f"{images.source}, then thinned to {train.shape[1]} x {train.shape[2]}"
    return replace(images, source=source, train_images=train, test_images=test)


def sweep(run, settings, seeds, label="experiment", at_once=1):
    """Run something for every setting and every seed, with a progress line.

    Args:
        run: called as run(setting, seed).
        settings: dict of name to setting; a name is a text or a number.
        seeds: whole numbers.
        label: what is being done, a few words.
        at_once: how many run side by side, each in a Python thread of its own with one thread of PyTorch. They must draw no
            numbers from a generator that they share: a PyTorch network with dropout does.

    Returns:
        dict of name to the list of what `run` returned, one entry a seed.

    Raises:
        ValueError: no settings or no seeds.
    """
    seeds = list(seeds)
    if not settings or not seeds:
        raise ValueError(f"a sweep needs a setting and a seed or more; got {len(settings)} settings and {len(seeds)} seeds.")
    results = {name: [] for name in settings}
    names, cases = zip(*[(name, (settings[name], seed)) for name in settings for seed in seeds])
    with Progress(len(cases), label) as bar:
        for name, (_, seed), result in zip(names, cases, _side_by_side(run, cases, at_once)):
            results[name].append(result)
            bar.step(f"{name}, seed {seed}")
    return results


def _side_by_side(run, cases, at_once):
    """What run(*case) returns for each case, in their order, one by one as they are done."""
    if at_once == 1:
        yield from (run(*case) for case in cases)
        return
    import torch

    # The number of threads belongs to the thread that sets it.
    with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(lambda case: run(*case), cases)


def trained(twin, build, a, images, training, seed):
    """Build a network, train it without a progress line of its own, and keep both.

    Args:
        twin: a system's `with_keras` or `with_torch`.
        build: name of the function in it that builds a network.
        a: architecture.
        images: data.Labelled.
        training: has `epochs`, `batch_size`, `learning_rate`, `epsilon`.
        seed: starting weights and order of the batches.

    Returns:
        (network, history as `twin.fit` returns it).
    """
    network = getattr(twin, build)(a, seed)
    return network, twin.fit(network, images, training, seed, progress=False)


def last(histories, name="accuracy"):
    """The value after the last epoch of every training in a sweep.

    Args:
        histories: dict of name to list of history.
        name: of a curve, for example `val_accuracy`.

    Returns:
        dict of name to list of floats, as `show.spread` takes it.
    """
    return {key: [history[name][-1] for history in several] for key, several in histories.items()}


def mean_and_range(values, digits=2):
    """Results of several seeds in words: `0.95 (0.93 to 0.98)`.

    Args:
        values: numbers.
        digits: behind the point.

    Returns:
        str: mean, smallest and largest.
    """
    return f"{np.mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def main_layers(rows):
    """Names of the layers with kernels on the main path, from the input on: what the papers count as depth.

    Args:
        rows: a network's table, list of Row.

    Returns:
        list of str.
    """
    return [row.name for row in rows if row.kind in WEIGHTS and row.kind != "norm" and row.branch != SHORTCUT]


def gradient_norms(gradients, names):
    """The size of each layer's gradient.

    Args:
        gradients: dict of weight name to array, in the exchange format.
        names: L layers.

    Returns:
        (L,) array: the square root of the sum of squares over the layer's kernel.
    """
    return np.array([np.linalg.norm(gradients[f"{name}.weight"]) for name in names])


def agreement(first, second, names):
    """How far two gradients point the same way, layer by layer.

    Args:
        first, second: dicts of weight name to array, in the exchange format.
        names: L layers.

    Returns:
        (L,) array of cosines: 1 the same way, 0 at right angles, -1 opposite ways.

    Raises:
        ValueError: a gradient is zero and points nowhere.
    """
    sizes = gradient_norms(first, names) * gradient_norms(second, names)
    if not sizes.all():
        raise ValueError(f"a gradient of zero has no direction: {names[int(np.argmin(sizes))]}.")
    return np.array([np.vdot(first[f"{name}.weight"], second[f"{name}.weight"]) for name in names]) / sizes


def first_gradients(twin, steps, build, a, images, labels, seed):
    """Gradients of fresh networks on two halves of a batch, in double precision.

    Args:
        twin: a system's `with_keras` or `with_torch`.
        steps: `parity.with_keras` or `parity.with_torch`, of the same framework.
        build: name of the function in `twin` that builds a network.
        a: architecture.
        images: (N, H, W) or (N, H, W, C) in [0, 1].
        labels: (N,) whole numbers.
        seed: starting weights, the same for both halves.

    Returns:
        two dicts of weight name to array, in the exchange format.
    """
    halves = np.array_split(np.asarray(images, np.float64), 2), np.array_split(np.asarray(labels), 2)
    found = []
    for some, right in zip(*halves):
        network = getattr(twin, build)(a, seed, dtype="float64")
        found.append(steps.sgd(network, twin.to_inputs(network, some), right, 1).gradients)
    return found
