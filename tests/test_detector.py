"""The detector of forgeries: what it is shown, what its answers are worth, and its recorded runs."""
import importlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dlbook import profile

profile.setup()

from dlbook import data, runs  # noqa: E402  (profile.setup comes first)
from dlbook.cnn.lenet import spec as lenet  # noqa: E402
from dlbook.cnn.lenet import with_keras, with_torch  # noqa: E402
from dlbook.gan.detector import evidence, full, spec  # noqa: E402
from dlbook.parity import compare  # noqa: E402

TWINS = {"keras": with_keras, "torch": with_torch}
RECORDED = (runs.RUNS / "gan" / "detector").is_dir()
SHORT = replace(spec.TRAINING["quick"], epochs=3)


@pytest.fixture(scope="module")
def digits():
    """The embedded digits, framed as MNIST's are."""
    whole = data.digits()
    framed = [np.stack([data.frame(image) for image in images]).astype(np.float32) for images in (whole.train_images, whole.test_images)]
    return replace(whole, train_images=framed[0], test_images=framed[1])


def tilted(images):
    """Forgeries: the same digits, leaning to the right."""
    return np.stack([np.roll(row, 4 - k // 3, 1) for k, row in enumerate(np.moveaxis(images, 1, 0))], 1)


# ---------------------------------------------------------------- the same processing for both kinds

def test_values_between_the_grey_levels_tell_nothing(digits):
    """Real digits are stored in bytes; forgeries are not. Noise smaller than half a level leaves no trace."""
    stored = np.round(digits.test_images * 255) / 255
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, stored.shape) / 255
    between = np.clip(stored + noise, 0, 1)
    assert (between != stored).mean() > 0.3
    for levels in (256, spec.LEVELS):
        assert np.array_equal(evidence.alike(between, levels), evidence.alike(stored, levels))


def test_a_frame_tells_nothing(digits):
    framed = np.pad(digits.test_images, ((0, 0), (2, 2), (2, 2)), constant_values=0.7)
    assert np.array_equal(evidence.alike(framed), evidence.alike(digits.test_images))


def test_a_ground_that_is_not_quite_empty_tells_everything_until_it_is_rounded_away(digits):
    images = digits.test_images
    specks = np.random.default_rng(0).integers(0, 7, images.shape) / 255
    dirty = np.where(images == 0, specks, images)
    told = {levels: evidence.told_by_cues(*(evidence.alike(some, levels) for some in (images, dirty))) for levels in (256, spec.LEVELS)}
    assert told[256]["faint"] == told[256]["empty"] == 1
    assert all(share == 0.5 for share in told[spec.LEVELS].values())


def test_the_shipped_generator_has_such_a_ground():
    """Some fifty pixels an image that no eye sees, and none of them in what the detector is shown."""
    forged = full.forgeries("dcgan", "torch", 200, 5)
    faint = [evidence.cues(evidence.alike(forged, levels))["faint"] for levels in (256, spec.LEVELS)]
    assert np.median(faint[0]) > 20 and not faint[1].any()


def test_images_are_multiples_of_a_level():
    images = evidence.alike(np.random.default_rng(0).random((9, 28, 28)))
    assert images.dtype == np.float32 and np.allclose(images * 15, np.round(images * 15), atol=1e-5) and len(np.unique(images)) == 16
    assert np.array_equal(evidence.alike(images), images)


@pytest.mark.parametrize("images, levels, words", [
    (np.zeros((2, 30, 30)), 16, r"\(N, 28, 28\) or \(N, 32, 32\); got \(2, 30, 30\)"), (np.zeros((28, 28)), 16, r"got \(28, 28\)"),
    (np.full((1, 28, 28), 1.5), 16, "got values from 1.5 to 1.5"), (np.full((1, 28, 28), np.nan), 16, "got values from nan"),
    (np.zeros((1, 28, 28)), 1, "2 to 256 grey levels; got 1"), (np.zeros((1, 28, 28)), 257, "got 257"),
])
def test_what_cannot_be_shown_to_a_detector_is_said(images, levels, words):
    with pytest.raises(ValueError, match=words):
        evidence.alike(images, levels)


def test_roughening_touches_a_share_of_the_images(digits):
    images = evidence.alike(digits.train_images)
    rough = evidence.roughened(images, spec.Roughening(0.5, 0.7, 0), 1)
    touched = (rough != images).any((1, 2))
    assert 0.45 < touched.mean() < 0.55 and np.array_equal(evidence.alike(rough), rough)
    assert rough[touched].max((1, 2)).mean() < images[touched].max((1, 2)).mean()  # a blur lowers peaks
    noisy = evidence.roughened(images, spec.Roughening(1, 0, 0.1), 1)
    assert np.abs(noisy - images)[(images > 0.3) & (images < 0.7)].mean() == pytest.approx(0.1 * np.sqrt(2 / np.pi), rel=0.1)
    assert np.array_equal(evidence.roughened(images, seed=3), evidence.roughened(images, seed=3))
    assert not np.array_equal(evidence.roughened(images, seed=3), evidence.roughened(images, seed=4))
    assert np.array_equal(evidence.roughened(images, spec.SETTINGS["plain"]), images)


@pytest.mark.parametrize("change", [{"share": 1.1}, {"share": -0.1}, {"blur": -1}, {"noise": float("nan")}])
def test_impossible_roughening_is_refused(change):
    with pytest.raises(ValueError, match=f"{next(iter(change))} .*; got {next(iter(change.values()))}"):
        spec.Roughening(**change)


def test_a_case_has_both_kinds_in_both_parts(digits):
    case = evidence.case(digits.train_images[:30], tilted(digits.train_images[30:70]), digits.test_images[:5], tilted(digits.test_images[5:12]))
    assert np.bincount(case.train_labels).tolist() == [30, 40] and np.bincount(case.test_labels).tolist() == [5, 7]
    assert np.array_equal(case.train_images[case.train_labels == spec.REAL], evidence.alike(digits.train_images[:30]))
    assert np.array_equal(case.test_images[case.test_labels == spec.FORGED], evidence.alike(tilted(digits.test_images[5:12])))
    with pytest.raises(ValueError, match="got 3, 0, 3, 3"):
        evidence.case(digits.train_images[:3], digits.train_images[:0], digits.test_images[:3], digits.test_images[:3])


# ---------------------------------------------------------------- what answers are worth

def test_suspicion_is_the_difference_of_the_logits():
    logits = np.random.default_rng(0).normal(0, 12, (200, 2))
    likely = np.exp(logits - logits.max(1, keepdims=True))
    found = evidence.suspicion((likely / likely.sum(1, keepdims=True)).astype(np.float32))
    assert np.allclose(found, logits[:, 1] - logits[:, 0], rtol=1e-5, atol=1e-5)
    assert np.isfinite(evidence.suspicion(np.array([[1.0, 0.0], [0.0, 1.0]]))).all()


def test_score_of_known_answers():
    found = evidence.score([-3, -1, 2, -2], [1, 4, -2])
    assert found == {"accuracy": (3 / 4 + 2 / 3) / 2, "found": 2 / 3, "pairs": (3 + 4 + 1.5) / 12}
    same = np.random.default_rng(0).normal(size=500)
    assert evidence.score(same, same)["pairs"] == pytest.approx(0.5) and evidence.score(same, same + 100)["pairs"] == 1
    with pytest.raises(ValueError, match="got 2 and 0"):
        evidence.score([1, 2], [])


def test_pairs_are_counted_one_by_one():
    rng = np.random.default_rng(0)
    low, high = rng.integers(0, 9, 40), rng.integers(3, 12, 30)
    assert evidence.above(low, high) == pytest.approx(np.mean((low[:, None] < high) + (low[:, None] == high) / 2))


def test_cues_are_counts():
    image = np.zeros((1, 28, 28))
    image[0, 0, :4] = (0.01, 0.5, 0.5, 1)
    assert {name: value.tolist() for name, value in evidence.cues(image).items()} == {
        "ink": [pytest.approx(2.01)], "empty": [780], "faint": [1], "brightest": [1.0], "levels": [4]}


# ---------------------------------------------------------------- the network

def test_it_is_lenet_with_two_classes():
    assert replace(spec.ARCHITECTURE, num_classes=10) == lenet.VARIANTS["modern"]
    assert sum(row.parameters for row in lenet.table(spec.ARCHITECTURE)) == lenet.PARAMETERS["modern"] - 8 * 85 == 61_026


def test_twins_agree(digits):
    weights = lenet.start(spec.ARCHITECTURE, 3)
    images = evidence.alike(digits.test_images[:20]).astype(np.float64)
    answers = [evidence.suspicion(twin.predict(twin.lenet(spec.ARCHITECTURE, weights=weights, dtype="float64"), images)) for twin in TWINS.values()]
    assert np.abs(answers[0]).max() > 0.1 and compare.difference(*answers) <= 1e-12


@pytest.mark.parametrize("framework", TWINS)
def test_it_finds_forgeries_and_nothing_where_there_are_none(framework, digits):
    """Digits that lean are found, also new ones; a detector trained to tell real digits from real digits learns nothing that holds."""
    train, test = digits.train_images[::2], digits.test_images
    half, some = len(train) // 2, len(test) // 2
    judge, history, _ = full.trained(framework, evidence.case(train[:half], tilted(train[half:]), test[:some], tilted(test[some:])), 0, SHORT)
    found = evidence.score(judge(test[:some]), judge(tilted(test[some:])))
    assert found["accuracy"] > 0.9 and found["pairs"] > 0.97 and history["val_accuracy"][-1] == pytest.approx(found["accuracy"], abs=0.01)
    judge, _, _ = full.trained(framework, evidence.case(train[:half], train[half:], test[:some], test[some:]), 0, SHORT)
    assert 0.4 < evidence.score(judge(test[:some]), judge(test[some:]))["pairs"] < 0.6


# ---------------------------------------------------------------- the full runs

@pytest.fixture
def small(monkeypatch, digits):
    """Full runs of seconds: the embedded digits, and three kinds of forgeries of them."""
    def forgeries(family, framework, n, seed):
        rng = np.random.default_rng([seed, list(spec.FAMILIES).index(family)])
        images = tilted(digits.train_images[rng.integers(0, len(digits.train_images), n)])
        return {"dcgan": images, "progressive": np.pad(images**2, ((0, 0), (2, 2), (2, 2))), "style_based": images * 0.7}[family]

    monkeypatch.setattr(full, "forgeries", forgeries)
    monkeypatch.setattr(full, "data", SimpleNamespace(digits=lambda name: digits))
    monkeypatch.setitem(spec.TRAINING, "full", SHORT)
    for name, value in {"TRAINED": 300, "ASKED": 60, "WATCHED": 40}.items():
        monkeypatch.setattr(full, name, value)


def test_a_run_asks_about_every_generator_and_ships_the_quiz(small, tmp_path, monkeypatch):
    last = full.TASKS[-1]
    result = full.run("torch", 0, tmp_path, last)
    assert result["results"].keys() == spec.SETTINGS.keys() and all(found.keys() == spec.FAMILIES.keys() for found in result["results"].values())
    assert all(0 <= value <= 1 for found in result["results"].values() for one in found.values() for value in one.values())
    for setting, found in result["results"].items():
        assert result["metrics"][f"{setting}_pairs"] == found[last]["pairs"]
        others = [found[family]["accuracy"] for family in full.TASKS[:-1]]
        assert result["metrics"][f"{setting}_unseen_accuracy"] == pytest.approx(np.mean(others))
    assert result["history"]["plain_loss"] != result["history"]["roughened_loss"] and len(result["history"]["plain_loss"]) == SHORT.epochs
    assert {levels: found.keys() for levels, found in result["cues"].items()} == {"256": spec.FAMILIES.keys(), "16": spec.FAMILIES.keys()}
    monkeypatch.setattr(full.runs, "picture", lambda system, name: (tmp_path / f"{name}.png").read_bytes())
    check_quiz(result["quiz"], full.quiz(), tmp_path / f"{last}.safetensors")


def check_quiz(facts, pictures, weights):
    """The pictures that are shipped, judged by the weights that are shipped, give the facts that are recorded."""
    model = with_torch.lenet(spec.ARCHITECTURE, weights=weights)
    judge = lambda images: evidence.suspicion(with_torch.predict(model, evidence.alike(images)))
    assert pictures.shape == (full.ROUNDS, 2, 28, 28) and len(facts) == full.ROUNDS
    again = full.asked(judge, pictures, [{name: fact[name] for name in ("real", "family", "index")} for fact in facts])
    for old, new in zip(facts, again):
        assert np.allclose(old["suspicion"], new["suspicion"], rtol=1e-3, atol=1e-3)
        assert {name: old[name] for name in ("real", "family", "index", "picked")} == {name: new[name] for name in ("real", "family", "index", "picked")}


def test_the_quiz_is_drawn_at_random_and_the_same_for_all(small, digits):
    pictures, facts = full.pairs(digits.test_images, "torch")
    again, others = full.pairs(digits.test_images, "torch")
    assert np.array_equal(pictures, again) and facts == others
    families = [fact["family"] for fact in facts]
    assert {family: families.count(family) for family in full.TASKS} == dict.fromkeys(full.TASKS, full.ROUNDS // 3)
    assert 6 <= sum(fact["real"] == "left" for fact in facts) <= 18 and families != sorted(families)
    assert len({fact["index"] for fact in facts}) == full.ROUNDS
    for two, fact in zip(pictures, facts):
        assert np.array_equal(two[full.SIDES.index(fact["real"])], evidence.alike(digits.test_images[fact["index"]][None])[0])


def test_only_chosen_runs_ship(small, tmp_path):
    full.run("torch", 1, tmp_path / "seed", full.TASKS[-1])
    full.run("torch", 0, tmp_path / "first", full.TASKS[0])
    assert not (tmp_path / "seed").exists() and [path.name for path in (tmp_path / "first").iterdir()] == [f"{full.TASKS[0]}.safetensors"]


def test_the_less_suspected_one_is_taken_for_real():
    pictures = np.zeros((2, 2, 28, 28))
    pictures[0, 0] = pictures[1, 1] = 1
    answers = full.asked(lambda images: images.mean((1, 2)) - 0.5, pictures, [{"real": "right"}, {"real": "right"}])
    assert [answer["picked"] for answer in answers] == ["right", "left"] and answers[0]["suspicion"] == [0.5, -0.5]


def test_a_missing_generator_is_said(monkeypatch, tmp_path, capsys):
    with pytest.raises(ValueError, match="no generator 'vae'; there are: dcgan, progressive, style_based"):
        full.forgeries("vae", "torch", 1, 0)
    monkeypatch.setattr(runs, "RUNS", tmp_path)
    with pytest.raises(FileNotFoundError, match="progressive.*make them with: make full RUN=gan/progressive TASK=grown"):
        full.forgeries("progressive", "torch", 1, 0)


def test_forgeries_come_from_the_seed(monkeypatch):
    monkeypatch.setattr(full, "PART", 3)
    first, second, other = (full.forgeries("dcgan", "torch", 4, seed) for seed in (1, 1, 2))
    assert first.shape == (4, 28, 28) and np.array_equal(first, second) and not np.array_equal(first, other)
    assert len(np.unique(first, axis=0)) == 4  # the parts differ
    assert full.TRAINING_SEED + 999 < full.TEST_SEED and full.TEST_SEED + 999 < full.QUIZ_SEED  # of all seeds of a run, none is another's


@pytest.mark.parametrize("family", spec.FAMILIES)
def test_families_are_shipped_by_their_systems(family):
    system = importlib.import_module(f"dlbook.gan.{family}.full")
    assert (spec.FAMILIES[family], "torch", 0) in system.SHIPPED


@pytest.mark.skipif(not RECORDED, reason="the detector's runs are not recorded yet")
def test_the_record_is_of_what_is_shipped():
    for task in full.TASKS:
        record, = [one for one in runs.records("gan/detector", task) if (one["framework"], one["seed"]) == full.SHIPPED]
        check_quiz(record["quiz"], full.quiz(), runs.checkpoint("gan/detector", task))
        assert record["metrics"] == full.summary(record["results"], task)
