"""The gates that a page of the site must pass, each a function that returns its faults as sentences.

Some read the HTML alone, the others look at a page in the browser. tests/test_site.py applies them to the site,
and to pages with one planted defect each, to know that they see it.
"""
import functools
import os
import re
import shutil
import threading
from contextlib import contextmanager, suppress
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import psutil

FOREIGN = re.compile(r"^(?:https?:)?//")
LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("audio", "src")}
# The next frame, or false after so many milliseconds.
FRAME = "(wait) => new Promise((done) => { requestAnimationFrame(() => done(true)); setTimeout(() => done(false), wait); })"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]


# ---------------------------------------------------------------- the HTML alone

class Page(HTMLParser):
    """One HTML file: its tags, ids, links, images and the words of its head."""

    def __init__(self, path):
        super().__init__()
        self.path, self.tags, self.ids, self.title, self._in = Path(path), [], set(), "", ""
        self.feed(self.path.read_text())

    def handle_starttag(self, tag, attrs):
        """Notes a tag and its ids."""
        attrs = {name: value or "" for name, value in attrs}
        self._in = tag
        self.tags.append((tag, attrs))
        self.ids.update(filter(None, (attrs.get("id"), attrs.get("name") if tag == "a" else None)))

    def handle_data(self, data):
        """Notes the title."""
        if self._in == "title" and not self.title:
            self.title = data.strip()

    def values(self, pairs):
        """The values of the given (tag, attribute) pairs."""
        return [attrs[name] for tag, attrs in self.tags for t, name in pairs if t == tag and name in attrs]


@functools.lru_cache(maxsize=None)
def read_page(path):
    """A page, parsed once."""
    return Page(path)


def foreign_files(page, site):
    """Scripts, styles, pictures and frames that come from another host."""
    return [f"loads {value}" for value in page.values(LOADS) if FOREIGN.match(value)]


def dead_links(page, site):
    """Links and files of this site that do not exist."""
    faults = []
    for value in page.values({*LOADS, ("a", "href")}):
        path, anchor = urldefrag(value)
        parts = urlsplit(path)
        if parts.scheme or parts.netloc:
            continue
        target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
        target = target / "index.html" if target.is_dir() else target
        if parts.path.startswith("/") or not target.is_relative_to(Path(site).resolve()):
            faults.append(f"the link {value} leaves the site's folder")
        elif not target.is_file():
            faults.append(f"the link {value} leads nowhere")
        elif anchor and target.suffix == ".html" and unquote(anchor) not in read_page(target).ids:
            faults.append(f"the link {value} has no anchor to land on")
    return faults


def silent_images(page, site):
    """Images and drawings without alternative text; an empty one is right only for the logo beside its name."""
    pictures = [f"no alternative text: {attrs.get('src', '')[:80]}" for tag, attrs in page.tags
                if tag == "img" and not attrs.get("alt", "").strip() and not ("alt" in attrs and "logo__image" in attrs.get("class", ""))]
    drawings = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img" and not attrs.get("aria-label", "").strip()]
    return pictures + [f"no title and description: drawing {attrs.get('class', '')}" for attrs in drawings
                       if not attrs.get("aria-labelledby", "").split() or set(attrs["aria-labelledby"].split()) - page.ids]


def bare_head(page, site):
    """A missing language, title or description."""
    descriptions = [a.get("content", "").strip() for tag, a in page.tags if tag == "meta" and a.get("name") == "description"]
    language = next((a.get("lang") for tag, a in page.tags if tag == "html"), None)
    checks = {"language": language, "title": page.title, "description": any(descriptions)}
    return [f"no {name}" for name, value in checks.items() if not value]


STATIC_GATES = {gate.__name__: gate for gate in (foreign_files, dead_links, silent_images, bare_head)}


# ---------------------------------------------------------------- the browser

def find_browser():
    """The path of a Chromium on this machine, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def in_ci():
    """True where a missing browser is a failure."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


@contextmanager
def served(site, folder):
    """Serves a site under /course/ by a plain file server.

    Args:
        site: folder with the pages; folder: an empty one for the server's root.

    Yields:
        str: the address, with the final slash.
    """
    (Path(folder) / "course").symlink_to(Path(site).resolve(), target_is_directory=True)
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *args: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/course/"
        server.shutdown()


class Stalled(Exception):
    """A page answered no more; its browser has been ended."""


class Chromium:
    """A browser that draws: one that makes no frames (a headless Chromium that starts badly) is ended and started again.

    Without frames nothing comes into view, no widget is loaded, and a script that waits for the next frame waits for ever.

    Args:
        playwright: from `sync_playwright`.
        path: the program.
        starts: how often it may be started.
    """

    def __init__(self, playwright, path, starts=3):
        self.playwright, self.launch = playwright, functools.partial(playwright.chromium.launch, executable_path=path, args=FLAGS)
        self.left = starts
        self._start()

    def _start(self):
        before = set(psutil.Process().children(recursive=True))
        self.left, self.running = self.left - 1, self.launch()
        self.processes = set(psutil.Process().children(recursive=True)) - before

    def new_page(self, **options):
        """An empty page of a browser that draws.

        Raises:
            RuntimeError: none of the browsers started makes a frame.
        """
        while not (page := self.running.new_page(**options)).evaluate(FRAME, 5_000):
            self.start_again("draws nothing on this machine: it made no frame within 5 s")
        return page

    def start_again(self, fault):
        """End it and start another.

        Args:
            fault: what was wrong with it, for the sentence of the error.

        Raises:
            RuntimeError: it has been started as often as it may be.
        """
        self.running.close()
        if not self.left:
            raise RuntimeError(f"Chromium {fault}, however often it was started.")
        self._start()

    @contextmanager
    def within(self, seconds):
        """Ends the browser where what is done with it takes longer: a page that has stalled holds a script for ever, also one with a time limit.

        Raises:
            Stalled: it took longer.
        """
        from playwright.sync_api import Error

        over = threading.Event()

        def end():
            over.set()
            for process in self.processes:
                with suppress(psutil.NoSuchProcess):
                    process.kill()

        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            yield
        except Error as error:
            if over.is_set():
                raise Stalled(f"no answer within {seconds:g} s") from error
            raise
        finally:
            timer.cancel()

    def close(self):
        """End it."""
        self.running.close()


class Tab:
    """A browser tab that notes requests to other hosts (and stops them), bad answers and console messages."""

    def __init__(self, browser, base, width=1280):
        self.base, self.requests, self.foreign, self.bad, self.console = base, [], [], [], []
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="light", reduced_motion="reduce")
        self.page.route(lambda url: not self._own(url), self._refuse)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("response", self._answer)
        self.page.on("console", lambda m: self.console.append(f"{m.type}: {m.text}") if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.console.append(f"error: {error}"))

    def _own(self, url):
        return url.startswith((self.base, "data:", "blob:", "about:"))

    def _refuse(self, route):
        self.foreign.append(f"request to {route.request.url}")
        route.abort()

    def _answer(self, response):
        if response.status >= 400:
            self.bad.append(f"{response.status} for {response.url}")

    def open(self, name):
        """Opens a page, reads through it to the end, and waits for its widgets."""
        self.page.goto(self.base + name, wait_until="load")
        views = self.page.locator('script[type="application/vnd.jupyter.widget-view+json"]')
        self.page.evaluate(f"""async () => {{
          const frame = {FRAME};
          for (let y = 0; y < document.body.scrollHeight; y += 800) {{ window.scrollTo(0, y); await frame(1000); }}
        }}""")
        if views.count():
            self.page.wait_for_function("n => document.querySelectorAll('.widget-subarea > *').length >= n", arg=views.count(), timeout=20_000)
        self.page.evaluate("() => document.querySelectorAll('details').forEach((box) => { box.open = true; })")
        return self.page


def axe_faults(page, axe):
    """Serious and critical accessibility faults.

    Args:
        page: a playwright page; axe: path of axe.min.js.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(Path(axe).read_text())
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [f"{v['id']} ({v['impact']}): {node['html'][:120]} {node['failureSummary'].splitlines()[-1].strip()}"
            for v in found["violations"] if v["impact"] in ("serious", "critical") for node in v["nodes"]]


def too_wide(page):
    """What sticks out of the screen sideways, or makes the page scroll sideways."""
    return page.evaluate("""() => {
      const width = document.documentElement.clientWidth, faults = [];
      if (document.documentElement.scrollWidth > width) faults.push(`the page is ${document.documentElement.scrollWidth} px wide`);
      const held = (e) => e && e !== document.body && (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(e).overflowX)
        && e.getBoundingClientRect().right <= width + 1 || held(e.parentElement));
      for (const e of document.querySelectorAll('main *')) {
        const box = e.getBoundingClientRect();
        if (!e.closest('.bd-sidebar-secondary') && box.width && box.height && box.right > width + 1 && !held(e.parentElement)) faults.push(`${e.tagName} .${e.className} reaches ${Math.round(box.right)} px`);
      }
      return faults.slice(0, 5);
    }""")


def browser_faults(browser, base, name, axe, patience=120):
    """Everything the browser gates find on one page.

    Args:
        browser: Chromium; base: the site's address; name: the page; axe: path of axe.min.js.
        patience: seconds after which a page has stalled, as happens on a busy machine; then the browser is started again.

    Returns:
        dict of gate name to list of faults.

    Raises:
        RuntimeError: it stalls however often the browser is started.
    """
    while True:
        try:
            with browser.within(patience):
                tab = Tab(browser, base)
                try:
                    return _faults_in(tab, name, axe)
                finally:
                    tab.page.close()
        except Stalled as error:
            browser.start_again(f"stalls on {name} ({error})")


def _faults_in(tab, name, axe):
    page = tab.open(name)
    found = {"accessible in light": axe_faults(page, axe)}
    page.evaluate("() => { document.documentElement.dataset.theme = 'dark'; }")
    found["accessible in dark"] = axe_faults(page, axe)
    page.set_viewport_size({"width": 360, "height": 800})
    page.wait_for_timeout(100)
    found["fits a phone"] = too_wide(page)
    return found | {"no other host": tab.foreign, "no bad answer": tab.bad, "quiet console": tab.console}


BROWSER_GATES = ("no other host", "no bad answer", "quiet console", "accessible in light", "accessible in dark", "fits a phone")
