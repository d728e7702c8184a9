"""What a soak prints: how far it is, and at the end what came of it."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

if TYPE_CHECKING:
    from soak.faults import Calls

#: Seconds between two lines where nobody watches.
EVERY = 30.0
FAULTS = ("kill", "stop", "lost", "repeat", "delay", "cut", "flush")


class Progress:
    """A bar on a terminal, a line now and then in a file."""

    def __init__(self, total: int) -> None:
        self.total, self.console = total, Console()
        words = TextColumn("{task.description}")
        columns = (words, BarColumn(), TextColumn("{task.completed:,}"), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=self.console, disable=not self.console.is_terminal)
        self._task = self._bar.add_task("starting", total=total)
        self._began = time.monotonic()
        self._told = self._began
        self._past: list[tuple[float, int]] = []

    def show(self, there: int, made: int, calls: Calls, killed: Counter[str], bad: int) -> None:
        now = time.monotonic()
        self._past = [*((at, count) for at, count in self._past if now - at < 60), (now, there)]
        if not self.console.is_terminal and now - self._told < EVERY:
            return
        self._told = now
        at, before = self._past[0]
        rate = (there - before) / (now - at) if now > at else 0.0
        steps: Counter[str] = Counter()
        for arm, count in calls.fired().items():
            steps[arm.effect.step] += count
        fired = ", ".join(f"{step} {count}" for step, count in sorted(steps.items()))
        words = f"{made:,} made, {rate:.0f}/s; faults: {fired}; {sum(killed.values())} killed; {bad} bad"
        if self.console.is_terminal:
            self._bar.update(self._task, completed=there, description=words)
            return
        left = timedelta(seconds=round((self.total - there) / rate)) if rate else "?"
        passed = timedelta(seconds=round(now - self._began))
        print(f"{passed} {there:,} of {self.total:,} delivered, {words}; {left} left", flush=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def report(found: dict[str, Any]) -> None:
    """Print the tables, and what is wrong."""
    console = Console(width=120)
    console.print(_faults(found["fired"]))
    for words in _sums(found):
        console.print(words, highlight=False, soft_wrap=True)
    for problem in (*found["problems"], *found["stories"]):
        console.print(problem, highlight=False, markup=False, soft_wrap=True)
    orders, there = found["orders"], sum(found["there"].values())
    wrong, doubled = len(found["wrong"]) + len(found["extra"]), len(found["doubled"])
    rate = there / found["seconds"]
    passed = timedelta(seconds=round(found["seconds"]))
    console.print(
        f"{orders:,} orders, {there:,} created, {found['lost']} lost, {doubled} doubled, {wrong} with wrong content;"
        f" {passed}, {rate:.0f} orders/s, seed {found['seed']}",
        highlight=False,
        soft_wrap=True,
    )


def _faults(fired: list[tuple[str, str, str, str, int]]) -> Table:
    table = Table("step", "effect", *FAULTS, title="Faults that fired, before / in / after the effect")
    counts: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for step, what, fault, side, count in fired:
        counts.setdefault((step, what), {}).setdefault(fault, {})[side] = count
    for (step, what), by_fault in sorted(counts.items()):
        cells = []
        for fault in FAULTS:
            sides = by_fault.get(fault, {})
            cells.append(" / ".join(str(sides[side]) for side in ("before", "sent", "after") if side in sides))
        table.add_row(step, what, *cells)
    return table


def _sums(found: dict[str, Any]) -> list[str]:
    sums: Counter[str] = Counter()
    for _, _, fault, _, count in found["fired"]:
        sums[fault] += count
    said = ["Failpoints: " + ", ".join(f"{name} {sums[name]:,}" for name in FAULTS)]
    killed = found["killed"]
    said.append("SIGKILL from outside: " + ", ".join(f"{name} {count}" for name, count in sorted(killed.items())))
    weather: Counter[str] = Counter()
    for name, count in found["counts"].items():
        weather[name.partition(": ")[2] or name] += count
    said.append("By the other side: " + ", ".join(f"{name} {count:,}" for name, count in sorted(weather.items())))
    said.append(f"Pushed again: {found['again']:,}; poison replayed: {found['replayed']} times")
    memory = found["memory"]
    if memory:
        first = next((sample for sample in memory if sample[0] >= 10_000), memory[0])
        for at, sample in (first, memory[-1]):
            said.append(f"MiB at {at:,}: " + ", ".join(f"{name} {size:.0f}" for name, size in sample.items()))
    return said
