"""The feature network of the profile `quick`: a small VGG that has learnt to see as VGG19 does, and the networks it was compared with."""
from dataclasses import dataclass, replace

import numpy as np

from dlbook.cnn.blocks.table import above_zero, whole
from dlbook.cnn.vgg import spec as vgg
from dlbook.style.gatys import spec as gatys
from dlbook.style.patches import spec as patches
from dlbook.train.settings import Training

ONE_TWIN = "it is taught once, in PyTorch; the network itself is `cnn/vgg` in both frameworks"

# Two convolutions a stage, as VGG19's first stages have, so that layers of the same name see equally large parts of the picture up
# to relu3_1; up to relu5_1 a tenth of VGG19's operations, and a twentieth of its weights.
LAYERS = (32, 32, "M", 64, 64, "M", 96, 96, "M", 128, 128, "M", 128)
NETWORK = vgg.Architecture(LAYERS, hidden=(), top=False, size=None, scaling="caffe")
# Chosen by eye at 144 pixels with a painting and two drawn styles: the Gram matrices of relu1_1 are small numbers and those of relu4_1
# large ones, for some of its maps are far stronger than the others. With equal weights the photo keeps its colours; with these it takes
# the style's. At a style weight of 1e-3 the face begins to go.
SETTINGS = gatys.Settings(layer_weights=(1000.0, 1.0, 1.0, 0.01, 100.0), style_weight=5e-4, variation_weight=5e6, steps=60)
# For `style.patches`; chosen in the same way. With a content weight of 0.1 the photo is hardly known, with 3 no whole stroke of the style
# is left; equal layer weights would leave all to relu4_1.
PATCHES = replace(patches.SETTINGS, layer_weights=(1.0, 0.1), content_weight=0.5, variation_weight=3e5, steps=40)
IMITATED = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")  # what style transfer looks at


@dataclass(frozen=True)
class Imitation:
    """How the small network learns from VGG19, with Adam and a learning rate that falls along a half cosine.

    Args:
        pieces: of photos; what VGG19 gives for them is computed once.
        side: of a piece, pixels.
        epochs: passes over the pieces.
        batch_size: pieces a step.
        learning_rate: at the first step; 0 at the last.
        shuffled: share of the pieces whose colours are interchanged: paintings have colours that photos have not.
        noise: highest standard deviation of the noise that is added to every second piece, in [0, 1]: a picture that is being
            painted has grain that photos have not.
        samples: places a layer at which VGG19's maps are compared to choose those that are imitated.
    """
    pieces: int = 1600
    side: int = 80
    epochs: int = 20
    batch_size: int = 8
    learning_rate: float = 2e-3
    shuffled: float = 0.5
    noise: float = 0.1
    samples: int = 4000

    def __post_init__(self):
        for name in ("pieces", "side", "epochs", "batch_size", "samples"):
            whole(name, getattr(self, name))
        above_zero("learning_rate", self.learning_rate)
        for name in ("shuffled", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1; got {getattr(self, name)!r}.")


IMITATION = Imitation()


def widths(a=NETWORK, names=IMITATED):
    """Number of maps of some layers: dict of name to number."""
    return {name: shape[2] for name, shape in gatys.shapes(a, list(names), (64, 64)).items()}


def chosen_maps(samples, count):
    """The maps of a layer that together tell most about all of them.

    Each next one is the map with most left that the ones before it cannot tell, as the pivots of a QR decomposition.

    Args:
        samples: (P, C), what the layer gives at P places.
        count: maps to choose.

    Returns:
        (count,) int64, in increasing order.

    Raises:
        ValueError: more maps asked for than there are.

    Source: Businger and Golub (1965), "Linear least squares solutions by Householder transformations".
    """
    from scipy.linalg import qr

    if count > samples.shape[1]:
        raise ValueError(f"count must be at most the layer's {samples.shape[1]} maps; got {count}.")
    _, pivots = qr(samples, mode="r", pivoting=True)
    return np.sort(pivots[:count]).astype(np.int64)


def pieces(images, settings, seed=0):
    """Pieces of photos, changed so that they are as manifold as what is painted.

    Args:
        images: list of (H, W, 3) uint8; those smaller than a piece are left out.
        settings: Imitation.
        seed: of all choices.

    Returns:
        (pieces, side, side, 3) float32 in [0, 1].

    Raises:
        ValueError: all photos are smaller than a piece.
    """
    images = [image for image in images if min(image.shape[:2]) >= settings.side]
    if not images:
        raise ValueError(f"no photo is as large as a piece of {settings.side} x {settings.side} pixels; take a smaller side.")
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(images), size=settings.pieces)
    return np.stack([_changed(_piece(images[number], settings.side, rng), settings, rng) for number in chosen])


def _piece(image, side, rng):
    """A square piece (side, side, 3) in [0, 1]."""
    top, left = (rng.integers(size - side + 1) for size in image.shape[:2])
    return image[top:top + side, left:left + side].astype(np.float32) / 255


def _changed(piece, settings, rng):
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    if rng.random() < settings.shuffled:
        piece = piece[..., rng.permutation(3)]
    if rng.random() < 0.5:
        piece = piece + rng.random() * settings.noise * rng.standard_normal(piece.shape, np.float32)
    return np.clip(piece, 0, 1).astype(np.float32)


# What the small network was compared with. None of them needs VGG19.
CLASSIFIER = vgg.Architecture(LAYERS, hidden=(), size=32, num_classes=10, scaling="imagenet")  # the same layers, taught to name things
SHALLOW = vgg.Architecture(((128, 11),), hidden=(), top=False, size=None, scaling="imagenet")
CANDIDATES = {
    "imitation": ("learnt from VGG19", NETWORK),
    "things": ("learnt to name ten kinds of things", replace(CLASSIFIER, top=False, size=None)),
    "random": ("random filters, the same layers", replace(NETWORK, scaling="imagenet")),
    "shallow": ("one layer of random filters of 11 x 11", SHALLOW),
}
TRAINING = Training(epochs=4, batch_size=50, learning_rate=1e-3, mirror=True)  # of the network that names things


def looks_at(a):
    """(content layers, style layers) of a candidate: the usual ones, or its only layer."""
    if a == SHALLOW:
        return ("relu1_1",), ("relu1_1",)
    return gatys.SETTINGS.content_layers, gatys.SETTINGS.style_layers


def balanced(content, styles, settings):
    """Weights under which networks of other sizes of activations compare: a loss of 1 is that of maps that are all 0.

    Args:
        content: dict of content layer to (H', W', C), what the network sees in the photo.
        styles: dict of style layer to (H', W', C), what it sees in the painting.
        settings: gatys.Settings; its weights are relative to that.

    Returns:
        gatys.Settings with the weights for `objective`.
    """
    squares = float(np.mean([np.square(content[name], dtype=float).mean() / 2 for name in settings.content_layers]))
    grams = {name: _gram(styles[name]) for name in settings.style_layers}
    weights = tuple(float(4 / np.square(gram).mean() / len(grams)) for gram in grams.values())
    return replace(settings, layer_weights=weights, content_weight=settings.content_weight / squares)


def _gram(maps):
    maps = maps.reshape(-1, maps.shape[-1]).astype(float)
    return maps.T @ maps / len(maps)
