"""The eight tests of a ConvNet, for any pair of twins that follow `cnn/resnet`. A test file calls them with its own architectures."""
import inspect
from dataclasses import dataclass

import numpy as np

from dlbook import profile

profile.setup()

from dlbook.cnn.blocks import convert, start, table  # noqa: E402  (profile.setup comes first)
from dlbook.parity import compare  # noqa: E402
from dlbook.parity import with_keras as keras_steps  # noqa: E402
from dlbook.parity import with_torch as torch_steps  # noqa: E402
from dlbook.train.settings import Training  # noqa: E402

OUTPUTS = {"float64": 1e-12, "float32": 1e-5}
# Backward through dozens of layers of batch normalisation over a handful of pixels, rounding errors grow.
GRADIENTS = {"float64": 1e-9, "float32": 1e-2}
SEEN = 1e-6  # a planted defect moves results by more than this, in float64


@dataclass(frozen=True)
class Zoo:
    """A system: its three modules and the name of the function that builds a network, `build(a, seed, weights, dtype)`."""
    spec: object
    with_keras: object
    with_torch: object
    build: str

    def keras(self, *words, **more):
        return getattr(self.with_keras, self.build)(*words, **more)

    def torch(self, *words, **more):
        return getattr(self.with_torch, self.build)(*words, **more)


def batch(a, n=4, seed=1, dtype="float64"):
    """Images (N, H, W, channels) in [0, 1] and labels."""
    rng = np.random.default_rng(seed)
    return rng.random((n, *table.sides(a.size), a.channels)).astype(dtype), rng.integers(0, a.num_classes, n)


def twins(zoo, a, dtype="float64", seed=3, shift=0):
    """Both twins with the same weights; batch normalisation gets statistics, scales and shifts that are not 0 and 1, but near `shift`."""
    t = zoo.torch(a, seed, dtype=dtype)
    weights, rng = zoo.with_torch.weights_of(t), np.random.default_rng(seed)
    for name, value in weights.items():
        if value.ndim == 1:
            near = 1 if name.endswith(("running_var", ".weight")) else shift if name.endswith(".bias") else 0
            weights[name] = (near + 0.1 * rng.uniform(-1, 1, value.shape)).astype(dtype)
    return zoo.keras(a, seed, weights, dtype), zoo.torch(a, seed, weights, dtype)


def outputs(zoo, k, t, images):
    """Logits of both twins in evaluation mode."""
    return keras_steps.logits(k, zoo.with_keras.to_inputs(k, images)), torch_steps.logits(t, zoo.with_torch.to_inputs(t, images))


def check_table(zoo, a, parameters=None, giga_operations=None, kept=()):
    """Tests 1 and 2: the table says what both twins have, layer by layer, and what was published.

    Args:
        zoo: Zoo.
        a: architecture.
        parameters: published number of learnt parameters.
        giga_operations: published multiply-accumulates in units of 10^9, as a number with the decimals that were published.
        kept: names of rows without weights that only one twin has as a layer.
    """
    rows, k = zoo.spec.table(a), zoo.keras(a)
    t = zoo.torch(a, weights=zoo.with_keras.weights_of(k))
    total = table.totals(rows)
    assert zoo.with_keras.count_operations(k) == zoo.with_torch.count_operations(t) == total
    assert parameters is None or total.parameters == parameters
    if giga_operations is not None:
        decimals = len(str(giga_operations).partition(".")[2])
        assert abs(total.operations / 1e9 - giga_operations) <= 0.75 * 10**-decimals, total.operations
    layers = {layer.name: layer for layer in k.layers}
    shapes = torch_shapes(t)
    for row in rows[1:]:
        if row.kind in convert.WEIGHTS:
            assert shapes[row.name] == row.shape, row
        if row.kind in convert.WEIGHTS or row.name in layers:
            assert tuple(layers[row.name].output.shape[1:]) == row.shape, row
            assert layers[row.name].count_params() == row.parameters + row.statistics, row
        else:
            assert row.name in kept or row.kind in ("relu", "dropout", "flatten"), f"{row.name} is no layer of the Keras twin"
    return total


def torch_shapes(t):
    """Output shape of every named module of a PyTorch network, as (H, W, C) or (D,), under flat names; no numbers are computed."""
    import torch

    shapes, hooks = {}, []
    for name, module in t.named_modules():
        flat = name.replace(".", "_")
        hooks.append(module.register_forward_hook(lambda _, __, y, flat=flat: shapes.update({flat: _channels_last(y)})))
    shadows = {name: value.to("meta") for name, value in t.state_dict().items()}
    image = torch.empty(1, t.a.channels, *table.sides(t.a.size), dtype=next(t.parameters()).dtype, device="meta")
    torch.func.functional_call(t.eval(), shadows, image)
    for hook in hooks:
        hook.remove()
    return shapes


def _channels_last(y):
    if isinstance(y, tuple):
        return None
    return tuple(y.shape[1:]) if y.ndim == 2 else (*y.shape[2:], y.shape[1])


def check_outputs(zoo, a, dtypes=tuple(OUTPUTS), n=2):
    """Test 3: with copied weights the twins compute the same, and give the same probabilities."""
    for dtype in dtypes:
        images, _ = batch(a, n, dtype=dtype)
        k, t = twins(zoo, a, dtype)
        assert compare.difference(*outputs(zoo, k, t, images)) <= OUTPUTS[dtype]


def check_steps(zoo, a, count=20, dtypes=tuple(GRADIENTS), n=4, learning_rate=2**-6):
    """Tests 4 and 5: the same gradients, and the same losses and weights after some steps of gradient descent."""
    for dtype in dtypes:
        k, t = steps(zoo, *twins(zoo, a, dtype), count, n, learning_rate)
        assert len(k.losses) == count and np.isfinite(k.losses).all()
        assert count == 1 or k.losses[-1] != k.losses[0]
        assert compare.difference(k.losses, t.losses) <= GRADIENTS[dtype], dtype
        assert compare.difference(_stacked(k.gradients), _stacked(t.gradients)) <= GRADIENTS[dtype], dtype
        if dtype == "float64":
            name, worst = compare.worst(_significant(k.gradients), _significant(t.gradients, k.gradients))
            assert worst <= 1e-6, name
        _check_weights(k.weights, t.weights, GRADIENTS[dtype], n)


def steps(zoo, k, t, count, n=4, learning_rate=2**-6):
    """Losses, first gradients and last weights of both twins."""
    dtype = str(k.inputs[0].dtype)
    images, labels = batch(k.a, n, dtype=dtype)
    return (keras_steps.sgd(k, zoo.with_keras.to_inputs(k, images), labels, count, learning_rate),
            torch_steps.sgd(t, zoo.with_torch.to_inputs(t, images), labels, count, learning_rate))


def _stacked(arrays):
    return np.concatenate([np.ravel(arrays[name]) for name in sorted(arrays)])


def _significant(gradients, like=None):
    """Gradients that are more than rounding errors: a bias before batch normalisation has gradient 0 in exact arithmetic."""
    like = like or gradients
    largest = max(np.abs(g).max() for g in like.values())
    return {name: g for name, g in gradients.items() if np.abs(like[name]).max() > 1e-7 * largest}


def _check_weights(k, t, tolerance, n):
    """Learnt weights and moving means agree; moving variances up to the factor N / (N - 1), by which PyTorch corrects them."""
    assert k.keys() == t.keys()
    for name in k:
        apart = np.abs(k[name] - t[name]).max()
        if name.endswith("running_var"):
            # PyTorch divides by N - 1, Keras by N, where N >= n is the number of pixels the mean is taken over.
            assert (np.abs(k[name] - t[name]) <= np.abs(t[name]) / max(n - 1, 1) + tolerance).all(), name
        else:
            assert apart <= tolerance * max(1, np.abs(k[name]).max()), (name, apart)


def check_overfits(zoo, a, epochs=60, learning_rate=2e-3, n=16):
    """Test 6: each twin learns one batch by heart (noise: there is nothing else to learn)."""
    from types import SimpleNamespace

    images, labels = batch(a, n, dtype="float32")
    data = SimpleNamespace(train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    for twin, build in ((zoo.with_keras, zoo.keras), (zoo.with_torch, zoo.torch)):
        history = twin.fit(build(a, 0), data, Training(epochs, n, learning_rate), progress=False)
        assert history["accuracy"][-1] == 1.0 and history["loss"][-1] < 0.2 * history["loss"][0], (twin.__name__, history["loss"][-1])


def check_names(zoo):
    """Test 7: the same public names with the same signatures."""
    def public(module):
        return {name: inspect.signature(getattr(module, name)) for name in module.__all__}

    assert public(zoo.with_keras) == public(zoo.with_torch)
    assert zoo.build in zoo.with_keras.__all__


def check_defect(zoo, a, plant, count=3):
    """Test 8: a defect planted in the PyTorch twin is seen in outputs, gradients and steps.

    Args:
        zoo: Zoo.
        a: architecture.
        plant: function that spoils a PyTorch network in place.
        count: steps.
    """
    k, t = twins(zoo, a)
    plant(t)
    images, _ = batch(a, 2)
    assert compare.difference(*outputs(zoo, k, t, images)) > SEEN
    left, right = steps(zoo, k, t, count)
    assert compare.difference(_stacked(left.gradients), _stacked(right.gradients)) > SEEN
    assert compare.difference(left.losses, right.losses) > SEEN
    assert any(np.abs(left.weights[name] - right.weights[name]).max() > SEEN / 100 for name in left.weights if "running" not in name)


def check_torchvision(zoo, a, peer, names, tolerance=1e-4):
    """Outputs equal those of a torchvision model whose weights were copied by the function that loads official ones; and back.

    Args:
        zoo: Zoo.
        a: architecture, at any size.
        peer: torchvision model.
        names: the spec's function from our names to theirs.
    """
    import torch

    peer = peer.eval().double()
    spread(peer)
    arrays, rows = {name: value.numpy() for name, value in peer.state_dict().items()}, zoo.spec.table(a)
    state = start.from_torchvision(arrays, rows, names)
    _check_same(convert.to_torchvision(state, rows, names), arrays)
    images, _ = batch(a, 2)
    for twin, build in ((zoo.with_keras, zoo.keras), (zoo.with_torch, zoo.torch)):
        network = build(a, weights=state, dtype="float64")
        steps_of = keras_steps if twin is zoo.with_keras else torch_steps
        ours = steps_of.logits(network, twin.to_inputs(network, images))
        with torch.no_grad():
            theirs = peer(zoo.with_torch.to_inputs(zoo.torch(a, weights=state, dtype="float64"), images)).numpy()
        assert compare.difference(theirs, ours) <= tolerance


def spread(peer):
    """Give a PyTorch model's batch normalisation statistics, scales and shifts that are not 0 and 1."""
    import torch

    generator = torch.Generator().manual_seed(0)
    for name, value in peer.state_dict().items():
        if value.ndim == 1 and value.is_floating_point():
            near = 1.0 if name.endswith(("running_var", "weight")) else 0.0
            value.copy_(near + 0.1 * (torch.rand(value.shape, generator=generator, dtype=torch.float64) * 2 - 1))


def check_keras_applications(zoo, a, peer, names, tolerance=1e-4):
    """Outputs equal those of a keras.applications model (with its classifier, `classifier_activation=None`) after copying weights; and back."""
    arrays, rows = spread_keras(peer), zoo.spec.table(a)
    state = start.from_keras(arrays, rows, names)
    _check_same(convert.to_keras(state, rows, names), arrays)
    images, _ = batch(a, 2, dtype="float32")
    inputs = zoo.with_keras.to_inputs(zoo.keras(a, weights=state), images)
    theirs = np.asarray(peer(inputs, training=False))
    for twin, build in ((zoo.with_keras, zoo.keras), (zoo.with_torch, zoo.torch)):
        network = build(a, weights=state)
        steps_of = keras_steps if twin is zoo.with_keras else torch_steps
        assert compare.difference(theirs, steps_of.logits(network, twin.to_inputs(network, images))) <= tolerance


def spread_keras(peer):
    """Give a Keras model's biases and batch normalisation numbers that are not 0 and 1.

    Returns:
        dict of `<layer>.<weight>` to array: all its weights.
    """
    rng, arrays = np.random.default_rng(0), {}
    for layer in peer.layers:
        for variable in layer.weights:
            if len(variable.shape) == 1:
                near = 1 if variable.name in ("gamma", "moving_variance") else 0
                variable.assign(near + 0.1 * rng.uniform(-1, 1, variable.shape))
            arrays[f"{layer.name}.{variable.name}"] = np.asarray(variable)
    return arrays


def _check_same(back, arrays):
    """What was copied here and back is what it was; a convolution of 1 x 1 may have become a dense kernel."""
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(np.ravel(back[name]), np.ravel(arrays[name])) for name in arrays)
