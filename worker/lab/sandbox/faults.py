"""Faults on demand: which calls fail, and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox import spec

if TYPE_CHECKING:
    import random

#: These strike before the work is done (the default) or after it: the kind ends in `_before` or `_after`.
EITHER_SIDE: Final = frozenset({"slow", "cut", "html"})
#: These spoil a response, so the work is always done first.
RESPONSE_ONLY: Final = frozenset({"drip", "oversize", "malformed", "truncated", "insert"})
_LOWEST_STATUS, _HIGHEST_STATUS = 400, 599


@dataclass(slots=True)
class Fault:
    """One rule.

    Kinds that strike before the work, or after it with `_after`:

    - `slow`: the response comes `seconds` later
    - a status such as `500`, `502`, `503`, `429`, `401` (with `retry_after` or `code`)
    - `cut`: the connection is aborted
    - `html`: a web page with the status 200

    Kinds that strike after the work:

    - `drip`: one byte every `seconds`
    - `oversize`: the response is padded to `size` bytes
    - `malformed`: `field` of record number `record` of a page is broken
    - `truncated`: half of the body, then the connection is cut
    - `insert`: an order is added after a page was read
    """

    system: str
    op: str
    kind: str
    account: str = "*"
    #: The share of the calls that are hit ...
    rate: float = 1.0
    #: ... after so many calls have passed ...
    skip: int = 0
    #: ... until so many have been hit.
    times: int | None = None
    seconds: float = 1.0
    size: int = 64 * 1024 * 1024
    record: int = 0
    field: str | None = None
    retry_after: str | None = None
    #: The error code sent with a status, by systems whose errors have codes.
    code: str | None = None
    fired: int = 0

    def __post_init__(self) -> None:
        base, _, when = self.kind.partition("_")
        is_status = base.isdecimal() and _LOWEST_STATUS <= int(base) <= _HIGHEST_STATUS
        if not (is_status or base in EITHER_SIDE or (base in RESPONSE_ONLY and not when)):
            raise ValueError(f"{self.kind}: no such fault")
        if when not in {"", "before", "after"}:
            raise ValueError(f"{self.kind}: a fault comes _before or _after")

    @property
    def base(self) -> str:
        """The kind without `_before` and `_after`."""
        return self.kind.partition("_")[0]

    @property
    def after(self) -> bool:
        """True if the work is done before the fault strikes."""
        return self.kind.endswith("_after") or self.base in RESPONSE_ONLY

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Parse `system:op:kind:key=value:...`; `*` is any system or operation. Raise ValueError for a wrong one."""
        (system, op, kind), options = spec.parse(text, 3)
        return cls.build({"system": system, "op": op, "kind": kind, **options})

    @classmethod
    def build(cls, values: dict[str, Any]) -> Fault:
        """Build a fault from its fields. Raise ValueError for an unknown or missing field."""
        allowed = {f.name for f in fields(cls)} - {"fired"}
        if unknown := set(values) - allowed:
            raise ValueError(f"unknown option: {', '.join(sorted(unknown))}")
        if missing := {"system", "op", "kind"} - set(values):
            raise ValueError(f"missing: {', '.join(sorted(missing))}")
        return cls(**{name: _TYPES.get(name, str)(value) for name, value in values.items() if value is not None})


_TYPES: Final[dict[str, type[Any]]] = {
    **dict.fromkeys(("rate", "seconds"), float),
    **dict.fromkeys(("skip", "times", "size", "record"), int),
}


class Faults:
    """The rules in force; a call is hit by the first rule that matches it, and by no other."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a rule after the others."""
        self._rules.append(fault)

    def clear(self, system: str | None) -> int:
        """Remove the rules of one system, or all; return how many."""
        before = len(self._rules)
        self._rules = [rule for rule in self._rules if system is not None and rule.system != system]
        return before - len(self._rules)

    def report(self) -> list[dict[str, Any]]:
        """Return the rules, each with how often it has `fired`."""
        return [asdict(rule) for rule in self._rules]

    def draw(self, system: str, account: str, op: str) -> Fault | None:
        """Return the fault that hits this call, if one does, and count it."""
        for rule in self._rules:
            if (
                rule.system in {system, "*"}
                and rule.op in {op, "*"}
                and rule.account in {account, "*"}
                and rule.times != rule.fired
            ):
                if rule.skip:
                    rule.skip -= 1
                elif rule.rate >= 1.0 or self._rng.random() < rule.rate:
                    rule.fired += 1
                    return rule
        return None
