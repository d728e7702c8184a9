"""Deliver up to a million orders with faults at every step, and judge the journals of all systems: `make soak`.

The plan (plan.py) follows from the seed; the actors (actors.py) carry it out; the verdict (verdict.py) decides.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from soak import plan, verdict
from soak.actors import Fates, Maker, Producer, Visitors, state_of
from soak.faults import Calls
from soak.forgotten import forgotten
from soak.ground import Ground
from soak.report import Progress, report
from soak.settings import SHARES
from worker.errors import IntakeError

#: The probability that a call fails in the other system, before its effect and again after it.
WEATHER = {
    "shop read": 0.004,
    "depot read": 0.01,
    "depot write": 0.001,
    "crm read": 0.01,
    "crm write": 0.005,
    "malformed": 0.01,
}
#: Undelivered orders above which no more are made.
BACKLOG = 8_000
#: In leases: how long an order may be missing in its target before it is pushed again, and how long nothing may happen
#: at the end, so that a late worker's writes are seen.
AGAIN, QUIET = 4.0, 1.5
#: Seconds plus leases without a new order after which the soak ends; a hint claimed by a dead process waits 2 minutes.
PATIENCE, LEASES = 130.0, 15.0
#: Seconds between two samples of the memory, and between two visits of the console.
SAMPLE, VISIT = 5.0, 1.0
#: What a resumed soak takes from the one that was interrupted.
_OPTIONS = ("orders", "seed", "density", "early", "lease", "bulk", "latency")


class Soak:
    """One run of the soak."""

    def __init__(self, ground: Ground, options: argparse.Namespace, state: dict[str, Any]) -> None:
        self.ground, self.options = ground, options
        self.total: int = options.orders
        planned = {name: round(share * self.total) for name, share in SHARES.items()}
        planned["shop1"] += self.total - sum(planned.values())
        self.maker = Maker(ground, planned, ground.ask("state")["made"], options.seed)
        self.producer = Producer(ground, options.seed, state.get("pushed", {}))
        events = plan.events(options.seed, self.total, options.density)
        self.fates = Fates(ground, events, options.seed, state.get("events", 0))
        self.fates.fired.update(state.get("fired", {}))
        self.visitors = Visitors(ground)
        self.calls = Calls.of(ground.calls, self.total, options.seed, options.density)
        self.calls.resume(state.get("calls", {}))
        self.patient, self.quiet = AGAIN * options.lease, QUIET * options.lease
        self.patience = PATIENCE + LEASES * options.lease
        self.started = time.monotonic()
        self.memory: list[tuple[int, dict[str, float]]] = [(at, sample) for at, sample in state.get("memory", [])]
        self.seconds: float = state.get("seconds", 0.0)
        #: What was counted before the soak was resumed.
        self.before: dict[str, Any] = state.get("sums", {})
        self.counts: dict[str, int] = {}

    def run(self, progress: Progress) -> None:
        """Make and deliver orders until the targets have what the sources have, or nothing moves for too long."""
        last: tuple[int, int] = (-1, -1)
        moved_at = again_at = time.monotonic()
        sampled = visited = 0.0
        while True:
            now, counts = time.monotonic(), self.ground.ask("state")
            arrived, left = sum(counts["there"].values()), int(counts["open"])
            self.counts = counts["counts"]
            made = sum(self.maker.made.values())
            if (arrived, left) != last:
                last, moved_at = (arrived, left), now
            gone = made - left if made == self.total else arrived
            done = made == self.total and not left and self.fates.finished
            if done or now - moved_at > self.patience:
                return
            up = self.ground.fsync_always()
            self.maker.make(max(arrived, made - left), self.options.rate, BACKLOG)
            if up:
                self.producer.push(self.maker.made)
            self.calls.at(arrived / self.total, self.options.early)
            self.fates.at(max(arrived, gone) / self.total)
            if now > again_at + self.patient / 2:
                again_at = now
                self.producer.push_again(self.patient)
            if now - sampled > SAMPLE:
                sampled = now
                self.memory.append((arrived, self.ground.memory()))
                self.save()
            if up and now - visited > VISIT:
                visited = now
                self.visitors.visit()
            progress.show(arrived, made, self.calls, self.fates.fired, int(counts["bad"]))
            time.sleep(0.25)

    def save(self) -> None:
        """Write what a resumed soak must know; the rest is in the journal."""
        seconds = self.seconds + time.monotonic() - self.started
        state = {**state_of(self.producer, self.fates), "memory": self.memory, "seconds": seconds}
        state |= {
            "sums": self.sums(),
            "calls": self.calls.state(),
            "options": {name: getattr(self.options, name) for name in _OPTIONS},
        }
        file = self.ground.home / "state.json"
        file.with_suffix(".new").write_text(json.dumps(state))
        file.with_suffix(".new").rename(file)

    def sums(self) -> dict[str, Any]:
        """Return what was counted so far, before a resume as well."""
        counted = {"counts": self.counts, "console": self.visitors.answers}
        sums = {name: dict(Counter(self.before.get(name, {})) + Counter(counts)) for name, counts in counted.items()}
        again, replayed = (self.before.get(name, 0) for name in ("again", "replayed"))
        return {**sums, "again": again + self.producer.again, "replayed": replayed + self.producer.replayed}

    def settle(self) -> None:
        """Wait until nothing has moved for longer than a lease."""
        self.calls.withdraw()
        until, quiet_since = time.monotonic() + self.patience, time.monotonic()
        while time.monotonic() < until and time.monotonic() - quiet_since < self.quiet:
            with contextlib.suppress(RedisError, IntakeError):
                if any(self.busy().values()):
                    quiet_since = time.monotonic()
            time.sleep(0.5)

    def busy(self) -> dict[str, int]:
        """Return the counts of queued and claimed work; all are 0 when the runtime is idle."""
        rt, counts = self.ground.runtime, Counter[str]()
        for lane in rt.lanes.values():
            status = lane.status()
            counts.update({name: int(status[name]) for name in ("queued", "in_flight")})
        inbox = rt.inbox.status()
        counts.update({"waiting": inbox["waiting"], "taken": inbox["taken"]})
        return dict(counts)

    def verdict(self) -> dict[str, Any]:
        """Return all figures; `problems` is empty if no promise was broken."""
        state = self.ground.ask("state")
        self.counts = state["counts"]
        seconds = self.seconds + time.monotonic() - self.started
        excused = verdict.hostile(self.options.seed, state["made"])
        figures, problems = verdict.by_journals(self.ground.home, excused, partial(forgotten, self.ground))
        outdated = figures["forgotten"]["outdated"]
        problems += verdict.by_ledger(self.ground, self.options.seed, excused)
        problems += verdict.by_memory(self.memory)
        problems += verdict.by_console(self.visitors.answers)
        if unfinished := [reference for reference in state["some"] if reference not in outdated]:
            problems.append(f"not as at the source: {state['open'] - len(outdated)}: {', '.join(unfinished[:20])}")
        problems += [
            f"{name}: {planned} orders planned, {state['made'][name]} made"
            for name, planned in self.maker.planned.items()
            if state["made"][name] != planned
        ]
        return {
            **figures,
            "total": self.total,
            "seed": self.options.seed,
            "seconds": seconds,
            "hostile": len(excused),
            **self.sums(),
            "events": dict(self.fates.fired),
            "memory": self.memory,
            "fired": [
                (arm.effect.step, arm.effect.what, arm.fault, arm.side, count)
                for arm, count in self.calls.fired().items()
            ],
            "problems": problems,
            "histories": self._histories(problems),
        }

    def _histories(self, problems: list[str]) -> list[str]:
        """Return the ledger's histories of the first orders that the problems name."""
        lines = []
        for reference in [word.strip(",") for problem in problems for word in problem.split() if ":" in word][:12]:
            for target in self.ground.runtime.lanes:
                for entry in self.ground.runtime.ledger.entries([target], reference):
                    lines += [f"{target} {reference}", *(f"  {at} {event}" for at, event in entry.history)]
        return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1500.0, help="most orders made per second")
    parser.add_argument(
        "--density", type=float, default=1.0, help="how many faults; 1: about 600 kills per million orders"
    )
    parser.add_argument(
        "--early", type=float, default=0.03, help="empty Redis only within this first share of the orders"
    )
    parser.add_argument(
        "--lease", type=float, default=10.0, help="seconds of a lease; all other clocks of the soak follow it"
    )
    parser.add_argument("--bulk", type=int, default=50, help="orders in one call to the bulk target")
    parser.add_argument(
        "--latency", type=float, nargs=2, default=[0.0, 0.0], metavar="SECONDS", help="least and most of each response"
    )
    parser.add_argument("--home", type=Path, help="keep settings, log, journal and data in this folder")
    parser.add_argument("--resume", action="store_true", help="continue the soak in --home that was interrupted")
    parser.add_argument("--results", type=Path, help="write all figures into this file")
    options = parser.parse_args()
    if options.resume and (options.home is None or not (options.home / "state.json").exists()):
        parser.error("--resume needs --home, the folder of a soak that was interrupted")
    return options


def main() -> int:
    options = _arguments()
    home = (options.home or Path(tempfile.mkdtemp(prefix="intake-soak-"))).absolute()
    state = json.loads((home / "state.json").read_text()) if options.resume else {}
    vars(options).update(state.get("options", {}))
    print(
        f"Seed {options.seed}, {options.orders:,} orders, in {home}; continue it with --home {home} --resume",
        flush=True,
    )
    varied = {"lease": options.lease, "bulk": options.bulk, "latency": options.latency}
    with Ground(home, options.seed, WEATHER, **varied) as ground:
        soak = Soak(ground, options, state)
        with Progress(options.orders) as progress:
            soak.run(progress)
            soak.settle()
        figures = soak.verdict()
    if options.results:
        options.results.write_text(json.dumps(figures, indent=1))
    report(figures)
    if figures["problems"]:
        print(f"Settings, log, journal and data are in {home}")
    elif not options.home:
        shutil.rmtree(home)
    return int(bool(figures["problems"]))


if __name__ == "__main__":
    sys.exit(main())
