"""The eight tests of a network that predicts the next symbol, for any pair of twins. A test file calls them with its own architectures."""
import inspect
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dlbook import profile

profile.setup()

from dlbook import data  # noqa: E402  (profile.setup comes first)
from dlbook.parity import compare  # noqa: E402
from dlbook.parity import with_keras as keras_steps  # noqa: E402
from dlbook.parity import with_torch as torch_steps  # noqa: E402
from dlbook.text.sampling import Sampling  # noqa: E402
from dlbook.train.windows import TextTraining  # noqa: E402

TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
WAYS = (Sampling(), Sampling(0.7), Sampling(1.3, top_k=4), Sampling(top_p=0.8))  # of choosing a symbol
SEEN = 1e-6  # a planted defect moves results by more than this, in float64


@dataclass(frozen=True)
class Pair:
    """A system: its modules and the name of the function that builds a network, `build(a, seed, weights, dtype)`."""
    spec: object
    with_keras: object
    with_torch: object
    build: str

    def keras(self, *words, **more):
        return getattr(self.with_keras, self.build)(*words, **more)

    def torch(self, *words, **more):
        return getattr(self.with_torch, self.build)(*words, **more)

    @property
    def twins(self):
        """(module, function that builds) of both twins."""
        return (self.with_keras, self.keras), (self.with_torch, self.torch)


def batch(a, B=3, T=8, seed=1):
    """Symbols (B, T + 1)."""
    return np.random.default_rng(seed).integers(0, a.symbols, (B, T + 1))


def perturbed(pair, a, seed=3):
    """Weights that are all away from 0 and 1, so that one that is forgotten or scaled wrongly is seen."""
    rng, weights = np.random.default_rng(seed), {}
    for name, shape in pair.spec.weight_shapes(a).items():
        scale = name.endswith(".weight") and len(shape) == 1  # of layer normalisation
        weights[name] = scale + 0.7 * rng.standard_normal(shape) / np.sqrt(shape[-1] if len(shape) > 1 else 4)
    return weights


def twins(pair, a, dtype="float64", seed=3):
    """Both twins with the same perturbed weights."""
    weights = perturbed(pair, a, seed)
    return pair.keras(a, weights=weights, dtype=dtype), pair.torch(a, weights=weights, dtype=dtype)


def letters(a):
    """As many symbols as an architecture has."""
    return data.Symbols(map(chr, range(ord("a"), ord("a") + a.symbols)))


def check_outputs(pair, a, dtypes=tuple(TOLERANCE), T=8):
    """Test 3: with copied weights the twins compute the same."""
    for dtype in dtypes:
        k, t = twins(pair, a, dtype)
        symbols = batch(a, T=T)[:, :-1]
        ours, theirs = keras_steps.text_logits(k, symbols), torch_steps.text_logits(t, symbols)
        assert ours.shape == (*symbols.shape, a.symbols) and str(ours.dtype) == str(theirs.dtype) == dtype
        assert compare.difference(ours, theirs) <= TOLERANCE[dtype], dtype
        for weights in (pair.with_keras.weights_of(k), pair.with_torch.weights_of(t)):
            assert compare.worst({n: w.astype(dtype) for n, w in perturbed(pair, a).items()}, weights)[1] == 0


def check_steps(pair, a, dtype, count=20, T=8):
    """Tests 4 and 5: the same gradients, and the same losses and weights after some steps of gradient descent."""
    k, t = steps(pair, *twins(pair, a, dtype), batch(a, T=T), count)
    assert len(k.losses) == count and k.losses[-1] < 0.995 * k.losses[0]
    assert k.gradients.keys() == pair.spec.weight_shapes(a).keys() and all(np.abs(g).max() > 0 for g in k.gradients.values())
    assert compare.difference(k.losses, t.losses) <= TOLERANCE[dtype]
    assert compare.worst(k.gradients, t.gradients)[1] <= TOLERANCE[dtype]
    assert compare.worst(k.weights, t.weights)[1] <= TOLERANCE[dtype]


def steps(pair, k, t, symbols, count):
    """Losses, first gradients and last weights of both twins."""
    return (keras_steps.text_sgd(k, symbols, count, pair.with_keras.exchange),
            torch_steps.text_sgd(t, symbols, count, pair.with_torch.exchange))


def check_overfits(pair, a, training, length=49):
    """Test 6: each twin learns a row of random symbols by heart, and writes it down, though it wrote something else before."""
    text = by_heart(a, length)
    known = text.symbols.decode(text.train)
    for twin, build in pair.twins:
        network = build(a, 0)
        write = lambda: twin.generate(network, text.symbols, known[0], length - 1, Sampling(temperature=0))
        assert write() != known[1:]
        history = twin.fit(network, text, training, progress=False)
        assert history["loss"][-1] < 0.05 and history["loss"][0] > 1.5, (twin.__name__, history["loss"][-1])
        assert write() == known[1:]


def by_heart(a, length):
    """A text whose one window is all there is to learn."""
    numbers = batch(a, 1, length - 1)[0]
    return data.Text("noise", "none", numbers, numbers, letters(a))


def check_names(pair):
    """Test 7: the same public names with the same signatures."""
    def public(module):
        return {name: inspect.signature(value) for name, value in vars(module).items()
                if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")}

    assert public(pair.with_keras) == public(pair.with_torch)
    assert {pair.build, "weights_of", "exchange", "fit", "measure", "generate", "load"} <= set(public(pair.with_keras))


def check_defect(pair, a, plant, outputs=True, count=3, T=8):
    """Test 8: a defect planted in the PyTorch twin is seen in outputs, gradients and steps.

    Args:
        pair: Pair.
        a: architecture.
        plant: function that spoils a PyTorch network in place.
        outputs: whether outputs and first gradients are spoilt too, or only what is learnt.
        count: steps.
        T: symbols a text.
    """
    symbols, t = batch(a, T=T), twins_torch(pair, a)
    plant(t)
    right, ours = _right(pair, a, count, T)
    assert (compare.difference(right, torch_steps.text_logits(t, symbols[:, :-1])) > SEEN) == outputs
    spoilt = torch_steps.text_sgd(t, symbols, count, pair.with_torch.exchange)
    known = lambda found: {name: found[name] for name in ours.weights}
    assert compare.worst(ours.gradients, known(spoilt.gradients))[1] > SEEN or not outputs
    assert compare.difference(ours.losses, spoilt.losses) > SEEN
    assert compare.worst(ours.weights, known(spoilt.weights))[1] > SEEN


def twins_torch(pair, a):
    return pair.torch(a, weights=perturbed(pair, a), dtype="float64")


@lru_cache
def _right(pair, a, count, T):
    """What the Keras twin computes; it is the same for all defects."""
    k, t = twins(pair, a)
    ours, theirs = steps(pair, k, t, batch(a, T=T), count)
    assert compare.worst(ours.weights, theirs.weights)[1] <= TOLERANCE["float64"]  # without a defect nothing is seen
    return keras_steps.text_logits(twins(pair, a)[0], batch(a, T=T)[:, :-1]), ours


def check_training(pair, a, window, epochs=2):
    """The `fit` of the chapters and of the recorded runs: same windows, same rates, same AdamW, step by step.

    Epsilon is tiny, since the two place it differently; and Keras keeps loss and rate in float32: about 1e-7 a step.
    """
    whole = data.language(2_000, 300)
    text = data.Text("part", "", whole.train[:700] % a.symbols, whole.validation[:200] % a.symbols, letters(a))
    training = TextTraining(epochs, 8, window, 2**-7, warmup=3, clip=0.5, decay=0.1, beta2=0.99, epsilon=1e-15, measured=window)
    histories, seen = [], []
    for twin, build in pair.twins:
        seen.append([])
        network = build(a, weights=perturbed(pair, a), dtype="float64")
        histories.append(twin.fit(network, text, training, seed=4, on_step=lambda _, loss: seen[-1].append(loss), progress=False))
    k, t = histories
    assert k.keys() == t.keys() == {"loss", "val_loss"} and all(len(values) == epochs for values in k.values())
    assert len(seen[0]) == len(seen[1]) > epochs and compare.difference(*seen) < 1e-5
    assert all(compare.difference(k[name], t[name]) < 1e-5 for name in k)
    assert t["loss"][-1] < t["loss"][0]


def check_same_text(pair, a, dtype, seeds, length=40, prompt="abc", options=({},)):
    """Keras and PyTorch write the same text from the same weights, with any options of `generate`; each seed its own; only known symbols."""
    symbols, written = letters(a), []
    for twin, network in zip((pair.with_keras, pair.with_torch), twins(pair, a, dtype)):
        for more in options:
            written.append([twin.generate(network, symbols, prompt, length, WAYS[seed % len(WAYS)], seed, **more) for seed in seeds])
    assert all(texts == written[0] for texts in written)
    assert all(len(text) == length and set(text) <= set(symbols.characters) for text in written[0])
    assert len(set(written[0])) == len(seeds)
