"""VGG's facts: the layers of each column of the paper, published counts, official weights.

Source: Simonyan and Zisserman (2014), "Very deep convolutional networks for large-scale image recognition", tables 1 and 2.
"""
from dataclasses import dataclass, replace

from dlbook.cnn.blocks.start import SIZE, LocalNorm, Official
from dlbook.cnn.blocks.table import Tape, by_name, check_common, checked, is_whole, wholes

KERNEL = 3  # pixels; the side of every convolution that names no other
POOL = 2  # pixels; side and stride of every pooling
CLASSIFIER_POOL = 7  # side of the last maps at 224 pixels
LRN = LocalNorm(n=5, k=2.0, alpha=1e-4, beta=0.75)  # AlexNet's, says section 2.1

# A number is a convolution of 3 x 3 with so many maps, (maps, side) one of another side, each followed by ReLU;
# "M" halves the maps, "LRN" is local response normalisation.
A = (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
A_LRN = (64, "LRN", "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
B = (64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M")
C = (64, 64, "M", 128, 128, "M", 256, 256, (256, 1), "M", 512, 512, (512, 1), "M", 512, 512, (512, 1), "M")
D = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
E = (64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M")


@dataclass(frozen=True)
class Architecture:
    """What fixes a VGG network.

    Args:
        layers: the convolutional part, see above.
        hidden: units of the fully connected layers before the last.
        top: classify; False ends with the last maps and reads images of any size.
        pooling: `max` (the paper) or `average` (smoother, for style transfer).
        pool_padding: `valid` (the paper: an odd last row or column is left out) or `same` (it is pooled by itself).
        dropout: share of the hidden units set to zero in training.
        classifier_pool: the classifier reads the means of so many x so many windows that cover the last maps: 7 (torchvision)
            lets official weights read images of any size, and changes nothing at 224 pixels; None: the maps themselves (the paper).
        size: of the images, side or (height, width); None takes any, without the classifier.
        channels: of the images; num_classes: to tell apart.
        scaling: of images in [0, 1], see `blocks.images`.
    """
    layers: tuple = D
    hidden: tuple = (4096, 4096)
    top: bool = True
    pooling: str = "max"
    pool_padding: str = "valid"
    dropout: float = 0.5
    classifier_pool: int | None = None
    size: int | tuple | None = SIZE
    channels: int = 3
    num_classes: int = 1000
    scaling: str = "imagenet"

    def __post_init__(self):
        wrong = [layer for layer in self.layers if not _is_layer(layer)]
        if wrong or not self.layers:
            raise ValueError(f"a layer is a number of maps, (maps, side) with an odd side, 'M' or 'LRN'; got {repr(wrong[0]) if wrong else 'none'}.")
        if set(self.layers) <= {"M", "LRN"}:
            raise ValueError(f"layers must hold a convolution, a number of maps or (maps, side); got {self.layers}.")
        wholes("hidden", self.hidden)
        if self.pooling not in ("max", "average"):
            raise ValueError(f"pooling must be 'max' or 'average'; got {self.pooling!r}.")
        if self.pool_padding not in ("valid", "same"):
            raise ValueError(f"pool_padding must be 'valid' or 'same'; got {self.pool_padding!r}.")
        if self.classifier_pool is not None and not is_whole(self.classifier_pool):
            raise ValueError(f"classifier_pool must be a whole number of 1 or more, or None; got {self.classifier_pool!r}.")
        if self.top and self.size is None:
            raise ValueError("the classifier needs images of one size; got size None: give a size, or take top=False for the maps alone.")
        check_common(self, any_size=True)


def _is_layer(layer):
    if isinstance(layer, tuple):
        return len(layer) == 2 and all(is_whole(n) for n in layer) and layer[1] % 2 == 1
    return layer in ("M", "LRN") or is_whole(layer)


VARIANTS = {"11": Architecture(A), "11-LRN": Architecture(A_LRN), "13": Architecture(B), "16C": Architecture(C), "16": Architecture(D), "19": Architecture(E)}
LETTERS = {"11": "A", "11-LRN": "A-LRN", "13": "B", "16C": "C", "16": "D", "19": "E"}  # columns of the paper's table 1

# The authors' own weights, which Keras has too: B, G, R minus the mean.
KERAS = {name: replace(VARIANTS[name], scaling="caffe") for name in ("16", "19")}
# The convolutions alone, as style transfer uses them.
MAPS = {name: replace(a, top=False, size=None) for name, a in KERAS.items()}

# Learnt parameters, weights and biases; torchvision and Keras count the same.
PARAMETERS = {"11": 132_863_336, "11-LRN": 132_863_336, "13": 133_047_848, "16C": 133_638_952, "16": 138_357_544, "19": 143_667_240}
PARAMETERS_PAPER = {"11": 133, "11-LRN": 133, "13": 133, "16C": 134, "16": 138, "19": 144}  # millions: table 2
# Multiply-accumulates at 224 pixels in units of 10^9: torchvision's `_ops`; it has no 16C and no 11-LRN.
GIGA_OPERATIONS = {"11": 7.61, "13": 11.31, "16": 15.47, "19": 19.63}
# Top-1 and top-5 accuracy in per cent on ImageNet's validation images, of torchvision's weights (one crop) and of Keras'.
ACCURACY = {"11": (69.02, 88.63), "13": (69.93, 89.25), "16": (71.59, 90.38), "19": (72.38, 90.88)}
KERAS_ACCURACY = {"16": (71.3, 90.1), "19": (71.3, 90.0)}


def architecture(a):
    """The Architecture that `a` is, or that it names in `VARIANTS`; see `blocks.table.by_name`."""
    return by_name(a, Architecture, VARIANTS, "VGG")


def steps(a):
    """The convolutional part, layer by layer.

    Args:
        a: Architecture.

    Returns:
        list of (kind, number, filters, kernel): `conv` 4_2 is the second convolution of the fourth stage; `lrn` and `pool`
        have the number of their stage, a second `lrn` of the first stage is 1_2, and neither has filters and kernel.
    """
    found, stage, conv, lrn = [], 1, 0, 0
    for layer in a.layers:
        if layer == "M":
            found.append(("pool", f"{stage}", None, None))
            stage, conv, lrn = stage + 1, 0, 0
        elif layer == "LRN":
            lrn += 1
            found.append(("lrn", f"{stage}" if lrn == 1 else f"{stage}_{lrn}", None, None))
        else:
            conv += 1
            filters, kernel = layer if isinstance(layer, tuple) else (layer, KERNEL)
            found.append(("conv", f"{stage}_{conv}", filters, kernel))
    return found


def hidden(a):
    """The fully connected layers before the last: list of (number, units); the first number follows the last stage's."""
    return list(enumerate(a.hidden, 1 + sum(layer == "M" for layer in a.layers)))


def table(a, size=None):
    """The table of layers.

    Args:
        a: Architecture or its name.
        size: of the images, if not the architecture's; an open one is 224.

    Returns:
        list of Row, from the input to the logits, or to the last maps.

    Raises:
        ValueError: images too small for the layers.
    """
    a = architecture(a)
    size = a.size if size is None else size
    return checked(_write, replace(a, size=SIZE if size is None else size))


def _write(a):
    tape = Tape(a.size, a.channels)
    for kind, number, filters, kernel in steps(a):
        with tape.block(f"stage{number.partition('_')[0]}"):
            _step(tape, a, kind, number, filters, kernel)
    if a.top:
        _classifier(tape, a)
    return tape.rows


def _step(tape, a, kind, number, filters, kernel):
    if kind == "conv":
        tape.conv(f"conv{number}", filters, kernel, bias=True)
        tape.same(f"relu{number}", "relu")
    elif kind == "lrn":
        tape.same(f"lrn{number}", "lrn", f"{LRN.n} adjacent maps")
    else:
        tape.pool(f"pool{number}", POOL, POOL, a.pool_padding, a.pooling)


def _classifier(tape, a):
    # At the size where the maps are as large already, the means are the maps.
    if a.classifier_pool and tape.shape[:2] != (a.classifier_pool, a.classifier_pool):
        tape.adaptive_pool("classifier_pool", a.classifier_pool)
    tape.flatten("flatten")
    for number, units in hidden(a):
        tape.dense(f"fc{number}", units)
        tape.same(f"relu{number}", "relu")
        tape.same(f"dropout{number}", "dropout")
    tape.dense("logits", a.num_classes)


def pooled(a):
    """Whether the classifier reads means of the last maps."""
    return any(row.name == "classifier_pool" for row in table(a))


def flattened(a):
    """How many numbers the classifier reads: H * W * C of the last maps or their means."""
    return next(row.shape[0] for row in table(a) if row.kind == "flatten")


def check_names(names, known):
    """Refuse names of layers that a network does not have.

    Args:
        names: list of names.
        known: names of the network's layers.

    Raises:
        TypeError: one name that is not in a list.
        ValueError: an unknown name.
    """
    if isinstance(names, str):
        raise TypeError(f"names is a list of names; got {names!r}: write [{names!r}].")
    for name in names:
        if name not in known:
            raise ValueError(f"there is no layer {name!r}; this network has: {', '.join(known)}.")


def torchvision_name(a):
    """torchvision's names, which count the layers of each part.

    Args:
        a: Architecture.

    Returns:
        function of one of our layers' names -> torchvision's: `conv1_2` -> `features.2`, `fc7` -> `classifier.3`.
    """
    names, place = {}, 0
    for kind, number, _, _ in steps(a):
        names[f"{kind}{number}"] = f"features.{place}"
        place += 2 if kind == "conv" else 1  # a ReLU follows
    for place, (number, _) in enumerate(hidden(a)):
        names[f"fc{number}"] = f"classifier.{3 * place}"  # a ReLU and dropout follow
    names["logits"] = f"classifier.{3 * len(a.hidden)}"
    return lambda name: names.get(name, name)


def keras_name(name):
    """The name that keras.applications gives one of our layers: `conv4_2` -> `block4_conv2`, `fc6` -> `fc1`."""
    if name.startswith("conv"):
        return "block{}_conv{}".format(*name[4:].split("_"))
    if name.startswith("pool"):
        return f"block{name[4:]}_pool"
    return {"fc6": "fc1", "fc7": "fc2", "logits": "predictions"}.get(name, name)


CLASSIFIES = ("pooling", "pool_padding", "dropout")  # what the weights do not depend on
ANY_SIZE = (*CLASSIFIES, "size", "hidden", "num_classes", "classifier_pool")  # nor those of the convolutions alone


def _official(a, file, names):
    """A file's weights for the whole network, for the one whose classifier reads means, and those of its convolutions."""
    means = replace(a, classifier_pool=CLASSIFIER_POOL)
    return (Official(a, file, names, CLASSIFIES), Official(means, file, names, (*CLASSIFIES, "size")),
            Official(replace(a, top=False), file, names, ANY_SIZE))


# Of several files that fit, the first that is on this machine is taken, else the first that can be downloaded.
OFFICIAL = (
    *_official(VARIANTS["11"], "torchvision/vgg11-8a719046.pth", torchvision_name(VARIANTS["11"])),
    *_official(VARIANTS["13"], "torchvision/vgg13-19584684.pth", torchvision_name(VARIANTS["13"])),
    *_official(VARIANTS["16"], "torchvision/vgg16-397923af.pth", torchvision_name(VARIANTS["16"])),
    *_official(VARIANTS["19"], "torchvision/vgg19-dcbb9e9d.pth", torchvision_name(VARIANTS["19"])),
    *_official(KERAS["16"], "keras/vgg16_weights_tf_dim_ordering_tf_kernels.h5", keras_name),
    Official(MAPS["19"], "keras/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", keras_name, ANY_SIZE),  # a seventh of the next one
    *_official(KERAS["19"], "keras/vgg19_weights_tf_dim_ordering_tf_kernels.h5", keras_name),
    # Made from Keras' file; the kernels of stages 4 and 5 are rounded to 8 bits.
    Official(MAPS["19"], "vgg19/vgg19_conv_notop.npz", keras_name, ANY_SIZE),
)
