"""Reads the parts of a `multipart/form-data` body (RFC 7578)."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message


@dataclass(frozen=True, slots=True)
class Part:
    """One part; `content_type` is in lower case and without parameters, `text/plain` if none was sent."""

    name: str
    filename: str | None
    content_type: str
    content: bytes


def read(content_type: str, body: bytes) -> list[Part]:
    """Return the parts in order. Raise ValueError if the body is incomplete or not multipart/form-data."""
    head = Message()
    head["Content-Type"] = content_type
    boundary = head.get_boundary()
    if head.get_content_type() != "multipart/form-data" or not boundary:
        raise ValueError("no multipart/form-data")
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if not pieces or not pieces[-1].startswith(b"--"):
        raise ValueError("the body does not end with its boundary")
    return [_part(piece) for piece in pieces[:-1]]


def _part(piece: bytes) -> Part:
    lines, blank, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    head = Message()
    for line in lines.decode().split("\r\n"):
        key, _, value = line.partition(":")
        head[key.strip()] = value.strip()
    name, filename = (head.get_param(field, header="Content-Disposition") for field in ("name", "filename"))
    if not blank or not isinstance(name, str):
        raise ValueError("a part without a name")
    return Part(name, None if filename is None else str(filename), head.get_content_type(), content)
