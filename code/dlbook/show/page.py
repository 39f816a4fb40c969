"""Parts of a page that are text: tables, and quizzes that need neither kernel nor script."""
import re
from html import escape


def display_html(html, text):
    """Show HTML in the notebook.

    Args:
        html: what a page shows.
        text: the same in words and numbers, for a terminal and for the tests.
    """
    from IPython.display import display

    display({"text/html": html, "text/plain": text}, raw=True)


def table(header, rows, caption):
    """Show a table.

    Args:
        header: texts of the columns.
        rows: list of rows; whole numbers get thousands separators, others stay as the caller formats them. Columns of numbers are set to the right.
        caption: one sentence above it.

    Raises:
        ValueError: a row has another number of entries than the header.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"the table has {len(header)} columns; this row has {len(row)}: {row!r}.")
    sides = ["right" if all(map(_is_number, column)) else "left" for column in zip(*rows)]
    body = "".join("<tr>" + "".join(map(_cell, row, sides)) + "</tr>" for row in rows)
    head = "".join(f'<th scope="col" style="text-align: {side}">{escape(str(name))}</th>' for name, side in zip(header, sides))
    html = f'<table class="dlbook-table"><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    plain = "\n".join(" | ".join(_text(value) for value in row) for row in [header, *rows])
    display_html(html, f"{caption}\n{plain}")


def _text(value):
    return f"{value:,}" if isinstance(value, int) else str(value)


def _is_number(value):
    return re.fullmatch(r"[-+]?[\d,.]+ ?%?", _text(value)) is not None


def _cell(value, side):
    return f'<td style="text-align: {side}">{escape(_text(value))}</td>'


def quiz(question, answers):
    """Show a question; choosing an answer opens what it deserves. Works on a static page: no kernel, no script.

    Args:
        question: one sentence.
        answers: list of (answer, is it right, feedback); exactly one is right, and each has feedback.

    Raises:
        ValueError: not exactly one right answer, or an answer without feedback.
    """
    if sum(right for _, right, _ in answers) != 1:
        raise ValueError(f"a quiz needs exactly one right answer; this one has {sum(right for _, right, _ in answers)}: {question!r}.")
    if not all(feedback for *_, feedback in answers):
        raise ValueError(f"every answer needs feedback: {question!r}.")
    items = "".join(
        f'<details class="{"right" if right else "wrong"}"><summary>{escape(str(answer))}</summary>'
        f"<p><strong>{'Right.' if right else 'Not quite.'}</strong> {escape(feedback)}</p></details>"
        for answer, right, feedback in answers)
    html = f'<div class="dlbook-quiz"><p class="question">{escape(question)}</p>{items}</div>'
    display_html(html, question + "".join(f"\n- {answer}" for answer, *_ in answers))
