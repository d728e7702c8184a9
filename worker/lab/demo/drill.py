"""`intake drill`: Redis loses all data while orders flow, and Intake has to recover."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.text import Text

from worker.cli.display import Display
from worker.errors import IntakeError
from worker.lab.demo.stack import JOURNALS, expected_orders, fail, folder, intake, runtime
from worker.lab.demo.world import SOURCES, TARGETS, Sandbox, routes, sandbox
from worker.lab.history import command as history
from worker.lab.history.journals import Reading, entries, files
from worker.operations.examples import examples
from worker.operations.extras import require_extra
from worker.store.redis.connection import ERRORS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from redis import Redis

    from worker.lab.history.judge import Judgement

#: Seconds without progress after which a drill fails.
PATIENCE: Final = 90.0
#: Seconds between two losses, at least and at most: some happen while Intake recovers from the one before.
SOONEST, LATEST = 0.3, 4.0
#: Limits are shown, not judged: Redis forgets their use, so a few calls exceed them.
ANY: Final = 1.0
#: Seconds that the drill continues after the recovery: enough to read every source once more.
AFTER: Final = 4.0
HOW: Final = {
    "flush": "every key was deleted (FLUSHALL)",
    "disk": "its server was killed and its data directory deleted",
}


@dataclass(slots=True)
class Drill:
    """The state of a drill."""

    world: Sandbox
    file: Path
    how: str
    console: Display
    started: float
    expected: dict[str, int]
    #: The time of the last loss, on the monotonic clock.
    lost_at: float = 0.0

    def held(self) -> dict[str, int]:
        """Return the number of orders in each target."""
        held = self.world.held()
        return {target: held[target] for target in TARGETS}

    def ledger_counts(self) -> dict[str, tuple[int, int, int]]:
        """Return the delivered orders of each target, those that existed already, and those that wait or are sent.

        Empty while Redis does not respond.
        """
        counts = {}
        with contextlib.suppress(IntakeError, OSError, *ERRORS):
            for target, lane in runtime(self.file).lanes.items():
                status = lane.status()
                existed, waiting = int(status.get("existed", 0)), int(status["queued"]) + int(status["in_flight"])
                counts[target] = int(status.get("delivered", 0)) + existed, existed, waiting
        return counts

    def lose(self) -> None:
        """Lose Redis now, or as soon as it is back from the last loss."""
        rt, until = runtime(self.file), time.monotonic() + PATIENCE
        while True:
            try:
                if self.how == "flush":
                    rt.redis.flushall()
                else:
                    _destroy(rt.redis, rt.settings.data_dir)
                break
            except ERRORS:
                if time.monotonic() > until:
                    raise
        self.lost_at = time.monotonic()
        created = sum(self.held().values())
        self.say(f"Redis is lost: {HOW[self.how]}; {created} of {sum(self.expected.values())} had been created")

    def say(self, event: str) -> None:
        """Print an event with its time."""
        self.console.print(f"{time.monotonic() - self.started:5.1f} s  {event}")

    def is_recovered(self) -> bool:
        """Return whether the ledger has every order as delivered to each of its targets again."""
        counts = self.ledger_counts()
        return bool(counts) and all(
            delivered >= self.expected[target] and not waiting for target, (delivered, _, waiting) in counts.items()
        )

    def wait(self, done: Callable[[], bool], up: subprocess.Popen[bytes]) -> bool:
        """Wait while there is progress; return whether it is done."""
        before, progress_at = -1, time.monotonic()
        while time.monotonic() - progress_at < PATIENCE and up.poll() is None:
            if done():
                return True
            now = sum(self.held().values()) + sum(delivered for delivered, _, _ in self.ledger_counts().values())
            if now != before:
                before, progress_at = now, time.monotonic()
            time.sleep(0.2)
        return False


def run(orders: int, moments: int, how: str, chance: random.Random, home: Path, console: Display) -> bool:  # noqa: PLR0913, PLR0917  # the options of the command
    """Run a drill in `home` with this number of orders per source; return whether Intake recovered."""
    first = orders // 2
    flow = moments * (SOONEST + LATEST) / 2 + 2
    with sandbox(first, home / JOURNALS) as world:
        started = time.monotonic()
        with intake(world, home) as (file, up):
            drill = Drill(world, file, how, console, started, expected_orders(orders))
            if not drill.wait(lambda: all(drill.held().values()), up):
                drill.say("Intake delivered nothing")
                return False
            for source in SOURCES:
                world.add(source, orders - first, over=flow)
            for _ in range(moments):
                time.sleep(chance.uniform(SOONEST, LATEST))
                drill.lose()
            if not drill.wait(drill.is_recovered, up):
                drill.say("Intake did not recover")
                return False
            drill.say(f"all orders were there again, {time.monotonic() - drill.lost_at:.1f} s after the last loss")
            existing = sum(existed for _, existed, _ in drill.ledger_counts().values())
            # Read every source once more: an order that is created now is a duplicate.
            time.sleep(AFTER)
            lookups = _count_lookups(home / JOURNALS, drill.lost_at)
            drill.say(f"since then, the targets were searched {lookups} times, and {existing} orders existed already")
    return True


def _destroy(redis: Redis, data_dir: Path) -> None:
    """Kill the server of this directory and delete its data, as the loss of a disk would; do not restart it."""
    info: Any = redis.info("server")
    os.kill(int(info["process_id"]), signal.SIGKILL)
    # The supervisor restarts it after 0.5 s at the earliest, when the folder is empty.
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(data_dir / "valkey")
    (data_dir / "valkey").mkdir(mode=0o700, parents=True, exist_ok=True)


def _count_lookups(journals: Path, since: float) -> int:
    """Return how many calls to targets only searched, or found that the order exists."""
    accounts = {(kind, name) for name, kind in TARGETS.items()}
    return sum(
        entry["kind"] == "request"
        and entry["arrived"] > since
        and (entry["system"], entry["account"]) in accounts
        and (entry["method"] == "GET" or entry["did"] == "repeated")
        for entry in entries(files(journals), Reading())
    )


def _proof(judgement: Judgement) -> str:
    verdicts = judgement.targets.values()
    numbers = sum(verdict.orders for verdict in verdicts), sum(verdict.created for verdict in verdicts)
    faults = sum(verdict.lost.count for verdict in verdicts), sum(verdict.duplicated.count for verdict in verdicts)
    return "{} orders, {} created, {} lost, {} duplicated".format(*numbers, *faults)


@click.command("drill", epilog=examples("intake drill --moments 1", "intake drill --how disk --seed 42"))
@click.option("--how", type=click.Choice(list(HOW)), default="flush", show_default=True, help="How Redis is lost.")
@click.option("--moments", default=3, show_default=True, type=click.IntRange(1, 1000), help="Number of losses.")
@click.option("--seed", type=int, help="Seed of the moments; by default random, and printed.")
@click.option(
    "--orders",
    default=200,
    show_default=True,
    type=click.IntRange(20, 100_000),
    help="Number of orders in all sources.",
)
@click.option("--keep", type=click.Path(path_type=Path), help="Folder that keeps settings, log, data and journals.")
def command(how: str, moments: int, seed: int | None, orders: int, keep: Path | None) -> None:
    """Lose Redis on purpose between simulated systems.

    Redis loses all data while orders flow. At the end, the targets must have exactly the orders of the sources. The
    exit code is 1 if an order is lost or duplicated. Your own settings and your Redis are not used.
    """
    require_extra("sandbox", "aiohttp")
    console = Display()
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311  # moments, not secrets
    each = max(4, orders // len(SOURCES))
    console.print(
        f"{each * len(SOURCES)} orders from {len(SOURCES)} systems go to {len(TARGETS)} targets;"
        f" Redis is lost {moments} times;"
        f" --seed {seed}"
    )
    with folder(keep, "intake-drill-") as home:
        recovered = run(each, moments, how, random.Random(seed), home, console)  # noqa: S311  # moments, not secrets
        judgement, reading = history.judge_folder(home / JOURNALS, routes())
        clean = recovered and judgement.clean(ANY) and not reading.damaged
        history.show(console, judgement, reading)
        console.print(Text(_proof(judgement), f"bold {'green' if clean else 'red'}"))
        if not clean:
            fail(home)
