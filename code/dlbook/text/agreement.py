"""Does a model know which verb belongs to which noun? Sentences of the generated language, cut just before the verb's ending."""
from dataclasses import dataclass

from dlbook.data.language import GRAMMAR
from dlbook.text import sampling

# What stands between the subject and its verb; the object of the last two stands right before the verb.
KINDS = {
    "nothing": "the dog sleep|s",
    "verb": "the dog that waits sleep|s",
    "same number": "the dog that sees the cat sleep|s",
    "other number": "the dog that sees the cats sleep|s",
}
PLURAL = {word: name.endswith("pl") for name, rules in GRAMMAR.items() if name[:2] in ("N_", "VI", "VT") and name[:3] != "VP_"
          for _, (word,) in rules}
NOUNS = {word for name in ("N_sg", "N_pl") for _, (word,) in GRAMMAR[name]}


@dataclass(frozen=True)
class Probe:
    """A sentence up to the stem of its main verb: the next symbol must say the subject's number.

    Args:
        kind: what stands in between, one of `KINDS`.
        text: the sentence's beginning.
        plural: whether its subject is plural.
    """
    kind: str
    text: str
    plural: bool


def probe(words):
    """Cut a sentence of the generated language behind the stem of its main verb.

    Args:
        words: tuple of str, as `Sentence.words`.

    Returns:
        Probe.
    """
    nouns = [i for i, word in enumerate(words) if word in NOUNS]
    verbs = [i for i, word in enumerate(words) if word in PLURAL and word not in NOUNS]
    main = verbs[1] if "that" in words else verbs[0]
    between = [i for i in nouns[1:] if i < main]
    plural = PLURAL[words[nouns[0]]]
    if "that" not in words:
        kind = "nothing"
    elif not between:
        kind = "verb"
    else:
        kind = "same number" if PLURAL[words[between[0]]] == plural else "other number"
    # `sleep` and `sleeps` have the stem `sleep`.
    stem = words[main] if plural else words[main].removesuffix("s")
    return Probe(kind, " ".join([*words[:main], stem]), plural)


def probes(language, rng, each=100):
    """So many sentences of each kind.

    Args:
        language: data.Language with the course's grammar.
        rng: numpy.random.Generator.
        each: sentences a kind.

    Returns:
        dict of kind to list of Probe.
    """
    found = {kind: [] for kind in KINDS}
    while min(map(len, found.values())) < each:
        one = probe(language.sentence(rng).words)
        if len(found[one.kind]) < each:
            found[one.kind].append(one)
    return found


def right(reader, symbols, one):
    """How sure a model is of the right ending, given that the verb ends here one way or the other.

    Args:
        reader: a fresh reader, as for `sampling.generate`.
        symbols: data.Symbols of the model.
        one: Probe.

    Returns:
        float from 0 to 1; 0.5 is a guess.
    """
    p = sampling.probabilities(reader(symbols.encode("\n" + one.text)))
    # A singular verb goes on with its s; a plural one is complete, and a space or the full stop follows.
    singular, plural = p[symbols.encode("s")].sum(), p[symbols.encode(" .")].sum()
    return float((plural if one.plural else singular) / (singular + plural))
