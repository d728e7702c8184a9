"""Judge a snapshot by the thresholds of the settings: what needs a person, and what that person can do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from worker.durations import count_of, format_duration, round_duration
from worker.reconcile.report import FAULTS
from worker.store.health.signs import BEAT, SWEPT, TOOK, WORKER
from worker.watch.messages import describe_unsent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.settings.accounts import ProviderSettings, TargetSettings
    from worker.settings.alarms import AlarmSettings
    from worker.settings.load import Settings
    from worker.store.health.lane_state import LaneState
    from worker.store.health.state import ProviderState, Snapshot
    from worker.store.redis.server import Server

#: standstill: no work is done. alarm: a threshold of `[alarms]` is crossed. notice: only `status` and `report` show it.
Severity = Literal["standstill", "alarm", "notice"]
_WORST_FIRST: Final[tuple[Severity, ...]] = ("standstill", "alarm", "notice")
#: Seconds for which a step of Redis' clock is reported.
_STEP_SHOWN: Final = 3600.0
#: The queue that beat fills and upkeep empties.
_TICKS: Final = "intake.upkeep"


@dataclass(frozen=True, slots=True)
class Judgement:
    """One thing that needs a person; nothing in it is personal or secret."""

    kind: str
    #: A provider, a target, a pair or a part of Intake.
    subject: str
    facts: str
    remedy: str
    severity: Severity = "alarm"
    #: Unix seconds; None if unknown.
    since: float | None = None

    @property
    def key(self) -> str:
        """The identity of an alarm: the same kind of the same subject is the same alarm."""
        return f"{self.kind} {self.subject}"

    @property
    def sentence(self) -> str:
        """Whom it is about, and the facts."""
        return f"{self.subject}: {self.facts}"

    def as_json(self) -> dict[str, Any]:
        """Return an alarm as plain data: name, subject, since, what, remedy."""
        return {
            "name": self.kind,
            "subject": self.subject,
            "since": self.since,
            "what": self.facts,
            "remedy": self.remedy,
        }


def judge(snapshot: Snapshot, settings: Settings) -> list[Judgement]:
    """Return everything that needs a person, the worst first; the same snapshot always gives the same judgements."""
    judgements = [*_engine(snapshot, settings), *_inbox(snapshot, settings)]
    for name, account in settings.providers.items():
        if provider := snapshot.providers.get(name):
            judgements += _provider(snapshot, settings, account, provider)
    for name in settings.targets:
        if lane := snapshot.lanes.get(name):
            judgements += _lane(snapshot, settings, name, lane)
    judgements += [*_maps(snapshot), *_reports(snapshot), *_accounts(snapshot), *_messages(snapshot, settings)]
    return sorted(judgements, key=lambda judgement: _WORST_FIRST.index(judgement.severity))


def alarms(judgements: list[Judgement]) -> list[Judgement]:
    """Return those that are raised as alarms."""
    return [judgement for judgement in judgements if judgement.severity != "notice"]


def judge_server(server: Server, rules: AlarmSettings) -> Iterator[Judgement]:
    """Yield why orders are not safe in this Redis, or soon will not be accepted."""
    if server.policy != "noeviction":
        facts = f"maxmemory-policy is {server.policy}: a full Redis would delete orders"
        remedy = "Set maxmemory-policy noeviction, also in the configuration file of Redis."
        yield Judgement("redis_evicts", "redis", facts, remedy, "notice")
    if server.limit and server.used > rules.memory * server.limit:
        facts = f"{server.used / server.limit:.0%} of maxmemory is used; a full Redis accepts no new orders"
        if server.used >= server.limit:
            facts = "Redis is full (maxmemory): it accepts no new orders; deliveries continue"
        yield Judgement("redis_full", "redis", facts, "Raise maxmemory in Redis.")
    if not server.last_write_ok:
        facts = "Redis cannot write to its disk: data that it accepts now may be lost"
        yield Judgement("redis_not_saving", "redis", facts, "Free space on the disk of the Redis server.")


def _ago(snapshot: Snapshot, since: float) -> str:
    return round_duration(snapshot.now - since)


def _severity(count: int, threshold: int) -> Severity:
    return "alarm" if count >= threshold else "notice"


def _engine(snapshot: Snapshot, settings: Settings) -> Iterator[Judgement]:
    """Judge Redis, beat, upkeep and the workers."""
    rules, now = settings.alarms, snapshot.now
    if snapshot.server:
        yield from judge_server(snapshot.server, rules)
    step = snapshot.clock_step
    if step and now - step.at < _STEP_SHOWN:
        way = "ahead" if step.seconds > 0 else "back"
        facts = f"the clock of Redis stepped {way} by {round_duration(abs(step.seconds))}; Intake keeps its own time"
        remedy = "Check the time service of the Redis server. No order is lost, and no limit is exceeded."
        yield Judgement("clock_stepped", "redis", facts, remedy, since=step.at)
    swept = snapshot.signs.get(SWEPT, snapshot.began)
    if now - swept > max(rules.silent_after, 10 * settings.clocks.sweep):
        ticks = snapshot.queues.get(_TICKS) or now - snapshot.signs.get(BEAT, 0) < rules.silent_after
        name, cause = ("upkeep", "ticks are not processed") if ticks else ("beat", "no ticks are sent")
        facts = f"{cause}: no sweep for {_ago(snapshot, swept)}, so nothing is polled, retried or taken over"
        remedy = f"Start the {name} process of the Procfile, or check its log."
        yield Judgement(f"{name}_silent", name, facts, remedy, "standstill", swept)
    workers = [at for process, at in snapshot.signs.items() if process.startswith(f"{WORKER} ")]
    seen = max(workers, default=snapshot.began)
    if now - seen > rules.silent_after:
        facts = f"no worker has reported for {_ago(snapshot, seen)}: nothing is read or delivered"
        remedy = "Start the worker process, or check its log."
        yield Judgement("worker_silent", "worker", facts, remedy, "standstill", seen)
        return
    waiting = sum(count for queue, count in snapshot.queues.items() if queue != _TICKS)
    took = snapshot.signs.get(TOOK, snapshot.began)
    if waiting and now - took > rules.untaken_after:
        facts = f"{count_of(waiting, 'message')} waiting; the running workers took none for {_ago(snapshot, took)}"
        yield Judgement("work_untaken", "worker", facts, "Restart the worker process.", "standstill", took)


def _inbox(snapshot: Snapshot, settings: Settings) -> Iterator[Judgement]:
    inbox = snapshot.inbox
    waiting = inbox.get("waiting", 0)
    if not inbox.get("takers", 0) and (waiting or settings.producers):
        facts = f"no process accepts the jobs that producers push; {waiting:,} waiting"
        yield Judgement("inbox_unheard", "inbox", facts, "Start the listen process: intake listen")
    if dead := inbox.get("dead_now", 0):
        facts, severity = f"{count_of(dead, 'job')} failed", _severity(dead, settings.alarms.unreadable)
        yield Judgement("jobs_refused", "inbox", facts, "intake inbox list", severity)


def _accounts(snapshot: Snapshot) -> Iterator[Judgement]:
    """Judge accounts that do not fit to the ledger, and those that only the ledger has."""
    for key, reason, remedy in snapshot.refused:
        yield Judgement("account_refused", key, f"no process starts: {reason}", remedy, "standstill")
    for account in snapshot.absent:
        facts = f"this {account.role} is no longer in the settings, but the ledger has its orders: {account.facts}"
        remedy = f"Put it back, or: intake rename {account.name} NEW, or: intake forget {account.name}"
        yield Judgement("account_gone", account.name, facts, remedy)


def _maps(snapshot: Snapshot) -> Iterator[Judgement]:
    for account, problems in snapshot.broken_maps.items():
        for key, reason, remedy in problems:
            facts = f"{key} cannot be read again: {reason}. Its last entries stay in use"
            yield Judgement("map_unreadable", account, facts, remedy)


def _provider(
    snapshot: Snapshot, settings: Settings, account: ProviderSettings, provider: ProviderState
) -> Iterator[Judgement]:
    name, rules = account.name, settings.alarms
    yield from _statuses(account, provider)
    if provider.malformed:
        facts = count_of(provider.malformed, "unreadable record")
        severity = _severity(provider.malformed, rules.unreadable)
        yield Judgement("records_unreadable", name, facts, f"intake dead list --provider {name}", severity)
    if provider.paused is not None:
        facts, remedy = f"paused: {provider.paused}", f"Fix the cause, then: intake resume {name}"
        yield Judgement("provider_paused", name, facts, remedy, since=provider.success)
        return
    success = snapshot.began if provider.success is None else provider.success
    resting = _rests(snapshot, account, rules.late * account.poll_every)
    if not resting and snapshot.now - success > rules.late * account.poll_every:
        reason = f"; {provider.error}" if provider.error else ""
        every = format_duration(account.poll_every)
        facts = f"no poll has succeeded for {_ago(snapshot, success)}; it is polled every {every}{reason}"
        remedy = "Check that worker and beat run: intake health --ready"
        if provider.error:
            remedy = "Check the account: intake check"
        yield Judgement("provider_late", name, facts, remedy, since=success)
        return
    if provider.error:
        left = (provider.retry_at or 0) - snapshot.now
        again = f", again in {round_duration(left)}" if left > 0 else ""
        facts = f"{provider.error} ({count_of(provider.failures, 'failure')} in a row{again})"
        yield Judgement("provider_failing", name, facts, "intake check", "notice")
    if not resting:
        yield from _silence(snapshot, settings, account, provider)


def _statuses(account: ProviderSettings, provider: ProviderState) -> Iterator[Judgement]:
    """Judge the statuses that are not understood. Those that were mapped since then are understood."""
    mapped = getattr(account.options, "status_map", {})
    for code, count in sorted(provider.unknown.items(), key=lambda item: -item[1]):
        if code and code not in mapped:
            facts = f"{count_of(count, 'order')} with the unknown status {json.dumps(code, ensure_ascii=False)}"
            remedy = f"Add to [providers.{account.name}]: {status_map_line(code)}"
            yield Judgement("unknown_status", account.name, facts, remedy, "notice")


def status_map_line(code: str) -> str:
    """Return the line of a provider's settings that maps a status code, for a person to complete."""
    return f'status_map = {{ {json.dumps(code, ensure_ascii=False)} = "new" }} (or paid, processing, cancelled, ...)'


def _rests(snapshot: Snapshot, account: ProviderSettings | TargetSettings, after: float) -> bool:
    """Return whether the account is in maintenance, or was `after` seconds ago: then nothing is expected of it yet."""
    now = datetime.fromtimestamp(snapshot.now, UTC)
    return any(account.maintenance.left(at) for at in (now, now - timedelta(seconds=after)))


def _silence(
    snapshot: Snapshot, settings: Settings, account: ProviderSettings, provider: ProviderState
) -> Iterator[Judgement]:
    """Judge a provider whose polls succeed and read nothing new."""
    name, rules = account.name, settings.alarms
    turned, unseen = provider.turned, provider.unseen
    if turned and unseen and snapshot.now - unseen > 2 * account.poll_every:
        facts = f"the cursor has not moved for {_ago(snapshot, turned)}, while hints or pushes brought orders"
        remedy = f"Find what it missed: intake reconcile {name} {min(settings.targets_of(name))} --since 7d"
        yield Judgement("cursor_stands", name, facts, remedy, since=turned)
    last = max(provider.arrived.values(), default=snapshot.began)
    if snapshot.now - last > rules.quiet_of(name):
        facts = f"polls succeed, but no new order has arrived for {_ago(snapshot, last)}"
        remedy = f'Check the shop; if this is normal, set [alarms] quiet = {{ {name} = "30d" }}.'
        yield Judgement("provider_quiet", name, facts, remedy, since=last)
    hooks = [key for key, producer in settings.producers.items() if producer.kind and name in producer.pushes_for]
    if hooks and provider.missed >= rules.missed_hooks:
        facts = f"the webhooks of {hooks[0]} do not arrive: only polls found the last {provider.missed} new orders"
        remedy = "Check the webhooks of the account, and that they reach `intake receive` (/health)."
        yield Judgement("hooks_missed", name, facts, remedy)


def _lane(snapshot: Snapshot, settings: Settings, name: str, lane: LaneState) -> Iterator[Judgement]:
    rules, now = settings.alarms, snapshot.now
    if lane.paused is not None:
        yield Judgement("lane_paused", name, f"paused: {lane.paused}", f"Fix the cause, then: intake resume {name}")
    # While the ledger is new nothing is sent, and nothing is expected.
    waited = min(lane.oldest, now - snapshot.began - lane.quarantine) if lane.quarantine else lane.oldest
    if waited > rules.oldest and not _rests(snapshot, settings.targets[name], rules.oldest):
        facts = f"the oldest of {count_of(lane.queued, 'waiting order')} has waited for {round_duration(lane.oldest)}"
        remedy = "Check limits, retries and errors: intake status"
        yield Judgement("lane_old", name, facts, remedy, since=now - lane.oldest)
    elif lane.overdue > rules.untaken_after and _unattended(snapshot, settings, name):
        facts = f"orders have been due for {round_duration(lane.overdue)}, and no worker sends them"
        yield Judgement("lane_unattended", name, facts, "intake up", "notice")
    if lane.failures >= rules.failures:
        facts = f"{lane.failures} calls in a row failed: {name} does not respond, or something other than its API does"
        remedy = "Intake recovers automatically. Check the account: intake check"
        yield Judgement("target_failing", name, facts, remedy)
    yield from _stuck(snapshot, rules, name, lane)


def _unattended(snapshot: Snapshot, settings: Settings, name: str) -> bool:
    """Return whether orders could be sent, and no drain is sending."""
    lane = snapshot.lanes[name]
    if lane.paused is not None or lane.drains or lane.closed or snapshot.silence(name):
        return False
    return not _rests(snapshot, settings.targets[name], settings.alarms.untaken_after)


def _stuck(snapshot: Snapshot, rules: AlarmSettings, name: str, lane: LaneState) -> Iterator[Judgement]:
    """Judge the orders that wait for a person."""
    now = snapshot.now
    if lane.died_lately >= rules.dead:
        facts = f"{count_of(lane.died_lately, 'order')} died in the last hour; {lane.dead:,} dead in total"
        yield Judgement("orders_died", name, facts, f"intake dead list --target {name}")
    elif lane.dead:
        facts = count_of(lane.dead, "dead order")
        yield Judgement("orders_died", name, facts, f"intake dead list --target {name}", "notice")
    if lane.in_doubt:
        facts = f"{count_of(lane.in_doubt, 'order')} in doubt: possibly in the target, so not sent again"
        remedy, severity = f"intake doubt list --target {name}", _severity(lane.in_doubt, rules.in_doubt)
        yield Judgement("orders_in_doubt", name, facts, remedy, severity, now - lane.oldest_doubt)
    if lane.held:
        facts, remedy = count_of(lane.held, "held order"), f"intake release {name} --dry-run"
        yield Judgement("orders_held", name, facts, remedy, _severity(lane.held, rules.held), now - lane.oldest_held)


def _messages(snapshot: Snapshot, settings: Settings) -> Iterator[Judgement]:
    for name, receiver in settings.alarms.to.items():
        if (failed := describe_unsent(name, receiver, snapshot.failing)) is not None:
            facts, since = failed
            yield Judgement(
                "messages_unsent", name, facts, f"Correct that, then: intake alarms test {name}", since=since
            )


def _reports(snapshot: Snapshot) -> Iterator[Judgement]:
    for (provider, target), report in snapshot.reports.items():
        counts = ", ".join(f"{report['counts'][fault]} {fault}" for fault in FAULTS if report["counts"].get(fault))
        if problem := report["error"] or counts:
            facts, remedy = f"the comparison found: {problem}", f"intake reconcile {provider} {target} --since 7d"
            yield Judgement("reconcile_found", f"{provider} > {target}", facts, remedy, since=report["at"])
