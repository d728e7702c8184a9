"""The ledger: which order is where, for every target, and how it came there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from schemas.order import Order  # noqa: TC001  # a NamedTuple's fields are read at run time
from worker.store.orders import payload
from worker.store.redis import clock, keys
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

    from worker.store.redis.scripts import Argument


#: Milliseconds after which nothing that was sent is on its way any more, whatever the clocks are.
_LONG_AGO: Final = 3_600_000

#: What becomes of an order that changes after its delivery: it is sent again as an update, held, or only counted.
OnChange = Literal["update", "hold", "ignore"]

#: Whether the target is asked for an order before it is created: "new", as long as the ledger is new (it was lost: no
#: walk of the provider has come to its end; what nobody polls, for a day); "always"; "never": it refuses doubles.
Ask = Literal["never", "new", "always"]


class Delivery(NamedTuple):
    """An order, its reference in the target, whether a route wants it there (if not, only its later changes count)."""

    order: Order
    reference: str
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the ledger made of a page, order by order.

    new: queued. unwanted: its route does not want it. same: known. stale: older than what is known. replaced: it goes
    out with its new content. revived: it was dead or held, and is queued again. withdrawn: not sent yet, and not wanted
    any more: held. After delivery: updating (queued again), held, or changed (told in its story, and no more).
    """

    results: tuple[str, ...]
    #: Drains that are at work on the lane already, or were nudged.
    drains: int

    @property
    def nudge(self) -> bool:
        """Return whether a worker must be nudged: the lane has work and no drain."""
        return not self.drains and any(result in {"new", "revived", "updating"} for result in self.results)


@dataclass(frozen=True, slots=True)
class Entry:
    """The ledger's record of one order for one target, and its story (milliseconds and event, oldest first)."""

    target: str
    record: dict[str, str]
    history: tuple[tuple[int, str], ...]
    #: When it is sent (Unix milliseconds), if it is queued.
    due: int | None = None


class Standing(NamedTuple):
    """What the ledger believes of one order; all empty: it never heard of it."""

    state: str = ""
    fingerprint: str = ""
    done: str = ""
    code: str = ""


class Ledger:
    """The ledger of all targets."""

    def __init__(self, redis: Redis, *, lease: float) -> None:
        self._redis = redis
        self._scripts = Scripts(redis)
        self._lease_ms = int(lease * 1000)

    def accept(
        self,
        target: str,
        orders: Sequence[Delivery],
        source: str,
        *,
        ask: Ask = "never",
        on_change: OnChange = "ignore",
    ) -> Accepted:
        """Write orders into the ledger and onto the lane of `target`.

        Args:
            target: Name of the target.
            orders: Orders, what the target is to know them by, and whether they are to go there at all.
            source: Where they come from ("poll shop-nl"), for the story.
            ask: Whether the target is asked before it creates an order that this ledger does not know.
            on_change: What becomes of an order that changes after its delivery.
        """
        if not orders:
            return Accepted((), 0)
        k = keys.LaneKeys.of(target)
        args: list[Argument] = [k.order, k.payload, k.history, self._lease_ms, source, ask, on_change]
        for order, reference, wanted in orders:
            # A decimal string sorts like the number it is, as long as shorter means smaller.
            args += [
                order.key,
                reference,
                order.fingerprint(),
                str(order.version or 0),
                payload.pack(order.model_dump_json(exclude_defaults=True)),
                int(wanted),
            ]
        names = [k.lane, k.due, k.drains, k.dead, k.held, k.waiting, k.wake]
        names += [keys.cursor(orders[0].order.provider), keys.EPOCH]
        drains, results = self._scripts("accept", names, args)
        return Accepted(tuple(results), drains)

    def count_arrivals(self, provider: str, source: str, count: int) -> None:
        """Note that `count` orders of a provider were new; the first word of `source` is what brought them."""
        by = source.partition(" ")[0]
        self._scripts("arrive", [keys.arrivals(provider), keys.cursor(provider)], [by, count])

    def epoch(self) -> tuple[str, float]:
        """Which ledger this is, and how many seconds old: Redis may have been lost since somebody last looked."""
        now = clock.now(self._redis)
        # Asked first: a Redis that is full takes no word, not even one that it has.
        if not self._redis.exists(keys.EPOCH):
            self._redis.setnx(keys.EPOCH, now)
        epoch = str(self._redis.get(keys.EPOCH) or now)
        return epoch, (now - int(epoch)) / 1000

    def assume_no_predecessor(self) -> None:
        """Say that no ledger was before this one: nothing is on its way to any target, no lane has to wait."""
        self._redis.set(keys.EPOCH, clock.now(self._redis) - _LONG_AGO)

    def standing(self, target: str, order_key: str) -> Standing:
        """What the ledger believes of an order at this moment."""
        record, _ = self._read(target, order_key)
        return Standing(*(record.get(name, "") for name in Standing._fields))

    def _read(self, target: str, order_key: str) -> tuple[dict[str, str], list[str]]:
        """The fields of a record, living or at rest, and the lines of its story; both empty if it is not known."""
        k = keys.LaneKeys.of(target)
        [[fields, lines]] = self._scripts("record", [], [k.order, k.history, order_key])
        return dict(zip(fields[::2], fields[1::2], strict=True)), lines

    def resend(  # noqa: PLR0913  # one order, and what was seen of it on both sides
        self,
        target: str,
        delivery: Delivery,
        do: Literal["create", "update"],
        *,
        seen: Standing,
        source: str,
        target_id: str = "",
    ) -> Literal["queued", "moved"]:
        """Queue an order again that the ledger takes for delivered, or dead: somebody looked into the target.

        Args:
            target: Name of the target.
            delivery: The order as the source has it now.
            do: It is not there: asked for, then created. Or it is there under `target_id`, and has to be changed.
            seen: What the ledger believed before anybody looked: an order that moved since is left alone.
            source: Who looked, for the story.
            target_id: The target's own id of the order.
        """
        k, order = keys.LaneKeys.of(target), delivery.order
        content = payload.pack(order.model_dump_json(exclude_defaults=True))
        args: list[Argument] = [k.order, k.payload, k.history, order.key, delivery.reference, order.fingerprint()]
        args += [str(order.version or 0), content, do, target_id, seen.state, seen.fingerprint, seen.done, source]
        answer: Literal["queued", "moved"] = self._scripts("resend", [k.lane, k.due, k.dead], args)
        return answer

    def entries(self, targets: Sequence[str], order_key: str) -> list[Entry]:
        """Everything known of one order, for those of `targets` that know it."""
        found = []
        for target in targets:
            k = keys.LaneKeys.of(target)
            record, lines = self._read(target, order_key)
            if record:
                story = tuple((int(at), event) for at, event in (line.split(" ", 1) for line in lines))
                due = self._redis.zscore(k.due, order_key)
                found.append(Entry(target, record, story, None if due is None else int(due % keys.BULK_OFFSET)))
        return found
