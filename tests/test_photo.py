"""Photos of digits: any size, ground, ink and file; and what is no photo of a digit."""
import io
import struct

import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from pictures import as_file, png

from dlbook.data import digit_from_photo
from dlbook.data.photo import frame, opened

FONT = get_data_path() + "/fonts/ttf/DejaVuSans.ttf"
GROUNDS = {  # size, ground, ink
    "tall, cream paper": ((600, 800), (250, 245, 230), (30, 30, 60)),
    "wide blackboard": ((200, 120), (20, 40, 30), (240, 240, 240)),
    "red on blue": ((90, 90), (150, 190, 255), (230, 60, 60)),
    "large": ((2400, 1800), (255, 255, 255), (0, 0, 0)),
    "small": ((40, 40), (90, 90, 90), (250, 250, 0)),
}


def drawn(digit, size, ground, ink, seed=0):
    """A digit with uneven light and noise, as a camera would see it: (H, W, 3) uint8."""
    width, height = size
    picture = Image.new("RGB", size, ground)
    font = ImageFont.truetype(FONT, int(min(size) * 0.6))
    ImageDraw.Draw(picture).text((width * 0.45, height * 0.55), str(digit), fill=ink, font=font, anchor="mm")
    light = np.linspace(0.75, 1, width)[None, :, None] * np.linspace(1, 0.85, height)[:, None, None]
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    return np.clip(np.asarray(picture) * light + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", GROUNDS)
def test_framed_as_mnist(name):
    image = digit_from_photo(drawn(3, *GROUNDS[name]))
    assert image.shape == (28, 28) and image.dtype == np.float32 and image.max() == 1 and image.min() == 0
    rows, columns = np.flatnonzero(image.max(1) > 0.2), np.flatnonzero(image.max(0) > 0.2)
    assert 18 <= rows[-1] - rows[0] + 1 <= 22 and columns[-1] - columns[0] < rows[-1] - rows[0]
    centre = (image.sum(1) @ np.arange(28), image.sum(0) @ np.arange(28)) / image.sum()
    assert np.allclose(centre, 14, atol=0.1)
    assert (image[:3] == 0).all() and 0.05 < image.mean() < 0.25


def test_the_same_digit_from_every_ground():
    images = [digit_from_photo(drawn(3, *GROUNDS[name])) for name in GROUNDS]
    for image in images[1:]:
        assert np.corrcoef(images[0].ravel(), image.ravel())[0, 1] > 0.85


def test_every_kind_of_file_and_array(tmp_path):
    array = drawn(5, *GROUNDS["tall, cream paper"])
    want = digit_from_photo(array)
    grey16 = (np.asarray(Image.fromarray(array).convert("L")).astype(np.uint16) * 257)
    Image.fromarray(array).save(tmp_path / "photo.png")
    Image.fromarray(grey16).save(tmp_path / "grey16.png")
    turned = Image.Exif()
    turned[0x0112] = 6  # a camera held upright: turn by 90 degrees to see it
    Image.fromarray(np.rot90(array)).save(tmp_path / "turned.jpg", quality=95, exif=turned)
    alpha = np.dstack([array, np.full(array.shape[:2], 255, np.uint8)])
    for photo in (tmp_path / "photo.png", str(tmp_path / "grey16.png"), tmp_path / "turned.jpg", alpha, array / 255, Image.fromarray(array)):
        assert np.corrcoef(want.ravel(), digit_from_photo(photo).ravel())[0, 1] > 0.95


def test_transparent_ground_is_white():
    picture = Image.new("RGBA", (100, 100), (0, 0, 0, 0))
    ImageDraw.Draw(picture).text((50, 50), "7", fill=(0, 0, 0, 255), font=ImageFont.truetype(FONT, 60), anchor="mm")
    assert digit_from_photo(picture).max() == 1


@pytest.mark.parametrize("photo, error, words", [
    (np.full((50, 50), 200, np.uint8), ValueError, "no digit stands out"),
    (np.zeros((4, 50), np.uint8), ValueError, "at least 8 x 8"),
    (np.zeros((50, 50, 2), np.uint8), ValueError, r"got \(50, 50, 2\)"),
    (np.zeros((50, 50), complex), TypeError, "dtype complex128"),
    (np.full((50, 50), 7.0), ValueError, r"in \[0, 1\]; got 7 to 7"),
    ("no/such/photo.png", FileNotFoundError, "photo.png"),
    (None, TypeError, "a path, a PIL image or an array; got NoneType"),
])
def test_what_is_no_photo_is_refused(photo, error, words):
    with pytest.raises(error, match=words):
        digit_from_photo(photo)


def test_a_file_that_is_no_picture(tmp_path):
    (tmp_path / "notes.txt").write_text("seven")
    with pytest.raises(ValueError, match="notes.txt is not a picture"):
        digit_from_photo(tmp_path / "notes.txt")


def test_a_file_that_is_cut_short_and_a_folder(tmp_path):
    Image.fromarray(drawn(5, *GROUNDS["small"])).save(tmp_path / "photo.png")
    (tmp_path / "photo.png").write_bytes((tmp_path / "photo.png").read_bytes()[:-300])
    for path in (tmp_path / "photo.png", tmp_path):
        with pytest.raises(ValueError, match=f"{path.name} is not a picture that can be read"):
            digit_from_photo(path)


def test_a_damaged_file_is_said(tmp_path):
    """Pillow raises other errors than OSError for some damages; each becomes the same sentence."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    assert np.array_equal(np.asarray(opened(io.BytesIO(png(noise)))), noise)
    damaged = {"chunk.png": png(noise, (b"IDAT", b"\x9c\xcf\xfe\xe1")),  # SyntaxError
               "word.ppm": b"P6 60 40 2y5 " + noise.tobytes(),  # ValueError
               "short.dds": as_file(Image.fromarray(noise), "DDS")[:-300]}  # ValueError
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        for call in (opened, digit_from_photo):
            with pytest.raises(ValueError, match=f"{name} is not a picture that can be read: it is damaged or cut short"):
                call(tmp_path / name)
        with pytest.raises(ValueError, match="^mine is not a picture that can be read: it is damaged or cut short"):
            opened(io.BytesIO(content), "mine")


@pytest.mark.parametrize("error", [EOFError, struct.error, RuntimeError, NotImplementedError])
def test_whatever_a_reader_of_pictures_raises_is_a_sentence(error, monkeypatch):
    """No file is at hand for each of Pillow's errors, so its reader raises them here."""
    def load(self):
        raise error("oh")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", load)
    with pytest.raises(ValueError, match=r"damaged or cut short \(oh\)"):
        opened(io.BytesIO(png(np.zeros((9, 9, 3), np.uint8))))


def test_a_picture_that_is_too_large_is_said_with_the_limit(tmp_path):
    large = tmp_path / "large.png"
    Image.new("1", (20_000, 20_000)).save(large)
    with pytest.raises(ValueError, match=f"large.png is not a picture that can be read: it has 400,000,000 pixels; the limit is {2 * Image.MAX_IMAGE_PIXELS:,}"):
        opened(large)


def test_a_photo_whose_note_on_turning_is_damaged_stays_as_it_lies():
    picture = Image.fromarray(drawn(3, *GROUNDS["small"]))
    picture.info["exif"] = b"Exif\0\0MM\0\x1c\0\0\0\x08"  # no TIFF header, which Pillow answers with a SyntaxError
    assert np.array_equal(digit_from_photo(picture), digit_from_photo(drawn(3, *GROUNDS["small"])))


@pytest.mark.parametrize("as_other", [lambda a: a.tolist(), lambda a: a.astype(np.int64), lambda a: a.astype(np.uint16)], ids=["list", "int64", "uint16"])
def test_values_up_to_255_mean_the_same_in_every_integer_type(as_other):
    array = drawn(5, *GROUNDS["red on blue"])
    assert np.array_equal(digit_from_photo(array), digit_from_photo(as_other(array)))


@pytest.mark.parametrize("digit, words", [(np.zeros((2, 2, 3)), r"got \(2, 2, 3\)"), (np.zeros((0, 0)), r"got \(0, 0\)"), ([[np.nan]], "finite"), ([[-1.0]], "got -1")])
def test_frame_refuses_what_is_no_digit(digit, words):
    with pytest.raises(ValueError, match=words):
        frame(digit)


def test_frame_refuses_an_empty_picture():
    with pytest.raises(ValueError, match="no ink"):
        frame(np.zeros((8, 8)))
