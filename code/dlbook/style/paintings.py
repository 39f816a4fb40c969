"""The paintings whose style the recorded runs take; each is fetched from where its file was published, and none is shipped."""
from dlbook.data import registry
from dlbook.style import images

# Name -> title, painter and year. All are in the public domain.
PAINTINGS = {
    "shipwreck": ("The Shipwreck of the Minotaur", "J. M. W. Turner, about 1810"),
    "starry_night": ("The Starry Night", "Vincent van Gogh, 1889"),
    "the_scream": ("The Scream", "Edvard Munch, 1893"),
    "composition_vii": ("Composition VII", "Wassily Kandinsky, 1913"),
    "wave": ("The Great Wave off Kanagawa", "Katsushika Hokusai, about 1831"),
}


def file(name):
    """The registered name of a painting's file.

    Args:
        name: a key of `PAINTINGS`.

    Returns:
        str, for `data.registry.fetch`.

    Raises:
        ValueError: an unknown name.
    """
    if name not in PAINTINGS:
        raise ValueError(f"there is no painting {name!r}; choose from: {', '.join(PAINTINGS)}.")
    return f"style_images/{name}.jpg"


def painting(name, size=None):
    """A painting.

    Args:
        name: a key of `PAINTINGS`.
        size: longer side, pixels; None gives the file's own.

    Returns:
        (H, W, 3) float32 in [0, 1].

    Raises:
        ValueError: an unknown name.
        DataError: its file is not at hand and cannot be fetched.
    """
    return images.read(registry.fetch(file(name)), size)
