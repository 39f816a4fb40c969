"""Recognition: any picture file, guesses and places, both twins, the records, the upload widget."""
import inspect
import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pictures import as_file

from dlbook import profile

profile.setup()

from dlbook import data, runs  # noqa: E402  (profile.setup comes first)
from dlbook.cnn.metrics import top_k_error  # noqa: E402
from dlbook.cnn.recognise import full, spec, with_keras, with_torch  # noqa: E402
from dlbook.parity import compare  # noqa: E402
from dlbook.show import uploads  # noqa: E402
from dlbook.show.answers import answers  # noqa: E402
from dlbook.show.guess import guess, told  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
TWINS = {"keras": with_keras, "torch": with_torch}
BOTH = pytest.mark.parametrize("which", TWINS)
RNG = np.random.default_rng(0)
GROUND = np.linspace(0, 255, 60 * 90 * 3).reshape(60, 90, 3).astype(np.uint8)


def files():
    """Pictures of every kind that readers have."""
    colour = Image.fromarray(GROUND)
    deep = Image.fromarray((np.linspace(0, 65535, 60 * 90).reshape(60, 90)).astype(np.uint16))
    return {
        "jpeg": as_file(colour, "JPEG"), "grey": as_file(colour.convert("L")), "alpha": as_file(colour.convert("RGBA")),
        "palette": as_file(colour.convert("P")), "one bit": as_file(colour.convert("1")), "16 bits": as_file(deep),
        "animated": as_file(colour, "GIF", save_all=True, append_images=[colour.rotate(180)]),
        "cmyk": as_file(colour.convert("CMYK"), "JPEG"), "huge": as_file(colour.resize((5000, 4000))), "tiny": as_file(colour.resize((8, 8))),
    }


@pytest.mark.parametrize("kind", files())
def test_every_picture_is_made_ready(kind):
    image = spec.prepared(io.BytesIO(files()[kind]), 32)
    assert image.shape == (32, 32, 3) and image.dtype == np.float32 and 0 <= image.min() <= image.max() <= 1
    assert np.ptp(image) > 0.1, "something is left of the picture"


@pytest.mark.parametrize(("content", "words"), [
    (b"no picture", "not a picture"), (files()["jpeg"][:300], "not a picture"), (b"", "not a picture"),
    (as_file(Image.new("RGB", (7, 90))), "at least 8 x 8"), (as_file(Image.new("RGB", (900, 9))), "more than 8 times as long"),
])
def test_what_is_no_use_is_refused_in_a_sentence(content, words):
    with pytest.raises(ValueError, match=words):
        spec.prepared(io.BytesIO(content), 32)


SHOWN = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.mark.parametrize(("array", "want"), [
    (SHOWN, SHOWN / 255), (SHOWN.astype(np.uint16) * 257, SHOWN / 255), (SHOWN.astype(np.int64), SHOWN / 255),
    ((SHOWN / 255).astype(np.float32), SHOWN / 255), (SHOWN / 255 + 1e-7 * np.sign(SHOWN - 127.5), SHOWN / 255),
    (SHOWN[..., 0], SHOWN[..., :1] / 255), (SHOWN[..., :1], SHOWN[..., :1] / 255), (SHOWN[..., 0] / 255, SHOWN[..., :1] / 255),
    (SHOWN[..., 0] > 99, SHOWN[..., :1] > 99),
    (np.dstack([SHOWN, np.full(SHOWN.shape[:2], 51, np.uint8)]), SHOWN / 255 * 0.2 + 0.8),
], ids=["uint8", "uint16", "int64", "float32", "rounded", "grey", "one channel", "grey float", "bool", "transparent"])
def test_every_array_is_made_ready(array, want):
    """Whole numbers by their full range, grey as colour, transparent over white: the same picture gives the same pixels."""
    image = spec.prepared(array, 40)
    assert image.shape == (40, 40, 3) and image.dtype == np.float32 and 0 <= image.min() <= image.max() <= 1
    assert np.abs(image - want[:, 10:50]).max() < 1e-6


def test_whole_numbers_and_shares_get_the_same_guess():
    cat = data.photo("cat")
    first = [with_torch.ask(with_torch.recogniser("own"), photo, spec.THINGS)[0] for photo in (cat, np.round(cat * 255).astype(np.uint8))]
    assert first[0][0] == first[1][0] and first[0][1] == pytest.approx(first[1][1], abs=0.02)


@pytest.mark.parametrize(("array", "words"), [
    (SHOWN.astype(float), r"whole numbers from 0 to 255 or 65535, or floating-point values in \[0, 1\]; got 0 to 255, dtype float64"),
    (SHOWN / 255 - 0.1, "got -0.1 to 0.9, dtype float64"), (np.where(SHOWN > 200, np.nan, 0.5), "got nan to nan, dtype float64"),
    (SHOWN.astype(int) - 1, "got -1 to 254, dtype int64"), (np.full((9, 9), 2**20), "got 1.04858e"),
    (SHOWN[..., :2], r"shape \(H, W\), \(H, W, 3\) or \(H, W, 4\); got \(40, 60, 2\)"), (SHOWN[None], r"got \(1, 40, 60, 3\)"),
    (np.zeros((0, 0, 3)), "0 x 0 pixels; it needs at least 8 x 8"), (np.zeros((0, 9, 3), np.uint8), "0 x 9 pixels; it needs"),
    (np.zeros(7), r"got \(7,\)"), (np.zeros((9, 90, 3)), "more than 8 times as long"), (np.zeros((3, 90, 3)), "at least 8 x 8"),
])
def test_arrays_that_are_no_pictures_are_refused_in_a_sentence(array, words):
    with pytest.raises(ValueError, match=words):
        spec.prepared(array, 32)


@pytest.mark.parametrize("thing", [None, SHOWN.tolist(), 3, np.zeros((9, 9), complex)])
def test_things_that_are_no_pictures_are_refused_in_a_sentence(thing):
    with pytest.raises(TypeError, match="a picture (is a path|holds)"):
        spec.prepared(thing, 32)


@pytest.mark.large
def test_a_huge_picture_of_16_bits_takes_little_memory(tmp_path):
    """169 million pixels of one channel take 0.3 GB; as three channels of floats they would take 2 GB, and each copy as much."""
    path = tmp_path / "huge.png"
    Image.fromarray(np.tile(np.arange(65000, dtype=np.uint16)[::5], (13_000, 1))).save(path, compress_level=1)
    # Not ru_maxrss, which begins with the peak of the process that starts this one.
    code = ("import re, sys\nfrom pathlib import Path\nfrom dlbook.cnn.recognise import spec\nimage = spec.prepared(sys.argv[1], 224)\n"
            "peak = int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
            "print(peak / 2**20, image[:, 0].max(), image[:, -1].min())")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, path], capture_output=True, text=True)
    peak, left, right = map(float, done.stdout.split())
    assert peak < 1.6 and left < 0.01 and right > 0.98, done.stderr  # GB; it was 3.9


def test_a_missing_file_and_a_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        spec.prepared(tmp_path / "none.png", 32)
    (tmp_path / "photo.png").write_bytes(files()["jpeg"])
    assert np.array_equal(spec.prepared(tmp_path / "photo.png", 32), spec.prepared(io.BytesIO(files()["jpeg"]), 32))


def test_a_turned_photo_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 3  # by 180 degrees
    turned = as_file(Image.fromarray(GROUND[::-1, ::-1]), exif=exif)
    assert np.allclose(spec.prepared(io.BytesIO(turned), 32), spec.prepared(Image.fromarray(GROUND), 32), atol=0.02)


def test_the_middle_is_cut_out():
    wide = np.zeros((20, 60, 3))
    wide[:, 20:40] = 1
    assert spec.prepared(wide, 20).min() == 1
    assert spec.middle(wide, 0.5).shape == (10, 10, 3)
    with pytest.raises(ValueError, match="at most 1"):
        spec.middle(wide, 1.5)


def test_guesses_and_places():
    p = np.array([[0.1, 0.6, 0.3], [0.4, 0.4, 0.2]])
    assert spec.guesses(p[0], "abc", 2) == [("b", 0.6), ("c", 0.3)]
    assert spec.ranks(p, [2, 1]).tolist() == [2, 2]  # of equals, the first class counts as likelier
    scores, labels = RNG.random((200, 12)), RNG.integers(12, size=200)
    for k in (1, 3, 12):
        assert top_k_error(scores, labels, k) == pytest.approx((spec.ranks(scores, labels) > k).mean())
    with pytest.raises(ValueError, match="1 to the number of classes, 3"):
        spec.guesses(p[0], "abc", 4)
    with pytest.raises(ValueError, match="each class needs a name"):
        spec.guesses(p[0], "ab")


def test_twins_have_the_same_names():
    for name in with_keras.__all__:
        left, right = (inspect.signature(getattr(twin, name)) for twin in TWINS.values())
        assert list(left.parameters) == list(right.parameters), name
    assert with_keras.__all__ == with_torch.__all__


def test_our_own_network_in_both_twins():
    images = np.stack([spec.prepared(data.photo(name), 32) for name in data.PHOTOS])
    left, right = (twin.predict(twin.recogniser("own"), images) for twin in TWINS.values())
    assert compare.difference(left, right) <= 1e-4
    with pytest.raises(ValueError, match="choose from: mobilenet"):
        spec.network("other")


def test_what_our_own_network_has_learnt():
    """The recorded accuracy is far above chance, and the shipped weights are those of that run."""
    record, = runs.records("cnn/recognise", "things")
    assert 0.5 < record["metrics"]["test_accuracy"] < 0.9 and len(record["history"]["loss"]) == spec.TRAINING.epochs
    path = runs.checkpoint("cnn/recognise", "things")
    assert path.stat().st_size < 1_000_000 and runs.about(path)["seed"] == record["seed"]
    assert (path.parent / "README.md").is_file(), "a model card"


def test_records_agree_between_twins_and_with_what_photos_show():
    keras, torch = sorted(runs.records("cnn/recognise", "photos"), key=lambda record: record["framework"])
    for left, right in zip(keras["table"], torch["table"], strict=True):
        assert [word for word, _ in left["guesses"]] == [word for word, _ in right["guesses"]]
    first = {(row["photo"], row["network"]): row["guesses"][0][0] for row in torch["table"]}
    assert first["coffee", "mobilenet"] == first["coffee", "squeezenet"] == "espresso"


def test_pets_record():
    record, = runs.records("cnn/recognise", "pets")
    assert len(record["breeds"]) == len(record["ranks"]["mobilenet"]) == record["metrics"]["photos"]
    assert set(record["breeds"]) == set(spec.BREEDS)
    top5 = np.mean(np.array(record["ranks"]["mobilenet"]) <= 5)
    assert top5 == pytest.approx(record["metrics"]["mobilenet_top5"]) and top5 > 0.9


def test_full_run_of_crops_on_a_stand_in(monkeypatch):
    """The recorded task's code, with our own network in place of the real one."""
    monkeypatch.setattr(full, "REAL", ("own",))
    monkeypatch.setattr(data, "class_names", lambda: spec.THINGS)
    monkeypatch.setattr(full, "_files", lambda: ("a", "b"))
    result = full.crops(with_torch)
    assert len(result["table"]) == len(data.PHOTOS) * len(full.CROPS)
    json.dumps(result)


LARGE_JPEG = as_file(Image.fromarray(RNG.integers(0, 256, (200, 300, 3), dtype=np.uint8)), "JPEG")


def test_the_widget_says_how_large_a_file_may_be():
    """What is larger never arrives whole: the server's limit on messages, hub/jupyter_server_config.json, is a little higher."""
    widget = guess(with_torch, "own")
    assert "at most 60 MB" in widget.children[1].children[1].value
    with pytest.raises(ValueError, match="monster.png has 61.0 MB; at most 60 MB can be uploaded"):
        uploads.picture({"name": "monster.png", "size": 61_000_000, "content": memoryview(b"")})
    server = json.loads((ROOT / "hub/jupyter_server_config.json").read_text())["ServerApp"]["tornado_settings"]
    assert uploads.LARGEST + 2**20 < server["websocket_max_message_size"]


def upload(widget, content, name="photo.png"):
    counter = widget.children[1].children[0]
    counter.value = ({"name": name, "type": "image/png", "size": len(content), "content": memoryview(content), "last_modified": datetime.now()},)
    return widget.children[1].children[1].value


@pytest.mark.parametrize("kind", ["alpha", "16 bits", "animated", "tiny"])
def test_the_widget_answers(kind):
    answer = upload(guess(with_torch, "own"), files()[kind])
    assert "knows 10 kinds" in answer and answer.count("<meter") == spec.GUESSES


def test_the_widget_says_what_is_wrong():
    widget = guess(with_torch, "own")
    assert "my.txt is not a picture that can be read; PNG and JPEG are." in upload(widget, b"words", "my.txt")
    assert "cut.jpg is not a picture that can be read: it is damaged or cut short" in upload(widget, LARGE_JPEG[:5000], "cut.jpg")
    said = upload(widget, as_file(Image.new("1", (20_000, 20_000))), "vast.png")
    assert "vast.png is not a picture that can be read: it has 400,000,000 pixels; the limit is" in said
    assert "at least 8 x 8" in upload(widget, as_file(Image.new("RGB", (5, 5))))
    assert "<script" not in told([("<script>", 0.5)], "<script>", "x", 2)
    with pytest.raises(ValueError, match="there is no network"):
        guess(with_torch, "other")


def test_the_best_network_at_hand(monkeypatch, tmp_path):
    monkeypatch.setenv("DLBOOK_MIRROR", str(tmp_path))
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path))
    assert spec.best_at_hand() == "own"
    for name in ("mobilenet_v1_075_224/mobilenet_v1_0.75_224.npz", "imagenet_classes/imagenet_class_index.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert spec.best_at_hand() == "mobilenet"


def test_answers_are_drawn():
    fig = answers([GROUND], [[("espresso", 0.9), ("cup", 0.1)]], "One photo", [("cup",)])
    assert len(fig.axes) == 2 and "espresso  90.0%" in [text.get_text() for text in fig.axes[1].texts]
    with pytest.raises(ValueError, match="each photo needs its guesses"):
        answers([GROUND], [], "None")
