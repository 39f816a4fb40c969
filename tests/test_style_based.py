"""The style-based GAN's eight tests; its modulated convolution against the definition; mixing, truncation, noise and paths."""
import inspect
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dlbook import profile

profile.setup()

import tensorflow as tf  # noqa: E402  (profile.setup comes first)
import torch  # noqa: E402

from dlbook import runs  # noqa: E402
from dlbook.cnn.blocks.table import totals  # noqa: E402
from dlbook.gan import session  # noqa: E402
from dlbook.gan import training as game  # noqa: E402
from dlbook.gan.blocks import spec as blocks  # noqa: E402
from dlbook.gan.objectives import with_keras as keras_game  # noqa: E402
from dlbook.gan.objectives import with_torch as torch_game  # noqa: E402
from dlbook.gan.style_based import full, paths, spec, with_keras, with_torch  # noqa: E402
from dlbook.gan.training import GanTraining  # noqa: E402
from dlbook.parity import compare, layout  # noqa: E402

TWINS = (with_keras, with_torch)
IDS = ["keras", "torch"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}
TINY = spec.Architecture(side=16, channels=3, width=3, judge=2, most=8, latents=5, mapped=2, convolutions=2)
GREY = spec.Architecture(side=8, width=4, judge=3, most=6, latents=6, mapped=1)
SHORT = GanTraining(steps=8, batch_size=5, learning_rate=2**-9, average=0.5, measured=4)
# Numbers that single precision holds exactly, where a framework keeps them in it, and no epsilon, which the two place differently.
EXACT = replace(SHORT, beta2=1 - 2**-10, epsilon=1e-30)


@pytest.fixture
def exact(monkeypatch):
    """A slope that single precision holds exactly: TensorFlow keeps that of the leaky ReLU in it."""
    monkeypatch.setattr(blocks, "SLOPE", 0.25)


def images(a, n=17, seed=1):
    shape = (n, a.side, a.side) if a.channels == 1 else (n, a.side, a.side, a.channels)
    return np.random.default_rng(seed).random(shape)


def perturbed(a, seed=3):
    """Weights with biases, and with noise of some strength."""
    rng = np.random.default_rng(seed)
    return {name: value + 0.3 * rng.standard_normal(value.shape) for name, value in spec.draw(a, seed).items()}


def twins(a, dtype="float64"):
    return [twin.style_gan(a, weights=perturbed(a), dtype=dtype) for twin in TWINS]


def numbers(a, n=7, seed=0):
    return game.shown(seed, (n, a.latent_dim))


# 1, 2: counts and shapes

def test_the_layers_are_those_of_the_paper():
    """At 1024 x 1024: eight mapping layers of 512 numbers, two convolutions at each side but the first, their parameters counted by hand."""
    a = spec.Architecture(side=1024, channels=3, width=16, most=512, latents=512, mapped=8, convolutions=2)
    assert a.maps == [512, 512, 512, 512, 256, 128, 64, 32, 16] and a.sides == [4, 8, 16, 32, 64, 128, 256, 512, 1024]
    assert len(a.layers) == 17 and [layer.doubled for layer in a.layers] == [False] + [True, False] * 8
    assert totals(spec.mapping_table(a)).parameters == 8 * (512 * 512 + 512)
    pairs = [(512, 512)] + [pair for before, after in zip(a.maps, a.maps[1:]) for pair in ((before, after), (after, after))]
    # kernels, styles and their biases, biases and strengths of noise; and the same without noise for the images
    convolutions = sum(9 * i * o + 512 * i + i + o + 1 for i, o in pairs)
    images = sum(3 * m + 512 * m + m + 3 for m in a.maps)
    assert totals(spec.synthesis_table(a)).parameters == 16 * 512 + convolutions + images


@pytest.mark.parametrize("a", [spec.quick, spec.small, TINY, GREY], ids=["quick", "small", "tiny", "grey"])
def test_tables_agree_with_both_twins(a):
    k, t = (twin.style_gan(a) for twin in TWINS)
    for part, table in spec.TABLES.items():
        rows = {row.name: row for row in table(a) if row.parameters}
        network, shapes = getattr(t, part), {}
        for name, module in network.named_children():
            module.register_forward_hook(lambda _, __, y, name=name: shapes.update({name: tuple(y.shape[1:])}))
        inputs = (a.latent_dim,) if part == "generator" else (a.channels, a.side, a.side)
        network(next(iter(t.parameters())).new_zeros(2, *inputs))
        layers = {layer.name: layer for layer in getattr(k, part).layers}
        assert layers.keys() == shapes.keys() == rows.keys()
        for name, row in rows.items():
            counts = [sum(int(np.prod(w.shape)) for w in layer) for layer in (layers[name].weights, network.get_submodule(name).parameters())]
            assert counts == [row.parameters] * 2, name
            assert shapes[name] == (row.shape if len(row.shape) == 1 else (row.shape[2], *row.shape[:2])), name
    assert {name: np.shape(value) for name, value in with_torch.weights_of(t).items() if not name.startswith("averaged.")} == spec.weight_shapes(a)


def test_the_numbers_of_an_image_are_cut_into_latents_noise_and_chance():
    a = TINY
    assert [layer.name for layer in a.layers] == ["conv4", "conv8_1", "conv8_2", "conv16_1", "conv16_2"]
    assert a.pixels == 16 + 2 * 64 + 2 * 256 and a.latent_dim == 5 + a.pixels + 1 and spec.cuts(a) == [5, 5 + a.pixels]
    assert spec.noise_spans(a) == [(0, 16), (16, 80), (80, 144), (144, 400), (400, 656)]


def test_starting_weights():
    """Deviation 1, that of the mapping 1 / pace; styles start around 1, biases and noise at 0; the same in both twins."""
    weights = spec.draw(spec.small, 0)
    for name, value in weights.items():
        if value.size > 2000:
            wanted = 1 / spec.small.pace if ".map" in name else 1
            assert abs(value.std() / wanted - 1) < 0.06, name
        elif value.ndim == 1:
            assert (value == float(name.endswith("_style.bias"))).all(), name
    assert compare.worst(*(twin.weights_of(twin.style_gan(TINY, 5)) for twin in TWINS))[1] == 0


# the modulated convolution

def directly(x, kernel, style, demodulate):
    """The definition: each image's own kernel, scaled by its style and divided by its length; x (N, H, W, I), kernel (k, k, I, O)."""
    margin, found = kernel.shape[0] // 2, []
    for image, factors in zip(np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0))), style):
        own = kernel * factors[:, None]
        own = own / np.sqrt((own**2).sum((0, 1, 2)) + 1e-8) if demodulate else own
        windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape[:2], (0, 1))  # H, W, I, k, k
        found.append(np.einsum("hwikl,klio->hwo", windows, own))
    return np.stack(found)


def ours(twin, x, kernel, style, demodulate):
    if twin is with_keras:
        return np.asarray(twin.modulated(*map(tf.constant, (x, kernel, style)), demodulate))
    y = twin.modulated(torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(kernel).permute(3, 2, 0, 1), torch.tensor(style), demodulate)
    return y.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
@pytest.mark.parametrize("demodulate, side", [(True, 3), (False, 3), (True, 1), (False, 1)])
def test_a_modulated_convolution_is_the_definition(twin, demodulate, side):
    rng = np.random.default_rng(0)
    x, kernel, style = (rng.standard_normal(shape) for shape in ((3, 6, 6, 4), (side, side, 4, 5), (3, 4)))
    assert compare.difference(directly(x, kernel, style, demodulate), ours(twin, x, kernel, style, demodulate)) <= 1e-12


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_demodulated_maps_have_unit_variance_whatever_the_style(twin):
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((8, 30, 30, 16)), 5 * rng.standard_normal((3, 3, 16, 6))
    style = 10 ** rng.uniform(-2, 2, (8, 16))
    inside = lambda y: y[:, 1:-1, 1:-1].var((1, 2))  # at the border, the kernel hangs over
    assert np.abs(inside(ours(twin, x, kernel, style, True)).mean() - 1) < 0.02 and np.abs(inside(ours(twin, x, kernel, style, True)) - 1).max() < 0.5
    assert inside(ours(twin, x, kernel, style, False)).mean() > 100


# 3: equal outputs

def logits(gan, inputs):
    """The discriminator's answers: NumPy array (N, 1)."""
    return np.asarray(gan.discriminator(inputs)) if isinstance(gan, with_keras.StyleGAN) else gan.discriminator(inputs).detach().numpy()


@pytest.mark.parametrize("a", [TINY, GREY], ids=["colour", "grey"])
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_outputs_agree(a, dtype, exact):
    k, t = twins(a, dtype)
    for averaged in (True, False):
        ours, theirs = (twin.draw(gan, numbers(a), averaged) for twin, gan in zip(TWINS, (k, t)))
        assert ours.shape == (7, *images(a).shape[1:]) and str(ours.dtype) == str(theirs.dtype) == dtype and 0 <= ours.min() and ours.max() <= 1
        assert compare.difference(ours, theirs) <= TOLERANCE[dtype] and ours.std() > 0.05
    answers = [logits(gan, twin.to_inputs(gan, images(a).astype(dtype))) for twin, gan in zip(TWINS, (k, t))]
    assert answers[0].shape == (17, 1) and compare.difference(*answers) <= TOLERANCE[dtype]
    z = numbers(a)[:, :a.latents]
    ours, theirs = (twin.styles(gan, z) for twin, gan in zip(TWINS, (k, t)))
    assert ours.shape == z.shape and compare.difference(ours, theirs) <= TOLERANCE[dtype]
    made = [twin.synthesise(gan, spec.mixed(a, ours, ours[::-1], 1), None) for twin, gan in zip(TWINS, (k, t))]
    assert compare.difference(*made) <= TOLERANCE[dtype]
    half = [twin.sample(gan, 3, 2, psi=0.5) for twin, gan in zip(TWINS, (k, t))]
    assert compare.difference(*half) <= TOLERANCE[dtype]


# 4, 5: a full alternating step with mixing, and twenty

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
    return SimpleNamespace(losses=result.losses, weights=result.weights, gradients=found)


def spy(gan, twin, found, descend):
    """`descend`, which also notes the gradients of each network."""
    def in_torch(optimizer, loss):
        part, network = next((n, m) for n, m in gan.named_children() if next(m.parameters()) is optimizer.param_groups[0]["params"][0])
        names = [name for name, _ in network.named_parameters()]
        for name, value in zip(names, torch.autograd.grad(loss, list(network.parameters()), retain_graph=True)):
            found[f"{part}.{name}"] = value.numpy().copy()
        descend(optimizer, loss)

    def in_keras(optimizer, tape, loss, network):
        gradients = tape.gradient(loss, network.trainable_weights)
        tf.numpy_function(lambda *arrays: note(network, arrays), gradients, [])  # the step is compiled: its tensors have no values
        optimizer.apply(gradients, network.trainable_weights)

    def note(network, arrays):
        found.update({f"{network.name}.{name}": value.copy() for name, value in layout.from_keras(network, list(arrays)).items()})

    return in_keras if twin is with_keras else in_torch


def test_a_full_alternating_step_agrees(exact, monkeypatch):
    """Losses, both sets of gradients, and all weights after the step, with the same weights, noise and mixing of styles."""
    a = TINY
    chances = game.drawn(EXACT, a.latent_dim, 2, 0)[0][0, :, -1:]
    assert (chances <= spec.crossings(a)).any()  # some images have two styles
    k, t = (watched(gan, twin, a, EXACT, monkeypatch) for gan, twin in zip(twins(a), TWINS))
    assert compare.difference(k.losses, t.losses) <= 1e-12
    assert k.gradients.keys() == t.gradients.keys() == spec.weight_shapes(a).keys() and all(np.abs(g).max() > 0 for g in k.gradients.values())
    assert compare.worst(k.gradients, t.gradients)[1] <= 1e-12
    assert compare.worst(k.weights, t.weights)[1] <= 1e-12
    before = with_torch.weights_of(twins(a)[1])
    assert all(not np.allclose(before[name], t.weights[name], atol=0) for name in before)


def interrupted(twin, gan, a, training, path, at):
    """A training that is interrupted in a turn."""
    def interrupt(step, *_):
        if step == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        twin.fit(gan, images(a, 40), training, 3, interrupt, progress=False, path=path, collapsed=0)


def test_twenty_steps_agree_also_when_interrupted(exact, tmp_path):
    """`fit` in float64: the same batches, numbers and averages, measured alike; in Keras, the training was interrupted in between."""
    training = replace(EXACT, steps=20, measured=10)
    (k, t), resumed = twins(GREY), with_keras.style_gan(GREY, 99, dtype="float64")
    theirs = with_torch.fit(t, images(GREY, 40), training, 3, progress=False, collapsed=0)
    interrupted(with_keras, k, GREY, training, tmp_path / "run.safetensors", 13)
    ours = with_keras.fit(resumed, images(GREY, 40), training, 3, progress=False, path=tmp_path / "run.safetensors", collapsed=0)
    assert ours.keys() == theirs.keys() == {"step", "discriminator", "generator", "variety", "samples"} and ours["step"] == [10, 20]
    assert all(compare.difference(ours[name], theirs[name]) < 1e-9 for name in ("discriminator", "generator", "variety"))
    assert np.abs(np.int16(ours["samples"]) - np.int16(theirs["samples"])).max() <= 1
    assert compare.worst(with_keras.weights_of(resumed), with_torch.weights_of(t))[1] <= 1e-9


# 6: it can learn one batch by heart

def test_overfits_two_images():
    """A square and a bright half: what is generated is near one of them, and each is generated; at first it was near neither.

    In PyTorch alone: Keras' trainings are the same, see above.
    """
    twin = with_torch
    two = np.zeros((2, 8, 8))
    two[0, 2:6, 2:6] = 1
    two[1, :, :4] = 1
    gan = twin.style_gan(replace(GREY, width=12, judge=12, most=12, mixing=0.0), 0)
    distances = lambda: np.abs(twin.sample(gan, 50, 1)[:, None] - two).mean((2, 3))
    assert distances().min(1).mean() > 0.3
    training = GanTraining(steps=250, batch_size=16, learning_rate=5e-3, beta1=0.0, beta2=0.99, average=0.95, measured=250)
    twin.fit(gan, np.concatenate([two] * 8), training, 0, progress=False)
    assert distances().min(1).mean() < 0.1 and 0.2 < (distances().argmin(1) == 0).mean() < 0.8


# 7, 8: equal names, planted defects

def public(module):
    return {name: inspect.signature(value) for name, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")}


def test_twins_have_the_same_names_and_signatures():
    assert public(with_keras) == public(with_torch)
    assert {"style_gan", "fit", "load", "mean_style", "modulated", "sample", "styles", "synthesise", "to_inputs"} == public(with_torch).keys()
    for twin in TWINS:
        assert all(callable(getattr(twin, name)) for name in ("draw", "put_back", "weights_of"))


def no_noise(gan):
    for network in (gan.generator, gan.averaged):
        network.cut = lambda noise, k: None


def not_demodulated(gan):
    for network in (gan.generator, gan.averaged):
        layer = network.conv8_1
        layer.forward = lambda x, style, layer=layer: with_torch.modulated(x, layer.scale * layer.weight, style, demodulate=False)


def other_pace(gan):
    gan.generator.map1.rate = gan.averaged.map1.rate = 1.0


def other_gain(gan):
    gan.generator.conv4_style.scale *= 2**0.5
    gan.averaged.conv4_style.scale *= 2**0.5


def transposed_noise(gan):
    for network in (gan.generator, gan.averaged):
        cut = network.cut
        network.cut = lambda noise, k, cut=cut: cut(noise, k).mT


@pytest.mark.parametrize("plant", [None, no_noise, not_demodulated, other_pace, other_gain, transposed_noise])
def test_planted_defects_are_seen(plant, exact):
    k, t = twins(TINY)
    if plant:
        plant(t)
    apart = compare.difference(with_keras.draw(k, numbers(TINY)), with_torch.draw(t, numbers(TINY)))
    assert apart > 1e-6 if plant else apart < 1e-12


def test_styles_that_are_not_mixed_in_training_are_seen(exact):
    """What is drawn is the same, since styles are mixed in training only; two turns are not."""
    k, t = twins(TINY)
    t.generator.eval().train = lambda mode=True: t.generator
    assert compare.difference(with_keras.draw(k, numbers(TINY), False), with_torch.draw(t, numbers(TINY), False)) < 1e-12
    losses = [play(gan, with_torch, TINY, EXACT, 2).losses for gan in (twins(TINY)[1], twins(TINY)[1], t)]
    assert compare.difference(*losses[:2]) == 0 and compare.difference(*losses[1:]) > 1e-6


# mixing, truncation, noise

@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_mixing_all_or_nothing_gives_the_one_or_the_other(twin):
    gan = twin.style_gan(TINY, weights=perturbed(TINY), dtype="float64")
    noise, (coarse, fine) = numbers(TINY)[:2, 5:-1], (twin.styles(gan, numbers(TINY, 2, seed)[:, :5]) for seed in (1, 2))
    mixes = [twin.synthesise(gan, spec.mixed(TINY, coarse, fine, k), noise) for k in range(len(TINY.layers) + 1)]
    assert np.array_equal(mixes[0], twin.synthesise(gan, fine, noise)) and np.array_equal(mixes[-1], twin.synthesise(gan, coarse, noise))
    assert all(not np.allclose(a, b) for a, b in zip(mixes, mixes[1:]))  # every layer's style matters
    for wrong in (-1, 6, 1.5):
        with pytest.raises(ValueError, match="the styles change at a layer from 0 to 5; got"):
            spec.mixed(TINY, coarse, fine, wrong)


@pytest.mark.parametrize("mixing", [0.0, 0.3, 0.9, 1.0])
def test_crossings_mix_a_share_of_the_images(mixing):
    """The first layer is an image's own; in a share of the images the others begin somewhere, everywhere equally often."""
    a = replace(TINY, mixing=mixing)
    chance = np.random.default_rng(0).standard_normal((40_000, 1))
    own = chance > spec.crossings(a)
    assert own[:, 0].all() and (np.diff(own.astype(int), axis=1) <= 0).all()  # once another's, always another's
    counts = np.bincount(own.sum(1), minlength=6)[1:] / 40_000
    assert counts == pytest.approx([mixing / 4] * 4 + [1 - mixing], abs=0.01)


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_in_training_a_mixed_image_has_its_neighbours_style_from_a_layer_on(twin):
    gan, a = twin.style_gan(TINY, weights=perturbed(TINY), dtype="float64"), TINY
    values = numbers(a, 4)
    bounds = spec.crossings(a)
    values[:, -1] = [bounds[-1] + 1, (bounds[2] + bounds[3]) / 2, bounds[1] - 1, bounds[-1] + 1]  # own layers: 5, 3, 1, 5
    if twin is with_keras:
        made = np.asarray(gan.generator(tf.constant(values), training=True))
    else:
        made = gan.generator.train()(torch.tensor(values)).detach().permute(0, 2, 3, 1).numpy()
    w = twin.styles(gan, values[:, :5], averaged=False)
    mixed = np.concatenate([spec.mixed(a, w[i:i + 1], w[i - 1:i] if i else w[-1:], own) for i, own in enumerate((5, 3, 1, 5))])
    assert np.allclose(np.clip((made + 1) / 2, 0, 1), twin.synthesise(gan, mixed, values[:, 5:-1], False), atol=1e-12)


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_truncation_goes_from_all_the_same_to_no_change(twin):
    gan = twin.style_gan(GREY, weights=perturbed(GREY), dtype="float64")
    w, mean = twin.styles(gan, numbers(GREY)[:, :6]), twin.mean_style(gan)
    assert mean.shape == (6,) and np.allclose(mean, twin.styles(gan, game.shown(0, (10_000, 6))).mean(0))
    assert np.array_equal(spec.truncated(w, mean, 1), w) and np.allclose(spec.truncated(w, mean, 0), mean)
    assert np.allclose(spec.truncated(w, mean, 0.5), (w + mean) / 2)
    assert np.array_equal(twin.sample(gan, 6, 3, psi=1), twin.draw(gan, numbers(GREY, 6, 3)))
    one = twin.synthesise(gan, spec.truncated(w, mean, 0))
    assert np.allclose(one, one[:1]) and not np.allclose(twin.synthesise(gan, w), one)
    spread = [twin.sample(gan, 60, 3, psi=psi).var(0).sum() for psi in (0, 0.5, 1)]
    assert spread[0] < spread[1] < spread[2]
    with pytest.raises(ValueError, match="psi is a finite number.*got nan"):
        spec.truncated(w, mean, float("nan"))


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_noise_has_the_strength_that_was_learnt(twin):
    weights = perturbed(GREY)
    w, noise = np.ones((2, 6)), numbers(GREY)[:2, 6:-1]
    loud = twin.style_gan(GREY, weights=weights)
    assert not np.allclose(twin.synthesise(loud, w, noise)[0], twin.synthesise(loud, w, noise)[1])
    assert np.allclose(twin.synthesise(loud, w, noise[:1]), twin.synthesise(loud, w, noise)[0], atol=1e-6)  # one noise for all
    quiet = twin.style_gan(GREY, weights={name: value * 0 if "strength" in name else value for name, value in weights.items()})
    assert np.array_equal(twin.synthesise(quiet, w, noise), twin.synthesise(quiet, w, None))
    assert not np.allclose(twin.synthesise(loud, w, noise), twin.synthesise(loud, w, None))


def test_each_pixel_of_noise_reaches_its_own_place(exact):
    """Of the last layer, whose image is made by kernels of 1 x 1, each pixel moves one pixel of the image."""
    gan = with_torch.style_gan(GREY, weights=perturbed(GREY), dtype="float64")
    first, end = spec.noise_spans(GREY)[-1]
    noise = np.zeros((2, GREY.pixels))
    noise[1, first + 3 * 8 + 5] = 1.0
    apart = np.subtract(*with_torch.synthesise(gan, np.ones((2, 6)), noise))
    assert end == GREY.pixels and np.argwhere(apart).tolist() == [[3, 5]]


def test_a_slower_mapping_starts_as_it_would_and_moves_less():
    """The same styles at first; after a step, the mapping's styles have moved less, by the pace."""
    fast, slow = (with_torch.style_gan(replace(GREY, pace=pace), 0, dtype="float64") for pace in (1.0, 0.125))
    z = numbers(GREY, 200)[:, :6]
    before = [with_torch.styles(gan, z, False) for gan in (fast, slow)]
    assert compare.difference(*before) < 1e-6
    for gan in (fast, slow):
        play(gan, with_torch, GREY, replace(EXACT, learning_rate=2**-13), 1)
    moved = [np.abs(with_torch.styles(gan, z, False) - start).mean() for gan, start in zip((fast, slow), before)]
    assert moved[1] / moved[0] == pytest.approx(0.125, rel=0.05)


# weights, architectures, inputs

@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_weights_come_back_and_wrong_ones_are_refused(twin):
    gan, weights = twin.style_gan(TINY, 1), perturbed(TINY)
    before = twin.weights_of(gan)
    with pytest.raises(ValueError, match="missing.*conv8_1_noise.strength"):
        twin.put_back(gan, {name: value for name, value in weights.items() if "conv8_1_noise" not in name})
    assert compare.worst(before, twin.weights_of(gan))[1] == 0
    twin.put_back(gan, weights)
    after = twin.weights_of(gan)
    assert all(np.array_equal(after[name], np.float32(value)) for name, value in weights.items())
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'int8'"):
        twin.style_gan(TINY, dtype="int8")


@pytest.mark.parametrize("change, words", [
    ({"side": 28}, "a power of two from 8 on, for example 32; got 28"), ({"side": 4}, "got 4"),
    ({"width": 0}, "width must be a whole number, at least 1; got 0"),
    ({"mapped": 2.5}, "mapped must be a whole number, at least 1; got 2.5"),
    ({"channels": 2}, "1 channel .grey. or 3 .colour.; got 2"),
    ({"pace": 0}, "pace is a share of the learning rate, above 0 and at most 1; got 0"),
    ({"mixing": 1.5}, "mixing is a share of the images, from 0 to 1; got 1.5"),
])
def test_impossible_architectures_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        spec.Architecture(**change)


@pytest.mark.parametrize("twin", TWINS, ids=IDS)
def test_what_cannot_be_made_or_learnt_is_said(twin):
    gan = twin.style_gan(GREY)
    with pytest.raises(ValueError, match=r"styles have shape \(N, 6\), or \(N, 2, 6\) with one for each layer; got \(4, 5\)"):
        twin.synthesise(gan, np.zeros((4, 5)))
    with pytest.raises(ValueError, match=r"noise has shape \(4, 80\), or \(1, 80\) for the same in all images; got \(2, 80\)"):
        twin.synthesise(gan, np.zeros((4, 6)), np.zeros((2, 80)))
    with pytest.raises(ValueError, match="take a smaller batch_size"):
        twin.fit(gan, images(GREY, 3), SHORT, progress=False)
    with pytest.raises(ValueError, match=r"got shape \(17, 16, 16, 3\)"):
        twin.fit(gan, images(TINY), SHORT, progress=False)


def test_digits_are_framed_and_the_frame_is_cut_off_again():
    digits = images(SimpleNamespace(side=28, channels=1), 2)
    framed = (with_keras.to_inputs(with_keras.style_gan(replace(spec.small, most=4)), digits) + 1) / 2
    assert framed.shape == (2, 32, 32, 1) and (framed[:, :2] == 0).all() and np.allclose(spec.without_frame(framed[..., 0]), digits, atol=1e-6)


# trainings that go wrong, or are interrupted

def test_a_diverging_training_ends_in_a_sentence_with_the_last_good_weights():
    twin = with_torch
    gan, kept = twin.style_gan(GREY, 0), {}

    def spoil(step, *_):
        if step == 6:
            twin.put_back(gan, {name: value * np.nan for name, value in twin.weights_of(gan).items()})

    with pytest.raises(FloatingPointError, match="became nan at step 7: the training has diverged.* The weights of step 4 were put back."):
        twin.fit(gan, images(GREY), SHORT, 0, spoil, lambda *_: kept.update(twin.weights_of(gan)), progress=False, collapsed=0)
    assert compare.worst(kept, twin.weights_of(gan))[1] == 0 and np.isfinite(twin.sample(gan, 2)).all()


def test_a_collapse_ends_in_a_sentence_with_the_last_good_weights():
    twin = with_torch
    gan, kept = twin.style_gan(GREY, weights=perturbed(GREY)), {}

    def flatten(step, *_):
        if step == 6:  # styles that do not depend on the latent numbers, and no noise
            twin.put_back(gan, {name: value * (0 if "style.weight" in name or "strength" in name else 1) for name, value in twin.weights_of(gan).items()})

    training = replace(SHORT, steps=12, learning_rate=1e-6)
    with pytest.raises(session.Collapse, match="collapsed at step 8: its images differ by 0.0% .* The weights of step 4 were put back."):
        twin.fit(gan, images(GREY) * 0.1, training, 0, flatten, lambda *_: kept.update(twin.weights_of(gan)), progress=False)
    assert compare.worst(kept, twin.weights_of(gan))[1] == 0


def test_an_interrupted_training_goes_on_to_the_same_result(tmp_path):
    path, training = tmp_path / "run.safetensors", replace(SHORT, steps=11)
    whole, resumed, seen = with_torch.style_gan(TINY, 0), with_torch.style_gan(TINY, 99), []  # the file's weights take the place of these
    wanted = with_torch.fit(whole, images(TINY, 40), training, 3, progress=False, collapsed=0)
    interrupted(with_torch, with_torch.style_gan(TINY, 0), TINY, training, path, 10)
    found = with_torch.fit(resumed, images(TINY, 40), training, 3, lambda step, *_: seen.append(step), progress=False, path=path, collapsed=0)
    assert seen == [9, 10, 11] and compare.worst(with_torch.weights_of(whole), with_torch.weights_of(resumed))[1] == 0
    assert all(np.array_equal(wanted[name], found[name]) for name in wanted)


# paths

def test_ways_begin_and_end_where_they_should():
    a, b = np.array([[3.0, 0.0]]), np.array([[0.0, 0.5]])
    assert np.allclose(paths.straight(a, b, np.array([[0.5]])), [[1.5, 0.25]])
    for t, wanted in ((0.0, (1, 0)), (0.5, (0.5**0.5, 0.5**0.5)), (1.0, (0, 1))):
        assert np.allclose(paths.along_sphere(a, b, np.array([[t]])), [wanted])
    assert np.allclose(paths.along_sphere(a, a, np.array([[0.3]])), [[1, 0]])


def test_the_length_of_a_path_is_known_where_the_space_is():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 500, 3))
    # what is seen is the point itself: the mean squared distance of the pair
    assert paths.path_length(lambda x: x, a, b, paths.straight) == pytest.approx(((a - b) ** 2).sum(1).mean(), rel=1e-6)
    assert paths.path_length(lambda x: 3 * x, a, b, paths.straight) == pytest.approx(9 * ((a - b) ** 2).sum(1).mean(), rel=1e-6)
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert paths.path_length(lambda x: x, a, b, paths.along_sphere) == pytest.approx((np.arccos(cosines) ** 2).mean(), rel=1e-5)
    detour = lambda x: np.concatenate([x, np.sin(20 * x)], 1)
    assert paths.path_length(detour, a, b, paths.straight) > 50 * paths.path_length(lambda x: x, a, b, paths.straight)


# the full run

@pytest.fixture
def small_run(monkeypatch, tmp_path):
    """A full run of a few steps on a hundred embedded digits."""
    from dlbook import data

    digits = data.digits("quick")
    few = data.Labelled("few digits", "none", digits.train_images[:100], digits.train_labels[:100], digits.test_images[:60], digits.test_labels[:60])
    monkeypatch.setattr(data, "digits", lambda _: few)
    monkeypatch.setattr(spec, "small", spec.Architecture(width=2, judge=2, most=4, latents=6, mapped=1))
    # Twelve steps do not teach anything; that is no collapse.
    monkeypatch.setitem(spec.TRAINING, "small", GanTraining(steps=12, batch_size=10, learning_rate=0.01, average=0.1, measured=4))
    monkeypatch.setattr(session, "COLLAPSED", 0)
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    for name, value in {"ALONG": 20, "LAST": 50, "DRAWN": (1, 2), "PATHS": 10}.items():
        monkeypatch.setattr(full, name, value)
    monkeypatch.setattr(full.record, "COMPARED", 10)
    return few


MEASURES = {"frechet", "precision", "recall", "classes", "diversity", "confident", "agreement"}


@pytest.mark.parametrize("framework", IDS)
def test_a_full_run_is_measured_along_the_way_truncated_and_along_paths(small_run, tmp_path, framework):
    folder = tmp_path / "runs" / "gan" / "style_based"
    result = full.run(framework, 0, folder, "mnist")
    assert result["history"]["step"] == [4, 8, 12] and {len(values) for values in result["history"].values()} == {3}
    assert MEASURES | {"discriminator", "generator", "variety"} <= result["history"].keys() and "samples" not in result["history"]
    assert MEASURES | {"nearest", "path_z", "path_w"} == result["metrics"].keys() and MEASURES == result["reference"].keys()
    assert [one["psi"] for one in result["truncation"]] == [1.0, 0.7, 0.5] and all(one.keys() == MEASURES | {"psi"} for one in result["truncation"])
    assert all(result["truncation"][0][name] == result["metrics"][name] for name in MEASURES)
    assert min(result["metrics"]["path_z"], result["metrics"]["path_w"]) > 0 and "resumed" not in result
    assert result["parameters"] == {part: totals(table(spec.small)).parameters for part, table in spec.TABLES.items()}
    shipped = {path.name for path in folder.iterdir()} if folder.exists() else set()
    assert shipped == ({"mnist.safetensors", "mnist-samples.png", "mnist-nearest.png"} if framework == "torch" else set())


def test_both_twins_load_what_is_shipped(small_run, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    with pytest.raises(FileNotFoundError, match="no weights are shipped.*make full RUN=gan/style_based TASK=mnist"):
        TWINS[1].load()
    gan = with_torch.style_gan(spec.small, 1)
    weights = {name: value * 2 if name.startswith("averaged.") and value.ndim > 1 else value for name, value in with_torch.weights_of(gan).items()}
    full.ship(weights, [np.zeros((12, 32, 32), np.uint8)] * 3, np.zeros((12, 28, 28)), small_run.train_images,
              tmp_path / "runs" / "gan" / "style_based", "mnist", 0)
    k, t = (twin.load() for twin in TWINS)
    assert compare.difference(with_keras.sample(k, 5), with_torch.sample(t, 5)) <= 1e-5
    with_torch.put_back(gan, weights)
    assert compare.difference(with_torch.sample(gan, 5), with_torch.sample(t, 5)) < 3e-2  # half precision
    assert compare.difference(with_torch.sample(gan, 5, averaged=False), with_torch.sample(t, 5)) > 0.1


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


def test_shipped_weights_would_stay_small():
    """In half precision, under a megabyte, with the discriminator."""
    assert 2 * sum(int(np.prod(shape)) for shape in spec.weight_shapes(spec.small).values()) < 900_000
