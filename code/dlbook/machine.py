"""What a result was computed on: the processor, and the versions that decide it."""
import importlib.metadata
import platform
from pathlib import Path

PACKAGES = ("dlbook", "keras", "tensorflow", "torch", "numpy", "scikit-learn", "matplotlib", "safetensors")
OTHER_NAMES = {"tensorflow": ("tensorflow", "tensorflow-cpu")}  # one framework, two distributions


def versions():
    """Versions of Python and of the packages that decide results: dict of name to version, without those not installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        for name in OTHER_NAMES.get(package, (package,)):
            try:
                found[package] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def processor():
    """The processor's name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
