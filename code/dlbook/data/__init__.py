"""Loaders by kind, and the registry of downloadable files."""
from dlbook.data.check import as_images
from dlbook.data.handwritten import Digits, digits
from dlbook.data.photo import digit_from_photo, frame
from dlbook.data.registry import DataError, fetch

__all__ = ["DataError", "Digits", "as_images", "digit_from_photo", "digits", "fetch", "frame"]
