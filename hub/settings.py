"""What a classroom hub is told in the environment, and what each student gets of the machine."""
import os
import pwd
import re
import resource
import shlex
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

PREFIX = "dl-"  # of the accounts; what a student types can never name an account that was there before
GROUP = "dlbook-students"
FEWEST = 8  # characters of a class password
SPAWNERS = {"accounts": True, "folders": False}
PARTS = 4  # ports that the hub takes
# JupyterHub compares only the beginning of a name with a pattern, so the pattern names the end.
NAMES = r"[a-z][a-z0-9-]{0,23}\Z"
NAMES_IN_WORDS = "small letters a-z, digits and hyphens, at most 24, beginning with a letter"
LONGEST = 107  # characters of a socket's path on Linux
SOCKET = len("/kernel-01234567-89ab-cdef-0123-456789abcdef-ipc-55")  # what a kernel's socket is called in its folder


class Wrong(ValueError):
    """A setting that cannot be; the message says what would be right."""


@dataclass(frozen=True)
class Settings:
    """What the class gets.

    Args:
        password: the class password.
        state: folder of the hub's own files.
        address, port: where the hub answers; the next two ports are its parts'.
        accounts: one system account a student; False shares this account and isolates nobody.
        students: how many work at once.
        threads: processor threads a student's program takes.
        memory: bytes that a process of a student may take.
        gpus: numbers of the GPUs to share.
        proxy: command of the proxy, in words.
        mirror: folder of course data, or None.
        site: folder of the built pages that the hub shows, or None.
        thrift: whether students' programs are told to save time and memory.
    """
    password: str
    state: Path
    address: str
    port: int
    accounts: bool
    students: int
    threads: int
    memory: int
    gpus: tuple
    proxy: list
    mirror: str | None
    site: str | None = None
    thrift: bool = True

    @classmethod
    def from_environment(cls, given):
        """Read the settings that hub/jupyterhub_config.py lists.

        Args:
            given: dict of the environment's variables.

        Raises:
            Wrong: one is missing or impossible.
        """
        students = _whole(given, "DLBOOK_HUB_STUDENTS", 8, 1, 1000)
        # A tenth of the memory is the system's and the hub's own.
        share = max(1, round(0.9 * _machine_memory() / students / 2**30))
        spawner = given.get("DLBOOK_HUB_SPAWNER", "accounts")
        if spawner not in SPAWNERS:
            raise Wrong(f"DLBOOK_HUB_SPAWNER is {spawner!r}; it must be one of: {', '.join(SPAWNERS)}.")
        if SPAWNERS[spawner] and os.getuid() != 0:
            raise Wrong("one account a student needs root; start the hub with sudo, or try it out with DLBOOK_HUB_SPAWNER=folders.")
        return cls(
            _password(given), Path(_needed(given, "DLBOOK_HUB_STATE", "a folder for the hub's own files")).resolve(),
            given.get("DLBOOK_HUB_ADDRESS", "127.0.0.1"), _whole(given, "DLBOOK_HUB_PORT", 8000, 1, 65535 - PARTS),
            SPAWNERS[spawner], students, max(1, (os.cpu_count() or 1) // students),
            _whole(given, "DLBOOK_HUB_MEMORY", share, 1, 10000) * 2**30, _gpus(given),
            shlex.split(given.get("DLBOOK_HUB_PROXY", "configurable-http-proxy")), _folder(given, "DLBOOK_MIRROR", "with the course data"),
            _folder(given, "DLBOOK_HUB_SITE", "with the built pages"),
            bool(_whole(given, "DLBOOK_HUB_THRIFT", 1, 0, 1)))

    def for_students(self, prefix):
        """The environment that each student's programs start with.

        Args:
            prefix: folder of the hub's Python.

        Returns:
            dict of str.
        """
        threads = str(self.threads)
        needed = {"PATH": f"{prefix}/bin:/usr/local/bin:/usr/bin:/bin", "NBGITPULLER_DEPTH": "1"} | ({"DLBOOK_MIRROR": self.mirror} if self.mirror else {})
        if not self.thrift:
            return needed
        return needed | {
            "DLBOOK_THREADS": threads, "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE",
            "MALLOC_ARENA_MAX": "2",  # else each thread keeps freed memory of its own
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # else the first student's TensorFlow takes the whole GPU
        }

    def before_spawn(self, spawner):
        """Make the student's account, and choose a GPU: the same student always gets the same one.

        Args:
            spawner: the student's Spawner.
        """
        spawner.environment = dict(spawner.environment)
        spawner.environment["CUDA_VISIBLE_DEVICES"] = str(self.gpus[spawner.user.id % len(self.gpus)]) if self.gpus else "-1"
        if self.accounts:
            make_account(spawner.user.name)


def _needed(given, name, what):
    if not given.get(name):
        raise Wrong(f"{name} is not set; it must be {what}.")
    return given[name]


def _password(given):
    password = _needed(given, "DLBOOK_HUB_PASSWORD", f"the class password, at least {FEWEST} characters")
    if len(password) < FEWEST:
        raise Wrong(f"DLBOOK_HUB_PASSWORD has {len(password)} characters; a class password has at least {FEWEST}.")
    return password


def _whole(given, name, usual, least, most):
    text = given.get(name, str(usual))
    if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
        raise Wrong(f"{name} is {text!r}; it must be a whole number from {least} to {most}.")
    return int(text)


def _gpus(given):
    text = given.get("DLBOOK_HUB_GPUS", "")
    if not re.fullmatch(r"(\d+(,\d+)*)?", text):
        raise Wrong(f"DLBOOK_HUB_GPUS is {text!r}; it must be numbers of GPUs with commas between, for example 0,1.")
    return tuple(int(number) for number in text.split(",") if number)


def _folder(given, name, what):
    folder = given.get(name)
    if folder and not Path(folder).is_dir():
        raise Wrong(f"{name} is {folder!r}, and there is no such folder; name the one {what}, or leave it out.")
    return str(Path(folder).resolve()) if folder else None  # the students' programs work in other folders


def _machine_memory():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def account_of(student):
    """The system account of a student: its name begins with `dl-`, so nobody can log in as root or as a teacher."""
    return PREFIX + student


def make_account(student):
    """Make a student's account, with a home that nobody else can read, unless it is there.

    Args:
        student: the name typed at log-in, already checked by `username_pattern`.

    Raises:
        RuntimeError: the system refuses.
    """
    account = account_of(student)
    try:
        home = Path(pwd.getpwnam(account).pw_dir)
    except KeyError:
        _run("groupadd", "--force", GROUP)
        _run("useradd", "--create-home", "--key", "HOME_MODE=0700", "--groups", GROUP, "--shell", shutil.which("bash") or "/bin/sh", account)
        home = Path(pwd.getpwnam(account).pw_dir)
    home.chmod(0o700)


def _run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed: {done.stderr.strip() or 'no reason given'}")


def limits(memory):
    """What a student's programs are held to, to be called in the new process before it starts.

    Args:
        memory: bytes of data that a process may hold; None sets no limit.
    """
    os.umask(0o077)
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def own_course(home):
    """Let the notebooks import the student's own copy of the course, which the launch buttons keep up to date."""
    return {"PYTHONPATH": str(Path(home) / "dlbook" / "code")}


def sockets_of(home):
    """The folder of a student's kernels' sockets; its name is short, since the path of a socket is."""
    return Path(home) / ".run"


def sockets_fit(folder):
    """Whether the path of a kernel's socket in a folder is short enough."""
    return len(os.fsencode(folder)) + SOCKET <= LONGEST


def account_sockets(home):
    """The folder of the sockets in the home of an account.

    Raises:
        RuntimeError: the home's name leaves no room for a socket's.
    """
    if not sockets_fit(sockets_of(home)):
        raise RuntimeError(f"the home {home} has a name so long that no kernel's socket can lie in it; "
                           "let homes be made in a folder with a shorter one (HOME in /etc/default/useradd).")
    return sockets_of(home)


def private(folder):
    """Make a folder that only this account can enter, unless it is there.

    Args:
        folder: Path; the folder it lies in is there.

    Returns:
        Path: the folder.

    Raises:
        RuntimeError: somebody else has made it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise RuntimeError(f"{folder} belongs to another account; remove it, so that the students' kernels can have their sockets there.")
    folder.chmod(0o700)
    return folder
