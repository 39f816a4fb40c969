"""Recognition's facts: the networks, how a photo is made ready, how guesses are told and measured."""
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dlbook.cnn.mobilenet import spec as mobilenet
from dlbook.cnn.squeezenet import spec as squeezenet
from dlbook.data.cifar import NAMES as THINGS
from dlbook.train.settings import Training

SMALLEST = 8  # pixels; a smaller picture shows nothing
LONGEST = 8  # times the shorter side; of a longer picture hardly anything is in the middle
GUESSES = 5  # ImageNet's custom: the right class counts if it is among so many

# Our own network for the profile `quick`: ten kinds of things at 32 pixels.
OWN = replace(mobilenet.SMALL, widths=(64, 128, 128, 224, 224), strides=(1, 2, 1, 2, 1), size=32, channels=3, num_classes=10, scaling="signed")
TRAINING = Training(epochs=12, batch_size=64, learning_rate=4e-3, mirror=True)


@dataclass(frozen=True)
class Network:
    """A network that names what a photo shows.

    Args:
        system: folder in `cnn` that builds it.
        a: its architecture.
        weights: `official`, or None for the checkpoint that the course ships.
        file: registered file of official weights.
        said: its name, for people.
    """
    system: str
    a: object
    weights: str | None
    file: str | None
    said: str


NETWORKS = {
    "mobilenet": Network("mobilenet", mobilenet.VARIANTS["0.75"], "official", "mobilenet_v1_075_224/mobilenet_v1_0.75_224.npz", "MobileNet 0.75"),
    "squeezenet": Network("squeezenet", squeezenet.CAFFE, "official", "squeezenet/squeezenet_v1.0_dc.npz", "SqueezeNet, compressed"),
    "own": Network("mobilenet", OWN, None, None, "our small network"),
}

# Breeds of the Oxford pets that are classes of ImageNet, under the names there. Left out are breeds that have no class of their own.
BREEDS = {
    "basset_hound": "basset", "beagle": "beagle", "boxer": "boxer", "chihuahua": "Chihuahua", "egyptian_mau": "Egyptian cat",
    "english_cocker_spaniel": "cocker spaniel", "english_setter": "English setter", "german_shorthaired": "German short-haired pointer",
    "great_pyrenees": "Great Pyrenees", "japanese_chin": "Japanese spaniel", "keeshond": "keeshond", "leonberger": "Leonberg",
    "miniature_pinscher": "miniature pinscher", "newfoundland": "Newfoundland", "persian": "Persian cat", "pomeranian": "Pomeranian", "pug": "pug",
    "saint_bernard": "Saint Bernard", "samoyed": "Samoyed", "scottish_terrier": "Scotch terrier", "siamese": "Siamese cat",
    "staffordshire_bull_terrier": "Staffordshire bullterrier", "wheaten_terrier": "soft-coated wheaten terrier", "yorkshire_terrier": "Yorkshire terrier",
}


def network(name):
    """Look up a network.

    Args:
        name: a key of `NETWORKS`.

    Returns:
        Network.

    Raises:
        ValueError: another name.
    """
    if name not in NETWORKS:
        raise ValueError(f"there is no network {name!r}; choose from: {', '.join(NETWORKS)}.")
    return NETWORKS[name]


def class_names(name):
    """What a network's classes are called: tuple of str.

    Raises:
        DataError: ImageNet's names cannot be had.
    """
    if network(name).weights is None:
        return THINGS
    from dlbook import data

    return data.class_names()


def best_at_hand():
    """The name of the best network whose weights are on this machine: one that has learnt ImageNet, else our own."""
    from dlbook.data import imagenet, registry

    for name, one in NETWORKS.items():
        if one.file and registry.at_hand(one.file) and registry.at_hand(imagenet.FILE):
            return name
    return "own"


def prepared(picture, size):
    """Make a photo ready: upright, in colour, the largest square of its middle, at the size that a network reads.

    Args:
        picture: path of a file in any format that Pillow reads, a PIL image, a file opened in binary mode, or an array (H, W), (H, W, 3) or
            (H, W, 4): floating point in [0, 1], or integers up to 255 or 65535. Grey becomes colour, what is transparent white, and of an
            animation the first picture counts.
        size: side of the result, pixels.

    Returns:
        (size, size, 3) float32 in [0, 1].

    Raises:
        FileNotFoundError: no file of that name.
        TypeError: something else than a picture.
        ValueError: no picture, a damaged, a tiny or a very long one, or an array of another shape or with values outside.
    """
    from PIL import Image

    from dlbook.data.photo import as_rgb, opened
    from dlbook.style import images

    if isinstance(picture, np.ndarray):
        picture = as_rgb(picture)
        _check_shape(picture.shape[:2])
        return images.covering(picture.astype(np.float32), (size, size))
    if not isinstance(picture, Image.Image):
        if not (isinstance(picture, (str, Path)) or hasattr(picture, "read")):
            raise TypeError(f"a picture is a path, a PIL image, an open file or an array; got {type(picture).__name__}.")
        if isinstance(picture, (str, Path)) and not Path(picture).exists():
            raise FileNotFoundError(f"there is no file {picture}.")
        picture = opened(picture)
    _check_shape((picture.height, picture.width))
    # No larger than needed: a photo of 100 million pixels takes gigabytes as numbers.
    longer = -(-size * max(picture.size) // min(picture.size))
    return images.covering(images.read(picture, longer).astype(np.float32), (size, size))


def middle(image, share):
    """The square in the middle of a picture.

    Args:
        image: (H, W, 3).
        share: side of the square, as a share of the picture's shorter side.

    Returns:
        (S, S, 3), a part of the same array.

    Raises:
        ValueError: a share that is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1; got {share!r}.")
    side = max(1, round(min(image.shape[:2]) * share))
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top:top + side, left:left + side]


def _check_shape(shape):
    height, width = shape
    if min(shape) < SMALLEST:
        raise ValueError(f"the picture is {height} x {width} pixels; it needs at least {SMALLEST} x {SMALLEST} to show anything.")
    if max(shape) > LONGEST * min(shape):
        raise ValueError(f"the picture is {height} x {width} pixels, more than {LONGEST} times as long as wide; cut out the part that counts.")


def guesses(probabilities, names, k=GUESSES):
    """A network's likeliest classes.

    Args:
        probabilities: (classes,).
        names: of the classes.
        k: how many guesses.

    Returns:
        list of (name, probability), the likeliest first.

    Raises:
        ValueError: not a name for each class, or more guesses than classes.
    """
    probabilities = np.asarray(probabilities)
    if probabilities.shape != (len(names),):
        raise ValueError(f"each class needs a name; got probabilities of shape {probabilities.shape} and {len(names)} names.")
    if not 1 <= k <= len(names):
        raise ValueError(f"k is from 1 to the number of classes, {len(names)}; got {k}.")
    order = np.argsort(-probabilities, kind="stable")[:k]
    return [(names[i], float(probabilities[i])) for i in order]


def ranks(probabilities, labels):
    """The place of the right class among a network's guesses, counted from 1.

    Args:
        probabilities: (N, K).
        labels: (N,) whole numbers.

    Returns:
        (N,) int64; a photo is in the top k where this is at most k.
    """
    scores = np.asarray(probabilities)
    own = scores[np.arange(len(scores)), labels][:, None]
    # Of equally likely ones, the class that comes first counts as likelier.
    before = (scores == own) & (np.arange(scores.shape[1]) < np.asarray(labels)[:, None])
    return 1 + ((scores > own) | before).sum(1)
