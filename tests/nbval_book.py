"""A pytest plugin: `pytest --nbval book/` executes every notebook and compares every output.

nbval collects the notebooks; this plugin takes its place in running them. It executes a whole notebook with the client that
made it, in a fresh kernel of this Python, and then has one test a cell:

- text and whole numbers must be the same, other numbers within a tolerance, figures by their structure, widgets by their
  state, warnings by their kind (`dlbook.publish.compare` has the rules);
- a cell declares its tolerance by tags: `rtol:0.02`, `atol:0.01`, `counts:3`, `img:0.05`, `shrink:3`;
- no cell is skipped and no output ignored: `nbval-skip`, `nbval-ignore-output` and the comments `# NBVAL_...` fail;
- a cell that was never executed fails, and so does every cell after one that does not run to its end;
- the two versions of a figure that changed, and their difference, are written under `_build/nbval/<notebook>/`;
- a notebook that agrees in full leaves a record in `_build/verified/`, for the status page (not under `make test-portable`,
  which sets `DLBOOK_PORTABLE`: the machine it plays is slower than the one it runs on).

`--nbval-cell-timeout` is honoured. `--nbval-lax` changes nothing here, and `--nbval-sanitize-with` is refused.
Without this plugin (`-p no:nbval_book`, or `--noconftest`) nbval itself runs the same notebooks, more leniently.
"""
import os
import shutil

import pytest
from dlbook.publish import PublishError, chapters, compare, notebooks, verified


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Put our notebook in the place of nbval's."""
    found = yield
    return [BookFile.from_parent(parent, path=file_path) if type(item).__name__ == "IPyNbFile" else item for item in found]


def pytest_configure(config):
    """Refuse the option of nbval that hides differences."""
    if getattr(config.option, "nbval_sanitize_with", None):
        raise pytest.UsageError("--nbval-sanitize-with hides differences; declare a tolerance on the cell instead, such as `rtol:0.02`.")


class Mismatch(Exception):
    """A cell does not agree with what is committed; the text says how."""


class BookFile(pytest.File):
    """A committed notebook; it is executed once, when the first of its cells is tested."""

    def collect(self):
        """One test for each code cell."""
        try:
            self.committed = chapters.read_notebook(self.path)
        except PublishError as error:
            raise self.CollectError(str(error)) from error
        cells = compare.code_cells(self.committed)
        self.now, self.cost, self.failure, self.unproven = None, None, None, {number for number, _ in cells}
        for number, cell in cells:
            yield BookCell.from_parent(self, name=f"cell {number}", number=number, cell=cell)

    @property
    def pictures(self):
        """Where pictures of changed figures are written."""
        return self.config.rootpath / "_build" / "nbval" / self.path.stem

    def executed(self):
        """The notebook executed now, up to the cell that failed if one did."""
        if self.now is None:
            shutil.rmtree(self.pictures, ignore_errors=True)
            self.now = chapters.read_notebook(self.path)
            timeout = self.config.getoption("nbval_cell_timeout", default=notebooks.CELL_TIMEOUT)
            try:
                self.cost = notebooks.execute(self.now, self.path.parent, self.path.stem, timeout)
            except notebooks.CellFailure as failure:
                self.failure = failure
        return self.now

    def agreed(self, number):
        """Note that a cell agrees; the last one completes the notebook's record."""
        self.unproven.discard(number)
        if not self.unproven and "DLBOOK_PORTABLE" not in os.environ:
            verified.record(self.path, self.cost, self.config.rootpath)


class BookCell(pytest.Item):
    """The test of one code cell."""

    def __init__(self, *, number, cell, **options):
        super().__init__(**options)
        self.number, self.cell = number, cell

    def runtest(self):
        """Execute the notebook if that has not been done, and compare this cell's outputs."""
        wrong = chapters.problems(self.number, self.cell)
        if self.cell.source.strip() and self.cell.execution_count is None:
            wrong.append("the committed notebook was never executed; run: make chapter NAME=" + self.path.stem)
        now = self.parent.executed()
        index = next(index for index, cell in enumerate(self.parent.committed.cells) if cell is self.cell)
        self._stop_after_failure(index)
        wrong = wrong or self._differences(now.cells[index])
        if wrong:
            raise Mismatch("\n".join(wrong))
        self.parent.agreed(self.number)

    def _stop_after_failure(self, index):
        failure = self.parent.failure
        if failure is None or index < failure.index:
            return
        if failure.index < 0:
            raise Mismatch(f"{failure.reason}\n{failure.traceback}".rstrip())
        culprits = [(number, cell) for number, cell in compare.code_cells(self.parent.committed)
                    if cell is self.parent.committed.cells[failure.index]]
        if index > failure.index:
            raise Mismatch(f"not run, because {compare.label(*culprits[0])} {failure.reason}")
        raise Mismatch(f"{failure.reason}\n{failure.traceback}".rstrip())

    def _differences(self, now):
        found = compare.compare_cells(self.cell, now, self.parent.committed, self.parent.now)
        return [compare.with_picture(difference, self.parent.pictures, f"cell{self.number}-{rank}")
                for rank, difference in enumerate(found, 1)]

    def repr_failure(self, excinfo, style=None):
        """The message of a mismatch; the whole traceback of anything else."""
        if not isinstance(excinfo.value, Mismatch):
            return super().repr_failure(excinfo)
        source = "\n".join(f"    {line}" for line in self.cell.source.strip().splitlines()[:12])
        return f"{self.path.name}, {compare.label(self.number, self.cell)}\n{source}\n\n{excinfo.value}"

    def reportinfo(self):
        """How pytest names this test."""
        return self.path, None, f"{self.path.name}::{self.name}"
