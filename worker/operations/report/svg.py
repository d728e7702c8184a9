"""SVG elements. Their colours come from CSS classes, so that one style sheet serves light, dark and print."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: x and y, in units of the picture; y grows downwards.
Point = tuple[float, float]


def picture(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """Return a picture to embed in a page; it scales to the width of its place."""
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def text(at: Point, content: str, anchor: str = "start") -> str:
    """Return a line of text; `anchor` is the part of the text that stands at the point: start, middle or end."""
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def bar(css: str, corner: Point, size: Point, tip: str = "") -> str:
    """Return a rectangle that begins at its upper left corner; `tip` is shown under the mouse pointer."""
    (x, y), (width, height) = corner, size
    box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{css}" {box} rx="1">{_tip(tip)}</rect>'


def dot(css: str, centre: Point, radius: float, tip: str = "") -> str:
    """Return a filled circle; `tip` is shown under the mouse pointer."""
    return f'<circle class="{css}" cx="{centre[0]:.1f}" cy="{centre[1]:.1f}" r="{radius:.1f}">{_tip(tip)}</circle>'


def segment(css: str, start: Point, end: Point) -> str:
    """Return a straight line between two points."""
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{css}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def path(css: str, points: Iterable[Point]) -> str:
    """Return a line through all points."""
    return f'<polyline class="{css}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'


def _tip(words: str) -> str:
    return f"<title>{escape(words)}</title>" if words else ""
