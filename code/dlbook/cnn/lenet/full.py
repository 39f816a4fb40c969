"""The full runs of LeNet-5, as built today and as published: MNIST and Fashion-MNIST."""
from dlbook.cnn.blocks import full
from dlbook.cnn.lenet import spec

TASKS = ("modern-mnist", "modern-fashion", "original-mnist", "original-fashion")


def run(framework, seed, folder, task):
    """Train LeNet-5; arguments and result as in `blocks.full.train`."""
    variant = task.partition("-")[0]
    return full.train("cnn/lenet", "lenet", spec.VARIANTS[variant], spec.TRAINING[task], framework, seed, folder, task)
