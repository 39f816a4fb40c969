"""Every module of `dlbook.basics` with random inputs, and the same step in both frameworks; and defects to plant in its way back.

A new module needs a case in CASES: a test finds the modules that have none. All else follows from the case.
"""
import ast
import importlib
import inspect
import pkgutil
import textwrap
from dataclasses import dataclass

import numpy as np

from dlbook import basics
from dlbook.basics.augment import Shift
from dlbook.basics.convolution import Convolution
from dlbook.basics.normalise import BatchNorm
from dlbook.basics.pooling import AveragePooling, MaxPooling


@dataclass(frozen=True)
class Case:
    """How one module is tested.

    Args:
        draw: called as draw(rng), returns (module, float64 inputs that are further than two steps of the differences from any kink).
        torch: called as torch(tensor, *weights), returns the outputs as PyTorch computes them; None where chance is at work.
        keras: the same in TensorFlow, or with layers of Keras.
        training: handed to forward.
    """
    draw: object
    torch: object = None
    keras: object = None
    training: bool = False


def away_from_zero(rng, shape, gap=0.01):
    """Numbers whose size is at least `gap`, so that no step of the differences crosses the kink of a ReLU."""
    x = rng.normal(size=shape)
    return x + np.copysign(gap, x)


def shape_of(rng, axes=2):
    """A small shape (N, ...)."""
    return tuple(int(n) for n in rng.integers(1, 6, axes))


def _dense(rng):
    n, inputs, outputs = shape_of(rng, 3)
    module = basics.Dense(inputs, outputs, rng)
    module.weights["bias"] = rng.normal(size=outputs)
    return module, rng.normal(size=(n, inputs))


def _pointwise(kind):
    return lambda rng: (kind(), away_from_zero(rng, shape_of(rng, rng.integers(1, 5))))


def _network(rng):
    """Five modules: an odd number, or a sign that is turned at each of them on the way back would be turned back by the next."""
    n, height, width, channels, hidden, outputs = shape_of(rng, 6)
    network = basics.Network(basics.Flatten(), basics.Tanh(), basics.Dense(height * width * channels, hidden, rng), basics.Tanh(),
                             basics.Dense(hidden, outputs, rng))
    return network, rng.normal(size=(n, height, width, channels))


def _torch(name):
    def call(*arguments):
        import torch

        return getattr(torch.nn.functional, name)(*arguments)
    return call


def _keras_dense(x, W, b):
    import tensorflow as tf

    return tf.matmul(x, W, transpose_b=True) + b


def _keras_flat(x):
    import keras

    return keras.layers.Flatten(dtype="float64")(x)


def _keras(name):
    def call(x):
        import keras

        return getattr(keras.ops, name)(x)
    return call


def window(rng):
    """Settings of a convolution whose window fits: size, stride, padding, dilation, and the shape (N, H, W, C) of its images."""
    size, stride, padding, dilation = (int(rng.integers(low, high)) for low, high in ((1, 4), (1, 4), (0, 3), (1, 4)))
    least = max(1, dilation * (size - 1) + 1 - 2 * padding)
    height, width = (int(side) for side in least + rng.integers(0, 4, 2))
    return (size, stride, padding, dilation), (int(rng.integers(1, 4)), height, width, int(rng.integers(1, 4)))


def _convolution(rng):
    how, shape = window(rng)
    module = Convolution(shape[3], int(rng.integers(1, 4)), *how, seed=rng)
    module.weights["bias"] = rng.normal(size=module.weights["bias"].shape)
    return module, rng.normal(size=shape)


def apart_by(rng, shape, gap=0.02):
    """Numbers no two of which are nearer than `gap`, so that no step of the differences changes which is the largest."""
    return gap * rng.permutation(int(np.prod(shape))).reshape(shape) - 1


def _pooling(kind, size, stride):
    return lambda rng: (kind(size, stride), apart_by(rng, (*(int(n) for n in rng.integers((1, size, size, 1), (4, 8, 8, 4))),)))


def _pool_torch(name, size, stride):
    return lambda x: _torch(name)(x.permute(0, 3, 1, 2), size, stride).permute(0, 2, 3, 1)


def _pool_keras(mode, size, stride):
    def call(x):
        import keras

        return getattr(keras.ops, "max_pool" if mode == "max" else "average_pool")(x, size, stride, "valid")
    return call


def _norm(rng):
    features = int(rng.integers(1, 4))
    module = BatchNorm(features, epsilon=1e-3)
    module.weights["weight"], module.weights["bias"] = rng.normal(size=(2, features))
    return module, rng.normal(size=(int(rng.integers(4, 7)), 2, 3, features))


def _norm_torch(x, scale, shift):
    return _torch("batch_norm")(x.permute(0, 3, 1, 2), None, None, scale, shift, True, 0.1, 1e-3).permute(0, 2, 3, 1)


def _norm_keras(x, scale, shift):
    import tensorflow as tf

    mean, variance = tf.nn.moments(x, [0, 1, 2])
    return tf.nn.batch_normalization(x, mean, variance, shift, scale, 1e-3)


CASES = {
    basics.Dense: Case(_dense, _torch("linear"), _keras_dense),
    basics.ReLU: Case(_pointwise(basics.ReLU), _torch("relu"), _keras("relu")),
    basics.Tanh: Case(_pointwise(basics.Tanh), _torch("tanh"), _keras("tanh")),
    basics.Sigmoid: Case(_pointwise(basics.Sigmoid), _torch("sigmoid"), _keras("sigmoid")),
    basics.Identity: Case(_pointwise(basics.Identity), lambda x: x, lambda x: 1 * x),
    basics.Flatten: Case(lambda rng: (basics.Flatten(), rng.normal(size=shape_of(rng, 4))), lambda x: x.flatten(1),
                         _keras_flat),
    basics.Dropout: Case(lambda rng: (basics.Dropout(0.4, int(rng.integers(1000))), rng.normal(size=shape_of(rng, 3))), training=True),
    Convolution: Case(_convolution),  # beside both frameworks, with every stride, padding and dilation: in test_basics_images.py
    MaxPooling: Case(_pooling(MaxPooling, 3, 2), _pool_torch("max_pool2d", 3, 2), _pool_keras("max", 3, 2)),
    AveragePooling: Case(_pooling(AveragePooling, 2, 1), _pool_torch("avg_pool2d", 2, 1), _pool_keras("average", 2, 1)),
    BatchNorm: Case(_norm, _norm_torch, _norm_keras, training=True),
    Shift: Case(lambda rng: (Shift(int(rng.integers(0, 3)), int(rng.integers(1000))), rng.normal(size=shape_of(rng, 4))), training=True),
    basics.Network: Case(
        _network,
        lambda x, W, b, V, c: _torch("linear")(_torch("linear")(x.flatten(1).tanh(), W, b).tanh(), V, c),
        lambda x, W, b, V, c: _keras_dense(_keras("tanh")(_keras_dense(_keras("tanh")(_keras_flat(x)), W, b)), V, c)),
}


def modules():
    """Every class of `dlbook.basics` that derives from Module, found by reading the package."""
    for found in pkgutil.iter_modules(basics.__path__):
        importlib.import_module(f"dlbook.basics.{found.name}")
    return sorted(_below(basics.Module), key=lambda kind: kind.__name__)


def _below(kind):
    return {kind_ for child in kind.__subclasses__() if child.__module__.startswith("dlbook.") for kind_ in {child, *_below(child)}}


# ---------------------------------------------------------------- defects

def defects(kind, method="backward"):
    """Wrong versions of a method, each with one sign turned: every value that is returned or kept under a name, every + and -, one at a time.

    Args:
        kind: a class.
        method: name of its method.

    Returns:
        list of (what was done, the wrong function).
    """
    original = inspect.unwrap(vars(kind)[method])
    source = textwrap.dedent(inspect.getsource(original))
    places, found = len(_places(ast.parse(source))), []
    for i in range(places):
        tree = ast.parse(source)
        what = _spoil(_places(tree)[i])
        found.append((f"{kind.__name__}.{method}: {what}", _function(ast.fix_missing_locations(tree), original)))
    return found


def _places(tree):
    """What can be spoilt: (node, value) of each return and each assignment of a number that is not yet zero, of each part of an assignment of
    several, and (node, None) of each sum and difference."""
    nodes = list(ast.walk(tree))
    valued = [(node, value) for node in nodes if isinstance(node, (ast.Return, ast.Assign, ast.AugAssign)) for value in _values(node)]
    return valued + [(node, None) for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub))]


def _values(node):
    """The numbers that a statement keeps or returns; none where it takes apart what a call returned, or makes room for what comes."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
        parts = node.value.elts if isinstance(node.value, ast.Tuple) else []
    else:
        parts = [node.value]
    return [part for part in parts if not _is_room(part)]


def _is_room(value):
    """An array that is made to be written into: the sign of its zeros says nothing."""
    return isinstance(value, ast.Call) and ast.unparse(value.func) in ("np.zeros", "np.zeros_like", "np.empty", "np.empty_like")


def _spoil(place):
    """Turn one sign, and say which."""
    node, value = place
    if value is None:
        before, node.op = ast.unparse(node), ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        return f"{before} became {ast.unparse(node)}"
    _Turned(value).visit(node)
    return ast.unparse(node)


class _Turned(ast.NodeTransformer):
    """Puts a minus before one value."""

    def __init__(self, value):
        self.value = value

    def visit(self, node):
        return ast.UnaryOp(ast.USub(), node) if node is self.value else self.generic_visit(node)


def _function(tree, original):
    space = dict(vars(inspect.getmodule(original)))
    exec(compile(tree, "<defect>", "exec"), space)
    return space[original.__name__]
