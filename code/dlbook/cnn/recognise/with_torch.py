"""Recognition in PyTorch: build a network with learnt weights, ask it."""
import importlib

from dlbook import runs
from dlbook.cnn.blocks.with_torch import fit, predict, weights_of
from dlbook.cnn.recognise import spec

__all__ = ["ask", "fit", "predict", "recogniser", "untaught", "weights_of"]


def recogniser(name):
    """Build a network that has learnt to name what photos show.

    Args:
        name: `mobilenet`, `squeezenet` (both have learnt ImageNet), or `own`.

    Returns:
        torch.nn.Module that reads (N, H, W, 3) through `predict`.

    Raises:
        ValueError: another name.
        DataError: the official weights cannot be had.
    """
    one = spec.network(name)
    return _built(one, one.weights or runs.checkpoint("cnn/recognise", "things"))


def untaught(seed=0):
    """Our own network before it has learnt anything: (N, 32, 32, 3) -> (N, 10)."""
    return _built(spec.network("own"), None, seed)


def _built(one, weights, seed=0):
    system = importlib.import_module(f"dlbook.cnn.{one.system}.with_torch")
    return getattr(system, one.system)(one.a, seed, weights)


def ask(model, picture, names, k=spec.GUESSES):
    """What a network says to one photo.

    Args:
        model: from `recogniser`.
        picture: anything that `spec.prepared` reads, for example an array (H, W, 3).
        names: of its classes, see `spec.class_names`.
        k: how many guesses.

    Returns:
        list of (name, probability), the likeliest first.

    Raises:
        FileNotFoundError, ValueError: the picture cannot be read.
    """
    image = spec.prepared(picture, model.a.size)
    return spec.guesses(predict(model, image[None])[0], names, k)
