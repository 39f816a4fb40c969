"""Data: the registry's promises when files are missing, damaged or cut short, and what the loaders return."""
import dataclasses
import gzip
import hashlib
import http.server
import subprocess
import sys
import threading
from importlib import util
from pathlib import Path

import numpy as np
import peers
import pytest

from dlbook import data
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
