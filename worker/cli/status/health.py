"""`intake health`: one line and an exit code for a supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from worker.app.liveness_step import liveness_folder
from worker.durations import round_duration
from worker.process.liveness_file import TURN, read_liveness
from worker.runtime import Runtime, read_settings
from worker.store.redis.connection import ERRORS
from worker.watch.alarms import judge
from worker.watch.state import state_of

if TYPE_CHECKING:
    from worker.settings.load import Settings

#: The alarms that say that work stands still.
_STILL: Final = frozenset({"beat_silent", "upkeep_silent", "worker_silent", "work_untaken"})


def liveness(settings: Settings, role: str | None) -> tuple[bool, str]:
    """Whether the processes of this host make progress. Redis is not asked: a worker that waits for it is alive."""
    where = liveness_folder(settings.data_dir)
    found = [sign for sign in read_liveness(where) if role in {None, sign.role}]
    if not found:
        return False, f"no {role or 'process'} is alive here ({where})"
    for sign in found:
        if not sign.waits and sign.age > TURN:
            return False, f"{sign.role} hangs: its loop did not turn for {round_duration(sign.age)}"
    return True, ", ".join(f"{sign.role} {'waits for Redis' if sign.waits else 'turns'}" for sign in found)


def readiness(settings: Settings) -> tuple[bool, str]:
    """Whether Redis answers, and the queues are worked off."""
    try:
        with Runtime(settings, patience="short") as rt:
            alarms = judge(state_of(rt), settings)
    except ERRORS as error:
        return False, f"Redis does not answer ({type(error).__name__})"
    still = [alarm for alarm in alarms if alarm.name in _STILL]
    if still:
        return False, "; ".join(f"{alarm.what}. {alarm.remedy}" for alarm in still)
    return True, f"Redis answers, the queues are worked off; {len(alarms)} alarms"


@click.command("health")
@click.option("--live", "probe", flag_value="live", help="Do the processes of this host make progress?")
@click.option("--ready", "probe", flag_value="ready", help="Does Redis answer, and is work worked off?")
@click.argument("role", required=False, type=click.Choice(["worker", "upkeep", "listen"]))
def command(probe: str | None, role: str | None) -> None:
    """Say in one line whether Intake is well; exit code 0 or 1. ROLE narrows --live to one process."""
    settings = read_settings()
    if probe is None:
        raise click.UsageError("say --live or --ready")
    well, said = liveness(settings, role) if probe == "live" else readiness(settings)
    click.echo(f"{'ok' if well else 'not ' + probe}: {said}")
    raise SystemExit(0 if well else 1)
