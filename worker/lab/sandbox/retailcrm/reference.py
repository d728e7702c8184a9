"""The reference data of an account of RetailCRM: its codes, as `GET /reference/...` lists them.

The codes of a new account, and of one that was recorded (github.com/retailcrm/api-client-php, `ReferencesTest`).
"""

from __future__ import annotations

from typing import Any, Final

_STATUSES: Final = {
    "new": "new",
    "approval": "availability-confirmed offer-analog client-confirmed prepayed",
    "assembling": "send-to-assembling assembling assembling-complete",
    "delivery": "send-to-delivery delivering redirect ready-for-self-pickup arrived-in-pickup-point delivered",
    "complete": "complete partially-completed",
    "cancel": (
        "no-call no-product already-buyed delyvery-did-not-suit prices-did-not-suit cancel-other return abandoned-cart "
        "testdubl"
    ),
}
_PRODUCT_STATUSES: Final = "new in-reserve assembling sent sale"
_CANCELLED: Final = "out-of-stock failure product-is-damaged assembly-not-delivery lost returned"
_PAYMENT_STATUSES: Final = "not-paid invoice payment-start canceled credit-check fail wait-approved paid returned"
#: The other lists: the name in the path, the field of the answer, and the codes.
_LISTS: Final = {
    "order-types": ("orderTypes", "eshop-individual eshop-legal"),
    "order-methods": ("orderMethods", "shopping-cart phone one-click app live-chat messenger"),
    "payment-types": ("paymentTypes", "cash bank-card e-money bank-transfer credit card ideal cod"),
    "delivery-types": ("deliveryTypes", "courier self self-delivery ems russian-post pickup post"),
    "stores": ("stores", "main"),
    "price-types": ("priceTypes", "base"),
}


def _entries(codes: list[str], **fields: Any) -> dict[str, dict[str, Any]]:
    """Return entries by code, as PHP writes a map."""
    return {
        code: {"code": code, "name": code.replace("-", " ").capitalize(), "active": True, **fields} for code in codes
    }


class Reference:
    """The codes of one account. `statuses` are its own by code, each with its group; `more` is for all lists."""

    def __init__(self, statuses: dict[str, str], more: list[str], sites: list[str]) -> None:
        groups = {group: codes.split() for group, codes in _STATUSES.items()}
        for code, group in statuses.items():
            groups.setdefault(group, []).append(code)
        orders: dict[str, dict[str, Any]] = {}
        for group, codes in groups.items():
            orders |= _entries(codes, ordering=10, group=group)
        lines = _entries(_PRODUCT_STATUSES.split(), cancelStatus=False) | _entries(
            _CANCELLED.split(), cancelStatus=True
        )
        payments = _entries(_PAYMENT_STATUSES.split()) | _entries(["paid"], paymentComplete=True)
        #: By the name in the path: the field of the answer, and its value.
        self.lists: dict[str, tuple[str, Any]] = {
            "statuses": ("statuses", orders),
            "status-groups": ("statusGroups", {g: _group(g, codes) for g, codes in groups.items()}),
            "product-statuses": ("productStatuses", lines),
            "payment-statuses": ("paymentStatuses", payments),
            "sites": ("sites", _entries(sites, isDemo=False)),
            "countries": ("countriesIso", ["RU", "BY", "KZ", "UA", "DE", "ES", "NL", "GB", "US", "JP", "MX"]),
        }
        for name, (field, listed) in _LISTS.items():
            self.lists[name] = (field, _entries([*listed.split(), *more]))
        for name in ("statuses", "payment-statuses"):
            self.lists[name][1].update(
                _entries([code for code in more if code not in self.lists[name][1]], group="new")
            )

    def has(self, name: str, code: object) -> bool:
        """Return whether a list has the code."""
        return code in self.lists[name][1]


def _group(code: str, statuses: list[str]) -> dict[str, Any]:
    return {
        "code": code,
        "name": code.capitalize(),
        "active": True,
        "ordering": 10,
        "process": True,
        "statuses": statuses,
    }


#: The fields of a posted order that hold a code: the path of the field, the list, and how RetailCRM names the kind.
_CODED: Final = (
    ("status", "statuses", "Status"),
    ("orderType", "order-types", "OrderType"),
    ("orderMethod", "order-methods", "OrderMethod"),
    ("shipmentStore", "stores", "Store"),
)


def unknown_codes(reference: Reference, posted: dict[str, Any]) -> dict[str, str]:
    """Return an error for each code of a posted order that the account does not have ("APIErrorMessage")."""
    errors = {
        field: _not_found(kind, posted[field])
        for field, name, kind in _CODED
        if posted.get(field) is not None and not reference.has(name, posted[field])
    }
    delivery = posted.get("delivery")
    code = delivery.get("code") if isinstance(delivery, dict) else None
    if code is not None and not reference.has("delivery-types", code):
        errors["delivery.code"] = _not_found("DeliveryType", code)
    rows = posted.get("payments")
    for n, payment in enumerate(rows if isinstance(rows, list) else ()):
        for field, name, kind in (
            ("type", "payment-types", "PaymentType"),
            ("status", "payment-statuses", "PaymentStatus"),
        ):
            code = payment.get(field) if isinstance(payment, dict) else None
            if code is not None and not reference.has(name, code):
                errors[f"payments[{n}].{field}"] = _not_found(kind, code)
    return errors


def _not_found(kind: str, code: object) -> str:
    return f"{kind} with code '{code}' not found."
