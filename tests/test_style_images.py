"""Pictures for style transfer: every kind of file becomes (H, W, 3) in [0, 1], upright and of the size asked for, or a clear sentence."""
import numpy as np
import pytest
from PIL import Image

from dlbook.style import images

# A picture whose corners, rows and columns differ: red grows to the right, green downwards.
ROWS, COLUMNS = np.meshgrid(np.linspace(0, 1, 30), np.linspace(0, 1, 44), indexing="ij")
PICTURE = np.stack([COLUMNS, ROWS, 1 - COLUMNS], -1)
BYTES = np.round(255 * PICTURE).astype(np.uint8)


def file(folder, name, picture, **more):
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(folder / name, **more)
    return folder / name


def near(found, want, apart=0.01):
    assert found.shape == want.shape and found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
    assert np.abs(found - want).max() <= apart


@pytest.mark.parametrize("name, more, apart", [("a.png", {}, 0.002), ("a.bmp", {}, 0.002), ("a.tif", {}, 0.002), ("a.webp", {"lossless": True}, 0.002),
                                               ("a.jpg", {"quality": 98}, 0.08), ("a.JPEG", {"quality": 98}, 0.08)])
def test_formats(tmp_path, name, more, apart):
    path = file(tmp_path, name, BYTES, **more)
    near(images.read(path), PICTURE, apart)
    near(images.read(str(path)), PICTURE, apart)
    near(images.read(Image.open(path)), PICTURE, apart)


@pytest.mark.parametrize("orientation, turned", [(3, np.rot90(BYTES, 2)), (6, np.rot90(BYTES)), (8, np.rot90(BYTES, -1)), (2, BYTES[:, ::-1])])
def test_a_turned_photo_is_turned_upright(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    near(images.read(file(tmp_path, "a.png", turned, exif=exif)), PICTURE)


def test_grey(tmp_path):
    grey = np.repeat(ROWS[..., None], 3, 2)
    near(images.read(file(tmp_path, "l.png", BYTES[..., 1])), grey)
    near(images.read(file(tmp_path, "16.png", np.round(ROWS * 65535).astype(np.uint16))), grey, 2e-5)
    near(images.read(file(tmp_path, "16.tif", np.round(ROWS * 65535).astype(np.uint16))), grey, 2e-5)
    near(images.read(file(tmp_path, "32.tif", np.round(ROWS * 2**30).astype(np.int32))), grey, 2e-5)
    near(images.read(file(tmp_path, "f.tif", ROWS.astype(np.float32))), grey, 2e-5)
    near(images.read(file(tmp_path, "f2.tif", (1000 * ROWS).astype(np.float32))), grey * 1000 / 65535, 2e-5)
    near(images.read(file(tmp_path, "bits.png", Image.fromarray(BYTES[..., 1]).point(lambda v: 255 * (v > 127), "1"))), np.round(grey))
    near(images.read(file(tmp_path, "dark.png", np.eye(9, dtype=np.uint16))), np.repeat(np.eye(9)[..., None] / 65535, 3, 2), 1e-6)
    near(images.read(file(tmp_path, "small.png", np.round(ROWS * 65535).astype(np.uint16)), 22), images.resized(grey, (15, 22)), 1e-3)


def test_transparent_becomes_white(tmp_path):
    alpha = np.dstack([BYTES, np.where(ROWS < 0.5, 0, 255).astype(np.uint8)])
    near(images.read(file(tmp_path, "rgba.png", alpha)), np.where(ROWS[..., None] < 0.5, 1, PICTURE))
    half = np.dstack([BYTES, np.full(ROWS.shape, 127, np.uint8)])
    near(images.read(file(tmp_path, "half.png", half)), PICTURE * 127 / 255 + 128 / 255, 0.01)
    grey = Image.fromarray(alpha).convert("LA")
    assert (images.read(file(tmp_path, "la.png", grey))[:15] == 1).all()
    indexed = Image.fromarray(np.tile(np.array([[0, 1]], np.uint8), (20, 10)), "P")
    indexed.putpalette([255, 0, 0, 0, 0, 255])
    read = images.read(file(tmp_path, "p.gif", indexed, transparency=0))
    assert read.shape == (20, 20, 3) and (read[:, 0::2] == 1).all() and (read[:, 1::2] == (0, 0, 1)).all()


def test_colours_for_print(tmp_path):
    near(images.read(file(tmp_path, "cmyk.jpg", Image.fromarray(BYTES).convert("CMYK"), quality=98)), PICTURE, 0.1)
    near(images.read(file(tmp_path, "cmyk.tif", Image.fromarray(BYTES).convert("CMYK"))), PICTURE, 0.01)


def test_the_first_picture_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    path = file(tmp_path, "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert (images.read(path) == (1, 0, 0)).all()


@pytest.mark.parametrize("size, shape", [(None, (30, 44)), (22, (15, 22)), (88, (60, 88)), (1, (1, 1)), (44, (30, 44))])
def test_size_is_the_longer_side(tmp_path, size, shape):
    path = file(tmp_path, "a.png", BYTES)
    assert images.read(path, size).shape == (*shape, 3)
    upright = images.read(file(tmp_path, "b.png", np.ascontiguousarray(BYTES.transpose(1, 0, 2))), size)
    assert upright.shape == (*shape[::-1], 3)


def test_tiny_and_huge(tmp_path):
    for side in (1, 20):
        assert images.read(file(tmp_path, f"{side}.png", BYTES[:side, :side])).shape == (side, side, 3)
    assert images.read(file(tmp_path, "line.png", BYTES[:1]), 20).shape == (1, 20, 3)
    path = file(tmp_path, "huge.bmp", Image.fromarray(BYTES).resize((6000, 4091)))
    near(images.read(path, 44), PICTURE, 0.03)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_a_large_deep_picture_is_the_mean_of_its_pixels(kind):
    """Pixels are averaged before they become three channels of floats; what comes out is as without."""
    most = {np.uint16: 65535, np.int32: 2**30, np.float32: 1}[kind]
    large = (np.kron(ROWS, np.ones((40, 40))) * most).astype(kind)
    want = images.resized(np.repeat((large / most).astype(np.float32)[..., None], 3, 2), (30, 44))
    near(images.read(Image.fromarray(large), 44), want, 2e-3)
    near(images.read(Image.fromarray(large)), np.repeat((large / most)[..., None], 3, 2), 2e-5)


def test_a_note_on_turning_that_is_damaged_changes_nothing():
    picture = Image.fromarray(BYTES)
    picture.info["exif"] = b"Exif\0\0MM\0\x1c\0\0\0\x08"
    near(images.read(picture), PICTURE)


def test_made_smaller_a_picture_is_averaged():
    """A chess board of single pixels turns grey, and does not flicker."""
    board = np.indices((64, 64)).sum(0)[..., None] % 2 * np.ones(3)
    assert np.abs(images.resized(board, (16, 16)) - 0.5).max() < 0.05
    assert images.resized(board, (64, 64)) is board
    large = images.resized(board.astype(np.float32), (90, 100))
    assert large.shape == (90, 100, 3) and large.dtype == np.float32 and 0 <= large.min() and large.max() <= 1


def test_covering_takes_the_middle():
    assert np.allclose(images.covering(PICTURE, (30, 30)), PICTURE[:, 7:37])
    assert images.covering(PICTURE, (60, 20)).shape == (60, 20, 3)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG"])
def test_saved_and_read_again(tmp_path, name):
    images.save(PICTURE, tmp_path / name)
    images.save(1 - PICTURE, tmp_path / name)
    near(images.read(tmp_path / name), 1 - PICTURE, 0.003 if name == "a.png" else 0.08)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_is_no_picture_is_said(tmp_path):
    (tmp_path / "text.png").write_text("I am no picture.")
    (tmp_path / "empty.png").write_bytes(b"")
    whole = file(tmp_path, "whole.png", RNG_BYTES).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:len(whole) // 2])
    for name in ("text.png", "empty.png", "cut.png", ""):
        with pytest.raises(ValueError, match="is not a picture that can be read"):
            images.read(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="there is no file .*none.png"):
        images.read(tmp_path / "none.png")
    for values in (np.full((4, 4), np.nan), np.full((4, 4), -1)):
        with pytest.raises(ValueError, match="finite values of 0 or more; this one has values from"):
            images.read(Image.fromarray(values.astype(np.float32)))
    for size in (0, 1.5, "10"):
        with pytest.raises(ValueError, match=f"size must be a whole number of 1 or more; got {size!r}"):
            images.read(tmp_path / "whole.png", size)


RNG_BYTES = np.random.default_rng(0).integers(0, 255, (50, 50, 3), np.uint8)


def test_where_nothing_can_be_written_is_said(tmp_path):
    with pytest.raises(ValueError, match="a picture is written as .png, .jpg, .jpeg; got 'a.gif'"):
        images.save(PICTURE, tmp_path / "a.gif")
    with pytest.raises(FileNotFoundError, match="there is no folder .*none to write a.png into"):
        images.save(PICTURE, tmp_path / "none" / "a.png")


def test_masks(tmp_path):
    """White counts, whatever number it is in the file; colours count as their lightness."""
    ramp = np.round(COLUMNS * 255).astype(np.uint8)
    for name, pixels in (("8.png", ramp), ("16.png", np.round(COLUMNS * 65535).astype(np.uint16)), ("rgb.png", np.repeat(ramp[..., None], 3, 2))):
        mask = images.read_mask(file(tmp_path, name, pixels))
        assert mask.shape == (30, 44) and mask.max() == 1 and np.abs(mask - COLUMNS).max() < 0.003
    ones = images.read_mask(file(tmp_path, "ones.png", (COLUMNS > 0.5).astype(np.uint8)))
    assert np.array_equal(ones, COLUMNS > 0.5)
    with pytest.raises(ValueError, match="the mask .*black.png is black everywhere: no place is left for its style"):
        images.read_mask(file(tmp_path, "black.png", 0 * BYTES))
