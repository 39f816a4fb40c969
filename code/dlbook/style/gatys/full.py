"""The recorded paintings: a photo in three styles at 512 pixels, and sheets of smaller ones that show what each setting does.

All with VGG19 as its authors trained it. The paintings themselves are not shipped; what is painted is.
"""
import importlib
from dataclasses import asdict, replace

import numpy as np

from dlbook.data.photos import photo
from dlbook.style import images
from dlbook.style.gatys import spec
from dlbook.style.painting import paint
from dlbook.style.paintings import file, painting

PHOTO = "astronaut"
SIZE, RESOLUTIONS, STEPS = 512, 2, 120  # pixels; how often painted, each time twice as large; steps each time
SMALL, SMALL_STEPS = 192, 60  # of the sheets
# By eye. In a large picture the strokes are small against the face, and there may be more of them.
WEIGHT, LITTLE, MUCH = 2e-2, 2e-3, 2e-1
SMALL_WEIGHT = 5e-3
# Task -> painting and style weight.
LARGE = {
    "shipwreck": ("shipwreck", SMALL_WEIGHT), "starry_night": ("starry_night", WEIGHT), "the_scream": ("the_scream", WEIGHT),
    "starry_night-little": ("starry_night", LITTLE), "starry_night-much": ("starry_night", MUCH),
}
TASKS = (*LARGE, "layers", "ways")
SEEN = (0, 1, 2, 5, 10, 20, 40, 80, 120, 160, 200, 240)  # steps after which the picture is kept
CONTENT_LAYERS = ("relu2_2", "relu3_2", "relu4_2", "relu5_2")
STYLE_WEIGHTS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
NETWORK = "vgg19/vgg19_conv_notop.npz"


def run(framework, seed, folder, task):
    """Paint, and keep the pictures as JPEG files beside the record.

    Args:
        framework: `keras` or `torch`.
        seed: of noise, where a picture begins with it.
        folder: where the pictures are written.
        task: a key of `LARGE`: one painting of SIZE pixels, `<task>.jpg`, and its way there, `<task>-steps.jpg`; `layers`: a
            sheet of every one of CONTENT_LAYERS (rows) with every one of STYLE_WEIGHTS (columns); `ways`: a sheet of `WAYS`.

    Returns:
        dict of `files`, `metrics` (the last losses), `history` (the losses at the start and after each step), `settings`, and for a
        sheet `pictures`: the names in reading order, and `losses`: a dict for each.
    """
    twin = importlib.import_module(f"dlbook.style.gatys.with_{framework}")
    folder.mkdir(parents=True, exist_ok=True)
    make = _large if task in LARGE else {"layers": _layers, "ways": _ways}[task]
    return make(twin, seed, folder, task)


def _large(twin, seed, folder, task):
    name, weight = LARGE[task]
    settings, seen = replace(spec.SETTINGS, style_weight=weight, steps=STEPS, seed=seed), []
    content = photo(PHOTO, SIZE)

    def keep(step, losses, image):
        if step in SEEN:
            seen.append(image)

    result = paint(twin, twin.feature_network(), content, painting(name, SIZE), settings, SIZE, RESOLUTIONS, on_step=keep)
    images.save(result.image, folder / f"{task}.jpg")
    images.save(sheet([content, *seen], SMALL, columns=4), folder / f"{task}-steps.jpg")
    return {
        "files": [NETWORK, file(name)], "metrics": {loss: values[-1] for loss, values in result.history.items()},
        "history": result.history, "settings": asdict(settings), "photo": PHOTO, "size": SIZE, "resolutions": RESOLUTIONS,
        "pictures": [step for step in SEEN if step <= result.steps],
    }


def _layers(twin, seed, folder, task):
    network, content, style = twin.feature_network(), photo(PHOTO, SMALL), painting("starry_night", SMALL)
    seen = twin.vgg.features(network, content[None], list(CONTENT_LAYERS))
    energy, painted = {layer: float(np.square(maps, dtype=float).mean()) for layer, maps in seen.items()}, {}
    for layer in CONTENT_LAYERS:
        for weight in STYLE_WEIGHTS:
            # The values of layers differ a hundredfold in size; with this weight each has as much to say as the usual one.
            settings = replace(spec.SETTINGS, content_layers=(layer,), content_weight=energy["relu4_2"] / energy[layer],
                               style_weight=weight, steps=SMALL_STEPS, seed=seed)
            painted[f"{layer}, {weight:g}"] = paint(twin, network, content, style, settings)
    return _kept(painted, folder, task, len(STYLE_WEIGHTS), ["starry_night"])


def _ways(twin, seed, folder, task):
    painted = {name: way(twin, replace(spec.SETTINGS, style_weight=SMALL_WEIGHT, steps=SMALL_STEPS, seed=seed)) for name, way in WAYS.items()}
    return _kept(painted, folder, task, 4, ["starry_night", "the_scream"])


def _one(twin, settings, pooling="max", styles=None, **more):
    """One picture of SMALL pixels; in the style of The Starry Night, when no other is given."""
    network, content = twin.feature_network(pooling), photo(PHOTO, SMALL)
    return paint(twin, network, content, styles or painting("starry_night", SMALL), settings, SMALL, **more)


def _mixed(twin, settings, **masks):
    """Two styles: both everywhere, or each where its mask says."""
    styles = [spec.Style(painting(name, SMALL), mask=masks.get(name)) for name in ("starry_night", "the_scream")]
    return _one(twin, settings, styles=styles)


def halves(side):
    """Two masks: the upper half and the lower half of a square.

    Args:
        side: pixels.

    Returns:
        (side, side) arrays of 0 and 1; together 1 everywhere.
    """
    upper = np.zeros((side, side))
    upper[: side // 2] = 1
    return upper, 1 - upper


# What is done otherwise -> how.
WAYS = {
    "as usual": _one,
    "Adam": lambda twin, s: _one(twin, replace(s, optimizer="adam")),
    "begun with the style": lambda twin, s: _one(twin, replace(s, start="style")),
    "begun with noise": lambda twin, s: _one(twin, replace(s, start="noise")),
    # Losses of average pooling are a tenth as large: all the same balance wants a tenth of the variation.
    "average pooling": lambda twin, s: _one(twin, replace(s, variation_weight=s.variation_weight / 10), pooling="average"),
    "the photo's colours": lambda twin, s: _one(twin, s, colour="keep"),
    "two styles mixed": _mixed,
    "two styles, by masks": lambda twin, s: _mixed(twin, s, **dict(zip(("starry_night", "the_scream"), halves(SMALL)))),
}


def _kept(painted, folder, task, columns, names):
    images.save(sheet([result.image for result in painted.values()], SMALL, columns), folder / f"{task}.jpg")
    last = {name: {loss: values[-1] for loss, values in result.history.items()} for name, result in painted.items()}
    first = next(iter(painted.values()))
    return {
        "files": [NETWORK, *map(file, names)], "metrics": next(iter(last.values())), "history": first.history,
        "photo": PHOTO, "size": SMALL, "steps": SMALL_STEPS, "pictures": list(last), "losses": last,
    }


def sheet(pictures, side, columns):
    """Square pictures on one sheet, without gaps.

    Args:
        pictures: list of (H, W, 3) in [0, 1].
        side: of each on the sheet, pixels.
        columns: how many a row.

    Returns:
        (rows x side, columns x side, 3); what is left over is white.
    """
    rows = -(-len(pictures) // columns)
    found = np.ones((rows * side, columns * side, 3))
    for k, picture in enumerate(pictures):
        top, left = side * (k // columns), side * (k % columns)
        found[top:top + side, left:left + side] = images.resized(picture, (side, side))
    return found


def tiles(pixels, side):
    """The pictures of a sheet.

    Args:
        pixels: (rows x side, columns x side, 3).
        side: of each, pixels.

    Returns:
        (rows x columns, side, side, 3), row by row.
    """
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    return pixels.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
