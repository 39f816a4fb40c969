"""The launch buttons' addresses, the settings behind them, the cell that fetches the course, and the form of the page Launch."""
import json
import os
import re
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
import site_checks
import tomllib
from dlbook.publish import ROOT, PublishError, address, chapters
from sphinx.errors import ExtensionError

sys.path.insert(0, str(ROOT / "_ext"))
import site_launch  # noqa: E402

SITE = ROOT / "_build" / "html"
SET = site_launch.Launch("https://hub.edu", "https://github.com/me/course", "main")


def test_addresses_of_a_chapter():
    asked = urlsplit(SET.on_hub("book/digits"))
    assert asked.geturl().startswith("https://hub.edu/hub/user-redirect/git-pull?")
    assert parse_qs(asked.query) == {"repo": ["https://github.com/me/course"], "urlpath": ["lab/tree/course/book/digits.ipynb"], "branch": ["main"]}
    assert SET.on_binder("book/digits") == "https://mybinder.org/v2/gh/me/course/main?urlpath=lab/tree/book/digits.ipynb"
    assert SET.on_colab("book/digits") == "https://colab.research.google.com/github/me/course/blob/main/book/digits.ipynb"


@pytest.mark.parametrize("repository, binder, colab", [
    ("https://gitlab.com/me/course.git", "/v2/gl/me%2Fcourse/main?", False),
    ("https://git.school.edu/course", "/v2/git/https%3A%2F%2Fgit.school.edu%2Fcourse/main?", False),
    ("http://127.0.0.1:8000/services/course/git/dlbook", None, False),
    (None, None, False),
])
def test_other_repositories(repository, binder, colab):
    launch = site_launch.Launch("", repository, "main")
    assert (launch.on_binder("book/x") is None) if binder is None else (binder in launch.on_binder("book/x"))
    assert bool(launch.on_colab("book/x")) is colab
    assert (launch.on_hub("book/x") or "/hub/user-redirect").startswith("/hub/user-redirect")


def test_no_button_leads_to_a_host_that_nobody_has_set():
    launch = site_launch.read_launch(ROOT, {})
    text = (ROOT / "_config.yml").read_text()
    if "ORG" in text:
        assert launch.hub is None and launch.repository is None
        assert {urlsplit(button["url"]).netloc for button in site_launch.buttons(launch, "book/digits", "launch.html")} == {""}
    named = {button["text"]: button["url"] for button in site_launch.buttons(SET, "book/digits", "launch.html")}
    assert list(named) == ["JupyterHub", "CSC or another hub", "Binder", "Colab", "Your computer"]
    assert named["CSC or another hub"] == "launch.html?chapter=digits#csc"
    here = site_launch.Launch("", "http://127.0.0.1:8000/services/course/git/dlbook", "main")
    assert [button["text"] for button in site_launch.buttons(here, "book/x", "launch.html")] == ["JupyterHub", "CSC or another hub", "Your computer"]


def test_the_environment_comes_before_the_settings_and_a_slip_is_told():
    given = {"DLBOOK_HUB": "/", "DLBOOK_REPOSITORY": "https://git.edu/a/b.git/", "DLBOOK_BRANCH": "autumn"}
    launch = site_launch.read_launch(ROOT, given)
    assert (launch.hub, launch.repository, launch.branch, launch.folder) == ("", "https://git.edu/a/b.git", "autumn", "b")
    with pytest.raises(ExtensionError, match="jupyterhub_url in _config.yml is 'hub.edu'; it must be an address that begins with https://"):
        site_launch.read_launch(ROOT, given | {"DLBOOK_HUB": "hub.edu"})


def test_every_chapter_has_the_buttons_and_the_launch_page_every_anchor():
    if not (SITE / "index.html").is_file():
        pytest.fail("The site is not built: run 'make book' first.", pytrace=False)
    ids = site_checks.read_page(SITE / "book" / "launch.html").ids
    assert {"own-hub", "csc", "binder", "colab", "your-computer"} <= ids
    without = [name for name in chapters.chapters() if (SITE / "book" / f"{name}.html").is_file()
               and "dropdown-launch-buttons" not in (SITE / "book" / f"{name}.html").read_text()]
    assert not without and "dropdown-launch-buttons" not in (SITE / "book" / "status.html").read_text()


# ---------------------------------------------------------------- the cell that fetches the course

def test_every_notebook_begins_by_fetching_the_course_from_the_address_that_is_set():
    cell = address.fetch_cell()
    firsts = {path.stem: next(cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code") for path in (ROOT / "book").glob("*.ipynb")}
    assert firsts and not [name for name, first in firsts.items() if first.source != cell or first.outputs]


def test_colab_is_asked_for_what_the_course_needs():
    listed = [line for line in (ROOT / "hub/colab.txt").read_text().splitlines() if not line.startswith("#")]
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert sorted(listed) == sorted([re.match(r"[\w-]+", one)[0] for one in needed] + ["tensorflow"])


# What Colab does: a kernel with packages, but without the course, works in an empty folder; pip is asked, and told here.
COLAB = """
import os, sys
sys.path = [folder for folder in sys.path if os.path.realpath(folder or ".") != os.path.realpath({code!r})]
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for time in range(2):
    assert shell.run_cell({cell!r}).success
    from dlbook import data
    print(data.__file__, data.digits())
"""


def test_the_cell_fetches_the_course_where_it_is_missing(tmp_path):
    """From a clone of this repository, in place of the address that is set; pip stands aside, since everything else is installed."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pip").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (tmp_path / "bin" / "pip").chmod(0o755)
    repository = re.search(r"https://\S+", address.fetch_cell())[0]
    local = tmp_path / "published"
    shutil.copytree(ROOT, local, ignore=lambda folder, names: {".venv", "_build", ".git", ".pytest_cache", ".hypothesis"} & set(names))
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=local, check=True)
    given = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.file://{local}.insteadOf", "GIT_CONFIG_VALUE_0": repository,
             "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    (tmp_path / "content").mkdir()
    done = subprocess.run([sys.executable, "-c", COLAB.format(code=str(ROOT / "code"), cell=address.fetch_cell())], cwd=tmp_path / "content",
                          env=os.environ | given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count(str(tmp_path / "content" / "dlbook" / "code" / "dlbook")) == 2 and "1,198 images" in done.stdout
    assert (tmp_path / "asked").read_text() == "install -q -r dlbook/hub/colab.txt\n"


def test_in_a_clone_the_cell_takes_the_clones_code_and_fetches_nothing(tmp_path):
    """As at CSC: a kernel with packages, but without the course, works in the folder `book` of a clone."""
    (tmp_path / "bin").mkdir()
    for command in ("git", "pip"):
        (tmp_path / "bin" / command).write_text(f'#!/bin/sh\necho "{command} $@" >> {tmp_path}/asked\n')
        (tmp_path / "bin" / command).chmod(0o755)
    clone = tmp_path / "dlbook"
    (clone / "book").mkdir(parents=True)
    (clone / "code").symlink_to(ROOT / "code")
    given = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", COLAB.format(code=str(ROOT / "code"), cell=address.fetch_cell())], cwd=clone / "book",
                          env=os.environ | given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count(str(clone / "code" / "dlbook")) == 2 and "1,198 images" in done.stdout
    assert not (tmp_path / "asked").exists() and list((clone / "book").iterdir()) == []


@pytest.fixture
def house(tmp_path):
    """The settings and one notebook."""
    shutil.copy(ROOT / "_config.yml", tmp_path)
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "book" / "digits.ipynb", tmp_path / "book")
    return tmp_path


def test_publishing_elsewhere_changes_the_settings_and_the_cells_and_nothing_else(house):
    before = nbformat.read(house / "book" / "digits.ipynb", 4)
    address.main(Namespace(repository="https://gitlab.com/me/course", branch="autumn", hub="https://hub.edu/"), house)
    launch = site_launch.read_launch(house, {})
    assert (launch.hub, launch.repository, launch.branch) == ("https://hub.edu", "https://gitlab.com/me/course", "autumn")
    changed = [(old, new) for old, new in zip(before.cells, nbformat.read(house / "book" / "digits.ipynb", 4).cells, strict=True) if old != new]
    assert len(changed) == 1 and "-b autumn https://gitlab.com/me/course dlbook" in changed[0][1].source
    lines = (ROOT / "_config.yml").read_text().splitlines(), (house / "_config.yml").read_text().splitlines()
    assert sum(old != new for old, new in zip(*lines, strict=True)) == 3


@pytest.mark.parametrize("given, words", [({"repository": "github.com/me/course"}, "'github.com/me/course' is no address of a repository"),
                                          ({"hub": "hub"}, "'hub' is no address of a hub"), ({"branch": "a b"}, "'a b' is no name of a branch")])
def test_an_address_that_is_none_changes_nothing(house, given, words):
    before = (house / "_config.yml").read_text()
    with pytest.raises(PublishError, match=words):
        address.main(Namespace(**({"repository": "https://github.com/me/course", "branch": None, "hub": None} | given)), house)
    assert (house / "_config.yml").read_text() == before


# ---------------------------------------------------------------- the form

@pytest.fixture(scope="module")
def form(browser, tmp_path_factory):
    """The form alone on a page of a site whose repository is set: the browser and the page's address."""
    listed = [type("Chapter", (), {"name": name, "title": name.title(), "docname": f"book/{name}"}) for name in ("digits", "a<b")]
    folder = tmp_path_factory.mktemp("form")
    (folder / "page.html").write_text(f"<!DOCTYPE html><title>x</title>{site_launch.form(SET, listed)}")
    with site_checks.served(folder, tmp_path_factory.mktemp("root")) as base:
        yield browser, f"{base}page.html"


@pytest.mark.browser
@pytest.mark.parametrize("typed, base", [
    ("https://hub.edu/user/anna/lab/tree/x.ipynb?reset", "https://hub.edu/user/anna"),
    ("https://noppe.csc.fi/notebooks/7f3a/lab", "https://noppe.csc.fi/notebooks/7f3a"),
    ("https://www.roihu.csc.fi/node/g001/8888/lab?token=1", "https://www.roihu.csc.fi/node/g001/8888"),
    ("https://hub.edu", "https://hub.edu/hub/user-redirect"), ("hub.edu/hub/home", "https://hub.edu/hub/user-redirect"),
    ("http://localhost:8888/lab/tree/a", "http://localhost:8888"), ("https://x.edu/jupyter/lab", "https://x.edu/jupyter"),
])
def test_the_form_makes_links_out_of_a_sessions_address(form, typed, base):
    browser, address_of_page = form
    page = browser.new_page()
    page.goto(f"{address_of_page}?chapter=a<b")
    page.fill("input", typed)
    page.click("button")
    links = page.eval_on_selector_all("li a", "all => all.map((a) => [a.textContent, a.href])")
    page.reload()
    assert page.input_value("input") == typed  # it is remembered
    page.context.close()
    assert [title for title, _ in links] == ["A<B", "Digits"]  # the chapter one came from is first
    found = urlsplit(links[1][1])
    assert f"{found.scheme}://{found.netloc}{found.path}" == f"{base}/git-pull"
    assert parse_qs(found.query) == {"repo": [SET.repository], "branch": ["main"], "urlpath": ["lab/tree/course/book/digits.ipynb"]}


@pytest.mark.browser
@pytest.mark.parametrize("typed", ["", "   ", "digits", "ftp://hub.edu/lab", "https://", "javascript:alert(1)"])
def test_the_form_says_what_is_no_address(form, typed):
    browser, address_of_page = form
    page = browser.new_page()
    page.goto(address_of_page)
    page.fill("input", typed)
    page.click("button")
    assert "is no address of a session" in page.text_content("[role=status]") and page.locator("li").count() == 0
    page.context.close()


def test_the_sizing_table_shows_what_was_measured():
    load = {"students": 8, "course": 20.2, "first_output": 31.4, "finished": 200.6, "megabytes": 1312.2}
    about = {"machine": {"cores": 2, "processor": "AMD"}, "date": "2026-01-02T00:00:00Z", "chapter": "digits", "commit": "abcdef0123", "loads": [load],
             "before": {"loads": [load | {"students": 4}]}}
    html = site_launch.sizing(json.loads(json.dumps(about)))
    for words in ("<th scope=\"row\">8</th>", ">4, without what the hub sets</th>", "20 s", "31 s", "201 s", "1,312 MB", "2 cores (AMD), 2026-01-02", "commit abcdef0"):
        assert words in html


