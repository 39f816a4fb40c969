"""Serves the built site on this machine alone."""
import errno
import functools
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dlbook.publish import ROOT, PublishError

SITE = ROOT / "_build" / "html"


class ServeError(PublishError):
    """The site cannot be served; the message says why and what to do."""


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files; tells the browser to ask again each time, so that a rebuilt page is seen at once."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}

    def end_headers(self):
        """Adds the caching rule to every answer."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *args):
        """Keeps the terminal free of one line a request."""


def open_server(site=SITE, port=0):
    """A server bound to 127.0.0.1, not yet serving.

    Args: site: folder with the built pages; port: 0 for any free port.
    Returns: an `http.server.ThreadingHTTPServer`.
    Raises: ServeError when the site is not built or the port cannot be had.
    """
    if not (Path(site) / "index.html").is_file():
        raise ServeError(f"There is no built site in {site}: run 'make book' first.")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_Quiet, directory=str(site)))
    except OverflowError:
        raise ServeError(f"{port} is not a port: give a number from 1 to 65535, or none for any free port.") from None
    except OSError as error:
        why = {errno.EADDRINUSE: "is already in use", errno.EACCES: "is reserved for the system"}.get(error.errno, f"cannot be used ({error.strerror})")
        raise ServeError(f"Port {port} {why}: give another one with --port, or none for any free port.") from None


def add_arguments(parser):
    """Adds this command's options to an argparse parser."""
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--site", type=Path, default=SITE, help="folder to serve (default: _build/html)")


def main(args):
    """Serves until Ctrl-C.

    Args: args: a namespace with port and site.
    Raises: ServeError.
    """
    with open_server(args.site, args.port) as server:
        print(f"The course is at http://127.0.0.1:{server.server_address[1]}/ (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
