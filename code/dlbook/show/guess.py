"""A network to ask: what does it see in the reader's own photo? On a static page a sentence stands in its place."""
from html import escape

from dlbook.show import uploads
from dlbook.show.chat import LIVE

WAITING = f"Upload a photo of {uploads.LIMIT}, and the network says what it sees."
STATIC = "Where this page is launched, you can upload a photo of your own here, and the network says what it sees in it."


def guess(twin, name=None):
    """Ask a network about the reader's own photo.

    It needs a kernel: a page that is only read shows a sentence in its place. The network is loaded when the first photo comes.

    Args:
        twin: `cnn.recognise.with_torch` or `with_keras`.
        name: of the network; None takes the best one whose weights are on this machine.

    Returns:
        ipywidgets.VBox to be the last value of a cell.

    Raises:
        ValueError: there is no network of that name.
    """
    import ipywidgets

    from dlbook.cnn.recognise import spec

    if name is not None:
        spec.network(name)
    counter = _Counter(twin, name)
    counter.box.add_class(LIVE)
    return ipywidgets.VBox([ipywidgets.HTML(_note(STATIC)), counter.box])


class _Counter:
    """The upload button, and the answer below it."""

    def __init__(self, twin, name):
        import ipywidgets

        self.twin, self.name, self.model = twin, name, None
        self.upload = ipywidgets.FileUpload(accept="image/*", multiple=False, description="your photo")
        self.answer = ipywidgets.HTML(_note(WAITING))
        self.upload.observe(self.on_upload, names="value")
        self.box = ipywidgets.VBox([self.upload, self.answer])

    def on_upload(self, change):
        """Answer for the picture that came last; whatever is wrong with it is said in a sentence."""
        if not change["new"]:
            return
        file = change["new"][-1]
        self.answer.value = _note("The network looks at it ...")
        try:
            self.answer.value = self._answer(file)
        except Exception as error:  # a callback would swallow it: the reader is told
            self.answer.value = _note(f"{error}" or type(error).__name__)

    def _answer(self, file):
        from dlbook.cnn.recognise import spec

        if self.model is None:
            self.name = self.name or spec.best_at_hand()
            self.model = self.twin.recogniser(self.name)
        picture, names = uploads.picture(file), spec.class_names(self.name)
        return told(self.twin.ask(self.model, picture, names), file["name"], spec.network(self.name).said, len(names))


def told(guesses, file, who, classes):
    """A network's guesses as a small table with bars.

    Args:
        guesses: list of (name, probability).
        file: name of the photo.
        who: the network's name, for people.
        classes: how many it knows.

    Returns:
        str: HTML.
    """
    rows = "".join(f'<tr><td style="padding-right: 1em">{escape(name)}</td><td><meter min="0" max="1" value="{p:.3f}" aria-label="{escape(name)}">'
                   f"</meter></td><td>{p:.1%}</td></tr>" for name, p in guesses)
    return f"<p>{escape(file)}, by {escape(who)}, which knows {classes:,} kinds of things:</p><table>{rows}</table>"


def _note(words):
    return f'<p style="max-width: 40rem; margin: 0.5rem 0"><em>{escape(words)}</em></p>'
