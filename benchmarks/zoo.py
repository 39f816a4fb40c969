"""Times our networks beside torchvision's and keras.applications', with the same weights and the same images.

    .venv/bin/python benchmarks/zoo.py --only resnet50 vgg16 --threads 2 --json times.json

Each framework runs in a process of its own. A network and its peer take turns (A B A B) after a warm-up; what counts is the
median, and the ratio of the medians: below 1, ours is faster.
"""
import dataclasses
import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]  # peers.py, which imports torchvision on any build of PyTorch; turns.py

from turns import alternate, compare, positive  # noqa: E402  (found only now)

from dlbook.command import Parser  # noqa: E402

FRAMEWORKS = ("torch", "keras")
TASKS = {"train": 8, "infer 1": 1, "infer 8": 8}  # what is timed: images at once
REPEATS = 7
LEARNING_RATE = 1e-4  # small, so that random weights stay finite
AGREE = 1e-3  # outputs that differ by more, relative, are not the same network's


@dataclasses.dataclass(frozen=True)
class Pair:
    """A network of ours and the same network elsewhere.

    Args:
        system: folder under `dlbook.cnn`, and the name of the function that builds the network.
        architecture: function of the system's spec -> the architecture that the peer has.
        peer: function of the size of the images -> the peer.
        names: function of (spec, architecture, peer) -> function of our layers' names -> the peer's.
        fixed: the peer reads images of its own size only.
    """
    system: str
    architecture: object
    peer: object
    names: object
    fixed: bool = False


@dataclasses.dataclass(frozen=True)
class Time:
    """Median seconds of one task.

    Args:
        network, framework, task: what was timed.
        size: side of the images, pixels.
        batch: images at once.
        ours, peer: seconds.
        difference: of the outputs before the timing, relative.
    """
    network: str
    framework: str
    task: str
    size: int
    batch: int
    ours: float
    peer: float
    difference: float

    @property
    def ratio(self):
        """Our time as a share of the peer's."""
        return self.ours / self.peer


def torchvision(system, key, name, by_architecture=False, fixed=False, **options):
    """The Pair of a torchvision model."""
    def peer(size):
        from peers import torchvision_models

        return getattr(torchvision_models(), name)(weights=None, **options)

    def names(spec, a, _):
        return spec.torchvision_name(a) if by_architecture else spec.torchvision_name

    return Pair(system, lambda spec: spec.VARIANTS[key], peer, names, fixed)


def applications(system, key, name, table="KERAS", counted=False):
    """The Pair of a model of keras.applications."""
    def peer(size):
        from keras import applications as models

        return getattr(models, name)(weights=None, input_shape=(size, size, 3), classifier_activation=None)

    def names(spec, a, model):
        return spec.keras_names([layer.name for layer in model.layers]) if counted else spec.keras_name

    return Pair(system, lambda spec: getattr(spec, table)[key], peer, names)


WITHOUT_HEADS = {"aux_logits": False, "transform_input": False, "init_weights": False}
NETWORKS = {
    "torch": {
        "alexnet": torchvision("alexnet", "one-tower", "alexnet", fixed=True),
        **{f"vgg{n}": torchvision("vgg", n, f"vgg{n}", by_architecture=True, fixed=True) for n in ("11", "13", "16", "19")},
        "googlenet": torchvision("googlenet", "torchvision", "googlenet", **WITHOUT_HEADS),
        "inception_v3": torchvision("inception", "torchvision", "inception_v3", **WITHOUT_HEADS),
        **{f"resnet{n}": torchvision("resnet", n, f"resnet{n}") for n in ("18", "34", "50", "101", "152")},
        **{f"densenet{n}": torchvision("densenet", n, f"densenet{n}") for n in ("121", "169", "201")},
        "mobilenet_v2": torchvision("mobilenet2", "1.0", "mobilenet_v2"),
        **{f"squeezenet{n}": torchvision("squeezenet", n, f"squeezenet{n.replace('.', '_')}", by_architecture=True) for n in ("1.0", "1.1")},
    },
    "keras": {
        **{f"vgg{n}": applications("vgg", n, f"VGG{n}") for n in ("16", "19")},
        "inception_v3": applications("inception", "keras", "InceptionV3", "VARIANTS", counted=True),
        **{f"resnet{n}": applications("resnet", n, f"ResNet{n}") for n in ("50", "101", "152")},
        **{f"densenet{n}": applications("densenet", n, f"DenseNet{n}") for n in ("121", "169", "201")},
        "mobilenet_v1": applications("mobilenet", "1.0", "MobileNet", "VARIANTS"),
        "mobilenet_v2": applications("mobilenet2", "1.0", "MobileNetV2"),
        "nasnet_mobile": applications("nasnet", "mobile", "NASNetMobile", "VARIANTS"),
    },
}


def main(words=None):
    """Measure, print the table, write the JSON file.

    Args:
        words: the command line's; None takes those of the process.

    Returns:
        list of Time.
    """
    return compare("times", arguments(words), measure, in_a_process, table)


def arguments(words=None):
    """Read the command line; a slip ends the program with one sentence."""
    known = sorted({name for networks in NETWORKS.values() for name in networks})
    parser = Parser(prog="zoo.py", description="Time our networks beside torchvision's and keras.applications'.")
    parser.add_argument("--only", nargs="+", choices=known, default=known, metavar="NETWORK", help=f"of: {', '.join(known)}")
    parser.add_argument("--framework", nargs="+", choices=FRAMEWORKS, default=list(FRAMEWORKS), help="both without it")
    parser.add_argument("--size", type=positive, help="side of the images, pixels; without it each network's own")
    parser.add_argument("--threads", type=positive, default=2, help="processor threads (2)")
    parser.add_argument("--repeats", type=positive, default=REPEATS, help=f"turns of each network ({REPEATS})")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="what is timed")
    parser.add_argument("--json", metavar="FILE", help="write the times there too")
    options = parser.parse_args(words)
    for framework in options.framework:
        for name in options.only:
            if options.size and name in NETWORKS[framework] and NETWORKS[framework][name].fixed:
                parser.error(f"the peer of {name} in {framework} reads images of its own size only; leave --size out, or {name}")
    if not any(name in NETWORKS[framework] for framework in options.framework for name in options.only):
        parser.error(f"{', '.join(options.only)} has no peer in {', '.join(options.framework)}")
    return options


def in_a_process(framework, options):
    """The times of one framework, measured by this program in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "times.json"
        command = [sys.executable, __file__, "--framework", framework, "--json", path, "--threads", options.threads, "--repeats", options.repeats,
                   "--tasks", *options.tasks, *(["--size", options.size] if options.size else [])]
        only = [name for name in options.only if name in NETWORKS[framework]]
        if not only:
            return []
        subprocess.run([str(word) for word in [*command, "--only", *only]], check=True, stdout=subprocess.DEVNULL)
        return [Time(**{field.name: row[field.name] for field in dataclasses.fields(Time)}) for row in json.loads(path.read_text())["times"]]


def measure(options):
    """Time the chosen networks of one framework, in this process; returns a list of Time."""
    from dlbook import profile

    framework = options.framework[0]
    profile.setup(framework)
    found = []
    for name in options.only:
        if name in NETWORKS[framework]:
            found += measure_pair(name, framework, NETWORKS[framework][name], options)
    return found


def measure_pair(name, framework, pair, options):
    """Time one network and its peer; returns a list of Time.

    Raises:
        RuntimeError: the two do not compute the same.
    """
    spec = importlib.import_module(f"dlbook.cnn.{pair.system}.spec")
    a = pair.architecture(spec)
    a = dataclasses.replace(a, size=options.size or a.size)
    twins = {"torch": torch_twins, "keras": keras_twins}[framework](pair, spec, a)
    difference, found = twins.difference(), []
    if not difference <= AGREE:
        raise RuntimeError(f"{name} in {framework} and its peer do not compute the same: their outputs differ by {difference:g}.")
    for task in options.tasks:
        ours, peer = alternate(*twins.jobs(task), options.repeats)
        found.append(Time(name, framework, task, a.size, TASKS[task], ours, peer, difference))
        print(f"{name} {framework} {task}: {found[-1].ratio:.2f}", file=sys.stderr, flush=True)
    return found


@dataclasses.dataclass(frozen=True)
class Twins:
    """A network and its peer with the same weights.

    Args:
        ours, peer: the two models.
        inputs: function of a batch size -> (our inputs, the peer's).
        train, infer: functions of a model and its inputs, which make a job of them.
        logits: function of a model and its inputs -> array.
    """
    ours: object
    peer: object
    inputs: object
    train: object
    infer: object
    logits: object

    def jobs(self, task):
        """Two functions without arguments that do the task once."""
        make = self.train if task == "train" else self.infer
        return [make(model, inputs) for model, inputs in zip((self.ours, self.peer), self.inputs(TASKS[task]), strict=True)]

    def difference(self):
        """How far the outputs for two images are apart, relative."""
        from dlbook.parity import compare

        return compare.difference(*(self.logits(model, x) for model, x in zip((self.peer, self.ours), self.inputs(2)[::-1], strict=True)))


def batch(a, n):
    """n images of noise (n, size, size, channels), floating point in [0, 1]."""
    import numpy as np

    return np.random.default_rng(0).random((n, a.size, a.size, a.channels), dtype=np.float32)


def torch_twins(pair, spec, a):
    """The two networks in PyTorch."""
    from dlbook import profile
    from dlbook.cnn.blocks import start

    twin = importlib.import_module(f"dlbook.cnn.{pair.system}.with_torch")
    peer = pair.peer(a.size)
    arrays = {name: value.numpy() for name, value in peer.state_dict().items()}
    ours = getattr(twin, pair.system)(a, weights=start.from_torchvision(arrays, spec.table(a), pair.names(spec, a, peer)))
    peer = peer.to(profile.torch_device())

    def inputs(n):
        x = twin.to_inputs(ours, batch(a, n))
        return x, x.contiguous()  # each in the memory layout that it is used with

    return Twins(ours, peer, inputs, torch_training, torch_inference, torch_logits)


def torch_training(model, inputs):
    """A job: forward, backward, a step of gradient descent."""
    import torch

    optimizer = torch.optim.SGD(model.train().parameters(), LEARNING_RATE)
    labels = torch.zeros(len(inputs), dtype=torch.long, device=inputs.device)

    def job():
        model.train()
        loss = torch.nn.functional.cross_entropy(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch_wait(inputs)

    return job


def torch_inference(model, inputs):
    """A job: forward alone, in evaluation mode."""
    import torch

    def job():
        with torch.inference_mode():
            model.eval()(inputs)
        torch_wait(inputs)

    return job


def torch_wait(inputs):
    """A GPU answers before it has finished; wait for it."""
    import torch

    if inputs.is_cuda:
        torch.cuda.synchronize()


def torch_logits(model, inputs):
    """The outputs in evaluation mode, as an array."""
    import torch

    with torch.inference_mode():
        return model.eval()(inputs).cpu().numpy()


def keras_twins(pair, spec, a):
    """The two networks in Keras."""
    import numpy as np

    from dlbook.cnn.blocks import start

    twin = importlib.import_module(f"dlbook.cnn.{pair.system}.with_keras")
    peer = pair.peer(a.size)
    arrays = {f"{layer.name}.{value.name}": np.asarray(value) for layer in peer.layers for value in layer.weights}
    ours = getattr(twin, pair.system)(a, weights=start.from_keras(arrays, spec.table(a), pair.names(spec, a, peer)))
    for model in (ours, peer):
        keras_compile(model)

    def inputs(n):
        x = twin.to_inputs(ours, batch(a, n))
        return x, x

    return Twins(ours, peer, inputs, keras_training, keras_inference, lambda model, x: np.asarray(model(x, training=False)))


def keras_compile(model):
    """Plain gradient descent, with the same settings for both."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(LEARNING_RATE), loss=loss, jit_compile=False)


def keras_training(model, inputs):
    """A job: forward, backward, a step of gradient descent."""
    import numpy as np

    labels = np.zeros(len(inputs), int)
    return lambda: model.train_on_batch(inputs, labels)


def keras_inference(model, inputs):
    """A job: forward alone, in evaluation mode."""
    return lambda: model.predict_on_batch(inputs)


def table(times):
    """The times as text, in milliseconds."""
    lines = [f"{'network':<14} {'framework':<9} {'task':<8} {'pixels':>6} {'ours ms':>9} {'peer ms':>9} {'ratio':>6}"]
    lines += [f"{t.network:<14} {t.framework:<9} {t.task:<8} {t.size:>6} {1000 * t.ours:>9.1f} {1000 * t.peer:>9.1f} {t.ratio:>6.2f}" for t in times]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
