"""Times our NumPy convolution beside SciPy's correlation and PyTorch's convolution, on the same images and kernels.

    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE .venv/bin/python benchmarks/basics.py --threads 1 --record

SciPy correlates one array with one: for several channels it takes the whole stack of them at once, and for several kernels and
images it is called for each. It chooses by itself between the direct sum and the Fourier transform, whose time hardly depends on the
kernel's size: for one large kernel on one channel, which no network has, it is the faster one. PyTorch gets its own layout,
(N, C, H, W), so that nothing is converted while the clock runs. All must give the same numbers before they are timed.
Ours and a peer take turns; what counts is the median, and beside it stands the shortest, which other work on the machine hardly changes.
With one thread the clock is the processor's, which stands still while the processor works for others; with more it is the one on the wall.
A ratio above 1 says how many times faster ours is. `--record` keeps all of it for the chapter on convolution; let nothing else run then.
"""
import dataclasses
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "benchmarks")]

from turns import WARM_UP, compare, made, positive, report  # noqa: E402  (found only now)

from dlbook.command import Parser  # noqa: E402

# name: images N, their side, channels C, filters F, kernel k
CASES = {
    "grey, one 3 x 3": (1, 512, 1, 1, 3),
    "grey, one 5 x 5": (1, 512, 1, 1, 5),
    "grey, one 11 x 11": (1, 512, 1, 1, 11),
    "colour, one 5 x 5": (1, 512, 3, 1, 5),
    "first layer": (4, 128, 3, 16, 3),
    "middle layer": (4, 28, 64, 64, 3),
    "digits": (32, 8, 1, 8, 3),
}
PEERS = ("scipy", "torch")
RECORD = ROOT / "runs" / "basics" / "convolution" / "speed.json"


@dataclasses.dataclass(frozen=True)
class Speed:
    """Seconds of one convolution, by the clock that the head of this file names.

    Args:
        case, dtype, peer: what was timed.
        ours, theirs: median seconds.
        ours_least, theirs_least: the shortest.
    """
    case: str
    dtype: str
    peer: str
    ours: float
    theirs: float
    ours_least: float
    theirs_least: float

    @property
    def ratio(self):
        """How many times faster ours is, by the medians."""
        return self.theirs / self.ours

    @property
    def least_ratio(self):
        """The same by the shortest times."""
        return self.theirs_least / self.ours_least


def main(words=None):
    """Measure, print the table, write the JSON file.

    Args:
        words: the command line's; None takes those of the process.

    Returns:
        list of Speed.
    """
    words = sys.argv[1:] if words is None else words
    options = arguments(words)
    speeds = compare("speeds", options, measure, None, table)
    if options.record:
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(json.dumps(record(words, options, speeds), indent=1) + "\n")
    return speeds


def record(words, options, speeds):
    """Everything that is kept of a measurement.

    Args:
        words: the command line's.
        options: what was read from them.
        speeds: list of Speed.

    Returns:
        dict: command, commit, date, machine and versions, the cases' shapes, and what the JSON file of `--json` holds.
    """
    kept = report("speeds", speeds, options) | made("benchmarks/basics.py", *words)
    del kept["processor"]  # it stands in `machine`
    kept["versions"]["scipy"] = importlib.metadata.version("scipy")
    return kept | {"cases": {case: dict(zip(("images", "side", "channels", "kernels", "size"), numbers)) for case, numbers in CASES.items()}}


def arguments(words=None):
    """Read the command line; a slip ends the program with one sentence."""
    parser = Parser(prog="basics.py", description="Time our NumPy convolution beside SciPy's and PyTorch's.")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE", help=f"of {', '.join(map(repr, CASES))}; all without it")
    parser.add_argument("--dtype", nargs="+", choices=("float32", "float64"), default=["float32", "float64"], help="both without it")
    parser.add_argument("--threads", type=positive, default=1, help="processor threads (1)")
    parser.add_argument("--repeats", type=positive, default=15, help="turns of each (15)")
    parser.add_argument("--json", metavar="FILE", help="write the speeds there too")
    parser.add_argument("--record", action="store_true", help="write runs/basics/convolution/speed.json for the chapter on convolution; takes all cases")
    parser.set_defaults(framework=["numpy"])
    options = parser.parse_args(words)
    if options.record and (set(options.only) != set(CASES) or len(set(options.dtype)) < 2):
        parser.error("--record takes all cases in both precisions, as the chapter shows them")
    return options


def measure(options):
    """Time the chosen cases, in this process; returns a list of Speed."""
    from threadpoolctl import threadpool_limits

    import torch

    torch.set_num_threads(options.threads)
    found = []
    with threadpool_limits(options.threads):
        for case in options.only:
            for dtype in options.dtype:
                ours, peers = jobs(case, dtype)
                for peer, job in peers.items():
                    mine, theirs = in_turn(ours, job, options.repeats, time.process_time if options.threads == 1 else time.perf_counter)
                    found.append(Speed(case, dtype, peer, median(mine), median(theirs), min(mine), min(theirs)))
    return found


def in_turn(ours, peer, repeats, clock=time.perf_counter):
    """Seconds of both jobs by the clock, A B A B, after a warm-up; two lists."""
    seconds = [[], []]
    for turn in range(WARM_UP + repeats):
        for job, into in zip((ours, peer), seconds):
            start = clock()
            job()
            into.append(clock() - start)
    return [each[WARM_UP:] for each in seconds]


def jobs(case, dtype):
    """(our job, dict of peer to its job) of one case.

    Raises:
        RuntimeError: they do not compute the same.
    """
    import numpy as np
    import torch

    n, side, channels, filters, size = CASES[case]
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(n, side, side, channels)).astype(dtype), rng.normal(size=(size, size, channels, filters)).astype(dtype)
    ours, peers = our_job(x, kernel), {"scipy": scipy_job(x, kernel), "torch": torch_job(torch, x, kernel)}
    wanted = ours()
    for peer, job in peers.items():
        got = np.asarray(job())
        got = got.transpose(0, 2, 3, 1) if peer == "torch" else got
        difference = float(np.abs(got - wanted).max() / np.abs(wanted).max())
        if not difference < {"float32": 1e-5, "float64": 1e-12}[dtype]:
            raise RuntimeError(f"ours and {peer}'s convolution do not compute the same for {case!r}: they differ by {difference:g}.")
    return ours, peers


def our_job(x, kernel):
    """Our layer, with a bias of 0."""
    from dlbook.basics.convolution import Convolution

    layer = Convolution(*kernel.shape[2:], len(kernel))
    layer.weights["weight"] = kernel
    return lambda: layer.forward(x)


def scipy_job(x, kernel):
    """`scipy.signal.correlate` for every image and every filter."""
    import numpy as np
    from scipy import signal

    if kernel.shape[2:] == (1, 1):  # without the axes of one channel: correlation in two dimensions
        return lambda: np.stack([signal.correlate(image[..., 0], kernel[..., 0, 0], "valid") for image in x])[..., None]
    filters = range(kernel.shape[3])
    return lambda: np.stack([np.concatenate([signal.correlate(image, kernel[..., f], "valid") for f in filters], axis=-1) for image in x])


def torch_job(torch, x, kernel):
    """`torch.nn.functional.conv2d`, in its own layout."""
    images, weight = (torch.tensor(array).permute(*axes).contiguous() for array, axes in ((x, (0, 3, 1, 2)), (kernel, (3, 2, 0, 1))))
    return lambda: torch.nn.functional.conv2d(images, weight)


def table(speeds):
    """The speeds as text, in milliseconds."""
    lines = [f"{'case':<18} {'dtype':<8} {'peer':<6} {'ours/ms':>8} {'peer/ms':>8} {'ratio':>6} {'of the shortest':>16}"]
    return "\n".join(lines + [f"{s.case:<18} {s.dtype:<8} {s.peer:<6} {1e3 * s.ours:>8.2f} {1e3 * s.theirs:>8.2f} {s.ratio:>6.2f} {s.least_ratio:>16.2f}"
                              for s in speeds])


if __name__ == "__main__":
    main()
