"""The full runs of the small MobileNet: MNIST and Fashion-MNIST."""
from dlbook.cnn.blocks import full
from dlbook.cnn.mobilenet import spec

TASKS = ("mnist", "fashion")


def run(framework, seed, folder, task):
    """Train the small MobileNet; arguments and result as in `blocks.full.train`."""
    return full.train("cnn/mobilenet", "mobilenet", spec.SMALL, spec.TRAINING[task], framework, seed, folder, task)
