"""Photos of cats and dogs: a part of the Oxford-IIIT Pet Dataset, in `full` only."""
import csv
import io
from dataclasses import dataclass, field

import numpy as np

from dlbook import profile
from dlbook.data import zipped
from dlbook.data.registry import FILES, DataError

FILE = "oxford_pets_small/oxford_pets_small.zip"
FOLDER = "oxford_pets_small"  # in the ZIP file
SPECIES = ("cat", "dog")
SOURCE = "Oxford-IIIT Pet Dataset, reduced to 1,779 photos"


@dataclass(frozen=True, eq=False)
class Pets:
    """Photos of pets.

    Args:
        source, licence: in words.
        images: tuple of N photos (H, W, 3) uint8, R, G, B, of different sizes, longer side 160 pixels.
        species: (N,) int64: 0 cat, 1 dog.
        breeds: (N,) int64, numbers into `breed_names`.
        test: (N,) bool, whether a photo is in the official test part.
        breed_names: tuple of str, sorted.
        files: names of the registered files they were read from.
    """
    source: str
    licence: str
    images: tuple = field(repr=False)
    species: np.ndarray = field(repr=False)
    breeds: np.ndarray = field(repr=False)
    test: np.ndarray = field(repr=False)
    breed_names: tuple = field(repr=False)
    files: tuple = (FILE,)

    def __str__(self):
        return f"{self.source}: {(~self.test).sum():,} photos to train on, {self.test.sum():,} to test on"


def pets(name=None):
    """The photos, with species, breed and official split.

    Args:
        name: `full`, or None for the profile in force, which must then be `full`.

    Returns:
        Pets.

    Raises:
        ValueError: an unknown profile.
        DataError: the profile is `quick`, which has no pets; or the file is neither cached nor on the mirror.

    Source: Parkhi, Vedaldi, Zisserman and Jawahar (2012), "Cats and dogs", CVPR.
    """
    if profile.chosen(name) == "quick":
        raise DataError("no photos of pets are embedded, so profile 'quick' has none; "
                        "data.pets('full') or DLBOOK_PROFILE=full reads the Oxford pets (12 MB).")
    with zipped.archive(FILE) as opened:
        text = opened.read(f"{FOLDER}/labels.csv").decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        images = tuple(zipped.picture(opened, f"{FOLDER}/images/{row['id']}.jpg") for row in rows)
    breeds = tuple(sorted({row["breed"] for row in rows}))
    species, numbers = ([values.index(row[key]) for row in rows] for key, values in (("species", SPECIES), ("breed", breeds)))
    test = np.array([row["split"] == "test" for row in rows])
    return Pets(SOURCE, FILES[FILE].licence, images, np.array(species), np.array(numbers), test, breeds)
