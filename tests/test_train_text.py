"""How texts are cut into windows, and the two loops that learn from them: the same steps, the same losses, no silent divergence."""
import dataclasses
import json
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlbook import profile

profile.setup()

from dlbook import data, runs  # noqa: E402  (profile.setup comes first)
from dlbook.rnn.text import spec as rnn  # noqa: E402
from dlbook.rnn.text import with_keras as rnn_keras  # noqa: E402
from dlbook.rnn.text import with_torch as rnn_torch  # noqa: E402
from dlbook.text.ngram import NGram  # noqa: E402
from dlbook.train import recorded, text_with_keras, text_with_torch, windows  # noqa: E402
from dlbook.train.windows import TextTraining  # noqa: E402
from dlbook.transformer.gpt import spec as gpt  # noqa: E402
from dlbook.transformer.gpt import with_keras as gpt_keras  # noqa: E402
from dlbook.transformer.gpt import with_torch as gpt_torch  # noqa: E402

SMALL = {
    "rnn": rnn.Architecture(7, 6, 1, "rnn"), "lstm": rnn.Architecture(7, 6, 2, "lstm"), "gru": rnn.Architecture(7, 6, 1, "gru"),
    "gpt": gpt.Architecture(7, context=16, width=8, layers=2, heads=2),
}
TINY = rnn.Architecture(7, 5, 1)


def settings_of(**changes):
    return TextTraining(**({"epochs": 1, "batch_size": 4, "window": 6, "learning_rate": 1e-2, "measured": 8} | changes))


def build(framework, a, **options):
    """A network of either kind in either framework."""
    if isinstance(a, gpt.Architecture):
        return {"torch": gpt_torch, "keras": gpt_keras}[framework].gpt(a, **options)
    return {"torch": rnn_torch, "keras": rnn_keras}[framework].text_network(a, **options)


def twin(framework, a):
    return {("torch", True): gpt_torch, ("keras", True): gpt_keras, ("torch", False): rnn_torch,
            ("keras", False): rnn_keras}[framework, isinstance(a, gpt.Architecture)]


def random_text(n=130, validation=40, V=7, seed=0):
    rng = np.random.default_rng(seed)
    return data.Text("noise", "none", rng.integers(0, V, n), rng.integers(0, V, validation), data.Symbols(map(chr, range(97, 97 + V))))


def random_weights(a, seed=0):
    """No weight is 0 or 1, biases and scales neither."""
    shapes = gpt.weight_shapes(a) if isinstance(a, gpt.Architecture) else rnn.weight_shapes(a)
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(0.1, 0.5, shape) * rng.choice([-1, 1], shape) for name, shape in shapes.items()}


# Windows.

@settings(deadline=None, max_examples=300)
@given(n=st.integers(2, 300), window=st.integers(1, 80))
def test_each_prediction_is_measured_once_and_in_order(n, window):
    numbers, seen = np.arange(n), []
    for cut, counts in windows.measured(numbers, window, batch_size=7):
        assert cut.shape == (len(counts), counts.shape[1] + 1) and len(cut) <= 7 and counts.shape[1] == min(window, n - 1)
        assert (np.diff(cut) == 1).all()  # what follows in the text
        seen += cut[:, 1:][counts].tolist()
        # Each but the first window's has half a window before it.
        assert (counts.argmax(1) >= np.where(cut[:, 0] == 0, 0, window // 2)).all()
    assert seen == list(range(1, n))


@settings(deadline=None)
@given(n=st.integers(2, 300), window=st.integers(1, 80))
def test_spans_are_within_the_text(n, window):
    if n < window + 1:
        with pytest.raises(ValueError, match=f"this text has {n} symbols, and a window of {window} needs {window + 1}"):
            windows.spans(n, window)
        return
    starts, counted = windows.spans(n, window)
    assert starts[0] == counted[0] == 0 and starts[-1] + window == n - 1 and starts == sorted(set(starts))
    predicted = [i for start, first in zip(starts, counted) for i in range(start + first + 1, start + window + 1)]
    assert predicted == list(range(1, n))


@settings(deadline=None, max_examples=200)
@given(n=st.integers(2, 300), window=st.integers(1, 40), batch_size=st.integers(1, 20), epoch=st.integers(0, 4), seed=st.integers(0, 3))
def test_windows_lie_side_by_side(n, window, batch_size, epoch, seed):
    training = settings_of(window=window, batch_size=batch_size, epochs=epoch + 1)
    if n < window + 1:
        with pytest.raises(ValueError, match=f"has {n} symbols, and a window of {window} needs {window + 1}"):
            windows.batches(np.arange(n), training, epoch, seed)
        return
    batches = windows.batches(np.arange(n), training, epoch, seed)
    assert len({batch.shape for batch in batches}) == 1 and batches[0].shape[1] == window + 1 and 1 <= len(batches[0]) <= batch_size
    read, following = (np.concatenate([part.ravel() for part in parts]) for parts in zip(*((b[:, :-1], b[:, 1:]) for b in batches)))
    assert (following == read + 1).all() and following.max() < n
    assert len(np.unique(read)) == len(read)  # no symbol is read twice
    # What is left over is less than a batch, a window before the first one, and one after the last.
    assert n - len(read) <= (len(batches[0]) - 1) * window + 2 * window


def test_every_epoch_and_seed_has_its_own_windows():
    numbers, training = np.arange(500), settings_of()
    cuts = {(epoch, seed): np.concatenate(windows.batches(numbers, training, epoch, seed))[:, 0].tolist() for epoch in range(3) for seed in range(3)}
    assert len({tuple(cut) for cut in cuts.values()}) == 9
    assert len({cut[0] % 6 for cut in cuts.values()}) > 2  # not only the order differs, but also where they start
    assert cuts[1, 2] == np.concatenate(windows.batches(numbers, training, 1, 2))[:, 0].tolist()
    assert any(cut != sorted(cut) for cut in cuts.values())


@settings(deadline=None)
@given(n=st.integers(41, 300), window=st.integers(1, 40), batch_size=st.integers(1, 20), epochs=st.integers(1, 6), seed=st.integers(0, 3))
def test_steps_are_counted_as_they_are_made(n, window, batch_size, epochs, seed):
    training = settings_of(window=window, batch_size=batch_size, epochs=epochs)
    assert windows.steps(np.arange(n), training, seed) == sum(len(windows.batches(np.arange(n), training, e, seed)) for e in range(epochs))


def test_the_rate_rises_then_falls_to_zero():
    training = settings_of(learning_rate=0.4, warmup=10)
    rates = [training.rate(step, 110) for step in range(111)]
    np.testing.assert_allclose(rates[:10], np.arange(1, 11) * 0.04, rtol=1e-12)
    np.testing.assert_allclose(rates[10:], 0.2 * (1 + np.cos(np.pi * np.arange(101) / 100)), rtol=1e-12)
    assert rates[10] == 0.4 and rates[60] == pytest.approx(0.2) and 0 < rates[109] < 1e-3 * 0.4 and rates[110] == 0
    assert settings_of(learning_rate=0.4).rate(0, 7) == 0.4
    assert settings_of(learning_rate=0.4, warmup=10).rate(4, 5) == pytest.approx(0.2)  # a training shorter than its warm-up


@pytest.mark.parametrize(("changes", "words"), [
    ({"epochs": 0}, "epochs must be at least 1; got 0"), ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
    ({"window": -3}, "window must be at least 1; got -3"), ({"measured": 0}, "measured must be at least 1; got 0"),
    ({"learning_rate": 0}, "learning_rate must be above 0; got 0"), ({"learning_rate": float("nan")}, "got nan"), ({"clip": 0}, "clip must be above 0"),
    ({"epsilon": -1e-8}, "epsilon must be above 0; got -1e-08"), ({"warmup": -1}, "warmup cannot be below 0; got -1"),
    ({"decay": -0.1}, "decay cannot be below 0; got -0.1"), ({"decay": float("nan")}, "decay cannot be below 0; got nan"),
    ({"beta2": 1}, "beta2 is a share from 0 to below 1; got 1"), ({"beta2": -0.1}, "beta2 is a share.*got -0.1"),
])
def test_bad_settings_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        settings_of(**changes)


def test_what_cannot_be_measured_is_said():
    for n in (0, 1):
        with pytest.raises(ValueError, match=f"this text has {n} symbols; to measure a prediction, two are needed"):
            list(windows.measured(np.arange(n), 8))
    with pytest.raises(ValueError, match="a window must read at least 1 symbol; got 0"):
        list(windows.measured(np.arange(9), 0))


# What both loops promise.

@pytest.fixture(scope="module", params=SMALL)
def trained(request):
    """The same training in both frameworks, in float64: losses, what the callbacks were told, weights before and after.

    Epsilon is tiny, since the two place it differently. Clipping, decay and warm-up act, and the epochs have different numbers of steps.
    """
    a, text = SMALL[request.param], random_text()
    training = settings_of(epochs=4, batch_size=7, learning_rate=2e-2, clip=0.05, decay=0.2, beta2=0.99, warmup=3, epsilon=1e-15)
    lengths = [len(windows.batches(text.train, training, epoch, 4)) for epoch in range(4)]
    assert len(set(lengths)) > 1
    result = types.SimpleNamespace(a=a, text=text, training=training, lengths=lengths, weights=random_weights(a), told={}, history={}, after={}, model={})
    for framework in ("torch", "keras"):
        model, told = build(framework, a, weights=result.weights, dtype="float64"), []
        result.history[framework] = twin(framework, a).fit(
            model, text, training, seed=4, on_step=lambda *step, told=told: told.append(("step", *step)),
            on_epoch=lambda epoch, history, told=told: told.append(("epoch", epoch, {k: list(v) for k, v in history.items()})), progress=False)
        result.told[framework], result.after[framework], result.model[framework] = told, twin(framework, a).weights_of(model), model
    return result


def losses(trained, framework):
    return [told[2] for told in trained.told[framework] if told[0] == "step"]


def test_the_twins_losses_agree(trained):
    """Keras keeps the learning rate and the loss that it reports in float32."""
    np.testing.assert_allclose(losses(trained, "keras"), losses(trained, "torch"), rtol=2e-5)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(trained.history["keras"][name], trained.history["torch"][name], rtol=2e-5)


def test_the_twins_weights_agree_after_training(trained):
    """Decay of a bias, or no clipping, in one of them would move the weights apart by far more."""
    for name, value in trained.after["torch"].items():
        assert abs(value - trained.weights[name]).max() > 1e-2, name  # it was trained
        np.testing.assert_allclose(trained.after["keras"][name], value, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_callbacks_are_called_as_promised(trained, framework):
    told = trained.told[framework]
    expected, step = [], 0
    for epoch, length in enumerate(trained.lengths):
        expected += [("step", step + k + 1) for k in range(length)] + [("epoch", epoch + 1)]
        step += length
    assert [(kind, number) for kind, number, _ in told] == expected
    epochs = [history for kind, _, history in told if kind == "epoch"]
    for k, history in enumerate(epochs):
        assert history == {name: values[:k + 1] for name, values in trained.history[framework].items()}
    # An epoch's loss is the mean of its steps'.
    ends = np.cumsum([0, *trained.lengths])
    means = [np.mean(losses(trained, framework)[a:b]) for a, b in zip(ends, ends[1:])]
    np.testing.assert_allclose(trained.history[framework]["loss"], means, rtol=1e-6)


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_the_last_measurement_is_that_of_the_trained_network(trained, framework):
    module = twin(framework, trained.a)
    again = module.measure(trained.model[framework], trained.text.validation, trained.training.measured)
    assert trained.history[framework]["val_loss"][-1] == pytest.approx(again, rel=1e-6)


def cost(logits, symbol):
    """-log softmax(logits)[symbol] in nats."""
    z = np.asarray(logits, np.float64)
    return np.log(np.exp(z - z.max()).sum()) + z.max() - z[symbol]


def slow_measure(model, numbers, window):
    """Symbol by symbol: the first window predicts all its symbols, each later one those after the last, half a window on."""
    import torch

    start, total = 0, 0.0
    for i in range(1, len(numbers)):
        while i > start + window:
            start = min(start + max(window // 2, 1), len(numbers) - 1 - window)
        with torch.no_grad():
            logits, _ = model(torch.as_tensor(numbers[start:i])[None])
        total += cost(logits[0, -1], numbers[i])
    return total / (len(numbers) - 1)


@pytest.mark.parametrize("kind", ["lstm", "gpt"])
def test_measure_is_the_slow_one(kind):
    a, text = SMALL[kind], random_text(10, 200)
    weights = random_weights(a, 1)
    model, other = (build(framework, a, weights=weights, dtype="float64") for framework in ("torch", "keras"))
    for window, n in ((2, 200), (5, 50), (16, 150), (12, 9)):  # more windows than a batch; an odd one; many; one longer than the text
        expected = slow_measure(model, text.validation[:n], min(window, n - 1))
        assert text_with_torch.measure(model, text.validation[:n], window) == pytest.approx(expected, rel=1e-12)
        if n < 200:
            assert text_with_keras.measure(other, text.validation[:n], window) == pytest.approx(expected, rel=1e-9)


def test_a_reader_and_measure_see_the_same():
    a, text = SMALL["gru"], random_text(10, 30)
    model = build("torch", a, dtype="float64")
    reader, numbers = rnn_torch.Reader(model), text.validation
    costs = [cost(reader(numbers[i:i + 1]), numbers[i + 1]) for i in range(len(numbers) - 1)]
    assert rnn_torch.measure(model, numbers, 64) == pytest.approx(np.mean(costs), rel=1e-12)


@pytest.mark.parametrize("framework", ["torch", "keras"])
@pytest.mark.parametrize("V", [26, 65])
@pytest.mark.parametrize("architecture", [rnn.quick, rnn.small, gpt.quick, gpt.small], ids=["quick lstm", "small lstm", "quick gpt", "small gpt"])
def test_an_untrained_network_costs_the_logarithm_of_its_symbols(framework, V, architecture):
    """In float32, on noise, of which no network can know anything."""
    a, numbers = architecture(V), random_text(1500, V=V).train
    assert twin(framework, a).measure(build(framework, a), numbers, 64) == pytest.approx(np.log(V), rel=0.02)


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_the_first_loss_that_is_told_is_that_of_the_untrained_network(framework):
    seen, text, training = [], random_text(), settings_of()
    model = build(framework, TINY)
    first = windows.batches(text.train, training, 0, 0)[0]
    untrained = build("torch", TINY)
    expected = np.mean([slow_measure(untrained, window, 6) for window in first])
    twin(framework, TINY).fit(model, text, training, on_step=lambda step, loss: seen.append((step, loss)), progress=False)
    assert seen[0] == (1, pytest.approx(expected, rel=1e-5)) and seen[0][1] == pytest.approx(np.log(7), rel=0.15)


def one_step(framework, a, weights, **changes):
    """Weights after a single step over a whole text."""
    text = random_text(40)
    training = settings_of(batch_size=100, **changes)
    assert windows.steps(text.train, training) == 1
    model = build(framework, a, weights=weights, dtype="float64")
    twin(framework, a).fit(model, text, training, progress=False)
    return twin(framework, a).weights_of(model)


def length_of(before, after):
    return np.sqrt(sum(((after[name] - before[name]) ** 2).sum() for name in before))


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_a_huge_gradient_is_shortened(framework):
    """With a large epsilon and beta2 = 0, Adam's step is the rate times the gradient, so that its length shows."""
    weights = random_weights(SMALL["lstm"])
    weights["logits.weight"] = weights["logits.weight"] * 1000
    step = one_step(framework, SMALL["lstm"], weights, learning_rate=0.5, clip=1e-3, epsilon=1.0, beta2=0.0)
    assert length_of(weights, step) == pytest.approx(0.5 * 1e-3, rel=2e-3)


def test_without_clipping_that_gradient_is_huge():
    weights = random_weights(SMALL["lstm"])
    weights["logits.weight"] = weights["logits.weight"] * 1000
    step = one_step("torch", SMALL["lstm"], weights, learning_rate=0.5, clip=1e9, epsilon=1e6, beta2=0.0)
    assert length_of(weights, step) * 1e6 / 0.5 > 100


@pytest.mark.parametrize("kind", ["lstm", "gru", "gpt"])
def test_matrices_decay_and_vectors_do_not(kind):
    """In PyTorch; the Keras twin's weights agree with it, above. The two biases of a GRU are the rows of one array here."""
    a = SMALL[kind]
    weights = random_weights(a)
    plain, decayed = (one_step("torch", a, weights, learning_rate=0.1, decay=decay) for decay in (0.0, 0.5))
    for name, value in weights.items():
        shrunk = 0.1 * 0.5 * value if value.ndim > 1 and not name.endswith("bias") else np.zeros_like(value)
        np.testing.assert_allclose(plain[name] - decayed[name], shrunk, atol=1e-12, err_msg=name)


def test_what_keras_counts_as_a_vector():
    for kind in ("lstm", "gru", "gpt"):
        model = build("keras", SMALL[kind])
        vectors = {id(weight) for weight in model.trainable_weights if text_with_keras.is_vector(weight)}
        named = {id(w) for layer in model.layers for w in layer.weights if w.name in ("bias", "gamma", "beta")}
        assert vectors == named and 0 < len(vectors) < len(model.trainable_weights)


# What goes wrong.

@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_divergence_is_an_error_that_names_the_step(framework):
    model = build(framework, TINY)
    with pytest.raises(FloatingPointError, match=r"the loss became (nan|inf) at step \d: the training has diverged; take a smaller learning rate"):
        twin(framework, TINY).fit(model, random_text(), settings_of(epochs=3, learning_rate=1e38), progress=False)


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_a_first_loss_that_is_no_number_is_an_error(framework):
    weights, seen = random_weights(TINY), []
    weights["logits.bias"][0] = np.nan
    with pytest.raises(FloatingPointError, match="the loss became nan at step 1"):
        twin(framework, TINY).fit(build(framework, TINY, weights=weights), random_text(), settings_of(), on_step=lambda *step: seen.append(step), progress=False)
    assert not seen


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_divergence_in_the_last_step_is_seen(framework):
    """The loss of that step was finite; only the measurement after it shows what it did."""
    seen = []
    with pytest.raises(FloatingPointError, match="the loss became (nan|inf) at step 1"):
        twin(framework, TINY).fit(build(framework, TINY), random_text(40), settings_of(batch_size=100, learning_rate=3e38),
                                  on_step=lambda *step: seen.append(step), progress=False)
    assert len(seen) == 1 and np.isfinite(seen[0][1])


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_texts_that_do_not_fit_are_refused(framework):
    text = random_text()
    fit, model = twin(framework, TINY).fit, build(framework, TINY)
    before = twin(framework, TINY).weights_of(model)
    with pytest.raises(ValueError, match="this text has 9 different symbols and the network predicts among 7; build it for 9 symbols"):
        fit(model, random_text(V=9), settings_of(), progress=False)
    with pytest.raises(ValueError, match="this text has 130 symbols, and a window of 130 needs 131"):
        fit(model, text, settings_of(window=130), progress=False)
    with pytest.raises(ValueError, match="this text has 1 symbols; to measure"):
        twin(framework, TINY).measure(model, text.train[:1])
    decoder = build(framework, SMALL["gpt"])
    for changes in ({"window": 17}, {"measured": 17}):
        with pytest.raises(ValueError, match="looks back on 16 symbols; got 17 at once"):
            twin(framework, SMALL["gpt"]).fit(decoder, text, settings_of(**changes), progress=False)
    assert all((value == before[name]).all() for name, value in twin(framework, TINY).weights_of(model).items())


# Learning.

def shuffled(text, seed=0):
    """The same symbols, as often, in no order: nothing but their frequencies can be learnt."""
    rng = np.random.default_rng(seed)
    return dataclasses.replace(text, train=rng.permutation(text.train), validation=rng.permutation(text.validation))


LEARNERS = {
    "torch lstm": ("torch", rnn.Architecture(26, 64, 1), settings_of(epochs=5, batch_size=16, window=32, learning_rate=2e-2, measured=64)),
    "torch gpt": ("torch", gpt.Architecture(26, 32, 32, 1, 2), settings_of(epochs=6, batch_size=16, window=32, learning_rate=1e-2, measured=32)),
    "keras lstm": ("keras", rnn.Architecture(26, 48, 1), settings_of(epochs=3, batch_size=16, window=32, learning_rate=3e-2, measured=64)),
}


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_network_learns_the_language_and_not_its_shuffled_symbols(learner):
    framework, a, training = LEARNERS[learner]
    text = data.language(12_000, 3_000)
    unigram, limit = NGram(text.train, 26, 1).bits(text.validation), text.bits
    found = []
    for each in (text, shuffled(text)):
        history = twin(framework, a).fit(build(framework, a), each, training, progress=False)
        found.append(history["val_loss"][-1] / np.log(2))
    assert limit < found[0] < unigram / 2
    # Never much below the frequencies' own entropy, where only luck could lead, and not far above it.
    assert 0.99 * unigram < found[1] < 1.1 * unigram


def test_the_same_seed_gives_the_same_training():
    """Dropout included; another seed gives another one."""
    a, text = rnn.Architecture(7, 6, 2, dropout=0.3), random_text()
    runs_ = [rnn_torch.fit(build("torch", a, seed=seed), text, settings_of(epochs=2), seed, progress=False) for seed in (0, 0, 1)]
    assert runs_[0] == runs_[1] != runs_[2]


def test_dropout_acts_in_every_epoch_and_not_while_measuring():
    modes, a = [], rnn.Architecture(7, 6, 1, dropout=0.5)
    model = build("torch", a)
    rnn_torch.fit(model, random_text(), settings_of(epochs=3), on_step=lambda *_: modes.append(model.training),
                  on_epoch=lambda *_: modes.append(model.training), progress=False)
    steps = [len(windows.batches(random_text().train, settings_of(), epoch, 0)) for epoch in range(3)]
    assert modes == [mode for n in steps for mode in [True] * n + [False]]
    assert rnn_torch.measure(model, random_text().validation) == rnn_torch.measure(model, random_text().validation)


# What is recorded.

class Told:
    """A twin that trains nothing: it calls back after each epoch, and writes which seed and length it was asked for."""

    @staticmethod
    def fit(model, text, training, seed, on_epoch):
        history = {"loss": [], "val_loss": []}
        for epoch in range(1, training.epochs + 1):
            history["loss"].append(1 / epoch)
            history["val_loss"].append(2 / epoch)
            on_epoch(epoch, history)
        return history

    @staticmethod
    def generate(model, symbols, prompt, length, how, seed):
        return f"{prompt} {length} {how.temperature} {seed}"


@pytest.mark.parametrize(("epochs", "written"), [(3, [1, 2, 3]), (7, [1, 2, 3, 5, 7]), (33, [1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 33])])
def test_what_is_recorded(epochs, written, capsys):
    text, training = random_text(validation=11), settings_of(epochs=epochs, measured=8)
    record = recorded.train(Told, None, TINY, text, training, 5)
    first = text.symbols.characters[text.validation[0]]
    assert record["samples"] == [{"epoch": epoch, "text": f"{first} 400 0.8 5"} for epoch in written]
    assert record["metrics"] == {"loss": 1 / epochs, "val_loss": 2 / epochs, "val_bits": pytest.approx(2 / epochs / np.log(2))}
    assert len(record["history"]["loss"]) == epochs and record["files"] == ()
    assert rnn.Architecture(**record["architecture"]) == TINY and TextTraining(**record["training"]) == training
    assert len(capsys.readouterr().out.splitlines()) == len(written)


def test_a_run_is_recorded_and_its_weights_are_shipped_in_half_precision(tmp_path):
    text, training = random_text(), settings_of(epochs=2)
    model, path = build("torch", TINY), tmp_path / "new" / "small-noise.safetensors"
    record = recorded.train(rnn_torch, model, TINY, text, training, 3, path)
    assert json.loads(json.dumps(record))["metrics"] == record["metrics"]
    assert record["metrics"]["val_loss"] == pytest.approx(record["history"]["val_loss"][-1])
    assert [sample["epoch"] for sample in record["samples"]] == [1, 2]
    assert all(len(sample["text"]) == 400 and set(sample["text"]) <= set(text.symbols.characters) for sample in record["samples"])
    about, stored = runs.about(path), runs.load_weights(path)
    assert about == {"architecture": dataclasses.asdict(TINY), "symbols": text.symbols.characters, "trained_on": "noise", "seed": 3}
    for name, value in rnn_torch.weights_of(model).items():
        assert stored[name].dtype == np.float16
        np.testing.assert_allclose(stored[name], value, rtol=1e-3, atol=1e-6)
    assert rnn_torch.measure(build("torch", TINY, weights=stored), text.validation) == pytest.approx(record["metrics"]["val_loss"], rel=1e-2)


def test_a_keras_training_leaves_memory_as_fast_as_before():
    """After `fit`, freed tensors of some megabytes are used again and not given back to the system page by page."""
    import resource

    import torch

    text = data.language(2_000, 600)
    rnn_keras.fit(rnn_keras.text_network(rnn.Architecture(len(text.symbols), 4, 1)), text, settings_of(), progress=False)
    torch.ones(2**20).sum()  # 4 MiB
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2**20).sum()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 5 * 1024  # of 4 KiB; 20 x 1,024 where each is fetched anew
