"""Deep learning from scratch in NumPy: modules that compute forward and backward, chained and trained by gradient descent."""
from dlbook.basics.activations import ACTIVATIONS, Identity, ReLU, Sigmoid, Tanh
from dlbook.basics.dense import Dense
from dlbook.basics.dropout import Dropout
from dlbook.basics.flatten import Flatten
from dlbook.basics.module import Module
from dlbook.basics.network import Network, accuracy, fit, sgd
from dlbook.basics.softmax import SoftmaxCrossEntropy, softmax
from dlbook.basics.squared import SquaredError
from dlbook.basics.threads import one_thread

__all__ = ["ACTIVATIONS", "Dense", "Dropout", "Flatten", "Identity", "Module", "Network", "ReLU", "Sigmoid", "SoftmaxCrossEntropy", "SquaredError",
           "Tanh", "accuracy", "fit", "one_thread", "sgd", "softmax"]
