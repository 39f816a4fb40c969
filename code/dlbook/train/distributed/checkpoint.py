"""A training's whole state in one file, which is replaced in one move: at any moment, a whole one is there."""
import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

from dlbook import runs
from dlbook.train.distributed.spec import Progressed

NAME, NEXT = "checkpoint.safetensors", "next.safetensors"
REMEDY = "name another folder with --out, or delete it."


def check_folder(folder):
    """Make the folder of a training, and try whether files can be written there.

    Args:
        folder: Path.

    Raises:
        OSError: they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(f"nothing can be written to the folder {folder} ({reason(error)}); name another one with --out.") from error


def save(folder, tensors, progressed, identity):
    """Write the state of a training in the place of the one before.

    Args:
        folder: where it is kept; made where it is missing.
        tensors: dict of name to array: weights, the optimiser's moments, the generator's state.
        progressed: Progressed.
        identity: dict of what the training is; a file of another one is not resumed.

    Raises:
        OSError: it cannot be written; the one before stays whole.
    """
    from safetensors import SafetensorError

    folder = Path(folder)
    new, last = folder / NEXT, folder / NAME
    about = {"identity": identity, "step": progressed.step, "history": progressed.history,
             "summed": [float(x) for x in progressed.summed]}
    tensors = tensors | {"losses": np.asarray(progressed.losses, np.float64)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        runs.save_weights(tensors, new, checksum=checksum(tensors, about), **about)
        _flush(new)  # the bytes before the name: a machine that loses power keeps one of the two files
        new.replace(last)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):  # there may be a file where the folder should be
            new.unlink(missing_ok=True)
        kept = f"the last whole one, of step {runs.about(last)['step']}, stays" if last.is_file() else "there is none yet"
        raise OSError(f"the checkpoint of step {progressed.step} cannot be written to {folder} ({reason(error)}); {kept}. "
                      "Make room, or name another folder with --out, and run the same command again.") from error


def _flush(path):
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())


def reason(error):
    """Why something cannot be written, in the system's words where it has any: str."""
    return getattr(error, "strerror", None) or str(error)


def checksum(tensors, about):
    """SHA-256 of everything in a checkpoint.

    Args:
        tensors: dict of name to array.
        about: dict of the facts in its header.

    Returns:
        str, 64 hexadecimal digits.
    """
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {value.shape} ".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def load(folder, identity):
    """Read the state that `save` wrote.

    Args:
        folder: where it is kept.
        identity: what the training to be resumed is.

    Returns:
        (dict of name to array, Progressed), or None where no checkpoint is.

    Raises:
        ValueError: the file is not whole, was written without a checksum, or belongs to another training.
    """
    path = Path(folder) / NAME
    if not path.is_file():
        return None
    tensors, about = runs.load_weights(path), _about(path)
    _check_identity(path, about.get("identity", {}), identity)
    stored = about.pop("checksum", None)
    if stored is None:
        raise ValueError(f"{path} was written without a checksum, by an earlier version of the course, so nobody knows whether it is whole; {REMEDY}")
    if stored != checksum(tensors, about):
        raise ValueError(f"{path} is not a whole checkpoint: its content has changed since it was written; {REMEDY}")
    try:
        losses = tensors.pop("losses").tolist()
        return tensors, Progressed(about["step"], np.array(about["summed"]), about["history"], losses)
    except KeyError as error:
        raise ValueError(f"{path} is not a whole checkpoint: it has no {error}; {REMEDY}") from error


def _about(path):
    try:
        return runs.about(path)
    except ValueError as error:
        raise ValueError(f"{path} is not a whole checkpoint: its header cannot be read ({error}); {REMEDY}") from error


def _check_identity(path, found, wanted):
    for name, value in wanted.items():
        if found.get(name) != value:
            raise ValueError(f"{path} belongs to another training: its {name} is {found.get(name)!r}, asked for is {value!r}; {REMEDY}")
