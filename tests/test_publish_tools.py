"""The tools around the site: vendored files, the server, the course's data, formulas, pictures and the lightening of pages."""
import argparse
import base64
import functools
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import urllib.request
from pathlib import Path

import pytest
from dlbook.publish import PublishError, serve, vendor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "_ext"))
site_assets, site_course, site_formulas, site_pictures, site_slim = map(
    __import__, ("site_assets", "site_course", "site_formulas", "site_pictures", "site_slim"))


# ---------------------------------------------------------------- vendor

def _tarball(folder, files):
    path = folder / "thing-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def _pin(tarball, files):
    digest = base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    return {"version": "1.0.0", "integrity": f"sha512-{digest}", "files": files}


@pytest.fixture
def thing(tmp_path, monkeypatch):
    """A package that 'npm pack' delivers, and its pin; `thing.packed` counts deliveries."""
    tarball = _tarball(tmp_path, {"dist/a.js": b"a", "dist/b.map": b"b", "LICENSE": b"free"})
    found = argparse.Namespace(pin=_pin(tarball, ["dist/*.js", "LICENSE"]), target=tmp_path / "vendor", packed=0)

    def pack(name, version, folder):
        found.packed += 1
        return Path(shutil.copy(tarball, folder))

    found.target.mkdir()
    monkeypatch.setattr(vendor, "pack", pack)
    return found


def _run(thing, tmp_path):
    pins = tmp_path / "pins.json"
    pins.write_text(json.dumps({"@scope/thing": thing.pin}))
    vendor.main(argparse.Namespace(target=thing.target, pins=pins))


def test_vendor_unpacks_the_listed_files_once(thing, tmp_path, capsys):
    _run(thing, tmp_path)
    _run(thing, tmp_path)
    assert thing.packed == 1
    assert capsys.readouterr().out == "fetched @scope/thing 1.0.0\n"
    folder = thing.target / "@scope" / "thing"
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == ["LICENSE", "dist/a.js", "pin.json"]
    assert not list(thing.target.glob(".fetch-*"))


def test_vendor_fetches_again_when_the_pin_changes(thing, tmp_path):
    _run(thing, tmp_path)
    thing.pin["files"] = ["dist/*.js"]
    _run(thing, tmp_path)
    assert thing.packed == 2 and not (thing.target / "@scope" / "thing" / "LICENSE").exists()


def test_vendor_refuses_another_file_and_keeps_what_was_there(thing, tmp_path):
    _run(thing, tmp_path)
    thing.pin["integrity"] = "sha512-" + "A" * 88
    with pytest.raises(PublishError, match="@scope/thing: the downloaded file is not the pinned one"):
        _run(thing, tmp_path)
    assert (thing.target / "@scope" / "thing" / "dist" / "a.js").read_text() == "a"


def test_vendor_says_which_file_a_package_lacks(thing, tmp_path):
    thing.pin["files"].append("dist/none.css")
    with pytest.raises(PublishError, match="holds no file like 'dist/none.css'"):
        _run(thing, tmp_path)
    assert not (thing.target / "@scope" / "thing").exists()


def test_vendor_never_writes_outside_its_folder(tmp_path):
    tarball = _tarball(tmp_path, {"../../evil.js": b"x", "ok.js": b"y"})
    vendor.extract(tarball, ["*.js"], tmp_path / "in" / "side")
    assert [p.name for p in tmp_path.rglob("*.js")] == ["ok.js"]


def test_vendor_without_network_says_so_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    with pytest.raises(PublishError) as caught:
        vendor.pack("katex", "0.16.22", tmp_path)
    assert "Could not fetch katex 0.16.22 from the npm registry" in str(caught.value) and "\n" not in str(caught.value)


def test_vendor_uses_the_node_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert subprocess.run([str(vendor.node()), "--version"], capture_output=True, text=True).stdout.startswith("v24.")


def test_the_pinned_katex_is_the_one_that_sets_the_formulas():
    from sphinxcontrib import katex
    pins = json.loads(vendor.PINS.read_text())
    assert pins["katex"]["version"] == katex.katex_version
    assert all(pin["integrity"].startswith("sha512-") and pin["licence"] for pin in pins.values())


# ---------------------------------------------------------------- serve

@pytest.fixture
def built(tmp_path):
    """A folder that looks like a built site."""
    (tmp_path / "index.html").write_text("<title>course</title>")
    return tmp_path


def test_serve_answers_on_this_machine_alone(built):
    with serve.open_server(built) as server:
        host, port = server.server_address
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
            assert b"course" in answer.read() and answer.headers["Cache-Control"] == "no-cache"
        server.shutdown()
    assert host == "127.0.0.1"


def test_serve_says_that_the_site_is_not_built(tmp_path):
    with pytest.raises(PublishError, match="no built site in .*: run 'make book' first"):
        serve.open_server(tmp_path / "none")


def test_serve_says_that_a_port_is_busy(built):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PublishError, match=f"Port {port} is already in use: give another"):
            serve.open_server(built, port)


@pytest.mark.parametrize("port", [70000, -1])
def test_serve_refuses_what_is_no_port(built, port):
    with pytest.raises(PublishError, match=f"{port} is not a port"):
        serve.open_server(built, port)


def test_serve_prints_its_address(built):
    command = [sys.executable, "-m", "dlbook.publish", "serve", "--site", str(built)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        line = running.stdout.readline()
        running.terminate()
    assert line.startswith("The course is at http://127.0.0.1:")


# ---------------------------------------------------------------- the course's data

SYSTEMS = """
decks: {T: {title: Deck, year: 2019}}
groups:
  - {key: one, title: One, systems: {C1: {name: First <b>, slides: T1}, C2: {name: Second, slides: T2}}}
"""
RECORD = {"seconds": 37.6, "memory_mb": 1432.0, "date": "2026-01-02T03:04:05Z", "versions": {"torch": "2.13.0"},
          "machine": {"processor": "A processor", "cores": 2}}


def _notebook(covers):
    cells = [{"cell_type": "markdown", "source": ["# The title\n", "text"]}, {"cell_type": "code", "source": [""], "outputs": []},
             {"cell_type": "code", "source": ["x"], "outputs": [{"data": {"image/png": "", "text/plain": ""}}, {"text": "y"}]}]
    return json.dumps({"metadata": {"covers": covers}, "cells": cells})


@pytest.fixture
def tree(tmp_path):
    """A repository with one chapter."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "systems.yml").write_text(SYSTEMS)
    (tmp_path / "_toc.yml").write_text("root: book/index\nparts:\n- caption: A\n  chapters:\n  - file: book/x\n  - file: book/status\n")
    (tmp_path / "book" / "x.ipynb").write_text(_notebook(["C1"]))
    return tmp_path


def test_a_course_is_read_from_its_files(tree):
    course = site_course.read_course(tree, {"x": RECORD})
    assert [(c.docname, c.title, c.covers, c.cells, c.figures) for c in course.chapters] == [("book/x", "The title", ("C1",), 1, 1)]
    assert [c.name for c in course.covering("C1")] == ["x"] and course.covering("C2") == []


def test_an_unknown_system_stops_the_build(tree):
    (tree / "book" / "x.ipynb").write_text(_notebook(["C1", "C99"]))
    with pytest.raises(site_course.ExtensionError, match="book/x.ipynb: covers names 'C99', which is not a system in book/systems.yml"):
        site_course.read_course(tree, {})


@pytest.mark.parametrize("record, words", [(RECORD, ["38 s", "1.4 GB", "2026-01-02"]), ({}, ["<dd>-</dd>", "not yet"])])
def test_the_box_says_what_a_chapter_costs(tree, record, words):
    course = site_course.read_course(tree, {"x": record} if record else {})
    box = site_course.cost_box(course.chapters[0], course, lambda name: f"/{name}")
    assert all(word in box for word in words)
    assert "First &lt;b&gt; (C1)" in box and 'href="/book/coverage#c1"' in box


def test_the_map_and_the_tables_tell_runnable_from_planned(tree):
    course = site_course.read_course(tree, {"x": RECORD})
    link = "to/{}".format
    assert '<li class="ready"><a href="to/book/x">First' in site_course.map_of_course(course, link)
    assert "<li>Second</li>" in site_course.map_of_course(course, link) and "1 of 2 runnable" in site_course.map_of_course(course, link)
    table = site_course.coverage_table(course.groups[0], course, link).replace("\n", "")
    assert '<tr id="c2"><th scope="row">C2</th><td>Second</td><td>T2</td><td>planned</td></tr>' in table
    assert "1 of 2 systems are runnable today" in site_course.coverage_sum(course)
    assert "A processor, 2 cores" in site_course.environments(course) and "2.13.0" in site_course.environments(course)
    assert "<td>38 s</td><td>1.4 GB</td><td>1</td><td>1</td><td>2026-01-02</td>" in site_course.status_table(course, link).replace("\n", "")


def test_the_coverage_page_has_a_table_for_every_group():
    import yaml
    page = (ROOT / "book" / "coverage.md").read_text()
    for group in yaml.safe_load((ROOT / "book" / "systems.yml").read_text())["groups"]:
        assert f"## {group['title']}\n\n```{{course}} coverage {group['key']}\n" in page


def test_every_slide_reference_names_a_deck():
    import yaml
    listed = yaml.safe_load((ROOT / "book" / "systems.yml").read_text())
    for group in listed["groups"]:
        for system in group["systems"].values():
            assert all(part.strip()[0] in listed["decks"] for part in system["slides"].split(",")), system


# ---------------------------------------------------------------- pictures

def test_alt_texts_follow_the_picture():
    data = base64.b64encode(b"picture").decode()
    out = {"data": {"image/png": data}, "metadata": {"image/png": {"alt": "What it shows."}}}
    texts = site_pictures.alt_texts({"cells": [{"outputs": [out]}, {"outputs": [{"data": {"image/png": base64.b64encode(b"other").decode()}}]}]})
    assert texts == {hashlib.sha256(b"picture").hexdigest(): "What it shows."}


@pytest.mark.parametrize("html, silent", [('<img src="x">', 1), ('<img alt=" " src="x">', 1), ('<p><img alt="a 7" src="x"></p>', 0), ("no picture", 0)])
def test_silent_images_are_counted(html, silent):
    assert site_pictures.silent_images(html) == silent


def test_pictures_in_widgets_need_words_too():
    state = {"a": {"model_name": "ImageModel", "state": {}}, "b": {"model_name": "HTMLModel", "state": {"value": "<img src='x'>"}},
             "c": {"model_name": "HTMLModel", "state": {"value": "<img src='x' alt='a 7'>"}}}
    faults = list(site_pictures.widget_faults({"metadata": {"widgets": {site_pictures.STATE: {"state": state}}}}))
    assert len(faults) == 2 and "Image widget" in faults[0] and "without alternative text" in faults[1]


# ---------------------------------------------------------------- weight

@pytest.mark.parametrize("css, left", [
    (".a{x:1}.b{x:2}", ".a{x:1}"),
    (".a,.b .a,p{x:1}", ".a,p{x:1}"),
    ("@media print{.b{x:1}}", ""),
    ("@media print{.b{x:1}.a{x:2}}", "@media print{.a{x:2}}"),
    ("@font-face{src:url(x)}@keyframes k{from{x:1}}", "@font-face{src:url(x)}@keyframes k{from{x:1}}"),
    ("p:not(.b){x:1}", "p:not(.b){x:1}"),
    (":is(.a,.b) p{x:1}", ":is(.a,.b) p{x:1}"),
    ("a[href$='.b']{x:1}", "a[href$='.b']{x:1}"),
    ('/* .b{} */ .a::before{content:"}"}', '.a::before{content:"}"}'),
    ('.a{background:url("data:image/svg+xml;{x}")}', '.a{background:url("data:image/svg+xml;{x}")}'),
    ('@charset "utf-8";.a{x:1}', '@charset "utf-8";.a{x:1}'),
    ("#b{x:1}#a{x:2}", "#a{x:2}"),
    (".a\\/2{x:1}.c\\/3{x:2}", ".a\\/2{x:1}"),
])
def test_only_rules_that_can_match_stay(css, left):
    assert site_slim.prune(css, {"a", "a/2"}) == left


def test_pruning_twice_changes_nothing():
    css = (site_slim.FONT_AWESOME.parents[1] / "styles" / "bootstrap.css").read_text()
    once = site_slim.prune(css, {"btn", "show", "tooltip"})
    assert site_slim.prune(once, {"btn", "show", "tooltip"}) == once and len(once) < len(css) / 3


def test_the_icon_font_holds_the_icons_asked_for(tmp_path):
    from fontTools.ttLib import TTFont
    site_slim.subset_icons({0xF002, 0xF0C9}, tmp_path / "icons.woff")
    assert set(TTFont(tmp_path / "icons.woff").getBestCmap()) == {0xF002, 0xF0C9}
    assert (tmp_path / "icons.woff").stat().st_size < 5000


@pytest.mark.parametrize("name, body, wanted", [
    ("katex/katex.min.css", '<span class="katex">', True), ("katex/katex.min.css", "<p>text", False), ("katex-math.css", '<span class="katex">', False),
    ("togglebutton.js", '<div class="admonition dropdown">', True), ("togglebutton.js", "<p>", False), ("dlbook.js", "<p>", True)])
def test_a_page_loads_only_what_it_uses(name, body, wanted):
    assert site_assets.needed(name, "", body) is wanted


# ---------------------------------------------------------------- the process that sets formulas

SLOW = """
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
time.sleep(float(sys.argv[2]))  # the file is there, and nobody listens yet
s.listen()
time.sleep(60)
"""


def _formula_server(monkeypatch, seconds):
    started = []
    monkeypatch.setattr(site_formulas.katex.KaTeXServer, "build_command",
                        classmethod(lambda cls, socket: [sys.executable, "-c", SLOW, str(socket), str(seconds)]))
    monkeypatch.setattr(site_formulas, "Popen", lambda *words, **more: started.append(subprocess.Popen(*words, **more)) or started[-1])
    return started


def test_a_formula_server_that_listens_late_is_waited_for(monkeypatch, tmp_path):
    _formula_server(monkeypatch, 0.5)
    process, connection = site_formulas.start_server(tmp_path, 20)
    assert connection.getpeername() == str(tmp_path / "katex.sock")
    connection.close()
    process.kill()
    process.wait()


def test_a_formula_server_that_never_listens_is_said_and_ended(monkeypatch, tmp_path):
    started = _formula_server(monkeypatch, 60)
    with pytest.raises(site_formulas.katex.KaTeXError, match="did not start within 1 s"):
        site_formulas.start_server(tmp_path, 1)
    assert started[0].poll() is not None


# ---------------------------------------------------------------- a build with planted faults

PAGE = """# Faults

Right $x^2$, wrong $\\frac{1$.

![](_static/favicon.svg)

<div><img src="_static/logo.svg"></div>

```{course} coverage nothing
```

{footcite:p}`nobody`
"""
BUILD = [sys.executable, "-c", "import sys; from jupyter_book.cli.main import main; sys.exit(main())", "build", ".", "-W", "--keep-going"]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """What a build says of a page with one fault of each kind, and what it says when it is asked again."""
    tree = tmp_path_factory.mktemp("faulty")
    for name in ("_config.yml", "_ext", "book/_static", "book/systems.yml", "book/coverage.md", "book/status.md"):
        copy = functools.partial(shutil.copytree, ignore=shutil.ignore_patterns("__pycache__")) if (ROOT / name).is_dir() else shutil.copy
        (tree / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, tree / name)
    (tree / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n- file: book/coverage\n- file: book/status\n")
    (tree / "book" / "references.bib").write_text("")
    (tree / "book" / "index.md").write_text(PAGE)
    environment = os.environ | {"PATH": "/usr/bin:/bin"}  # no Node.js but that of the virtual environment
    said = []
    for k in range(2):
        # Into a file: a process that the build leaves behind would hold a pipe open, and the test would wait for it.
        with open(tree / f"said{k}", "w+") as out:
            returncode = subprocess.run(BUILD, cwd=tree, stdout=out, stderr=subprocess.STDOUT, env=environment, timeout=300).returncode
            out.seek(0)
            said.append(subprocess.CompletedProcess(BUILD, returncode, out.read()))
    return said


@pytest.mark.parametrize("sentence", [
    "formula '\\\\frac{1' cannot be set: ", "a picture has no alternative text: say in words what it shows",
    "HTML on this page has an <img> without alternative text", "'{course} coverage nothing' is unknown", 'could not find bibtex key "nobody"'])
def test_a_fault_in_a_page_fails_the_build(faulty, sentence):
    for build in faulty:
        assert build.returncode != 0 and sentence in build.stdout
