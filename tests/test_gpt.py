"""The decoder's eight tests, its agreement with `transformers`' GPT-2, its cache, and networks on tokens."""
import numpy as np
import peers
import pytest
import sequences
import torch
from sequences import Pair
from torch import nn
from torch.nn.functional import embedding, scaled_dot_product_attention

from dlbook import data
from dlbook.parity import compare
from dlbook.parity import with_keras as keras_steps
from dlbook.parity import with_torch as torch_steps
from dlbook.text import tokens
from dlbook.text.sampling import Sampling
from dlbook.train.windows import TextTraining
from dlbook.transformer.gpt import spec, with_keras, with_torch

GPT = Pair(spec, with_keras, with_torch, "gpt")
TWINS = pytest.mark.parametrize("twin", (with_keras, with_torch), ids=["keras", "torch"])
FAST = TextTraining(epochs=20, batch_size=1, window=12, learning_rate=3e-2, warmup=5, beta2=0.99, measured=12)


def small(**more):
    return spec.Architecture(**{"symbols": 11, "context": 16, "width": 8, "layers": 2, "heads": 2} | more)


def network_of(twin, a, dtype="float64"):
    return sequences.twins(GPT, a, dtype)[twin is with_torch]


def steps_of(twin):
    return keras_steps if twin is with_keras else torch_steps


def test_parameters_are_the_published_ones():
    """Convention: the embedding of the symbols counts once; it is also the last layer. transformers counts the same."""
    with torch.device("meta"):
        peer = peers.gpt2(spec.GPT2)
    published = {name: value for name, value in peer.state_dict().items() if name != "lm_head.weight"}
    ours = spec.weight_shapes(spec.GPT2)
    assert spec.total(spec.GPT2) == spec.GPT2_PARAMETERS == 124_439_808 == sum(p.numel() for p in peer.parameters())
    assert len(ours) == len(published) and spec.total(spec.GPT2) == sum(value.numel() for value in published.values())
    assert sum(row.parameters for row in spec.table(spec.GPT2)) == 124_439_808


@TWINS
def test_parameters_of_both_twins_are_counted(twin):
    a = small(layers=3, heads=4)
    d = 8
    assert spec.total(a) == (11 + 16) * d + 3 * (12 * d * d + 13 * d) + 2 * d  # embeddings, blocks, last norm
    network = twin.gpt(a)
    weights = twin.weights_of(network)
    assert sum(w.size for w in weights.values()) == spec.total(a)
    assert {name: w.shape for name, w in weights.items()} == spec.weight_shapes(a)
    assert spec.total(a) == (network.count_params() if twin is with_keras else sum(p.numel() for p in network.parameters()))


def test_table_of_shapes_and_parameters():
    a = small()
    k, t = sequences.twins(GPT, a, "float32")
    shapes, modules = {}, {name.replace(".", "_"): module for name, module in t.named_modules()}
    for name, module in modules.items():
        module.register_forward_hook(lambda _, __, y, name=name: shapes.update({name: tuple((y[0] if isinstance(y, tuple) else y).shape)}))
    t(torch.as_tensor(sequences.batch(a, 2, 8)))
    rows = {row.name: row for row in spec.table(a)}
    assert shapes[""] == (2, 9, 11) == (2, 9, *rows["logits"].shape)
    for name, row in rows.items():
        if name in modules:
            assert shapes[name][-1:] == row.shape and shapes[name][-2] == 9, name
            assert sum(p.numel() for p in modules[name].parameters()) == row.parameters, name
        if name in k.layers_by_name:
            layer = k.layers_by_name[name]
            output = layer._inbound_nodes[0].outputs[0]  # the embedding has two uses; the first is looking up
            assert layer.count_params() == row.parameters and output.shape[-1:] == row.shape, name
    inside = {name for name in modules if name and "dropout" not in name and name not in a.names}
    assert inside <= rows.keys() and {name for name in k.layers_by_name if "dropout" not in name} <= rows.keys()
    assert sum(row.parameters for row in rows.values()) == spec.total(a)


@pytest.mark.parametrize("change", [{}, {"layers": 1, "heads": 1}, {"layers": 3, "heads": 8}, {"width": 12, "heads": 3, "context": 8}], ids=str)
def test_outputs_agree(change):
    sequences.check_outputs(GPT, small(**change))


@pytest.mark.parametrize("T", [1, 16])
def test_outputs_agree_for_one_symbol_and_for_a_full_context(T):
    sequences.check_outputs(GPT, small(), T=T)


@pytest.mark.parametrize("layers, dtype", [(1, "float64"), (3, "float64"), (2, "float32")])
def test_gradients_and_twenty_steps_agree(layers, dtype):
    sequences.check_steps(GPT, small(layers=layers), dtype, T=16)  # 16: each place learns


def test_learns_a_text_by_heart():
    a = spec.Architecture(symbols=6, context=12, width=32, layers=1, heads=2)
    sequences.check_overfits(GPT, a, FAST, length=13)


def test_twins_have_the_same_names_and_signatures():
    sequences.check_names(GPT)


def test_the_twins_train_alike():
    sequences.check_training(GPT, small(layers=1), window=16)


class Wrong(with_torch.Attention):
    """An attention of one's own: `options` of PyTorch's function."""

    def __init__(self, heads, **options):
        super().__init__(heads)
        self.options = options

    def forward(self, qkv, past=None):
        B, T, D = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        q, k, v = (part.view(B, T, self.heads, -1).transpose(1, 2) for part in qkv.chunk(3, 2))
        mixed = scaled_dot_product_attention(q, k, v, **{"is_causal": True} | self.options)
        return mixed.transpose(1, 2).reshape(B, T, D), k, v


def nothing(network):
    """The same attention, to see that it is the defect that is seen."""
    network.block1.attention = Wrong(2)


def no_mask(network):
    """A place looks ahead."""
    network.block2.attention = Wrong(2, is_causal=False)


def wrong_scale(network):
    """Scores are divided by the root of the width, not of a head's share of it."""
    network.block1.attention = Wrong(2, scale=8**-0.5)


def one_head(network):
    """Queries and keys are compared over the whole width."""
    network.block1.attention = Wrong(1)


def swapped(network):
    """Keys where queries should be."""
    with torch.no_grad():
        for p in (network.block1.qkv.weight, network.block1.qkv.bias):
            p.copy_(torch.cat([p[8:16], p[:8], p[16:]]))


def other_epsilon(network):
    """Keras' own epsilon of layer normalisation."""
    network.norm.eps = 1e-3


def other_gelu(network):
    """GELU itself, without GPT-2's approximation by tanh."""
    network.block1.gelu = nn.GELU()


class Untied(nn.Module):
    """Two matrices, equal at first: one is looked up, the other one is the last layer."""

    def __init__(self, weight):
        super().__init__()
        self.weight, self.own = nn.Parameter(weight.clone()), nn.Parameter(weight.clone())

    def forward(self, symbols):
        return embedding(symbols, self.own)


def untied(network):
    network.symbols = Untied(network.symbols.weight.detach())


@pytest.mark.parametrize("plant", [no_mask, wrong_scale, one_head, swapped, other_epsilon, other_gelu], ids=lambda f: f.__name__)
def test_a_planted_defect_is_seen(plant):
    sequences.check_defect(GPT, small(), plant)


def test_untied_weights_are_seen_in_what_is_learnt():
    sequences.check_defect(GPT, small(), untied, outputs=False)


def test_an_attention_without_a_defect_is_not_seen():
    with pytest.raises(AssertionError):
        sequences.check_defect(GPT, small(), nothing)


# transformers' GPT-2

def peer_of(a, seed=2):
    """A GPT-2 of `transformers` in float64, its weights perturbed, and the same weights in the exchange format."""
    peer, generator = peers.gpt2(a).double().eval(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in peer.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    return peer, spec.from_gpt2({name: value.numpy() for name, value in peer.state_dict().items()}, a)


@TWINS
@pytest.mark.parametrize("heads", [1, 4])
def test_logits_loss_and_gradients_are_those_of_transformers(twin, heads):
    a = small(layers=3, heads=heads)
    peer, weights = peer_of(a)
    symbols, steps = sequences.batch(a, 4, 16), steps_of(twin)
    theirs = peer(torch.as_tensor(symbols[:, :-1])).logits.detach().numpy()
    assert compare.difference(theirs, steps.text_logits(twin.gpt(a, weights=weights, dtype="float64"), symbols[:, :-1])) <= 1e-10
    assert compare.difference(theirs, steps.text_logits(twin.gpt(a, weights=weights), symbols[:, :-1])) <= 1e-5
    read = torch.as_tensor(symbols[:, :-1])
    loss = nn.functional.cross_entropy(peer(read).logits.flatten(0, 1), torch.as_tensor(symbols[:, 1:]).flatten())
    loss.backward()
    found = spec.from_gpt2({name: p.grad.numpy() for name, p in peer.named_parameters()}, a)
    ours = steps.text_sgd(twin.gpt(a, weights=weights, dtype="float64"), symbols, 1, twin.exchange)
    assert abs(ours.losses[0] - loss.item()) <= 1e-10
    name, worst = compare.worst(found, ours.gradients)
    assert worst <= 1e-10, name


def test_measure_is_the_loss_of_transformers():
    a = small()
    peer, weights = peer_of(a)
    numbers = sequences.batch(a, 1, 16)[0]
    read = torch.as_tensor(numbers)[None]
    loss = peer(read[:, :16], labels=read[:, :16]).loss.item()  # it shifts the labels itself
    for twin in (with_keras, with_torch):
        assert twin.measure(twin.gpt(a, weights=weights, dtype="float64"), numbers[:16]) == pytest.approx(loss, rel=1e-6)


@TWINS
@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
def test_greedy_text_is_that_of_transformers(twin, cached):
    a = small(layers=3)
    peer, weights = peer_of(a)
    symbols, network = sequences.letters(a), twin.gpt(a, weights=weights, dtype="float64")
    for prompt in ("a", "heabc", "kkk"):
        read = torch.as_tensor(symbols.encode(prompt))[None]
        theirs = peer.generate(read, attention_mask=torch.ones_like(read), do_sample=False, max_new_tokens=16 - len(prompt))[0, len(prompt):]
        ours = twin.generate(network, symbols, prompt, 16 - len(prompt), Sampling(temperature=0), cached=cached)
        assert ours == symbols.decode(theirs.numpy())


def test_weights_of_another_gpt2_are_refused():
    a = small()
    peer, _ = peer_of(a)
    state = {name: value.numpy() for name, value in peer.state_dict().items()}
    with pytest.raises(ValueError, match=r"no weights of a GPT-2 with 3 blocks: transformer.h.2.ln_1.weight is missing"):
        spec.from_gpt2(state, small(layers=3))
    with pytest.raises(ValueError, match=r"positions.weight has shape \(16, 8\); this network needs \(8, 8\)"):
        with_torch.gpt(small(context=8), weights=spec.from_gpt2(state, a))


# What a decoder is

@TWINS
def test_nothing_depends_on_what_comes_later(twin):
    a = small(layers=3)
    network, symbols = network_of(twin, a), sequences.batch(a, 2, 15)
    logits = steps_of(twin).text_logits(network, symbols)
    for t in (0, 6, 14):
        other = symbols.copy()
        other[:, t + 1:] = (other[:, t + 1:] + 1 + np.arange(15 - t) % 9) % 11
        changed = steps_of(twin).text_logits(network, other)
        assert np.array_equal(logits[:, :t + 1], changed[:, :t + 1])
        assert (np.abs(logits[:, t + 1:] - changed[:, t + 1:]).max(2) > 1e-3).all()


@TWINS
def test_attention_maps_are_those_inside(twin):
    """Rows sum to 1, nothing looks ahead, and with them the last block's output is what the network computes."""
    a = small(heads=4)
    network, numbers = network_of(twin, a), sequences.batch(a, 1, 9)[0]
    maps = twin.attention_maps(network, numbers)
    assert maps.shape == (2, 4, 10, 10) and np.allclose(maps.sum(-1), 1, atol=1e-12) and (np.triu(maps, 1) == 0).all()
    t, kept = network_of(with_torch, a), {}
    for name in ("qkv", "attention"):
        getattr(t.block2, name).register_forward_hook(lambda _, __, y, name=name: kept.update({name: (y[0] if name == "attention" else y)[0]}))
    t(torch.as_tensor(numbers)[None])
    v = kept["qkv"][:, 16:].detach().numpy().reshape(10, 4, 2).transpose(1, 0, 2)
    assert compare.difference(kept["attention"].detach().numpy(), (maps[1] @ v).transpose(1, 0, 2).reshape(10, 8)) <= 1e-12
    with pytest.raises(ValueError, match="looks back on 16 symbols; got 17 at once"):
        twin.attention_maps(network, np.zeros(17, int))


@pytest.mark.parametrize("twin, size, seeds", [(with_keras, "quick", [1]), (with_torch, "quick", range(6)), (with_torch, "small", range(6))])
def test_nothing_is_known_at_first(twin, size, seeds):
    """The loss before the first step is ln V within 2 per cent: nothing speaks for one symbol or the other."""
    text = data.language(2_000, 600)
    V = len(text.symbols)
    for seed in seeds:
        assert twin.measure(twin.gpt(spec.SIZES[size](V), seed=seed), text.validation[:500]) == pytest.approx(np.log(V), rel=0.02)


def test_starting_weights_are_the_papers():
    a = spec.Architecture(symbols=100, context=50, width=64, layers=8)
    weights = spec.draw(a, 0)
    assert weights["symbols.weight"].std() == pytest.approx(0.02, rel=0.05)  # at width 64
    assert spec.draw(spec.Architecture(100, width=256), 0)["symbols.weight"].std() == pytest.approx(0.01, rel=0.05)
    assert weights["block3_qkv.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert weights["block3_down.weight"].std() == pytest.approx(0.02 / np.sqrt(16), rel=0.05)
    assert (weights["norm.weight"] == 1).all() and (weights["block1_up.bias"] == 0).all()
    assert not np.array_equal(weights["block1_qkv.weight"], weights["block2_qkv.weight"])


# Writing

@pytest.mark.parametrize("dtype", sequences.TOLERANCE)
def test_both_twins_write_the_same_text_with_and_without_a_cache(dtype):
    """A hundred symbols, past the end of a context of 16."""
    sequences.check_same_text(GPT, small(), dtype, range(4), 100, options=[{"cached": True}, {"cached": False}])


@pytest.mark.parametrize("context, dtype", [(1, "float64"), (2, "float64"), (15, "float32"), (16, "float64"), (16, "float32")])
def test_the_cache_changes_no_text(context, dtype):
    a = small(context=context, layers=1 if context < 9 else 2)
    network = network_of(with_torch, a, dtype)
    for seed in range(6 if context < 16 else 11):
        write = lambda cached: with_torch.generate(network, sequences.letters(a), "abcdefghijk"[:1 + seed], 100, seed=seed, cached=cached)
        assert write(True) == write(False)


@TWINS
@pytest.mark.parametrize("cached", [True, False], ids=["cached", "uncached"])
def test_the_reader_expects_what_the_network_does(twin, cached):
    """Also when the context is full: it goes on from its last half."""
    a = small()
    network, numbers = network_of(twin, a), sequences.batch(a, 1, 39)[0]
    reader, seen, read = twin.reader(network, cached), [], 0
    for part in (5, 1, 1, 9, 1, 1, 4, 4, 1, 13):
        new = list(numbers[read:read + part])
        read += part
        seen = seen + new if len(seen) + part <= 16 else (seen + new)[-8:]
        whole = steps_of(twin).text_logits(network, np.array([seen]))[0, -1]
        assert compare.difference(whole, reader(new)) <= 1e-12
    assert read == 40


@TWINS
def test_a_prompt_may_be_longer_than_the_context(twin):
    a = small()
    network, symbols, prompt = network_of(twin, a), sequences.letters(a), "abcdefghijk" * 4
    write = lambda prompt, **options: twin.generate(network, symbols, prompt, 30, seed=2, **options)
    assert write(prompt) == write(prompt, cached=False) == write(prompt[-8:])  # its last half context is read


# Tokens

@TWINS
def test_networks_learn_and_write_tokens(twin):
    text = tokens.tokenized(data.language(3_000, 800), 300)
    V = len(text.symbols)
    assert 256 < V <= 300
    network = twin.gpt(spec.Architecture(V, 32, 32, 1, 2))
    history = twin.fit(network, text, TextTraining(4, 8, 32, 1e-2, measured=32), seed=1, progress=False)
    assert history["loss"][-1] < history["loss"][0] - 0.5 and history["val_loss"][-1] < 0.9 * np.log(V)
    bits = tokens.bits_per_character(history["val_loss"][-1], text.symbols, text.validation)
    assert text.bits / len(data.language(3_000, 800).validation) * len(text.validation) < bits < np.log2(V)
    for prompt in ("the girl", "Ω 😀\n"):  # there is no stranger among bytes
        written = twin.generate(network, text.symbols, prompt, 25, seed=3)
        assert written and written == twin.generate(network, text.symbols, prompt, 25, seed=3, cached=False)


def test_both_twins_write_the_same_tokens():
    text = tokens.tokenized(data.language(3_000, 800), 300)
    a = spec.Architecture(len(text.symbols), 16, 8, 1, 2)
    k, t = sequences.twins(GPT, a)
    for seed in range(3):
        assert with_keras.generate(k, text.symbols, "the", 30, seed=seed) == with_torch.generate(t, text.symbols, "the", 30, seed=seed)


# What is refused

@TWINS
def test_a_full_context_is_said_in_a_sentence(twin):
    a = small()
    network, words = network_of(twin, a), "looks back on 16 symbols; got {} at once. Cut the text into shorter windows"
    with pytest.raises(ValueError, match=words.format(17)):
        steps_of(twin).text_logits(network, np.zeros((1, 17), int))
    with pytest.raises(ValueError, match=words.format(20)):
        twin.fit(network, data.language(500, 100), TextTraining(1, 4, 20, 1e-3, measured=16), progress=False)
    with pytest.raises(ValueError, match=words.format(64)):
        twin.fit(network, data.language(500, 100), TextTraining(1, 4, 16, 1e-3, measured=64), progress=False)
    with pytest.raises(ValueError, match=words.format(32)):
        twin.measure(network, np.zeros(40, int), 32)
    with pytest.raises(ValueError, match="knows 11 symbols, numbered from 0 to 10; got -1 to 3"):
        twin.measure(network, [3, -1])


@TWINS
def test_strangers_in_a_prompt_are_named(twin):
    a = small()
    network, symbols = twin.gpt(a), sequences.letters(a)
    with pytest.raises(ValueError, match="'Z' .first at position 1. is not among the 11 symbols"):
        twin.generate(network, symbols, "aZ", 5)
    with pytest.raises(ValueError, match="the prompt is empty; give at least one symbol"):
        twin.generate(network, symbols, "", 5)
    with pytest.raises(ValueError, match="has 256 different symbols and the network predicts among 11"):
        twin.generate(network, tokens.Tokens([]), "a", 5)
    with pytest.raises(ValueError, match="different symbols and the network predicts among 11"):
        twin.fit(network, data.language(500, 100), TextTraining(1, 4, 16, 1e-3, measured=16), progress=False)


@TWINS
def test_weights_of_another_network_are_refused(twin):
    a = small()
    weights = sequences.perturbed(GPT, a)
    with pytest.raises(ValueError, match="missing.*'norm.bias'"):
        twin.gpt(a, weights={name: w for name, w in weights.items() if name != "norm.bias"})
    with pytest.raises(ValueError, match="missing none, not expected.*block2_down.bias"):
        twin.gpt(small(layers=1), weights=weights)
    with pytest.raises(ValueError, match=r"symbols.weight has shape \(11, 8\); this network needs \(12, 8\)"):
        twin.gpt(small(symbols=12), weights=weights)
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'; got 'bfloat16'"):
        twin.gpt(a, dtype="bfloat16")
    with pytest.raises(FileNotFoundError, match="no weights are shipped in .*small-nothing.* make full RUN=transformer/gpt TASK=small-nothing"):
        twin.load("nothing")


@pytest.mark.parametrize("change, words", [
    ({"symbols": 0}, "symbols must be a whole number, at least 1; got 0"), ({"width": 8.0}, "width must be a whole number, at least 1; got 8.0"),
    ({"context": -3}, "context must be a whole number, at least 1; got -3"), ({"heads": 3}, "must be a multiple of their number; got 8 and 3"),
    ({"dropout": -0.1}, "dropout is a share from 0 to below 1; got -0.1"), ({"layers": None}, "layers must be a whole number, at least 1; got None"),
])
def test_impossible_architectures_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        small(**change)
