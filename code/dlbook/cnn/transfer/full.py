"""The full runs of transfer: cats against dogs in three ways, features of every layer on many tasks, source networks of many kinds."""
import importlib
from dataclasses import replace

import numpy as np

from dlbook import data, runs
from dlbook.cnn.transfer import measure, sources, spec, targets, ways

WAYS = ("scratch", "pretrained")
TASKS = (*WAYS, "layers", "sources", "features")
OFFICIAL = "mobilenet_v1_075_224/mobilenet_v1_0.75_224.npz"
CATS, DOGS = slice(281, 286), slice(151, 269)  # ImageNet's classes of house cats and of dogs
TRIED = ("species", "breeds", "things", "clothes", "digits")  # from near ImageNet to far from it
SIDE = 64  # pixels at which all tasks are shown to the real network
LAYERS = ("stem", "block1", "block3", "block5", "block7", "block9", "block11", "block12", "block13")
SMALL = ("small pets", "species", "clothes", "digits")  # at the size of the source networks
FEATURES = 160  # pixels at which the shipped features were taken: the photos' own


def run(framework, seed, folder, task):
    """Make one record.

    Args:
        framework: `keras` or `torch`.
        seed: fresh weights, order, crops, choice of images.
        folder: of the record, and of what is shipped.
        task: one of `TASKS`.

    Returns:
        dict of `files`, `metrics` and more.
    """
    twin = importlib.import_module(f"dlbook.cnn.transfer.with_{framework}")
    if task in WAYS:
        return way(twin, task, seed)
    return {"layers": layers, "sources": taught, "features": shipped}[task](twin, seed, folder)


def way(twin, name, seed):
    """Train networks to tell cats from dogs.

    Returns:
        dict of `files`, `metrics`, `history` (one value an epoch, of the last network) and, pretrained, `frozen`, the history before
        fine-tuning. `linear_accuracy` is that of a support vector machine on the frozen tower: what a head can make of it.
    """
    pets = data.pets("full")
    train, test = part(pets, ~pets.test), part(pets, pets.test)
    counts = {"train_images": len(train[0]), "test_images": len(test[0])}
    if name == "scratch":
        _, history = ways.scratch(twin, *train, test, seed=seed)
        return {"files": pets.files, "metrics": {"test_accuracy": history["val_accuracy"][-1], **counts}, "history": history}
    tower, last = twin.network("frozen", seed=seed), spec.layers(spec.TARGET)[-1]
    left, right = (twin.features(tower, spec.squares(photos), (last,))[last] for photos in (train[0], test[0]))
    counts["linear_accuracy"] = measure.accuracy(left, train[1], right, test[1])
    _, found = ways.train(twin, *train, test, seed=seed)
    reached = {f"{which}_accuracy": history["val_accuracy"][-1] for which, history in found.items()}
    return {"files": (*pets.files, OFFICIAL), "metrics": reached | counts, "history": found["tuned"], "frozen": found["frozen"]}


def part(pets, chosen):
    """Some of the photos, and their species: (list of photos, (N,) int64)."""
    return [photo for photo, one in zip(pets.images, chosen) if one], pets.species[chosen]


def layers(twin, seed, folder):
    """A linear classifier on every layer of the real network, and on raw pixels, for every task."""
    a = replace(spec.PRETRAINED, size=SIDE)
    model, table, files = twin.network("frozen", a, source=a), [], [OFFICIAL]
    for name in TRIED:
        task = targets.target(name, SIDE, seed)
        files += [file for file in task.files if file not in files]
        left, right = (twin.features(model, images, LAYERS) | {"pixels": _pixels(images)} for images in (task.train_images, task.test_images))
        for layer in left:
            found = measure.accuracy(left[layer], task.train_labels, right[layer], task.test_labels)
            table.append({"task": name, "layer": layer, "dimensions": left[layer].shape[1], "test_accuracy": found})
        print(name, {row["layer"]: round(row["test_accuracy"], 3) for row in table if row["task"] == name}, flush=True)
    last = {row["task"]: row["test_accuracy"] for row in table if row["layer"] == LAYERS[-1]}
    return {"files": tuple(files), "metrics": last, "table": table}


def _pixels(images):
    """Raw pixels of an image of 24 x 24, as features."""
    rows = np.linspace(0, images.shape[1] - 1, 24).round().astype(int)
    return images[:, rows][:, :, rows].reshape(len(images), -1)


def taught(twin, seed, folder):
    """Source networks of many kinds, and what their features are worth for other tasks; and the base network, fine-tuned."""
    things, table = data.things("full"), []
    tasks = [targets.target(name, sources.BASE.size, seed) for name in SMALL]
    for source in sources.SOURCES:
        network, history = sources.taught(twin.resnet, source, things, seed)
        row = {"factor": source.factor, "value": source.value, "source_accuracy": history["val_accuracy"][-1] if history else None}
        for task in tasks:
            train, test = (twin.features(network, images, (sources.LAYER,))[sources.LAYER] for images in (task.train_images, task.test_images))
            row[task.name] = measure.accuracy(train, task.train_labels, test, task.test_labels)
        table.append(row)
        print(row, flush=True)
        if source.factor == "base":
            tuning = sources.tuning(twin.resnet, twin.features, network, things, seed)
    files = tuple(dict.fromkeys(file for task in tasks for file in (*things.files, *task.files)))
    metrics = {"source_accuracy": table[0]["source_accuracy"]} | {name.replace(" ", "_"): table[0][name] for name in SMALL}
    return {"files": files, "metrics": metrics, "table": table, "tuning": tuning}


def shipped(twin, seed, folder):
    """What the real network's last block gives for every photo of a pet, kept in one byte each for the profile `quick`."""
    pets, a = data.pets("full"), replace(spec.PRETRAINED, size=FEATURES)
    last = spec.layers(a)[-1]
    model, images = twin.mobilenet.mobilenet(a, weights="official"), spec.squares(pets.images, FEATURES)  # with its own head
    found = twin.features(model, images, (last,))[last]
    guesses = twin.predict(model, images[pets.test])
    cats, dogs = (guesses[:, kinds].sum(1) for kinds in (CATS, DOGS))
    stored = measure.packed(found)
    arrays = stored | {"species": pets.species.astype(np.uint8), "breeds": pets.breeds.astype(np.uint8), "test": pets.test.astype(np.uint8)}
    folder.mkdir(parents=True, exist_ok=True)
    runs.save_weights(arrays, folder / "features.safetensors", photos=pets.source, licence=pets.licence, network=OFFICIAL,
                      layer=last, size=FEATURES, breed_names=list(pets.breed_names))
    exact, rough = (measure.accuracy(values[~pets.test], pets.species[~pets.test], values[pets.test], pets.species[pets.test])
                    for values in (found, measure.unpacked(stored)))
    return {"files": (*pets.files, OFFICIAL), "metrics": {"test_accuracy": exact, "test_accuracy_packed": rough,
                                                         "zero_shot": float(((dogs > cats) == pets.species[pets.test]).mean()), "photos": len(found)}}
