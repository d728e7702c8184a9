"""The alarms, as a person sees them: judged now, whoever watches or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.watch.alarms import judge
from worker.watch.state import state_of

if TYPE_CHECKING:
    from worker.runtime import Runtime


def alarms(rt: Runtime) -> list[dict[str, Any]]:
    """All that are raised now, as plain data: name, subject, since (Unix seconds or None), what, remedy."""
    return [alarm.as_json() for alarm in judge(state_of(rt), rt.settings)]
