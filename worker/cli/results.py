"""How commands print what they found and what they did."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def without_numbers(reason: str) -> str:
    """Return a reason with N for each number, so that reasons that differ only in a number are counted as one."""
    return re.sub(r"\d+", "N", reason)


def table_of(title: str, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> Table:
    """Return `rows` as a table; `columns` maps each heading to the name of a field."""
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(escape(str(row[name])) for name in columns.values()))
    return table


def print_counts(
    counts: dict[str, int], options: Mapping[str, Any], next_step: str = "", words: Mapping[str, str] | None = None
) -> None:
    """Print what was done, or would be: the first count, and the others that are not 0.

    `words` replaces the name of a count in the text.
    """
    if options["as_json"]:
        click.echo(json.dumps(counts | {"dry_run": options["dry_run"]}))
        return
    would = "would be " if options["dry_run"] else ""
    texts = {name: (words or {}).get(name, name.replace("_", " ")) for name in counts}
    (name, count), *others = counts.items()
    rest = "".join(f" {number} {texts[other]}." for other, number in others if number)
    click.echo(f"{count} {would}{texts[name]}.{rest}{next_step if count and not options['dry_run'] else ''}")
