"""The alarms: what in the state of everything needs a person, and what that person can do."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from worker.durations import format_duration, round_duration
from worker.reconcile.report import FAULTS
from worker.store.health.signs import BEAT, SWEPT, TOOK, WORKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.settings.accounts import ProviderSettings, TargetSettings
    from worker.settings.load import Settings
    from worker.store.health.state import LaneState, ProviderState, State

#: The queue that beat fills and upkeep empties.
_TICKS: Final = "intake.upkeep"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that needs a person; nothing in it is personal or secret.

    `subject` is a provider, a lane, a pair or a part of Intake; `since` is in Unix seconds, None where nobody knows.
    """

    name: str
    subject: str
    since: float | None
    what: str
    remedy: str

    @property
    def key(self) -> str:
        """What makes it this alarm and no other."""
        return f"{self.name} {self.subject}"

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def judge(state: State, settings: Settings) -> list[Alarm]:
    """All that is wrong in `state`; the same state always gives the same alarms."""
    found = [*_engine(state, settings), *_inbox(state, settings)]
    for name, account in settings.providers.items():
        if provider := state.providers.get(name):
            found += _provider(state, settings, account, provider)
    for name in settings.targets:
        if lane := state.lanes.get(name):
            found += _lane(state, settings, name, lane)
    return [*found, *_reports(state)]


def _ago(state: State, since: float) -> str:
    return round_duration(state.now - since)


def _engine(state: State, settings: Settings) -> Iterator[Alarm]:
    """Redis, beat, upkeep, workers."""
    rules, server = settings.alarms, state.server
    if server and server.limit and server.used > rules.memory * server.limit:
        what = f"{server.used / server.limit:.0%} of maxmemory is used; a full Redis takes no order"
        yield Alarm("redis_full", "redis", None, what, "Raise maxmemory of Redis.")
    if server and not server.writes:
        what = "Redis could not write to its disk; what it accepts now may be lost with it"
        yield Alarm("redis_not_saving", "redis", None, what, "Make room on the disk of the Redis server.")
    swept = state.signs.get(SWEPT, state.began)
    if state.now - swept > max(rules.silent_after, 10 * settings.clocks.sweep):
        ticks = state.queues.get(_TICKS) or state.now - state.signs.get(BEAT, 0) < rules.silent_after
        name, lost = ("upkeep", "ticks come, and no") if ticks else ("beat", "no tick comes, so no")
        what = f"{lost} sweep was made for {_ago(state, swept)}: nothing is polled, retried or taken over"
        remedy = f"Start the process {name} of the Procfile, or look into its log."
        yield Alarm(f"{name}_silent", name, swept, what, remedy)
    workers = [at for whose, at in state.signs.items() if whose.startswith(f"{WORKER} ")]
    seen = max(workers, default=state.began)
    if state.now - seen > rules.silent_after:
        what = f"no worker gave a sign of life for {_ago(state, seen)}: nothing is read or delivered"
        yield Alarm("worker_silent", "worker", seen, what, "Start the process worker, or look into its log.")
        return
    waiting = sum(count for queue, count in state.queues.items() if queue != _TICKS)
    took = state.signs.get(TOOK, state.began)
    if waiting and state.now - took > rules.untaken_after:
        what = f"{waiting} messages wait, and the workers that are alive took none for {_ago(state, took)}"
        yield Alarm("work_untaken", "worker", took, what, "Restart the process worker.")


def _inbox(state: State, settings: Settings) -> Iterator[Alarm]:
    inbox = state.inbox
    waiting = inbox.get("waiting", 0)
    if not inbox.get("takers", 0) and (waiting or settings.producers):
        what = f"nobody takes the jobs that producers push; {waiting} wait"
        yield Alarm("inbox_unheard", "inbox", None, what, "Start the process listen: intake listen")
    if (dead := inbox.get("dead_now", 0)) >= settings.alarms.unreadable:
        yield Alarm("jobs_refused", "inbox", None, f"{dead} jobs could not be taken in", "intake inbox list")


def _provider(state: State, settings: Settings, account: ProviderSettings, it: ProviderState) -> Iterator[Alarm]:
    name, rules = account.name, settings.alarms
    if it.malformed >= rules.unreadable:
        what = f"{it.malformed} records could not be read"
        yield Alarm("records_unreadable", name, None, what, f"intake dead list --provider {name}")
    if it.paused is not None:
        what = f"it is paused: {it.paused}"
        yield Alarm("provider_paused", name, it.success, what, f"Mend it, then: intake resume {name}")
        return
    success = state.began if it.success is None else it.success
    if _rests(state, account, rules.late * account.poll_every):
        return
    if state.now - success > rules.late * account.poll_every:
        reason = f"; {it.error}" if it.error else ""
        what = (
            f"no poll succeeded for {_ago(state, success)}, and it is polled each {format_duration(account.poll_every)}"
        )
        yield Alarm("provider_late", name, success, what + reason, _late_remedy(it))
        return
    yield from _silence(state, settings, account, it)


def _rests(state: State, account: ProviderSettings | TargetSettings, after: float) -> bool:
    """Whether it is in maintenance, or was `after` seconds ago: then nobody expects anything of it yet."""
    now = datetime.fromtimestamp(state.now, UTC)
    return any(account.maintenance.left(at) for at in (now, now - timedelta(seconds=after)))


def _late_remedy(it: ProviderState) -> str:
    if it.error:
        return "See what it says; prove the account with: intake check"
    return "See whether worker and beat run: intake health --ready"


def _silence(state: State, settings: Settings, account: ProviderSettings, it: ProviderState) -> Iterator[Alarm]:
    """The polls succeed; and do they find anything?"""
    name, rules = account.name, settings.alarms
    if it.turned and it.unseen and state.now - it.unseen > 2 * account.poll_every:
        what = f"its cursor stands still for {_ago(state, it.turned)}, though orders came by hint or push meanwhile"
        pairs = sorted(
            {f"{name} {target}" for route in settings.routes if route.source == name for target in route.targets}
        )
        yield Alarm(
            "cursor_stands", name, it.turned, what, f"Read what it missed: intake reconcile {pairs[0]} --since 7d"
        )
    last = max(it.arrived.values(), default=state.began)
    if state.now - last > rules.quiet_of(name):
        what = f"its polls succeed, and no new order came for {_ago(state, last)}"
        remedy = f'Look into the shop; if that is usual, write [alarms] quiet = {{ {name} = "30d" }}.'
        yield Alarm("provider_quiet", name, last, what, remedy)
    hooks = [producer for producer, its in settings.producers.items() if its.kind and name in its.pushes_for]
    if hooks and it.missed >= rules.missed_hooks:
        what = f"{it.missed} new orders in a row were found by the poll alone: the webhooks of {hooks[0]} do not come"
        remedy = "Look at the webhooks in the account, and whether it reaches intake receive (its /health)."
        yield Alarm("hooks_missed", name, None, what, remedy)


def _lane(state: State, settings: Settings, name: str, it: LaneState) -> Iterator[Alarm]:
    rules, now = settings.alarms, state.now
    if it.paused is not None:
        yield Alarm("lane_paused", name, None, f"it is paused: {it.paused}", f"Mend it, then: intake resume {name}")
    # As long as the ledger is new nothing is sent, and nobody expects it.
    waited = min(it.oldest, now - state.began - it.quiet) if it.quiet else it.oldest
    if waited > rules.oldest and not _rests(state, settings.targets[name], rules.oldest):
        what = f"its oldest order waits for {round_duration(it.oldest)}, one of {it.queued}"
        yield Alarm("lane_old", name, now - it.oldest, what, "See limits, tries and errors: intake status")
    if it.failures >= rules.failures:
        what = f"{it.failures} calls in a row failed: {name} does not answer, or not well"
        yield Alarm(
            "target_failing", name, None, what, "It goes on by itself when the target does; prove it: intake check"
        )
    if it.died_lately >= rules.dead:
        what = f"{it.died_lately} orders died within the hour, {it.dead} are dead"
        yield Alarm("orders_died", name, None, what, f"intake dead list --target {name}")
    if it.in_doubt >= rules.in_doubt:
        what = f"{it.in_doubt} orders are in doubt: they may be there, and are not sent again"
        yield Alarm("orders_in_doubt", name, now - it.oldest_doubt, what, f"intake doubt list --target {name}")
    if it.held >= rules.held:
        what = f"{it.held} orders are held"
        yield Alarm("orders_held", name, now - it.oldest_held, what, f"intake release {name} --dry-run")


def _reports(state: State) -> Iterator[Alarm]:
    for (provider, target), report in state.reports.items():
        counts = ", ".join(f"{report['counts'][fault]} {fault}" for fault in FAULTS if report["counts"].get(fault))
        if what := report["error"] or counts:
            remedy = f"intake reconcile {provider} {target} --since 7d"
            yield Alarm(
                "reconcile_found", f"{provider} > {target}", report["at"], f"compared, and found: {what}", remedy
            )
