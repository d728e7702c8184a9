"""Judging a snapshot: its alarms and notices, since when, and with which remedy."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.settings_files import ENV, GOOD, problems, read
from worker.store.health.lane_state import LaneState
from worker.store.health.state import ProviderState, Snapshot
from worker.store.redis.server import Server
from worker.watch import judgements
from worker.watch.judgements import Judgement, alarms

if TYPE_CHECKING:
    from pathlib import Path

    from worker.settings.load import Settings

NOW = 1_800_000_000.0
PRODUCER = '[producers.web]\nkind = "standard"\nsecret = "env:HOOK"\nfor = ["shop-nl"]\n'
HOOK = {"HOOK": "whsec_aGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8="}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read(tmp_path, GOOD)


def state(**other: Any) -> Snapshot:
    """Return a healthy snapshot: the provider is polled every 60 s, most recently 10 s ago."""
    good: dict[str, Any] = {
        "now": NOW,
        "began": NOW - 40 * 86_400,
        "providers": {"shop-nl": provider()},
        "lanes": {"store": LaneState()},
        "inbox": {"waiting": 0, "takers": 1, "dead_now": 0},
        "queues": {"intake.poll": 0, "intake.upkeep": 0},
        "signs": {"did sweep": NOW - 1, "took": NOW - 5, "worker worker@a": NOW - 2},
        "server": server(10, 100),
    }
    return Snapshot(**good | other)


def server(used: int, limit: int | None, policy: str = "noeviction", *, last_write_ok: bool = True) -> Server:
    return Server("Valkey 9", (9,), policy, limit, used, appends=True, last_write_ok=last_write_ok, replica=False)


def judge(snapshot: Snapshot, settings: Settings) -> list[Judgement]:
    """Return the alarms only."""
    return alarms(judgements.judge(snapshot, settings))


def provider(**other: Any) -> ProviderState:
    good: dict[str, Any] = {"success": NOW - 10, "turned": NOW - 3000, "arrived": {"poll": NOW - 3000}}
    return ProviderState(**good | other)


def keys_of(alarms: list[Judgement]) -> list[str]:
    return [alarm.key for alarm in alarms]


def test_a_healthy_snapshot_raises_no_alarm(settings: Settings) -> None:
    assert judge(state(), settings) == []


PROVIDERS = [
    ("provider_late", {"success": NOW - 91}),
    ("provider_late", {"success": None}),
    ("provider_paused", {"paused": "wrong key", "success": NOW - 4000}),
    ("records_unreadable", {"malformed": 1}),
    ("provider_quiet", {"arrived": {"poll": NOW - 8 * 86_400}}),
    ("provider_quiet", {"arrived": {}}),
    ("cursor_stands", {"unseen": NOW - 130, "turned": NOW - 90 * 86_400}),
]


@pytest.mark.parametrize(("name", "other"), PROVIDERS)
def test_each_fault_of_a_provider_raises_exactly_its_own_alarm(
    name: str, other: dict[str, Any], settings: Settings
) -> None:
    raised = judge(state(providers={"shop-nl": provider(**other)}), settings)
    assert keys_of(raised) == [f"{name} shop-nl"]


def test_a_provider_is_late_before_its_second_interval_ends(settings: Settings) -> None:
    (late,) = judge(
        state(providers={"shop-nl": provider(success=NOW - 115, error="unavailable: status 500")}), settings
    )
    assert late.since == NOW - 115
    assert "status 500" in late.facts
    assert judge(state(providers={"shop-nl": provider(success=NOW - 85)}), settings) == []


def test_a_poll_has_two_intervals_to_read_an_order_that_a_hint_announced(settings: Settings) -> None:
    assert judge(state(providers={"shop-nl": provider(unseen=NOW - 110)}), settings) == []


def test_the_quiet_threshold_can_be_set_per_provider(tmp_path: Path) -> None:
    few = read(tmp_path, GOOD + '[alarms]\nquiet = { shop-nl = "30d" }\nquiet_after = "1h"\n')
    silent = state(providers={"shop-nl": provider(arrived={"push": NOW - 8 * 86_400})})
    assert judge(silent, few) == []


def test_missing_webhooks_raise_an_alarm_only_where_a_webhook_is_configured(settings: Settings, tmp_path: Path) -> None:
    missed = state(providers={"shop-nl": provider(missed=12)})
    assert judge(missed, settings) == []
    hooked = read(tmp_path, GOOD + PRODUCER, ENV | HOOK)
    (alarm,) = judge(missed, hooked)
    assert alarm.kind == "hooks_missed"
    assert alarm.facts.startswith("the webhooks of web do not arrive")


def test_an_account_is_not_late_during_maintenance_or_just_after_it(tmp_path: Path) -> None:
    old = LaneState(oldest=7200.0, queued=3)
    late = state(providers={"shop-nl": provider(success=NOW - 7200)}, lanes={"store": old})
    names = {alarm.kind for alarm in judge(late, read(tmp_path, GOOD))}
    assert {"provider_late", "lane_old"} <= names
    minute = datetime.fromtimestamp(NOW, UTC)
    began, ends = (f"{minute + timedelta(minutes=n):%H:%M}" for n in (-90, 5))
    window = f'maintenance = ["daily {began}-{ends}"]\n'
    with_maintenance = re.sub(r"(?m)^(kind = .*)$", rf"\1\n{window}", GOOD)
    assert not {"provider_late", "lane_old"} & {alarm.kind for alarm in judge(late, read(tmp_path, with_maintenance))}


def test_a_lane_that_waits_because_the_ledger_is_new_is_not_late(tmp_path: Path) -> None:
    eager = read(tmp_path, GOOD + '[alarms]\noldest = "1m"\n')
    for began, raised in ((90, []), (130, []), (165, ["lane_old store"])):
        lanes = {"store": LaneState(oldest=began - 5.0, queued=3, quarantine=100.0)}
        assert keys_of(judge(replace(state(lanes=lanes), began=NOW - began), eager)) == raised


NOTICES = [
    ("orders_died store", {"lanes": {"store": LaneState(dead=100)}}, "store: 100 dead orders"),
    ("orders_held store", {"lanes": {"store": LaneState(held=1)}}, "store: 1 held order"),
    ("records_unreadable shop-nl", {"providers": {"shop-nl": provider(malformed=1)}}, "1 unreadable record"),
    ("jobs_refused inbox", {"inbox": {"takers": 1, "dead_now": 1}}, "inbox: 1 job failed"),
    (
        "provider_failing shop-nl",
        {"providers": {"shop-nl": provider(error="unavailable: status 500", failures=2, retry_at=NOW + 90)}},
        "shop-nl: unavailable: status 500 (2 failures in a row, again in 90 s)",
    ),
    (
        "lane_unattended store",
        {"lanes": {"store": LaneState(overdue=121.0)}},
        "due for 2 min, and no worker sends them",
    ),
    ("redis_evicts redis", {"server": server(10, 100, "allkeys-lru")}, "a full Redis would delete orders"),
]


@pytest.mark.parametrize(("key", "other", "text"), NOTICES)
def test_a_problem_below_its_alarm_threshold_is_a_notice(
    key: str, other: dict[str, Any], text: str, tmp_path: Path
) -> None:
    settings = read(tmp_path, GOOD + "[alarms]\nheld = 2\nunreadable = 2\n")
    (notice,) = judgements.judge(state(**other), settings)
    assert (notice.key, notice.severity) == (key, "notice")
    assert notice.sentence.endswith(text)
    assert alarms([notice]) == []


@pytest.mark.parametrize(
    "other", [{"drains": 1}, {"closed": 5.0}, {"paused": "stocktaking"}, {"quarantine": 10.0}, {"overdue": 119.0}]
)
def test_a_lane_that_sends_or_must_not_send_is_not_unattended(other: dict[str, Any], settings: Settings) -> None:
    lane = LaneState(**{"overdue": 121.0} | other)
    snapshot = state(lanes={"store": lane}, began=NOW - 5 if lane.quarantine else NOW - 86_400)
    assert "lane_unattended" not in {judgement.kind for judgement in judgements.judge(snapshot, settings)}


def test_judgements_are_sorted_by_severity(settings: Settings) -> None:
    signs = {"did sweep": NOW - 31, "took": NOW - 5, "worker worker@a": NOW - 2}
    wrong = state(signs=signs, server=server(81, 100, "allkeys-lru"), lanes={"store": LaneState(held=1)})
    severities = [judgement.severity for judgement in judgements.judge(wrong, settings)]
    assert severities == ["standstill", "alarm", "alarm", "notice"]


LANES = [
    ("lane_paused", {"paused": "wrong key"}),
    ("lane_old", {"oldest": 901.0, "queued": 3}),
    ("target_failing", {"failures": 10}),
    ("orders_died", {"died_lately": 1, "dead": 4}),
    ("orders_in_doubt", {"in_doubt": 1, "oldest_doubt": 60.0}),
    ("orders_held", {"held": 1, "oldest_held": 60.0}),
]


@pytest.mark.parametrize(("name", "other"), LANES)
def test_each_fault_of_a_lane_raises_exactly_its_own_alarm(
    name: str, other: dict[str, Any], settings: Settings
) -> None:
    raised = judge(state(lanes={"store": LaneState(**other)}), settings)
    assert keys_of(raised) == [f"{name} store"]
    assert "store" in raised[0].remedy or "intake" in raised[0].remedy


def test_orders_that_died_long_ago_raise_no_alarm(settings: Settings) -> None:
    assert judge(state(lanes={"store": LaneState(dead=100)}), settings) == []


def test_a_missing_tick_is_blamed_on_beat_and_waiting_ticks_on_upkeep(settings: Settings) -> None:
    late = {"did sweep": NOW - 31, "took": NOW - 5, "worker worker@a": NOW - 2}
    assert keys_of(judge(state(signs=late), settings)) == ["beat_silent beat"]
    waiting = state(signs=late, queues={"intake.upkeep": 30})
    assert keys_of(judge(waiting, settings)) == ["upkeep_silent upkeep"]


def test_a_silent_worker_and_a_worker_that_takes_nothing_are_different_alarms(settings: Settings) -> None:
    gone = {"did sweep": NOW - 1, "took": NOW - 500, "worker worker@a": NOW - 31}
    queues = {"intake.poll": 1, "intake.upkeep": 0}
    assert keys_of(judge(state(signs=gone, queues=queues), settings)) == ["worker_silent worker"]
    idle = gone | {"worker worker@a": NOW - 1}
    assert keys_of(judge(state(signs=idle, queues=queues), settings)) == ["work_untaken worker"]
    assert judge(state(signs=idle), settings) == []  # nothing waits, so the worker may be idle


def test_a_new_ledger_raises_no_alarm_about_missing_processes(settings: Settings) -> None:
    assert judge(state(began=NOW - 5, signs={}, providers={"shop-nl": ProviderState()}), settings) == []


def test_an_inbox_without_a_taker_raises_an_alarm_only_if_it_is_used(settings: Settings, tmp_path: Path) -> None:
    empty = {"waiting": 0, "takers": 0, "dead_now": 0}
    assert judge(state(inbox=empty), settings) == []
    assert keys_of(judge(state(inbox=empty | {"waiting": 1}), settings)) == ["inbox_unheard inbox"]
    assert keys_of(judge(state(inbox=empty), read(tmp_path, GOOD + "[producers.web]\n"))) == ["inbox_unheard inbox"]
    assert keys_of(judge(state(inbox=empty | {"takers": 1, "dead_now": 1}), settings)) == ["jobs_refused inbox"]


def test_a_redis_that_is_nearly_full_or_cannot_save_raises_an_alarm(settings: Settings) -> None:
    assert keys_of(judge(state(server=server(81, 100)), settings)) == ["redis_full redis"]
    assert keys_of(judge(state(server=server(81, None, last_write_ok=False)), settings)) == ["redis_not_saving redis"]
    assert judge(state(server=None), settings) == []


def test_faults_found_by_reconcile_raise_an_alarm_for_their_pair(settings: Settings) -> None:
    report = {"at": NOW - 60, "counts": {"missing": 2, "source": 100}, "error": ""}
    (alarm,) = judge(state(reports={("shop-nl", "store"): report}), settings)
    assert alarm.key == "reconcile_found shop-nl > store"
    assert alarm.facts.endswith("2 missing")
    clean = replace(state(), reports={("shop-nl", "store"): report | {"counts": {"source": 100}}})
    assert judge(clean, settings) == []


def test_a_receiver_that_accepts_no_messages_is_named_by_its_settings_and_never_by_an_address(tmp_path: Path) -> None:
    mail = '[mail]\nhost = "smtp.example.com"\nsender = "intake@example.com"\n'
    settings = read(tmp_path, GOOD + mail + '[alarms.to.ops]\nmail = ["a@example.com", "b@example.com"]\n')
    first, second = (to.key for to in settings.alarms.destinations())
    failure = {
        "since": NOW - 90,
        "reason": "smtp.example.com:587 does not answer",
        "code": "unavailable",
        "failures": 3,
    }
    failing = {first: failure, second: failure | {"since": NOW - 9}, "gone": failure}
    (alarm,) = judge(state(failing=failing), settings)
    assert (alarm.key, alarm.since, alarm.remedy) == (
        *("messages_unsent ops", NOW - 90),
        "Correct that, then: intake alarms test ops",
    )
    assert alarm.facts.endswith("does not answer (alarms.to.ops.mail[0], alarms.to.ops.mail[1])")
    assert "@" not in alarm.facts


WRONG = [
    ("[alarms]\noldst = 1\n", "alarms.oldst: is not a setting. Did you mean oldest?"),
    ("[alarms]\noldest = 9\n", "alarms.oldest: is not a duration"),
    ("[alarms]\nlate = 0\n", "alarms.late: is too small"),
    ('[alarms]\nquiet = { shop = "1d" }\n', "alarms.quiet.shop: is not one of the providers. Choose from: shop-nl."),
    ('[alarms]\nquiet = { shop-nl = "long" }\n', "alarms.quiet.shop-nl: is not a duration"),
    ("[alarms]\nheld = 0\n", "alarms.held: is too small. Write 1 or more."),
    ("[alarms]\nmemory = 2\n", "alarms.memory: is too large"),
    ("alarms = 1\n" + GOOD, "alarms: must be a table"),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_a_wrong_alarm_setting_is_refused_with_a_remedy(text: str, reason: str, tmp_path: Path) -> None:
    refused = problems(tmp_path, text if GOOD in text else GOOD + text)
    assert [line for line in refused if line.startswith(reason)], refused
