"""The receivers of alarms: their settings, and which messages are due."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support import source_texts
from support.settings_files import ENV, GOOD, problems, read
from support.settings_texts import table
from worker.settings.receivers import ALARM_NAMES, Receiver
from worker.watch.messages import due_changes

if TYPE_CHECKING:
    from pathlib import Path

    from worker.store.health.alarms import Change

#: A Monday.
NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
MAIL = table("mail", host="smtp.example.com", sender="intake@example.com")
OPS = table("alarms.to.ops", mail="ops@example.com")


def alarm(name: str = "orders_died", subject: str = "dropday") -> dict[str, dict[str, Any]]:
    facts = {"name": name, "subject": subject, "since": 1.0, "what": "2 orders are dead", "remedy": "intake dead list"}
    return {f"{name} {subject}": facts}


class Known:
    """What one receiver was sent, as Redis keeps it."""

    def __init__(self, **settings: Any) -> None:
        self.receivers = {"ops": Receiver.model_validate({"mail": "ops@example.com"} | settings)}
        self.sent: dict[str, str] = {}

    def look(self, raised: dict[str, dict[str, Any]], now: datetime = NOW) -> list[str]:
        """Return the events of the messages that are due, and apply them."""
        changes = due_changes(self.receivers, raised, {"ops": dict(self.sent)}, now)
        for change in changes:
            assert self.sent.get(change.field, "") == change.before
            if change.after:
                self.sent[change.field] = change.after
            else:
                del self.sent[change.field]
        return [event_of(change) for change in changes]


def event_of(change: Change) -> str:
    return str(json.loads(change.message)["event"])


def test_a_message_is_due_when_an_alarm_is_raised_and_when_it_is_over_and_at_no_other_time() -> None:
    known = Known()
    assert known.look(alarm()) == ["raised"]
    assert known.look(alarm(), NOW + timedelta(days=3)) == []
    assert known.look({}) == ["cleared"]
    assert known.look({}) == []
    assert known.look(alarm()) == ["raised"]


def test_a_message_is_sent_again_after_the_time_that_the_receiver_chose() -> None:
    known = Known(again_after="4h")
    assert known.look(alarm()) == ["raised"]
    assert known.look(alarm(), NOW + timedelta(hours=3.9)) == []
    assert known.look(alarm(), NOW + timedelta(hours=4)) == ["again"]
    assert known.look(alarm(), NOW + timedelta(hours=7.9)) == []
    assert known.look(alarm(), NOW + timedelta(hours=8)) == ["again"]
    assert known.look({}, NOW + timedelta(hours=9)) == ["cleared"]


def test_outside_of_the_hours_nothing_is_sent_and_what_is_still_true_follows_at_their_beginning() -> None:
    known = Known(hours="Mon-Fri 08:00-18:00", time_zone="Europe/Amsterdam", again_after="1h")
    night = datetime(2026, 11, 30, 6, 59, tzinfo=UTC)  # 07:59 in Amsterdam
    assert known.look(alarm(), night) == []
    assert known.look({}, night) == []
    assert known.look(alarm(), night + timedelta(minutes=1)) == ["raised"]
    assert known.look(alarm(), datetime(2026, 11, 30, 17, 0, tzinfo=UTC)) == []
    assert known.look({}, datetime(2026, 11, 30, 20, 0, tzinfo=UTC)) == []
    assert known.look({}, datetime(2026, 12, 1, 7, 0, tzinfo=UTC)) == ["cleared"]


@pytest.mark.parametrize(
    ("settings", "name", "subject", "wanted"),
    [
        ({}, "redis_full", "redis", True),
        ({"only": ["lane_paused"]}, "orders_died", "dropday", False),
        ({"only": ["lane_paused", "orders_died"]}, "orders_died", "dropday", True),
        ({"accounts": ["dropday"]}, "orders_died", "dropday", True),
        ({"accounts": ["dropday"]}, "orders_died", "dropday-2", False),
        ({"accounts": ["dropday"]}, "redis_full", "redis", False),
        ({"accounts": ["dropday"]}, "reconcile_found", "shop > dropday", True),
        ({"accounts": ["shop"]}, "reconcile_found", "shop > dropday", True),
        ({"accounts": ["shop"]}, "reconcile_found", "shop-2 > dropday", False),
        ({}, "messages_unsent", "ops", False),
        ({}, "messages_unsent", "slack", True),
    ],
)
def test_a_receiver_gets_messages_about_the_alarms_and_accounts_that_it_names(
    settings: dict[str, Any], name: str, subject: str, *, wanted: bool
) -> None:
    assert Known(**settings).look(alarm(name, subject)) == ["raised"] * wanted


def test_a_message_goes_to_every_address_of_its_receiver_and_no_name_in_redis_shows_an_address() -> None:
    known = Known(mail=["a@example.com", "b@example.com", "a@example.com"])
    (change,) = due_changes(known.receivers, alarm(), {}, NOW)
    assert len(set(change.destinations)) == len(change.destinations) == 2
    assert all(key.startswith("ops/") and "@" not in key for key in change.destinations)
    swapped = Known(mail=["b@example.com", "a@example.com"])
    (again,) = due_changes(swapped.receivers, alarm(), {}, NOW)
    assert set(again.destinations) == set(change.destinations)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 11, 30, 6, 59, tzinfo=UTC), ""),
        (datetime(2026, 11, 30, 7, 0, tzinfo=UTC), "2026-11-30"),
        (datetime(2026, 11, 30, 12, 59, tzinfo=UTC), "2026-11-30"),
        (datetime(2026, 11, 30, 13, 0, tzinfo=UTC), ""),
    ],
)
def test_a_digest_is_due_once_a_day_at_its_time_and_not_much_later(now: datetime, due: str) -> None:
    receiver = Receiver.model_validate({"mail": "a@b.example", "digest": "08:00", "time_zone": "Europe/Amsterdam"})
    assert receiver.digest_due(now) == due


def test_a_digest_of_late_in_the_evening_is_still_due_after_midnight() -> None:
    receiver = Receiver.model_validate({"mail": "a@b.example", "digest": "23:30"})
    assert receiver.digest_due(datetime(2026, 11, 30, 0, 10, tzinfo=UTC)) == "2026-11-29"


def test_the_settings_know_the_name_of_every_alarm() -> None:
    assert set(ALARM_NAMES) == source_texts.alarms() - {"_silent"} | {"beat_silent", "upkeep_silent"}


WRONG = [
    (OPS, "alarms.to.ops.mail: needs a mail server. Add a table [mail] with host and sender."),
    (MAIL + table("alarms.to.ops"), "alarms.to.ops: has no address. "),
    (MAIL + table("alarms.to.Ops", mail="a@b.example"), "alarms.to.Ops: is not a name. "),
    (table("alarms", to=1), "alarms.to: must be a table. "),
    (MAIL + table("alarms.to.ops", mail="Ops <a@b.example>"), "alarms.to.ops.mail[0]: is not an e-mail address. "),
    (MAIL + table("alarms.to.ops", mail="a@b.example\nBcc: c@d.example"), "alarms.to.ops.mail[0]: is not an e-mail"),
    (MAIL + OPS.strip() + '\nonly = ["orders_dead"]\n', "alarms.to.ops.only[0]: is not one of the choices. "),
    (MAIL + OPS.strip() + '\naccounts = ["shop"]\n', "alarms.to.ops.accounts: shop is not one of the accounts. Choose"),
    (MAIL + OPS.strip() + '\nhours = "8-18"\n', "alarms.to.ops.hours: is not a time of the week. "),
    (MAIL + OPS.strip() + '\ndigest = "8:00"\n', "alarms.to.ops.digest: is not a time of the day. "),
    (MAIL + OPS.strip() + '\nagain_after = "10s"\n', "alarms.to.ops.again_after: is too short. "),
    (MAIL + OPS.strip() + '\ntime_zone = "Mars"\n', "alarms.to.ops.time_zone: is not a time zone. "),
    (table("mail", host="smtp.example.com"), "mail.sender: is missing. "),
    (table("mail", host="smtp.example.com:25", sender="a@b.example", tls="plain"), "mail.tls: is not one of the"),
    (table("mail", host="h", sender="a@b.example", user="me"), "mail.password: is missing. "),
    (table("mail", host="h", sender="a@b.example", password="env:KEY"), "mail.user: is missing. "),
    (table("mail", host="h", sender="a@b.example", tls="none"), "mail.tls: is none, and messages would travel"),
    (
        table("mail", host="localhost", sender="a@b.example", tls="none", user="me", password="env:KEY"),
        "mail.tls: is none, and the password would travel unencrypted. ",
    ),
    (
        table("mail", host="h", sender="a@b.example", user="me", password="k-123"),
        "mail.password: is a secret, and is written in the file itself. ",
    ),
    (table("mail", host="h", sender="a@b.example", ca_file="ca.pem"), "mail.ca_file: is not a file. "),
    (table("web", url="http://intake.example"), "web.url: is http, and "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), WRONG, ids=lambda value: value[:40] if ": " in value else "")
def test_a_wrong_receiver_or_mail_server_is_refused_with_a_remedy(text: str, reason: str, tmp_path: Path) -> None:
    refused = problems(tmp_path, GOOD + text)
    assert [line for line in refused if line.startswith(reason)], refused
    assert "k-123" not in str(refused)


def test_a_hook_must_come_from_the_environment_and_is_never_shown(tmp_path: Path) -> None:
    url = "https://hooks.example/T/secret?sig=1"
    (line,) = problems(tmp_path, GOOD + table("alarms.to.slack", url=url))
    assert line.startswith("alarms.to.slack.url: is a secret, and is written in the file itself. ")
    settings = read(tmp_path, GOOD + table("alarms.to.slack", url="env:HOOK"), ENV | {"HOOK": url})
    assert [to.setting for to in settings.alarms.destinations()] == ["alarms.to.slack.url"]
    assert "T/secret" not in repr(settings) + line


def test_an_invalid_hook_url_is_refused_without_being_repeated(tmp_path: Path) -> None:
    for address in ("http://hooks.example/hush", "ftp://hooks.example/hush", "hush"):
        with pytest.raises(Exception, match=r"alarms\.to\.slack\.url: is ") as refused:
            read(tmp_path, GOOD + table("alarms.to.slack", url="env:HOOK"), ENV | {"HOOK": address})
        assert "hush" not in str(refused.value)
