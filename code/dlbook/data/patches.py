"""Small square pieces cut out of the embedded photos: whose fur, stone or galaxy is it? No network is needed."""
import numpy as np

from dlbook.data.labelled import Labelled

SIZE = 28  # side of a piece, pixels: that of the digits
BLOCK = 56  # side of the blocks that belong either to training or to testing, pixels
SPREAD = 0.2  # standard deviation to which each texture is set, around a mean of 0.5

# Kind -> name of the class -> scikit-image's name of the photo. Licences: scikit-image's `data/README.txt` and docstrings.
PHOTOS = {
    "textures": {"brick": "brick", "grass": "grass", "gravel": "gravel", "fur": "chelsea", "tissue": "immunohistochemistry"},
    "photos": {"cat": "chelsea", "coffee": "coffee", "tissue": "immunohistochemistry", "rocket": "rocket", "galaxies": "hubble_deep_field"},
}
LICENCE = "photos of scikit-image: CC0 or public domain; the tissue without known restrictions, from the HPFL and the University of Freiburg"


def patches(kind, train=120, test=60):
    """Pieces of photos with the photo's name as their class.

    Each photo is ruled into blocks like a chessboard. Pieces to train on lie within the white blocks, pieces to test on within the
    black ones, at random places: no pixel is in both.

    Args:
        kind: `textures`, five materials in grey, each piece with the same mean and contrast, so that only its pattern tells; or
            `photos`, five photos in colour.
        train, test: pieces of each class.

    Returns:
        Labelled: images (N, 28, 28) or (N, 28, 28, 3) float32 in [0, 1], in a random order that is always the same.

    Raises:
        ValueError: an unknown kind, or fewer than one piece.
    """
    if kind not in PHOTOS:
        raise ValueError(f"there are no patches {kind!r}; choose from: {', '.join(PHOTOS)}.")
    if train < 1 or test < 1:
        raise ValueError(f"each class needs a piece or more to train and to test on; got {train} and {test}.")
    whole = [_photo(name, kind == "textures") for name in PHOTOS[kind].values()]
    parts = []
    for colour, count in enumerate((train, test)):  # white, black
        images = np.concatenate([_pieces(photo, count, colour, [label, colour]) for label, photo in enumerate(whole)])
        labels = np.repeat(np.arange(len(whole)), count)
        order = np.random.default_rng(colour).permutation(len(labels))
        parts += [evened(images)[order] if kind == "textures" else images[order], labels[order]]
    source = f"pieces of {SIZE} x {SIZE} pixels of {len(whole)} photos embedded in scikit-image"
    return Labelled(source, LICENCE, *parts, names=tuple(PHOTOS[kind]))


def places(shape, colour):
    """Corners of the blocks of one colour that lie wholly in a photo.

    Args:
        shape: (H, W, ...) of the photo.
        colour: 0 white, 1 black.

    Returns:
        list of (row, column) in pixels.
    """
    return [(BLOCK * i, BLOCK * j) for i in range(shape[0] // BLOCK) for j in range(shape[1] // BLOCK) if (i + j) % 2 == colour]


def evened(images):
    """Give every piece the same mean and contrast.

    Args:
        images: (N, H, W) floating point.

    Returns:
        (N, H, W) in [0, 1]: mean 0.5 and standard deviation 0.2, but for what is cut off at 0 and 1.
    """
    centred = images - images.mean(axis=(1, 2), keepdims=True)
    return np.clip(0.5 + SPREAD * centred / np.maximum(centred.std(axis=(1, 2), keepdims=True), 1e-6), 0, 1).astype(images.dtype)


def _photo(name, grey):
    # Imported here: reading photos is the only use.
    from skimage import color, data, util

    pixels = util.img_as_float32(getattr(data, name)())
    return color.rgb2gray(pixels) if grey and pixels.ndim == 3 else pixels


def _pieces(photo, count, colour, seed):
    rng, blocks = np.random.default_rng(seed), places(photo.shape, colour)
    corners = np.array(blocks)[rng.integers(0, len(blocks), count)] + rng.integers(0, BLOCK - SIZE + 1, (count, 2))
    return np.stack([photo[i:i + SIZE, j:j + SIZE] for i, j in corners])
