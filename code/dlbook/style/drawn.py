"""Styles that the course draws itself, so that style transfer needs no painting: brush strokes along a swirl, stained glass, bricks."""
import numpy as np

from dlbook.cnn.blocks.table import whole

# Colours of each style, R, G, B.
NIGHT = ((16, 32, 82), (28, 62, 130), (52, 104, 176), (108, 158, 208), (190, 214, 226), (244, 224, 130), (236, 178, 48))
WINDOW = ((196, 30, 40), (24, 70, 160), (244, 188, 40), (24, 128, 84), (236, 112, 30), (118, 40, 130), (170, 214, 236))
EMBERS = ((58, 14, 20), (122, 24, 24), (188, 52, 28), (228, 108, 36), (244, 170, 70), (250, 222, 150), (40, 60, 66))
CLAY = ((166, 74, 52), (148, 62, 46), (184, 92, 62), (128, 56, 46), (194, 110, 80))
MORTAR = (206, 200, 188)  # between the bricks
LEAD = (18, 18, 24)  # between the panes
DETAIL = 2  # drawn so many times larger, then made smaller: smooth edges
SIDE = 256.0  # pixels; all lengths below are for a picture of this side
STROKES, LENGTH, WIDTH = 5200, 26.0, 5.0  # how many strokes, and how long and wide
VORTICES = 7
ROWS, JOINT = 14, 1.5  # rows of bricks, and half the width of the joint between them
PANES, GAP = 9, 1.6  # panes a side, and half the width of the lead between them


def strokes(size=256, colours=NIGHT, seed=0):
    """Brush strokes that follow a swirling field, light in the swirls' middles and dark between them.

    Args:
        size: side, pixels.
        colours: list of (R, G, B) in 0..255, from dark to light.
        seed: of the swirls and the strokes.

    Returns:
        (size, size, 3) float32 in [0, 1].

    Raises:
        ValueError: a size that is no whole number above 0.
    """
    from PIL import Image, ImageDraw

    whole("size", size)
    rng, scale = np.random.default_rng(seed), DETAIL * size
    centres, turns = rng.random((VORTICES, 2)), rng.choice([-1, 1], VORTICES)
    starts = rng.random((STROKES, 2))
    paths = _along(starts, centres, turns, LENGTH / SIDE * rng.uniform(0.6, 1.2, (STROKES, 1))) * scale
    light = _light(starts, centres) + rng.normal(0, 0.12, STROKES)
    numbers = np.clip(light * len(colours), 0, len(colours) - 1).astype(int)
    shades = np.clip(np.array(colours)[numbers] + rng.normal(0, 12, (STROKES, 3)), 0, 255).astype(int)
    widths = np.maximum(1, np.round(WIDTH / SIDE * scale * rng.uniform(0.5, 1.1, STROKES))).astype(int)
    picture = Image.new("RGB", (scale, scale), colours[1])
    draw = ImageDraw.Draw(picture)
    for path, shade, width in zip(paths, shades.tolist(), widths.tolist()):
        draw.line(path.ravel().tolist(), tuple(shade), width, joint="curve")
    return _smaller(np.asarray(picture))


def _along(points, centres, turns, lengths, steps=6):
    """The strokes' points (STROKES, steps + 1, 2) along the field, from where they start."""
    path = [points]
    for _ in range(steps):
        path.append(path[-1] + lengths / steps * _directions(path[-1], centres, turns))
    return np.stack(path, 1)


def _directions(points, centres, turns):
    """Direction (N, 2) of the field at points (N, 2): around each centre, the nearest most."""
    away = points[:, None] - centres  # N, VORTICES, 2
    weight = turns / (np.square(away).sum(2) + 0.01)
    field = (weight[..., None] * away[..., ::-1] * (-1, 1)).sum(1) + (0.6, 0.15)  # N, 2
    return field / (np.linalg.norm(field, axis=1, keepdims=True) + 1e-9)


def _light(points, centres):
    """How light points (N, 2) are, from 0 to 1: rings around the centres."""
    distance = np.sqrt(np.square(points[:, None] - centres).sum(2)).min(1)
    return 0.42 + 0.5 * np.exp(-((distance / 0.07) ** 2)) + 0.22 * np.cos(distance * 55) * np.exp(-distance * 3)


def glass(size=256, colours=WINDOW, seed=0):
    """Panes of coloured glass in lead.

    Args:
        size: side, pixels.
        colours: list of (R, G, B) in 0..255.
        seed: of the panes.

    Returns:
        (size, size, 3) float32 in [0, 1].

    Raises:
        ValueError: a size that is no whole number above 0.
    """
    from scipy.spatial import cKDTree

    whole("size", size)
    rng, scale = np.random.default_rng(seed), DETAIL * size
    centres = (np.indices((PANES, PANES)).reshape(2, -1).T + rng.uniform(0.1, 0.9, (PANES**2, 2))) / PANES
    palette = np.array(colours, float)[rng.integers(len(colours), size=PANES**2)] + rng.normal(0, 14, (PANES**2, 3))
    points = (np.indices((scale, scale)).reshape(2, -1).T + 0.5) / scale
    apart, nearest = cKDTree(centres).query(points, 2)
    # The lead lies where the two nearest centres are about equally far.
    gap = apart[:, 1] - apart[:, 0]
    shade = 1 - 0.35 * (apart[:, :1] / apart[:, :1].max())  # panes are lighter in their middle
    pixels = np.where(gap[:, None] < 2 * GAP / SIDE, LEAD, palette[nearest[:, 0]] * shade)
    return _smaller(np.clip(pixels, 0, 255).reshape(scale, scale, 3))


def bricks(size=256, colours=CLAY, seed=0):
    """A wall of bricks, each row shifted by half a brick.

    Args:
        size: side, pixels.
        colours: list of (R, G, B) in 0..255.
        seed: of the bricks' colours.

    Returns:
        (size, size, 3) float32 in [0, 1].

    Raises:
        ValueError: a size that is no whole number above 0.
    """
    whole("size", size)
    rng, scale = np.random.default_rng(seed), DETAIL * size
    palette = np.array(colours, float)[rng.integers(len(colours), size=(ROWS, ROWS))] + rng.normal(0, 8, (ROWS, ROWS, 3))
    down, right = (np.indices((scale, scale)) + 0.5) / scale
    row = (down * ROWS).astype(int)
    across = right * ROWS / 2 + row % 2 / 2  # a brick is twice as long as high
    # How far from the nearest edge of its brick, in a picture of side 1.
    edge = np.minimum(_to_edge(down * ROWS) / ROWS, _to_edge(across) * 2 / ROWS)
    pixels = np.where(edge[..., None] < JOINT / SIDE, MORTAR, palette[row, across.astype(int)])
    return _smaller(np.clip(pixels, 0, 255))


def _to_edge(values):
    """Distance to the nearest whole number."""
    return np.abs(values - np.round(values))


def _smaller(pixels):
    """Means of DETAIL x DETAIL pixels in 0..255, as float32 in [0, 1]."""
    side = len(pixels) // DETAIL
    return (pixels.reshape(side, DETAIL, side, DETAIL, 3).mean((1, 3)) / 255).astype(np.float32)


def embers(size=256, seed=3):
    """The brush strokes in the colours of a fire; arguments as for `strokes`."""
    return strokes(size, EMBERS, seed)


STYLES = {"strokes": strokes, "embers": embers, "glass": glass, "bricks": bricks}
