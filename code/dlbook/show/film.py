"""Films on the page: they play without kernel, script or another host, stand still until they are started, and run side by side in step."""
import base64
import hashlib
import io
from html import escape

import numpy as np

from dlbook.show.figures import as_pictures
from dlbook.show.page import display_html

QUALITY = 82  # of the JPEG that holds all pictures of a film side by side
WIDEST = 65_535  # pixels; no JPEG is wider


def film(films, title, seconds=4.0, width=240, alts=None):
    """Show one film or several in step, with a button that starts and stops them all.

    Who has asked the system for less motion gets the pictures in a row to scroll through instead.

    Args:
        films: dict of name to pictures (T, H, W, 3) or (T, H, W), as for `as_pictures`; all with the same T.
        title: above them.
        seconds: that a film lasts before it begins again.
        width: of each film, in CSS pixels.
        alts: dict of name to what the film shows; None takes the name.

    Raises:
        ValueError: no films, of one picture only or of different lengths, no time, or other names in `alts`.
    """
    pictures = {name: as_pictures(frames) for name, frames in films.items()}
    lengths = sorted({len(frames) for frames in pictures.values()})
    if len(lengths) != 1 or lengths[0] < 2:
        raise ValueError(f"films that run in step have the same number of pictures, two or more; got {lengths or 'no films'}.")
    if not seconds > 0:
        raise ValueError(f"seconds must be a number above 0; got {seconds}.")
    alts = dict(zip(films, films)) if alts is None else alts
    if alts.keys() != films.keys():
        raise ValueError(f"alts must name the films {list(films)}; it names {list(alts)}.")
    key = "f" + hashlib.sha256(f"{title}{list(films)}".encode()).hexdigest()[:10]
    screens = "".join(_screen(name, frames, alts[name]) for name, frames in pictures.items())
    html = (f'<div class="dlbook-film" id="{key}" role="group" aria-label="{escape(title, quote=True)}">'
            f"<style>{_style(key, lengths[0], seconds, width)}</style>"
            f'<p class="title">{escape(title)}</p><input type="checkbox" id="{key}-play"/><label for="{key}-play">Play</label>'
            f'<p class="still">{lengths[0]} pictures a film; scroll through them.</p><div class="screens">{screens}</div></div>')
    display_html(html, "\n".join([f"{title} ({lengths[0]} pictures, {seconds:g} s)", *(_facts(name, frames) for name, frames in pictures.items())]))


def strip(frames):
    """All pictures of a film side by side, as a JPEG.

    Args:
        frames: (T, H, W, 3) or (T, H, W), as `as_pictures` returns them.

    Returns:
        bytes.

    Raises:
        ValueError: more pixels side by side than a JPEG holds.
    """
    from PIL import Image

    row = np.concatenate(list(frames if frames.ndim == 4 else 1 - frames), 1)  # H, T W, 3; grey is ink: 1 is black
    if row.shape[1] > WIDEST:
        raise ValueError(f"a film of {len(frames)} pictures can be {WIDEST // len(frames)} pixels wide; got {frames.shape[2]}: make it smaller or shorter.")
    buffer = io.BytesIO()
    Image.fromarray(np.round(255 * row).astype(np.uint8)).save(buffer, "jpeg", quality=QUALITY)
    return buffer.getvalue()


def _facts(name, frames):
    changes = np.abs(np.diff(frames.astype(float), axis=0)).mean()
    return f"{name}: mean value {frames.mean():.4f}, mean change {changes:.4f}"


def _screen(name, frames, alt):
    source, (height, width) = base64.b64encode(strip(frames)).decode(), frames.shape[1:3]
    return (f'<figure><div class="screen" tabindex="0" role="group" aria-label="{escape(name, quote=True)}" style="aspect-ratio:{width}/{height}">'
            f'<img src="data:image/jpeg;base64,{source}" alt="{escape(alt, quote=True)}"/></div><figcaption>{escape(name)}</figcaption></figure>')


# One strip a film, moved by whole pictures behind a window. All strips have the same clock, so that films run in step.
RULES = """
& {margin:1.5rem 0;--line:var(--pst-color-border,#8a94a0);--mark:var(--dl-accent,#3a8fa0)}
& .title {margin:0 0 .5rem;font-weight:650}
& input {position:absolute;width:1px;height:1px;margin:0;opacity:0}
& label {display:inline-block;margin:0 0 .6rem;padding:.1rem .9rem;border:1px solid var(--line);border-radius:6px;cursor:pointer}
& label::before {content:"\\25B6  ";content:"\\25B6  " / ""}
& input:checked+label::before {content:"\\25A0  ";content:"\\25A0  " / ""}
& input:focus-visible+label,& .screen:focus-visible {outline:3px solid var(--mark);outline-offset:2px}
& .still {display:none;margin:0 0 .6rem}
& .screens {display:flex;flex-wrap:wrap;gap:1rem}
& figure {margin:0;width:WIDEpx;max-width:100%}
& figcaption {margin:.3rem 0 0;text-align:left;font-size:.95rem;font-weight:400;color:inherit}
& .screen {overflow:hidden;width:100%;border-radius:4px}
& img {display:block;width:COUNT00%!important;max-width:none!important;height:100%!important;padding:0!important;border-radius:0!important;
  animation:KEY SECONDSs steps(COUNT) infinite paused}
& input:checked~.screens img {animation-play-state:running}
@keyframes KEY {to {transform:translateX(-100%)}}
@media (prefers-reduced-motion:reduce) {
& img {animation:none}
& input,& label {display:none}
& .still {display:block}
& .screen {overflow-x:auto}
}
@media print {
& label {display:none}
}
"""


def _style(key, count, seconds, width):
    """The rules, for the films of this id alone; they come with them, so that they also run in JupyterLab."""
    filled = RULES.strip().replace("KEY", f"{key}-run").replace("COUNT", str(count)).replace("SECONDS", f"{seconds:g}").replace("WIDE", str(width))
    return filled.replace("&", f"#{key}")
