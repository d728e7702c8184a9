"""The audit log: who changed something on purpose, what, when, and on which orders."""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from worker.errors import StoreFull
from worker.store.redis import catalog, keys
from worker.store.redis.connection import ERRORS
from worker.store.redis.scripts import Scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from redis import Redis

#: Where somebody acts: on the command line, in the console, or through its API.
Surface = Literal["cli", "console", "api"]

#: Days, parts and bytes that the log keeps: whatever comes first.
KEEP_DAYS: Final = 366
MOST_PARTS: Final = 200_000
MOST_BYTES: Final = 16 * 1024 * 1024
#: Order keys of one record, and of one part of it. Further orders of the same act are only counted.
MOST_ORDERS: Final = 10_000
_KEYS_OF_A_PART: Final = 500
#: Characters that are kept of a text.
_LONGEST: Final = 500
#: Parts that are read at once.
_CHUNK: Final = 1000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a name, where, and from where ("root@host")."""

    name: str
    surface: Surface
    origin: str = ""


@dataclass(slots=True)
class AuditRecord:
    """What one act left in the log."""

    id: str
    #: When it began, in Unix milliseconds.
    at: int
    actor: Actor
    #: "dead replay", "pause".
    action: str
    #: The accounts that it was about.
    accounts: tuple[str, ...] = ()
    #: The reason that the person gave.
    reason: str = ""
    #: What else was asked for: the options of the command, never a value of an order.
    given: Mapping[str, str] = field(default_factory=dict)
    #: The keys of the orders that it was about, and how many more there were.
    orders: tuple[str, ...] = ()
    more_orders: int = 0
    #: What was done, in numbers.
    counts: Mapping[str, int] = field(default_factory=dict)
    #: "done"; "failed: " and the kind of error; "" while it is under way, or if its process died.
    outcome: str = ""


class Act:
    """An act under way: what it is about is added to its record."""

    def __init__(self, write: Callable[[dict[str, Any]], object]) -> None:
        self._write = write
        self._id = secrets.token_hex(6)
        self._parts = self._orders = 0
        self._counts: dict[str, int] = {}

    def concerns(self, order_keys: Iterable[str]) -> None:
        """Note the orders that are about to be changed. Call it before they are."""
        chosen = list(order_keys)
        kept = chosen[: max(0, MOST_ORDERS - self._orders)]
        self._orders += len(chosen)
        for first in range(0, len(kept), _KEYS_OF_A_PART):
            self._add(orders=kept[first : first + _KEYS_OF_A_PART])

    def count(self, **counts: int) -> None:
        """Add to the numbers of what was done; they are written when the act ends."""
        for name, number in counts.items():
            self._counts[name] = self._counts.get(name, 0) + number

    def begin(self, facts: dict[str, Any]) -> None:
        """Write the record, before anything is done."""
        self._add(**facts)

    def end(self, outcome: str) -> None:
        """Complete the record."""
        more = {"more_orders": self._orders - MOST_ORDERS} if self._orders > MOST_ORDERS else {}
        self._add(outcome=outcome, counts=self._counts, **more)

    def _add(self, **facts: Any) -> None:
        self._write({"id": self._id, "part": self._parts, **facts})
        self._parts += 1


def unrecorded() -> Act:
    """Return the act of a dry run, which changes nothing and leaves no record."""
    return Act(lambda _: None)


@contextlib.contextmanager
def record(  # noqa: PLR0913  # the facts of an act
    redis: Redis,
    actor: Actor,
    action: str,
    *,
    accounts: Sequence[str] = (),
    reason: str = "",
    given: Mapping[str, object] | None = None,
    orders: Iterable[str] = (),
) -> Iterator[Act]:
    """Record what is done in this block: the record is written before it, and completed after it.

    An act whose record cannot be written is not carried out: Redis' error is raised before the block. If the process
    dies in the block, the record stays, without an outcome.

    Args:
        redis: The connection.
        actor: Who acts.
        action: What is done, as the command is called: "dead replay".
        accounts: The accounts that it is about.
        reason: The reason that the person gave.
        given: What else was asked for, by name: options, never a value of an order. Values that are None are left out.
        orders: The keys of the orders that it is about, as far as they are known; see `Act.concerns` as well.
    """
    scripts = Scripts(redis)

    def write(part: dict[str, Any]) -> None:
        scripts(
            catalog.AUDIT,
            audit=keys.AUDIT,
            size=keys.AUDIT_BYTES,
            part=json.dumps(part, separators=(",", ":")),
            most=MOST_PARTS,
            most_bytes=MOST_BYTES,
            keep_ms=KEEP_DAYS * 86_400_000,
        )

    act = Act(write)
    texts = {name: str(value)[:_LONGEST] for name, value in (given or {}).items() if value is not None}
    who = {"actor": actor.name, "surface": actor.surface, "origin": actor.origin}
    act.begin({**who, "action": action, "accounts": [*accounts], "reason": reason[:_LONGEST], "given": texts})
    act.concerns(orders)
    try:
        yield act
    except BaseException as error:
        with contextlib.suppress(*ERRORS, StoreFull):
            act.end(f"failed: {type(error).__name__}")
        raise
    act.end("done")


def read_audit(
    redis: Redis,
    *,
    since: int = 0,
    before: int | None = None,
    matches: Callable[[AuditRecord], bool] = lambda _: True,
) -> Iterator[AuditRecord]:
    """Yield the records that `matches`, of acts that began at `since` (Unix milliseconds) or later, the newest first.

    With `before`, only those of acts that began earlier.
    """
    parts: dict[str, dict[int, dict[str, Any]]] = {}
    seen: set[str] = set()
    for at, part in _newest_first(redis):
        if at < since:
            return
        known = parts.setdefault(part["id"], {})
        known[part["part"]] = part
        if part["part"] == 0 and part["id"] not in seen:
            seen.add(part["id"])
            found = _merged(at, known)
            if (before is None or at < before) and matches(found):
                yield found


def _newest_first(redis: Redis) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the parts with their times. While others are appended, one may be yielded twice."""
    last = -1
    while lines := cast("list[str]", redis.lrange(keys.AUDIT, last - _CHUNK + 1, last)):
        for line in reversed(lines):
            at, _, text = line.partition(" ")
            yield int(at), json.loads(text)
        last -= _CHUNK


def _merged(at: int, parts: Mapping[int, dict[str, Any]]) -> AuditRecord:
    facts: dict[str, Any] = {}
    orders: dict[str, None] = {}
    for number in sorted(parts):
        orders |= dict.fromkeys(parts[number].get("orders", ()))
        facts |= parts[number]
    return AuditRecord(
        id=facts["id"],
        at=at,
        actor=Actor(facts["actor"], facts["surface"], facts["origin"]),
        action=facts["action"],
        accounts=tuple(facts["accounts"]),
        reason=facts["reason"],
        given=facts["given"],
        orders=tuple(orders),
        more_orders=facts.get("more_orders", 0),
        counts=facts.get("counts", {}),
        outcome=facts.get("outcome", ""),
    )
