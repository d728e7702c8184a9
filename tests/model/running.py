"""Runs a machine; a failure lists the steps of the shrunk example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

if TYPE_CHECKING:
    from redis import Redis

    from model.machine import Machine


def run(machine: type[Machine], redis: Redis, raw: Redis, **options: Any) -> None:
    """Run the machine; raise the error of the shrunk example (`machine.last`) with its steps as a note."""
    profile = settings(
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        **options,
    )
    try:
        # Hypothesis takes any function that returns a machine; its types name a class only.
        run_state_machine_as_test(cast("type[Machine]", lambda: machine(redis, raw)), settings=profile)
    except Exception as error:
        error.add_note("The steps of the shrunk example:\n" + numbered_steps(machine))
        raise


def numbered_steps(machine: type[Machine]) -> str:
    """Return the numbered steps of the example that ran last."""
    return "\n".join(f"{number:3}. {step}" for number, step in enumerate(machine.last.steps, 1))
