"""Pictures of a network of dense layers: its units, and its modules with the ways forward and back."""
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from dlbook.show import style
from dlbook.show.figures import new_figure

DRAWN = 6  # units of a layer that are drawn; of more, the first and the last


def units(sizes, title, labels):
    """Layers of units, from left to right, each joined with all before it.

    Args:
        sizes: units of each layer.
        title: above them.
        labels: one text a layer, below it.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: fewer than two layers, or not a label for each.
    """
    if len(sizes) < 2 or len(labels) != len(sizes):
        raise ValueError(f"a picture of units needs two layers or more, and a label for each; got {len(sizes)} layers and {len(labels)} labels.")
    fig, ax = new_figure(5.6, 2.9)
    ax.axis("off")
    columns = [_heights(size) for size in sizes]
    for x, (left, right) in enumerate(zip(columns, columns[1:])):
        lines = [((x, y), (x + 1, z)) for y in left for z in right]
        ax.add_collection(LineCollection(lines, colors=style.BLUE, linewidths=0.7, alpha=0.45))
    for x, (size, heights, label) in enumerate(zip(sizes, columns, labels)):
        ax.plot([x] * len(heights), heights, "o", color=style.BLUE, markersize=13, markerfacecolor="white", markeredgewidth=1.5, label=f"{size}")
        if size > DRAWN:
            ax.text(x, 0, "...", ha="center", va="center", rotation=90, fontsize=12)
        ax.text(x, -3.4, label, ha="center", va="top", fontsize=9)
    ax.set(xlim=(-0.5, len(sizes) - 0.5), ylim=(-4.3, 3.6), title=title)
    return fig


def _heights(size):
    drawn = min(size, DRAWN)
    spread = [drawn / 2 - 0.5 - k for k in range(drawn)]
    return [y + (0.5 if y > 0 else -0.5) for y in spread] if size > DRAWN else spread


def chain(names, forward, back, title):
    """Modules in a row, what goes forward between them above, and what comes back below.

    Args:
        names: of the modules.
        forward: texts on the arrows to the right: one before each module, and one behind the last.
        back: texts on the arrows to the left, as many.
        title: above them.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: not one arrow more than there are modules.
    """
    if not names or not len(forward) == len(back) == len(names) + 1:
        raise ValueError(f"{len(names)} modules need {len(names) + 1} arrows each way; got {len(forward)} and {len(back)}.")
    fig, ax = new_figure(7.0, 1.6)
    ax.axis("off")
    for i, name in enumerate(names):
        ax.add_patch(FancyBboxPatch((2 * i + 1.1, 0.15), 0.8, 0.7, boxstyle="round,pad=0.05", facecolor="white", edgecolor=style.BLACK))
        ax.text(2 * i + 1.5, 0.5, name, ha="center", va="center", fontsize=8.5)
    for i, (there, here) in enumerate(zip(forward, back)):
        ends = (2 * i + 0.05, 2 * i + 0.95) if 0 < i < len(names) else ((0.1, 0.95) if i == 0 else (2 * i + 0.05, 2 * i + 0.9))
        for text, y, colour, (start, end), side in ((there, 0.68, style.BLUE, ends, "bottom"), (here, 0.32, style.VERMILION, ends[::-1], "top")):
            ax.add_patch(FancyArrowPatch((start, y), (end, y), arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=1.4))
            ax.text(sum(ends) / 2, y + (0.12 if side == "bottom" else -0.12), text, ha="center", va=side, fontsize=7.5, color=colour)
    ax.set(xlim=(0, 2 * len(names) + 1), ylim=(-0.45, 1.45), title=title)
    return fig
