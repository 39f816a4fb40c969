"""A student of a classroom hub, without a browser: logs in, launches a chapter and runs it as JupyterLab would."""
import json
import re
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import urlencode, urljoin, urlsplit

import psutil
import requests
import websocket

PATIENCE = 240  # seconds for one step


class Refused(RuntimeError):
    """The hub or the student's server says no; the message has its words."""


@dataclass
class Ran:
    """What running a notebook gave.

    Args:
        first_output: seconds from its first request to its first visible output.
        finished: seconds until its last cell was done.
        outputs: list of the visible outputs, each the content of its message.
    """
    first_output: float
    finished: float
    outputs: list = field(repr=False)

    def text(self):
        """All text outputs, joined."""
        return "\n".join(out.get("text") or out.get("data", {}).get("text/plain", "") for out in self.outputs)


class Student:
    """Someone with a name and a password.

    Args:
        hub: the hub's address.
        name, password: typed at the log-in.
    """

    def __init__(self, hub, name, password):
        self.hub, self.name, self.password, self.web = hub.rstrip("/"), name, password, requests.Session()

    @property
    def server(self):
        """Address of the student's own server."""
        return f"{self.hub}/user/{self.name}"

    def log_in(self):
        """Pass the hub's log-in page.

        Raises:
            Refused: a wrong password or an impossible name.
        """
        self.web.get(f"{self.hub}/hub/login", timeout=PATIENCE)
        done = self.web.post(f"{self.hub}/hub/login", timeout=PATIENCE, allow_redirects=False, data={
            "username": self.name, "password": self.password, "_xsrf": self.web.cookies.get("_xsrf", path="/hub/")})
        if done.status_code != 302:
            said = re.search(r'class="login_error">\s*(.*?)\s*</', done.text, re.S)
            raise Refused(f"log-in of {self.name}: {done.status_code} {said[1] if said else ''}")

    def start(self):
        """Start the server and wait until it answers.

        Raises:
            Refused: it does not start in time.
        """
        self.web.get(f"{self.hub}/hub/spawn/{self.name}", timeout=PATIENCE)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = self.web.get(f"{self.server}/lab", timeout=PATIENCE)  # a page, since only pages lead through the hub's permission
            if answer.ok and urlsplit(answer.url).path.startswith(f"/user/{self.name}/"):
                return
            time.sleep(0.2)
        raise Refused(f"the server of {self.name} did not start in {PATIENCE} s; the last answer was {answer.status_code}")

    def pull(self, repository, branch):
        """Bring the course, as a launch button does.

        Raises:
            Refused: Git says no.
        """
        asked = {"repo": repository, "branch": branch, "targetpath": "dlbook"}
        with self.web.get(f"{self.server}/git-pull/api?{urlencode(asked)}", stream=True, timeout=PATIENCE) as answer:
            said = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith(b"data: ")]
        if not said or said[-1].get("phase") != "finished":
            raise Refused(f"git-pull of {self.name}: {said[-1] if said else answer.status_code}")

    def ask(self, method, path, **options):
        """A request to the student's own server's API; raises Refused with its words."""
        token = {"X-XSRFToken": self.web.cookies.get("_xsrf", path=f"/user/{self.name}/")}
        answer = self.web.request(method, f"{self.server}/api/{path}", headers=token, timeout=PATIENCE, **options)
        if not answer.ok:
            raise Refused(f"{method} {path} of {self.name}: {answer.status_code} {answer.text[:300]}")
        return answer.json() if answer.content else None

    def read(self, path):
        """The content of a file in the student's folder."""
        return self.ask("GET", f"contents/{path}")["content"]

    def kernel(self, path="console"):
        """Start a kernel, as opening a notebook does; returns its id."""
        return self.ask("POST", "sessions", json={"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}})["kernel"]["id"]

    def run(self, cells, path="console", kernel=None):
        """Run cells one after the other in a kernel.

        Args:
            cells: list of source code.
            path: notebook that the kernel belongs to; its folder is where it works.
            kernel: id of one that runs already, or None for a new one.

        Returns:
            Ran.

        Raises:
            Refused: a cell raised an error.
        """
        start, first, outputs = time.monotonic(), None, []
        kernel = kernel or self.kernel(path)
        for source in self._executed(kernel, cells):
            first = first or time.monotonic() - start
            outputs.append(source)
        return Ran(first, time.monotonic() - start, outputs)

    def _executed(self, kernel, cells):
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.web.cookies if cookie.path in ("/", f"/user/{self.name}/"))
        address = urljoin(self.server, f"/user/{self.name}/api/kernels/{kernel}/channels").replace("http", "ws", 1)
        channel = websocket.create_connection(address, timeout=PATIENCE, cookie=cookies, origin=self.hub)
        try:
            for source in cells:
                yield from self._one(channel, source)
        finally:
            channel.close()

    def _one(self, channel, source):
        number = uuid.uuid4().hex
        head = {"msg_id": number, "msg_type": "execute_request", "username": self.name, "session": number, "version": "5.3"}
        content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False, "stop_on_error": True}
        channel.send(json.dumps({"header": head, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}))
        while True:
            message = channel.recv()
            if not isinstance(message, str):
                continue  # a widget's picture
            message = json.loads(message)
            if message["parent_header"].get("msg_id") != number:
                continue
            kind, said = message["header"]["msg_type"], message["content"]
            if kind == "error":
                raise Refused(f"{self.name}: {said['ename']}: {said['evalue']}")
            if kind in ("stream", "display_data", "execute_result"):
                yield said
            if kind == "status" and said["execution_state"] == "idle":
                return


def code_of(notebook):
    """The sources of a notebook's code cells: list of str."""
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code" and "".join(cell["source"]).strip()]


def megabytes_of(names):
    """What all programs of each student hold, shared pages counted in shares (PSS), in 10^6 bytes; needs the right to look at them.

    Args:
        names: the students'.

    Returns:
        dict of name to float.
    """
    held = dict.fromkeys(names, 0.0)
    for process in psutil.process_iter():
        try:
            name = process.environ().get("JUPYTERHUB_USER")
            if name in held:
                held[name] += process.memory_full_info().pss / 1e6
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return held
