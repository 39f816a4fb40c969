"""Loaders by kind, and the registry of downloadable files."""
from dlbook.data import weights
from dlbook.data.check import as_images
from dlbook.data.cifar import things
from dlbook.data.clothes import clothes
from dlbook.data.handwritten import digits
from dlbook.data.imagenet import class_names
from dlbook.data.labelled import Labelled
from dlbook.data.language import Language, language
from dlbook.data.pets import Pets, pets
from dlbook.data.photo import digit_from_photo, frame
from dlbook.data.photos import PHOTOS, photo
from dlbook.data.registry import DataError, fetch
from dlbook.data.text import SOURCES, Symbols, Text, read_text, text

__all__ = ["PHOTOS", "SOURCES", "DataError", "Labelled", "Language", "Pets", "Symbols", "Text", "as_images", "class_names", "clothes", "digit_from_photo",
           "digits", "fetch", "frame", "language", "pets", "photo", "read_text", "text", "things", "weights"]
