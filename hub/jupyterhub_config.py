"""JupyterHub for one classroom machine; hub/README.md says how to start it.

Settings come from the environment:
DLBOOK_HUB_PASSWORD   the class password, at least 8 characters (required)
DLBOOK_HUB_STATE      folder of the hub's own files; only the hub's account can read it (required)
DLBOOK_HUB_PORT       8000; the next three ports serve the hub's parts
DLBOOK_HUB_ADDRESS    127.0.0.1; a reverse proxy with TLS stands before it
DLBOOK_HUB_SPAWNER    accounts (one system account a student, needs root) or folders (all students share this account: for trying out)
DLBOOK_HUB_STUDENTS   8, how many work at once: the cores and the memory are shared among so many
DLBOOK_HUB_MEMORY     GB a process of a student may take; the share of the machine's memory when it is not set
DLBOOK_HUB_GPUS       numbers of GPUs to share, for example 0,1
DLBOOK_HUB_PROXY      command of the proxy, configurable-http-proxy
DLBOOK_HUB_SITE       folder of the built pages, which the hub shows together with the repository at /services/course/; nothing when it is not set
DLBOOK_HUB_THRIFT     1; 0 leaves out what saves students time and memory, to measure what that is worth (benchmarks/hub.py)
DLBOOK_MIRROR         folder of course data, read-only for students
"""
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from settings import NAMES, NAMES_IN_WORDS, Settings  # noqa: E402  (found beside this file)
from students import AccountSpawner, FolderSpawner  # noqa: E402

settings = Settings.from_environment(os.environ)
state, port = settings.state, settings.port
state.mkdir(mode=0o700, parents=True, exist_ok=True)
state.chmod(0o700)

c = get_config()  # noqa: F821  (JupyterHub defines it)

c.JupyterHub.bind_url = f"http://{settings.address}:{port}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port + 1}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 2}"
c.ConfigurableHTTPProxy.command = settings.proxy
c.ConfigurableHTTPProxy.pid_file = str(state / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{state / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(state / "cookie_secret")
# A hub that is started again finds the students' servers where they were.
c.JupyterHub.cleanup_servers = False

c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = settings.password
c.Authenticator.allow_all = True
c.Authenticator.username_pattern = NAMES  # the name becomes a part of an account's
# The log-in page refuses a wrong name as it does a wrong password, so it says beforehand what a name is.
c.JupyterHub.template_vars = {"announcement_login": f"Your name here: {NAMES_IN_WORDS}."}

c.JupyterHub.spawner_class = AccountSpawner if settings.accounts else FolderSpawner
c.FolderSpawner.home_dir_template = str(state / "homes" / "{username}")
c.Spawner.cmd = [str(Path(sys.prefix) / "bin" / "jupyterhub-singleuser")]
# A kernel publishes what it runs and prints. Over TCP every account of the machine could listen; its sockets lie in the student's home instead.
c.Spawner.args = ["--KernelManager.transport=ipc"]
if not settings.accounts and os.getuid() == 0:
    c.Spawner.args.append("--allow-root")
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = c.Spawner.http_timeout = 120
c.Spawner.environment = settings.for_students(sys.prefix)
c.Spawner.mem_limit = settings.memory
c.Spawner.cpu_limit = float(settings.threads)
c.Spawner.pre_spawn_hook = settings.before_spawn
c.JupyterHub.concurrent_spawn_limit = settings.students

HOUR = 3600
c.JupyterHub.load_roles = [{
    "name": "culler", "services": ["culler"],
    "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
}]
c.JupyterHub.services = [{
    "name": "culler",
    # An hour without work ends a server, twelve hours end any; the files stay.
    "command": [sys.executable, "-m", "jupyterhub_idle_culler", f"--timeout={HOUR}", f"--max-age={12 * HOUR}", "--cull-every=300"],
}]
if settings.site:
    c.JupyterHub.services.append({
        "name": "course", "url": f"http://127.0.0.1:{port + 3}", "display": False,
        "command": [sys.executable, str(HERE / "course.py"), str(HERE.parent), settings.site],
    })
