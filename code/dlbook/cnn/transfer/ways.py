"""The three ways, as they are trained and compared; for either framework."""
from dlbook.cnn.transfer import spec


def train(twin, photos, labels, validation=None, settings=None, seed=0, progress=True, **options):
    """Train a pretrained network: first its head alone, then, going on from there, all of it in small steps.

    A fresh head sends large, random gradients into the tower; so the tower waits until the head has learnt.

    Args:
        twin: `with_keras` or `with_torch`.
        photos: list of N photos (H, W, 3) or (H, W), uint8.
        labels: (N,) int64.
        validation: (photos, labels) measured after each epoch, or None.
        settings: dict of `frozen` and `tuned` to spec.Settings; None: `spec.SETTINGS`.
        seed: fresh weights, order, crops.
        progress: show progress lines.
        options: passed to the twin's `network`: architectures, weights.

    Returns:
        the network; and dict of `frozen` and `tuned` to history, the second with the first in front.
    """
    settings = settings or spec.SETTINGS
    network = twin.network("frozen", seed=seed, **options)
    frozen = twin.fit(network, photos, labels, settings["frozen"], seed, validation, progress=progress)
    twin.unfreeze(network)
    # Other crops than before.
    tuned = twin.fit(network, photos, labels, settings["tuned"], seed + 1000, validation, progress=progress)
    return network, {"frozen": frozen, "tuned": {name: frozen[name] + tuned[name] for name in frozen}}


def scratch(twin, photos, labels, validation=None, settings=None, seed=0, progress=True, **options):
    """Train a network from random weights; arguments as `train`, `settings` of `scratch`.

    Returns:
        the network, and its history.
    """
    network = twin.network("scratch", seed=seed, **options)
    return network, twin.fit(network, photos, labels, (settings or spec.SETTINGS)["scratch"], seed, validation, progress=progress)
