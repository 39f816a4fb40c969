"""What a detector is shown, real and forged images after the same processing, and what its answers are worth."""
import numpy as np

from dlbook.data.labelled import Labelled
from dlbook.gan.detector import spec

FAINT = 0.03  # grey below which no eye tells a pixel from the ground
TINY = 1e-38  # probability below which single precision knows no other


def alike(images, levels=spec.LEVELS):
    """Give images the form that all have before a detector sees them, wherever they come from.

    Args:
        images: (N, 28, 28), or (N, 32, 32) whose frame of 2 pixels is cut off; floating point in [0, 1].
        levels: grey levels that are left, 2 to 256.

    Returns:
        (N, 28, 28) float32 in [0, 1]: multiples of 1 / (levels - 1).

    Raises:
        ValueError: another shape, values outside [0, 1], or a number of levels out of its range.
    """
    images, framed = np.asarray(images), spec.SIDE + 2 * spec.FRAME
    if not 2 <= levels <= 256:
        raise ValueError(f"an image has 2 to 256 grey levels; got {levels}.")
    if images.ndim != 3 or images.shape[1:] not in ((spec.SIDE,) * 2, (framed,) * 2):
        raise ValueError(f"images have shape (N, {spec.SIDE}, {spec.SIDE}) or (N, {framed}, {framed}); got {images.shape}.")
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"images hold values in [0, 1]; got values from {images.min():g} to {images.max():g}.")
    if images.shape[1] == framed:
        images = images[:, spec.FRAME:-spec.FRAME, spec.FRAME:-spec.FRAME]  # N, 28, 28
    stored = np.round(images * 255) / 255  # as a file keeps them: values between these levels would tell at once
    return (np.round(stored * (levels - 1)) / (levels - 1)).astype(np.float32)


def roughened(images, how=spec.SETTINGS["roughened"], seed=0):
    """Blur some images and add noise to some.

    Args:
        images: (N, 28, 28) in [0, 1].
        how: spec.Roughening.
        seed: which images, and the noise.

    Returns:
        (N, 28, 28) float32, with the grey levels of `alike`.

    Source: Wang et al. (2020), section 4.1: each with a probability of its own.
    """
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    rough = np.array(images, np.float32)
    blurred, noisy = rng.random((2, len(rough))) < how.share
    rough[blurred] = gaussian_filter(rough[blurred], (0, how.blur, how.blur))
    rough[noisy] += how.noise * rng.standard_normal(rough[noisy].shape, np.float32)
    return alike(np.clip(rough, 0, 1))


def case(real, forged, real_held_out, forged_held_out, how=spec.SETTINGS["plain"], seed=0):
    """Put together what a detector is trained on, and what it is measured on after each epoch.

    Args:
        real, forged: (N, H, W) and (M, H, W) as for `alike`, to train on.
        real_held_out, forged_held_out: others of the same kinds.
        how: spec.Roughening of the training images.
        seed: of the roughening.

    Returns:
        data.Labelled as LeNet-5's `fit` takes it, with labels `spec.REAL` and `spec.FORGED`.

    Raises:
        ValueError: as `alike`, or one of the four is empty.
    """
    four = [alike(images) for images in (real, forged, real_held_out, forged_held_out)]
    if not all(map(len, four)):
        raise ValueError(f"a detector needs real and forged images, to train on and held out; got {', '.join(str(len(part)) for part in four)}.")
    kinds = [np.full(len(images), kind) for images, kind in zip(four, (spec.REAL, spec.FORGED) * 2)]
    train = roughened(np.concatenate(four[:2]), how, seed)
    return Labelled("real and forged digits", "as that of the real ones", train, np.concatenate(kinds[:2]),
                    np.concatenate(four[2:]), np.concatenate(kinds[2:]), names=spec.NAMES)


def suspicion(probabilities):
    """How sure a detector is that images are forged.

    Args:
        probabilities: (N, 2) as LeNet-5's `predict` returns them.

    Returns:
        (N,) float64: the logarithm of the odds, which is the difference of the two logits; above 0 it says forged.
    """
    # ln (p / (1 - p))
    likely = np.log(np.maximum(np.asarray(probabilities, np.float64), TINY))
    return likely[:, spec.FORGED] - likely[:, spec.REAL]


def score(real, forged):
    """What a detector's answers are worth.

    Args:
        real, forged: (N,) and (M,) suspicion of real and of forged images.

    Returns:
        dict of `accuracy` (over as many real as forged images), `found` (share of the forged ones that it calls forged) and `pairs`:
        shown one of each, how often it is the forged one that it suspects more. Chance gives 0.5 for `accuracy` and `pairs`.

    Raises:
        ValueError: no real or no forged images.
    """
    real, forged = np.asarray(real), np.asarray(forged)
    if not (len(real) and len(forged)):
        raise ValueError(f"a detector's answers on real and on forged images are needed; got {len(real)} and {len(forged)}.")
    found = float((forged > 0).mean())
    return {"accuracy": (float((real <= 0).mean()) + found) / 2, "found": found, "pairs": above(real, forged)}


def above(low, high):
    """Share of pairs, one number of each, in which the second is larger; equal ones count half: the area under the ROC curve."""
    below = [np.searchsorted(np.sort(low), high, side) for side in ("left", "right")]
    return float(np.mean(below) / len(low))


def cues(images):
    """Simple counts that might give a forgery away without any learning.

    Args:
        images: (N, 28, 28) in [0, 1].

    Returns:
        dict of name to (N,) array: `ink` (sum), `empty` and `faint` (pixels), `brightest` (pixel), `levels` (different greys).
    """
    flat = np.sort(np.asarray(images).reshape(len(images), -1), axis=1)  # N, pixels
    return {"ink": flat.sum(1), "empty": (flat == 0).sum(1), "faint": ((flat > 0) & (flat < FAINT)).sum(1),
            "brightest": flat[:, -1], "levels": 1 + (np.diff(flat) > 0).sum(1)}


def told_by_cues(real, forged):
    """How often each simple count alone tells the forged one of a pair.

    Args:
        real, forged: (N, 28, 28) and (M, 28, 28) in [0, 1].

    Returns:
        dict of name to share: 0.5 tells nothing, 1 everything; whether forgeries have more or less of it is taken as known.
    """
    shares = {name: above(values, cues(forged)[name]) for name, values in cues(real).items()}
    return {name: max(share, 1 - share) for name, share in shares.items()}
