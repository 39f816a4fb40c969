"""The full runs of the feature network: it learns from VGG19, and is compared with its rivals."""
from dataclasses import asdict, replace

from dlbook import data, runs
from dlbook.style import paintings
from dlbook.style.features import spec

TASKS = ("imitation", "comparison")
SYSTEM = "style/features"
TEACHER = "vgg19/vgg19_conv_notop.npz"


def run(framework, seed, folder, task):
    """Train one of the networks.

    Args:
        framework: `torch`; both twins load its weights.
        seed: starting weights, pieces of photos, order of the batches.
        folder: where weights and pictures are written.
        task: one of `TASKS`.

    Returns:
        dict of `files`, `metrics` and `history`, as `runs.record` wants it.

    Raises:
        ValueError: framework `keras`.
    """
    if framework != "torch":
        raise ValueError(f"the feature networks are trained in PyTorch alone, and both twins load them; got framework {framework!r}.")
    return {"imitation": imitation, "comparison": comparison}[task](seed, folder)


def imitation(seed, folder, settings=spec.IMITATION):
    """Train the small VGG on what VGG19 gives for pieces of photos of pets; arguments and returns as for `run`."""
    from dlbook.style.features import with_torch as twin
    from dlbook.style.gatys.with_torch import feature_network

    pets, teacher = data.pets("full"), feature_network()
    train, test = ([image for image, held in zip(pets.images, pets.test) if held == part] for part in (False, True))
    images = spec.pieces(train, settings, seed)
    chosen, wanted = twin.lessons(teacher, images, spec.widths(), settings.samples)
    network = twin.vgg.vgg(spec.NETWORK, seed)
    history = twin.imitate(network, images, wanted, settings, seed, said)
    save(twin.vgg.weights_of(network), folder, "imitation", seed, trained_on=f"{pets.source}; {TEACHER}")
    held = spec.pieces(test, replace(settings, pieces=64), seed)
    missed = twin.missed(network, held, twin.answers(teacher, held, chosen))
    return {
        "files": (*pets.files, TEACHER), "history": history, "training": asdict(settings),
        "chosen": {name: numbers.tolist() for name, numbers in chosen.items()},
        "metrics": {f"missed_{name}": share.item() for name, share in missed.items()},
    }


def comparison(seed, folder):
    """Paint the same pictures with every candidate and with VGG19, and let VGG19 judge them; arguments and returns as for `run`.

    `table` is a list of dict: `style`, `network`, `content` and `style_loss` as `comparison.judged` gives them, and `seconds` of the
    processor for all steps.
    """
    from dlbook.style.features import comparison as painting
    from dlbook.style.gatys import with_torch as twin

    things, networks = candidates(twin, seed)
    judge = twin.feature_network()
    table, sheet = [], []
    for name in painting.STYLES:
        content, style = painting.photo(), painting.style(name)
        results, seconds = painting.paint_all(twin, networks | {"vgg19": judge}, content, style)
        found = painting.judged(twin, judge, content, style, {"photo": content} | results)
        table += [{"style": name, "network": who, "content": losses["content"], "style_loss": losses["style"], "seconds": seconds.get(who, 0.0)}
                  for who, losses in found.items()]
        if name in painting.DRAWN:
            sheet.append([*results.values()])
    (folder / "comparison.png").write_bytes(painting.sheet(sheet, painting.DRAWN, painting.TITLES))
    return {
        "files": (*things["files"], TEACHER, *(paintings.file(name) for name in painting.STYLES if name in paintings.PAINTINGS)),
        "metrics": painting.means(table), "table": table, "history": things["history"], "things": things["metrics"],
        "settings": asdict(painting.SETTINGS), "candidates": {name: said for name, (said, _) in spec.CANDIDATES.items()},
    }


def candidates(twin, seed):
    """The networks that are compared: what was measured of the one trained here, and dict of name to network."""
    checkpoint = runs.checkpoint(SYSTEM, "imitation")
    things = name_things(seed)
    weights = {"imitation": checkpoint, "things": things.pop("weights")}
    return things, {name: twin.vgg.vgg(a, seed, weights.get(name)) for name, (_, a) in spec.CANDIDATES.items()}


def name_things(seed):
    """Train a rival to name ten kinds of things; returns `files`, `history`, `metrics` and the `weights` of its convolutions."""
    from dlbook.cnn.vgg import with_torch as vgg

    images = data.things("full")
    model = vgg.vgg(spec.CLASSIFIER, seed)
    history = vgg.fit(model, images, spec.TRAINING, seed)
    return {
        "files": images.files, "history": history, "metrics": {"test_accuracy": history["val_accuracy"][-1], "test_loss": history["val_loss"][-1]},
        "weights": {name: value for name, value in vgg.weights_of(model).items() if name.startswith("conv")},
    }


def said(step, missed):
    """Print how much is missed, every 200 steps."""
    if step % 200 == 0:
        print(f"step {step}: missed {missed:.3f}", flush=True)


def save(weights, folder, task, seed, **about):
    """Write a network's weights in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: value.astype("float16") for name, value in weights.items()}
    runs.save_weights(half, folder / f"{task}.safetensors", framework="torch", seed=seed, **about)
