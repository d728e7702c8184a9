"""Plots as SVG inside the page: coloured by its style sheet, without a script."""

from __future__ import annotations

import math
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Final

from worker.cli.report.words import length, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

#: The plot, and the place for what stands at its left and below, in units of the drawing.
WIDTH, HEIGHT, LEFT, BELOW, ABOVE = 760, 190, 56, 22, 8
#: Dates that have room below.
_DATES: Final = 9
#: Seconds at which a line is drawn, as people count them.
_SECONDS: Final = (0.1, 1, 10, 60, 600, 3_600, 21_600, 86_400, 864_000, 8_640_000)


def bars(days: Sequence[date], series: Sequence[tuple[str, str, Sequence[int]]], title: str) -> str:
    """Bars side by side for each day; a series is its class in the style sheet, its name, and its counts."""
    most = max((count for _, _, counts in series for count in counts), default=0)
    lines = _round_steps(most)
    top = max(lines[-1], 1)

    def y(value: float) -> float:
        return ABOVE + (HEIGHT - ABOVE - BELOW) * (1 - value / top)

    slot = _slot(days)
    wide = slot * 0.72 / len(series)
    parts = [*_grid([(value, number(value)) for value in lines], y), *_dates(days)]
    for nth, (colour, name, counts) in enumerate(series):
        for n, (day, count) in enumerate(zip(days, counts, strict=True)):
            if count:
                x, tip = LEFT + n * slot + slot * 0.14 + nth * wide, f"{day}: {number(count)} {escape(name)}"
                parts.append(
                    f'<rect class="{colour}" x="{x:.1f}" y="{y(count):.1f}" width="{max(wide - 0.6, 0.6):.1f}"'
                    f' height="{y(0) - y(count):.1f}" rx="1"><title>{tip}</title></rect>'
                )
    return _drawn(parts, title)


def delays(days: Sequence[date], series: Sequence[tuple[str, str, Sequence[float | None]]], title: str) -> str:
    """A line for each series of lengths of time, in seconds, on a scale where each step is many times the last."""
    known = [value for _, _, values in series for value in values if value is not None]
    low, high = min(known, default=1.0), max(known, default=1.0)
    lines = [value for value in _SECONDS if low / 10 < value < high * 10] or [1.0]
    bottom, top = math.log(min(lines[0], low)), math.log(max(lines[-1], high))

    def y(value: float) -> float:
        part = (math.log(value) - bottom) / (top - bottom) if top > bottom else 0.5
        return ABOVE + (HEIGHT - ABOVE - BELOW) * (1 - part)

    slot = _slot(days)
    parts = [*_grid([(value, length(value).replace(".0 s", " s")) for value in lines], y), *_dates(days)]
    for colour, name, values in series:
        points = [
            (LEFT + (n + 0.5) * slot, value, day) for n, (day, value) in enumerate(zip(days, values, strict=True))
        ]
        runs = _unbroken([None if value is None else f"{x:.1f},{y(value):.1f}" for x, value, _ in points])
        parts += [f'<polyline class="{colour}" points="{" ".join(run)}"/>' for run in runs]
        parts += [
            f'<circle class="{colour}" cx="{x:.1f}" cy="{y(value):.1f}" r="{min(3.0, slot / 3):.1f}">'
            f"<title>{day}: {escape(name)} {length(value)}</title></circle>"
            for x, value, day in points
            if value is not None
        ]
    return _drawn(parts, title)


def _slot(days: Sequence[date]) -> float:
    return (WIDTH - LEFT) / max(1, len(days))


def _round_steps(most: int) -> list[int]:
    """From nothing to `most` or a little more, in three to five steps of 1, 2 or 5."""
    step = next(size * 10**power for power in range(18) for size in (1, 2, 5) if size * 10**power * 5 >= max(most, 1))
    return [n * step for n in range(math.ceil(most / step) + 1)]


def _grid(lines: Sequence[tuple[float, str]], y: Callable[[float], float]) -> Iterator[str]:
    for value, label in lines:
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{y(value) + 3.5:.1f}" text-anchor="end">{label}</text>'


def _dates(days: Sequence[date]) -> Iterator[str]:
    every = math.ceil(len(days) / _DATES)
    for n in range(0, len(days), max(1, every)):
        x = LEFT + (n + 0.5) * _slot(days)
        yield f'<text x="{x:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{days[n]:%-d %b}</text>'


def _unbroken(points: Sequence[str | None]) -> Iterator[list[str]]:
    """The runs of points that have no gap between them."""
    for there, run in groupby(points, key=lambda point: point is not None):
        if there:
            yield [point for point in run if point is not None]


def _drawn(parts: Sequence[str], title: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">'
        f"{''.join(parts)}</svg>"
    )
