"""What becomes of each field of a record: a field of the order, kept in `custom`, checked, or dropped."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from support.leaves import filled, other_values, replaced, written
from worker.errors import IntakeError
from worker.systems.provider import Record

if TYPE_CHECKING:
    from schemas.order import Order
    from worker.systems.provider import Provider

#: Instead of a field of the order: the record is refused if the field changes, so nothing is lost silently.
CHECKED = "(checked)"


def way_in(provider: Provider, raw: dict[str, Any]) -> dict[str, set[str]]:
    """Return, by the path of each field of the record, the fields of the order that change with it.

    `custom.KIND...` stands for a field that is kept unread. A field without any is dropped.
    """
    ways: dict[str, set[str]] = defaultdict(set)
    before = _leaves_of(provider.normalize(Record(raw)))
    for path, value in filled(raw):
        name = written(path)
        ways.setdefault(name, set())
        for other in other_values(value):
            try:
                after = _leaves_of(provider.normalize(Record(replaced(raw, path, other))))
            except IntakeError:
                ways[name].add(CHECKED)
                continue
            if changed := {written(leaf) for leaf, _ in before ^ after}:
                ways[name] |= changed
                break
    return {name: ways[name] - {CHECKED} or ways[name] for name in ways}


def _leaves_of(order: Order) -> set[tuple[Any, str]]:
    return {(path, repr(value)) for path, value in filled(order.model_dump(exclude={"uncounted"}))}
