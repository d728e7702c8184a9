"""A response of the usual form that has arrived whole: read at once, in a tenth of the time that `http.client` takes.

Any other response (compressed, ended by the end of the connection, preceded by an interim one, or of an unusual form)
is left to `http.client`, with the bytes that have arrived.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal

#: The head: the status, then the lines of the headers.
_HEAD: Final = re.compile(
    rb"HTTP/1\.1 ([2-5]\d\d)(?: [^\x00-\x08\x0a-\x1f\x7f]*+)?\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\x00-\x08\x0a-\x1f\x7f]*+\r\n)*+)\r\n"
)
_LENGTH: Final = re.compile(r"[0-9]{1,15}")
#: The size of a chunk, and the beginning of one that has not arrived whole.
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_CHUNK_BEGINNING: Final = re.compile(rb"(?:[0-9A-Fa-f]{1,8}\r?)?")
_LAST: Final = b"\r\n"
#: The statuses of responses without a body.
_EMPTY: Final = frozenset({204, 304})

#: Whether the rest of a response is still to come, or it has an unusual form.
Unread = Literal["more", "unusual"]


class Headers(Mapping[str, str]):
    """The headers of a response, whose names ignore case. The values of one name are joined by commas."""

    __slots__ = ("_values",)

    def __init__(self, lines: str) -> None:
        self._values: dict[str, str] = {}
        for line in lines.split("\r\n")[:-1]:
            name, _, value = line.partition(":")
            key, value = name.lower(), value.strip(" \t")
            self._values[key] = f"{self._values[key]}, {value}" if key in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Whole:
    """A response with its body, in the form in which urllib3 has it. Its connection can serve the next call already."""

    __slots__ = ("_body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status, self.headers, self._body = status, headers, body

    @property
    def length_remaining(self) -> int:
        """The bytes of the body."""
        return len(self._body)

    @property
    def keeps_connection(self) -> bool:
        """Whether the other side keeps the connection open."""
        return "close" not in self.headers.get("Connection", "").lower()

    def read(self, amount: int | None = None, *, decode_content: bool = True) -> bytes:  # noqa: ARG002  # as urllib3
        """Return the next bytes of the body."""
        part = self._body[:amount]
        self._body = self._body[len(part) :]
        return part

    def close(self) -> None:
        """Do nothing: everything has arrived."""

    def release_conn(self) -> None:
        """Do nothing: the connection was released when everything had arrived."""


def whole(data: bytes) -> Whole | Unread:
    """Return the response that `data` holds from its first to its last byte, or why that is none."""
    head = _HEAD.match(data)
    if head is None:
        return "unusual"
    status, headers = int(head[1]), Headers(head[2].decode("latin-1"))
    if "content-encoding" in headers:
        return "unusual"
    length, coding = headers.get("content-length"), headers.get("transfer-encoding")
    body: bytes | Unread = "unusual"
    if status in _EMPTY:
        body = _body(data, head.end(), 0)
    elif coding is None and length is not None and _LENGTH.fullmatch(length):
        body = _body(data, head.end(), int(length))
    elif coding == "chunked" and length is None:
        body = _chunks(data, head.end())
    return body if isinstance(body, str) else Whole(status, headers, body)


def _body(data: bytes, start: int, length: int) -> bytes | Unread:
    missing = length - (len(data) - start)
    if missing:
        return "more" if missing > 0 else "unusual"
    return data[start:]


def _chunks(data: bytes, at: int) -> bytes | Unread:
    """Return the body of a response that is sent in chunks, without extensions and trailers."""
    chunks: list[bytes] = []
    while size := _CHUNK.match(data, at):
        begin, at = size.end(), size.end() + int(size[1], 16)
        if len(data) < at + len(_LAST):
            return "more"
        if data[at : at + len(_LAST)] != _LAST:
            return "unusual"
        if at == begin:
            return b"".join(chunks) if len(data) == at + len(_LAST) else "unusual"
        chunks.append(data[begin:at])
        at += len(_LAST)
    return "more" if _CHUNK_BEGINNING.fullmatch(data, at) else "unusual"
