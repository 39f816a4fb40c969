"""Data: the registry's promises when files are missing, damaged or cut short, and what the loaders return."""
import dataclasses
import gzip
import hashlib
import http.server
import json
import subprocess
import sys
import threading
from importlib import util
from pathlib import Path

import numpy as np
import peers
import pytest

from dlbook import data, profile
from dlbook.data import labelled, official, registry
from dlbook.data.clothes import NAMES as CLOTHES

BODY = b"the real file" * 1000


def at_hand(*names):
    """Skip the test where registered files are neither cached nor on the mirror; what is there and damaged fails it."""
    for name in names:
        try:
            registry.fetch(name)
        except data.DataError as error:
            if "is not on this machine" not in str(error):
                raise
            pytest.skip(f"{name} is not on this machine; DLBOOK_MIRROR names a folder that holds it")


@pytest.fixture
def empty(monkeypatch, tmp_path):
    """No mirror, an empty cache, and profile `full`, which may download."""
    monkeypatch.delenv("DLBOOK_MIRROR", raising=False)
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DLBOOK_PROFILE", "full")
    return tmp_path


@pytest.fixture
def served(empty, monkeypatch):
    """A registered file whose official address is a server on this machine; `served.body` is what it sends."""
    class Handler(http.server.BaseHTTPRequestHandler):
        body, promised = BODY, len(BODY)

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(type(self).promised))
            self.end_headers()
            self.wfile.write(type(self).body)

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = registry.File("toy", "file.bin", f"http://127.0.0.1:{server.server_port}/file.bin", hashlib.sha256(BODY).hexdigest(), len(BODY), "none")
    monkeypatch.setitem(registry.FILES, "toy/file.bin", file)
    monkeypatch.setattr(registry, "RETRIES", 0)
    Handler.cache = empty / "cache"
    yield Handler
    server.shutdown()


def test_downloads_once_and_keeps_the_file(served):
    path = registry.fetch("toy/file.bin")
    assert path.read_bytes() == BODY and served.cache in path.parents
    served.body = b"never asked for again"
    assert registry.fetch("toy/file.bin").read_bytes() == BODY


CHECKSUMS = {"sha256": {"sha256": hashlib.sha256(BODY).hexdigest()}, "md5": {"sha256": None, "md5": hashlib.md5(BODY).hexdigest()},
             "first digits": {"sha256": None, "sha256_start": hashlib.sha256(BODY).hexdigest()[:8]}}


@pytest.fixture(params=CHECKSUMS)
def by_checksum(request, served, monkeypatch):
    """The served file, registered by each kind of checksum that is published for files."""
    file = dataclasses.replace(registry.FILES["toy/file.bin"], **CHECKSUMS[request.param])
    monkeypatch.setitem(registry.FILES, "toy/file.bin", file)
    served.file = file
    return served


def test_each_kind_of_checksum_is_verified(by_checksum, monkeypatch, tmp_path):
    """A right file passes; a wrong one is refused from the network, the cache and the mirror, and is not kept."""
    served = by_checksum
    served.body = BODY[:-1] + b"?"
    with pytest.raises(data.DataError, match=f"wrong (SHA-256|MD5) .it should be {served.file.published[1][:12]}"):
        registry.fetch("toy/file.bin")
    assert [path for path in served.cache.rglob("*") if path.is_file()] == []
    served.body = BODY
    path = registry.fetch("toy/file.bin")
    path.write_bytes(BODY[:-1] + b"!")
    assert registry.fetch("toy/file.bin").read_bytes() == BODY
    assert registry.sha256("toy/file.bin") == hashlib.sha256(BODY).hexdigest()
    path.unlink()
    (tmp_path / "mirror/toy").mkdir(parents=True)
    (tmp_path / "mirror/toy/file.bin").write_bytes(BODY + b"!")
    monkeypatch.setenv("DLBOOK_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(data.DataError, match="file.bin is damaged: it has a wrong"):
        registry.fetch("toy/file.bin")


def test_the_strongest_checksum_counts():
    both = registry.File("toy", "x", "", "a" * 64, 1, "", md5="b" * 32)
    assert both.published == ("sha256", "a" * 64)
    with pytest.raises(ValueError, match="toy/x needs a checksum"):
        registry.File("toy", "x", "", None, 1, "")


@pytest.mark.parametrize("name", [name for name, file in registry.FILES.items() if file.made_from])
def test_a_derived_file_is_never_downloaded(empty, monkeypatch, name):
    monkeypatch.setattr(registry.pooch, "create", lambda *words, **options: pytest.fail("it was asked for"))
    with pytest.raises(data.DataError, match=f"{name} is not on this machine and cannot be downloaded, since it was made from .* set DLBOOK_MIRROR"):
        registry.fetch(name)


def test_official_weights_are_registered_as_their_libraries_have_them():
    """Address, checksum and size of every file, against the installed torchvision and the code of keras.applications."""
    models = peers.torchvision_models()
    for network, (name, _) in official.TORCHVISION.items():
        weights, file = models.get_model_weights(network).IMAGENET1K_V1, registry.FILES[f"torchvision/{name}"]
        assert file.url == weights.url and f"-{file.sha256_start}.pth" in weights.url and len(file.sha256_start) == 8
        assert file.size == pytest.approx(weights.meta["_file_size"] * 2**20, abs=1024)
    code = "".join(path.read_text() for path in Path(util.find_spec("keras").origin).parent.glob("src/applications/*.py"))
    for path, md5, _, _ in official.KERAS.values():
        file = registry.FILES[f"keras/{path.split('/')[1]}"]
        ending = "_weights_tf_dim_ordering_tf_kernels.h5"  # of the residual networks the code composes the name
        assert file.md5 == md5 in code and (file.name in code or file.name.removesuffix(ending) in code)


def test_the_registry_needs_no_framework():
    code = "import sys, dlbook.data; print({'torch', 'tensorflow', 'keras', 'torchvision', 'h5py'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.parametrize("body, promised", [(b"x" * len(BODY), len(BODY)), (BODY[:100], len(BODY)), (BODY[:100], 100)],
                         ids=["another file", "connection cut", "short file"])
def test_a_bad_download_is_refused_and_leaves_nothing(served, body, promised):
    served.body, served.promised = body, promised
    with pytest.raises(data.DataError, match="toy/file.bin"):
        registry.fetch("toy/file.bin")
    assert [path for path in served.cache.rglob("*") if path.is_file()] == []
    served.body, served.promised = BODY, len(BODY)
    assert registry.fetch("toy/file.bin").read_bytes() == BODY


def test_the_mirror_comes_before_the_network(served, monkeypatch, tmp_path):
    (tmp_path / "mirror/toy").mkdir(parents=True)
    (tmp_path / "mirror/toy/file.bin").write_bytes(BODY)
    monkeypatch.setenv("DLBOOK_MIRROR", str(tmp_path / "mirror"))
    assert registry.fetch("toy/file.bin") == tmp_path / "mirror/toy/file.bin"


def test_what_is_at_hand_is_cached_or_on_the_mirror(served, monkeypatch, tmp_path):
    assert not registry.at_hand("toy/file.bin")
    path = registry.fetch("toy/file.bin")
    assert registry.at_hand("toy/file.bin")
    path.unlink()
    (tmp_path / "mirror/toy").mkdir(parents=True)
    monkeypatch.setenv("DLBOOK_MIRROR", str(tmp_path / "mirror"))
    assert not registry.at_hand("toy/file.bin")
    (tmp_path / "mirror/toy/file.bin").write_bytes(b"damaged")
    assert registry.at_hand("toy/file.bin")


def test_a_damaged_mirror_file_is_named(served, monkeypatch, tmp_path):
    (tmp_path / "mirror/toy").mkdir(parents=True)
    (tmp_path / "mirror/toy/file.bin").write_bytes(BODY[:-1])
    monkeypatch.setenv("DLBOOK_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(data.DataError, match="mirror/toy/file.bin is damaged.*unset DLBOOK_MIRROR"):
        registry.fetch("toy/file.bin")


def test_a_damaged_cached_file_is_fetched_again(served):
    path = registry.fetch("toy/file.bin")
    path.write_bytes(b"damaged")
    assert registry.fetch("toy/file.bin").read_bytes() == BODY


def test_a_cache_that_cannot_be_written_is_named(served, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("a file where the folder should be")  # also stops a superuser, whom permissions do not
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path / "file"))
    with pytest.raises(data.DataError, match="set DLBOOK_CACHE to a folder you can write to"):
        registry.fetch("toy/file.bin")


def test_no_network_is_said_in_a_sentence(empty, monkeypatch):
    file = registry.File("toy", "gone.bin", "http://127.0.0.1:9/gone.bin", "0" * 64, 1, "none")
    monkeypatch.setitem(registry.FILES, "toy/gone.bin", file)
    monkeypatch.setattr(registry, "RETRIES", 0)
    with pytest.raises(data.DataError, match="Check the network"):
        registry.fetch("toy/gone.bin")


def test_quick_never_downloads(empty, monkeypatch):
    monkeypatch.setenv("DLBOOK_PROFILE", "quick")
    with pytest.raises(data.DataError, match="never downloads; set DLBOOK_PROFILE=full"):
        data.digits("full")


def test_an_unregistered_name_is_refused():
    with pytest.raises(KeyError, match="not a registered file"):
        data.fetch("mnist/other.gz")


def test_embedded_digits():
    d = data.digits("quick")
    assert d.train_images.shape == (1198, 28, 28) and d.test_images.shape == (599, 28, 28)
    assert d.train_images.dtype == np.float32 and d.train_images.min() == 0 and d.train_images.max() == 1
    assert sorted(set(d.train_labels)) == list(range(10)) and not d.files
    assert str(d).endswith("1,198 images to train on, 599 to test on")


@pytest.mark.parametrize("item, source", [("mnist", "MNIST"), ("fashion_mnist", "Fashion-MNIST")])
def test_real_images_are_read_in_their_format(empty, monkeypatch, tmp_path, item, source):
    """Files in the format of MNIST, written here, come back as images and labels."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 7), ("test", 3)):
        images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8)
        for name, head, array in zip(labelled.idx_files(item)[part], ([2051, n, 28, 28], [2049, n]), (images, labels)):
            content = gzip.compress(np.array(head, ">i4").tobytes() + array.tobytes())
            path = tmp_path / "mirror" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            monkeypatch.setitem(registry.FILES, name, registry.File(item, path.name, "", hashlib.sha256(content).hexdigest(), len(content), ""))
    monkeypatch.setenv("DLBOOK_MIRROR", str(tmp_path / "mirror"))
    d = {"mnist": data.digits, "fashion_mnist": data.clothes}[item]()
    assert d.source == source and d.train_images.shape == (7, 28, 28) and len(d.test_labels) == 3 and len(d.files) == 4
    assert np.array_equal(np.round(d.test_images * 255).astype(np.uint8), images) and np.array_equal(d.test_labels, labels)


def test_classes_have_names():
    assert data.digits("quick").names == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert CLOTHES[0] == "T-shirt/top" and CLOTHES[9] == "Ankle boot" and len(CLOTHES) == 10


def test_quick_has_no_clothes_and_says_so(monkeypatch):
    monkeypatch.delenv("DLBOOK_PROFILE", raising=False)
    for ask in (data.clothes, lambda: data.clothes("quick")):
        with pytest.raises(data.DataError, match="no pictures of clothes are embedded.*DLBOOK_PROFILE=full reads Fashion-MNIST"):
            ask()


def test_the_real_clothes():
    """The set itself: 6,000 and 1,000 of each class, and what the first pictures show."""
    at_hand(*labelled.idx_files("fashion_mnist")["train"], *labelled.idx_files("fashion_mnist")["test"])
    d = data.clothes("full")
    assert d.train_images.shape == (60_000, 28, 28) and d.test_images.shape == (10_000, 28, 28) and d.train_images.max() == 1
    assert set(np.bincount(d.train_labels)) == {6_000} and set(np.bincount(d.test_labels)) == {1_000}
    assert [d.names[k] for k in d.train_labels[:3]] == ["Ankle boot", "T-shirt/top", "T-shirt/top"]


def test_an_unknown_profile_is_refused(monkeypatch):
    monkeypatch.setenv("DLBOOK_PROFILE", "fast")
    with pytest.raises(ValueError, match="DLBOOK_PROFILE is 'fast'; it must be one of: quick, full"):
        data.digits()
    with pytest.raises(ValueError, match="unknown profile 'slow'"):
        data.digits("slow")
    with pytest.raises(ValueError, match="unknown profile 'slow'"):
        data.clothes("slow")


def _save_h5(arrays, path, whole_model=False, split=False):
    """Write Keras' older layout, one layer a weight's first name."""
    import h5py

    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole_model else file
        layers = list(dict.fromkeys(name.split("/")[0] for name in arrays))
        for k, part in enumerate(([layers[:1], layers[1:]] if split else [layers])):
            root.attrs[f"layer_names{k}" if split else "layer_names"] = [layer.encode() for layer in part]
        for layer in layers:
            names = [name for name in arrays if name.split("/")[0] == layer]
            group = root.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                group[name] = arrays[name]


def _save(arrays, path):
    import torch
    from safetensors.numpy import save_file

    {".npz": lambda: np.savez(path, **arrays), ".h5": lambda: _save_h5(arrays, path), ".safetensors": lambda: save_file(arrays, path),
     ".pth": lambda: torch.save({name: torch.tensor(array) for name, array in arrays.items()}, path)}[path.suffix]()


FORMATS = (".npz", ".h5", ".safetensors", ".pth")


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {"conv1/kernel:0": rng.normal(size=(3, 3, 2, 4)).astype(np.float32), "conv1/bias:0": np.arange(4, dtype=np.float32),
            "dense/kernel:0": rng.normal(size=(30, 20))}


def same(a, b):
    return a.keys() == b.keys() and all(isinstance(a[k], np.ndarray) and a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("ending", FORMATS)
def test_weights_of_each_format_come_back(arrays, tmp_path, ending):
    _save(arrays, tmp_path / f"w{ending}")
    assert same(data.weights.read(tmp_path / f"w{ending}"), arrays) and same(data.weights.read(str(tmp_path / f"w{ending}")), arrays)


@pytest.mark.parametrize("options", [{"whole_model": True}, {"split": True}])
def test_keras_files_of_whole_models_and_of_many_layers(arrays, tmp_path, options):
    _save_h5(arrays, tmp_path / "w.h5", **options)
    assert same(data.weights.read(tmp_path / "w.h5"), arrays)


@pytest.mark.parametrize("layer, stored, read", [
    ("conv1/bn", ["conv1/bn/gamma:0", "conv1/bn/beta:0"], ["conv1_bn/gamma:0", "conv1_bn/beta:0"]),
    ("sep", ["block_1/sep/depthwise_kernel:0", "block_1/sep/pointwise_kernel:0"], ["sep/depthwise_kernel:0", "sep/pointwise_kernel:0"]),
    ("both", ["forward/kernel:0", "backward/kernel:0"], ["both/forward/kernel:0", "both/backward/kernel:0"]),
], ids=["a name with a slash", "scopes", "a layer of layers"])
def test_a_weight_has_its_layer_s_name(tmp_path, layer, stored, read):
    """The group is the layer; what the weights' own names say before their last part changed with the years."""
    import h5py

    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"], group = [layer.encode()], file.create_group(layer)
        group.attrs["weight_names"] = [name.encode() for name in stored]
        for k, name in enumerate(stored):
            group[name] = np.full(2, k)
    assert {name: array[0] for name, array in data.weights.read(tmp_path / "w.h5").items()} == {name: k for k, name in enumerate(read)}


def test_a_file_that_keras_wrote(tmp_path):
    profile.setup("keras")
    import keras

    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, name="conv1"), keras.layers.BatchNormalization(name="bn1")])
    model.save(tmp_path / "w.h5")
    read = list(data.weights.read(tmp_path / "w.h5").values())
    assert len(read) == 6 and all(np.array_equal(a, b) for a, b in zip(read, model.get_weights()))


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("damage", [lambda body: body[:len(body) // 2], lambda body: body[:-40], lambda body: b"", lambda body: b"<html>no such file</html>"],
                         ids=["half", "cut", "empty", "a page"])
def test_damaged_weights_are_said(arrays, tmp_path, ending, damage):
    path = tmp_path / f"w{ending}"
    _save(arrays, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"w{ending} is not a whole {ending} file of weights .*copy or download it again") as error:
        data.weights.read(path)
    assert "\n" not in str(error.value)


def test_weights_never_unpickle(tmp_path):
    """Objects that run code when they are unpickled are refused in both formats that could hold them."""
    import torch

    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").touch, ()

    np.savez(tmp_path / "w.npz", a=np.array([Trap()], dtype=object))
    torch.save({"a": Trap()}, tmp_path / "w.pth")
    for ending in (".npz", ".pth"):
        with pytest.raises(ValueError, match="is not a whole"):
            data.weights.read(tmp_path / f"w{ending}")
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_file_of_weights_is_said(tmp_path):
    import h5py

    with pytest.raises(ValueError, match="w.txt is in no known format of weights; known: .npz, .h5, .safetensors, .pth"):
        data.weights.read(tmp_path / "w.txt")
    with pytest.raises(FileNotFoundError, match="there is no file .*w.npz, and no registered file"):
        data.weights.read(tmp_path / "w.npz")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers"] = np.zeros(3)
    with pytest.raises(ValueError, match="not in Keras' layout: / has no layer_names"):
        data.weights.read(tmp_path / "w.h5")
    with pytest.raises(ValueError, match="no official weights of 'jax'; choose from: torchvision, keras"):
        data.weights.read_official("jax", "vgg19")
    with pytest.raises(ValueError, match="keras has no registered weights of 'alexnet'; it has: vgg16, vgg19"):
        data.weights.read_official("keras", "alexnet")


def test_every_official_network_is_registered():
    names = [name for networks in data.weights.OFFICIAL.values() for name in networks.values()]
    assert len(set(names)) == len(names) == 28 and set(names) <= registry.FILES.keys()


def test_official_weights_have_the_names_of_today(empty, monkeypatch, tmp_path):
    """Those of DenseNet are stored under names of an older torchvision."""
    name = data.weights.OFFICIAL["torchvision"]["densenet121"]
    path = tmp_path / "mirror" / name
    path.parent.mkdir(parents=True)
    _save({f"features.{part}": np.zeros(2) for part in ("norm0.bias", "denseblock1.denselayer10.norm.1.bias", "denseblock1.denselayer10.conv.2.weight")}, path)
    monkeypatch.setenv("DLBOOK_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setitem(registry.FILES, name, dataclasses.replace(registry.FILES[name], sha256=registry.checksum(path)))
    read = data.weights.read_official("torchvision", "densenet121")
    assert sorted(read) == ["features.denseblock1.denselayer10.conv2.weight", "features.denseblock1.denselayer10.norm1.bias", "features.norm0.bias"]


def test_eight_bit_kernels_come_back_as_numbers(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(3, 3, 2, 4))
    low, scale = kernel.min(), np.ptp(kernel) / 255
    np.savez(tmp_path / "w.npz", b_conv1_Wq=np.round((kernel - low) / scale).astype(np.uint8), b_conv1_Wscale=scale, b_conv1_Wmin=low,
             b_conv1_b=np.zeros(4, np.float32), a_conv1_W=kernel.astype(np.float32), a_conv1_b=np.ones(4, np.float32))
    read = data.weights.read(tmp_path / "w.npz")
    assert sorted(read) == ["a_conv1.bias", "a_conv1.kernel", "b_conv1.bias", "b_conv1.kernel"] and {array.dtype for array in read.values()} == {np.dtype("float32")}
    assert np.abs(read["b_conv1.kernel"] - kernel).max() <= scale / 2 + 1e-6 and np.array_equal(read["a_conv1.bias"], np.ones(4))


@pytest.mark.parametrize("name, parameters, kernel, shape", [
    ("vgg19/vgg19_conv_notop.npz", 20_024_384, "block5_conv4.kernel", (3, 3, 512, 512)),
    ("mobilenet_v1_075_224/mobilenet_v1_0.75_224.npz", 2_601_976, "conv_dw_13.depthwise_kernel", (3, 3, 768, 1)),
    ("squeezenet/squeezenet_v1.0_dc.npz", 1_248_424, "fire9.conv3x3_2.weight", (256, 64, 3, 3)),
])
def test_weights_on_the_mirror(name, parameters, kernel, shape):
    """As many numbers as the networks have parameters, all finite."""
    at_hand(name)
    read = data.weights.read(name)
    assert sum(array.size for array in read.values()) == parameters and read[kernel].shape == shape
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in read.values())


def test_class_names_on_the_mirror():
    at_hand("imagenet_classes/imagenet_class_index.json")
    classes = json.loads(data.fetch("imagenet_classes/imagenet_class_index.json").read_text())
    assert len(classes) == 1000 and classes["0"][1] == "tench" and classes["999"][1] == "toilet_tissue"
