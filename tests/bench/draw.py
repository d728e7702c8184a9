"""Pictures as SVG: bars, bars on the way to a goal, a line over a growing number."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from bench.figure import short

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ROW, _LABEL, _WIDE = 22, 520, 300
_GOOD, _BAD, _INK = "#2a7f62", "#b5522b", "#333"


def _picture(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img"'
        f' font-family="sans-serif" font-size="12" fill="{_INK}"><title>{escape(title)}</title>'
        f'<rect width="100%" height="100%" fill="#fff"/><text x="8" y="18" font-weight="bold">{escape(title)}</text>'
    )
    return "\n".join([head, *parts, "</svg>\n"])


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _bar(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{_ROW - 8}" fill="{colour}"/>'


def bars(title: str, values: Mapping[str, float]) -> str:
    """A bar for each value, the largest first."""
    rows = sorted(values.items(), key=lambda row: -row[1])
    scale, label = _WIDE / max(value for _, value in rows), 170
    parts = []
    for n, (name, value) in enumerate(rows):
        y = 32 + n * _ROW
        parts += [_text(label - 6, y + 12, name, "end"), _bar(label, y, value * scale, _GOOD)]
        parts.append(_text(label + value * scale + 6, y + 12, short(value)))
    return _picture(label + _WIDE + 70, 44 + len(rows) * _ROW, title, parts)


def goals(scores: Mapping[str, tuple[float, float, float]]) -> str:
    """How far beyond its goal each figure is (median, lowest, highest; 1 is the goal), on a scale of powers of two."""
    reach = 3.0  # powers of two to either side

    def at(score: float) -> float:
        return _LABEL + _WIDE * (min(max(math.log2(max(score, 1e-9)), -reach), reach) + reach) / (2 * reach)

    parts, height = [], 44 + len(scores) * _ROW
    for n, (name, (median, low, high)) in enumerate(scores.items()):
        y = 32 + n * _ROW
        left, right = sorted((at(1), at(median)))
        parts += [_text(_LABEL - 6, y + 12, name, "end"), _bar(left, y, right - left, _GOOD if median >= 1 else _BAD)]
        parts.append(f'<path d="M{at(low):.1f} {y + 7}H{at(high):.1f}" stroke="{_INK}"/>')
        parts.append(_text(_LABEL + _WIDE + 8, y + 12, f"{short(median)} times"))
    parts.append(f'<path d="M{at(1):.1f} 26V{height - 8}" stroke="{_INK}" stroke-dasharray="3 3"/>')
    return _picture(
        _LABEL + _WIDE + 90, height, "Beyond the goal (the dashed line), and the range of the rounds", parts
    )


def line(title: str, points: Sequence[tuple[float, float]]) -> str:
    """A line; the abscissa grows by powers of ten, the ordinate begins at zero."""
    left, top, wide, high = 70, 34, 560, 200
    low, upto = math.log10(points[0][0]), math.log10(points[-1][0])
    most = max(y for _, y in points) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        return left + wide * (math.log10(x) - low) / ((upto - low) or 1), top + high * (1 - y / most)

    spots = [place(*point) for point in points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in spots)
    parts = [f'<path d="M{left} {top}V{top + high}H{left + wide}" stroke="{_INK}" fill="none"/>']
    parts.append(f'<path d="M{path}" stroke="{_GOOD}" stroke-width="2" fill="none"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_GOOD}"/>' for x, y in spots]
    parts += [_text(left - 6, top + 5, short(most), "end"), _text(left - 6, top + high + 4, "0", "end")]
    for (x, _), (orders, _y) in zip(spots, points, strict=True):
        if math.log10(orders).is_integer() or orders == points[-1][0]:
            parts.append(_text(x, top + high + 18, f"{orders:,.0f}", "middle"))
    return _picture(left + wide + 50, top + high + 34, title, parts)
