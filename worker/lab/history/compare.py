"""Compare the orders of the sources with the orders of a target."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.lab.history.essence import OrderEssence


@dataclass(frozen=True, slots=True)
class Comparison:
    """The keys of the sources' orders by their result in the target."""

    orders: int
    created: int
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    #: The key and the first field that differs between the sides.
    different: tuple[tuple[str, str], ...]
    #: Orders of the target that no source has.
    extra: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether the target has each order of the sources exactly once, with its content, and no other order."""
        return not (self.lost or self.duplicated or self.different or self.extra)

    def __str__(self) -> str:
        text = f"{self.orders} orders, {self.created} created, {len(self.lost)} lost, {len(self.duplicated)} duplicated"
        if self.different:
            text += f", {len(self.different)} different ({self.different[0][1]} of {self.different[0][0]}, …)"
        return f"{text}, {len(self.extra)} unknown" if self.extra else text


def compare(source: Iterable[OrderEssence], target: Iterable[OrderEssence]) -> Comparison:
    """Compare the orders that a target must have with those that it has, by the fields that both sides have."""
    expected = {order.key: order.fields for order in source}
    counts: Counter[str] = Counter()
    present: dict[str, dict[str, Any]] = {}
    for order in target:
        counts[order.key] += 1
        present[order.key] = order.fields
    different = []
    for key in expected.keys() & present.keys():
        source_fields, target_fields = expected[key], present[key]
        if fields := [
            name for name, value in source_fields.items() if name in target_fields and target_fields[name] != value
        ]:
            different.append((key, fields[0]))
    return Comparison(
        orders=len(expected),
        created=len(expected.keys() & present.keys()),
        lost=tuple(sorted(expected.keys() - present.keys())),
        duplicated=tuple(sorted(key for key, count in counts.items() if count > 1)),
        different=tuple(sorted(different)),
        extra=tuple(sorted(present.keys() - expected.keys())),
    )
