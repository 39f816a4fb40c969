"""The names of ImageNet's 1000 classes, in the order of every network's outputs."""
import json

from dlbook.data.registry import fetch

FILE = "imagenet_classes/imagenet_class_index.json"


def class_names():
    """Names of ImageNet's classes.

    Returns:
        tuple of 1000 str, for example `great white shark`.

    Raises:
        DataError: the file with the names cannot be had.
    """
    index = json.loads(fetch(FILE).read_text())  # number of the class, as text: [WordNet's number, name]
    return tuple(index[str(number)][1].replace("_", " ") for number in range(len(index)))
