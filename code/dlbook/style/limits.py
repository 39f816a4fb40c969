"""How large a picture may be: the memory that painting it takes, and the memory there is."""
import os
from pathlib import Path

import numpy as np

from dlbook.cnn.vgg import spec as vgg
from dlbook.style.gatys import spec
from dlbook.style.images import fitted

FLOAT = 4  # bytes
# What a step holds at once, in copies of all maps that are computed: the maps themselves for the way back, their gradients, and
# workspace. Two steps of VGG19 at 256 pixels on a processor, in a process of their own, took up to 3.4 copies in PyTorch and 2.2 in
# Keras, in bfloat16 2.9 and 1.2; the rest is a reserve.
COPIES = {"torch": 4.0, "keras": 3.0}
GROUPS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))  # control groups 2 and 1


def needed(a, layers, shape, framework):
    """Memory that a step of painting takes, about, without that of the framework and the network's weights.

    Args:
        a: the network's architecture.
        layers: list of names of the layers that are looked at.
        shape: (height, width) of the picture.
        framework: `torch` or `keras`.

    Returns:
        int, bytes.
    """
    rows = vgg.table(spec.part(a, layers), tuple(shape))
    values = sum(int(np.prod(row.shape)) for row in rows if row.kind in ("conv", "pool"))
    return round(COPIES[framework] * FLOAT * values)


def available(root="/"):
    """Memory that is free for use on this machine, and in this container where there is one.

    Args:
        root: of the file system, for the tests.

    Returns:
        int, bytes; None where the system does not tell.
    """
    free = [_free_of_machine(Path(root) / "proc/meminfo"), *(_free_of_group(Path(root) / "sys/fs/cgroup", *names) for names in GROUPS)]
    return min((value for value in free if value is not None), default=None)


def _free_of_machine(meminfo):
    if not meminfo.is_file():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    found = [line.split()[1] for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _free_of_group(folder, limit, used):
    if not (folder / limit).is_file() or not (folder / used).is_file():
        return None
    bound = (folder / limit).read_text().strip()
    return max(0, int(bound) - int((folder / used).read_text())) if bound.isdigit() else None


def rounds_fast(root="/"):
    """Whether this machine's processor has instructions for bfloat16.

    Args:
        root: of the file system, for the tests.

    Returns:
        bool; False where the system does not tell.
    """
    facts = Path(root) / "proc/cpuinfo"
    lines = facts.read_text().splitlines() if facts.is_file() else []
    flags = {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()}
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def check(a, layers, shape, framework, memory):
    """Refuse a picture that is too large for the memory.

    Args:
        a: the network's architecture.
        layers: list of names of the layers that are looked at.
        shape: (height, width) of the picture.
        framework: `torch` or `keras`.
        memory: bytes there are; None: unknown, anything goes.

    Raises:
        ValueError: it takes more; the message says which size fits.
    """
    if memory is None or needed(a, layers, shape, framework) <= memory:
        return
    fits = largest(a, layers, shape, framework, memory)
    remedy = f"size {fits} fits" if fits else "no size fits: close other programs"
    raise ValueError(f"a picture of {shape[1]} x {shape[0]} pixels takes about {needed(a, layers, shape, framework) / 1e9:.1f} GB, "
                     f"and {memory / 1e9:.1f} GB are free; {remedy}.")


def largest(a, layers, shape, framework, memory):
    """The longer side of the largest picture of some proportions that the memory holds.

    Args:
        a, layers, shape, framework: as for `needed`.
        memory: bytes.

    Returns:
        int, pixels; 0 when not even the smallest picture for these layers fits.
    """
    low, high = 0, max(shape)
    while low < high:  # by halving: the memory grows with the size
        middle = (low + high + 1) // 2
        if _fits(a, layers, fitted(shape, middle), framework, memory):
            low = middle
        else:
            high = middle - 1
    return low if low and _large_enough(a, layers, fitted(shape, low)) else 0


def _fits(a, layers, shape, framework, memory):
    return not _large_enough(a, layers, shape) or needed(a, layers, shape, framework) <= memory


def _large_enough(a, layers, shape):
    try:
        spec.shapes(a, layers, shape)
    except ValueError:
        return False
    return True
