"""Faults on demand: which call goes wrong, and how."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox import spec

if TYPE_CHECKING:
    import random

#: These may come before the work is done (the default) or after it, told by `_before` or `_after`.
EITHER_SIDE: Final = frozenset({"slow", "cut", "html"})
#: These spoil an answer, so the work is always done first.
ANSWER_ONLY: Final = frozenset({"drip", "oversize", "malformed", "truncated", "insert"})
_LOWEST_STATUS, _HIGHEST_STATUS = 400, 599


@dataclass(slots=True)
class Fault:
    """One rule.

    Kinds: `slow` (answers `seconds` later), a status such as `500`, `502`, `503`, `429`, `401` (with `retry_after` or
    `code`), `cut` (the connection is aborted), `html` (200 with a web page) - each also with `_before` or `_after`,
    that is before the work or after it - and `drip` (one byte each `seconds`), `oversize` (the answer is blown up to
    `size` bytes), `malformed` (`field` of the `record`-th record of a page is broken), `truncated` (half the body, then
    cut), `insert` (an order is added after a page was read).
    """

    system: str
    op: str
    kind: str
    account: str = "*"
    #: The share of the calls that are hit ...
    rate: float = 1.0
    #: ... after this many have passed ...
    skip: int = 0
    #: ... until so many were.
    times: int | None = None
    seconds: float = 1.0
    size: int = 64 * 1024 * 1024
    record: int = 0
    field: str | None = None
    retry_after: str | None = None
    #: Of a system whose errors have codes, the one that comes with a status.
    code: str | None = None
    fired: int = 0

    def __post_init__(self) -> None:
        base, _, when = self.kind.partition("_")
        is_status = base.isdecimal() and _LOWEST_STATUS <= int(base) <= _HIGHEST_STATUS
        if not (is_status or base in EITHER_SIDE or (base in ANSWER_ONLY and not when)):
            raise ValueError(f"{self.kind}: no such fault")
        if when not in {"", "before", "after"}:
            raise ValueError(f"{self.kind}: a fault comes _before or _after")

    @property
    def base(self) -> str:
        """The kind without `_before` and `_after`."""
        return self.kind.partition("_")[0]

    @property
    def after(self) -> bool:
        """Whether the work is done before the fault shows."""
        return self.kind.endswith("_after") or self.base in ANSWER_ONLY

    @classmethod
    def read(cls, text: str) -> Fault:
        """From `system:op:kind:key=value:...`; `*` is any system or operation."""
        (system, op, kind), options = spec.parse(text, 3)
        return cls.build({"system": system, "op": op, "kind": kind, **options})

    @classmethod
    def build(cls, given: dict[str, Any]) -> Fault:
        """From a mapping; raises ValueError on what it does not know."""
        allowed = {f.name for f in fields(cls)} - {"fired"}
        if unknown := set(given) - allowed:
            raise ValueError(f"unknown option: {', '.join(sorted(unknown))}")
        if missing := {"system", "op", "kind"} - set(given):
            raise ValueError(f"missing: {', '.join(sorted(missing))}")
        values: dict[str, Any] = {key: _READ.get(key, str)(value) for key, value in given.items() if value is not None}
        return cls(**values)


_READ: Final[dict[str, type[int | float]]] = {
    "rate": float,
    "seconds": float,
    "skip": int,
    "times": int,
    "size": int,
    "record": int,
}


class Faults:
    """The rules in force; the first one that hits a call is the only one."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Put a rule behind the others."""
        self._rules.append(fault)

    def clear(self, system: str | None) -> int:
        """Drop the rules of one system, or all; says how many."""
        before = len(self._rules)
        self._rules = [rule for rule in self._rules if system is not None and rule.system != system]
        return before - len(self._rules)

    def report(self) -> list[dict[str, Any]]:
        """The rules, each with how often it `fired`."""
        return [asdict(rule) for rule in self._rules]

    def draw(self, system: str, account: str, op: str) -> Fault | None:
        """The fault that hits this call, if one does."""
        for rule in self._rules:
            if (
                rule.system in {system, "*"}
                and rule.op in {op, "*"}
                and rule.account in {account, "*"}
                and rule.times != rule.fired
            ):
                if rule.skip:
                    rule.skip -= 1
                elif rule.rate >= 1.0 or self._chance.random() < rule.rate:
                    rule.fired += 1
                    return rule
        return None
