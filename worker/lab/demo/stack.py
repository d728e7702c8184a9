"""The stack that a demo or a drill runs: `intake up` between simulated systems, and a look at how far it is."""

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
from worker.lab.demo.world import KEY, ROUTES, SOURCES, TARGETS, Sandbox, stopped
from worker.runtime import Runtime, read_settings
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

#: Seconds without a new order in any target after which the demo gives up.
PATIENCE = 60.0
#: Below its folder: what the simulated systems wrote down.
JOURNALS = "journals"
#: The share of calls that may come too soon: evenly sent, they arrive in bunches on a busy machine.
TOO_SOON = 0.2
#: Systems, as their makers write them.
NAMES = {
    "retailcrm": "RetailCRM",
    "dropstream": "DropStream",
    "ordercloud": "OrderCloud",
    "dropday": "Dropday",
    "dropboy": "Dropboy",
}


@contextlib.contextmanager
def intake(home: Path, file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`intake up` in a folder of its own, its output in `intake.log`."""
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
def runtime(file: Path) -> Runtime:
    """The stack as its own processes see it."""
    return Runtime(read_settings(file))


def first_of_all(file: Path, up: subprocess.Popen[bytes]) -> None:
    """Wait until Redis is there, and say that no ledger was before this one: the simulated world is new as well."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and up.poll() is None:
        with contextlib.suppress(IntakeError, OSError, *ERRORS):
            runtime(file).ledger.assume_no_predecessor()
            return
        time.sleep(0.1)


def quiet(file: Path) -> bool:
    """Whether nothing waits and nothing is on its way; False while Redis is still starting."""
    try:
        status = [lane.status() for lane in runtime(file).lanes.values()]
    except (IntakeError, OSError):
        return False
    return all(it["queued"] == 0 and it["in_flight"] == 0 for it in status)


def watch(world: Sandbox, orders: int, up: subprocess.Popen[bytes], console: Console) -> None:
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


def settled(file: Path) -> None:
    """Give the last answers, some of them lost, the time to be written down."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not quiet(file):
        time.sleep(0.3)
