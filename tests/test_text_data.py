"""Texts: any alphabet, broken files, long ones, and the generated language whose entropy is known."""
import itertools
import resource
import time
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_data import at_hand

from dlbook import data
from dlbook.data.language import GRAMMAR
from dlbook.text.ngram import NGram

TEXTS = {
    "Chinese": "道可道，非常道。名可名，非常名。\n" * 5,
    "emoji": "😀🎉 😀👩‍👩‍👧 🏳️‍🌈\n" * 6,  # beyond 16 bits, and joined from several symbols
    "combining marks": "e\u0301te\u0301 n\u0303 a\u0308\n" * 6,
    "Arabic": "بسم الله الرحمن الرحيم\n" * 6,
    "Finnish": "Mieleni minun tekevi, aivoni ajattelevi\n" * 4,
    "lone surrogates": "a\ud800b\udfffc\ud83d\ude00" * 6,
    "zeros and marks": "\0a\ufeff\u2028b\x85" * 8,
    "one line": "no line ends here, only words",
}


def whole(text):
    """A Text's symbols, both parts, as a str again."""
    return text.symbols.decode(np.concatenate([text.train, text.validation]))


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_any_alphabet_is_read_and_written_back(content):
    text = data.read_text(content)
    assert whole(text) == content
    assert list(text.symbols.characters) == sorted(set(content))
    assert text.train.dtype == text.validation.dtype == np.int64
    assert np.concatenate([text.train, text.validation]).max() == len(text.symbols) - 1


def test_the_symbols_are_code_points():
    """A letter with a mark of its own is two symbols, an emoji beyond 16 bits one."""
    assert len(data.Symbols.of("e\u0301").encode("e\u0301")) == 2 and len(data.Symbols.of("😀a").encode("😀")) == 1


@settings(deadline=None)
@given(content=st.text(st.characters(), min_size=1, max_size=60))
@example("\U0010ffff\0")
@example("\ud83d\ude00😀")
def test_every_text_comes_back_from_its_numbers(content):
    symbols = data.Symbols.of(content)
    numbers = symbols.encode(content)
    assert symbols.decode(numbers) == content
    slow = sorted(set(content))
    assert numbers.tolist() == [slow.index(c) for c in content]


@settings(deadline=None)
@given(characters=st.text(st.characters(), min_size=1, max_size=20), content=st.text(st.characters(), max_size=30))
def test_a_text_is_known_or_its_first_stranger_is_named(characters, content):
    """Against a plain loop: what is known is encoded, all else is named with the first place of any."""
    symbols = data.Symbols("".join(dict.fromkeys(characters)))  # not sorted
    strangers = [i for i, c in enumerate(content) if c not in characters]
    assert symbols.only_known(content) == "".join(c for c in content if c in characters)
    if not strangers:
        assert symbols.decode(symbols.encode(content)) == content
        return
    with pytest.raises(ValueError) as error:
        symbols.encode(content)
    assert f"first at position {strangers[0]:,}" in str(error.value)
    assert str(error.value).startswith(repr(min(content[i] for i in strangers)))


def test_unknown_symbols_are_named():
    symbols = data.Symbols("ab")
    with pytest.raises(ValueError, match=r"^'é' \(first at position 2\) is not among the 2 symbols this network knows: 'ab'\.$"):
        symbols.encode("abéé")
    with pytest.raises(ValueError, match=r"^'X', '😀' \(first at position 1\) are not among"):
        symbols.encode("a😀Xb")
    with pytest.raises(ValueError, match=r"'0', '1', .*'7' and 2 more \(first at position 0\)"):
        symbols.encode("9876543210")


def test_a_message_does_not_list_thousands_of_symbols():
    many = data.Symbols("".join(map(chr, range(0x4E00, 0x4E00 + 5000))))
    with pytest.raises(ValueError, match="not among the 5000 symbols") as error:
        many.encode("a")
    assert len(str(error.value)) < 250 and "..." in str(error.value)


def test_symbols_keep_their_order_and_compare():
    assert data.Symbols("ba").encode("ab").tolist() == [1, 0]
    assert data.Symbols("ba") == data.Symbols(["b", "a"]) != data.Symbols("ab")
    assert data.Symbols("ab") != "ab"
    assert data.Symbols("ab").encode("").dtype == np.int64 and data.Symbols("ab").decode([]) == ""


@pytest.mark.parametrize(("numbers", "error", "words"), [
    ([0, 2], ValueError, "go from 0 to 1; got 0 to 2"), ([-1], ValueError, "got -1 to -1"), ([0.5], TypeError, "whole numbers; got float64"),
    ([True], TypeError, "whole numbers; got bool"), (np.array([2**40]), ValueError, "got 1099511627776"),
])
def test_numbers_that_are_no_symbols_are_refused(numbers, error, words):
    with pytest.raises(error, match=words):
        data.Symbols("ab").decode(numbers)


def test_symbols_of_bad_input():
    with pytest.raises(ValueError, match="'a' stands twice in 'aba'"):
        data.Symbols("aba")
    with pytest.raises(ValueError, match="without a symbol"):
        data.Symbols("")
    with pytest.raises(ValueError, match="without a symbol"):
        data.Symbols.of("")
    with pytest.raises(TypeError, match="a text is a str; got bytes"):
        data.Symbols("ab").encode(b"ab")


@pytest.mark.parametrize(("content", "words"), [
    ("", "your text has 0 symbols"), (b"", "your text has 0 symbols"), ("\ufeff", "has 0 symbols"), ("abc", r"has 3 symbols; .*\(2 and 1 here\)"),
    ("a" * 100, "one symbol only, 'a': there is nothing to predict"), ("\r\n" * 100, r"one symbol only, '\\n'"),
])
def test_texts_that_cannot_be_learnt_from(content, words):
    with pytest.raises(ValueError, match=words):
        data.read_text(content)


@pytest.mark.parametrize("share", [0, 1, -0.1, 2, float("nan")])
def test_a_share_that_leaves_nothing(share):
    with pytest.raises(ValueError, match=f"above 0 and below 1; got {share}"):
        data.read_text("ab" * 100, share=share)


def test_the_shortest_text_that_works():
    text = data.read_text("abab", share=0.5)
    assert text.train.tolist() == text.validation.tolist() == [0, 1]


@settings(deadline=None)
@given(content=st.text(st.characters(exclude_characters="\r\ufeff"), min_size=40, max_size=80).filter(lambda c: len(set(c)) > 1), share=st.floats(0.1, 0.9))
def test_the_parts_follow_each_other(content, share):
    text = data.read_text(content, share)
    assert whole(text) == content and len(text.train) == int(share * len(content))


def test_line_ends_become_newlines_and_a_byte_order_mark_goes():
    plain = "first line\nsecond\n\nlast" * 2
    for ends in ("\r\n", "\r"):
        assert whole(data.read_text(plain.replace("\n", ends))) == plain
        assert whole(data.read_text(b"\xef\xbb\xbf" + plain.replace("\n", ends).encode())) == plain
    assert whole(data.read_text("\ufeff" + plain)) == plain
    assert whole(data.read_text("one\r\n\rtwo\n\rthree")) == "one\n\ntwo\n\nthree"


@pytest.mark.parametrize(("raw", "byte", "position"), [
    (b"abc\xff", "0xff", "3"), (b"\xef\xbb\xbfabc\xe4bc", "0xe4", "6"), ("größer".encode("latin-1"), "0xf6", "2"),
    (b"a" * 1234 + "道".encode()[:2], "0xe9", "1,234"), (b"\xed\xa0\x80", "0xed", "0"), (b"\xc0\x80", "0xc0", "0"),
])
def test_what_is_not_utf8_is_named_by_byte_and_position(raw, byte, position, tmp_path):
    (tmp_path / "old.txt").write_bytes(raw)
    message = rf"is not UTF-8: byte {byte} at position {position} fits nothing; save it again as UTF-8, or pass raw.decode\('latin-1'\)"
    with pytest.raises(ValueError, match="your text " + message):
        data.read_text(raw)
    with pytest.raises(ValueError, match="old.txt " + message):
        data.read_text(tmp_path / "old.txt")


def test_the_remedies_for_what_is_not_utf8_work():
    with pytest.raises(ValueError, match=r"byte 0xff at position 0 .*raw.decode\('utf-16'\)"):
        data.read_text("hello hello".encode("utf-16"))
    assert whole(data.read_text("hello hello".encode("utf-16").decode("utf-16"))) == "hello hello"
    assert whole(data.read_text("größer größer".encode("latin-1").decode("latin-1"))) == "größer größer"


def test_a_file_gives_its_text_and_name(tmp_path):
    path = tmp_path / "story.txt"
    path.write_bytes("Olipa kerran äiti.\r\n".encode() * 3)
    text = data.read_text(path)
    assert (text.name, text.licence, text.bits, text.files) == ("story.txt", "yours", None, ())
    assert whole(text) == "Olipa kerran äiti.\n" * 3 and data.read_text(path, name="tale").name == "tale"
    assert str(text) == "story.txt: 51 symbols to learn from, 6 to measure on, 14 different ones"


def test_paths_that_lead_to_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*nothing\.txt"):
        data.read_text(tmp_path / "nothing.txt")
    with pytest.raises(IsADirectoryError, match="is a folder; name a text file in it"):
        data.read_text(tmp_path)
    (tmp_path / "empty.txt").touch()
    with pytest.raises(ValueError, match="empty.txt has 0 symbols"):
        data.read_text(tmp_path / "empty.txt")


def test_the_name_of_a_file_is_not_taken_for_a_text(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text("once upon a time")
    with pytest.raises(ValueError, match=r"is the name of a file; pass Path\("):
        data.read_text(str(path))
    assert whole(data.read_text("no such file.txt")) == "no such file.txt"
    assert whole(data.read_text("道" * 200 + "非")) == "道" * 200 + "非"  # too long for the name of any file


@pytest.mark.parametrize("source", [None, 7, ["a", "b"], bytearray(b"abc")])
def test_other_sources_are_refused(source):
    with pytest.raises(TypeError, match=f"from a Path, from bytes or from a str; got {type(source).__name__}"):
        data.read_text(source)


@pytest.mark.large
def test_fifty_megabytes():
    """Encoded in a few seconds; beside the text and its numbers (8 bytes each), less than as much again."""
    rng = np.random.default_rng(0)
    raw = "".join(map(chr, rng.choice([10, 32, *range(97, 123), 228, 246, 0x4E00], 1 << 18))).encode() * 170
    assert len(raw) > 50e6
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    text = data.read_text(raw)
    seconds, grown = time.process_time() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    n = len(text.train) + len(text.validation)
    assert n == 170 * (1 << 18) and len(text.symbols) == 31
    assert seconds < 10 and grown < 2 * (len(raw) + 8 * n)
    assert text.symbols.decode(text.validation[-1000:]).encode() == raw.decode()[-1000:].encode()


SIZES = {"nietzsche": (540_810, 60_091, 59), "shakespeare": (1_003_854, 111_540, 65), "kalevala": (491_035, 54_560, 51)}


@pytest.mark.parametrize("name", data.SOURCES)
def test_the_registered_texts_have_their_sizes(name):
    file = data.SOURCES[name].file
    at_hand(file)
    text = data.text(name)
    assert (len(text.train), len(text.validation), len(text.symbols)) == SIZES[name]
    assert text.files == (file,) and text.licence == "public domain" and text.bits is None
    assert len(np.unique(np.concatenate([text.train, text.validation]))) == len(text.symbols)


def test_nietzsche_is_read_byte_by_byte():
    """The deck's 600,901 symbols of 59 kinds are bytes; read as UTF-8 and lower-cased there are 600,893 of 57."""
    at_hand("text/nietzsche.txt")
    text = data.text("nietzsche")
    assert len(text.train) + len(text.validation) == 600_901 and len(text.symbols) == 59
    characters = data.fetch("text/nietzsche.txt").read_bytes().decode().lower()
    assert (len(characters), len(set(characters))) == (600_893, 57)
    # The bytes that a character of several has make the difference.
    assert whole(text).encode("latin-1").decode().lower() == characters


def test_the_kalevala_keeps_its_umlauts():
    at_hand("text/kalevala.txt")
    text = data.text("kalevala")
    assert {"ä", "ö", "\n"} <= set(text.symbols.characters) and "\r" not in text.symbols.characters
    assert "Mieleni minun tekevi" in whole(text)


def test_an_unknown_text_is_refused():
    with pytest.raises(ValueError, match="there is no text 'hamlet'; choose from: nietzsche, shakespeare, kalevala"):
        data.text("hamlet")


def test_a_text_that_is_not_here_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv("DLBOOK_MIRROR", raising=False)
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path))
    monkeypatch.setenv("DLBOOK_PROFILE", "quick")
    with pytest.raises(data.DataError, match="text/kalevala.txt is not on this machine"):
        data.text("kalevala")


# The language.

# Sentences x c, x d, y c, y d: with a chain and a choice, finitely many.
SMALL = {"S": ((0.25, ("A", "B")), (0.75, ("x", "A"))), "A": ((0.1, ("a",)), (0.9, ("bb", "c"))), "B": ((0.5, ("d",)), (0.5, ("e", "d", "d")))}
# "a" n times: the number of words is geometric.
REPEATED = {"S": ((0.6, ("a",)), (0.4, ("a", "S")))}


def all_sentences(grammar, least=0.0, part="S"):
    """Every (words, probability) of a part, dropping what is less probable than `least`, by plain recursion."""
    if part not in grammar:
        return [((part,), 1.0)]
    found = []
    for p, parts in grammar[part]:
        rows = [((), p)]
        for each in parts:
            rows = [(words + more, q * r) for words, q in rows if q >= least
                    for more, r in all_sentences(grammar, least / q, each) if q * r >= least]
        found += rows
    return found


def test_entropy_and_length_of_a_small_grammar_are_counted_out():
    sentences, language = all_sentences(SMALL), data.Language(SMALL)
    p = np.array([q for _, q in sentences])
    assert len(sentences) == len({words for words, _ in sentences}) == 6 and p.sum() == pytest.approx(1)
    assert language.entropy() == pytest.approx(-(p * np.log2(p)).sum(), rel=1e-12)
    lengths = [len(" ".join(words) + ".\n") for words, _ in sentences]
    assert language.length() == pytest.approx(p @ lengths, rel=1e-12)
    assert language.bits_per_symbol() == pytest.approx(language.entropy() / (p @ lengths), rel=1e-12)


def test_entropy_and_length_of_an_endless_grammar():
    """A geometric number of words: entropy h(0.6) / 0.6, and 1 / 0.6 words of two symbols each and a newline."""
    h = -(0.6 * np.log2(0.6) + 0.4 * np.log2(0.4))
    assert data.Language(REPEATED).entropy() == pytest.approx(h / 0.6, rel=1e-12)
    assert data.Language(REPEATED).length() == pytest.approx(2 / 0.6 + 1, rel=1e-12)


def drawn(n=4000, seed=1):
    rng, language = np.random.default_rng(seed), data.Language()
    return [language.sentence(rng) for _ in range(n)]


SENTENCES = drawn()


def test_what_is_drawn_has_the_computed_entropy_and_length():
    """Within four standard errors of the mean."""
    language = data.Language()
    for values, expected in (([s.bits for s in SENTENCES], language.entropy()), ([len(str(s)) for s in SENTENCES], language.length())):
        assert abs(np.mean(values) - expected) < 4 * np.std(values) / np.sqrt(len(values))


@cache
def inside(words, part="S"):
    """Probability that a part becomes these words, summed over all derivations: an independent parser of the shipped grammar."""
    if part not in GRAMMAR:
        return float(words == (part,))
    return sum(p * row(words, parts) for p, parts in GRAMMAR[part])


def row(words, parts):
    if len(parts) == 1:
        return inside(words, parts[0])
    return sum(inside(words[:i], parts[0]) * row(words[i:], parts[1:]) for i in range(1, len(words) - len(parts) + 2))


def test_a_sentences_bits_are_its_probability_over_all_derivations():
    """Were there a second derivation of a sentence, the parser's sum would be larger."""
    for sentence in SENTENCES[:150]:
        if len(sentence.words) < 25:
            assert inside(sentence.words) == pytest.approx(2 ** -sentence.bits, rel=1e-9)
    assert inside(("the", "dog", "sleep")) == 0


def test_no_sentence_has_two_derivations():
    """All sentences above a probability: none comes twice, and those that hold most of the weight are many."""
    sentences = all_sentences(GRAMMAR, 2e-6)
    strings = [" ".join(words) for words, _ in sentences]
    assert len(strings) == len(set(strings)) > 5000
    assert sum(p for _, p in sentences) < 1
    for words, p in itertools.islice(sentences, 0, None, 500):
        assert inside(words) == pytest.approx(p, rel=1e-9)


def test_the_text_can_be_cut_into_words_again():
    words = {part for rules in GRAMMAR.values() for _, parts in rules for part in parts} - set(GRAMMAR)
    assert len(words) == 51 and all(word.isalpha() and word.islower() for word in words)


def test_the_verb_always_agrees_with_its_subject():
    """In each clause: a determiner and noun of one number, and the verb of that number, across the relative clause."""
    checked = 0
    words = {name: {rule[1][0] for rule in GRAMMAR[name]} for name in GRAMMAR if name.startswith(("N_", "VI_", "VT_"))}
    verbs = {n: words[f"VI_{n}"] | words[f"VT_{n}"] for n in ("sg", "pl")}
    assert not verbs["sg"] & verbs["pl"] and not words["N_sg"] & words["N_pl"]
    for sentence in SENTENCES:
        head = next(w for w in sentence.words if w in words["N_sg"] | words["N_pl"])
        found = [w for w in sentence.words if w in verbs["sg"] | verbs["pl"]]
        number = "sg" if head in words["N_sg"] else "pl"
        # The main verb, and that of the clause about the subject.
        assert len(found) == 1 + ("that" in sentence.words) and set(found) <= verbs[number]
        checked += "that" in sentence.words
    assert checked > 1000


def test_the_same_seed_gives_the_same_text():
    one, again, other = data.language(500, 300, 1), data.language(500, 300, 1), data.language(500, 300, 2)
    assert whole(one) == whole(again) != whole(other) and one.bits == again.bits != other.bits
    assert 500 <= len(one.train) < 700 and 300 <= len(one.validation) < 500


def test_the_bits_of_a_text_are_those_of_its_sentences():
    text = data.language(2000, 1500, 3)
    content = text.symbols.decode(text.validation)
    bits = sum(-np.log2(inside(tuple(line.removesuffix(".").split()))) for line in content.splitlines())
    assert content.endswith(".\n") and text.bits == pytest.approx(bits / len(content), rel=1e-9)


def test_no_n_gram_beats_the_source():
    """And a longer memory helps, over three texts; the limit is that of the validation part itself."""
    for seed in range(3):
        text = data.language(20_000, 8_000, seed)
        bits = [NGram(text.train, len(text.symbols), n).bits(text.validation) for n in range(1, 6)]
        assert min(bits) > text.bits and all(a > b for a, b in zip(bits, bits[1:]))


@pytest.mark.parametrize(("grammar", "words"), [
    ({}, "starts at 'S', and this grammar has only: nothing"),
    ({"A": ((1, ("a",)),)}, "starts at 'S', and this grammar has only: A"),
    ({"S": ((0.5, ("a",)), (0.4, ("b",)))}, "probabilities of S sum to 0.9; they must sum to 1"),
    ({"S": ((0.500001, ("a",)), (0.5, ("b",)))}, "probabilities of S sum to 1.000001;"),
    ({"S": ()}, "probabilities of S sum to 0; they must sum to 1"),
    ({"S": ((1.5, ("a",)), (-0.5, ("b",)))}, "probability of S -> a must be above 0 and at most 1; got 1.5"),
    ({"S": ((1, ("a",)), (0, ("b",)))}, "probability of S -> b must be above 0 and at most 1; got 0"),
    ({"S": ((float("nan"), ("a",)),)}, "probability of S -> a must be above 0"),
    ({"S": ((0.5, ("a",)), (0.5, ()))}, r"S -> \(\) has an empty part or none"),
    ({"S": ((1, ("a", "")),)}, "has an empty part or none"),
    ({"S": ((1, ("S",)),)}, "grow without end"),
    ({"S": ((0.5, ("a",)), (0.5, ("S", "S")))}, "grow without end"),
    ({"S": ((1, ("A",)),), "A": ((0.3, ("a",)), (0.7, ("B", "B"))), "B": ((0.2, ("b",)), (0.8, ("A",)))}, "grow without end"),
])
def test_improper_grammars_are_refused(grammar, words):
    with pytest.raises(ValueError, match=words):
        data.Language(grammar)


@pytest.mark.parametrize("sizes", [(0, 10), (10, 0), (-5, 10)])
def test_empty_parts_are_refused(sizes):
    with pytest.raises(ValueError, match=f"at least one symbol; got {sizes[0]} to learn from and {sizes[1]} to measure on"):
        data.language(*sizes)
