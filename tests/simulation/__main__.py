"""`python -m simulation --seeds 100`: run histories, report how many hours they cover and which failed."""

from __future__ import annotations

import os
import sys
import time

import click

from simulation.history import history
from simulation.settings import DENSE, SHOP


@click.command()
@click.option("--seed", type=int, help="Replay this one, and tell what happens.")
@click.option("--seeds", type=int, default=100, show_default=True, help="Run so many.")
@click.option("--first", type=int, default=1, show_default=True, help="The first one.")
@click.option("--minutes", type=float, default=5.0, show_default=True, help="Simulated minutes with mishaps.")
@click.option(
    "--days", type=float, default=0.0, help="Instead: days of a small shop, 300 orders and few mishaps in each."
)
def main(seed: int | None, seeds: int, first: int, minutes: float, days: float) -> None:
    """Run histories of the whole worker on a fake clock; a wrong one prints its seed."""
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
    for one in range(first, first + seeds):
        result = history(one, seconds, pace=pace)
        if one % 100 == 0:  # progress for a person who waits
            print(f"... {one - first + 1} histories", file=sys.stderr, flush=True)
        hours, orders, commands = hours + result.seconds / 3600, orders + result.orders, commands + result.commands
        polls += result.polls
        for kind, count in result.faults.items():
            counts[kind] = counts.get(kind, 0) + count
        if result.wrong:
            wrong.append(one)
            print(f"seed {one}: {result.wrong}\n  replay: make simulate SEED={one} {length}", flush=True)
    spent = time.process_time() - began
    speed = hours / spent * 60
    print(f"{seeds} histories, {hours:.1f} simulated hours, {spent:.0f} s of a core: {speed:.1f} hours a minute")
    print(f"{orders} orders, {polls} polls, {commands} commands; mishaps: {dict(sorted(counts.items()))}")
    print(f"{len(wrong)} went wrong: {wrong}" if wrong else "none went wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
