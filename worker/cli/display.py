"""The one way to print with Rich: text from outside is never markup, and cannot change what the terminal shows."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import rich.console
import rich.table
from rich.segment import Segment
from rich.text import Text

from worker.cli.terminal import styled
from worker.telemetry.printable import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Iterable


class Display(rich.console.Console):
    """A console of Rich that prints every text as it is. Styles are those of `Text`, or of `style=`."""

    def __init__(self, *, width: int | None = None, stderr: bool = False) -> None:
        super().__init__(width=width, stderr=stderr, markup=False, emoji=False, highlight=False)

    @property
    def file(self) -> IO[str]:
        """The stream for text with styles: while a progress bar is shown, Rich puts a stream of its own before ours."""
        return styled(super().file)  # type: ignore[arg-type]  # an IO[str] is one for our purpose

    @file.setter
    def file(self, new: IO[str]) -> None:
        self._file = new

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the text with escapes for what a terminal obeys, before it is laid out."""
        return super().render_str(printable(text), **options)

    def render(self, *args: Any, **options: Any) -> Iterable[Segment]:
        """Yield the segments, with escapes also in the parts of a `Text`."""
        for segment in super().render(*args, **options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


class Table(rich.table.Table):
    """A table whose cells are one line each, unless a cell is a `Text`."""

    def add_row(self, *cells: rich.console.RenderableType | None, **options: Any) -> None:
        """Add a row."""
        super().add_row(*(one_line(cell) if isinstance(cell, str) else cell for cell in cells), **options)


def line(*parts: str | tuple[str, str]) -> Text:
    """Return the parts, each a text or a text and its style, as one line."""
    texts = [(part, "") if isinstance(part, str) else part for part in parts]
    return Text.assemble(*((one_line(text), style) for text, style in texts))
