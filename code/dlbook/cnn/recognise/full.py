"""The full runs of recognition: ImageNet networks on the course's photos and on real pets, and the small network for `quick`."""
import importlib

import numpy as np

from dlbook import data, runs
from dlbook.cnn.recognise import spec
from dlbook.data import imagenet

TASKS = ("photos", "crops", "pets", "things")
REAL = ("mobilenet", "squeezenet")
SHIPPED = ("torch", 0)  # framework and seed of the run whose weights the course ships
KEPT = 10  # guesses a photo in the record
CROPS = (1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2)  # side of the middle that is shown, as a share of the largest square's
AT_ONCE = 50


def run(framework, seed, folder, task):
    """Make one record.

    Args:
        framework: `keras` or `torch`.
        seed: of our own network's weights; the others are given.
        folder: where the weights of the shipped run are written.
        task: one of `TASKS`.

    Returns:
        dict of `files`, `metrics` and more.
    """
    twin = importlib.import_module(f"dlbook.cnn.recognise.with_{framework}")
    if task == "things":
        return things(twin, framework, seed, folder)
    return {"photos": photos, "crops": crops, "pets": pets}[task](twin)


def photos(twin):
    """The guesses for the photos inside scikit-image: `table` of photo, network and ten guesses."""
    names, table = data.class_names(), []
    for who in REAL:
        model = twin.recogniser(who)
        table += [{"photo": photo, "network": who, "guesses": twin.ask(model, data.photo(photo), names, KEPT)} for photo in data.PHOTOS]
    return {"files": _files(), "metrics": {f"{row['photo']}_{row['network']}": row["guesses"][0][1] for row in table}, "table": table}


def crops(twin):
    """The guesses while the network is shown less and less of a photo: `table` of photo, share and guesses."""
    names, model, table = data.class_names(), twin.recogniser(REAL[0]), []
    for photo in data.PHOTOS:
        for share in CROPS:
            shown = spec.middle(data.photo(photo), share)
            table.append({"photo": photo, "share": share, "guesses": twin.ask(model, shown, names)})
    return {"files": _files()[:2], "metrics": {f"{row['photo']}_{row['share']}": row["guesses"][0][1] for row in table}, "table": table}


def pets(twin):
    """The place of the right class, for every pet whose breed is a class of ImageNet: `ranks` by network, `breeds` of the photos."""
    found, names = data.pets("full"), data.class_names()
    chosen = [i for i, breed in enumerate(found.breeds) if found.breed_names[breed] in spec.BREEDS]
    breeds = [found.breed_names[found.breeds[i]] for i in chosen]
    labels = np.array([names.index(spec.BREEDS[breed]) for breed in breeds])
    ranks, metrics = {}, {"photos": len(chosen)}
    for who in REAL:
        model = twin.recogniser(who)
        images = (np.stack([spec.prepared(found.images[i] / np.float32(255), model.a.size) for i in chosen[start:start + AT_ONCE]])
                  for start in range(0, len(chosen), AT_ONCE))
        places = spec.ranks(np.concatenate([twin.predict(model, some) for some in images]), labels)
        ranks[who] = places.tolist()
        metrics |= {f"{who}_top{k}": float((places <= k).mean()) for k in (1, spec.GUESSES)}
    return {"files": (*found.files, *_files()), "metrics": metrics, "ranks": ranks, "breeds": breeds}


def _files():
    return (imagenet.FILE, *(spec.NETWORKS[name].file for name in REAL))


def things(twin, framework, seed, folder):
    """Teach our own small network ten kinds of things: `files`, `metrics`, `history`."""
    images = data.things("full")
    model = twin.untaught(seed)
    history = twin.fit(model, images, spec.TRAINING, seed)
    if (framework, seed) == SHIPPED:
        folder.mkdir(parents=True, exist_ok=True)
        half = {name: value.astype("float16") for name, value in twin.weights_of(model).items()}
        runs.save_weights(half, folder / "things.safetensors", trained_on=images.source, framework=framework, seed=seed)
    return {"files": images.files, "metrics": {"test_accuracy": history["val_accuracy"][-1], "test_loss": history["val_loss"][-1]}, "history": history}
