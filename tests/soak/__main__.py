"""Carries a great many orders with faults at every step, and counts what came of them: `make soak`."""

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

#: How often a call goes wrong on the other side, before it is done and once more after.
WEATHER = {
    "shop read": 0.004,
    "depot read": 0.01,
    "depot write": 0.001,
    "crm read": 0.01,
    "crm write": 0.005,
    "malformed": 0.01,
}
#: SIGKILLs from outside, for a million orders.
KILLS = {"pool process": 150, "worker": 12, "listen": 12, "upkeep": 10, "beat": 10, "valkey": 4}
_WEIGHED = 1_000_000
#: Orders that may be on their way before no more are made.
BACKLOG = 8_000
#: Leases without an answer after which a producer pushes an order again; for which nothing may happen at the end, so
#: that a late worker has been heard.
AGAIN, QUIET = 4.0, 1.5
#: Seconds without any order after which all is over, and as many leases: a hint in dead hands waits for two minutes.
PATIENCE, LEASES = 130.0, 15.0


class Soak:
    """One run."""

    def __init__(self, ground: Ground, options: argparse.Namespace) -> None:
        self.ground, self.options = ground, options
        self.total: int = options.orders
        self.wanted = {name: round(share * self.total) for name, share in SHARES.items()}
        self.wanted["shop1"] += self.total - sum(self.wanted.values())
        self.made = dict.fromkeys(SOURCES, 0)
        #: Of the pushed and the hinted: how many a producer has pushed.
        self.pushed = {PUSHED: 0, HINTED: 0}
        self.calls = Calls.of(ground.calls, self.total, options.seed, options.density)
        self.chance = random.Random(f"{options.seed} kills")
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
            wanted = count * self.total / _WEIGHED * self.options.density
            plan += [role] * max(int(wanted) + (self.chance.random() < wanted % 1), 1)
        self.chance.shuffle(plan)
        return plan

    def run(self, progress: Progress) -> None:
        """Until all orders are there and nothing moves any more, or nothing has come for long."""
        last, last_at, sampled, again_at = 0, time.monotonic(), 0.0, time.monotonic() + self.patient
        while True:
            now = time.monotonic()
            there, bad = self._there()
            if there > last:
                last, last_at = there, now
            if there >= self.total or now - last_at > self.patience:
                return
            up = self.ground.fsync_always()
            self._make(there, now)
            if up:
                self._push()
            self.calls.at(there / self.total, self.options.early)
            self._kill(there)
            if now > again_at:
                again_at = now + self.patient / 2
                self._push_again()
            if now - sampled > 10:
                sampled = now
                self.memory.append((there, self.ground.memory()))
            progress.show(there, sum(self.made.values()), self.calls, self.killed, bad)
            time.sleep(0.25)

    def _there(self) -> tuple[int, int]:
        found = self.ground.ask("there")
        return sum(found["there"].values()), found["bad"]

    def _make(self, there: int, now: float) -> None:
        """Make orders at the rate that was asked for, unless too many are on their way."""
        passed, self._looked = now - self._looked, now
        left = self.total - sum(self.made.values())
        room = min(BACKLOG - (self.total - left - there), self.options.rate * passed, left)
        if room <= 0:
            return
        share = room / left
        for name, wanted in self.wanted.items():
            more = (wanted - self.made[name]) * share
            self.made[name] += min(int(more) + (self.chance.random() < more % 1), wanted - self.made[name])
        self.ground.make(self.made)

    def _push(self) -> None:
        """What was made since, as jobs and as hints; what Redis does not take is pushed the next time."""
        for name, write in ((PUSHED, bodies.job), (HINTED, bodies.hint)):
            until = min(self.made[name], self.pushed[name] + 500)
            if until > self.pushed[name]:
                with contextlib.suppress(RedisError):
                    jobs = [write(name, n) for n in range(self.pushed[name] + 1, until + 1)]
                    self.ground.runtime.redis.lpush("intake:inbox", *jobs)
                    self.pushed[name] = until

    def _push_again(self) -> None:
        """Whoever pushes and has no answer from the target pushes again, as the README says.

        What a shop showed in a way that cannot be read is kept, and tried again by a hint, as a person would do it.
        """
        missing = self.ground.ask("missing", older=self.patient, most=500)
        jobs = [bodies.job(PUSHED, n) for n in missing[PUSHED] if n <= self.pushed[PUSHED]]
        jobs += [bodies.hint(HINTED, n) for n in missing[HINTED] if n <= self.pushed[HINTED]]
        with contextlib.suppress(RedisError):
            for name in SHOPS:
                kept = set(self.ground.runtime.cursors.letter_ids(name))
                jobs += [bodies.hint(name, n) for n in missing[name] if str(n) in kept]
            if jobs:
                self.ground.runtime.redis.lpush("intake:inbox", *jobs)
                self.again += len(jobs)
            if any(lane.status()["dead_now"] for lane in self.ground.runtime.lanes.values()):
                # An order whose worker was killed five times is taken for what kills it; a person knows better.
                self.ground.intake("dead", "replay", "--reason", "poison", "--yes")
                self.replayed += 1

    def _kill(self, there: int) -> None:
        done = sum(self.killed.values())
        if done < len(self.kills) and done < there / self.total / 0.97 * len(self.kills):
            role = self.kills[done]
            if self.ground.kill(role, self.chance.choice):
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
        """What is not at rest."""
        rt, found = self.ground.runtime, Counter[str]()
        for lane in rt.lanes.values():
            status = lane.status()
            found.update({name: int(status[name]) for name in ("queued", "in_flight")})
        inbox = rt.inbox.status()
        found.update({"waiting": inbox["waiting"], "taken": inbox["taken"]})
        return dict(found)

    def verdict(self) -> dict[str, Any]:
        """All figures; `problems` is empty if every order is there once and as it was made."""
        found: dict[str, Any] = self.ground.ask("state")
        missing = self.ground.ask("missing", older=-1, most=200)
        lost = [f"{SOURCES[name]} {name}:{n}" for name, numbers in missing.items() for n in numbers]
        lost_count = self.total - sum(found["there"].values())
        problems = [f"{name}: {one}" for name in ("doubled", "wrong", "extra") for one in found[name]]
        problems += [f"lost: {one}" for one in lost]
        lanes = {name: lane.status() for name, lane in self.ground.runtime.lanes.items()}
        for name, status in lanes.items():
            problems += [f"{status[s]} {s} in {name}" for s in ("dead_now", "in_doubt_now", "held_now") if status[s]]
        problems += [
            f"{self.wanted[name]} wanted of {name}, {made} made"
            for name, made in found["made"].items()
            if made != self.wanted[name]
        ]
        seconds = time.monotonic() - self.started
        return {
            **found,
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
            "stories": self._stories([*found["doubled"], *found["wrong"], *lost][:10]),
        }

    def _stories(self, bad: list[str]) -> list[str]:
        told = []
        for one in bad:
            target, key = one.split()[:2]
            for entry in self.ground.runtime.ledger.entries([target], key):
                told += [f"{target} {key}", *(f"  {at} {event}" for at, event in entry.history)]
        return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1500.0, help="orders made in a second at most")
    parser.add_argument("--density", type=float, default=1.0, help="how many faults, against 600 kills in a million")
    parser.add_argument("--early", type=float, default=0.03, help="Redis is emptied within this share of the orders")
    parser.add_argument("--lease", type=float, default=10.0, help="seconds; all other clocks of a soak go with it")
    parser.add_argument("--bulk", type=int, default=50, help="orders in one call to the bulk target")
    parser.add_argument("--home", type=Path, help="keep settings, log and data in this new folder")
    parser.add_argument("--results", type=Path, help="write all figures into this file")
    options = parser.parse_args()
    home = options.home or Path(tempfile.mkdtemp(prefix="intake-soak-"))
    with Ground(home.absolute(), options.seed, WEATHER, options.lease, options.bulk) as ground:
        soak = Soak(ground, options)
        with Progress(options.orders) as progress:
            soak.run(progress)
            soak.settle()
        found = soak.verdict()
    if options.results:
        options.results.write_text(json.dumps(found, indent=1))
    report(found)
    if found["problems"]:
        print(f"Settings, log and data are in {home}")
    elif not options.home:
        shutil.rmtree(home)
    return int(bool(found["problems"]))


if __name__ == "__main__":
    sys.exit(main())
