"""A game of pictures side by side, one real and one made: it works on a static page, without kernel and script, and on paper."""
import base64
import hashlib
from dataclasses import dataclass, field
from html import escape
from math import comb

import numpy as np

from dlbook.show.page import display_html
from dlbook.show.widgets import as_png

SIDES = ("left", "right")
PIXELS = 140  # side of a picture on the page
RARE = 0.05  # of the games of a guesser, how many at most reach a score that is called rare


@dataclass(frozen=True)
class Round:
    """One pair.

    Args:
        left, right: pictures (H, W) or (H, W, 3), uint8 or floating point in [0, 1]; of grey ones, 1 is black ink.
        real: which one is real, `left` or `right`.
        maker: what made the other, in words, for example `a DCGAN`.
        picked: the one that the reader's rival took for real, `left` or `right`.

    Raises:
        ValueError: a side that is neither, no maker, or pictures of different shapes.
    """
    left: np.ndarray = field(repr=False)
    right: np.ndarray = field(repr=False)
    real: str
    maker: str
    picked: str

    def __post_init__(self):
        for name in ("real", "picked"):
            if getattr(self, name) not in SIDES:
                raise ValueError(f"{name} is left or right; got {getattr(self, name)!r}.")
        if not isinstance(self.maker, str) or not self.maker.strip():
            raise ValueError(f"a round says what made the other picture; got {self.maker!r}.")
        if np.shape(self.left) != np.shape(self.right):
            raise ValueError(f"both pictures of a round have one shape; got {np.shape(self.left)} and {np.shape(self.right)}.")

    @property
    def truth(self):
        """The answer, a sentence."""
        return f"The {self.real} one is real, the {_other(self.real)} one is by {self.maker}."


def which(rounds, title="Which one is real?", rival="the detector"):
    """Show pairs one after another; the reader picks the real picture of each and learns at once whether it was. A score counts along.

    Behind the last round it stands beside the rival's score on the same pairs and beside what guessing gives. The pictures are called
    left and right, also for those who cannot see them. On paper, each pair stands with its answer.

    Args:
        rounds: list of Round.
        title: the question, above them.
        rival: whose picks the rounds have, as words within a sentence.

    Raises:
        ValueError: no rounds, no title or no rival.
    """
    if not len(rounds) or not (title.strip() and rival.strip()):
        raise ValueError(f"the game needs a round or more, a title and a rival; got {len(rounds)} rounds, {title!r} and {rival!r}.")
    key = "w" + hashlib.sha256(f"{title}{rounds}".encode()).hexdigest()[:10]
    cards = "".join(_card(f"{key}-{k}", k, len(rounds), one) for k, one in enumerate(rounds, 1))
    html = (f'<form class="dlbook-which" id="{key}" aria-label="{escape(title, quote=True)}"><style>{_style(key)}</style>'
            f'<p class="question">{escape(title)} Choose it.</p><div class="rounds">{cards}</div>{_scores(rounds, rival)}</form>')
    display_html(html, "\n".join([title, *(_facts(k, one) for k, one in enumerate(rounds, 1)), said(rounds, rival)]))


def said(rounds, rival):
    """The rival's score, and what guessing alone gives.

    Args:
        rounds: list of Round.
        rival: whose picks they have, as words within a sentence.

    Returns:
        str: sentences.
    """
    n, mean = len(rounds), len(rounds) / 2
    rare = by_chance(n)
    often = f", and {rare} or more in fewer than one game of {1 / RARE:.0f}" if rare <= n else ""
    return f"{rival[0].upper()}{rival[1:]} got {sum(one.picked == one.real for one in rounds)} of {n} right. Who only guesses gets {mean:g} on average{often}."


def by_chance(n):
    """The least score that guessing reaches in fewer than a twentieth of all games.

    Args:
        n: rounds of a game.

    Returns:
        int; n + 1 where even n right answers are not that rare.
    """
    # P(score >= k) = sum of n over j for j from k to n, by 2^n
    return next(k for k in range(n + 2) if sum(comb(n, j) for j in range(k, n + 1)) < RARE * 2**n)


def _other(side):
    return SIDES[1 - SIDES.index(side)]


def _facts(k, one):
    ink = " and ".join(f"{np.asarray(picture, float).mean():.4f}" for picture in (one.left, one.right))
    return f"round {k} | real: {one.real} | the other by {one.maker} | the rival took: {one.picked} | mean values {ink}"


# ---------------------------------------------------------------- the page

def _card(key, k, n, one):
    """A round: two pictures that are the labels of hidden radio buttons, and behind them what each choice deserves."""
    choices = "".join(_choice(key, k, side, picture, side == one.real) for side, picture in zip(SIDES, (one.left, one.right)))
    return (f'<fieldset class="round"><legend>Round {k} of {n}</legend>{choices}<p class="said" role="status">'
            f'<strong class="yes">Right.</strong><strong class="no">Wrong.</strong><span class="truth"> {escape(one.truth)}</span></p></fieldset>')


def _choice(key, k, side, picture, real):
    source = base64.b64encode(as_png(np.asarray(picture)[None])[0]).decode()
    return (f'<input type="radio" name="{key}" id="{key}-{side}" class="{"yes" if real else "no"}"/><label for="{key}-{side}">'
            f'<img src="data:image/png;base64,{source}" alt="{side} picture of round {k}"/><span aria-hidden="true">{side}</span></label>')


def _scores(rounds, rival):
    rows = "".join(f"<tr><td>{k}</td><td>{one.real}</td><td>{escape(one.maker)}</td><td>{one.picked}{'' if one.picked == one.real else ' (wrong)'}</td></tr>"
                   for k, one in enumerate(rounds, 1))
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in ("round", "real", "the other by", f"{rival} took"))
    return ('<p class="score">You have <strong class="count"></strong> right<span class="yet"> so far</span>.</p>'
            f'<div class="end"><p>{escape(said(rounds, rival))}</p><details><summary>All pairs</summary>'
            f'<table class="dlbook-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></details></div>'
            '<button type="reset">Play again</button>')


# A round is shown when all before it are answered, and until the next one is; then it only counts on. What is not displayed would
# not be counted, and what is invisible can no longer be changed. The score comes behind all rounds, since counters run in that order.
RULES = """
& {counter-reset:played right;margin:1.5rem 0;padding:1rem 1.2rem;border:1px solid var(--line);border-radius:8px;
  --line:var(--pst-color-border,#8a94a0);--good:var(--dl-right,currentColor);--bad:var(--dl-wrong,currentColor);--mark:var(--dl-accent,#3a8fa0)}
& .question {margin:0 0 .7rem;font-weight:650}
& .rounds {display:flex;flex-wrap:wrap;gap:1rem}
& .round {position:relative;display:flex;flex-wrap:wrap;gap:.4rem 8px;box-sizing:border-box;width:PAIRpx;max-width:100%;min-width:0;margin:0;padding:.3rem 8px .6rem;
  border:1px solid var(--line);border-radius:8px}
& legend {float:none;width:auto;margin:0;padding:0 .4rem;font-size:.95rem;font-weight:650}
& label {display:block;flex:1 1 0;min-width:0;max-width:SIDEpx;margin:0;cursor:pointer;text-align:center;border-radius:4px}
& img {display:block;box-sizing:border-box;width:100%!important;max-width:SIDEpx;aspect-ratio:1;padding:0!important;background:#fff;
  border:1px solid var(--line);border-radius:4px!important;image-rendering:pixelated}
& label:hover img,& input:checked+label img {box-shadow:0 0 0 3px var(--mark)}
& input {position:absolute;width:1px;height:1px;margin:0;opacity:0}
& input:focus-visible+label {outline:3px solid var(--mark);outline-offset:4px}
& input:checked {counter-increment:played}
& input.yes:checked {counter-increment:played right}
& .said {flex:1 0 100%;min-height:3.2em;margin:0;line-height:1.5}
& .said>*,& .score,& .end,& button {display:none}
& input.yes:checked~.said .yes,& input.no:checked~.said .no,& input:checked~.said .truth {display:inline}
& .said .yes {color:var(--good)}
& .said .no {color:var(--bad)}
& .said .yes::before {content:"\\2713  ";content:"\\2713  " / ""}
& .said .no::before {content:"\\2717  ";content:"\\2717  " / ""}
& .score {margin:.8rem 0 0}
& .count::after {content:counter(right) " of " counter(played)}
& .end p {margin:.3rem 0}
& summary {cursor:pointer}
& button {margin:.6rem 0 0;padding:.1rem .8rem;border:1px solid var(--line);border-radius:6px;background:transparent;color:inherit}
@media screen {
&:has(:checked) .score {display:block}
&:has(:checked) button {display:inline-block}
&:has(.round:last-child :checked) .end {display:block}
&:has(.round:last-child :checked) .yet {display:none}
& .round:not(:has(:checked))~.round {display:none}
& .round:has(+.round :checked) {position:absolute;visibility:hidden;width:1px;height:1px;padding:0;border:0;overflow:hidden}
& .round:has(:checked) input {visibility:hidden}
& .round:has(:checked) label {pointer-events:none}
& .round:has(:checked) .yes+label img {outline:4px solid var(--good);outline-offset:-1px}
}
@media print {
& .question {break-after:avoid}
& .rounds {gap:.6rem}
& .round {break-inside:avoid;width:190px;align-content:flex-start}
& label {flex:0 0 76px}
& .said {min-height:0}
& .truth,& .end {display:block!important}
& details {display:none}
}
"""


def _style(key):
    """The rules, for the game of this id alone; they come with it, so that it also works in JupyterLab."""
    return RULES.strip().replace("&", f"#{key}").replace("PAIR", str(2 * PIXELS + 26)).replace("SIDE", str(PIXELS))
