"""The JSON values of a file: one per line, or one in the whole file."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import simplejson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class JsonValue:
    """One JSON value: its place in the file, its text and its value; or `error`, if it is not JSON."""

    place: str
    text: bytes
    value: Any = None
    error: str = ""


def to_json(value: Any) -> bytes:
    """Return the value as JSON, its numbers exact."""
    text: str = simplejson.dumps(value, use_decimal=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def json_values(lines: Iterable[bytes], name: str) -> Iterator[JsonValue]:
    """Yield the JSON values in the lines of a file, and the items of a list one by one.

    If the first line is JSON by itself, each line is one value, and the lines are read one at a time. Otherwise the
    whole file is one value.
    """
    by_line = False
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        if not line.strip():
            continue
        place = f"{name}: line {number}"
        parsed = _parse(place, line)
        if parsed.error and not by_line:
            rest = b"".join(text for _, text in numbered)
            yield from _items(_parse(name, b"\n" * (number - 1) + line + rest))
        else:
            by_line = True
            yield from _items(parsed)


def _parse(place: str, text: bytes) -> JsonValue:
    try:
        value = simplejson.loads(text.decode("utf-8-sig"), parse_float=Decimal)
    except UnicodeDecodeError:
        return JsonValue(place, text, error="it is not UTF-8")
    except simplejson.JSONDecodeError as error:
        return JsonValue(place, text, error=f"it is not JSON: {error}")
    except (ValueError, RecursionError):
        return JsonValue(place, text, error="it is not JSON: a number is too long, or it is nested too deep")
    return JsonValue(place, text.removeprefix(b"\xef\xbb\xbf").strip(), value)


def _items(parsed: JsonValue) -> Iterator[JsonValue]:
    if not isinstance(parsed.value, list):
        yield parsed
        return
    for number, item in enumerate(parsed.value, 1):
        yield JsonValue(f"{parsed.place}: item {number}", to_json(item), item)
