"""Figures: every one gets a title and alt text, has a fixed size, and gives the same bytes each time it is drawn."""
import io

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlbook.show import style

JPEG = b"\xff\xd8"  # how such a file begins
QUALITY = 88  # of JPEG, as Pillow counts it


def new_figure(width=6.4, height=3.2, rows=1, columns=1, **options):
    """An empty figure in the course's style.

    Args:
        width, height: inches; the page is 7 inches wide.
        rows, columns: panels.
        options: passed to `Figure.subplots`.

    Returns:
        (figure, axes) as `Figure.subplots` returns them.
    """
    fig = Figure(figsize=(width, height))
    return fig, fig.subplots(rows, columns, **options)


def png(fig):
    """Draw a figure.

    Args:
        fig: matplotlib Figure.

    Returns:
        bytes of a PNG file.
    """
    return _drawn(fig, "png", metadata={"Software": None})


def _drawn(fig, kind, **options):
    if not isinstance(fig, Figure):
        raise TypeError(f"a matplotlib Figure is needed; got {type(fig).__name__}.")
    buffer = io.BytesIO()
    fig.savefig(buffer, format=kind, dpi=style.DPI, **options)
    return buffer.getvalue()


def figure(fig, alt, photos=False):
    """Show a figure in the notebook.

    Args:
        fig: matplotlib Figure.
        alt: what the figure shows, for those who cannot see it; numbers may come from the run.
        photos: it is made of photos or paintings: kept as JPEG, which takes a fifth of the room.

    Raises:
        TypeError, ValueError: not a figure, or no alt text.
    """
    data = _drawn(fig, "jpeg", pil_kwargs={"quality": QUALITY}) if photos else png(fig)
    display_png(data, alt, round(fig.get_figwidth() * style.CSS_DPI), contents(fig))


def contents(fig):
    """The words and numbers in a figure, so that a test can compare them and not only the picture.

    Args:
        fig: matplotlib Figure.

    Returns:
        str: for each panel its title, labels, legend and other texts, then the values of its lines and bars.
    """
    lines = [fig.get_suptitle()] if fig.get_suptitle() else []
    for ax in fig.axes:
        titles = [ax.get_title(loc) for loc in ("left", "center", "right")]
        legend = [text.get_text() for text in ax.get_legend().get_texts()] if ax.get_legend() else []
        lines.append(" | ".join(filter(None, [*titles, ax.get_xlabel(), ax.get_ylabel(), *legend])))
        lines.append(" ".join(text.get_text() for text in ax.texts))
        lines += [_values(line.get_label(), line.get_ydata()) for line in ax.lines]
        lines += [_values("bars", [bar.get_height() for bar in bars]) for bars in ax.containers if hasattr(bars, "patches")]
        lines += [_values("points", points.get_offsets().ravel()) for points in ax.collections]
    return "\n".join(filter(None, lines))


def _values(name, numbers):
    return f"{name}: " + " ".join(f"{number:.5g}" for number in np.asarray(numbers, dtype=float))


def display_png(data, alt, width=None, inside=""):
    """Show a picture in the notebook.

    Args:
        data: bytes of a PNG or JPEG file.
        alt: what it shows; must not be empty.
        width: in CSS pixels.
        inside: the words and numbers in it, kept beside the picture.

    Raises:
        ValueError: no alt text.
    """
    from IPython.display import display

    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("a picture needs alt text: one or two sentences that say what it shows.")
    about = {"alt": " ".join(alt.split())} | ({"width": width} if width else {})
    kind = "image/jpeg" if data.startswith(JPEG) else "image/png"
    display({kind: data, "text/plain": f"[{about['alt']}]\n{inside}".rstrip()}, metadata={kind: about}, raw=True)


def as_pictures(images):
    """Check pictures to draw.

    Args:
        images: (N, H, W) grey or (N, H, W, 3) colour, uint8, or floating point in [0, 1].

    Returns:
        the same as an array, floating point in [0, 1].

    Raises:
        TypeError, ValueError: a wrong dtype, shape or range.
    """
    images = np.asarray(images)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] != 3):
        raise ValueError(f"pictures have shape (N, H, W) or (N, H, W, 3); got {images.shape}.")
    if images.dtype == np.uint8:
        return images / 255
    if images.dtype.kind != "f":
        raise TypeError(f"pictures are uint8 or floating point; got dtype {images.dtype}.")
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"floating-point pictures hold values in [0, 1]; got {images.min():g} to {images.max():g}.")
    return images


def grid(images, title, labels=None, columns=8, size=0.8):
    """Pictures side by side.

    Args:
        images: (N, H, W) or (N, H, W, 3), as for `as_pictures`.
        title: above all of them.
        labels: N texts above the pictures, each a string or a list of (text, colour), one a line; or None.
        columns: pictures a row.
        size: side of one picture in inches.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no pictures, or not a label for each.
    """
    images = as_pictures(images)
    labels = [""] * len(images) if labels is None else labels
    if not len(images) or len(labels) != len(images) or columns < 1:
        raise ValueError(f"a grid needs a picture or more, a label for each and a column or more; got {len(images)} pictures, "
                         f"{len(labels)} labels, {columns} columns.")
    lines = [[(label, "black")] if isinstance(label, str) else label for label in labels]
    rows, room = -(-len(images) // columns), 0.17 * max(map(len, lines))
    fig, axes = new_figure(columns * size, rows * (size + room) + 0.35, rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, texts in zip(axes.flat, images, lines):
        ax.imshow(image, cmap=style.INK, vmin=0, vmax=1)
        for k, (text, colour) in enumerate(reversed(texts)):
            ax.annotate(text, (0.5, 1.02), xytext=(0, 10 * k), xycoords="axes fraction", textcoords="offset points",
                        ha="center", va="bottom", fontsize=7.5, color=colour)
    fig.suptitle(title, x=0.01, ha="left", fontsize=10.5, fontweight="bold")
    return fig


def mistakes(images, true, predicted, title, columns=8):
    """Misclassified pictures: the prediction in red, the truth in blue, and both in words.

    Args:
        images: (N, H, W), as for `as_pictures`.
        true, predicted: N labels.
        title: above all of them.
        columns: pictures a row.

    Returns:
        matplotlib Figure.
    """
    if len(true) != len(predicted):
        raise ValueError(f"each picture needs a true and a predicted label; got {len(true)} and {len(predicted)}.")
    labels = [[(f"read {p}", style.RED), (f"true {t}", style.BLUE)] for t, p in zip(true, predicted)]
    return grid(images, title, labels, columns)


def numbers(image, title):
    """A small grey picture with the value of every pixel written into it.

    Args:
        image: (H, W) in [0, 1].
        title: above it.

    Returns:
        matplotlib Figure.
    """
    image = np.asarray(image)
    if image.ndim != 2:
        raise ValueError(f"a grey picture has shape (H, W); got {image.shape}.")
    image = as_pictures(image[None])[0]
    fig, ax = new_figure(6.4, 6.0)
    ax.imshow(image, cmap=style.INK, vmin=0, vmax=1)
    ax.grid(False)
    for (i, j), value in np.ndenumerate(image):
        ax.text(j, i, f"{value:.1f}".lstrip("0") if 0 < value < 1 else f"{value:.0f}", ha="center", va="center", fontsize=7.5,
                color="white" if value > 0.5 else "black")
    ax.set(title=title, xlabel="column (pixels)", ylabel="row (pixels)")
    return fig


def curves(histories, title, panels=(("loss", "loss (nats)"), ("accuracy", "accuracy")), limits=None):
    """Learning curves: the training set dashed, the test set solid.

    Args:
        histories: dict of label to history; a history holds `loss`, `val_loss`, `accuracy`, `val_accuracy`, one value an epoch.
        title: above them.
        panels: (name in the history, axis label) of each panel.
        limits: dict of name to (lowest, highest) shown, or None to fit the curves.

    Returns:
        matplotlib Figure.
    """
    wanted = {part for name, _ in panels for part in (name, f"val_{name}")}
    if not 1 <= len(histories) <= len(style.CYCLE) or any(wanted - set(history) for history in histories.values()):
        raise ValueError(f"learning curves need one to {len(style.CYCLE)} histories, each with {', '.join(sorted(wanted))}; "
                         f"got {', '.join(histories) or 'none'}.")
    fig, axes = new_figure(6.0, 2.9, 1, len(panels), squeeze=False)
    for ax, (name, label) in zip(axes[0], panels):
        for i, (who, history) in enumerate(histories.items()):
            epochs = range(1, len(history[name]) + 1)
            ax.plot(epochs, history[name], "--", color=style.CYCLE[i], alpha=0.7, label=f"{who}, training")
            ax.plot(epochs, history[f"val_{name}"], marker=style.MARKERS[i], color=style.CYCLE[i], label=f"{who}, test")
        ax.set(xlabel="epoch", ylabel=label, ylim=(limits or {}).get(name))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0][0].set_title(title)
    axes[0][0].legend(fontsize=8)
    return fig


def confusion(matrix, title):
    """A confusion matrix with its counts; mistakes stand out, the diagonal is left pale.

    Args:
        matrix: (K, K) counts, rows true, columns predicted.
        title: above it.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: the matrix is not square or holds no counts.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"a confusion matrix is square; got shape {matrix.shape}.")
    if matrix.dtype.kind not in "ui" or matrix.min() < 0:
        raise ValueError(f"a confusion matrix holds counts, whole numbers from 0 on; got dtype {matrix.dtype}.")
    wrong = np.where(np.eye(len(matrix), dtype=bool), 0, matrix)
    fig, ax = new_figure(5.0, 4.6)
    ax.imshow(wrong, cmap=style.COUNTS, vmin=0, vmax=max(1, wrong.max()))
    ax.grid(False)
    for (i, j), count in np.ndenumerate(matrix):
        if count:
            ax.text(j, i, count, ha="center", va="center", fontsize=8, fontweight="bold" if i != j else "normal",
                    color="white" if wrong[i, j] > wrong.max() * 0.6 else "black")
    ticks = range(len(matrix))
    ax.set(title=title, xlabel="predicted digit", ylabel="true digit", xticks=ticks, yticks=ticks)
    return fig


def spread(series, title, xlabel, ylabel, limits=None, scale="linear"):
    """Results of several seeds: a point for each, and a line through their means.

    Args:
        series: dict of label to a dict of x (a number) to the values of the seeds.
        title: above it.
        xlabel, ylabel: of the axes, with units.
        limits: (lowest, highest) y shown, or None to fit the points.
        scale: `linear` or `log`, of the x axis.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no series, more than there are colours, or an x without values.
    """
    if not 1 <= len(series) <= len(style.CYCLE) or any(not len(values) for points in series.values() for values in points.values()):
        raise ValueError(f"a figure of spread needs one to {len(style.CYCLE)} series, each x with a value or more; got {series!r}.")
    fig, ax = new_figure(5.6, 3.1)
    for (label, points), colour, marker in zip(series.items(), style.CYCLE, style.MARKERS):
        places = sorted(points)
        ax.plot(places, [np.mean(points[x]) for x in places], color=colour, label=label)
        ax.plot([x for x in places for _ in points[x]], [y for x in places for y in points[x]], marker, color=colour, alpha=0.55)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, ylim=limits, xscale=scale)
    places = sorted({x for points in series.values() for x in points})
    ax.set_xticks(places, [f"{x:g}" for x in places])
    ax.minorticks_off()
    ax.legend(fontsize=8)
    return fig
