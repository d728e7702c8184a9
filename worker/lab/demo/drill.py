"""`intake drill`: Redis is lost whole while orders flow, and Intake has to find its way back."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from worker.errors import IntakeError
from worker.lab.demo import lose_redis as losing
from worker.lab.demo.stack import JOURNALS, first_of_all, intake, runtime
from worker.lab.demo.world import KEY, ROUTES, SOURCES, TARGETS, Sandbox, config, routes, sandbox
from worker.lab.history import command as history
from worker.lab.history.journals import Reading, entries, files
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from worker.lab.history.judge import Judgement

#: Seconds after which a drill in which nothing comes back any more gives up.
PATIENCE: Final = 90.0
#: Between two losses, in seconds: some come while Intake is still finding its way back from the one before.
SOONEST, LATEST = 0.3, 4.0
#: Limits are told, not judged: what was used of them is forgotten with Redis, so a few calls come too soon.
ANY: Final = 1.0
#: Seconds that the drill goes on when all is there: more than it takes to read every source once more.
AFTER: Final = 4.0
HOW: Final = {
    "flush": "every key was deleted (FLUSHALL)",
    "disk": "its server was killed and its data directory deleted",
}


@dataclass(slots=True)
class Drill:
    """One drill: its world, and what was seen."""

    world: Sandbox
    file: Path
    how: str
    console: Console
    started: float
    wanted: dict[str, int]
    #: When Redis was lost last.
    lost_at: float = 0.0

    def held(self) -> dict[str, int]:
        """How many orders each target has."""
        held = self.world.held()
        return {target: held[target] for target in TARGETS}

    def known(self) -> dict[str, tuple[int, int, int]]:
        """By target: orders that the ledger knows to be there, those of them that were found there, those on the way.

        Empty while Redis does not answer.
        """
        found = {}
        with contextlib.suppress(IntakeError, OSError, *ERRORS):
            for target, lane in runtime(self.file).lanes.items():
                it = lane.status()
                existed = int(it.get("existed", 0))
                found[target] = int(it.get("delivered", 0)) + existed, existed, int(it["queued"]) + int(it["in_flight"])
        return found

    def lose(self) -> None:
        """Lose Redis now; if it is not yet back from the last time, as soon as it is."""
        rt, until = runtime(self.file), time.monotonic() + PATIENCE
        while True:
            try:
                if self.how == "flush":
                    losing.flush(rt.redis)
                else:
                    losing.destroy(rt.redis, rt.settings.data_dir)
                break
            except ERRORS:
                if time.monotonic() > until:
                    raise
        self.lost_at = time.monotonic()
        there = sum(self.held().values())
        self.say(f"Redis is lost: {HOW[self.how]}; {there} of {sum(self.wanted.values())} were created by then")

    def say(self, what: str) -> None:
        """Tell what happened, and when."""
        self.console.print(f"{time.monotonic() - self.started:5.1f} s  {what}", highlight=False)

    def back(self) -> bool:
        """Whether Intake knows again of each order that it is in each target."""
        known = self.known()
        return bool(known) and all(
            there >= self.wanted[target] and not waiting for target, (there, _, waiting) in known.items()
        )

    def wait(self, done: Callable[[], bool], up: subprocess.Popen[bytes]) -> bool:
        """Wait while something moves; whether it was done."""
        before, moved = -1, time.monotonic()
        while time.monotonic() - moved < PATIENCE and up.poll() is None:
            if done():
                return True
            now = sum(self.held().values()) + sum(there for there, _, _ in self.known().values())
            if now != before:
                before, moved = now, time.monotonic()
            time.sleep(0.2)
        return False


def run(orders: int, moments: int, how: str, chance: random.Random, home: Path, console: Console) -> bool:  # noqa: PLR0913, PLR0917  # the options of the command
    """Run a drill in `home` with so many orders in each source; whether Intake found its way back."""
    first = orders // 2
    flow = moments * (SOONEST + LATEST) / 2 + 2
    with sandbox(first, home / JOURNALS) as world:
        file = home / "intake.toml"
        file.write_text(config(world.base))
        os.environ["DEMO_KEY"] = KEY
        wanted = {target: orders * sum(target in to for to in ROUTES.values()) for target in TARGETS}
        drill = Drill(world, file, how, console, time.monotonic(), wanted)
        with intake(home, file) as up:
            first_of_all(file, up)
            if not drill.wait(lambda: all(drill.held().values()), up):
                drill.say("Intake carried nothing")
                return False
            for source in SOURCES:
                world.add(source, orders - first, over=flow)
            for _ in range(moments):
                time.sleep(chance.uniform(SOONEST, LATEST))
                drill.lose()
            if not drill.wait(drill.back, up):
                drill.say("Intake did not find its way back")
                return False
            drill.say(f"all was there again, {time.monotonic() - drill.lost_at:.1f} s after the last loss")
            found = sum(existed for _, existed, _ in drill.known().values())
            # Once more around: what came now would be a double.
            time.sleep(AFTER)
            asked = _asked(home / JOURNALS, drill.lost_at)
            drill.say(f"the targets were asked {asked} times since, and had {found} orders already")
    return True


def _asked(journals: Path, since: float) -> int:
    """How many calls to targets only asked, or were told that the order is there."""
    accounts = {(kind, name) for name, kind in TARGETS.items()}
    return sum(
        entry["kind"] == "request"
        and entry["arrived"] > since
        and (entry["system"], entry["account"]) in accounts
        and (entry["method"] == "GET" or entry["did"] == "repeated")
        for entry in entries(files(journals), Reading())
    )


def _proof(found: Judgement) -> str:
    targets = found.targets.values()
    numbers = sum(it.orders for it in targets), sum(it.created for it in targets)
    faults = sum(it.lost.count for it in targets), sum(it.doubled.count for it in targets)
    return "{} orders, {} created, {} lost, {} doubled".format(*numbers, *faults)


@click.command("drill")
@click.option("--how", type=click.Choice(list(HOW)), default="flush", show_default=True, help="How Redis is lost.")
@click.option("--moments", default=3, show_default=True, type=click.IntRange(1, 1000), help="How often it is lost.")
@click.option("--seed", type=int, help="Of the moments; drawn and printed if left out.")
@click.option(
    "--orders", default=200, show_default=True, type=click.IntRange(20, 100_000), help="How many orders in all sources."
)
@click.option("--keep", type=click.Path(path_type=Path), help="Keep configuration, log, data and journals here.")
def command(how: str, moments: int, seed: int | None, orders: int, keep: Path | None) -> None:
    """Lose Redis whole while orders flow between simulated systems; prove that the targets have what the sources have.

    One of the targets, a Dropboy, creates an order as often as it is sent one. Exit code 1 if anything was lost or
    doubled. It has nothing to do with your own settings or your Redis.
    """
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311  # moments, not secrets
    each = max(4, orders // len(SOURCES))
    console.print(
        f"{each * len(SOURCES)} orders of {len(SOURCES)} systems go into {len(TARGETS)}; Redis is lost {moments} times;"
        f" --seed {seed}",
        highlight=False,
    )
    with contextlib.ExitStack() as stack:
        if keep is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="intake-drill-")))
        else:
            home = keep.absolute()
            home.mkdir(parents=True, exist_ok=True)
        try:
            back = run(each, moments, how, random.Random(seed), home, console)  # noqa: S311  # moments, not secrets
        except KeyboardInterrupt:
            raise click.ClickException("stopped; nothing is left running") from None
        found, reading = history.judged(home / JOURNALS, routes())
        clean = back and found.clean(ANY) and not reading.damaged
        console.print(history.table(found))
        for line in history.told(found, reading):
            console.print(line, highlight=False, markup=False)
        console.print(f"[bold {'green' if clean else 'red'}]{_proof(found)}[/]", highlight=False)
        if not clean:
            log = (home / "intake.log").read_text(errors="replace").splitlines()[-15:]
            click.echo("\n".join(log), err=True)
            sys.exit(1)
