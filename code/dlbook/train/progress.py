"""A progress line that leaves nothing behind: in a notebook's stored output there is no trace of it."""
import sys
from html import escape


class Progress:
    """Shows how far a loop is, in a notebook or a terminal, and disappears at the end.

    Args:
        total: number of steps.
        label: what is being done, a few words.
        show: False shows nothing.
    """

    def __init__(self, total, label, show=True):
        self.total, self.label, self.done = total, label, 0
        self.show = show and (_in_notebook() or sys.stderr.isatty())
        self.bar = self._open() if self.show else None

    def _open(self):
        if _in_notebook():
            from IPython.display import HTML, display

            return display(HTML(self._html("")), display_id=True)
        from tqdm import tqdm

        return tqdm(total=self.total, desc=self.label, leave=False)

    def _html(self, note):
        return (f'<label>{escape(self.label)} <progress value="{self.done}" max="{self.total}"></progress> '
                f"{self.done} of {self.total} {escape(note)}</label>")

    def step(self, note=""):
        """Count one step; `note` is shown beside the bar."""
        self.done += 1
        if not self.show:
            return
        if _in_notebook():
            from IPython.display import HTML

            self.bar.update(HTML(self._html(note)))
        else:
            self.bar.set_postfix_str(note)
            self.bar.update()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        """Remove the line."""
        if self.show and _in_notebook():
            self.bar.update({"text/plain": ""}, raw=True)
        elif self.show:
            self.bar.close()


def _in_notebook():
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    return shell is not None and hasattr(shell, "kernel")
