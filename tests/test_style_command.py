"""`python -m dlbook.style`: a picture comes out, and every slip is answered in one sentence."""
import subprocess
import sys

import numpy as np
import pytest

from dlbook import profile

profile.setup()

from dlbook.cnn.blocks import start  # noqa: E402  (profile.setup comes first)
from dlbook.cnn.vgg import spec as vgg  # noqa: E402
from dlbook.style import __main__ as command  # noqa: E402
from dlbook.style import images, limits, optimise  # noqa: E402
from dlbook.style.gatys import with_keras, with_torch  # noqa: E402

RNG = np.random.default_rng(0)
# VGG19 with few maps: the same layers by name.
NARROW = vgg.Architecture(tuple(layer if layer == "M" else 3 for layer in vgg.E), top=False, size=None, hidden=(), scaling="caffe")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a photo and two paintings, and in place of VGG19 a network of the same layers with few maps."""
    for name, shape in (("photo.png", (40, 30, 3)), ("one.jpg", (33, 44, 3)), ("two.png", (64, 50, 3)), ("line.png", (9, 72, 3))):
        images.save(RNG.random(shape), tmp_path / name)
    (tmp_path / "text.png").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLBOOK_PROFILE", "quick")
    for twin in (with_keras, with_torch):
        monkeypatch.setattr(twin, "feature_network", lambda pooling, twin=twin: twin.vgg.vgg(NARROW))
    return tmp_path


def run(*words, **more):
    options = {"--content": "photo.png", "--style": "one.jpg", "--out": "c.png", "--size": 24, "--steps": 2} | more
    given = [str(word) for name, value in options.items() if value is not None for word in (name, *(value if isinstance(value, tuple) else (value,)))]
    return command.main([*given, *words])


@pytest.mark.parametrize("framework", profile.FRAMEWORKS)
def test_a_picture_comes_out(folder, capsys, framework):
    assert run("--framework", framework) == 0
    assert images.read("c.png").shape == (24, 18, 3)
    assert capsys.readouterr().out.startswith("c.png: 18 x 24 pixels; losses: content ")


def test_every_option(folder):
    assert run("--style-weight", "2", "--content-weight", "3", "--variation-weight", "1", "--optimizer", "adam", "--start", "noise", "--seed", "4",
               "--pooling", "average", "--colour", "keep", "--resolutions", "1", "--share", "0.25", "0.75",
               **{"--style": ("one.jpg", "two.png"), "--out": "d.jpg"}) == 0
    assert images.read("d.jpg").shape == (24, 18, 3)


def test_options_arrive(folder, monkeypatch):
    seen = {}

    def paint(twin, network, content, styles, settings, size, resolutions, colour):
        seen.update(twin=twin, content=content, styles=styles, settings=settings, size=size, resolutions=resolutions, colour=colour)
        return optimise.Painting(content, {"content": [1.0, 2.0]})

    monkeypatch.setattr(command, "paint", paint)
    assert run("--style-weight", "0.5", "--optimizer", "adam", "--start", "style", "--resolutions", "2", "--colour", "keep", "--share", "1", "3",
               **{"--style": ("one.jpg", "two.png"), "--size": 24, "--steps": 7}) == 0
    s = seen["settings"]
    assert (s.style_weight, s.optimizer, s.start, s.steps, seen["size"], seen["resolutions"], seen["colour"]) == (0.5, "adam", "style", 7, 24, 2, "keep")
    assert [style.share for style in seen["styles"]] == [1, 3] and [style.image.shape for style in seen["styles"]] == [(18, 24, 3), (24, 19, 3)]
    assert seen["content"].shape == (24, 18, 3) and seen["twin"] is with_torch


def test_an_interrupt_keeps_the_picture_so_far(folder, monkeypatch, capsys):
    calls = []

    def objective(*words, real=with_torch.objective):
        asked = real(*words)

        def interrupted(image):
            calls.append(image)
            if len(calls) == 4:
                raise KeyboardInterrupt
            return asked(image)
        return interrupted

    monkeypatch.setattr(with_torch, "objective", objective)
    assert run("--optimizer", "adam", **{"--steps": 50}) == 0
    assert "18 x 24 pixels, stopped after 2 of 50 steps; losses" in capsys.readouterr().out
    assert np.abs(images.read("c.png") - calls[2]).max() < 0.003
    calls[:] = [None] * 3
    assert run(**{"--out": "d.png"}) == 130
    assert "stopped before the first step; nothing was written" in capsys.readouterr().err and not (folder / "d.png").exists()


@pytest.mark.parametrize("more, words", [
    ({"--content": "none.png"}, "there is no file none.png"),
    ({"--style": "none.png"}, "there is no file none.png"),
    ({"--style": "text.png"}, "text.png is not a picture that can be read"),
    ({"--content": "text.png"}, "text.png is not a picture that can be read"),
    ({"--out": "photo.png"}, "--out photo.png is one of the pictures that are read; give it another name"),
    ({"--out": "../photo.png/../photo.png"}, "to write photo.png into"),
    ({"--out": "c.tiff"}, "a picture is written as .png, .jpg, .jpeg; got 'c.tiff'"),
    ({"--out": "none/c.png"}, "there is no folder none to write c.png into"),
    ({"--size": 15}, "images of size (15, 11) are too small: this network reads 16 x 16 pixels or more"),
    ({"--size": 0}, "size must be a whole number of 1 or more; got 0"),
    ({"--steps": 0}, "steps must be a whole number of 1 or more; got 0"),
    ({"--style-weight": -1}, "style_weight must be a number of 0 or more; got -1.0"),
    ({"--share": ("1", "2")}, "--share needs one number for each of the 1 styles; got 2"),
    ({"--style": "line.png"}, "style 1: images of size (3, 24) are too small: this network reads 16 x 16 pixels or more"),
    ({"--resolutions": 0}, "resolutions must be a whole number of 1 or more; got 0"),
    ({"--resolutions": 2}, "Ask for fewer resolutions or a larger size"),
])
def test_a_slip_is_answered_in_one_sentence(folder, capsys, more, words):
    assert run(**more) == 1
    said = capsys.readouterr()
    assert words in said.err and said.err.startswith("dlbook: ") and said.err.count("\n") == 1 and not said.out
    assert not (folder / "c.png").exists()


@pytest.mark.parametrize("more, words", [
    ({"--content": None}, "the following arguments are required: --content"),
    ({"--optimizer": "sgd"}, "argument --optimizer: invalid choice: 'sgd'"),
    ({"--size": "large"}, "argument --size: invalid int value: 'large'"),
])
def test_wrong_words_end_with_status_2(folder, capsys, more, words):
    with pytest.raises(SystemExit) as end:
        run(**more)
    assert end.value.code == 2 and words in capsys.readouterr().err


def test_too_large_for_the_memory_says_what_fits(folder, monkeypatch, capsys):
    monkeypatch.setattr(limits, "available", lambda: 50_000_000)
    assert run(**{"--size": 400}) == 1
    said = capsys.readouterr().err
    fits = int(said.partition("; size ")[2].split()[0])
    assert "a picture of 300 x 400 pixels takes about" in said and 16 <= fits < 400
    assert run(**{"--size": fits}) == 0


def test_without_weights_it_says_what_to_do(folder, monkeypatch, capsys):
    """The real VGG19, no mirror, no cache, no network."""
    monkeypatch.setattr(with_torch, "feature_network", lambda pooling: with_torch.vgg.vgg(command.spec.architecture(pooling), weights="official"))
    monkeypatch.delenv("DLBOOK_MIRROR", raising=False)
    monkeypatch.setenv("DLBOOK_CACHE", str(folder / "cache"))
    assert run() == 1
    said = capsys.readouterr().err
    assert "is not on this machine" in said and "set DLBOOK_PROFILE=full" in said and "DLBOOK_MIRROR" in said
    assert any(entry.file in said for entry in vgg.OFFICIAL) and isinstance(vgg.OFFICIAL[0], start.Official)


def test_from_the_shell(folder):
    done = subprocess.run([sys.executable, "-m", "dlbook.style", "--content", "none.png", "--style", "one.jpg", "--out", "c.png"],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "dlbook: there is no file none.png.\n")
