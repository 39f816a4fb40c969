"""The zoom from a picture to its numbers."""
import io

import numpy as np
import pytest
from PIL import Image

from dlbook.show import zoom as module
from dlbook.show.zoom import box, view, zoom

PHOTO = np.random.default_rng(0).random((40, 60, 3))


def frames(widget):
    return [[html.value for html in row.children] for row in widget.children[2].children]


def test_every_place_has_a_view_of_every_side():
    widget = zoom(PHOTO, {"corner": (0, 0), "middle": (20, 30)}, sides=(32, 16, 8), label="noise")
    shown = frames(widget)
    assert [len(row) for row in shown] == [3, 3]
    assert widget.children[0].options == ("corner", "middle") and widget.children[1].options[-1] == "8 x 8 pixels"
    assert "rows 0 to 31, columns 0 to 31: 32 x 32 x 3 = 3,072 numbers" in shown[0][0]
    assert "rows 16 to 23, columns 26 to 33: 8 x 8 x 3 = 192 numbers" in shown[1][2]
    assert 'alt="noise, middle: 8 x 8 pixels, on average' in shown[1][2]


def test_a_view_stays_within_the_photo():
    assert box((40, 60, 3), (0, 0), 8) == (0, 0, 8)
    assert box((40, 60, 3), (39, 59), 8) == (32, 52, 8)
    assert box((40, 60, 3), (20, 30), 40) == (0, 10, 40)


def test_a_view_shows_the_pixels_that_it_names():
    photo = np.zeros((40, 60, 3))
    photo[16:24, 26:34] = (1, 0, 0)
    near = np.asarray(Image.open(io.BytesIO(view(photo, (18, 28, 4)))).convert("RGB"), float)
    assert near[..., 0].mean() > 180 and near[..., 2].mean() < 90
    far = np.asarray(Image.open(io.BytesIO(view(photo, (0, 0, 8)))).convert("RGB"), float)
    assert abs(far[..., 0] - far[..., 2]).mean() < 5


def test_the_numbers_are_written_only_where_there_is_room(monkeypatch):
    written = []
    monkeypatch.setattr(module, "_write", lambda ax, photo, top, left, side: written.append(side))
    zoom(PHOTO, {"middle": (20, 30)}, sides=(32, 9, 8, 4))
    assert written == [8, 4]


@pytest.mark.parametrize("places, sides, words", [
    ({}, (16, 8), "places lie within 40 x 60 pixels; got none"), ({"far": (40, 0)}, (16, 8), r"got \['far'\]"),
    ({"a": (0, 0)}, (8, 16), "the sides get smaller, from at most 40 pixels"), ({"a": (0, 0)}, (41,), "at most 40 pixels"),
    ({"a": (0, 0)}, (), "the sides get smaller"),
])
def test_bad_input_gets_a_sentence(places, sides, words):
    with pytest.raises(ValueError, match=words):
        zoom(PHOTO, places, sides)


def test_grey_photos_are_refused():
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        zoom(PHOTO[..., 0], {"a": (0, 0)}, (8,))
