"""Drawings of networks: what is drawn, where it stands, and what is said about it."""
import importlib
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from dlbook import show
from dlbook.cnn.blocks.table import Row, Tape
from dlbook.cnn.resnet import spec as resnet
from dlbook.show import svg
from dlbook.show.block import Card, arrange
from dlbook.show.diagram import describe, listing, place, share
from dlbook.show.outline import Parallel, Step, boxes, length, paths, span, steps

SVG = "{http://www.w3.org/2000/svg}"
FOLDER = Path(resnet.__file__).parents[1]


def drawable():
    """(system, variant) of everything that has variants and a table."""
    found = []
    for path in sorted(FOLDER.glob("*/spec.py")):
        text = path.read_text()
        if re.search(r"^VARIANTS\b", text, re.M) and re.search(r"^def table\(a", text, re.M):
            spec = importlib.import_module(f"dlbook.cnn.{path.parent.name}.spec")
            found += [(path.parent.name, name) for name in spec.VARIANTS]
    return found


def table(system, variant):
    return importlib.import_module(f"dlbook.cnn.{system}.spec").table(variant)


def block(rows, name):
    return [row for row in rows if row.block == name]


@pytest.fixture
def shown(monkeypatch):
    """What `display` was given: a list of its data."""
    import IPython.display

    calls = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata=None, raw=False: calls.append(data))
    return calls


def drawings(html):
    """The two SVG of one drawing, parsed as strictly as XML."""
    return ElementTree.fromstring(html.replace("&nbsp;", " ")).findall(f"{SVG}svg")


# ---------------------------------------------------------------- every network

def test_the_residual_networks_are_among_them():
    assert {("resnet", name) for name in resnet.VARIANTS} <= set(drawable())


@pytest.mark.parametrize("system, variant", drawable())
def test_any_network_is_drawn_whole(system, variant, shown):
    rows = table(system, variant)
    show.diagram(rows, f"{system} {variant}")
    found, data = boxes(rows), shown[0]
    assert sum(box.parameters for box in found) == sum(row.parameters for row in rows)
    assert sum(box.operations for box in found) == sum(row.operations for row in rows)
    assert sum(box.count for box in found) == len({row.block for row in rows if row.block})
    assert [one.get("viewBox").split()[2] for one in drawings(data["text/html"])] == [str(svg.WIDE), str(svg.NARROW)]
    assert f"{sum(row.parameters for row in rows):,} parameters" in data["text/plain"].splitlines()[0]
    assert len(data["text/plain"].splitlines()) == 2 + len(found)


@pytest.mark.parametrize("width", [svg.WIDE, svg.NARROW])
@pytest.mark.parametrize("system, variant", drawable())
def test_boxes_stand_in_order_and_do_not_touch(system, variant, width):
    found = boxes(table(system, variant))
    lines, bottom = place(found, width, 40)
    placed = [one for line in lines for one in line]
    assert [one.box.name for one in placed if not one.box.source] == [box.name for box in found if not box.source]
    assert len(placed) == len(found)
    for line in lines:
        assert all(a.x + a.width / 2 < b.x - b.width / 2 for a, b in zip(line, line[1:])) and len({one.y for one in line}) == 1
        assert line[0].x - line[0].width / 2 >= 0 and line[-1].x + line[-1].width / 2 <= width
        assert all(svg.width_of(text, bold=bold) <= width / len(line) for one in line for text, bold, _ in one.texts)
    ends = [max(one.below + svg.LINE * len(one.texts) for one in line) for line in lines]
    tops = [min(one.y - one.height / 2 for one in line) for line in lines]
    assert all(end < top for end, top in zip(ends, tops[1:])) and ends[-1] <= bottom and tops[0] > 40


@pytest.mark.parametrize("width", [svg.WIDE, svg.NARROW])
@pytest.mark.parametrize("system, variant", drawable())
def test_every_block_is_drawn_in_detail(system, variant, width):
    rows = table(system, variant)
    unlike = {box.name: box.steps for box in boxes(rows) if box.count}
    for name, found in unlike.items():
        cards = [item for item in arrange(paths(found), width / 2, width - 2, 0)[0] if isinstance(item, Card)]
        assert len(cards) == len(found), f"{name} loses a step"
        assert min(card.x - card.width / 2 for card in cards) >= 0 and max(card.x + card.width / 2 for card in cards) <= width
        _assert_apart(cards, name)


def _assert_apart(cards, name):
    for i, a in enumerate(cards):
        for b in cards[:i]:
            beside = abs(a.x - b.x) >= (a.width + b.width) / 2 - 1e-6
            assert beside or a.y >= b.y + b.height or b.y >= a.y + a.height, f"{name}: {a.texts} covers {b.texts}"


# ---------------------------------------------------------------- what is found in a table

def test_blocks_that_look_alike_are_drawn_once():
    found = {box.name: box.count for box in boxes(resnet.table("50")) if box.count}
    assert found == {"stage1_block1": 1, "stage1_block2-3": 2, "stage2_block1": 1, "stage2_block2-4": 3,
                     "stage3_block1": 1, "stage3_block2-6": 5, "stage4_block1": 1, "stage4_block2-3": 2}


def test_a_run_counts_all_its_blocks():
    rows = resnet.table("50")
    box = next(box for box in boxes(rows) if box.name == "stage3_block2-6")
    inside = [row for row in rows if re.match(r"stage3_block[2-6]$", row.block)]
    assert box.parameters == sum(row.parameters for row in inside) and box.shape == (14, 14, 1024)


def test_normalisation_and_relu_belong_to_their_convolution():
    found = steps(resnet.table("50")[:5])
    assert [step.kinds for step in found] == ["input", "conv + norm + relu", "pool"]
    assert found[1].parameters == 64 * 3 * 49 + 128


def test_what_comes_before_a_convolution_belongs_to_it():
    tape = Tape(8, 4)
    tape.norm("bn")
    tape.same("relu", "relu")
    tape.conv("conv", 6, 3)
    assert [step.kinds for step in steps(tape.rows[1:])] == ["norm + relu + conv"]


def test_a_normalisation_before_pooling_stands_alone():
    tape = Tape(8, 4)
    with tape.block("a"):
        tape.conv("a_conv", 6, 3)
    tape.norm("final_bn")
    tape.same("relu", "relu")
    tape.global_pool("pool")
    assert [(box.name, box.parameters) for box in boxes(tape.rows)] == [("input", 0), ("a", 216), ("final_bn", 12), ("pool", 0)]


def test_shortcuts_are_seen():
    found = {box.name: box.shortcut for box in boxes(resnet.table("18"))}
    assert found["stage1_block1-2"] == found["stage2_block1"] == "add" and not found["stem_conv"]
    plain = resnet.Architecture((2, 2), "basic", (8, 16), shortcut=False)
    assert not any(box.shortcut for box in boxes(resnet.table(plain)))


def test_paths_of_a_residual_block():
    node, = paths(steps(block(resnet.table("50"), "stage1_block1")))
    assert isinstance(node, Parallel) and node.join.kind == "add"
    assert [(name, [step.main.note for step in way]) for name, way in node.paths] == [("", ["1 x 1", "3 x 3", "1 x 1"]), ("shortcut", ["1 x 1"])]
    node, = paths(steps(block(resnet.table("50"), "stage1_block2")))
    assert node.paths[1] == ("shortcut", ()) and length(node) == 4


def forked():
    """A block with a path that forks again, as in the last modules of Inception v3."""
    tape = Tape(8, 4)
    with tape.block("mixed"):
        with tape.branch("one") as one:
            tape.conv("mixed_one", 2, 1)
        with tape.branch("three"):
            tape.conv("mixed_three", 3, 1)
            with tape.branch("three_a") as a:
                tape.conv("mixed_three_a", 4, (1, 3))
            with tape.branch("three_b") as b:
                tape.conv("mixed_three_b", 5, (3, 1))
        tape.concat("mixed_concat", [one, a, b])
    return tape.rows[1:]


def test_a_path_that_forks_again():
    node, = paths(steps(forked()))
    assert [name for name, _ in node.paths] == ["one", "three"]
    first, fork = node.paths[1][1]
    assert isinstance(first, Step) and [name for name, _ in fork.paths] == ["three_a", "three_b"] and fork.join is None
    assert length(node) == 3


def test_pairs_are_added_and_their_sums_joined():
    tape = Tape(8, 4)
    with tape.block("cell"):
        sums = []
        with tape.branch("h"):
            tape.conv("cell_squeeze", 4, 1)
        for pair in ("pair1", "pair2"):
            with tape.branch(f"{pair}_left") as left:
                tape.conv(f"cell_{pair}_left", 4, 3)
            with tape.branch(f"{pair}_right") as right:
                pass
            tape.add(f"cell_{pair}_add", [left, right])
            with tape.branch("") as end:
                sums.append(end)
        tape.concat("cell_concat", sums)
    squeeze, node = paths(steps(tape.rows[1:]))
    assert squeeze.main.name == "cell_squeeze"
    assert [inner.join.kind for _, (inner,) in node.paths] == ["add", "add"] and node.join.kind == "concat"
    assert [name for name, _ in node.paths[0][1][0].paths] == ["pair1_left", ""]


def test_heads_beside_the_main_path_name_their_source():
    tape = Tape(8, 4)
    tape.conv("conv", 6, 3)
    with tape.branch("head"), tape.block("aux"):
        tape.conv("aux_conv", 2, 1)
    tape.global_pool("pool")
    found = boxes(tape.rows)
    assert [(box.name, box.source) for box in found] == [("input", ""), ("conv", ""), ("aux", "conv"), ("pool", "")]
    assert "aux from conv (8 x 8 x 2)" in describe(found, "x")
    assert [[one.box.name for one in line] for line in place(found, svg.WIDE)[0]] == [["input", "conv", "pool"], ["aux"]]


@pytest.mark.parametrize("first, last, both", [("block9", "block10", "block9-10"), ("conv10", "conv12", "conv10-12"), ("a", "a", "a"),
                                               ("stage1_block2", "stage1_block3", "stage1_block2-3")])
def test_span(first, last, both):
    assert span(first, last) == both


# ---------------------------------------------------------------- how it is drawn

def test_height_is_the_size_of_the_maps_and_width_the_channels():
    rows = [Row("input", "input", (64, 64, 3)), Row("a", "conv", (64, 64, 16)), Row("b", "conv", (32, 32, 16)), Row("c", "conv", (32, 32, 400)),
            Row("d", "dense", (100,)), Row("e", "dense", (10,))]
    start, a, b, c, d, e = (one for line in place(boxes(rows), svg.WIDE)[0] for one in line)
    assert start.height == a.height > b.height == c.height and d.height > e.height
    assert start.width < a.width == b.width < c.width


def test_a_box_has_a_stripe_for_each_step(shown):
    show.diagram(resnet.table("18"), "ResNet-18")
    wide = drawings(shown[0]["text/html"])[0]
    fills = [rect.get("fill") for rect in wide.iter(f"{SVG}rect")]
    assert set(fills) == {"#fff", *(svg.colour(kind) for kind in ("input", "conv", "pool", "add", "dense"))}


def test_a_drawing_says_what_it_shows(shown):
    show.diagram(resnet.table("50"), "ResNet-50")
    for one in drawings(shown[0]["text/html"]):
        ids = one.get("aria-labelledby").split()
        about = [next(e for e in one.iter() if e.get("id") == key) for key in ids]
        assert [e.tag.removeprefix(SVG) for e in about] == ["title", "desc"] and about[0].text == "ResNet-50" and one.get("role") == "img"
        assert about[1].text.endswith("16 blocks, 25,557,032 parameters, 4,089,184,256 multiply-accumulates.")
        texts = [text.text for text in one.iter(f"{SVG}text")]
        assert {"56 x 56 x 256", "5 x this block", "stage3_block2-6", "5.59 M, 22 %", "25,557,032 parameters, 4.09 G multiply-accumulates"} <= set(texts)


def test_alt_text_can_be_given(shown):
    show.diagram(resnet.table("18"), "A & B", alt="Eight <blocks>.")
    assert "<desc" in shown[0]["text/html"] and "Eight &lt;blocks&gt;." in shown[0]["text/html"] and "A &amp; B" in shown[0]["text/html"]


def test_the_same_network_gives_the_same_drawing_and_others_other_ids(shown):
    for variant in ("50", "50", "101"):
        show.diagram(resnet.table(variant), "ResNet")
    first, again, other = (data["text/html"] for data in shown)
    assert first == again and not set(re.findall(r'id="(\w+)"', first)) & set(re.findall(r'id="(\w+)"', other))
    assert len(re.findall(r'id="', first)) == 4


def test_a_drawing_asks_for_nothing_and_runs_nothing(shown):
    show.diagram(resnet.table("50"), "ResNet-50")
    show.block_diagram(block(resnet.table("50"), "stage1_block1"), "Bottleneck")
    for data in shown:
        assert not re.search(r"<script|<image|<style|href|url\(|\son\w+=", data["text/html"])


def test_the_listing_has_every_number():
    lines = listing(boxes(resnet.table("18"))).splitlines()
    assert lines[-1] == "logits | - | dense | 1,000 | 513,000 | 4.4 % | 512,000"
    assert lines[4] == "stage1_block1-2 | 2 | conv + norm + relu, conv + norm, add + relu | 56 x 56 x 64 | 147,968 | 1.3 % | 462,422,016"


def test_block_diagram(shown):
    show.block_diagram(block(resnet.table("50"), "stage1_block1"), "Bottleneck")
    html, plain = shown[0]["text/html"], shown[0]["text/plain"]
    texts = [text.text for text in drawings(html)[0].iter(f"{SVG}text")]
    assert texts.count("convolution") == 4 and "16,896" in texts and "sum" in texts
    assert plain.splitlines()[0].startswith("Bottleneck: side by side [convolution 1 x 1 (56 x 56 x 64), then convolution 3 x 3")
    assert "stage1_block1_conv2 | - | conv + norm + relu | 3 x 3 | 56 x 56 x 64 | 36,992 | 115,605,504" in plain


def test_an_identity_is_drawn_and_told(shown):
    show.block_diagram(block(resnet.table("50"), "stage1_block2"), "Bottleneck")
    assert ">identity<" in shown[0]["text/html"] and "; the input unchanged], then sum" in shown[0]["text/plain"]


def test_many_paths_take_several_lines():
    tape = Tape(8, 4)
    with tape.block("wide"):
        ends = []
        for i in range(12):
            with tape.branch(f"path{i}") as end:
                tape.conv(f"wide_path{i}", 4, 1)
            ends.append(end)
        tape.concat("wide_concat", ends)
    nodes = paths(steps(tape.rows[1:]))
    for width, lines in ((svg.WIDE, 2), (svg.NARROW, 3)):
        items, _ = arrange(nodes, width / 2, width - 2, 0)
        cards = [item for item in items if isinstance(item, Card) and item.kind == "conv"]
        assert len({card.y for card in cards}) == lines
        _assert_apart(cards, "wide")


@pytest.mark.parametrize("count, text", [(0, "0"), (999, "999"), (1_000, "1 k"), (25_557_032, "25.6 M"), (999_999, "1 M"), (4_089_184_256, "4.09 G"), (16_896, "16.9 k")])
def test_short_numbers(count, text):
    assert svg.short(count) == text


def test_shares():
    assert share(0, 10) == "-" and share(1, 3) == "33 %" and share(9_536, 25_557_032) == "0.037 %" and share(10, 10) == "100 %"


def test_text_is_wrapped_where_it_must_be():
    assert svg.wrapped("a b", 1000) == ["a b"] and svg.wrapped("word word", svg.width_of("word ")) == ["word", "word"]
    assert [line.replace("\u00a0", " ") for line in svg.wrapped_note("max, 3 x 3, stride 2", svg.width_of("max, 3 x 3,"))] == ["max, 3 x 3,", "stride 2"]


def test_arrows_point_where_they_go():
    points = [tuple(map(float, pair.split())) for pair in re.findall(r"-?[\d.]+ -?[\d.]+", svg.head(0, 0, 10, 0))]
    assert points[0] == (10, 0) and all(x < 10 for x, _ in points[1:]) and math.isclose(sum(y for _, y in points), 0)


@pytest.mark.parametrize("call, words", [
    (lambda: show.diagram([], "x"), "needs the rows of a table; got none"),
    (lambda: show.diagram(resnet.table("18"), " "), "needs a title, such as the network's name; got ' '"),
    (lambda: show.block_diagram([], "x"), "rows are of 0: none"),
    (lambda: show.block_diagram(resnet.table("18")[10:40], "x"), "one block is drawn at a time; the rows are of [2-9]: stage1"),
])
def test_what_cannot_be_drawn_is_said(call, words):
    with pytest.raises(ValueError, match=words):
        call()
