"""The embedded photos, and the names of ImageNet's classes."""
import hashlib
import json

import numpy as np
import pytest
from test_data import at_hand

from dlbook import data
from dlbook.data import imagenet, photos, registry


@pytest.mark.parametrize("name", data.PHOTOS)
def test_photos_are_square_and_of_any_size(name):
    whole, small, large = data.photo(name), data.photo(name, 32), data.photo(name, 600)
    assert whole.ndim == 3 and small.shape == (32, 32, 3) and large.shape == (600, 600, 3)
    for pixels in (whole, small, large):
        assert pixels.dtype == np.float32 and 0 <= pixels.min() < 0.3 and 0.5 < pixels.max() <= 1
    assert np.allclose(small.mean((0, 1)), photos.centre(whole, 64).mean((0, 1)), atol=0.02)


def test_the_middle_is_cut_out():
    pixels = np.zeros((4, 10, 3))
    pixels[:, 3:7] = 1
    assert np.array_equal(photos.centre(pixels, 4), np.ones((4, 4, 3)))
    assert np.array_equal(photos.centre(pixels.transpose(1, 0, 2), 4), np.ones((4, 4, 3)))


def test_the_cat_is_ginger():
    red, green, blue = data.photo("cat", 64).mean((0, 1))
    assert red > green > blue


def test_a_photo_that_is_not_there():
    with pytest.raises(ValueError, match="there is no photo 'dog'; choose from: astronaut, cat, coffee, rocket, galaxies"):
        data.photo("dog")
    for size in (0, 2.5):
        with pytest.raises(ValueError, match=f"size is a whole number of pixels above 0, or None; got {size}"):
            data.photo("cat", size)


def test_class_names_are_read_in_the_order_of_their_numbers(monkeypatch, tmp_path):
    content = json.dumps({str(k): [f"n{k}", f"class_{k}"] for k in reversed(range(12))}).encode()
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy/names.json").write_bytes(content)
    monkeypatch.setitem(registry.FILES, "toy/names.json", registry.File("toy", "names.json", "", hashlib.sha256(content).hexdigest(), len(content), ""))
    monkeypatch.setattr(imagenet, "FILE", "toy/names.json")
    monkeypatch.setenv("DLBOOK_MIRROR", str(tmp_path))
    assert data.class_names() == tuple(f"class {k}" for k in range(12))


def test_the_real_class_names():
    at_hand(imagenet.FILE)
    names = data.class_names()
    assert len(names) == 1000 and names[0] == "tench" and names[2] == "great white shark" and names[285] == "Egyptian cat" and names[967] == "espresso"
