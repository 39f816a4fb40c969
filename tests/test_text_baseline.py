"""The baseline of counts on real texts, and the probes of agreement in the generated language."""
import numpy as np
import pytest

from dlbook import data, runs
from dlbook.text import agreement
from dlbook.text.baseline import full, spec
from dlbook.text.ngram import NGram

LANGUAGE = data.Language()


@pytest.mark.parametrize("sentence, kind, beginning, plural", [
    ("the dog sleeps", "nothing", "the dog sleep", False),
    ("some old dogs sleep", "nothing", "some old dogs sleep", True),
    ("the dog sees the cats", "nothing", "the dog see", False),
    ("the dog that waits sleeps", "verb", "the dog that waits sleep", False),
    ("the dog that sees a cat sleeps", "same number", "the dog that sees a cat sleep", False),
    ("the dogs that see a green cat find a king", "other number", "the dogs that see a green cat find", True),
    ("the dog that sees the cats finds the birds", "other number", "the dog that sees the cats find", False),
])
def test_probes_end_at_the_stem_of_the_main_verb(sentence, kind, beginning, plural):
    assert agreement.probe(tuple(sentence.split())) == agreement.Probe(kind, beginning, plural)


def test_probes_of_every_kind():
    found = agreement.probes(LANGUAGE, np.random.default_rng(0), each=5)
    assert list(found) == list(agreement.KINDS) and all(len(some) == 5 for some in found.values())
    for kind, example in agreement.KINDS.items():
        stem, ending = example.split("|")
        assert agreement.probe(tuple((stem + ending).split())) == agreement.Probe(kind, stem, False)


def test_who_knows_the_rule_is_right_and_who_knows_nothing_guesses():
    symbols = LANGUAGE.text(2000, 200).symbols

    def knowing(one):
        return lambda numbers: np.log([0.9 * ((c in " .") if one.plural else (c == "s")) + 1e-9 for c in symbols.characters])

    for one in (agreement.Probe("nothing", "the dog sleep", False), agreement.Probe("nothing", "the dogs sleep", True)):
        assert agreement.right(knowing(one), symbols, one) > 0.99
        wrong = agreement.Probe("nothing", one.text, not one.plural)
        assert agreement.right(knowing(wrong), symbols, one) < 0.01
    blind = lambda numbers: np.zeros(len(symbols))
    assert agreement.right(blind, symbols, agreement.Probe("nothing", "the dog sleep", False)) == pytest.approx(1 / 3)


def test_a_long_count_falls_for_the_trap():
    text = LANGUAGE.text(60_000, 200)
    model = NGram(text.train, len(text.symbols), 8)
    probes = agreement.probes(LANGUAGE, np.random.default_rng(1), each=30)
    score = {kind: np.mean([agreement.right(model.reader(), text.symbols, one) for one in some]) for kind, some in probes.items()}
    assert score["nothing"] > 0.7 and score["same number"] > 0.7 and score["other number"] < 0.3


def test_a_file_is_read_in_three_ways():
    ways = spec.cleanings("Éa A\n".encode())
    assert list(ways.values()) == [[5, 5], [5, 4], [6, 5]]


def test_what_is_recorded(monkeypatch, tmp_path):
    path = tmp_path / "play.txt"
    path.write_text("the cat sat on the mat. " * 60)
    text = data.read_text(path)
    monkeypatch.setattr(full.data, "text", lambda name: data.Text(name, "", text.train, text.validation, text.symbols, ("toy/play.txt",)))
    monkeypatch.setattr(full, "fetch", lambda name: path)
    result = full.run("torch", 0, tmp_path, "shakespeare")
    assert result["lengths"] == [len(text.train), len(text.validation)] and result["symbols"] == text.symbols.characters
    assert result["bits"] == [NGram(text.train, len(text.symbols), n).bits(text.validation) for n in spec.ORDERS]
    assert result["metrics"] == {"best_bits": min(result["bits"]), "best_n": 1 + int(np.argmin(result["bits"]))}
    assert [sample["n"] for sample in result["samples"]] == list(spec.ORDERS)
    assert all(len(sample["text"]) == spec.WRITTEN and set(sample["text"]) <= set(text.symbols.characters) for sample in result["samples"])
    assert full.run("keras", 0, tmp_path, "shakespeare") == result  # no framework is used


def test_the_shipped_records_have_the_numbers_of_the_deck():
    record, = runs.records("text/baseline", "nietzsche")
    assert record["cleanings"]["byte by byte, A to Z lower-cased"] == [600_901, 59] == [sum(record["lengths"]), len(record["symbols"])]
    plays, = runs.records("text/baseline", "shakespeare")
    assert plays["lengths"] == [1_003_854, 111_540] and len(plays["symbols"]) == 65
