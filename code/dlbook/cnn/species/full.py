"""The full run: the photos of pets, seen by the convolutions that learnt from VGG19; the last layer learns to tell cats from dogs."""
import numpy as np

from dlbook import data, runs
from dlbook.cnn.species import spec

BEGIN = ("style/features", "imitation")  # whose convolutions it begins with
LAST, STRENGTH = "relu5_1", 0.05  # the layer whose means are read; of the regression: smaller weights generalise better from 1,046 photos
SHIPPED = 0  # seed of the run whose weights the course ships; both twins load them


def run(framework, seed, folder):
    """Learn on the official training part and measure on the test part.

    Args:
        framework: `torch`; both twins load its weights.
        seed: nothing is drawn; it only names the record.
        folder: where the weights of the shipped run are written.

    Returns:
        dict of `files`, `metrics` and `history` (empty), as `runs.record` wants it.

    Raises:
        ValueError: framework `keras`.
    """
    if framework != "torch":
        raise ValueError(f"this network is trained in PyTorch alone, and both twins load it; got framework {framework!r}.")
    from dlbook.cnn.vgg import with_torch as twin

    pets, weights = data.pets("full"), begun(twin, seed)
    images = np.stack([spec.middle(image) for image in pets.images])
    seen = means(twin, twin.vgg(spec.NETWORK, seed, weights), images)
    model = twin.vgg(spec.NETWORK, seed, weights | head(seen[~pets.test], pets.species[~pets.test]))
    if seed == SHIPPED:
        folder.mkdir(parents=True, exist_ok=True)
        half = {name: value.astype("float16" if name.startswith("conv") else "float32") for name, value in twin.weights_of(model).items()}
        runs.save_weights(half, folder / "checkpoint.safetensors", trained_on=pets.source, begun_with="/".join(BEGIN), framework="torch", seed=seed)
    state = twin.weights_of(model)
    right = (seen @ state["logits.weight"].T + state["logits.bias"]).argmax(1) == pets.species
    parts = {"test": pets.test, "train": ~pets.test} | {name: pets.test & (pets.species == k) for k, name in enumerate(spec.NAMES)}
    return {"files": pets.files, "history": {}, "metrics": {f"{name}_accuracy": float(right[part].mean()) for name, part in parts.items()}}


def means(twin, model, images):
    """What the last layer reads: (N, maps), the mean of each of the last maps."""
    return np.concatenate([twin.features(model, images[i:i + 20], [LAST])[LAST].mean((1, 2)) for i in range(0, len(images), 20)])


def head(seen, labels):
    """The last layer, by logistic regression: dict of `logits.weight` (2, maps) and `logits.bias` (2,)."""
    from sklearn.linear_model import LogisticRegression

    middle, spread = seen.mean(0), seen.std(0) + 1e-6
    found = LogisticRegression(C=STRENGTH, max_iter=2000).fit((seen - middle) / spread, labels)
    slope = found.coef_[0] / spread
    bias = found.intercept_[0] - slope @ middle
    # Two logits, one for and one against, whose difference is the regression's.
    return {"logits.weight": np.stack([-slope, slope]).astype("float32") / 2, "logits.bias": np.array([-bias, bias], "float32") / 2}


def begun(twin, seed):
    """Starting weights: the shipped convolutions, and a last layer of zeros, since the maps hold large numbers; dict of name to array."""
    drawn = twin.weights_of(twin.vgg(spec.NETWORK, seed))
    return drawn | {"logits.weight": 0 * drawn["logits.weight"]} | runs.load_weights(runs.checkpoint(*BEGIN))
