"""Files that the course downloads: official address, checksum, licence; and the one function that fetches them.

A file is looked for in the cache (`DLBOOK_CACHE`, else the user's cache folder), then on the mirror (`DLBOOK_MIRROR`, a read-only
folder laid out as `<item>/<file>`), then at its official address. It is used only if its checksum is right.
"""
import functools
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pooch

from dlbook import profile
from dlbook.data import official

RETRIES = 2  # downloads that break off are tried again this often
LABELS = {"sha256": "SHA-256", "md5": "MD5"}


class DataError(RuntimeError):
    """A data file cannot be had; the message names the file, the reason and the remedy."""


@dataclass(frozen=True)
class File:
    """One downloadable file, with the strongest checksum that its makers publish.

    Args:
        item: folder on the mirror and in the cache, for example `mnist`.
        name: file name.
        url: official address; of a derived file, that of its source.
        sha256: checksum in hexadecimal; None where only a weaker one is published.
        size: bytes; of official weights, about.
        licence: licence and holder, in words.
        md5: MD5 in hexadecimal.
        sha256_start: first digits of the SHA-256.
        made_from: of a derived file, which is on a mirror or nowhere: what it was made from, in words.

    Raises:
        ValueError: no checksum is given.
    """
    item: str
    name: str
    url: str
    sha256: str | None
    size: int
    licence: str
    md5: str | None = None
    sha256_start: str | None = None
    made_from: str | None = None

    def __post_init__(self):
        if not (self.sha256 or self.md5 or self.sha256_start):
            raise ValueError(f"{self} needs a checksum: sha256, md5 or sha256_start.")

    def __str__(self):
        return f"{self.item}/{self.name}"

    @property
    def published(self):
        """(name of the algorithm, digits that the file's checksum must begin with) of the strongest checksum."""
        return ("md5", self.md5) if self.md5 and not self.sha256 else ("sha256", self.sha256 or self.sha256_start)


def _mnist(name, size, sha256):
    return File("mnist", name, f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}", sha256, size,
                "CC BY-SA 3.0, Yann LeCun and Corinna Cortes")


def _fashion(name, size, sha256):
    return File("fashion_mnist", name, f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{name}", sha256, size, "MIT, Zalando SE")


def _torchvision(name, mebibytes):
    start = name.removesuffix(".pth").rpartition("-")[2]  # torchvision's convention
    return File("torchvision", name, official.TORCHVISION_URL + name, None, round(mebibytes * 2**20), official.TORCHVISION_LICENCE,
                sha256_start=start)


def _keras(path, md5, parameters, licence):
    size = 4 * parameters  # float32; names and structure come on top
    return File("keras", path.rpartition("/")[2], official.KERAS_URL + path, None, size, licence, md5=md5)


def _painting(name, repository, path, sha256, size, painter):
    return File("style_images", name, f"https://raw.githubusercontent.com/jcjohnson/{repository}/{path}/{name}", sha256, size,
                f"public domain, {painter}")


NEURAL_STYLE = ("neural-style", "07c4b8299f8fbdafec0c514fc820ff1d7ff62e46/examples/inputs")
FAST_NEURAL_STYLE = ("fast-neural-style", "813c83441953ead2adb3f65f4cc2d5599d735fa7/images/styles")

FILES = {str(file): file for file in (
    _mnist("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    _mnist("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    _mnist("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    _mnist("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    _fashion("train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    _fashion("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    _fashion("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    _fashion("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    File("imagenet_classes", "imagenet_class_index.json", "https://storage.googleapis.com/download.tensorflow.org/data/imagenet_class_index.json",
         "a1e7a966a1f601d39e4b43e119b3e7dd4a2ad3ea08cf69847cbaf021013767bc", 35_363, "Apache-2.0, Google; the names are WordNet's"),
    File("mobilenet_v1_075_224", "mobilenet_v1_0.75_224.npz", "https://storage.googleapis.com/tfjs-models/tfjs/mobilenet_v1_0.75_224/model.json",
         "16c11f5c2eae48f261585739dab7ae45608547ecf251bdd39fc87ce66b68feb0", 9_701_440, "Apache-2.0, Google",
         made_from="the official TensorFlow.js files of MobileNet v1 0.75 224"),
    File("squeezenet", "squeezenet_v1.0_dc.npz", "https://github.com/songhan/SqueezeNet-Deep-Compression",
         "d5d6a029dcdbb6437a54682d25a14eb54542e93755fa8e5bacd4edbe489a9aa6", 916_457, "BSD-2-Clause, the authors of SqueezeNet",
         made_from="the authors' compressed_SqueezeNet.net"),
    File("vgg19", "vgg19_conv_notop.npz",
         "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
         "9d90461b38b4e3d46b9147b1beb74a0aff72b348247fd7873b518394e8d6c627", 19_363_753, "CC BY 4.0, VGG, Oxford",
         made_from="two TensorFlow.js copies of Keras' VGG19, blocks 4 and 5 in 8 bits"),
    File("oxford_pets_small", "oxford_pets_small.zip", "https://www.robots.ox.ac.uk/~vgg/data/pets/",
         "ec6c674175f08595f0ba67556e0a693436f9def235bf939f21357928dfaa7431", 11_864_546,
         "CC BY-SA 4.0, Parkhi, Vedaldi, Zisserman and Jawahar; the photos are their owners'",
         made_from="1,779 photos of the Oxford-IIIT Pet Dataset, longer side 160 pixels"),
    File("cifar10_small", "cifar10_small_jpeg.zip", "https://www.cs.toronto.edu/~kriz/cifar.html",
         "f8ec50fda74dcf8d4c2211775990ab84979ced88695e5a23e8ff582447f7fbc6", 12_776_855, "none stated by its author, A. Krizhevsky (2009)",
         made_from="12,000 images of a JPEG copy of CIFAR-10"),
    File("text", "tinyshakespeare.txt", "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
         "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed", 1_115_394, "public domain, William Shakespeare"),
    File("text", "nietzsche.txt", "https://s3.amazonaws.com/text-datasets/nietzsche.txt",
         "23cf69874ab69d3d256099ab530ea4be24d47d9675b673bcc67cbcd6298ec647", 600_901, "public domain, Friedrich Nietzsche and Helen Zimmern"),
    File("text", "kalevala.txt", "https://raw.githubusercontent.com/aajanki/kalevala-rnn/7d61436d02eacd912f4d3d20441a6afc64b3304c/data/kalevala.txt",
         "f14c95acd7d63e5ba2314f9745292c02e5990d0a61ed9da97f5911520e8bd24d", 590_914, "public domain, Elias Lönnrot"),
    _painting("shipwreck.jpg", *NEURAL_STYLE, "4f7cf34e3cd4a5daaf3f421f059ca9a01aaa2a3afd7243d6670c9c8bc001a213", 144_730, "J. M. W. Turner"),
    _painting("starry_night.jpg", *NEURAL_STYLE, "0592ab0f7b51b3ce72608a95e53880bd93971e5b48f93a0ce8dfd3cbccf3d098", 315_236, "V. van Gogh"),
    _painting("the_scream.jpg", *NEURAL_STYLE, "f3075cddeb974a9ee1d6418f7f33fd05185a7ac7dcb4288bd2805d499a9dcaee", 216_723, "E. Munch"),
    _painting("composition_vii.jpg", *FAST_NEURAL_STYLE, "8f992ed4aecd6dd56972d7bc8166761de7c94e670ee6effa8fd05f3daeb33409", 202_426, "W. Kandinsky"),
    _painting("wave.jpg", *FAST_NEURAL_STYLE, "14bcf58a39b7095168f27756d76d0c615bb8954acc5eae9e62c66a9684c2ee2b", 148_634, "K. Hokusai"),
    *(_torchvision(*facts) for facts in official.TORCHVISION.values()),
    *(_keras(*facts) for facts in (*official.KERAS.values(), *official.KERAS_MAPS.values())),
)}


def checksum(path, algorithm="sha256"):
    """Checksum of a file, in hexadecimal; SHA-256 unless another algorithm is named."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


def sha256(name):
    """SHA-256 of a registered file: the published one, or that of the file itself where only a weaker checksum is published.

    Args:
        name: a key of `FILES`.

    Returns:
        str, 64 hexadecimal digits.

    Raises:
        KeyError, DataError: as `fetch`.
    """
    return (name in FILES and FILES[name].sha256) or checksum(fetch(name))


def cache_folder():
    """Folder that keeps downloaded files: `DLBOOK_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("DLBOOK_CACHE") or pooch.os_cache("dlbook"))


def fetch(name):
    """Find or download a registered file.

    Args:
        name: `<item>/<file>`, a key of `FILES`.

    Returns:
        Path: a file whose checksum has been verified.

    Raises:
        KeyError: the name is not registered.
        DataError: the file cannot be had; the message says why and what to do.
    """
    if name not in FILES:
        raise KeyError(f"{name!r} is not a registered file; registered: {', '.join(FILES)}.")
    file = FILES[name]
    cached = cache_folder() / file.item / file.name
    if cached.is_file() and _is_whole(cached, file):
        return cached
    return _from_mirror(file) or _from_network(file, cached.parent)


def at_hand(name):
    """Whether a registered file, whole or damaged, is on this machine: in the cache or on the mirror."""
    file = FILES[name]
    return any((Path(folder) / file.item / file.name).is_file() for folder in (cache_folder(), os.environ.get("DLBOOK_MIRROR")) if folder)


def _is_whole(path, file):
    algorithm, digits = file.published
    return checksum(path, algorithm).startswith(digits)


def _should_be(file):
    algorithm, digits = file.published
    return f"{LABELS[algorithm]} (it should be {digits[:12]}...)"


def _from_mirror(file):
    mirror = os.environ.get("DLBOOK_MIRROR")
    path = Path(mirror or ".") / file.item / file.name
    if not mirror or not path.is_file():
        return None
    if not _is_whole(path, file):
        remedy = "copy it again" if file.made_from else f"replace it by {file.url}, or unset DLBOOK_MIRROR to download it"
        raise DataError(f"{path} is damaged: it has a wrong {_should_be(file)}; {remedy}.")
    return path


def _from_network(file, folder):
    if file.made_from:
        raise DataError(f"{file} is not on this machine and cannot be downloaded, since it was made from {file.made_from} ({file.url}); "
                        f"set DLBOOK_MIRROR to a folder that holds {file}.")
    if not profile.current().downloads:
        raise DataError(f"{file} is not on this machine and profile `quick` never downloads; "
                        f"set DLBOOK_PROFILE=full to fetch it from {file.url}, or point DLBOOK_MIRROR to a folder that holds {file}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file.name).unlink(missing_ok=True)  # what is there is damaged
        # pooch writes to a temporary name and renames only what `_download` lets pass.
        store = pooch.create(folder, base_url="", registry={file.name: None}, urls={file.name: file.url}, retry_if_failed=RETRIES)
        return Path(store.fetch(file.name, downloader=functools.partial(_download, file)))
    except ValueError as error:
        raise DataError(f"{file}: what {file.url} sent has a wrong {_should_be(file)}; nothing was kept. "
                        "The download was cut short or the file has changed: try again, or point DLBOOK_MIRROR to a good copy.") from error
    except OSError as error:  # no network, time-out, read-only folder, full disk
        raise DataError(f"{file} ({file.size / 1e6:.1f} MB) could not be fetched from {file.url} into {folder}: {_reason(error)}. "
                        "Check the network, or set DLBOOK_CACHE to a folder you can write to, or DLBOOK_MIRROR to one that holds the file.") from error


def _download(file, url, target, store):
    """Download to a temporary file and check it; pooch itself knows no checksum of which only the first digits are published."""
    pooch.HTTPDownloader(progressbar=os.isatty(2))(url, target, store)
    if not _is_whole(target, file):
        raise ValueError(f"wrong {_should_be(file)}")


def _reason(error):
    return error.strerror or f"{type(error).__name__}: {str(error)[:120]}"
