"""The options of a RetailCRM account as a target."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from schemas import retailcrm as wire
from schemas.leaves import ORDER_LEAVES
from schemas.order import Status


class RetailCRMOptions(BaseModel):
    """The keys of a RetailCRM account.

    `site` must be named where the key reaches several. `time_zone` is the account's own where left out. `currency` is
    for orders that name none. `status_map`, `delivery_map` and `payment_map` give the account's codes for our statuses
    and for the providers' words for delivery and payment; what is not in them is written into the manager's comment.
    But an order that is cancelled later is held until `status_map` has a code for that. `custom_map` gives the code of
    an own field of the account for a field of the order: `{"gift_message" = "gift_text", "custom.nps" = "nps"}`. `bulk`
    orders are created in one call.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    api_key: SecretStr
    site: str | None = None
    time_zone: wire.ZoneKey | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    status_map: dict[Status, str] = {}
    delivery_map: dict[str, str] = {}
    payment_map: dict[str, str] = {}
    custom_map: dict[str, str] = {}
    bulk: Annotated[int, Field(ge=1, le=50)] = 50

    @field_validator("custom_map")
    @classmethod
    def _known_fields(cls, fields: dict[str, str]) -> dict[str, str]:
        """Refuse a path that no order has."""
        for path in fields:
            if path not in ORDER_LEAVES and not path.startswith("custom."):
                raise ValueError(
                    'a key must be the path of a field of the order, such as "gift_message", "customer.tax_id" or '
                    '"custom.nps"'
                )
        return fields
