"""Text compared word by word, and the numbers in it by value."""
import math
import re
from dataclasses import dataclass, fields
from difflib import SequenceMatcher

from dlbook.publish import PublishError

# A number that is not part of a name (`conv2d_1`), a version (`1.2.3`), a colour (`#10a020`) or an entity (`&#8217;`).
# A trailing point belongs to it inside an array, as NumPy prints: `[1. 0.5]`.
NUMBER = re.compile(r"""
    (?<![\w.#]) [-+−]?
    (?: (?i:nan|inf(?:inity)?)\b
      | (?: \d{1,3}(?:[,_]\d{3})++(?!\d) | \d++ )
        (?: \.\d++ | \.(?=\s*[\])]|\s+[-+−\d]|\s*,\s*[-+−\d]) )?+
        (?: [eE][-+−]?\d++(?!\w) )?+ (?!\.\d)
      | \.\d++ (?: [eE][-+−]?\d++(?!\w) )?+ (?!\.\d) )""", re.VERBOSE)
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
RULE = re.compile(r"([-=_~─━═┄])\1{2,}")
SHOWN = 5  # numbers told of one text; the rest is counted
WIDTH = 90  # characters of a line that a message shows


@dataclass(frozen=True)
class Tolerance:
    """How far the outputs of a cell may lie from the committed ones.

    Args:
        rtol: relative distance of numbers that are not whole. 1e-5 lets float32 rounding pass on another processor,
            and a wrong digit in a number of up to five digits fail.
        atol: absolute distance of such numbers; 1e-12 is the noise of float64 around zero.
        counts: how much whole numbers may differ.
        img: change of a picture's worst block, from 0 to 1. A curve that moves by 1e-4 changes 0.002, a count in a
            small confusion matrix 0.018, a digit in a title 0.1.
        shrink: pictures are compared at this fraction of their size, so that a line may move by a pixel or two; for curves of
            a live training, whose words and numbers are compared as text.
    """
    rtol: float = 1e-5
    atol: float = 1e-12
    counts: int = 0
    img: float = 0.01
    shrink: int = 1

    @classmethod
    def from_tags(cls, tags):
        """The tolerance that a cell's tags declare, such as `rtol:0.02` and `counts:3`.

        Args:
            tags: list of str; those without a colon are of no concern here.

        Returns:
            Tolerance.

        Raises:
            PublishError: a tag with a colon that is no tolerance, or a tolerance that is malformed.
        """
        found = {}
        for tag in tags:
            key, value = _parsed_tag(tag)
            if key in found:
                raise PublishError(f"the tolerance {key} is declared twice; keep one of the tags.")
            if key:
                found[key] = value
        return cls(**found)


EXACT = Tolerance(rtol=0.0, atol=0.0, counts=0, img=0.0)
RANGES = {"rtol": (0, 0.5), "img": (0, 0.5), "atol": (0, 1e6), "counts": (0, 1e6), "shrink": (1, 4)}
WHOLE = ("counts", "shrink")


def _parsed_tag(tag):
    """Name and value of a tolerance tag; (None, None) for another tag."""
    names = [field.name for field in fields(Tolerance)]
    key, colon, value = tag.partition(":")
    if not colon:
        if re.match(rf"({'|'.join(names)})\b(?!-)", tag):
            raise PublishError(f"the tag {tag!r} is malformed; write a tolerance as `rtol:0.02`.")
        return None, None
    if key not in names:
        raise PublishError(f"the tag {tag!r} names no tolerance; there are: {', '.join(names)}.")
    kind, wanted = (int, "a whole number") if key in WHOLE else (float, "a number")
    try:
        number = kind(value)
    except ValueError:
        number = math.nan
    lowest, highest = RANGES[key]
    if not lowest <= number <= highest:
        raise PublishError(f"the tag {tag!r} is malformed: after the colon comes {wanted} from {lowest} to {highest:g}.")
    return key, number


def same_number(committed, now, tolerance):
    """Whether two printed numbers agree.

    Whole numbers agree when their difference is within `counts`, others within `rtol` and `atol`. A whole number agrees with
    one that is not whole where formatting dropped the fraction (`1` and `0.99999`), but `10` is not `10.0`.

    Args:
        committed: str, as printed.
        now: str, as printed.
        tolerance: Tolerance.

    Returns:
        bool.
    """
    if committed == now:
        return True
    whole = [bool(re.fullmatch(r"[-+−]?[\d,_]+\.?", text)) for text in (committed, now)]
    first, second = (_value(text) for text in (committed, now))
    if math.isinf(first) or math.isinf(second):
        return False
    if all(whole):
        return 0 < abs(first - second) <= tolerance.counts or (first == second and "." in committed + now)
    if any(whole) and first == second:
        return False
    return close(first, second, tolerance)


def close(committed, now, tolerance):
    """Whether two floats agree: both not a number, or within `rtol` and `atol`."""
    if math.isnan(committed) or math.isnan(now):
        return math.isnan(committed) and math.isnan(now)
    return math.isclose(committed, now, rel_tol=tolerance.rtol, abs_tol=tolerance.atol)


def compare_text(committed, now, tolerance):
    """Sentences on what differs between two texts.

    Args:
        committed: str.
        now: str.
        tolerance: Tolerance for the numbers; everything else must be the same, up to the width of columns and memory addresses.

    Returns:
        list of str, empty where they agree.
    """
    if committed == now:
        return []
    before, after = _lines(committed), _lines(now)
    told = []
    matcher = SequenceMatcher(None, [NUMBER.sub("#", line) for line in before], [NUMBER.sub("#", line) for line in after], autojunk=False)
    for kind, i, i_end, j, j_end in matcher.get_opcodes():
        if kind == "equal":
            for old, new in zip(before[i:i_end], after[j:j_end]):
                told += _compare_numbers(old, new, tolerance)
        else:
            told += _tell_lines(before[i:i_end], after[j:j_end])
    return told if len(told) <= SHOWN else [*told[:SHOWN], f"and {len(told) - SHOWN} more"]


def _value(text):
    return float(re.sub(r"[,_]", "", text.replace("−", "-")))


def _lines(text):
    """Lines of a text in which spaces, rules and addresses that may vary have one form."""
    text = RULE.sub(r"\1\1\1", ADDRESS.sub("at 0x0", text))
    # An array breaks its lines elsewhere, and keeps a place for a sign, as its numbers need.
    text = re.sub(r"\[[^\[\]]*\]", lambda array: array[0].replace("\n", " "), text)
    text = re.sub(r"(?<=[\[(])[ \t]+|[ \t]+(?=[\])])", "", text)
    return [re.sub(r"[ \t]+", " ", line).strip() for line in text.strip("\n").split("\n")]


def _compare_numbers(old, new, tolerance):
    pairs = zip(NUMBER.finditer(old), NUMBER.finditer(new))
    wrong = [(a, b) for a, b in pairs if not same_number(a[0], b[0], tolerance)]
    told = [f"{_around(old, a)} -> {b[0]}" for a, b in wrong]
    return [f"{sentence} (committed `{_clip(old)}`, now `{_clip(new)}`)" for sentence in told]


def _around(line, number):
    """A number with the words before it."""
    before = re.findall(r"[^\W\d_][\w.-]*\s*[:=(]?\s*$", line[:number.start()])
    return f"{before[0].strip()} {number[0]}" if before else number[0]


def _tell_lines(before, after):
    told = []
    for number in range(max(len(before), len(after))):
        if number >= len(after):
            told.append(f"the line `{_clip(before[number])}` is gone")
        elif number >= len(before):
            told.append(f"the line `{_clip(after[number])}` is new")
        else:
            start = _common(before[number], after[number])
            told.append(f"committed `{_clip(before[number], start)}`, now `{_clip(after[number], start)}`")
    return told


def _common(first, second):
    return next((i for i, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second)))


def _clip(line, start=0):
    """The part of a line around its first change, short enough to read."""
    left = max(0, start - WIDTH // 3) if len(line) > WIDTH else 0
    return ("…" if left else "") + line[left:left + WIDTH] + ("…" if left + WIDTH < len(line) else "")
