"""`python -m simulation --seeds 100`: run histories, tell how many hours they were and which went wrong."""

from __future__ import annotations

import os
import sys
import time

import click

from simulation.history import history


@click.command()
@click.option("--seed", type=int, help="Replay this one, and tell what happens.")
@click.option("--seeds", type=int, default=100, show_default=True, help="Run so many.")
@click.option("--first", type=int, default=1, show_default=True, help="The first one.")
@click.option("--minutes", type=float, default=5.0, show_default=True, help="Simulated minutes with mishaps.")
def main(seed: int | None, seeds: int, first: int, minutes: float) -> None:
    """Run histories of the whole worker on a fake clock; a wrong one prints its seed."""
    if hasattr(os, "sched_setaffinity"):
        # One runs at a time: threads that hand over on one core do so four times as fast.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if seed is not None:
        told = history(seed, minutes * 60, line=print)
        print(f"seed {seed}: {told.wrong or 'all well'}; {told.seconds / 3600:.2f} hours, digest {told.digest}")
        sys.exit(bool(told.wrong))
    began, hours, orders, commands, wrong = time.process_time(), 0.0, 0, 0, []
    counts: dict[str, int] = {}
    for one in range(first, first + seeds):
        told = history(one, minutes * 60)
        if one % 100 == 0:  # on the way, for whoever waits
            print(f"... {one - first + 1} histories", file=sys.stderr, flush=True)
        hours, orders, commands = hours + told.seconds / 3600, orders + told.orders, commands + told.commands
        for kind, count in told.faults.items():
            counts[kind] = counts.get(kind, 0) + count
        if told.wrong:
            wrong.append(one)
            print(f"seed {one}: {told.wrong}\n  replay: make simulate SEED={one} MINUTES={minutes:g}", flush=True)
    spent = time.process_time() - began
    pace = hours / spent * 60
    print(f"{seeds} histories, {hours:.1f} simulated hours, {spent:.0f} s of a core: {pace:.1f} hours a minute")
    print(f"{orders} orders, {commands} commands; mishaps: {dict(sorted(counts.items()))}")
    print(f"{len(wrong)} went wrong: {wrong}" if wrong else "none went wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
