"""Which small network is best to paint with: the same pictures painted with each, and judged by VGG19."""
import time
from dataclasses import replace

import numpy as np

from dlbook import data
from dlbook.style import drawn
from dlbook.style.features import spec
from dlbook.style.gatys import spec as gatys
from dlbook.style.images import resized
from dlbook.style.painting import paint
from dlbook.style.paintings import painting

SIZE = 144  # pixels
STEPS = 40
SETTINGS = gatys.Settings(style_weight=3.0, variation_weight=2.0, steps=STEPS)  # relative: see `spec.balanced`
STYLES = ("starry_night", "the_scream", "composition_vii", "strokes", "glass")
DRAWN = ("starry_night", "strokes", "glass")  # on the recorded sheet
TITLES = ("learnt from VGG19", "names things", "random", "one random layer", "VGG19")


def style(name, size=SIZE):
    """A painting or a drawn style: (H, W, 3) in [0, 1], longer side `size`."""
    return drawn.STYLES[name](size) if name in drawn.STYLES else painting(name, size)


def photo(size=SIZE):
    """The photo that is painted: (size, size, 3) in [0, 1]."""
    return data.photo("astronaut", size)


def painted(twin, network, content, image, settings=SETTINGS):
    """Paint with balanced weights.

    Args:
        twin: `gatys.with_torch` or `with_keras`.
        network: one of its VGG networks.
        content, image: (H, W, 3) in [0, 1], photo and style.
        settings: gatys.Settings with relative weights.

    Returns:
        style.optimise.Painting.
    """
    content_layers, style_layers = spec.looks_at(network.a)
    settings = replace(settings, content_layers=content_layers, style_layers=style_layers)
    seen = twin.vgg.features(network, np.asarray(content)[None], list(content_layers))
    target = twin.vgg.features(network, np.asarray(image)[None], list(style_layers))
    return paint(twin, network, content, image, spec.balanced(seen, target, settings), progress=False)


def judged(twin, judge, content, image, results):
    """What VGG19 says of results.

    Args:
        twin: as for `painted`.
        judge: its `feature_network()`.
        content, image: (H, W, 3) in [0, 1], photo and style.
        results: dict of name to (H, W, 3) in [0, 1].

    Returns:
        dict of name to dict of `content`, the content loss, and `style`, the style loss, both as shares: of the loss of maps that are
        all 0, and of the photo's as it is.
    """
    asked = gatys.Settings(content_weight=1, style_weight=1, variation_weight=0)
    measure = twin.objective(judge, content, image, asked)
    energy = np.square(twin.vgg.features(judge, np.asarray(content)[None], list(asked.content_layers))[asked.content_layers[0]]).mean() / 2
    untouched = measure(content)[0]["style"]
    found = {name: measure(result)[0] for name, result in results.items()}
    return {name: {"content": losses["content"] / float(energy), "style": losses["style"] / untouched} for name, losses in found.items()}


def paint_all(twin, networks, content, image):
    """Paint with each of some networks: dict of name to picture, and to seconds of the processor."""
    results, seconds = {}, {}
    for name, network in networks.items():
        start = time.process_time()
        results[name] = painted(twin, network, content, image).image
        seconds[name] = round(time.process_time() - start, 1)
    return results, seconds


def means(table):
    """Means over the styles: dict of `<network>_content` and `<network>_style` to float; `table` as `full.comparison` makes it."""
    names = list(dict.fromkeys(row["network"] for row in table))
    return {f"{name}_{kind}": float(np.mean([row[key] for row in table if row["network"] == name]))
            for name in names for kind, key in (("content", "content"), ("style", "style_loss"))}


def sheet(rows, names, titles):
    """Pictures in rows as a PNG: `rows` is a list of lists of (H, W, 3) in [0, 1], with a name each, and a title for each column."""
    from dlbook import show

    fig, axes = show.new_figure(1.35 * len(titles), 1.35 * len(rows), len(rows), len(titles))
    for line, row, name in zip(axes, rows, names):
        line[0].set_ylabel(name.replace("_", " "), fontsize=7)
        for axis, picture in zip(line, row):
            axis.imshow(picture, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
    for axis, title in zip(axes[0], titles):
        axis.set_title(title, fontsize=7)
    return show.png(fig)
