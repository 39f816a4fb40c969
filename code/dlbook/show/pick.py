"""Points to pick and compare: a chart whose checkboxes work on a static page, without kernel and script."""
import hashlib
from dataclasses import dataclass
from html import escape
from math import log10, sqrt

from dlbook.show import style, svg
from dlbook.show.page import display_html

LEFT, RIGHT, TOP, BOTTOM = 40, 12, 30, 42  # margins of the chart in pixels
LARGEST = {svg.WIDE: 34, svg.NARROW: 24}  # radius of the largest circle
TEXT = 11  # size of labels


@dataclass(frozen=True)
class Point:
    """One thing to compare.

    Args:
        name: its label.
        group: what it belongs to; gives the colour.
        x, y: where it stands; x above 0, its axis is logarithmic.
        area: of its circle, in any unit.
        cells: texts of its row in the table below the chart.
    """
    name: str
    group: str
    x: float
    y: float
    area: float
    cells: tuple


def pick(points, title, axes, columns, areas, alt):
    """Show points as circles, with a checkbox for each; the checked ones stand out and their numbers are listed.

    Args:
        points: list of Point.
        title: above the chart.
        axes: (label of x, label of y).
        columns: headers of the table; the first is of the names.
        areas: list of (area, text): circles of these sizes explain the others.
        alt: what the chart shows.

    Raises:
        ValueError: no points, too many groups, x not above 0, a row of another length than the header, or no alt text.
    """
    _check(points, columns, alt)
    key = "p" + hashlib.sha256(f"{title}{points}".encode()).hexdigest()[:10]
    chart = svg.both(lambda width: _draw(points, title, axes, areas, width), title, alt)
    html = f'<form class="dlbook-pick" id="{key}">{_rules(key, len(points))}{_boxes(points)}{chart}{_table(points, columns)}</form>'
    plain = "\n".join(" | ".join(map(str, row)) for row in [columns, *([point.name, *point.cells] for point in points)])
    display_html(html, f"{title}: {axes[1]} against {axes[0]}\n[{alt}]\n{plain}")


def _check(points, columns, alt):
    groups = dict.fromkeys(point.group for point in points)
    if not points or len(groups) > len(style.CYCLE):
        raise ValueError(f"a chart needs points in one to {len(style.CYCLE)} groups; got {len(points)} points in {len(groups)}.")
    for point in points:
        if not (point.x > 0 and point.area > 0 and len(point.cells) == len(columns) - 1):
            raise ValueError(f"each point has x and area above 0 and {len(columns) - 1} cells; got {point!r}.")
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError("a chart needs alt text: one or two sentences that say what it shows.")


# ---------------------------------------------------------------- what is not the chart

def _rules(key, count):
    """The style rules that let the checkboxes act; only where something is checked does the rest fade."""
    picked = "".join(f'#{key}:has(input[value="{i}"]:checked) .n{i}{{opacity:1;display:revert}}' for i in range(count))
    return (f"<style>#{key} .point{{transition:opacity .2s}}#{key} tbody tr{{display:none}}"
            f"#{key}:has(input:checked) .point{{opacity:.13}}#{key}:not(:has(input:checked)) table{{display:none}}{picked}</style>")


def _boxes(points):
    colours = _colours(points)
    boxes = "".join(f'<label><input type="checkbox" value="{i}"/> <span class="dot" style="background:{colours[point.group]}"></span>{i + 1}\u00a0'
                    f"{escape(point.name)}</label> " for i, point in enumerate(points))
    return f'<fieldset><legend>Pick networks to compare</legend>{boxes}<button type="reset">Show all</button></fieldset>'


def _table(points, columns):
    sides = ["left", *["right"] * (len(columns) - 1)]
    head = "".join(f'<th scope="col" style="text-align: {side}">{escape(name)}</th>' for side, name in zip(sides, columns))
    rows = "".join(f'<tr class="n{i}">' + "".join(f'<td style="text-align: {side}">{escape(str(cell))}</td>' for side, cell in
                                                    zip(sides, (point.name, *point.cells))) + "</tr>" for i, point in enumerate(points))
    return f'<table class="dlbook-table"><caption>The networks picked</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _colours(points):
    cycle = ["currentColor" if colour == style.BLACK else colour for colour in style.CYCLE]  # black would be lost on a dark page
    return dict(zip(dict.fromkeys(point.group for point in points), cycle))


# ---------------------------------------------------------------- the chart

def _draw(points, title, axes, areas, width):
    """All elements of the chart, and its height."""
    height = 440
    to_x, to_y, ticks = _scales(points, width, height)
    largest = max(point.area for point in points)
    radius = lambda area: LARGEST[width] * sqrt(area / largest)
    circles = [(to_x(point.x), to_y(point.y), radius(point.area)) for point in points]
    texts = [point.name if width == svg.WIDE else str(i + 1) for i, point in enumerate(points)]
    places, colours = labels(circles, texts, width, height), _colours(points)
    drawn = [_axes(ticks, axes, title, width, height), _sizes(areas, radius, width, height)]
    order = sorted(range(len(points)), key=lambda i: -circles[i][2])  # small circles lie on large ones, and texts on all
    drawn += [_circle(i, *circles[i], colours[points[i].group]) for i in order]
    drawn += [svg.tag("g", svg.words(*places[i], texts[i], TEXT, "start"), class_=f"point n{i}") for i in order]
    return "".join(drawn), height


def _scales(points, width, height):
    """Functions from values to pixels, and the ticks: (position, text) of x and of y."""
    low, high = log10(min(point.x for point in points)) - 0.15, log10(max(point.x for point in points)) + 0.25
    bottom, top = min(point.y for point in points) - 2, max(point.y for point in points) + 2
    to_x = lambda x: LEFT + (width - LEFT - RIGHT) * (log10(x) - low) / (high - low)
    to_y = lambda y: height - BOTTOM - (height - TOP - BOTTOM) * (y - bottom) / (top - bottom)
    values = [m * 10.0**e for e in range(-3, 13) for m in (1, 2, 5)]
    across = [(to_x(v), f"{v:g}") for v in values if low < log10(v) < high]
    up = [(to_y(v), f"{v:g}") for v in range(0, 101, 5) if bottom < v < top]
    return to_x, to_y, (across, up)


def _axes(ticks, axes, title, width, height):
    foot, (across, up) = height - BOTTOM, ticks
    drawn = [svg.words(0, 14, title, 14, "start", bold=True)]
    for x, text in across:
        drawn += [_grid(x, TOP, x, foot), svg.words(x, foot + 15, text, TEXT)]
    for y, text in up:
        drawn += [_grid(LEFT, y, width - RIGHT, y), svg.words(LEFT - 6, y + 4, text, TEXT, "end")]
    side = f"translate(11 {svg.number((TOP + foot) / 2)}) rotate(-90)"
    return "".join(drawn) + svg.words((LEFT + width) / 2, height - 8, axes[0]) + svg.tag("g", svg.words(0, 0, axes[1]), transform=side)


def _grid(x0, y0, x, y):
    return svg.tag("path", d=f"M{svg.number(x0)} {svg.number(y0)}L{svg.number(x)} {svg.number(y)}", stroke="currentColor", stroke_opacity=0.15)


def _sizes(areas, radius, width, height):
    """Circles that explain the sizes, in the lower right corner."""
    x, drawn, foot = width - RIGHT - 8, [], height - BOTTOM - 10
    for area, text in sorted(areas, reverse=True):
        half = max(radius(area), svg.width_of(text, TEXT) / 2)
        drawn += [svg.tag("circle", cx=x - half, cy=foot - 16 - radius(area), r=radius(area), fill="none", stroke="currentColor", stroke_opacity=0.6),
                  svg.words(x - half, foot, text, TEXT, muted=True)]
        x -= 2 * half + 12
    return "".join(drawn)


def _circle(i, x, y, r, colour):
    around = svg.tag("circle", cx=x, cy=y, r=r, fill=colour, fill_opacity=0.55, stroke=colour)
    return svg.tag("g", around + svg.tag("circle", cx=x, cy=y, r=1.4, fill="currentColor"), class_=f"point n{i}")


def labels(circles, texts, width, height):
    """Places for labels beside circles, so that they cover as little as possible.

    Args:
        circles: list of (x, y, radius).
        texts: a label for each.
        width, height: of the chart.

    Returns:
        list of (x, y): where each label starts, on its base line.
    """
    taken = [(x - 0.8 * r, y - 0.8 * r, x + 0.8 * r, y + 0.8 * r) for x, y, r in circles]
    places = {}
    for i in sorted(range(len(circles)), key=lambda i: circles[i][2]):  # around small circles there is least room
        choices = [_label(circles[i], texts[i], turn) for turn in range(16)]
        cost = [_covered(box, taken, i) + 1000 * _outside(box, width, height) + 2 * rank for rank, box in enumerate(choices)]
        best = choices[min(range(len(choices)), key=cost.__getitem__)]
        taken.append(best)
        places[i] = (best[0], best[3] - 3)
    return [places[i] for i in range(len(circles))]


def _label(circle, text, turn):
    """The box of a label (left, top, right, bottom) at one of eight places around a circle, then around it at twice the distance."""
    x, y, r = circle
    wide, tall = svg.width_of(text, TEXT), TEXT + 2
    across, up = ((1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (1, 1), (-1, -1), (-1, 1))[turn % 8]
    away = (r + 3) * (1 if across * up == 0 else 0.75) + 9 * (turn // 8)
    middle_x, middle_y = x + across * (away + wide / 2), y + up * (away + tall / 2)
    return middle_x - wide / 2, middle_y - tall / 2, middle_x + wide / 2, middle_y + tall / 2


def _covered(box, taken, own):
    """The area that a box shares with others, but for the circle that it belongs to."""
    return sum(max(0, min(box[2], other[2]) - max(box[0], other[0])) * max(0, min(box[3], other[3]) - max(box[1], other[1]))
               for k, other in enumerate(taken) if k != own)


def _outside(box, width, height):
    return box[0] < LEFT or box[1] < TOP or box[2] > width - 2 or box[3] > height - BOTTOM
