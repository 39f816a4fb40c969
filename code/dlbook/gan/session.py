"""A training around its turns, the same for all systems and both twins: measured, watched, kept, and taken up again where it stopped."""
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from dlbook import runs
from dlbook.gan import training as game

WATCHED = 64  # images by which the variety is measured
SHOWN = 12  # of these, kept to be looked at
LEARNT = 0.5  # share of real images' variety from which on a generator must not fall back
COLLAPSED = 0.1  # images that differ less than this share of what real ones do are all the same to the eye


class Collapse(ArithmeticError):
    """The generator makes one image again and again."""


@dataclass(frozen=True)
class Player:
    """What a twin lends to a session.

    Args:
        framework: `keras` or `torch`.
        a: the architecture, a dataclass with a `latent_dim`.
        step: plays a turn and returns both losses.
        sample: noise (N, z) -> images (N, H, W) or (N, H, W, 3) in [0, 1].
        state: returns everything that the next turn depends on, a dict of name to array.
        restore: takes such a dict.
        before: called with the number of each turn, counted from 0, before it is played; None does nothing.
    """
    framework: str
    a: object
    step: object
    sample: object
    state: object
    restore: object
    before: object = None


def variety(images):
    """How much images differ: the mean squared distance of two of them.

    Args:
        images: (N, ...) in [0, 1].

    Returns:
        float: 0 when all are the same.
    """
    # E |x - y|^2 = 2 sum of the variances
    return 2 * float(np.var(np.asarray(images, np.float64), axis=0).sum())


def train(player, real, images, training, seed=0, on_step=None, on_measure=None, progress=True, path=None, collapsed=COLLAPSED):
    """Play a whole training; both twins' `fit` is this function.

    Args:
        player: Player.
        real: function of a turn, counted from 0, and indices (k, B) of images -> these as the twin's discriminator reads them, (k, B, ...).
        images: all N of them in [0, 1], an array whose first axis is N.
        training: GanTraining.
        seed, on_step, on_measure, progress, path, collapsed: as for the twins' `fit`.

    Returns:
        dict as the twins' `fit` has it.

    Raises:
        FloatingPointError, Collapse: the training failed; the last good weights are back.
    """
    session = _Session(player, images, training, seed, on_step, on_measure, path, collapsed)
    first = session.take_up()
    turns = _turns(player, real, len(images), training, seed, first)
    try:
        game.play(player.step, turns, training, session.after_step, session.measure, "the networks play, part", progress, first)
    except (FloatingPointError, Collapse) as error:
        player.restore(session.good)
        raise type(error)(f"{error} The weights of step {session.step} were put back.") from None
    return session.history


def _turns(player, real, n, training, seed, first):
    """What each turn is played with: (real, noise, mix)."""
    for step, batch in enumerate(game.batches(n, training, seed, first), first):
        if player.before:
            player.before(step)
        yield real(step, batch), *game.drawn(training, player.a.latent_dim, seed, step)


class _Session:
    """What is remembered of a training: its history, and the last state in which all was well."""

    def __init__(self, player, images, training, seed, on_step, on_measure, path, collapsed):
        self.player, self.training, self.on_step, self.on_measure, self.collapsed = player, training, on_step, on_measure, collapsed
        self.path = path and Path(path)
        self.about = {"framework": player.framework, "architecture": asdict(player.a), "training": asdict(training), "seed": seed}
        self.noise = game.shown(seed, (WATCHED, player.a.latent_dim))
        self.real_variety = variety(images[:1000])
        self.history = {"step": [], "discriminator": [], "generator": [], "variety": [], "samples": []}
        self.losses, self.step, self.good = [], 0, player.state()

    def after_step(self, step, *losses):
        self.losses.append(losses)
        if self.on_step:
            self.on_step(step, *losses)

    def measure(self, step):
        images = self.player.sample(self.noise)
        share = self._checked(variety(images) / self.real_variety, step)
        means = np.mean(self.losses, axis=0)
        values = {"step": step, "discriminator": means[0], "generator": means[1], "variety": share}
        for name, value in values.items():
            self.history[name].append(value if name == "step" else float(value))
        self.history["samples"].append(np.round(images[:SHOWN] * 255).astype(np.uint8))
        if self.on_measure:
            self.on_measure(step, self.history)
        self.losses, self.step, self.good = [], step, self.player.state()
        self._keep()

    def _checked(self, share, step):
        if not np.isfinite(share):
            raise FloatingPointError(f"the generated images are no longer numbers at step {step}: the training has diverged; "
                                     "take a smaller learning rate.")
        # At first every generator makes the same grey image, often for hundreds of steps.
        learnt = max(self.history["variety"], default=0) >= LEARNT or step == self.training.steps
        if learnt and share < self.collapsed:
            raise Collapse(f"the generator has collapsed at step {step}: its images differ by {share:.1%} of what real ones do; "
                           "take a smaller learning rate, another seed or another objective.")
        return share

    def _keep(self):
        if not self.path:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        numbers = {name: values for name, values in self.history.items() if name != "samples"}
        kept = self.good | {"samples": np.stack(self.history["samples"])}
        runs.save_weights(kept, self.path, **self.about, step=self.step, history=numbers)

    def take_up(self):
        """Go on from the file, if there is one; returns how many turns it has seen."""
        if not (self.path and self.path.is_file()):
            return 0
        about, state = runs.about(self.path), runs.load_weights(self.path)
        wanted = json.loads(json.dumps(self.about))
        for name, value in wanted.items():
            if about.get(name) != value:
                raise ValueError(f"{self.path} was kept by a training with {name} {about.get(name)}; this one has {value}. "
                                 "Delete it, or name another file.")
        self.history = about["history"] | {"samples": list(state.pop("samples"))}
        self.player.restore(state)
        self.step, self.good = about["step"], self.player.state()
        return self.step
