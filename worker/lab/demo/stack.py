"""The stack of a demo or a drill: `intake up` between simulated systems, and its progress."""

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
from typing import TYPE_CHECKING, Never

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from worker.cli.progress import TextColumn
from worker.errors import IntakeError
from worker.lab.demo.world import KEY, ROUTES, SOURCES, TARGETS, Sandbox, config, stop_at_end
from worker.process.intake_orders import command as own_command
from worker.process.parent import die_with_parent
from worker.runtime import Runtime, read_settings
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.cli.display import Display


#: Seconds without a new order in any target after which the demo gives up.
PATIENCE = 60.0
#: The folder with the journals of the simulated systems, within the demo's folder.
JOURNALS = "journals"
#: The share of calls that may exceed a limit: calls sent evenly arrive in bunches on a busy machine.
TOO_SOON = 0.2
#: The names of the systems.
NAMES = {
    "retailcrm": "RetailCRM",
    "dropstream": "DropStream",
    "ordercloud": "OrderCloud",
    "dropday": "Dropday",
    "dropboy": "Dropboy",
}


@contextlib.contextmanager
def folder(keep: Path | None, prefix: str) -> Iterator[Path]:
    """Yield the folder `keep`, created if it is missing, or a temporary one; Ctrl-C ends the block in order."""
    # SIGTERM does the same as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        if keep is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))
        else:
            home = keep.absolute()
            home.mkdir(parents=True, exist_ok=True)
        try:
            yield home
        except KeyboardInterrupt:
            raise click.ClickException("stopped; nothing is left running") from None


def fail(home: Path) -> Never:
    """Print the end of Intake's log to stderr, and exit with the code 1."""
    log = (home / "intake.log").read_text(errors="replace").splitlines()[-15:]
    click.echo("\n".join(log), err=True)
    sys.exit(1)


@contextlib.contextmanager
def intake(world: Sandbox, home: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """Run `intake up` in the folder `home` during the block, with its output in `intake.log`.

    Yield the file with its settings and the process. Its ledger is new, as the simulated systems are.
    """
    file = home / "intake.toml"
    file.write_text(config(world.base))
    os.environ["DEMO_KEY"] = KEY
    with (home / "intake.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own module
            own_command("worker.cli", "up", "--yes"),
            env=os.environ | {"INTAKE_CONFIG": str(file)},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # one system call, which cannot hang
        )
        with stop_at_end(process, 40):
            _declare_new_ledger(file, process)
            yield file, process


@cache
def runtime(file: Path) -> Runtime:
    """Return a runtime with the settings of the stack."""
    return Runtime(read_settings(file))


def _declare_new_ledger(file: Path, up: subprocess.Popen[bytes]) -> None:
    """Wait for Redis, and declare that this ledger has no predecessor: the simulated systems are new as well."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and up.poll() is None:
        with contextlib.suppress(IntakeError, OSError, *ERRORS):
            runtime(file).ledger.assume_no_predecessor()
            return
        time.sleep(0.1)


def expected_orders(orders: int) -> dict[str, int]:
    """Return how many orders each target must have, with this number of orders per source."""
    return {target: orders * sum(target in to for to in ROUTES.values()) for target in TARGETS}


def watch(world: Sandbox, orders: int, up: subprocess.Popen[bytes], console: Display) -> None:
    """Show the progress until all orders are delivered, or nothing has moved for `PATIENCE` seconds."""
    columns = (TextColumn("{task.description:<36}"), BarColumn(36), MofNCompleteColumn(), TimeElapsedColumn())
    expected = expected_orders(orders)
    with Progress(*columns, console=console) as progress:
        placed = progress.add_task(f"placed in {len(SOURCES)} sources", total=orders * len(SOURCES))
        bars = {
            target: progress.add_task(f"created in {target} ({NAMES[kind]})", total=expected[target])
            for target, kind in TARGETS.items()
        }
        before, progress_at = -1, time.monotonic()
        while time.monotonic() - progress_at < PATIENCE and up.poll() is None:
            held = world.held()
            progress.update(placed, completed=sum(held[source] for source in SOURCES))
            for target, bar in bars.items():
                progress.update(bar, completed=held[target])
            now = sum(held[target] for target in TARGETS)
            if now >= sum(expected.values()):
                return
            if now != before:
                before, progress_at = now, time.monotonic()
            time.sleep(0.3)


def wait_until_settled(file: Path) -> None:
    """Wait until the last responses, some of them lost, are settled: no order waits or is being sent."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(IntakeError, OSError):  # Redis is starting
            statuses = [lane.status() for lane in runtime(file).lanes.values()]
            if all(status["queued"] == 0 and status["in_flight"] == 0 for status in statuses):
                return
        time.sleep(0.3)
