"""The ledger: every order, its state for each target, and its history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from worker.errors import StoreFrozen, StoreFull
from worker.store.orders import payload
from worker.store.orders.corrections import Corrections
from worker.store.orders.delivery import values_of
from worker.store.redis import catalog, clock, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis import Redis

    from worker.store.orders.delivery import Ask, Delivery, OnChange
    from worker.store.redis.catalog import Argument

#: Milliseconds after which nothing that was sent is under way any more, whatever the clocks are.
_LONG_AGO: Final = 3_600_000
#: The orders that wait in a lane from which on their contents are compressed.
FEW: Final = 500
#: The results of an order that is accepted again, with its corrections as they are now.
_AGAIN: Final = frozenset({"corrected", "uncorrected"})


@dataclass(frozen=True, slots=True)
class Accepted:
    """The result of accepting a page, order by order.

    new: queued. unwanted: left out. asked: left out, but the target may have it: it is searched there. same: known.
    stale: older than the known version. replaced: it will be sent with its new content. revived: it was dead, held or
    withdrawn, and is queued again. withdrawn: not sent yet, and left out now: it is final until it is live again. held:
    it waits for a person. After delivery: updating (queued again), held, or changed (only noted in its history).
    """

    results: tuple[str, ...]
    #: Drains that are working on the lane already, or were woken.
    drains: int

    @property
    def nudge(self) -> bool:
        """Whether a worker must be nudged: the lane has work and no drain."""
        return not self.drains and any(result in {"new", "asked", "revived", "updating"} for result in self.results)


@dataclass(frozen=True, slots=True)
class Entry:
    """The ledger's record of an order for one target, and its history (milliseconds and event, oldest first)."""

    target: str
    record: dict[str, str]
    history: tuple[tuple[int, str], ...]
    #: When it is sent (Unix milliseconds), if it is queued.
    due: int | None = None
    #: Orders of the lane that are due before this one.
    before: int = 0


class Standing(NamedTuple):
    """The state of one order in the ledger; all fields are empty for an unknown order."""

    state: str = ""
    fingerprint: str = ""
    done: str = ""
    code: str = ""
    #: The field fingerprints of what the target has (see `schemas/changes.py`), in hex.
    sent_fields: str = ""
    #: "1" if a backfill requested the order, though it was placed before the start of its provider.
    requested: str = ""
    #: The fingerprint of what the source says, of an order that a person corrected.
    corrected: str = ""


class Ledger:
    """The ledger of all targets."""

    def __init__(self, redis: Redis, *, lease: float) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)
        self.corrections = Corrections(redis)
        self._lease_ms = int(lease * 1000)
        #: The orders that waited in each lane when this process last wrote to it.
        self._waiting: dict[str, int] = {}

    def accept(  # noqa: PLR0913  # the orders, and the facts of their target that decide what follows
        self,
        target: str,
        orders: Sequence[Delivery],
        source: str,
        *,
        ask: Ask = "never",
        dedupes: bool = False,
        on_change: OnChange = "ignore",
        updates: bool = True,
    ) -> Accepted:
        """Write orders into the ledger and onto the lane of `target`.

        A Redis that is full takes what needs no more room: cancellations, and newer versions of orders that wait.
        Raise StoreFull if that is not all.

        Args:
            target: Name of the target.
            orders: Orders, their references in the target, and why they are left out.
            source: What brought them ("poll shop-nl"), for the history.
            ask: When to ask the target before it creates an order that this ledger does not know.
            dedupes: Whether the target refuses duplicates: then it is not asked before a creation.
            on_change: How to handle an order that changes after its delivery.
            updates: Whether the target can change orders. If not, "update" is "ignore", except for an order that is
                cancelled or on hold at its source, or was, and is live again: that becomes an update, so that the
                target cancels it or the order is held.
        """
        if not orders:
            return Accepted((), 0)
        k = keys.LaneKeys.of(target)
        named: dict[str, Argument] = dict(
            lane=k.lane,
            due=k.due,
            drains=k.drains,
            dead=k.dead,
            held=k.held,
            waiting=k.waiting,
            wake=k.wake,
            cursor=keys.cursor(orders[0].order.provider),
            epoch=keys.EPOCH,
            era=keys.ERA,
            lease_ms=self._lease_ms,
            source=source,
            ask_first=ask,
            dedupes=int(dedupes),
            on_change=on_change,
            updates=int(updates),
            **k.prefixes,
        )
        deliveries = [*orders]
        drains, results = self._accept(target, deliveries, named)
        # A person corrected an order, and the source says something new: its corrections are read, and put on top.
        while again := [at for at, result in enumerate(results) if result in _AGAIN]:
            plain = {at for at in again if results[at] == "uncorrected"}
            stored = self.corrections.of(target, [deliveries[at].order.key for at in again])
            for at, each in zip(again, stored, strict=True):
                deliveries[at] = orders[at] if at in plain else orders[at].with_corrections(each)
            drains, decided = self._accept(target, [deliveries[at] for at in again], named)
            for at, result in zip(again, decided, strict=True):
                results[at] = result
        return Accepted(tuple(results), drains)

    def _accept(self, target: str, orders: Sequence[Delivery], named: Mapping[str, Argument]) -> tuple[int, list[str]]:
        """Run the accept script; return the drains of the lane, and the result of each order."""
        try:
            # Few orders are delivered at once: compressing them would cost more time than it saves memory.
            items = values_of(orders, pack=self._waiting.get(target, FEW) >= FEW)
            drains, results, self._waiting[target] = self._scripts(catalog.ACCEPT, items, full=0, **named)
        except StoreFrozen:
            raise
        except StoreFull:
            items = values_of(orders, pack=True)
            drains, results, self._waiting[target] = self._scripts(catalog.ACCEPT_KNOWN, items, full=1, **named)
            if "full" in results:
                raise
        return drains, results

    def corrected(self, target: str, orders: Sequence[Delivery]) -> list[Delivery]:
        """Return the deliveries with the corrections that people made, as far as these are kept."""
        stored = self.corrections.of(target, [delivery.order.key for delivery in orders])
        pairs = zip(orders, stored, strict=True)
        return [replace(order, corrections=each) if each.version else order for order, each in pairs]

    def count_arrivals(self, provider: str, source: str, count: int) -> None:
        """Note that `count` orders of a provider were new; the first word of `source` is what brought them."""
        self._scripts(
            catalog.ARRIVE,
            arrivals=keys.arrivals(provider),
            cursor=keys.cursor(provider),
            source=source.partition(" ")[0],
            count=count,
        )

    def epoch(self) -> tuple[str, float]:
        """Return which ledger this is, and its age in seconds: a different one means that Redis was lost meanwhile."""
        now = clock.now(self._redis)
        # Look first: a Redis that is full refuses SETNX, even for a key that exists.
        if not self._redis.exists(keys.EPOCH):
            self._redis.setnx(keys.EPOCH, now)
        epoch = str(self._redis.get(keys.EPOCH) or now)
        return epoch, (now - int(epoch)) / 1000

    def assume_no_predecessor(self) -> None:
        """Declare that no ledger preceded this one: nothing is under way to any target, and no lane has to wait."""
        self._redis.set(keys.EPOCH, clock.now(self._redis) - _LONG_AGO)

    def standing(self, target: str, order_key: str) -> Standing:
        """Return the current state of an order."""
        record, _ = self._read(target, order_key)
        return Standing(*(record.get(name, "") for name in Standing._fields))

    def references(self, target: str, order_keys: Sequence[str]) -> list[str]:
        """Return the reference that each order has in the target; "" for an order that the ledger does not know."""
        if not order_keys:
            return []
        response: list[str] = self._scripts(
            catalog.REFERENCES, order_keys, record_prefix=keys.LaneKeys.of(target).order
        )
        return response

    def _read(self, target: str, order_key: str) -> tuple[dict[str, str], list[str]]:
        """Return the fields of a record, live or archived, and the lines of its history; empty if it is unknown."""
        k = keys.LaneKeys.of(target)
        [[fields, lines]] = self._scripts(catalog.RECORD, [order_key], record_prefix=k.order, history_prefix=k.history)
        return dict(zip(fields[::2], fields[1::2], strict=True)), lines

    def resend(  # noqa: PLR0913  # one order, and what was seen of it on both sides
        self,
        target: str,
        delivery: Delivery,
        action: Literal["create", "update"],
        *,
        seen: Standing,
        source: str,
        target_id: str = "",
        sent_fields: bytes = b"",
    ) -> Literal["queued", "moved"]:
        """Queue an order again that the ledger took for delivered or dead, because somebody looked into the target.

        Args:
            target: Name of the target.
            delivery: The order as the source has it now.
            action: "create": the target does not have it, so ask and then create it. "update": the target has it under
                `target_id`, with other content.
            seen: The state of the order before the target was looked at: an order that moved since is left alone.
            source: Who looked, for the history.
            target_id: The target's own id of the order.
            sent_fields: The field fingerprints of what the target has: an update writes what differs from them.
        """
        k, order = keys.LaneKeys.of(target), delivery.order
        result: Literal["queued", "moved"] = self._scripts(
            catalog.RESEND,
            lane=k.lane,
            due=k.due,
            dead=k.dead,
            key=order.key,
            reference=delivery.reference,
            fingerprint=delivery.fingerprint,
            version=str(order.version or 0),
            payload=payload.pack(delivery.written.text),
            action=action,
            target_id=target_id,
            seen_state=seen.state,
            seen_fingerprint=seen.fingerprint,
            seen_done=seen.done,
            source=source,
            sent_fields=sent_fields,
            correction=delivery.correction,
            **k.prefixes,
        )
        return result

    def entries(self, targets: Sequence[str], order_key: str) -> list[Entry]:
        """Return everything known of one order, for those of `targets` that know it."""
        return self.entries_of({target: [order_key] for target in targets}).get(order_key, [])

    def entries_of(self, order_keys: Mapping[str, Sequence[str]]) -> dict[str, list[Entry]]:
        """Return by key everything known of orders; `order_keys` names by target those to look for: two pipelines."""
        lanes = {target: keys.LaneKeys.of(target) for target in order_keys}
        with self._redis.pipeline(transaction=False) as pipe:
            for target, k in lanes.items():
                prefixes = {"record_prefix": k.order, "history_prefix": k.history}
                self._scripts.enqueue(pipe, catalog.RECORD, order_keys[target], **prefixes)
            known = [
                (target, key, fields, lines)
                for target, orders in zip(lanes, self._scripts.execute(pipe), strict=True)
                for key, (fields, lines) in zip(order_keys[target], orders, strict=True)
                if fields
            ]
            for target, key, *_ in known:
                pipe.zscore(lanes[target].due, key)
                pipe.zrank(lanes[target].due, key)
            places = iter(self._scripts.execute(pipe))
        entries: dict[str, list[Entry]] = {}
        for target, key, fields, lines in known:
            record = dict(zip(fields[::2], fields[1::2], strict=True))
            record.pop("sent_fields", None)
            history = tuple((int(at), event) for at, event in (line.split(" ", 1) for line in lines))
            score, before = next(places), next(places)
            due = None if score is None else int(score % keys.BULK_OFFSET)
            entries.setdefault(key, []).append(Entry(target, record, history, due, before or 0))
        return entries
