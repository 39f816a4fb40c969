"""From the page to a running chapter: the site's button, the hub's log-in, Git, JupyterLab; in a browser, and with the plug pulled.

The hub is started as a teacher starts it, from a clone of this working tree, with one system account a student where that can be.
"""
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import psutil
import pytest
from benchmarks import hub as hubs
from dlbook.publish import compare
from dlbook.publish.text import Tolerance

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("benchmarks", "hub")]
import start  # noqa: E402
from students import Student  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
GIT = ["git", "-c", "user.name=teacher", "-c", "user.email=teacher@example.org", "-c", "safe.directory=*"]
PATIENCE = 240_000  # milliseconds for a chapter to run on a busy machine
# Where the first slider stands, and which pictures are to be seen.
SHOWN = """() => document.querySelector('.jp-Notebook .noUi-handle').ariaValueNow + [...document.querySelectorAll('.jp-Notebook .widget-image')]
  .filter((e) => e.offsetParent).map((e) => e.src.slice(-40)).join()"""
VIEW = "application/vnd.jupyter.widget-view+json"
pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]


def git(clone, *words):
    """Run Git in a clone; returns what it prints."""
    return subprocess.run([*GIT, *words], cwd=clone, check=True, capture_output=True, text=True).stdout


# Shows a command some folders, and nothing beside them, in a place that only its owner can enter: $1 is the place, the next words up to `--` are the folders.
OPENED = """
set -e
closed=$1; shift
aside=$(mktemp -d); mount --bind "$closed" "$aside"; mount -t tmpfs -o mode=755 tmpfs "$closed"
while [ "$1" != -- ]; do mkdir -p "$closed/$1"; mount --bind "$aside/$1" "$closed/$1"; shift; done
umount "$aside"; rmdir "$aside"; shift; exec "$@"
"""


def readable_programs():
    """What stands before the hub's command so that students' accounts can read the course's programs, or None where they cannot have accounts."""
    needed = [Path(sys.prefix), Path(sys.executable).resolve().parents[1]]
    if os.getuid():
        return None
    words = []
    while closed := [folder for folder in start.closed_folders(*needed) if not any(folder.is_relative_to(word) for word in words)]:
        inside = [str(path.relative_to(closed[0])) for path in needed if path.is_relative_to(closed[0])]
        words += ["unshare", "--mount", "--propagation", "private", "sh", "-c", OPENED, "sh", str(closed[0]), *inside, "--"]
    return words if not words or subprocess.run([*words, "true"], capture_output=True).returncode == 0 else None


class Class:
    """A running hub and what the tests ask of it."""

    def __init__(self, address, process, environment, clone, accounts):
        self.address, self.process, self.environment, self.clone, self.accounts = address, process, environment, clone, accounts
        self.port, self.mark, self.names = int(address.rpartition(":")[2]), f"t{os.getpid()}", []

    def name(self, who):
        """A name that no earlier test used; with accounts, it becomes one."""
        self.names.append(f"{who}-{self.mark}")
        return self.names[-1]

    def student(self, who):
        """A student who is logged in and whose server runs."""
        one = Student(self.address, self.name(who), hubs.PASSWORD)
        one.log_in()
        one.start()
        return one

    def home(self, name):
        """A student's folder."""
        return Path(pwd.getpwnam(f"dl-{name}").pw_dir) if self.accounts else Path(self.environment["DLBOOK_HUB_STATE"]) / "homes" / name

    def forget(self):
        """Remove the accounts, once the hub and all their programs have ended; names that nobody logged in with have none."""
        there = {one.pw_name for one in pwd.getpwall()} if self.accounts else ()
        for account in (f"dl-{name}" for name in self.names if f"dl-{name}" in there):
            done = subprocess.run(["userdel", "--remove", account], capture_output=True, text=True)
            assert done.returncode == 0 and not Path("/home", account).exists(), done.stderr


@pytest.fixture(scope="module")
def teacher():
    """A teacher's clone, as this working tree is now, where everybody can read it."""
    place = Path(tempfile.mkdtemp(prefix="dlbook-teacher-"))
    place.chmod(0o755)
    clone = place / "dlbook"
    clone.mkdir()
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
    git(clone, "init", "--quiet", "--initial-branch", "main")
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--message", "The course")
    yield clone
    shutil.rmtree(place)


@pytest.fixture(scope="module")
def school(teacher):
    """The class's hub, with its site."""
    before = readable_programs()
    accounts = before is not None
    with hubs.running_hub(teacher, before or (), DLBOOK_HUB_SPAWNER="accounts" if accounts else "folders", DLBOOK_HUB_STUDENTS="4",
                          DLBOOK_HUB_MEMORY="6") as (address, process, environment):
        running = Class(address, process, environment, teacher, accounts)
        yield running
    running.forget()


@pytest.fixture
def page(browser):
    """An empty page that reaches this machine alone."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE)
    page.context.route(lambda url: urlsplit(url).hostname not in ("127.0.0.1", None), lambda route: route.abort())
    yield page
    page.context.close()


def press(page, school, chapter):
    """Press the hub's button of a chapter; returns the page that opens."""
    page.goto(f"{school.address}/services/course/site/book/{chapter}.html", wait_until="domcontentloaded")
    page.locator(".dropdown-launch-buttons button").first.click()
    link = page.locator(".dropdown-launch-buttons a", has_text="JupyterHub").first
    asked = parse_qs(urlsplit(link.get_attribute("href")).query)
    assert asked["branch"] == ["main"] and asked["urlpath"] == [f"lab/tree/dlbook/book/{chapter}.ipynb"]
    with page.context.expect_page() as opened:
        link.click()
    opened.value.set_default_timeout(PATIENCE)
    return opened.value


def log_in(lab, name, password=hubs.PASSWORD):
    """Fill in the log-in page."""
    lab.fill("#username_input", name)
    lab.fill("#password_input", password)
    lab.click("#login_submit")


def wait_for_notebook(lab):
    """Wait until a notebook is open and its kernel is idle."""
    lab.wait_for_url(re.compile(r"/user/[^/]+/lab/tree/"))
    lab.locator(".jp-Notebook .jp-Cell").first.wait_for()
    lab.get_by_text("| Idle").first.wait_for()


def run_all(lab, path):
    """Choose Run, Run All Cells, and save until every cell has been executed; returns the notebook as saved."""
    lab.locator(".lm-MenuBar-item").filter(has_text=re.compile("^Run$")).click()
    lab.locator(".lm-Menu-item:visible").filter(has_text=re.compile("^Run All Cells$")).click()
    waiting = "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].filter((e) => e.textContent.includes('*')).length"
    lab.wait_for_function(f"() => {waiting} > 0")
    lab.wait_for_function(f"() => {waiting} === 0")
    end = time.monotonic() + PATIENCE / 1000
    while True:  # cells whose source is folded show no prompt
        save(lab, path)
        now = nbformat.read(path, 4)
        if all(cell.execution_count for cell in now.cells if cell.cell_type == "code" and cell.source.strip()):
            return now
        assert time.monotonic() < end, "the chapter did not end"
        lab.wait_for_timeout(2000)


def save(lab, path):
    """Save the notebook and wait until it is written."""
    before = path.stat().st_mtime_ns
    lab.keyboard.press("Control+s")
    end = time.monotonic() + PATIENCE / 1000
    while path.stat().st_mtime_ns == before:
        assert time.monotonic() < end, "JupyterLab did not save"
        lab.wait_for_timeout(200)  # not time.sleep, which would hold up the page's requests
    lab.wait_for_timeout(500)


def settled(cell):
    """A cell's outputs as the book keeps them: first all that it prints, then its displays, without widgets and without empty ones."""
    printed = "".join(out.text for out in cell.outputs if out.get("name") == "stdout")
    shown = [out for out in cell.outputs if "data" in out and VIEW not in out.data and any(out.data.values())]
    return [nbformat.v4.new_output("stream", name="stdout", text=printed)] * bool(printed) + shown


def differences(committed, now):
    """What differs between a committed notebook and the same one that a student has run: list of str."""
    cells = [cell for cell in committed.cells if cell.cell_type == "code"], [cell for cell in now.cells if cell.cell_type == "code"]
    assert [cell.source for cell in cells[0]] == [cell.source for cell in cells[1]]
    found = []
    for before, after in zip(*cells, strict=True):
        outputs = map(settled, (before, after))
        found += [difference.text for difference in compare.compare_outputs(*outputs, Tolerance.from_tags(before.metadata.get("tags", [])))]
    return found


@pytest.mark.parametrize("chapter", ["digits", "motion"])
def test_a_button_leads_to_a_chapter_that_runs(chapter, page, school):
    """Button, log-in, server, course, notebook; Run All gives what the book shows; a slider moves by the keyboard."""
    name = school.name(chapter)
    lab = press(page, school, chapter)
    log_in(lab, name)
    wait_for_notebook(lab)
    path = school.home(name) / "dlbook" / "book" / f"{chapter}.ipynb"
    now = run_all(lab, path)
    committed = nbformat.read(school.clone / "book" / f"{chapter}.ipynb", 4)
    assert not differences(committed, now)
    assert sum("image/png" in out.get("data", {}) or "image/jpeg" in out.get("data", {}) for cell in now.cells for out in cell.get("outputs", ())) >= 5
    lab.set_default_timeout(60_000)
    slider = lab.locator(".jp-Notebook .noUi-handle").first
    slider.scroll_into_view_if_needed()
    before = lab.evaluate(SHOWN)
    slider.focus()
    lab.keyboard.press("ArrowRight")
    lab.wait_for_function(f"(before) => ({SHOWN})() !== before", arg=before)


def test_planted_differences_are_seen(teacher):
    """The comparison above, with a number, a figure and an output changed."""
    committed = nbformat.read(teacher / "book" / "digits.ipynb", 4)
    assert differences(committed, committed) == []
    printed = next(i for i, cell in enumerate(committed.cells) if any(out.get("name") == "stdout" for out in cell.get("outputs", ())))
    for spoil in (lambda out: out.update(text="1,199 images"), lambda out: out.update(text="")):
        now = nbformat.from_dict(committed)
        spoil(now.cells[printed].outputs[0])
        assert differences(committed, now)


def test_a_wrong_password_is_refused(page, school):
    lab = press(page, school, "digits")
    log_in(lab, "eve", "not-the-password")
    lab.get_by_text("Invalid username or password").wait_for()
    assert not school.accounts or not [one for one in pwd.getpwall() if one.pw_name == "dl-eve"]


def test_an_edit_survives_and_the_update_arrives(page, school):
    """A student edits a chapter and leaves; the teacher changes the same chapter and adds a file; the student presses the button again."""
    name = school.name("editor")
    lab = press(page, school, "writing")
    log_in(lab, name)
    wait_for_notebook(lab)
    path = school.home(name) / "dlbook" / "book" / "writing.ipynb"
    lab.locator(".jp-Notebook .jp-CodeCell .cm-content:visible").last.click()
    lab.keyboard.press("Control+End")
    lab.keyboard.type("\n# my own remark")
    save(lab, path)
    assert "# my own remark" in path.read_text()
    lab.close()

    source = school.clone / "book" / "writing.ipynb"
    text = source.read_text()
    title = re.search(r'"# [^"\\]+', text)[0]
    source.write_text(text.replace(title, title + ", second edition", 1))
    (school.clone / "book" / "news.md").write_text("# News\n")
    git(school.clone, "add", "--all")
    git(school.clone, "commit", "--quiet", "--message", "Second edition")

    lab = press(page, school, "writing")
    wait_for_notebook(lab)
    lab.locator(".jp-Notebook h1", has_text="second edition").wait_for()
    cells = nbformat.read(path, 4).cells
    assert "second edition" in cells[0].source and any("# my own remark" in cell.source for cell in cells)
    # What came with the update is MyST, and opens as a notebook.
    lab.goto(f"{school.address}/user/{name}/lab/tree/dlbook/book/news.md")
    lab.locator(".jp-Notebook h1", has_text="News").wait_for()
    lab.goto(f"{school.address}/user/{name}/lab/tree/dlbook/chapters/digits.md")
    title = re.search("^# (.+)$", (school.clone / "chapters" / "digits.md").read_text(), re.MULTILINE)[1]
    # The other notebooks are there again, in hidden tabs; and a code cell may lie below what is seen.
    opened = lab.locator(".jp-NotebookPanel:visible").filter(has=lab.locator("h1", has_text=title))
    opened.locator(".jp-CodeCell").first.wait_for(state="attached")


def hub_process(school):
    """The hub itself, which hub/start.py has started."""
    return next(child for child in psutil.Process(school.process.pid).children() if "jupyterhub" in child.cmdline())


def services(school):
    """The names of the hub's services that run, whoever their parent is."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            given = process.environ()
            if f":{school.port + 1}/" in given.get("JUPYTERHUB_API_URL", "") and "JUPYTERHUB_SERVICE_NAME" in given:
                found.append(given["JUPYTERHUB_SERVICE_NAME"])
    return sorted(found)


def test_a_hub_that_is_killed_and_started_again_finds_the_servers(school):
    """kill -9 while a student works: the kernel goes on, and after `make hub` the student is where they were."""
    student = school.student("survivor")
    kernel = student.kernel()
    student.run(["x = 41", "open('kept.txt', 'w').write('mine')"], kernel=kernel)
    assert services(school) == ["course", "culler"]
    hub_process(school).send_signal(signal.SIGKILL)
    school.process.wait(30)
    assert not services(school), "the culler goes on without its hub"
    assert "41" in student.run(["x"], kernel=kernel).text()  # the proxy still leads to the server
    with open(Path(school.environment["DLBOOK_HUB_STATE"]) / "restart.log", "w") as log:
        again = subprocess.Popen([*(readable_programs() or ()), sys.executable, str(school.clone / "hub" / "start.py")], env=school.environment, stdout=log, stderr=log, start_new_session=True)
    end = time.monotonic() + PATIENCE / 1000
    while "Ctrl-C ends" not in Path(log.name).read_text():
        assert again.poll() is None and time.monotonic() < end, Path(log.name).read_text()
        time.sleep(0.5)
    school.process = again
    back = Student(school.address, student.name, hubs.PASSWORD)
    back.log_in()
    back.start()
    assert "42" in back.run(["x + 1"], kernel=kernel).text()
    assert back.read("kept.txt") == "mine"
    again.send_signal(signal.SIGTERM)
    assert again.wait(30) == 0 and "The hub has ended" in Path(log.name).read_text()


@pytest.mark.timeout(60)
def test_a_hub_that_does_not_end_is_ended(tmp_path):
    """A hub that is deaf to SIGTERM, and its proxy; and one that ends by itself."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    hub = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, text=True)
    proxy = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "configurable-http-proxy"])
    (tmp_path / "proxy.pid").write_text(f"{proxy.pid}\n")
    assert hub.stdout.readline() == "deaf\n"
    hub.send_signal(signal.SIGTERM)
    assert start.ended(hub, [time.monotonic()], tmp_path / "proxy.pid", grace=1) == -signal.SIGKILL
    assert proxy.wait(10) == -signal.SIGTERM
    assert start.ended(subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]), [], tmp_path / "none") == 3


# What a student tries from a notebook: each line names a thing and how it is tried; what comes back is the list of those that worked.
ATTEMPTS = """
import glob, json, os, signal, socket, subprocess, urllib.request
worked = []
def attempt(what, do):
    try:
        do()
        worked.append(what)
    except (OSError, subprocess.CalledProcessError):
        pass
def fetch(address):
    return urllib.request.urlopen(urllib.request.Request(address, method="GET"), timeout=5).read()
def listening(account):
    lines = [line.split() for name in ("tcp", "tcp6") for line in list(open("/proc/net/" + name))[1:]]
    ports = sorted({int(line[1].split(":")[1], 16) for line in lines if line[3] == "0A" and int(line[7]) == account})
    assert ports, "the other's server listens on a port, so the list cannot be empty"
    return ports
def hear(ports):
    import zmq
    with zmq.Context() as context, context.socket(zmq.SUB) as ear:
        ear.linger = 0
        ear.subscribe(b"")
        for number in ports:
            ear.connect(f"tcp://127.0.0.1:{number}")
        if not ear.poll(4000):
            raise OSError("nothing is to be heard")
other, state, clone, prefix, mirror, port, pid = OTHER, STATE, CLONE, PREFIX, MIRROR, PORT, PID
attempt("list the other's home", lambda: os.listdir(other))
attempt("read the other's file", lambda: open(other + "/secret.txt").read())
attempt("write into the other's home", lambda: open(other + "/planted.txt", "w"))
attempt("read the other's tokens", lambda: open(f"/proc/{pid}/environ").read())
attempt("look into the other's memory", lambda: open(f"/proc/{pid}/mem", "rb").read(1))
attempt("end the other's server", lambda: os.kill(pid, signal.SIGTERM))
attempt("list the hub's state", lambda: os.listdir(state))
for name in ("hub.sqlite", "cookie_secret", "password", "hub.log"):
    attempt("read the hub's " + name, lambda: open(f"{state}/{name}").read())
attempt("ask the proxy", lambda: fetch(f"http://127.0.0.1:{port + 2}/api/routes"))
attempt("ask the hub for users", lambda: fetch(f"http://127.0.0.1:{port + 1}/hub/api/users"))
attempt("change the course of all", lambda: open(clone + "/README.md", "a"))
attempt("change the programs", lambda: open(prefix + "/bin/python", "ab"))
attempt("add to the programs", lambda: open(glob.glob(prefix + "/lib/python3*/site-packages")[0] + "/planted.py", "w"))
attempt("hear the other's kernel", lambda: hear(listening(os.stat(other).st_uid)))
attempt("write to the course data", lambda: open(mirror + "/planted", "w"))
attempt("change a file of the course data", lambda: open(mirror + "/item/file.txt", "a"))
attempt("become root", lambda: os.setuid(0))
print(json.dumps([worked, open(mirror + "/item/file.txt").read(), os.environ.get("DLBOOK_HUB_PASSWORD"), os.environ.get("CONFIGPROXY_AUTH_TOKEN")]))
"""


BUSY = """
def talk():
    while True:
        print("a secret", flush=True)
        time.sleep(0.2)
threading.Thread(target=talk, daemon=True).start()
"""
SPEAKING = """
import zmq
mouth = zmq.Context.instance().socket(zmq.PUB)
mouth.bind_to_random_port("tcp://127.0.0.1")
def speak():
    while True:
        mouth.send(b"a secret")
        time.sleep(0.2)
threading.Thread(target=speak, daemon=True).start()
"""


@pytest.fixture(scope="module")
def data():
    """A folder of course data, as a teacher lays it out."""
    folder = Path(tempfile.mkdtemp(prefix="dlbook-data-"))
    folder.chmod(0o755)
    (folder / "item").mkdir()
    (folder / "item" / "file.txt").write_text("data")
    yield folder
    shutil.rmtree(folder)


def test_a_student_reaches_nothing_of_another_or_of_the_hub(teacher, data):
    """Two students with accounts on a hub with course data; what one tries is in ATTEMPTS, and only reading the data works."""
    before = readable_programs()
    if before is None:
        pytest.skip("only root can give each student an account")
    site = teacher / "_build" / "none"
    site.mkdir(parents=True, exist_ok=True)
    alone = None
    try:
        with hubs.running_hub(teacher, before, DLBOOK_HUB_SPAWNER="accounts", DLBOOK_HUB_STUDENTS="2", DLBOOK_MIRROR=str(data),
                              DLBOOK_HUB_SITE=str(site)) as (address, process, environment):
            alone = Class(address, process, environment, teacher, True)
            anna, ben = alone.student("anna"), alone.student("ben")
            anna.run(["open('secret.txt', 'w').write('mine')", "import os; os.system('chmod 644 secret.txt')"])
            pid = int(anna.run(["import os; print(os.getppid())"]).text())
            state = environment["DLBOOK_HUB_STATE"]
            assert (Path(state) / "hub.sqlite").is_file() and (Path(state) / "hub.log").is_file() and "secret.txt" in os.listdir(alone.home(anna.name))
            values = {"OTHER": str(alone.home(anna.name)), "STATE": state, "CLONE": str(teacher), "PREFIX": sys.prefix, "MIRROR": str(data),
                      "PORT": alone.port, "PID": pid}
            # A kernel that prints all the time, in a session that stays.
            busy = anna.kernel("busy")
            anna.run(["import threading, time", BUSY], kernel=busy)
            tried = re.sub(r"\b(OTHER|STATE|CLONE|PREFIX|MIRROR|PORT|PID)\b", lambda found: repr(values[found[0]]), ATTEMPTS)
            assert json.loads(ben.run([tried]).text()) == [[], "data", None, None]
            # The ear can hear: the same by TCP, as kernels talk where nothing else is set.
            anna.run([SPEAKING], kernel=busy)
            assert json.loads(ben.run([tried]).text())[0] == ["hear the other's kernel"]
            # The list itself can fail: the owner does reach her own things by the same lines.
            mine = json.loads(anna.run([re.sub('(?m)^attempt."end the other.*', "", tried)]).text())[0]
            assert {"list the other's home", "read the other's file", "read the other's tokens"} <= set(mine)
            for path in (f"/user/{anna.name}/api/contents/secret.txt", f"/user/{anna.name}/lab", f"/hub/api/users/{anna.name}"):
                answer = ben.web.get(address + path, timeout=60)
                assert answer.status_code in (403, 404), (path, answer.status_code)
    finally:
        if alone:
            alone.forget()
    assert not {one.pw_name for one in pwd.getpwall()} & {f"dl-{name}" for name in alone.names}
