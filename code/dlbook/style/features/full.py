"""The full runs of the feature network: it learns from VGG19, and is compared with its rivals."""
from dataclasses import asdict, replace

from dlbook import data, runs
from dlbook.style.features import spec

TASKS = ("imitation",)
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
    return {"imitation": imitation}[task](seed, folder)


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


def said(step, missed):
    """Print how much is missed, every 200 steps."""
    if step % 200 == 0:
        print(f"step {step}: missed {missed:.3f}", flush=True)


def save(weights, folder, task, seed, **about):
    """Write a network's weights in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: value.astype("float16") for name, value in weights.items()}
    runs.save_weights(half, folder / f"{task}.safetensors", framework="torch", seed=seed, **about)
