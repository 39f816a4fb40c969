"""The full runs of the detector: trained on the forgeries of one generator, asked about those of all."""
import importlib
import io
from dataclasses import asdict

import numpy as np

from dlbook import data, runs
from dlbook.gan.detector import evidence, spec

TASKS = tuple(spec.FAMILIES)
SHIPPED = ("torch", 0)  # framework and seed of the runs whose weights the course ships; the last task's writes the quiz
TRAINED, ASKED = 40_000, 5_000  # training images of each kind; forgeries of each generator that it is asked about
WATCHED = 1_000  # images of each kind measured after each epoch
# Forgeries are drawn from seeds of their own, so that none is drawn twice: to these two the seed of the run is added.
TRAINING_SEED, TEST_SEED, QUIZ_SEED = 10_000, 20_000, 30_000
PART = 2_000  # forgeries drawn at once: a style-based generator reads some 2,800 random numbers for each
ROUNDS = 24  # pairs of the quiz
SIDES = ("left", "right")


def run(framework, seed, folder, task):
    """Train on real digits and one generator's forgeries; ask about the test digits and the forgeries of every generator.

    Args:
        framework: `keras` or `torch`, of the detector and of the generators.
        seed: starting weights, order of the images, roughening, and the forgeries.
        folder: where the weights and the quiz are written.
        task: the generator to train on, one of `TASKS`.

    Returns:
        dict of `files`, `metrics`, `history` (one value an epoch), `results` (setting: generator: as `evidence.score`), `cues`
        (grey levels: generator: as `evidence.told_by_cues`), `quiz` (what `asked` returns), `architecture` and `training`.

    Raises:
        FileNotFoundError: the course ships no such generator yet.
    """
    digits = data.digits("full")
    forged = {family: forgeries(family, framework, ASKED, TEST_SEED + seed) for family in TASKS}
    trained_on = forgeries(task, framework, TRAINED, TRAINING_SEED + seed)
    pictures, facts = pairs(digits.test_images, framework)
    results, history = {}, {}
    for name, how in spec.SETTINGS.items():
        case = evidence.case(digits.train_images[:TRAINED], trained_on, digits.test_images[:WATCHED], forged[task][:WATCHED], how, seed)
        judge, epochs, weights = trained(framework, case, seed, spec.TRAINING["full"])
        history |= {f"{name}_{key}": values for key, values in epochs.items()}
        real = judge(digits.test_images)
        results[name] = {family: evidence.score(real, judge(images)) for family, images in forged.items()}
        if name == "plain":
            quiz = asked(judge, pictures, facts)
            if (framework, seed) == SHIPPED:
                ship(weights, pictures, folder, task)
    return {
        "files": digits.files, "metrics": summary(results, task), "history": history, "results": results,
        "cues": {str(levels): {family: evidence.told_by_cues(evidence.alike(digits.test_images, levels), evidence.alike(images, levels))
                               for family, images in forged.items()} for levels in (256, spec.LEVELS)},
        "quiz": quiz, "architecture": asdict(spec.ARCHITECTURE), "training": asdict(spec.TRAINING["full"]),
    }


def forgeries(family, framework, n, seed):
    """Digits drawn by a shipped generator.

    Args:
        family: one of `spec.FAMILIES`.
        framework: `keras` or `torch`.
        n: how many.
        seed: of the noise; each part of 2,000 has one of its own.

    Returns:
        (n, H, W) floating point in [0, 1].

    Raises:
        ValueError: an unknown generator.
        FileNotFoundError: its weights are not shipped.
    """
    if family not in spec.FAMILIES:
        raise ValueError(f"there is no generator {family!r}; there are: {', '.join(spec.FAMILIES)}.")
    runs.checkpoint(f"gan/{family}", spec.FAMILIES[family])  # says what is missing
    twin = importlib.import_module(f"dlbook.gan.{family}.with_{framework}")
    gan, starts = twin.load(spec.FAMILIES[family]), range(0, n, PART)
    return np.concatenate([twin.sample(gan, min(PART, n - first), 1000 * seed + k) for k, first in enumerate(starts)])


def trained(framework, case, seed, training):
    """Train a detector.

    Args:
        framework: `keras` or `torch`.
        case: data.Labelled, see `evidence.case`.
        seed: starting weights and order of the images.
        training: train.settings.Training.

    Returns:
        (judge, history, weights): a function from images (N, H, W), as for `evidence.alike`, to their suspicion (N,); what LeNet-5's
        `fit` returns; the weights in the exchange format.
    """
    lenet = importlib.import_module(f"dlbook.cnn.lenet.with_{framework}")
    model = lenet.lenet(spec.ARCHITECTURE, seed)
    history = lenet.fit(model, case, training, seed)
    return lambda images: evidence.suspicion(lenet.predict(model, evidence.alike(images))), history, lenet.weights_of(model)


def summary(results, task):
    """The numbers of a run in few: of the generator that it was trained on, and the means of the others.

    Args:
        results: setting: generator: as `evidence.score`.
        task: the generator that it was trained on.

    Returns:
        dict of name to number.
    """
    found = {}
    for setting, answers in results.items():
        for measure in answers[task]:
            found[f"{setting}_{measure}"] = answers[task][measure]
            found[f"{setting}_unseen_{measure}"] = float(np.mean([answer[measure] for family, answer in answers.items() if family != task]))
    return found


# ---------------------------------------------------------------- the quiz

def pairs(real, framework):
    """Pairs of a real digit and a forgery, drawn at random and not chosen; the same for every task and seed.

    Args:
        real: (N, 28, 28), the real digits.
        framework: `keras` or `torch`.

    Returns:
        (pictures (24, 2, 28, 28), left and right; list of dict with the side that is `real`, the `family` of the other, and `index`: which
        of the real digits it is).
    """
    rng = np.random.default_rng(QUIZ_SEED)
    families = rng.permutation([TASKS[k % len(TASKS)] for k in range(ROUNDS)])
    sides, indices = rng.integers(0, 2, ROUNDS), rng.choice(len(real), ROUNDS, replace=False)
    drawn = {family: iter(forgeries(family, framework, ROUNDS, QUIZ_SEED)) for family in TASKS}
    pictures, facts = [], []
    for family, side, index in zip(families, sides, indices):
        two = [real[index], next(drawn[family])]
        pictures.append([evidence.alike(image[None])[0] for image in (two if side == 0 else two[::-1])])
        facts.append({"real": SIDES[side], "family": str(family), "index": int(index)})
    return np.array(pictures), facts


def asked(judge, pictures, facts):
    """What a detector answers in the quiz.

    Args:
        judge: function from images to their suspicion.
        pictures, facts: as `pairs` returns them.

    Returns:
        the facts, each with `suspicion` (left, right) and `picked`: the side that it suspects less, and so takes for the real one.
    """
    answers = judge(pictures.reshape(-1, *pictures.shape[2:])).reshape(-1, 2)
    return [fact | {"suspicion": answer.tolist(), "picked": SIDES[int(answer.argmin())]} for fact, answer in zip(facts, answers)]


def ship(weights, pictures, folder, task):
    """Write the detector's weights and, of the last task, the quiz: `pairs.png`, a row a pair, dark ink on light paper."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    runs.save_weights(weights, folder / f"{task}.safetensors", trained_on=f"MNIST and forgeries by {task}", framework=SHIPPED[0], seed=SHIPPED[1])
    if task == TASKS[-1]:
        rows = pictures.transpose(0, 2, 1, 3).reshape(-1, 2 * spec.SIDE)  # 24 * 28, 2 * 28
        buffer = io.BytesIO()
        Image.fromarray(np.round(255 * (1 - rows)).astype(np.uint8)).save(buffer, "png")
        (folder / "pairs.png").write_bytes(buffer.getvalue())


def quiz():
    """The pictures of the quiz: (24, 2, 28, 28) float32 in [0, 1], left and right; ink is 1.

    Raises:
        FileNotFoundError: they are not recorded yet.
    """
    from PIL import Image

    ink = 1 - np.asarray(Image.open(io.BytesIO(runs.picture("gan/detector", "pairs"))), np.float32) / 255
    return ink.reshape(-1, spec.SIDE, 2, spec.SIDE).transpose(0, 2, 1, 3)  # 24, 2, 28, 28
