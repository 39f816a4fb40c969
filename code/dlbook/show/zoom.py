"""From a picture to its numbers: a slider that goes closer, until every pixel shows its red, green and blue."""
import io

import numpy as np
from matplotlib.patches import Rectangle

from dlbook.show import style
from dlbook.show.figures import as_pictures, new_figure
from dlbook.show.widgets import frames_of_two

SIDE = 3.4  # inches of a view; 326 CSS pixels
WRITTEN = 8  # pixels along a side, up to which each one's numbers are written into it
RULED = 32  # up to which lines are drawn between pixels
QUALITY = 78  # of JPEG


def zoom(photo, places, sides=(256, 96, 32, 16, 8), label="photo"):
    """Two sliders over a photo: which place, and how close. Works without a kernel.

    Args:
        photo: (H, W, 3), as for `as_pictures`.
        places: dict of name to (row, column) of the pixel in the middle.
        sides: of the views in pixels, each smaller than the one before; at most the shorter side of the photo.
        label: what is looked at, for those who cannot see it.

    Returns:
        ipywidgets.VBox to be the last value of a cell.

    Raises:
        ValueError: no places, a place outside the photo, or sides that do not get smaller or do not fit.
    """
    photo, sides = as_pictures(np.asarray(photo)[None])[0], list(sides)
    _check(photo, places, sides)
    rows, captions, alts = [], [], []
    for name, middle in places.items():
        boxes = [box(photo.shape, middle, side) for side in sides]
        rows.append([view(photo, here, inner) for here, inner in zip(boxes, [*boxes[1:], None])])
        captions.append([_caption(*here) for here in boxes])
        alts.append([f"{label}, {name}: {_in_words(photo, here)}" for here in boxes])
    options = (list(places), [f"{side} x {side} pixels" for side in sides])
    return frames_of_two(rows, options, captions, ["place", "closer"], width=round(SIDE * style.CSS_DPI), alts=alts)


def box(shape, middle, side):
    """The square of a photo around a pixel, moved inwards where it would stand out.

    Args:
        shape: (H, W, ...) of the photo.
        middle: (row, column).
        side: in pixels.

    Returns:
        (top, left, side).
    """
    top, left = (int(np.clip(at - side // 2, 0, length - side)) for at, length in zip(middle, shape))
    return top, left, side


def view(photo, here, inner=None):
    """One view.

    Args:
        photo: (H, W, 3) floating point in [0, 1].
        here: (top, left, side), as `box` returns it.
        inner: the same of the next view, drawn as a frame; or None.

    Returns:
        bytes of a JPEG file.
    """
    top, left, side = here
    fig, ax = new_figure(SIDE, SIDE)
    ax.imshow(photo[top:top + side, left:left + side], interpolation="nearest", extent=(left, left + side, top + side, top))
    ax.axis("off")
    if side <= RULED:
        _rule(ax, *here)
    if side <= WRITTEN:
        _write(ax, photo, *here)
    if inner:
        ax.add_patch(Rectangle((inner[1], inner[0]), inner[2], inner[2], fill=False, edgecolor="white", linewidth=2.6))
        ax.add_patch(Rectangle((inner[1], inner[0]), inner[2], inner[2], fill=False, edgecolor=style.BLUE, linewidth=1.2))
    file = io.BytesIO()
    fig.savefig(file, format="jpeg", dpi=style.DPI, pil_kwargs={"quality": QUALITY})
    return file.getvalue()


def _rule(ax, top, left, side):
    for k in range(side + 1):
        ax.axhline(top + k, color="white", linewidth=0.4, alpha=0.5)
        ax.axvline(left + k, color="white", linewidth=0.4, alpha=0.5)


def _write(ax, photo, top, left, side):
    """Red, green and blue of every pixel, as bytes from 0 to 255, one below the other."""
    for i in range(top, top + side):
        for j in range(left, left + side):
            text = "\n".join(str(round(255 * float(value))) for value in photo[i, j])
            ax.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=6.5, color="white" if photo[i, j].mean() < 0.5 else "black")


def _caption(top, left, side):
    return f"rows {top} to {top + side - 1}, columns {left} to {left + side - 1}: {side} x {side} x 3 = {3 * side * side:,} numbers"


def _in_words(photo, here):
    top, left, side = here
    red, green, blue = 255 * photo[top:top + side, left:left + side].mean(axis=(0, 1))
    return f"{side} x {side} pixels, on average {red:.0f} red, {green:.0f} green, {blue:.0f} blue"


def _check(photo, places, sides):
    height, width = photo.shape[:2]
    if photo.ndim != 3:
        raise ValueError(f"a photo to go into has shape (H, W, 3); got {photo.shape}.")
    if not sides or sorted(set(sides), reverse=True) != sides or not 1 <= sides[-1] <= sides[0] <= min(height, width):
        raise ValueError(f"the sides get smaller, from at most {min(height, width)} pixels; got {sides}.")
    outside = [name for name, (row, column) in places.items() if not (0 <= row < height and 0 <= column < width)]
    if not places or outside:
        raise ValueError(f"places lie within {height} x {width} pixels; got {outside or 'none'}.")
