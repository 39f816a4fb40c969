"""From a chapter's source to a checked notebook and a page: the commands of `python -m dlbook.publish`."""
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


class PublishError(Exception):
    """Something a person can put right; its text is the sentence to show."""
