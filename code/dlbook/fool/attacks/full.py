"""The full runs: two networks on MNIST, one trained as usual and one against attacks; how strong an attack must be to know; and a real ImageNet network, fooled."""
import importlib
from dataclasses import asdict, replace

import numpy as np

from dlbook import data, runs
from dlbook.fool.attacks import measure, spec

TASKS = ("standard", "robust", "strength", "imagenet")
SYSTEM = "fool/attacks"
TAUGHT = 10_000  # of MNIST's training images: every step against attacks costs six times as much as one without
TESTED = 500  # of its test images; a share of 0.9 is then known to about 0.013
STEPS, RESTARTS = 20, 2  # of the attack that measures: more than of the one trained against
# What is trained against, and for how many epochs. Against the whole attack from the first step on, the network learns nothing: its
# loss stays at log 10, that of guessing.
SCHEDULE = {"standard": ((None, 3),), "robust": ((None, 1), (replace(spec.DEFENCE, epsilon=spec.DEFENCE.epsilon / 2), 1), (spec.DEFENCE, 2))}
SHIPPED = ("torch", 0)
STRENGTHS = {"cross entropy": (1, 5, 20, 80), "margin": (20, 80)}  # steps of the attacks that are compared on the shipped robust network
MOST = 5  # random starts of each, and their best


def run(framework, seed, folder, task):
    """Train and attack; or, for `strength` and `imagenet`, attack alone.

    Args:
        framework: `keras` or `torch`.
        seed: starting weights, order of the batches, random starts.
        folder: where weights and pictures are written.
        task: one of `TASKS`.

    Returns:
        dict of `files`, `metrics`, `history` and the accuracies `measured`, as `runs.record` wants it.
    """
    if task == "imagenet":
        from dlbook.fool.attacks import photos

        return photos.run(framework, seed, folder)
    return strength(framework, seed) if task == "strength" else _digits(framework, seed, folder, task)


def strength(framework, seed):
    """What stronger and stronger attacks leave of the shipped network that was trained against attacks.

    Returns:
        dict of `files`, `metrics`, `history` (none) and `table`: for each loss and number of steps the accuracy after one random start
        and after the best of `MOST`.
    """
    twin, vgg = (importlib.import_module(f"dlbook.{name}.with_{framework}") for name in ("fool.attacks", "cnn.vgg"))
    mnist, network = data.digits("full"), vgg.vgg(spec.NETWORK, weights=runs.checkpoint(SYSTEM, "robust"))
    images, labels = mnist.test_images[:TESTED, ..., None], mnist.test_labels[:TESTED]
    table = []
    for loss, several in STRENGTHS.items():
        for steps in several:
            how = replace(spec.pgd(spec.DEFENCE.epsilon, steps, seed=seed), loss=loss)
            one, best = (float(measure.withstands(twin, vgg.predict, network, images, labels, how, starts).mean()) for starts in (1, MOST))
            table.append({"loss": loss, "steps": steps, "one": one, "best": best})
            print(table[-1], flush=True)
    return {"files": mnist.files, "history": {}, "table": table, "starts": MOST, "tested": TESTED,
            "metrics": {"strongest": min(row["best"] for row in table)}}


def _digits(framework, seed, folder, task):
    twin, vgg = (importlib.import_module(f"dlbook.{name}.with_{framework}") for name in ("fool.attacks", "cnn.vgg"))
    mnist, network = data.digits("full"), vgg.vgg(spec.NETWORK, seed)
    part = replace(mnist, train_images=mnist.train_images[:TAUGHT], train_labels=mnist.train_labels[:TAUGHT])
    history = [twin.fit(network, part, replace(spec.TRAINING, epochs=epochs), how, seed) for how, epochs in SCHEDULE[task]]
    if (framework, seed) == SHIPPED:
        folder.mkdir(parents=True, exist_ok=True)
        half = {name: value.astype("float16") for name, value in vgg.weights_of(network).items()}
        runs.save_weights(half, folder / f"{task}.safetensors", trained_on=mnist.source, framework=framework, seed=seed)
    images, labels = mnist.test_images[:TESTED, ..., None], mnist.test_labels[:TESTED]
    found = _measured(twin, vgg.predict, network, images, labels, seed)
    accuracy = float((measure.said(vgg.predict, network, mnist.test_images) == mnist.test_labels).mean())
    at = spec.EPSILONS.index(spec.DEFENCE.epsilon)
    return {
        "files": mnist.files, "history": {"loss": [loss for stage in history for loss in stage["loss"]]}, "epsilons": spec.EPSILONS, "measured": found,
        "training": asdict(spec.TRAINING) | {"against": [asdict(how) if how else None for how, _ in SCHEDULE[task]]}, "steps": STEPS, "restarts": RESTARTS, "taught": TAUGHT, "tested": TESTED,
        "metrics": {"test_accuracy": accuracy, "fgsm_accuracy": found["fgsm"][at], "pgd_accuracy": found["pgd"][at]},
    }


def _measured(twin, predict, network, images, labels, seed):
    """Accuracy under each kind of attack, one value a size; `targeted` is the share that reads the class after the true one."""
    return {
        "noise": [float((measure.said(predict, network, _noisy(images, epsilon, seed)) == labels).mean()) for epsilon in spec.EPSILONS],
        "fgsm": measure.curve(twin, predict, network, images, labels, spec.fgsm, spec.EPSILONS),
        "pgd": measure.curve(twin, predict, network, images, labels, lambda e: spec.pgd(e, STEPS, seed=seed), spec.EPSILONS, RESTARTS),
        "targeted": [measure.towards(twin, predict, network, images, labels, spec.pgd(e, STEPS, targeted=True, seed=seed)) for e in spec.EPSILONS],
    }


def _noisy(images, epsilon, seed):
    """Every pixel brighter or darker by epsilon, at random: as far as an attack goes, without aim."""
    signs = np.random.default_rng([seed, 3]).choice([-1, 1], images.shape)
    return np.clip(images + epsilon * signs, 0, 1).astype(images.dtype)
