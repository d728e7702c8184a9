"""The tables of fields, as Markdown: for each pair of systems, what becomes of every field of a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fields.reading import CHECKED
from fields.systems import NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Ways = Mapping[str, set[str]]
    Reasons = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class System:
    """One system: the ways of its fields in or out, and the reasons why it drops fields."""

    kind: str
    ways: Ways
    reasons: Reasons

    def unlisted(self) -> list[str]:
        """Return the fields that are dropped without a reason."""
        return sorted(name for name, fields in self.ways.items() if not fields and not self.reason(name))

    def unknown(self) -> list[str]:
        """Return the fields that reasons are listed for, and that do not exist."""
        return sorted(name for name in self.reasons if not any(_covers(name, field) for field in self.ways))

    def reason(self, field: str) -> str:
        """Return why a field, or all of the object that it is in, is dropped; "" if no reason is listed."""
        return next((reason for name, reason in self.reasons.items() if _covers(name, field)), "")


def _covers(listed: str, field: str) -> bool:
    """Return whether the listed field is this one, or an object or list that it is in."""
    return f"{field.replace('[]', '')}.".startswith(f"{listed}.")


def pair(provider: System, target: System) -> Iterator[str]:
    """Yield the lines of the page of one pair."""
    yield f"# {NAMES[provider.kind]} to {NAMES[target.kind]}"
    yield ""
    yield "Made by `make fields` from what the adapters do; a test fails when a field is missing here."
    yield f'What is kept is in `order.custom["{provider.kind}"]`, for filters, transforms and maps.'
    yield "[All pairs](index.md)"
    yield ""
    yield f"| {NAMES[provider.kind]} | order | {NAMES[target.kind]} |"
    yield "|---|---|---|"
    for name, fields in sorted(provider.ways.items()):
        yield f"| `{name}` | {_middle(provider, name, fields)} | {_end(provider, target, fields)} |"


def index(providers: Iterable[str], targets: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the page that links to the pages of all pairs."""
    yield "# Every field, from each system to each other"
    yield ""
    yield f"| from | {' | '.join(f'to {NAMES[target]}' for target in targets)} |"
    yield f"|---|{'---|' * len(targets)}"
    for provider in providers:
        links = (f"[{NAMES[target]}]({provider}-to-{target}.md)" for target in targets)
        yield f"| {NAMES[provider]} | {' | '.join(links)} |"


def _middle(provider: System, name: str, fields: set[str]) -> str:
    if not fields:
        return f"dropped: {provider.reason(name)}"
    if carried := _carried(provider, fields):
        return _list(carried)
    return "checked: a wrong value refuses the order" if fields == {CHECKED} else "kept in `custom`"


def _end(provider: System, target: System, fields: set[str]) -> str:
    carried = _carried(provider, fields)
    if not carried:
        return ""
    ends = {end for name in carried for end in target.ways.get(name, ())} - {CHECKED}
    if ends:
        return _list(ends)
    reasons = {target.reason(name) or ("checked before sending" if target.ways.get(name) else "") for name in carried}
    return "; ".join(sorted(filter(None, reasons))) or "dropped: only filters and maps use it"


def _carried(provider: System, fields: set[str]) -> set[str]:
    return {name for name in fields if not name.startswith(f"custom.{provider.kind}") and name != CHECKED}


def _list(names: set[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))
