"""Official weights through the registry into both twins: the same probabilities, and the right answer on real photos."""
import importlib
import os
from dataclasses import replace

import numpy as np
import pytest
import zoo
from test_data import at_hand

from dlbook import data
from dlbook.cnn.mobilenet import spec as mobilenet
from dlbook.cnn.squeezenet import spec as squeezenet
from dlbook.cnn.vgg import spec as vgg
from dlbook.data import imagenet
from dlbook.parity import compare

pytestmark = pytest.mark.skipif(not os.environ.get("DLBOOK_MIRROR"), reason="official weights are read from a mirror; DLBOOK_MIRROR names none")

CLASSIFIERS = {"squeezenet": squeezenet.CAFFE, "mobilenet": mobilenet.VARIANTS["0.75"]}
FILES = {"squeezenet": "squeezenet/squeezenet_v1.0_dc.npz", "mobilenet": "mobilenet_v1_075_224/mobilenet_v1_0.75_224.npz",
         "vgg": "vgg19/vgg19_conv_notop.npz"}
# What the photos show, in ImageNet's words; it has no class for the astronaut.
SHOWN = {"cat": {"Egyptian cat", "tabby", "tiger cat"}, "coffee": {"espresso", "cup", "coffee mug"}, "rocket": {"missile", "projectile"}}
FIRST = ("cat", "coffee")  # photos whose first answer is right


def built(system, a, dtype="float32"):
    """Both twins of a system with official weights."""
    at_hand(FILES[system])
    twins = [importlib.import_module(f"dlbook.cnn.{system}.with_{framework}") for framework in ("keras", "torch")]
    return [(twin, getattr(twin, system)(a, weights="official", dtype=dtype)) for twin in twins]


@pytest.mark.parametrize("system", CLASSIFIERS)
def test_photos_are_recognised(system):
    at_hand(imagenet.FILE)
    a, names = CLASSIFIERS[system], data.class_names()
    photos = np.stack([data.photo(name, a.size) for name in ("astronaut", *SHOWN)])
    left, right = (twin.predict(network, photos) for twin, network in built(system, a))
    assert compare.difference(left, right) <= zoo.OUTPUTS["float32"] * 10  # through the softmax of large logits
    for shown, probabilities in zip(SHOWN, left[1:], strict=True):
        top5 = [names[k] for k in probabilities.argsort()[::-1][:5]]
        assert set(top5) & SHOWN[shown], (shown, top5)
        assert shown not in FIRST or top5[0] in SHOWN[shown], (shown, top5)


@pytest.mark.parametrize("system", CLASSIFIERS)
def test_wrong_colours_are_noticed(system):
    """R, G, B the other way round lowers the right answers' probability: the order of the channels is the weights'."""
    at_hand(imagenet.FILE)
    a, names = CLASSIFIERS[system], data.class_names()
    twin, network = built(system, a)[1]
    photo = data.photo("coffee", a.size)[None]
    espresso = [twin.predict(network, images)[0, names.index("espresso")] for images in (photo, photo[..., ::-1])]
    assert espresso[0] > 0.9 and espresso[1] < espresso[0] - 0.02


def test_official_weights_are_those_of_the_file():
    """Two thirds of SqueezeNet's weights were pruned, says its file; MobileNet has the statistics of its training."""
    for system, a in CLASSIFIERS.items():
        (keras, k), (torch, t) = built(system, a)
        left, right = keras.weights_of(k), torch.weights_of(t)
        assert left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)
        values = np.concatenate([np.ravel(value) for value in left.values()])
        assert values.size == sum(array.size for array in data.weights.read(FILES[system]).values())
        zeros = np.mean(values == 0)
        assert (0.6 < zeros < 0.7) if system == "squeezenet" else zeros < 0.1


NAMES = ["relu1_1", "relu2_1", "relu3_1", "relu4_2", "pool5"]


@pytest.fixture(scope="module")
def maps():
    """VGG19's maps of two photos and of the first one mirrored, by both twins; 96 pixels, for speed."""
    photos = np.stack([data.photo("cat", 96), data.photo("cat", 96)[:, ::-1], data.photo("coffee", 96)])
    return [twin.features(network, photos, NAMES) for twin, network in built("vgg", vgg.MAPS["19"])]


def test_vgg19_gives_the_same_maps_in_both_twins(maps):
    left, right = maps
    assert left["relu4_2"].shape == (3, 12, 12, 512) and left["pool5"].shape == (3, 3, 3, 512)
    for name in NAMES:
        assert compare.difference(left[name], right[name]) <= zoo.OUTPUTS["float32"], name


def test_vgg19_sees_the_same_cat_in_the_mirror(maps):
    """The mean of each of the last maps hardly changes when a photo is mirrored, and much when it is another photo."""
    means = maps[1]["pool5"].mean((1, 2))
    mirrored, other = (np.corrcoef(means[0], means[k])[0, 1] for k in (1, 2))
    assert mirrored > 0.9 > 0.5 > other


def test_vgg19_reads_photos_of_every_shape():
    """The photo of the slides, 450 x 845, would give 57 x 106 at `relu4_2`; here a fifth of it."""
    a = replace(vgg.MAPS["19"], pool_padding="same", pooling="average", size=(90, 169))
    photo = data.photo("rocket")[None, 100:190, 200:369]
    left, right = (twin.features(network, photo, ["relu4_2"])["relu4_2"] for twin, network in built("vgg", a))
    assert left.shape == (1, 12, 22, 512) and compare.difference(left, right) <= zoo.OUTPUTS["float32"]
