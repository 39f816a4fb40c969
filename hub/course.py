"""A service of the hub: the built site, and the course's repository as a read-only Git server.

With it a class needs no other host: the launch buttons of the site that it serves bring the course from this machine.
Started by the hub, which names its address in JUPYTERHUB_SERVICE_URL and JUPYTERHUB_SERVICE_PREFIX.
"""
import asyncio
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RedirectHandler, RequestHandler, StaticFileHandler

NAME = "dlbook"  # of the repository in its address, and so of the folder that a student gets
READING = "git-upload-pack"  # what Git asks for to read; to write it asks for git-receive-pack
PIECE = 2**16  # bytes passed on at a time


def git_environment(clone):
    """What Git is told so that it serves one repository to everybody, whoever owns its files.

    Args:
        clone: the folder that holds `.git`.

    Returns:
        dict of str.
    """
    return {"PATH": os.environ.get("PATH", os.defpath), "GIT_PROJECT_ROOT": str(clone), "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_ADDR": "127.0.0.1",
            "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*", "GIT_CONFIG_NOSYSTEM": "1", "HOME": os.devnull}


class Repository(RequestHandler):
    """Passes a request on to `git http-backend`."""

    def initialize(self, clone):
        """clone: the folder that holds `.git`."""
        self.clone = clone

    def check_xsrf_cookie(self):
        """Git sends no cookies, and what it sends changes nothing here."""

    async def get(self, path):
        """What branches there are."""
        if self.get_query_argument("service", READING) != READING:
            raise HTTPError(403, reason="the course is for reading")
        await self._ask(path)

    async def post(self, path):
        """The files asked for."""
        if path != f"/{READING}":
            raise HTTPError(403, reason="the course is for reading")
        await self._ask(path)

    async def _ask(self, path):
        given = self.request.headers
        environment = git_environment(self.clone) | {
            "PATH_INFO": f"/.git{path}", "QUERY_STRING": self.request.query, "REQUEST_METHOD": self.request.method,
            "CONTENT_TYPE": given.get("Content-Type", ""), "CONTENT_LENGTH": str(len(self.request.body)),
            "GIT_PROTOCOL": given.get("Git-Protocol", ""), "HTTP_CONTENT_ENCODING": given.get("Content-Encoding", "")}
        git = await asyncio.create_subprocess_exec("git", "http-backend", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            git.stdin.write(self.request.body)
            git.stdin.close()
            await self._pass_on(git.stdout)
        except StreamClosedError:  # the student closed the page
            git.kill()
        finally:
            await git.wait()

    async def _pass_on(self, answer):
        head = (await answer.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        for name, _, value in (line.partition(": ") for line in head if line):
            if name == "Status":
                self.set_status(int(value.split()[0]))
            else:
                self.set_header(name, value)
        while piece := await answer.read(PIECE):
            self.write(piece)
            await self.flush()


class Pages(StaticFileHandler):
    """The site; a browser asks each time whether a page has changed."""

    def set_extra_headers(self, path):
        """So that a site built anew is seen at once."""
        self.set_header("Cache-Control", "no-cache")


def application(clone, site, prefix="/"):
    """The service.

    Args:
        clone: the folder that holds `.git`.
        site: folder of the built pages.
        prefix: what its addresses begin with.

    Returns:
        tornado.web.Application: `<prefix>site/...` and `<prefix>git/dlbook`.
    """
    return Application([
        (rf"{prefix}git/{NAME}(/.*)", Repository, {"clone": Path(clone)}),
        (rf"{prefix}site/(.*)", Pages, {"path": str(site), "default_filename": "index.html"}),
        (rf"{prefix}?", RedirectHandler, {"url": f"{prefix}site/", "permanent": False}),
    ], log_function=lambda handler: None)


async def main(clone, site):
    """Serve until the hub ends it."""
    address = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    application(clone, site, os.environ["JUPYTERHUB_SERVICE_PREFIX"]).listen(address.port, address.hostname)
    hub = os.getppid()
    while os.getppid() == hub:  # a hub that is killed cannot end its services, and the next one needs the port
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
