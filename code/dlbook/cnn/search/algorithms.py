"""Two ways to search: at random, and by regularised evolution.

One framework serves for a search: a candidate is the same network in both, proved equal, and
what is below calls `evaluate(architecture)` and knows no framework at all.
"""
from collections import deque
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Search:
    """What a search has seen, in the order in which architectures were evaluated.

    Args:
        evaluate: function of an architecture -> its validation accuracy, or another
            score of which more is better.
        budget: how many different architectures it may evaluate; one seen before costs
            nothing.
        on_step: called as on_step(count, architecture, score) after each evaluation.
        scores: dict of each evaluated architecture to its score.
    """
    evaluate: object
    budget: int
    on_step: object = None
    scores: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.budget < 1:
            raise ValueError("a search may evaluate at least 1 architecture; "
                             f"got a budget of {self.budget}.")

    @property
    def open(self):
        """Whether something may still be evaluated."""
        return len(self.scores) < self.budget

    def score(self, architecture):
        """The score of an architecture, evaluated only once."""
        if architecture not in self.scores:
            self.scores[architecture] = self.evaluate(architecture)
            if self.on_step:
                self.on_step(len(self.scores), architecture, self.scores[architecture])
        return self.scores[architecture]

    @property
    def best(self):
        """The best architecture; of equal ones the first."""
        return max(self.scores, key=self.scores.get)

    @property
    def history(self):
        """Best score after each evaluated architecture: (evaluations,) array."""
        return np.maximum.accumulate(list(self.scores.values()))


def random_search(space, evaluate, budget, seed=0, on_step=None):
    """Evaluate architectures drawn at random, each once.

    Args:
        space: has `draw(rng)` and `cells()`.
        evaluate: function of an architecture -> score.
        budget: architectures to evaluate; the whole space where it has no more.
        seed: whole number.
        on_step: called as on_step(count, architecture, score).

    Returns:
        Search.
    """
    rng = np.random.default_rng(seed)
    search = Search(evaluate, _within(budget, space), on_step)
    while search.open:
        search.score(space.draw(rng))
    return search


def regularised_evolution(space, evaluate, budget, seed=0, on_step=None,
                          population=20, sample=5, cycles=10_000):
    """Evolve architectures: the best of a sample has a child, and the oldest dies.

    Args:
        space: has `draw(rng)`, `mutate(architecture, rng)` and `cells()`.
        evaluate: function of an architecture -> score.
        budget: architectures to evaluate; the whole space where it has no more.
        seed: whole number.
        on_step: called as on_step(count, architecture, score).
        population: architectures alive at a time.
        sample: of them that compete to have the next child.
        cycles: children at most: late in a search most have been seen before and cost
            nothing, so that a budget near the whole space may not be used up.

    Returns:
        Search.

    Raises:
        ValueError: a sample larger than the population, or empty.

    Source: Real et al. (2018), "Regularized evolution for image classifier
    architecture search", algorithm 1.
    Differs from the paper: an architecture seen before is not trained again.
    """
    if not 1 <= sample <= population:
        raise ValueError(f"a sample has 1 to {population} of the population; got {sample}.")
    rng = np.random.default_rng(seed)
    search = Search(evaluate, _within(budget, space), on_step)
    alive = deque()
    while search.open and len(alive) < population:
        alive.append(_scored(search, space.draw(rng)))
    for _ in range(cycles):
        if not search.open:
            break
        child = space.mutate(parent(alive, sample, rng), rng)
        alive.append(_scored(search, child))
        alive.popleft()  # the oldest dies, however good it is
    return search


def parent(alive, sample, rng):
    """The best of a random sample of the population.

    Args:
        alive: sequence of (architecture, score), the oldest first.
        sample: how many compete.
        rng: numpy.random.Generator.

    Returns:
        architecture.
    """
    # One may be drawn twice, as in the paper.
    chosen = rng.integers(len(alive), size=sample)
    return max((alive[i] for i in chosen), key=lambda pair: pair[1])[0]


def _scored(search, architecture):
    return architecture, search.score(architecture)


def _within(budget, space):
    return min(budget, len(space.cells()))
