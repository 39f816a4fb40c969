"""The painting network: twins that agree, the definitions of its normalisation, any picture, a training that goes on, the full run."""
import inspect
import json
from dataclasses import replace

import numpy as np
import pytest

from dlbook import profile

profile.setup()

import tensorflow as tf  # noqa: E402  (profile.setup comes first)
import torch  # noqa: E402

from dlbook import runs  # noqa: E402
from dlbook.cnn.blocks.table import totals  # noqa: E402
from dlbook.cnn.vgg import spec as vgg  # noqa: E402
from dlbook.parity import compare, layout  # noqa: E402
from dlbook.style.fast import full, spec, training, with_keras, with_torch  # noqa: E402
from dlbook.style.gatys.spec import Settings  # noqa: E402
from dlbook.train import initial  # noqa: E402

TWINS = {"keras": with_keras, "torch": with_torch}
BOTH = pytest.mark.parametrize("which", TWINS)
TINY = spec.Architecture(styles=3, width=2, blocks=2)
EYES = vgg.Architecture((4, 5, "M", 6, "M", 7), top=False, size=None, hidden=(), scaling="caffe")
SETTINGS = Settings(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1", "relu3_1"), style_weight=1e-4, variation_weight=10.0)
SHORT = spec.StyleTraining(6, batch_size=3, learning_rate=2**-7, side=16, style_size=20, measured=2, settings=SETTINGS)
EXACT = replace(SHORT, epsilon=1e-30)  # Keras adds it before the second moment is corrected, PyTorch after
RNG = np.random.default_rng(0)
PHOTOS = RNG.random((5, 20, 24, 3))
PAINTINGS = [RNG.random((14 + k, 20, 3)) for k in range(3)]


def perturbed(a=TINY, seed=3):
    """Weights with scales and shifts of each style's own."""
    rng = np.random.default_rng(seed)
    return {name: value + 0.3 * rng.standard_normal(value.shape) for name, value in spec.draw(a, seed).items()}


def network(which, dtype="float64", a=TINY, weights=None):
    return TWINS[which].painting_network(a, weights=weights or perturbed(a), dtype=dtype)


def eyes(which, dtype="float64"):
    return TWINS[which].vgg.vgg(EYES, 3, dtype=dtype)


def tensor(which, values):
    """(N, H, W, C) values in a twin's own layout."""
    return tf.constant(values) if which == "keras" else torch.tensor(values).movedim(-1, 1)


def array(which, values):
    """A twin's own layout back to (N, H, W, C)."""
    return np.asarray(values) if which == "keras" else values.movedim(1, -1).detach().numpy()


def fit(which, net, steps=SHORT, photos=PHOTOS, **options):
    return TWINS[which].train(net, eyes(which), PAINTINGS, photos, steps, 1, progress=False, **options)


# ---------------------------------------------------------------- counts and shapes

def test_parameters_are_counted_by_hand():
    """Johnson et al., table 1 of the supplement, at 32 maps: kernels 9 and 3; here no biases, but a scale and a shift a map and style."""
    kernels = 81 * 3 * 32 + 9 * (32 * 64 + 64 * 128 + 10 * 128 * 128 + 128 * 64 + 64 * 32) + 81 * 32 * 3
    norms = 2 * (32 + 64 + 128 + 10 * 128 + 64 + 32 + 3)
    assert totals(spec.table(spec.published, (256, 256))).parameters == kernels + norms
    assert sum(int(np.prod(shape)) for shape in spec.weight_shapes(spec.published).values()) == kernels + norms


def test_what_is_shipped_stays_small():
    """Half precision."""
    assert 2 * totals(spec.table(spec.small, (128, 128))).parameters < 1_000_000


@BOTH
def test_shapes_are_those_of_the_table(which):
    net, rows, found = network(which), spec.table(TINY, (20, 28)), {}
    own = net.part

    def part(name, x, shares):
        found[name] = array(which, result := own(name, x, shares)).shape[1:]
        return result

    net.part = part
    TWINS[which].stylize(net, RNG.random((20, 28, 3)))
    assert found == {row.name: row.shape for row in rows if row.kind == "conv"}
    assert {name: value.shape for name, value in TWINS[which].weights_of(net).items()} == spec.weight_shapes(TINY)


# ---------------------------------------------------------------- normalisation

@BOTH
def test_normalised_maps_have_the_mean_and_deviation_that_are_asked_for(which):
    x, (scale, shift) = 7 + 3 * RNG.standard_normal((2, 5, 6, 4)), RNG.random((2, 2, 4)) + 0.5
    make = tf.constant if which == "keras" else torch.tensor
    found = array(which, TWINS[which].normalise(tensor(which, x), make(scale), make(shift)))
    assert np.allclose(found.mean((1, 2)), shift, atol=1e-12) and np.allclose(found.std((1, 2)), scale, rtol=1e-5)
    want = (x - x.mean((1, 2), keepdims=True)) / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5) * scale[:, None, None] + shift[:, None, None]
    assert compare.difference(want, found) <= 1e-13


@BOTH
def test_adaptive_normalisation_is_a_style_whose_scale_and_shift_are_measured(which):
    twin, x, style = TWINS[which], RNG.standard_normal((2, 5, 6, 4)), 2 + 4 * RNG.standard_normal((2, 7, 3, 4))
    found = array(which, twin.adaptive_normalisation(tensor(which, x), tensor(which, style)))
    assert np.allclose(found.mean((1, 2)), style.mean((1, 2)), atol=1e-12) and np.allclose(found.std((1, 2)), style.std((1, 2)), rtol=1e-4)
    make = tf.constant if which == "keras" else torch.tensor
    learnt = twin.StyleNorm(4, 2)
    measured = {"scale": np.sqrt(style.var((1, 2)) + 1e-5), "shift": style.mean((1, 2))}
    if which == "keras":
        learnt.set_weights(list(measured.values()))
        again = learnt(tf.constant(x, tf.float32), np.eye(2, dtype=np.float32))
    else:
        learnt.load_state_dict({name: make(value) for name, value in measured.items()})
        again = learnt(torch.tensor(x, dtype=torch.float32).movedim(-1, 1), torch.eye(2))
    assert compare.difference(found, array(which, again)) <= 1e-5
    assert compare.difference(x, array(which, twin.adaptive_normalisation(tensor(which, x), tensor(which, x)))) <= 1e-12


@BOTH
def test_a_mixture_mixes_scales_and_shifts(which):
    weights = perturbed()
    mixed = {name: np.tile(0.25 * value[:1] + 0.75 * value[2:], (3, 1)) if "_norm." in name else value for name, value in weights.items()}
    own, other = network(which), network(which, weights=mixed)
    stylize = TWINS[which].stylize
    assert compare.difference(stylize(own, PHOTOS, [1, 0, 3]), stylize(other, PHOTOS, 1)) <= 1e-12
    assert not np.allclose(stylize(own, PHOTOS, 0), stylize(own, PHOTOS, 2), atol=0.01)
    rows = stylize(own, PHOTOS[:2], [[0, 1, 0], [0, 0, 1]])
    assert np.array_equal(rows[0], stylize(own, PHOTOS[0], 1)) and np.array_equal(rows[1], stylize(own, PHOTOS[1], 2))


# ---------------------------------------------------------------- equal twins

@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 1e-4)])
def test_outputs_agree(dtype, tolerance):
    found = [TWINS[which].stylize(network(which, dtype), PHOTOS, [[1, 2, 0]] * 5) for which in TWINS]
    assert found[0].dtype == found[1].dtype == dtype and found[0].shape == PHOTOS.shape
    assert compare.difference(*found) <= tolerance and found[0].std() > 0.05 and 0 <= found[0].min() and found[0].max() <= 1


def loss_and_gradients(which, photos=PHOTOS[:, :16, :16], numbers=(0, 1, 2, 1, 0)):
    """Losses of a batch, and the gradient of their sum in the exchange format."""
    twin, net = TWINS[which], network(which)
    losses = twin.perceptual_loss(eyes(which), PAINTINGS, SETTINGS)
    if which == "torch":
        x, numbers = torch.tensor(photos).movedim(-1, 1), torch.tensor(numbers)
        found = losses(net(x, torch.eye(3, dtype=x.dtype)[numbers]), x, numbers)
        sum(found.values()).backward()
        return {name: loss.item() for name, loss in found.items()}, {name: p.grad.numpy() for name, p in net.named_parameters()}
    x, numbers = tf.constant(photos), tf.constant(numbers)
    with tf.GradientTape() as tape:
        found = losses(net(x, tf.one_hot(numbers, 3, dtype=x.dtype)), x, numbers)
        total = sum(found.values())
    gradients = [np.asarray(g) for g in tape.gradient(total, net.weights)]
    return {name: float(loss) for name, loss in found.items()}, layout.from_keras(net, gradients)


def test_losses_and_gradients_agree():
    (k_losses, k), (t_losses, t) = map(loss_and_gradients, TWINS)
    assert list(k_losses) == list(t_losses) == ["content", "style", "variation"] and k_losses == pytest.approx(t_losses, rel=1e-12)
    assert k.keys() == t.keys() == spec.weight_shapes(TINY).keys()
    # What a block adds to a whole map, the next normalisation takes away: these shifts change nothing.
    idle = {name for name in k if name.endswith("_2_norm.shift")}
    assert len(idle) == TINY.blocks and all(np.abs(found[name]).max() < 1e-9 * np.abs(found["conv1.weight"]).max() for name in idle for found in (k, t))
    assert max(compare.difference(k[name], t[name]) for name in k.keys() - idle) <= 1e-9 and all(np.abs(k[name]).max() > 0 for name in k)


def test_trainings_agree():
    """Six steps of Adam with a falling rate, which Keras keeps in single precision."""
    found, steps = {}, []
    for which in TWINS:
        net = network(which)
        history = fit(which, net, EXACT, on_step=lambda step, losses: steps.append((step, sum(losses.values()))))
        found[which] = TWINS[which].weights_of(net), history
    (k, k_history), (t, t_history) = found.values()
    learnt = [name for name in k if not name.endswith("_2_norm.shift")]  # the others' gradient is 0 but for rounding
    assert max(compare.difference(k[name], t[name]) for name in learnt) <= 1e-6
    assert min(compare.difference(k[name], perturbed()[name]) for name in learnt) > 1e-3
    assert [step for step, _ in steps] == [*range(1, 7)] * 2 and k_history["step"] == t_history["step"] == [2, 4, 6]
    assert all(k_history[name] == pytest.approx(t_history[name], rel=1e-5) for name in k_history)
    assert np.allclose(np.reshape([loss for _, loss in steps], (2, 6)).reshape(2, 3, 2).mean(2)[0], np.sum([k_history[n] for n in list(k_history)[1:]], 0))


def test_the_loss_is_gatys_own():
    """Of one picture and one style, the objective of painting step by step; of a batch, the mean."""
    for which in TWINS:
        twin, engine = TWINS[which], __import__(f"dlbook.style.gatys.with_{which}", fromlist=["objective"])
        losses, pictures = twin.perceptual_loss(eyes(which), PAINTINGS, SETTINGS), RNG.random((2, 20, 24, 3))
        numbers = tf.constant([2, 0]) if which == "keras" else torch.tensor([2, 0])
        found = losses(tensor(which, pictures), tensor(which, PHOTOS[:2]), numbers)
        wanted = [engine.objective(eyes(which), photo, PAINTINGS[k], SETTINGS)(picture)[0] for picture, photo, k in zip(pictures, PHOTOS, (2, 0))]
        assert {name: float(loss.detach() if which == "torch" else loss) for name, loss in found.items()} == pytest.approx({n: np.mean([w[n] for w in wanted]) for n in wanted[0]}, rel=1e-12)


def test_twins_have_the_same_names_and_signatures():
    names = {name for name, f in vars(with_torch).items()
             if inspect.isfunction(f) and f.__module__ == with_torch.__name__ and name[0] != "_"}
    assert names == {"normalise", "adaptive_normalisation", "painting_network", "weights_of", "put_back", "stylize", "perceptual_loss",
                     "train_step", "train", "stepper", "load"}
    for name in names:
        assert inspect.signature(getattr(with_keras, name)) == inspect.signature(getattr(with_torch, name)), name


def defect_border(patch):
    """Zeros around the picture in place of its mirror."""
    patch.setattr(with_torch.F, "pad", lambda x, pads, mode, pad=with_torch.F.pad: pad(x, pads))


def defect_variance(patch):
    """The variance divided by N - 1."""
    patch.setattr(with_torch.torch, "var_mean", lambda x, axes, correction, f=torch.var_mean: f(x, axes, correction=1))


@pytest.mark.parametrize("defect", [defect_border, defect_variance])
def test_a_defect_in_a_twin_is_found(defect, monkeypatch):
    defect(monkeypatch)
    found = [TWINS[which].stylize(network(which), PHOTOS) for which in TWINS]
    assert compare.difference(*found) > 1e-6


# ---------------------------------------------------------------- learning

def test_it_learns():
    """A batch of two photos: after 60 steps less than two thirds of the loss."""
    a, steps = replace(TINY, styles=1, width=4), replace(SHORT, steps=60, batch_size=2, learning_rate=0.02, measured=10)
    net = with_torch.painting_network(a, 0)
    history = with_torch.train(net, eyes("torch", "float32"), PAINTINGS[:1], PHOTOS[:2, :16, :16], steps, progress=False)
    total = np.sum([history[name] for name in ("content", "style", "variation")], 0)
    assert total[-1] < 0.67 * total[0]


@BOTH
def test_an_interrupted_training_goes_on_to_the_same_result(which, tmp_path):
    path, whole, resumed = tmp_path / "run.safetensors", network(which), network(which, weights=spec.draw(TINY, 9))
    wanted, seen = fit(which, whole), []

    def stop(step, losses):
        if step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(which, network(which), on_step=stop, path=path)
    found = fit(which, resumed, on_step=lambda step, losses: seen.append(step), path=path)
    twin = TWINS[which]
    assert seen == [5, 6] and found == wanted and compare.worst(twin.weights_of(whole), twin.weights_of(resumed))[1] == 0
    with pytest.raises(ValueError, match="was kept by a training with training .*Delete it, or name another file"):
        fit(which, network(which), replace(SHORT, steps=8), path=path)


@BOTH
def test_a_diverging_training_ends_in_a_sentence_with_the_last_good_weights(which):
    twin, net, kept = TWINS[which], network(which), {}

    def spoil(step, losses):
        if step == 3:
            twin.put_back(net, {name: value * np.nan for name, value in twin.weights_of(net).items()})

    with pytest.raises(FloatingPointError, match="loss became nan at step 4.* The weights of step 2 were put back"):
        fit(which, net, on_step=spoil, on_measure=lambda *_: kept.update(twin.weights_of(net)))
    assert compare.worst(kept, twin.weights_of(net))[1] == 0


def test_batches_take_turns_with_the_styles_and_are_drawn_anew():
    steps = replace(SHORT, batch_size=2, side=8)
    numbers = np.concatenate([training.batch(PHOTOS, steps, 3, step)[1] for step in range(3)])
    assert numbers.tolist() == [0, 1, 2, 0, 1, 2]
    squares, _ = training.batch(PHOTOS, steps, 3, 0)
    assert squares.shape == (2, 8, 8, 3) and squares.dtype == np.float32
    assert np.array_equal(squares, training.batch(PHOTOS, steps, 3, 0)[0]) and not np.array_equal(squares, training.batch(PHOTOS, steps, 3, 1)[0])
    eight = np.round(PHOTOS * 255).astype(np.uint8)
    assert np.abs(training.batch(eight, steps, 3, 0)[0] - squares).max() <= 0.5 / 255 + 1e-6
    windows = np.lib.stride_tricks.sliding_window_view(PHOTOS.astype(np.float32), (8, 8, 3), (1, 2, 3)).reshape(-1, 8, 8, 3)
    assert any(np.array_equal(squares[0], w) or np.array_equal(squares[0], w[:, ::-1]) for w in windows)
    assert len(training.batch(PHOTOS[:1], steps, 3, 0)[0]) == 2  # fewer photos than a batch


# ---------------------------------------------------------------- any picture, and what is refused

@BOTH
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (18, 21), (16, 24)])
def test_any_size(which, shape):
    photo = RNG.random((*shape, 3))
    found = TWINS[which].stylize(network(which, "float32"), photo)
    assert found.shape == photo.shape and np.isfinite(found).all()
    batch = TWINS[which].stylize(network(which, "float32"), np.stack([photo, photo]))
    assert batch.shape == (2, *photo.shape) and np.allclose(batch[0], found, atol=1e-5)


def test_padding_mirrors():
    photo = RNG.random((1, 9, 8, 3))
    found = spec.padded(photo)
    assert found.shape == (1, 12, 8, 3) and np.array_equal(found[:, 9:], photo[:, :-4:-1]) and spec.padded(found) is not None
    assert spec.padded(RNG.random((2, 1, 3, 3))).shape == (2, 8, 8, 3)


@BOTH
@pytest.mark.parametrize("photos, shares, error, words", [
    (np.zeros((8, 8, 3), np.uint8), 0, TypeError, "a photo must be floating point in .0, 1.; got dtype uint8; divide by 255"),
    (np.zeros((8, 8, 4)), 0, ValueError, r"shape \(H, W, 3\); got \(8, 8, 4\)"),
    (np.full((8, 8, 3), 1.5), 0, ValueError, "values in .0, 1.; got values from 1.5 to 1.5"),
    (np.zeros((0, 8, 8, 3)), 0, ValueError, "there must be a photo; got none"),
    (np.zeros((8, 8, 3)), 3, ValueError, "knows 3 styles, numbered from 0 to 2; got 3"),
    (np.zeros((8, 8, 3)), -1, ValueError, "got -1"),
    (np.zeros((8, 8, 3)), [1, 2], ValueError, r"3 numbers, or a row of them for each of 1 pictures; got shape \(2,\)"),
    (np.zeros((8, 8, 3)), [0, 0, 0], ValueError, "numbers of 0 or more, one of them above 0 in each picture"),
    (np.zeros((8, 8, 3)), [2, -1, 0], ValueError, "numbers of 0 or more.*-1"),
    (np.zeros((8, 8, 3)), [np.nan, 1, 0], ValueError, "numbers of 0 or more.*nan"),
])
def test_wrong_pictures_and_shares_are_refused(which, photos, shares, error, words):
    with pytest.raises(error, match=words):
        TWINS[which].stylize(network(which, "float32"), photos, shares)


@BOTH
def test_what_cannot_be_learnt_is_said(which):
    twin, net = TWINS[which], network(which, "float32")
    learn = lambda paintings, photos: twin.train(net, eyes(which, "float32"), paintings, photos, SHORT, progress=False)
    with pytest.raises(ValueError, match="learns 3 styles and needs a painting for each; got 1"):
        learn(PAINTINGS[:1], PHOTOS)
    with pytest.raises(ValueError, match="painting 1 must hold values in"):
        learn([PAINTINGS[0], PAINTINGS[1] * 3, PAINTINGS[2]], PHOTOS)
    with pytest.raises(ValueError, match=r"sides of at least 16 pixels; got \(5, 15, 24, 3\)"):
        learn(PAINTINGS, PHOTOS[:, :15])
    with pytest.raises(TypeError, match="uint8, or floating point in .0, 1.; got dtype int64"):
        learn(PAINTINGS, (PHOTOS * 255).astype(int))
    with pytest.raises(ValueError, match="values in .0, 1.; got values from"):
        learn(PAINTINGS, PHOTOS * 255)
    with pytest.raises(ValueError, match="missing.*conv2_norm.shift"):
        twin.put_back(net, {name: value for name, value in perturbed().items() if name != "conv2_norm.shift"})
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'int8'"):
        twin.painting_network(TINY, dtype="int8")


@pytest.mark.parametrize("make, words", [
    (lambda: spec.Architecture(styles=0), "styles must be a whole number of 1 or more; got 0"),
    (lambda: spec.Architecture(width=2.5), "width must be a whole number of 1 or more; got 2.5"),
    (lambda: spec.StyleTraining(0), "steps must be a whole number of 1 or more; got 0"),
    (lambda: spec.StyleTraining(5, side=18), "side must be a multiple of 4, at least 8; got 18"),
    (lambda: spec.StyleTraining(5, learning_rate=0), "learning_rate must be a number above 0; got 0"),
])
def test_impossible_settings_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


# ---------------------------------------------------------------- the full run

@pytest.fixture
def small_run(monkeypatch, tmp_path):
    """A full run of a few steps, on photos and paintings made up here, seen by a small network."""
    from dlbook.style.gatys import with_keras as k
    from dlbook.style.gatys import with_torch as t

    for which, engine in (("keras", k), ("torch", t)):
        monkeypatch.setattr(engine, "feature_network", lambda which=which: eyes(which, "float32"))
    monkeypatch.setattr(spec, "small", replace(TINY, styles=2))
    monkeypatch.setitem(spec.TRAINING, "small", SHORT)
    monkeypatch.setattr(full, "pets", lambda split, side: np.round(PHOTOS[:, :side, :side] * 255).astype(np.uint8))
    monkeypatch.setattr(full, "fetch", lambda name: name)
    monkeypatch.setattr(full.images, "read", lambda name, size: PAINTINGS["night" in name].astype(np.float32))
    monkeypatch.setattr(runs, "ROOT", tmp_path)
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    for name, value in {"HELD_OUT": 2, "LADDER": (0, 1, 3), "COMPARED": 1, "LARGE": 16, "REPEATS": 1}.items():
        monkeypatch.setattr(full, name, value)
    return tmp_path / "runs" / "style" / "fast"


LOSSES = ("content", "style", "variation", "total")


@BOTH
def test_a_full_run_measures_one_pass_against_many_steps(small_run, which):
    result = full.run(which, 0, small_run, "two")
    wanted = {f"{prefix}{name}" for prefix in ("", "photo_", "compared_", "steps0_", "steps1_", "steps3_") for name in LOSSES} | {"pass_per_step"}
    metrics, history = result["metrics"], result["history"]
    assert metrics.keys() == wanted and json.dumps(result) and "resumed" not in result
    assert history["step"] == [2, 4, 6] and history.keys() == {"step", *LOSSES[:3], *(f"held_out_{name}" for name in LOSSES)}
    assert history["held_out_total"][-1] == metrics["total"] and metrics["photo_content"] == 0 < metrics["content"]
    assert metrics["total"] == pytest.approx(sum(metrics[name] for name in LOSSES[:3])) and metrics["pass_per_step"] > 0
    assert metrics["steps3_total"] < metrics["steps1_total"] < metrics["steps0_total"]
    assert {path.name for path in small_run.iterdir()} == {"two.safetensors"} if which == "torch" else not small_run.exists()


def test_both_twins_load_what_is_shipped(small_run):
    with pytest.raises(FileNotFoundError, match="no weights are shipped.*make full RUN=style/fast TASK=two"):
        with_keras.load()
    net = with_torch.painting_network(TINY, 1)
    full.ship(with_torch, net, small_run, "two", 0)
    found = [TWINS[which].stylize(TWINS[which].load(), PHOTOS, [1, 1, 0]) for which in TWINS]
    assert compare.difference(*found) <= 1e-4 and compare.difference(found[1], with_torch.stylize(net, PHOTOS, [1, 1, 0])) < 2e-2


def test_an_interrupted_full_run_goes_on(small_run, monkeypatch):
    whole, seen, measure = full.run("torch", 1, small_run, "two"), [], full.measure

    def interrupted(*words):
        seen.append(words)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return measure(*words)

    monkeypatch.setattr(full, "measure", interrupted)
    with pytest.raises(KeyboardInterrupt):
        full.run("torch", 1, small_run, "two")
    again = full.run("torch", 1, small_run, "two")
    assert again.pop("resumed") == 2
    for result in (again, whole):
        result["metrics"].pop("pass_per_step")
    assert again == whole


def test_starting_weights_are_the_same_in_both_twins():
    assert compare.worst(*(twin.weights_of(twin.painting_network(TINY, 5)) for twin in TWINS.values()))[1] == 0
    weights = spec.draw(spec.small, 0)
    assert (weights["block1_1_norm.scale"] == 1).all() and (weights["image_norm.shift"] == 0).all()
    kernel = weights["block1_1.weight"]
    assert abs(kernel.std() / np.sqrt(2 / (9 * 64)) - 1) < 0.02 and initial.precision("float64") == "float64"
