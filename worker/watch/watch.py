"""The watch: alarms are judged, and told once when they are raised and once when they are cleared."""

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
from worker.telemetry.log import report_store_full
from worker.watch.judgements import alarms, judge
from worker.watch.notify import deliver_messages
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from worker.runtime import Runtime
    from worker.watch.judgements import Judgement

log = structlog.get_logger()


class Watch:
    """One of those who watch; of all of them, in whichever process, one judges at a time.

    `look` is called by whoever has a loop, as often as it likes; as a context manager it has a thread that looks.
    """

    def __init__(self, rt: Runtime) -> None:
        self._rt, self._alarmed = rt, AlarmState(rt.redis)
        self._began = self._looked = time.monotonic()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._sender: threading.Thread | None = None

    def look(self) -> None:
        """Judge if it is time to; raises nothing that a Redis which is away or full would."""
        rules, now = self._rt.settings.alarms, time.monotonic()
        if now - self._began < rules.grace or now - self._looked < min(rules.every, 1.0):
            return
        self._looked = now
        try:
            if self._alarmed.take_turn(rules.every):
                self._rt.ledger.epoch()
                self._tell(alarms(judge(take_snapshot(self._rt), self._rt.settings)))
            self._send()
        except FORBIDDEN:
            # A user that may only read, as the one for the metrics: others watch.
            self._looked = math.inf
            log.info("watch.left")
        except ERRORS as error:
            log.warning("watch.blinded", reason=type(error).__name__, remedy="look at Redis; it goes on by itself")
        except StoreFull as full:
            report_store_full(full)

    def _tell(self, alarms: list[Judgement]) -> None:
        raised, now = self._alarmed.read_raised(), {alarm.key: alarm for alarm in alarms}
        for key, alarm in now.items():
            said = alarm.as_json()
            if key not in raised and self._alarmed.change("raise", key, said, self._message("raised", said)):
                log.error("alarm.raised", **_line(said))
        for key, said in raised.items():
            if key not in now and self._alarmed.change("clear", key, {}, self._message("cleared", said)):
                log.info("alarm.cleared", **_line(said))

    def _message(self, event: str, said: dict[str, Any]) -> str:
        if self._rt.settings.alarms.url is None:
            return ""
        fields = {name: said[name] for name in ("name", "subject", "what", "remedy")}
        fields |= {"since": _time(said["since"]), "event": event, "at": _time(time.time())}
        text = f"{said['subject']}: {said['what']}. {said['remedy']}"
        over = f"over: {said['name'].replace('_', ' ')}, {said['subject']}"
        fields["text"] = f"Intake: {text if event == 'raised' else over}"
        return str(simplejson.dumps(fields, ensure_ascii=False))

    def _send(self) -> None:
        """From a thread of its own: a hook that is slow holds up nobody."""
        url = self._rt.settings.alarms.url
        if url is None or not self._alarmed.has_messages() or (self._sender is not None and self._sender.is_alive()):
            return
        self._sender = threading.Thread(target=self._sent, args=(url.get_secret_value(),), name="alarms", daemon=True)
        self._sender.start()

    def _sent(self, url: str) -> None:
        try:
            deliver_messages(self._alarmed, url)
        except ERRORS as error:
            log.warning("watch.blinded", reason=type(error).__name__, remedy="look at Redis; it goes on by itself")

    def _turn(self) -> None:
        while not self._done.wait(min(self._rt.settings.alarms.every, 1.0)):
            try:
                self.look()
            except Exception:
                # A fault of ours must not end the watch.
                log.exception("watch.failed")

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._turn, name="watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in (self._thread, self._sender):
            if thread is not None:
                thread.join(timeout=15)


def _line(said: dict[str, Any]) -> dict[str, Any]:
    return {name: said[name] for name in ("name", "subject", "what", "remedy")} | {"since": _time(said["since"])}


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
