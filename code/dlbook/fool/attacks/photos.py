"""A real ImageNet network, MobileNet, fooled: on four photos that everyone has, and, counted, on photos of pets."""
import importlib

import numpy as np

from dlbook import data
from dlbook.cnn.species.spec import middle
from dlbook.data.photos import photo
from dlbook.fool.attacks import measure, spec
from dlbook.style import images as pictures

SIZE = 224
PHOTOS = ("cat", "coffee", "rocket", "astronaut")
LEVELS = (0, 0.5, 1, 2, 4)  # largest change of a pixel, of 255 grey levels
SHOWN = 2  # grey levels, of the pictures that are kept
TARGET = "toaster"
PETS = 120  # a share of 0.5 is then known to about 0.05
CATS, DOGS = range(281, 286), range(151, 269)  # ImageNet's classes of house cats, and of dogs
STEPS = 10
WEIGHTS = "mobilenet_v1_075_224/mobilenet_v1_0.75_224.npz"
CLASSES = "imagenet_classes/imagenet_class_index.json"


def run(framework, seed, folder):
    """Attack MobileNet; keeps `photos.png`: a row a photo, with the photo, the changed one, the change (grey: none), and the targeted one.

    Args:
        framework: `keras` or `torch`.
        seed: of random starts.
        folder: where the pictures are written.

    Returns:
        dict of `files`, `metrics`, `history`, `levels`, `measured`: for each attack the share of pets still taken for their own
        species, a value a level; `photos`: for each photo what the network said of each picture.
    """
    twin, mobilenet = (importlib.import_module(f"dlbook.{name}.with_{framework}") for name in ("fool.attacks", "cnn.mobilenet"))
    network, names = mobilenet.mobilenet("0.75", weights="official"), [text.replace("_", " ") for text in data.class_names()]
    said, rows = {}, []
    for name in PHOTOS:
        said[name], row = fooled(twin, mobilenet.predict, network, photo(name, SIZE)[None], names, seed)
        rows += row
    folder.mkdir(parents=True, exist_ok=True)
    pictures.save(_sheet(rows), folder / "photos.png")
    pets = data.pets("full")
    test = np.flatnonzero(pets.test)[:: max(1, pets.test.sum() // PETS)][:PETS]
    measured = species_kept(twin, mobilenet.predict, network, np.stack([middle(pets.images[n], SIZE) for n in test]), pets.species[test], seed)
    files = [WEIGHTS, CLASSES, *pets.files]
    return {"files": files, "metrics": {f"pets_{kind}_1": values[LEVELS.index(1)] for kind, values in measured.items()} | {"pets_clean": measured["pgd"][0]},
            "history": {}, "levels": LEVELS, "measured": measured, "photos": said, "pets": len(test), "shown": SHOWN, "target": TARGET}


def fooled(twin, predict, network, image, names, seed):
    """What a network says of a photo (1, H, W, 3) and of changed ones; dict of kind to [class, probability], and four pictures."""
    first, target = predict(network, image).argmax(1), np.array([names.index(TARGET)])
    away = twin.attack(network, image, first, spec.pgd(SHOWN / 255, STEPS, seed=seed))
    towards = twin.attack(network, image, target, spec.pgd(SHOWN / 255, 3 * STEPS, targeted=True, seed=seed))
    said = {}
    for kind, one in {"photo": image, "away": rounded(away), "towards": rounded(towards)}.items():
        chances = predict(network, one)[0]
        said[kind] = [names[chances.argmax()], float(chances.max())]
    change = 0.5 + (rounded(away) - image) * 255 / (2 * SHOWN) * 0.9
    return said, [image[0], rounded(away)[0], np.clip(change[0], 0, 1), rounded(towards)[0]]


def rounded(images):
    """Images as a file of 8 bits holds them: what is fooled must survive being saved."""
    return (np.round(images * 255) / 255).astype(images.dtype)


def species_kept(twin, predict, network, images, species, seed):
    """Share of pets that are taken for their species (0 cat, 1 dog), by the more probable of ImageNet's cats and dogs together."""
    first = np.array([predict(network, image[None])[0] for image in images])
    # An attack that only leaves the breed behind ends at another breed. This one is to reach the other species, whichever breed of it.
    labels = np.zeros((len(images), first.shape[1]), bool)
    labels[np.ix_(species == 0, DOGS)] = labels[np.ix_(species == 1, CATS)] = True
    found = {"noise": [], "fgsm": [], "pgd": []}
    for level in LEVELS:
        for kind, values in found.items():
            chances = first if not level else np.concatenate(
                [predict(network, _changed(twin, network, images[i:i + 20], labels[i:i + 20], kind, level / 255, seed)) for i in range(0, len(images), 20)])
            kinds = np.stack([chances[:, CATS].sum(1), chances[:, DOGS].sum(1)], 1)
            values.append(float((kinds.argmax(1) == species).mean()))
    return found


def _changed(twin, network, images, labels, kind, epsilon, seed):
    if kind == "noise":
        signs = np.random.default_rng([seed, 3]).choice([-1, 1], images.shape)
        return np.clip(images + epsilon * signs, 0, 1).astype(images.dtype)
    return twin.attack(network, images, labels, spec.fgsm(epsilon, True) if kind == "fgsm" else spec.pgd(epsilon, STEPS, True, seed))


def _sheet(rows):
    """Pictures in rows of four on one sheet."""
    return np.concatenate([np.concatenate(rows[i:i + 4], 1) for i in range(0, len(rows), 4)])
