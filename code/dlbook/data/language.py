"""A small generated language whose entropy is known: the smallest bits a symbol that any model can reach on it.

Sentences are drawn from a probabilistic grammar, one independent of the other. A verb agrees with its subject in number, and a
relative clause may stand between them, so a model that sees only the last few symbols cannot know the verb's ending.
"""
from dataclasses import dataclass

import numpy as np

from dlbook.data.text import Symbols, Text


def _words(*words):
    """One rule a word; the k-th is 1/k as frequent as the first, as in real languages (Zipf's law)."""
    weights = 1 / np.arange(1, len(words) + 1)
    return tuple((float(p), (word,)) for p, word in zip(weights / weights.sum(), words))


def _number(sg):
    """The rules of one number, singular or plural: who is meant, and what it does."""
    n = "sg" if sg else "pl"
    return {
        f"NP_{n}": ((0.75, (f"DET_{n}", f"N_{n}")), (0.25, (f"DET_{n}", "ADJ", f"N_{n}"))),
        # A clause about the subject stands between it and its verb.
        f"SUBJECT_{n}": ((0.65, (f"NP_{n}",)), (0.35, (f"NP_{n}", "that", f"VP_{n}"))),
        f"VP_{n}": ((0.5, (f"VI_{n}",)), (0.5, (f"VT_{n}", "OBJECT"))),
        f"DET_{n}": _words("the", "a" if sg else "some", "this" if sg else "these"),
        f"N_{n}": _words(*(w if sg else w + "s" for w in ("dog", "girl", "cat", "bird", "king", "tree", "river", "stone"))),
        f"VI_{n}": _words(*(w + "s" if sg else w for w in ("sleep", "sing", "wait", "laugh", "grow", "dream"))),
        f"VT_{n}": _words(*(w + "s" if sg else w for w in ("see", "love", "find", "follow", "fear", "paint"))),
    }


GRAMMAR = {
    "S": ((0.5, ("SUBJECT_sg", "VP_sg")), (0.5, ("SUBJECT_pl", "VP_pl"))),
    "OBJECT": ((0.5, ("NP_sg",)), (0.5, ("NP_pl",))),
    "ADJ": _words("old", "small", "happy", "green", "quiet"),
    **_number(True), **_number(False),
}


@dataclass(frozen=True)
class Sentence:
    """A sentence with what it costs to say.

    Args:
        words: tuple of str.
        bits: minus the base-2 logarithm of its probability.
    """
    words: tuple
    bits: float

    def __str__(self):
        return " ".join(self.words) + ".\n"


def _check_rules(name, rules):
    """Say in a sentence what is wrong with the rules of a name."""
    for p, parts in rules:
        if not 0 < p <= 1:
            raise ValueError(f"the probability of {name} -> {' '.join(parts)} must be above 0 and at most 1; got {p}.")
        if not all(parts) or not parts:
            raise ValueError(f"each rule must say something; {name} -> {parts!r} has an empty part or none.")
    if not abs(sum(p for p, _ in rules) - 1) < 1e-8:  # as closely as NumPy wants it
        raise ValueError(f"the probabilities of {name} sum to {sum(p for p, _ in rules):.9g}; they must sum to 1.")


class Language:
    """A probabilistic context-free grammar whose sentences have one derivation each.

    Args:
        grammar: dict of name to rules (probability, names and words); `S` is where a sentence starts. What is no name is a word.

    Raises:
        ValueError: no `S`, a probability that is none, probabilities that do not sum to 1, a rule that says nothing, or sentences
            that have no finite expected length.
    """

    def __init__(self, grammar=None):
        self.grammar = GRAMMAR if grammar is None else grammar
        if "S" not in self.grammar:
            raise ValueError(f"a sentence starts at 'S', and this grammar has only: {', '.join(self.grammar) or 'nothing'}.")
        for name, rules in self.grammar.items():
            _check_rules(name, rules)
        self._names = list(self.grammar)
        # children[A, B]: how many B one A becomes on average
        self._children = np.array([[sum(p * parts.count(b) for p, parts in self.grammar[a]) for b in self._names] for a in self._names])
        # A branching process dies out in a finite expected time if its matrix shrinks every vector in the end.
        if max(abs(np.linalg.eigvals(self._children))) > 1 - 1e-9:
            raise ValueError("sentences of this grammar grow without end on average; make its recursive rules less probable.")

    def _expected(self, own):
        """Expected sum over a sentence of what each rule contributes by itself: x = own + children x."""
        own = np.array([sum(p * own(p, parts) for p, parts in self.grammar[name]) for name in self._names])
        return float(np.linalg.solve(np.eye(len(own)) - self._children, own)[self._names.index("S")])

    def entropy(self):
        """Entropy of a sentence in bits: each choice of a rule with probability p costs -log2 p bits."""
        # H(A) = sum_r p_r (-log2 p_r + sum over the parts B of r of H(B))
        return self._expected(lambda p, parts: -np.log2(p))

    def length(self):
        """Expected symbols of a sentence, with its spaces, full stop and newline."""
        words = self._expected(lambda p, parts: sum(len(part) + 1 for part in parts if part not in self.grammar))
        return words + 1  # each word is followed by a space or the full stop; then comes the newline

    def bits_per_symbol(self):
        """Entropy rate of the text: bits a symbol that the best possible model needs."""
        return self.entropy() / self.length()

    def sentence(self, rng):
        """Draw a sentence.

        Args:
            rng: numpy.random.Generator.

        Returns:
            Sentence.
        """
        words, bits, open_parts = [], 0.0, ["S"]
        while open_parts:
            part = open_parts.pop()
            if part not in self.grammar:
                words.append(part)
                continue
            rules = self.grammar[part]
            p, parts = rules[rng.choice(len(rules), p=[p for p, _ in rules])]
            bits -= np.log2(p)
            open_parts.extend(reversed(parts))
        return Sentence(tuple(words), float(bits))

    def text(self, train=60_000, validation=20_000, seed=0):
        """A text of independent sentences.

        Args:
            train, validation: symbols at least; the last sentence is finished.
            seed: whole number.

        Returns:
            Text, whose `bits` is what the true source needs on the validation part.

        Raises:
            ValueError: a part of less than one symbol.
        """
        if min(train, validation) < 1:
            raise ValueError(f"each part of a text needs at least one symbol; got {train} to learn from and {validation} to measure on.")
        rng = np.random.default_rng(seed)
        (learn, _), (measure, bits) = self._draw(train, rng), self._draw(validation, rng)
        symbols = Symbols.of(learn + measure)
        return Text("a generated language of known entropy", "MIT, this course", symbols.encode(learn), symbols.encode(measure), symbols,
                    bits=bits / len(measure))

    def _draw(self, size, rng):
        parts, length, bits = [], 0, 0.0
        while length < size:
            sentence = self.sentence(rng)
            parts.append(str(sentence))
            length, bits = length + len(parts[-1]), bits + sentence.bits
        return "".join(parts), bits


def language(train=60_000, validation=20_000, seed=0):
    """A text in the course's generated language; see `Language.text`."""
    return Language().text(train, validation, seed)
