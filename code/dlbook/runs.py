"""Recorded full-scale runs: how they are made, kept and found again.

`python -m dlbook.runs cnn/digits` (or `make full RUN=cnn/digits`) trains on the real data and writes one JSON file a run into
`runs/cnn/digits/`. A chapter reads them back with `records`, and the shipped weights with `load_weights(checkpoint(...))`.

A system's module `full.py` has `run(framework, seed, folder)`. Where one system has several recorded tasks, it names them in
`TASKS`, has `run(framework, seed, folder, task)`, and `--task` (or `TASK=`) chooses one.
"""
import importlib
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from dlbook import machine, profile
from dlbook.command import Parser
from dlbook.data.registry import DataError, sha256

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "runs"


def available():
    """Systems that have a full run: folders with a `spec.py` and a `full.py`.

    Returns:
        list of str, for example `cnn/digits`.
    """
    package = Path(__file__).parent
    return sorted(path.parent.relative_to(package).as_posix() for path in package.glob("*/*/full.py") if path.with_name("spec.py").is_file())


def tasks(system):
    """The tasks of a system's full run.

    Args:
        system: one of `available()`.

    Returns:
        tuple of str, in the order of `TASKS` in its `full.py`; empty where it names none.
    """
    return tuple(getattr(_full(system), "TASKS", ()))


def _full(system):
    return importlib.import_module(f"dlbook.{system.replace('/', '.')}.full")


def records(system, task=None):
    """The recorded runs of a system.

    Args:
        system: for example `cnn/digits`.
        task: one of its tasks; None takes them all.

    Returns:
        list of dict, by file name; each has `command, commit, profile, framework, data, versions, hardware, seconds, seed, metrics, history`,
        and `task` where the system has tasks.

    Raises:
        FileNotFoundError: nothing is recorded for it.
    """
    found = [json.loads(path.read_text()) for path in sorted((RUNS / system).glob("*.json"))]
    found = [record for record in found if task in (None, record.get("task"))]
    if not found:
        what = f"of {task!r} " if task else ""
        raise FileNotFoundError(f"no recorded run {what}in {RUNS / system}; make one with: {_command(system, task)}")
    return found


def _command(system, task=None, framework=None, seed=None):
    """The command that records a run, as a person types it."""
    given = {"RUN": system, "TASK": task, "FRAMEWORK": framework, "SEED": seed, "DLBOOK_THREADS": os.environ.get("DLBOOK_THREADS")}
    return " ".join(["make full", *(f"{name}={value}" for name, value in given.items() if value is not None)])


def made_with(record):
    """What a recorded run was made with, in one line.

    Args:
        record: dict as `records` returns it.

    Returns:
        str: machine, versions, commit.
    """
    hardware, versions = record["hardware"], record["versions"]
    where = hardware.get("gpu") or f"{hardware['processor']}, {hardware['cores']} cores"
    return f"{where}; Keras {versions['keras']}, PyTorch {versions['torch']}; commit {record['commit'][:10]}"


def picture(system, name):
    """Bytes of a PNG picture recorded beside a run.

    Raises:
        FileNotFoundError: there is no such picture.
    """
    return (RUNS / system / f"{name}.png").read_bytes()


def checkpoint(system, task=None):
    """Path of the weights shipped with a system: `<task>.safetensors`, or `checkpoint.safetensors` where it has no tasks.

    Raises:
        FileNotFoundError: none is shipped.
    """
    path = RUNS / system / f"{task or 'checkpoint'}.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"no weights are shipped in {path}; make them with: {_command(system, task)}")
    return path


def save_weights(weights, path, **about):
    """Write weights in the exchange format; the file appears under its name only when it is whole.

    Args:
        weights: dict of name to array.
        path: file to write, `.safetensors`.
        about: facts stored in the file's header, as JSON.
    """
    from safetensors.numpy import save_file

    path = Path(path)
    part = path.with_suffix(".part")
    try:
        # One entry: the library writes several in an order of its own, and the same weights would give other bytes.
        save_file(dict(sorted(weights.items())), part, metadata={"about": json.dumps(about, sort_keys=True)})
        part.chmod(0o644)  # the library writes files that only their owner can read
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load_weights(path):
    """Read weights in the exchange format.

    Args:
        path: a `.safetensors` file.

    Returns:
        dict of name to array.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is not in this format or is cut short.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole safetensors file ({error}); copy it again or train anew.") from error


def about(path):
    """The facts that stand in the header of a checkpoint.

    Args:
        path: a `.safetensors` file that `save_weights` wrote.

    Returns:
        dict.
    """
    from safetensors import safe_open

    with safe_open(path, "numpy") as stored:
        return json.loads((stored.metadata() or {}).get("about", "{}"))


def record(system, framework, seed, result, seconds, task=None, processor_seconds=None):
    """Write one run's record.

    Args:
        system: for example `cnn/digits`.
        framework: `keras` or `torch`.
        seed: whole number.
        result: dict with `files` (registered names), `metrics` (name: number), `history` (name: list) and anything else worth keeping.
        seconds: how long it took by the clock.
        processor_seconds: how long all its threads together computed; unlike the clock's, hardly changed by other work on the machine.
        task: the system's task, where it has several.

    Returns:
        Path: the file written, `<framework>-seed<seed>.json`, with `<task>-` before it where there is one.
    """
    result = dict(result)
    about = {
        "command": _command(system, task, framework, seed),
        "commit": commit(), "profile": profile.current().name, "framework": framework, "seed": seed, **({"task": task} if task else {}),
        "data": {name: sha256(name) for name in result.pop("files")},
        "versions": machine.versions(), "hardware": hardware(framework), "seconds": round(seconds, 1),
    }
    if processor_seconds is not None:
        about["processor_seconds"] = round(processor_seconds, 1)
    path = RUNS / system / "-".join(filter(None, (task, framework, f"seed{seed}.json")))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(about | result, indent=1) + "\n")
    return path


def commit():
    """The repository's commit, with `-dirty` behind it where files differ from it."""
    git = lambda *words: subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True).stdout.strip()
    return (git("rev-parse", "HEAD") or "unknown") + ("-dirty" if git("status", "--porcelain", "--", "code", "constraints.txt") else "")


def hardware(framework=None):
    """The machine in words: dict of `processor`, `cores`, `memory_gb`, `threads` (used), `system` and, for PyTorch, `gpu` where one is used."""
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    found = {"processor": machine.processor(), "cores": os.cpu_count(), "memory_gb": round(pages / 2**30),
             "threads": profile.current().threads, "system": f"{platform.system()} {platform.machine()}"}
    if framework == "torch" and profile.torch_device().type == "cuda":
        import torch

        found["gpu"] = torch.cuda.get_device_name()
    return found


def main(arguments=None):
    """Make full runs from the command line; returns the exit status."""
    options = _options(arguments)
    if options.system not in available():
        print(f"there is no full run {options.system!r}; there are: {', '.join(available())}.", file=sys.stderr)
        return 2
    os.environ["DLBOOK_PROFILE"] = "full"
    known = tasks(options.system)
    unknown = [task for task in options.task if task not in known]
    if unknown:
        remedy = f"there are: {', '.join(known)}" if known else "it is recorded without tasks"
        print(f"{options.system} has no task {unknown[0]!r}; {remedy}.", file=sys.stderr)
        return 2
    try:
        for task, framework, seed in itertools.product(options.task or known or (None,), options.framework, options.seed):
            _one(options.system, framework, seed, task)
    except (DataError, ValueError, ArithmeticError, OSError) as error:
        print(f"dlbook: {error}", file=sys.stderr)
        return 1
    return 0


def _options(arguments):
    parser = Parser(prog="python -m dlbook.runs", description="Train a system on the real data and record the run.")
    parser.add_argument("system", help="for example cnn/digits")
    parser.add_argument("--task", nargs="+", default=[], help="of the system's tasks; all when none is named")
    parser.add_argument("--framework", nargs="+", choices=profile.FRAMEWORKS, default=profile.FRAMEWORKS)
    parser.add_argument("--seed", nargs="+", type=int, choices=range(1000), metavar="0..999", default=[0, 1, 2])
    return parser.parse_args(arguments)


def _one(system, framework, seed, task):
    profile.setup(framework, seed=seed)
    start, computed = time.perf_counter(), time.process_time()
    result = _full(system).run(framework, seed, RUNS / system, *([task] if task else []))
    path = record(system, framework, seed, result, time.perf_counter() - start, task, time.process_time() - computed)
    print(f"{path.relative_to(ROOT)}: " + ", ".join(f"{name} {value:.4f}" for name, value in result["metrics"].items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
