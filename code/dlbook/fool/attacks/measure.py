"""How well a network withstands an attack; the same for both frameworks."""
from dataclasses import replace

import numpy as np

BATCH = 250  # images at once


def said(predict, network, images):
    """The class a network names for each image: (N,) int64; `predict` is the twin's function (network, images) -> (N, num_classes)."""
    return np.concatenate([predict(network, images[i:i + BATCH]).argmax(1) for i in range(0, len(images), BATCH)])


def withstands(twin, predict, network, images, labels, how, restarts=1):
    """Which images are still read right, after the best of several attacks.

    Args:
        twin: `with_torch` or `with_keras`.
        predict: function (network, images) -> (N, num_classes), of the network's own twin.
        network: the network.
        images: (N, H, W, C) in [0, 1].
        labels: (N,) what they show.
        how: spec.Attack.
        restarts: how often it is tried, from other random starts; an image withstands when every one fails.

    Returns:
        (N,) bool.
    """
    standing = said(predict, network, images) == labels
    for restart in range(restarts if how.epsilon else 0):
        left = np.flatnonzero(standing)
        for part in (left[i:i + BATCH] for i in range(0, len(left), BATCH)):
            changed = twin.attack(network, images[part], labels[part], replace(how, seed=how.seed + restart))
            standing[part] = said(predict, network, changed) == labels[part]
    return standing


def curve(twin, predict, network, images, labels, how, epsilons, restarts=1):
    """Accuracy against the size of the change.

    Args:
        twin, predict, network, images, labels, restarts: as for `withstands`.
        how: function of epsilon -> spec.Attack.
        epsilons: sizes.

    Returns:
        list of float, one a size.
    """
    return [float(withstands(twin, predict, network, images, labels, how(epsilon), restarts).mean()) for epsilon in epsilons]


def towards(twin, predict, network, images, labels, how):
    """Share of images that a targeted attack moves to the class after their own.

    Args:
        twin, predict, network, images, labels: as for `withstands`.
        how: targeted spec.Attack.

    Returns:
        float in [0, 1].
    """
    wanted = (labels + 1) % network.a.num_classes
    found = [said(predict, network, twin.attack(network, images[i:i + BATCH], wanted[i:i + BATCH], how)) == wanted[i:i + BATCH]
             for i in range(0, len(images), BATCH)]
    return float(np.concatenate(found).mean())
