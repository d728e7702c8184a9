"""Decide which messages about alarms are due, and write them."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from worker.store.health.alarms import DIGEST, Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from worker.settings.receivers import Receiver

#: raised: an alarm is new. again: it is still raised. cleared: it is over. digest: what waits for a person. test: by
#: `intake alarms test`.
Event = Literal["raised", "again", "cleared", "digest", "test"]


def iso_time(at: float | None) -> str | None:
    """Return a time (Unix seconds) as text; None if it is unknown."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def fields_of(alarm: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a log line and a message carry of an alarm."""
    return {name: alarm[name] for name in ("name", "subject", "what", "remedy")} | {"since": iso_time(alarm["since"])}


def write_alarm(event: Event, alarm: Mapping[str, Any], now: datetime, link: str | None) -> dict[str, Any]:
    """Return the message about an alarm: its fields, a `title` of one line, and a `text` of everything."""
    title = f"{alarm['subject']}: {alarm['what']}"
    if event == "again":
        title = f"still: {title}"
    elif event == "cleared":
        title = f"resolved: {alarm['name'].replace('_', ' ')}, {alarm['subject']}"
    text = f"Intake: {title}" + ("" if event == "cleared" else f". {alarm['remedy']}")
    return fields_of(alarm) | write(event, title, text, now, link)


def write(event: Event, title: str, text: str, now: datetime, link: str | None) -> dict[str, Any]:
    """Return a message: `id` tells it from all others, and `at` says when it was written."""
    message = {"event": event, "id": secrets.token_hex(8), "at": now.isoformat(timespec="seconds")}
    message |= {"title": title, "text": text}
    return message | ({"link": link} if link else {})


def due_changes(
    receivers: Mapping[str, Receiver],
    raised: Mapping[str, Mapping[str, Any]],
    sent: Mapping[str, Mapping[str, str]],
    now: datetime,
    link: str | None = None,
) -> list[Change]:
    """Return the messages that the receivers are to get now.

    Args:
        receivers: The receivers by name.
        raised: The alarms that are raised now, by their keys.
        sent: What each receiver was sent (see `AlarmState.read_sent`).
        now: The time, by the clock of this machine.
        link: Where the console is.
    """
    return [
        Change(
            name,
            key,
            sent.get(name, {}).get(key, ""),
            "" if event == "cleared" else _sent(alarm, now),
            json.dumps(write_alarm(event, alarm, now, link)),
            [destination.key for destination in receiver.destinations(name)],
        )
        for name, receiver in receivers.items()
        if receiver.is_open(now)
        for key, event, alarm in _due(name, receiver, raised, sent.get(name, {}), now)
    ]


def _sent(alarm: Mapping[str, Any], now: datetime) -> str:
    """Return what is kept of a message that was sent; no two processes write the same."""
    return json.dumps({"at": now.timestamp(), "alarm": dict(alarm), "by": secrets.token_hex(4)})


def _due(
    name: str,
    receiver: Receiver,
    raised: Mapping[str, Mapping[str, Any]],
    sent: Mapping[str, str],
    now: datetime,
) -> Iterator[tuple[str, Event, Mapping[str, Any]]]:
    """Yield the key, the event and the alarm of each message that one receiver is to get."""
    for key, alarm in raised.items():
        # That a receiver cannot be reached is news for the others.
        about_itself = alarm["name"] == "messages_unsent" and alarm["subject"] == name
        if key not in sent:
            if receiver.wants(alarm["name"], alarm["subject"]) and not about_itself:
                yield key, "raised", alarm
        elif receiver.again_after and now.timestamp() - json.loads(sent[key])["at"] >= receiver.again_after:
            yield key, "again", alarm
    for key in sent.keys() - raised.keys() - {DIGEST}:
        yield key, "cleared", json.loads(sent[key])["alarm"]


def describe_unsent(
    name: str, receiver: Receiver, failing: Mapping[str, Mapping[str, Any]]
) -> tuple[str, float] | None:
    """Return why a receiver does not accept messages, and since when; destinations with one reason are one fact."""
    reasons: dict[str, list[str]] = {}
    since: list[float] = []
    for destination in receiver.destinations(name):
        if failure := failing.get(destination.key):
            reasons.setdefault(failure["reason"], []).append(destination.setting)
            since.append(failure["since"])
    facts = "; ".join(f"{reason} ({', '.join(settings)})" for reason, settings in reasons.items())
    return (f"messages about alarms are not accepted: {facts}", min(since)) if since else None
