"""The text of a map that stands in a file of its own: CSV, JSON or TOML."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The words of which the names of columns consist in a file whose first line names them.
_HEADER: Final = frozenset({
    "key", "value", "from", "to", "source", "target", "our", "ours", "their", "theirs", "name", "names", "sku",
    "skus", "product", "products", "article", "item", "id", "ids", "code", "codes", "status", "statuses",
    "state", "delivery", "payment", "method", "type", "crm", "shop", "store", "intake", "provider", "map",
    "mapped", "old", "new",
})  # fmt: skip
_WORDS: Final = re.compile(r"[^\W\d_]+")
_EXAMPLE: Final = "Write one entry per line: MUG-1,product-1."


class MapError(ValueError):
    """A map cannot be read: the reason, with the line of the file where there is one, and the remedy."""

    def __init__(self, reason: str, remedy: str, line: int | None = None) -> None:
        self.reason, self.remedy = (f"line {line}: {reason}" if line else reason), remedy
        super().__init__(self.reason)


@dataclass(slots=True)
class Entries:
    """The entries of a map, and the line of each, where the format has lines."""

    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def parse(content: bytes, suffix: str, columns: tuple[str, str] | None = None) -> Entries:
    """Return the entries of a file; `suffix` is the end of its name, `columns` are named in the settings.

    Raise MapError for a file that is not such a map, or has no entry: an empty file is one that is being written.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MapError("is not UTF-8 text", "Save the file as UTF-8.", line) from None
    readers = {".json": _read_json, ".toml": _read_toml}
    reader = readers.get(suffix.lower())
    entries = reader(text) if reader else _read_csv(text, columns)
    if not entries.values:
        raise MapError("has no entry", _EXAMPLE)
    return entries


def _read_csv(text: str, columns: tuple[str, str] | None) -> Entries:
    entries, at = Entries(), (0, 1)
    for number, (line, row) in enumerate(_rows(text)):
        if number == 0 and columns:
            at = _positions(row, columns, line)
            continue
        if number == 0 and len(row) >= 2 and _is_header(row):  # noqa: PLR2004  # a key and a value
            _check_width(row, line)
            continue
        if columns is None:
            _check_width(row, line)
        elif len(row) <= max(at):
            raise MapError(f"has {len(row)} columns, and the first line has more", "Complete the line.", line)
        key, value = row[at[0]], row[at[1]]
        if not key or not value:
            raise MapError("has an empty cell", "Fill it in, or delete the line.", line)
        if key in entries.values:
            reason = f"the key {key} is already in line {entries.lines[key]}"
            raise MapError(reason, "Delete one of the two lines.", line)
        entries.values[key], entries.lines[key] = value, line
    return entries


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each line that is not blank, with its number; a cell is read without the blanks around it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    before = 0
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            while len(cells) > 2 and not cells[-1]:  # noqa: PLR2004  # a spreadsheet writes empty cells at the end
                cells.pop()
            if any(cells):
                yield before + 1, cells
            before = reader.line_num
    except csv.Error as error:
        raise MapError(f"is not CSV: {error}", "Close the quotes of the cell.", before + 1) from None


def _delimiter(text: str) -> str:
    """Return what separates the columns: a spreadsheet writes ";" or tabs in some countries."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=first.count)


def _is_header(row: list[str]) -> bool:
    """Return whether the line names the columns: each cell consists of words for what maps hold, without digits."""
    words = [_WORDS.findall(cell.lower().replace("_", " ")) for cell in row]
    return all(
        found and set(found) <= _HEADER and not re.search(r"\d", cell) for found, cell in zip(words, row, strict=True)
    )


def _check_width(row: list[str], line: int) -> None:
    if len(row) == 1:
        raise MapError("has no second column", _EXAMPLE, line)
    if len(row) != 2:  # noqa: PLR2004  # a key and a value
        remedy = 'Keep two, or name them in the settings by the first line: "file:skus.csv#sku,product".'
        raise MapError(f"has {len(row)} columns", remedy, line)


def _positions(row: list[str], columns: tuple[str, str], line: int) -> tuple[int, int]:
    names = [cell.casefold() for cell in row]
    for column in columns:
        if names.count(column.casefold()) != 1:
            problem = "has no column" if column.casefold() not in names else "has more than one column"
            raise MapError(f"{problem} {column}", f"The first line names: {', '.join(row)}.", line)
    first, second = columns
    return names.index(first.casefold()), names.index(second.casefold())


def _read_json(text: str) -> Entries:
    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        seen: dict[str, object] = {}
        for key, value in items:
            if key in seen:
                raise MapError(f"has the key {key} twice", "Delete one of the two.")
            seen[key] = value
        return seen

    try:
        return _entries(json.loads(text, object_pairs_hook=pairs))
    except json.JSONDecodeError as error:
        raise MapError(f"is not JSON: {error.msg}", "Correct that line.", error.lineno) from None
    except RecursionError:
        raise MapError("is not a map: it is nested", 'Write one object: {"MUG-1": "product-1"}.') from None


def _read_toml(text: str) -> Entries:
    try:
        return _entries(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise MapError(f"is not TOML: {error}", "Correct that line.") from None


def _entries(values: object) -> Entries:
    remedy = 'Write one text for each key: {"MUG-1": "product-1"}.'
    if not isinstance(values, dict):
        raise MapError("is not a map", remedy)
    for key, value in values.items():
        if not isinstance(value, str) or not key.strip() or not value.strip():
            raise MapError(f"the value of {key} is not text", remedy)
    entries = Entries()
    for key, value in values.items():
        if key.strip() in entries.values:
            raise MapError(f"has the key {key.strip()} twice", "Delete one of the two.")
        entries.values[key.strip()] = value.strip()
    return entries
