"""The Procfile lists the processes that `intake up` runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
from celery.bin.celery import celery

from worker.cli.run.processes import COMMANDS, procfile
from worker.store.health.nudges import QUEUES


def options(command: str) -> dict[str, Any]:
    """Return the options of the command line as Celery parses it. Raise click.UsageError if it cannot."""
    words = shlex.split(command)[1:]
    at = next(number for number, word in enumerate(words) if word in celery.commands)
    sub = celery.commands[words[at]]
    with click.Context(celery) as parent:
        return sub.make_context(words[at], words[at + 1 :], parent=parent, resilient_parsing=True).params


def test_the_procfile_repeats_the_list_of_processes() -> None:
    assert (Path(__file__).parents[2] / "Procfile").read_text() == procfile()


def test_every_queue_has_a_worker_and_no_worker_serves_an_unknown_queue() -> None:
    served = [queue for name in ("worker", "upkeep") for queue in options(COMMANDS[name])["queues"]]
    assert sorted(served) == sorted(QUEUES)


def test_upkeep_has_its_own_process_so_that_slow_systems_cannot_delay_it() -> None:
    assert "--pool solo" in COMMANDS["upkeep"]
    assert options(COMMANDS["upkeep"])["queues"] == ["intake.upkeep"]


def test_workers_neither_gossip_nor_mingle() -> None:
    for name in ("worker", "upkeep"):
        read = options(COMMANDS[name])
        assert read["without_gossip"]
        assert read["without_mingle"]


def test_beat_keeps_no_file() -> None:
    assert options(COMMANDS["beat"])["scheduler"] == "celery.beat:Scheduler"
