"""The ImageNet challenge's history, the measure that it used, and the chart that compares its networks."""
import re
import xml.etree.ElementTree as ElementTree
from math import pi

import numpy as np
import peers
import pytest
from dlbook import show
from dlbook.cnn import history
from dlbook.cnn.blocks.table import Tape, depth
from dlbook.cnn.history import NETWORKS, network, results
from dlbook.cnn.metrics import standard_error, top_k_error
from dlbook.show import svg
from dlbook.show.pick import labels

SVG = "{http://www.w3.org/2000/svg}"
TORCHVISION = {"AlexNet": "alexnet", "VGG-11": "vgg11", "VGG-16": "vgg16", "VGG-19": "vgg19", "GoogLeNet": "googlenet", "Inception v3": "inception_v3",
               "ResNet-18": "resnet18", "ResNet-34": "resnet34", "ResNet-50": "resnet50", "ResNet-101": "resnet101", "ResNet-152": "resnet152",
               "SqueezeNet 1.1": "squeezenet1_1", "DenseNet-121": "densenet121", "DenseNet-169": "densenet169", "DenseNet-201": "densenet201",
               "MobileNetV2": "mobilenet_v2"}


# ---------------------------------------------------------------- the measure

def test_top_k_error_by_hand():
    scores = [[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.4, 0.35, 0.25]]
    labels = [0, 1, 2]
    assert top_k_error(scores, labels, 1) == pytest.approx(2 / 3)
    assert top_k_error(scores, labels, 2) == pytest.approx(1 / 3)
    assert top_k_error(scores, labels, 3) == 0


def test_top_k_error_counts_ties_once():
    """Equal scores must not make every class a guess."""
    equal = np.zeros((1000, 10))
    labels = np.arange(1000) % 10
    assert top_k_error(equal, labels, 5) == 0.5


def test_top_k_error_agrees_with_an_independent_one():
    from sklearn.metrics import top_k_accuracy_score

    rng = np.random.default_rng(0)
    scores, labels = rng.random((500, 20)), rng.integers(0, 20, 500)
    for k in (1, 3, 5, 19):
        assert top_k_error(scores, labels, k) == pytest.approx(1 - top_k_accuracy_score(labels, scores, k=k, labels=range(20)))


@pytest.mark.parametrize("scores, labels, k, words", [
    ([0.5, 0.5], [0], 1, r"shape \(N, K\) and labels \(N,\), with an image or more; got \(2,\) and \(1,\)"),
    (np.zeros((0, 3)), [], 1, "with an image or more"),
    ([[0.5, 0.5]], [0, 1], 1, r"got \(1, 2\) and \(2,\)"),
    ([[0.5, 0.5]], [2], 1, "from 0 to 1; got 2 to 2"),
    ([[0.5, 0.5]], [-1], 1, "from 0 to 1; got -1 to -1"),
    ([[0.5, 0.5]], [0.0], 1, "dtype float64"),
    ([[0.5, np.nan]], [0], 1, "some are nan or infinite"),
    ([[0.5, 0.5]], [0], 3, "the number of classes, 2; got 3"),
    ([[0.5, 0.5]], [0], 0, "got 0"),
])
def test_what_cannot_be_measured_is_said(scores, labels, k, words):
    with pytest.raises(ValueError, match=words):
        top_k_error(scores, labels, k)


def test_standard_error():
    rng = np.random.default_rng(0)
    assert standard_error(0.05, 1500) == pytest.approx((rng.binomial(1500, 0.05, 200_000) / 1500).std(), rel=0.01)
    assert standard_error(0, 10) == 0
    for error, images in ((1.5, 10), (0.5, 0)):
        with pytest.raises(ValueError, match="share from 0 to 1, measured on an image or more; got"):
            standard_error(error, images)


# ---------------------------------------------------------------- the history

def test_there_is_one_winner_a_year_and_errors_fall():
    winners = results("winner")
    assert [winner.year for winner in winners] == list(range(2010, 2018))
    errors = [winner.error for winner in winners]
    assert errors == sorted(errors, reverse=True) and [winner.convnet for winner in winners] == [False] * 2 + [True] * 6


def test_every_number_of_the_decks_is_there_and_has_a_source():
    errors = {result.error for result in history.RESULTS}
    assert {28.2, 25.8, 16.4, 15.3, 11.7, 6.7, 5.33, 4.94, 4.82, 3.57, 2.99, 2.25, 5.1} <= errors
    assert all(result.source and result.team for result in history.RESULTS)


def test_publications_and_entries_are_told_apart():
    assert {result.name for result in results("publication")} == {"Deep Image", "PReLU-net", "BN-Inception"}
    assert [result.error for result in results("person")] == [5.1]
    assert len(results()) == len(history.RESULTS)
    with pytest.raises(ValueError, match="winner, extra data, person, publication; got 'loser'"):
        results("loser")


def test_depth_is_counted():
    found = {label: network(label).counts()[2] for label in ("AlexNet", "VGG-16", "VGG-19", "GoogLeNet", "ResNet-18", "ResNet-152", "DenseNet-121")}
    assert found == {"AlexNet": 8, "VGG-16": 16, "VGG-19": 19, "GoogLeNet": 22, "ResNet-18": 18, "ResNet-152": 152, "DenseNet-121": 121}


def test_depth_takes_the_longer_of_a_shortcut_and_the_main_path():
    tape = Tape(8, 4)
    with tape.block("a"):
        with tape.branch("shortcut"):
            tape.conv("a_shortcut", 4, 1)
        tape.conv("a_conv1", 4, 3)
        tape.conv("a_conv2", 4, 3)
    with tape.block("b"):
        tape.conv("b_squeeze", 4, 1)
        with tape.branch("one"):
            tape.conv("b_one", 4, 1)
        with tape.branch("three"):
            tape.conv("b_three", 4, 3)
            tape.conv("b_three_more", 4, 3)
    assert depth(tape.rows) == 2 + 3


@pytest.mark.parametrize("one", NETWORKS, ids=lambda one: one.label)
def test_networks_are_counted_from_their_tables(one):
    parameters, operations, layers = one.counts()
    assert 1e6 < parameters < 150e6 and 2e8 < operations < 20e9 and 8 <= layers <= 201
    assert 50 < one.top1 < one.top5 < 100


@pytest.mark.parametrize("one", [one for one in NETWORKS if one.weights == "torchvision"], ids=lambda one: one.label)
def test_torchvision_says_the_same(one):
    """Accuracy as its weights' own description has it, operations as it counts them."""
    about = peers.torchvision_models().get_model_weights(TORCHVISION[one.label]).IMAGENET1K_V1.meta
    published = about["_metrics"]["ImageNet-1K"]
    assert one.top1 == pytest.approx(published["acc@1"], abs=0.006) and one.top5 == pytest.approx(published["acc@5"], abs=0.006)
    assert one.counts()[1] / 1e9 == pytest.approx(about["_ops"], abs=0.002)


def test_an_unknown_network_is_said():
    with pytest.raises(ValueError, match="no network 'VGG16'; choose from: AlexNet, VGG-11"):
        network("VGG16")


# ---------------------------------------------------------------- the chart

POINTS = [show.Point("small", "a", 0.5, 70.0, 1.0, ("1",)), show.Point("large & slow", "b", 20.0, 72.0, 100.0, ("2",)),
          show.Point("middle", "a", 1.0, 75.0, 25.0, ("3",))]


@pytest.fixture
def chart(monkeypatch):
    """The data of a chart of `POINTS`."""
    import IPython.display

    calls = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata=None, raw=False: calls.append(data))
    show.pick(POINTS, "Three", ("operations", "accuracy"), ["network", "number"], [(25.0, "25")], "Three points.")
    return calls[0]


def test_every_point_has_a_box_a_circle_and_a_row(chart):
    page = ElementTree.fromstring(chart["text/html"])
    assert [box.get("value") for box in page.iter("input")] == ["0", "1", "2"]
    assert [[cell.text for cell in row] for row in page.iter("tr")] == [["network", "number"], ["small", "1"], ["large & slow", "2"], ["middle", "3"]]
    for one in page.iter(f"{SVG}svg"):
        points = [group.get("class") for group in one.iter(f"{SVG}g") if "point" in group.get("class", "")]
        assert sorted(points) == sorted(["point n0", "point n1", "point n2"] * 2)
        assert one.find(f"{SVG}desc").text == "Three points."


def test_areas_are_in_proportion(chart):
    wide = next(ElementTree.fromstring(chart["text/html"]).iter(f"{SVG}svg"))
    found = {}
    for group in wide.iter(f"{SVG}g"):
        circles = group.findall(f"{SVG}circle")
        if circles:
            found[group.get("class")] = pi * float(circles[0].get("r")) ** 2
    assert found["point n1"] / found["point n2"] == pytest.approx(4, rel=0.02) and found["point n1"] / found["point n0"] == pytest.approx(100, rel=0.02)


def test_positions_follow_the_values(chart):
    wide = next(ElementTree.fromstring(chart["text/html"]).iter(f"{SVG}svg"))
    at = {group.get("class"): group.find(f"{SVG}circle") for group in wide.iter(f"{SVG}g") if group.find(f"{SVG}circle") is not None}
    x, y = ({name: float(circle.get(axis)) for name, circle in at.items()} for axis in ("cx", "cy"))
    assert x["point n0"] < x["point n2"] < x["point n1"] and y["point n0"] > y["point n1"] > y["point n2"]
    step = (x["point n1"] - x["point n2"]) / (x["point n2"] - x["point n0"])
    assert step == pytest.approx(np.log(20) / np.log(2), rel=0.01)  # the axis is logarithmic


def test_numbers_stand_in_the_text(chart):
    assert chart["text/plain"].splitlines() == ["Three: accuracy against operations", "[Three points.]", "network | number", "small | 1", "large & slow | 2", "middle | 3"]
    assert not re.search(r"<script|\son\w+=", chart["text/html"])


def test_labels_do_not_cover_each_other():
    circles = [(200.0, 200.0, 5.0), (230.0, 204.0, 5.0), (205.0, 215.0, 5.0)]
    places = labels(circles, ["first", "second", "third"], 680, 440)
    boxes = [(x, y - 10, x + svg.width_of(text, 11), y) for (x, y), text in zip(places, ["first", "second", "third"])]
    for i, a in enumerate(boxes):
        assert all(a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1] for b in boxes[:i])


@pytest.mark.parametrize("points, alt, words", [
    ([], "x", "got 0 points in 0"),
    ([show.Point("a", str(i), 1, 1, 1, ("1",)) for i in range(9)], "x", "got 9 points in 9"),
    ([show.Point("a", "b", 0, 1, 1, ("1",))], "x", "x and area above 0 and 1 cells; got Point"),
    ([show.Point("a", "b", 1, 1, 1, ())], "x", "1 cells; got Point"),
    (POINTS, " ", "needs alt text"),
])
def test_what_cannot_be_compared_is_said(points, alt, words):
    with pytest.raises(ValueError, match=words):
        show.pick(points, "x", ("a", "b"), ["network", "number"], [], alt)
