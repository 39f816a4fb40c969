"""A network to talk to: it continues what the reader types; on a static page, recorded examples stand in its place."""
from html import escape

LIVE = "dlbook-live"  # class of what works only with a kernel; the site's style sheet hides it
SEEDS = 10_000  # of the texts of one sitting: each press of the button takes the next one
WAITING = "Type a beginning and press the button; the network writes on."


def chat(write, recorded, temperature=0.8, prompt=None, length=200):
    """A box to type into, and recorded examples to choose from.

    The examples work without a kernel. The box needs one: where the page is launched, each press of the button lets the network
    continue what stands in the box.

    Args:
        write: called as write(prompt, length, temperature, seed), returns what comes after the prompt; a ValueError, such as one
            about a symbol that the network does not know, is shown to the reader in its own words.
        recorded: dict of prompt to what the network wrote after it.
        temperature: where its slider starts.
        prompt: what stands in the box at first; None is the first recorded prompt.
        length: symbols that one press writes.

    Returns:
        ipywidgets.VBox to be the last value of a cell.

    Raises:
        ValueError: nothing is recorded, or a prompt is empty.
    """
    import ipywidgets

    if not recorded or not all(recorded):
        raise ValueError(f"a chat needs recorded examples, each with a prompt of one symbol or more; got {list(recorded)!r}.")
    return ipywidgets.VBox([_examples(recorded), _live(write, temperature, next(iter(recorded)) if prompt is None else prompt, length)])


def _examples(recorded):
    """A list of prompts, and below it what followed the chosen one; all is stored in the page."""
    import ipywidgets

    choice = ipywidgets.Dropdown(options=[_short(prompt) for prompt in recorded], description="recorded",
                                 style={"description_width": "initial"}, layout={"width": "min(30rem, 100%)"})
    answers = ipywidgets.Stack([ipywidgets.HTML(_text(*pair)) for pair in recorded.items()], selected_index=0)
    ipywidgets.jslink((choice, "index"), (answers, "selected_index"))
    return ipywidgets.VBox([choice, answers])


def _live(write, temperature, prompt, length):
    """The box, the slider and the button, with what the network answers."""
    import ipywidgets

    options = {"style": {"description_width": "initial"}}
    box = ipywidgets.Textarea(value=prompt, description="your beginning", layout={"width": "min(38rem, 100%)"}, **options)
    slider = ipywidgets.FloatSlider(value=temperature, min=0, max=2, step=0.1, description="temperature", **options)
    button = ipywidgets.Button(description="Write on", button_style="primary")
    answer, pressed = ipywidgets.HTML(_note(WAITING)), iter(range(SEEDS))

    def on_click(_):
        button.disabled = True
        try:
            answer.value = _text(box.value, write(box.value, length, slider.value, next(pressed)))
        except ValueError as error:
            answer.value = _note(str(error))
        finally:
            button.disabled = False

    button.on_click(on_click)
    live = ipywidgets.VBox([box, slider, button, answer])
    live.add_class(LIVE)
    return live


def _short(prompt):
    """A prompt as an entry of a list: one line of at most 60 symbols."""
    line = " ".join(prompt.split()) or "(a line break)"
    return line if len(line) <= 60 else line[:59] + "\u2026"


def _text(prompt, written):
    """What stood there in bold, then what the network wrote, with its lines as they are."""
    return (f'<p style="white-space: pre-wrap; line-height: 1.5; max-width: 40rem; margin: 0.5rem 0"><b>{escape(prompt)}</b>{escape(written)}</p>')


def _note(words):
    return f'<p style="max-width: 40rem; margin: 0.5rem 0"><em>{escape(words)}</em></p>'
