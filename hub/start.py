"""Starts the class's hub on this machine: `make hub`.

Sees to what hub/jupyterhub_config.py needs and was not given in the environment: a class password, a folder of its own, the
proxy, and the site with buttons that lead to this hub. Ctrl-C ends the hub; the students' servers go on, and the next start
finds them. The settings are those of jupyterhub_config.py, and
DLBOOK_HUB_URL   the address that students type, when a reverse proxy stands before the hub
"""
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

from settings import PARTS, Settings, Wrong  # noqa: E402  (found beside this file)

from dlbook.publish import PublishError, site, vendor  # noqa: E402

SITE = ROOT / "_build" / "hub"
PROXY = Path(sys.prefix) / "vendor" / "proxy"
PATIENCE = 120  # seconds until the hub answers; it takes three
GRACE = 15  # seconds until a hub that was told to end has ended; it takes less than one


def main():
    """Start the hub, say where it is, and wait for its end; returns the exit status."""
    try:
        given = prepared(dict(os.environ))
        settings = Settings.from_environment(given)
        check_ports(settings)
        check_readable(settings)
    except (Wrong, PublishError) as error:
        print(f"dlbook: {error}", file=sys.stderr)
        return 1
    log = settings.state / "hub.log"
    with open(log, "a") as file:
        hub = subprocess.Popen([sys.executable, "-m", "jupyterhub", "--config", str(HERE / "jupyterhub_config.py")], cwd=settings.state,
                               env=given, stdout=file, stderr=file, start_new_session=True)
    asked = []  # when it was told to end
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: (asked.append(time.monotonic()), hub.send_signal(signal.SIGTERM)))
    if not answers(hub, settings):
        hub.terminate()
        print(f"dlbook: the hub did not start; its last words (all of them are in {log}):\n{tail(log)}", file=sys.stderr)
        return 1
    print(welcome(settings, given, log), flush=True)
    status = ended(hub, asked, settings.state / "proxy.pid")
    if status > 0:
        print(f"dlbook: the hub ended with status {status}; its last words (all of them are in {log}):\n{tail(log)}", file=sys.stderr)
    else:
        print("The hub has ended. The students' files are kept, their servers go on, and `make hub` finds them.")
    return max(status, 0)


def prepared(given):
    """The environment, with what was missing.

    Args:
        given: dict of the environment's variables.

    Returns:
        dict of str.

    Raises:
        Wrong, PublishError: something cannot be had; the message says what to do.
    """
    as_root = os.getuid() == 0
    given.setdefault("DLBOOK_HUB_SPAWNER", "accounts" if as_root else "folders")
    given.setdefault("DLBOOK_HUB_STATE", "/srv/dlbook-hub" if as_root else str(ROOT / "_build" / "hub-state"))
    state = Path(given["DLBOOK_HUB_STATE"])
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Wrong(f"DLBOOK_HUB_STATE is {str(state)!r}, which cannot be made ({error.strerror}); name a folder on a disk with room.") from None
    if not given.get("DLBOOK_HUB_PASSWORD"):
        given["DLBOOK_HUB_PASSWORD"] = kept_password(state / "password")
    if "DLBOOK_HUB_PROXY" not in given:
        given["DLBOOK_HUB_PROXY"] = " ".join(proxy(PROXY))
    if "DLBOOK_HUB_SITE" not in given:
        port = given.get("DLBOOK_HUB_PORT", "8000")
        # Students' servers bring the course from this machine; the buttons name no host, so they lead to the one the page came from.
        given.setdefault("DLBOOK_REPOSITORY", f"http://127.0.0.1:{port}/services/course/git/dlbook")
        given.setdefault("DLBOOK_BRANCH", branch(ROOT))
        print("Building the site with buttons that lead to this hub ...", flush=True)
        given["DLBOOK_HUB_SITE"] = str(site.build(SITE, hub="/", repository=given["DLBOOK_REPOSITORY"], branch=given["DLBOOK_BRANCH"]))
    install_overrides(Path(sys.prefix))
    given["PATH"] = os.pathsep.join([str(Path(sys.prefix) / "bin"), given.get("PATH", os.defpath)])
    return given


def install_overrides(prefix):
    """Tell this Python's JupyterLab to open chapters as notebooks.

    Args:
        prefix: the folder of the virtual environment.
    """
    folder = prefix / "share" / "jupyter" / "lab" / "settings"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "overrides.json", folder)


def kept_password(path):
    """The class password that was drawn at the first start.

    Args:
        path: file that only the hub's account reads.

    Returns:
        str.
    """
    if not path.is_file():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(9) + "\n")
    return path.read_text().strip()


def proxy(folder):
    """Install the proxy, once, in the versions that hub/proxy/package-lock.json names.

    Args:
        folder: where it goes.

    Returns:
        list of str, the command that starts it.

    Raises:
        Wrong: npm refuses.
    """
    program = folder / "node_modules" / "configurable-http-proxy" / "bin" / "configurable-http-proxy"
    lock = HERE / "proxy" / "package-lock.json"
    stamp = folder / "installed"
    if not stamp.is_file() or stamp.read_text() != lock.read_text():
        shutil.copytree(HERE / "proxy", folder, dirs_exist_ok=True)
        done = subprocess.run([*vendor.npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--loglevel", "error"],
                              cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise Wrong(f"the hub's proxy cannot be fetched from the npm registry ({' '.join(done.stderr.split())[-200:]}); "
                        "check the network and run the same command again, or name a proxy of your own in DLBOOK_HUB_PROXY.")
        shutil.copy(lock, stamp)
    return [str(vendor.node()), str(program)]


def branch(clone):
    """The branch that the students get: the one that is checked out here.

    Raises:
        Wrong: this folder is no clone.
    """
    done = subprocess.run(["git", "-c", "safe.directory=*", "symbolic-ref", "--short", "HEAD"], cwd=clone, capture_output=True, text=True)
    if done.returncode or not (clone / ".git").exists():
        raise Wrong(f"{clone} is no Git clone with a branch checked out ({done.stderr.strip()}), so students cannot get the course from it; "
                    "clone the repository, or name one that they can reach in DLBOOK_REPOSITORY and DLBOOK_BRANCH.")
    return done.stdout.strip()


def check_ports(settings):
    """Raises Wrong when one of the hub's ports is taken, but for those of a proxy that outlived its hub: the new hub ends it."""
    left = (settings.port, settings.port + 2) if outlived(settings.state / "proxy.pid") else ()
    for number in sorted(set(range(settings.port, settings.port + PARTS)) - set(left)):
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                one.bind(("127.0.0.1", number))
            except OSError:
                raise Wrong(f"port {number} is in use, and the hub takes {PARTS} ports from {settings.port} on; "
                            "end what uses it (another hub?), or give another first port: make hub PORT=9000") from None


def outlived(pid_file):
    """Whether the proxy of a hub that was killed still runs."""
    if not pid_file.is_file():
        return False
    number = pid_file.read_text().split()[0]
    command = Path("/proc") / number / "cmdline"
    return command.is_file() and b"configurable-http-proxy" in command.read_bytes()


def check_readable(settings):
    """Raises Wrong when students' accounts cannot read the course's programs."""
    closed = closed_folders(ROOT, Path(sys.prefix), Path(sys.executable).resolve()) if settings.accounts else []
    if closed:
        raise Wrong(f"students have accounts of their own and cannot enter {closed[0]}, where a part of the course's programs lies; clone the course where "
                    "everybody can read it, for example under /opt, with a Python that everybody can run (make hub PYTHON=/usr/bin/python3.11), "
                    "or try it out without accounts: DLBOOK_HUB_SPAWNER=folders make hub")


def closed_folders(*paths):
    """The folders on the way to some paths that only their owner can enter, from the top down."""
    on_the_way = {folder for path in paths for folder in (*path.parents, path)}
    return sorted(folder for folder in on_the_way if folder.is_dir() and not folder.stat().st_mode & 0o001)


def answers(hub, settings):
    """Whether the hub answers before it ends or the patience does."""
    end = time.monotonic() + PATIENCE
    while hub.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(f"http://{settings.address}:{settings.port}/hub/api/", timeout=1).close()
            return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def ended(hub, asked, pid_file, grace=GRACE):
    """Wait for the end of the hub. What it keeps is on disk at any moment, so a hub that was told to end and does not is killed, with its proxy.

    Args:
        hub: subprocess.Popen.
        asked: list of the moments, by time.monotonic, at which it was told to end; it may grow meanwhile.
        pid_file: names the proxy.
        grace: seconds.

    Returns:
        int, the exit status; negative when a signal ended it.
    """
    while True:
        try:
            return hub.wait(0.5)
        except subprocess.TimeoutExpired:
            if asked and time.monotonic() > asked[0] + grace:
                hub.kill()
                if outlived(pid_file):
                    with contextlib.suppress(ProcessLookupError):  # it has just ended
                        os.kill(int(pid_file.read_text().split()[0]), signal.SIGTERM)


def tail(log, lines=12):
    """The last lines of a file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def welcome(settings, given, log):
    """What the teacher is told."""
    address = given.get("DLBOOK_HUB_URL", f"http://{settings.address}:{settings.port}").rstrip("/")
    who = "an account of the system each" if settings.accounts else "all under this account, so they are not kept from each other's files: for trying out only"
    return "\n".join([
        f"The hub is at           {address}/",
        f"The course, with buttons {address}/services/course/",
        f"Class password          {settings.password}",
        f"Students                log in with a name of their choice and this password ({who})",
        f"Shared by {settings.students}: {settings.threads} thread{'s' * (settings.threads > 1)} and {settings.memory / 2**30:.0f} GB a process; "
        f"course data: {settings.mirror or 'none'}",
        f"Log                     {log}",
        "Ctrl-C ends the hub. Before others reach it over a network: TLS and a reverse proxy, see hub/README.md.",
    ])


if __name__ == "__main__":
    sys.exit(main())
