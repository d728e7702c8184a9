"""Evaluate the alarms, and report each once when it is raised and once when it is cleared."""

from __future__ import annotations

import json
import math
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import structlog

from worker.errors import StoreFull
from worker.store.health.alarms import DIGEST, AlarmState, Change
from worker.store.health.outbox import with_messages
from worker.store.redis.connection import ERRORS, FORBIDDEN
from worker.store.redis.diagnosis import state_of
from worker.telemetry.log import report_store_full
from worker.watch.digest import collect, write_digest
from worker.watch.judgements import alarms, judge
from worker.watch.messages import due_changes, fields_of
from worker.watch.notify import send_messages
from worker.watch.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
        #: The thread of the watch itself, and those that send messages, by name.
        self._threads: dict[str, threading.Thread] = {}

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
        """Raise the alarms that are new, clear those that are over, log both, and tell the receivers."""
        raised, now = self._alarms.read_raised(), {alarm.key: alarm.as_json() for alarm in alarms}
        for key in self._alarms.change("raise", {key: alarm for key, alarm in now.items() if key not in raised}):
            log.error("alarm.raised", **fields_of(now[key]))
        for key in self._alarms.change("clear", {key: alarm for key, alarm in raised.items() if key not in now}):
            log.info("alarm.cleared", **fields_of(raised[key]))
        settings, at = self._rt.settings, datetime.now(UTC)
        receivers = settings.alarms.to
        if sent := self._alarms.read_sent(receivers):
            self._alarms.send(due_changes(receivers, now, sent, at, settings.web.url))
        days = {name: day for name, receiver in receivers.items() if (day := receiver.digest_due(at))}
        if due := {name: day for name, day in days.items() if sent[name].get(DIGEST, "") < day}:
            self._start("digest", self._write_digests, {name: (sent[name].get(DIGEST, ""), due[name]) for name in due})

    def _write_digests(self, due: Mapping[str, tuple[str, str]]) -> None:
        """Put the digest into the outbox of each of these receivers, whose last and present day are given."""
        settings = self._rt.settings
        for name, (before, after) in due.items():
            receiver = settings.alarms.to[name]
            # Where nothing waits there is no message, and the day is over as well.
            groups = collect(self._rt, receiver.accounts)
            message = json.dumps(write_digest(groups, datetime.now(UTC), settings.web.url))
            destinations = [destination.key for destination in receiver.destinations(name)] if groups else []
            self._alarms.send([Change(name, DIGEST, before, after, message, destinations)])

    def _send(self) -> None:
        """Send the waiting messages, to each destination from a thread of its own: a slow one delays nobody."""
        settings, redis = self._rt.settings, self._rt.redis
        destinations = {destination.key: destination for destination in settings.alarms.destinations()}
        for key in with_messages(redis, destinations):
            self._start(key, send_messages, redis, settings, destinations[key])

    def _start(self, name: str, act: Callable[..., None], *args: object) -> None:
        """Run something in a thread of this name, unless such a thread is still running."""
        if (thread := self._threads.get(name)) is None or not thread.is_alive():
            self._threads[name] = thread = threading.Thread(
                target=self._guarded, args=(act, *args), name=f"alarms {name}", daemon=True
            )
            thread.start()

    def _guarded(self, act: Callable[..., None], *args: object) -> None:
        try:
            act(*args)
        except ERRORS as error:
            self._report_unusable(error)
        except StoreFull as full:
            report_store_full(full)

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
        self._threads["watch"] = threading.Thread(target=self._run, name="watch", daemon=True)
        self._threads["watch"].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in list(self._threads.values()):
            thread.join(timeout=15)
