"""The recorded shortcut: cats and dogs, told apart by a coloured mark; with the mark in its true place, and anywhere."""
import importlib
from dataclasses import asdict, replace

import numpy as np

from dlbook import data
from dlbook.cnn.species import full as species_full
from dlbook.cnn.species import spec as species
from dlbook.fool.shortcut import spec

SIZE, CLASSES = 64, len(species.NAMES)  # pixels
TRAINING = replace(species.TRAINING, epochs=6)
TRAINED = {"shortcut": "true", "anywhere": "random"}  # name of the network -> where the mark is when it learns
LAYER, SEEN = "relu4_2", 100  # of Grad-CAM's maps, 8 x 8; photos that maps are made for
SIDE, STRIDE = 12, 6  # of the square that covers, pixels; a mark has a side of 9


def run(framework, seed, folder):
    """Train one network a kind of mark and test each with the marks true, missing and moved.

    Args:
        framework: `torch`; see `cnn/species`.
        seed: of pieces, order and marks.
        folder: nothing is written but the record.

    Returns:
        dict of `files`, `metrics`, `history` (the accuracy on photos without marks, a value an epoch) and `measured`.

    Raises:
        ValueError: framework `keras`.
    """
    if framework != "torch":
        raise ValueError(f"this network is trained in PyTorch alone; got framework {framework!r}.")
    training, maps = (importlib.import_module(f"dlbook.{name}.with_torch") for name in ("cnn.species", "explain.maps"))
    from dlbook.explain.maps.spec import enlarged

    vgg, pets, a = training.vgg, data.pets("full"), replace(species.NETWORK, size=SIZE)
    photos = [image for image, held in zip(pets.images, pets.test) if not held]
    test, labels = np.stack([species.middle(image, SIZE) for image in np.array(pets.images, object)[pets.test]]), pets.species[pets.test]
    history, measured = {}, {}
    for name, kind in TRAINED.items():
        network = vgg.vgg(a, seed, species_full.begun(vgg, seed))
        change = lambda pieces, numbers, rng: spec.marked(pieces, spec.marks(numbers, CLASSES, kind, rng), CLASSES)
        history[name] = training.fit(network, photos, pets.species[~pets.test], (test, labels), TRAINING, seed, change)["val_accuracy"]
        measured[name] = spec.accuracies(lambda images: vgg.predict(network, images).argmax(1), test, labels, CLASSES, seed)
        shown = spec.marked(test[:SEEN], labels[:SEEN], CLASSES)
        heats = {"gradcam": enlarged(maps.gradcam(network, shown, labels[:SEEN], LAYER), (SIZE, SIZE)),
                 "occlusion": maps.occlusion(network, shown, labels[:SEEN], SIDE, STRIDE)}
        measured[name] |= {f"{kind}_on_the_marks": spec.on_the_marks(values, labels[:SEEN], CLASSES) for kind, values in heats.items()}
        measured[name]["says_dog"] = float(vgg.predict(network, test).argmax(1).mean())  # of the photos without marks
    top, left, bottom, right = spec.box(0, CLASSES, SIZE)
    return {"files": pets.files, "history": history, "measured": measured, "training": asdict(TRAINING), "size": SIZE,
            "mark": (bottom - top) * (right - left) / SIZE**2,
            "metrics": {f"{name}_{kind}": value for name, values in measured.items() for kind, value in values.items()}}
