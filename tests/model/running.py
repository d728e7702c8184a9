"""Runs a machine; when it fails, the failure tells the shrunk example step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

if TYPE_CHECKING:
    from redis import Redis

    from model.machine import Machine


def run(machine: type[Machine], redis: Redis, raw: Redis, **options: Any) -> None:
    """Raise what the shrunk example raises, with its steps as a note; it ran last, so `machine.last` has it as well."""
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
        error.add_note("The steps of the shrunk example:\n" + story(machine))
        raise


def story(machine: type[Machine]) -> str:
    """The steps of the example that ran last, numbered."""
    return "\n".join(f"{number:3}. {step}" for number, step in enumerate(machine.last.steps, 1))
