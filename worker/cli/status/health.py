"""`intake health`: one line and an exit code for a supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from worker.cli.in_use import read_settings_in_use
from worker.cli.results import say
from worker.cli.terminal import never_wait
from worker.durations import count_of, round_duration
from worker.errors import StoreFull
from worker.operations.examples import examples
from worker.process.liveness_file import ROLES, TURN, liveness_folder, read_liveness
from worker.runtime import Runtime
from worker.store.redis.connection import ERRORS
from worker.store.redis.diagnosis import refusal, state_of
from worker.store.redis.server import may_write
from worker.watch.judgements import alarms, judge
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from worker.settings.load import Settings

_FAILURES: Final[tuple[type[Exception], ...]] = (StoreFull, *ERRORS)
#: Most alarms that the line names.
_SHOWN: Final = 3


def liveness(settings: Settings, role: str | None) -> tuple[bool, str]:
    """Return whether the processes of this host make progress, without Redis: a worker that waits for it is alive."""
    where = liveness_folder(settings.data_dir)
    found = [sign for sign in read_liveness(where) if role in {None, sign.role}]
    if not found:
        return False, f"no {role or 'process'} is running on this host ({where})"
    for sign in found:
        if not sign.waits and sign.age > TURN:
            return False, f"{sign.role} hangs: no progress for {round_duration(sign.age)}"
    return True, ", ".join(f"{sign.role} {'waits for Redis' if sign.waits else 'makes progress'}" for sign in found)


def readiness(settings: Settings) -> tuple[bool, str]:
    """Return whether Redis answers and takes writes and work is done, and a sentence about it."""
    with Runtime(settings, patience="short") as rt:
        try:
            if may_write(rt.redis) and (state := refusal(rt.redis)):
                return False, str(state)
            raised = alarms(judge(take_snapshot(rt), settings))
        except _FAILURES as error:
            return False, str(state_of(error, rt.redis))
    if standstill := [alarm for alarm in raised if alarm.severity == "standstill"]:
        return False, "; ".join(f"{alarm.facts}. {alarm.remedy}" for alarm in standstill)
    facts = "; ".join(f"{alarm.subject}: {alarm.facts}" for alarm in raised[:_SHOWN])
    return True, f"Redis responds and work is done; {count_of(len(raised), 'alarm')}{facts and f': {facts}'}"


@click.command("health", epilog=examples("intake health --live worker", "intake health --ready"))
@click.option("--live", "probe", flag_value="live", help="Check that the processes of this host make progress.")
@click.option("--ready", "probe", flag_value="ready", help="Check that Redis accepts writes and that work is done.")
@click.argument("role", required=False, type=click.Choice(ROLES))
def command(probe: str | None, role: str | None) -> None:
    """Check liveness or readiness, for a supervisor.

    The command prints one line; the exit code is 0 or 1. ROLE limits --live to one process.
    """
    # The exit code counts, even if nobody reads the line.
    never_wait()
    settings = read_settings_in_use()
    if probe is None:
        raise click.UsageError("choose --live or --ready")
    well, said = liveness(settings, role) if probe == "live" else readiness(settings)
    say(f"{'ok' if well else 'error'}: {said}")
    raise SystemExit(0 if well else 1)
