"""Others' weights: files under the names of their time, which file is taken, and our weights in others' models."""
import importlib
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import zoo
from peers import torchvision_models

from dlbook.cnn.blocks import convert, start
from dlbook.data import registry
from dlbook.data import weights as files
from dlbook.parity import compare
from dlbook.parity import with_keras as keras_steps
from dlbook.parity import with_torch as torch_steps


def system(name):
    return zoo.Zoo(*(importlib.import_module(f"dlbook.cnn.{name}.{part}") for part in ("spec", "with_keras", "with_torch")), name)


RESNET, DENSENET, NASNET, INCEPTION, MOBILENET2, VGG = map(system, ("resnet", "densenet", "nasnet", "inception", "mobilenet2", "vgg"))


def resnet():
    from keras.src.applications import resnet as theirs

    def stack(x):
        x = theirs.stack_residual_blocks_v1(x, 64, 2, stride1=1, name="conv2")
        return theirs.stack_residual_blocks_v1(x, 16, 1, name="conv3")

    peer = theirs.ResNet(stack, False, True, weights=None, input_shape=(33, 33, 3), classes=5, classifier_activation=None)
    a = replace(RESNET.spec.KERAS["50"], blocks=(2, 1), widths=(64, 16), size=33, num_classes=5)
    return RESNET, a, peer, RESNET.spec.keras_name


def densenet():
    from keras.src.applications.densenet import DenseNet

    peer = DenseNet((2, 1, 2, 1), weights=None, input_shape=(34, 34, 3), classes=5, classifier_activation=None)
    a = replace(DENSENET.spec.KERAS["121"], blocks=(2, 1, 2, 1), size=34, num_classes=5)
    return DENSENET, a, peer, DENSENET.spec.keras_name


def nasnet():
    from keras.src.applications.nasnet import NASNet

    a = replace(NASNET.spec.VARIANTS["mobile"], repeats=1, penultimate=96, stem_filters=6, size=39, num_classes=5)
    peer = NASNet((39, 39, 3), 96, 1, 6, skip_reduction=False, weights=None, classes=5, default_size=224, classifier_activation=None)
    return NASNET, a, peer, partial(NASNET.spec.keras_name, repeats=1)


def mobilenet2():
    from keras import applications

    peer = applications.MobileNetV2((33, 33, 3), alpha=0.35, weights=None, classes=5, classifier_activation=None)
    return MOBILENET2, replace(MOBILENET2.spec.KERAS["0.35"], size=33, num_classes=5), peer, MOBILENET2.spec.keras_name


def inception():
    from keras import applications

    peer = applications.InceptionV3(weights=None, input_shape=(75, 75, 3), classes=5, classifier_activation=None)
    return INCEPTION, replace(INCEPTION.spec.VARIANTS["keras"], size=75, num_classes=5), peer, INCEPTION.spec.keras_names


def written(path, peer, renamed=None, scope=None):
    """A file in the layout of Keras 1 and 2, with other names of layers, and scopes before them.

    Args:
        path: of the file.
        peer: Keras model.
        renamed: dict of a layer's name to another.
        scope: function of a layer's name -> what stood before it in the names of weights.
    """
    import h5py

    scope = scope or (lambda layer: "")
    with h5py.File(path, "w") as file:
        layers = {(renamed or {}).get(layer.name, layer.name): layer for layer in peer.layers}
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, layer in layers.items():
            group = file.create_group(name)
            # Learnt weights came first.
            weights = {f"{scope(name)}{name}/{v.name}:0": v for v in layer.trainable_weights + layer.non_trainable_weights}
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, variable in weights.items():
                group[weight] = np.asarray(variable)


def registered(monkeypatch, folder, *names):
    """Register files `toy/<name>`, as they are in `folder`, which is the mirror; what is not there is registered all the same."""
    for name in names:
        path = folder / "toy" / name
        sha256 = registry.checksum(path) if path.is_file() else "0" * 64
        monkeypatch.setitem(registry.FILES, f"toy/{name}", registry.File("toy", name, f"http://127.0.0.1:9/{name}", sha256, 1, ""))
    monkeypatch.setenv("DLBOOK_MIRROR", str(folder))
    monkeypatch.setenv("DLBOOK_CACHE", str(folder / "cache"))
    monkeypatch.setenv("DLBOOK_PROFILE", "quick")


@pytest.fixture
def mirror(tmp_path):
    (tmp_path / "toy").mkdir()
    return tmp_path


def scopes(name):
    """As TensorFlow wrote NASNet's names."""
    return f"normal_A_block_1/block_1/separable_conv_block_{name}/" if "separable" in name else ""


HISTORIC = {
    "resnet, today's": (resnet, {}, None),
    "resnet, probs": (resnet, {"predictions": "probs"}, None),
    "densenet": (densenet, {"conv1_conv": "conv1/conv", "conv1_bn": "conv1/bn", "predictions": "fc1000"}, None),
    "nasnet, today's": (nasnet, {}, None),
    "nasnet, scopes": (nasnet, {}, scopes),
    "mobilenet2": (mobilenet2, {}, None),
}


def check_file(monkeypatch, mirror, made, renamed=None, scope=None, **more):
    """The outputs of our twin, of their model and of a second one that Keras itself fills from the file are the same."""
    ours, a, peer, names = made()
    zoo.spread_keras(peer)
    written(mirror / "toy" / "w.h5", peer, renamed, scope)
    registered(monkeypatch, mirror, "w.h5")
    monkeypatch.setattr(ours.spec, "OFFICIAL", (start.Official(a, "toy/w.h5", names, **more),))
    images, _ = zoo.batch(a, 2, dtype="float32")
    twin = ours.torch(a, weights="official")
    inputs = ours.with_keras.to_inputs(SimpleNamespace(a=a, inputs=peer.inputs), images)
    again = made()[2]
    again.load_weights(mirror / "toy" / "w.h5")
    theirs = np.asarray(peer(inputs, training=False))
    assert np.array_equal(theirs, np.asarray(again(inputs, training=False)))
    assert np.ptp(theirs) > 1e-3
    assert compare.difference(theirs, torch_steps.logits(twin, ours.with_torch.to_inputs(twin, images))) <= 1e-4


@pytest.mark.parametrize("case", HISTORIC)
def test_keras_files_of_all_times(monkeypatch, mirror, case):
    check_file(monkeypatch, mirror, *HISTORIC[case])


@pytest.mark.large
@pytest.mark.parametrize("first", [0, 1, 95])
def test_keras_files_that_count_their_layers(monkeypatch, mirror, first):
    """Inception's numbers begin at 1, in a fresh process at 0, later elsewhere."""
    peer = inception()[2]
    name, renamed = INCEPTION.spec.keras_names([layer.name for layer in peer.layers]), {}
    for place, unit in enumerate(INCEPTION.spec.creation_order(), first):
        number = f"_{place}" if place else ""
        renamed |= {name(f"{unit}_conv"): f"conv2d{number}", name(f"{unit}_bn"): f"batch_normalization{number}"}
    made = [INCEPTION, replace(INCEPTION.spec.VARIANTS["keras"], size=75, num_classes=5), peer, INCEPTION.spec.keras_names]
    check_file(monkeypatch, mirror, lambda: made, renamed, counted=True)


def test_a_whole_model_of_today(mirror):
    _, a, peer, names = densenet()
    arrays = zoo.spread_keras(peer)
    peer.save(mirror / "w.h5")
    rows = DENSENET.spec.table(a)
    state, expected = (start.from_keras(found, rows, names) for found in (files.read(mirror / "w.h5"), arrays))
    assert state.keys() == expected.keys() and all(np.array_equal(state[name], expected[name]) for name in state)


@pytest.mark.parametrize("name, today", [
    ("conv1/kernel:0", "conv1.kernel"), ("conv1.kernel", "conv1.kernel"), ("block1_conv1/block1_conv1_W_1:0", "block1_conv1.kernel"),
    ("fc1/fc1_b:0", "fc1.bias"), ("bn_1/gamma_2:0", "bn_1.gamma"), ("a/b/depthwise_kernel:0", "a_b.depthwise_kernel"),
])
def test_names_of_weights(name, today):
    assert convert._todays_name(name) == today


def tiny_vgg(mirror, *names):
    """A small VGG with its weights, in files of our own format under torchvision's names, each file with other numbers."""
    from safetensors.numpy import save_file

    a = replace(VGG.spec.VARIANTS["11"], layers=(4, "M"), hidden=(), size=4, num_classes=3)
    states = [VGG.with_torch.weights_of(VGG.torch(a, seed)) for seed in range(len(names))]
    for name, state in zip(names, states):
        save_file({weight: np.ascontiguousarray(value) for weight, value in state.items()}, mirror / "toy" / name)
    return a, states


@pytest.fixture
def two(monkeypatch, mirror):
    """Two files that fit: (architecture, states, path of the first)."""
    a, states = tiny_vgg(mirror, "one.safetensors", "two.safetensors")
    registered(monkeypatch, mirror, "one.safetensors", "two.safetensors")
    monkeypatch.setattr(VGG.spec, "OFFICIAL", tuple(start.Official(a, f"toy/{name}.safetensors", str) for name in ("one", "two")))
    return a, states, mirror / "toy" / "one.safetensors"


def loaded(a):
    return VGG.with_torch.weights_of(VGG.torch(a, weights="official"))


def test_the_first_file_is_taken_and_an_absent_one_passed_over(two, monkeypatch):
    a, states, path = two
    assert np.array_equal(loaded(a)["conv1_1.weight"], states[0]["conv1_1.weight"])
    path.unlink()
    assert np.array_equal(loaded(a)["conv1_1.weight"], states[1]["conv1_1.weight"])
    # What is here comes before a download.
    monkeypatch.setenv("DLBOOK_PROFILE", "full")
    assert np.array_equal(loaded(a)["conv1_1.weight"], states[1]["conv1_1.weight"])


def test_a_damaged_file_is_said_and_no_other_taken(two):
    a, _, path = two
    path.write_bytes(path.read_bytes()[:-4] + b"oops")
    with pytest.raises(registry.DataError, match="one.safetensors is damaged") as error:
        loaded(a)
    assert "two.safetensors" not in str(error.value)


def test_all_absent_files_are_said(two):
    a, _, path = two
    path.unlink()
    path.with_name("two.safetensors").unlink()
    with pytest.raises(registry.DataError, match="toy/one.safetensors is not on this machine.* toy/two.safetensors is not on this machine"):
        loaded(a)


def test_the_whole_numbers_of_vgg19_come_before_the_rounded_ones():
    assert [entry.file for entry in VGG.spec.OFFICIAL if entry.fits(VGG.spec.MAPS["19"])] == [
        "keras/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "keras/vgg19_weights_tf_dim_ordering_tf_kernels.h5", "vgg19/vgg19_conv_notop.npz"]


def test_how_the_nearest_official_weights_differ():
    with pytest.raises(ValueError, match="Nearest is torchvision/resnet18-f37072fd.pth: num_classes is 10, the weights are for 1000. There") as error:
        RESNET.torch(replace(RESNET.spec.VARIANTS["18"], num_classes=10), weights="official")
    assert str(error.value).count("resnet18") == 1
    with pytest.raises(ValueError, match="Nearest is torchvision/vgg16-397923af.pth: size is 256, .* 224.") as error:
        VGG.torch(replace(VGG.spec.VARIANTS["16"], size=256), weights="official")
    assert all(str(error.value).count(entry.file) == 1 for entry in VGG.spec.OFFICIAL)


def test_a_network_without_official_weights_says_so():
    from dlbook.cnn.lenet import with_torch

    with pytest.raises(ValueError, match="this network has no official weights; weights=None draws them"):
        with_torch.lenet(weights="official")


@pytest.mark.parametrize("word", ["Official", "offical", "OFFICIAL"])
def test_a_misspelt_word_is_said(word):
    with pytest.raises(ValueError, match=f"got '{word}': did you mean 'official'"):
        RESNET.torch(RESNET.spec.SMALL, weights=word)


def test_a_missing_weight_is_named_as_the_file_names_it():
    a = RESNET.spec.SMALL
    rows, state = RESNET.spec.table(a), RESNET.with_torch.weights_of(RESNET.torch(a))
    theirs = convert.to_torchvision(state, rows, RESNET.spec.torchvision_name)
    del theirs["layer1.0.bn1.running_var"]
    with pytest.raises(KeyError, match="no weight 'layer1.0.bn1.running_var', which our layer 'stage1_block1_bn1' needs"):
        start.from_torchvision(theirs, rows, RESNET.spec.torchvision_name)
    theirs = convert.to_keras(state, rows, RESNET.spec.keras_name)
    del theirs["predictions.bias"]
    with pytest.raises(KeyError, match="no weight 'predictions.bias', which our layer 'logits' needs"):
        start.from_keras(theirs, rows, RESNET.spec.keras_name)
    del state["stem_conv.weight"]
    for copy in (convert.to_keras, convert.to_torchvision):
        with pytest.raises(KeyError, match="no weight 'stem_conv.weight'"):
            copy(state, rows, RESNET.spec.torchvision_name)


@pytest.mark.parametrize("made", [resnet, densenet, nasnet, mobilenet2], ids=lambda f: f.__name__)
def test_ours_into_keras(made):
    """Our weights in their model, by layers' names: the same outputs."""
    ours, a, peer, names = made()
    k, _ = zoo.twins(ours, a, "float32")
    arrays = convert.to_keras(ours.with_keras.weights_of(k), ours.spec.table(a), names)
    for layer in peer.layers:
        for variable in layer.weights:
            variable.assign(arrays.pop(f"{layer.name}.{variable.name}"))
    assert not arrays
    inputs = ours.with_keras.to_inputs(k, zoo.batch(a, 2, dtype="float32")[0])
    assert compare.difference(np.asarray(peer(inputs, training=False)), keras_steps.logits(k, inputs)) <= 1e-4


def test_ours_into_torchvision():
    """Our ResNet-18 in theirs, whose every weight is given."""
    import torch

    a = replace(RESNET.spec.VARIANTS["18"], size=40, num_classes=10)
    _, t = zoo.twins(RESNET, a)
    arrays = convert.to_torchvision(RESNET.with_torch.weights_of(t), RESNET.spec.table(a), RESNET.spec.torchvision_name)
    peer = torchvision_models().resnet18(num_classes=10).double().eval()
    peer.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    inputs = RESNET.with_torch.to_inputs(t, zoo.batch(a, 2)[0])
    with torch.no_grad():
        assert compare.difference(peer(inputs).numpy(), torch_steps.logits(t, inputs)) <= 1e-12


def test_flattened_maps_into_keras_and_back():
    """VGG's first dense layer reads maps that the two frameworks flatten in different orders."""
    a = replace(VGG.spec.VARIANTS["11"], layers=(4, "M", 5, "M"), hidden=(7, 6), size=(12, 8), num_classes=3)
    k, _ = zoo.twins(VGG, a)
    rows, state = VGG.spec.table(a), VGG.with_keras.weights_of(k)
    arrays = convert.to_keras(state, rows, str)
    theirs = {f"{layer.name}.{variable.name}": np.asarray(variable) for layer in k.layers for variable in layer.weights if variable.name != "seed"}
    back = start.from_keras(arrays, rows, str)
    for left, right in ((arrays, theirs), (back, state)):
        assert left.keys() >= right.keys() and all(np.array_equal(left[name], right[name]) for name in right if "seed" not in name)
