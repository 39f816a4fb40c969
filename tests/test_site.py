"""The built site, as files and in a browser, under a sub-path; and the gates themselves with planted defects.

Builds nothing: `make book` comes first.
"""
import json
import shutil
import sys
from pathlib import Path

import pytest
import site_checks
from site_checks import BROWSER_GATES, STATIC_GATES, Tab, browser_faults, read_page, served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]  # seconds: the first test looks at every page
SITE = Path(__file__).resolve().parents[1] / "_build" / "html"
AXE = Path(sys.prefix) / "vendor" / "axe-core" / "axe.min.js"
WIDGET = 'type="application/vnd.jupyter.widget-view+json"'
LIGHT_PAGE = 400_000  # bytes, of a page without widgets, formulas and figures
INDEX_ENTRY = 15_000  # bytes a page in the index that the search page loads; it grows with the course


@pytest.fixture(scope="module")
def site():
    """The folder of the built site."""
    if not (SITE / "index.html").is_file():
        pytest.fail("The site is not built: run 'make book' first.", pytrace=False)
    return SITE


@pytest.fixture(scope="module")
def pages(site):
    """Names of all pages."""
    return sorted(str(path.relative_to(site)) for path in site.rglob("*.html") if "_static" not in path.parts and "_sources" not in path.parts)


@pytest.fixture(scope="module")
def base(site, tmp_path_factory):
    """The site's address under /course/."""
    with served(site, tmp_path_factory.mktemp("root")) as address:
        yield address


@pytest.fixture(scope="module")
def seen(browser, base, pages):
    """What the browser gates find on every page (the front door only leads on, so it is not looked at)."""
    return {name: browser_faults(browser, base, name, AXE) for name in pages if name != "index.html"}


def _page_with(site, pages, mark, what, times=1):
    found = [name for name in pages if (site / name).read_text().count(mark) >= times]
    if not found:
        pytest.fail(f"No page of the site has {what}; the chapter on digits should: build it with 'make chapter NAME=digits' and 'make book'.", pytrace=False)
    return found[0]


# ---------------------------------------------------------------- every page

def test_the_site_has_its_pages(pages):
    assert {"index.html", "search.html", "book/index.html", "book/coverage.html", "book/status.html"} <= set(pages)


@pytest.mark.parametrize("gate", STATIC_GATES)
def test_pages_as_files(gate, site, pages):
    faults = {name: STATIC_GATES[gate](read_page(site / name), site) for name in pages}
    assert not {name: found for name, found in faults.items() if found}


@pytest.mark.parametrize("gate", BROWSER_GATES)
def test_pages_in_a_browser(gate, seen):
    assert not {name: found[gate] for name, found in seen.items() if found[gate]}


def test_ids_are_unique(site, pages):
    for name in set(pages) - {"search.html"}:  # the theme's search page holds its field twice
        ids = [attrs["id"] for _, attrs in read_page(site / name).tags if attrs.get("id")]
        assert len(ids) == len(set(ids)), f"{name}: {sorted(i for i in set(ids) if ids.count(i) > 1)}"


# ---------------------------------------------------------------- the gates see a defect

DEFECTS = {
    "external script": ("foreign_files", '<script src="https://cdn.example.org/x.js"></script>'),
    "external script run": ("no other host", '<script src="https://cdn.example.org/x.js"></script>'),
    "external picture in a style": ("no other host", '<p style="background: url(//img.example.org/x.png)">x</p>'),
    "dead link": ("dead_links", '<a href="nowhere.html">x</a>'),
    "dead anchor": ("dead_links", '<a href="coverage.html#nothing">x</a>'),
    "dead anchor here": ("dead_links", '<a href="#nothing">x</a>'),
    "link from the root": ("dead_links", '<a href="/book/index.html">x</a>'),
    "missing picture": ("no bad answer", '<img src="missing.png" alt="x">'),
    "silent picture": ("silent_images", '<img src="../_static/logo.svg">'),
    "picture with empty text": ("silent_images", '<img src="../_static/logo.svg" alt=" ">'),
    "silent drawing": ("silent_images", '<svg role="img" viewBox="0 0 1 1"></svg>'),
    "drawing whose description is missing": ("silent_images", '<svg role="img" aria-labelledby="nowhere" viewBox="0 0 1 1"></svg>'),
    "silent drawing for axe": ("accessible in light", '<svg role="img" viewBox="0 0 1 1"></svg>'),
    "silent picture for axe": ("accessible in light", '<img src="../_static/logo.svg">'),
    "pale text": ("accessible in light", '<p style="color: #bbb; background: #fff">pale</p>'),
    "dark text on dark": ("accessible in dark", '<p style="color: #333">dark</p>'),
    "nameless button": ("accessible in dark", "<button></button>"),
    "wide box": ("fits a phone", '<div style="width: 700px">wide</div>'),
    "console error": ("quiet console", "<script>console.error('planted')</script>"),
    "console warning": ("quiet console", "<script>console.warn('planted')</script>"),
    "exception": ("quiet console", "<script>planted()</script>"),
}


@pytest.fixture(scope="module")
def copy(site, tmp_path_factory):
    """A copy of the site in which pages can be spoilt."""
    return Path(shutil.copytree(site, tmp_path_factory.mktemp("copy") / "html", ignore=shutil.ignore_patterns("*.ipynb")))


@pytest.fixture(scope="module")
def copy_base(copy, tmp_path_factory):
    """The copy's address."""
    with served(copy, tmp_path_factory.mktemp("copyroot")) as address:
        yield address


def _plant(copy, name, defect):
    html = (copy / "book" / "status.html").read_text()
    path = copy / "book" / f"{name.replace(' ', '-')}.html"
    path.write_text(html.replace("</article>", defect + "</article>", 1))
    return path


@pytest.mark.parametrize("name", [n for n, (gate, _) in DEFECTS.items() if gate in STATIC_GATES])
def test_a_planted_defect_in_a_file_is_seen(name, copy):
    gate, defect = DEFECTS[name]
    assert STATIC_GATES[gate](read_page(_plant(copy, name, defect)), copy)


@pytest.mark.parametrize("name", [n for n, (gate, _) in DEFECTS.items() if gate in BROWSER_GATES])
def test_a_planted_defect_is_seen_in_the_browser(name, copy, copy_base, browser):
    gate, defect = DEFECTS[name]
    path = _plant(copy, name, defect)
    assert browser_faults(browser, copy_base, f"book/{path.name}", AXE)[gate]


@pytest.mark.parametrize("what, pattern", [("language", 'lang="en"'), ("title", "<title>Status"), ("description", 'name="description"')])
def test_a_bare_head_is_seen(what, pattern, copy):
    html = (copy / "book" / "status.html").read_text()
    assert pattern in html
    path = copy / "book" / f"no-{what}.html"
    path.write_text(html.replace("<title>Status &#8212; dlbook</title>", "<title></title>") if what == "title" else html.replace(pattern, "", 1))
    assert site_checks.bare_head(read_page(path), copy) == [f"no {what}"]


class _Drawing:
    """A browser that draws only from the n-th start on."""

    def __init__(self, first):
        self.first, self.starts, self.chromium = first, 0, self

    def launch(self, **options):
        self.starts += 1
        return self

    def new_page(self, **options):
        return self

    def evaluate(self, script, wait):
        return self.starts >= self.first

    def close(self):
        pass


@pytest.mark.parametrize("first", [1, 3])
def test_a_browser_that_does_not_draw_is_started_again(first):
    browser = _Drawing(first)
    assert site_checks.Chromium(browser, "chromium").new_page() is browser and browser.starts == first


def test_a_browser_that_never_draws_is_named():
    with pytest.raises(RuntimeError, match="draws nothing"):
        site_checks.Chromium(_Drawing(4), "chromium").new_page()


def test_a_page_without_frames_does_not_hold_the_checks(browser):
    page = browser.new_page()
    assert page.evaluate(site_checks.FRAME, 5_000)
    page.evaluate("() => { window.requestAnimationFrame = () => 0; }")
    assert not page.evaluate(site_checks.FRAME, 50)
    page.close()


def test_a_page_that_stalls_does_not_hold_the_checks(browser, copy, copy_base):
    """A script that never ends stops the page; the browser is started again, and when nothing helps, the page is named."""
    path = _plant(copy, "stall", "<script>addEventListener('scroll', () => { while (true) {} });</script>")
    other = site_checks.Chromium(browser.playwright, site_checks.find_browser(), starts=2)
    with pytest.raises(RuntimeError, match=f"stalls on book/{path.name} .* however often"):
        browser_faults(other, copy_base, f"book/{path.name}", AXE, patience=3)


# ---------------------------------------------------------------- things that move

@pytest.fixture
def tab(browser, base):
    """A fresh tab."""
    opened = Tab(browser, base)
    yield opened
    opened.page.close()


def test_a_slider_moves_the_picture_by_keyboard(site, pages, tab):
    page = tab.open(_page_with(site, pages, WIDGET, "a widget"))
    handle = page.locator(".noUi-handle").first
    shown = page.locator(".widget-subarea img:visible").first
    before, value = shown.get_attribute("src"), handle.get_attribute("aria-valuetext")
    assert handle.get_attribute("aria-label")
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("before => ![...document.querySelectorAll('.widget-subarea img')].find(i => i.offsetParent)?.src.endsWith(before)", arg=before, timeout=5000)
    assert page.locator(".widget-subarea img:visible").first.get_attribute("src") != before
    page.wait_for_function("([h, v]) => h.getAttribute('aria-valuetext') !== v", arg=[handle.element_handle(), value], timeout=5000)


def test_the_widget_manager_waits_until_it_is_needed(site, pages, tab):
    name = _page_with(site, pages, WIDGET, "a widget")
    tab.page.goto(tab.base + name, wait_until="load")
    tab.page.wait_for_timeout(300)
    assert not [url for url in tab.requests if "/widgets/" in url]
    html = (site / name).read_text()
    assert html.index("vnd.jupyter.widget-state+json") > html.rindex("<h2")  # the state comes after the text


def test_pages_without_widgets_do_not_mention_the_manager(site, pages):
    for name in pages:
        html = (site / name).read_text()
        assert WIDGET in html or "widget-state+json" not in html


def test_tabs_follow_each_other_and_are_remembered(site, pages, tab):
    page = tab.open(_page_with(site, pages, 'class="sd-tab-set', "several tabs", times=2))
    sets = page.locator(".sd-tab-set", has=page.locator("label", has_text="PyTorch"))
    assert sets.count() >= 2
    active = lambda: page.locator(".sd-tab-set > input:checked + label").all_inner_texts()  # noqa: E731
    sets.first.locator("label", has_text="PyTorch").click()
    assert set(active()) == {"PyTorch"}
    sets.last.locator("label", has_text="Keras").click()
    assert set(active()) == {"Keras"}
    sets.last.locator("label", has_text="PyTorch").click()
    page.reload(wait_until="load")
    assert set(active()) == {"PyTorch"}


def test_a_tab_is_chosen_by_keyboard(site, pages, tab):
    page = tab.open(_page_with(site, pages, "sd-tab-set", "tabs"))
    page.locator(".sd-tab-set > input").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".sd-tab-set").first.locator("input:checked + label").inner_text() == "PyTorch"


def test_search_finds_a_word(tab):
    page = tab.open("book/index.html")
    page.locator(".search-button__button").first.click()
    page.locator("#search-input:visible").first.fill("GoogLeNet")
    page.keyboard.press("Enter")
    page.locator("#search-results li a", has_text="Slides and chapters").wait_for(timeout=10_000)  # results come one by one
    assert not tab.foreign and not tab.bad


def test_formulas_are_mathml_and_need_no_script(site, pages, tab):
    page = tab.open(_page_with(site, pages, 'class="katex', "a formula"))
    assert page.locator(".math").count() == page.locator(".math .katex-mathml math").count() > 0
    assert page.evaluate("() => document.querySelector('.katex-mathml math').namespaceURI") == "http://www.w3.org/1998/Math/MathML"
    assert not [url for url in tab.requests if "mathjax" in url.lower() or "katex" in url and url.split("?")[0].endswith(".js")]
    assert page.evaluate("() => document.fonts.ready.then(() => [...document.fonts].some((f) => f.family.startsWith('KaTeX') && f.status === 'loaded'))")


def test_equation_references_land_on_their_equation(site, pages):
    page = read_page(site / _page_with(site, pages, 'id="equation-', "a numbered formula"))
    links = {attrs.get("href") for tag, attrs in page.tags if tag == "a"}
    equations = {f"#{i}" for i in page.ids if i.startswith("equation-")}
    assert equations and equations <= links


def test_a_quiz_does_not_give_its_answer_away(site, pages, tab):
    name = _page_with(site, pages, "dlbook-quiz", "a quiz")
    tab.page.goto(tab.base + name, wait_until="load")
    looks = tab.page.evaluate("""() => [...document.querySelectorAll('.dlbook-quiz details:not([open])')].map((d) =>
      ['color', 'borderColor', 'backgroundColor', 'fontWeight'].map((p) => getComputedStyle(d)[p] + getComputedStyle(d.querySelector('summary'))[p]).join())""")
    assert len(looks) >= 2 and len(set(looks)) == 1
    opened = tab.page.evaluate("""() => ['right', 'wrong'].map((c) => { const d = document.querySelector(`.dlbook-quiz details.${c}`); d.open = true;
      return [getComputedStyle(d).borderColor, getComputedStyle(d.querySelector('p'), '::before').content]; })""")
    assert opened[0][0] != opened[1][0] and opened[0][1] != opened[1][1]  # by colour, and not by colour alone


def test_wide_boxes_can_be_scrolled_by_keyboard(site, pages, tab):
    page = tab.open(_page_with(site, pages, "sd-tab-set", "code in tabs"))
    page.set_viewport_size({"width": 360, "height": 800})
    page.wait_for_timeout(200)
    stuck = page.evaluate("() => [...document.querySelectorAll('pre')].filter((p) => p.scrollWidth > p.clientWidth + 1 && p.offsetParent && p.tabIndex !== 0).length")
    assert stuck == 0


def test_the_dark_theme_is_one_click_away(tab):
    page = tab.open("book/index.html")
    themes = set()
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        themes.add(page.evaluate("() => document.documentElement.dataset.theme"))
    assert themes == {"light", "dark"}


# ---------------------------------------------------------------- what the pages say and weigh

def test_pages_are_light(browser, base, pages, site):
    plain = [n for n in pages if n != "index.html" and not any(m in (site / n).read_text() for m in (WIDGET, 'class="katex', 'class="cell'))]
    assert plain
    for name in plain:
        tab = Tab(browser, base)
        answers = []
        tab.page.on("response", lambda answer: answers.append(answer))  # noqa: B023
        tab.page.goto(base + name, wait_until="networkidle")
        weight = sum(len(answer.body()) for answer in answers)
        index = sum(len(answer.body()) for answer in answers if "/searchindex.js" in answer.url)
        tab.page.close()
        assert weight - index < LIGHT_PAGE, f"{name} weighs {weight - index:,} bytes"
        assert index < INDEX_ENTRY * len(pages), f"the index of the search weighs {index:,} bytes"


def test_every_icon_is_in_the_font(browser, base, pages):
    tab = Tab(browser, base)
    for name in ("book/index.html", "search.html", next((n for n in pages if n == "book/digits.html"), "book/status.html")):
        page = tab.open(name)
        lost = page.evaluate("""async () => { await document.fonts.ready; const lost = [];
          for (const e of document.querySelectorAll('i[class*="fa-"], span[class*="fa-"]')) {
            const style = getComputedStyle(e, '::before'), text = style.content.replaceAll('"', '');
            if (e.offsetParent && (text === 'none' || !document.fonts.check(`900 16px "Font Awesome 6 Free"`, text))) lost.push(e.className);
          } return lost; }""")
        assert not lost
    tab.page.close()


def test_chapters_say_what_they_cost(site, pages):
    notebooks = [SITE.parents[1] / "book" / Path(name).with_suffix(".ipynb").name for name in pages]
    chapters = [path for path in notebooks if path.exists() and json.loads(path.read_text())["metadata"].get("covers")]
    for chapter in chapters:
        html = (site / "book" / f"{chapter.stem}.html").read_text()
        box = html[html.index("dlbook-cost"):]
        box = box[:box.index("</aside>")]
        assert all(word in box for word in ("Running it takes", "Memory", "Download", "Last verified"))
        for system in json.loads(chapter.read_text())["metadata"]["covers"]:
            assert f"coverage.html#{system.lower()}" in box
            assert f'href="{chapter.stem}.html"' in (site / "book" / "coverage.html").read_text()


def test_the_coverage_page_lists_every_system(site):
    import yaml
    listed = yaml.safe_load((SITE.parents[1] / "book" / "systems.yml").read_text())
    ids = {key.lower() for group in listed["groups"] for key in group["systems"]}
    assert len(ids) == 62 and ids <= read_page(site / "book" / "coverage.html").ids
