"""The JSON documents of a file: one in each line, or one in all."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import simplejson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class Document:
    """One document: where it stands, its text, what it says; or `error`, if it is none."""

    place: str
    text: bytes
    value: Any = None
    error: str = ""


def written(value: Any) -> bytes:
    """The value as JSON, its numbers exact."""
    text: str = simplejson.dumps(value, use_decimal=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def documents(lines: Iterable[bytes], name: str) -> Iterator[Document]:
    """What stands in the lines of a file; a list is its items.

    Where the first line is a document, each line is, and they are read one by one, however many there are. Else all
    lines are one document.
    """
    by_line = False
    rest = enumerate(lines, 1)
    for number, line in rest:
        if not line.strip():
            continue
        place = f"{name}: line {number}"
        one = _document(place, line)
        if one.error and not by_line:
            yield from _items(_document(name, b"\n" * (number - 1) + line + b"".join(text for _, text in rest)))
        else:
            by_line = True
            yield from _items(one)


def _document(place: str, text: bytes) -> Document:
    try:
        value = simplejson.loads(text.decode("utf-8-sig"), parse_float=Decimal)
    except UnicodeDecodeError:
        return Document(place, text, error="it is not UTF-8")
    except simplejson.JSONDecodeError as error:
        return Document(place, text, error=f"it is not JSON: {error}")
    except (ValueError, RecursionError):
        return Document(place, text, error="it is not JSON: a number is too long, or it is nested too deep")
    return Document(place, text.removeprefix(b"\xef\xbb\xbf").strip(), value)


def _items(whole: Document) -> Iterator[Document]:
    if not isinstance(whole.value, list):
        yield whole
        return
    for number, item in enumerate(whole.value, 1):
        yield Document(f"{whole.place}: item {number}", written(item), item)
