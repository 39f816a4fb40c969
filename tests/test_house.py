"""The house: pins, set-up, commands, workflows, licences; what a stranger meets first."""
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import bootstrap

ROOT = Path(__file__).resolve().parents[1]
TOML = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, ALONE = TOML["project"], TOML["tool"]["dlbook"]["alone"]
PINS = {line.split("==")[0].lower().replace("_", "-"): line.split("==")[1]
        for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
MAKE = shutil.which("make")


def make(*words, **environment):
    import os

    return subprocess.run([MAKE, "--no-print-directory", *words], cwd=ROOT, capture_output=True, text=True, env=os.environ | environment)


def direct_dependencies():
    listed = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    return [re.match(r"([\w-]+)(?:\[[\w-]+\])?==([\w.]+)", line).groups() for line in listed]


def test_every_direct_dependency_is_pinned_as_in_the_lock_file():
    for name, version in direct_dependencies():
        assert PINS[name.lower()] == version, name


def test_what_is_installed_alone_is_pinned_and_fits():
    """What the tests compare with: torchvision is made for the very PyTorch that is pinned; what they need otherwise is there."""
    from importlib import metadata

    assert bootstrap.without_dependencies({"cpu", "book"}) == [] and bootstrap.without_dependencies({"cpu", "test"}) == ALONE["test"]
    for line in [line for lines in ALONE.values() for line in lines]:
        name, version = line.split("==")
        assert metadata.version(name).split("+")[0] == version
        needs = [Requirement(need) for need in metadata.requires(name) if "extra ==" not in need]
        assert all(need.specifier.contains(metadata.version(need.name)) for need in needs)
        assert name != "torchvision" or any(need.name == "torch" for need in needs)


def test_each_pip_call_is_held_to_the_pins(monkeypatch, tmp_path):
    """The second call, without dependencies, comes with the extra `test` only; where one fails, the reason is said."""
    calls, status = [], iter([0, 0, *[0] * len(ALONE["test"]), 0, 1])
    (tmp_path / "install.log").write_text("ERROR: No matching distribution found for torchvision==0.28.0")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "LOG", tmp_path / "install.log")
    monkeypatch.setattr(bootstrap, "_run", lambda command: calls.append([str(word) for word in command]) or next(status))
    bootstrap.install({"cpu", "book"})
    bootstrap.install({"cpu", "test"})
    assert [call[-2:] for call in calls] == [["--editable", ".[book,cpu]"], ["--editable", ".[cpu,test]"],
                                             *(["--no-deps", line] for line in ALONE["test"])]
    assert all(call[call.index("--constraint") + 1] == "constraints.txt" for call in calls)
    with pytest.raises(bootstrap.Stop, match="could not install the dependencies: ERROR: No matching distribution found for torchvision"):
        bootstrap.install({"test"})


def test_a_changed_pin_makes_the_setup_stale(monkeypatch, tmp_path):
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    before = bootstrap.wanted({"test"})
    text = (tmp_path / "pyproject.toml").read_text()
    assert bootstrap.wanted({"test"}) == before and "torchvision==0.28.0" in text
    (tmp_path / "pyproject.toml").write_text(text.replace("torchvision==0.28.0", "torchvision==0.28.1"))
    assert bootstrap.wanted({"test"}) != before


def test_conda_binder_and_hubs_get_the_same_versions():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(item for item in environment if isinstance(item, dict))["pip"]
    assert "--constraint constraints.txt" in pip
    extras = re.search(r"\.\[(.+)\]", next(line for line in pip if "--editable" in line))[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"]) and "cpu" in extras
    python = next(item for item in environment if isinstance(item, str) and item.startswith("python="))
    assert f">={python.split('=')[1]}" in PROJECT["requires-python"]


def test_what_is_installed_is_what_is_pinned():
    from importlib import metadata

    for name, version in direct_dependencies():
        try:
            installed = metadata.version(name)
        except metadata.PackageNotFoundError:  # of an extra that this machine does not use
            continue
        assert installed.split("+")[0] == version, name


def test_help_is_the_default_and_names_every_target():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)) - {"setup", "vendor"}
    said = make().stdout
    assert all(re.search(rf"^  {target}\s+\w", said, re.MULTILINE) for target in targets), said


def test_a_missing_python_is_said():
    done = make("book", "PYTHON=/no/such/python")
    assert done.returncode and "there is no /no/such/python on this machine; install Python 3.11" in done.stderr


def test_a_run_must_be_named():
    done = make("full")
    assert done.returncode and "say which run, for example: make full RUN=cnn/digits" in done.stderr


def test_another_python_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert bootstrap.main(["cpu"]) == 1
    assert "dlbook needs Python 3.11 and this is" in capsys.readouterr().err


def test_missing_git_is_said(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert bootstrap.main(["cpu"]) == 1
    assert "dlbook needs git" in capsys.readouterr().err


def test_a_full_disk_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1e9}))
    with pytest.raises(bootstrap.Stop, match="5 GB of disk and .* has 1.0 GB free"):
        bootstrap.check_machine()


@pytest.mark.parametrize("system, free, warned", [("Linux", 7e9, True), ("Linux", 13e9, False), ("Darwin", 7e9, False)])
def test_a_disk_with_room_for_the_small_build_alone_is_said(system, free, warned, monkeypatch, tmp_path, capsys):
    """On Linux the package index gives a PyTorch with CUDA; nothing is refused, and the way to the small one is told."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap.platform, "system", lambda: system)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: type("Usage", (), {"free": free}))
    bootstrap.check_machine()
    said = capsys.readouterr().err
    assert bool(said) is warned
    if warned:
        assert "has 7.0 GB free" in said and "needs 12 GB" in said and bootstrap.SMALL in said and said.count("\n") == 1


def test_what_the_pages_say_of_the_size_is_what_the_setup_says():
    launch, readme = ((ROOT / name).read_text() for name in ("book/launch.md", "README.md"))
    index = bootstrap.SMALL.split()[0]
    assert index in launch and bootstrap.SMALL in readme
    assert f"{bootstrap.FREE_CUDA_GB} GB must be free" in launch and f"{bootstrap.FREE_GB} GB must be free" in launch
    for name in ("environment.yml", "binder/environment.yml"):
        pip = yaml.safe_load((ROOT / name).read_text())["dependencies"][-1]["pip"]
        assert f"--extra-index-url {index.split('=')[1]}" in pip, name


def dry(*words):
    """What make would run, and start.py's environment."""
    done = make("--dry-run", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_hub_with_gpus_gets_tensorflow_for_gpus():
    assert "bootstrap.py gpu book test lab hub" in dry("hub", "STUDENTS=8", "GPUS=0,1")
    assert "bootstrap.py gpu book test" in dry("book", "GPU=1")
    assert "bootstrap.py cpu book test lab hub" in dry("hub", "STUDENTS=8")


TYPED = ["abc'def ghi", 'a "quoted" word', "back`date`tick", "$HOME $$ $(shell date) ${x}", "a#b;c|d&e \\ %", "plain-enough"]


@pytest.mark.parametrize("typed", TYPED)
def test_what_is_typed_for_the_hub_arrives_as_it_was_typed(typed, tmp_path):
    """Quotes, backticks and dollars in a password or the name of a folder; where nothing is typed, nothing is set."""
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\n[ "$1" = hub/start.py ] && env -0 > {tmp_path}/environment || true\n')
    fake.chmod(0o755)
    usual = [f"RUNNING={fake}", "PYTHON=true"]
    done = make("hub", *usual, f"PASSWORD={typed}", f"DATA=/srv/{typed}", "STUDENTS=3", "URL=https://hub.example.org")
    assert done.returncode == 0, done.stderr
    found = dict(line.split("=", 1) for line in (tmp_path / "environment").read_text().split("\0") if "=" in line)
    assert (found["DLBOOK_HUB_PASSWORD"], found["DLBOOK_MIRROR"]) == (typed, f"/srv/{typed}")
    assert (found["DLBOOK_HUB_STUDENTS"], found["DLBOOK_HUB_URL"]) == ("3", "https://hub.example.org") and "DLBOOK_HUB_PORT" not in found
    assert make("hub", *usual).returncode == 0
    assert "DLBOOK_HUB_PASSWORD" not in (tmp_path / "environment").read_text()


@pytest.mark.parametrize("log, words", [
    ("WARNING: Retrying ... NewConnectionError('Failed to establish a new connection')\nERROR: No matching distribution", "package index cannot be reached"),
    ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk filled up"),
    ("noise\nERROR: Cannot install a and b", "ERROR: Cannot install a and b"),
])
def test_why_pip_failed_is_said_in_a_sentence(log, words):
    assert words in bootstrap.reason(log) and "\n" not in bootstrap.reason(log)


def test_an_interrupted_setup_is_taken_up_again(monkeypatch, tmp_path):
    """The stamp is written last: a set-up that failed is not taken for a whole one."""
    for name, value in {"VENV": tmp_path / "venv", "LOG": tmp_path / "install.log"}.items():
        monkeypatch.setattr(bootstrap, name, value)
    installs = []

    def fail(extras):
        installs.append(extras)
        raise bootstrap.Stop("the network went away")

    monkeypatch.setattr(bootstrap, "make_venv", lambda: (tmp_path / "venv/bin").mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(bootstrap, "install", fail)
    assert bootstrap.main(["cpu"]) == 1 and not (tmp_path / "venv/installed").exists()
    monkeypatch.setattr(bootstrap, "install", installs.append)
    assert bootstrap.main(["cpu"]) == 0
    (tmp_path / "venv/bin/python").touch()
    assert bootstrap.main(["cpu"]) == 0 and len(installs) == 2  # the third time nothing is to do
    assert bootstrap.main(["lab"]) == 0 and installs[2] == {"cpu", "lab"}  # what is there stays


def test_workflows_are_valid():
    files = sorted(str(path) for path in (ROOT / ".github/workflows").glob("*.yml"))
    done = subprocess.run([sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *files], capture_output=True, text=True)
    assert len(files) == 3 and done.returncode == 0, done.stdout + done.stderr


def test_scripts_are_sound():
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, ROOT / ".ci/run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_nothing_but_our_own_is_committed():
    """No vendored scripts, data sets or large files; every committed file is small enough to read or made by the course."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    foreign = [name for name in listed if name.endswith((".min.js", ".woff2", ".gz", ".zip", ".npz", ".h5", ".pt", ".pkl"))]
    large = [name for name in listed if (ROOT / name).stat().st_size > 5e6]
    assert not foreign and not large
