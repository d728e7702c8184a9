"""How commands print what they found and what they did."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

import click

from worker.cli.display import Display
from worker.cli.terminal import echo_styled
from worker.telemetry.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Columns of an output that is neither a terminal nor measured by $COLUMNS.
_WIDTH: Final = 100
_NARROWEST: Final = 40


def width() -> int | None:
    """Return the columns of the output: those of $COLUMNS or of the terminal; None for a file or a pipe."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named) >= _NARROWEST:
        return int(named)
    seen = os.get_terminal_size(1).columns if sys.stdout.isatty() else 0
    return max(seen, _NARROWEST) if seen else None


def console(*, err: bool = False) -> Display:
    """Return a console for this output; it has 100 columns if nobody says how many."""
    return Display(width=width() or _WIDTH, stderr=err)


def wrapped(text: str, indent: str = "") -> str:
    """Return the text in lines that fit the output, the second and later ones indented; whole for a file or a pipe."""
    if (columns := width()) is None:
        return text
    return "\n".join(
        textwrap.fill(
            line,
            columns,
            subsequent_indent=indent,
            replace_whitespace=False,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )


def say(text: str, indent: str = "", *, err: bool = False) -> None:
    """Print the text in lines that fit the output; what it quotes begins no line of its own."""
    click.echo(wrapped(one_line(text), indent), err=err)


def print_rows(title: str, columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]], *details: str) -> None:
    """Print `rows` below their headings, in aligned columns that are never cut.

    Args:
        title: The line above the table.
        columns: The name of a field by its heading.
        rows: The rows.
        details: Fields that are too long for a column: each has a line for itself, if it is not empty.
    """
    shown = list(rows)
    table = [[*columns], *([one_line(str(row[field])) for field in columns.values()] for row in shown)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(f"{cell:<{wide}}" for cell, wide in zip(cells, widths, strict=True)).rstrip() for cells in table]
    echo_styled(title, bold=True)
    for heading in wrapped(f"  {lines[0]}", "    ").split("\n"):
        echo_styled(heading, dim=True)
    for line, row in zip(lines[1:], shown, strict=True):
        say(f"  {line}", "    ")
        for detail in filter(None, (row[field] for field in details)):
            say(f"      {detail}", "      ")


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
    say(f"{count} {would}{texts[name]}.{rest}{next_step if count and not options['dry_run'] else ''}")
