"""`intake demo`: the complete path of orders on this machine, with faults and a proof at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from worker.cli.display import Display, Table
from worker.lab.demo import stack
from worker.lab.demo.world import ROUTES, SOURCES, TARGETS, routes, sandbox
from worker.lab.history import command as history
from worker.operations.examples import examples
from worker.operations.extras import require_extra

if TYPE_CHECKING:
    from worker.lab.history.compare import Comparison


def run(orders: int, home: Path, console: Display) -> dict[str, Comparison]:
    """Run the demo in `home` with this number of orders per source, and return the comparison for each target."""
    first = orders * 3 // 4
    with sandbox(first, home / stack.JOURNALS) as world:
        with stack.intake(world, home) as (file, up):
            for source in SOURCES:
                world.add(source, orders - first, over=8)
            stack.watch(world, orders, up, console)
            if up.poll() is None:
                stack.wait_until_settled(file)
            faults = world.faults()
        comparisons = world.compare()
    console.print(f"Faults injected: {faults} (responses lost after the create, 500, 503, HTML for JSON).")
    return comparisons


def _numbers(comparison: Comparison) -> tuple[int, ...]:
    """Return the numbers of orders, created, lost, duplicated and different ones."""
    named = comparison.lost, comparison.duplicated, comparison.different
    return comparison.orders, comparison.created, *map(len, named)


def _table(comparisons: dict[str, Comparison]) -> Table:
    table = Table("target", "from")
    for column in ("orders", "created", "lost", "duplicated", "different"):
        table.add_column(column, justify="right", no_wrap=True)
    for target, comparison in comparisons.items():
        sources = ", ".join(stack.NAMES[SOURCES[source]] for source, to in ROUTES.items() if target in to)
        table.add_row(stack.NAMES[TARGETS[target]], sources, *map(str, _numbers(comparison)))
    return table


@click.command("demo", epilog=examples("intake demo", "intake demo --orders 2000 --keep demo"))
@click.option(
    "--orders",
    default=400,
    show_default=True,
    type=click.IntRange(20, 100_000),
    help="Number of orders in all sources.",
)
@click.option("--keep", type=click.Path(path_type=Path), help="Folder that keeps settings, log and data.")
def command(orders: int, keep: Path | None) -> None:
    """Run a demonstration between simulated systems.

    Real processes deliver the orders of five simulated systems to four targets, while responses are lost on purpose.
    At the end, both sides are compared.
    """
    require_extra("sandbox", "aiohttp")
    console = Display()
    started = time.monotonic()
    each = max(4, orders // len(SOURCES))
    expected = sum(stack.expected_orders(each).values())
    console.print(
        f"{each * len(SOURCES)} orders from {len(SOURCES)} systems go to {len(TARGETS)} targets; {expected} must be"
        " created. Real workers, a real server, real HTTP."
    )
    with stack.folder(keep, "intake-demo-") as home:
        comparisons = run(each, home, console)
        console.print(_table(comparisons))
        orders_in, created, lost, duplicated, _ = map(sum, zip(*map(_numbers, comparisons.values()), strict=True))
        judgement, reading = history.judge_folder(home / stack.JOURNALS, routes())
        proven = judgement.clean(stack.TOO_SOON) and not reading.damaged
        clean = all(comparison.clean for comparison in comparisons.values()) and orders_in == expected and proven
        summary = f"{orders_in} orders, {created} created, {lost} lost, {duplicated} duplicated"
        console.print(Text(summary, f"bold {'green' if clean else 'red'}"))
        journals = f"And by the journals of the simulated systems alone, {reading.lines} lines"
        console.print(f"{journals}: {'the same' if proven else 'not so'}.")
        console.print(f"{time.monotonic() - started:.0f} s")
        if not clean:
            for target, comparison in comparisons.items():
                if not comparison.clean:
                    console.print(f"{target}: {comparison}")
            click.echo("\n".join(history.details(judgement, reading)))
            stack.fail(home)
