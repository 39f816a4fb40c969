"""Formulas set at build time as HTML and MathML, so that no page needs a script for them.

sphinxcontrib-katex does the setting; here are its safe settings, the Node.js of the virtual environment, and
an error that names the page where it would have drawn the formula in red.
"""
import re
import socket
import time
from html import escape
from subprocess import DEVNULL, PIPE, Popen

from docutils import nodes
from sphinx.util import logging
from sphinxcontrib import katex

from dlbook.publish.vendor import node as node_js

logger = logging.getLogger(__name__)
STARTUP = 30.0  # seconds; a busy machine needs more than the library's 5
NUMBERED = re.compile(r"\\(begin|end)\{(align|alignat|equation|gather)\}")


def set_formula(latex, display, location):
    """The HTML of a formula; a faulty one is reported (and fails the build) and shown as source.

    Args: latex: source; display: on its own line; location: docutils node, for the message.
    """
    try:
        return katex.render_latex(latex, {"displayMode": display})
    except katex.KaTeXError as error:
        logger.warning("formula %r cannot be set: %s", latex, str(error).removeprefix("KaTeX parse error: "), location=location, type="formula")
        return f"<code>{escape(latex)}</code>"


def visit_inline(writer, node):
    """Writes a formula in the text."""
    writer.body.append(f'<span class="math">{set_formula(katex.get_latex(node), False, node)}</span>')
    raise nodes.SkipNode


def visit_display(writer, node):
    """Writes a formula on its own line, with its number and a link to it."""
    writer.body.append(writer.starttag(node, "div", CLASS="math"))
    if node["number"]:
        writer.body.append(f'<span class="eqno">({katex.get_node_equation_number(writer, node)})')
        writer.add_permalink_ref(node, "Link to this equation")
        writer.body.append("</span>")
    latex = NUMBERED.sub(r"\\\1{\2*}", katex.get_latex(node))  # the page numbers the formula, not each of its lines
    writer.body.append(set_formula(latex, True, node) + "</div>")
    raise nodes.SkipNode


def start_server(rundir, timeout):
    """Starts the process that sets formulas and connects to it: (process, socket).

    In place of the library's own start, which connects as soon as the socket's file exists. The server listens a moment later; a
    connection in between is refused, the build fails, and the server stays behind and holds the build's output open.
    """
    path, end = rundir / "katex.sock", time.monotonic() + timeout
    process = Popen(katex.KaTeXServer.build_command(socket=path), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, cwd=rundir)
    while time.monotonic() < end and process.poll() is None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
            return process, connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            time.sleep(0.01)
    process.kill()
    process.wait()
    raise katex.KaTeXError(f"Node.js ({katex.NODEJS_BINARY}) did not start within {timeout:.0f} s; remove .venv and run: make book")


def prepare(app):
    """Points the renderer to the virtual environment's Node.js and makes it strict."""
    katex.NODEJS_BINARY = str(node_js())
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = STARTUP
    katex.KaTeXServer.start_server_process = start_server
    katex.KATEX_DEFAULT_OPTIONS.update(throwOnError=True, strict="error", output="htmlAndMathml")


def setup(app):
    """Registers the extension with Sphinx."""
    app.add_html_math_renderer("prerendered", inline_renderers=(visit_inline, None), block_renderers=(visit_display, None))
    app.connect("builder-inited", prepare, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
