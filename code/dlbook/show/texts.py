"""Figures of text: symbols as vectors, bits a symbol, what a network wrote, what it expects next."""
from html import escape

import numpy as np
from matplotlib.ticker import MaxNLocator

from dlbook.show import style
from dlbook.show.figures import new_figure
from dlbook.show.page import display_html

LEVELS = (":", "-.", (0, (6, 3)), (0, (1, 3)))  # dashes of horizontal lines
NAMES = {" ": "space", "\n": "line end", "\t": "tab"}
FRAME = "flex: 1 1 12rem; min-width: 0; border-left: 4px solid var(--dl-accent, #0072B2); padding: 0.1rem 0 0.1rem 0.8rem"
WRITTEN = ("margin: 0; padding: 0; border: 0; background: transparent; color: inherit; white-space: pre-wrap; "
           "overflow-wrap: anywhere; font-size: 0.85rem; line-height: 1.45")


def shown(symbol):
    """A symbol as a figure names it: a space and a line end get words."""
    return NAMES.get(symbol, symbol if symbol.isprintable() else repr(symbol)[1:-1])


def one_hot(text, title):
    """Symbols as vectors with a single 1, and below them what is to be predicted: the same text one step ahead.

    Args:
        text: str of at least two symbols; all but the last are read, all but the first predicted.
        title: above it.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: fewer than two symbols.
    """
    if len(text) < 2:
        raise ValueError(f"to predict a symbol, one before it must be read; got the text {text!r}.")
    kinds, read, wanted = sorted(set(text)), text[:-1], text[1:]
    vectors = np.array([[float(kind == symbol) for symbol in read] for kind in kinds])  # V, T
    fig, ax = new_figure(6.4, 0.27 * (len(kinds) + 5) + 0.6)
    ax.imshow(vectors, cmap=style.COUNTS, vmin=0, vmax=1.4, aspect="auto", extent=(-0.5, len(read) - 0.5, len(kinds) - 0.5, -0.5))
    for (i, j), value in np.ndenumerate(vectors):
        ax.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=8, color="white" if value else "#5c6670")
    for j, symbol in enumerate(wanted):
        ax.annotate(shown(symbol), (j, len(kinds) - 0.5), xytext=(0, -32), textcoords="offset points", ha="center", va="center",
                    fontsize=10, fontweight="bold", color=style.RED, annotation_clip=False,
                    arrowprops={"arrowstyle": "<|-", "color": "black", "linewidth": 0.8, "shrinkA": 6, "shrinkB": 2})
    ax.annotate("target", (-0.5, len(kinds) - 0.5), xytext=(-8, -32), textcoords="offset points", ha="right", va="center",
                fontsize=9, color=style.RED, annotation_clip=False)
    ax.grid(False)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_xticks(range(len(read)), [shown(symbol) for symbol in read], fontweight="bold")
    ax.set_yticks(range(len(kinds)), [shown(kind) for kind in kinds])
    ax.tick_params(length=0)
    ax.set_title(title, pad=10)
    ax.set(xlabel="input, step by step", ylabel="symbol")
    fig.get_layout_engine().set(h_pad=0.14)
    return fig


def orders(series, title, levels=None, limit=None, limits=None):
    """Bits a symbol of n-grams against n, with other models as horizontal lines.

    Args:
        series: dict of label to a dict of n to bits.
        title: above it.
        levels: dict of label to the bits of a model that has no n.
        limit: bits of the true source, below which no model can stay; None where nobody knows it.
        limits: (lowest, highest) bits shown; None fits the points.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: nothing to show, or more than there are colours.
    """
    levels = levels or {}
    if not 1 <= len(series) + len(levels) <= len(style.CYCLE):
        raise ValueError(f"a figure of bits has one to {len(style.CYCLE)} series and levels; got {len(series) + len(levels)}.")
    fig, ax = new_figure(6.0, 3.3)
    looks = list(zip(style.CYCLE, style.MARKERS))
    for (label, points), (colour, marker) in zip(series.items(), looks):
        ax.plot(list(points), list(points.values()), color=colour, marker=marker, label=label)
    ends = sorted({n for points in series.values() for n in points}) or [0, 1]
    for (label, bits), (colour, _), dashes in zip(levels.items(), looks[len(series):], ("--", "-.", (0, (5, 1)), (0, (3, 1, 1, 1)), "--", "-.")):
        ax.plot([ends[0], ends[-1]], [bits, bits], color=colour, linestyle=dashes, label=f"{label}: {bits:.2f}")
    if limit is not None:
        ax.axhspan(0, limit, color="black", alpha=0.08, linewidth=0)
        ax.plot([ends[0], ends[-1]], [limit, limit], color="black", linewidth=1.2, label=f"limit: {limit:.2f}")
    ax.set(title=title, xlabel="n, symbols counted together", ylabel="bits a symbol (validation)", ylim=limits)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=8)
    return fig


def learning(histories, title, levels=None, limits=None):
    """Learning curves of text networks in nats and bits: training dashed, validation solid, other models as levels.

    Args:
        histories: dict of label to a history with `loss` and `val_loss`, in nats a symbol.
        title: above it.
        levels: dict of label to nats a symbol, drawn as grey lines; up to four.
        limits: (lowest, highest) nats shown; None fits the curves.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no histories, or more of them or of levels than can be told apart.
    """
    if not 1 <= len(histories) <= len(style.CYCLE) or len(levels or {}) > len(LEVELS):
        raise ValueError(f"learning curves need one to {len(style.CYCLE)} histories and at most {len(LEVELS)} levels; "
                         f"got {len(histories)} and {len(levels or {})}.")
    fig, ax = new_figure(6.0, 3.3)
    for (label, history), colour, marker in zip(histories.items(), style.CYCLE, style.MARKERS):
        epochs = range(1, len(history["loss"]) + 1)
        ax.plot(epochs, history["loss"], "--", color=colour, alpha=0.7, label=f"{label}, training")
        ax.plot(epochs, history["val_loss"], color=colour, marker=marker, label=f"{label}, validation")
    last = max(len(history["loss"]) for history in histories.values())
    for (label, nats), dashes in zip((levels or {}).items(), LEVELS):
        ax.plot([1, max(last, 2)], [nats, nats], color="#555555", linewidth=1.4, linestyle=dashes, label=label)
    ax.set(title=title, xlabel="epoch", ylabel="nats a symbol", ylim=limits)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    # bits = nats / ln 2
    ax.secondary_yaxis("right", functions=(lambda nats: nats / np.log(2), lambda bits: bits * np.log(2))).set_ylabel("bits a symbol")
    ax.legend(fontsize=8)
    return fig


def agreement(scores, title, examples):
    """How sure models are of a verb's ending, for what stands between the verb and its subject.

    Args:
        scores: dict of model to a dict of kind to a probability.
        title: above it.
        examples: dict of kind to a sentence of that kind, written below its bars.

    Returns:
        matplotlib Figure.

    Raises:
        ValueError: no models, or more than there are colours.
    """
    if not 1 <= len(scores) <= len(style.CYCLE):
        raise ValueError(f"bars need one to {len(style.CYCLE)} models; got {len(scores)}.")
    fig, ax = new_figure(6.4, 3.7)
    width = 0.8 / len(scores)
    for k, ((label, values), colour) in enumerate(zip(scores.items(), style.CYCLE)):
        places = np.arange(len(examples)) + (k - (len(scores) - 1) / 2) * width
        bars = ax.bar(places, [values[kind] for kind in examples], width * 0.92, color=colour, label=label)
        ax.bar_label(bars, fmt="%.2f", fontsize=7)
    ax.plot([-0.5, len(examples) - 0.5], [0.5, 0.5], ":", color="black", linewidth=1.2, label="a guess")
    ax.set(title=title, ylabel="probability of the right ending", ylim=(0, 1.25), yticks=np.linspace(0, 1, 6))
    ax.set_xticks(range(len(examples)), [_two_lines(text) for text in examples.values()], fontsize=8)
    ax.set_axisbelow(True)
    ax.grid(False, axis="x")
    ax.legend(fontsize=8, ncols=len(scores) + 1, loc="upper center")
    return fig


def _two_lines(text):
    """A sentence in two lines of about the same length."""
    words = text.split(" ")
    best = min(range(len(words)), key=lambda i: abs(len(" ".join(words[:i])) - len(" ".join(words[i:]))))
    return "\n".join(filter(None, [" ".join(words[:best]), " ".join(words[best:])]))


def samples(written, title, language="en"):
    """Show what was written, side by side where there is room.

    Args:
        written: list of (label, text).
        title: above them.
        language: of the texts, for those who have the page read to them: `en`, `fi`.

    Raises:
        ValueError: nothing was written.
    """
    if not written:
        raise ValueError("there is no sample to show; give at least one pair of label and text.")
    blocks = "".join(f'<div style="{FRAME}"><strong>{escape(label)}</strong>{sample_html(text, language)}</div>' for label, text in written)
    html = (f'<figure class="dlbook-samples" style="margin: 1rem 0"><figcaption style="margin: 0 0 0.6rem; text-align: left; font-weight: 650">{escape(title)}'
            f'</figcaption><div style="display: flex; flex-wrap: wrap; gap: 1rem 1.4rem">{blocks}</div></figure>')
    display_html(html, title + "".join(f"\n--- {label}\n{clean(text)}" for label, text in written))


def sample_html(text, language="en"):
    """A written text as HTML that keeps its line ends."""
    return f'<pre lang="{escape(language, quote=True)}" style="{WRITTEN}">{escape(clean(text))}</pre>'


def clean(text):
    """A text whose control characters, which a network may write too, are boxes."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\u25af" for c in text)


def next_symbols(probabilities, symbols, count=8):
    """What comes next with which probability, as HTML: the likeliest symbols with bars.

    Args:
        probabilities: (V,) that sum to 1.
        symbols: data.Symbols or str of V symbols.
        count: symbols listed; the rest is summed in a last row.

    Returns:
        str.

    Raises:
        ValueError: another number of symbols than of probabilities.
    """
    characters = getattr(symbols, "characters", symbols)
    if len(characters) != len(probabilities):
        raise ValueError(f"each symbol has a probability; got {len(characters)} symbols and {len(probabilities)} probabilities.")
    p = np.asarray(probabilities, np.float64)
    best = np.argsort(-p, kind="stable")[:count]
    rows = [(shown(characters[i]), p[i]) for i in best]
    if len(p) > count:
        rows.append((f"{len(p) - count} others", max(1 - sum(value for _, value in rows), 0.0)))
    return f'<table class="dlbook-next" style="border-spacing: 0 2px">{"".join(_bar(*row) for row in rows)}</table>'


def _bar(name, p):
    bar = f'<div style="width: {100 * p:.1f}%; min-width: 1px; height: 0.8rem; border-radius: 3px; background: {style.BLUE}"></div>'
    return (f'<tr><th scope="row" style="text-align: right; padding: 0 0.6rem; font-weight: 600; white-space: nowrap">{escape(name)}</th>'
            f'<td style="width: 12rem">{bar}</td><td style="text-align: right; padding: 0 0.6rem">{p:.3f}</td></tr>')


def pages(contents, labels, name):
    """A slider that walks through pieces of HTML; works without a kernel.

    Args:
        contents: list of HTML.
        labels: what the slider says at each.
        name: of the slider, one or two words.

    Returns:
        ipywidgets.VBox to be the last value of a cell.

    Raises:
        ValueError: nothing to show, another number of labels, or a label that stands twice.
    """
    import ipywidgets

    if not contents or len(contents) != len(labels) or len(set(labels)) != len(labels):
        raise ValueError(f"each page needs a label of its own; got {len(contents)} pages and the labels {', '.join(map(str, labels)) or 'none'}.")
    stack = ipywidgets.Stack([ipywidgets.HTML(content) for content in contents], selected_index=0)
    slider = ipywidgets.SelectionSlider(options=[str(label) for label in labels], description=name, style={"description_width": "initial"})
    ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    return ipywidgets.VBox([slider, stack])
