"""The recorded way back through the real VGG19: what its strongest units saw in four photos."""
import importlib

import numpy as np

from dlbook.data.photos import photo
from dlbook.explain.deconvnet import spec
from dlbook.style import images

PHOTOS = ("astronaut", "cat", "coffee", "rocket")
SIZE = 224  # pixels
LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4")
UNITS = 6  # a layer
TILE = 112  # pixels, on the sheet
CONTRAST = 0.99  # share of the values between black and white
NETWORK = "vgg19/vgg19_conv_notop.npz"


def run(framework, seed, folder):
    """Trace the strongest units of each layer back, and keep a sheet of pictures, `units.jpg`.

    Args:
        framework: `keras` or `torch`.
        seed: nothing is drawn; it only names the record.
        folder: where the sheet is written.

    Returns:
        dict of `files`, `metrics`, `history` (empty) and `found`: for each layer a list of dict of `unit`, `photo`, `place`, `window`.
    """
    twin = importlib.import_module(f"dlbook.explain.deconvnet.with_{framework}")
    from dlbook.style.gatys.spec import architecture

    network = twin.vgg.vgg(architecture("max"), weights="official")
    photos = np.stack([photo(name, SIZE) for name in PHOTOS])
    found, tiles = {}, []
    for layer in LAYERS:
        found[layer] = []
        for unit, number in strongest(twin.vgg.features(network, photos, [layer])[layer], UNITS):
            seen = twin.project(network, photos[number:number + 1], layer, unit)
            place = tuple(seen.places[0].tolist())
            window = spec.window(network.a, layer, place, (SIZE, SIZE))
            found[layer].append({"unit": unit, "photo": PHOTOS[number], "place": place, "window": window, "activation": float(seen.activations[0])})
            tiles.append((cut(photos[number], window), cut(spec.picture(seen.pixels[0], CONTRAST), window)))
    folder.mkdir(parents=True, exist_ok=True)
    images.save(sheet(tiles), folder / "units.jpg")
    return {"files": [NETWORK], "metrics": {f"widest_{layer}": max(w[2] - w[0] for w in (f["window"] for f in found[layer])) for layer in LAYERS},
            "history": {}, "found": found, "tile": TILE}


def strongest(maps, count):
    """The units whose largest activation is farthest above what is usual for them.

    Args:
        maps: (N, H, W, C), what a layer gives for N photos.
        count: how many units.

    Returns:
        list of (unit, number of the photo in which it is strongest).
    """
    peaks = maps.max((1, 2))  # N, C
    usual = maps.mean((0, 1, 2)) + maps.std((0, 1, 2)) + 1e-6 * maps.max()
    order = np.argsort(-(peaks.max(0) / usual), kind="stable")
    # Some units hardly ever speak: their peaks are high only beside their own silence.
    loud = [unit for unit in order if peaks[:, unit].max() >= np.median(peaks.max(0))]
    return [(int(unit), int(peaks[:, unit].argmax())) for unit in loud[:count]]


def cut(image, window):
    """The part of a picture that a unit sees, as a tile (TILE, TILE, 3)."""
    top, left, bottom, right = window
    return images.resized(image[top:bottom, left:right], (TILE, TILE))


def sheet(tiles):
    """Pairs (what was there, what was traced back) on one sheet: two rows a layer, `UNITS` columns."""
    rows = [np.concatenate([pair[k] for pair in tiles[i:i + UNITS]], 1) for i in range(0, len(tiles), UNITS) for k in (0, 1)]
    return np.concatenate(rows)
