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
from worker.telemetry.printable import one_line, printable

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

    def write(self, text: str | bytes) -> int:
        """Write the text; return its length. Click writes completions as bytes, though this is no binary stream."""
        if isinstance(text, bytes):
            if not text:  # how Click asks whether it is one
                raise TypeError("not a binary stream")
            text = text.decode("utf-8", "backslashreplace")
        self._put(printable(text))
        return len(text)

    @property
    def styled(self) -> _Styled:
        """This stream for text with our own styles, whose other parts are escaped already."""
        return _Styled(self)

    #: The name by which Rich finds it.
    rich_proxied_file = styled

    def _put(self, text: str) -> None:
        with self._failing():
            self.inner.write(text)

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


class _Styled:
    """The same stream, on which styles stay what they are if a terminal shows it."""

    def __init__(self, stream: _Escaping) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text; return its length."""
        # With the separators in a group, every second part is a style.
        parts = _STYLE.split(text) if self._stream.inner.isatty() else [text]
        parts[::2] = map(printable, parts[::2])
        self._stream._put("".join(parts))  # noqa: SLF001  # its other half
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def styled(stream: TextIO) -> TextIO:
    """Return the stream for text with styles of ours. Text from outside in it has to go through `one_line` first."""
    return getattr(stream, "styled", stream)


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


def echo_styled(text: str, *, nl: bool = True, **style: Any) -> None:
    """Print the text as one line, in a style of ours."""
    click.echo(click.style(one_line(text), **style), nl=nl, file=styled(sys.stdout))


def never_wait() -> None:
    """Let what this command writes never make it wait: it goes on, or its exit code counts, even if nobody reads."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, _Escaping):
            stream.inner = unblocked(stream.inner)
        else:
            setattr(sys, name, unblocked(stream))
