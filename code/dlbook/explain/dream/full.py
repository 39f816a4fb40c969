"""The recorded dreams of the real VGG19."""
import importlib
from dataclasses import asdict, replace

import numpy as np

from dlbook.data.photos import photo
from dlbook.explain.dream import spec
from dlbook.style import images
from dlbook.style.gatys.full import sheet

SIZE = 320  # pixels
LAYERS = ("relu2_2", "relu3_4", "relu4_4", "relu5_2")
PHOTOS = ("galaxies", "astronaut")
SETTINGS = spec.Settings(octaves=4, steps=10)
SEEN = (0, 3, 6, 9)  # steps of each octave after which the picture is kept
NETWORK = "vgg19/vgg19_conv_notop.npz"


def run(framework, seed, folder):
    """Dream each photo with each layer: `layers.jpg`, a row a photo; and the way of the first photo and last layer but one, `way.jpg`.

    Args:
        framework: `keras` or `torch`.
        seed: of the shifts.
        folder: where the sheets are written.

    Returns:
        dict of `files`, `metrics`, `history` (what a layer sees, a value a step), `settings`, `layers`, `photos`, `way`.
    """
    twin = importlib.import_module(f"dlbook.explain.dream.with_{framework}")
    from dlbook.style.gatys.spec import architecture

    network, rows, history, way = twin.vgg.vgg(architecture("max"), weights="official"), [], {}, []
    for name in PHOTOS:
        rows.append(photo(name, SIZE))
        for layer in LAYERS:
            values, kept = history.setdefault(f"{name}, {layer}", []), []

            def keep(octave, step, value, picture):
                values.append(value)
                if step in SEEN:
                    kept.append((octave, step + 1, picture))

            settings = replace(SETTINGS, layers=(layer,), seed=seed)
            rows.append(spec.dream(twin.objective(network, (layer,)), photo(name, SIZE), settings, keep))
            if (name, layer) == (PHOTOS[0], LAYERS[2]):
                way = kept
    folder.mkdir(parents=True, exist_ok=True)
    images.save(sheet(rows, SIZE, len(LAYERS) + 1), folder / "layers.jpg")
    images.save(sheet([photo(PHOTOS[0], SIZE), *(picture for _, _, picture in way)], 224, 5), folder / "way.jpg")
    return {"files": [NETWORK], "metrics": {f"growth_{k}": values[-1] / values[-SETTINGS.steps] for k, values in history.items()}, "history": history,
            "settings": asdict(SETTINGS), "layers": LAYERS, "photos": PHOTOS, "way": [["photo", 0], *([list(np.shape(p)[:2]), step] for _, step, p in way)]}
