"""Style transfer: every loss against its definition, equal twins, the optimisers, and what a picture goes through around them."""
import inspect
from dataclasses import replace

import numpy as np
import pytest

from dlbook import profile

profile.setup()

import tensorflow as tf  # noqa: E402  (profile.setup comes first)
import torch  # noqa: E402

from dlbook.cnn.vgg import spec as vgg  # noqa: E402
from dlbook.parity import compare  # noqa: E402
from dlbook.style import limits, optimise, painting  # noqa: E402
from dlbook.style.gatys import spec, with_keras, with_torch  # noqa: E402

TWINS = {"keras": with_keras, "torch": with_torch}
SMALL = vgg.Architecture((4, 5, "M", 6, "M", 7, 7, "M", 5), top=False, size=None, hidden=(), scaling="caffe")
SETTINGS = spec.Settings(content_layers=("relu3_2",), style_layers=("relu1_1", "relu2_1", "relu3_1"), style_weight=1e-4,
                         variation_weight=10.0, steps=10)
RNG = np.random.default_rng(0)
CONTENT, STYLE, OTHER, IMAGE = (RNG.random(shape) for shape in ((26, 33, 3), (24, 29, 3), (31, 24, 3), (26, 33, 3)))
BOTH = pytest.mark.parametrize("which", TWINS)


def network(which, a=SMALL, dtype="float64", seed=3):
    return TWINS[which].vgg.vgg(a, seed, dtype=dtype)


def at(which, image=IMAGE, content=CONTENT, styles=STYLE, settings=SETTINGS, a=SMALL, dtype="float64"):
    return TWINS[which].objective(network(which, a, dtype), content, styles, settings)(image)


def tensor(which, values):
    """(N, H, W, C) values in a twin's own layout."""
    return tf.constant(values) if which == "keras" else torch.tensor(values).movedim(-1, 1)


def mirrored(image):
    return np.asarray(image)[:, ::-1].copy()


# ---------------------------------------------------------------- the losses

@BOTH
@pytest.mark.parametrize("masked", [False, True])
def test_gram_matrix_is_its_definition(which, masked):
    """G_ij = sum_p m_p F_pi F_pj / sum_p m_p, by loops."""
    features = RNG.normal(size=(2, 3, 4, 5))
    mask = RNG.random((3, 4)) if masked else np.ones((3, 4))
    want = np.zeros((2, 5, 5))
    for n, i, j, row, column in np.ndindex(2, 5, 5, 3, 4):
        want[n, i, j] += mask[row, column] * features[n, row, column, i] * features[n, row, column, j] / mask.sum()
    given = (tf.constant(mask) if which == "keras" else torch.tensor(mask)) if masked else None
    found = np.asarray(TWINS[which].gram_matrix(tensor(which, features), given))
    assert compare.difference(want, found) <= 1e-14 and np.allclose(found, found.swapaxes(1, 2), rtol=0, atol=1e-14)


@BOTH
def test_gram_matrix_forgets_places_and_size(which):
    features = RNG.normal(size=(1, 4, 6, 3))
    shuffled = RNG.permutation(features.reshape(24, 3)).reshape(1, 6, 4, 3)
    twice = np.concatenate([features, features], 1)
    one, *others = (np.asarray(TWINS[which].gram_matrix(tensor(which, f))) for f in (features, shuffled, twice))
    assert all(compare.difference(one, other) <= 1e-14 for other in others)


@BOTH
def test_losses_are_their_definitions(which):
    """Equation 1 divided by the number of values; equation 4 with its sums over P places for pictures of equal size; squared differences."""
    twin, (a, b) = TWINS[which], RNG.normal(size=(2, 1, 5, 6, 3))
    places, maps = 30, 3
    want = ((a - b) ** 2).sum() / 2 / (places * maps)
    assert float(twin.content_loss(tensor(which, a), tensor(which, b))) == pytest.approx(want, rel=1e-14)
    sums = [f.reshape(places, maps).T @ f.reshape(places, maps) for f in (a, b)]
    want = ((sums[0] - sums[1]) ** 2).sum() / (4 * maps**2 * places**2)
    grams = [twin.gram_matrix(tensor(which, f)) for f in (a, b)]
    assert float(twin.style_loss(*grams)) == pytest.approx(want, rel=1e-14)
    image = RNG.random((4, 5, 3))
    want = sum((image[r, c, k] - image[r - down, c - 1 + down, k]) ** 2 for down in (0, 1)
               for r in range(down, 4) for c in range(1 - down, 5) for k in range(3)) / image.size
    image = tf.constant(image) if which == "keras" else torch.tensor(image)
    assert float(twin.total_variation(image)) == pytest.approx(want, rel=1e-14)
    assert float(twin.total_variation(image[:1, :1])) == 0


@BOTH
def test_the_objective_is_the_weighted_sum(which):
    """From the network's own features of the three pictures, in NumPy."""
    s = replace(SETTINGS, layer_weights=(0.5, 2.0, 1.0), content_layers=("relu3_2", "pool1"), content_weight=3.0)
    net = network(which)
    c, t, x = (TWINS[which].vgg.features(net, image[None], s.layers) for image in (CONTENT, STYLE, IMAGE))
    grams = [{name: (maps := f[name][0].reshape(-1, f[name].shape[-1])).T @ maps / len(maps) for name in s.style_layers} for f in (x, t)]
    want = {"content": 3.0 * sum(((x[name] - c[name]) ** 2).mean() / 2 for name in s.content_layers) / 2,
            "style": 1e-4 * sum(w * ((grams[0][name] - grams[1][name]) ** 2).mean() / 4 for name, w in s.style_weights.items()),
            "variation": 10.0 * sum((np.diff(IMAGE, axis=axis) ** 2).sum() for axis in (0, 1)) / IMAGE.size}
    assert at(which, settings=s)[0] == pytest.approx(want, rel=1e-12)


@BOTH
@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_the_slope(which, masked):
    """Against differences of the losses at neighbouring pictures."""
    style = spec.Style(STYLE, mask=np.linspace(0, 1, 12).reshape(3, 4)) if masked else STYLE
    losses_and_gradient = TWINS[which].objective(network(which, replace(SMALL, pooling="average")), CONTENT, style, SETTINGS)
    gradient = losses_and_gradient(IMAGE)[1]
    assert gradient.shape == IMAGE.shape and gradient.dtype == np.float64
    for place in [(0, 0, 0), (25, 32, 2), (11, 17, 1), (5, 30, 0)]:
        h = np.zeros_like(IMAGE)
        h[place] = 1e-6
        above, below = (sum(losses_and_gradient(image)[0].values()) for image in (IMAGE + h, IMAGE - h))
        assert gradient[place] == pytest.approx((above - below) / 2e-6, rel=1e-5)


CASES = {
    "plain": {},
    "another network": {"a": replace(SMALL, pooling="average", pool_padding="same", scaling="imagenet")},
    "content alone": {"settings": replace(SETTINGS, style_weight=0.0, variation_weight=0)},
    "calm alone": {"settings": replace(SETTINGS, style_weight=0.0, content_weight=0)},
    "two styles": {"styles": [spec.Style(STYLE, 0.7), spec.Style(OTHER, 0.3)]},
    "masks": {"styles": [spec.Style(STYLE, mask=np.tri(40, 25)), spec.Style(OTHER, mask=1 - np.tri(40, 25))]},
}


@pytest.mark.parametrize("case", CASES)
def test_twins_agree(case):
    (k_losses, k), (t_losses, t) = (at(which, **CASES[case]) for which in TWINS)
    assert list(k_losses) == list(t_losses) and k_losses == pytest.approx(t_losses, rel=1e-12)
    assert compare.difference(k, t) <= 1e-10


def test_twins_agree_in_single_precision():
    (k_losses, k), (t_losses, t) = (at(which, dtype="float32") for which in TWINS)
    assert k_losses == pytest.approx(t_losses, rel=1e-4) and compare.difference(k, t) <= 1e-3


@BOTH
def test_bfloat16_is_near_and_leaves_the_network_as_it_is(which):
    net, s = network(which, dtype="float32"), replace(SETTINGS, precision="bfloat16")
    fine, rounded = (TWINS[which].objective(net, CONTENT, [spec.Style(STYLE, mask=np.tri(40, 25)), OTHER], settings) for settings in (SETTINGS, s))
    (want, slope), (found, gradient) = fine(IMAGE), rounded(IMAGE)
    assert found == pytest.approx(want, rel=0.02) and found["variation"] == want["variation"]
    assert 1e-4 < np.linalg.norm(gradient - slope) / np.linalg.norm(slope) < 0.2  # it is rounded, and not much
    assert rounded(CONTENT)[0]["content"] == 0  # the targets are rounded as the picture is
    assert fine(IMAGE)[0] == want


def test_twins_agree_in_bfloat16():
    """Sums are rounded in another order: as near as the digits go."""
    (k_losses, k), (t_losses, t) = (at(which, dtype="float32", settings=replace(SETTINGS, precision="bfloat16")) for which in TWINS)
    assert k_losses == pytest.approx(t_losses, rel=0.01) and np.linalg.norm(k - t) / np.linalg.norm(t) < 0.05


def test_twins_have_the_same_names_and_signatures():
    names = {name for name, f in vars(with_torch).items() if inspect.isfunction(f) and f.__module__ == with_torch.__name__ and name[0] != "_"}
    assert names == {"feature_network", "gram_matrix", "content_loss", "style_loss", "total_variation", "objective"}
    for name in names:
        assert inspect.signature(getattr(with_keras, name)) == inspect.signature(getattr(with_torch, name)), name


def defect_gram(patch):
    """The Gram matrix of the maps after their mean is taken away."""
    patch.setattr(with_torch, "gram_matrix", lambda f, mask=None, g=with_torch.gram_matrix: g(f - f.mean((2, 3), keepdim=True), mask))


def defect_sum(patch):
    """A sum over places and not a mean."""
    patch.setattr(with_torch, "gram_matrix", lambda f, mask=None, g=with_torch.gram_matrix: g(f, mask) * f[0, 0].numel())


def defect_colours(patch):
    """R and B change places."""
    patch.setattr(spec, "colours", lambda a, f=spec.colours: (f(a)[0][::-1].copy(), f(a)[1]))


def defect_variation(patch):
    """Differences to the right alone."""
    patch.setattr(with_torch, "total_variation", lambda image: (image[:, 1:] - image[:, :-1]).square().sum() / image.numel())


@pytest.mark.parametrize("plant", [defect_gram, defect_sum, defect_colours, defect_variation], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant, monkeypatch):
    want = at("keras")
    plant(monkeypatch)
    found = at("torch")
    assert found[0] != pytest.approx(want[0], rel=1e-6) and compare.difference(want[1], found[1]) > 1e-6


# ---------------------------------------------------------------- shapes, styles and masks

@pytest.mark.parametrize("padding, shape", [("valid", (56, 105, 512)), ("same", (57, 106, 512))])
def test_shapes_of_the_slide(padding, shape):
    a = replace(spec.architecture(), pool_padding=padding)
    assert spec.shapes(a, ["relu4_2"], (450, 845)) == {"relu4_2": shape}


def test_nothing_is_computed_behind_the_last_layer_needed():
    assert spec.part(SMALL, ["relu2_1", "relu1_2"]).layers == (4, 5, "M", 6)
    assert spec.part(SMALL, ["pool2"]).layers == (4, 5, "M", 6, "M")
    assert spec.shapes(spec.architecture(), spec.SETTINGS.layers, (16, 16))["relu5_1"] == (1, 1, 512)  # VGG19 as a whole needs 32
    called = []
    t = network("torch")
    t.conv4_1.register_forward_hook(lambda *_: called.append("conv4_1"))
    with_torch.objective(t, CONTENT, STYLE, SETTINGS)(IMAGE)
    assert not called
    assert replace(SETTINGS, content_weight=0).layers == ["relu1_1", "relu2_1", "relu3_1"]
    assert replace(SETTINGS, style_weight=0).layers == ["relu3_2"]


def test_targets_are_computed_once(monkeypatch):
    seen = []
    monkeypatch.setattr(with_torch.vgg, "activations", lambda *words, f=with_torch.vgg.activations: seen.append(1) or f(*words))
    losses_and_gradient = with_torch.objective(network("torch"), CONTENT, STYLE, SETTINGS)
    assert len(seen) == 2
    for _ in range(3):
        losses_and_gradient(IMAGE)
    assert len(seen) == 5


def test_masks_of_ones_change_nothing():
    plain, masked = at("torch"), at("torch", styles=spec.Style(STYLE, mask=np.ones((7, 9))))
    assert masked[0] == pytest.approx(plain[0], rel=1e-12) and compare.difference(plain[1], masked[1]) <= 1e-12


def test_a_mask_leaves_the_rest_alone():
    """Style alone, on the left half: no pixel whose surroundings lie on the right half is moved."""
    mask = np.zeros((26, 33))
    mask[:, :16] = 1
    gradient = at("torch", styles=spec.Style(STYLE, mask=mask), settings=replace(SETTINGS, content_weight=0.0, variation_weight=0.0))[1]
    assert not gradient[:, 26:].any() and gradient[:, :16].any(axis=(0, 2)).all()


def test_a_share_of_nothing_is_no_style():
    one = at("torch")
    mixed = at("torch", styles=[spec.Style(STYLE, 1), spec.Style(OTHER, 0)])
    assert mixed[0] == one[0] and np.array_equal(mixed[1], one[1])
    both = at("torch", styles=[spec.Style(STYLE, 3), spec.Style(STYLE, 1)])
    assert both[0] == pytest.approx(one[0], rel=1e-12)


@BOTH
def test_nothing_is_left_to_do_where_style_is_content(which):
    asked = TWINS[which].objective(network(which), CONTENT, CONTENT, replace(SETTINGS, variation_weight=0.0))
    losses, gradient = asked(CONTENT)
    assert losses == pytest.approx({"content": 0, "style": 0}, abs=1e-20) and np.abs(gradient).max() < 1e-10


def test_a_picture_with_nothing_to_do_stays():
    painted = optimise.optimise(lambda image: ({"content": 0.0}, np.zeros_like(image)), CONTENT, SETTINGS)
    assert painted.steps == 0 and not painted.stopped and np.array_equal(painted.image, CONTENT)


def test_masks_are_reduced_by_area():
    mask = RNG.random((12, 20))
    assert np.allclose(spec.reduced(mask, (3, 5)), mask.reshape(3, 4, 5, 4).mean((1, 3)))
    assert np.allclose(spec.reduced(mask, (12, 20)), mask)
    for shape in ((5, 7), (1, 1), (30, 3)):
        assert spec.reduced(mask, shape).shape == shape and spec.reduced(mask, shape).mean() == pytest.approx(mask.mean())


# ---------------------------------------------------------------- the optimisers

def valley(image):
    """Steeper in some pixels than in others; its lowest point lies partly outside [0, 1]."""
    steep = np.linspace(1, 30, image.size).reshape(image.shape)
    aim = np.linspace(-0.2, 1.2, image.size).reshape(image.shape)
    return {"valley": float((steep * (image - aim) ** 2).sum())}, 2 * steep * (image - aim)


@pytest.mark.parametrize("optimizer, factor", [("lbfgs", 1), ("lbfgs", 1e9), ("adam", 1), ("adam", 1e9)])
def test_both_find_the_valley_within_the_bounds(optimizer, factor):
    """At any scale of the losses."""
    begin = np.random.default_rng(1).random((3, 4, 3))
    s = replace(SETTINGS, optimizer=optimizer, steps=200, learning_rate=0.05)
    painted = optimise.optimise(lambda x: ({"valley": factor * valley(x)[0]["valley"]}, factor * valley(x)[1]), begin, s)
    assert np.allclose(painted.image, np.linspace(-0.2, 1.2, 36).reshape(3, 4, 3).clip(0, 1), atol=2e-4)
    values = painted.history["valley"]
    assert values[0] == factor * valley(begin)[0]["valley"] and values[-1] == factor * valley(painted.image)[0]["valley"]
    assert len(values) == painted.steps + 1 and not painted.stopped


def test_a_step_that_is_too_long_is_shortened():
    """The first move leads over a wall; every step that is kept goes down."""
    seen = []

    def wall(image):
        seen.append(image)
        return {"wall": float(np.where(image > 0.52, 50 * image, -image).sum())}, -np.ones_like(image)

    painted = optimise.optimise(wall, np.full((2, 2, 3), 0.5), replace(SETTINGS, steps=3))
    assert len(seen) > painted.steps + 1 and 0.5 < painted.image.min() and painted.image.max() <= 0.52
    assert (np.diff(painted.history["wall"]) < 0).all()


def test_what_misleads_is_forgotten(monkeypatch):
    """A remembered move that points uphill brings no lower place; the gradient itself does."""
    monkeypatch.setattr(optimise, "_direction", lambda gradient, pairs, f=optimise._direction: gradient if pairs else f(gradient, pairs))
    painted = optimise.optimise(valley, np.full((3, 4, 3), 0.5), replace(SETTINGS, steps=5))
    assert painted.steps == 5 and (np.diff(painted.history["valley"]) < 0).all()


def test_lbfgs_needs_few_looks_at_the_picture():
    """One a step, but where a step must be shortened; a curved valley of 36 pixels is found in as many steps."""
    looks = []
    painted = optimise.optimise(lambda image: looks.append(1) or valley(image), np.full((3, 4, 3), 0.5), replace(SETTINGS, steps=40))
    aim = np.linspace(-0.2, 1.2, 36).reshape(3, 4, 3).clip(0, 1)
    assert len(looks) <= 1.2 * painted.steps + 1 and np.allclose(painted.image, aim, atol=1e-3)


def test_adam_is_pytorchs():
    s = replace(SETTINGS, optimizer="adam", steps=25, learning_rate=2e-3)
    begin = np.random.default_rng(2).uniform(0.3, 0.7, (3, 4, 3))
    found = optimise.optimise(valley, begin, s).image
    x = torch.tensor(begin, requires_grad=True)
    adam = torch.optim.Adam([x], lr=2e-3)
    for _ in range(25):
        x.grad = torch.tensor(valley(x.detach().numpy())[1])
        adam.step()
    assert 0 < found.min() and found.max() < 1 and compare.difference(x.detach(), found) <= 1e-14


def test_twins_paint_the_same_picture():
    s = SETTINGS
    k, t = (painting.paint(twin, network(which), CONTENT, STYLE, s) for which, twin in TWINS.items())
    assert k.steps == t.steps == 10 and np.abs(k.image - t.image).max() <= 1e-3
    total = np.sum(list(t.history.values()), axis=0)
    assert total[-1] < 0.8 * total[0] and (np.diff(total) < 0).all() and np.abs(t.image - CONTENT).max() > 0.01


@pytest.mark.parametrize("optimizer", spec.OPTIMIZERS)
def test_stopping_keeps_the_picture_so_far(optimizer):
    told = []
    s = replace(SETTINGS, optimizer=optimizer)
    painted = optimise.optimise(valley, np.full((3, 4, 3), 0.5), s, lambda step, losses, image: told.append((step, losses, image)) or step == 4)
    assert painted.stopped and painted.steps == 4 and [step for step, *_ in told] == [1, 2, 3, 4]
    assert np.array_equal(painted.image, told[-1][2]) and told[-1][1] == valley(painted.image)[0] != told[0][1]


@pytest.mark.parametrize("optimizer", spec.OPTIMIZERS)
def test_an_interrupt_keeps_the_picture_so_far(optimizer):
    calls, told = [], []

    def interrupted(image):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return valley(image)

    painted = optimise.optimise(interrupted, np.full((3, 4, 3), 0.5), replace(SETTINGS, optimizer=optimizer),
                                lambda step, losses, image: told.append(image))
    assert painted.stopped and painted.steps == len(told) > 0 and np.array_equal(painted.image, told[-1])


def test_losses_that_are_not_finite_are_said():
    with pytest.raises(FloatingPointError, match="after 0 steps the losses are {'a': nan}; smaller weights keep them finite"):
        optimise.optimise(lambda image: ({"a": np.nan}, image), CONTENT, SETTINGS)


# ---------------------------------------------------------------- around it

def test_several_resolutions_end_at_the_size_asked_for():
    sizes, steps = [], []

    def watch(step, losses, image):
        sizes.append(image.shape[:2])
        steps.append(step)

    s = replace(SETTINGS, steps=3)
    painted = painting.paint(with_torch, network("torch"), CONTENT, STYLE, s, size=48, resolutions=2, on_step=watch)
    assert painted.image.shape == (38, 48, 3) and painted.image.min() >= 0 and painted.image.max() <= 1
    assert sizes == 3 * [(19, 24)] + 3 * [(38, 48)] and steps == [1, 2, 3, 4, 5, 6] and painted.steps == 6
    assert {len(values) for values in painted.history.values()} == {7}
    stopped = painting.paint(with_torch, network("torch"), CONTENT, STYLE, s, size=48, resolutions=2, on_step=lambda step, *_: step == 2)
    assert stopped.stopped and stopped.steps == 2 and stopped.image.shape == (38, 48, 3)


def test_the_second_resolution_starts_from_the_first():
    firsts = []

    class Spy:
        @staticmethod
        def objective(network, content, styles, settings):
            def losses(image):
                firsts.append(image)
                return {"a": float((image**2).sum())}, 2 * image
            return losses

    painting.paint(Spy, network("torch"), CONTENT, STYLE, replace(SETTINGS, steps=1, optimizer="adam", learning_rate=0.3), resolutions=2)
    assert [image.shape[:2] for image in firsts] == 2 * [(13, 16)] + 2 * [(26, 33)]
    assert np.abs(firsts[2].mean() - firsts[1].mean()) < 0.02 < firsts[0].mean() - firsts[1].mean()


def test_colours_are_kept():
    """Lightness changes; what the channels of a pixel differ by is the content's."""
    painted = painting.paint(with_torch, network("torch"), CONTENT, STYLE, SETTINGS, colour="keep")
    assert np.allclose(np.diff(painted.image, axis=2), np.diff(CONTENT, axis=2), atol=1e-12)
    assert np.abs(painting.luminance(painted.image) - painting.luminance(CONTENT)).max() > 0.01
    assert painted.image.min() >= 0 and painted.image.max() <= 1


def test_colours_of_a_grey_photo_are_grey():
    image = painting.with_colours_of(painting.grey(CONTENT), IMAGE)
    assert np.allclose(image, painting.grey(IMAGE), atol=1e-12)
    assert np.allclose(painting.as_light_as(painting.grey(STYLE), np.full((4, 4, 3), 0.25)), 0.25)
    assert painting.as_light_as(np.full((4, 4, 3), 0.25), STYLE).mean() == pytest.approx(STYLE.mean())


def test_the_first_picture():
    style = [spec.Style(STYLE)]
    assert painting.start(CONTENT, style) is CONTENT
    noise = [painting.start(CONTENT, style, replace(SETTINGS, start="noise", seed=seed)) for seed in (0, 0, 1)]
    assert np.array_equal(noise[0], noise[1]) and not np.array_equal(noise[0], noise[2]) and noise[0].shape == CONTENT.shape
    first = painting.start(CONTENT, style, replace(SETTINGS, start="style"))
    assert first.shape == CONTENT.shape and np.abs(first - CONTENT).max() > 0.1
    assert np.array_equal(painting.start(STYLE, style, replace(SETTINGS, start="style")), STYLE)


def test_memory_grows_with_the_picture_and_the_largest_fits():
    layers = spec.SETTINGS.layers
    a, shape = spec.architecture(), (300, 400)
    for framework in profile.FRAMEWORKS:
        need = [limits.needed(a, layers, size, framework) for size in ((150, 200), shape)]
        assert need[1] == pytest.approx(4 * need[0], rel=0.02)
        side = limits.largest(a, layers, shape, framework, need[0])
        assert 200 <= side <= 201
        limits.check(a, layers, shape, framework, need[1])
        limits.check(a, layers, shape, framework, None)
        with pytest.raises(ValueError, match=f"400 x 300 pixels takes about .* GB, and .* GB are free; size {side} fits"):
            limits.check(a, layers, shape, framework, need[0])
        with pytest.raises(ValueError, match="no size fits: close other programs"):
            limits.check(a, layers, shape, framework, 10)


def test_free_memory_is_the_containers_where_it_is_less(tmp_path):
    assert limits.available() > 10**8
    for name, words in (("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    5000 kB\n"), ("sys/fs/cgroup/memory.max", "max\n"),
                        ("sys/fs/cgroup/memory.current", "700\n")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(words)
    assert limits.available(tmp_path) == 5000 * 1024
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("1000\n")
    assert limits.available(tmp_path) == 300


# ---------------------------------------------------------------- what is said

@pytest.mark.parametrize("field, value, words", [
    ("content_layers", "relu4_2", "content_layers must be a tuple of names of layers, .*; got 'relu4_2'"),
    ("style_layers", (), "style_layers must be a tuple of names of layers, .*; got \\(\\)"),
    ("style_layers", ("relu1_1", "relu1_1"), "style_layers must name each layer once"),
    ("layer_weights", (1.0,), "layer_weights must be a tuple of 3 numbers, one a style layer, or None; got \\(1.0,\\)"),
    ("layer_weights", (1.0, -1, 0), "each of layer_weights must be a number of 0 or more; got -1"),
    ("layer_weights", (0, 0, 0), "layer_weights must hold a number above 0"),
    ("content_weight", -1, "content_weight must be a number of 0 or more; got -1"),
    ("style_weight", float("nan"), "style_weight must be a number of 0 or more; got nan"),
    ("variation_weight", "1", "variation_weight must be a number of 0 or more; got '1'"),
    ("optimizer", "sgd", "optimizer must be one of lbfgs, adam; got 'sgd'"),
    ("precision", "float16", "precision must be one of network, bfloat16; got 'float16'"),
    ("start", "photo", "start must be one of content, style, noise; got 'photo'"),
    ("steps", 0, "steps must be a whole number of 1 or more; got 0"),
    ("seed", -1, "seed must be a whole number of 0 or more; got -1"),
    ("learning_rate", 0, "learning_rate must be a number above 0; got 0"),
])
def test_wrong_settings_are_said(field, value, words):
    with pytest.raises(ValueError, match=words):
        replace(SETTINGS, **{field: value})


def test_asking_for_nothing_is_said():
    with pytest.raises(ValueError, match="are all 0: nothing is asked of the picture"):
        spec.Settings(content_weight=0, style_weight=0, variation_weight=0)


@pytest.mark.parametrize("more, words", [
    ({"content": CONTENT[..., 0]}, "the content must have shape \\(H, W, 3\\); got \\(26, 33\\)"),
    ({"content": np.zeros((26, 33, 3), np.uint8)}, "the content must be floating point in \\[0, 1\\]; got dtype uint8; divide by 255"),
    ({"content": 255 * CONTENT}, "the content must hold values in \\[0, 1\\]; got values from"),
    ({"styles": [STYLE, STYLE * np.nan]}, "style 2 must hold values in \\[0, 1\\]; got values from nan to nan"),
    ({"styles": []}, "there must be a style; got an empty list"),
    ({"styles": [spec.Style(STYLE, 0.0)]}, "the shares of the styles are all 0"),
    ({"styles": [spec.Style(STYLE, -1)]}, "share must be a number of 0 or more; got -1"),
    ({"styles": spec.Style(STYLE, mask=np.zeros((3, 3)))}, "a mask must be above 0 somewhere"),
    ({"styles": spec.Style(STYLE, mask=np.full((3, 3), 2))},
     "a mask must have shape \\(H, W\\) and values in \\[0, 1\\]; got shape \\(3, 3\\) and values from 2 to 2"),
    ({"styles": spec.Style(STYLE, mask=STYLE)}, "a mask must have shape \\(H, W\\)"),
    ({"content": CONTENT[:3]}, "the content: images of size \\(3, 33\\) are too small: this network reads 4 x 4 pixels or more"),
    ({"styles": STYLE[:2]}, "style 1: images of size \\(2, 29\\) are too small"),
    ({"settings": replace(SETTINGS, content_layers=("relu9_1",))}, "^there is no layer 'relu9_1'; this network has: conv1_1, relu1_1"),
    ({"a": replace(SMALL, channels=1, scaling="none")}, "a network that reads colour images, 3 channels; this one reads 1"),
])
def test_wrong_pictures_are_said(more, words):
    """Both twins ask `spec.targets` first."""
    for which in TWINS:
        with pytest.raises((TypeError, ValueError), match=words):
            at(which, **more)


@pytest.mark.parametrize("more, words", [
    ({"colour": "grey"}, "colour must be one of style, keep; got 'grey'"),
    ({"resolutions": 0}, "resolutions must be a whole number of 1 or more; got 0"),
    ({"size": 2.5}, "size must be a whole number of 1 or more; got 2.5"),
    ({"resolutions": 4}, "images of size \\(3, 4\\) are too small: .* Ask for fewer resolutions or a larger size"),
    ({"size": 3}, "too small: .* Ask for a larger size"),
])
def test_wrong_paintings_are_said(more, words):
    with pytest.raises(ValueError, match=words):
        painting.paint(with_torch, network("torch"), CONTENT, STYLE, SETTINGS, **more)
