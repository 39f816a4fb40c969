"""Files that the course downloads: official address, checksum, licence; and the one function that fetches them.

A file is looked for in the cache (`DLBOOK_CACHE`, else the user's cache folder), then on the mirror (`DLBOOK_MIRROR`, a read-only
folder laid out as `<item>/<file>`), then at its official address. It is used only if its checksum is right.
"""
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import pooch

from dlbook import profile

RETRIES = 2  # downloads that break off are tried again this often


class DataError(RuntimeError):
    """A data file cannot be had; the message names the file, the reason and the remedy."""


@dataclass(frozen=True)
class File:
    """One downloadable file.

    Args:
        item: folder on the mirror and in the cache, for example `mnist`.
        name: file name.
        url: official address.
        sha256: checksum in hexadecimal.
        size: bytes.
        licence: licence and holder, in words.
    """
    item: str
    name: str
    url: str
    sha256: str
    size: int
    licence: str

    def __str__(self):
        return f"{self.item}/{self.name}"


def _mnist(name, size, sha256):
    return File("mnist", name, f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}", sha256, size,
                "CC BY-SA 3.0, Yann LeCun and Corinna Cortes")


def _fashion(name, size, sha256):
    return File("fashion_mnist", name, f"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/{name}", sha256, size, "MIT, Zalando SE")


FILES = {str(file): file for file in (
    _mnist("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    _mnist("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    _mnist("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    _mnist("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    _fashion("train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    _fashion("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    _fashion("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    _fashion("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
)}


def checksum(path):
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
    if cached.is_file() and checksum(cached) == file.sha256:
        return cached
    return _from_mirror(file) or _from_network(file, cached.parent)


def _from_mirror(file):
    mirror = os.environ.get("DLBOOK_MIRROR")
    path = Path(mirror or ".") / file.item / file.name
    if not mirror or not path.is_file():
        return None
    if checksum(path) != file.sha256:
        raise DataError(f"{path} is damaged: its SHA-256 is {checksum(path)[:12]}..., it should be {file.sha256[:12]}...; "
                        f"replace it by {file.url}, or unset DLBOOK_MIRROR to download it.")
    return path


def _from_network(file, folder):
    if not profile.current().downloads:
        raise DataError(f"{file} is not on this machine and profile `quick` never downloads; "
                        f"set DLBOOK_PROFILE=full to fetch it from {file.url}, or point DLBOOK_MIRROR to a folder that holds {file}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # pooch writes to a temporary name and renames only a file whose checksum is right.
        store = pooch.create(folder, base_url="", registry={file.name: f"sha256:{file.sha256}"},
                             urls={file.name: file.url}, retry_if_failed=RETRIES)
        return Path(store.fetch(file.name, progressbar=os.isatty(2)))
    except ValueError as error:
        raise DataError(f"{file}: what {file.url} sent has a wrong SHA-256 (it should be {file.sha256[:12]}...); nothing was kept. "
                        "The download was cut short or the file has changed: try again, or point DLBOOK_MIRROR to a good copy.") from error
    except OSError as error:  # no network, time-out, read-only folder, full disk
        raise DataError(f"{file} ({file.size / 1e6:.1f} MB) could not be fetched from {file.url} into {folder}: {_reason(error)}. "
                        "Check the network, or set DLBOOK_CACHE to a folder you can write to, or DLBOOK_MIRROR to one that holds the file.") from error


def _reason(error):
    return error.strerror or f"{type(error).__name__}: {str(error)[:120]}"
