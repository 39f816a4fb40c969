"""What the detector is, how it is trained, and which generators it is asked about.

It is LeNet-5 as built today (`cnn/lenet`, variant `modern`) with two classes in place of ten. Nothing in it is new, so it has no twins
of its own: those of LeNet-5 are proved equal, and a test repeats it with two classes.

Source: Wang et al. (2020), "CNN-generated images are surprisingly easy to spot... for now" (arXiv 1912.11035): a classifier trained on
    the images of one generator is asked about others', sections 4.1 and 4.2.
Differs from the paper: digits and LeNet-5 in place of photos and ResNet-50; noise in place of JPEG's losses.
"""
from dataclasses import dataclass, replace

from dlbook.cnn.lenet.spec import VARIANTS
from dlbook.train.settings import Training

# The generators: their folder in `gan`, and the task of the run whose weights are shipped.
FAMILIES = {"dcgan": "mnist", "progressive": "grown", "style_based": "mnist"}
REAL, FORGED = 0, 1  # the classes
NAMES = ("real", "forged")
SIDE = 28  # of the images that it reads, in pixels
FRAME = 2  # pixels around them in the generators that draw 32 x 32
# Grey levels that are left of 256. A generator's ground is not as empty as paper: it has some fifty pixels of grey 1 to 7, which no
# eye sees and which any count gives away. With 16 levels they are ground.
LEVELS = 16

ARCHITECTURE = replace(VARIANTS["modern"], num_classes=len(NAMES))

TRAINING = {
    "quick": Training(epochs=5, batch_size=32, learning_rate=2e-3),  # a few seconds for some 2,400 images
    "full": Training(epochs=4, batch_size=64, learning_rate=2e-3),  # as LeNet-5 reads digits; more epochs learn the images by heart
}


@dataclass(frozen=True)
class Roughening:
    """What is done to training images, real and forged alike, so that the detector does not rely on the finest traces.

    Args:
        share: of the images that are blurred, and, drawn anew, of those that get noise.
        blur: standard deviation of the Gaussian blur, in pixels.
        noise: standard deviation of the noise; ink is 1.

    Raises:
        ValueError: a value out of its range.
    """
    share: float = 0.5
    blur: float = 0.7
    noise: float = 0.1

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise ValueError(f"share is from 0 to 1; got {self.share}.")
        for name in ("blur", "noise"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} cannot be below 0; got {getattr(self, name)}.")


# How the detector is trained: on images as they are, and on roughened ones.
SETTINGS = {"plain": Roughening(share=0), "roughened": Roughening()}
