"""The audit log as people read it, filter it and export it: the command line, the console and the API show the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from worker.store.audit import read_audit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.runtime import Runtime
    from worker.store.audit import Actor, AuditRecord

#: The columns of an export.
COLUMNS: Final = (
    *("id", "at", "actor", "surface", "origin", "action", "accounts", "reason", "given", "orders", "more_orders"),
    *("counts", "outcome"),
)


@dataclass(frozen=True, slots=True)
class AuditWish:
    """Which records to select; a criterion that is empty selects all. Times are in Unix milliseconds."""

    since: int = 0
    #: Only acts that began before.
    before: int | None = None
    #: The key of an order.
    order: str = ""
    #: The name of a person, or a pattern with `*`.
    actor: str = ""
    #: A part of the action or the name of an account.
    what: str = ""

    def matches(self, found: AuditRecord) -> bool:
        """Return whether this record is selected, except for its time."""
        return (
            (not self.order or self.order in found.orders)
            and (not self.actor or _is_by(self.actor, found.actor))
            and (not self.what or self.what in found.accounts or self.what.casefold() in found.action)
        )


def select_audit(rt: Runtime, wish: AuditWish) -> Iterator[AuditRecord]:
    """Yield the selected records, the newest first."""
    return read_audit(rt.redis, since=wish.since, before=wish.before, matches=wish.matches)


def _is_by(pattern: str, actor: Actor) -> bool:
    names = (actor.name, actor.origin, actor.origin.partition("@")[0])
    return any(fnmatchcase(name.casefold(), pattern.casefold()) for name in names)


def audit_as_json(found: AuditRecord) -> dict[str, Any]:
    """Return a record as plain data."""
    return {
        "id": found.id,
        "at": datetime.fromtimestamp(found.at / 1000, UTC).isoformat(timespec="milliseconds"),
        "actor": found.actor.name,
        "surface": found.actor.surface,
        "origin": found.actor.origin,
        "action": found.action,
        "accounts": list(found.accounts),
        "reason": found.reason,
        "given": dict(found.given),
        "orders": list(found.orders),
        "more_orders": found.more_orders,
        "counts": dict(found.counts),
        "outcome": found.outcome or "not finished",
    }


def who_text(actor: Actor) -> str:
    """Return the name; and what the name does not say: the surface, or the user of the host."""
    if actor.surface != "cli":
        return f"{actor.name} ({actor.surface})"
    return actor.origin if actor.origin.startswith(f"{actor.name}@") else f"{actor.name} ({actor.origin})"


def result_text(found: AuditRecord) -> str:
    """Return what was done, in numbers where they are known; or how the act ended."""
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in found.counts.items())
    return counts if counts and found.outcome == "done" else found.outcome or "not finished"


def detail_text(found: AuditRecord) -> str:
    """Return the reason that the person gave, and the options of the act."""
    options = ", ".join(f"{name}: {text}" for name, text in found.given.items())
    return "; ".join(filter(None, (found.reason, options)))
