"""The routes of a history: what must be where, and how far the target follows its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

#: A system and an account, such as `retailcrm/shop`.
Account = tuple[str, str]

#: What a route promises beyond the existence of its orders, by word.
RULES: Final = {
    "creates-all": "orders that are cancelled or withheld at their source are created as well",
    "updates": "the newest version of an order must arrive",
    "cancels": "an order that is cancelled after its delivery must be cancelled in the target",
}
_FORM: Final = "SYSTEM/ACCOUNT=SYSTEM/ACCOUNT[=REFERENCE[=RULE,...]]"


@dataclass(frozen=True, slots=True)
class Route:
    """A source, a target, the reference in the target (a template with `{id}`, the id in the source), and its rules."""

    source: Account
    target: Account
    reference: str
    rules: frozenset[str] = frozenset()

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse `retailcrm/shop=dropday/main` or `retailcrm/shop=dropday/main=shop:{id}=updates,cancels`.

        Raise ValueError for another form.
        """
        source, _, rest = text.partition("=")
        target, _, rest = rest.partition("=")
        reference, _, words = rest.partition("=")
        pairs = [tuple(side.split("/")) for side in (source, target)]
        if any(len(pair) != len(("system", "account")) or not all(pair) for pair in pairs):
            raise ValueError(f"{text!r}: write {_FORM}")
        (system, account), (to, into) = pairs
        reference = reference or f"{account}:{{id}}"
        if "{id}" not in reference:
            raise ValueError(f"{text!r}: the reference must name {{id}}")
        rules = frozenset(filter(None, words.split(",")))
        if unknown := rules - RULES.keys():
            raise ValueError(f"{text!r}: {min(unknown)} is not a rule: choose from {', '.join(RULES)}")
        return cls((system, account), (to, into), reference, rules)

    def __str__(self) -> str:
        text = f"{'/'.join(self.source)}={'/'.join(self.target)}={self.reference}"
        return f"{text}={','.join(sorted(self.rules))}" if self.rules else text
