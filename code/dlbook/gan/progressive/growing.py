"""Two networks that grow while a session plays their game, in NumPy: what both twins' `fit` have in common."""
import numpy as np

from dlbook.gan import session
from dlbook.gan.progressive import spec


class Grower:
    """Keeps a GAN at the resolution of its turn.

    Args:
        gan: with a `growth`, changed in place.
        training: spec.Growing.
        twin: the module `with_keras` or `with_torch`.
        objectives: that of the objectives in the same framework.
    """

    def __init__(self, gan, training, twin, objectives):
        self.gan, self.training, self.twin, self.objectives = gan, training, twin, objectives
        self._at(*training.schedule.at(0))

    def _at(self, side, alpha):
        self.twin.grow(self.gan, side, alpha)
        self.optimizers = self.objectives.adams(self.gan, self.training)
        self.step = self.objectives.stepper(self.gan, self.training, self.optimizers)
        self.side = side

    def before(self, step):
        """Grow, or fade in a little more, if turn `step` asks for it."""
        side, alpha = self.training.schedule.at(step)
        if side == self.side:
            self.gan.growth.set(side, alpha)
        else:
            self._at(side, alpha)

    def play(self, *arrays):
        """A turn of the game; returns both losses."""
        return self.step(*arrays)

    def state(self):
        """Everything that the next turn depends on: dict of name to array."""
        growth = {"side": np.array(self.side), "alpha": np.array(float(self.gan.growth.alpha))}
        return self.twin.weights_of(self.gan) | self.objectives.moments_of(self.optimizers) | growth

    def restore(self, state):
        """Go back to a state, as `state` returned it."""
        self._at(int(state["side"]), float(state["alpha"]))
        self.twin.put_back(self.gan, {name: value for name, value in state.items() if "." in name and ".adam." not in name})
        self.objectives.put_moments(self.optimizers, state)

    def train(self, framework, inputs, images, seed, *more):
        """Play the whole game: `inputs` are the images (N, S, S, C) in [-1, 1], `more` what `session.train` takes behind the seed."""
        def real(step, batch):
            seen = spec.seen_at(inputs[batch], *self.training.schedule.at(step))
            return np.moveaxis(seen, -1, -3) if framework == "torch" else seen

        player = session.Player(framework, self.gan.a, self.play, lambda noise: self.twin.draw(self.gan, noise), self.state, self.restore, self.before)
        return session.train(player, real, images, self.training, seed, *more)
