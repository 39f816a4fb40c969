"""The game of real and forged pictures: what it holds, and how it plays in a browser without any script."""
import importlib
import re
import sys
from math import comb
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import site_checks

from dlbook import show

game = importlib.import_module("dlbook.show.which")  # the module; the package's `which` is its function

PICTURES = np.random.default_rng(0).random((5, 2, 8, 8))
REAL, PICKED = ("left", "right", "right", "left", "right"), ("left", "left", "right", "left", "left")
MAKERS = ("a & b", "a DCGAN", "a DCGAN", "another", "another")
ROUNDS = [show.Round(left, right, real, maker, picked) for (left, right), real, maker, picked in zip(PICTURES, REAL, MAKERS, PICKED)]


def drawn(monkeypatch, rounds=ROUNDS, **options):
    """The data that the game shows."""
    import IPython.display

    calls = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata=None, raw=False: calls.append(data))
    show.which(rounds, **options)
    return calls[0]


@pytest.fixture
def shown(monkeypatch):
    """The data of a game of five rounds."""
    return drawn(monkeypatch)


# ---------------------------------------------------------------- what it holds

def test_every_round_has_two_pictures_of_which_one_is_right(shown):
    page = ElementTree.fromstring(shown["text/html"])
    cards = list(page.iter("fieldset"))
    assert [card.find("legend").text for card in cards] == [f"Round {k} of 5" for k in range(1, 6)]
    for card, real in zip(cards, REAL):
        boxes, labels = card.findall("input"), card.findall("label")
        assert [box.get("class") for box in boxes] == [("no", "yes")[side == real] for side in ("left", "right")]
        assert len({box.get("name") for box in boxes}) == 1 and [box.get("id") for box in boxes] == [label.get("for") for label in labels]
    names = [card.find("input").get("name") for card in cards]
    assert len(set(names)) == 5  # else two rounds would share one answer
    assert not re.search(r"<script|\son\w+=", shown["text/html"])


def test_pictures_are_ink_on_paper_in_their_places(shown):
    import base64
    import io

    from PIL import Image

    images = list(ElementTree.fromstring(shown["text/html"]).iter("img"))
    for image, picture in zip(images, PICTURES.reshape(-1, 8, 8), strict=True):
        seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(image.get("src").partition(",")[2]))))
        assert np.array_equal(seen, np.round(255 * (1 - picture)).astype(np.uint8))


def test_names_of_pictures_do_not_give_the_answer_away(shown, monkeypatch):
    alts = lambda data: [image.get("alt") for image in ElementTree.fromstring(data["text/html"]).iter("img")]
    assert alts(shown) == [f"{side} picture of round {k}" for k in range(1, 6) for side in ("left", "right")]
    turned = [show.Round(one.right, one.left, game._other(one.real), "someone else", one.real) for one in ROUNDS]
    assert alts(drawn(monkeypatch, turned)) == alts(shown)


def test_the_facts_stand_in_the_text(shown):
    lines = shown["text/plain"].splitlines()
    assert lines[0] == "Which one is real?" and len(lines) == 7
    ink = f"{PICTURES[0, 0].mean():.4f} and {PICTURES[0, 1].mean():.4f}"
    assert lines[1] == f"round 1 | real: left | the other by a & b | the rival took: left | mean values {ink}"
    assert lines[2].startswith("round 2 | real: right | the other by a DCGAN | the rival took: left |")
    assert lines[6].startswith("The detector got 3 of 5 right. Who only guesses gets 2.5 on average, and 5 or more in fewer than one game of 20.")


def test_another_picture_changes_the_text(shown, monkeypatch):
    other = [show.Round(1 - ROUNDS[0].left, ROUNDS[0].right, "left", "a & b", "left"), *ROUNDS[1:]]
    assert drawn(monkeypatch, other)["text/plain"] != shown["text/plain"]


@pytest.mark.parametrize("n, least", [(1, 2), (4, 5), (5, 5), (10, 9), (24, 17)])
def test_what_is_rare_by_chance(n, least):
    """Counted over all 2^n games of a guesser."""
    assert game.by_chance(n) == least
    tail = lambda k: sum(comb(n, j) for j in range(k, n + 1)) / 2**n
    assert tail(least) < 0.05 <= tail(least - 1)


def test_where_nothing_is_rare_nothing_is_said():
    assert game.said(ROUNDS[:1], "the class") == "The class got 1 of 1 right. Who only guesses gets 0.5 on average."


@pytest.mark.parametrize("change, words", [
    ({"real": "middle"}, "real is left or right; got 'middle'"), ({"picked": None}, "picked is left or right; got None"),
    ({"maker": " "}, "what made the other picture; got ' '"), ({"left": np.zeros((4, 4))}, r"one shape; got \(4, 4\) and \(8, 8\)"),
])
def test_what_cannot_be_a_round_is_said(change, words):
    given = {"left": PICTURES[0, 0], "right": PICTURES[0, 1], "real": "left", "maker": "x", "picked": "left"}
    with pytest.raises(ValueError, match=words):
        show.Round(**given | change)


@pytest.mark.parametrize("rounds, options", [([], {}), (ROUNDS, {"title": " "}), (ROUNDS, {"rival": ""})])
def test_what_cannot_be_a_game_is_said(rounds, options):
    with pytest.raises(ValueError, match=f"got {len(rounds)} rounds"):
        show.which(rounds, **options)


# ---------------------------------------------------------------- how it plays

@pytest.fixture
def page(browser, shown):
    """A phone's page with nothing but the game, and no scripts of its own."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_content(f'<!doctype html><html lang="en"><title>A game</title><body><main>{shown["text/html"]}</main></body></html>')
    yield page
    page.close()


def open_rounds(page):
    """Numbers of the rounds that can be seen."""
    return [k for k in range(1, 6) if page.locator(f".round:nth-child({k})").is_visible()]


def choose(page, k, side):
    page.locator(f'img[alt="{side} picture of round {k}"]').click()
    return page.locator(f".round:nth-child({k}) .said").inner_text()


def score(page):
    """The score as a screen reader has it, counters and all: (right, played), or None where it is not shown."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    known = {node["nodeId"]: node for node in nodes}
    says = lambda node: node["name"]["value"] if node["role"]["value"] == "StaticText" else "".join(says(known[k]) for k in node["childIds"])
    heard = says(nodes[0])
    found = re.search(r"You have (\d+) of (\d+) right", heard)
    return found and (int(found[1]), int(found[2]))


@pytest.mark.browser
def test_a_game_by_clicks(page):
    assert open_rounds(page) == [1] and score(page) is None and page.locator(".round:nth-child(1) .said").inner_text() == ""
    assert choose(page, 1, "left") == "Right. The left one is real, the right one is by a & b."
    assert open_rounds(page) == [1, 2] and score(page) == (1, 1)
    assert choose(page, 2, "left") == "Wrong. The right one is real, the left one is by a DCGAN."
    assert open_rounds(page) == [2, 3] and score(page) == (1, 2)  # the first still counts
    choose(page, 3, "right")
    choose(page, 4, "right")
    assert not page.locator(".end").is_visible() and page.locator(".score").inner_text().endswith("so far.")
    choose(page, 5, "right")
    assert open_rounds(page) == [5] and score(page) == (3, 5) and "so far" not in page.locator(".score").inner_text()
    assert page.locator(".end").is_visible() and page.locator(".end").inner_text().startswith("The detector got 3 of 5 right.")
    page.locator("button").click()
    assert open_rounds(page) == [1] and score(page) is None and not page.locator(".end").is_visible()


@pytest.mark.browser
def test_an_answer_cannot_be_taken_back(page):
    choose(page, 1, "right")
    page.keyboard.press("ArrowLeft")
    page.locator('img[alt="left picture of round 1"]').click(force=True)
    assert score(page) == (0, 1)


@pytest.mark.browser
def test_a_game_by_keyboard(page):
    for k in range(1, 6):
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.id").endswith(f"-{k}-left")
        outline = page.evaluate("() => getComputedStyle(document.activeElement.nextElementSibling).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Space" if k % 2 else "ArrowRight")
        assert score(page)[1] == k
    assert score(page) == (2, 5)  # left, right, left, right, left


@pytest.mark.browser
def test_it_fits_a_phone_and_its_parts_have_names(page):
    assert site_checks.too_wide(page) == []
    tree = page.locator(".dlbook-which").aria_snapshot()
    assert 'group "Round 1 of 5"' in tree and 'radio "left picture of round 1"' in tree and "is real," not in tree
    choose(page, 1, "left")
    axe = Path(sys.prefix) / "vendor" / "axe-core" / "axe.min.js"
    if axe.is_file():
        assert site_checks.axe_faults(page, axe) == []


@pytest.mark.browser
def test_paper_shows_all_pairs_with_their_answers(page):
    page.emulate_media(media="print")
    assert open_rounds(page) == [1, 2, 3, 4, 5]
    assert [page.locator(f".round:nth-child({k}) .said").inner_text() for k in (1, 5)] == [
        "The left one is real, the right one is by a & b.", "The right one is real, the left one is by another."]
    assert page.locator(".end p").is_visible() and not page.locator("button").is_visible() and not page.locator(".score").is_visible()
    page.emulate_media(media="screen")
    assert open_rounds(page) == [1]
