"""What commands print: whatever an order or a record holds, it cannot change what the terminal shows."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO

from worker.telemetry.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What our own styles and progress bars write to a terminal. Elsewhere nothing of ours writes it.
_STYLE: Final = re.compile(r"(\r|\x1b\[[0-9;?]*[A-Za-z])")


class _Escaping:
    """A text stream that writes characters which a terminal obeys, or does not show, as escapes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text; return its length."""
        # With the separators in a group, every second part is a style.
        parts = _STYLE.split(text) if self._stream.isatty() else [text]
        parts[::2] = map(printable, parts[::2])
        self._stream.write("".join(parts))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def escaped_output() -> Iterator[None]:
    """Escape all that is written to standard output and standard error in this block."""
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Escaping(stream) for stream in streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
