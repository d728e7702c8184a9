"""What commands print: whatever an order or a record holds, it cannot change what the terminal shows."""

from __future__ import annotations

import io
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO

from worker.telemetry.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What our own styles and progress bars write to a terminal. Elsewhere nothing of ours writes it.
_STYLE: Final = re.compile(r"(\r|\x1b\[[0-9;?]*[A-Za-z])")


def escape(text: str, *, terminal: bool) -> str:
    """Return the text with an escape for each character that a terminal obeys or does not show, but with our styles."""
    # With the separators in a group, every second part is a style.
    parts = _STYLE.split(text) if terminal else [text]
    parts[::2] = map(printable, parts[::2])
    return "".join(parts)


class _Escaping:
    """A text stream that writes characters which a terminal obeys, or does not show, as escapes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text; return its length."""
        self._stream.write(escape(text, terminal=self._stream.isatty()))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def escaped_output() -> Iterator[None]:
    """Escape all that is written to standard output and standard error in this block.

    A character that the encoding of the output has not is escaped as well.
    """
    streams = sys.stdout, sys.stderr
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = (_Escaping(stream) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
