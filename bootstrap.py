"""Sets up `.venv` with the pinned dependencies; every `make` target calls it, and it ends at once when nothing is to do.

Needs Python 3.11 and nothing else: `python3.11 bootstrap.py book test`. The arguments are extras of pyproject.toml.
"""
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOG = ROOT / "_build" / "install.log"
NEEDED = (3, 11)
FREE_GB = 5  # site-packages take 3 GB, pip unpacks beside them
FREE_CUDA_GB = 12  # on Linux the package index gives a PyTorch with CUDA: site-packages take 9 GB
SMALL = "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make book"
NO_NETWORK = ("Failed to establish a new connection", "Temporary failure in name resolution", "Network is unreachable", "ConnectTimeout",
              "Connection refused", "Max retries exceeded", "NewConnectionError", "NameResolutionError", "ProxyError")


class Stop(Exception):
    """Something is missing; the message is one sentence that says what, and what to do."""


def python_of(venv):
    """The virtual environment's Python."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def check_machine():
    """Raise Stop when this Python or this machine cannot hold the environment."""
    if sys.version_info[:2] != NEEDED:
        raise Stop(f"dlbook needs Python {NEEDED[0]}.{NEEDED[1]} and this is {platform.python_version()} ({sys.executable}); "
                   "install 3.11, or name it: make PYTHON=/path/to/python3.11 book")
    if shutil.which("git") is None:
        raise Stop("dlbook needs git, which is not on the PATH; install it, for example: apt-get install git")
    free = shutil.disk_usage(ROOT).free / 1e9
    if not python_of(VENV).exists() and free < FREE_GB:
        raise Stop(f"setting up takes {FREE_GB} GB of disk and {ROOT} has {free:.1f} GB free; make room or clone elsewhere.")
    if not python_of(VENV).exists() and free < FREE_CUDA_GB and platform.system() == "Linux":
        print(f"dlbook: {ROOT} has {free:.1f} GB free. That is enough for PyTorch without CUDA ({FREE_GB} GB); the build with CUDA, which the package index gives, "
              f"needs {FREE_CUDA_GB} GB. For the small one: {SMALL}", file=sys.stderr, flush=True)


def wanted(extras):
    """Fingerprint of what should be installed: the pins, the extras, this Python."""
    text = "".join((ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt"))
    return hashlib.sha256(f"{text} {sorted(extras)} {platform.python_version()} {ROOT}".encode()).hexdigest()


def make_venv():
    """Create `.venv` unless a working one is there."""
    made_for = VENV / "pyvenv.cfg"
    here = made_for.is_file() and str(VENV) in made_for.read_text()  # a moved one has scripts that name the old place
    if here and python_of(VENV).exists() and _run([python_of(VENV), "-c", "import pip"]) == 0:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    if _run([sys.executable, "-m", "venv", VENV]) != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        raise Stop("Python's module `venv` does not work here; install it, for example: apt-get install python3.11-venv")


def install(extras):
    """Install the package and its pinned dependencies into `.venv`."""
    print(f"Installing the pinned dependencies into .venv (3 GB, or 9 GB where PyTorch comes with CUDA; some minutes; details in {LOG.relative_to(ROOT)}) ...", flush=True)
    _pip("--editable", f".[{','.join(sorted(extras))}]")
    for requirement in without_dependencies(extras):
        _pip("--no-deps", requirement)


def without_dependencies(extras):
    """What the extras want installed without its own dependencies.

    Args:
        extras: extras of pyproject.toml.

    Returns:
        list of str, pinned requirements.
    """
    import tomllib  # new in the Python that check_machine asks for

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dlbook"]["alone"]
    return [requirement for extra in sorted(extras) for requirement in listed.get(extra, [])]


def _pip(*words):
    command = [python_of(VENV), "-m", "pip", "install", "--retries", "2", "--disable-pip-version-check", "--constraint", "constraints.txt"]
    if _run([*command, *words]) != 0:
        raise Stop(reason(LOG.read_text(errors="replace")))


def reason(log):
    """Say in one sentence why pip failed.

    Args:
        log: what pip printed.

    Returns:
        str.
    """
    if "No space left on device" in log:
        return (f"the disk filled up while installing; free {FREE_GB} GB for PyTorch without CUDA, {FREE_CUDA_GB} GB with it, and run the same command again "
                f"(without CUDA: {SMALL}).")
    if any(sign in log for sign in NO_NETWORK):
        return "the package index cannot be reached; check the network (or pip's index settings) and run the same command again."
    errors = [line for line in log.splitlines() if line.startswith("ERROR")]
    return f"pip could not install the dependencies: {errors[-1] if errors else 'no reason given'} (details in {LOG.relative_to(ROOT)})"


def _run(command):
    LOG.parent.mkdir(exist_ok=True)
    with open(LOG, "a") as log:
        return subprocess.run([str(word) for word in command], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT).returncode


def main(extras):
    """Set up what is missing; returns the exit status."""
    stamp = VENV / "installed"
    try:
        check_machine()
        have = set(stamp.read_text().split()[1:]) if stamp.exists() else set()
        extras = have | set(extras)
        if "gpu" in extras:
            extras -= {"cpu"}
        state = " ".join([wanted(extras), *sorted(extras)])
        if not stamp.exists() or stamp.read_text() != state or not python_of(VENV).exists():
            stamp.unlink(missing_ok=True)
            LOG.unlink(missing_ok=True)
            make_venv()
            install(extras)
            stamp.write_text(state)
    except Stop as stop:
        print(f"dlbook: {stop}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
