"""How a classroom hub starts a student's server."""
import hashlib
import os
import pwd
from pathlib import Path

from jupyterhub.spawner import LocalProcessSpawner, SimpleLocalProcessSpawner
from settings import account_of, account_sockets, limits, own_course, private, sockets_fit, sockets_of
from traitlets import Unicode


class AccountSpawner(LocalProcessSpawner):
    """Starts a student's server under the student's own system account."""

    def user_env(self, env):
        """The environment with the account's name, home and shell."""
        account = pwd.getpwnam(account_of(self.user.name))
        env |= {"USER": account.pw_name, "LOGNAME": account.pw_name, "HOME": account.pw_dir, "SHELL": account.pw_shell}
        return env | own_course(account.pw_dir) | {"JUPYTER_RUNTIME_DIR": str(account_sockets(account.pw_dir))}

    def make_preexec_fn(self, name):
        """What runs in the new process: the limits, then the change of account, which cannot be undone."""
        change, memory = super().make_preexec_fn(account_of(name)), self.mem_limit

        def before():
            limits(memory)
            change()
        return before


class FolderSpawner(SimpleLocalProcessSpawner):
    """Starts all students' servers under the hub's account, a folder each: for trying out, without isolation."""

    home_dir_template = Unicode("/tmp/{username}", config=True, help="home folder of a student")

    def user_env(self, env):
        """The environment with the folder as home."""
        env = super().user_env(env)
        return env | own_course(env["HOME"]) | {"JUPYTER_RUNTIME_DIR": str(self.sockets(env["HOME"]))}

    @staticmethod
    def sockets(home):
        """The folder of the kernels' sockets: in the home, or under /tmp where the home's name is too long."""
        inside = sockets_of(home)
        if sockets_fit(inside):
            return inside
        return private(private(Path("/tmp") / f"dlbook-{os.getuid()}") / hashlib.sha256(os.fsencode(home)).hexdigest()[:8])
