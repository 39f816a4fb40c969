"""The full runs of the small residual network: MNIST and Fashion-MNIST."""
from dlbook.cnn.blocks import full
from dlbook.cnn.resnet import spec

TASKS = ("mnist", "fashion")


def run(framework, seed, folder, task):
    """Train the small residual network; arguments and result as in `blocks.full.train`."""
    return full.train("cnn/resnet", "resnet", spec.SMALL, spec.TRAINING[task], framework, seed, folder, task)
