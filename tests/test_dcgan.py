"""DCGAN's eight tests; and trainings that diverge, collapse, or are interrupted."""
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
from dlbook.gan.dcgan import full, spec, with_keras, with_torch  # noqa: E402
from dlbook.gan.objectives import with_keras as keras_game  # noqa: E402
from dlbook.gan.objectives import with_torch as torch_game  # noqa: E402
from dlbook.gan.training import GanTraining  # noqa: E402
from dlbook.parity import compare, layout  # noqa: E402

TWINS = (with_keras, with_torch)
IDS = ["keras", "torch"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
TINY = spec.Architecture(side=16, channels=3, width=3, latent_dim=5)
GREY = spec.Architecture(side=8, width=4, latent_dim=6)
SHORT = GanTraining(steps=8, batch_size=5, learning_rate=2**-9, average=0.5, measured=4)
# Numbers that single precision holds exactly, where a framework keeps them in it, and no epsilon, which the two place differently.
EXACT = GanTraining(steps=8, batch_size=5, learning_rate=2**-9, beta2=1 - 2**-10, epsilon=1e-30, average=0.5, measured=4)


@pytest.fixture
def exact(monkeypatch):
    """A slope that single precision holds exactly: TensorFlow keeps that of the leaky ReLU in it."""
    monkeypatch.setattr(spec, "SLOPE", 0.25)


def images(a, n=17, seed=1):
    shape = (n, a.side, a.side) if a.channels == 1 else (n, a.side, a.side, a.channels)
    return np.random.default_rng(seed).random(shape)


def perturbed(a, seed=3):
    """Weights whose batch normalisation has statistics, scales and shifts that are not 0 and 1."""
    rng = np.random.default_rng(seed)
    return {name: value + 0.1 * rng.uniform(-1, 1, value.shape) if value.ndim == 1 else value * 5 for name, value in spec.draw(a, seed).items()}


def twins(a, dtype="float64"):
    return [twin.dcgan(a, weights=perturbed(a), dtype=dtype) for twin in TWINS]


def logits(gan, inputs):
    """The discriminator's answers in evaluation mode: NumPy array (N, 1)."""
    if isinstance(gan, with_keras.DCGAN):
        return np.asarray(gan.discriminator(inputs, training=False))
    return gan.discriminator.eval()(inputs).detach().numpy()


# 1, 2: counts and shapes

def test_the_published_network_is_the_papers():
    """Figure 1: 100 numbers -> 4 x 4 x 1024 -> 8 x 8 x 512 -> 16 x 16 x 256 -> 32 x 32 x 128 -> 64 x 64 x 3, kernels of 5 x 5."""
    rows = {row.name: row.shape for row in spec.generator_table(spec.published)}
    assert rows["noise"] == (100,) and rows["project"] == (4 * 4 * 1024,)
    assert [rows[name] for name in ("project_norm", "up1", "up2", "up3", "image")] == [
        (4, 4, 1024), (8, 8, 512), (16, 16, 256), (32, 32, 128), (64, 64, 3)]
    kernels = 100 * 4 * 4 * 1024 + 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3)
    assert totals(spec.generator_table(spec.published)).parameters == kernels + 2 * (1024 + 512 + 256 + 128) == 18_855_040
    kernels = 25 * (3 * 128 + 128 * 256 + 256 * 512 + 512 * 1024) + 4 * 4 * 1024
    assert totals(spec.discriminator_table(spec.published)).parameters == kernels + 2 * (256 + 512 + 1024) == 17_232_768


def test_counts_at_half_the_width_are_those_of_pytorchs_example():
    """Its DCGAN has ngf = ndf = 64 and kernels of 4 x 4: 3,576,704 and 2,765,568 parameters."""
    a = replace(spec.published, width=64, kernel=4)
    assert [totals(table(a)).parameters for table in spec.TABLES.values()] == [3_576_704, 2_765_568]


@pytest.mark.parametrize("a", [spec.quick, spec.small, TINY, replace(spec.published, width=2), replace(TINY, kernel=5)],
                         ids=["quick", "small", "tiny", "64", "kernel5"])
def test_tables_agree_with_both_twins(a):
    k, t = (twin.dcgan(a) for twin in TWINS)
    for part, table in spec.TABLES.items():
        rows = {row.name: row for row in table(a)[1:]}
        network, layers = getattr(t, part), {layer.name: layer for layer in getattr(k, part).layers}
        shapes = {}
        for name, module in network.named_children():
            module.register_forward_hook(lambda _, __, y, name=name: shapes.update({name: tuple(y.shape[1:])}))
        network(next(iter(t.parameters())).new_zeros(2, *((a.latent_dim,) if part == "generator" else (a.channels, a.side, a.side))))
        for name, row in rows.items():
            assert tuple(layers[name].output.shape[1:]) == row.shape and layers[name].count_params() == row.parameters + row.statistics
            assert shapes[name] == (row.shape if len(row.shape) == 1 else (row.shape[2], *row.shape[:2])), name
        assert totals(table(a)).parameters == sum(p.numel() for p in network.parameters()) == sum(
            int(np.prod(w.shape)) for w in getattr(k, part).trainable_weights)
    assert {name: np.shape(value) for name, value in with_torch.weights_of(t).items() if not name.startswith("averaged.")} == spec.weight_shapes(a)


def test_the_rules_of_the_paper_hold():
    """Batch normalisation but at the generator's output and the discriminator's input, tanh, ReLU and leaky ReLU, deviation 0.02."""
    kinds = [[type(layer).__name__ for layer in getattr(with_torch.dcgan(spec.quick), part).children()] for part in spec.TABLES]
    assert kinds[0] == ["Linear", "_Maps", "Norm", "ReLU", "_Up", "Norm", "ReLU", "_Up", "Tanh"]
    assert kinds[1] == ["Conv2d", "LeakyReLU", "Conv2d", "Norm", "LeakyReLU", "_Logit"]
    weights = spec.draw(spec.small, 0)
    assert all(abs(value.std() / 0.02 - 1) < 0.05 for value in weights.values() if value.size > 2000)
    assert all((value == 1).all() for name, value in weights.items() if name.endswith(("norm.weight", "running_var")))
    assert all((value == 0).all() for name, value in weights.items() if name.endswith(("norm.bias", "running_mean")))
    assert spec.SLOPE == 0.2 and {training.beta1 for training in spec.TRAINING.values()} == {0.5}


# 3: equal outputs

@pytest.mark.parametrize("a", [TINY, GREY, replace(TINY, kernel=5)], ids=["colour", "grey", "kernel5"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_outputs_agree(a, dtype, exact):
    k, t = twins(a, dtype)
    noise = np.random.default_rng(0).standard_normal((7, a.latent_dim))
    for averaged in (True, False):
        ours, theirs = (twin.draw(gan, noise, averaged) for twin, gan in zip(TWINS, (k, t)))
        assert ours.shape == (7, *images(a).shape[1:]) and str(ours.dtype) == str(theirs.dtype) == dtype and 0 <= ours.min() and ours.max() <= 1
        assert compare.difference(ours, theirs) <= TOLERANCE[dtype]
    real = images(a).astype(dtype)
    answers = [logits(gan, twin.to_inputs(gan, real)) for twin, gan in zip(TWINS, (k, t))]
    assert answers[0].shape == (17, 1) and compare.difference(*answers) <= TOLERANCE[dtype]


def test_samples_come_from_the_seed_alone():
    k, t = twins(GREY)
    ours, theirs = (twin.sample(gan, 9, 4) for twin, gan in zip(TWINS, (k, t)))
    assert compare.difference(ours, theirs) <= 1e-12 and np.array_equal(ours, with_keras.sample(k, 9, 4))
    assert not np.allclose(ours, with_keras.sample(k, 9, 5))


# 4, 5: a full alternating step, and twenty

def play(gan, twin, a, training, count, dtype="float64"):
    """`count` turns: the losses, and the weights after them."""
    steps = keras_game if twin is with_keras else torch_game
    turn, inputs = steps.stepper(gan, training), np.asarray(twin.to_inputs(gan, images(a, 40).astype(dtype)))
    losses = [turn(inputs[batch], *game.drawn(training, a.latent_dim, 2, number))
              for number, batch in enumerate(game.batches(40, replace(training, steps=count), 2))]
    return SimpleNamespace(losses=losses, weights=twin.weights_of(gan))


def watched(gan, twin, a, training, monkeypatch):
    """One turn as `play` plays it, and all its gradients in the exchange format."""
    steps, found = keras_game if twin is with_keras else torch_game, {}
    monkeypatch.setattr(steps, "descend", spy(gan, twin, found, steps.descend))
    result = play(gan, twin, a, training, 1)
    return SimpleNamespace(losses=result.losses, weights=result.weights, gradients={name: np.asarray(value) for name, value in found.items()})


def spy(gan, twin, found, descend):
    """`descend`, which also notes the first gradients of each network."""
    import tensorflow as tf
    import torch

    def in_torch(optimizer, loss):
        part, network = next((n, m) for n, m in gan.named_children() if next(m.parameters()) is optimizer.param_groups[0]["params"][0])
        names = [name for name, _ in network.named_parameters()]
        for name, value in zip(names, torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)):
            found.setdefault(f"{part}.{name}", value.numpy().copy())
        descend(optimizer, loss)

    def in_keras(optimizer, tape, loss, network):
        gradients = tape.gradient(loss, network.trainable_weights)
        tf.numpy_function(lambda *arrays: note(network, arrays), gradients, [])  # the step is compiled: its tensors have no values
        optimizer.apply(gradients, network.trainable_weights)

    def note(network, arrays):
        known = {id(w): array for w, array in zip(network.trainable_weights, arrays)}
        whole = layout.from_keras(network, [known.get(id(w), np.zeros(w.shape)) for w in network.weights])
        found.update({f"{network.name}.{name}": value.copy() for name, value in whole.items() if "running" not in name})

    return in_keras if twin is with_keras else in_torch


def apart(a, b):
    """The largest relative difference of weights; running variances apart, which PyTorch divides by N - 1 and Keras by N."""
    fixed = {name for name in a if name.endswith("running_var")}
    return max(compare.difference(a[name], b[name]) for name in a if name not in fixed)


@pytest.mark.parametrize("a, objective", [(GREY, "minimax"), (TINY, "wasserstein"), (replace(TINY, kernel=5), "nonsaturating")],
                         ids=["grey", "colour", "kernel5"])
def test_a_full_alternating_step_agrees(a, objective, exact, monkeypatch):
    """Losses, both sets of gradients, and all weights after the step, with the same weights and the same noise."""
    k, t = (watched(gan, twin, a, replace(EXACT, objective=objective), monkeypatch) for gan, twin in zip(twins(a), TWINS))
    assert compare.difference(k.losses, t.losses) <= 1e-12
    learnt = {name for name in spec.weight_shapes(a) if "running" not in name}
    assert k.gradients.keys() == t.gradients.keys() == learnt and all(np.abs(g).max() > 0 for g in k.gradients.values())
    assert compare.worst(k.gradients, t.gradients)[1] <= 1e-12
    assert apart(k.weights, t.weights) <= 1e-12
    before = with_torch.weights_of(twins(a)[1])
    assert all(not np.allclose(before[name], t.weights[name], atol=0) for name in before)


def test_running_variances_differ_by_n_over_n_minus_one(exact):
    """Of the first normalisation, which has one update a turn, over 5 images of 4 x 4 pixels, N = 80."""
    k, t = (play(gan, twin, GREY, EXACT, 1).weights["generator.project_norm.running_var"] for gan, twin in zip(twins(GREY), TWINS))
    start = perturbed(GREY)["generator.project_norm.running_var"]
    keep = spec.NORM.momentum
    assert np.allclose((t - keep * start) / (k - keep * start), 80 / 79, rtol=1e-6)


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-9), ("float32", 2e-2)])
def test_twenty_steps_agree(dtype, tolerance, exact):
    training = replace(EXACT, epsilon=1e-30 if dtype == "float64" else 1e-7)
    k, t = (play(gan, twin, GREY, training, 20, dtype) for gan, twin in zip(twins(GREY, dtype), TWINS))
    assert len(k.losses) == 20 and compare.difference(k.losses, t.losses) <= tolerance
    assert apart(k.weights, t.weights) <= tolerance


def test_whole_trainings_agree(exact):
    """`fit` in float64: the same batches, noise and averages, measured alike."""
    histories = [twin.fit(gan, images(GREY, 40), EXACT, 3, progress=False, collapsed=0) for twin, gan in zip(TWINS, twins(GREY))]
    k, t = histories
    assert k.keys() == t.keys() == {"step", "discriminator", "generator", "variety", "samples"} and k["step"] == [4, 8]
    assert compare.difference(k["discriminator"], t["discriminator"]) < 1e-9 and compare.difference(k["generator"], t["generator"]) < 1e-9
    # The running variances differ a little, and with them what is sampled.
    assert compare.difference(k["variety"], t["variety"]) < 0.02
    assert np.abs(np.int16(k["samples"]) - np.int16(t["samples"])).max() <= 2


# 6: it can learn one batch by heart

@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_overfits_two_images(twin):
    """A square and a bright half: what is generated is near one of them, and each is generated; at first it was near neither."""
    two = np.zeros((2, 8, 8))
    two[0, 2:6, 2:6] = 1
    two[1, :, :4] = 1
    gan = twin.dcgan(replace(GREY, width=16), 0)
    distances = lambda: np.abs(twin.sample(gan, 50, 1)[:, None] - two).mean((2, 3))
    assert distances().min(1).mean() > 0.4
    training = GanTraining(steps=250, batch_size=16, learning_rate=2e-3, average=0.95, measured=250)
    twin.fit(gan, np.concatenate([two] * 8), training, 0, progress=False)
    assert distances().min(1).mean() < 0.13 and 0.2 < (distances().argmin(1) == 0).mean() < 0.8


# 7, 8: equal names, planted defects

def public(module):
    return {name: inspect.signature(value) for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")}


def test_twins_have_the_same_names_and_signatures():
    assert public(with_keras) == public(with_torch)
    assert {"dcgan", "draw", "fit", "load", "put_back", "sample", "to_inputs", "weights_of"} <= public(with_torch).keys()


def no_norm(gan):
    import torch

    gan.generator.up1_norm = gan.averaged.up1_norm = torch.nn.Identity()


def other_slope(gan):
    gan.discriminator.down1_relu.negative_slope = 0.01


def shifted(gan):
    """The kernel of 5 x 5 hangs over on the other side."""
    import torch

    class Wrong(torch.nn.Module):
        def __init__(self, up):
            super().__init__()
            self.up = up

        def forward(self, x):
            return torch.nn.functional.conv_transpose2d(x, self.up.weight, stride=2, padding=2, output_padding=1)

    gan.generator.image, gan.averaged.image = Wrong(gan.generator.image), Wrong(gan.averaged.image)


def test_planted_defects_are_seen(exact):
    """In what is drawn or judged, and in the losses of three turns."""
    a = replace(TINY, kernel=5)
    noise, real = np.random.default_rng(0).standard_normal((4, 5)), images(a)
    k, _ = twins(a)
    drawn, judged = with_keras.draw(k, noise), logits(k, with_keras.to_inputs(k, real))
    right = play(k, with_keras, a, EXACT, 3).losses
    for plant in (None, no_norm, other_slope, shifted):
        _, t = twins(a)
        if plant:
            plant(t)
        apart = [compare.difference(drawn, with_torch.draw(t, noise)), compare.difference(judged, logits(t, with_torch.to_inputs(t, real)))]
        turns = compare.difference(right, play(t, with_torch, a, EXACT, 3).losses)
        assert (max(apart) > 1e-6 and turns > 1e-6) if plant else (max(apart) < 1e-12 and turns < 1e-9), plant


# weights, architectures, inputs

@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_weights_come_back_and_wrong_ones_are_refused(twin):
    gan, weights = twin.dcgan(TINY, 1), perturbed(TINY)
    before = twin.weights_of(gan)
    with pytest.raises(ValueError, match="missing.*logit.weight"):
        twin.put_back(gan, {name: value for name, value in weights.items() if "logit" not in name})
    with pytest.raises(ValueError, match="generator.up1.weight has shape .3, 3, 4, 4.; this network needs .6, 3, 4, 4."):
        twin.put_back(gan, weights | {"generator.up1.weight": np.zeros((3, 3, 4, 4))})
    assert compare.worst(before, twin.weights_of(gan))[1] == 0
    twin.put_back(gan, weights)
    after = twin.weights_of(gan)
    assert all(np.array_equal(after[name], np.float32(value)) for name, value in weights.items())
    assert all(np.array_equal(value, after[name.replace("averaged", "generator")]) for name, value in after.items() if name.startswith("averaged"))
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'int8'"):
        twin.dcgan(TINY, dtype="int8")


@pytest.mark.parametrize("change, words", [
    ({"side": 30}, "side must be 4, 5, 6 or 7 times a power of two.*got 30"), ({"side": 7}, "got 7"), ({"width": 0}, "width must be a whole number, at least 1; got 0"),
    ({"width": 2.5}, "got 2.5"), ({"channels": 2}, "1 channel .grey. or 3 .colour.; got 2"), ({"kernel": 3}, "kernels are 4 x 4, or 5 x 5.*got 3"),
])
def test_impossible_architectures_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        spec.Architecture(**change)


@pytest.mark.parametrize("side, start, maps", [(28, 7, [6, 3]), (32, 4, [12, 6, 3]), (64, 4, [24, 12, 6, 3]), (8, 4, [3])])
def test_sides_are_halved_to_the_smallest_maps(side, start, maps):
    a = spec.Architecture(side=side, width=3)
    assert (a.start, a.maps) == (start, maps)


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_what_cannot_be_trained_on_is_said(twin):
    gan = twin.dcgan(GREY)
    with pytest.raises(ValueError, match="a gradient penalty does not go with batch normalisation.*got penalty 10"):
        twin.fit(gan, images(GREY), replace(SHORT, penalty=10.0), progress=False)
    with pytest.raises(ValueError, match="take a smaller batch_size"):
        twin.fit(gan, images(GREY, 3), SHORT, progress=False)
    with pytest.raises(ValueError, match=r"got shape \(17, 16, 16, 3\)"):
        twin.fit(gan, images(TINY), SHORT, progress=False)
    with pytest.raises(TypeError, match="divide by 255"):
        twin.fit(gan, np.zeros((17, 8, 8), np.uint8), SHORT, progress=False)


# trainings that go wrong, or are interrupted

@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_a_diverging_training_ends_in_a_sentence_with_the_last_good_weights(twin):
    gan, kept = twin.dcgan(GREY, 0), {}

    def spoil(step, *_):
        if step == 6:
            twin.put_back(gan, {name: value * np.nan for name, value in twin.weights_of(gan).items()})

    with pytest.raises(FloatingPointError, match="became nan at step 7: the training has diverged.* The weights of step 4 were put back."):
        twin.fit(gan, images(GREY), SHORT, 0, spoil, lambda *_: kept.update(twin.weights_of(gan)), progress=False, collapsed=0)
    assert compare.worst(kept, twin.weights_of(gan))[1] == 0 and np.isfinite(twin.sample(gan, 2)).all()


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_a_collapse_ends_in_a_sentence_with_the_last_good_weights(twin):
    gan, kept = twin.dcgan(GREY, weights=perturbed(GREY)), {}

    def flatten(step, *_):
        if step == 6:  # without a look at the noise, every image is the same
            twin.put_back(gan, {name: value * (0 if "project.weight" in name else 1) for name, value in twin.weights_of(gan).items()})

    training = replace(SHORT, steps=12, learning_rate=1e-6)
    with pytest.raises(session.Collapse, match="collapsed at step 8: its images differ by 0.0% .* The weights of step 4 were put back."):
        twin.fit(gan, images(GREY) * 0.1, training, 0, flatten, lambda *_: kept.update(twin.weights_of(gan)), progress=False)
    assert compare.worst(kept, twin.weights_of(gan))[1] == 0


def test_a_generator_that_starts_slowly_has_not_collapsed():
    """At first all images are grey; only the last measurement is held against a generator that was never varied."""
    gan = with_torch.dcgan(GREY, 0)
    with pytest.raises(session.Collapse, match="at step 8"):
        with_torch.fit(gan, images(GREY), replace(SHORT, learning_rate=1e-6), progress=False)


@pytest.mark.parametrize("twin, a", [(with_keras, GREY), (with_torch, TINY)], ids=IDS)
def test_an_interrupted_training_goes_on_to_the_same_result(twin, a, tmp_path):
    path, results = tmp_path / "kept" / "run.safetensors", []

    def note(step, history):
        history.setdefault("noted", []).append(step / 2)

    whole = twin.dcgan(a, 0)
    results.append(twin.fit(whole, images(a), replace(SHORT, steps=11), 5, on_measure=note, progress=False, collapsed=0))

    def interrupt(step, *_):
        if step == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        twin.fit(twin.dcgan(a, 0), images(a), replace(SHORT, steps=11), 5, interrupt, note, progress=False, path=path, collapsed=0)
    assert runs.about(path)["step"] == 8 and not list(path.parent.glob("*.part"))
    resumed = twin.dcgan(a, 99)  # the file's weights take the place of these
    seen = []
    results.append(twin.fit(resumed, images(a), replace(SHORT, steps=11), 5, lambda step, *_: seen.append(step), note, progress=False, path=path, collapsed=0))
    assert seen == [9, 10, 11] and results[0]["step"] == results[1]["step"] == [4, 8, 11] and results[1]["noted"] == [2, 4, 5.5]
    assert compare.worst(twin.weights_of(whole), twin.weights_of(resumed))[1] == 0
    assert all(np.array_equal(results[0][name], results[1][name]) for name in results[0])
    with pytest.raises(ValueError, match="was kept by a training with seed 5; this one has 6. Delete it"):
        twin.fit(resumed, images(a), replace(SHORT, steps=11), 6, progress=False, path=path)


def test_a_step_hears_of_every_turn_and_the_history_of_their_means():
    heard = []
    history = with_torch.fit(with_torch.dcgan(GREY), images(GREY), SHORT, on_step=lambda *found: heard.append(found), progress=False, collapsed=0)
    assert [step for step, *_ in heard] == list(range(1, 9))
    assert history["discriminator"] == pytest.approx([np.mean([d for _, d, _ in heard[i:i + 4]]) for i in (0, 4)])
    assert history["generator"] == pytest.approx([np.mean([g for _, _, g in heard[i:i + 4]]) for i in (0, 4)])


def test_variety_is_the_squared_distance_of_two_images():
    some = images(GREY, 300)
    pairs = ((some[:150] - some[150:]) ** 2).sum((1, 2)).mean()
    assert session.variety(some) == pytest.approx(pairs, rel=0.05)
    assert session.variety(some[[0, 0, 0]]) < 1e-20


# the full run

@pytest.fixture
def small_run(monkeypatch, tmp_path):
    """A full run of a few steps on a hundred embedded digits."""
    from dlbook import data

    digits = data.digits("quick")
    few = data.Labelled("few digits", "none", digits.train_images[:100], digits.train_labels[:100], digits.test_images[:60], digits.test_labels[:60])
    monkeypatch.setattr(data, "digits", lambda _: few)
    monkeypatch.setattr(spec, "small", spec.Architecture(width=2, latent_dim=6))
    # Twelve steps do not teach anything; that is no collapse.
    monkeypatch.setitem(spec.TRAINING, "small", GanTraining(steps=12, batch_size=20, learning_rate=0.05, average=0.1, measured=4))
    monkeypatch.setattr(session, "COLLAPSED", 0)
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    for name, value in {"ALONG": 20, "LAST": 50, "DRAWN": (1, 2), "COMPARED": 10}.items():
        monkeypatch.setattr(full, name, value)
    return few


@pytest.mark.parametrize("framework", IDS)
def test_a_full_run_is_measured_along_the_way(small_run, tmp_path, framework, capsys):
    folder = tmp_path / "runs" / "gan" / "dcgan"
    result = full.run(framework, 0, folder, "mnist")
    assert result["history"]["step"] == [4, 8, 12] and {len(values) for values in result["history"].values()} == {3}
    measures = {"frechet", "precision", "recall", "classes", "diversity", "confident", "agreement"}
    assert measures | {"discriminator", "generator", "variety"} <= result["history"].keys() and "samples" not in result["history"]
    assert measures | {"nearest"} == result["metrics"].keys() and measures == result["reference"].keys()
    assert result["reference"]["frechet"] < result["metrics"]["frechet"] and "resumed" not in result
    assert result["parameters"] == {part: totals(table(spec.small)).parameters for part, table in spec.TABLES.items()}
    assert not full.unfinished("dcgan", "mnist", framework, 0).exists() and capsys.readouterr().out.count("frechet") == 3
    shipped = {path.name for path in folder.iterdir()} if folder.exists() else set()
    assert shipped == ({"mnist.safetensors", "mnist-samples.png", "mnist-nearest.png"} if framework == "torch" else set())


def test_both_twins_load_what_is_shipped(small_run, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    folder = tmp_path / "runs" / "gan" / "dcgan"
    with pytest.raises(FileNotFoundError, match="no weights are shipped.*make full RUN=gan/dcgan TASK=mnist"):
        TWINS[1].load()
    gan = with_torch.dcgan(spec.small, 1)
    weights = with_torch.weights_of(gan)
    weights = weights | {name: value * 10 for name, value in weights.items() if name.startswith("averaged.") and value.ndim > 1}
    full.ship(weights, [np.zeros((12, 28, 28), np.uint8)] * 3, np.zeros((12, 28, 28)), small_run.train_images, folder, "mnist", 0)
    k, t = (twin.load() for twin in TWINS)
    assert compare.difference(with_keras.sample(k, 5), with_torch.sample(t, 5)) <= 1e-5
    with_torch.put_back(gan, weights)
    assert compare.difference(with_torch.sample(gan, 5), with_torch.sample(t, 5)) < 1e-2  # half precision


def test_an_interrupted_full_run_goes_on(small_run, tmp_path, monkeypatch):
    whole, seen = full.run("torch", 1, tmp_path, "mnist"), []
    quality = full.measure.quality

    def interrupted(*words):
        seen.append(words)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return quality(*words)

    monkeypatch.setattr(full.measure, "quality", interrupted)
    with pytest.raises(KeyboardInterrupt):
        full.run("torch", 1, tmp_path, "mnist")
    again = full.run("torch", 1, tmp_path, "mnist")
    assert again.pop("resumed") == 4 and again == whole


def test_novelty_tells_copies_from_new_images(small_run):
    assert full.novelty(small_run.train_images[:10], small_run) == 0
    assert full.novelty(small_run.test_images, small_run) == 1
