"""Drains: the runs that take orders from a lane and deliver them."""

from __future__ import annotations

import json
import os
import secrets
import socket
from typing import TYPE_CHECKING, Final, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from worker.errors import LeaseLost
from worker.process.stopping import stopping
from worker.store.orders import payload
from worker.store.redis import catalog, keys
from worker.store.redis.excuses import is_excuse
from worker.store.redis.heartbeat import Heartbeat, uptime

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import TracebackType
    from typing import Self

    from redis import Redis

    from worker.store.limits.limiter import Scope
    from worker.store.redis.catalog import Argument, Script
    from worker.store.redis.excuses import Excuses
    from worker.store.redis.scripts import Scripts

#: Failures in a row that open a lane's breaker: from then on the lane waits, and no order loses a try for it.
BREAKER: Final = 5


class Claim(Struct, frozen=True):
    """An order that this drain may deliver until it is settled or the lease ends."""

    key: str
    reference: str
    fingerprint: str
    tries: int
    payload: str
    #: Why to ask before creating: the ledger is new ("ask"), an earlier create may have succeeded ("1"), or it may
    #: have, but a person looked and did not find the order ("looked").
    uncertain: Literal["", "ask", "looked", "1"] = ""
    #: Where to continue: what the target returned when it took the order in.
    step: str = ""
    #: Whether the target has the order, under `target_id`: what is to be sent is a change.
    is_update: bool = False
    target_id: str = ""
    #: Bulk work: it uses only what other calls leave of the limits.
    bulk: bool = False
    #: A code and a reason if the order is to be held once it is certain that the target does not have it.
    hold: str = ""
    #: The field fingerprints of what the target has (see `schemas/changes.py`); empty if it is not known.
    sent_fields: bytes = b""
    #: Why the order is not to be created; "" if it is. It is searched only: it may be there from before.
    left_out: str = ""
    #: The same, if the settings have changed since the order was accepted: the ledger does not know it.
    unrouted: str = ""
    #: Further references under which the target may have it, if it is uncertain: those of former templates.
    former: tuple[str, ...] = ()
    #: The key of a combined order whose goods this order has, and that has to leave the target first.
    blocker: str = ""
    #: The fingerprint of the content that was sent first; "" if that is not known.
    tried: str = ""
    #: Whether a backfill requested the order, though it was placed before the start of its provider.
    requested: bool = False
    #: Where an interrupted call continues: the call, and what its adapter noted (see `worker/systems/steps.py`).
    place: str = ""


class Outcome(Struct, frozen=True):
    """The outcome of a claim.

    `delay` is in seconds; `code` and `detail` hold no personal data; `extra` is the target's id of a delivered order,
    the step of a pending order, or the target's field errors (JSON) of a rejected order. A "retry_uncounted" is no
    failure of the lane: the target responded, or another order of the same call was counted. Of an order that is
    "cancelled_alone", what else changed was refused, and was not sent.
    """

    kind: Literal[
        "delivered",
        "existed",
        "updated",
        "cancelled",
        "cancelled_alone",
        "withdrawn",
        "pending",
        "retry",
        "retry_uncounted",
        "snooze",
        "release",
        "hold",
        "bury",
        "doubt",
    ]
    code: str = ""
    detail: str = ""
    delay: float = 0.0
    uncertain: bool = False
    extra: str = ""
    #: The reference under which the order was found, if that is a former one.
    reference: str = ""
    #: Where the next attempt continues, as in `Claim`.
    place: str = ""


class DrainedLane(Protocol):
    """The lane as its drains use it (see `worker/store/orders/lanes.py`)."""

    redis: Redis
    scripts: Scripts
    keys: keys.LaneKeys
    scope: Scope
    lease_ms: int
    heartbeat: float
    max_tries: int
    concurrency: int
    per_call: int
    quarantine_ms: int
    excuses: Excuses

    @property
    def drains(self) -> int:
        """The most drains at a time."""


class Drain:
    """One run of `tasks.deliver`: claims orders and settles them while its heartbeat keeps the lease."""

    def __init__(self, lane: DrainedLane) -> None:
        self._lane = lane
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._claims = lane.keys.claims + self.name
        self._heartbeat = Heartbeat(self._renew, lane.heartbeat, lane.lease_ms / 1000)
        #: The number of the last claim, and of the claim of each order that it holds, by key.
        self._number = 0
        self._held: dict[str, int] = {}
        #: Whether it is removed from the lane.
        self._gone = False
        #: How many calls it may make at once, and for how many seconds the last claim returned nothing.
        self.width, self.closed = 1, 0.0
        #: Seconds that the lane waits, if this drain is the first to learn that the ledger is too new to send.
        self.quarantine = 0.0

    def _renew(self) -> bool:
        lane = self._lane
        return bool(
            lane.scripts(
                catalog.BEAT,
                members=lane.keys.drains,
                member=self.name,
                lease_ms=lane.lease_ms,
                stopping=int(stopping()),
            )
        )

    def check(self) -> None:
        """Raise LeaseLost unless the lease is certainly ours: the guard before every write to a target."""
        self._heartbeat.check()

    def claim(self, most: int, *, width: int = 1, needed: int = 0) -> list[Claim]:
        """Claim up to `most` due orders, beside those in hand, to be sent by up to `width` calls at once.

        `needed` is how many of the calls granted before it needs for the orders in hand. An empty list means that there
        is nothing more for now; a drain that has nothing in hand is removed then, and must end.
        """
        self.check()
        lane, k = self._lane, self._lane.keys
        self._number += 1
        asked = uptime()
        reason, answer, *orders = lane.scripts(
            catalog.CLAIM,
            lane.scope.windows,
            lane=k.lane,
            due=k.due,
            drains=k.drains,
            widths=k.widths,
            claims=self._claims,
            scope=keys.limit(lane.scope.name),
            epoch=keys.EPOCH,
            era=keys.ERA,
            drain=self.name,
            number=self._number,
            most=most,
            in_hand=json.dumps(list(self._held)),
            width=width,
            needed=needed,
            lease_ms=lane.lease_ms,
            claims_prefix=k.claims,
            breaker=BREAKER,
            max_drains=lane.drains,
            concurrency=lane.concurrency,
            per_call=lane.per_call,
            quarantine_ms=lane.quarantine_ms,
            **k.prefixes,
        )
        if reason == "lost":
            raise LeaseLost(f"the drain {self.name} was taken over")
        if reason == "quarantine":
            self.quarantine = answer / 1000
        if reason != "orders":
            self.width, self.closed = max(1, needed), answer / 1000
            self._gone = not self._held
            return []
        self.width = answer
        self._held |= {str(order[0]): self._number for order in orders}
        self._heartbeat.confirm(asked, ours=True)
        if lane.redis.scard(self._claims) != len(self._held):
            raise LeaseLost(f"Redis has lost the claim of the drain {self.name}")
        return [_claim(*values) for values in orders]

    def intend(self, items: Iterable[tuple[Claim, bytes, bytes]]) -> None:
        """Note the field fingerprints of what is about to be sent: of what the target has anyhow, and once it confirms.

        Raises LeaseLost if the drain was taken over: then nothing may be sent.
        """
        self._note(catalog.INTEND, [value for claim, sent, tried in items for value in (claim.key, sent, tried)])

    def note_left_out(self, claims: Sequence[Claim]) -> list[Claim]:
        """Return the claims, with the reason where an order was cancelled or left out since it was claimed.

        Raise LeaseLost if Redis has lost the claim: another drain may have claimed the orders since.
        """
        if not claims:
            return []
        orders = [claim.key for claim in claims]
        known = self._lane.scripts(catalog.STANDING, orders, record_prefix=self._lane.keys.order)
        held = dict(self._held)
        if known[1::2] != [f"{self.name} {held.get(key)}" for key in orders]:
            raise LeaseLost(f"Redis has lost the claim of the drain {self.name}")
        return [
            claim if claim.is_update or claim.left_out == reason else replace(claim, left_out=reason)
            for claim, reason in zip(claims, known[::2], strict=True)
        ]

    def leave(self) -> None:
        """End although there may be work: nothing may be claimed any more."""
        lane = self._lane
        left = lane.scripts(catalog.LEAVE, members=lane.keys.drains, held=self._claims, member=self.name)
        self._gone = bool(left)

    def note_references(self, found: Iterable[tuple[Claim, str]]) -> None:
        """Note the references under which orders were found, where these are former ones.

        Raises LeaseLost if the drain was taken over.
        """
        self._note(catalog.REFER, [value for claim, reference in found for value in (claim.key, reference)])

    def _note(self, script: Script, values: Sequence[Argument]) -> None:
        """Run a script that notes something of claims, unless there is nothing to note."""
        lane = self._lane
        if values and not lane.scripts(
            script,
            values,
            drains=lane.keys.drains,
            drain=self.name,
            lease_ms=lane.lease_ms,
            record_prefix=lane.keys.order,
        ):
            raise LeaseLost(f"the drain {self.name} was taken over")

    def settle(self, settled: Iterable[tuple[Claim, Outcome]]) -> list[str]:
        """Record the outcomes of claims; return the state of each order now, or "refused"."""
        lane, k = self._lane, self._lane.keys
        items: list[Argument] = []
        for claim, outcome in settled:
            items += [claim.key, outcome.kind, outcome.code, outcome.detail, round(outcome.delay * 1000)]
            items += [int(outcome.uncertain), outcome.extra, claim.fingerprint, outcome.place]
        states: list[str] = lane.scripts(
            catalog.SETTLE,
            items,
            lane=k.lane,
            due=k.due,
            drains=k.drains,
            claims=self._claims,
            dead=k.dead,
            doubt=k.doubt,
            held=k.held,
            drain=self.name,
            lease_ms=lane.lease_ms,
            max_tries=lane.max_tries,
            breaker=BREAKER,
            **k.prefixes,
        )
        for key in items[::9]:
            self._held.pop(str(key), None)
        return states

    def __enter__(self) -> Self:
        self._lane.excuses.send()
        self._heartbeat.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._heartbeat.__exit__(kind, error, trace)
        if not self._gone and is_excuse(error):
            held = [value for key in self._held for value in (self._lane.keys.order + key, "died")]
            self._lane.excuses.add(self.name, held, error)


def _claim(  # noqa: PLR0913, PLR0917  # the values in the order of `claim.lua`
    key: str,
    reference: str,
    fingerprint: str,
    tries: int,
    uncertain: Literal["", "ask", "looked", "1"],
    step: str,
    target_id: str,
    is_update: str,
    packed: str,
    bulk: str,
    hold: str,
    sent_fields: str,
    left_out: str,
    blocker: str,
    tried: str,
    requested: str,
    former: str,
    place: str,
    corrections: str,
) -> Claim:
    text = payload.unpack(packed)
    return Claim(
        key,
        reference,
        fingerprint,
        tries,
        payload.correct(text, corrections) if corrections else text,
        uncertain,
        step,
        bool(is_update),
        target_id,
        bool(bulk),
        hold,
        bytes.fromhex(sent_fields),
        left_out,
        blocker=blocker,
        tried=tried,
        requested=bool(requested),
        former=tuple(json.loads(former)) if former else (),
        place=place,
    )
