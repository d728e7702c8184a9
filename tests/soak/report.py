"""The output of a soak: its progress, and its result at the end."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from soak.verdict import ENOUGH
from worker.lab.history.verdict import FAULTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from soak.faults import Calls

#: Seconds between two lines of progress without a terminal.
EVERY = 30.0
KINDS = ("kill", "stop", "lost", "repeat", "delay", "cut", "flush")


class Progress:
    """A progress bar on a terminal, a line every `EVERY` seconds otherwise."""

    def __init__(self, total: int) -> None:
        self.total, self.console = total, Console()
        words = TextColumn("{task.description}")
        columns = (words, BarColumn(), TextColumn("{task.completed:,}"), TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Bar(*columns, console=self.console, disable=not self.console.is_terminal)
        self._task = self._bar.add_task("starting", total=total)
        self._began = time.monotonic()
        self._shown = self._began
        self._past: list[tuple[float, int]] = []

    def show(self, arrived: int, made: int, calls: Calls, events: Counter[str], bad: int) -> None:
        now = time.monotonic()
        self._past = [*((at, count) for at, count in self._past if now - at < 60), (now, arrived)]
        if not self.console.is_terminal and now - self._shown < EVERY:
            return
        self._shown = now
        at, before = self._past[0]
        rate = (arrived - before) / (now - at) if now > at else 0.0
        steps: Counter[str] = Counter()
        for arm, count in calls.fired().items():
            steps[arm.effect.step] += count
        fired = ", ".join(f"{step} {count}" for step, count in sorted(steps.items()))
        words = f"{made:,} made, {rate:.0f}/s; faults: {fired}; {sum(events.values())} events; {bad} bad"
        if self.console.is_terminal:
            self._bar.update(self._task, completed=arrived, description=words)
            return
        left = timedelta(seconds=round((self.total - arrived) / rate)) if rate else "?"
        passed = timedelta(seconds=round(now - self._began))
        print(f"{passed} {arrived:,} of {self.total:,} delivered, {words}; {left} left", flush=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def report(figures: dict[str, Any]) -> None:
    """Print the table of faults, the sums, the problems and the totals."""
    console = Console(width=120)
    console.print(_faults(figures["fired"]))
    for words in _sums(figures):
        console.print(words, highlight=False, soft_wrap=True)
    for problem in (*figures["problems"], *figures["histories"]):
        console.print(problem, highlight=False, markup=False, soft_wrap=True)
    rate = figures["created"] / figures["seconds"]
    passed = timedelta(seconds=round(figures["seconds"]))
    faults = ", ".join(f"{figures[fault]} {fault}" for fault in FAULTS)
    console.print(
        f"{figures['total']:,} orders, {figures['created']:,} created: {faults}; {passed}, {rate:.0f} orders/s, seed"
        f" {figures['seed']}",
        highlight=False,
        soft_wrap=True,
    )


def _faults(fired: list[tuple[str, str, str, str, int]]) -> Table:
    table = Table("step", "effect", *KINDS, title="Faults that fired, before / in / after the effect")
    counts: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
    for step, effect, fault, side, count in fired:
        counts.setdefault((step, effect), {}).setdefault(fault, {})[side] = count
    for (step, effect), by_fault in sorted(counts.items()):
        cells = []
        for fault in KINDS:
            sides = by_fault.get(fault, {})
            cells.append(" / ".join(str(sides[side]) for side in ("before", "sent", "after") if side in sides))
        table.add_row(step, effect, *cells)
    return table


def _sums(figures: dict[str, Any]) -> list[str]:
    sums: Counter[str] = Counter()
    for _, _, fault, _, count in figures["fired"]:
        sums[fault] += count
    lines = ["Failpoints: " + ", ".join(f"{name} {sums[name]:,}" for name in KINDS)]
    lines.append("Plan: " + _counted(figures["events"]))
    lines.append("Console: " + _counted(figures["console"]))
    weather: Counter[str] = Counter()
    for name, count in figures["counts"].items():
        weather[name.partition(": ")[2] or name] += count
    lines.append("By the other side: " + _counted(weather))
    lines.append(f"Pushed again: {figures['again']:,}; poison replayed: {figures['replayed']} times")
    lines.append(
        f"Cancelled in source and target: {figures['cancelled']:,}; hostile records: {figures['hostile']:,};"
        f" journal: {figures['lines']:,} lines"
    )
    if any(figures["forgotten"].values()):
        counts = ", ".join(f"{len(names)} {fault}" for fault, names in figures["forgotten"].items() if names)
        lines.append(f"Forgotten by a Redis that was lost, which is a known limit: {counts}")
    lines.append(
        "Calls beyond a limit: " + ", ".join(f"{name} {over} of {calls:,}" for name, calls, over in figures["paces"])
    )
    memory = figures["memory"]
    if memory:
        lines.append(f"Memory: {len(memory)} samples, {'judged' if len(memory) >= ENOUGH else 'too few to be judged'}")
        for at, sample in (memory[len(memory) // 4], memory[-1]):
            lines.append(f"MiB (PSS) at {at:,}: " + ", ".join(f"{name} {size:.0f}" for name, size in sample.items()))
    return lines


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
