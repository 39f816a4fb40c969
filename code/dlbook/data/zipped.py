"""Pictures in a ZIP file: read one by one, without unpacking them to disk."""
import io
from contextlib import contextmanager
from zipfile import ZipFile

import numpy as np

from dlbook.data.registry import fetch


@contextmanager
def archive(name):
    """A registered ZIP file, opened.

    Args:
        name: its registered name.

    Yields:
        zipfile.ZipFile.

    Raises:
        DataError: the file cannot be had.
    """
    with ZipFile(fetch(name)) as opened:
        yield opened


def picture(opened, path):
    """One picture of a ZIP file.

    Args:
        opened: zipfile.ZipFile.
        path: inside the file.

    Returns:
        (H, W, 3) uint8; R, G, B.
    """
    from PIL import Image

    with Image.open(io.BytesIO(opened.read(path))) as image:
        return np.asarray(image.convert("RGB"))
