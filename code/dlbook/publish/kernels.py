"""Kernels that run a notebook: this very Python, a clean environment, no process left behind."""
import importlib.util
import logging
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from time import monotonic

import psutil
import zmq
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client import AsyncKernelClient, AsyncKernelManager
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbclient.util import run_sync
from traitlets import DottedObjectName, Type, default

from dlbook.publish import PublishError

CELL_TIMEOUT = 900  # seconds; no cell of a chapter comes near it
SLICE = 1.0  # seconds between two looks at a channel
QUIET = logging.getLogger("dlbook.publish.quiet")
QUIET.setLevel(logging.CRITICAL + 1)  # what goes wrong is raised, and told once
# Variables of the calling process that would change what a chapter prints or draws.
UNWANTED = re.compile(r"MPLBACKEND|COLUMNS|LINES|PYTHONSTARTUP|PYTHONWARNINGS|PYTEST_\w+")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Cost:
    """What running a notebook took.

    Args:
        seconds: wall time, the kernel's start included.
        megabytes: peak memory of the kernel's process, in units of 10**6 bytes.
    """
    seconds: float
    megabytes: int


class CellFailure(PublishError):
    """A cell did not run to its end.

    Args:
        index: the cell's position among all cells of the notebook, from 0; -1 where no cell had begun.
        reason: what happened, as the end of a sentence.
        traceback: the kernel's own report, without colours.
    """

    def __init__(self, index, reason, traceback=""):
        super().__init__(reason)
        self.index, self.reason, self.traceback = index, reason, ANSI.sub("", traceback)


class SlicedChannel(AsyncZMQSocketChannel):
    """A channel that looks again every second: a wake-up lost inside zmq costs a second, not the whole time-out."""

    async def get_msg(self, timeout=None):
        """The next message; raises `queue.Empty` after `timeout` seconds."""
        end = float("inf") if timeout is None else monotonic() + timeout
        while True:
            try:
                return await super().get_msg(timeout=min(SLICE, max(0.0, end - monotonic())))
            except Empty:
                if monotonic() >= end:
                    raise


class SlicedClient(AsyncKernelClient):
    """A kernel client on sliced channels."""
    shell_channel_class = Type(SlicedChannel)
    iopub_channel_class = Type(SlicedChannel)
    control_channel_class = Type(SlicedChannel)


class ThisPython(KernelSpecManager):
    """Knows one kernel: the Python that runs this program, whatever kernels the user has installed."""

    def get_kernel_spec(self, kernel_name):
        """The specification of this Python, under any name."""
        return self.kernel_spec_class(resource_dir=RESOURCES, **get_kernel_dict())


class BookKernelManager(AsyncKernelManager):
    """Starts this Python as a kernel."""
    client_class = DottedObjectName("dlbook.publish.kernels.SlicedClient")
    client_factory = Type(klass="jupyter_client.client.KernelClient", default_value=SlicedClient)

    @default("transport_encryption")
    def _default_transport_encryption(self):
        return "auto" if zmq.has("curve") else "disabled"  # a kernel without it writes a warning when it starts

    @default("kernel_spec_manager")
    def _default_kernel_spec_manager(self):
        return ThisPython()


class BookClient(NotebookClient):
    """An nbclient whose kernel sees nothing of the user's own Jupyter, IPython and matplotlib settings."""

    async def async_start_new_kernel(self, **options):
        """Start the kernel in the clean environment."""
        self.ipython_dir = tempfile.TemporaryDirectory(prefix="dlbook-ipython-")  # removed with this object
        # What the process writes itself; the cells' outputs come as messages, and repeating them here would only be noise.
        self.kernel_log = tempfile.TemporaryFile()
        environment = clean_environment(Path(self.resources["metadata"]["path"]), self.ipython_dir.name)
        await super().async_start_new_kernel(env=environment, stdout=self.kernel_log, stderr=self.kernel_log, **options)

    start_new_kernel = run_sync(async_start_new_kernel)


def clean_environment(cwd, ipython_dir):
    """Environment variables for a kernel.

    Args:
        cwd: the notebook's folder; the package beside it (`../code`) is the one imported.
        ipython_dir: an empty folder for IPython's profile.

    Returns:
        dict of name to value.
    """
    kept = {name: value for name, value in os.environ.items() if not UNWANTED.fullmatch(name)}
    kept["IPYTHONDIR"] = ipython_dir
    kept["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # else the debugger writes a warning into every kernel's log
    matplotlib = importlib.util.find_spec("matplotlib")
    if matplotlib:
        kept["MATPLOTLIBRC"] = str(Path(matplotlib.origin).parent / "mpl-data" / "matplotlibrc")
    code = cwd.resolve().parent / "code"
    if (code / "dlbook").is_dir():
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(code), kept.get("PYTHONPATH")]))
    return kept


def client(notebook, cwd, timeout=CELL_TIMEOUT):
    """An nbclient for a notebook.

    Args:
        notebook: NotebookNode; its outputs are filled in as cells run.
        cwd: folder in which the kernel works.
        timeout: seconds a cell may take.

    Returns:
        BookClient; use it within `with client.setup_kernel():`.
    """
    made = BookClient(
        notebook, timeout=max(1, int(timeout)), kernel_name="python3", kernel_manager_class=BookKernelManager, record_timing=False,
        coalesce_streams=True, raise_on_iopub_timeout=True, iopub_timeout=60, skip_cells_with_tag="",
        resources={"metadata": {"path": str(cwd)}})
    made.log = QUIET
    return made


def run_cells(notebook, cwd, timeout=CELL_TIMEOUT):
    """Run every cell in a fresh kernel and end that kernel.

    Args:
        notebook: NotebookNode; outputs, execution counts and widget states are written into it.
        cwd: folder in which the kernel works.
        timeout: seconds a cell may take.

    Returns:
        Cost.

    Raises:
        CellFailure: a cell raised an exception that its tags do not announce, took too long, or ended its kernel.
    """
    start, runner, peak = monotonic(), client(notebook, cwd, timeout), 0
    try:
        with runner.setup_kernel():
            pid = runner.km.provisioner.pid
            for index, cell in enumerate(notebook.cells):
                _run_cell(runner, cell, index)
                peak = max(peak, peak_bytes(pid))
            runner.set_widgets_metadata()
    except RuntimeError as error:
        raise CellFailure(-1, f"the kernel did not start: {str(error).splitlines()[0]}", _last_words(runner)) from error
    return Cost(round(monotonic() - start, 1), round(peak / 1e6))


def _run_cell(runner, cell, index):
    try:
        runner.execute_cell(cell, index)
    except CellExecutionError as error:
        raise CellFailure(index, f"raised {error.ename}: {ANSI.sub('', error.evalue)}", error.traceback) from None
    except CellTimeoutError:
        raise CellFailure(index, f"did not finish within {runner.timeout} seconds") from None
    except DeadKernelError:
        raise CellFailure(index, f"ended its kernel ({_cause_of_death(runner)})", _last_words(runner)) from None


def _cause_of_death(runner):
    process = getattr(runner.km.provisioner, "process", None)
    status = process.poll() if process else None
    if status is not None and status < 0:
        return f"signal {-status}" + ("; the machine may have run out of memory" if status == -9 else "")
    return "the process is gone" if status is None else f"exit status {status}"


def _last_words(runner):
    """The end of what the kernel's process wrote, where a crash explains itself."""
    size = runner.kernel_log.seek(0, os.SEEK_END)
    runner.kernel_log.seek(max(0, size - 2000))
    return runner.kernel_log.read().decode(errors="replace").strip()


def peak_bytes(pid):
    """Peak memory of a process: exactly where Linux keeps count, else what it holds at this moment.

    Args:
        pid: process number.

    Returns:
        int: bytes; 0 when the process is gone.
    """
    status = Path(f"/proc/{pid}/status")
    try:
        if status.exists():
            return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024
        memory = psutil.Process(pid).memory_info()
        return getattr(memory, "peak_wset", memory.rss)
    except (OSError, TypeError, psutil.Error):  # the process has ended
        return 0
