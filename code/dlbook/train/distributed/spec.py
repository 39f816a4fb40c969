"""How a batch is shared among processes, and what a training that may be stopped at any step has to remember."""
import os
from dataclasses import dataclass

import numpy as np

from dlbook.train.batches import order

# Tried with Keras 3.15.1 and TensorFlow 2.21.0 on two processes.
ONE_TWIN = ("Keras on TensorFlow does not train on several processes: keras.distribution has no initialize there, and fit under "
            "tf.distribute.MultiWorkerMirroredStrategy cannot read its batches (ValueError: PerReplica). Take --framework torch; "
            "the weights it writes load in both twins.")
BACKENDS = {"gloo": "processors", "nccl": "NVIDIA and AMD GPUs"}
# What an engine such as torchrun tells each process.
VARIABLES = {"rank": "RANK", "world": "WORLD_SIZE", "local_rank": "LOCAL_RANK", "local_world": "LOCAL_WORLD_SIZE"}
EVERY = 200  # steps between checkpoints: MNIST's 11,256 steps write 57 files of 7 MB, each in some hundredths of a second


@dataclass(frozen=True)
class Processes:
    """The processes of a training, seen from one of them.

    Args:
        rank: this one's number, counted from 0 over all machines.
        world: how many there are.
        local_rank: this one's number on its machine; also that of its GPU.
        local_world: how many there are on its machine.
    """
    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    def __post_init__(self):
        for who, all_of_them in (("rank", "world"), ("local_rank", "local_world")):
            number, count = getattr(self, who), getattr(self, all_of_them)
            if not 0 <= number < count:
                raise ValueError(f"{VARIABLES[who]} is a number from 0 to {VARIABLES[all_of_them]} - 1; "
                                 f"got {number} of {count}. Start the processes with torchrun.")

    @classmethod
    def from_environment(cls, environment=os.environ):
        """What torchrun has written into the environment; one process alone where it has not.

        Raises:
            ValueError: only a part of it is there, or not in whole numbers.
        """
        given = {field: environment[name] for field, name in VARIABLES.items() if name in environment}
        missing = [VARIABLES[field] for field in VARIABLES if field not in given]
        if given and missing:
            raise ValueError(f"the environment says {', '.join(VARIABLES[f] for f in given)} but not {', '.join(missing)}; "
                             "start the processes with torchrun, which says them all.")
        wrong = [f"{VARIABLES[field]}={value!r}" for field, value in given.items() if not value.isdigit()]
        if wrong:
            raise ValueError(f"{wrong[0]} in the environment must be a whole number; start the processes with torchrun.")
        return cls(**{field: int(value) for field, value in given.items()})

    def rows(self, count):
        """Which examples of a batch are this process's: (first, one behind the last).

        Args:
            count: examples of the whole batch; of the last one of an epoch, some processes may get one more than others.
        """
        return self.rank * count // self.world, (self.rank + 1) * count // self.world


ALONE = Processes()


def check(training, processes, every=EVERY):
    """Refuse what cannot be shared equally.

    Args:
        training: settings.Training; its batch size is that of all processes together.
        processes: Processes.
        every: steps between checkpoints.

    Raises:
        ValueError: the batch is not divisible by the processes, or a checkpoint less often than never.
    """
    size, world = training.batch_size, processes.world
    if size % world:
        below, above = size // world * world, -(-size // world) * world
        remedy = f"{below} or {above}" if below else f"{above}"
        raise ValueError(f"a batch of {size} cannot be shared equally by {world} processes; take {remedy}, or another number of processes.")
    if every < 1:
        raise ValueError(f"a checkpoint is written every so many steps, 1 or more; got {every}.")


def check_backend(backend, processes, gpus):
    """Choose how the processes talk to each other, or refuse the choice.

    Args:
        backend: one of `BACKENDS`, or None for the one that fits the machine.
        processes: Processes.
        gpus: GPUs that this process may use.

    Returns:
        str: one of `BACKENDS`.

    Raises:
        ValueError: an unknown backend, or one whose GPUs are not there.
    """
    chosen = backend or ("nccl" if gpus else "gloo")
    if chosen not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}; choose from: {', '.join(f'{name} ({on})' for name, on in BACKENDS.items())}.")
    if chosen == "nccl" and gpus < processes.local_world:
        raise ValueError(f"the backend nccl needs a GPU for each of the {processes.local_world} processes on this machine and sees {gpus}; "
                         f"start {gpus or 'none'} with it, or take gloo with DLBOOK_PROFILE=quick.")
    return chosen


def batches_from(step, n, training, seed):
    """The batches that remain after `step` steps; each epoch's order is drawn anew, as in every training of the course.

    Args:
        step: steps done.
        n: number of examples.
        training: settings.Training.
        seed: whole number.

    Yields:
        (B,) int64 array, and whether it is the last of its epoch.
    """
    per_epoch = -(-n // training.batch_size)
    for epoch in range(step // per_epoch, training.epochs):
        batches = order(n, training.batch_size, epoch, seed)
        for position in range(step % per_epoch if epoch == step // per_epoch else 0, per_epoch):
            yield batches[position], position == per_epoch - 1


class Stopped(Exception):
    """A signal asked for an end; what was done so far is in the checkpoint."""


@dataclass
class Progressed:
    """How far a training is: what `fit` keeps in local variables.

    Args:
        step: steps done.
        summed: (2,) float64: loss and correct answers, summed over the examples of the epoch so far.
        history: dict of `loss`, `accuracy`, `val_loss`, `val_accuracy`: one float an epoch.
        losses: loss of each step so far.
    """
    step: int
    summed: np.ndarray
    history: dict
    losses: list


def beginning():
    """Progressed: nothing done yet."""
    return Progressed(0, np.zeros(2), {}, [])
