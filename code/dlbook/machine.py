"""What a result was computed on: the processor, and the versions that decide it; and how its memory is kept."""
import ctypes
import importlib.metadata
import platform
from pathlib import Path

PACKAGES = ("dlbook", "keras", "tensorflow", "torch", "numpy", "scikit-learn", "matplotlib", "safetensors")
MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1  # glibc's names of the settings, in malloc.h
KEPT = 32 * 2**20  # bytes; the largest bound that glibc takes
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


def keep_freed_memory():
    """Let the C library keep freed blocks of up to 32 MiB for the next request, as it would learn to do by itself.

    TensorFlow sets the bound to 128 KiB, once, when Keras' `fit` first reads from a Python object. From then on each larger
    tensor, PyTorch's too, is fetched from the system and given back page by page, and a training takes up to twice as long.

    Returns:
        bool: False where there is nothing to set, since the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if platform.system() == "Linux" else None
    return mallopt is not None and bool(mallopt(MMAP_THRESHOLD, KEPT) and mallopt(TRIM_THRESHOLD, 2 * KEPT))
