"""Starts the class's hub on this machine: `make hub`.

Sees to what hub/jupyterhub_config.py needs and was not given in the environment: a class password, a folder of its own, the
proxy, and the site with buttons that lead to this hub. Ctrl-C ends the hub, and so does the end of the terminal; the students'
servers go on, and the next start finds them. The settings are those of jupyterhub_config.py, and
DLBOOK_HUB_URL      the address that students type, when a reverse proxy stands before the hub
DLBOOK_REPOSITORY   from where the buttons bring the course; this clone when it is not set
DLBOOK_BRANCH       its branch; the one that is checked out here when it is not set
"""
import contextlib
import fcntl
import importlib.util
import os
import re
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
from urllib.parse import urlsplit

import psutil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

from settings import NAMES_IN_WORDS, PARTS, Settings, Wrong  # noqa: E402  (found beside this file)

from dlbook.publish import PublishError, site, vendor  # noqa: E402

SITE = ROOT / "_build" / "hub"
PROXY = Path(sys.prefix) / "vendor" / "proxy"
PATIENCE = 120  # seconds until the hub answers; it takes three
GRACE = 15  # seconds until a hub that was told to end has ended; it takes less than one
ROOM = 200  # 10^6 bytes that must be free for the hub's own files
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last one comes when the terminal closes


def main():
    """Start the hub, say where it is, and wait for its end; returns the exit status."""
    try:
        given = dict(os.environ)
        lock = alone(state_folder(given))
        given = prepared(given)
        settings = Settings.from_environment(given)
        check_ports(settings)
        check_readable(settings)
        check_gpus(settings)
        end_services(settings.port)
        log = settings.state / "hub.log"
        hub = started(given, log, lock)
    except (Wrong, PublishError) as error:
        print(f"dlbook: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"dlbook: the hub cannot be started ({error.filename or 'a file'}: {error.strerror or error}); see to that and run the same command again.",
              file=sys.stderr)
        return 1
    asked = []  # when it was told to end
    for number in ENDS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup lets the hub outlive the terminal
            signal.signal(number, lambda number, frame: (asked.append(time.monotonic()), hub.send_signal(signal.SIGTERM)))
    if not answers(hub, settings):
        hub.terminate()
        say(f"dlbook: the hub did not start; its last words (all of them are in {log}):\n{tail(log)}", sys.stderr)
        return 1
    say(welcome(settings, given, log))
    status = ended(hub, asked, settings.state / "proxy.pid")
    end_services(settings.port)
    if status > 0:
        say(f"dlbook: the hub ended with status {status}; its last words (all of them are in {log}):\n{tail(log)}", sys.stderr)
    else:
        say("The hub has ended. The students' files are kept, their servers go on, and `make hub` finds them.")
    return max(status, 0)


def say(text, where=None):
    """Print; where the terminal is gone, nobody reads it."""
    with contextlib.suppress(OSError):
        print(text, file=where or sys.stdout, flush=True)


def state_folder(given):
    """Make the folder of the hub's own files.

    Args:
        given: dict of the environment's variables; what is missing for the folder is written into it.

    Returns:
        Path.

    Raises:
        Wrong: it cannot be made, or its disk has no room.
    """
    as_root = os.getuid() == 0
    given.setdefault("DLBOOK_HUB_SPAWNER", "accounts" if as_root else "folders")
    given.setdefault("DLBOOK_HUB_STATE", "/srv/dlbook-hub" if as_root else str(ROOT / "_build" / "hub-state"))
    state = Path(given["DLBOOK_HUB_STATE"])
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(state).free / 1e6
    except OSError as error:
        raise Wrong(f"DLBOOK_HUB_STATE is {str(state)!r}, which cannot be made ({error.strerror}); name a folder on a disk with room.") from None
    if free < ROOM:
        raise Wrong(f"the hub keeps its own files in {state}, on a disk with {free:.0f} MB free; it needs {ROOM} MB. "
                    "Make room, or name another folder in DLBOOK_HUB_STATE.")
    return state


def alone(state):
    """Take the lock of the hub's folder. The hub gets it too, and its end frees it, however it ends; the students' servers and the proxy never have it.

    Args:
        state: folder of the hub's own files.

    Returns:
        file, to be kept open.

    Raises:
        Wrong: a hub with this folder runs.
    """
    lock = open(state / "lock", "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        numbers = lock.read().split()
        lock.close()
        number = next((number for number in numbers if any(word in command_of(number) for word in (b"start.py", b"jupyterhub"))), "unknown")
        raise Wrong(f"the hub of process {number} still runs, and two hubs cannot share the folder {state}; end it: kill {number}") from None
    holders(lock, os.getpid())
    return lock


def holders(lock, *numbers):
    """Write down whose the lock is: the processes, the first one first to be ended."""
    lock.truncate(0)
    lock.write(" ".join(map(str, numbers)) + "\n")
    lock.flush()


def started(given, log, lock):
    """Start the hub itself.

    Args:
        given: dict of the environment's variables.
        log: file of its messages.
        lock: from `alone`.

    Returns:
        subprocess.Popen.
    """
    with open(log, "a") as file:
        hub = subprocess.Popen([sys.executable, "-m", "jupyterhub", "--config", str(HERE / "jupyterhub_config.py")], cwd=log.parent,
                               env=given, stdout=file, stderr=file, start_new_session=True, pass_fds=(lock.fileno(),))
    holders(lock, os.getpid(), hub.pid)
    return hub


def end_services(port):
    """End what a hub that was killed has left: its culler and the course's service. The students' servers and the proxy stay.

    Args:
        port: the hub's first one.
    """
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            given = process.environ()
            if given.get("JUPYTERHUB_SERVICE_NAME") and f":{port + 1}/" in given.get("JUPYTERHUB_API_URL", "") and process.uids().real == os.getuid():
                process.terminate()
                left.append(process)
    for process in psutil.wait_procs(left, timeout=5)[1]:
        with contextlib.suppress(psutil.Error):
            process.kill()


def prepared(given):
    """The environment, with what was missing.

    Args:
        given: dict of the environment's variables.

    Returns:
        dict of str.

    Raises:
        Wrong, PublishError: something cannot be had; the message says what to do.
    """
    state = state_folder(given)
    check_url(given)
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
    """Tell this Python's JupyterLab to open chapters as notebooks, and its servers to take photos that are uploaded.

    Args:
        prefix: the folder of the virtual environment.
    """
    folder = prefix / "share" / "jupyter" / "lab" / "settings"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "overrides.json", folder)
    (prefix / "etc" / "jupyter").mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "jupyter_server_config.json", prefix / "etc" / "jupyter")


def kept_password(path):
    """The class password that was drawn at the first start.

    Args:
        path: file that only the hub's account reads.

    Returns:
        str.
    """
    if not path.is_file() or not path.read_text().strip():  # an empty one is what a full disk left
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(9) + "\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
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
    """The process of a proxy that still runs after its hub was killed.

    Args:
        pid_file: where the hub wrote its number down.

    Returns:
        int; 0 where none runs.
    """
    try:
        number = int(pid_file.read_text())
    except (OSError, ValueError):  # no such file, or one that a full disk left empty
        return 0
    return number if b"configurable-http-proxy" in command_of(number) else 0


def command_of(number):
    """The command line of a process: bytes, empty where there is no such process."""
    try:
        return (Path("/proc") / str(number) / "cmdline").read_bytes()
    except OSError:
        return b""


def check_readable(settings):
    """Raises Wrong when students' accounts cannot read the course's programs or its data."""
    closed = closed_folders(ROOT, Path(sys.prefix), Path(sys.executable).resolve()) if settings.accounts else []
    if closed:
        raise Wrong(f"students have accounts of their own and cannot enter {closed[0]}, where a part of the course's programs lies; clone the course where "
                    "everybody can read it, for example under /opt, with a Python that everybody can run (make hub PYTHON=/usr/bin/python3.11), "
                    "or try it out without accounts: DLBOOK_HUB_SPAWNER=folders make hub")
    closed = closed_folders(Path(settings.mirror)) if settings.accounts and settings.mirror else []
    if closed:
        raise Wrong(f"students have accounts of their own and cannot enter {closed[0]}, where the course data {settings.mirror} lies; "
                    f"put it where everybody can read it, for example under /srv, and open it: chmod -R a+rX {closed[0]}")


def check_gpus(settings):
    """Say it when GPUs are to be shared and the installed TensorFlow computes on none."""
    if settings.gpus and not built_for_gpus():
        say("dlbook: the students' TensorFlow computes on processors alone, although DLBOOK_HUB_GPUS names GPUs: the one that is installed was built without CUDA. "
            "Install the other one and start again: make hub GPUS=" + ",".join(map(str, settings.gpus)), sys.stderr)


def built_for_gpus():
    """Whether the installed TensorFlow was built with CUDA; its files are read, since loading it takes seconds."""
    found = importlib.util.find_spec("tensorflow")
    about = found and found.origin and Path(found.origin).parent / "python" / "platform" / "build_info.py"
    return bool(about and about.is_file() and re.search(r"""['"]is_cuda_build['"]\s*[:,]\s*True""", about.read_text()))


def check_url(given):
    """Raises Wrong when the address that students type is none."""
    address = given.get("DLBOOK_HUB_URL")
    if address and (urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).hostname):
        raise Wrong(f"DLBOOK_HUB_URL is {address!r}; it must be the whole address that students type, for example https://hub.example.org")


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
                if number := outlived(pid_file):
                    with contextlib.suppress(ProcessLookupError):  # it has just ended
                        os.kill(number, signal.SIGTERM)


def tail(log, lines=12):
    """The last lines of a file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def welcome(settings, given, log):
    """What the teacher is told."""
    address = (given.get("DLBOOK_HUB_URL") or f"http://{settings.address}:{settings.port}").rstrip("/")
    who = "an account of the system each" if settings.accounts else "all under this account, so they are not kept from each other's files: for trying out only"
    return "\n".join([
        f"The hub is at           {address}/",
        f"The course, with buttons {address}/services/course/",
        f"Class password          {settings.password}",
        f"Students                log in with this password and a name of their choice ({who})",
        f"Names                   {NAMES_IN_WORDS}",
        f"Shared by {settings.students}: {settings.threads} thread{'s' * (settings.threads > 1)} and {settings.memory / 2**30:.0f} GB a process; "
        f"course data: {settings.mirror or 'none'}",
        f"Log                     {log}",
        "Ctrl-C ends the hub, and so does the end of this terminal; hub/README.md says how it outlives the terminal.",
        "Before others reach it over a network: TLS and a reverse proxy, see hub/README.md.",
    ])


if __name__ == "__main__":
    sys.exit(main())
