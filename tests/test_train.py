"""Training's small parts: batches, the learning rate, starting weights, and a progress line that leaves nothing behind."""
import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlbook.publish import notebooks
from dlbook.train import initial
from dlbook.train.batches import half_cosine, mirrored, order, steps


@given(n=st.integers(1, 200), batch_size=st.integers(1, 64), epoch=st.integers(0, 5), seed=st.integers(0, 3))
def test_every_example_is_shown_once_an_epoch(n, batch_size, epoch, seed):
    batches = order(n, batch_size, epoch, seed)
    assert sorted(np.concatenate(batches)) == list(range(n)) and max(map(len, batches)) <= batch_size
    training = type("Training", (), {"epochs": 3, "batch_size": batch_size})
    assert steps(n, training) == 3 * len(batches)


def test_each_epoch_and_seed_has_its_own_order():
    orders = {tuple(np.concatenate(order(50, 10, epoch, seed))) for epoch in range(3) for seed in range(3)}
    assert len(orders) == 9


def test_half_of_the_images_are_mirrored_another_half_each_epoch():
    epochs = np.stack([mirrored(4000, epoch, 0) for epoch in range(4)])
    assert abs(epochs.mean(1) - 0.5).max() < 0.03  # four standard deviations
    assert abs(np.corrcoef(epochs) - np.eye(4)).max() < 0.07
    assert (mirrored(4000, 0, 0) == epochs[0]).all() and (mirrored(4000, 0, 1) != epochs[0]).any()


def test_the_learning_rate_falls_along_half_a_cosine():
    rates = [half_cosine(step, 100, 0.2) for step in range(101)]
    assert rates[0] == 0.2 and rates[50] == pytest.approx(0.1) and rates[100] == pytest.approx(0)
    assert all(a > b for a, b in zip(rates, rates[1:]))


def test_starting_weights_have_glorots_spread():
    weights = initial.draw({"dense.weight": (300, 500), "dense.bias": (300,), "conv.weight": (64, 32, 3, 3)}, seed=1)
    for name, fans in {"dense.weight": 300 + 500, "conv.weight": 9 * (64 + 32)}.items():
        assert weights[name].var() == pytest.approx(2 / fans, rel=0.02)  # equation 12: Var W = 2 / (fan_in + fan_out)
        assert abs(weights[name]).max() <= np.sqrt(6 / fans)
    assert not weights["dense.bias"].any()


@pytest.mark.notebook
def test_a_progress_line_leaves_nothing_in_the_stored_output(tmp_path):
    cell = ("from dlbook.train.progress import Progress\nbar = Progress(3, 'training')\nfor _ in range(3):\n    bar.step('loss 1')\n"
            "bar.close()\nprint('trained')")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    notebooks.execute(notebook, tmp_path)
    assert [(output["output_type"], output.get("text")) for output in notebook.cells[0].outputs] == [("stream", "trained\n")]
