"""Films on the page: what they hold, and how they run in a browser without any script."""
import base64
import importlib
import io
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import site_checks
from PIL import Image

from dlbook import show

module = importlib.import_module("dlbook.show.film")  # the package's `film` is its function
COLOURS = np.linspace(0, 1, 6)
FILMS = {"one & all": np.broadcast_to(COLOURS[:, None, None, None], (6, 12, 16, 3)).copy(), "two": 1 - np.broadcast_to(COLOURS[:, None, None, None], (6, 12, 16, 3))}


def drawn(monkeypatch, films=FILMS, title="Two films", **options):
    """The data that the films show."""
    import IPython.display

    calls = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata=None, raw=False: calls.append(data))
    show.film(films, title, **options)
    return calls[0]


@pytest.fixture
def shown(monkeypatch):
    """The data of two films of six pictures, each of one grey."""
    return drawn(monkeypatch, seconds=0.6)


def strips(data):
    images = ElementTree.fromstring(data["text/html"]).iter("img")
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(image.get("src").partition(",")[2])))) for image in images]


# ---------------------------------------------------------------- what they hold

def test_a_film_is_one_strip_of_all_its_pictures(shown):
    for strip, frames in zip(strips(shown), FILMS.values(), strict=True):
        assert strip.shape == (12, 96, 3)
        assert np.abs(strip / 255 - np.concatenate(list(frames), 1)).max() < 0.06  # JPEG, at the seams too


def test_grey_films_are_ink_on_paper(monkeypatch):
    strip, = strips(drawn(monkeypatch, {"ink": np.ones((3, 8, 8))}))
    assert strip.shape[:2] == (8, 24) and strip.max() < 5


def test_there_is_no_script_and_no_other_host(shown):
    assert not re.search(r"<script|\son\w+=|https?:|url\(", shown["text/html"])


def test_names_texts_and_facts(shown, monkeypatch):
    page = ElementTree.fromstring(shown["text/html"])
    assert [image.get("alt") for image in page.iter("img")] == ["one & all", "two"] == [caption.text for caption in page.iter("figcaption")]
    assert shown["text/plain"].splitlines() == ["Two films (6 pictures, 0.6 s)", "one & all: mean value 0.5000, mean change 0.2000",
                                                "two: mean value 0.5000, mean change 0.2000"]
    again = drawn(monkeypatch, alts={"one & all": "from black to white", "two": "back"})
    assert [image.get("alt") for image in ElementTree.fromstring(again["text/html"]).iter("img")] == ["from black to white", "back"]


def test_other_pictures_keep_the_text_around_them(monkeypatch):
    """So that a film that differs a little on another machine is compared as a picture."""
    without = [re.sub(r"base64,[^\"]*", "", drawn(monkeypatch, {name: frames * factor for name, frames in FILMS.items()})["text/html"]) for factor in (1, 0.9)]
    assert without[0] == without[1]


@pytest.mark.parametrize("films, options, words", [
    ({}, {}, "two or more; got no films"), ({"a": np.zeros((1, 4, 4, 3))}, {}, r"two or more; got \[1\]"),
    ({"a": np.zeros((2, 4, 4, 3)), "b": np.zeros((3, 4, 4, 3))}, {}, r"the same number of pictures, two or more; got \[2, 3\]"),
    (FILMS, {"seconds": 0}, "seconds must be a number above 0; got 0"), (FILMS, {"alts": {"two": "x"}}, "alts must name the films .*it names"),
    ({"a": np.zeros((100, 1, 700))}, {}, "a film of 100 pictures can be 655 pixels wide; got 700"),
])
def test_what_cannot_be_shown_is_said(films, options, words):
    with pytest.raises(ValueError, match=words):
        show.film(films, "Films", **options)


# ---------------------------------------------------------------- how they run

@pytest.fixture
def page(browser, shown):
    """A phone's page with nothing but the films, and no scripts of its own."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_content(f'<!doctype html><html lang="en"><title>Films</title><body><main>{shown["text/html"]}</main></body></html>')
    yield page
    page.close()


def where(page):
    """How many pictures each film has moved on, as it is drawn."""
    return page.evaluate("""() => [...document.querySelectorAll('.screen')].map((screen) =>
        (screen.getBoundingClientRect().x - screen.firstChild.getBoundingClientRect().x) / screen.getBoundingClientRect().width)""")


def seen_while(page, milliseconds):
    """All that `where` gives in that time."""
    found = set()
    for _ in range(milliseconds // 20):
        found.add(tuple(np.round(where(page), 2)))
        page.wait_for_timeout(20)
    return found


def stopped(page):
    """Wait until the browser says that it has stopped every film: a busy one draws the change a moment later."""
    page.wait_for_function("() => document.getAnimations().length > 0 && document.getAnimations().every((film) => film.playState === 'paused' && !film.pending)")


@pytest.mark.browser
def test_films_stand_still_until_they_are_started_and_run_in_step(page):
    assert seen_while(page, 300) == {(0, 0)}
    page.get_by_text("Play").click()
    found = seen_while(page, 1500)
    assert {first for first, _ in found} >= {0, 1, 2, 3, 4, 5} and all(first == second == round(first) for first, second in found)
    page.get_by_text("Play").click()
    stopped(page)
    assert len(seen_while(page, 300)) == 1


@pytest.mark.browser
def test_films_are_started_by_keyboard(page):
    page.keyboard.press("Tab")
    assert page.evaluate("() => getComputedStyle(document.activeElement.nextElementSibling).outlineStyle") == "solid"
    page.keyboard.press("Space")
    assert len(seen_while(page, 600)) > 2
    page.keyboard.press("Space")
    stopped(page)
    assert len(seen_while(page, 200)) == 1


@pytest.mark.browser
def test_who_wants_less_motion_scrolls(page):
    page.emulate_media(reduced_motion="reduce")
    assert not page.get_by_text("Play").is_visible() and page.locator(".still").inner_text() == "6 pictures a film; scroll through them."
    page.locator(".screen").first.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    assert where(page)[0] > 0.5 and where(page)[1] == 0


@pytest.mark.browser
def test_it_fits_a_phone_and_its_parts_have_names(page):
    assert site_checks.too_wide(page) == []
    box = page.locator(".screen").first.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(16 / 12, rel=0.02)
    tree = page.locator(".dlbook-film").aria_snapshot()
    assert 'checkbox "Play"' in tree and 'img "two"' in tree and 'group "Two films"' in page.locator("main").aria_snapshot()
    axe = Path(sys.prefix) / "vendor" / "axe-core" / "axe.min.js"
    if axe.is_file():
        assert site_checks.axe_faults(page, axe) == []
