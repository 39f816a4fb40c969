"""Networks that practise tasks of memory, in PyTorch: one recurrent layer and a dense one on its states."""
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR

from dlbook.parity import layout
from dlbook.rnn import memory
from dlbook.rnn.cells import spec, with_torch
from dlbook.train import initial
from dlbook.train.progress import Progress


class Network(nn.Module):
    """Sequences (B, T, I) -> answers: scores (B, K), or numbers (B,).

    A task that is answered at each step has a T behind the B.

    Args:
        task: memory.Task.
        cell: the recurrent layer, as `cells.with_torch.cell_layer` builds it.
    """

    def __init__(self, task, cell):
        super().__init__()
        self.each, self.number = task.each, not task.outputs
        self.cell = cell
        dtype = cell.weight_ih_l0.dtype
        self.answer = nn.Linear(cell.hidden_size, task.outputs or 1, dtype=dtype)

    def forward(self, x):
        states, _ = self.cell(x)  # B, T, D
        answers = self.answer(states if self.each else states[:, -1])
        return answers.squeeze(-1) if self.number else answers


def network(task, cell, units, seed=0, weights=None, dtype="float64"):
    """Build a network for a task.

    Args:
        task: memory.Task.
        cell: `rnn`, `lstm` or `gru`.
        units: size of its state, D.
        seed: starting weights.
        weights: dict of the cell's weights in the exchange format, to start from instead.
        dtype: `float32` or `float64`.

    Returns:
        Network: (B, T, I) -> scores (B, K) or as the task has it.
    """
    layer = with_torch.cell_layer(spec.Architecture(cell, task.inputs, units), seed, weights, dtype)
    model = Network(task, layer)
    start = initial.glorot_uniform(np.random.default_rng(seed), (task.outputs or 1, units))
    model.answer.load_state_dict({"weight": torch.tensor(start), "bias": torch.zeros(task.outputs or 1)})
    return model


def tensors(model, x, y):
    """Sequences (B, T, I) and answers as tensors of the network's precision."""
    x, y = torch.as_tensor(x, dtype=model.answer.weight.dtype), torch.as_tensor(y)
    return x, y.to(x.dtype) if model.number else y


def loss_of(model, x, y):
    """Mean loss of sequences (B, T, I): cross-entropy in nats, or the squared error."""
    answers = model(x)
    return F.mse_loss(answers, y) if model.number else F.cross_entropy(answers.flatten(0, -2), y.flatten())


def fit(model, task, practice=memory.Practice(), seed=0, progress=False):
    """Practise: every step on a batch of sequences (B, T, I) that was never seen before.

    Args:
        model: what `network` returns, trained in place.
        task: memory.Task.
        practice: memory.Practice.
        seed: of the sequences.
        progress: show a progress line.

    Returns:
        dict of `loss` and `norm`, the gradient's before clipping: one float a step.
    """
    rng = np.random.default_rng([seed, 1])
    return _practise(model, lambda: loss_of(model, *tensors(model, *task.draw(rng, practice.batch_size))), practice, task.name, progress)


def _practise(model, next_loss, practice, label, progress):
    """Adam with a falling learning rate and a bound on the gradient's norm."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, practice.learning_rate)
    schedule = CosineAnnealingLR(optimizer, practice.steps)
    bound = practice.clip or float("inf")
    history = {"loss": [], "norm": []}
    with Progress(practice.steps, label, show=progress) as bar:
        for _ in range(practice.steps):
            optimizer.zero_grad()
            loss = next_loss()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(trained, bound)
            optimizer.step()
            schedule.step()
            history["loss"].append(loss.item())
            history["norm"].append(norm.item())
            bar.step()
    return history


def answers(model, x):
    """What the network says: classes, whole numbers (B,) or (B, T), or floats, as a NumPy array."""
    with torch.no_grad():
        said = model(torch.as_tensor(x, dtype=model.answer.weight.dtype))
    return (said if model.number else said.argmax(-1)).numpy()


def score(model, task, n=500, seed=0):
    """How well it does on n new sequences: the share of right answers, or the mean squared error.

    Args:
        model: what `network` returns, (B, T, I) -> answers.
        task: memory.Task.
        n: sequences.
        seed: theirs; they are not those of `fit`.

    Returns:
        float.
    """
    x, y = task.draw(np.random.default_rng([seed, 2]), n)
    said = answers(model, x)
    return float(((said - y) ** 2).mean() if model.number else (said == y).mean())


def weights_of(model):
    """The weights of its recurrent layer in the exchange format: dict of name to float64 array."""
    return layout.recurrent_from_torch(
        {name: p.detach().double().numpy().copy() for name, p in model.cell.named_parameters()}, model.cell.mode == "GRU")


# ---------------------------------------------------------------- image to sequence

class Speller(nn.Module):
    """Images (B, 28, 28) and the letters read so far (B, T, I) -> scores of the next letter (B, T, I).

    Args:
        cell: a recurrent layer without a memory cell of its own; its first state is made from the image.
    """

    def __init__(self, cell):
        super().__init__()
        self.cell, dtype = cell, cell.weight_ih_l0.dtype
        self.begin = nn.Linear(28 * 28, cell.hidden_size, dtype=dtype)
        self.answer = nn.Linear(cell.hidden_size, cell.input_size, dtype=dtype)

    def forward(self, images, letters):
        state = torch.tanh(self.begin(images.flatten(1)))  # B, D
        states, _ = self.cell(letters, state[None])  # B, T, D
        return self.answer(states)


def speller(units=32, seed=0, dtype="float64"):
    """Build a network that looks at a digit (28, 28) and spells its name.

    Args:
        units: size of its state, D.
        seed: starting weights.
        dtype: `float32` or `float64`.

    Returns:
        Speller.
    """
    model = Speller(with_torch.cell_layer(spec.Architecture("gru", len(memory.SPELLING), units), seed, dtype=dtype))
    rng = np.random.default_rng(seed)
    for layer in (model.begin, model.answer):
        start = initial.glorot_uniform(rng, tuple(layer.weight.shape))
        layer.load_state_dict({"weight": torch.tensor(start), "bias": torch.zeros(len(start))})
    return model


def fit_speller(model, images, labels, practice=memory.Practice(), seed=0, progress=False):
    """Practise spelling; the letter before is always the right one, whatever the network said.

    Args:
        model: Speller, trained in place.
        images: (N, 28, 28) in [0, 1].
        labels: (N,) whole numbers.
        practice: memory.Practice.
        seed: of the batches.
        progress: show a progress line.

    Returns:
        history, as `fit` does.
    """
    rng, (read, say) = np.random.default_rng([seed, 1]), memory.spelled(labels)
    x, letters = (torch.as_tensor(part, dtype=model.answer.weight.dtype) for part in (images, read))

    def next_loss():
        some = torch.as_tensor(rng.integers(0, len(x), practice.batch_size))
        return F.cross_entropy(model(x[some], letters[some]).flatten(0, 1), torch.as_tensor(say)[some].flatten(), ignore_index=-1)
    return _practise(model, next_loss, practice, "spelling", progress)


def spell(model, images):
    """Spell digits: at each step the most probable letter, which is read at the next one.

    Args:
        model: Speller.
        images: (N, 28, 28) in [0, 1].

    Returns:
        list of N names, without the full stop; at most as many letters as the longest name has.
    """
    said, kinds = np.zeros((len(images), 0), int), len(memory.SPELLING)
    x, dtype = torch.as_tensor(images, dtype=model.answer.weight.dtype), model.answer.weight.dtype
    with torch.no_grad():
        for _ in range(max(map(len, memory.NAMES)) + 1):
            read = np.concatenate([np.zeros((len(images), 1, kinds)), memory.one_hot(said, kinds)], 1)
            last = model(x, torch.as_tensor(read, dtype=dtype))[:, -1].argmax(-1).numpy()
            said = np.column_stack([said, last])
    return [memory.SPELLING.decode(row).partition(".")[0] for row in said]
