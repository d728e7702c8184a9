"""Whether the order that Dropday reports to exist is the one that we sent: it can be someone else's."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.dropday_request import OrderRequest

#: The parts of the address that no setting of ours changes.
_ADDRESS = ("last_name", "address1", "postcode", "city")


def compared(sent: OrderRequest, listed: Mapping[str, Any], placeholder: str | None) -> dict[str, bool]:
    """Return whether an order of the list has the same content as the one that was sent, by field.

    A field that the list does not show, or shows in a form that cannot be read, is not compared.
    """
    return dict(_compared(sent, listed, placeholder))


def _compared(sent: OrderRequest, listed: Mapping[str, Any], placeholder: str | None) -> Iterator[tuple[str, bool]]:
    if source := _text(listed.get("source")):
        yield "source", source == _text(sent.source)
    if (total := _cents(listed.get("total"))) is not None:
        yield "total", total == _cents(sent.total)
    rows = listed.get("order_lines")
    if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
        goods = sorted((_text(product.name), str(_cents(product.quantity))) for product in sent.products)
        yield "products", goods == sorted((_text(row.get("name")), str(_cents(row.get("quantity")))) for row in rows)
    address = listed.get("shipping_address")
    if not isinstance(address, dict):
        return
    for field in _ADDRESS:
        ours, theirs = _text(getattr(sent.shipping_address, field)), _text(address.get(field))
        if ours and theirs and _text(placeholder) not in {ours, theirs}:
            yield f"shipping_address.{field}", ours == theirs


def _text(value: object) -> str:
    return " ".join(unicodedata.normalize("NFC", str(value)).split()).casefold() if value is not None else ""


def _cents(value: object) -> Decimal | None:
    with suppress(InvalidOperation):
        return None if value is None else Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return None
