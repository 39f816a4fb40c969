"""Drawings of attention: which earlier symbols a place of a text looks at."""
import numpy as np

from dlbook.show import style
from dlbook.show.figures import new_figure, png
from dlbook.show.widgets import frames

NAMES = {" ": "\u2423", "\n": "\u21b5", "\t": "\u21e5"}  # signs for what has no shape


def attention_map(shares, text, title):
    """All places of a text at once: each row shows where one symbol looks, and dark is much.

    Args:
        shares: (T, T) attention of one head; rows sum to 1.
        text: its T symbols or tokens, a str or a list of str.
        title: above it.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: the map is no attention over this text.
    """
    shares, names = _checked(shares, text)
    side = 1.1 + 0.115 * len(names)
    fig, ax = new_figure(side, side)
    ax.imshow(shares, cmap=style.COUNTS, vmin=0, vmax=1)
    ax.grid(False)
    ax.set_xticks(range(len(names)), names, fontsize=6.5)
    ax.set_yticks(range(len(names)), names, fontsize=6.5)
    ax.tick_params(length=0, pad=1)
    ax.set(title=title, xlabel="looked at", ylabel="looking")
    return fig


def attention_from(rows, text, title):
    """Where one place of a text looks, in several heads or networks: bars above the symbols.

    Args:
        rows: dict of label to the (T,) attention of one place; one panel each.
        text: its T symbols or tokens, a str or a list of str.
        title: above the panels.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no rows, or one that is no attention over this text.
    """
    if not rows:
        raise ValueError("a drawing of attention needs the row of a head or more; got none.")
    names = _names(text)
    fig, axes = new_figure(min(6.8, 1.2 + 0.13 * len(names)), 0.7 + 1.05 * len(rows), len(rows), 1, squeeze=False, sharex=True)
    for ax, colour, (label, row) in zip(axes[:, 0], style.CYCLE * len(rows), rows.items()):
        ax.bar(range(len(names)), _row(row, names), color=colour, width=0.8)
        ax.set(ylabel="attention", ylim=(0, 1), xlim=(-0.7, len(names) - 0.3))
        ax.set_title(label, fontsize=9, fontweight="normal")
        ax.grid(axis="x", visible=False)
        ax.set_xticks(range(len(names)), names, fontsize=8)
        ax.tick_params(axis="x", length=0, pad=1)
    fig.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return fig


def attention_heads(maps, text, width=380):
    """A slider through the heads of all layers; works without a kernel.

    Args:
        maps: (layers, heads, T, T) attention.
        text: its T symbols or tokens, a str or a list of str.
        width: of the pictures, in CSS pixels.

    Returns:
        ipywidgets.VBox to be the last value of a cell.

    Raises:
        ValueError: the maps are no attention over this text.
    """
    maps = np.asarray(maps, float)
    if maps.ndim != 4:
        raise ValueError(f"attention maps have shape (layers, heads, T, T); got {maps.shape}.")
    heads = [(k + 1, h + 1, shares) for k, layer in enumerate(maps) for h, shares in enumerate(layer)]
    names = [f"layer {k}, head {h}" for k, h, _ in heads]
    habits = [habit(shares) for *_, shares in heads]
    pictures = [png(attention_map(shares, text, name.capitalize())) for name, (*_, shares) in zip(names, heads)]
    return frames(pictures, [f"{name}: {words}" for name, words in zip(names, habits)], "head", width,
                  [f"Attention of {name}: {words}." for name, words in zip(names, habits)])


def habit(shares):
    """What a head does on average, in words.

    Args:
        shares: (T, T) attention; rows sum to 1.

    Returns:
        str: how far it looks back, and how much it gives to the symbol itself and to the one before.
    """
    shares = np.asarray(shares, float)
    T = len(shares)
    back = (shares * np.maximum(np.subtract.outer(np.arange(T), np.arange(T)), 0)).sum(1).mean()
    before = np.diagonal(shares, -1).sum() / max(T - 1, 1)
    return f"looks {back:.1f} symbols back on average; {np.diagonal(shares).mean():.0%} goes to the symbol itself, {before:.0%} to the one before"


def _names(text):
    if not len(text):
        raise ValueError("a drawing of attention needs a text of one symbol or more; got none.")
    return ["".join(NAMES.get(c, c) for c in part) for part in text]


def _row(row, names):
    row = np.asarray(row, float)
    if row.shape != (len(names),) or row.min() < -1e-6 or not np.isclose(row.sum(), 1, atol=1e-3):
        raise ValueError(f"attention over {len(names)} symbols is as many shares that sum to 1; got shape {row.shape}, sum {row.sum():.3g}.")
    return row


def _checked(shares, text):
    names, shares = _names(text), np.asarray(shares, float)
    if shares.shape != (len(names), len(names)):
        raise ValueError(f"attention over {len(names)} symbols has shape ({len(names)}, {len(names)}); got {shares.shape}.")
    for row in shares:
        _row(row, names)
    return shares, names
