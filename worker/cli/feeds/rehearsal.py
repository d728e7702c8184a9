"""Rehearse: what a poll would do, asked of both sides by reading alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote_plus

from pydantic import SecretStr

from tasks.accept import normalize, route_order
from tasks.poll import dead_letter_id, wait_and_fetch
from worker.errors import Held, LeaseLost, PermanentError, RateLimited
from worker.http.client import guard_writes, watch_requests
from worker.reconcile.sides import Sides, read_one
from worker.systems.view import differing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic import BaseModel

    from schemas.order import Order
    from worker.http.client import Request
    from worker.runtime import Runtime
    from worker.store.orders.ledger import Delivery, Standing
    from worker.systems.provider import Page
    from worker.systems.target import Receipt

T = TypeVar("T")
#: Headers that are shown as they are; all others may hold a secret.
_OPEN: Final = frozenset({"user-agent", "accept", "accept-encoding", "content-type", "content-length"})
_MASK: Final = "***"
#: Seconds that a closed limit is waited for.
_PATIENCE: Final = 60.0


class NotSent(LeaseLost):
    """A write was about to leave, and was kept back: like a lost lease, it passes through every adapter."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One request as it would be sent, its secrets masked; the body is personal."""

    method: str
    url: str
    headers: dict[str, str]
    body: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would become of one order in one target (or "" where it comes to none)."""

    key: str
    what: str
    target: str = ""
    reference: str = ""
    #: What differs there, by our words.
    fields: tuple[str, ...] = ()
    detail: str = ""


@dataclass(slots=True)
class Told:
    """One page: the reads that were sent for it, what would become of each order, the writes that would follow."""

    reads: list[Shown] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    #: By target.
    writes: dict[str, list[Shown]] = field(default_factory=dict)
    more: bool = False


class Rehearsal:
    """A poll of one provider that writes nothing: neither to Redis, but for the limits, nor to anybody else."""

    def __init__(self, rt: Runtime, name: str) -> None:
        self._rt, self._name = rt, name
        targets = dict.fromkeys(it for route in rt.settings.routes if route.source == name for it in route.targets)
        self._sides = {target: Sides(rt, name, target, 1.0) for target in targets}
        self._there: dict[str, dict[str, Receipt]] = {}
        options = [rt.settings.providers[name].options, *(rt.settings.targets[it].options for it in targets)]
        self._secrets = sorted({it for one in options for it in _secrets(one)}, key=len, reverse=True)

    def close(self) -> None:
        """Close the connections."""
        for sides in self._sides.values():
            sides.close()

    def pages(self, cursor: str, most: int) -> Iterator[Told]:
        """Up to `most` pages from `cursor` on. Raises what calls to the provider and to the targets raise."""
        for _ in range(most):
            told = Told()
            with watch_requests(lambda request: told.reads.append(self._shown(request))):  # noqa: B023  # of this round
                page = wait_and_fetch(self._rt.providers[self._name], cursor, time.monotonic() + _PATIENCE)
            self._judge(page, told)
            told.more = page.more
            yield told
            if not page.more:
                return
            cursor = page.cursor

    def _judge(self, page: Page, told: Told) -> None:
        provider = self._rt.providers[self._name]
        new: dict[str, list[Delivery]] = {}
        for record in page.records:
            try:
                order = normalize(provider, record)
                ways = [] if self._rt.is_echo(order) else list(route_order(self._rt, order))
            except PermanentError as error:
                where = ": ".join(filter(None, (getattr(error, "field", ""), str(error))))
                told.verdicts.append(
                    Verdict(f"{self._name}:{dead_letter_id(record)}", "could not be read", detail=where)
                )
                continue
            if not ways:
                told.verdicts.append(Verdict(order.key, "is ours, or in no route: not carried on"))
            for target, delivery in ways:
                verdict = self._verdict(target, delivery, told)
                told.verdicts.append(verdict)
                if verdict.what == "would be created":
                    new.setdefault(target, []).append(delivery)
        for target, orders in new.items():
            self._created_together(target, orders, told)

    def _verdict(self, name: str, delivery: Delivery, told: Told) -> Verdict:
        order, reference, wanted = delivery
        target, known = self._sides[name].target, self._rt.ledger.standing(name, order.key)
        found = _patient(lambda: self._find(name, reference))
        same = known.fingerprint == order.fingerprint()
        try:
            if found is None:
                what = _absent(known, same=same, wanted=wanted)
                if what == "would be created":
                    kept = self._kept_back(name, lambda: target.create(order, reference))
                    if target.bulk == 1:
                        told.writes.setdefault(name, []).extend(kept)
                return Verdict(order.key, what, name, reference)
            fields = self._differing(name, order, found)
            what = _present(known, self._rt.on_change(self._name, name), same=same)
            if what == "would be changed":
                kept = self._kept_back(name, lambda: target.update(order, reference, found.target_id or ""))
                told.writes.setdefault(name, []).extend(kept)
            return Verdict(order.key, what, name, reference, fields, found.target_id or "")
        except Held as error:
            return Verdict(order.key, "would be held", name, reference, detail=str(error))
        except PermanentError as error:
            return Verdict(order.key, "would be refused", name, reference, detail=str(error))

    def _find(self, name: str, reference: str) -> Receipt | None:
        target = self._sides[name].target
        if not target.walks:
            return target.find(reference)
        if name not in self._there:
            self._there[name] = dict(target.everything())
        return self._there[name].get(reference)

    def _differing(self, name: str, order: Order, found: Receipt) -> tuple[str, ...]:
        """The fields in which the target has something else; none where its kind cannot be read."""
        target, reader, there = self._sides[name].target, self._sides[name].reader, found.target_id
        view = target.view(order, "source")
        if not view or reader is None or not there:
            return ()
        read = _patient(lambda: read_one(reader, there))
        if read is None:
            return ()
        return differing(view, target.view(read, "target"))

    def _created_together(self, name: str, orders: list[Delivery], told: Told) -> None:
        """The calls of a target that takes many orders at once."""
        target = self._sides[name].target
        for first in range(0, len(orders), target.bulk) if target.bulk > 1 else ():
            batch = [(it.order, it.reference) for it in orders[first : first + target.bulk]]
            kept = self._kept_back(
                name,
                lambda: target.create_many(batch) if len(batch) > 1 else target.create(*batch[0]),  # noqa: B023
            )
            told.writes.setdefault(name, []).extend(kept)

    def _kept_back(self, name: str, write: Callable[[], object]) -> list[Shown]:
        """The first writes that `write` would send: it is stopped at each, so what follows an answer is not seen."""
        kept: list[Shown] = []

        def see(request: Request) -> None:
            if request.method != "GET":
                kept.append(self._shown(request))
                raise NotSent(f"{name}: a rehearsal sends nothing")

        def stop() -> None:
            raise NotSent(f"{name}: a rehearsal sends nothing")

        try:
            with watch_requests(see), guard_writes(stop):
                _patient(write)
        except NotSent:
            pass
        return kept

    def _shown(self, request: Request) -> Shown:
        headers = {name: text if name.lower() in _OPEN else _MASK for name, text in request.headers.items()}
        body = request.body.decode("utf-8", "replace")
        return Shown(request.method, self._masked(request.url), headers, self._masked(body))

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK).replace(quote_plus(secret), _MASK)
        return text


def _secrets(options: BaseModel) -> Iterator[str]:
    for name in type(options).model_fields:
        value = getattr(options, name)
        if isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()


def _absent(known: Standing, *, same: bool, wanted: bool) -> str:
    """What becomes of an order that the target does not have."""
    if known.done:
        return "was delivered, and is not there"
    if not wanted:
        return "is not wanted by a route"
    if known.state in {"queued", "claimed"}:
        return "is on its way"
    if known.state and (same or known.state == "in_doubt"):
        return f"stays {known.state.replace('_', ' ')}"
    return "would be created"


def _present(known: Standing, on_change: str, *, same: bool) -> str:
    """What becomes of an order that the target has."""
    if not known.done or same:
        return "is there"
    return {"update": "would be changed", "hold": "would be held"}.get(on_change, "is there, its change is ignored")


def _patient(call: Callable[[], T]) -> T:
    """What `call` answers, once the limit lets it out."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return call()
        except RateLimited as limited:
            if time.monotonic() + limited.delay > until:
                raise
            time.sleep(limited.delay)
