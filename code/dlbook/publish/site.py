"""Builds the site from the executed notebooks; every warning is an error."""
import re
import subprocess
import sys

from dlbook.publish import ROOT, PublishError
from dlbook.publish.kernels import ANSI

TOLD = re.compile(r"\b(WARNING|ERROR|CRITICAL|error:)")


def add_arguments(parser):
    """`--all` builds every page again, not only those that changed."""
    parser.add_argument("--all", action="store_true", help="build every page again")


def main(options):
    """Build `_build/html`.

    Args:
        options: `all` builds every page again.

    Raises:
        PublishError: the build failed or warned; the message holds what it warned of.
    """
    log = ROOT / "_build" / "site.log"
    log.parent.mkdir(exist_ok=True)
    # Not the script `jupyter-book`: it would still name the Python of the place where this folder was set up.
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", ".", "-W", "-n", "--keep-going"]
    with open(log, "w", encoding="utf-8") as file:  # not a pipe: a helper process that outlives the build would keep it open
        done = subprocess.run(command + ["--all"] * options.all, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    output = ANSI.sub("", log.read_text(encoding="utf-8"))
    if done.returncode:
        told = [line for line in output.splitlines() if TOLD.search(line)] or output.splitlines()[-5:]
        raise PublishError("\n".join(["the site was not built cleanly (everything it said is in _build/site.log):", *told]))
