"""The history of the ImageNet challenge as data: its results with their sources, and the networks that this course builds.

Errors are top-5 errors in per cent on the challenge's test images. Parameters, operations and depth are not written here: they
are counted from the networks' own tables. Accuracies are those of published weights, as each network's `spec.ACCURACY` has them.
"""
from dataclasses import dataclass

from dlbook.cnn.alexnet import spec as alexnet
from dlbook.cnn.blocks.table import depth, totals
from dlbook.cnn.densenet import spec as densenet
from dlbook.cnn.googlenet import spec as googlenet
from dlbook.cnn.inception import spec as inception
from dlbook.cnn.mobilenet import spec as mobilenet
from dlbook.cnn.mobilenet2 import spec as mobilenet2
from dlbook.cnn.nasnet import spec as nasnet
from dlbook.cnn.resnet import spec as resnet
from dlbook.cnn.squeezenet import spec as squeezenet
from dlbook.cnn.vgg import spec as vgg

CLASSES = 1000
IMAGES = {"training": 1_281_167, "validation": 50_000, "test": 100_000}  # since 2012; Russakovsky et al. (2015), table 2
HUMAN_IMAGES = 1500  # test images that the person in RESULTS labelled; Russakovsky et al. (2015), section 6.4


@dataclass(frozen=True)
class Result:
    """A top-5 error.

    Args:
        year: of the challenge; of publications, the challenge that they came after.
        name: of the network, or else of the method.
        team: who.
        error: in per cent.
        kind: `winner` (best entry of its year that used the challenge's images alone), `extra data` (the same team's entry
            that learnt from more images), `publication` (a paper between two challenges) or `person`.
        convnet: whether it is a convolutional network.
        source: where the number stands.
    """
    year: int
    name: str
    team: str
    error: float
    kind: str
    convnet: bool
    source: str


PAGE = "image-net.org/challenges/LSVRC"  # and the year: the organisers' results
OFFICIAL = "results page"
RESULTS = (
    Result(2010, "SIFT and LBP features, linear SVM", "NEC-UIUC", 28.2, "winner", False, f"{OFFICIAL}; Lin et al. (2011)"),
    Result(2011, "Fisher vectors, linear SVM", "XRCE", 25.8, "winner", False, f"{OFFICIAL}; Russakovsky et al. (2015)"),
    Result(2012, "AlexNet, five networks", "SuperVision", 16.4, "winner", True, f"{OFFICIAL} 0.16422; Krizhevsky et al. (2012), table 2"),
    Result(2012, "AlexNet, seven networks", "SuperVision", 15.3, "extra data", True, f"{OFFICIAL} 0.15315; Krizhevsky et al. (2012), table 2"),
    Result(2013, "Clarifai, several networks", "Clarifai", 11.7, "winner", True, f"{OFFICIAL} 0.11743; Russakovsky et al. (2015)"),
    Result(2013, "Clarifai, several networks", "Clarifai", 11.2, "extra data", True, f"{OFFICIAL} 0.11197; Russakovsky et al. (2015)"),
    Result(2014, "GoogLeNet, seven networks", "GoogLeNet", 6.7, "winner", True, f"{OFFICIAL} 0.06656; Szegedy et al. (2014), table 2"),
    Result(2014, "one trained person", "Russakovsky et al.", 5.1, "person", False, "Russakovsky et al. (2015), section 6.4"),
    Result(2014, "Deep Image", "Baidu", 5.33, "publication", True, "Wu et al. (2015), second version; deck K"),
    Result(2014, "PReLU-net", "Microsoft", 4.94, "publication", True, "He et al. (2015), abstract"),
    Result(2014, "BN-Inception", "Google", 4.82, "publication", True, "Ioffe and Szegedy (2015), section 4.2.3"),
    Result(2015, "ResNet, six networks", "MSRA", 3.57, "winner", True, "He et al. (2016), table 5"),
    Result(2016, "several kinds of networks", "Trimps-Soushen", 2.99, "winner", True, f"{OFFICIAL} 0.02991"),
    Result(2017, "SENet, several networks", "WMW (Momenta and Oxford)", 2.25, "winner", True, "Hu et al. (2018), abstract: 2.251"),
)


@dataclass(frozen=True)
class Network:
    """A network of this course whose accuracy on ImageNet is published.

    Args:
        label: its name.
        spec: module with its facts.
        variant: key of that module's `VARIANTS` and `ACCURACY`.
        year: of its paper.
        family: what it belongs to, for a figure's colours.
        weights: whose weights have the published accuracy.
        won: the year in which its makers won the challenge with it or with several of it; 0 where they did not.
    """
    label: str
    spec: object
    variant: str
    year: int
    family: str
    weights: str = "torchvision"
    won: int = 0

    @property
    def top1(self):
        """Published accuracy in per cent: the first guess is right."""
        return self.spec.ACCURACY[self.variant][0]

    @property
    def top5(self):
        """Published accuracy in per cent: one of five guesses is right."""
        return self.spec.ACCURACY[self.variant][1]

    def counts(self):
        """Count the network's layers.

        Returns:
            (parameters, multiply-accumulates for one image, layers with weights on the longest path).
        """
        rows = self.spec.table(self.variant)
        total = totals(rows)
        return total.parameters, total.operations, depth(rows)


NETWORKS = (
    Network("AlexNet", alexnet, "one-tower", 2012, "AlexNet", won=2012),
    Network("VGG-11", vgg, "11", 2014, "VGG"),
    Network("VGG-16", vgg, "16", 2014, "VGG"),
    Network("VGG-19", vgg, "19", 2014, "VGG"),
    Network("GoogLeNet", googlenet, "torchvision", 2014, "Inception", won=2014),
    Network("Inception v3", inception, "torchvision", 2015, "Inception"),
    Network("ResNet-18", resnet, "18", 2015, "ResNet"),
    Network("ResNet-34", resnet, "34", 2015, "ResNet"),
    Network("ResNet-50", resnet, "50", 2015, "ResNet"),
    Network("ResNet-101", resnet, "101", 2015, "ResNet"),
    Network("ResNet-152", resnet, "152", 2015, "ResNet", won=2015),
    Network("SqueezeNet 1.1", squeezenet, "1.1", 2016, "light"),
    Network("DenseNet-121", densenet, "121", 2016, "DenseNet"),
    Network("DenseNet-169", densenet, "169", 2016, "DenseNet"),
    Network("DenseNet-201", densenet, "201", 2016, "DenseNet"),
    Network("MobileNet 0.75", mobilenet, "0.75", 2017, "light", "Keras"),
    Network("MobileNet", mobilenet, "1.0", 2017, "light", "Keras"),
    Network("NASNet-A mobile", nasnet, "mobile", 2017, "found by search", "Keras"),
    Network("MobileNetV2", mobilenet2, "1.0", 2018, "light"),
)


def results(*kinds):
    """Results of some kinds, in the order of their years.

    Args:
        kinds: of `Result.kind`; none means all.

    Returns:
        list of Result.

    Raises:
        ValueError: a kind that there is not.
    """
    known = dict.fromkeys(result.kind for result in RESULTS)
    for kind in kinds:
        if kind not in known:
            raise ValueError(f"kind must be one of {', '.join(known)}; got {kind!r}.")
    return [result for result in RESULTS if not kinds or result.kind in kinds]


def network(label):
    """A network of `NETWORKS` by its label.

    Args:
        label: for example `ResNet-50`.

    Returns:
        Network.

    Raises:
        ValueError: there is none of that name.
    """
    for one in NETWORKS:
        if one.label == label:
            return one
    raise ValueError(f"there is no network {label!r}; choose from: {', '.join(one.label for one in NETWORKS)}.")
