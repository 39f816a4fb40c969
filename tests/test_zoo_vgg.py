"""VGG: the eight tests, every number of the slides, torchvision's and Keras' own models, the maps for style transfer."""
from dataclasses import replace

import numpy as np
import peers
import pytest
import zoo

from dlbook.cnn.blocks import start
from dlbook.cnn.vgg import spec, with_keras, with_torch
from dlbook.data import registry
from dlbook.parity import compare

VGG = zoo.Zoo(spec, with_keras, with_torch, "vgg")
TINY = spec.Architecture((4, "M", 6, 5, "M"), hidden=(16, 12), dropout=0.0, size=13, num_classes=5)
WIDE = replace(TINY, layers=(3, "LRN", "M", 6, (7, 1), "M", (5, 5)), hidden=(9,), size=(19, 26), channels=1, scaling="signed")
HELD_OUT = [TINY, WIDE, replace(TINY, pooling="average", scaling="caffe", hidden=()), replace(WIDE, pooling="average", pool_padding="same"),
            replace(TINY, classifier_pool=2, size=(17, 30)), replace(WIDE, classifier_pool=7)]
MAPS = replace(TINY, layers=(4, "M", 6, 5, "M", 3, "M"), top=False, size=None)

# Deck "Deep Learning Applications", slides 18 to 20: name, window times maps that are read, maps, parameters.
SLIDES = [
    ("conv1_1", 3 * 3 * 3, 64, 1792), ("conv1_2", 64 * 3 * 3, 64, 36928),
    ("conv2_1", 64 * 3 * 3, 128, 73856), ("conv2_2", 128 * 3 * 3, 128, 147584),
    ("conv3_1", 128 * 3 * 3, 256, 295168), ("conv3_2", 256 * 3 * 3, 256, 590080),
    ("conv3_3", 256 * 3 * 3, 256, 590080), ("conv3_4", 256 * 3 * 3, 256, 590080),
    ("conv4_1", 256 * 3 * 3, 512, 1180160), ("conv4_2", 512 * 3 * 3, 512, 2359808),
    ("conv4_3", 512 * 3 * 3, 512, 2359808), ("conv4_4", 512 * 3 * 3, 512, 2359808),
    ("conv5_1", 512 * 3 * 3, 512, 2359808), ("conv5_2", 512 * 3 * 3, 512, 2359808),
    ("conv5_3", 512 * 3 * 3, 512, 2359808), ("conv5_4", 512 * 3 * 3, 512, 2359808),
    ("fc6", 25088, 4096, 102764544), ("fc7", 4096, 4096, 16781312), ("logits", 4096, 1000, 4097000),
]


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_counts_and_shapes(name):
    total = zoo.check_table(VGG, spec.VARIANTS[name], spec.PARAMETERS[name], spec.GIGA_OPERATIONS.get(name))
    assert round(total.parameters / 1e6) == spec.PARAMETERS_PAPER[name]


def test_depth_is_in_the_name():
    for name, a in spec.VARIANTS.items():
        assert f"{zoo.table.depth(spec.table(a))}" == name.removesuffix("-LRN").removesuffix("C"), name
    assert set(spec.LETTERS) == set(spec.VARIANTS)


def test_every_line_of_the_slides():
    """VGG19: weights and biases of each layer, the order of all layers, 7 x 7 x 512 = 25,088 at the end of the maps."""
    rows = {row.name: row for row in spec.table("19")}
    for name, read, maps, parameters in SLIDES:
        assert rows[name].parameters == parameters == (read + 1) * maps and rows[name].shape[-1] == maps, name
    assert [name for name in rows if rows[name].parameters] == [name for name, *_ in SLIDES]
    assert rows["pool5"].shape == (7, 7, 512) and rows["flatten"].shape == (25088,) == (512 * 7 * 7,)
    counts = {1: 2, 2: 2, 3: 4, 4: 4, 5: 4}
    order = [name for stage, n in counts.items()
             for name in [f"{kind}{stage}_{k}" for k in range(1, n + 1) for kind in ("conv", "relu")] + [f"pool{stage}"]]
    assert list(rows)[1:len(order) + 1] == order
    assert [rows[f"pool{stage}"].shape[0] for stage in counts] == [112, 56, 28, 14, 7]


@pytest.mark.parametrize("padding, shape", [("same", (57, 106, 512)), ("valid", (56, 105, 512))])
def test_the_shape_of_the_photo_on_the_slide(padding, shape):
    """The slide has (57, 106): 450 / 8 = 56.25 and 845 / 8 = 105.6, rounded up, as pooling with padding does."""
    a = replace(spec.MAPS["19"], pool_padding=padding)
    assert {row.name: row.shape for row in spec.table(a, (450, 845))}["relu4_2"] == shape


@pytest.mark.large
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_both_twins_have_the_shapes_of_the_photo(padding):
    zoo.check_table(VGG, replace(spec.MAPS["19"], pool_padding=padding, size=(450, 845)))


@pytest.mark.parametrize("a", HELD_OUT, ids=range(len(HELD_OUT)))
def test_held_out_architectures(a):
    zoo.check_table(VGG, a)
    zoo.check_outputs(VGG, a)
    zoo.check_steps(VGG, a)


@pytest.mark.large
@pytest.mark.parametrize("name", spec.VARIANTS)
def test_outputs_and_gradients(name):
    a = replace(spec.VARIANTS[name], size=32, hidden=(32, 32), num_classes=10, dropout=0.0)
    zoo.check_outputs(VGG, a)
    zoo.check_steps(VGG, a, count=1, dtypes=("float64",))


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("padding, sides", [("same", (5, 7)), ("valid", (4, 6))])
def test_features_of_any_size(pooling, padding, sides):
    """One network for images of every size; both twins give the same maps by name."""
    a = replace(MAPS, pooling=pooling, pool_padding=padding)
    k, t = zoo.twins(VGG, a)
    names = ["pool3", "relu2_2", "conv1_1", "relu1_1"]
    for height, width in ((37, 53), (24, 16)):
        images = np.random.default_rng(0).random((2, height, width, 3))
        left, right = with_keras.features(k, images, names), with_torch.features(t, images, names)
        rows = {row.name: row.shape for row in spec.table(a, (height, width))}
        for name in names:
            assert left[name].shape == right[name].shape == (2, *rows[name])
            assert compare.difference(left[name], right[name]) <= 1e-12, name
        assert list(left) == list(right) == names
        assert left["conv1_1"].min() < 0 and np.array_equal(right["relu1_1"], np.maximum(right["conv1_1"], 0))
        if height == 37:
            assert rows["pool3"][:2] == sides


def test_features_of_the_classifier():
    k, t = zoo.twins(VGG, TINY)
    images, _ = zoo.batch(TINY, 2)
    left, right = with_keras.features(k, images, ["fc3", "logits"]), with_torch.features(t, images, ["fc3", "logits"])
    assert left["fc3"].shape == (2, 16) and left["fc3"].min() < 0
    for name in left:
        assert compare.difference(left[name], right[name]) <= 1e-12
    assert compare.difference(left["logits"], zoo.outputs(VGG, k, t, images)[0]) <= 1e-12


def test_gradients_flow_to_the_image():
    """As style transfer needs it: the gradient of a sum over maps with respect to the pixels."""
    import tensorflow as tf
    import torch

    k, t = zoo.twins(VGG, MAPS)
    images = np.random.default_rng(0).random((1, 21, 30, 3))
    with tf.GradientTape() as tape:
        x = tf.Variable(with_keras.to_inputs(k, images))
        left = tf.reduce_sum(with_keras.activations(k, x, ["relu2_2"])["relu2_2"] ** 2)
    y = with_torch.to_inputs(t, images).requires_grad_()
    found = with_torch.activations(t, y, ["conv2_2", "relu2_2"])
    (found["relu2_2"] ** 2).sum().backward()
    assert torch.equal(found["conv2_2"].relu(), found["relu2_2"])
    assert compare.difference(tape.gradient(left, x), y.grad.permute(0, 2, 3, 1)) <= 1e-12


@pytest.mark.parametrize("a", [TINY, WIDE], ids=["tiny", "wide"])
def test_overfits_one_batch(a):
    zoo.check_overfits(VGG, replace(a, layers=(16, "M", 16, "M"), hidden=(64,), size=(9, 8)), epochs=40)


def test_twins_have_the_same_names_and_signatures():
    zoo.check_names(VGG)


def defect_flatten(network):
    """The maps are flattened in Keras' order."""
    from torch import nn

    class Flatten(nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1).flatten(1)

    network.flatten = Flatten()


def defect_pool(network):
    """One pooling takes the mean."""
    from dlbook.cnn.blocks.with_torch import AveragePool

    network.pool1 = AveragePool(2, 2)


def defect_relu(network):
    """One ReLU lets a little through."""
    from torch import nn

    network.relu2_1 = nn.LeakyReLU(0.01)


def defect_border(network):
    """One convolution repeats the border and does not pad with zeros."""
    network.conv1_1.padding_mode = "replicate"


@pytest.mark.parametrize("plant", [defect_flatten, defect_pool, defect_relu, defect_border], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    zoo.check_defect(VGG, TINY, plant)


def torchvision_vgg(name, hidden, flattened):
    """torchvision's network with narrower hidden layers, so that it fits into memory twice."""
    import torch
    from torch import nn

    models = peers.torchvision_models()
    with torch.device("meta"):
        peer = getattr(models, f"vgg{name}")(num_classes=10)
        peer.classifier[0], peer.classifier[3], peer.classifier[6] = nn.Linear(flattened, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, 10)
    peer = peer.to_empty(device="cpu")
    torch.manual_seed(0)
    for weight in peer.parameters():
        if weight.ndim > 1:
            nn.init.kaiming_normal_(weight)
    return peer


@pytest.mark.large
@pytest.mark.parametrize("name", spec.GIGA_OPERATIONS)
def test_torchvision_agrees(name):
    from torch import nn

    a = replace(spec.VARIANTS[name], size=64, hidden=(32, 32), num_classes=10)
    peer = torchvision_vgg(name, 32, spec.flattened(a))
    peer.avgpool = nn.Identity()  # it makes 7 x 7 of any size
    zoo.check_torchvision(VGG, a, peer, spec.torchvision_name(a))


@pytest.mark.large
def test_torchvision_agrees_at_224_pixels():
    """There its adaptive pooling changes nothing."""
    a = replace(spec.VARIANTS["11"], hidden=(8, 8), num_classes=10)
    zoo.check_torchvision(VGG, a, torchvision_vgg("11", 8, 25088), spec.torchvision_name(a))


@pytest.mark.large
@pytest.mark.parametrize("size", [256, (97, 131)])
def test_torchvision_agrees_at_any_size(size):
    """The classifier reads means of 7 x 7 windows, which overlap where the maps are 8 x 8 or 3 x 4."""
    a = replace(spec.VARIANTS["11"], classifier_pool=7, size=size, hidden=(8, 8), num_classes=10)
    assert [row.shape for row in spec.table(a) if row.name == "classifier_pool"] == [(7, 7, 512)]
    zoo.check_torchvision(VGG, a, torchvision_vgg("11", 8, 25088), spec.torchvision_name(a))


def test_the_classifiers_pooling_changes_nothing_at_224_pixels():
    a = replace(spec.VARIANTS["11"], classifier_pool=7)
    assert spec.table(a) == spec.table("11") and not spec.pooled(a)


@pytest.mark.large
@pytest.mark.parametrize("name", spec.KERAS)
def test_keras_applications_agree(name):
    from keras import applications

    peer = getattr(applications, f"VGG{name}")(weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None)
    zoo.check_keras_applications(VGG, replace(spec.KERAS[name], size=64, num_classes=10), peer, spec.keras_name)


def test_official_files_are_registered():
    assert {entry.file for entry in spec.OFFICIAL} <= set(registry.FILES)


def test_official_weights_of_the_oldest_keras_layout(monkeypatch, tmp_path):
    """Keras' files of VGG call their weights `block1_conv1_W_1:0`; the whole way from such a file into both twins."""
    import h5py

    a = replace(TINY, scaling="caffe")
    weights = with_torch.weights_of(with_torch.vgg(a, seed=5))
    path = tmp_path / "toy" / "vgg.h5"
    path.parent.mkdir()
    model = with_keras.vgg(a, weights=weights)
    with h5py.File(path, "w") as file:
        layers = {{"fc3": "fc1", "fc4": "fc2"}.get(layer.name, spec.keras_name(layer.name)): layer for layer in model.layers if layer.weights}
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, layer in layers.items():
            group = file.create_group(name)
            names = [f"{name}_W_1:0", f"{name}_b_1:0"]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for weight, value in zip(names, layer.get_weights(), strict=True):
                group[weight] = value
    entry = registry.File("toy", "vgg.h5", "", registry.checksum(path), 1, "")
    monkeypatch.setitem(registry.FILES, "toy/vgg.h5", entry)
    monkeypatch.setitem(registry.FILES, "toy/none.h5", replace(entry, name="none.h5"))
    monkeypatch.setenv("DLBOOK_MIRROR", str(tmp_path))
    monkeypatch.setenv("DLBOOK_PROFILE", "quick")

    def names(name):
        return spec.keras_name({"fc3": "fc6", "fc4": "fc7"}.get(name, name))

    files = [start.Official(a, f"toy/{name}.h5", names, spec.CLASSIFIES) for name in ("none", "vgg")]
    monkeypatch.setattr(spec, "OFFICIAL", tuple(files))
    for twin in (with_keras, with_torch):
        loaded = twin.weights_of(twin.vgg(replace(a, pooling="average"), weights="official"))
        assert loaded.keys() == weights.keys() and all(np.array_equal(loaded[name], weights[name]) for name in weights)
    monkeypatch.setattr(spec, "OFFICIAL", tuple(files[:1]))
    with pytest.raises(registry.DataError, match="toy/none.h5"):
        with_torch.vgg(a, weights="official")


def test_which_official_weights_fit():
    style = replace(spec.MAPS["19"], size=(450, 845), pooling="average", pool_padding="same")
    fitting = [entry.file for entry in spec.OFFICIAL if entry.fits(style)]
    assert fitting == ["keras/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
                       "keras/vgg19_weights_tf_dim_ordering_tf_kernels.h5",
                       "vgg19/vgg19_conv_notop.npz"]
    assert [entry.file for entry in spec.OFFICIAL if entry.fits(spec.VARIANTS["16"])] == ["torchvision/vgg16-397923af.pth"]
    assert not [entry for entry in spec.OFFICIAL if entry.fits(replace(spec.VARIANTS["16"], size=32))]  # fc6 would not fit
    anywhere = replace(spec.VARIANTS["16"], size=(97, 131), classifier_pool=7)
    assert [entry.file for entry in spec.OFFICIAL if entry.fits(anywhere)] == ["torchvision/vgg16-397923af.pth"]
    assert not [entry for entry in spec.OFFICIAL if entry.fits(replace(anywhere, classifier_pool=6))]


def test_layers_of_equal_kind_have_different_names():
    """Two normalisations in a stage, two poolings side by side, and more than nine stages."""
    a = replace(TINY, layers=(2, "LRN", 3, "LRN", "M", "M", 4, "LRN"), size=16)
    assert [row.name for row in spec.table(a) if row.kind in ("lrn", "pool")] == ["lrn1", "lrn1_2", "pool1", "pool2", "lrn3"]
    zoo.check_table(VGG, a)
    zoo.check_outputs(VGG, a, ("float64",))
    deep = replace(TINY, layers=(2, "M") * 11, size=2**11)
    assert [row.block for row in spec.table(deep) if row.kind == "conv"] == [f"stage{stage}" for stage in range(1, 12)]


@pytest.mark.parametrize("training", [True, False])
def test_features_leave_the_mode_as_it_was(training):
    t = with_torch.vgg(replace(TINY, dropout=0.5)).train(training)
    images, _ = zoo.batch(TINY, 2, dtype="float32")
    left, right = (with_torch.features(t, images, ["logits"])["logits"] for _ in range(2))
    assert np.array_equal(left, right)  # no dropout
    assert [module.training for module in t.modules()] == [training] * len(list(t.modules()))


def test_wrong_settings_are_said():
    with pytest.raises(ValueError, match="there is no VGG '17'; choose from: 11, 11-LRN, 13, 16C, 16, 19"):
        with_torch.vgg("17")
    with pytest.raises(ValueError, match="got 'P'"):
        spec.Architecture((64, "P"))
    with pytest.raises(ValueError, match="got \\(64, 2\\)"):
        spec.Architecture(((64, 2), "M"))
    with pytest.raises(ValueError, match="got none"):
        spec.Architecture(())
    with pytest.raises(ValueError, match="pooling must be 'max' or 'average'; got 'mean'"):
        spec.Architecture(pooling="mean")
    with pytest.raises(ValueError, match="pool_padding must be 'valid' or 'same'; got 'full'"):
        spec.Architecture(pool_padding="full")
    with pytest.raises(ValueError, match="dropout is a share from 0 to below 1; got 1"):
        spec.Architecture(dropout=1)
    with pytest.raises(ValueError, match="the classifier needs images of one size; got size None"):
        spec.Architecture(size=None)
    with pytest.raises(ValueError, match="size must be a whole number of pixels above 0, or \\(height, width\\); got \\(3, 0\\)"):
        spec.Architecture(size=(3, 0))
    with pytest.raises(ValueError, match="images of size 3 are too small: this network reads 4 x 4 pixels or more; .* too small for a window of 2 x 2"):
        with_torch.vgg(replace(TINY, size=3))
    with pytest.raises(ValueError, match="images of size \\(31, 40\\) are too small: this network reads 32 x 32 pixels or more"):
        spec.table("16", (31, 40))
    with pytest.raises(ValueError, match="size must be a whole number of pixels above 0, or \\(height, width\\); got 0"):
        spec.table("16", 0)



@pytest.mark.parametrize("field, value, words", [
    ("hidden", (0,), "hidden must be a tuple of whole numbers of 1 or more; got \\(0,\\)"),
    ("hidden", 8, "hidden must be a tuple of whole numbers of 1 or more; got 8"),
    ("layers", ("M",), "layers must hold a convolution, .*; got \\('M',\\)"),
    ("layers", (True, "M"), "a layer is a number of maps, .*; got True"),
    ("classifier_pool", 0, "classifier_pool must be a whole number of 1 or more, or None; got 0"),
    ("classifier_pool", "7", "classifier_pool must be a whole number of 1 or more, or None; got '7'"),
    ("channels", 1.5, "channels must be a whole number of 1 or more; got 1.5"),
    ("channels", 1, "scaling 'imagenet' is for colour images, 3 channels; this network reads 1"),
    ("num_classes", 0, "num_classes must be a whole number of 1 or more; got 0"),
    ("num_classes", True, "num_classes must be a whole number of 1 or more; got True"),
    ("scaling", "rgb", "unknown scaling 'rgb'; choose from: none, signed"),
    ("dropout", "a", "dropout is a share from 0 to below 1; got 'a'"),
    ("size", True, "size must be a whole number of pixels above 0, or \\(height, width\\); got True"),
])
def test_wrong_fields_are_said(field, value, words):
    with pytest.raises(ValueError, match=words):
        replace(TINY, **{field: value})


def test_wrong_calls_are_said():
    for twin in (with_keras, with_torch):
        maps = twin.vgg(MAPS)
        images = np.zeros((1, 16, 16, 3))
        with pytest.raises(ValueError, match="there is no layer 'relu9'; this network has: conv1_1, relu1_1, pool1"):
            twin.features(maps, images, ["relu9"])
        with pytest.raises(TypeError, match="names is a list of names; got 'relu1_1': write \\['relu1_1'\\]"):
            twin.features(maps, images, "relu1_1")
        with pytest.raises(ValueError, match="no classifier"):
            twin.predict(maps, images)
        with pytest.raises(ValueError, match="operations are counted at a size"):
            twin.count_operations(maps)
        with pytest.raises(ValueError, match="\\(N, 19, 26, 1\\) here; got shape \\(1, 26, 19, 1\\)"):
            twin.predict(twin.vgg(WIDE), np.zeros((1, 26, 19, 1)))
