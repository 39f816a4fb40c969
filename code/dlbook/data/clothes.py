"""Clothes as 28 x 28 grey images: Fashion-MNIST, in `full` only."""
from dlbook import profile
from dlbook.data.labelled import read_idx_set
from dlbook.data.registry import DataError

NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def clothes(name=None):
    """Fashion-MNIST's 70,000 pictures of clothes, shoes and bags.

    Args:
        name: `full`, or None for the profile in force, which must then be `full`.

    Returns:
        Labelled.

    Raises:
        ValueError: an unknown profile.
        DataError: the profile is `quick`, which has no clothes; or Fashion-MNIST is neither cached nor on the mirror and
            cannot be downloaded.

    Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
        2017, table 2 (the classes).
    """
    if profile.chosen(name) == "quick":
        raise DataError("no pictures of clothes are embedded, so profile 'quick' has none; "
                        "data.clothes('full') or DLBOOK_PROFILE=full reads Fashion-MNIST (31 MB).")
    return read_idx_set("fashion_mnist", "Fashion-MNIST", "MIT, Zalando SE", NAMES)
