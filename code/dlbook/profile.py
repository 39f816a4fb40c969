"""The two profiles, and the one place where seeds, threads and determinism are set.

`quick` (the default) reads embedded data only and gives the same result every time on any number of processors.
`full` reads the real data and uses a GPU where there is one. The environment variable `DLBOOK_PROFILE` chooses.
"""
import contextlib
import functools
import os
import random
from dataclasses import dataclass, replace

FRAMEWORKS = ("keras", "torch")


@dataclass(frozen=True)
class Profile:
    """Settings that every chapter and every training shares.

    Args:
        name: `quick` or `full`.
        threads: processor threads that NumPy and TensorFlow may use.
        torch_threads: those of PyTorch.
        gpu: whether a GPU may be used when there is one.
        downloads: whether files may be fetched from the network.
    """
    name: str
    threads: int
    torch_threads: int
    gpu: bool
    downloads: bool


PROFILES = {
    # The same numbers of threads on every machine: sums are split the same way, so the same numbers come out. A second thread
    # saves PyTorch a quarter of the time in the chapters' small networks; beside another busy process it costs eight times
    # as much, since the threads wait for each other after every operation.
    "quick": Profile("quick", threads=2, torch_threads=1, gpu=False, downloads=False),
    "full": Profile("full", threads=os.cpu_count() or 2, torch_threads=os.cpu_count() or 2, gpu=True, downloads=True),
}


def current():
    """The profile that `DLBOOK_PROFILE` names; `DLBOOK_THREADS` changes its thread count.

    Returns:
        Profile.

    Raises:
        ValueError: the name is not `quick` or `full`, or the thread count is not a whole number above zero.
    """
    name = os.environ.get("DLBOOK_PROFILE", "quick")
    if name not in PROFILES:
        raise ValueError(f"DLBOOK_PROFILE is {name!r}; it must be one of: {', '.join(PROFILES)}.")
    profile = PROFILES[name]
    threads = os.environ.get("DLBOOK_THREADS")
    if threads is None:
        return profile
    if not threads.isdigit() or int(threads) < 1:
        raise ValueError(f"DLBOOK_THREADS is {threads!r}; it must be a whole number above zero, for example 2.")
    return replace(profile, threads=int(threads), torch_threads=int(threads))


def chosen(name=None):
    """The name of a profile, checked.

    Args:
        name: `quick`, `full`, or None for the one in force.

    Returns:
        str: `quick` or `full`.

    Raises:
        ValueError: an unknown profile.
    """
    name = name or current().name
    if name not in PROFILES:
        raise ValueError(f"unknown profile {name!r}; choose from: {', '.join(PROFILES)}.")
    return name


def setup(*frameworks, seed=0):
    """Seed every generator, fix the thread counts and ask for deterministic operations.

    Call it before importing a Keras twin: it silences TensorFlow's start-up lines, and TensorFlow takes its thread counts
    only before its first operation. A second call seeds again.

    Args:
        frameworks: any of `keras` and `torch`; both when none is named. Only these are imported.
        seed: whole number for Python, NumPy, TensorFlow and PyTorch.

    Returns:
        Profile: the one in force.

    Raises:
        ValueError: an unknown framework or profile.
        RuntimeError: TensorFlow has computed something before the first call.
    """
    profile = current()
    unknown = set(frameworks) - set(FRAMEWORKS)
    if unknown:
        raise ValueError(f"unknown framework {sorted(unknown)[0]!r}; choose from: {', '.join(FRAMEWORKS)}.")
    random.seed(seed)
    _setup_numpy(profile, seed)
    for framework in frameworks or FRAMEWORKS:
        {"keras": _setup_keras, "torch": _setup_torch}[framework](profile, seed)
    return profile


def _setup_numpy(profile, seed):
    import numpy
    from threadpoolctl import threadpool_limits

    numpy.random.seed(seed)
    threadpool_limits(profile.threads)


def _setup_torch(profile, seed):
    # cuBLAS is deterministic only with a fixed work space, and reads this once.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(profile.torch_threads)
    torch.use_deterministic_algorithms(True)
    # Fresh memory is filled only to betray an operation that reads it unwritten; style transfer loses 5 % of its time to that.
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False


def _setup_keras(profile, seed):
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if os.environ["KERAS_BACKEND"] == "tensorflow":
        _setup_tensorflow(profile)
    import keras

    # Seeds Python and NumPy too; PyTorch's generator is left alone under the TensorFlow backend.
    keras.utils.set_random_seed(seed)


@functools.cache  # once a process: the counts cannot be changed later
def _setup_tensorflow(profile):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not profile.gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with _quiet_standard_error():
        import tensorflow

        for device in tensorflow.config.list_physical_devices("GPU"):
            tensorflow.config.experimental.set_memory_growth(device, True)
    try:
        tensorflow.config.threading.set_intra_op_parallelism_threads(profile.threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise RuntimeError("TensorFlow has already computed something, and takes its thread count only before that; "
                           "call profile.setup() first.") from error
    tensorflow.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def _quiet_standard_error():
    """Silence the lines that TensorFlow's C++ part writes before any log level can be set."""
    keep, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(keep, 2)
        os.close(keep)
        os.close(nowhere)


def torch_device():
    """The device PyTorch computes on: `cuda` when the profile allows a GPU and there is one, else `cpu`."""
    import torch

    return torch.device("cuda" if current().gpu and torch.cuda.is_available() else "cpu")
