"""Evaluate the alarms, and report each once when it is raised and once when it is cleared."""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import simplejson
import structlog

from worker.errors import StoreFull
from worker.store.health.alarms import AlarmState
from worker.store.redis.connection import ERRORS, FORBIDDEN
from worker.store.redis.diagnosis import state_of
from worker.telemetry.log import report_store_full
from worker.watch.judgements import alarms, judge
from worker.watch.notify import send_messages
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.watch.judgements import Judgement

log = structlog.get_logger()


class Watch:
    """Evaluates the alarms; of all watches, in all processes, one does so per interval.

    A process that has a loop calls `look` as often as it likes; as a context manager, a watch calls it from a thread.
    """

    def __init__(self, rt: Runtime) -> None:
        self._rt, self._alarms = rt, AlarmState(rt.redis)
        self._began = self._looked = time.monotonic()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._sender: threading.Thread | None = None

    def look(self) -> None:
        """Evaluate the alarms if the interval is over. Never raise for an unreachable or full Redis."""
        try:
            rules, now = self._rt.settings.alarms, time.monotonic()
            if now - self._began < rules.grace or now - self._looked < min(rules.every, 1.0):
                return
            self._looked = now
            if self._alarms.take_turn(rules.every):
                self._rt.ledger.epoch()
                self._report(alarms(judge(take_snapshot(self._rt), self._rt.settings)))
            self._send()
        except FORBIDDEN:
            # A user that may only read, like the one for the metrics: other processes watch.
            self._looked = math.inf
            log.info("watch.left")
        except ERRORS as error:
            self._report_unusable(error)
        except StoreFull as full:
            report_store_full(full)

    def _report(self, alarms: list[Judgement]) -> None:
        """Raise the alarms that are new, clear those that are over, and log both."""
        raised, now = self._alarms.read_raised(), {alarm.key: alarm.as_json() for alarm in alarms}
        new = {key: (alarm, self._message("raised", alarm)) for key, alarm in now.items() if key not in raised}
        over: dict[str, tuple[dict[str, Any], str]] = {
            key: ({}, self._message("cleared", alarm)) for key, alarm in raised.items() if key not in now
        }
        for key in self._alarms.change("raise", new):
            log.error("alarm.raised", **_fields(now[key]))
        for key in self._alarms.change("clear", over):
            log.info("alarm.cleared", **_fields(raised[key]))

    def _message(self, event: str, alarm: dict[str, Any]) -> str:
        """Return the message for the web hook, as JSON; empty if there is no hook."""
        if self._rt.settings.alarms.url is None:
            return ""
        raised = f"{alarm['subject']}: {alarm['what']}. {alarm['remedy']}"
        cleared = f"over: {alarm['name'].replace('_', ' ')}, {alarm['subject']}"
        text = f"Intake: {raised if event == 'raised' else cleared}"
        fields = _fields(alarm) | {"event": event, "at": _iso(time.time()), "text": text}
        return str(simplejson.dumps(fields, ensure_ascii=False))

    def _send(self) -> None:
        """Send the waiting messages from a thread, so that a slow hook delays nobody."""
        url = self._rt.settings.alarms.url
        if url is None or not self._alarms.has_messages() or (self._sender is not None and self._sender.is_alive()):
            return
        address = url.get_secret_value()
        self._sender = threading.Thread(target=self._send_messages, args=(address,), name="alarms", daemon=True)
        self._sender.start()

    def _send_messages(self, url: str) -> None:
        try:
            send_messages(self._alarms, url)
        except ERRORS as error:
            self._report_unusable(error)

    def _report_unusable(self, error: Exception) -> None:
        state = state_of(error, self._rt.redis)
        log.warning("watch.blinded", state=state.name, reason=state.sentence, remedy=state.remedy)

    def _run(self) -> None:
        # As the file declares it: Redis, which knows the names of accounts, may be away.
        while not self._done.wait(min(self._rt.installation.declared.alarms.every, 1.0)):
            try:
                self.look()
            except Exception:
                # A bug of ours must not end the watch.
                log.exception("watch.failed")

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in (self._thread, self._sender):
            if thread is not None:
                thread.join(timeout=15)


def _fields(alarm: dict[str, Any]) -> dict[str, Any]:
    """Return what a log line and a message carry of an alarm."""
    return {name: alarm[name] for name in ("name", "subject", "what", "remedy")} | {"since": _iso(alarm["since"])}


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
