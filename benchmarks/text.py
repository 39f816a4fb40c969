"""Times our text networks beside plain ones: characters a second of training and of generation.

    .venv/bin/python benchmarks/text.py --threads 2 --json text.json

The peers have the same layers and start from the same weights where they can: in PyTorch a straightforward module and loop, and for the
decoder transformers' GPT-2; in Keras the model and the sampling of the Keras example (one-hot rows in, softmax out, the whole window
predicted again for each character). A network and its peer take turns; what counts is the median. Above 1, ours is faster.

Fused kernels for a whole sequence: on a GPU both frameworks take cuDNN's, for each of the three cells. On a processor PyTorch has one (oneDNN's)
for the LSTM in single precision, forward and backward; its GRU and SimpleRNN, all of its cells in double precision, and all of
TensorFlow's go step by step. For a single symbol the fused one is the slower, so our text is written with single steps.
"""
import dataclasses
import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from turns import alternate, compare, positive  # noqa: E402  (found only now)

from dlbook.command import Parser  # noqa: E402

FRAMEWORKS = ("torch", "keras")
SYMBOLS = 65  # of Shakespeare
NETWORKS = ("lstm-deck", "lstm-small", "gpt-small")  # kind of network, and one of its spec's sizes
BATCH, WINDOW = 32, 128
WRITTEN = {"torch": 1000, "keras": 100}  # characters a turn; Keras' example predicts its whole window for each
SEEN = 40  # characters that the Keras example reads
RATE = 1e-4
HEAT = 0.8  # temperature at which both write


@dataclasses.dataclass(frozen=True)
class Speed:
    """Characters a second of one task.

    Args:
        network, framework, task: what was timed.
        ours, peer: characters a second.
    """
    network: str
    framework: str
    task: str
    ours: float
    peer: float

    @property
    def ratio(self):
        """How many times faster ours is."""
        return self.ours / self.peer


def main(words=None):
    """Measure, print the table, write the JSON file.

    Args:
        words: the command line's; None takes those of the process.

    Returns:
        list of Speed.
    """
    return compare("speeds", arguments(words), measure, in_a_process, table)


def arguments(words=None):
    """Read the command line; a slip ends the program with one sentence."""
    parser = Parser(prog="text.py", description="Time our text networks beside plain ones.")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="all without it")
    parser.add_argument("--framework", nargs="+", choices=FRAMEWORKS, default=list(FRAMEWORKS), help="both without it")
    parser.add_argument("--threads", type=positive, default=2, help="processor threads (2)")
    parser.add_argument("--repeats", type=positive, default=5, help="turns of each network (5)")
    parser.add_argument("--json", metavar="FILE", help="write the speeds there too")
    return parser.parse_args(words)


def in_a_process(framework, options, program=__file__):
    """The speeds of one framework, measured by a program like this one in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speeds.json"
        command = [sys.executable, program, "--framework", framework, "--json", path, "--threads", options.threads, "--repeats", options.repeats,
                   "--only", *options.only]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        return [Speed(**{field.name: row[field.name] for field in dataclasses.fields(Speed)}) for row in json.loads(path.read_text())["speeds"]]


def measure(options):
    """Time the chosen networks of one framework, in this process; returns a list of Speed."""
    from dlbook import profile

    framework = options.framework[0]
    profile.setup(framework)
    found = []
    for name in options.only:
        jobs = {"torch": torch_jobs, "keras": keras_jobs}[framework](name)
        for task, (ours, peer, count) in jobs.items():
            seconds = alternate(ours, peer, options.repeats)
            found.append(Speed(name, framework, task, *(count / s for s in seconds)))
            print(f"{name} {framework} {task}: {found[-1].ratio:.2f}", file=sys.stderr, flush=True)
    return found


def ours_of(name, framework):
    """(twin, network, its architecture) of one of `NETWORKS`."""
    system, build = ("transformer.gpt", "gpt") if name.startswith("gpt") else ("rnn.text", "text_network")
    spec = importlib.import_module(f"dlbook.{system}.spec")
    twin = importlib.import_module(f"dlbook.{system}.with_{framework}")
    a = dataclasses.replace(spec.SIZES[name.partition("-")[2]](SYMBOLS), dropout=0.0)
    return twin, getattr(twin, build)(a), a


def windows():
    """(BATCH, WINDOW + 1) random symbols."""
    import numpy as np

    return np.random.default_rng(0).integers(0, SYMBOLS, (BATCH, WINDOW + 1))


def torch_jobs(name):
    """task -> (our job, the peer's, characters a job) in PyTorch."""
    import torch

    from dlbook.text import sampling

    twin, ours, a = ours_of(name, "torch")
    if name.startswith("gpt"):
        ours, peer = torch_gpt2(a)
        logits_of, reader, write, length = lambda x: peer(x).logits, twin.reader, torch_gpt2_writes, min(WRITTEN["torch"], a.context - 1)
    else:
        peer = torch_plain(ours, a)
        logits_of, reader, write, length = lambda x: peer(x)[0], twin.Reader, torch_plain_writes, WRITTEN["torch"]
    cut = torch.as_tensor(windows())
    with torch.no_grad():
        difference = float((ours.eval()(cut[:, :-1])[0] - logits_of(cut[:, :-1])).abs().max())
    if not difference < 1e-4:
        raise RuntimeError(f"{name} and its peer do not compute the same: their logits differ by {difference:g}.")
    how = sampling.Sampling(temperature=HEAT)
    return {
        "train": (torch_step(ours, lambda x: ours(x)[0], cut, True), torch_step(peer, logits_of, cut, False), BATCH * WINDOW),
        "generate": (lambda: list(sampling.generate(reader(ours), [0], length, how)), lambda: write(peer, length), length),
    }


def torch_step(model, logits_of, cut, fused):
    """A job: forward, backward, a step of Adam; ours takes the fused one."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), RATE, fused=fused or None)

    def step():
        model.train()
        loss = torch.nn.functional.cross_entropy(logits_of(cut[:, :-1]).flatten(0, 1), cut[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def torch_plain(ours, a):
    """A straightforward LSTM language model with our weights: embedding of one-hot rows, layers in one module, a linear layer."""
    import torch

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one_hot = torch.nn.Embedding(a.symbols, a.symbols)
            self.lstm = torch.nn.LSTM(a.symbols, a.units, a.layers, batch_first=True)
            self.logits = torch.nn.Linear(a.units, a.symbols)

        def forward(self, x, state=None):
            out, state = self.lstm(self.one_hot(x), state)
            return self.logits(out), state

    plain = Plain()
    state = {"one_hot.weight": torch.eye(a.symbols), **{f"logits.{k}": v for k, v in ours.logits.state_dict().items()}}
    for k, name in enumerate(a.names):
        state |= {f"lstm.{weight.replace('_l0', f'_l{k}')}": value for weight, value in getattr(ours, name).state_dict().items()}
    plain.load_state_dict(state)
    return plain


def torch_plain_writes(model, length):
    """The usual loop: read one symbol, softmax, draw, go on with the state."""
    import torch

    model.eval()
    with torch.no_grad():
        symbol, state = torch.zeros(1, 1, dtype=torch.long), None
        for _ in range(length):
            logits, state = model(symbol, state)
            symbol = torch.multinomial((logits[0, -1] / HEAT).softmax(0), 1)[None]
            symbol.item()


def torch_gpt2(a):
    """Our decoder and transformers' GPT-2 of the same shape and weights."""
    from peers import gpt2

    from dlbook.transformer.gpt import spec, with_torch

    peer = gpt2(a)
    weights = spec.from_gpt2({name: value.numpy() for name, value in peer.state_dict().items()}, a)
    return with_torch.gpt(a, weights=weights), peer


def torch_gpt2_writes(model, length):
    """Its own generation, with its cache."""
    import torch

    model.eval()
    with torch.no_grad():
        model.generate(torch.zeros(1, 1, dtype=torch.long), attention_mask=torch.ones(1, 1), do_sample=True, temperature=HEAT, top_k=0,
                       max_new_tokens=length, pad_token_id=0)


def keras_jobs(name):
    """task -> (our job, the peer's, characters a job) in Keras."""
    import keras
    import numpy as np

    from dlbook.text import sampling

    if name.startswith("gpt"):
        return {}  # Keras has no plain example of a decoder to stand beside
    twin, ours, a = ours_of(name, "keras")
    peer = keras_plain(ours, a)
    cut = windows()
    rows, targets = np.eye(SYMBOLS, dtype="float32")[cut[:, :-1]], np.eye(SYMBOLS, dtype="float32")[cut[:, 1:]]
    difference = float(np.abs(np.asarray(keras.ops.softmax(ours(cut[:, :-1]))) - np.asarray(peer(rows))).max())
    if not difference < 1e-5:
        raise RuntimeError(f"{name} and its peer do not compute the same: their probabilities differ by {difference:g}.")
    ours.compile(keras.optimizers.Adam(RATE, global_clipnorm=1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    peer.compile(keras.optimizers.Adam(RATE, global_clipnorm=1.0), "categorical_crossentropy")
    how, length = sampling.Sampling(temperature=HEAT), WRITTEN["keras"]
    reader = twin.Reader(ours)  # built once, as the peer is
    return {
        "train": (lambda: ours.train_on_batch(cut[:, :-1], cut[:, 1:]), lambda: peer.train_on_batch(rows, targets), BATCH * WINDOW),
        "generate": (lambda: list(sampling.generate(reader, [0], length, how)), lambda: keras_plain_writes(peer, length), length),
    }


def keras_plain(ours, a):
    """The model of the Keras example, with as many layers as ours and a prediction at each place."""
    import keras

    peer = keras.Sequential([keras.Input((None, a.symbols)), *(keras.layers.LSTM(a.units, return_sequences=True) for _ in a.names),
                             keras.layers.Dense(a.symbols, activation="softmax")])
    peer.set_weights(ours.get_weights())
    return peer


def keras_plain_writes(model, length):
    """The loop of the Keras example: the last characters as one-hot rows, all of them predicted again each time."""
    import numpy as np

    seen, rng = [0] * SEEN, np.random.default_rng(0)
    for _ in range(length):
        p = model.predict(np.eye(SYMBOLS, dtype="float32")[seen][None], verbose=0)[0, -1].astype(float)
        p = np.exp(np.log(p) / HEAT)
        seen = [*seen[1:], int(rng.choice(SYMBOLS, p=p / p.sum()))]


def table(speeds):
    """The speeds as text."""
    lines = [f"{'network':<12} {'framework':<9} {'task':<9} {'ours/s':>10} {'peer/s':>10} {'ratio':>6}"]
    return "\n".join(lines + [f"{s.network:<12} {s.framework:<9} {s.task:<9} {s.ours:>10,.0f} {s.peer:>10,.0f} {s.ratio:>6.2f}" for s in speeds])


if __name__ == "__main__":
    main()
