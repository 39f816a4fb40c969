"""Builds the site from the executed notebooks; every warning is an error."""
import re
import subprocess
import sys
from pathlib import Path

from dlbook.publish import ROOT, PublishError

ANSI = re.compile(r"\x1b\[[0-9;]*m")
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
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", ".", "-W", "-n", "--keep-going"]
    done = subprocess.run(command + ["--all"] * options.all, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = ANSI.sub("", done.stdout)
    log.write_text(output, encoding="utf-8")
    if done.returncode:
        told = [line for line in output.splitlines() if TOLD.search(line)] or output.splitlines()[-5:]
        raise PublishError("\n".join(["the site was not built cleanly (everything it said is in _build/site.log):", *told]))
