"""Where the reasons for an answer lie: how maps are laid over images, compared, and checked by weights that are drawn anew.

Source: Selvaraju et al. (2017), "Grad-CAM: visual explanations from deep networks via gradient-based localization", ICCV; Zhou et al.
    (2016), "Learning deep features for discriminative localization", CVPR (class activation maps); Zeiler and Fergus (2014), section
    4.2 (occlusion); Adebayo et al. (2018), "Sanity checks for saliency maps", NeurIPS (weights drawn anew).
"""
import numpy as np

from dlbook.train import initial

GREY = 0.5


def check(a, images, classes):
    """Refuse classes that do not belong to the images or the network; returns them as (N,) int64."""
    classes = np.asarray(classes)
    if classes.shape != (len(images),) or classes.dtype.kind not in "iu":
        raise ValueError(f"each of {len(images)} images needs a class, a whole number; got {classes.dtype} of shape {classes.shape}.")
    if classes.size and not (classes.min() >= 0 and classes.max() < a.num_classes):
        raise ValueError(f"classes are from 0 to {a.num_classes - 1}; got {classes.min()} to {classes.max()}.")
    return classes.astype(np.int64)


def unknown_layer(layer, known):
    """What is wrong with the name of a layer, as a ValueError to raise."""
    return ValueError(f"there is no layer {layer!r} with maps; this network has: {', '.join(known)}.")


def weighted(maps, slopes):
    """Grad-CAM: maps weighted by how much each moves the class, where the sum speaks for it.

    Args:
        maps: (N, H, W, C), what a layer gives.
        slopes: (N, H, W, C), how the class's logit changes with each of those values.

    Returns:
        (N, H, W), 0 or more.

    Source: Selvaraju et al. (2017), equations 1 and 2.
    """
    # a_k = mean_ij dy/dA_kij
    weights = slopes.mean((1, 2), keepdims=True)  # N, 1, 1, C
    # L = ReLU(sum_k a_k A_k)
    return np.maximum((weights * maps).sum(-1), 0)


def covers(size, side, stride):
    """Places of a square that slides over an image; the last ones reach the border.

    Args:
        size: (height, width) of the image.
        side: of the square, pixels.
        stride: from one place to the next, pixels.

    Returns:
        (tops, lefts), lists of pixels.

    Raises:
        ValueError: a square larger than the image, or a stride below 1.
    """
    if not 1 <= side <= min(size) or stride < 1:
        raise ValueError(f"a square of 1 to {min(size)} pixels slides by 1 pixel or more; got side {side}, stride {stride}.")
    return tuple(sorted({*range(0, length - side + 1, stride), length - side}) for length in size)


def occluded(image, side, stride, value=GREY):
    """An image with a square covered, once for each place.

    Args:
        image: (H, W, C) in [0, 1].
        side, stride: as for `covers`.
        value: of the square.

    Returns:
        (P, H, W, C), and the number of rows and columns of places, P in all.
    """
    tops, lefts = covers(image.shape[:2], side, stride)
    images = np.repeat(image[None], len(tops) * len(lefts), 0)
    for k, (top, left) in enumerate((top, left) for top in tops for left in lefts):
        images[k, top:top + side, left:left + side] = value
    return images, (len(tops), len(lefts))


def spread(drops, size, side, stride):
    """What each pixel's covering cost, as the mean over the squares that covered it.

    Args:
        drops: (rows, columns), one number a place of the square.
        size: (height, width) of the image.
        side, stride: as for `covers`.

    Returns:
        (height, width).
    """
    tops, lefts = covers(size, side, stride)
    total, count = np.zeros(size), np.zeros(size)
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            total[top:top + side, left:left + side] += drops[row, column]
            count[top:top + side, left:left + side] += 1
    return total / np.maximum(count, 1)


def enlarged(maps, size):
    """Maps as large as the images they belong to.

    Args:
        maps: (N, H, W).
        size: (height, width).

    Returns:
        (N, height, width), interpolated linearly.
    """
    rows, columns = (_shares(small, large) for small, large in zip(maps.shape[1:], size))
    return rows @ maps @ columns.T


def _shares(small, large):
    """Matrix (large, small): what each large pixel takes of the small ones, whose middles lie evenly."""
    places = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    low = np.minimum(places.astype(int), max(small - 2, 0))
    found, share = np.zeros((large, small)), places - low
    found[np.arange(large), low] = 1 - share
    found[np.arange(large), np.minimum(low + 1, small - 1)] += share
    return found


def overlay(image, heat, strength=0.55):
    """A map laid over its image: red where it is high, the image alone where it is 0 or less.

    Args:
        image: (H, W, 3) in [0, 1].
        heat: (H, W).
        strength: of the red where the map is highest.

    Returns:
        (H, W, 3) in [0, 1].
    """
    share = np.clip(heat / max(heat.max(), np.finfo(float).tiny), 0, 1)[..., None] * strength
    grey = image.mean(-1, keepdims=True)
    return (1 - share) * (0.35 * image + 0.65 * grey) + share * np.array([0.85, 0.1, 0.05])


def inside(heat, box):
    """Share of a map that lies in a box.

    Args:
        heat: (H, W); what is below 0 counts as 0.
        box: (top, left, bottom, right) in pixels of the map.

    Returns:
        float in [0, 1]; 0 for an empty map.
    """
    heat = np.maximum(heat, 0)
    top, left, bottom, right = box
    return float(heat[top:bottom, left:right].sum() / max(heat.sum(), np.finfo(float).tiny))


def similarity(a, b):
    """How alike two maps are: the correlation of their ranks (Spearman), 1 for the same order of pixels, near 0 for unrelated ones.

    Args:
        a, b: (H, W).

    Returns:
        float; 0 when one of them is the same everywhere.
    """
    from scipy.stats import rankdata

    a, b = (rankdata(np.round(values, 12)) for values in (a, b))
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread else 0.0


def drawn_anew(weights, count, seed=0):
    """A network's weights, with those of its last layers drawn anew.

    Args:
        weights: dict of name to array, in the order of the layers.
        count: how many layers, from the last one down.
        seed: of the draw.

    Returns:
        dict of name to array.

    Raises:
        ValueError: more layers than there are.
    """
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in weights))
    if not 0 <= count <= len(layers):
        raise ValueError(f"0 to {len(layers)} layers can be drawn anew; got {count}.")
    drawn = initial.draw_by_name({name: value.shape for name, value in weights.items()}, seed)
    chosen = set(layers[len(layers) - count:])
    return {name: drawn[name] if name.rpartition(".")[0] in chosen else value for name, value in weights.items()}
