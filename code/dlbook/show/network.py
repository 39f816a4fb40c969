"""A drawing of a network: its feature maps as stacks of sheets, its vectors as bars."""
import numpy as np
from matplotlib.patches import FancyArrowPatch, Rectangle

from dlbook.show import style
from dlbook.show.figures import new_figure

SHEETS = 5  # drawn at most; more channels are written, not drawn


def network(rows, title, steps=()):
    """Draw feature maps (H, W, C) and vectors (D,) from left to right.

    Args:
        rows: list with `name` and `shape`, in the order of the layers.
        title: above it.
        steps: what happens between neighbours, one short text each.

    Returns:
        matplotlib Figure.
    """
    fig, ax = new_figure(6.8, 2.3)
    ax.axis("off")
    ax.set_aspect("equal")
    largest = max(row.shape[0] for row in rows if len(row.shape) == 3)
    left, edges = 0.0, []
    for row in rows:
        width, height = _draw(ax, row.shape, left, largest)
        ax.text(left + width / 2, -height / 2 - 0.12, f"{row.name}\n" + " x ".join(f"{n:,}" for n in row.shape), ha="center", va="top", fontsize=9)
        edges.append((left, left + width))
        left += width + 0.66
    for (_, start), (end, _), step in zip(edges, edges[1:], steps):
        ax.add_patch(FancyArrowPatch((start + 0.06, 0), (end - 0.06, 0), arrowstyle="-|>", mutation_scale=9, color="black", linewidth=0.9))
        ax.text((start + end) / 2, 0.08, step, ha="center", va="bottom", fontsize=8)
    ax.set_xlim(-0.1, left - 0.5)
    ax.set_ylim(-1.1, 0.85)
    ax.set_title(title)
    return fig


def _draw(ax, shape, left, largest):
    """Draw one layer's output; returns its (width, height)."""
    if len(shape) == 1:
        height = 0.25 + 0.3 * np.log10(shape[0])
        ax.add_patch(Rectangle((left, -height / 2), 0.1, height, facecolor=style.ORANGE, edgecolor="black", linewidth=0.7))
        return 0.1, height
    side, sheets = shape[0] / largest, min(SHEETS, shape[2])
    for i in reversed(range(sheets)):
        ax.add_patch(Rectangle((left + 0.07 * i, -side / 2 + 0.07 * i), side, side, facecolor=style.SKY, edgecolor="black", linewidth=0.7))
    return side + 0.07 * (sheets - 1), side
