"""The full run: the photos of pets, from the convolutions that learnt from VGG19."""
from dataclasses import asdict

import numpy as np

from dlbook import data, runs
from dlbook.cnn.species import spec

BEGIN = ("style/features", "imitation")  # whose convolutions it begins with
SHIPPED = 0  # seed of the run whose weights the course ships; both twins load them


def run(framework, seed, folder):
    """Train on the official training part and measure on the test part.

    Args:
        framework: `torch`; both twins load its weights.
        seed: of the pieces of photos and the order of the batches.
        folder: where the weights of the shipped run are written.

    Returns:
        dict of `files`, `metrics`, `history` and `training`, as `runs.record` wants it.

    Raises:
        ValueError: framework `keras`.
    """
    if framework != "torch":
        raise ValueError(f"this network is trained in PyTorch alone, and both twins load it; got framework {framework!r}.")
    from dlbook.cnn.species import with_torch as twin

    pets = data.pets("full")
    model = twin.vgg.vgg(spec.NETWORK, seed, begun(twin.vgg, seed))
    train = [image for image, held in zip(pets.images, pets.test) if not held]
    test = np.stack([spec.middle(image) for image, held in zip(pets.images, pets.test) if held])
    history = twin.fit(model, train, pets.species[~pets.test], (test, pets.species[pets.test]), spec.TRAINING, seed)
    if seed == SHIPPED:
        folder.mkdir(parents=True, exist_ok=True)
        half = {name: value.astype("float16") for name, value in twin.vgg.weights_of(model).items()}
        runs.save_weights(half, folder / "checkpoint.safetensors", trained_on=pets.source, begun_with="/".join(BEGIN), framework="torch", seed=seed)
    said = twin.vgg.predict(model, test).argmax(1)
    accuracy = {name: float((said == pets.species[pets.test])[pets.species[pets.test] == k].mean()) for k, name in enumerate(spec.NAMES)}
    return {
        "files": pets.files, "history": history, "training": asdict(spec.TRAINING),
        "metrics": {"test_accuracy": history["val_accuracy"][-1], "test_loss": history["val_loss"][-1]} | {f"accuracy_{k}": v for k, v in accuracy.items()},
    }


def begun(twin, seed):
    """Starting weights: the shipped convolutions, and a last layer of zeros, since the maps hold large numbers; dict of name to array."""
    drawn = twin.weights_of(twin.vgg(spec.NETWORK, seed))
    return drawn | {"logits.weight": 0 * drawn["logits.weight"]} | runs.load_weights(runs.checkpoint(*BEGIN))
