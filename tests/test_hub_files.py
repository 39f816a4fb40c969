"""What runs the course for a class: read by the tools that will read it, and every file it names is there."""
import asyncio
import contextlib
import importlib.util
import json
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
HUB, BINDER = ROOT / "hub", ROOT / "binder"
SCRIPTS = sorted([*HUB.glob("slurm/*.sh"), BINDER / "postBuild"])
JOBS = {"one-gpu.sh": (1, 1), "one-node.sh": (1, 4), "two-nodes.sh": (2, 4)}  # nodes, GPUs a node

def tool(name):
    """Path of a command that pip installs."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    assert found, f"{name} is missing: run make test, which installs it"
    return found


def load(name):
    """A module of hub/, by path: it is no part of the package."""
    spec = importlib.util.spec_from_file_location(f"hub_{name}", HUB / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


settings = load("settings")
README, LAUNCH = (HUB / "README.md").read_text(), (ROOT / "book/launch.md").read_text()


def test_the_scripts_are_sound():
    done = subprocess.run([tool("shellcheck"), "--external-sources", *map(str, SCRIPTS)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert all(path.stat().st_mode & stat.S_IXUSR for path in SCRIPTS if path.name != "common.sh")


def test_the_linter_sees_a_planted_fault(tmp_path):
    (tmp_path / "bad.sh").write_text("#!/bin/bash\nrm -r $1/*\n")
    assert subprocess.run([tool("shellcheck"), str(tmp_path / "bad.sh")], capture_output=True).returncode == 1


def job(tmp_path, name, words=(), environment=None, body="exit 0"):
    """Run a job script with an srun and an scontrol that only write down what they were asked."""
    for command, does in {"srun": f'printf "%s\\n" "$@" > "{tmp_path}/asked.srun"; echo "$DLBOOK_THREADS" > "{tmp_path}/threads"; {body}',
                          "scontrol": f'echo "$@" >> "{tmp_path}/asked.scontrol"; [ "$1" = show ] && printf "n1\\nn2\\n" || true'}.items():
        (tmp_path / command).write_text(f"#!/bin/bash\n{does}\n")
        (tmp_path / command).chmod(0o755)
    nodes, gpus = JOBS[name]
    given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_ID": "123456", "SLURM_JOB_NAME": "j",
             "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_NUM_NODES": str(nodes), "SLURM_GPUS_ON_NODE": str(gpus), "SLURM_CPUS_PER_TASK": "72"}
    return subprocess.run(["bash", str(HUB / "slurm" / name), *words], cwd=tmp_path, env=given | (environment or {}),
                          capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", JOBS)
def test_each_job_starts_torchrun_once_a_node(name, tmp_path):
    nodes, gpus = JOBS[name]
    done = job(tmp_path, name, ["--epochs", "3"])
    assert done.returncode == 0, done.stderr
    words = (tmp_path / "asked.srun").read_text().split("\n")
    for word in (f"--ntasks={nodes}", "--ntasks-per-node=1", f"--nnodes={nodes}", f"--nproc-per-node={gpus}", "--rdzv-endpoint=n1:23456",
                 "--max-restarts=3", "dlbook.train.distributed", "--epochs"):
        assert word in words, word
    assert words[words.index("--out") + 1] == str(tmp_path / "results" / "j-123456") and (tmp_path / "results").is_dir()
    assert (tmp_path / "threads").read_text() == f"{72 // gpus}\n"
    text = (HUB / "slurm" / name).read_text()
    assert f"#SBATCH --nodes={nodes}\n" in text and f"--gres=gpu:gh200:{gpus}\n" in text and "#SBATCH --requeue\n" in text
    assert f"hub/slurm/{name}" in text


def test_a_job_whose_time_is_over_is_requeued_and_one_that_fails_fails(tmp_path):
    over = job(tmp_path, "one-gpu.sh", body="kill -USR1 $PPID; sleep 0.5; exit 75")
    assert over.returncode == 75 and "requeueing job 123456" in over.stdout
    assert "requeue 123456" in (tmp_path / "asked.scontrol").read_text()
    assert job(tmp_path, "one-gpu.sh", body="exit 3").returncode == 3


def test_a_job_can_run_in_a_container(tmp_path):
    assert job(tmp_path, "two-nodes.sh", environment={"RUN": "singularity exec /a/b.sif", "PYTHON": "python", "OUT": str(tmp_path / "o")}).returncode == 0
    words = (tmp_path / "asked.srun").read_text().split("\n")
    assert words[words.index("singularity"):][:6] == ["singularity", "exec", "/a/b.sif", "python", "-m", "torch.distributed.run"]


def test_the_image_is_sound():
    done = subprocess.run([tool("hadolint"), str(HUB / "image/Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_file_the_image_copies_is_there_and_not_kept_out():
    text = (HUB / "image/Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (.+)$", text, re.M) for word in line.split()[:-1]]
    kept_in = [line[1:] for line in (HUB / "image/Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    assert copied and sorted(copied) == sorted(kept_in) and all((ROOT / name).exists() for name in copied)
    assert re.search(r"\[\$\{ENGINE\},book,lab,hub\]", text) and "FROM python:3.11" in text


def test_every_file_the_readme_and_the_configurations_name_is_there():
    text = (HUB / "README.md").read_text()
    named = re.findall(r"`((?:kubernetes|image|csc|slurm)/[\w./-]*|\w+\.(?:py|txt))`", text) + re.findall(r"hub/((?:\w|[./-])+\.\w+)", text)
    assert len(named) > 10 and all((HUB / name).exists() for name in named), [name for name in named if not (HUB / name).exists()]
    assert (HUB / "overrides.json").is_file() and "hub/overrides.json" in (BINDER / "postBuild").read_text()
    viewers = json.loads((HUB / "overrides.json").read_text())["@jupyterlab/docmanager-extension:plugin"]["defaultViewers"]
    assert viewers == {"markdown": "Jupytext Notebook", "myst": "Jupytext Notebook"}


@pytest.mark.parametrize("site", ["roihu", "lumi"])
def test_the_course_modules(site):
    lua = (HUB / f"csc/www_{site}_modules/dlbook.lua").read_text()
    assert lua.startswith("-- Jupyter\n")
    values = dict(re.findall(r'^setenv\("(\w+)", "([^"]+)"\)$', lua, re.M))
    assert len(values) == sum(line.startswith("setenv") for line in lua.splitlines()) and "DLBOOK_MIRROR" in values
    assert (ROOT / values["_COURSE_NOTEBOOK"].removeprefix(values["_COURSE_BASE_NAME"] + "/")).is_file()
    asked = yaml.safe_load((HUB / f"csc/www_{site}_modules/dlbook-resources.yml").read_text())
    assert asked.keys() == {"cores", "time", "partition", "gpus"} and isinstance(asked["time"], str) and asked["gpus"] == 1
    assert "ORG" in lua and "replace both" in lua and values["PYTHONUSERBASE"].startswith("/projappl/project_2000000/")
    assert f"export PYTHONUSERBASE={values['PYTHONUSERBASE']}\n" in README and "--requirement hub/colab.txt" in README
    for page in (README, LAUNCH):
        assert all(word in page for word in ("`ORG`", "`project_2000000`", "Keras", "TensorFlow")), "what is to be replaced, and what is missing there"


VALUES = yaml.safe_load((HUB / "kubernetes/values.yaml").read_text())
# The parts of the chart's schema that the values use; the chart refuses other keys in these places.
CHART = {"type": "object", "additionalProperties": False, "properties": {
    "hub": {"type": "object", "additionalProperties": False, "properties": {"config": {"type": "object"}}},
    "proxy": {"type": "object", "additionalProperties": False, "properties": {"https": {
        "type": "object", "additionalProperties": False, "properties": {
            "enabled": {"type": "boolean"}, "hosts": {"type": "array", "items": {"type": "string"}},
            "letsencrypt": {"type": "object", "additionalProperties": False, "properties": {"contactEmail": {"type": "string"}}}}}}},
    "singleuser": {"type": "object", "additionalProperties": False, "properties": {
        "image": {"type": "object", "required": ["name", "tag"], "additionalProperties": False,
                  "properties": {"name": {"type": "string"}, "tag": {"type": "string"}}},
        "cmd": {"type": "string"}, "defaultUrl": {"type": "string"}, "startTimeout": {"type": "integer"},
        **{part: {"type": "object", "additionalProperties": False,
                  "properties": {"limit": {"type": ["number", "string"]}, "guarantee": {"type": ["number", "string"]}}} for part in ("memory", "cpu")},
        "extraEnv": {"type": "object", "additionalProperties": {"type": "string"}},
        "storage": {"type": "object", "additionalProperties": False, "properties": {
            "capacity": {"type": "string"}, "extraVolumes": {"type": "object"}, "extraVolumeMounts": {"type": "object"}}},
        "profileList": {"type": "array", "items": {"type": "object", "required": ["display_name", "slug"]}}}},
    "cull": {"type": "object", "required": ["enabled"], "additionalProperties": False, "properties": {
        "enabled": {"type": "boolean"}, **{name: {"type": "integer"} for name in ("timeout", "every", "maxAge")}}},
    "prePuller": {"type": "object", "required": ["hook", "continuous"], "additionalProperties": False, "properties": {
        "hook": {"type": "object", "required": ["enabled"]}, "continuous": {"type": "object", "required": ["enabled"]},
        "pullProfileListImages": {"type": "boolean"}}}}}


def test_the_helm_values_fit_the_charts_schema():
    import jsonschema

    jsonschema.validate(VALUES, CHART)
    with pytest.raises(jsonschema.ValidationError, match="'mem' was unexpected"):
        jsonschema.validate({"singleuser": {"mem": 1}}, CHART)
    assert "user_password" not in json.dumps(VALUES)


# A cluster that is never asked anything: KubeSpawner wants to know of one before it makes a pod's description.
NOWHERE = """
{apiVersion: v1, kind: Config, current-context: none, clusters: [{name: none, cluster: {server: "https://127.0.0.1:1"}}],
 users: [{name: none, user: {}}], contexts: [{name: none, context: {cluster: none, user: none}}]}
"""


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """The description of a cluster, where KubeSpawner looks for it."""
    from kubernetes_asyncio.config import kube_config

    (tmp_path / "config").write_text(NOWHERE)
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "config"))


def pod(slug):
    """The pod that KubeSpawner makes of the values, as the chart passes them on."""
    from kubespawner import KubeSpawner
    from kubernetes_asyncio.client import ApiClient

    one = VALUES["singleuser"]
    volumes, mounts = (list(one["storage"][name].values()) for name in ("extraVolumes", "extraVolumeMounts"))

    async def render():
        spawner = KubeSpawner(
            _mock=True, image=f"{one['image']['name']}:{one['image']['tag']}", cmd=one["cmd"], environment=dict(one["extraEnv"]), volumes=volumes,
            volume_mounts=mounts, mem_limit=one["memory"]["limit"], mem_guarantee=one["memory"]["guarantee"], cpu_limit=one["cpu"]["limit"],
            cpu_guarantee=one["cpu"]["guarantee"], profile_list=one["profileList"])
        spawner.user_options = {"profile": slug}
        await spawner.load_user_options()
        async with ApiClient() as client:
            return client.sanitize_for_serialization(await spawner.get_pod_manifest())
    return asyncio.run(render())["spec"]


def test_kubespawner_gives_the_gpu_pod_a_gpu(cluster):
    spec = pod("gpu")
    container = spec["containers"][0]
    assert container["image"].endswith("-cuda")
    for kind in ("limits", "requests"):
        assert container["resources"][kind]["nvidia.com/gpu"] == "1"
    assert container["resources"]["limits"]["memory"] == 24 * 2**30 and container["resources"]["limits"]["cpu"] == 8
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert environment["DLBOOK_PROFILE"] == "full" and environment["DLBOOK_MIRROR"] == "/srv/course-data"
    assert "CUDA_VISIBLE_DEVICES" not in environment
    assert any(m["mountPath"] == "/srv/course-data" and m["readOnly"] for m in container["volumeMounts"])
    assert any(v.get("persistentVolumeClaim", {}).get("readOnly") for v in spec["volumes"])


def test_kubespawner_gives_the_cpu_pod_none(cluster):
    container = pod("cpu")["containers"][0]
    assert container["image"].endswith("-cpu") and "nvidia.com/gpu" not in json.dumps(container["resources"])
    assert container["resources"]["limits"]["memory"] == 4 * 2**30


def test_the_course_data_volume_is_the_one_the_pods_mount():
    claim = yaml.safe_load((HUB / "kubernetes/course-data.yaml").read_text())
    mounted = VALUES["singleuser"]["storage"]["extraVolumes"]["course-data"]["persistentVolumeClaim"]
    assert claim["kind"] == "PersistentVolumeClaim" and claim["metadata"]["name"] == mounted["claimName"] and mounted["readOnly"] is True
    assert VALUES["singleuser"]["extraEnv"]["DLBOOK_MIRROR"] == VALUES["singleuser"]["storage"]["extraVolumeMounts"]["course-data"]["mountPath"]


GIVEN = {"DLBOOK_HUB_PASSWORD": "long enough", "DLBOOK_HUB_STATE": "/tmp/state", "DLBOOK_HUB_SPAWNER": "folders"}


@pytest.mark.parametrize("given, words", [
    ({"DLBOOK_HUB_PASSWORD": ""}, "DLBOOK_HUB_PASSWORD is not set; it must be the class password, at least 8"),
    ({"DLBOOK_HUB_PASSWORD": "short"}, "DLBOOK_HUB_PASSWORD has 5 characters; a class password has at least 8"),
    ({"DLBOOK_HUB_STATE": ""}, "DLBOOK_HUB_STATE is not set; it must be a folder"),
    ({"DLBOOK_HUB_SPAWNER": "docker"}, "DLBOOK_HUB_SPAWNER is 'docker'; it must be one of: accounts, folders"),
    ({"DLBOOK_HUB_STUDENTS": "0"}, "DLBOOK_HUB_STUDENTS is '0'; it must be a whole number from 1 to 1000"),
    ({"DLBOOK_HUB_PORT": "http"}, "DLBOOK_HUB_PORT is 'http'; it must be a whole number"),
    ({"DLBOOK_HUB_STUDENTS": "²"}, "DLBOOK_HUB_STUDENTS is '²'; it must be a whole number from 1 to 1000"),
    ({"DLBOOK_HUB_GPUS": "0, 1"}, "DLBOOK_HUB_GPUS is '0, 1'; it must be numbers of GPUs"),
    ({"DLBOOK_MIRROR": "/nowhere"}, "DLBOOK_MIRROR is '/nowhere', and there is no such folder"),
    ({"DLBOOK_HUB_SITE": "/nowhere"}, "DLBOOK_HUB_SITE is '/nowhere', and there is no such folder"),
    ({"DLBOOK_HUB_THRIFT": "yes"}, "DLBOOK_HUB_THRIFT is 'yes'; it must be a whole number from 0 to 1"),
])
def test_impossible_settings_are_refused_in_a_sentence(given, words):
    with pytest.raises(settings.Wrong, match=words):
        settings.Settings.from_environment(GIVEN | given)


def test_accounts_need_root(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(settings.Wrong, match="one account a student needs root; start the hub with sudo"):
        settings.Settings.from_environment({name: value for name, value in GIVEN.items() if name != "DLBOOK_HUB_SPAWNER"})


def test_cores_and_memory_are_shared(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(settings, "_machine_memory", lambda: 64 * 2**30)
    found = settings.Settings.from_environment(GIVEN | {"DLBOOK_HUB_STUDENTS": "8", "DLBOOK_HUB_GPUS": "0,1", "DLBOOK_MIRROR": str(tmp_path)})
    assert (found.threads, found.memory, found.gpus) == (2, 7 * 2**30, (0, 1))
    given = found.for_students("/opt/hub")
    assert given["DLBOOK_THREADS"] == given["OMP_NUM_THREADS"] == "2" and given["DLBOOK_MIRROR"] == str(tmp_path)
    assert given["TF_FORCE_GPU_ALLOW_GROWTH"] == "true" and given["PATH"].startswith("/opt/hub/bin:") and "DLBOOK_HUB_PASSWORD" not in given


class Student:
    """As much of a spawner as a hook reads."""

    def __init__(self, number, environment):
        self.user, self.environment = type("User", (), {"id": number, "name": "anna"})(), environment


def test_the_same_student_gets_the_same_gpu_and_nobody_anothers_environment():
    found = settings.Settings.from_environment(GIVEN | {"DLBOOK_HUB_GPUS": "4,7"})
    common = {"A": "1"}
    students = [Student(number, common) for number in (1, 2, 3)]
    for student in students:
        found.before_spawn(student)
    assert [student.environment["CUDA_VISIBLE_DEVICES"] for student in students] == ["7", "4", "7"] and common == {"A": "1"}
    alone = Student(1, common)
    settings.Settings.from_environment(GIVEN).before_spawn(alone)
    assert alone.environment["CUDA_VISIBLE_DEVICES"] == "-1"


def test_accounts_have_a_prefix_and_a_closed_home(monkeypatch, tmp_path):
    """A student who logs in as `root` gets `dl-root`; the system's commands are recorded, not run."""
    asked, home = [], tmp_path / "home"
    home.mkdir(mode=0o755)
    answers = iter([KeyError("no such account"), type("Account", (), {"pw_dir": str(home)})()])

    def getpwnam(name):
        assert name == "dl-root"
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer
    monkeypatch.setattr(settings.pwd, "getpwnam", getpwnam)
    monkeypatch.setattr(settings, "_run", lambda *words: asked.append(words))
    settings.make_account("root")
    assert [words[0] for words in asked] == ["groupadd", "useradd"] and asked[1][-1] == "dl-root" and "HOME_MODE=0700" in asked[1]
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name, good", [
    ("anna", True), ("anna-2", True), ("a" * 24, True), ("Anna", True), ("anna smith", False), ("anna;id", False), ("a" * 25, False), ("a" * 60, False),
    ("9anna", False), ("Äiti", False), ("anna\nroot", False), ("-anna", False), ("", False)])
def test_which_names_students_log_in_with(name, good):
    """JupyterHub compares the beginning of a name alone; it makes capitals small first."""
    from jupyterhub.auth import Authenticator

    for pattern in (settings.NAMES, VALUES["hub"]["config"]["Authenticator"]["username_pattern"]):
        checks = Authenticator(username_pattern=pattern, allow_all=True)
        assert checks.validate_username(checks.normalize_username(name)) is good


def test_the_pages_say_which_names_students_log_in_with():
    said = VALUES["hub"]["config"]["JupyterHub"]["template_vars"]["announcement_login"]
    assert settings.NAMES_IN_WORDS in said and all(settings.NAMES_IN_WORDS in " ".join(page.split()) for page in (README, LAUNCH))


def test_the_sockets_of_kernels_fit_below_every_home(tmp_path):
    assert settings.sockets_fit(settings.sockets_of("/home/dl-" + "a" * 24)) and not settings.sockets_fit(settings.sockets_of("/home/" + "a" * 60))
    folder = settings.private(tmp_path / "own")
    assert settings.private(folder) == folder and folder.stat().st_mode & 0o777 == 0o700
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(RuntimeError, match="link belongs to another account; remove it"):
        settings.private(tmp_path / "link")


def test_a_home_too_long_for_sockets_is_told():
    assert settings.account_sockets("/home/dl-anna") == Path("/home/dl-anna/.run")
    with pytest.raises(RuntimeError, match="has a name so long that no kernel's socket can lie in it"):
        settings.account_sockets("/home/" + "a" * 60)


def test_the_folder_of_data_is_named_from_the_root(monkeypatch, tmp_path):
    """Students' programs work in other folders than the one where the hub was started."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    assert settings.Settings.from_environment(GIVEN | {"DLBOOK_MIRROR": "data"}).for_students("/opt/hub")["DLBOOK_MIRROR"] == str(tmp_path / "data")


def test_a_process_that_takes_too_much_memory_ends_alone():
    code = "x = bytearray(300 * 2**20)"
    for memory, works in ((200 * 2**20, False), (None, True)):
        done = subprocess.run([sys.executable, "-S", "-c", code], preexec_fn=lambda memory=memory: settings.limits(memory), capture_output=True, text=True)
        assert (done.returncode == 0) is works and works is not ("MemoryError" in done.stderr)
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] != 200 * 2**20


def test_jupyterhub_reads_the_configuration(tmp_path):
    done = subprocess.run([sys.executable, "-m", "jupyterhub", "--config", str(HUB / "jupyterhub_config.py"), "--show-config-json"], cwd=tmp_path,
                          env=os.environ | GIVEN | {"DLBOOK_HUB_STATE": str(tmp_path / "state"), "DLBOOK_HUB_PORT": "18800"},
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "FolderSpawner" in done.stdout and "18800" in done.stdout and "jupyterhub_idle_culler" in done.stdout
    found = json.loads(done.stdout[done.stdout.index("{"):])
    assert "--KernelManager.transport=ipc" in found["Spawner"]["args"] and ("--allow-root" in found["Spawner"]["args"]) is (os.getuid() == 0)
    assert found["Authenticator"]["username_pattern"] == settings.NAMES
    assert settings.NAMES_IN_WORDS in found["JupyterHub"]["template_vars"]["announcement_login"]
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_binder_has_the_courses_environment_but_for_its_tests():
    """Binder reads its own folder only, so the two files are held together here."""
    main, binder = (yaml.safe_load((folder / "environment.yml").read_text()) for folder in (ROOT, BINDER))
    assert {name: main[name] for name in ("name", "channels")} == {name: binder[name] for name in ("name", "channels")}
    assert main["dependencies"][:-1] == binder["dependencies"][:-1]
    index = "--extra-index-url https://download.pytorch.org/whl/cpu"
    assert main["dependencies"][-1]["pip"] == [index, "--constraint constraints.txt", "--editable .[cpu,book,hub,lab,test]"]
    assert binder["dependencies"][-1]["pip"] == [index, "--constraint ../constraints.txt", "--editable ..[cpu,book,lab]"]


def test_repo2docker_accepts_the_repository():
    done = subprocess.run([tool("jupyter-repo2docker"), "--no-build", "--debug", str(ROOT)], capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-2000:]
    assert "binder/environment.yml" in said and "binder/postBuild" in said


# ---------------------------------------------------------------- hub/README.md and the page Launch

def block(text, word):
    """The block of code, of a page, that has a word."""
    return next(found for found in re.findall(r"```\w*\n(.+?)```", text, re.DOTALL) if word in found)


def test_the_proxy_lets_notebooks_be_saved():
    """nginx lets 1 MB through unless it is told otherwise."""
    nginx = block(README, "proxy_pass")
    assert re.search(r"^  client_max_body_size 100m;$", nginx, re.MULTILINE) and "proxy_set_header Upgrade $http_upgrade;" in nginx


def test_the_hub_can_outlive_its_terminal():
    import configparser

    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(block(README, "ExecStart"))
    service = unit["Service"]
    assert service["ExecStart"] == "/usr/bin/make hub STUDENTS=8" and service["KillMode"] == "process" and service["WorkingDirectory"] == "/opt/dlbook"
    assert unit["Install"]["WantedBy"] == "multi-user.target" and "tmux" in README and "tmux" in LAUNCH and "hub/README.md" in LAUNCH


def test_every_setting_of_make_hub_is_listed():
    settings_of_make = set(re.findall(r"\b([A-Z]+):(?:DLBOOK_\w+)", (ROOT / "Makefile").read_text()))
    assert {"STUDENTS", "PORT", "URL", "PASSWORD", "DATA", "GPUS"} == settings_of_make == set(re.findall(r"^\| `([A-Z]+)=", README, re.MULTILINE))
    assert "URL=https://hub.example.org" in LAUNCH
    read = set(re.findall(r'"(DLBOOK_\w+)"', (HUB / "start.py").read_text() + (HUB / "settings.py").read_text())) - {"DLBOOK_THREADS"}
    listed = set(re.findall(r"^(DLBOOK_\w+) ", (HUB / "jupyterhub_config.py").read_text() + (HUB / "start.py").read_text(), re.MULTILINE))
    assert read == listed


def test_training_without_slurm_goes_on_after_a_kill():
    for page in (README, LAUNCH):
        line = next(line for line in page.splitlines() if "dlbook.train.distributed" in line)
        assert line == ".venv/bin/torchrun --standalone --nproc-per-node 2 --max-restarts 3 -m dlbook.train.distributed --out results"
    assert (Path(sys.prefix) / "bin" / "torchrun").is_file()


# JupyterHub's version in each chart; shared-password came with 5.3.0.
CHARTS = {"4.1.0": "5.2.1", "4.2.0": "5.3.0", "4.3.3": "5.4.4", "4.4.0": "5.5.0"}


def test_the_image_has_the_jupyterhub_of_the_chart():
    chart = re.search(r"helm upgrade --install dlbook jupyterhub/jupyterhub --version (\S+) ", README)[1]
    text = (HUB / "image/Dockerfile").read_text()
    version = re.search(r"^ARG JUPYTERHUB=(\S+)$", text, re.MULTILINE)[1]
    assert version == CHARTS[chart] and tuple(map(int, version.split("."))) >= (5, 3, 0)
    assert f"The chart {chart} runs JupyterHub {version}" in README and f"the chart {chart}, which hub/README.md names" in text
    assert '"jupyterhub==${JUPYTERHUB}"' in text
    dropped = re.search(r"grep -v '(\S+)' constraints.txt", text)[1]
    kept = subprocess.run(["grep", "-v", dropped, "constraints.txt"], cwd=ROOT, capture_output=True, text=True).stdout
    assert "jupyterhub==" not in [line[:12] for line in kept.splitlines()] and "jupyterhub-idle-culler==" in kept


def test_the_steps_to_a_cluster_are_complete_and_in_order():
    steps = block(README, "helm upgrade")
    order = ["docker build", "docker push", "helm repo add jupyterhub https://hub.jupyter.org/helm-chart/", "kubectl create namespace dlbook",
             "kubectl apply --namespace dlbook", "helm upgrade --install"]
    assert [steps.index(step) for step in order] == sorted(steps.index(step) for step in order)
    images = {f"{VALUES['singleuser']['image']['name']}:{VALUES['singleuser']['image']['tag']}", VALUES["singleuser"]["profileList"][1]["kubespawner_override"]["image"]}
    assert images == set(re.findall("--tag (\\S+)", steps)) == set(re.findall("docker push (\\S+)", steps))
    assert all(f"`{word}`" in README for word in ("ORG", "hub.example.org", "teacher@example.org", "secret.yaml"))


def test_servers_end_after_twelve_hours_everywhere():
    assert VALUES["cull"]["maxAge"] == 12 * 3600 and VALUES["cull"]["timeout"] == 3600
    assert "--max-age={12 * HOUR}" in (HUB / "jupyterhub_config.py").read_text() and "twelve at most" in LAUNCH and "twelve hours end any" in README


# ---------------------------------------------------------------- hub/start.py and hub/course.py

start, course = load("start"), load("course")


@pytest.fixture
def repository(tmp_path):
    """A small clone with one file."""
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "a.txt").write_text("first")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=clone, check=True)
    return clone


@pytest.fixture
def served(repository, tmp_path):
    """The hub's service, in a thread; yields its address."""
    import threading

    import tornado.httpserver
    import tornado.ioloop
    import tornado.netutil

    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<p>front</p>")
    (tmp_path / "secret.txt").write_text("secret")
    ready, stop = threading.Event(), []

    def serve():
        asyncio.set_event_loop(asyncio.new_event_loop())
        loop, sockets = tornado.ioloop.IOLoop.current(), tornado.netutil.bind_sockets(0, "127.0.0.1")
        tornado.httpserver.HTTPServer(course.application(repository, tmp_path / "site", "/services/course/")).add_sockets(sockets)
        stop[:] = [sockets[0].getsockname()[1], lambda: loop.add_callback(loop.stop)]
        ready.set()
        loop.start()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(10)
    yield f"http://127.0.0.1:{stop[0]}/services/course"
    stop[1]()
    thread.join(10)


def clone_of(address, folder, *words):
    """What Git says when it clones."""
    return subprocess.run(["git", "clone", "--quiet", *words, f"{address}/git/dlbook", str(folder)], capture_output=True, text=True, timeout=60)


def test_the_service_shows_the_site_and_gives_the_course_for_reading_alone(served, repository, tmp_path):
    import requests

    assert requests.get(f"{served}/", timeout=10).text == "<p>front</p>" and requests.get(f"{served}/site/", timeout=10).headers["Cache-Control"] == "no-cache"
    for path in ("/site/../secret.txt", "/site/%2e%2e/secret.txt", "/git/dlbook/../../secret.txt", "/git/dlbook/config", "/git/dlbook/objects/info/packs/../../../config"):
        # not by a library that would tidy the address up first
        got = subprocess.run(["curl", "--silent", "--path-as-is", "--write-out", "%{http_code}", f"{served}{path}"], capture_output=True, text=True, timeout=20).stdout \
            if shutil.which("curl") else requests.get(f"{served}{path}", timeout=10).text
        assert "secret" not in got and "repositoryformatversion" not in got, path
    assert clone_of(served, tmp_path / "one", "--depth", "1").returncode == 0 and (tmp_path / "one" / "a.txt").read_text() == "first"
    (repository / "b.txt").write_text("second")
    for words in (["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-qm", "y"]):
        subprocess.run(["git", *words], cwd=repository, check=True)
    assert subprocess.run(["git", "pull", "--quiet"], cwd=tmp_path / "one").returncode == 0 and (tmp_path / "one" / "b.txt").is_file()
    pushed = subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "push", "origin", "HEAD:planted"], cwd=tmp_path / "one", capture_output=True, text=True)
    assert pushed.returncode and "planted" not in subprocess.run(["git", "branch"], cwd=repository, capture_output=True, text=True).stdout


def test_the_password_is_drawn_once_and_only_its_owner_reads_it(tmp_path):
    first = start.kept_password(tmp_path / "password")
    assert start.kept_password(tmp_path / "password") == first and len(first) >= settings.FEWEST
    assert (tmp_path / "password").stat().st_mode & 0o777 == 0o600


def test_a_password_that_a_full_disk_left_empty_is_drawn_anew(tmp_path, monkeypatch):
    (tmp_path / "password").write_text("")
    assert len(start.kept_password(tmp_path / "password")) >= settings.FEWEST

    def full(number):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(start.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        start.kept_password(tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["password"]


def test_a_folder_on_a_full_disk_is_told(tmp_path, monkeypatch, capsys):
    given = {"DLBOOK_HUB_STATE": str(tmp_path / "state")}
    monkeypatch.setattr(start.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 12e6}))
    with pytest.raises(start.Wrong, match="the hub keeps its own files in .*state, on a disk with 12 MB free; it needs 200 MB. Make room, or name another folder"):
        start.state_folder(given)
    monkeypatch.undo()

    def full(given):
        raise OSError(28, "No space left on device", "/srv/x")
    monkeypatch.setattr(start, "prepared", full)
    monkeypatch.setenv("DLBOOK_HUB_STATE", given["DLBOOK_HUB_STATE"])
    assert start.main() == 1
    assert capsys.readouterr().err == ("dlbook: the hub cannot be started (/srv/x: No space left on device); see to that and run the same command again.\n")


@pytest.mark.parametrize("text", ["", "\n", "none", "999999999", "-1", "1 2"])
def test_a_proxy_whose_number_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / "proxy.pid").write_text(text)
    assert not start.outlived(tmp_path / "proxy.pid") and not start.outlived(tmp_path / "nowhere")


def test_a_second_hub_is_refused_while_the_first_lives_and_not_afterwards(tmp_path):
    """The hub holds the lock, and what started it; the programs that the hub starts do not, and `kill -9` frees it."""
    first = start.alone(tmp_path)
    hub = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '60']).pid, flush=True); time.sleep(60)"
    one = subprocess.Popen([sys.executable, "-c", hub, "jupyterhub"], stdout=subprocess.PIPE, text=True, pass_fds=(first.fileno(),))
    server = int(one.stdout.readline())
    start.holders(first, 999999999, one.pid)
    for close in (lambda: None, first.close):  # what started it may be gone
        close()
        with pytest.raises(start.Wrong, match=f"the hub of process {one.pid} still runs, and two hubs cannot share the folder .*; end it: kill {one.pid}$"):
            start.alone(tmp_path)
    one.kill()
    one.wait(10)
    os.kill(server, 0)  # a student's server lives on
    start.alone(tmp_path).close()
    os.kill(server, 15)


def test_a_killed_hubs_culler_is_ended_and_the_students_servers_are_not():
    program = [sys.executable, "-c", "import time; time.sleep(60)"]

    def process(port, **given):
        return subprocess.Popen(program, env=os.environ | {"JUPYTERHUB_API_URL": f"http://127.0.0.1:{port}/hub/api"} | given)
    culler, other = process(18901, JUPYTERHUB_SERVICE_NAME="culler"), process(28901, JUPYTERHUB_SERVICE_NAME="culler")
    server = process(18901, JUPYTERHUB_USER="anna")
    try:
        start.end_services(18900)
        assert culler.poll() is not None and other.poll() is None and server.poll() is None
    finally:
        for one in (culler, other, server):
            one.kill()
            one.wait(5)


# start.py with another program in the place of the hub: it says that it runs, and it ends when it is told to.
HUNG_UP = """
import signal, subprocess, sys
sys.path.insert(0, {hub!r})
import start
start.prepared, start.answers, start.check_ports, start.check_readable = dict, lambda hub, settings: True, lambda settings: None, lambda settings: None
start.started = lambda given, log, lock: subprocess.Popen(["sleep", "60"], start_new_session=True)
start.welcome = lambda *given: "it runs"
sys.exit(start.main())
"""


@pytest.mark.parametrize("before, ends", [([], True), (["nohup"], False)])
def test_the_end_of_the_terminal_ends_the_hub_with_all_its_parts(tmp_path, before, ends):
    import psutil

    given = GIVEN | {"DLBOOK_HUB_STATE": str(tmp_path), "DLBOOK_HUB_PORT": "18910"}
    one = subprocess.Popen([*before, sys.executable, "-c", HUNG_UP.format(hub=str(HUB))], env=os.environ | given, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                           preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))  # the tests may run under nohup themselves
    assert one.stdout.readline() == "it runs\n"
    hub = psutil.Process(one.pid).children()[0]
    one.send_signal(1)
    if not ends:
        with pytest.raises(subprocess.TimeoutExpired):
            one.wait(1)
        one.terminate()
    assert one.wait(10) == 0 and not hub.is_running()


def test_the_address_that_students_type_is_printed(tmp_path):
    found = settings.Settings.from_environment(GIVEN)
    assert "The hub is at           https://hub.example.org/\n" in start.welcome(found, {"DLBOOK_HUB_URL": "https://hub.example.org/"}, tmp_path)
    assert "The hub is at           http://127.0.0.1:8000/\n" in start.welcome(found, {"DLBOOK_HUB_URL": ""}, tmp_path)
    assert settings.NAMES_IN_WORDS in start.welcome(found, {}, tmp_path)
    with pytest.raises(start.Wrong, match="DLBOOK_HUB_URL is 'hub.example.org'; it must be the whole address"):
        start.check_url({"DLBOOK_HUB_URL": "hub.example.org"})


@pytest.mark.parametrize("built, said", [("[('is_cuda_build', False), ('x', True)]", True), ("[('is_cuda_build', True)]", False), ("{'is_cuda_build': True}", False)])
def test_gpus_without_a_tensorflow_for_them_are_told(tmp_path, monkeypatch, capsys, built, said):
    folder = tmp_path / "tensorflow" / "python" / "platform"
    folder.mkdir(parents=True)
    (folder / "build_info.py").write_text(f"build_info = collections.OrderedDict({built})\n")
    monkeypatch.setattr(start.importlib.util, "find_spec", lambda name: type("Spec", (), {"origin": str(tmp_path / "tensorflow" / "__init__.py")})())
    start.check_gpus(settings.Settings.from_environment(GIVEN | {"DLBOOK_HUB_GPUS": "0,1"}))
    assert ("built without CUDA. Install the other one and start again: make hub GPUS=0,1" in capsys.readouterr().err) is said
    start.check_gpus(settings.Settings.from_environment(GIVEN))
    assert capsys.readouterr().err == ""


def test_the_installed_tensorflow_says_what_it_was_built_for():
    from importlib import metadata

    names = {found.metadata["Name"] for found in metadata.distributions()}
    assert start.built_for_gpus() is ("tensorflow-cpu" not in names and any(name.startswith("nvidia-cudnn") for name in names if name))


def test_course_data_that_students_cannot_read_is_told(tmp_path, monkeypatch):
    import dataclasses

    data = tmp_path / "closed" / "data"
    data.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    found = dataclasses.replace(settings.Settings.from_environment(GIVEN), accounts=True, mirror=str(data))
    monkeypatch.setattr(start, "closed_folders", lambda *paths: [path.parent for path in paths if path == data])
    with pytest.raises(start.Wrong, match=r"cannot enter .*/closed, where the course data .*/data lies; put it where everybody can read it"):
        start.check_readable(found)


def test_a_folder_that_is_no_clone_and_a_port_in_use_are_told(tmp_path, repository):
    with pytest.raises(start.Wrong, match="is no Git clone with a branch checked out"):
        start.branch(tmp_path)
    assert start.branch(repository) == "main"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        given = settings.Settings.from_environment(GIVEN | {"DLBOOK_HUB_PORT": str(port), "DLBOOK_HUB_STATE": str(tmp_path)})
        with pytest.raises(start.Wrong, match=f"port {port} is in use, and the hub takes 4 ports"):
            start.check_ports(given)


def test_closed_folders_are_found_from_the_top_down(tmp_path):
    inner = tmp_path / "open" / "closed" / "inner"
    inner.mkdir(parents=True)
    for folder, mode in ((tmp_path, 0o755), (tmp_path / "open", 0o755), (tmp_path / "open" / "closed", 0o700), (inner, 0o700)):
        folder.chmod(mode)
    found = start.closed_folders(inner, tmp_path / "open")
    assert found[-2:] == [tmp_path / "open" / "closed", inner] and tmp_path / "open" not in found


def test_overrides_are_installed_where_jupyterlab_looks(tmp_path):
    start.install_overrides(tmp_path)
    assert json.loads((tmp_path / "share/jupyter/lab/settings/overrides.json").read_text())["@jupyterlab/docmanager-extension:plugin"]
    settings = json.loads((tmp_path / "etc/jupyter/jupyter_server_config.json").read_text())["ServerApp"]["tornado_settings"]
    assert settings == {"websocket_max_message_size": 64 * 2**20}


SERVERS = {"hub/image/Dockerfile": "/usr/local/etc/jupyter/", "binder/postBuild": "${NB_PYTHON_PREFIX}/etc/jupyter/", "Makefile": ".venv/etc/jupyter"}


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_of_the_course_is_told_to_take_uploads(name):
    assert re.search(rf"(COPY|cp) hub/jupyter_server_config\.json \"?{re.escape(SERVERS[name])}", (ROOT / name).read_text())


@pytest.mark.parametrize("told", [True, False])
def test_a_server_takes_a_message_as_large_as_a_photo(tmp_path, told):
    """A real server and its kernel: with the course's settings 60 MB arrive and the kernel answers, without them the connection is cut."""
    start.install_overrides(tmp_path)
    if not told:  # Jupyter's own limit, whatever this environment has been told
        file = tmp_path / "etc/jupyter/jupyter_server_config.json"
        file.write_text(file.read_text().replace(str(64 * 2**20), str(10 * 2**20)))
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "jupyter", "server", f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--allow-root",
                               "--no-browser", "--IdentityProvider.token=secret", f"--ServerApp.root_dir={tmp_path}"],
                              env=os.environ | {"JUPYTER_CONFIG_PATH": str(tmp_path / "etc/jupyter"), "JUPYTER_CONFIG_DIR": str(tmp_path / "own"),
                                                "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime")},
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert asyncio.run(asyncio.wait_for(_photo_through(port, 60 * 10**6), 90)) is told
    finally:
        server.terminate()
        server.wait(30)


async def _photo_through(port, size):
    """Whether a kernel answers to a message with so many bytes."""
    from tornado.httpclient import AsyncHTTPClient, HTTPRequest
    from tornado.websocket import WebSocketClosedError, websocket_connect

    address, identity = f"127.0.0.1:{port}/api/kernels", {"Authorization": "token secret"}
    while True:
        try:
            made = await AsyncHTTPClient().fetch(f"http://{address}", method="POST", body="{}", headers=identity)
            break
        except OSError:  # it starts
            await asyncio.sleep(0.2)
    kernel = await websocket_connect(HTTPRequest(f"ws://{address}/{json.loads(made.body)['id']}/channels", headers=identity))
    content = {"code": "", "silent": True, "photo": "x" * size}
    head = {"msg_id": "photo", "msg_type": "execute_request", "session": "s", "username": "", "version": "5.3", "date": "2026-01-01T00:00:00Z"}
    with contextlib.suppress(WebSocketClosedError):  # it is cut before all is sent
        await kernel.write_message(json.dumps({"channel": "shell", "header": head, "parent_header": {}, "metadata": {}, "content": content}))
    while (answer := await kernel.read_message()) is not None:
        answer = json.loads(answer) if isinstance(answer, str) else {}
        if answer.get("msg_type") == "execute_reply" and answer["parent_header"]["msg_id"] == "photo":
            return answer["content"]["status"] == "ok"
    return False


def test_a_state_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(start.Wrong, match="DLBOOK_HUB_STATE is .* which cannot be made"):
        start.prepared({"DLBOOK_HUB_STATE": str(tmp_path / "file" / "state")})
