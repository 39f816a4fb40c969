"""Times style transfer beside plain loops: seconds for the losses with the gradient of the picture, and for a step of an optimiser.

    .venv/bin/python benchmarks/style.py --threads 2 --json style.json

Two peers a framework have the same VGG19 weights and the same losses. `tutorial` is the usual first loop: the whole network, to its
last layer; in PyTorch it is contiguous and its weights require gradients, which `backward` then computes as well; in Keras it is a
tape without `tf.function`. `careful` is what its author may come to after a while: nothing behind the last layer that is needed, no
gradients of weights, in Keras a compiled function. Both compute the targets once. Steps are those of torch.optim.LBFGS, of
torch.optim.Adam and of keras.optimizers.Adam; ours are those of style.optimise. A network and its peer take turns; what counts is the
median. Above 1, ours is faster. Weights and pictures are random, which no time depends on.
"""
import dataclasses
import importlib
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "benchmarks")]

from turns import alternate, compare, positive  # noqa: E402  (found only now)

from dlbook.command import Parser  # noqa: E402
from dlbook.style.gatys import spec  # noqa: E402

FRAMEWORKS = ("torch", "keras")
PEERS = ("tutorial", "careful")
TASKS = {"torch": ("gradient", "lbfgs", "adam"), "keras": ("gradient", "adam")}
NETWORK = spec.architecture()
SIZES = (256, 512)  # pixels a side
STEPS = 10  # of an optimiser in a turn
RATE = 0.02
CHOSEN = dataclasses.replace(spec.SETTINGS, steps=STEPS, learning_rate=RATE)
APART = {"network": 1e-3, "bfloat16": 0.2}  # how far, relative to its length, the peer's gradient may be


@dataclasses.dataclass(frozen=True)
class Time:
    """Seconds of one task.

    Args:
        size: pixels a side.
        framework, task, peer, precision: what was timed; the peer's precision is always float32.
        ours, plain: seconds for an evaluation or a step.
    """
    size: int
    framework: str
    task: str
    peer: str
    precision: str
    ours: float
    plain: float

    @property
    def ratio(self):
        """How many times faster ours is."""
        return self.plain / self.ours


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
    parser = Parser(prog="style.py", description="Time style transfer beside plain loops.")
    for name, type_, choices in (("size", positive, SIZES), ("task", str, TASKS["torch"]), ("peer", str, PEERS),
                                 ("precision", str, spec.PRECISIONS), ("framework", str, FRAMEWORKS)):
        parser.add_argument(f"--{name}", nargs="+", type=type_, choices=None if name == "size" else choices, default=list(choices),
                            help=f"({' '.join(map(str, choices))})")
    parser.add_argument("--threads", type=positive, default=2, help="processor threads (2)")
    parser.add_argument("--repeats", type=positive, default=3, help="turns of each (3)")
    parser.add_argument("--json", metavar="FILE", help="write the times there too")
    return parser.parse_args(words)


def in_a_process(framework, options):
    """The times of one framework, measured by this program in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "times.json"
        command = [sys.executable, __file__, "--framework", framework, "--json", path, "--threads", options.threads, "--repeats", options.repeats]
        for name in ("size", "task", "peer", "precision"):
            command += [f"--{name}", *getattr(options, name)]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        return [Time(**{field.name: row[field.name] for field in dataclasses.fields(Time)}) for row in json.loads(path.read_text())["times"]]


def measure(options):
    """Time what is chosen in one framework, in this process; returns a list of Time."""
    from dlbook import profile

    framework, found = options.framework[0], []
    profile.setup(framework)
    twin = importlib.import_module(f"dlbook.style.gatys.with_{framework}")
    network, peer_jobs = twin.vgg.vgg(NETWORK), {"torch": torch_jobs, "keras": keras_jobs}[framework]
    for size, precision, peer in itertools.product(options.size, options.precision, options.peer):
        ours, plain = our_jobs(twin, network, size, precision), peer_jobs(network, size, peer)
        same(ours["gradient"](), plain["gradient"](), precision)
        for task in (task for task in TASKS[framework] if task in options.task):
            seconds = alternate(ours[task], plain[task], options.repeats)
            found.append(Time(size, framework, task, peer, precision, *(s / (1 if task == "gradient" else STEPS) for s in seconds)))
            print(f"{size} {framework} {task} {peer} {precision}: {found[-1].ratio:.2f}", file=sys.stderr, flush=True)
    return found


def pictures(size):
    """The content, the style and the picture so far: three of (size, size, 3) in [0, 1]."""
    import numpy as np

    return np.random.default_rng(0).random((3, size, size, 3)).astype("float32")


def our_jobs(twin, network, size, precision):
    """task -> function that does it as the course does; that of `gradient` returns (losses, gradient)."""
    from dlbook.style.optimise import optimise

    settings = dataclasses.replace(CHOSEN, precision=precision)
    content, style, first = pictures(size)
    asked = twin.objective(network, content, style, settings)
    steps = {name: dataclasses.replace(settings, optimizer=name) for name in spec.OPTIMIZERS}
    return {"gradient": lambda: asked(first)} | {name: lambda s=s: optimise(asked, first, s, progress=False) for name, s in steps.items()}


def same(ours, peer, precision):
    """Stop where a peer computes something else."""
    import numpy as np

    far, limit = np.linalg.norm(ours[1] - peer[1]) / np.linalg.norm(peer[1]), APART[precision]
    if not far < limit:
        raise RuntimeError(f"ours and its peer do not compute the same: their gradients differ by {far:g} of their length, {precision}.")
    for name, loss in ours[0].items():
        if not abs(loss - peer[0][name]) <= limit / 4 * abs(loss):
            raise RuntimeError(f"ours and its peer do not compute the same: the {name} loss is {loss:g} and {peer[0][name]:g}, {precision}.")


def places():
    """Where the wanted layers stand in a list of convolutions, a ReLU behind each, and pools: dict of place to name."""
    names = [name for kind, number, *_ in spec.vgg.steps(NETWORK) for name in ((kind, f"relu{number}") if kind == "conv" else (kind,))]
    return {names.index(name): name for name in CHOSEN.layers}


# ---------------------------------------------------------------- PyTorch

def torch_jobs(network, size, peer):
    """task -> function that does it as a plain loop in PyTorch; that of `gradient` returns (losses, gradient)."""
    import torch

    losses, first = torch_losses(torch_plain(network, peer), size)

    def gradient():
        x = first.clone().requires_grad_()
        found = losses(x)
        sum(found.values()).backward()
        return {name: loss.item() for name, loss in found.items()}, x.grad[0].permute(1, 2, 0).double().numpy()

    def lbfgs():
        x = first.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([x], max_iter=STEPS, tolerance_grad=0, tolerance_change=0)

        def closure():
            with torch.no_grad():
                x.clamp_(0, 1)
            optimizer.zero_grad()
            total = sum(losses(x).values())
            total.backward()
            return total

        optimizer.step(closure)

    def adam():
        x = first.clone().requires_grad_()
        optimizer = torch.optim.Adam([x], lr=RATE)
        for _ in range(STEPS):
            optimizer.zero_grad()
            sum(losses(x).values()).backward()
            optimizer.step()
            with torch.no_grad():
                x.clamp_(0, 1)

    return {"gradient": gradient, "lbfgs": lbfgs, "adam": adam}


def torch_plain(network, peer):
    """Function of pictures (1, 3, H, W) in [0, 1] -> dict of name to maps, by a list of layers with our weights."""
    import torch
    from torch import nn

    convolutions = [layer for layer in network.children() if isinstance(layer, nn.Conv2d)]
    layers, wanted = [], places()
    for kind, *_ in spec.vgg.steps(NETWORK):
        if kind == "conv":
            ours = convolutions.pop(0)
            layers += [nn.Conv2d(ours.in_channels, ours.out_channels, 3, padding=1), nn.ReLU()]
            for name, value in ours.named_parameters():
                getattr(layers[-2], name).data.copy_(value.detach())
        else:
            layers.append(nn.MaxPool2d(2))
    if peer == "careful":
        layers = layers[:max(wanted) + 1]
    model = nn.Sequential(*layers).eval().requires_grad_(peer == "tutorial")
    mean = torch.tensor([123.68, 116.779, 103.939]).reshape(1, 3, 1, 1)

    def maps(picture):
        x, found = (255 * picture - mean).flip(1), {}
        for place, layer in enumerate(model):
            x = layer(x)
            if place in wanted:
                found[wanted[place]] = x
        return found

    return maps


def torch_losses(maps, size):
    """(function of a picture -> its losses, the first picture)."""
    import torch

    content, style, first = (torch.tensor(picture).permute(2, 0, 1)[None].contiguous() for picture in pictures(size))
    with torch.no_grad():
        seen, grams = maps(content), {name: torch_gram(features) for name, features in maps(style).items()}

    def losses(x):
        found = maps(x)
        down, right = x[:, :, 1:] - x[:, :, :-1], x[..., 1:] - x[..., :-1]
        return {"content": CHOSEN.content_weight * sum(((found[name] - seen[name]) ** 2).mean() / 2 for name in CHOSEN.content_layers),
                "style": CHOSEN.style_weight * sum(weight * ((torch_gram(found[name]) - grams[name]) ** 2).mean() / 4
                                                   for name, weight in CHOSEN.style_weights.items()),
                "variation": CHOSEN.variation_weight * ((down**2).sum() + (right**2).sum()) / x.numel()}

    return losses, first


def torch_gram(features):
    """The Gram matrix of maps (1, C, H, W), a mean over places."""
    _, channels, height, width = features.shape
    flat = features.view(channels, height * width)
    return flat @ flat.t() / (height * width)


# ---------------------------------------------------------------- Keras

def keras_jobs(network, size, peer):
    """task -> function that does it as a plain loop in Keras; that of `gradient` returns (losses, gradient)."""
    import keras
    import numpy as np
    import tensorflow as tf

    losses, first = keras_losses(keras_plain(network, peer), size)

    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            found = losses(x)
            total = sum(found.values())
        return found, tape.gradient(total, x)

    slope = tf.function(slope) if peer == "careful" else slope

    def gradient():
        found, back = slope(tf.identity(first))
        return {name: float(loss) for name, loss in found.items()}, np.asarray(back[0], float)

    def adam():
        x, optimizer = tf.Variable(first), keras.optimizers.Adam(RATE)
        for _ in range(STEPS):
            optimizer.apply_gradients([(slope(tf.identity(x))[1], x)])
            x.assign(tf.clip_by_value(x, 0, 1))

    return {"gradient": gradient, "adam": adam}


def keras_plain(network, peer):
    """Function of pictures (1, H, W, 3) in [0, 1] -> dict of name to maps, by a model with our weights."""
    import keras
    import tensorflow as tf

    outputs = {name: network.get_layer(name).output for name in CHOSEN.layers}
    if peer == "tutorial":
        outputs["last"] = network.output
    model = keras.Model(network.input, outputs)
    mean = tf.constant([123.68, 116.779, 103.939])
    return lambda picture: model((255 * picture - mean)[..., ::-1])


def keras_losses(maps, size):
    """(function of a picture -> its losses, the first picture)."""
    import tensorflow as tf

    content, style, first = (tf.constant(picture[None]) for picture in pictures(size))
    seen, painted = maps(content), maps(style)
    grams = {name: keras_gram(painted[name]) for name in CHOSEN.style_layers}

    def losses(x):
        found, square = maps(x), lambda a, b: tf.reduce_mean((a - b) ** 2)
        down, right = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
        return {"content": CHOSEN.content_weight * sum(square(found[name], seen[name]) / 2 for name in CHOSEN.content_layers),
                "style": CHOSEN.style_weight * sum(weight * square(keras_gram(found[name]), grams[name]) / 4
                                                   for name, weight in CHOSEN.style_weights.items()),
                "variation": CHOSEN.variation_weight * (tf.reduce_sum(down**2) + tf.reduce_sum(right**2)) / (3 * size * size)}

    return losses, first


def keras_gram(features):
    """The Gram matrix of maps (1, H, W, C), a mean over places."""
    import tensorflow as tf

    flat = tf.reshape(features, (-1, features.shape[-1]))
    return tf.matmul(flat, flat, transpose_a=True) / tf.cast(tf.shape(flat)[0], tf.float32)


def table(times):
    """The times as text."""
    lines = [f"{'size':>4} {'framework':<9} {'task':<8} {'peer':<8} {'ours in':<8} {'ours s':>8} {'peer s':>8} {'ratio':>6}"]
    return "\n".join(lines + [f"{t.size:>4} {t.framework:<9} {t.task:<8} {t.peer:<8} {t.precision:<8} {t.ours:>8.3f} {t.plain:>8.3f} {t.ratio:>6.2f}"
                              for t in times])


if __name__ == "__main__":
    main()
