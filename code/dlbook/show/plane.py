"""Points in the plane, what a discriminator says of every place there, and where it pushes the points."""
from dataclasses import dataclass

import numpy as np

from dlbook.show import style
from dlbook.show.figures import new_figure

DRAWN = 400  # points of a set that are drawn, so that they do not hide each other
CELLS, ARROWS = 60, 13  # places along each side: of the field, and of the arrows
PANEL = 2.3  # inches


def lattice(reach, cells=CELLS):
    """Places on a square around 0, row by row from the lower left: where a field or a force is to be known.

    Args:
        reach: half the side of the square.
        cells: places along each side.

    Returns:
        (cells * cells, 2) float64 array: the middles of equal square cells.

    Raises:
        ValueError: no place, or a square without a side.
    """
    if not (cells >= 1 and reach > 0):
        raise ValueError(f"a lattice needs a place or more and a reach above 0; got {cells} along each side and a reach of {reach}.")
    line = reach * ((2 * np.arange(cells) + 1) / cells - 1)
    x, y = np.meshgrid(line, line)
    return np.column_stack([x.ravel(), y.ravel()])


@dataclass(frozen=True, eq=False)
class Scene:
    """A moment of a game in the plane.

    Args:
        label: above its panel.
        points: (N, 2), generated.
        field: (M * M,) what the discriminator says of the places of a lattice; None leaves the ground white.
        force: (K * K, 2) the push on a generated point at the places of another lattice; None draws no arrows.
        beliefs: the field holds logits, shown as the belief that a point is real, from 0 to 1. False shows heights, whose zero and unit
            mean nothing: the lowest of the panel is 0, the highest 1.

    Raises:
        ValueError: a field or force that is not on a square lattice.
    """
    label: str
    points: np.ndarray
    field: np.ndarray = None
    force: np.ndarray = None
    beliefs: bool = True

    def __post_init__(self):
        for name, size in (("field", 1), ("force", 2)):
            values = getattr(self, name)
            if values is not None and (np.size(values) % size or len(values) != side_of(values) ** 2 or np.size(values) != size * len(values)):
                raise ValueError(f"a {name} has {'a value' if size == 1 else 'two values'} for each place of a square lattice; got shape {np.shape(values)}.")


def side_of(values):
    """Places along each side of the square lattice that values (M * M, ...) belong to."""
    return round(len(values) ** 0.5)


def points(sets, title, reach):
    """Sets of points in the plane, each in its own colour and marker.

    Args:
        sets: dict of label to (N, 2); the first 400 points of each are drawn.
        title: above them.
        reach: half the side of the square that is shown.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no sets, or more than there are colours.
    """
    if not 1 <= len(sets) <= len(style.CYCLE):
        raise ValueError(f"a figure of points needs one to {len(style.CYCLE)} sets; got {len(sets)}.")
    fig, ax = new_figure(4.4, 3.5)
    for (label, some), colour, marker in zip(sets.items(), style.CYCLE, style.MARKERS):
        _scatter(ax, some, colour, marker, label)
    _square(ax, reach)
    ax.set_title(title)
    ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1), markerscale=2)
    return fig


def scenes(moments, title, reach, real=None, columns=3):
    """Moments of one game, or of several, side by side.

    The darker the ground, the more the discriminator takes a point there for real. An arrow shows where a generated point there is pushed;
    the longest arrow of each panel has the same length.

    Args:
        moments: list of Scene.
        title: above all of them.
        reach: half the side of the square that is shown.
        real: (K, 2) centres of the true density, drawn as black rings; or None.
        columns: panels a row.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no moments, or no column.
    """
    if not moments or columns < 1:
        raise ValueError(f"a figure of scenes needs a moment or more and a column or more; got {len(moments)} moments and {columns} columns.")
    columns = min(columns, len(moments))
    rows = -(-len(moments) // columns)
    fig, axes = new_figure(columns * PANEL, rows * (PANEL + 0.2) + 0.35, rows, columns, squeeze=False)
    for ax in axes.flat[len(moments):]:
        ax.axis("off")
    for ax, moment in zip(axes.flat, moments):
        _scene(ax, moment, reach, real)
    fig.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return fig


def _scene(ax, moment, reach, real):
    if moment.field is not None:
        side = side_of(moment.field)
        ax.imshow(shade(moment).reshape(side, side), origin="lower", extent=[-reach, reach] * 2, cmap=style.COUNTS, vmin=0, vmax=1.6,
                  interpolation="bilinear", zorder=0)
    if moment.force is not None:
        _arrows(ax, np.asarray(moment.force, float), reach)
    if real is not None:
        _scatter(ax, real, "none", "o", "", s=60, edgecolors=style.BLACK, linewidths=0.8, alpha=1)
    _scatter(ax, moment.points, style.VERMILION, "o", "")
    _square(ax, reach)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(moment.label, fontsize=9)


def shade(moment):
    """A scene's field as numbers from 0, taken for generated, to 1, taken for real.

    Args:
        moment: Scene with a field (M * M,).

    Returns:
        (M * M,) array.
    """
    values = np.asarray(moment.field, float).ravel()
    if moment.beliefs:
        return 1 / (1 + np.exp(-np.clip(values, -500, 500)))
    span = values.max() - values.min()
    return (values - values.min()) / span if span > 0 else np.full(len(values), 0.5)


def _arrows(ax, force, reach):
    side = side_of(force)
    longest = np.hypot(*force.T).max()
    shown = force / longest if longest > 0 else force
    ax.quiver(*lattice(reach, side).T, *shown.T, color=style.BLACK, alpha=0.55, angles="xy", scale_units="xy", scale=side / (2.4 * reach),
              width=0.006, headwidth=4, zorder=2)


def _scatter(ax, some, colour, marker, label, **options):
    ax.scatter(*np.asarray(some, float)[:DRAWN].T, color=colour, marker=marker, label=label, **({"s": 5, "alpha": 0.6, "linewidths": 0, "zorder": 3} | options))


def _square(ax, reach):
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    ax.grid(False)


def coverage(histories, modes, title):
    """How games went: the modes that their points cover, and the divergence from the truth, after so many turns.

    Args:
        histories: dict of label to history, which holds `step`, `modes` and `kl`, one value a measurement.
        modes: of the true density; a dotted line.
        title: above them.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no histories, or more than there are colours.
    """
    if not 1 <= len(histories) <= len(style.CYCLE):
        raise ValueError(f"a figure of games needs one to {len(style.CYCLE)} histories; got {len(histories)}.")
    fig, axes = new_figure(7.0, 2.9, 1, 2)
    for ax, name, label in zip(axes, ("modes", "kl"), ("modes covered", "divergence from the truth (nats)")):
        for (who, history), colour, marker in zip(histories.items(), style.CYCLE, style.MARKERS):
            ax.plot(history["step"], history[name], color=colour, marker=marker, label=who)
        ax.set(xlabel="turns", ylabel=label, ylim=(0, None))
    axes[0].axhline(modes, color=style.BLACK, linestyle=":", linewidth=1)
    axes[0].set_title(title)
    axes[0].set_ylim(-0.3, modes + 0.6)
    axes[1].legend(fontsize=8)
    return fig
