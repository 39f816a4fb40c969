"""Photos beside what a network says to them: a bar for each guess."""
import numpy as np

from dlbook.show import style
from dlbook.show.figures import new_figure


def answers(photos, guesses, title, right=None, height=1.35):
    """Photos, one a row, each with a network's guesses as bars.

    Args:
        photos: list of (H, W, 3), uint8 or floating point in [0, 1].
        guesses: for each photo a list of (name, probability), the likeliest first.
        title: above all of them.
        right: for each photo the names that are right, drawn in blue; None: none is marked.
        height: of a row, inches.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no photos, or not a list of guesses for each.
    """
    if not len(photos) or len(photos) != len(guesses):
        raise ValueError(f"each photo needs its guesses; got {len(photos)} photos and {len(guesses)} lists of guesses.")
    right = [()] * len(photos) if right is None else right
    fig, axes = new_figure(6.4, height * len(photos) + 0.3, len(photos), 2, squeeze=False, width_ratios=[1, 1.9])
    for (left, bars), photo, given, names in zip(axes, photos, guesses, right, strict=True):
        left.imshow(np.asarray(photo))
        left.axis("off")
        _bars(bars, given, names)
    fig.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return fig


def _bars(ax, given, names):
    words, values = zip(*given)
    places = range(len(words))
    ax.barh(places, values, color=[style.BLUE if word in names else style.ORANGE for word in words])
    for place, word, value in zip(places, words, values):
        inside = value > 0.6
        ax.text(value - 0.01 if inside else value + 0.01, place, f"{word}  {value:.1%}", va="center", ha="right" if inside else "left", fontsize=8,
                color="white" if inside and word in names else "black")
    ax.set(xlim=(0, 1), ylim=(len(words) - 0.4, -0.6), yticks=[], xticks=[])
    ax.grid(False)
    ax.spines["bottom"].set_visible(False)
