"""`intake history`: what the sandbox's journals alone prove of every target."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from worker.lab.history.journals import Reading, entries, files
from worker.lab.history.judge import Judgement, Route, judge
from worker.lab.history.verdict import FAULTS

if TYPE_CHECKING:
    from collections.abc import Sequence

#: In a folder of journals: its routes, one in each line.
ROUTES = "routes"


def judged(folder: Path, routes: Sequence[Route]) -> tuple[Judgement, Reading]:
    """Judge all journals of a folder."""
    reading = Reading()
    return judge(entries(files(folder), reading), routes), reading


def table(found: Judgement) -> Table:
    """What became of each target's orders."""
    shown = Table("target", box=SIMPLE, pad_edge=False)
    for column in ("orders", "created", *FAULTS):
        shown.add_column(column, justify="right")
    for target, it in found.targets.items():
        numbers = (it.orders, it.created, *(getattr(it, fault).count for fault in FAULTS))
        shown.add_row(target, *map(str, numbers))
    return shown


def told(found: Judgement, reading: Reading) -> list[str]:
    """What the table does not say: which orders, limits, and lines that could not be read."""
    said = [
        f"{target}: {fault}, {meaning}: {', '.join(named.first)}{', …' if named.count > len(named.first) else ''}"
        for target, it in found.targets.items()
        for fault, meaning in FAULTS.items()
        if (named := getattr(it, fault)).count
    ]
    said += [
        f"{target}: {it.behind.count} behind their source" for target, it in found.targets.items() if it.behind.count
    ]
    said += [f"{it.system}: {it.calls} calls from {it.address}, {it.over} beyond the limit" for it in found.paces]
    said += [f"{place}: cut off, its writer was killed" for place in reading.cut]
    return said + [f"damaged: {damage}" for damage in reading.damaged]


def _routes(folder: Path, given: Sequence[str]) -> list[Route]:
    if not given and (folder / ROUTES).exists():
        given = (folder / ROUTES).read_text(encoding="utf-8").split()
    try:
        routes = [Route.read(text) for text in given]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--route") from None
    if not routes:
        raise click.UsageError(f"no --route, and no file {ROUTES!r} in the folder: what must be where?")
    return routes


@click.command("history")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--route",
    "given",
    multiple=True,
    metavar="SYSTEM/ACCOUNT=SYSTEM/ACCOUNT[=REFERENCE]",
    help="Which source's orders a target must have; REFERENCE is what it knows them by, `ACCOUNT:{id}` if left out.",
)
@click.option(
    "--too-soon",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="The share of calls that may break a limit: what left in time may arrive in a bunch.",
)
@click.option("--json", "as_json", is_flag=True, help="The same for programs.")
def command(folder: Path, given: tuple[str, ...], too_soon: float, *, as_json: bool) -> None:
    """Judge the journals (*.jsonl) that `intake sandbox --journal FOLDER` wrote; exit code 1 if a promise was broken.

    It reads nothing else: no settings, no Redis.
    """
    found, reading = judged(folder, _routes(folder, given))
    clean = found.clean(too_soon) and not reading.damaged and bool(reading.lines)
    if as_json:
        click.echo(json.dumps({"clean": clean, **asdict(found), **asdict(reading)}))
    else:
        console = Console()
        console.print(table(found))
        for line in told(found, reading):
            console.print(line, highlight=False, markup=False)
        verdict = "every order is there once, as its source says it" if clean else "a promise was broken"
        if not reading.lines:
            verdict = "there are no journals in this folder: nothing is proven"
        console.print(f"[bold {'green' if clean else 'red'}]{reading.lines} lines: {verdict}[/]", highlight=False)
    if not clean:
        sys.exit(1)
