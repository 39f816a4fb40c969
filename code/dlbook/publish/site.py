"""Builds the site from the executed notebooks; every warning is an error."""
import os
import re
import subprocess
import sys
from pathlib import Path

from dlbook.publish import ROOT, PublishError
from dlbook.publish.kernels import ANSI

TOLD = re.compile(r"\b(WARNING|ERROR|CRITICAL|error:)")


def add_arguments(parser):
    """`--all` builds every page again; `--out`, `--hub` and `--repository` make a site for a hub of one's own."""
    parser.add_argument("--all", action="store_true", help="build every page again")
    parser.add_argument("--out", type=Path, default=ROOT, help="folder in which _build/html is written (default: the course's own)")
    parser.add_argument("--hub", help="address of the JupyterHub that the launch buttons lead to (default: the setting in _config.yml)")
    parser.add_argument("--repository", help="address from which it gets the course (default: the setting in _config.yml)")


def main(options):
    """Build `_build/html`, or another site.

    Args:
        options: `all` builds every page again; `out`, `hub`, `repository` as for `build`.

    Raises:
        PublishError: the build failed or warned; the message holds what it warned of.
    """
    build(options.out, options.all, options.hub, options.repository)


def build(out=ROOT, everything=False, hub=None, repository=None, branch=None):
    """Build a site.

    Args:
        out: folder in which `_build/html/` is written.
        everything: build every page again.
        hub: address of the JupyterHub that the launch buttons lead to; `/` for the one that shows the site; None for the setting.
        repository, branch: from which it gets the course; None for the settings.

    Returns:
        Path: the folder of the pages.

    Raises:
        PublishError: the build failed or warned; the message holds what it warned of.
    """
    made = Path(out) / "_build"
    log = made / "site.log"
    made.mkdir(parents=True, exist_ok=True)
    # Not the script `jupyter-book`: it would still name the Python of the place where this folder was set up.
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", ".", "-W", "-n", "--keep-going"]
    command += ["--path-output", str(out)] + ["--all"] * everything
    given = {"DLBOOK_HUB": hub, "DLBOOK_REPOSITORY": repository, "DLBOOK_BRANCH": branch}
    environment = os.environ | {name: value for name, value in given.items() if value}
    with open(log, "w", encoding="utf-8") as file:  # not a pipe: a helper process that outlives the build would keep it open
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    output = ANSI.sub("", log.read_text(encoding="utf-8"))
    if done.returncode:
        told = [line for line in output.splitlines() if TOLD.search(line)] or output.splitlines()[-5:]
        raise PublishError("\n".join([f"the site was not built cleanly (everything it said is in {log}):", *told]))
    return made / "html"
