"""Every Lua script with the names of its keys and arguments.

Each script names them in the same order at its top (tests/unit/test_lua_scripts.py compares both), so a caller passes
them by name, and Python and Lua cannot disagree about a position.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: A value that `EVALSHA` takes.
Argument: TypeAlias = str | int | float | bytes


@dataclass(frozen=True, slots=True)
class Script:
    """The script `NAME.lua`: the names of its KEYS and of its ARGV, in order."""

    name: str
    keys: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    #: The values of each item that follows the named arguments, such as an order; empty if nothing follows.
    each: tuple[str, ...] = ()
    #: Whether a full Redis runs it, though its file does not say so.
    while_full: bool = False

    @property
    def leaves_receipt(self) -> bool:
        """Whether the script leaves a receipt (see `worker/store/redis/receipts.py`)."""
        return "receipt" in self.args

    @property
    def demands_receipts(self) -> bool:
        """Whether the script does nothing unless all receipts of the run are there."""
        return "receipt_count" in self.args

    def arrange(self, named: Mapping[str, Any], items: Sequence[Argument]) -> tuple[list[str], list[Argument]]:
        """Return the values of KEYS and of ARGV.

        Raises:
            TypeError: A name is missing or unknown, or `items` does not hold whole items.
        """
        try:
            keys = [named[name] for name in self.keys]
            args = [named[name] for name in self.args]
        except KeyError:
            raise TypeError(self._mistake(named, items)) from None
        if len(keys) + len(args) != len(named) or (items and not self._fits(items)):
            raise TypeError(self._mistake(named, items))
        args += items
        return keys, args

    def _fits(self, items: Sequence[Argument]) -> bool:
        return bool(self.each) and len(items) % len(self.each) == 0

    def _mistake(self, named: Mapping[str, Argument], items: Sequence[Argument]) -> str:
        names = self.keys + self.args
        missing = [name for name in names if name not in named]
        unknown = [name for name in named if name not in names]
        return f"{self.name}.lua: missing {missing}, unknown {unknown}, {len(items)} values for items of {self.each}"


_PREFIXES: Final = ("record_prefix", "payload_prefix", "history_prefix")
#: A window of a rate limit.
_WINDOW: Final = ("period_s", "interval_us", "ahead")

# Orders and lanes

ACCEPT: Final = Script(
    "accept",
    keys=("lane", "due", "drains", "dead", "held", "waiting", "wake", "cursor", "epoch", "era", "receipts"),
    args=(*_PREFIXES, "lease_ms", "source", "ask_first", "dedupes", "on_change", "updates", "full", "receipt"),
    each=(
        *("key", "reference", "fingerprint", "version", "payload", "left_out", "stop", "heir"),
        *("hold_reason", "before_start", "former", "placed", "shared", "correction"),
    ),
)
#: The same for a Redis that is full, for the orders that need no more room.
ACCEPT_KNOWN: Final = replace(ACCEPT, while_full=True)
CLAIM: Final = Script(
    "claim",
    keys=("lane", "due", "drains", "widths", "claims", "scope", "epoch", "era"),
    args=(
        *("drain", "number", "most", "in_hand", "width", "needed", "lease_ms", *_PREFIXES, "claims_prefix"),
        *("breaker", "max_drains", "concurrency", "per_call", "quarantine_ms"),
    ),
    each=_WINDOW,
)
INTEND: Final = Script(
    "intend",
    keys=("drains",),
    args=("drain", "lease_ms", "record_prefix"),
    each=("key", "sent_fields", "tried_fields"),
)
REFER: Final = Script("refer", keys=("drains",), args=("drain", "lease_ms", "record_prefix"), each=("key", "reference"))
NUMBER: Final = Script(
    "number", keys=("index", "receipts"), args=("page_prefix", "most", "receipt"), each=("number", "external_id")
)
NUMBERED: Final = Script("numbered", keys=("index",), args=("page_prefix", "text", "most"))
IDENTIFIED: Final = Script("identified", args=("record_prefix", "id"))
REFERENCES: Final = Script("references", args=("record_prefix",), each=("key",))
STANDING: Final = Script("standing", args=("record_prefix",), each=("key",))
SETTLE: Final = Script(
    "settle",
    keys=("lane", "due", "drains", "claims", "dead", "doubt", "held"),
    args=("drain", "lease_ms", *_PREFIXES, "max_tries", "breaker"),
    each=("key", "outcome", "code", "detail", "delay_ms", "uncertain", "extra", "fingerprint", "place"),
)
SWEEP: Final = Script(
    "sweep",
    keys=("lane", "due", "drains", "dead", "scope", "waiting", "wake", "doubt", "searches", "epoch", "era", "oldest"),
    args=(
        *("lease_ms", "record_prefix", "history_prefix", "claims_prefix", "poison", "ask_every_ms", "quarantine_ms"),
        "look",
    ),
    each=_WINDOW,
)
IDLE: Final = Script("idle", each=("lane", "due", "drains", "doubt", "searches", "oldest"))
RELEASE: Final = Script("release", keys=("lane", "due", "held", "dead"), args=(*_PREFIXES, "action"), each=("key",))
RECORD: Final = Script("record", args=("record_prefix", "history_prefix"), each=("key",))
RESEND: Final = Script(
    "resend",
    keys=("lane", "due", "dead"),
    args=(
        *(*_PREFIXES, "key", "reference", "fingerprint", "version", "payload", "action", "target_id"),
        *("seen_state", "seen_fingerprint", "seen_done", "source", "sent_fields", "correction"),
    ),
)
CORRECT: Final = Script(
    "correct",
    keys=("lane", "due", "dead", "held", "index"),
    args=(
        *(*_PREFIXES, "key", "seen", "seen_fingerprint", "seen_state", "fingerprint", "source", "text", "change"),
        *("event", "resend"),
    ),
)
DECIDE: Final = Script(
    "decide",
    keys=("lane", "due", "dead", "doubt", "held", "searches"),
    args=(*_PREFIXES, "keep_history_ms", "move", "source", "target_id", "code", "detail"),
    each=("key",),
)
ERASE: Final = Script(
    "erase", keys=("lane", "due", "dead", "doubt", "held"), args=(*_PREFIXES, "keep_history_ms"), each=("key",)
)
FORGET: Final = Script(
    "forget", keys=("due", "dead", "doubt", "held", "lane"), args=(*_PREFIXES, "keep_history_ms"), each=("key",)
)

# Feeds

BEGIN: Final = Script("begin", keys=("cursor", "lease"), args=("owner", "lease_ms", "gap_ms"))
RENEW: Final = Script("renew", keys=("lease",), args=("owner", "lease_ms"))
WORK: Final = Script(
    "work",
    args=("cursor_prefix", "poll_prefix", "fetch_prefix", "backfill_prefix", "backfilling_prefix"),
    each=("name", "every_ms"),
)
ADVANCE: Final = Script(
    "advance",
    keys=("cursor", "lease", "receipts"),
    args=("owner", "seen", "value", "progress", "records", "receipt_count"),
)
PLACE: Final = Script("place", keys=("cursor", "former"), args=("seen", "value", "action", "keep"))
BURY: Final = Script(
    "bury", keys=("letters", "lease", "receipts"), args=("external_id", "letter", "cause", "owner", "receipt")
)
FETCH: Final = Script("fetch", keys=("due", "tries", "places"), args=("most", "lease_ms"))
FETCHED: Final = Script(
    "fetched",
    keys=("due", "tries", "places", "receipts"),
    args=("external_id", "score", "outcome", "delay_ms", "place", "receipt_count"),
)
ARRIVE: Final = Script("arrive", keys=("arrivals", "cursor"), args=("source", "count"))
LEAVE_OUT: Final = Script(
    "leave_out",
    keys=("counts", "rules", "receipts"),
    args=("bucket_prefix", "most", "receipt"),
    each=("external_id", "target", "rule", "shown"),
)

SHOWN: Final = Script("shown", keys=("rules",), args=("bucket_prefix", "display_id"))

# The inbox

TAKE: Final = Script(
    "take", keys=("inbox", "takers", "taken", "again", "lost"), args=("taker", "most", "most_bytes", "lease_ms")
)
DONE: Final = Script(
    "done",
    keys=("takers", "taken", "lost", "dead_letters", "counters", "receipts"),
    args=("taker", "lease_ms", "receipt_count", "counter_count"),
    each=("name", "value"),
)
FREE: Final = Script("free", keys=("takers", "again", "lost", "deferred", "inbox"), args=("lease_ms", "taken_prefix"))

# Limits

RESERVE: Final = Script("reserve", keys=("scope",), args=("patience_us", "keep_ms"), each=_WINDOW)
DEPART: Final = Script("depart", keys=("scope",), args=("slot", "lead_us", "debt_us", "keep_ms"), each=_WINDOW)
LATE: Final = Script("late", keys=("scope",), args=("departed_us", "late_us", "debt_us"))
CLOSE: Final = Script("close", keys=("scope",), args=("named_us", "interval_us", "keep_ms"))

# Accounts

REGISTER: Final = Script("register", keys=("registry",), args=("seen", "version"), each=("field", "value"))

# People

AUDIT: Final = Script("audit", keys=("audit", "size"), args=("part", "most", "most_bytes", "keep_ms"))

# Health

ALARM: Final = Script(
    "alarm",
    keys=("state",),
    args=("outbox_prefix", "field", "before", "after", "message", "most", "keep_ms"),
    each=("destination",),
)
SIGN: Final = Script("sign", keys=("signs", "files"), args=("name", "file"))
PAUSE: Final = Script("pause", keys=("hash",), args=("wanted", "seen", "duration_ms"))
UNPAUSE: Final = Script("unpause", keys=("hash",))

# Time

NOW: Final = Script("now")

# Rights

MAY_WRITE: Final = Script("may_write", keys=("probe",))

# Leases and notes of any kind

BEAT: Final = Script("beat", keys=("members",), args=("member", "lease_ms", "stopping"))
EXCUSE: Final = Script("excuse", keys=("members",), args=("member",), each=("hash", "field"))
LEAVE: Final = Script("leave", keys=("members", "held"), args=("member",))
NOTE: Final = Script(
    "note", keys=("hash", "receipts"), args=("counter", "forgotten", "receipt"), each=("field", "value")
)
SCHEDULE: Final = Script("schedule", keys=("due", "receipts"), args=("delay_ms", "receipt"), each=("member",))
MARK: Final = Script("mark", keys=("mark",), args=("value", "lifetime_ms"))

# The broker

WRITE: Final = Script("write", args=("most",), each=("command",))
