"""Deliver up to a million orders with faults at every step, and compare the targets with the sources: `make soak`."""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from soak import bodies
from soak.faults import Calls
from soak.ground import HINTED, PUSHED, SHARES, SHOPS, SOURCES, Ground
from soak.report import Progress, report

#: The probability that a call fails in the other system, before its effect and again after it.
WEATHER = {
    "shop read": 0.004,
    "depot read": 0.01,
    "depot write": 0.001,
    "crm read": 0.01,
    "crm write": 0.005,
    "malformed": 0.01,
}
#: SIGKILLs from outside per million orders.
KILLS = {"pool process": 150, "worker": 12, "listen": 12, "upkeep": 10, "beat": 10, "valkey": 4}
_WEIGHED = 1_000_000
#: Undelivered orders above which no more are made.
BACKLOG = 8_000
#: In leases: how long an order may be missing in its target before it is pushed again, and how long nothing may happen
#: at the end, so that a late worker's writes are seen.
AGAIN, QUIET = 4.0, 1.5
#: Seconds plus leases without a new order after which the soak ends; a hint claimed by a dead process waits 2 minutes.
PATIENCE, LEASES = 130.0, 15.0


class Soak:
    """One run of the soak."""

    def __init__(self, ground: Ground, options: argparse.Namespace) -> None:
        self.ground, self.options = ground, options
        self.total: int = options.orders
        self.planned = {name: round(share * self.total) for name, share in SHARES.items()}
        self.planned["shop1"] += self.total - sum(self.planned.values())
        self.made = dict.fromkeys(SOURCES, 0)
        #: How many jobs and hints the producers have pushed.
        self.pushed = {PUSHED: 0, HINTED: 0}
        self.calls = Calls.of(ground.calls, self.total, options.seed, options.density)
        self.rng = random.Random(f"{options.seed} kills")
        self.kills = self._kills()
        self.killed: Counter[str] = Counter()
        self.again = self.replayed = 0
        self.patient, self.quiet = AGAIN * options.lease, QUIET * options.lease
        self.patience = PATIENCE + LEASES * options.lease
        self.started = self._looked = time.monotonic()
        self.memory: list[tuple[int, dict[str, float]]] = []

    def _kills(self) -> list[str]:
        plan: list[str] = []
        for role, count in KILLS.items():
            kills = count * self.total / _WEIGHED * self.options.density
            plan += [role] * max(int(kills) + (self.rng.random() < kills % 1), 1)
        self.rng.shuffle(plan)
        return plan

    def run(self, progress: Progress) -> None:
        """Make and deliver orders until all have arrived, or none arrived for `patience` seconds."""
        last, last_at, sampled, again_at = 0, time.monotonic(), 0.0, time.monotonic() + self.patient
        while True:
            now = time.monotonic()
            arrived, bad = self._count_arrived()
            if arrived > last:
                last, last_at = arrived, now
            if arrived >= self.total or now - last_at > self.patience:
                return
            up = self.ground.fsync_always()
            self._make(arrived, now)
            if up:
                self._push()
            self.calls.at(arrived / self.total, self.options.early)
            self._kill(arrived)
            if now > again_at:
                again_at = now + self.patient / 2
                self._push_again()
            if now - sampled > 10:
                sampled = now
                self.memory.append((arrived, self.ground.memory()))
            progress.show(arrived, sum(self.made.values()), self.calls, self.killed, bad)
            time.sleep(0.25)

    def _count_arrived(self) -> tuple[int, int]:
        counts = self.ground.ask("there")
        return sum(counts["there"].values()), counts["bad"]

    def _make(self, arrived: int, now: float) -> None:
        """Make orders at the configured rate, unless too many are undelivered."""
        passed, self._looked = now - self._looked, now
        left = self.total - sum(self.made.values())
        room = min(BACKLOG - (self.total - left - arrived), self.options.rate * passed, left)
        if room <= 0:
            return
        share = room / left
        for name, planned in self.planned.items():
            more = (planned - self.made[name]) * share
            self.made[name] += min(int(more) + (self.rng.random() < more % 1), planned - self.made[name])
        self.ground.make(self.made)

    def _push(self) -> None:
        """Push the new orders as jobs and as hints; what Redis does not accept is pushed the next time."""
        for name, write in ((PUSHED, bodies.job), (HINTED, bodies.hint)):
            until = min(self.made[name], self.pushed[name] + 500)
            if until > self.pushed[name]:
                with contextlib.suppress(RedisError):
                    jobs = [write(name, n) for n in range(self.pushed[name] + 1, until + 1)]
                    self.ground.runtime.redis.lpush("intake:inbox", *jobs)
                    self.pushed[name] = until

    def _push_again(self) -> None:
        """Push orders again that have not reached their target, as the README asks producers to do.

        A record that could not be read is kept as a dead letter, and retried by a hint, as an operator would do.
        """
        missing = self.ground.ask("missing", older=self.patient, most=500)
        jobs = [bodies.job(PUSHED, n) for n in missing[PUSHED] if n <= self.pushed[PUSHED]]
        jobs += [bodies.hint(HINTED, n) for n in missing[HINTED] if n <= self.pushed[HINTED]]
        with contextlib.suppress(RedisError):
            for name in SHOPS:
                kept = {external_id for _, external_id in self.ground.runtime.cursors.letter_ids([name])}
                jobs += [bodies.hint(name, n) for n in missing[name] if str(n) in kept]
            if jobs:
                self.ground.runtime.redis.lpush("intake:inbox", *jobs)
                self.again += len(jobs)
            if any(lane.status()["dead_now"] for lane in self.ground.runtime.lanes.values()):
                # An order whose worker was killed five times is treated as the cause; an operator replays it.
                self.ground.intake("dead", "replay", "--reason", "poison", "--yes")
                self.replayed += 1

    def _kill(self, arrived: int) -> None:
        done = sum(self.killed.values())
        if done < len(self.kills) and done < arrived / self.total / 0.97 * len(self.kills):
            role = self.kills[done]
            if self.ground.kill(role, self.rng.choice):
                self.killed[role] += 1

    def settle(self) -> None:
        """Wait until nothing has moved for longer than a lease."""
        self.calls.withdraw()
        until, quiet_since = time.monotonic() + self.patience, time.monotonic()
        while time.monotonic() < until and time.monotonic() - quiet_since < self.quiet:
            with contextlib.suppress(RedisError):
                if any(self.state().values()):
                    quiet_since = time.monotonic()
            time.sleep(0.5)

    def state(self) -> dict[str, int]:
        """Return the counts of queued and claimed work; all are 0 when the runtime is idle."""
        rt, counts = self.ground.runtime, Counter[str]()
        for lane in rt.lanes.values():
            status = lane.status()
            counts.update({name: int(status[name]) for name in ("queued", "in_flight")})
        inbox = rt.inbox.status()
        counts.update({"waiting": inbox["waiting"], "taken": inbox["taken"]})
        return dict(counts)

    def verdict(self) -> dict[str, Any]:
        """Return all figures; `problems` is empty if every order was created once and as it was made."""
        figures: dict[str, Any] = self.ground.ask("state")
        missing = self.ground.ask("missing", older=-1, most=200)
        lost = [f"{SOURCES[name]} {name}:{n}" for name, numbers in missing.items() for n in numbers]
        lost_count = self.total - sum(figures["there"].values())
        problems = [f"{name}: {order}" for name in ("duplicated", "wrong", "extra") for order in figures[name]]
        problems += [f"lost: {order}" for order in lost]
        lanes = {name: lane.status() for name, lane in self.ground.runtime.lanes.items()}
        for name, status in lanes.items():
            problems += [f"{status[s]} {s} in {name}" for s in ("dead_now", "in_doubt_now", "held_now") if status[s]]
        problems += [
            f"{name}: {self.planned[name]} orders planned, {made} made"
            for name, made in figures["made"].items()
            if made != self.planned[name]
        ]
        seconds = time.monotonic() - self.started
        return {
            **figures,
            "lost": lost_count,
            "orders": self.total,
            "seed": self.options.seed,
            "seconds": seconds,
            "again": self.again,
            "replayed": self.replayed,
            "killed": dict(self.killed),
            "memory": self.memory,
            "fired": [
                (arm.effect.step, arm.effect.what, arm.fault, arm.side, count)
                for arm, count in self.calls.fired().items()
            ],
            "problems": problems,
            "histories": self._histories([*figures["duplicated"], *figures["wrong"], *lost][:10]),
        }

    def _histories(self, orders: list[str]) -> list[str]:
        lines = []
        for order in orders:
            target, key = order.split()[:2]
            for entry in self.ground.runtime.ledger.entries([target], key):
                lines += [f"{target} {key}", *(f"  {at} {event}" for at, event in entry.history)]
        return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
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
    parser.add_argument("--home", type=Path, help="keep settings, log and data in this new folder")
    parser.add_argument("--results", type=Path, help="write all figures into this file")
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="intake-soak-"))
    varied = {"lease": options.lease, "bulk": options.bulk, "latency": options.latency}
    with Ground(home.absolute(), options.seed, WEATHER, **varied) as ground:
        soak = Soak(ground, options)
        with Progress(options.orders) as progress:
            soak.run(progress)
            soak.settle()
        figures = soak.verdict()
    if options.results:
        options.results.write_text(json.dumps(figures, indent=1))
    report(figures)
    if figures["problems"]:
        print(f"Settings, log and data are in {home}")
    elif not options.home:
        shutil.rmtree(home)
    return int(bool(figures["problems"]))


if __name__ == "__main__":
    sys.exit(main())
