"""The full run of the painting network: two styles, learnt from photos of cats and dogs, and measured against painting step by step."""
import importlib
import time
from dataclasses import asdict, replace

import numpy as np

from dlbook import data, runs
from dlbook.cnn.blocks.table import totals
from dlbook.data.pets import FILE as PETS
from dlbook.data.photos import centre
from dlbook.data.registry import fetch
from dlbook.style import images, optimise
from dlbook.style.fast import spec

TASKS = ("two",)
SHIPPED = (("two", "torch", 0),)  # task, framework and seed of the runs whose weights the course ships; both twins load them
PAINTINGS = {"two": ("style_images/starry_night.jpg", "style_images/the_scream.jpg")}
HELD_OUT = 8  # photos, of the set's own test split, by which the network is measured
LADDER = (0, 5, 10, 20, 50, 100)  # steps of L-BFGS after which a picture painted step by step is compared
COMPARED = 3  # photos painted step by step, in each style
LARGE = 512  # pixels; side of the picture that is timed
REPEATS = 5  # of which the fastest counts


def run(framework, seed, folder, task):
    """Train on photos, and measure on others how far one pass comes.

    Args:
        framework: `keras` or `torch`.
        seed: starting weights, order of the photos.
        folder: where the shipped weights are written.
        task: one of `TASKS`.

    Returns:
        dict of `files`, `metrics` (weighted losses of held-out photos: `content`, `style`, `variation`, `total`; the same of the
        photos themselves with `photo_` before them, and of pictures painted step by step with `steps<number>_`, these for the first
        `COMPARED` photos, for which `compared_` is the network's; `pass_per_step`: time of one pass divided by that of a step of
        L-BFGS, both at `LARGE` pixels),
        `history` (one value a measurement; `held_out_...` are those of the held-out photos), `architecture`, `training`, `parameters`
        and, where an interrupted run was taken up again, `resumed`: the step from which the record's `seconds` counts.
    """
    twin = importlib.import_module(f"dlbook.style.fast.with_{framework}")
    engine = importlib.import_module(f"dlbook.style.gatys.with_{framework}")
    settings, features = spec.TRAINING["small"], engine.feature_network()
    paintings = [images.read(fetch(name), settings.style_size) for name in PAINTINGS[task]]
    photos, held_out = (pets(split, settings.side) for split in ("trainval", "test"))
    held_out, path = held_out[:HELD_OUT].astype(np.float32) / 255, unfinished(task, framework, seed)
    resumed = runs.about(path)["step"] if path.is_file() else 0
    network = twin.painting_network(spec.small, seed)
    judges = [[engine.objective(features, photo, painting, settings.settings) for photo in held_out] for painting in paintings]
    history = twin.train(network, features, paintings, photos, settings, seed, path=path,
                         on_measure=lambda step, history: note(step, history, measure(twin, network, judges, held_out)))
    if (task, framework, seed) in SHIPPED:
        ship(twin, network, folder, task, seed)
    metrics = measure(twin, network, judges, held_out) | by_steps(twin, network, judges, held_out, settings.settings)
    metrics |= {f"photo_{name}": value for name, value in _mean([judge(photo)[0] for row in judges for judge, photo in zip(row, held_out)]).items()}
    metrics["pass_per_step"] = timed(twin, engine, network, features, paintings, settings.settings)
    path.unlink()
    return {
        "files": [*PAINTINGS[task], PETS, "vgg19/vgg19_conv_notop.npz"], "metrics": metrics, "history": history,
        "architecture": asdict(spec.small), "training": asdict(settings),
        "parameters": totals(spec.table(spec.small, (settings.side,) * 2)).parameters,
    } | ({"resumed": resumed} if resumed else {})


def unfinished(task, framework, seed):
    """Path of the file in which a run is kept while it lasts; git does not see it."""
    return runs.ROOT / "_build" / "unfinished" / f"style-fast-{task}-{framework}-seed{seed}.safetensors"


def pets(split, side):
    """The squares in the middle of photos of cats and dogs.

    Args:
        split: `trainval` or `test`, the data set's own.
        side: of the squares, pixels.

    Returns:
        (P, side, side, 3) uint8, in the order of a shuffle that is always the same.

    Raises:
        DataError: the photos are not on this machine.
    """
    stored = data.pets("full")
    chosen = np.flatnonzero(stored.test == (split == "test"))
    chosen = chosen[np.random.default_rng(0).permutation(len(chosen))]
    squares = (centre(stored.images[k].astype(np.float32) / 255, side) for k in chosen)
    return np.stack([np.round(square * 255).astype(np.uint8) for square in squares])


def note(step, history, found):
    """Add measures of held-out photos to a history, and print them: `found` is a dict of name to number."""
    for name, value in found.items():
        history.setdefault(f"held_out_{name}", []).append(value)
    print(f"step {step}: " + ", ".join(f"{name} {values[-1]:.4g}" for name, values in history.items() if name != "step"), flush=True)


def measure(twin, network, judges, photos):
    """The network's mean losses.

    Args:
        twin: `style.fast.with_torch` or `with_keras`.
        network: its PaintingNetwork.
        judges: for each style a list of objectives, one a photo, as `gatys.with_torch.objective` makes them.
        photos: (N, S, S, 3) in [0, 1].

    Returns:
        dict of `content`, `style`, `variation` and `total`.
    """
    return _mean([judge(picture)[0] for number, row in enumerate(judges)
                  for judge, picture in zip(row, twin.stylize(network, photos, number))])


def _mean(found):
    """Means of dicts of losses, and of their sums: `total`."""
    means = {name: float(np.mean([losses[name] for losses in found])) for name in found[0]}
    return means | {"total": sum(means.values())}


def by_steps(twin, network, judges, photos, settings):
    """How far L-BFGS comes on the first `COMPARED` photos, from the photo itself, with the same losses.

    Args:
        twin, network, judges, photos: as for `measure`.
        settings: style.gatys.spec.Settings.

    Returns:
        dict of `steps<number>_<loss>` for each of `LADDER`, and `compared_<loss>` for the network on the same photos.
    """
    some = [row[:COMPARED] for row in judges]
    asked = replace(settings, steps=max(LADDER))
    histories = [optimise.optimise(judge, photo, asked, progress=False).history for row in some for judge, photo in zip(row, photos)]
    found = {f"compared_{name}": value for name, value in measure(twin, network, some, photos[:COMPARED]).items()}
    for steps in LADDER:
        # A search that finds nothing smaller stops early: its last value stands.
        at = [{name: values[min(steps, len(values) - 1)] for name, values in history.items()} for history in histories]
        found |= {f"steps{steps}_{name}": value for name, value in _mean(at).items()}
    return found


def timed(twin, engine, network, features, paintings, settings):
    """Time of one pass of the network divided by that of one step of painting by L-BFGS, at `LARGE` pixels.

    A step is one evaluation of the losses and their gradient; L-BFGS seldom needs a second one.
    """
    photo = np.random.default_rng(0).random((LARGE, LARGE, 3)).astype(np.float32)
    objective = engine.objective(features, photo, paintings[0], settings)
    one = _fastest(lambda: twin.stylize(network, photo))
    return one / _fastest(lambda: objective(photo))


def _fastest(work):
    work()  # the first call prepares
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def ship(twin, network, folder, task, seed):
    """Write the weights in half precision as `<task>.safetensors`.

    Args:
        twin, network: as for `measure`.
        folder: where to write; made if it is not there.
        task, seed: of the run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: value.astype(np.float16) for name, value in twin.weights_of(network).items()}
    runs.save_weights(half, folder / f"{task}.safetensors", architecture=asdict(network.a), trained_on=task, seed=seed)
