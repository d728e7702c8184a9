"""`intake demo`: the whole way of orders on this machine, with faults on the way and the proof at the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from worker.cli.demo_world import KEY, ROUTES, SOURCES, TARGETS, Sandbox, config, sandbox, stopped
from worker.cli.supervisor import die_with_parent
from worker.errors import IntakeError
from worker.runtime import Runtime, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.cli.compare import Comparison

#: Seconds without a new order in any target after which the demo gives up.
PATIENCE = 60.0
#: Systems, as their makers write them.
NAMES = {
    "retailcrm": "RetailCRM",
    "dropstream": "DropStream",
    "ordercloud": "OrderCloud",
    "dropday": "Dropday",
    "dropboy": "Dropboy",
}


@contextlib.contextmanager
def _intake(home: Path, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    env = os.environ | {"INTAKE_CONFIG": str(file), "DEMO_KEY": KEY}
    command = [sys.executable, "-m", "worker.cli", "up"]
    with (home / "intake.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # ours
            command,
            env=env,
            cwd=home,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # one system call, nothing that could hang
        )
        with stopped(process, 40):
            yield process


@cache
def _runtime(file: Path) -> Runtime:
    return Runtime(read_settings(file))


def _quiet(file: Path) -> bool:
    """Whether nothing waits and nothing is on its way; False while Redis is still starting."""
    try:
        status = [lane.status() for lane in _runtime(file).lanes.values()]
    except (IntakeError, OSError):
        return False
    return all(it["queued"] == 0 and it["in_flight"] == 0 for it in status)


def _watch(world: Sandbox, orders: int, up: subprocess.Popen[bytes], console: Console) -> None:
    """Show the orders flowing until all of them are there, or nothing has moved for a while."""
    columns = (TextColumn("{task.description:<36}"), BarColumn(36), MofNCompleteColumn(), TimeElapsedColumn())
    wanted = {target: orders * sum(target in to for to in ROUTES.values()) for target in TARGETS}
    with Progress(*columns, console=console) as progress:
        placed = progress.add_task(f"placed in {len(SOURCES)} sources", total=orders * len(SOURCES))
        bars = {
            target: progress.add_task(f"created in {target} ({NAMES[kind]})", total=wanted[target])
            for target, kind in TARGETS.items()
        }
        before, moved = -1, time.monotonic()
        while time.monotonic() - moved < PATIENCE and up.poll() is None:
            held = world.held()
            progress.update(placed, completed=sum(held[source] for source in SOURCES))
            for target, bar in bars.items():
                progress.update(bar, completed=held[target])
            now = sum(held[target] for target in TARGETS)
            if now >= sum(wanted.values()):
                return
            if now != before:
                before, moved = now, time.monotonic()
            time.sleep(0.3)


def _settled(file: Path) -> None:
    """Give the last answers, some of them lost, the time to be written down."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not _quiet(file):
        time.sleep(0.3)


def run(orders: int, home: Path, console: Console) -> dict[str, Comparison]:
    """Run the demo in `home` with so many orders in each source; answers the comparison for each target."""
    first = orders * 3 // 4
    with sandbox(first) as world:
        file = home / "intake.toml"
        file.write_text(config(world.base))
        os.environ["DEMO_KEY"] = KEY
        with _intake(home, file) as up:
            for source in SOURCES:
                world.add(source, orders - first, over=8)
            _watch(world, orders, up, console)
            if up.poll() is None:
                _settled(file)
            told = world.faults()
        found = world.compare()
    console.print(f"Went wrong on purpose: {told} times (answers lost after the create, 500, 503, HTML for JSON).")
    return found


def _table(found: dict[str, Comparison]) -> Table:
    table = Table("target", "system", "from")
    for column in ("orders", "created", "lost", "doubled", "different"):
        table.add_column(column, justify="right")
    for target, it in found.items():
        sources = ", ".join(NAMES[SOURCES[source]] for source, to in ROUTES.items() if target in to)
        numbers = (it.orders, it.created, len(it.lost), len(it.doubled), len(it.different))
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
    # Whatever ends the demo ends it in order, like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    each = max(4, orders // len(SOURCES))
    wanted = each * sum(len(to) for to in ROUTES.values())
    console.print(
        f"[bold]{each * len(SOURCES)} orders[/] of {len(SOURCES)} systems go into {len(TARGETS)}, {wanted} to create:"
        " real workers, a real server, real HTTP."
    )
    with contextlib.ExitStack() as stack:
        if keep is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intake-demo-")))
        else:
            home = keep.absolute()
            home.mkdir(parents=True, exist_ok=True)
        try:
            found = run(each, home, console)
        except KeyboardInterrupt:
            raise click.ClickException("stopped; nothing is left running") from None
        console.print(_table(found))
        orders_in, created, lost, doubled = (
            sum(it.orders for it in found.values()),
            sum(it.created for it in found.values()),
            sum(len(it.lost) for it in found.values()),
            sum(len(it.doubled) for it in found.values()),
        )
        clean = all(it.clean for it in found.values()) and orders_in == wanted
        told = f"{orders_in} orders, {created} created, {lost} lost, {doubled} doubled"
        console.print(f"[bold {'green' if clean else 'red'}]{told}[/]", highlight=False)
        console.print(f"{time.monotonic() - started:.0f} s")
        if not clean:
            for target, it in found.items():
                if not it.clean:
                    console.print(f"{target}: {it}", highlight=False)
            log = (home / "intake.log").read_text(errors="replace").splitlines()[-15:]
            click.echo("\n".join(log), err=True)
            sys.exit(1)
