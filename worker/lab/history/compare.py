"""The proof: what the sources hold against what a target holds, order by order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.lab.history.essence import Seen


@dataclass(frozen=True, slots=True)
class Comparison:
    """Keys of the sources' orders by what became of them in the target."""

    orders: int
    created: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    #: Key and the first field that is not the same on both sides.
    different: tuple[tuple[str, str], ...]
    #: Orders of the target that the source does not have.
    extra: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether each order of the source is exactly once in the target, with its content, and nothing else is."""
        return not (self.lost or self.doubled or self.different or self.extra)

    def __str__(self) -> str:
        told = f"{self.orders} orders, {self.created} created, {len(self.lost)} lost, {len(self.doubled)} doubled"
        if self.different:
            told += f", {len(self.different)} different ({self.different[0][1]} of {self.different[0][0]}, …)"
        return f"{told}, {len(self.extra)} unknown" if self.extra else told


def compare(source: Iterable[Seen], target: Iterable[Seen]) -> Comparison:
    """Compare all orders that a target must have with all that it has; a field counts where both sides have it."""
    wanted = {order.key: order.fields for order in source}
    counts: Counter[str] = Counter()
    found: dict[str, dict[str, Any]] = {}
    for order in target:
        counts[order.key] += 1
        found[order.key] = order.fields
    different = []
    for key in wanted.keys() & found.keys():
        there, here = wanted[key], found[key]
        if fields := [name for name, value in there.items() if name in here and here[name] != value]:
            different.append((key, fields[0]))
    return Comparison(
        orders=len(wanted),
        created=len(wanted.keys() & found.keys()),
        lost=tuple(sorted(wanted.keys() - found.keys())),
        doubled=tuple(sorted(key for key, count in counts.items() if count > 1)),
        different=tuple(sorted(different)),
        extra=tuple(sorted(found.keys() - wanted.keys())),
    )
