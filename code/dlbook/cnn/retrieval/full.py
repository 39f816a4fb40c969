"""The full run of retrieval: real photos of pets, looked for by every layer of a real network."""
import importlib
from dataclasses import replace

import numpy as np

from dlbook import data
from dlbook.cnn.retrieval import spec
from dlbook.cnn.transfer import spec as transfer
from dlbook.cnn.transfer.full import OFFICIAL

TASKS = ("pets",)
SIZE = 160  # pixels, as the photos are
THUMB, SHOWN, QUERIES = 64, 8, 12  # the sheet: side of a small picture, results a query, queries
PIXELS = 16  # side of the pictures that raw pixels are compared at


def run(framework, seed, folder, task):
    """Look for every test photo among all others, by every layer.

    Args:
        framework: `keras` or `torch`.
        seed: of the queries that are drawn.
        folder: where the sheet of results is written.
        task: `pets`.

    Returns:
        dict of `files`, `metrics`, `table` of features and mean average precision, `queries` with their results.
    """
    twin = importlib.import_module(f"dlbook.cnn.transfer.with_{framework}")
    pets, a = data.pets("full"), replace(transfer.PRETRAINED, size=SIZE)
    images, queries = transfer.squares(pets.images, SIZE), np.flatnonzero(pets.test)
    names, last = transfer.layers(a), transfer.layers(a)[-1]
    found = {("pixels", "pixels"): transfer.squares(pets.images, PIXELS).reshape(len(images), -1)}
    model = twin.network("frozen", a, source=a)
    found |= {("pretrained", layer): values for layer, values in twin.features(model, images, names).items()}
    table = [{"features": who, "layer": layer} | measured(values, pets, queries) for (who, layer), values in found.items()]
    sheet, shown = _sheet(found["pretrained", last], pets, queries, seed)
    if (framework, seed) == ("torch", 0):
        folder.mkdir(parents=True, exist_ok=True)
        sheet.save(folder / "pets.jpg", quality=85)
    best = next(row for row in table if (row["features"], row["layer"]) == ("pretrained", last))
    return {"files": (*pets.files, OFFICIAL), "metrics": {name: best[name] for name in ("breed_map", "species_map")}, "table": table, "queries": shown}


def measured(features, pets, queries):
    """Mean average precision by breed and by species: every query against all other photos."""
    order = spec.ranking(spec.similarity(features[queries] + 1e-9, features + 1e-9), queries)
    return {f"{kind}_map": spec.mean_average_precision(order, labels, labels[queries])
            for kind, labels in (("breed", pets.breeds), ("species", pets.species))}


def _sheet(features, pets, queries, seed):
    """Small pictures of some queries, one of a breed each, and what was found: PIL image, and the same in words."""
    from PIL import Image

    rng, breeds = np.random.default_rng([seed, 9]), np.unique(pets.breeds[queries])
    drawn = [rng.choice(queries[pets.breeds[queries] == breed]) for breed in rng.permutation(breeds)[:QUERIES]]
    order = spec.ranking(spec.similarity(features[drawn], features), drawn)[:, :SHOWN]
    rows = [[query, *results] for query, results in zip(drawn, order)]
    small = transfer.squares([pets.images[i] for row in rows for i in row], THUMB)
    grid = small.reshape(QUERIES, SHOWN + 1, THUMB, THUMB, 3).transpose(0, 2, 1, 3, 4).reshape(QUERIES * THUMB, -1, 3)
    told = [{"breed": pets.breed_names[pets.breeds[query]], "found": [pets.breed_names[pets.breeds[i]] for i in results]} for query, *results in rows]
    return Image.fromarray(np.round(grid * 255).astype(np.uint8)), told
