"""Reads weights of other people's networks from the formats they are published in, as NumPy arrays and never by pickle."""
import re
from pathlib import Path

import numpy as np

from dlbook.data import official
from dlbook.data.registry import FILES, fetch

# Library -> network -> registered name of its official weights, trained on ImageNet, with the 1000-class top.
OFFICIAL = {
    "torchvision": {network: f"torchvision/{facts[0]}" for network, facts in official.TORCHVISION.items()},
    "keras": {network: f"keras/{facts[0].rpartition('/')[2]}" for network, facts in official.KERAS.items()},
}


def read_official(library, network):
    """Read a network's official weights.

    Args:
        library: `torchvision` or `keras`.
        network: for example `resnet18`.

    Returns:
        dict of name to array, as `read`; those of torchvision under the names that its models have today.

    Raises:
        ValueError: an unknown library or network.
        DataError: the file cannot be had.
    """
    if library not in OFFICIAL:
        raise ValueError(f"there are no official weights of {library!r}; choose from: {', '.join(OFFICIAL)}.")
    if network not in OFFICIAL[library]:
        raise ValueError(f"{library} has no registered weights of {network!r}; it has: {', '.join(OFFICIAL[library])}.")
    # torchvision's files of DenseNet keep names of an older version: `denselayer1.norm.1.weight` is `denselayer1.norm1.weight` now.
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", name): array
            for name, array in read(OFFICIAL[library][network]).items()}


def read(name_or_path):
    """Read a file of weights.

    Args:
        name_or_path: a registered name, or the path of a file `.npz`, `.h5`, `.safetensors` or `.pth`.

    Returns:
        dict of name to NumPy array, under the names and in the layout of the file: `conv1.weight` (O, I, H, W) from `.pth`,
        `<layer>/<weight>`, for example `conv1/kernel:0` (H, W, I, O), from `.h5`, where a layer `conv1/bn` becomes `conv1_bn`.
        Kernels that an `.npz` stores as 8-bit numbers come back as float32; in such
        a file all weights are called `<layer>.kernel` and `<layer>.bias`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another format, or a file that is cut short or is not what its name says.
        DataError: a registered file cannot be had.
    """
    path = Path(fetch(name_or_path) if name_or_path in FILES else name_or_path)
    if path.suffix not in READERS:
        raise ValueError(f"{path} is in no known format of weights; known: {', '.join(READERS)}.")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}, and no registered file of that name.")
    try:
        return READERS[path.suffix](path)
    except Exception as error:  # each library raises errors of its own kinds for a damaged file
        why = str(error).split("\n")[0][:100] or type(error).__name__
        raise ValueError(f"{path} is not a whole {path.suffix} file of weights ({why}); copy or download it again.") from error


def _read_npz(path):
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return _from_8_bits(arrays) if any(name.endswith("_Wq") for name in arrays) else arrays


def _from_8_bits(arrays):
    """Kernels stored as `<layer>_Wq` (0..255), `_Wscale` and `_Wmin`, or whole as `_W`; biases as `_b`."""
    weights = {}
    for name, array in arrays.items():
        layer, _, kind = name.rpartition("_")
        if kind == "Wq":
            # W = q * scale + smallest
            weights[f"{layer}.kernel"] = (array * arrays[f"{layer}_Wscale"] + arrays[f"{layer}_Wmin"]).astype(np.float32)
        elif kind in ("W", "b"):
            weights[f"{layer}.{'kernel' if kind == 'W' else 'bias'}"] = array
    return weights


def _read_h5(path):
    """Keras' older layout: one group a layer, whose attribute `weight_names` lists the arrays in it."""
    import h5py

    with h5py.File(path) as file:
        root = file["model_weights"] if "model_weights" in file else file  # a whole model has its weights in a group
        pairs = [(f"{layer.replace('/', '_')}/{short}", root[layer][name][()]) for layer in _listed(root, "layer_names")
                 for name, short in _shortened(_listed(root[layer], "weight_names"))]
    weights = dict(pairs)
    if len(weights) < len(pairs):
        raise ValueError("two weights have the same name")
    return weights


def _shortened(names):
    """(name, its last part) of a layer's weights: before it stand scopes or the layer's name again. Layers of layers need it all."""
    short = [name.rpartition("/")[2] for name in names]
    return zip(names, short if len(set(short)) == len(short) else names)


def _listed(group, attribute):
    """Names in an attribute; Keras splits a list too long for one attribute into `<attribute>0`, `<attribute>1`, ..."""
    parts = [attribute] if attribute in group.attrs else [f"{attribute}{k}" for k in range(len(group.attrs)) if f"{attribute}{k}" in group.attrs]
    if not parts:
        raise ValueError(f"not in Keras' layout: {group.name} has no {attribute}")
    names = [name for part in parts for name in group.attrs[part]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _read_safetensors(path):
    from safetensors.numpy import load_file

    return load_file(path)


def _read_pth(path):
    # Imported here: this format is PyTorch's own, and nobody else needs PyTorch to read weights.
    import torch

    stored = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.detach().numpy() for name, tensor in stored.items()}


READERS = {".npz": _read_npz, ".h5": _read_h5, ".safetensors": _read_safetensors, ".pth": _read_pth}
