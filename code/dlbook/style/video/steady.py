"""How much a painted film flickers, and two ways to calm it; both need to know what moved where."""
import numpy as np

from dlbook.style.optimise import optimise
from dlbook.style.video.scene import places, sample


def warp(image, flow):
    """Move a picture along the flow: what it would be one moment later.

    Args:
        image: (H, W, C), the picture before.
        flow: (H, W, 2) in pixels, down and right: from each pixel of the result to where it was.

    Returns:
        (H, W, C) float64.

    Raises:
        ValueError: shapes that do not fit.
    """
    if np.ndim(image) != 3 or np.shape(flow) != (*np.shape(image)[:2], 2):
        raise ValueError(f"a picture (H, W, C) needs a flow (H, W, 2); got {np.shape(image)} and {np.shape(flow)}.")
    return sample(np.asarray(image), places(image.shape[:2]) + flow)


def flicker(frames, flow, visible):
    """How much the pictures of a film change beyond what moved.

    Args:
        frames: (T, H, W, C).
        flow: (T - 1, H, W, 2).
        visible: (T - 1, H, W) bool: where it counts.

    Returns:
        float: mean squared difference of each picture and the one before it moved along the flow; 0 for a steady film.

    Raises:
        ValueError: shapes that do not fit, or nothing visible.

    Source: Lai, Huang, Wang, Shechtman, Yumer and Yang (2018), "Learning blind video temporal consistency", ECCV, section 4: the
        warping error.
    """
    check(frames, flow, visible)
    if not visible.any():
        raise ValueError("no pixel of this film can be seen in two pictures running: its flicker is not defined.")
    changes = [np.square(now - warp(before, moved))[seen] for before, now, moved, seen in zip(frames, frames[1:], flow, visible)]
    return float(np.concatenate(changes).mean())


def check(frames, flow, visible):
    """Refuse a film whose parts do not fit.

    Raises:
        ValueError: fewer than two pictures, or shapes that do not fit.
    """
    if np.ndim(frames) != 4 or len(frames) < 2:
        raise ValueError(f"a film has shape (T, H, W, C), with two pictures or more; got {np.shape(frames)}.")
    wanted = (len(frames) - 1, *np.shape(frames)[1:3])
    if np.shape(flow) != (*wanted, 2) or np.shape(visible) != wanted:
        raise ValueError(f"these pictures need a flow {(*wanted, 2)} and a mask {wanted}; got {np.shape(flow)} and {np.shape(visible)}.")


def frame_by_frame(paint, film):
    """Paint each picture by itself.

    Args:
        paint: function of a picture (H, W, 3) -> the painted one.
        film: scene.Film.

    Returns:
        (T, H, W, 3).
    """
    return np.stack([paint(frame) for frame in film.frames])


def blended(paint, film, share=0.5):
    """Paint each picture, and keep a share of the painted one before, moved along the flow, wherever that could be seen.

    Args:
        paint: function of a picture (H, W, 3) -> the painted one.
        film: scene.Film.
        share: from 0 (frame by frame) to 1 (paint only what is new).

    Returns:
        (T, H, W, 3).

    Raises:
        ValueError: a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is a number from 0 to 1; got {share}.")
    found = [np.asarray(paint(film.frames[0]), float)]
    for frame, flow, visible in zip(film.frames[1:], film.flow, film.visible):
        kept = share * visible[..., None]  # H, W, 1
        # y_t = (1 - k) paint(x_t) + k warp(y_t-1)
        found.append((1 - kept) * paint(frame) + kept * warp(found[-1], flow))
    return np.stack(found)


def with_memory(objective, remembered, visible, weight):
    """Ask a picture to be like a remembered one as well.

    Args:
        objective: function of an image (H, W, 3) -> (dict of losses, gradient of their sum).
        remembered: (H, W, 3), what it shall be like.
        visible: (H, W), where that counts: 1, and 0 where it does not.
        weight: of this `temporal` loss.

    Returns:
        function as `objective`, with one loss more.

    Source: Ruder, Dosovitskiy and Brox (2016), "Artistic style transfer for videos", GCPR, section 4.2: the temporal loss.
    """
    counts = np.asarray(visible, float)[..., None]

    def both(image):
        losses, gradient = objective(image)
        # L = weight / D sum c (x - w)^2
        apart = counts * (image - remembered)
        temporal = weight * float(np.square(apart).sum()) / image.size  # the counts are 0 or 1
        return losses | {"temporal": temporal}, gradient + 2 * weight * counts * apart / image.size

    return both


def optimised(objective_of, film, settings, weight, progress=True):
    """Paint a film step by step, each picture from the painted one before it.

    Args:
        objective_of: function of a picture (H, W, 3) -> what is asked of its painting, for example
            `lambda frame: with_torch.objective(network, frame, styles, settings)`.
        film: scene.Film.
        settings: style.gatys.spec.Settings; its optimiser and steps count, for each picture.
        weight: of the temporal loss; 0 still starts from the painting before.
        progress: show a progress line.

    Returns:
        (T, H, W, 3).

    Raises:
        ValueError: a weight below 0.

    Source: Ruder et al. (2016), sections 4.1 (the start) and 4.2 (the temporal loss).
    Differs from the paper: what was not visible before starts from the film's own picture; no long-term loss; one pass.
    """
    if not 0 <= weight < np.inf:
        raise ValueError(f"weight must be a number of 0 or more; got {weight}.")
    say = lambda t: f"Painting picture {t + 1} of {len(film.frames)}"
    found = [optimise(objective_of(film.frames[0]), film.frames[0], settings, progress=progress, label=say(0)).image]
    for t, (frame, flow, visible) in enumerate(zip(film.frames[1:], film.flow, film.visible), 1):
        moved = warp(found[-1], flow)
        start = np.where(visible[..., None], moved, frame).clip(0, 1)
        asked = with_memory(objective_of(frame), moved, visible, weight)
        found.append(optimise(asked, start, settings, progress=progress, label=say(t)).image)
    return np.stack(found)
