"""The shared parts of the views by which reconcile compares an order in its source with the order in a target.

A view maps the name of a field to its text. Reconcile compares a field only if the view names it and the source has a
text for it: a field that the target cannot hold, or fills in by itself, is no difference. No view has statuses (people
move them in the target), internal notes (people write their own), currencies (only an OrderCloud user has one) or
times.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.order import Address, Customer

#: Whether the order was read from its source, or from the target that it was carried to.
Side = Literal["source", "target"]
#: Texts by field; "" for a field that the order does not fill.
View = Mapping[str, str]

_CENT: Final = Decimal("0.01")
#: Digits enough for any amount of an order, and for the sum of all its lines.
_EXACT: Final = Context(prec=80)


def differing(source: View, target: View) -> tuple[str, ...]:
    """Return the fields that the source fills and the target does not show with the same text."""
    return tuple(name for name, text in source.items() if text and target.get(name) != text)


def text_of(*parts: str | None) -> str:
    """Join the parts with commas, with blanks and accents written in one way."""
    joined = ", ".join(filter(None, parts))
    return " ".join(unicodedata.normalize("NFC", joined).split())


def lines_of(*texts: str | None) -> str:
    """Join the lines of the texts, as `text_of` joins parts."""
    return text_of(*(line for text in texts for line in (text or "").split("\n")))


def money(value: Decimal | None) -> str:
    """Write an amount to the cent; "" for None."""
    return "" if value is None else f"{value.quantize(_CENT, ROUND_HALF_UP, _EXACT):f}"


def number(value: Decimal) -> str:
    """Write a number without trailing zeros."""
    return f"{value.normalize(_EXACT):f}"


def digits(phone: str | None) -> str:
    """Return the digits of a phone number."""
    return re.sub(r"\D", "", phone or "")


def listing(items: Iterable[str]) -> str:
    """Write how many items there are, and the items in alphabetical order."""
    ordered = sorted(items)
    return f"{len(ordered)}: " + "; ".join(ordered)


def place(address: Address) -> dict[str, str]:
    """Return the fields postal_code, city and region."""
    return {
        "postal_code": text_of(address.postal_code),
        "city": text_of(address.city),
        "region": text_of(address.region),
    }


def names(person: Address | Customer) -> dict[str, str]:
    """Return the fields first_name and last_name."""
    return {"first_name": text_of(person.first_name), "last_name": text_of(person.last_name)}
