"""How a classifier is trained."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """How the network is trained, with Adam and a learning rate that falls along a half cosine.

    Args:
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: at the first step; 0 at the last.
        epsilon: added to the root in Adam; Keras' default. Keras adds it before the second moment's bias correction, PyTorch
            after it ("epsilon-hat"), which moves the loss of the first epoch by less than 1e-4.
        mirror: show a random half of the images mirrored, left for right; right for things that have no reading direction.
    """
    epochs: int
    batch_size: int
    learning_rate: float
    epsilon: float = 1e-7
    mirror: bool = False

    def __post_init__(self):
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        for name in ("learning_rate", "epsilon"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0; got {getattr(self, name)}.")
