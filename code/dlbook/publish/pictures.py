"""Pictures compared as an eye would: by their structure, block by block."""
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageSequence

BLOCK = 32  # side of the blocks whose worst one decides, in pixels; less in small pictures
WINDOW = 7  # side of the window of the structural similarity, in pixels


class SizeChanged(ValueError):
    """Two pictures have different sizes; the text tells both."""


def distance(committed, now, shrink=1):
    """How much the worst block of a picture changed.

    The structural part is 1 - SSIM, which sees lines, letters and bars. A flat patch that takes another colour barely moves it,
    so the mean change of the most changed colour channel counts as well; the larger of the two is returned.

    Args:
        committed: bytes of a PNG, JPEG or GIF file.
        now: bytes of the other file.
        shrink: whole number; both are made smaller by it first.

    Returns:
        float: 0 for the same picture; 1 where a block lost all its structure.

    Raises:
        SizeChanged: the pictures do not have the same size.
        OSError: one of them is no picture.
    """
    if committed == now:
        return 0.0
    first, second = _pixels(committed), _pixels(now)  # (H, W, 3), from 0 to 1
    if first.shape != second.shape:
        sizes = [f"{width} x {height}" for height, width, _ in (first.shape, second.shape)]
        raise SizeChanged(f"its size was {sizes[0]} pixels and is {sizes[1]}")
    first, second = _shrunk(first, shrink), _shrunk(second, shrink)
    worst = _worst_block(np.abs(first - second).max(axis=2))
    if min(first.shape[:2]) >= WINDOW:
        from skimage.metrics import structural_similarity

        _, similarity = structural_similarity(first, second, win_size=WINDOW, channel_axis=2, data_range=1.0, full=True)
        worst = max(worst, _worst_block(1 - similarity.mean(axis=2)))
    return worst


def side_by_side(committed, now, path):
    """Write a picture that shows the committed one, the one of now and their difference.

    Args:
        committed: bytes of a picture.
        now: bytes of the other.
        path: PNG file to write; its folder is made.
    """
    panels = [Image.fromarray((255 * _pixels(data)).round().astype("uint8")) for data in (committed, now)]
    size = tuple(max(panel.size[axis] for panel in panels) for axis in (0, 1))
    padded = [_on_white(panel, size) for panel in panels]
    # Faint differences are made visible: what changed at all is at least a third of the way from white to black.
    change = ImageChops.difference(*padded).convert("L").point(lambda value: 255 - (85 + value * 2 // 3 if value else 0))
    captions = ("committed", "now", "difference")
    sheet = Image.new("RGB", (3 * size[0] + 40, size[1] + 30), "white")
    for column, (caption, panel) in enumerate(zip(captions, [*padded, change])):
        left = 10 + column * (size[0] + 10)
        ImageDraw.Draw(sheet).text((left, 5), caption, fill="black")
        sheet.paste(panel, (left, 20))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _pixels(data):
    """Colours of a picture on white paper, (H, W, 3) from 0 to 1; the frames of an animation stand below one another."""
    with Image.open(io.BytesIO(data)) as picture:
        frames = [_on_white(frame.convert("RGBA"), frame.size) for frame in ImageSequence.Iterator(picture)]
    return np.concatenate([np.asarray(frame, dtype="float64") for frame in frames]) / 255


def _shrunk(pixels, factor):
    """The mean of each square of factor x factor pixels; what does not fill a square at the edge is left out."""
    height, width = (side // factor for side in pixels.shape[:2])
    return pixels[:height * factor, :width * factor].reshape(height, factor, width, factor, 3).mean(axis=(1, 3))


def _on_white(picture, size):
    paper = Image.new("RGBA", size, "white")
    paper.alpha_composite(picture.convert("RGBA"))
    return paper.convert("RGB")


def _worst_block(change):
    """Largest mean of a block, wherever it lies, of a map of change (H, W)."""
    from scipy.ndimage import uniform_filter

    # In a small picture, a frame of a widget say, a block of 32 pixels would be all of it.
    side = BLOCK if min(change.shape) >= 2 * BLOCK else max(1, min(change.shape) // 8)
    return float(uniform_filter(change, size=side, mode="reflect").max())
