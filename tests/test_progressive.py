"""Progressive growing: the eight tests, the fade and its end points, and trainings that diverge, collapse, or are interrupted."""
import inspect
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dlbook import profile

profile.setup()

from dlbook import runs  # noqa: E402  (profile.setup comes first)
from dlbook.cnn.blocks.table import totals  # noqa: E402
from dlbook.gan import session  # noqa: E402
from dlbook.gan import training as game  # noqa: E402
from dlbook.gan.blocks import spec as blocks  # noqa: E402
from dlbook.gan.objectives import with_keras as keras_game  # noqa: E402
from dlbook.gan.objectives import with_torch as torch_game  # noqa: E402
from dlbook.gan.progressive import full, spec, with_keras, with_torch  # noqa: E402
from dlbook.parity import compare, layout  # noqa: E402

TWINS = (with_keras, with_torch)
IDS = ["keras", "torch"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
TINY = spec.Architecture(maps=(5, 4, 3), channels=3, latent_dim=6)  # up to 16 x 16
GREY = spec.Architecture(maps=(4, 3), latent_dim=6)  # up to 8 x 8
GROWTHS = [(4, 1.0), (8, 0.25), (16, 0.5), (16, 1.0)]
# Numbers that single precision holds exactly, where a framework keeps them in it, and no epsilon, which the two place differently.
EXACT = {"batch_size": 5, "learning_rate": 2**-9, "beta2": 1 - 2**-10, "epsilon": 1e-30, "average": 0.5}


def schedule(*turns, **settings):
    return spec.growing(spec.Schedule(turns), **EXACT | {"measured": 4} | settings)


SHORT = schedule(4, 6)


@pytest.fixture
def exact(monkeypatch):
    """A slope that single precision holds exactly: TensorFlow keeps that of the leaky ReLU in it."""
    monkeypatch.setattr(blocks, "SLOPE", 0.25)


def images(a, n=17, seed=1):
    shape = (n, a.side, a.side) if a.channels == 1 else (n, a.side, a.side, a.channels)
    return np.random.default_rng(seed).random(shape)


def perturbed(a, seed=3):
    """Weights whose biases are not 0."""
    rng = np.random.default_rng(seed)
    return {name: value + 0.3 * rng.standard_normal(value.shape) for name, value in spec.draw(a, seed).items()}


def twins(a, dtype="float64", side=None, alpha=1.0):
    found = [twin.progressive(a, weights=perturbed(a), dtype=dtype) for twin in TWINS]
    for twin, gan in zip(TWINS, found):
        twin.grow(gan, side or a.side, alpha)
    return found


def seen(gan, twin, some):
    """Real images as the discriminator of a turn reads them."""
    ready = np.asarray(twin.to_inputs(gan, some))
    last = np.moveaxis(ready, 1, -1) if twin is with_torch else ready
    blended = spec.seen_at(last, gan.growth.side, float(gan.growth.alpha))
    return np.ascontiguousarray(np.moveaxis(blended, -1, -3)) if twin is with_torch else blended


def logits(gan, twin, some):
    """The discriminator's answers: NumPy array (N, 1)."""
    if twin is with_keras:
        return np.asarray(gan.discriminator(seen(gan, twin, some)))
    import torch

    with torch.no_grad():
        return gan.discriminator(torch.tensor(seen(gan, twin, some))).numpy()


# 1, 2: counts and shapes

def test_the_published_network_is_the_papers():
    """Table 2, up to 32 x 32: 512 maps everywhere; per resolution two convolutions; the discriminator mirrors the generator."""
    a = spec.Architecture(maps=(512,) * 4, channels=3, latent_dim=512)
    conv, image = 9 * 512 * 512 + 512, 512 * 3
    # The paper's first layer is a convolution of 4 x 4 on one pixel, with one bias a map; here, a dense layer has one a number.
    generator = 16 * 512 * 512 + 16 * 512 + 7 * conv + image + 3
    discriminator = image + 512 + 6 * conv + (9 * 513 * 512 + 512) + (16 * 512 * 512 + 512) + 513
    assert [totals(table(a)).parameters for table in spec.TABLES.values()] == [generator, discriminator]
    assert [row.shape for row in spec.generator_table(a)] == [
        (512,), (8192,), (4, 4, 512), *[(side, side, 512) for side in (8, 8, 16, 16, 32, 32)], (32, 32, 3)]


@pytest.mark.parametrize("side", [4, 8, 16])
def test_tables_agree_with_both_twins(side):
    """Shapes in PyTorch, parameters of the layers in both, at each resolution."""
    k, t = twins(TINY, side=side)
    for part, table in spec.TABLES.items():
        rows, network, shapes = table(TINY, side), getattr(t, part), {}
        for name, module in network.named_children():
            module.register_forward_hook(lambda _, __, y, name=name: shapes.update({name: tuple(y.shape[1:])}))
        network(next(iter(t.parameters())).new_ones(2, *((TINY.latent_dim,) if part == "generator" else (3, side, side))))
        known = {layer.name: layer for layer in getattr(k, part).layers}
        for row in rows:
            if row.parameters:
                assert shapes[row.name] == (row.shape if len(row.shape) == 1 else (row.shape[2], *row.shape[:2])), row.name
                assert row.parameters == known[row.name].count_params() == sum(p.numel() for p in network.get_submodule(row.name).parameters())
        unseen = {f"image{side // 2}"} if side > 4 else set()
        assert {row.name for row in rows if row.parameters} == set(shapes) - unseen
    weights = {name: value.shape for name, value in with_torch.weights_of(t).items() if not name.startswith("averaged.")}
    assert weights == spec.weight_shapes(TINY)


def test_only_the_layers_of_a_resolution_are_learnt():
    for side, names in ((4, {"image4"}), (8, {"image4", "image8", "conv8_1", "conv8_2"}), (16, {"image8", "image16", "conv8_1", "conv8_2", "conv16_1", "conv16_2"})):
        k, t = twins(TINY, side=side)
        for part, fixed in (("generator", {"start", "conv4"}), ("discriminator", {"conv4_1", "conv4_2", "logit"})):
            assert {layer.name for layer in getattr(k, part).layers if layer.trainable} == names | fixed
            assert {name.partition(".")[0] for name, p in getattr(t, part).named_parameters() if p.requires_grad} == names | fixed


def test_starting_weights_have_deviation_one():
    weights = spec.draw(spec.small, 0)
    assert all(abs(value.std() - 1) < 0.05 for value in weights.values() if value.size > 2000)
    assert all(not value.any() for name, value in weights.items() if name.endswith(".bias"))


# the schedule, and what real images look like at each resolution

def test_a_schedule_grows_and_fades():
    found = [spec.Schedule((2, 4, 4), 0.5).at(step) for step in range(10)]
    assert found == [(4, 1.0), (4, 1.0), (8, 0.0), (8, 0.5), (8, 1.0), (8, 1.0), (16, 0.0), (16, 0.5), (16, 1.0), (16, 1.0)]
    assert [spec.Schedule((0, 0, 3)).at(step) for step in range(3)] == [(16, 1.0)] * 3
    assert spec.Schedule((2, 4), 0.0).at(2) == (8, 1.0) and spec.Schedule((2, 4, 4)).steps == 10


def test_both_full_runs_end_with_the_same_networks_after_about_the_same_time():
    grown, whole = (spec.TRAINING[task] for task in full.TASKS)
    costs = [sum(turns * cost for turns, cost in zip(t.schedule.turns, spec.COST)) for t in (grown, whole)]
    assert costs[1] == pytest.approx(costs[0], rel=0.01)
    assert whole.schedule.turns[:-1] == (0, 0, 0) and replace(whole, steps=grown.steps, schedule=grown.schedule) == grown
    for task in (grown, whole):
        assert task.schedule.at(task.steps - 1) == (32, 1.0)


def test_real_images_are_halved_and_blended():
    x = np.arange(2 * 8 * 8, dtype=float).reshape(2, 8, 8, 1)
    coarse = np.array([[x[n, i:i + 2, j:j + 2].mean() for i in range(0, 8, 2) for j in range(0, 8, 2)] for n in range(2)]).reshape(2, 4, 4, 1)
    assert np.array_equal(spec.seen_at(x, 4, 1.0), coarse) and spec.seen_at(x, 8, 1.0) is x
    blocky = np.kron(coarse[..., 0], np.ones((1, 2, 2)))[..., None]
    assert np.array_equal(spec.seen_at(x, 8, 0.0), blocky) and np.allclose(spec.seen_at(x, 8, 0.25), 0.75 * blocky + 0.25 * x)
    assert np.array_equal(spec.seen_at(x[None], 4, 1.0), coarse[None])


# 3: equal outputs; the fade's end points

@pytest.mark.parametrize("a, growths", [(TINY, GROWTHS), (GREY, [(8, 1.0)])], ids=["colour", "grey"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_outputs_agree(a, growths, dtype, exact):
    noise, real = np.random.default_rng(0).standard_normal((7, a.latent_dim)), images(a).astype(dtype)
    k, t = twins(a, dtype)
    for side, alpha in growths:
        for twin, gan in zip(TWINS, (k, t)):
            twin.grow(gan, side, alpha)
        for averaged in (True, False):
            ours, theirs = (twin.draw(gan, noise, averaged) for twin, gan in zip(TWINS, (k, t)))
            assert ours.shape == (7, *real.shape[1:]) and str(ours.dtype) == str(theirs.dtype) == dtype and 0 <= ours.min() and ours.max() <= 1
            assert compare.difference(ours, theirs) <= TOLERANCE[dtype]
        answers = [logits(gan, twin, real) for twin, gan in zip(TWINS, (k, t))]
        assert answers[0].shape == (17, 1) and compare.difference(*answers) <= TOLERANCE[dtype]


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_a_fade_begins_with_the_enlarged_image_and_ends_with_the_new_one_alone(twin):
    gan = twin.progressive(TINY, weights=perturbed(TINY), dtype="float64")
    noise, real = np.random.default_rng(0).standard_normal((5, 6)), images(TINY, 5)

    def at(side, alpha, weights=None):
        twin.put_back(gan, perturbed(TINY) | (weights or {}))
        twin.grow(gan, side, alpha)
        return twin.draw(gan, noise), logits(gan, twin, real)

    before, begins, half, ends = at(8, 1.0), at(16, 0.0), at(16, 0.5), at(16, 1.0)
    # alpha = 0: what the stage before drew and answered; `draw` enlarges both to 16 x 16.
    assert compare.difference(before[0], begins[0]) == 0 and compare.difference(before[1], begins[1]) <= 1e-12
    # alpha = 1: whatever the image of the stage before is, it is not seen.
    other = {f"{part}.image8.{name}": 9 * value for part in spec.TABLES for name in ("weight", "bias")
             for value in [perturbed(TINY)[f"{part}.image8.{name}"]]}
    again = at(16, 1.0, other)
    assert all(np.array_equal(one, two) for one, two in zip(ends, again))
    assert not np.allclose(at(16, 0.5, other)[0], half[0]) and not np.allclose(at(16, 0.5, other)[1], half[1])
    assert not np.allclose(begins[0], ends[0]) and np.allclose(before[0][:, ::2, ::2], before[0][:, 1::2, 1::2])


def test_samples_come_from_the_seed_alone(exact):
    k, t = twins(GREY)
    ours, theirs = (twin.sample(gan, 9, 4) for twin, gan in zip(TWINS, (k, t)))
    assert compare.difference(ours, theirs) <= 1e-12 and np.array_equal(ours, with_keras.sample(k, 9, 4))
    assert not np.allclose(ours, with_keras.sample(k, 9, 5))


# 4, 5: a full alternating step, and twenty

def play(gan, twin, a, training, count, dtype="float64"):
    """`count` turns: the losses, and the weights after them."""
    steps = keras_game if twin is with_keras else torch_game
    turn, some = steps.stepper(gan, training), seen(gan, twin, images(a, 40).astype(dtype))
    numbers = game.batches(40, game.GanTraining(count, 5, 1.0), 2)
    losses = [turn(some[batch], *game.drawn(training, a.latent_dim, 2, number)) for number, batch in enumerate(numbers)]
    return SimpleNamespace(losses=losses, weights=twin.weights_of(gan))


def watched(gan, twin, a, training, monkeypatch):
    """One turn as `play` plays it, and all its gradients in the exchange format."""
    steps, found = keras_game if twin is with_keras else torch_game, {}
    monkeypatch.setattr(steps, "descend", spy(gan, twin, found, steps.descend))
    result = play(gan, twin, a, training, 1)
    return SimpleNamespace(losses=result.losses, weights=result.weights, gradients=found)


def spy(gan, twin, found, descend):
    """`descend`, which also notes the first gradients of each network."""
    import tensorflow as tf
    import torch

    def in_torch(optimizer, loss):
        known = {id(p): name for part in ("generator", "discriminator") for name, p in getattr(gan, part).named_parameters(part)}
        weights = optimizer.param_groups[0]["params"]
        for weight, value in zip(weights, torch.autograd.grad(loss, weights, retain_graph=True)):
            found[known[id(weight)]] = value.numpy().copy()
        descend(optimizer, loss)

    def in_keras(optimizer, tape, loss, network):
        weights = network.trainable_weights
        gradients = tape.gradient(loss, weights)
        part = "generator" if network is gan.generator else "discriminator"
        tf.numpy_function(lambda *arrays: note(part, network, weights, arrays), gradients, [])  # the compiled step's tensors have no values
        optimizer.apply(gradients, weights)

    def note(part, network, weights, arrays):
        known = {id(w): array for w, array in zip(weights, arrays)}
        whole = layout.from_keras(network, [known.get(id(w), np.full(w.shape, np.nan)) for w in network.weights])
        found.update({f"{part}.{name}": value.copy() for name, value in whole.items() if not np.isnan(value).any()})

    return in_keras if twin is with_keras else in_torch


@pytest.mark.parametrize("side, alpha, objective", [(16, 0.25, "nonsaturating"), (16, 1.0, "minimax"), (4, 1.0, "nonsaturating")],
                         ids=["in a fade", "after it", "coarsest"])
def test_a_full_alternating_step_agrees(side, alpha, objective, exact, monkeypatch):
    """Losses, both sets of gradients, and all weights after the step, with the same weights and noise; once with a gradient penalty."""
    training = schedule(1, 1, 1, objective=objective, penalty=10.0 if (side, alpha) == (16, 1.0) else 0.0)
    k, t = (watched(gan, twin, TINY, training, monkeypatch) for gan, twin in zip(twins(TINY, "float64", side, alpha), TWINS))
    assert compare.difference(k.losses, t.losses) <= 1e-12
    learnt = {name for name in spec.weight_shapes(TINY) if spec.active(name.split(".")[1], side)}
    assert k.gradients.keys() == t.gradients.keys() == learnt and compare.worst(k.gradients, t.gradients)[1] <= 1e-12
    assert compare.worst(k.weights, t.weights)[1] <= 1e-12
    faded_out = {name for name in learnt if f"image{side // 2}." in name} if alpha == 1 else set()
    assert all((np.abs(value).max() > 0) == (name not in faded_out) for name, value in k.gradients.items() if "bias" not in name)
    before = with_torch.weights_of(twins(TINY)[1])
    moved = {name for name, value in t.weights.items() if not np.array_equal(before[name], value)}
    assert {name for name in moved if not name.startswith("averaged") and "bias" not in name} == {
        name for name in learnt - faded_out if "bias" not in name}


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-9), ("float32", 2e-2)])
def test_twenty_steps_agree(dtype, tolerance, exact):
    training = replace(SHORT, epsilon=1e-30 if dtype == "float64" else 1e-7)
    k, t = (play(gan, twin, GREY, training, 20, dtype) for gan, twin in zip(twins(GREY, dtype, 8, 0.5), TWINS))
    assert len(k.losses) == 20 and compare.difference(k.losses, t.losses) <= tolerance
    assert compare.worst(k.weights, t.weights)[1] <= tolerance


def test_whole_trainings_agree(exact, monkeypatch):
    """`fit` in float64 through two resolutions: the same batches, noise, fades, new optimizers and averages, measured alike.

    In Keras, a step is compiled once a resolution: the share is a variable, so a fade compiles nothing anew.
    """
    traced, begin = [], with_keras.Generator.begin
    monkeypatch.setattr(with_keras.Generator, "begin", lambda self, z: traced.append(self.growth.side) or begin(self, z))
    gans = [twin.progressive(GREY, weights=perturbed(GREY), dtype="float64") for twin in TWINS]
    k, t = (twin.fit(gan, images(GREY, 40), schedule(3, 8, measured=11), 3, progress=False, collapsed=0) for twin, gan in zip(TWINS, gans))
    assert traced == [4, 8, 8]  # the last time, it draws what is measured
    assert k.keys() == t.keys() == {"step", "discriminator", "generator", "variety", "samples"} and k["step"] == [11]
    assert all(compare.difference(k[name], t[name]) < 1e-9 for name in ("discriminator", "generator", "variety"))
    assert np.abs(np.int16(k["samples"]) - np.int16(t["samples"])).max() <= 1
    assert compare.worst(*(twin.weights_of(gan) for twin, gan in zip(TWINS, gans)))[1] <= 1e-9


# 6: it can learn one batch by heart

@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_overfits_two_images(twin):
    """A square and a bright half: what is generated is near one of them, and each is generated; at first it was near neither."""
    two = np.zeros((2, 8, 8))
    two[0, 2:6, 2:6] = 1
    two[1, :, :4] = 1
    gan = twin.progressive(spec.Architecture(maps=(16, 12), latent_dim=6), 0)
    distances = lambda: np.abs(twin.sample(gan, 50, 1)[:, None] - two).mean((2, 3))
    assert distances().min(1).mean() > 0.25
    training = spec.growing(spec.Schedule((50, 150)), batch_size=16, learning_rate=8e-3, beta1=0.0, beta2=0.99, average=0.95, measured=200)
    twin.fit(gan, np.concatenate([two] * 8), training, 0, progress=False)
    assert distances().min(1).mean() < 0.13 and 0.15 < (distances().argmin(1) == 0).mean() < 0.85


# 7, 8: equal names, planted defects

def public(module):
    return {name: inspect.signature(value) for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")}


def test_twins_have_the_same_names_and_signatures():
    assert public(with_keras) == public(with_torch)
    assert {"progressive", "grow", "draw", "fit", "load", "sample", "to_inputs"} <= public(with_torch).keys()
    for module in TWINS:
        assert callable(module.put_back) and callable(module.weights_of)


def no_pixel_norm(monkeypatch):
    monkeypatch.setattr(with_torch, "pixel_norm", lambda x: x)


def wrong_way_round(monkeypatch):
    monkeypatch.setattr(with_torch.Growth, "fade", lambda self, old, new: self.alpha * old + (1 - self.alpha) * new)


def other_slope(monkeypatch):
    import torch

    monkeypatch.setattr(with_torch, "leaky", lambda x: torch.nn.functional.leaky_relu(x, 0.01))


def test_planted_defects_are_seen(exact, monkeypatch):
    """In what is drawn, and in the losses of three turns."""
    noise = np.random.default_rng(0).standard_normal((4, 6))
    k, _ = twins(GREY, "float64", 8, 0.25)
    drawn, right = with_keras.draw(k, noise), play(k, with_keras, GREY, SHORT, 3).losses
    for plant in (None, no_pixel_norm, wrong_way_round, other_slope):
        _, t = twins(GREY, "float64", 8, 0.25)
        with monkeypatch.context() as patch:
            if plant:
                plant(patch)
            apart = compare.difference(drawn, with_torch.draw(t, noise))
            turns = compare.difference(right, play(t, with_torch, GREY, SHORT, 3).losses)
        assert (apart > 1e-6 and turns > 1e-6) if plant else (apart < 1e-12 and turns < 1e-9), plant


# weights, architectures, inputs

@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_weights_come_back_and_wrong_ones_are_refused(twin):
    gan, weights = twin.progressive(GREY, 1), perturbed(GREY)
    before = twin.weights_of(gan)
    with pytest.raises(ValueError, match="missing.*logit.weight"):
        twin.put_back(gan, {name: value for name, value in weights.items() if "logit" not in name})
    with pytest.raises(ValueError, match="generator.conv8_1.weight has shape .3, 3, 3, 3.; this network needs .3, 4, 3, 3."):
        twin.put_back(gan, weights | {"generator.conv8_1.weight": np.zeros((3, 3, 3, 3))})
    assert compare.worst(before, twin.weights_of(gan))[1] == 0
    twin.put_back(gan, weights)
    after = twin.weights_of(gan)
    assert all(np.array_equal(after[name], np.float32(value)) for name, value in weights.items())
    assert all(np.array_equal(value, after[name.replace("averaged", "generator")]) for name, value in after.items() if name.startswith("averaged"))
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'int8'"):
        twin.progressive(GREY, dtype="int8")
    with pytest.raises(ValueError, match="side must be one of 4, 8; got 16"):
        twin.grow(gan, 16)
    with pytest.raises(ValueError, match="from 0 to 1; got 1.5"):
        twin.grow(gan, 8, 1.5)


@pytest.mark.parametrize("make, words", [
    (lambda: spec.Architecture(maps=()), r"at least one resolution; got \(\)"), (lambda: spec.Architecture(maps=(8, 0)), "whole numbers of 1 or more"),
    (lambda: spec.Architecture(channels=2), "1 channel .grey. or 3 .colour.; got 2"), (lambda: spec.Architecture(latent_dim=0), "at least 1; got 0"),
    (lambda: spec.Schedule((3, 0, 4)), r"may be left out; got \(3, 0, 4\)"), (lambda: spec.Schedule((3, 0)), "turns end at the finest resolution"),
    (lambda: spec.Schedule((3, 4), 1.0), "fade is a share from 0 to below 1; got 1.0"), (lambda: spec.Schedule((3, -1)), "whole numbers of 0 or more"),
    (lambda: replace(SHORT, steps=9), "steps must be the schedule's turns, 10; got 9"), (lambda: replace(SHORT, learning_rate=0), "learning_rate must be above 0"),
])
def test_impossible_settings_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_what_cannot_be_trained_on_is_said(twin):
    gan = twin.progressive(GREY)
    with pytest.raises(ValueError, match=r"grows through 2 resolutions, \(4, 8\); got a schedule of 3"):
        twin.fit(gan, images(GREY), schedule(1, 1, 1), progress=False)
    with pytest.raises(ValueError, match="take a smaller batch_size"):
        twin.fit(gan, images(GREY, 3), SHORT, progress=False)
    with pytest.raises(ValueError, match=r"got shape \(17, 16, 16, 3\)"):
        twin.fit(gan, images(TINY), SHORT, progress=False)
    with pytest.raises(TypeError, match="divide by 255"):
        twin.fit(gan, np.zeros((17, 8, 8), np.uint8), SHORT, progress=False)


def test_digits_get_a_frame():
    digits = np.random.default_rng(0).random((2, 28, 28))
    framed = spec.inputs(spec.small, digits)
    assert framed.shape == (2, 32, 32, 1) and (framed[:, :2] == -1).all() and np.allclose(framed[:, 2:-2, 2:-2, 0], digits * 2 - 1)
    assert np.array_equal(spec.inputs(spec.small, np.pad(digits, ((0, 0), (2, 2), (2, 2)))), framed)
    assert np.allclose(spec.without_frame(framed[..., 0]), digits * 2 - 1)


# trainings that go wrong, or are interrupted

@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_a_diverging_training_ends_in_a_sentence_with_the_last_good_weights(twin):
    """It diverges after it has grown; the networks are as small again as the weights that are put back."""
    gan, kept = twin.progressive(GREY, 0), {}

    def spoil(step, *_):
        if step == 6:
            twin.put_back(gan, {name: value * np.nan for name, value in twin.weights_of(gan).items()})

    with pytest.raises(FloatingPointError, match="became nan at step 7: the training has diverged.* The weights of step 4 were put back."):
        twin.fit(gan, images(GREY), SHORT, 0, spoil, lambda *_: kept.update(twin.weights_of(gan)), progress=False, collapsed=0)
    assert compare.worst(kept, twin.weights_of(gan))[1] == 0 and np.isfinite(twin.sample(gan, 2)).all()
    assert (gan.growth.side, float(gan.growth.alpha)) == (4, 1)


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_a_collapse_ends_in_a_sentence_with_the_last_good_weights(twin):
    gan, kept = twin.progressive(GREY, weights=perturbed(GREY)), {}

    def flatten(step, *_):
        if step == 6:  # without a look at the noise, every image is the same
            twin.put_back(gan, {name: value * (0 if "start.weight" in name else 1) for name, value in twin.weights_of(gan).items()})

    training = schedule(4, 8, learning_rate=1e-6)
    with pytest.raises(session.Collapse, match="collapsed at step 8: its images differ by 0.0% .* The weights of step 4 were put back."):
        twin.fit(gan, images(GREY) * 0.1, training, 0, flatten, lambda *_: kept.update(twin.weights_of(gan)), progress=False)
    assert compare.worst(kept, twin.weights_of(gan))[1] == 0


@pytest.mark.parametrize("twin, stopped", [(with_keras, 6), (with_torch, 6), (with_torch, 9)], ids=["keras", "torch", "in a fade"])
def test_an_interrupted_training_goes_on_to_the_same_result(twin, stopped, tmp_path):
    """Kept at turn 4, the last at 4 x 4 pixels, or at turn 8, in the middle of a fade."""
    path, results, training = tmp_path / "kept" / "run.safetensors", [], schedule(4, 8, beta1=0.5)

    def interrupt(step, *_):
        if step == stopped:
            raise KeyboardInterrupt

    whole = twin.progressive(GREY, 0)
    results.append(twin.fit(whole, images(GREY), training, 5, progress=False, collapsed=0))
    with pytest.raises(KeyboardInterrupt):
        twin.fit(twin.progressive(GREY, 0), images(GREY), training, 5, interrupt, progress=False, path=path, collapsed=0)
    kept = runs.about(path)["step"]
    assert kept == stopped // 4 * 4 and runs.load_weights(path)["side"] == (4 if kept == 4 else 8)
    resumed, heard = twin.progressive(GREY, 99), []  # the file's weights take the place of these
    results.append(twin.fit(resumed, images(GREY), training, 5, lambda step, *_: heard.append(step), progress=False, path=path, collapsed=0))
    assert heard == list(range(kept + 1, 13)) and results[0]["step"] == results[1]["step"] == [4, 8, 12]
    assert compare.worst(twin.weights_of(whole), twin.weights_of(resumed))[1] == 0
    assert all(np.array_equal(results[0][name], results[1][name]) for name in results[0])
    with pytest.raises(ValueError, match="was kept by a training with training .*schedule"):
        twin.fit(resumed, images(GREY), schedule(5, 7), 5, progress=False, path=path)


# the full runs

@pytest.fixture
def small_run(monkeypatch, tmp_path):
    """Full runs of a few steps on a hundred embedded digits."""
    from dlbook import data

    digits = data.digits("quick")
    few = data.Labelled("few digits", "none", digits.train_images[:100], digits.train_labels[:100], digits.test_images[:60], digits.test_labels[:60])
    monkeypatch.setattr(data, "digits", lambda _: few)
    monkeypatch.setattr(spec, "small", spec.Architecture(maps=(4, 3, 3, 2), latent_dim=6))
    # A few steps do not teach anything; that is no collapse.
    monkeypatch.setattr(session, "COLLAPSED", 0)
    settings = {"batch_size": 10, "learning_rate": 0.01, "average": 0.5, "measured": 2}
    monkeypatch.setitem(spec.TRAINING, "grown", spec.growing(spec.Schedule((2, 2, 2, 4)), **settings))
    monkeypatch.setitem(spec.TRAINING, "whole", spec.growing(spec.Schedule((0, 0, 0, 4)), **settings))
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    for name, value in {"ALONG": 20, "LAST": 50}.items():
        monkeypatch.setattr(full, name, value)
    monkeypatch.setattr(full.record, "COMPARED", 10)
    return few


def test_full_runs_are_measured_along_the_way(small_run, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "runs" / "gan" / "progressive"
    results = [full.run(framework, 0, folder, task) for framework, task in (("torch", "grown"), ("keras", "whole"))]
    grown, whole = (result["history"] for result in results)
    assert grown["step"] == [2, 4, 6, 8, 10] and grown["side"] == [4, 8, 16, 32, 32] and whole["side"] == [32, 32]
    measures = {"frechet", "precision", "recall", "classes", "diversity", "confident", "agreement"}
    for result in results:
        history = result["history"]
        assert measures | {"discriminator", "generator", "variety", "seconds", "side", "step"} == history.keys()
        assert {len(values) for values in history.values()} == {len(history["step"])}
        assert 0 < history["seconds"][0] and history["seconds"] == sorted(history["seconds"])
        assert measures | {"nearest"} == result["metrics"].keys() and measures == result["reference"].keys() and "resumed" not in result
        assert result["parameters"] == {part: totals(table(spec.small)).parameters for part, table in spec.TABLES.items()}
    assert capsys.readouterr().out.count("frechet") == 7 and not list((tmp_path / "_build").rglob("*.safetensors"))
    assert {path.name for path in folder.iterdir()} == {"grown.safetensors", "grown-samples.png", "grown-nearest.png"}
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    with pytest.raises(FileNotFoundError, match="no weights are shipped.*make full RUN=gan/progressive TASK=whole"):
        TWINS[1].load("whole")
    k, t = (twin.load() for twin in TWINS)
    # Pixel normalisation of two maps makes much of little.
    assert compare.difference(with_keras.sample(k, 5), with_torch.sample(t, 5)) <= 1e-3
    assert (t.growth.side, t.growth.alpha) == (32, 1)


def test_an_interrupted_full_run_goes_on(small_run, tmp_path, monkeypatch):
    whole, seen = full.run("torch", 1, tmp_path, "grown"), []
    quality = full.measure.quality

    def interrupted(*words):
        seen.append(words)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return quality(*words)

    monkeypatch.setattr(full.measure, "quality", interrupted)
    with pytest.raises(KeyboardInterrupt):
        full.run("torch", 1, tmp_path, "grown")
    again = full.run("torch", 1, tmp_path, "grown")
    assert again.pop("resumed") == 4
    clocks = [result["history"].pop("seconds") for result in (whole, again)]
    assert again == whole and len(clocks[1]) == 5 and clocks[1] == sorted(clocks[1])


def test_rows_show_each_size_and_how_the_finest_is_learnt():
    samples = [np.full((12, 2, 2), k) for k in range(8)]
    found = full.rows(samples, [4, 8, 8, 16, 32, 32, 32, 32])
    assert {label: int(images[0, 0, 0]) for label, images in found.items()} == {
        "4 x 4": 0, "8 x 8": 2, "16 x 16": 3, "32 x 32 begins": 4, "32 x 32 half-way": 6, "32 x 32 ends": 7}
