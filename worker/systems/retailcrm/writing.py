"""Writes an order as a request to RetailCRM, or says why it cannot be written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from schemas.retailcrm_prices import AmountError
from schemas.retailcrm_request import OrderRequest
from worker.errors import Held, PermanentError, Rejected
from worker.systems.parsing import path

if TYPE_CHECKING:
    from datetime import tzinfo

    from schemas.order import Order
    from schemas.retailcrm_request import Codes


def request_of(  # noqa: PLR0913, PLR0917  # each is a fact of the account
    order: Order, reference: str, target: str, zone: tzinfo, currency: str | None, codes: Codes
) -> OrderRequest:
    """Return the request. Raise Held if its total would be wrong, Rejected if it cannot be written at all."""
    try:
        return OrderRequest.of(order, reference, zone=zone, currency=currency, codes=codes)
    except AmountError as wrong:
        raise Held(
            f"{wrong}. Correct it at the source, or create it in {target} by hand, "
            f"then: intake release {target} {order.key} --drop"
        ) from None
    except OverflowError:
        field = "ordered_at"
    except ValidationError as wrong:
        field = path(wrong.errors(include_url=False, include_context=False, include_input=False)[0]["loc"])
    raise Rejected(f"the order cannot be written: {field}")


def is_writable(order: Order, zone: tzinfo, currency: str | None, codes: Codes) -> bool:
    """Return whether an order can be written as a request."""
    try:
        request_of(order, "", "", zone, currency, codes)
    except (Held, PermanentError):
        return False
    return True
