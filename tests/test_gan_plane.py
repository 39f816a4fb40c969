"""The adversarial network on the plane: counts, equal twins step by step, fields and forces, measures known exactly, collapse and its remedies."""
import functools
import inspect
from dataclasses import replace

import numpy as np
import pytest

from dlbook import profile

profile.setup()

import tensorflow as tf  # noqa: E402  (profile.setup comes first)
import torch  # noqa: E402

from dlbook.data import plane  # noqa: E402
from dlbook.gan.objectives import spec as objectives  # noqa: E402
from dlbook.gan.objectives import with_keras as keras_steps  # noqa: E402
from dlbook.gan.objectives import with_torch as torch_steps  # noqa: E402
from dlbook.gan.plane import full, measures, spec, turns, with_keras, with_torch  # noqa: E402
from dlbook.gan.training import GanTraining  # noqa: E402
from dlbook.parity import compare, layout  # noqa: E402

TWINS = {"keras": with_keras, "torch": with_torch}
STEPPERS = {"keras": keras_steps.stepper, "torch": torch_steps.stepper}
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
RING = plane.ring()
SMALL = {"plain": spec.Architecture(latent_dim=3, units=12), "spectral": spec.Architecture(latent_dim=3, units=12, layers=3, spectral=True)}
# Keras' Adam takes its settings through float32, which holds sums of few powers of two exactly; and the frameworks place epsilon differently.
GAME = GanTraining(steps=3, batch_size=16, learning_rate=2**-8, beta2=1 - 2**-10, epsilon=1e-30, average=0.75)
GAMES = {"minimax": replace(GAME, objective="minimax"), "nonsaturating": GAME,
         "wasserstein": replace(GAME, objective="wasserstein", penalty=2.0, discriminator_steps=2, beta1=0.0, beta2=0.875)}
POINTS = np.random.default_rng(5).normal(0, 2, (30, 2))


def twins(a, dtype="float64", seed=3):
    return {name: twin.plane_gan(a, seed, dtype=dtype) for name, twin in TWINS.items()}


# ---------------------------------------------------------------- the networks

@pytest.mark.parametrize("which", TWINS)
def test_parameters_are_counted_by_arithmetic(which):
    a = spec.Architecture(latent_dim=16, units=64, layers=2)
    want = {"generator": 17 * 64 + 65 * 64 + 65 * 2, "discriminator": 3 * 64 + 65 * 64 + 65 * 1}
    for spectral in (False, True):
        weights = TWINS[which].weights_of(TWINS[which].plane_gan(replace(a, spectral=spectral)))
        learnt = {name: w.size for name, w in weights.items() if not name.endswith(".direction")}
        assert {key: sum(size for name, size in learnt.items() if name.startswith(key)) for key in want} == want == spec.total(a)
        assert {name: w.shape for name, w in weights.items()} == spec.weight_shapes(replace(a, spectral=spectral))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("a", SMALL)
def test_points_fields_and_forces_agree(a, dtype):
    gans = twins(SMALL[a], dtype)
    k, t = ([twin.sample(gans[name], 20, 1), twin.field(gans[name], POINTS), *(twin.force(gans[name], POINTS, o) for o in objectives.OBJECTIVES)]
            for name, twin in TWINS.items())
    assert [part.shape for part in k] == [(20, 2), (30,), (30, 2), (30, 2), (30, 2)] and k[0].dtype == t[0].dtype == dtype
    assert all(compare.difference(one, other) <= TOLERANCE[dtype] for one, other in zip(k, t))


@pytest.mark.parametrize("which", TWINS)
@pytest.mark.parametrize("objective", objectives.OBJECTIVES)
def test_the_force_is_minus_the_slope_of_the_loss(objective, which):
    """Against differences of the loss at neighbouring points, computed from the field alone."""
    gan, h = TWINS[which].plane_gan(SMALL["plain"], dtype="float64"), 1e-6
    loss = {"minimax": lambda d: -np.logaddexp(0, d), "nonsaturating": lambda d: np.logaddexp(0, -d), "wasserstein": lambda d: -d}[objective]
    slopes = [(loss(TWINS[which].field(gan, POINTS + s)) - loss(TWINS[which].field(gan, POINTS - s))) / (2 * h) for s in ([h, 0], [0, h])]
    assert np.allclose(TWINS[which].force(gan, POINTS, objective), -np.stack(slopes, 1), atol=1e-7)


@pytest.mark.parametrize("which", TWINS)
def test_a_spectral_layer_stretches_nothing(which):
    """After some turns of power iteration the weights are divided by their largest singular value, as NumPy finds it."""
    a = SMALL["spectral"]
    gan = TWINS[which].plane_gan(a, dtype="float64")
    x = np.random.default_rng(0).normal(size=(7, 2))
    answer = tf.function(lambda: gan.discriminator(tf.constant(x), training=True)) if which == "keras" else (
        lambda: gan.train().discriminator(torch.tensor(x)).detach())
    for _ in range(300):
        judge = answer()
    weights = TWINS[which].weights_of(gan)
    want = x
    for name in ("dense1", "dense2", "dense3", "logit"):
        w = weights[f"discriminator_{name}.weight"]
        want = want @ (w / np.linalg.norm(w, 2)).T + weights[f"discriminator_{name}.bias"]
        want = want if name == "logit" else np.maximum(want, 0)
    assert compare.difference(want, np.asarray(judge)) < 1e-6
    slopes = TWINS[which].force(gan, POINTS, "wasserstein")
    assert np.hypot(*slopes.T).max() <= 1 + 1e-6


# ---------------------------------------------------------------- the turns

@functools.cache
def played(which, game, a, count, plant=None):
    """Losses of all turns, the weights after the last, and the averaged generator's."""
    gan = twins(a)[which]
    if plant:
        plant(gan)
    step, losses = STEPPERS[which](gan, game), []
    for turn in list(turns.turns(RING, a, game, seed=2))[:count]:
        losses += step(*turn)
    return losses, TWINS[which].weights_of(gan), averages(which, gan)


def averages(which, gan):
    return layout.from_keras(gan.averaged) if which == "keras" else {
        f"generator_{name}": value.numpy() for name, value in gan.averaged.state_dict().items()}


@pytest.mark.parametrize("game, a", [("minimax", "plain"), ("nonsaturating", "spectral"), ("wasserstein", "plain")])
def test_a_full_turn_agrees(game, a):
    """Both losses, all weights after both updates, the directions of the spectral norms, and the averaged generator."""
    (k_losses, k, k_mean), (t_losses, t, t_mean) = (played(which, GAMES[game], SMALL[a], 3) for which in TWINS)
    assert len(k_losses) == 6 and compare.difference(k_losses, t_losses) <= 1e-12
    assert compare.worst(k, t)[1] <= 1e-12 and compare.worst(k_mean, t_mean)[1] <= 1e-12
    start = spec.draw(SMALL[a], 3)
    # A direction among one number is 1 for ever; and a height has no zero level, so that the Wasserstein loss has no use for the last bias.
    fixed = {"discriminator_logit.direction"} | ({"discriminator_logit.bias"} if game == "wasserstein" else set())
    assert {name for name in start if (k[name] == start[name]).all()} <= fixed


def gradients(which, game, a):
    """Gradients of the discriminator's and of the generator's loss in a first turn, in the exchange format."""
    gan = twins(a)[which]
    real, noise, mix = next(turns.turns(RING, a, game, seed=2))
    taken = {}
    if which == "torch":
        class Keep:
            def __init__(self, network):
                self.param_groups, self.network = [{"params": list(network.parameters())}], network

            def step(self):
                for name, p in gan.named_parameters():
                    if any(p is mine for mine in self.param_groups[0]["params"]):
                        taken[layout.flat(name)] = p.grad.numpy().copy()
        gan.train()
        torch_steps.alternate(gan, (Keep(gan.discriminator), Keep(gan.generator)), game, *map(torch.tensor, (real, noise, mix)))
    else:
        class Keep:
            def __init__(self, network):
                self.network = network

            def apply(self, slopes, weights):
                known = {id(w): g.numpy() for g, w in zip(slopes, weights)}
                values = [known.get(id(w), np.zeros(w.shape)) for w in self.network.weights]
                taken.update({name: g for name, g in layout.from_keras(self.network, values).items() if not name.endswith(".direction")})
        keras_steps.alternate(gan, (Keep(gan.discriminator), Keep(gan.generator)), game, *map(tf.constant, (real, noise, mix)))
    return taken


@pytest.mark.parametrize("a", SMALL)
@pytest.mark.parametrize("game", GAMES)
def test_both_sets_of_gradients_agree(game, a):
    k, t = (gradients(which, GAMES[game], SMALL[a]) for which in TWINS)
    learnt = {name for name in spec.weight_shapes(SMALL[a]) if not name.endswith(".direction")}
    assert set(t) == learnt and all(np.abs(g).max() > 0 for name, g in t.items() if game != "wasserstein" or name != "discriminator_logit.bias")
    assert all(np.abs(k[name] - t[name]).max() <= 1e-12 * max(np.abs(t[name]).max(), 1e-2) for name in learnt)


def defect_activation(gan):
    """The first ReLU of the discriminator is left out."""
    gan.discriminator.dense1_relu = torch.nn.Identity()


def defect_training(gan):
    """A spectral norm that is never followed."""
    gan.discriminator.eval().train = lambda mode=True: gan.discriminator


@pytest.mark.parametrize("plant", [defect_activation, defect_training], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    a = SMALL["spectral"]
    k_losses, k, _ = played("keras", GAME, a, 3)
    t_losses, t, _ = played("torch", GAME, a, 3, plant)
    assert compare.difference(k_losses, t_losses) > 1e-6 and compare.worst(k, t)[1] > 1e-6


@pytest.mark.parametrize("which", TWINS)
def test_each_update_moves_one_network(which):
    """The generator's loss runs through the discriminator, and leaves it as it is."""
    gan = twins(SMALL["plain"])[which]
    steps = {"keras": keras_steps, "torch": torch_steps}[which]
    real, noise, mix = next(turns.turns(RING, gan.a, GAME, seed=0))
    real, noise, mix = (tf.constant(a[0]) if which == "keras" else torch.tensor(a[0]) for a in (real, noise, mix))
    adams = steps.adams(gan, GAME)
    with tf.GradientTape() as tape:
        fake = gan.generator(noise)
    taped = [tape] if which == "keras" else []
    for network, move in (("discriminator", lambda: steps.discriminator_step(gan, adams[0], GAME, real, fake, mix)),
                          ("generator", lambda: steps.generator_step(gan, adams[1], GAME, fake, *taped))):
        before = TWINS[which].weights_of(gan)
        move()
        after = TWINS[which].weights_of(gan)
        assert all((before[name] != after[name]).any() == name.startswith(network) for name in before)


@pytest.mark.parametrize("which", TWINS)
def test_a_generator_learns_one_place(which):
    """All real points at one place: the generator finds it."""
    point = plane.Plane("a point", [[1.0, -0.5]], 0.01)
    gan = TWINS[which].plane_gan(replace(SMALL["plain"], units=32))
    before = np.abs(TWINS[which].sample(gan, 500) - [1.0, -0.5]).mean()
    TWINS[which].fit(gan, point, GanTraining(steps=400, batch_size=64, learning_rate=4e-3, beta1=0.0, beta2=0.9, objective="wasserstein", penalty=1.0),
                     progress=False)
    assert np.abs(TWINS[which].sample(gan, 500) - [1.0, -0.5]).mean() < 0.3 < 0.6 < before


@pytest.mark.parametrize("name", ["spectral", "wasserstein"])
def test_the_twins_train_alike(name):
    """Thirty turns of the chapter's games, with settings that Keras holds exactly: no difference but rounding, which a game makes grow."""
    how = replace(spec.TRAINING[name], steps=30, measured=15, learning_rate=2**-8, beta2=0.875, epsilon=1e-15)
    seen, measured, gans = {which: [] for which in TWINS}, [], twins(spec.ARCHITECTURES[name])
    k, t = (TWINS[which].fit(gans[which], RING, how, 1, lambda *args, which=which: seen[which].append(args),
                             lambda step, history: measured.append((step, len(history["kl"]))), progress=False) for which in TWINS)
    assert k.keys() == t.keys() == {"discriminator", "generator", "step", "modes", "good", "kl"} and k["step"] == t["step"] == [15, 30]
    assert all(compare.difference(k[key], t[key]) < 1e-9 for key in k)
    assert seen["torch"] == list(zip(range(1, 31), t["discriminator"], t["generator"])) and len(seen["keras"]) == 30
    assert measured == [(15, 1), (30, 2)] * 2


@pytest.mark.parametrize("which", TWINS)
def test_same_seed_same_game(which):
    runs = []
    for seed in (1, 1, 0):
        gan = TWINS[which].plane_gan(SMALL["plain"])
        runs.append(TWINS[which].fit(gan, RING, replace(GAME, steps=1), seed, progress=False))
    assert runs[0] == runs[1] != runs[2]


def test_every_turn_sees_points_of_its_own():
    drawn = list(turns.turns(RING, SMALL["plain"], GAMES["wasserstein"], seed=0))
    assert len(drawn) == 3 and [part.shape for part in drawn[0]] == [(2, 16, 2), (2, 16, 3), (2, 16)]
    assert all((drawn[0][part] != drawn[1][part]).all() for part in range(3))


@pytest.mark.parametrize("which", TWINS)
def test_a_game_that_diverges_says_where(which):
    gan = TWINS[which].plane_gan(SMALL["plain"])
    with pytest.raises(FloatingPointError, match="the loss became (nan|-?inf) at step [0-9]+: the training has diverged"):
        TWINS[which].fit(gan, RING, GanTraining(steps=200, batch_size=8, learning_rate=1e18, objective="wasserstein"), progress=False)


def public(module):
    return {name: inspect.signature(value) for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")}


def test_twins_have_the_same_names_and_signatures():
    assert public(with_keras) == public(with_torch)


@pytest.mark.parametrize("which", TWINS)
def test_weights_go_from_one_twin_to_the_other(which):
    a = SMALL["spectral"]
    state = TWINS[which].weights_of(TWINS[which].plane_gan(a, seed=9))
    for twin in TWINS.values():
        again = twin.weights_of(twin.plane_gan(a, weights=state))
        assert again.keys() == state.keys() and all((again[name] == value).all() for name, value in state.items())


@pytest.mark.parametrize("which", TWINS)
def test_what_does_not_fit_is_refused_in_a_sentence(which):
    twin, a = TWINS[which], SMALL["plain"]
    state = twin.weights_of(twin.plane_gan(a))
    gan = twin.plane_gan(a)
    for call, words in ((lambda: twin.plane_gan(a, weights={}), "missing"),
                        (lambda: twin.plane_gan(a, weights=state | {"generator_point.bias": np.zeros(3)}), "generator_point.bias has shape .3,."),
                        (lambda: twin.plane_gan(a, dtype="int8"), "dtype must be 'float32' or 'float64'"),
                        (lambda: twin.field(gan, [1.0, 2.0]), r"shape \(N, 2\)"), (lambda: twin.force(gan, POINTS, "hinge"), "objective must be one of")):
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize("name", ["latent_dim", "units", "layers"])
def test_impossible_architectures_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1; got 0"):
        spec.Architecture(**{name: 0})


# ---------------------------------------------------------------- the measures

PLANES = {"ring": plane.ring(), "grid": plane.grid(), "spirals": plane.spirals()}


def exact(p, n=4000, modes=None):
    """Points from the density itself, or only from some of its modes."""
    points = p.sample(np.random.default_rng(0), n)
    return points if modes is None else points[np.isin(p.mode_of(points), modes)]


@pytest.mark.parametrize("name", PLANES)
def test_exact_samples_are_perfect(name):
    p = PLANES[name]
    got = measures.measure(p, exact(p, 20_000))
    assert got["modes"] == p.modes and got["good"] > 0.985 and -0.005 < got["kl"] < 0.04


@pytest.mark.parametrize("kept", [1, 2, 4, 8])
def test_missing_modes_are_counted_and_cost_their_logarithm(kept):
    got = measures.measure(RING, exact(RING, 40_000, range(kept)))
    assert got["modes"] == kept and got["good"] == 1
    assert got["kl"] == pytest.approx(np.log(8 / kept), abs=0.06)


def test_all_points_at_one_place():
    got = measures.measure(RING, np.tile(RING.centres[:1], (100, 1)))
    assert got["modes"] == 1 and got["good"] == 1 and got["kl"] > np.log(8)


@pytest.mark.parametrize("points", [np.zeros((50, 2)), np.full((50, 2), 100.0)], ids=["in the middle", "far off"])
def test_points_where_there_should_be_none(points):
    got = measures.measure(RING, points)
    cells = measures.CELLS**2 + 1
    assert got["modes"] == got["good"] == 0 and 10 < got["kl"] < np.log(cells / measures.SPREAD) + 1e-9


def test_a_mode_counts_from_a_fifth_of_its_fair_share():
    for extra, want in ((19, 7), (20, 8)):  # of 800 points a fair share is 100
        points = np.concatenate([np.repeat(RING.centres[:7], 100, 0), np.repeat(RING.centres[7:], extra, 0), np.zeros((100 - extra, 2))])
        assert len(points) == 800 and measures.covered(RING, points) == want


def test_cells_get_what_the_density_says():
    """The exact probabilities of the cells against a fine sum of the density."""
    edges = np.linspace(-RING.reach, RING.reach, measures.CELLS + 1)
    fine = 20
    side = (edges[1] - edges[0]) / fine
    line = -RING.reach + side * (np.arange(measures.CELLS * fine) + 0.5)
    x, y = np.meshgrid(line, line, indexing="ij")
    summed = RING.density(np.stack([x, y], -1).reshape(-1, 2)).reshape(measures.CELLS, fine, measures.CELLS, fine).sum((1, 3)) * side**2
    assert np.abs(measures._probabilities(RING, edges) - summed).max() < 2e-5


def test_nothing_to_measure():
    for call in (measures.measure, measures.kl, measures.good, measures.covered):
        with pytest.raises(ValueError, match="there must be some; got none"):
            call(RING, np.zeros((0, 2)))


# ---------------------------------------------------------------- collapse and its remedies

def test_every_setting_has_its_network():
    assert spec.TRAINING.keys() == spec.ARCHITECTURES.keys() == {"minimax", "nonsaturating", "spectral", "wasserstein"}
    assert replace(spec.ARCHITECTURES["spectral"], spectral=False) == spec.ARCHITECTURES["nonsaturating"]
    assert spec.TRAINING["spectral"] == spec.TRAINING["nonsaturating"], "one change at a time"


def test_the_collapse_and_a_remedy():
    """A part of the chapter's turns is enough to tell them apart."""
    found = {}
    for name in ("nonsaturating", "spectral"):
        gan = with_keras.plane_gan(spec.ARCHITECTURES[name])
        found[name] = with_keras.fit(gan, RING, replace(spec.TRAINING[name], steps=600, measured=600), progress=False)["modes"][0]
    assert found["nonsaturating"] <= 4 and found["spectral"] == 8


@pytest.mark.parametrize("task, density, settings", [("wasserstein", "ring of 8 Gaussians", "wasserstein"), ("spirals", "two spirals", "nonsaturating"),
                                                     ("spirals-spectral", "two spirals", "spectral")])
def test_a_recorded_game_is_played_for_its_density(monkeypatch, tmp_path, task, density, settings):
    played = []

    def fit(gan, p, training, seed, on_step):
        played.append((gan.a, p.name, training, seed))
        on_step(1), on_step(2)
        return {"step": [2], "modes": [1], "good": [0.5], "kl": [2.0]}

    monkeypatch.setattr(TWINS["torch"], "fit", fit)
    monkeypatch.setattr(full, "KEPT", (2,))
    result = full.run("torch", 0, tmp_path, task)
    assert played == [(spec.ARCHITECTURES[settings], density, spec.TRAINING[settings], 0)]
    assert result["metrics"] == {"modes": 1, "good": 0.5, "kl": 2.0} and result["architecture"]["spectral"] == (settings == "spectral")
    monkeypatch.setattr(full.runs, "checkpoint", lambda system, name: tmp_path / f"{name}.safetensors")
    kept = full.moments(task)
    assert kept.keys() == {2} and kept[2]["points"].shape == (full.POINTS, 2) and np.isfinite(kept[2]["force"]).all()
