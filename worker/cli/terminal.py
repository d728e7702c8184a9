"""What commands print: whatever an order or a record holds, it cannot change what the terminal shows."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from errno import EPIPE
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from worker.process.escapes import ESCAPED
from worker.process.output import unblocked
from worker.telemetry.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What our own styles and progress bars write to a terminal. Elsewhere nothing of ours writes it.
_STYLE: Final = re.compile(r"(\r|\x1b\[[0-9;?]*[A-Za-z])")


class _Escaping:
    """A text stream that writes characters which a terminal obeys, or does not show, as escapes."""

    #: None: Click would write past this stream where the encoding is ASCII.
    buffer = None

    def __init__(self, stream: TextIO, *, essential: bool) -> None:
        self.inner, self._essential = stream, essential

    def write(self, text: str) -> int:
        """Write the text; return its length."""
        # With the separators in a group, every second part is a style.
        parts = _STYLE.split(text) if self.inner.isatty() else [text]
        parts[::2] = map(printable, parts[::2])
        with self._failing():
            self.inner.write("".join(parts))
        return len(text)

    def flush(self) -> None:
        """Write what the stream still holds."""
        with self._failing():
            self.inner.flush()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """End the command with words if its result cannot be written; its messages need not be."""
        try:
            yield
        except OSError as error:
            # Click ends a command quietly whose reader has left.
            if self._essential and error.errno == EPIPE:
                raise
            if self._essential:
                raise click.ClickException(
                    f"the output could not be written: {(error.strerror or '').lower()}"
                ) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@contextmanager
def escaped_output() -> Iterator[None]:
    """Escape all that is written to standard output and standard error in this block.

    A character that the encoding of the output lacks is an escape as well.
    """
    ours = []
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or unblocked(None)
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)
        ours.append(_Escaping(stream, essential=name == "stdout"))
    sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        sys.stdout, sys.stderr = (stream.inner for stream in ours)


def never_wait() -> None:
    """Let what this command writes never make it wait: it goes on, or its exit code counts, even if nobody reads."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, _Escaping):
            stream.inner = unblocked(stream.inner)
        else:
            setattr(sys, name, unblocked(stream))
