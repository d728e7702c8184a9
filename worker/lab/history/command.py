"""`intake history`: the proof for every target from the simulator's journals alone."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.box import SIMPLE
from rich.text import Text

from worker.cli.display import Display, Table
from worker.lab.history.journals import Reading, entries, files
from worker.lab.history.judge import Judgement, judge
from worker.lab.history.routes import RULES, Route
from worker.lab.history.verdict import FAULTS
from worker.operations.examples import examples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

#: The faults with a column of their own; the others are counted together, and named below the table.
_SHOWN: Final = ("lost", "duplicated", "wrong")
#: The file with the routes in a folder of journals, one per line.
ROUTES = "routes"


def judge_folder(
    folder: Path, routes: Sequence[Route], excused: AbstractSet[str] = frozenset(), keep: int = 5, notice: float = 0.0
) -> tuple[Judgement, Reading]:
    """Judge all journals of a folder, with the options of `judge`."""
    reading = Reading()
    return judge(entries(files(folder), reading), routes, excused, keep, notice), reading


def _build_table(judgement: Judgement) -> Table:
    """Return the results for the orders of each target as a table."""
    shown = Table("target", box=SIMPLE, pad_edge=False)
    for column in ("orders", "created", *_SHOWN, "other"):
        shown.add_column(column, justify="right", no_wrap=True)
    for target, verdict in judgement.targets.items():
        counts = {fault: getattr(verdict, fault).count for fault in FAULTS}
        faults = (*map(counts.pop, _SHOWN), sum(counts.values()))
        shown.add_row(target, *map(str, (verdict.orders, verdict.created, *faults)))
    return shown


def details(judgement: Judgement, reading: Reading) -> list[str]:
    """Return what the table does not show: the orders, the limits, and the unreadable lines."""
    lines = [
        f"{target}: {fault}, {meaning}: {', '.join(named.first)}{', …' if named.count > len(named.first) else ''}"
        for target, verdict in judgement.targets.items()
        for fault, meaning in FAULTS.items()
        if (named := getattr(verdict, fault)).count
    ]
    lines += [
        f"{target}: {verdict.cancelled} cancelled at the source and in the target"
        for target, verdict in judgement.targets.items()
        if verdict.cancelled
    ]
    lines += [
        f"{target}: {verdict.behind.count} behind their source"
        for target, verdict in judgement.targets.items()
        if verdict.behind.count
    ]
    lines += [
        f"{pace.system}: {pace.calls} calls from {pace.address}, {pace.over} beyond the limit"
        for pace in judgement.paces
    ]
    lines += [f"{place}: cut off, its writer was killed" for place in reading.cut]
    return lines + [f"damaged: {damage}" for damage in reading.damaged]


def show(console: Display, judgement: Judgement, reading: Reading) -> None:
    """Print the table and its details."""
    console.print(_build_table(judgement))
    for line in details(judgement, reading):
        console.print(line)


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


@click.command("history", epilog=examples("intake history . --route retailcrm/main=dropday/main"))
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--route",
    "given",
    multiple=True,
    metavar="SYSTEM/ACCOUNT=SYSTEM/ACCOUNT[=REFERENCE[=RULE,...]]",
    help="Route whose target must have the orders of its source. REFERENCE defaults to `ACCOUNT:{id}`. "
    f"RULES: {'; '.join(f'`{rule}`: {meaning}' for rule, meaning in RULES.items())}.",
)
@click.option(
    "--too-soon",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of calls that may exceed a limit: calls may arrive in a burst.",
)
@click.option(
    "--notice",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds after its cancellation within which an order may still be created.",
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(folder: Path, given: tuple[str, ...], too_soon: float, notice: float, *, as_json: bool) -> None:
    """Check the journals of the simulator.

    FOLDER holds the journals (*.jsonl) that `intake sandbox --journal FOLDER` wrote. Nothing else is read: neither
    settings nor Redis. The exit code is 1 if a promise was broken.
    """
    judgement, reading = judge_folder(folder, _routes(folder, given), notice=notice)
    clean = judgement.clean(too_soon) and not reading.damaged and bool(reading.lines)
    if as_json:
        click.echo(json.dumps({"clean": clean, **asdict(judgement), **asdict(reading)}))
    else:
        console = Display()
        show(console, judgement, reading)
        verdict = "every order exists once, with the content of its source" if clean else "a promise was broken"
        if not reading.lines:
            verdict = "there are no journals in this folder: nothing is proven"
        console.print(Text(f"{reading.lines} lines: {verdict}", f"bold {'green' if clean else 'red'}"))
    if not clean:
        sys.exit(1)
