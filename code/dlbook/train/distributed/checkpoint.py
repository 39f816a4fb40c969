"""A training's whole state in one file, which is replaced in one move: at any moment, a whole one is there."""
import os
from pathlib import Path

import numpy as np

from dlbook import runs
from dlbook.train.distributed.spec import Progressed

NAME, NEXT = "checkpoint.safetensors", "next.safetensors"


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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        runs.save_weights(tensors | {"losses": np.asarray(progressed.losses, np.float64)}, new, **about)
        _flush(new)  # the bytes before the name: a machine that loses power keeps one of the two files
        new.replace(last)
    except (OSError, SafetensorError) as error:
        new.unlink(missing_ok=True)
        kept = f"the last whole one, of step {runs.about(last)['step']}, stays" if last.is_file() else "there is none yet"
        raise OSError(f"the checkpoint of step {progressed.step} cannot be written to {folder} ({_reason(error)}); {kept}. "
                      "Make room, or name another folder with --out, and run the same command again.") from error


def _flush(path):
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())


def _reason(error):
    return getattr(error, "strerror", None) or str(error)


def load(folder, identity):
    """Read the state that `save` wrote.

    Args:
        folder: where it is kept.
        identity: what the training to be resumed is.

    Returns:
        (dict of name to array, Progressed), or None where no checkpoint is.

    Raises:
        ValueError: the file is not whole, or belongs to another training.
    """
    path = Path(folder) / NAME
    if not path.is_file():
        return None
    tensors = runs.load_weights(path)
    about = runs.about(path)
    _check_identity(path, about.get("identity", {}), identity)
    losses = tensors.pop("losses").tolist()
    return tensors, Progressed(about["step"], np.array(about["summed"]), about["history"], losses)


def _check_identity(path, found, wanted):
    for name, value in wanted.items():
        if found.get(name) != value:
            raise ValueError(f"{path} belongs to another training: its {name} is {found.get(name)!r}, asked for is {value!r}; "
                             "name another folder with --out, or delete it.")
