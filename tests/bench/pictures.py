"""The pictures of benchmark results, as stand-alone SVG files: horizontal bars, bars around a goal, a line."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from bench.figure import short
from worker.operations.report import svg
from worker.operations.report.plots import Frame, axes, count_axis, line, log_axis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: The height of a row, and the widths of the labels, the bars and the values, in units of the picture.
_ROW, _LABELS, _BARS, _VALUES = 22, 520, 300, 90
#: Powers of two that the goal picture shows to either side of the goal.
_REACH = 3.0
_STYLE = """
text { font: 12px sans-serif; fill: #333; } .title { font-weight: bold; }
.good { fill: #2a7f62; stroke: none; } .bad { fill: #b5522b; stroke: none; }
.range { stroke: #333; } .goal { stroke: #333; stroke-dasharray: 3 3; } .grid { stroke: #e3e6ec; }
polyline.good { fill: none; stroke: #2a7f62; stroke-width: 2; stroke-linejoin: round; }
"""


def bars(title: str, values: Mapping[str, float]) -> str:
    """Draw a horizontal bar for each value, the largest first."""
    rows = sorted(values.items(), key=lambda row: -row[1])
    labels, scale = 170, _BARS / max(value for _, value in rows)
    parts: list[str] = []
    for n, (name, value) in enumerate(rows):
        end = labels + value * scale
        parts += [*_row(n, name, labels, "good", (labels, end)), svg.text((end + 6, _baseline(n)), short(value))]
    return _file(labels + _BARS + 70, 44 + len(rows) * _ROW, title, parts)


def goals(scores: Mapping[str, tuple[float, float, float]]) -> str:
    """Draw how far each figure is beyond its goal, on a logarithmic scale.

    A score is a median, the lowest and the highest value as multiples of the goal, where more is better.
    """
    height = 44 + len(scores) * _ROW
    parts: list[str] = []
    for n, (name, (median, low, high)) in enumerate(scores.items()):
        parts += _row(n, name, _LABELS, "good" if median >= 1 else "bad", (_place(1), _place(median)))
        middle = _top(n) + _ROW / 2 - 4
        parts.append(svg.segment("range", (_place(low), middle), (_place(high), middle)))
        parts.append(svg.text((_LABELS + _BARS + 8, _baseline(n)), f"{short(median)} times"))
    parts.append(svg.segment("goal", (_place(1), 26), (_place(1), height - 8)))
    title = "Beyond the goal (the dashed line), and the range of the rounds"
    return _file(_LABELS + _BARS + _VALUES, height, title, parts)


def growth(title: str, points: Sequence[tuple[float, float]]) -> str:
    """Draw a line over a count that grows by powers of ten; the ordinate begins at zero."""
    frame = Frame(width=680, height=258, left=70, right=50, above=34, below=24)
    counts = [count for count, _ in points]
    labelled = [count for count in counts if math.log10(count).is_integer() or count == counts[-1]]
    x = log_axis(counts[0], counts[-1], [(count, f"{count:,.0f}") for count in labelled])
    y = count_axis(max(value for _, value in points))
    spots = [((frame.x(x.share(count)), frame.y(y.share(value))), short(value)) for count, value in points]
    return _file(frame.width, frame.height, title, [*axes(frame, x, y), *line("good", spots)])


def _place(score: float) -> float:
    """Return the abscissa of a score in the picture of the goals."""
    power = min(max(math.log2(max(score, 1e-9)), -_REACH), _REACH)
    return _LABELS + _BARS * (power + _REACH) / (2 * _REACH)


def _top(row: int) -> float:
    return 32 + row * _ROW


def _baseline(row: int) -> float:
    return _top(row) + 12


def _row(row: int, name: str, labels: float, css: str, ends: tuple[float, float]) -> list[str]:
    """Return the label of a row, and its bar between two abscissas, at least one unit wide."""
    left, right = sorted(ends)
    bar = svg.bar(css, (left, _top(row)), (max(right - left, 1), _ROW - 8))
    return [svg.text((labels - 6, _baseline(row)), name, "end"), bar]


def _file(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """Return a stand-alone SVG file with a style sheet, a white background and a visible title."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<rect width="100%" height="100%" fill="#fff"/><text class="title" x="8" y="18">{escape(title)}</text>'
    )
    return "\n".join([head, *parts, "</svg>\n"])
