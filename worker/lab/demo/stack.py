"""The stack of a demo or a drill: `intake up` between simulated systems, and its progress."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from functools import cache
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from worker.cli.run.supervisor import die_with_parent
from worker.errors import IntakeError
from worker.lab.demo.world import KEY, ROUTES, SOURCES, TARGETS, Sandbox, stop_at_end
from worker.runtime import Runtime, read_settings
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

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
def intake(home: Path, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `intake up` in the folder `home` during the block, with its output in `intake.log`."""
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
            preexec_fn=die_with_parent(),  # noqa: PLW1509  # one system call, which cannot hang
        )
        with stop_at_end(process, 40):
            yield process


@cache
def runtime(file: Path) -> Runtime:
    """Return a runtime with the settings of the stack."""
    return Runtime(read_settings(file))


def declare_new_ledger(file: Path, up: subprocess.Popen[bytes]) -> None:
    """Wait for Redis, and declare that this ledger has no predecessor: the simulated systems are new as well."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and up.poll() is None:
        with contextlib.suppress(IntakeError, OSError, *ERRORS):
            runtime(file).ledger.assume_no_predecessor()
            return
        time.sleep(0.1)


def is_idle(file: Path) -> bool:
    """Return whether no order waits or is being sent; False while Redis is starting."""
    try:
        statuses = [lane.status() for lane in runtime(file).lanes.values()]
    except (IntakeError, OSError):
        return False
    return all(status["queued"] == 0 and status["in_flight"] == 0 for status in statuses)


def watch(world: Sandbox, orders: int, up: subprocess.Popen[bytes], console: Console) -> None:
    """Show the progress until all orders are delivered, or nothing has moved for `PATIENCE` seconds."""
    columns = (TextColumn("{task.description:<36}"), BarColumn(36), MofNCompleteColumn(), TimeElapsedColumn())
    expected = {target: orders * sum(target in to for to in ROUTES.values()) for target in TARGETS}
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
    """Wait until the last responses, some of them lost, are settled in the ledger."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not is_idle(file):
        time.sleep(0.3)
