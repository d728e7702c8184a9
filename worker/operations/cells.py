"""Write tables as CSV whose cells no spreadsheet calculates."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from worker.telemetry.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: The characters with which a cell begins that a spreadsheet would calculate; some read the wide ones as well.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: object) -> str:
    """Return a value as the text of a cell that no spreadsheet calculates, without hidden characters."""
    if isinstance(value, dict):
        value = "; ".join(f"{name}={text}" for name, text in value.items())
    text = " ".join(value) if isinstance(value, list) else str(value)
    formula = text.lstrip(" ").startswith(_FORMULA)
    return f"'{printable(text)}" if formula else printable(text)


def csv_lines(columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """Yield the lines of a table, the names of the columns first."""
    names, buffer = list(columns), io.StringIO(newline="")
    writer = csv.DictWriter(buffer, names, lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        writer.writerow({name: cell(row[name]) for name in names})
    yield buffer.getvalue()
