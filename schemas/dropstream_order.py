"""The order of DropStream: the fields that Intake reads; all others are kept as sent (pages "order", "order_item").

It is not documented whether an amount ("decimal (8.2)") is text or a number, and whether a field that is not set is
null, empty or absent: all forms are read. Amounts, quantities, items, the state, and what says that an item is canceled
are essential; any other field that cannot be read is left out (see `schemas/reading.py`).
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StringConstraints

from schemas.dropstream import When, Wire
from schemas.reading import ESSENTIAL
from schemas.values import Day
from schemas.wire import Amount, Essentials, Flag, List, Maybe, Measure, Object

#: A day, alone or at the beginning of a time.
_DAY: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ].*)?")


def _day(value: object) -> object:
    """Return the day of a time as it is written: a day has no time zone."""
    if isinstance(value, str) and (match := _DAY.fullmatch(value.strip())):
        return date.fromisoformat(match[1]).isoformat()
    return value


def _options(value: object) -> object:
    """Return a list of objects. One object, or the list as an object, may stand for it."""
    return [value] if isinstance(value, dict) and not any(isinstance(each, dict) for each in value.values()) else value


class Place(Wire):
    """An address."""

    first_name: Maybe[str] = None
    last_name: Maybe[str] = None
    street1: Maybe[str] = None
    street2: Maybe[str] = None
    city: Maybe[str] = None
    region: Maybe[str] = None
    postal_code: Maybe[str] = None
    country: Maybe[str] = None
    telephone: Maybe[str] = None


class Item(Wire):
    """One line of an order. `quantity` is not documented; `canceled` means "canceled from the order"."""

    id: Maybe[str] = None
    external_order_item_id: Maybe[str] = None
    external_product_id: Maybe[str] = None
    name: Maybe[str] = None
    sku: Maybe[str] = None
    upc: Maybe[str] = None
    quantity: Amount = None
    unit_price: Amount = None
    unit_cost: Measure = None
    discount_amount: Amount = None
    tax_amount: Amount = None
    canceled: Flag = None
    weight: Measure = None
    weight_uom: Maybe[str] = None
    gift_wrap: Maybe[bool] = None
    customer_notes: Maybe[str] = None
    color_description: Maybe[str] = None
    size_description: Maybe[str] = None
    product_options: Maybe[str] = None
    product_type: Maybe[str] = None
    options: Annotated[List[dict[str, Any]], BeforeValidator(_options)] = Field(default_factory=list)
    custom: Object[dict[str, Any]] = Field(default_factory=dict)


class Order(Wire):
    """One order, in a list or by itself."""

    id: int = Field(gt=0)
    store_id: Maybe[str] = None
    external_id: Maybe[str] = None
    external_display_id: Maybe[str] = None
    external_billing_customer_id: Maybe[str] = None
    customer_email: Maybe[str] = None
    ordered_at: When = None
    created_at: When = None
    fulfillment_state: Annotated[Maybe[str], ESSENTIAL] = None
    fulfillment_transitioned_at: When = None
    fulfillment_warehouse_id: Maybe[str] = None
    currency_code: Maybe[Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{3}$", to_upper=True)]] = None
    invoice_number: Maybe[str] = None
    purchase_order_id: Maybe[str] = None
    payment_type: Maybe[str] = None
    payment_date: When = None
    requested_ship_date: Annotated[Maybe[Day], BeforeValidator(_day)] = None
    requested_cancel_date: Annotated[Maybe[Day], BeforeValidator(_day)] = None
    shipping_carrier_name: Maybe[str] = None
    shipping_carrier_service_level: Maybe[str] = None
    external_shipping_description: Maybe[str] = None
    shipping_warehouse_code: Maybe[str] = None
    shipping_notes: Maybe[str] = None
    signature_required: Maybe[bool] = None
    insured_amount: Measure = None
    third_party_account_number: Maybe[str] = None
    third_party_billing_code: Maybe[str] = None
    notes: Maybe[str] = None
    gift_message: Maybe[str] = None
    external_tags: Maybe[str] = None
    discount_codes: Maybe[str] = None
    shipping_amount: Amount = None
    shipping_tax_amount: Amount = None
    discount_amount: Amount = None
    tax_amount: Amount = None
    shipping_address: Object[Place] = Place.model_construct()
    billing_address: Object[Place] = Place.model_construct()
    order_items: Essentials[Item]
    custom: Object[dict[str, Any]] = Field(default_factory=dict)
