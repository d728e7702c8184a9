"""`intake bench`: measures this machine, each figure beside something named, in one run."""

from __future__ import annotations

import click

from worker.cli.bench.backfill import command as backfill
from worker.cli.bench.bulk import command as bulk
from worker.cli.bench.latency import command as latency
from worker.cli.bench.memory import command as memory
from worker.cli.bench.throughput import command as throughput


@click.group("bench", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Measure this machine, beside plain Celery; without a name: throughput."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(throughput)


command.add_command(throughput)
command.add_command(latency)
command.add_command(bulk)
command.add_command(memory)
command.add_command(backfill)
