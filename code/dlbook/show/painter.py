"""A painter to sit beside: the reader's own photo in a style, step by step; on a static page a sentence stands in its place."""
import base64
import threading
import time
from dataclasses import replace
from html import escape

from dlbook.show import uploads
from dlbook.show.chat import LIVE
from dlbook.show.widgets import as_png
from dlbook.style.images import fitted, resized

EVERY = 5  # steps between two looks at the picture
WIDTH = 384  # CSS pixels of the picture
SIZES = (64, 512)  # pixels: the slider's ends
STEPS = (10, 300)
WAITING = f"Choose a style, upload a photo of your own of {uploads.LIMIT} if you like, and press the button."
STATIC = ("Where this page is launched, a painter works here: it takes your own photo, a style, its weight and its layers, "
          "shows the picture while it is painted, and stops when you say so.")


def painter(twin, network, content, styles, settings=None, size=128):
    """Paint the reader's own photo, with progress and a button that stops and keeps the picture so far.

    It needs a kernel: a page that is only read shows a sentence in its place. Nothing is computed before the button is pressed.

    Args:
        twin: `style.gatys.with_torch` or `with_keras`.
        network: that twin's network.
        content: (H, W, 3) in [0, 1], painted until another picture is uploaded.
        styles: dict of name to picture (H, W, 3) in [0, 1].
        settings: style.gatys.spec.Settings at which the sliders start; None: its defaults with 50 steps.
        size: longer side of the result where its slider starts, pixels.

    Returns:
        ipywidgets.VBox to be the last value of a cell.

    Raises:
        ValueError: no styles, or a size or steps that the sliders do not reach.
    """
    import ipywidgets

    from dlbook.style.gatys import spec

    settings = settings or spec.Settings(steps=50)
    if not styles:
        raise ValueError("a painter needs styles, a dict of name to picture; got none.")
    for name, value, (least, most) in (("size", size, SIZES), ("steps", settings.steps, STEPS)):
        if not least <= value <= most:
            raise ValueError(f"{name} must be from {least} to {most}, as far as the slider goes; got {value!r}.")
    easel = _Easel(twin, network, content, styles, settings, size)
    easel.box.add_class(LIVE)
    return ipywidgets.VBox([ipywidgets.HTML(_note(STATIC)), easel.box])


def layer_choices(layers):
    """What the reader can choose among style layers.

    Args:
        layers: tuple of names, from the image upwards.

    Returns:
        dict of words to a tuple of names.
    """
    layers = tuple(layers)
    if len(layers) == 1:
        return {"all": layers}
    middle = (len(layers) - 1) // 2
    return {"all": layers, f"lower: up to {layers[middle]}": layers[:middle + 1], f"upper: from {layers[middle]}": layers[middle:]}


class _Easel:
    """The controls, the picture, and the one thread that paints."""

    def __init__(self, twin, network, content, styles, settings, size):
        self.twin, self.network, self.content, self.styles, self.settings = twin, network, content, styles, settings
        self.layers = layer_choices(settings.style_layers)
        self.thread, self.busy, self.stopping = None, False, threading.Event()
        self._controls(settings, size)
        self._buttons()
        small = resized(content, fitted(content.shape[:2], size))
        self.picture.value = _picture(small, "The picture that is painted if you upload none")

    def _controls(self, settings, size):
        import ipywidgets

        wide = {"style": {"description_width": "initial"}, "layout": {"width": "min(30rem, 100%)"}}
        self.upload = ipywidgets.FileUpload(accept="image/*", multiple=False, description="your photo")
        self.style = ipywidgets.Dropdown(options=list(self.styles), description="style", **wide)
        self.weight = ipywidgets.FloatLogSlider(value=settings.style_weight, base=10, min=-6, max=0, step=0.1, description="style weight",
                                                readout_format=".1g", **wide)
        self.layer = ipywidgets.Dropdown(options=list(self.layers), description="style layers", **wide)
        self.size = ipywidgets.IntSlider(value=size, min=SIZES[0], max=SIZES[1], step=16, description="size in pixels", **wide)
        self.steps = ipywidgets.IntSlider(value=settings.steps, min=STEPS[0], max=STEPS[1], step=10, description="steps", **wide)

    def _buttons(self):
        import ipywidgets

        self.start = ipywidgets.Button(description="Paint", button_style="primary")
        self.stop = ipywidgets.Button(description="Stop", disabled=True, tooltip="Stop, and keep the picture so far")
        self.progress = ipywidgets.IntProgress(value=0, min=0, max=self.settings.steps, description="steps done",
                                               style={"description_width": "initial"})
        self.note, self.picture = ipywidgets.HTML(_note(WAITING)), ipywidgets.HTML()
        self.start.on_click(self.on_start)
        self.stop.on_click(self.on_stop)
        rows = [self.upload, self.style, self.weight, self.layer, self.size, self.steps, ipywidgets.HBox([self.start, self.stop, self.progress])]
        self.box = ipywidgets.VBox([*rows, self.note, self.picture])

    def on_start(self, _):
        """Begin, unless it is painting already."""
        if self.busy:
            self.note.value = _note("It is painting already. Stop it first, then begin again.")
            return
        self.stopping.clear()
        self.busy, self.start.disabled, self.stop.disabled = True, True, False
        self.progress.value, self.progress.max = 0, self.steps.value
        self.note.value = _note("It begins ...")
        # What the controls say now counts, wherever they are moved while it paints.
        asked = {"style_weight": self.weight.value, "steps": self.steps.value, **self._layer_settings()}
        work = (asked, self.size.value, self.styles[self.style.value], self.upload.value)
        self.thread = threading.Thread(target=self._work, args=work, daemon=True, name="painter")
        self.thread.start()

    def on_stop(self, _):
        """Ask the thread to end after the step it is at."""
        self.stopping.set()
        self.note.value = _note("It stops after this step ...")

    def _layer_settings(self):
        """The chosen style layers, with their own weights where there are some."""
        chosen = self.layers[self.layer.value]
        weights = self.settings.layer_weights and tuple(self.settings.style_weights[name] for name in chosen)
        return {"style_layers": chosen, "layer_weights": weights}

    def _work(self, asked, size, style, uploaded):
        try:
            self._paint(replace(self.settings, **asked), size, style, _uploaded(uploaded, size, self.content))
        except Exception as error:  # whatever it is, a thread would swallow it: the reader is told
            self.note.value = _note(f"{error}" or type(error).__name__)
        finally:
            self.busy, self.start.disabled, self.stop.disabled = False, False, True

    def _paint(self, settings, size, style, content):
        from dlbook.style import limits, painting

        framework = self.twin.__name__.rpartition("with_")[2]
        limits.check(self.network.a, settings.layers, fitted(content.shape[:2], size), framework, limits.available())
        began = time.monotonic()

        def on_step(step, losses, image):
            self.progress.value = step
            left = (time.monotonic() - began) / step * (settings.steps - step)
            if not self.stopping.is_set():
                self.note.value = _note(f"Step {step} of {settings.steps}, about {left:.0f} s left.")
            if step % EVERY == 0 or step == 1:
                self.picture.value = _picture(image, f"After {step} steps")
            return self.stopping.is_set()

        found = painting.paint(self.twin, self.network, content, style, settings, size, on_step=on_step, progress=False)
        self.picture.value = _picture(found.image, f"After {found.steps} steps")
        stopped = f"Stopped after {found.steps} of {settings.steps} steps; the picture so far stays." if found.stopped else ""
        self.note.value = _note(stopped or f"Done: {found.steps} steps in {time.monotonic() - began:.0f} s.")


def _uploaded(uploaded, size, otherwise):
    """The picture that was uploaded last, at most of a size; where there is none, the other one."""
    if not uploaded:
        return otherwise
    from dlbook.style import images

    return images.read(uploads.picture(uploaded[-1]), size)


def _picture(image, caption):
    source = base64.b64encode(as_png(image[None])[0]).decode()
    return (f'<figure style="margin: 0"><img src="data:image/png;base64,{source}" alt="{escape(caption, quote=True)}" '
            f'style="width: {WIDTH}px; max-width: 100%"><figcaption>{escape(caption)}</figcaption></figure>')


def _note(words):
    return f'<p style="max-width: 40rem; margin: 0.5rem 0"><em>{escape(words)}</em></p>'
