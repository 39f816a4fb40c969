"""The painter beside which the reader sits: its buttons, its thread, and what it says, through the widgets themselves."""
import io
import sys
import time
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from PIL import Image
from pictures import as_file

from dlbook import profile, show

profile.setup("torch")

from dlbook.cnn.vgg import spec as vgg  # noqa: E402  (profile.setup comes first)
from dlbook.show.chat import LIVE  # noqa: E402
from dlbook.style.gatys import spec, with_torch  # noqa: E402

module = sys.modules["dlbook.show.painter"]  # the package's `painter` is the function
A = vgg.Architecture((4, "M", 5, "M", 6), top=False, size=None, hidden=(), scaling="caffe")
SETTINGS = spec.Settings(content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1", "relu3_1"), style_weight=1e-3, variation_weight=10.0, steps=10)
RNG = np.random.default_rng(0)
CONTENT, STYLES = RNG.random((40, 64, 3)), {"waves": RNG.random((30, 30, 3)), "stars": RNG.random((50, 40, 3))}


@pytest.fixture
def easel(monkeypatch):
    """The painter's inside; its box is what the reader sees."""
    kept = []
    monkeypatch.setattr(module, "_Easel", lambda *words, f=module._Easel: kept.append(f(*words)) or kept[-1])
    box = show.painter(with_torch, with_torch.vgg.vgg(A), CONTENT, STYLES, SETTINGS, 64)
    assert box.children[1] is kept[0].box
    yield kept[0]
    kept[0].stopping.set()
    if kept[0].thread:
        kept[0].thread.join(60)


def until(happened, seconds=60):
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def upload(easel, name, content):
    easel.upload.value = ({"name": name, "type": "image/png", "size": len(content), "content": memoryview(content), "last_modified": datetime.now()},)


def shown(easel):
    """The picture on the easel: (H, W, 3) in [0, 1]."""
    import base64

    return np.asarray(Image.open(io.BytesIO(base64.b64decode(easel.picture.value.partition("base64,")[2].partition('"')[0])))) / 255


def test_nothing_is_painted_before_the_button_is_pressed(easel):
    assert easel.thread is None and not easel.start.disabled and easel.stop.disabled and easel.progress.value == 0
    assert LIVE in easel.box._dom_classes and "Choose a style" in easel.note.value
    assert "at most 60 MB" in easel.note.value
    assert np.abs(shown(easel) - CONTENT).max() < 0.003 and 'alt="The picture that is painted if you upload none"' in easel.picture.value


def test_on_a_static_page_a_sentence_says_what_would_be_there():
    box = show.painter(with_torch, with_torch.vgg.vgg(A), CONTENT, STYLES, SETTINGS, 64)
    still = box.children[0]
    assert module.STATIC in still.value and LIVE not in still._dom_classes


def test_it_paints_to_the_end(easel):
    easel.start.click()
    assert easel.start.disabled and not easel.stop.disabled
    easel.thread.join(60)
    assert "Done: 10 steps in" in easel.note.value and easel.progress.value == easel.progress.max == 10
    assert not easel.start.disabled and easel.stop.disabled and "After 10 steps" in easel.picture.value
    assert shown(easel).shape == (40, 64, 3) and np.abs(shown(easel) - CONTENT).max() > 0.02


def test_what_the_controls_say_arrives(easel, monkeypatch):
    seen = {}

    def paint(twin, network, content, style, settings, size, on_step, progress):
        seen.update(twin=twin, content=content, style=style, settings=settings, size=size)
        raise ValueError("that is enough")

    monkeypatch.setattr("dlbook.style.painting.paint", paint)
    easel.style.value, easel.weight.value, easel.size.value, easel.steps.value = "stars", 1e-4, 96, 40
    easel.layer.value = "upper: from relu2_1"
    easel.start.click()
    easel.thread.join(60)
    s = seen["settings"]
    assert seen["style"] is STYLES["stars"] and seen["content"] is CONTENT and seen["twin"] is with_torch and seen["size"] == 96
    assert (s.style_weight, s.steps, s.style_layers) == (pytest.approx(1e-4), 40, ("relu2_1", "relu3_1"))
    assert "that is enough" in easel.note.value and not easel.start.disabled


def test_stop_keeps_the_picture_so_far(easel):
    easel.steps.value = 300
    easel.start.click()
    until(lambda: easel.progress.value >= 2)
    assert "s left" in easel.note.value
    easel.stop.click()
    easel.thread.join(60)
    done = easel.progress.value
    assert 2 <= done < 300 and f"Stopped after {done} of 300 steps; the picture so far stays." in easel.note.value
    assert f"After {done} steps" in easel.picture.value and np.abs(shown(easel) - CONTENT).max() > 0.01
    assert not easel.start.disabled and easel.stop.disabled
    easel.steps.value = 10
    easel.start.click()  # and it paints again
    easel.thread.join(60)
    assert "Done: 10 steps" in easel.note.value


def test_a_second_start_while_it_paints_is_refused(easel):
    easel.steps.value = 300
    easel.start.click()
    first = easel.thread
    easel.on_start(None)  # the button itself is disabled
    assert easel.thread is first and "It is painting already" in easel.note.value


def test_the_readers_own_photo(easel):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    stream = io.BytesIO()
    Image.fromarray(RNG.integers(0, 255, (300, 500, 3), np.uint8)).save(stream, "jpeg", exif=exif)
    upload(easel, "me.jpg", stream.getvalue())
    easel.start.click()
    easel.thread.join(60)
    assert "Done" in easel.note.value and shown(easel).shape == (64, 38, 3)


@pytest.mark.parametrize("name, content, words", [
    ("notes.txt", b"no picture", "notes.txt is not a picture that can be read; PNG and JPEG are."),
    ("<b>.png", b"", "&lt;b&gt;.png is not a picture that can be read"),
    ("cut.jpg", as_file(Image.fromarray(RNG.integers(0, 255, (200, 300, 3), np.uint8)), "jpeg")[:5000],
     "cut.jpg is not a picture that can be read: it is damaged or cut short"),
    ("vast.png", as_file(Image.new("1", (20_000, 20_000)), "png"),
     "vast.png is not a picture that can be read: it has 400,000,000 pixels; the limit is"),
])
def test_a_bad_file_is_said(easel, name, content, words):
    upload(easel, name, content)
    easel.start.click()
    easel.thread.join(60)
    assert words in easel.note.value and not easel.start.disabled and np.abs(shown(easel) - CONTENT).max() < 0.003


def test_what_is_too_large_or_too_small_is_said(easel, monkeypatch):
    monkeypatch.setattr("dlbook.style.limits.available", lambda: 1000)
    easel.start.click()
    easel.thread.join(60)
    assert "takes about" in easel.note.value and "GB are free" in easel.note.value
    monkeypatch.undo()
    stream = io.BytesIO()
    Image.new("RGB", (200, 2)).save(stream, "png")
    upload(easel, "line.png", stream.getvalue())
    easel.start.click()
    easel.thread.join(60)
    assert "too small" in easel.note.value and not easel.start.disabled


def test_choices_of_layers():
    five = spec.SETTINGS.style_layers
    assert module.layer_choices(five) == {"all": five, "lower: up to relu3_1": five[:3], "upper: from relu3_1": five[2:]}
    assert module.layer_choices(("relu1_1",)) == {"all": ("relu1_1",)}


def test_layers_keep_their_own_weights(easel):
    easel.settings = replace(SETTINGS, layer_weights=(0.2, 0.3, 0.5))
    easel.layer.value = "lower: up to relu2_1"
    assert easel._layer_settings() == {"style_layers": ("relu1_1", "relu2_1"), "layer_weights": (0.2, 0.3)}


@pytest.mark.parametrize("more, words", [({"styles": {}}, "a painter needs styles, a dict of name to picture; got none"),
                                         ({"size": 32}, "size must be from 64 to 512, as far as the slider goes; got 32"),
                                         ({"settings": replace(SETTINGS, steps=5)}, "steps must be from 10 to 300, .*; got 5")])
def test_what_the_painter_cannot_do_is_said(more, words):
    options = {"content": CONTENT, "styles": STYLES, "settings": SETTINGS, "size": 64} | more
    with pytest.raises(ValueError, match=words):
        show.painter(with_torch, with_torch.vgg.vgg(A), **options)
