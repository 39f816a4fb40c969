"""What networks see: the way back against the gradient and by hand, maps against their definitions, dreams; equal twins; weights drawn anew."""
import inspect
from dataclasses import replace

import numpy as np
import pytest

from dlbook import profile

profile.setup()

import tensorflow as tf  # noqa: E402  (profile.setup comes first)
import torch  # noqa: E402

from dlbook import data  # noqa: E402
from dlbook.cnn import species  # noqa: E402
from dlbook.cnn.species import spec as species_spec  # noqa: E402
from dlbook.cnn.vgg import spec as vgg  # noqa: E402
from dlbook.cnn.vgg import with_keras as vgg_keras  # noqa: E402
from dlbook.cnn.vgg import with_torch as vgg_torch  # noqa: E402
from dlbook.explain.deconvnet import spec as deconvnet  # noqa: E402
from dlbook.explain.deconvnet import with_keras as deconvnet_keras  # noqa: E402
from dlbook.explain.deconvnet import with_torch as deconvnet_torch  # noqa: E402
from dlbook.explain.dream import spec as dream  # noqa: E402
from dlbook.explain.dream import with_keras as dream_keras  # noqa: E402
from dlbook.explain.dream import with_torch as dream_torch  # noqa: E402
from dlbook.explain.maps import spec as maps  # noqa: E402
from dlbook.explain.maps import with_keras as maps_keras  # noqa: E402
from dlbook.explain.maps import with_torch as maps_torch  # noqa: E402
from dlbook.parity import compare  # noqa: E402

VGG = {"keras": vgg_keras, "torch": vgg_torch}
DECONVNET = {"keras": deconvnet_keras, "torch": deconvnet_torch}
MAPS = {"keras": maps_keras, "torch": maps_torch}
DREAM = {"keras": dream_keras, "torch": dream_torch}
BOTH = pytest.mark.parametrize("which", VGG)
SMALL = vgg.Architecture((4, 5, "M", 6, (5, 5), "M", 7), hidden=(), classifier_pool=1, size=(21, 18), num_classes=3, scaling="caffe")
RNG = np.random.default_rng(0)
IMAGES = RNG.random((3, 21, 18, 3))
LAYERS = ("conv1_1", "relu1_2", "pool1", "relu2_2", "pool2", "conv3_1", "relu3_1")


def network(which, a=SMALL, seed=3, dtype="float64", weights=None):
    return VGG[which].vgg(a, seed, weights, dtype)


# ---------------------------------------------------------------- the way back

@BOTH
@pytest.mark.parametrize("layer", LAYERS)
def test_with_the_gradients_rule_the_way_back_is_the_gradient(which, layer):
    """An independent proof of switches, transposed filters, odd sizes and colours: the frameworks' own derivative of a^2 / 2."""
    net = network(which)
    found = DECONVNET[which].project(net, IMAGES, layer, 2, "all", "gradient")
    if which == "torch":
        x = torch.tensor(IMAGES, requires_grad=True)
        scaled = (x.flip(-1) * 255 - torch.tensor([103.939, 116.779, 123.68], dtype=torch.float64)).permute(0, 3, 1, 2)
        one = vgg_torch.activations(net, scaled, [layer])[layer][:, 2]
        want = torch.autograd.grad(one.square().sum() / 2, x)[0].numpy()
    else:
        x = tf.constant(IMAGES)
        with tf.GradientTape() as tape:
            tape.watch(x)
            one = vgg_keras.activations(net, x[..., ::-1] * 255 - tf.constant([103.939, 116.779, 123.68], tf.float64), [layer])[layer][..., 2]
            loss = tf.reduce_sum(one**2) / 2
        want = tape.gradient(loss, x).numpy()
    assert np.abs(want).max() > 0 and compare.difference(want, found.pixels) <= 1e-5  # the means of the colours are float32 in the network
    assert found.pixels.shape == IMAGES.shape


@pytest.mark.parametrize("rule", deconvnet.RULES)
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("place", ["strongest", "all", (2, 1)])
def test_the_way_back_of_twins_agrees(layer, rule, place):
    a, b = (DECONVNET[which].project(network(which), IMAGES, layer, 3, place, rule) for which in VGG)
    assert compare.difference(a.pixels, b.pixels) <= 1e-12 and np.array_equal(a.places, b.places)
    assert compare.difference(a.activations, b.activations) <= 1e-12


def test_the_way_back_by_hand():
    """One map, one pooling: the strongest value returns to its pixel, through the filter; a negative signal is cut."""
    a = vgg.Architecture((1, "M", 1), hidden=(), top=False, size=None, channels=1, scaling="none")
    first, second = np.zeros((1, 1, 3, 3)), np.zeros((1, 1, 3, 3))
    first[0, 0, 1, 1], first[0, 0, 1, 2] = 2.0, -1.0
    second[0, 0, 1, 1], second[0, 0, 0, 1] = 3.0, -5.0
    weights = {"conv1_1.weight": first, "conv1_1.bias": np.zeros(1), "conv2_1.weight": second, "conv2_1.bias": np.zeros(1)}
    image = np.zeros((1, 4, 4, 1))
    image[0, 1, 2, 0] = 0.5  # maps: 2 * 0.5 = 1 at (1, 2), -0.5 at (1, 1); pooled 1 at (0, 1); then 3 there
    for which in VGG:
        seen = DECONVNET[which].project(network(which, a, weights=weights), image, "relu2_1", 0)
        want = np.zeros((4, 4))
        # 3 goes back: 3 * 3 = 9 at (0, 1) of the pooled map, to (1, 2); -15 above would be outside. Then the filter: 2 * 9 and -9.
        want[1, 2], want[1, 3] = 18.0, -9.0
        assert np.array_equal(seen.pixels[0, ..., 0], want) and seen.activations == [3.0] and seen.places.tolist() == [[0, 1]]


def test_the_rules_differ():
    deconv, gradient, guided = (deconvnet_torch.project(network("torch"), IMAGES, "relu3_1", 1, "all", rule).pixels for rule in deconvnet.RULES)
    assert compare.difference(deconv, gradient) > 0.1 and compare.difference(deconv, guided) > 0.01 and compare.difference(gradient, guided) > 0.1


@BOTH
def test_a_picture_stays_in_the_units_window(which):
    for layer, place in [("relu1_2", (5, 7)), ("relu2_2", (0, 0)), ("relu3_1", (2, 3)), ("pool1", (9, 8))]:
        pixels = DECONVNET[which].project(network(which), IMAGES, layer, 0, place).pixels
        top, left, bottom, right = deconvnet.window(SMALL, layer, place, IMAGES.shape[1:3])
        outside = pixels.copy()
        outside[:, top:bottom, left:right] = 0
        assert not outside.any()


def test_windows_are_receptive_fields():
    """Of VGG16's conv3_3: 40 pixels (Long et al.); of a corner, what is left of it."""
    a = vgg.MAPS["16"]
    top, left, bottom, right = deconvnet.window(a, "conv3_3", (20, 20), (224, 224))
    assert (bottom - top, right - left) == (40, 40)
    assert deconvnet.window(a, "conv1_2", (0, 223), (224, 224)) == (0, 221, 3, 224)


@BOTH
@pytest.mark.parametrize("words, message", [
    (("relu9_1", 0), "there is no layer 'relu9_1'"), (("relu3_1", 7), "units 0 to 6; got 7"), (("relu3_1", 0, (5, 0)), "in a map of 5 x 4; got"),
    (("relu3_1", 0, "all", "nice"), "rule must be one of deconvnet, gradient, guided; got 'nice'"),
])
def test_wrong_ways_back_are_refused(which, words, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        DECONVNET[which].project(network(which), IMAGES, *words)
    for wrong in ({"pooling": "average"}, {"pool_padding": "same"}, {"layers": (4, "LRN", "M", 4)}):
        with pytest.raises(ValueError, match="way back"):
            deconvnet.path(replace(SMALL, **wrong), "relu1_1")


@pytest.mark.parametrize("defect", ["switches", "filters", "rule"])
def test_a_defect_on_the_way_back_is_seen(defect, monkeypatch):
    want = deconvnet_keras.project(network("keras"), IMAGES, "relu3_1", 3, "all").pixels
    functional = deconvnet_torch.F
    if defect == "switches":
        pool = functional.max_pool2d
        monkeypatch.setattr(functional, "max_pool2d", lambda x, *w, **m: (pool(x, *w, **m)[0], pool(-x, *w, **m)[1]))
    elif defect == "filters":
        back = functional.conv_transpose2d
        monkeypatch.setattr(functional, "conv_transpose2d", lambda x, k, padding: back(x, k.flip(-1), padding=padding))
    else:
        monkeypatch.setattr(deconvnet_torch, "_rectified", lambda x, active, rule: x * active)
    assert compare.difference(want, deconvnet_torch.project(network("torch"), IMAGES, "relu3_1", 3, "all").pixels) > 1e-3


def test_pictures_of_nothing_are_grey():
    assert (deconvnet.picture(np.zeros((2, 2, 3))) == 0.5).all()
    assert deconvnet.picture(np.array([[[-2.0, 0, 1]]])).ravel().tolist() == [0, 0.5, 0.75]


# ---------------------------------------------------------------- where the reasons lie

@pytest.mark.parametrize("layer", ["relu2_2", "pool2", "relu3_1", "conv3_1"])
def test_grad_cam_of_twins_agrees(layer):
    a, b = (MAPS[which].gradcam(network(which), IMAGES, [0, 2, 1], layer) for which in VGG)
    assert np.abs(a).max() > 0 and compare.difference(a, b) <= 1e-12


@BOTH
def test_grad_cam_is_the_class_activation_map(which):
    """Behind the last maps there is a mean and one linear layer: then the weights of equation 1 are that layer's own, but for 1 / HW."""
    net = network(which)
    seen = VGG[which].features(net, IMAGES, ["relu3_1"])["relu3_1"]
    rows = VGG[which].weights_of(net)["logits.weight"][[0, 2, 1]]
    want = np.maximum(np.einsum("nhwc,nc->nhw", seen, rows), 0) / np.prod(seen.shape[1:3])
    assert compare.difference(want, MAPS[which].gradcam(net, IMAGES, [0, 2, 1], "relu3_1")) <= 1e-12


@BOTH
def test_occlusion_is_its_definition(which):
    net = network(which)
    found = MAPS[which].occlusion(net, IMAGES[:1], [2], 5, 4, 0.3)
    total, count = np.zeros((21, 18)), np.zeros((21, 18))
    for top in (0, 4, 8, 12, 16):
        for left in (0, 4, 8, 12, 13):
            covered = IMAGES[:1].copy()
            covered[:, top:top + 5, left:left + 5] = 0.3
            loss = VGG[which].predict(net, IMAGES[:1])[0, 2] - VGG[which].predict(net, covered)[0, 2]
            total[top:top + 5, left:left + 5] += loss
            count[top:top + 5, left:left + 5] += 1
    assert count.min() > 0 and compare.difference(total / count, found[0]) <= 1e-10


def test_occlusion_of_twins_agrees():
    a, b = (MAPS[which].occlusion(network(which), IMAGES, [0, 2, 1], 6, 3) for which in VGG)
    assert compare.difference(a, b) <= 1e-10


@BOTH
@pytest.mark.parametrize("call, message", [
    (lambda m, net: m.gradcam(net, IMAGES, [0, 1, 2], "nowhere"), "no layer 'nowhere' with maps"),
    (lambda m, net: m.gradcam(net, IMAGES, [0, 1, 2], "logits"), "no layer 'logits' with maps"),
    (lambda m, net: m.gradcam(net, IMAGES, [0, 1], "relu3_1"), "each of 3 images needs a class"),
    (lambda m, net: m.gradcam(net, IMAGES, [0, 1, 3], "relu3_1"), "classes are from 0 to 2; got 0 to 3"),
    (lambda m, net: m.occlusion(net, IMAGES, [0, 1, 2], 30, 1), "1 to 18 pixels slides.*got side 30"),
])
def test_wrong_questions_are_refused(which, call, message):
    with pytest.raises(ValueError, match=message):
        call(MAPS[which], network(which))


def test_enlarging():
    up = maps.enlarged(np.array([[[0.0, 1.0], [2.0, 3.0]]]), (4, 4))[0]
    assert up[0, 0] == 0 and up[3, 3] == 3 and up[1, 1] == pytest.approx(0.75) and up[0, 1] == pytest.approx(0.25)
    assert np.allclose(maps.enlarged(np.full((1, 3, 1), 2.0), (7, 5)), 2)


def test_shares_and_similarity():
    heat = np.arange(6.0).reshape(2, 3) - 1
    assert maps.inside(heat, (0, 0, 1, 3)) == pytest.approx(1 / 10) and maps.inside(-heat * 0, (0, 0, 1, 1)) == 0
    assert maps.similarity(heat, np.exp(heat)) == pytest.approx(1) and maps.similarity(heat, -heat) == pytest.approx(-1)
    assert maps.similarity(heat, np.ones((2, 3))) == 0
    from scipy.stats import spearmanr
    a, b = RNG.integers(0, 5, (2, 6, 7))
    assert maps.similarity(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic, rel=1e-12)


# ---------------------------------------------------------------- weights drawn anew

def test_weights_drawn_anew():
    weights = VGG["torch"].weights_of(network("torch"))
    assert all(np.array_equal(value, maps.drawn_anew(weights, 0)[name]) for name, value in weights.items())
    found = maps.drawn_anew(weights, 2, seed=5)
    changed = {name for name in weights if not np.array_equal(found[name], weights[name])}
    assert changed == {"conv3_1.weight", "logits.weight"}  # biases are 0 before and after
    with pytest.raises(ValueError, match="0 to 6 layers can be drawn anew; got 7"):
        maps.drawn_anew(weights, 7)


def drawn(which, count, seed=1):
    whole = species.network(which)
    return VGG[which].vgg(species.NETWORK, weights=maps.drawn_anew(VGG[which].weights_of(whole), count, seed))


def gradcam(which, photo):
    return lambda net: MAPS[which].gradcam(net, photo, [0], "relu5_1")[0]


def covered(which, photo):
    return lambda net: MAPS[which].occlusion(net, photo, [0], 24, 12)[0]


def traced(which, photo):
    return lambda net: np.abs(DECONVNET[which].project(net, photo, "relu4_2", 5, "all").pixels[0]).sum(-1)


def edges(which, photo):
    """A map that does not look at the network."""
    return lambda net: np.abs(np.diff(photo[0].mean(-1), axis=0))


def edges_under_gradcam(which, photo):
    """One that hardly looks: of the network's own map it takes a thousandth."""
    def explain(net):
        real = maps.enlarged(gradcam(which, photo)(net)[None], photo.shape[1:3])[0, 1:]
        return edges(which, photo)(net) + 1e-3 * real / max(real.max(), 1e-12)
    return explain


EXPLANATIONS = {gradcam: 0.6, covered: 0.6, traced: 0.9}  # how like each other the maps of two networks may be


def check_dependence(explain, which, bound):
    """Adebayo et al.: the same network gives the same map, and with other weights it must change."""
    whole = explain(species.network(which))
    assert maps.similarity(whole, explain(species.network(which))) == pytest.approx(1)
    for seed in (1, 2, 3):
        found = maps.similarity(whole, explain(drawn(which, 10, seed)))
        assert found < bound, "the map stays when the weights go"


@BOTH
@pytest.mark.parametrize("explanation", EXPLANATIONS)
def test_explanations_depend_on_the_weights(which, explanation):
    check_dependence(explanation(which, data.photo("cat", species.SIZE)[None]), which, EXPLANATIONS[explanation])


@BOTH
@pytest.mark.parametrize("planted", [edges, edges_under_gradcam])
def test_an_edge_detector_is_found_out(which, planted):
    """The planted defect looks like an explanation; the most lenient bound of the check above finds it."""
    photo = data.photo("cat", species.SIZE)[None]
    assert np.ptp(planted(which, photo)(species.network(which))) > 0.1
    with pytest.raises(AssertionError, match="the map stays when the weights go"):
        check_dependence(planted(which, photo), which, max(EXPLANATIONS.values()))


# ---------------------------------------------------------------- dreams

@pytest.mark.parametrize("layers", [("relu2_2",), ("relu1_1", "relu3_1")])
def test_dreams_of_twins_agree(layers):
    (a, slope), (b, other) = (DREAM[which].objective(network(which), layers)(IMAGES[0]) for which in VGG)
    assert a == pytest.approx(b, rel=1e-12) and compare.difference(slope, other) <= 1e-10 and slope.shape == IMAGES[0].shape
    settings = dream.Settings(layers, octaves=2, scale=1.1, steps=3, jitter=2)
    images = [dream.dream(DREAM[which].objective(network(which, replace(SMALL, top=False, size=None)), layers), IMAGES[0], settings, progress=False)
              for which in VGG]
    assert np.abs(images[0] - images[1]).max() <= 1e-6


@BOTH
def test_a_dream_is_what_was_asked_for(which):
    """The value grows at each size; the gradient is the slope."""
    net = network(which, replace(SMALL, top=False, size=None))
    f = DREAM[which].objective(net, ("relu3_1",))
    h = np.zeros_like(IMAGES[0])
    h[4, 5, 1] = 1e-6
    assert f(IMAGES[0])[1][4, 5, 1] == pytest.approx((f(IMAGES[0] + h)[0] - f(IMAGES[0] - h)[0]) / 2e-6, rel=1e-4)
    seen = {}
    dream.dream(f, IMAGES[0], dream.Settings(("relu3_1",), octaves=2, scale=1.1, steps=6, jitter=0), progress=False,
                on_step=lambda octave, step, value, picture: seen.setdefault(octave, []).append((value, picture)))
    assert list(seen) == [0, 1] and all(values[-1][0] > 1.2 * values[0][0] for values in seen.values())
    assert seen[0][0][1].shape[:2] == (19, 16) and seen[1][-1][1].shape == IMAGES[0].shape
    assert all(0 <= picture.min() and picture.max() <= 1 for values in seen.values() for _, picture in values)


def test_shifts_are_taken_back():
    """An objective that looks at each pixel alone cannot see shifts: with and without them the dream is the same."""
    f = lambda image: ((image**2).sum() / 2, image)
    plain, shifted = (dream.dream(f, IMAGES[0], dream.Settings(octaves=1, steps=4, jitter=jitter), progress=False) for jitter in (0, 7))
    assert np.allclose(plain, shifted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("wrong", [{"layers": "relu1_1"}, {"octaves": 0}, {"rate": 0}, {"scale": 1.0}, {"jitter": -1}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}.*got"):
        dream.Settings(**wrong)
    with pytest.raises(ValueError, match="take fewer octaves"):
        dream.sizes((40, 40), dream.Settings(octaves=6))


# ---------------------------------------------------------------- the network that is looked into

def test_the_network_is_the_same_in_both():
    photo = data.photo("cat", species.SIZE)[None]
    a, b = (VGG[which].predict(species.network(which), photo) for which in VGG)
    assert compare.difference(a, b) <= 1e-4 and a[0, 0] > 0.5
    with pytest.raises(ValueError, match="unknown framework 'jax'"):
        species.network("jax")


def test_pieces_of_photos():
    image, rng = RNG.integers(0, 256, (30, 40, 3), dtype=np.uint8), np.random.default_rng(0)
    found = [species_spec.piece(image, rng, 1.0, 30) for _ in range(40)]
    columns = {(k, turned) for k in range(11) for turned in (0, 1) for piece in found
               if np.array_equal(np.round((piece[:, ::-1] if turned else piece) * 255), image[:, k:k + 30])}
    assert len(columns) > 8 and {turned for _, turned in columns} == {0, 1}
    assert np.array_equal(np.round(species_spec.middle(image, 30) * 255), image[:, 5:35])


def test_the_first_convolutions_stay():
    from dlbook.cnn.species import with_torch as learner

    a = replace(SMALL, size=16, num_classes=2)
    net, photos, labels = network("torch", a, dtype="float32"), list(RNG.integers(0, 256, (8, 20, 24, 3), dtype=np.uint8)), np.arange(8) % 2
    before = vgg_torch.weights_of(net)
    how = species_spec.Training(epochs=2, batch_size=4, kept=2)
    history = learner.fit(net, photos, labels, (IMAGES[:2, :16, :16].astype("float32"), labels[:2]), how, progress=False)
    same = {name for name, value in vgg_torch.weights_of(net).items() if np.array_equal(value, before[name])}
    assert same == {f"conv1_{k}.{part}" for k in (1, 2) for part in ("weight", "bias")} and len(history["val_accuracy"]) == 2


def test_the_strongest_units():
    seen = RNG.random((2, 5, 5, 4)) * 0.1
    seen[1, 2, 3, 2], seen[0, 1, 1, 0] = 9.0, 5.0
    from dlbook.explain.deconvnet import full

    assert full.strongest(seen, 2) == [(2, 1), (0, 0)]


@pytest.mark.parametrize("modules", [DECONVNET, MAPS, DREAM])
def test_twins_have_the_same_names_and_signatures(modules):
    public = [{name: inspect.signature(one) for name, one in vars(module).items()
               if inspect.isfunction(one) and one.__module__ == module.__name__ and not name.startswith("_")} for module in modules.values()]
    assert public[0] == public[1] and public[0]
