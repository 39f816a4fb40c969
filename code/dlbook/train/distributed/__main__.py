"""Train the digit network on several processes: `torchrun --standalone --nproc-per-node 2 --max-restarts 3 -m dlbook.train.distributed --out results`.

Started without torchrun, one process trains alone. `DLBOOK_PROFILE=full` takes MNIST and, where there are any, a GPU for each process.
Ended by SIGTERM or SIGUSR1 it writes a checkpoint first and leaves with status 75; the same command goes on from the last checkpoint.
"""
import argparse
import os
import re
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from dlbook import data, profile, runs
from dlbook.cnn.digits import spec as digits_spec
from dlbook.command import Parser
from dlbook.data.registry import DataError
from dlbook.train.distributed import checkpoint, spec

REQUEUE = 75  # EX_TEMPFAIL: nothing is wrong, run it again
SEEDS = 2**32  # as many as NumPy takes
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)  # Slurm sends the first before it ends a job, and the second when it is asked to


def main(arguments=None):
    """Train, and print how well the test images are read; returns the exit status."""
    options = _options(arguments)
    try:
        return _train(options, spec.Processes.from_environment())
    except (DataError, ValueError, ArithmeticError, OSError) as error:
        _tell(error)
    except spec.Stopped as error:
        if _rank() == "0":  # all stop at the same step; one says it
            _tell(error)
        return REQUEUE
    except RuntimeError as error:
        if not _of_another_process(error):
            raise
        _tell(f"another process ended ({_first_words(error)}); run the same command again, it goes on from the last checkpoint.")
    return 1


def _rank():
    return os.environ.get("RANK", "0")


def _tell(message):
    """Say it, and which process does: what is wrong may be so on one machine alone."""
    print(f"dlbook: {f'[rank {_rank()}] ' * (_rank() != '0')}{message}", file=sys.stderr, flush=True)


def _of_another_process(error):
    """Whether PyTorch raised this because it could not reach another process; a mistake of this one is none of that."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return False
    from torch import distributed

    return isinstance(error, distributed.DistError) or bool(re.search("gloo|nccl|connection (closed|reset|refused)", str(error), re.IGNORECASE))


def _first_words(error):
    """The first line of PyTorch's message, without the place in its source."""
    return re.sub(r"^\[[^\]]*\]\s*", "", str(error).strip().split("\n")[0]).rstrip(". ")


def _options(arguments):
    parser = Parser(prog="python -m dlbook.train.distributed", description="Train the digit network on one process or many; see torchrun.")
    parser.add_argument("--out", type=_folder, required=True, help="folder of the checkpoint and the weights")
    parser.add_argument("--framework", choices=profile.FRAMEWORKS, default="torch")
    parser.add_argument("--backend", help="gloo or nccl; the one that fits when none is named")
    parser.add_argument("--seed", type=_seed, default=0, help=f"whole number from 0 to {SEEDS - 1}; 0 when none is named")
    parser.add_argument("--epochs", type=int, help="passes over the training images; the profile's when none is named")
    parser.add_argument("--batch", type=int, help="images a step, of all processes together; the profile's when none is named")
    parser.add_argument("--rate", type=float, help="learning rate at the first step; the profile's when none is named")
    parser.add_argument("--every", type=int, default=spec.EVERY, help="steps between checkpoints")
    return parser.parse_args(arguments)


def _folder(word):
    if not word.strip():
        raise argparse.ArgumentTypeError(f"it must name a folder, for example results; got {word!r}")
    return Path(word)


def _seed(word):
    if not (word.isascii() and word.isdecimal()) or int(word) >= SEEDS:
        raise argparse.ArgumentTypeError(f"it must be a whole number from 0 to {SEEDS - 1}; got {word!r}")
    return int(word)


def _train(options, processes):
    if options.framework == "keras":
        raise ValueError(spec.ONE_TWIN)
    training = _training(options)
    spec.check(training, processes, options.every)
    if processes.rank == 0:
        checkpoint.check_folder(options.out)
    share_cores(processes)
    profile.setup("torch", seed=options.seed)
    from dlbook.train.distributed import with_torch as twin

    twin.connect(processes, options.backend)
    try:
        digits = twin.in_turn(processes, data.digits)
        start, asked = time.perf_counter(), []
        for number in SIGNALS:  # from here on there is something to keep; before, a signal ends the process at once
            signal.signal(number, lambda number, frame: asked.append(number))
        network, done = twin.train(digits, training, options.seed, processes, options.out, options.every, stop=lambda: bool(asked))
        if processes.rank == 0:
            _report(options, digits, network, done, processes, time.perf_counter() - start)
    finally:
        twin.disconnect()
    return 0


def _training(options):
    given = {"epochs": options.epochs, "batch_size": options.batch, "learning_rate": options.rate}
    return replace(digits_spec.TRAINING[profile.current().name], **{name: value for name, value in given.items() if value is not None})


def share_cores(processes, environment=os.environ):
    """Give each process of a machine its share of the cores, unless `DLBOOK_THREADS` says how many threads it takes.

    Args:
        processes: spec.Processes.
        environment: where the number of threads is written.
    """
    if processes.local_world > 1 and profile.current().name == "full":
        environment.setdefault("DLBOOK_THREADS", str(max(1, len(os.sched_getaffinity(0)) // processes.local_world)))


def _report(options, digits, network, done, processes, seconds):
    from dlbook.cnn.digits.with_torch import weights_of

    path = options.out / "weights.safetensors"
    _save(weights_of(network), path, trained_on=digits.source, seed=options.seed, processes=processes.world)
    print(f"{digits}. {done.step:,} steps on {processes.world} process{'es' * (processes.world > 1)} in {seconds:.1f} s: "
          f"{done.history['val_accuracy'][-1]:.2%} of the test images read, loss {done.history['val_loss'][-1]:.4f}. "
          f"Weights: {path}", flush=True)


def _save(weights, path, **about):
    from safetensors import SafetensorError

    try:
        runs.save_weights(weights, path, **about)
    except (OSError, SafetensorError) as error:
        raise OSError(f"the weights cannot be written to {path} ({checkpoint.reason(error)}); the training is whole in {checkpoint.NAME}; "
                      "make room and run the same command again.") from error


if __name__ == "__main__":
    sys.exit(main())
