"""Tasks of memory, the networks that practise them, how far a loss reaches, and the drawings of recurrent networks."""
import re
import sys

import numpy as np
import pytest

from dlbook import profile

profile.setup()

from dlbook import data, show  # noqa: E402  (profile.setup comes first)
from dlbook.data.language import GRAMMAR, Language  # noqa: E402
from dlbook.parity import compare  # noqa: E402
from dlbook.rnn import memory, memory_with_keras, memory_with_torch  # noqa: E402
from dlbook.rnn.cells import spec, with_numpy  # noqa: E402

TWINS = {"keras": memory_with_keras, "torch": memory_with_torch}
TASKS = {"carry": memory.carry(6), "latch": memory.latch(6), "recall": memory.recall(6), "adding": memory.adding(6), "agreement": memory.agreement()}


def drawn(task, n=200, seed=0):
    return task.draw(np.random.default_rng(seed), n)


# ---------------------------------------------------------------- tasks

@pytest.mark.parametrize("name", TASKS)
def test_a_task_draws_what_it_says(name):
    task = TASKS[name]
    x, y = drawn(task, 50)
    assert x.dtype == np.float64 and x.shape[0] == 50 and x.shape[2] == task.inputs
    assert y.shape == (x.shape[:2] if task.each else (50,))
    if task.outputs:
        assert y.dtype.kind == "i" and set(np.unique(y)) == set(range(task.outputs))
    again, _ = drawn(task, 50)
    other, _ = drawn(task, 50, seed=1)
    assert (again == x).all() and (other.shape != x.shape or (other != x).any())


@pytest.mark.parametrize("length", [2, 8, 62])
def test_carry_is_addition(length):
    x, y = drawn(memory.carry(length))
    value = 2 ** np.arange(length, dtype=object)
    a, b, total = (np.array(part.tolist(), dtype=object).astype(int).astype(object) @ value for part in (x[..., 0], x[..., 1], y))
    assert (a + b == total).all()


def test_latch_says_the_bit_of_the_newest_mark():
    x, y = drawn(memory.latch(30))
    for bits, marks, answers in zip(x[..., 0], x[..., 1], y):
        assert marks[0] == 1
        for t in range(30):
            newest = max(k for k in range(t + 1) if marks[k])
            assert answers[t] == (bits[newest] > 0)


def test_recall_hides_the_answer_in_the_first_step():
    x, y = drawn(memory.recall(12, kinds=3))
    assert (x[:, 0, :3].argmax(1) == y).all() and (x[:, 1:, :3] == 0).all() and (x.sum(2) == 1).all()


def test_adding_marks_one_number_in_each_half():
    x, y = drawn(memory.adding(11), 2000)
    numbers, marks = x[..., 0], x[..., 1]
    assert (marks[:, :5].sum(1) == 1).all() and (marks[:, 5:].sum(1) == 1).all()
    assert np.allclose((numbers * marks).sum(1), y)
    assert np.isclose(((y - 1) ** 2).mean(), 1 / 6, rtol=0.1)


@pytest.mark.parametrize("words, text, plural, clause", [
    ("the dog sleeps", "the dog ", 0, None),
    ("some old dogs see a cat", "some old dogs ", 1, None),
    ("the dogs that sleep sing", "the dogs that sleep ", 1, (9, 20)),
    ("this king that sees some small cats waits", "this king that sees some small cats ", 0, (10, 36)),
])
def test_a_sentence_is_cut_before_its_main_verb(words, text, plural, clause):
    assert memory.beginning(tuple(words.split())) == memory.Beginning(text, plural, clause)


def test_every_sentence_of_the_language_is_cut_right():
    rng, language = np.random.default_rng(0), Language()
    plural_nouns = {word for _, (word,) in GRAMMAR["N_pl"]}
    nouns = plural_nouns | {word for _, (word,) in GRAMMAR["N_sg"]}
    for _ in range(500):
        words = language.sentence(rng).words
        one = memory.beginning(words)
        subject = next(word for word in words if word in nouns)
        assert one.plural == (subject in plural_nouns) and " ".join(words).startswith(one.text)
        assert (one.clause is None) == (words.index(subject) + 1 == len(one.text.split()))


def test_beginnings_with_and_without_a_clause():
    for clause in (True, False):
        assert all((one.clause is not None) == clause for one in memory.beginnings(np.random.default_rng(0), 20, clause))


def test_padding():
    texts = ["a dog ", "the king "]
    left, right = memory.padded(texts), memory.padded(texts, "right")
    assert left.shape == right.shape == (2, 9, len(memory.letters()))
    assert (left[0, :3] == 0).all() and (right[0, 6:] == 0).all() and (left[0, 3:] == right[0, :6]).all()
    assert memory.letters().decode(right[1].argmax(1)) == "the king "


def test_names_are_spelled_and_end():
    read, say = memory.spelled(np.arange(10))
    for k, name in enumerate(memory.NAMES):
        asked = say[k][say[k] >= 0]
        assert memory.SPELLING.decode(asked) == name + "." and (read[k, 0] == 0).all()
        assert memory.SPELLING.decode(read[k, 1:len(asked)].argmax(1)) == name


@pytest.mark.parametrize("call, words", [
    (lambda: memory.carry(1), "from 2 to 62; got 1"),
    (lambda: memory.carry(63), "from 2 to 62; got 63"),
    (lambda: memory.adding(1), "from 2 on; got 1"),
    (lambda: memory.recall(5, kinds=1), "from 2 on; got 1"),
    (lambda: memory.latch(0), "from 1 on; got 0"),
    (lambda: memory.padded(["a "], "middle"), "side is 'left' or 'right'; got 'middle'"),
    (lambda: memory.Practice(steps=0), "steps must be at least 1; got 0"),
    (lambda: memory.Practice(clip=0), "learning_rate and clip must be above 0"),
])
def test_bad_input_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# ---------------------------------------------------------------- networks

@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("name", ["carry", "recall", "adding"])
def test_the_twins_practise_alike(cell, name):
    task, practice = TASKS[name], memory.Practice(steps=4, batch_size=8, learning_rate=2**-6)
    found = {}
    for framework, twin in TWINS.items():
        model = twin.network(task, cell, units=5, seed=3)
        before = twin.score(model, task, n=20)
        history = twin.fit(model, task, practice, seed=3)
        found[framework] = [before, history, twin.weights_of(model), twin.answers(model, drawn(task, 20)[0])]
    keras, torch = found.values()
    assert np.isclose(keras[0], torch[0], rtol=1e-12)
    # the first step is the same to the last digits; Keras keeps its learning rate in float32
    for part in ("loss", "norm"):
        assert compare.difference(keras[1][part][:1], torch[1][part][:1]) < 1e-12
        assert compare.difference(keras[1][part], torch[1][part]) < 1e-4
    assert keras[2].keys() == torch[2].keys()
    # Adam's epsilon is not quite the same in both, which shows in the weights whose gradients are next to nothing
    assert all(compare.difference(keras[2][key], torch[2][key]) < 0.03 for key in keras[2])
    assert keras[3].shape == torch[3].shape and keras[3].dtype.kind == torch[3].dtype.kind


def test_the_twins_have_the_same_parts():
    parts = [{name for name in vars(twin) if not name.startswith("_") and getattr(vars(twin)[name], "__module__", "") == twin.__name__}
             for twin in TWINS.values()]
    assert parts[1] - parts[0] == {"Speller", "speller", "fit_speller", "spell"} and not parts[0] - parts[1]


@pytest.mark.parametrize("framework", TWINS)
def test_clipping_bounds_the_step(framework):
    """A bound far below the gradient keeps SGD-like steps short; Adam hides it, so the norm before clipping is what is kept."""
    twin, task = TWINS[framework], TASKS["adding"]
    kept = [twin.fit(twin.network(task, "rnn", 4), task, memory.Practice(1, 8, clip=clip))["norm"][0] for clip in (None, 1e-3)]
    assert kept[0] == kept[1] > 1e-3


def test_a_simple_network_learns_to_add_numbers_of_any_length():
    task = memory.carry(8)
    model = memory_with_torch.network(task, "rnn", units=8)
    assert memory_with_torch.score(model, memory.carry(60)) < 0.7
    memory_with_torch.fit(model, task, memory.Practice(steps=400, learning_rate=0.02))
    assert memory_with_torch.score(model, memory.carry(60)) > 0.99


def test_answers_that_have_nothing_to_do_with_the_question_are_not_learnt():
    def draw(rng, n):
        x, y = task.draw(rng, n)
        return x, rng.permutation(y)
    task = memory.recall(3)
    shuffled = memory.Task("shuffled", task.inputs, task.outputs, task.each, draw)
    practice, scores = memory.Practice(steps=150, learning_rate=0.02), {}
    for name, one in {"true": task, "shuffled": shuffled}.items():
        model = memory_with_torch.network(task, "gru", units=8)
        memory_with_torch.fit(model, one, practice)
        scores[name] = memory_with_torch.score(model, one)
    assert scores["true"] > 0.95 and scores["shuffled"] < 0.4


def test_the_trained_cell_runs_in_numpy():
    task = memory.latch(8)
    for cell in ("rnn", "lstm", "gru"):
        model = memory_with_torch.network(task, cell, units=3)
        memory_with_torch.fit(model, task, memory.Practice(steps=3))
        x, _ = drawn(task, 5)
        ours = with_numpy.CELLS[cell](memory_with_torch.weights_of(model)).forward(x)
        theirs = model.cell(memory_with_torch.torch.as_tensor(x))[0].detach().numpy()
        assert compare.difference(theirs, ours) < 1e-12


def test_a_speller_learns_to_spell():
    digits = data.digits("quick")
    images, labels = digits.train_images[:20], digits.train_labels[:20]
    model = memory_with_torch.speller(units=32)
    assert memory_with_torch.spell(model, images) != [memory.NAMES[k] for k in labels]
    history = memory_with_torch.fit_speller(model, images, labels, memory.Practice(steps=250, batch_size=20, learning_rate=0.01))
    assert np.isclose(history["loss"][0], np.log(len(memory.SPELLING)), rtol=0.15)
    assert memory_with_torch.spell(model, images) == [memory.NAMES[k] for k in labels]


# ---------------------------------------------------------------- how far a loss reaches

@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_reach_is_the_derivative(cell):
    a, rng = spec.Architecture(cell, 2, 4), np.random.default_rng(0)
    weights, x = spec.draw(a), rng.standard_normal((1, 6, 2))
    found = memory.reach(cell, weights, x, seed=5)
    pull = np.random.default_rng(5).standard_normal(4)
    pull /= np.linalg.norm(pull)

    def loss(x):
        return with_numpy.CELLS[cell](weights).forward(x)[0, -1] @ pull
    for k in range(6):
        slope = []
        for i in range(2):
            step = np.zeros_like(x)
            step[0, -1 - k, i] = 1e-6
            slope.append((loss(x + step) - loss(x - step)) / 2e-6)
        assert np.isclose(found[k], np.linalg.norm(slope), rtol=1e-5, atol=1e-10)


def test_a_linear_orthogonal_network_keeps_the_gradient():
    weights = spec.draw(spec.Architecture("rnn", 3, 8))
    kept = memory.reach("rnn", weights, np.zeros((1, 50, 3)))
    assert np.isclose(memory.radius(weights["weight_hh"]), 1)
    # every step back is one more turn by U; W sees it from another side, so compare with the longest it can be
    assert kept[1:].min() > 0.1 * kept.max()
    halved = weights | {"weight_hh": weights["weight_hh"] / 2}
    assert np.allclose(memory.reach("rnn", halved, np.zeros((1, 50, 3))), kept / 2.0 ** np.arange(50))


def test_the_forget_bias_opens_the_way():
    a, x, last = spec.Architecture("lstm", 2, 8), np.random.default_rng(0).standard_normal((4, 41, 2)), []
    for bias in (0, 1, 2):
        weights = spec.draw(a)
        weights["bias"][8:16] = bias
        reach = memory.reach("lstm", weights, x)
        last.append(reach[-1] / reach[0])
    assert last[0] < 1e-3 * last[1] and last[1] < last[2]


def test_the_wall_has_the_slope_of_its_loss():
    w, b = np.array([5.5, 4.2, 6.0]), np.array([-2.0, -2.6, -1.5])
    _, by_w, by_b = memory.wall(w, b)
    step = 1e-6
    assert np.allclose(by_w, (memory.wall(w + step, b)[0] - memory.wall(w - step, b)[0]) / (2 * step), rtol=1e-4)
    assert np.allclose(by_b, (memory.wall(w, b + step)[0] - memory.wall(w, b - step)[0]) / (2 * step), rtol=1e-4)


def test_clipping_keeps_the_descent_beside_the_wall():
    free, clipped = (memory.descend((5.5, -2.0), 60, 0.5, clip) for clip in (None, 0.1))
    steps = np.linalg.norm(np.diff(clipped[:, :2], axis=0), axis=1)
    assert steps.max() <= 0.5 * 0.1 * (1 + 1e-9)
    assert free[-1, 0] > 100 and free[:, 3].max() > 100 and abs(clipped[-1, :2] - (4.6, -2.4)).max() < 0.3


# ---------------------------------------------------------------- drawings

@pytest.fixture
def shown(monkeypatch):
    found = []
    for name in ("dlbook.show.unrolled", "dlbook.show.gates"):
        # the functions bear the names of their modules
        monkeypatch.setattr(sys.modules[name], "display_html", lambda html, text: found.append((html, text)))
    return found


def boxes(html):
    """Corners of the cells, wide drawing alone."""
    wide = html[html.index('class="wide"'):html.index('class="narrow"')]
    return [(float(x), float(y)) for x, y in re.findall(r'<rect x="([-\d.]+)" y="([-\d.]+)" width="26" height="26"', wide)]


def test_an_unrolled_network_has_a_cell_a_step_and_layer(shown):
    show.unrolled("hello", "ello_", "next letter", layers=2)
    html, text = shown[0]
    assert len(boxes(html)) == 10 and len({y for _, y in boxes(html)}) == 2 and len({x for x, _ in boxes(html)}) == 5
    assert "5 steps, in 2 layers" in text and "3 | l | l" in text and "layer 2" in html
    assert html.count("role=\"img\"") == 2 and all(f">{letter}<" in html for letter in "hello")


def test_the_network_with_its_loop_stands_in_front(shown):
    show.unrolled("abc", "bcd", "t")
    show.unrolled("abc", "bcd", "t", loop=True)
    assert len(boxes(shown[1][0])) == len(boxes(shown[0][0])) + 1 and ">=<" in shown[1][0]


def test_long_sequences_take_several_lines_and_stay_inside(shown):
    show.unrolled("x" * 60, [None] * 59 + ["yes"], "t", begin="a long first state")
    places = boxes(shown[0][0])
    assert len(places) == 60 and len({y for _, y in places}) > 3 and len(set(places)) == 60
    assert min(x for x, _ in places) >= 0 and max(x for x, _ in places) + 26 <= 680
    assert "Its first state is made from: a long first state." in shown[0][1]


def test_drawings_escape_what_they_are_given(shown):
    show.unrolled(["<b>"], ["&"], "a < b")
    assert "<b>" not in shown[0][0] and "&lt;b&gt;" in shown[0][0]


@pytest.mark.parametrize("call, words", [
    (lambda: show.unrolled([], [], "t"), "got 0 to read and 0 to say"),
    (lambda: show.unrolled("ab", "a", "t"), "got 2 to read and 1 to say"),
    (lambda: show.unrolled("a", "a", "t", layers=0), "one to 4 layers; got 0"),
    (lambda: show.unrolled("a", "a", " "), "a drawing needs a title"),
    (lambda: show.cells(("rnn", "elman"), "t", "a"), "the cells are: rnn, lstm, gru; got 'elman'"),
    (lambda: show.cells((), "t", "a"), "got None"),
    (lambda: show.gates({}, [], "t"), "each strip needs a value for each of the 0 symbols"),
    (lambda: show.gates({"f": [1, 2]}, "abc", "t"), "each of the 3 symbols; got {'f': 2}"),
])
def test_what_cannot_be_drawn_is_said(call, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        call()


def test_cells_are_drawn_side_by_side_and_below_each_other(shown):
    show.cells(("rnn", "lstm", "gru"), "Three cells", "what they show")
    html, text = shown[0]
    assert text == "what they show"
    places = re.findall(r"translate\(([-\d.]+) ([-\d.]+)\)", html)
    assert len({y for _, y in places[:3]}) == 1 and len({y for _, y in places[3:]}) == 3
    for letter in "ifgozrn":
        assert html.count(f">{letter}</text>") == 2, letter  # once wide, once narrow


def test_gates_are_bars_between_0_and_1_and_values_are_not():
    fig = show.gates({"forget": [0.0, 0.5, 1.0], "cell": [-2.0, 0.0, 1.5]}, "abc", "t", shade=[False, True, False])
    door, value = fig.axes
    assert door.get_ylim()[0] == 0 and value.get_ylim()[0] < -2
    assert [bar.get_height() for bar in door.containers[-1]] == [0, 0.5, 1]
    assert [label.get_text() for label in value.get_xticklabels()] == list("abc")
    assert door.containers[-1][0].get_facecolor() != value.containers[-1][0].get_facecolor()
