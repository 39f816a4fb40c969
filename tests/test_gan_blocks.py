"""Layers that keep a game in balance: against their definitions in NumPy, and the twins against each other."""
import inspect

import numpy as np
import pytest

from dlbook import profile

profile.setup()

import keras  # noqa: E402  (profile.setup comes first)
import tensorflow as tf  # noqa: E402
import torch  # noqa: E402

from dlbook.cnn.blocks.with_keras import precision  # noqa: E402
from dlbook.gan.blocks import spec, with_keras, with_torch  # noqa: E402
from dlbook.parity import compare, layout  # noqa: E402

MAPS = (5, 4, 3)


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """A slope that single precision holds exactly: TensorFlow keeps that of the leaky ReLU in it."""
    monkeypatch.setattr(spec, "SLOPE", 0.25)


def maps(*shape, seed=0):
    """Maps N, H, W, C for NumPy and Keras."""
    return np.random.default_rng(seed).standard_normal(shape)


def in_torch(function, x):
    """A function of PyTorch on maps N, H, W, C, or on vectors."""
    axes = ((0, 3, 1, 2), (0, 2, 3, 1)) if x.ndim == 4 else ((0, 1), (0, 1))
    with torch.no_grad():
        return function(torch.tensor(x.transpose(axes[0]))).permute(axes[1]).numpy()


def in_keras(function, x):
    return np.asarray(function(tf.constant(x)))


def both(name, x):
    """What both twins' functions of that name make of maps N, H, W, C; they must agree."""
    ours, theirs = in_keras(getattr(with_keras, name), x), in_torch(getattr(with_torch, name), x)
    assert compare.difference(ours, theirs) <= 1e-12
    return ours


def filled(k, t, seed=0, std=1.0):
    """Both twins' layer or network in float64 with the same weights; returns these."""
    rng = np.random.default_rng(seed)
    state = {name: std * rng.standard_normal(tuple(value.shape)) for name, value in t.state_dict().items()}
    t.double().load_state_dict({name: torch.tensor(value) for name, value in state.items()})
    for layer in (k.layers if isinstance(k, keras.Model) else [k]):
        prefix = f"{layer.name}." if isinstance(k, keras.Model) else ""
        layer.set_weights([back(state[prefix + name]) for name in ("weight", "bias")])
    return state


def back(weight):
    """A weight of PyTorch in Keras' layout."""
    return weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T


# the layers, against their definitions

@pytest.mark.parametrize("kernel, padding, gain", [(3, None, 2**0.5), (1, None, 1.0), (4, 0, 2**0.5)])
def test_a_convolution_has_weights_scaled_by_its_fan_in(kernel, padding, gain):
    """The weight at use is w gain / sqrt(fan-in), gain sqrt(2) but where no leaky ReLU follows."""
    with precision("float64"):
        k = with_keras.EqualConv(3, 5, kernel, padding, gain)
    t = with_torch.EqualConv(3, 5, kernel, padding, gain)
    state, x = filled(k, t), maps(2, 4, 4, 3)
    used = torch.tensor(state["weight"] * gain / np.sqrt(3 * kernel**2))
    plain = in_torch(lambda y: torch.nn.functional.conv2d(y, used, torch.tensor(state["bias"]), padding=0 if kernel == 4 else kernel // 2), x)
    assert plain.shape == ((2, 1, 1, 5) if padding == 0 else (2, 4, 4, 5))
    assert compare.difference(in_torch(t, x), plain) <= 1e-12 and compare.difference(in_keras(k, x), plain) <= 1e-12


@pytest.mark.parametrize("gain, rate", [(2**0.5, 1.0), (1.0, 0.01)])
def test_a_dense_layer_has_weights_scaled_by_its_fan_in_and_rate(gain, rate):
    with precision("float64"):
        k = with_keras.EqualDense(7, 5, gain, rate)
    t = with_torch.EqualDense(7, 5, gain, rate)
    state, x = filled(k, t), maps(3, 7)
    plain = x @ (state["weight"] * rate * gain / np.sqrt(7)).T + rate * state["bias"]
    assert compare.difference(in_torch(t, x), plain) <= 1e-12 and compare.difference(in_keras(k, x), plain) <= 1e-12


def test_every_layer_learns_at_the_same_speed():
    """A step of Adam moves each weight by the learning rate: by the same share of its size, in a wide layer as in a narrow one."""
    shares = []
    for inputs in (4, 400):
        layer = with_torch.EqualDense(inputs, 3)
        layer.weight.data.normal_(generator=torch.Generator().manual_seed(0))
        before = (layer.scale * layer.weight).detach().clone()
        optimizer = torch.optim.Adam(layer.parameters(), 0.01)
        layer(torch.ones(2, inputs)).sum().backward()
        optimizer.step()
        used = (layer.scale * layer.weight).detach()
        shares.append(float((used - before).abs().mean() / (2 / inputs)**0.5))
    assert shares == pytest.approx([0.01, 0.01], rel=1e-4)


def test_signals_keep_their_size_through_layers_of_drawn_weights():
    x = torch.tensor(maps(64, 8, 8, 32), dtype=torch.float32).permute(0, 3, 1, 2)
    drawn = spec.draw({f"conv{k}.weight": (32, 32, 3, 3) for k in range(3)}, 0)
    for weight in drawn.values():
        layer = with_torch.EqualConv(32, 32, padding=0)
        layer.weight.data = torch.tensor(weight)
        x = with_torch.leaky(layer(x))
    # 1 + slope^2 a layer: He's gain is for a ReLU without one.
    assert float(x.detach().square().mean()) == pytest.approx((1 + spec.SLOPE**2) ** 3, rel=0.1)


@pytest.mark.parametrize("shape", [(3, 6), (2, 4, 4, 6)])
def test_pixel_norm_gives_each_pixel_a_mean_square_of_one(shape):
    x = 5 * maps(*shape)
    found = both("pixel_norm", x)
    assert compare.difference(found, x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-8)) <= 1e-12
    assert np.allclose((found**2).mean(-1), 1)


def test_the_deviation_is_its_definition():
    """Section 3: the deviation of each number of each map over the batch, averaged to one number, as one more map."""
    x = maps(5, 4, 4, 3)
    found = both("with_deviation", x)
    mean = sum(x) / 5
    expected = np.mean(np.sqrt(sum((sample - mean) ** 2 for sample in x) / 5 + 1e-8))
    assert found.shape == (5, 4, 4, 4) and np.array_equal(found[..., :3], x)
    assert np.allclose(found[..., 3], expected, rtol=1e-12)
    alike = both("with_deviation", np.repeat(x[:1], 5, 0))
    assert alike[..., 3].max() <= 1.0001e-4 and expected > 0.5


def test_sides_are_doubled_and_halved():
    x = maps(2, 4, 6, 3)
    large, little = both("double", x), both("halve", x)
    assert large.shape == (2, 8, 12, 3) and little.shape == (2, 2, 3, 3)
    assert all(np.array_equal(large[:, i::2, j::2], x) for i in (0, 1) for j in (0, 1))
    assert np.allclose(little, sum(x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4)
    assert np.allclose(both("halve", large), x)


def test_the_leaky_relu_is_steep_above_zero():
    assert np.allclose(both("leaky", np.array([[-2.0, 0.0, 3.0]])), [[-0.5, 0, 3]])


def test_the_papers_constants(monkeypatch):
    monkeypatch.undo()
    assert (spec.SLOPE, spec.TINY, spec.GAIN) == (0.2, 1e-8, 2**0.5)
    assert spec.sides((3, 3, 3, 3)) == (4, 8, 16, 32)


def test_weights_are_drawn_with_deviation_one():
    drawn = spec.draw({"a.weight": (40, 50), "b.weight": (40, 50), "a.bias": (40,)}, 1)
    assert abs(drawn["a.weight"].std() - 1) < 0.05 and abs(drawn["a.weight"].mean()) < 0.05 and not drawn["a.bias"].any()
    assert not np.allclose(drawn["a.weight"], drawn["b.weight"])
    assert np.array_equal(drawn["b.weight"], spec.draw({"b.weight": (40, 50)}, 1)["b.weight"])
    assert not np.allclose(drawn["a.weight"], spec.draw({"a.weight": (40, 50)}, 2)["a.weight"])


# the discriminator that is made of them

def discriminators(channels=1):
    with precision("float64"):
        k = with_keras.Discriminator(channels, MAPS)
    t = with_torch.Discriminator(channels, MAPS)
    return k, t, filled(k, t)


def slopes(k, t, x):
    """Gradients of the sum of the logits with respect to all weights and to the images, in the exchange format."""
    with tf.GradientTape() as tape:
        images = tf.constant(x)
        tape.watch(images)
        total = tf.reduce_sum(k(images, training=True))
    *ours, image = tape.gradient(total, [*k.weights, images])
    ours = layout.from_keras(k, [np.asarray(value) for value in ours]) | {"image": np.asarray(image).transpose(0, 3, 1, 2)}
    images = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    names = [name for name, _ in t.named_parameters()]
    theirs = torch.autograd.grad(t(images).sum(), [*t.parameters(), images])
    return ours, dict(zip([*names, "image"], (value.numpy() for value in theirs)))


@pytest.mark.parametrize("channels", [1, 3])
def test_discriminators_agree(channels):
    """Logits and all gradients, in float64."""
    k, t, _ = discriminators(channels)
    x = maps(5, 16, 16, channels)
    assert in_keras(k, x).shape == (5, 1)
    with torch.no_grad():
        assert compare.difference(in_keras(k, x), t(torch.tensor(x.transpose(0, 3, 1, 2))).numpy()) <= 1e-12
    ours, theirs = slopes(k, t, x)
    assert ours.keys() == theirs.keys() and compare.worst(ours, theirs)[1] <= 1e-12
    assert all(np.abs(value).max() > 0 for value in ours.values())


def test_the_discriminators_layers_are_the_papers():
    """Table 2, from the image down: 1 x 1, then two convolutions of 3 x 3 a resolution; at 4 x 4 one more map, 3 x 3, 4 x 4, dense."""
    _, t, state = discriminators()
    assert {name.partition(".")[0]: value.shape for name, value in state.items() if value.ndim > 1} == {
        "image16": (3, 1, 1, 1), "conv16_1": (3, 3, 3, 3), "conv16_2": (4, 3, 3, 3), "conv8_1": (4, 4, 3, 3), "conv8_2": (5, 4, 3, 3),
        "conv4_1": (5, 6, 3, 3), "conv4_2": (5, 5, 4, 4), "logit": (1, 5)}


def no_deviation(t, monkeypatch):
    monkeypatch.setattr(with_torch, "with_deviation", lambda x: torch.cat([x, torch.zeros_like(x[:, :1])], 1))


def largest(t, monkeypatch):
    monkeypatch.setattr(with_torch, "halve", lambda x: torch.nn.functional.max_pool2d(x, 2))


def unscaled(t, monkeypatch):
    t.conv8_1.scale = 1.0


def test_planted_defects_are_seen(monkeypatch):
    x = maps(5, 16, 16, 1)
    for plant in (None, no_deviation, largest, unscaled):
        k, t, _ = discriminators()
        with monkeypatch.context() as patch:
            if plant:
                plant(t, patch)
            with torch.no_grad():
                apart = compare.difference(in_keras(k, x), t(torch.tensor(x.transpose(0, 3, 1, 2))).numpy())
        assert apart > 1e-6 if plant else apart <= 1e-12, plant


def test_twins_have_the_same_names():
    public = [{name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__
               and (inspect.isfunction(value) or inspect.isclass(value)) and not name.startswith("_")} for module in (with_keras, with_torch)]
    assert public[0] == public[1] == {"Discriminator", "EqualConv", "EqualDense", "double", "halve", "leaky", "pixel_norm", "with_deviation"}
    functions = [name for name in public[0] if inspect.isfunction(getattr(with_keras, name))]
    assert all(inspect.signature(getattr(with_keras, name)) == inspect.signature(getattr(with_torch, name)) for name in functions)
