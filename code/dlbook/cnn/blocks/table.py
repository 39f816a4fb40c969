"""The table of a network's layers, computed from its architecture by arithmetic alone: shapes, parameters, operations."""
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import isfinite
from numbers import Integral, Real


@dataclass(frozen=True)
class Row:
    """One layer of a network.

    Args:
        name: the layer's name in both twins.
        kind: `input`, `conv`, `depthwise`, `norm`, `lrn`, `relu`, `pool`, `flatten`, `dense`, `dropout`, `add` or `concat`.
        shape: of its output, (H, W, C) or (D,).
        parameters: learnt by gradient descent.
        statistics: moving means and variances, which no gradient changes.
        operations: multiply-accumulates for one image; convolutions and dense layers only, without biases, as the papers count them.
        block: name of the block it belongs to; empty outside blocks.
        branch: name of its path through the block; empty on the main path.
        note: for a drawing, for example `3 x 3, stride 2`.
    """
    name: str
    kind: str
    shape: tuple
    parameters: int = 0
    statistics: int = 0
    operations: int = 0
    block: str = ""
    branch: str = ""
    note: str = ""


@dataclass(frozen=True)
class Totals:
    """Sums over a table: parameters, moving statistics, multiply-accumulates for one image."""
    parameters: int
    statistics: int
    operations: int


def totals(rows):
    """Sum a table.

    Args:
        rows: list of Row.

    Returns:
        Totals.
    """
    return Totals(*(sum(getattr(row, name) for row in rows) for name in ("parameters", "statistics", "operations")))


def depth(rows):
    """Layers with weights on the longest path from the input to the last row.

    Args:
        rows: list of Row; a path `three_a` goes on from the end of the path `three`.

    Returns:
        int: convolutions and dense layers, without those of auxiliary heads (blocks called `aux...`).
    """
    found = {}
    for row in rows:
        if row.kind in ("conv", "depthwise", "dense") and not row.block.startswith("aux"):
            # Outside blocks every layer is on the path.
            paths = found.setdefault(row.block, {})
            paths[row.branch] = paths.get(row.branch, 0) + 1
    return sum(_longest(paths) for paths in found.values())


def _longest(paths):
    """Of one block: the path with most layers, with what it goes on from; a main path written after a shortcut runs beside it."""
    names = list(paths)
    return max(sum(paths[start] for start in names[:i + 1] if start in ("", path) or path.startswith(start + "_")) for i, path in enumerate(names))


def checked(write, a):
    """A network's table, or where its images are too small, how large they must be.

    Args:
        write: function of an architecture -> list of Row.
        a: architecture with a `size`.

    Returns:
        list of Row.

    Raises:
        ValueError: no size, or one at which nothing is left for a window to see.
    """
    if a.size is None:
        raise ValueError("this network's pooling depends on the size of the images; got size None: give a number of pixels.")
    sides(a.size)
    try:
        return write(a)
    except ValueError as error:
        enough = next((size for size in range(1, LARGE) if _fits(write, a, size)), None)
        if enough is None:
            raise
        raise ValueError(f"images of size {a.size} are too small: this network reads {enough} x {enough} pixels or more; {error}") from None


LARGE = 1000  # pixels; where the search for the smallest image ends


def _fits(write, a, size):
    try:
        return bool(write(replace(a, size=size)))
    except ValueError:
        return False


def sides(size):
    """Height and width of the images that a network reads.

    Args:
        size: side of a square image, (height, width), or None: any.

    Returns:
        (H, W), or (None, None).

    Raises:
        ValueError: anything else.
    """
    both = size if isinstance(size, tuple) else (size, size)
    if len(both) != 2 or not all(is_whole(side) for side in both) and both != (None, None):
        raise ValueError(f"size must be a whole number of pixels above 0, or (height, width); got {size!r}.")
    return both


def by_name(a, kind, variants, family):
    """An architecture by its name.

    Args:
        a: an architecture, or its name as text or number.
        kind: the class of architectures.
        variants: dict of name to architecture.
        family: what the networks are called, for the message.

    Returns:
        the architecture.

    Raises:
        ValueError: an unknown name.
    """
    if isinstance(a, kind):
        return a
    if str(a) not in variants:
        raise ValueError(f"there is no {family} {a!r}; choose from: {', '.join(variants)}, or give an Architecture.")
    return variants[str(a)]


def is_whole(value, least=1):
    """Whether a value is a whole number of `least` or more; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= least


def whole(name, value, least=1):
    """Refuse what is not a whole number of `least` or more.

    Args:
        name: of the field, for the message.
        value: to check.
        least: smallest value.

    Raises:
        ValueError: it is none.
    """
    if not is_whole(value, least):
        raise ValueError(f"{name} must be a whole number of {least} or more; got {value!r}.")


def wholes(name, values, count=None, least=1):
    """Refuse what is not a tuple of whole numbers of `least` or more.

    Args:
        name: of the field, for the message.
        values: to check.
        count: how many there must be; None: any number of them.
        least: smallest value.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(values, tuple) or count not in (None, len(values)) or not all(is_whole(value, least) for value in values):
        many = "" if count is None else f"{count} "
        raise ValueError(f"{name} must be a tuple of {many}whole numbers of {least} or more; got {values!r}.")


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def above_zero(name, value):
    """Refuse what is not a finite number above 0; `name` is the field's, for the message."""
    if not (_is_number(value) and value > 0):
        raise ValueError(f"{name} must be a number above 0; got {value!r}.")


def share(name, value):
    """Refuse what is not a share from 0 to below 1; `name` is the field's, for the message."""
    if not (_is_number(value) and 0 <= value < 1):
        raise ValueError(f"{name} is a share from 0 to below 1; got {value!r}.")


def check_common(a, any_size=False, optional=()):
    """Refuse an architecture whose shared fields are wrong: `size`, `channels`, `num_classes`, `scaling`, and `dropout`, `norm`, if any.

    Args:
        a: architecture.
        any_size: whether `size` may be None.
        optional: names of fields among `norm` and `lrn` that may be None.

    Raises:
        ValueError: a wrong field.
    """
    # These modules import this one.
    from dlbook.cnn.blocks.images import check_scaling
    from dlbook.cnn.blocks.start import LocalNorm, Norm

    if None in sides(a.size) and not any_size:
        raise ValueError("this network is built for one size of images; got size None: give a number of pixels, or (height, width).")
    whole("channels", a.channels)
    whole("num_classes", a.num_classes)
    check_scaling(a.scaling, a.channels)
    if hasattr(a, "dropout"):
        share("dropout", a.dropout)
    for name, kind in (("norm", Norm), ("lrn", LocalNorm)):
        value = getattr(a, name, None)
        if hasattr(a, name) and not isinstance(value, kind) and not (value is None and name in optional):
            raise ValueError(f"{name} must be a {kind.__name__}{' or None' if name in optional else ''}; got {value!r}.")


def output_size(size, kernel, stride=1, padding="same", ceil=False):
    """Side of what a convolution or pooling gives.

    Args:
        size: side of its input, in pixels.
        kernel, stride: in pixels.
        padding: `same` (as TensorFlow pads: as many pixels as it takes, an odd one at the end), `valid` (none) or pixels a side.
        ceil: round up and not down: the last window may hang over the border.

    Returns:
        int.

    Raises:
        ValueError: nothing is left.
    """
    if padding == "same":
        return -(-size // stride)
    room = size + 2 * (0 if padding == "valid" else padding) - kernel
    result = (-(-room // stride) if ceil else room // stride) + 1
    if result < 1:
        raise ValueError(f"maps of {size} x {size} pixels are too small for a window of {kernel} x {kernel}; take larger images.")
    # A window must start inside the map or its left padding, else it would see nothing.
    start = size + (0 if padding == "valid" else padding)
    return result - 1 if ceil and (result - 1) * stride >= start else result


@dataclass
class Path:
    """One way through a block: where it ends."""
    shape: tuple = None


@dataclass
class Tape:
    """Writes a table layer by layer and keeps the shape of the maps.

    Args:
        size: side of the input image in pixels, or (height, width).
        channels: of the input image.
    """
    size: int | tuple
    channels: int = 3
    rows: list = field(default_factory=list)
    shape: tuple = None
    _block: str = ""
    _branch: str = ""

    def __post_init__(self):
        self.shape = (*sides(self.size), self.channels)
        self._write("input", "input", self.shape)

    def _write(self, name, kind, shape, **more):
        self.shape = shape
        self.rows.append(Row(name, kind, shape, block=self._block, branch=self._branch, **more))

    def conv(self, name, filters, kernel, stride=1, padding="same", groups=1, bias=False):
        """A convolution; `kernel` is a side or (height, width), whose windows must then be `same` or `valid`."""
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        shape = (output_size(self.shape[0], height, stride, padding), output_size(self.shape[1], width, stride, padding), filters)
        weights = height * width * (self.shape[2] // groups) * filters
        self._write(name, "conv", shape, parameters=weights + bias * filters, operations=weights * shape[0] * shape[1],
                    note=_note(height, width, stride) + (f", {groups} groups" if groups > 1 else ""))

    def depthwise(self, name, kernel, stride=1, padding="same", bias=False):
        """A convolution of each map by itself."""
        height, width = (output_size(side, kernel, stride, padding) for side in self.shape[:2])
        channels = self.shape[2]
        weights = kernel * kernel * channels
        self._write(name, "depthwise", (height, width, channels), parameters=weights + bias * channels,
                    operations=weights * height * width, note=_note(kernel, kernel, stride))

    def norm(self, name, scale=True):
        """Batch normalisation: a shift, mostly a scale, and two moving statistics a channel."""
        channels = self.shape[-1]
        self._write(name, "norm", self.shape, parameters=channels * (1 + scale), statistics=2 * channels)

    def same(self, name, kind, note=""):
        """A layer that keeps the shape and has no weights: `relu`, `lrn`, `dropout`."""
        self._write(name, kind, self.shape, note=note)

    def pool(self, name, kernel, stride, padding="valid", kind="max", ceil=False):
        """Max or average pooling."""
        height, width = (output_size(side, kernel, stride, padding, ceil) for side in self.shape[:2])
        self._write(name, "pool", (height, width, self.shape[2]), note=f"{kind}, {_note(kernel, kernel, stride)}")

    def adaptive_pool(self, name, side):
        """The means of side x side windows that cover the map and overlap where they must."""
        self._write(name, "pool", (side, side, self.shape[2]), note=f"means of {side} x {side} windows")

    def global_pool(self, name):
        """The mean of each map."""
        self._write(name, "pool", (self.shape[2],), note="mean of each map")

    def flatten(self, name):
        """All maps as one vector."""
        height, width, channels = self.shape
        self._write(name, "flatten", (height * width * channels,))

    def dense(self, name, units, bias=True):
        """A fully connected layer."""
        weights = self.shape[0] * units
        self._write(name, "dense", (units,), parameters=weights + bias * units, operations=weights)

    @contextmanager
    def block(self, name):
        """Layers written inside belong to the block `name`."""
        self._block = name
        yield
        self._block = ""

    @contextmanager
    def branch(self, name, start=None):
        """Layers written inside take their own path, from `start` (a shape; None: where we are).

        Yields:
            Path, whose `shape` is known when the path has ended.
        """
        here, before, path = self.shape, self._branch, Path()
        self.shape, self._branch = start or here, name
        yield path
        path.shape, self.shape, self._branch = self.shape, here, before

    def add(self, name, paths):
        """The sum of paths, which must have ended in equal shapes."""
        if len({path.shape for path in paths}) != 1:
            raise ValueError(f"{name} adds maps of different shapes: {', '.join(str(path.shape) for path in paths)}.")
        self._write(name, "add", paths[0].shape)

    def concat(self, name, paths):
        """The channels of all paths, side by side."""
        if len({path.shape[:2] for path in paths}) != 1:
            raise ValueError(f"{name} joins maps of different sizes: {', '.join(str(path.shape) for path in paths)}.")
        self._write(name, "concat", (*paths[0].shape[:2], sum(path.shape[2] for path in paths)))


def _note(height, width, stride):
    return f"{height} x {width}" + (f", stride {stride}" if stride > 1 else "")
