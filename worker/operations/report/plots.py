"""Plots: bars and lines over axes with a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from worker.operations.report import svg
from worker.operations.report.words import length, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

#: At most this many dates have room below a plot.
_DATES: Final = 9
#: Durations that get a grid line, in seconds.
_SECONDS: Final = (0.1, 1, 10, 60, 600, 3_600, 21_600, 86_400, 864_000, 8_640_000)
#: The share of a day's slot that its bars fill.
_FILLED: Final = 0.72


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture's size and the margins around its plot area, in units of the picture."""

    width: float = 760
    height: float = 190
    left: float = 56
    right: float = 0
    above: float = 8
    below: float = 22

    def x(self, share: float) -> float:
        """Return the abscissa of a share (0 to 1) of the plot area's width."""
        return self.left + (self.width - self.left - self.right) * share

    def y(self, share: float) -> float:
        """Return the ordinate of a share (0 to 1) of the plot area's height, counted from below."""
        return self.above + (self.height - self.above - self.below) * (1 - share)


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a value lies on an axis, as a share from 0 to 1, and the values that have a label."""

    share: Callable[[float], float]
    labels: Sequence[tuple[float, str]]


def count_axis(most: float) -> Axis:
    """Return an axis from zero to `most` or a little more, with a label at every 1, 2 or 5 times a power of ten."""
    step = next(size * 10**power for power in range(18) for size in (1, 2, 5) if size * 10**power * 5 >= max(most, 1))
    values = [n * step for n in range(math.ceil(most / step) + 1)]
    top = max(values[-1], 1)
    return Axis(lambda value: value / top, [(value, number(value)) for value in values])


def log_axis(low: float, high: float, labels: Sequence[tuple[float, str]]) -> Axis:
    """Return a logarithmic axis from `low` to `high`; if both are equal, all values lie in the middle."""
    bottom, top = math.log(low), math.log(high)
    return Axis(lambda value: (math.log(value) - bottom) / (top - bottom) if top > bottom else 0.5, labels)


def axes(frame: Frame, x: Axis, y: Axis) -> Iterator[str]:
    """Yield a grid line with its label for each label of `y`, and the labels of `x` below the plot."""
    for value, label in y.labels:
        at = frame.y(y.share(value))
        yield svg.segment("grid", (frame.x(0), at), (frame.x(1), at))
        yield svg.text((frame.left - 8, at + 3.5), label, "end")
    for value, label in x.labels:
        yield svg.text((frame.x(x.share(value)), frame.height - 6), label, "middle")


def line(css: str, points: Sequence[tuple[svg.Point, str] | None], radius: float = 3.0) -> Iterator[str]:
    """Yield a line through the points of a picture, with a dot at each; None is a gap, the text a dot's tip."""
    for present, run in groupby(points, key=lambda point: point is not None):
        if present:
            yield svg.path(css, [point[0] for point in run if point is not None])
    for point in points:
        if point is not None:
            yield svg.dot(css, point[0], radius, point[1])


def bars_by_day(days: Sequence[date], series: Sequence[tuple[str, str, Sequence[int]]], title: str) -> str:
    """Draw counts as bars side by side for each day; each series is its CSS class, its name and its counts."""
    frame, x = Frame(), _day_axis(days)
    y = count_axis(max((count for _, _, counts in series for count in counts), default=0))
    slot = 1 / max(1, len(days))
    wide = frame.x(slot * _FILLED / len(series)) - frame.x(0)
    parts = [*axes(frame, x, y)]
    for nth, (css, name, counts) in enumerate(series):
        for n, (day, count) in enumerate(zip(days, counts, strict=True)):
            if count:
                left, top = frame.x((n + (1 - _FILLED) / 2) * slot) + nth * wide, frame.y(y.share(count))
                size = max(wide - 0.6, 0.6), frame.y(0) - top
                parts.append(svg.bar(css, (left, top), size, f"{day}: {number(count)} {name}"))
    return svg.picture(frame.width, frame.height, title, parts)


def delays_by_day(days: Sequence[date], series: Sequence[tuple[str, str, Sequence[float | None]]], title: str) -> str:
    """Draw durations in seconds as lines on a logarithmic scale; each series is its CSS class, its name, its values."""
    frame, x = Frame(), _day_axis(days)
    known = [value for _, _, values in series for value in values if value is not None]
    low, high = min(known, default=1.0), max(known, default=1.0)
    seconds = [value for value in _SECONDS if low / 10 < value < high * 10] or [1.0]
    labels = [(value, length(value).replace(".0 s", " s")) for value in seconds]
    y = log_axis(min(seconds[0], low), max(seconds[-1], high), labels)
    parts = [*axes(frame, x, y)]
    for css, name, values in series:
        points = [
            None
            if value is None
            else ((frame.x(x.share(n)), frame.y(y.share(value))), f"{day}: {name} {length(value)}")
            for n, (day, value) in enumerate(zip(days, values, strict=True))
        ]
        parts += line(css, points, min(3.0, (frame.x(1) - frame.x(0)) / max(1, len(days)) / 3))
    return svg.picture(frame.width, frame.height, title, parts)


def _day_axis(days: Sequence[date]) -> Axis:
    """Return an axis of day numbers from 0, each in the middle of its slot."""
    every = max(1, math.ceil(len(days) / _DATES))
    labels = [(float(n), f"{days[n]:%-d %b}") for n in range(0, len(days), every)]
    return Axis(lambda n: (n + 0.5) / len(days), labels)
