"""`python -m dlbook.style`: a picture comes out, and every slip is answered in one sentence."""
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from pictures import png

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
    (tmp_path / "chunk.png").write_bytes(png(np.random.default_rng(1).integers(0, 256, (40, 30, 3), np.uint8), (b"IDAT", b"\x9c\xcf\xfe\xe1")))
    images.save(np.zeros((40, 30, 3)), tmp_path / "black.png")
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
               "--pooling", "average", "--colour", "keep", "--resolutions", "1", "--precision", "bfloat16", "--share", "0.25", "0.75",
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


@pytest.mark.parametrize("framework", profile.FRAMEWORKS)
def test_masks_say_where_a_style_counts(folder, framework, capsys):
    """The same pair with each mask in the other's place gives another picture; grey of any depth, and ones for white, are read alike."""
    left = np.repeat([[1.0, 0.0]], 40, 0).repeat(15, 1)  # (40, 30)
    Image.fromarray((255 * left).astype(np.uint8)).save("left.png")
    Image.fromarray((1 - left).astype(np.uint8)).save("right.png")  # its white is 1
    Image.fromarray((65535 * (1 - left)).astype(np.uint16)).save("right16.png")
    found = {}
    for name, masks in (("a", ("left.png", "right.png")), ("b", ("right.png", "left.png")), ("c", ("left.png", "right16.png"))):
        assert run("--framework", framework, "--precision", "float32", "--style-weight", "100",
                   **{"--style": ("one.jpg", "two.png"), "--mask": masks, "--out": f"{name}.png", "--steps": 5}) == 0
        found[name] = images.read(f"{name}.png")
    assert np.abs(found["a"] - found["c"]).max() < 0.02 and np.abs(found["a"] - found["b"]).max() > 0.01
    assert "bfloat16" not in capsys.readouterr().out


@pytest.mark.parametrize("asked, fast, used", [("auto", True, "bfloat16"), ("auto", False, "network"), ("float32", True, "network"),
                                               ("bfloat16", False, "bfloat16")])
def test_precision_follows_the_processor_unless_it_is_named(folder, monkeypatch, capsys, asked, fast, used):
    seen = []
    monkeypatch.setattr(limits, "rounds_fast", lambda: fast)
    monkeypatch.setattr(command, "paint", lambda twin, network, content, styles, settings, *more: (
        seen.append(settings.precision) or optimise.Painting(content, {"content": [1.0, 2.0]})))
    assert run("--precision", asked) == 0
    assert seen == [used] and ("(maps in bfloat16)" in capsys.readouterr().out) == (used == "bfloat16")


def test_a_processor_is_known_by_its_flags(tmp_path):
    assert not limits.rounds_fast(tmp_path)
    (tmp_path / "proc").mkdir()
    for line, fast in (("flags\t\t: fpu avx512_bf16 sse", True), ("flags\t\t: fpu avx2", False), ("Features\t: fp bf16", True), ("model name\t: bf16", False)):
        (tmp_path / "proc/cpuinfo").write_text(f"processor\t: 0\n{line}\n")
        assert limits.rounds_fast(tmp_path) == fast


INTERRUPTED = """
import signal, sys
from dlbook import profile
signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background ignores it
profile.setup("torch")
from dlbook.cnn.vgg import spec as vgg
from dlbook.style import __main__ as command
from dlbook.style.gatys import with_torch
a = vgg.Architecture(tuple(layer if layer == "M" else 3 for layer in vgg.E), top=False, size=None, hidden=(), scaling="caffe")
with_torch.feature_network = lambda pooling: with_torch.vgg.vgg(a)
objective = with_torch.objective
def told(*words):
    asked, calls = objective(*words), []
    def ask(image):
        calls.append(1)
        if len(calls) == 5:
            print("painting", flush=True)
        return asked(image)
    return ask
with_torch.objective = told
sys.exit(command.main(sys.argv[1:]))
"""


def test_ctrl_c_keeps_the_picture_so_far(folder):
    """The signal itself, in a process of its own."""
    words = ["--content", "photo.png", "--style", "one.jpg", "--out", "c.png", "--size", "40", "--steps", "1000000", "--optimizer", "adam"]
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "painting\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and " of 1000000 steps; losses: content " in out and "Traceback" not in err
    assert np.abs(images.read("c.png") - images.read("photo.png")).max() > 0.05


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
    ({"--content": "chunk.png"}, "chunk.png is not a picture that can be read: it is damaged or cut short (broken PNG file"),
    ({"--out": "photo.png"}, "--out photo.png is one of the pictures that are read; give it another name"),
    ({"--out": "../photo.png/../photo.png"}, "to write photo.png into"),
    ({"--out": "c.tiff"}, "a picture is written as .png, .jpg, .jpeg; got 'c.tiff'"),
    ({"--out": "none/c.png"}, "there is no folder none to write c.png into"),
    ({"--size": 15}, "images of size (15, 11) are too small: this network reads 16 x 16 pixels or more"),
    ({"--size": 0}, "size must be a whole number of 1 or more; got 0"),
    ({"--steps": 0}, "steps must be a whole number of 1 or more; got 0"),
    ({"--style-weight": -1}, "style_weight must be a number of 0 or more; got -1.0"),
    ({"--share": ("1", "2")}, "--share needs one number for each of the 1 styles; got 2"),
    ({"--mask": "none.png"}, "there is no file none.png"),
    ({"--mask": ("one.jpg", "two.png")}, "--mask needs one file for each of the 1 styles; got 2"),
    ({"--mask": "one.jpg"}, "a mask lies over the content, which is 18 x 24 pixels at this size; one.jpg is 24 x 18: give it the content's"),
    ({"--mask": "black.png"}, "the mask black.png is black everywhere: no place is left for its style"),
    ({"--mask": "photo.png", "--out": "photo.png"}, "--out photo.png is one of the pictures that are read"),
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
