"""The recorded comparison of painted films: how much each way flickers, and how well each picture still meets what was asked."""
import importlib
from dataclasses import asdict

import numpy as np

from dlbook import data
from dlbook.data.registry import fetch
from dlbook.style import images, optimise
from dlbook.style.fast.full import PAINTINGS
from dlbook.style.fast.spec import TRAINING
from dlbook.style.video import scene, spec, steady

TASKS = ("flicker",)


def run(framework, seed, folder, task):
    """Paint a short film in several ways with the real VGG19, and measure its flicker.

    Args:
        framework: `keras` or `torch`.
        seed: changes nothing here; every run has one.
        folder: nothing is written there.
        task: `flicker`.

    Returns:
        dict of `files`, `metrics` (`film`: flicker of the film itself; `own_start`: each picture painted step by step from itself;
        `temporal<weight>`: from the painting before, with this weight of the temporal loss; for each also `..._asked`, the mean of
        what Gatys' losses add up to, as a share of the film's own), `history` (none), `motion`, `settings`.
    """
    engine = importlib.import_module(f"dlbook.style.gatys.with_{framework}")
    film, name = made(spec.SHORT), PAINTINGS["two"][0]
    network, painting = engine.feature_network(), images.read(fetch(name), TRAINING["small"].style_size)
    objective_of = lambda frame: engine.objective(network, frame, painting, spec.SETTINGS)
    painted = ways(objective_of, film)
    asked = lambda frames: np.mean([sum(objective_of(own)(frame)[0].values()) for own, frame in zip(film.frames, frames)])
    metrics, own = {}, asked(film.frames)
    for way, frames in ({"film": film.frames} | painted).items():
        metrics |= {way: steady.flicker(frames, film.flow, film.visible), f"{way}_asked": float(asked(frames) / own)}
    return {"files": [name, "vgg19/vgg19_conv_notop.npz"], "metrics": metrics, "history": {}, "motion": asdict(spec.SHORT),
            "settings": asdict(spec.SETTINGS)}


def made(motion):
    """The course's scene: a cup of coffee, and before it a disc with a cat.

    Args:
        motion: scene.Motion.

    Returns:
        scene.Film.
    """
    return scene.film(data.photo(spec.GROUND, spec.SIZE), data.photo(spec.OTHER, spec.DISC), motion)


def ways(objective_of, film):
    """Paint a film step by step in each way.

    Args:
        objective_of: as for `steady.optimised`.
        film: scene.Film.

    Returns:
        dict of the way's name to (T, H, W, 3).
    """
    alone = lambda frame: optimise.optimise(objective_of(frame), frame, spec.SETTINGS, progress=False).image
    found = {"own_start": steady.frame_by_frame(alone, film)}
    return found | {f"temporal{weight:g}": steady.optimised(objective_of, film, spec.SETTINGS, weight, progress=False)
                    for weight in spec.TEMPORAL_WEIGHTS}
