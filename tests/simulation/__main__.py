"""Run histories and report how many hours they cover and which failed: `python -m simulation --seeds 100`."""

from __future__ import annotations

import os
import sys
import time

import click

from simulation.history import history
from simulation.settings import DENSE, SHOP


@click.command()
@click.option("--seed", type=int, help="Replay this seed and print every event.")
@click.option("--seeds", type=int, default=100, show_default=True, help="Number of seeds to run.")
@click.option("--first", type=int, default=1, show_default=True, help="The first seed.")
@click.option("--minutes", type=float, default=5.0, show_default=True, help="Simulated minutes with faults.")
@click.option(
    "--days",
    type=float,
    default=0.0,
    help="Simulate days of a small shop instead, with 300 orders and few faults a day.",
)
def main(seed: int | None, seeds: int, first: int, minutes: float, days: float) -> None:
    """Run histories of the whole worker on a fake clock; print the seed of each that breaks a promise."""
    if hasattr(os, "sched_setaffinity"):
        # One actor runs at a time: a second core would only lose the caches of the first.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    seconds, pace = (days * 86_400, SHOP) if days else (minutes * 60, DENSE)
    if seed is not None:
        result = history(seed, seconds, line=print, pace=pace)
        print(f"seed {seed}: {result.wrong or 'all well'}; {result.seconds / 3600:.2f} hours, digest {result.digest}")
        sys.exit(bool(result.wrong))
    began, hours, orders, polls, commands, wrong = time.process_time(), 0.0, 0, 0, 0, []
    counts: dict[str, int] = {}
    length = f"DAYS={days:g}" if days else f"MINUTES={minutes:g}"
    for number in range(first, first + seeds):
        result = history(number, seconds, pace=pace)
        if number % 100 == 0:  # progress for a person who waits
            print(f"... {number - first + 1} histories", file=sys.stderr, flush=True)
        hours, orders, commands = hours + result.seconds / 3600, orders + result.orders, commands + result.commands
        polls += result.polls
        for kind, count in result.faults.items():
            counts[kind] = counts.get(kind, 0) + count
        if result.wrong:
            wrong.append(number)
            print(f"seed {number}: {result.wrong}\n  replay: make simulate SEED={number} {length}", flush=True)
    spent = time.process_time() - began
    speed = hours / spent * 60
    print(f"{seeds} histories, {hours:.1f} simulated hours, {spent:.0f} s of a core: {speed:.1f} hours a minute")
    print(f"{orders} orders, {polls} polls, {commands} commands; faults: {dict(sorted(counts.items()))}")
    print(f"{len(wrong)} broke a promise: {wrong}" if wrong else "no promise was broken")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
