"""A playground on the page: trainings that were watched beforehand, and, where the page is launched, live ones."""
import base64
import io
import threading
from html import escape

import matplotlib
import numpy as np

from dlbook.show import style
from dlbook.show.chat import LIVE

SIDE, CURVE = 200, 70  # units of the drawing: the plane, and the height of the losses below it
SHADES = 24  # of the belief; few enough for a small file, too many to be told apart
HIGHEST = 0.8  # nats: the upper end of the losses; guessing between two classes has log 2 = 0.69
WIDTH = 300  # CSS pixels
GAP = 8
MAP = matplotlib.colormaps["RdBu"]


def playground(sets, plays, labels=("points", "network", "moment"), settings=None):
    """Three lists to choose from: which points, which network, after how many epochs; and live controls that need a kernel.

    Args:
        sets: dict of name of a set to (places (N, 2), labels (N,)), those that the networks learnt from; or to a dict of experiment to such.
        plays: dict of name of a set to a dict of experiment to a list of basics.playground.Moment; all with the same experiments and epochs.
        labels: of the three lists.
        settings: basics.playground.Settings at which the live controls start; None leaves the live part out.

    Returns:
        ipywidgets.VBox to be the last value of a cell.

    Raises:
        ValueError: nothing to show, or sets with different experiments or moments.
    """
    import ipywidgets

    experiments, epochs = _same(sets, plays)
    outer = ipywidgets.Stack([ipywidgets.Stack([_moments(_points(sets[name], experiment), found, f"{name}, {experiment}")
                                                for experiment, found in plays[name].items()], selected_index=0) for name in plays], selected_index=0)
    options = (list(plays), experiments, [f"after {epoch} epochs" for epoch in epochs])
    lists = [ipywidgets.Dropdown(options=texts, description=label, style={"description_width": "initial"}) for texts, label in zip(options[:2], labels)]
    lists.append(ipywidgets.SelectionSlider(options=options[2], description=labels[2], style={"description_width": "initial"}))
    for chooser, stacks in zip(lists, ([outer], outer.children, [stack for middle in outer.children for stack in middle.children])):
        for stack in stacks:
            ipywidgets.jslink((chooser, "index"), (stack, "selected_index"))
    live = [] if settings is None else [_Live(settings).box]
    return ipywidgets.VBox([*lists, outer, *live])


def _same(sets, plays):
    kinds = {(tuple(found), tuple(tuple(moment.epoch for moment in moments) for moments in found.values())) for found in plays.values()}
    if len(kinds) != 1 or sets.keys() != plays.keys() or len(set(next(iter(kinds))[1])) != 1:
        raise ValueError(f"every set needs its points, the same experiments and the same moments; got the sets {list(sets)} and plays of {list(plays)}.")
    experiments, epochs = next(iter(kinds))
    return list(experiments), epochs[0]


def _points(found, experiment):
    return found[experiment] if isinstance(found, dict) else found


def _moments(points, moments, name):
    import ipywidgets

    return ipywidgets.Stack([ipywidgets.HTML(drawing(points, moment, name)) for moment in moments], selected_index=0)


def drawing(points, moment, name):
    """One moment: what the network believes of the plane, the points, and the losses so far.

    Args:
        points: (places (N, 2), labels (N,)).
        moment: basics.playground.Moment.
        name: what is shown, for those who cannot see it.

    Returns:
        str: HTML with a drawing in SVG.
    """
    training, test = (100 * moment.right[kind] for kind in ("training", "test"))
    words = f"after {moment.epoch} epochs {training:.0f} % of the training points and {test:.0f} % of new points are told right"
    height = SIDE + GAP + CURVE
    picture = (f'<svg viewBox="0 0 {SIDE} {height}" role="img" aria-label="{escape(f"{name}: {words}", quote=True)}" '
               f'style="width: {WIDTH}px; max-width: 100%; background: white">'
               f'<image href="data:image/png;base64,{_surface(moment.field)}" width="{SIDE}" height="{SIDE}" preserveAspectRatio="none"/>'
               f"{_dots(*points)}{_curves(moment.losses)}</svg>")
    # Patches of colour, not coloured words, which would be pale to read.
    patch = '<span style="display: inline-block; width: 0.8em; height: 0.8em; background: {}"></span>'
    key = (f'{patch.format(style.BLUE)} blue: class 1, {patch.format(style.VERMILION)} red: class 0; '
           "below, the loss: training dark, test grey")
    return f'<figure style="margin: 0">{picture}<figcaption>{escape(words)}<br/><small>{key}</small></figcaption></figure>'


def _surface(belief):
    """Beliefs (M, M) as a small PNG file with few colours, in base64."""
    from PIL import Image

    level = np.clip(np.round(belief * (SHADES - 1)), 0, SHADES - 1).astype(np.uint8)
    image = Image.fromarray(level, "P")
    # The pale middle of the map: the points must stand out.
    image.putpalette(np.round(255 * MAP(0.15 + 0.7 * np.arange(SHADES) / (SHADES - 1))[:, :3]).astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _dots(places, labels):
    """Points as strokes of no length with round ends: the shortest way to write circles."""
    from dlbook.basics.playground import REACH

    at = np.clip(np.round(SIDE * (np.stack([places[:, 0], -places[:, 1]], 1) / (2 * REACH) + 0.5)), 2, SIDE - 2).astype(int)
    drawn = ""
    for label, colour in enumerate((style.VERMILION, style.BLUE)):
        path = "".join(f"M{x} {y}h0" for x, y in at[labels == label])
        drawn += "".join(f'<path d="{path}" stroke="{stroke}" stroke-width="{width}" stroke-linecap="round"/>' for stroke, width in (("white", 7), (colour, 5)))
    return drawn


def _curves(losses):
    """Losses below the plane, from the first epoch to the last so far, on the width of all that will come."""
    top, drawn = SIDE + GAP, ""
    for name, colour in (("test", "#999999"), ("training", style.BLACK)):
        values = np.minimum(losses[name], HIGHEST)
        steps = np.unique(np.round(np.linspace(0, len(values) - 1, min(len(values), 50))).astype(int))
        x = SIDE * steps / max(len(values) - 1, 1)
        path = "".join(f"{'L' if i else 'M'}{a:.0f} {top + CURVE * (1 - values[step] / HIGHEST):.0f}" for i, (a, step) in enumerate(zip(x, steps)))
        drawn += f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    return f'<path d="M0 {top}V{top + CURVE}H{SIDE}" fill="none" stroke="#bbbbbb"/>{drawn}'


class _Live:
    """Controls, a picture, and the thread that trains while the reader watches."""

    def __init__(self, settings):
        import ipywidgets

        from dlbook.basics.activations import ACTIVATIONS
        from dlbook.basics.playground import SETS

        wide = {"style": {"description_width": "initial"}, "layout": {"width": "min(26rem, 100%)"}}
        self.controls = {
            "data": ipywidgets.Dropdown(options=list(SETS), value=settings.data, description="points", **wide),
            "width": ipywidgets.IntSlider(value=settings.width, min=1, max=32, description="width", **wide),
            "depth": ipywidgets.IntSlider(value=settings.depth, min=0, max=4, description="depth (hidden layers)", **wide),
            "activation": ipywidgets.Dropdown(options=list(ACTIVATIONS), value=settings.activation, description="activation", **wide),
            "learning_rate": ipywidgets.FloatLogSlider(value=settings.learning_rate, min=-3, max=1, step=0.25, description="learning rate", **wide),
            "noise": ipywidgets.FloatSlider(value=settings.noise, min=0, max=0.5, step=0.05, description="noise", **wide),
            "epochs": ipywidgets.IntSlider(value=settings.epochs, min=20, max=1000, step=20, description="epochs", **wide),
            "seed": ipywidgets.IntSlider(value=settings.seed, min=0, max=20, description="seed", **wide),
        }
        self.start = ipywidgets.Button(description="Train", button_style="primary")
        self.stop = ipywidgets.Button(description="Stop", disabled=True)
        self.note, self.picture = ipywidgets.HTML("Set the controls and press Train."), ipywidgets.HTML()
        self.stopping, self.thread = threading.Event(), None
        self.start.on_click(self.on_start)
        self.stop.on_click(lambda _: self.stopping.set())
        self.box = ipywidgets.VBox([*self.controls.values(), ipywidgets.HBox([self.start, self.stop]), self.note, self.picture])
        self.box.add_class(LIVE)

    def on_start(self, _):
        """Train with what the controls say, unless a training is under way."""
        if self.thread and self.thread.is_alive():
            return
        self.stopping.clear()
        self.start.disabled, self.stop.disabled = True, False
        self.note.value = "It learns ..."
        self.thread = threading.Thread(target=self._work, args=({name: control.value for name, control in self.controls.items()},), daemon=True)
        self.thread.start()

    def _work(self, chosen):
        from dlbook.basics.playground import POINTS, Settings, play, points

        try:
            settings = Settings(**chosen)
            learnt_from = points(settings.data, POINTS, settings.noise, [settings.seed, 0])

            def on_moment(moment):
                self.picture.value = drawing(learnt_from, moment, settings.data)
                return self.stopping.is_set()

            with np.errstate(all="ignore"):
                play(settings, range(0, settings.epochs + 1, max(1, settings.epochs // 50)), on_moment)
            self.note.value = "Stopped." if self.stopping.is_set() else "Done."
        except (ValueError, FloatingPointError) as error:
            self.note.value = escape(str(error))
        finally:
            self.start.disabled, self.stop.disabled = False, True
