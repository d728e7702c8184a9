"""Run histories and report how many hours they cover and which failed: `python -m simulation --seeds 100`."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from simulation.history import HistoryResult, history
from simulation.settings import DENSE, SHOP, Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.queues import SimpleQueue

    Run = Callable[[int], tuple[HistoryResult, float]]


def _cores() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _stay_on(core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        # One actor runs at a time: a second core would only lose the caches of the first.
        os.sched_setaffinity(0, {core})


def _take_core(cores: SimpleQueue[int]) -> None:
    _stay_on(cores.get())


def _run(seed: int, seconds: float, pace: Pace) -> tuple[HistoryResult, float]:
    """Return the result of a history without its exception, which may not be picklable, and its core-seconds."""
    began = time.process_time()
    result = history(seed, seconds, pace=pace)
    return replace(result, error=None), time.process_time() - began


@contextmanager
def _runner(jobs: int) -> Iterator[Callable[[Run, Iterable[int]], Iterable[tuple[HistoryResult, float]]]]:
    """Yield a function like `map` that runs histories in `jobs` processes, and returns their results in order."""
    cores = _cores()
    if jobs == 1:
        _stay_on(cores[0])
        yield map
        return
    queue: SimpleQueue[int] = multiprocessing.SimpleQueue()
    for number in range(jobs):
        queue.put(cores[number % len(cores)])
    # Unlike `multiprocessing.Pool`, this raises an error if one of its processes is killed.
    with ProcessPoolExecutor(jobs, initializer=_take_core, initargs=(queue,)) as pool:
        yield pool.map


@click.command()
@click.option("--seed", type=int, help="Replay this seed and print every event.")
@click.option("--seeds", type=int, default=100, show_default=True, help="Number of seeds to run.")
@click.option("--first", type=int, default=1, show_default=True, help="The first seed.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=lambda: len(_cores()),
    show_default="number of cores",
    help="Number of processes.",
)
@click.option("--minutes", type=float, default=5.0, show_default=True, help="Simulated minutes with faults.")
@click.option(
    "--days",
    type=float,
    default=0.0,
    help="Simulate days of a small shop instead, with 300 orders and few faults a day.",
)
def main(  # noqa: PLR0913, PLR0917  # click passes each option by name
    seed: int | None, seeds: int, first: int, jobs: int, minutes: float, days: float
) -> None:
    """Run histories of the whole worker on a fake clock; print the seed of each that breaks a promise."""
    seconds, pace = (days * 86_400, SHOP) if days else (minutes * 60, DENSE)
    if seed is not None:
        _stay_on(_cores()[0])
        result = history(seed, seconds, line=print, pace=pace)
        print(f"seed {seed}: {result.wrong or 'all well'}; {result.seconds / 3600:.2f} hours, digest {result.digest}")
        sys.exit(bool(result.wrong))
    spent, hours, orders, polls, commands, wrong = 0.0, 0.0, 0, 0, 0, []
    counts: dict[str, int] = {}
    length = f"DAYS={days:g}" if days else f"MINUTES={minutes:g}"
    with _runner(min(jobs, max(seeds, 1))) as run:
        for result, took in run(partial(_run, seconds=seconds, pace=pace), range(first, first + seeds)):
            number, spent = result.seed, spent + took
            if number % 100 == 0:  # progress for a person who waits
                print(f"... {number - first + 1} histories", file=sys.stderr, flush=True)
            hours, orders, commands = hours + result.seconds / 3600, orders + result.orders, commands + result.commands
            polls += result.polls
            for kind, count in result.faults.items():
                counts[kind] = counts.get(kind, 0) + count
            if result.wrong:
                wrong.append(number)
                print(f"seed {number}: {result.wrong}\n  replay: make simulate SEED={number} {length}", flush=True)
    speed = hours / spent * 60
    print(f"{seeds} histories, {hours:.1f} simulated hours, {spent:.0f} s of a core: {speed:.1f} hours a minute")
    print(f"{orders} orders, {polls} polls, {commands} commands; faults: {dict(sorted(counts.items()))}")
    print(f"{len(wrong)} broke a promise: {wrong}" if wrong else "no promise was broken")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
