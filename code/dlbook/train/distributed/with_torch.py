"""Data-parallel training in PyTorch: each process holds the whole network and reads its share of every batch."""
import os
from dataclasses import asdict
from datetime import timedelta

import numpy as np
import torch
from torch import distributed, nn
from torch.distributed.rendezvous import rendezvous
from torch.nn.functional import cross_entropy, dropout
from torch.nn.parallel import DistributedDataParallel

from dlbook import profile
from dlbook.cnn.digits import with_torch as digit_twin
from dlbook.train.batches import half_cosine, steps
from dlbook.train.distributed import checkpoint
from dlbook.train.distributed.spec import ALONE, EVERY, Stopped, batches_from, beginning, check, check_backend
from dlbook.train.with_torch import logits_of

PATIENCE = timedelta(minutes=10)  # a process that waits longer for another one gives up


def connect(processes, backend=None):
    """Join the processes that torchrun has started; each takes its own GPU where there are any.

    Args:
        processes: Processes.
        backend: `gloo`, `nccl`, or None for the one that fits the machine.

    Raises:
        ValueError: an unknown backend, or one whose GPUs are not there.
    """
    gpus = torch.cuda.device_count() if profile.torch_device().type == "cuda" else 0
    backend = check_backend(backend, processes, gpus)
    if gpus:
        torch.cuda.set_device(processes.local_rank % gpus)
    if processes.world > 1:
        distributed.init_process_group(
            backend, store=_meeting_place(processes), rank=processes.rank, world_size=processes.world, timeout=PATIENCE)


def _meeting_place(processes):
    """Where the processes leave their addresses for each other.

    torchrun keeps it over restarts, and PyTorch 2.13 would find the addresses of the processes that are gone. On one machine
    each start gets a part of its own; on several the starts are not counted together, and torchrun itself is asked for a new
    place each time: TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1.
    """
    store, _, _ = next(rendezvous("env://", timeout=PATIENCE))
    if processes.world > processes.local_world:
        return store
    return distributed.PrefixStore("start" + os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), store)


def disconnect():
    """Leave the group."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def in_turn(processes, read):
    """Call `read` on the first process of each machine, then on the others: one downloads, the rest find the file.

    Args:
        processes: Processes.
        read: function of nothing.

    Returns:
        what `read` returns.
    """
    if processes.local_rank:
        _wait()
    result = read()
    if not processes.local_rank:
        _wait()
    return result


def _wait():
    if distributed.is_initialized():
        distributed.barrier()


class SharedDropout(nn.Module):
    """Dropout with the masks of the whole batch, of which each process keeps its rows.

    All processes draw the same numbers from the same generator, so the masks are those that one process
    alone would draw, however many share the batch.

    Args:
        p: share of activations set to zero in training.
        share: Share of the batch at hand.
    """

    def __init__(self, p, share):
        super().__init__()
        self.p, self.share = p, share

    def forward(self, x):
        """Activations (B, ...) of this process -> the same with some set to zero."""
        if not self.training:
            return x
        whole = x.new_ones(self.share.whole, *x.shape[1:])
        return x * dropout(whole, self.p)[self.share.first:self.share.end]


class Share:
    """Which rows of the batch at hand are this process's: `first` to `end` of `whole`."""

    def __init__(self, processes):
        self.processes = processes
        self.take(processes.world)

    def take(self, whole):
        """Set the rows for a batch of `whole` examples; returns them as a slice."""
        self.whole, (self.first, self.end) = whole, self.processes.rows(whole)
        return slice(self.first, self.end)


def train(digits, training, seed=0, processes=ALONE, folder=None, every=EVERY,
          on_step=None, stop=None):
    """Train the digit network, from the last checkpoint where there is one, as one process alone would.

    Args:
        digits: data.Labelled.
        training: settings.Training; its batch size is that of all processes together.
        seed: starting weights, order of the batches, dropout.
        processes: Processes.
        folder: where the checkpoint is kept; None keeps none.
        every: steps between checkpoints.
        on_step: called as on_step(step, loss) after each step.
        stop: called as stop() before each step; once it is true in one process,
            all write a checkpoint and stop.

    Returns:
        (network, Progressed).

    Raises:
        ValueError: the batch cannot be shared, or the checkpoint is of another training.
        OSError: a checkpoint cannot be written.
        Stopped: `stop` was true.
    """
    check(training, processes, every)
    work = _Work(digits, training, seed, processes, folder)
    total = steps(work.n, training)
    for batch, last in batches_from(work.at.step, work.n, training, seed):
        loss, stopped = work.step(batch, total, stop is not None and stop())
        if last:
            work.end_epoch()
        if on_step:
            on_step(work.at.step, loss)
        if stopped or work.at.step % every == 0 or work.at.step == total:
            work.save()
        if stopped and work.at.step < total:
            raise Stopped(f"stopped by a signal after step {work.at.step:,} of {total:,}; "
                          "run the same command again and it goes on from there.")
    return work.network, work.at


class _Work:
    """The network, its optimiser, the data and how far they are."""

    def __init__(self, digits, training, seed, processes, folder):
        self.training, self.processes, self.folder = training, processes, folder
        self.network = digit_twin.digit_network(seed)
        self.share = Share(processes)
        for name in ("dropout1", "dropout2"):
            setattr(self.network, name, SharedDropout(getattr(self.network, name).p, self.share))
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), training.learning_rate, eps=training.epsilon, fused=True)
        self.device = self.network.conv1.weight.device
        self._read(digits)
        self.identity = {"framework": "torch", "device": self.device.type, "data": digits.source, "images": self.n, "seed": seed,
                         **asdict(training)}
        self._resume()
        # Averages the gradients of all processes while the backward pass still computes.
        self.parallel = DistributedDataParallel(self.network) if processes.world > 1 else self.network

    def _read(self, digits):
        self.n = len(digits.train_images)
        self.inputs = digit_twin.to_inputs(self.network, digits.train_images)  # N, 1, 28, 28
        self.labels = torch.as_tensor(digits.train_labels, device=self.device)
        first, end = self.processes.rows(len(digits.test_images))
        self.held_out = digit_twin.to_inputs(self.network, digits.test_images[first:end])
        self.held_out_labels = torch.as_tensor(digits.test_labels[first:end])
        self.held_out_count = len(digits.test_images)

    def step(self, batch, total, stop):
        """One step of all processes; returns the loss of the whole batch and whether one of them wants to stop."""
        rows = self.share.take(len(batch))
        x, y = self.inputs[batch[rows]], self.labels[batch[rows]]
        self.network.train()
        self.optimizer.param_groups[0]["lr"] = half_cosine(self.at.step, total, self.training.learning_rate)
        logits = self.parallel(x)  # B / world, 10
        loss = cross_entropy(logits, y, reduction="sum")
        self.optimizer.zero_grad()
        # The gradients are averaged over the processes; the batch's mean is the sum of the parts over its size.
        (loss * self.processes.world / len(batch)).backward()
        self.optimizer.step()
        correct = (logits.argmax(1) == y).sum()
        summed, count, stopped = self._total(loss.item(), correct.item(), float(stop))
        self.at.step += 1
        self.at.summed += summed, count
        self.at.losses.append(summed / len(batch))
        return summed / len(batch), stopped > 0

    def _total(self, *values):
        """Each value, summed over the processes."""
        values = torch.tensor(values, dtype=torch.float64, device=self.device)
        if self.processes.world > 1:
            distributed.all_reduce(values)
        return values.tolist()

    def end_epoch(self):
        """Measure on the test images, each process on its share, and close the epoch's line of the history."""
        logits = torch.tensor(logits_of(self.network, self.held_out))
        loss, correct = self._total(cross_entropy(logits, self.held_out_labels, reduction="sum").item(),
                                    (logits.argmax(1) == self.held_out_labels).sum().item())
        values = (*self.at.summed / self.n, loss / self.held_out_count, correct / self.held_out_count)
        for name, value in zip(("loss", "accuracy", "val_loss", "val_accuracy"), values, strict=True):
            self.at.history.setdefault(name, []).append(float(value))
        self.at.summed = np.zeros(2)

    def save(self):
        """Write the checkpoint; the first process does, since all hold the same."""
        if self.folder is None or self.processes.rank:
            return
        tensors = {f"weight/{name}": value.detach().cpu().numpy() for name, value in self.network.named_parameters()}
        for name, parameter in self.network.named_parameters():
            moments = self.optimizer.state[parameter]
            tensors |= {f"{key}/{name}": moments[key].cpu().numpy() for key in ("exp_avg", "exp_avg_sq")}
        checkpoint.save(self.folder, tensors | {"generator": self._generator().get_state().numpy()}, self.at, self.identity)

    def _generator(self):
        """The one that dropout draws from."""
        return torch.cuda.default_generators[self.device.index or 0] if self.device.type == "cuda" else torch.default_generator

    def _resume(self):
        """Take up the last checkpoint, where there is one; each process reads it."""
        found = None if self.folder is None else checkpoint.load(self.folder, self.identity)
        tensors, self.at = found or ({}, beginning())
        if not found:
            return
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter.copy_(torch.tensor(tensors[f"weight/{name}"]))
                self.optimizer.state[parameter] = {"step": torch.tensor(float(self.at.step), device=self.device)} | {
                    key: torch.tensor(tensors[f"{key}/{name}"], device=self.device) for key in ("exp_avg", "exp_avg_sq")}
        self._generator().set_state(torch.tensor(tensors["generator"]))
