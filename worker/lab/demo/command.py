"""`intake demo`: the complete path of orders on this machine, with faults and a proof at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from worker.lab.demo.stack import JOURNALS, NAMES, TOO_SOON, declare_new_ledger, intake, wait_until_settled, watch
from worker.lab.demo.world import KEY, ROUTES, SOURCES, TARGETS, config, routes, sandbox
from worker.lab.history import command as history

if TYPE_CHECKING:
    from worker.lab.history.compare import Comparison


def run(orders: int, home: Path, console: Console) -> dict[str, Comparison]:
    """Run the demo in `home` with this number of orders per source, and return the comparison for each target."""
    first = orders * 3 // 4
    with sandbox(first, home / JOURNALS) as world:
        file = home / "intake.toml"
        file.write_text(config(world.base))
        os.environ["DEMO_KEY"] = KEY
        with intake(home, file) as up:
            declare_new_ledger(file, up)
            for source in SOURCES:
                world.add(source, orders - first, over=8)
            watch(world, orders, up, console)
            if up.poll() is None:
                wait_until_settled(file)
            faults = world.faults()
        comparisons = world.compare()
    console.print(f"Went wrong on purpose: {faults} times (answers lost after the create, 500, 503, HTML for JSON).")
    return comparisons


def _table(comparisons: dict[str, Comparison]) -> Table:
    table = Table("target", "system", "from")
    for column in ("orders", "created", "lost", "doubled", "different"):
        table.add_column(column, justify="right")
    for target, comparison in comparisons.items():
        sources = ", ".join(NAMES[SOURCES[source]] for source, to in ROUTES.items() if target in to)
        numbers = (
            comparison.orders,
            comparison.created,
            len(comparison.lost),
            len(comparison.doubled),
            len(comparison.different),
        )
        table.add_row(target, NAMES[TARGETS[target]], sources, *map(str, numbers))
    return table


@click.command("demo")
@click.option(
    "--orders", default=400, show_default=True, type=click.IntRange(20, 100_000), help="How many orders in all sources."
)
@click.option("--keep", type=click.Path(path_type=Path), help="Keep configuration, log and data in this folder.")
def command(orders: int, keep: Path | None) -> None:
    """Carry orders from five simulated systems to four, lose answers on purpose, compare both sides."""
    console = Console()
    started = time.monotonic()
    # SIGTERM ends the demo in order, like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    each = max(4, orders // len(SOURCES))
    expected = each * sum(len(to) for to in ROUTES.values())
    console.print(
        f"[bold]{each * len(SOURCES)} orders[/] of {len(SOURCES)} systems go into {len(TARGETS)}, {expected} to create:"
        " real workers, a real server, real HTTP."
    )
    with contextlib.ExitStack() as stack:
        if keep is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intake-demo-")))
        else:
            home = keep.absolute()
            home.mkdir(parents=True, exist_ok=True)
        try:
            comparisons = run(each, home, console)
        except KeyboardInterrupt:
            raise click.ClickException("stopped; nothing is left running") from None
        console.print(_table(comparisons))
        orders_in, created, lost, doubled = (
            sum(comparison.orders for comparison in comparisons.values()),
            sum(comparison.created for comparison in comparisons.values()),
            sum(len(comparison.lost) for comparison in comparisons.values()),
            sum(len(comparison.doubled) for comparison in comparisons.values()),
        )
        judgement, reading = history.judge_folder(home / JOURNALS, routes())
        proven = judgement.clean(TOO_SOON) and not reading.damaged
        clean = all(comparison.clean for comparison in comparisons.values()) and orders_in == expected and proven
        summary = f"{orders_in} orders, {created} created, {lost} lost, {doubled} doubled"
        console.print(f"[bold {'green' if clean else 'red'}]{summary}[/]", highlight=False)
        journals = f"And by the journals of the simulated systems alone, {reading.lines} lines"
        console.print(f"{journals}: {'the same' if proven else 'not so'}.", highlight=False)
        console.print(f"{time.monotonic() - started:.0f} s")
        if not clean:
            for target, comparison in comparisons.items():
                if not comparison.clean:
                    console.print(f"{target}: {comparison}", highlight=False)
            click.echo("\n".join(history.details(judgement, reading)))
            log = (home / "intake.log").read_text(errors="replace").splitlines()[-15:]
            click.echo("\n".join(log), err=True)
            sys.exit(1)
