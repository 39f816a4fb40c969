"""The recorded games on the plane: each kept at some of its moments, since no two processors play the same game."""
import importlib
from dataclasses import asdict

import numpy as np

from dlbook import runs
from dlbook.data.plane import ring, spirals
from dlbook.gan.plane import spec
from dlbook.show.plane import lattice

# Which settings are played for which density
GAMES = {name: (name, ring) for name in spec.TRAINING} | {"spirals": ("nonsaturating", spirals), "spirals-spectral": ("spectral", spirals)}
TASKS = tuple(GAMES)
SHIPPED = ("torch", 0)  # framework and seed of the games whose moments the course ships
KEPT = (25, 100, 200, 300, 450, 600, 800, 1000, 1250, 1500)  # turns
POINTS, CELLS, ARROWS = 400, 40, 13  # generated points; places along each side of the discriminator's field, and of the force


def run(framework, seed, folder, task):
    """Play a game for the ring of eight Gaussians, or for two spirals.

    Args:
        framework: `keras` or `torch`.
        seed: starting weights, points and noise.
        folder: where the moments of a shipped game are written.
        task: one of `TASKS`.

    Returns:
        dict of `files` (none), `metrics` and `history` (one value a measurement), `architecture` and `training`.
    """
    settings, density = GAMES[task]
    twin, plane, training = importlib.import_module(f"dlbook.gan.plane.with_{framework}"), density(), spec.TRAINING[settings]
    gan, kept = twin.plane_gan(spec.ARCHITECTURES[settings], seed), {}

    def keep(step, *_):
        if step in KEPT:
            kept[step] = moment(twin, gan, plane, training, seed)

    history = twin.fit(gan, plane, training, seed, on_step=keep)
    if (framework, seed) == SHIPPED:
        _write(kept, folder / f"{task}.safetensors", task, seed)
    measured = {name: history[name] for name in ("step", "modes", "good", "kl")}
    return {"files": (), "metrics": {name: values[-1] for name, values in measured.items() if name != "step"}, "history": measured,
            "architecture": asdict(spec.ARCHITECTURES[settings]), "training": asdict(training)}


def moment(twin, gan, plane, training, seed):
    """What there is to see of a game at a moment.

    Args:
        twin: module with `sample`, `field` and `force`.
        gan: what `plane_gan` returns.
        plane: data.plane.Plane.
        training: GanTraining.
        seed: of the noise.

    Returns:
        dict of `points` (400, 2), `field` (40 x 40,) and `force` (13 x 13, 2), as `show.plane.Scene` takes them.
    """
    return {"points": twin.sample(gan, POINTS, seed, training.average > 0), "field": twin.field(gan, lattice(plane.reach, CELLS)),
            "force": twin.force(gan, lattice(plane.reach, ARROWS), training.objective)}


def moments(task):
    """The moments of a recorded game.

    Args:
        task: one of `TASKS`.

    Returns:
        dict of turn to what `moment` returns.

    Raises:
        FileNotFoundError: none are shipped.
    """
    path = runs.checkpoint("gan/plane", task)
    stored = runs.load_weights(path)
    return {step: {name: values[k].astype(float) for name, values in stored.items()} for k, step in enumerate(runs.about(path)["turns"])}


def _write(kept, path, task, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("points", "field", "force")
    runs.save_weights({name: np.stack([one[name] for one in kept.values()]).astype(np.float16) for name in names}, path,
                      turns=list(kept), objective=spec.TRAINING[GAMES[task][0]].objective, seed=seed)
