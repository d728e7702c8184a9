"""The transport order of Dropboy, as it is uploaded, listed or tracked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from worker.lab.sandbox.dropboy.job import Job
    from worker.lab.sandbox.orders import Draft

#: No document lists the states; these are in the manner of the names of its webhooks.
STATES: Final = {
    "new": "created",
    "paid": "created",
    "processing": "planned",
    "shipped": "pickedUp",
    "delivered": "delivered",
    "cancelled": "cancelled",
}
_HOUR: Final = 3600
_WAREHOUSE: Final = {
    "companyName": "Sandbox Warehouse",
    "attention": "Gate 4",
    "address": "Dock Rd 1",
    "zipCode": "8000",
    "city": "Aarhus",
    "countryCode": "DK",
    "phone": {"prefix": 45, "number": 86120000},
}


def written(moment: float) -> str:
    """A moment as Dropboy writes it: UTC, milliseconds, Z."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_draft(draft: Draft) -> dict[str, Any]:
    """A job from a warehouse to a buyer; without an external id it has no number of its own."""
    start = (draft.promised or draft.created + 24 * _HOUR) // _HOUR * _HOUR
    window = {"start": written(start), "end": written(start + 2 * _HOUR), "timeType": "between", "lock": False}
    return _without_nothing({
        "orderNumber": draft.external_id,
        "orderType": "distribution",
        "origin": _WAREHOUSE,
        "destination": _without_nothing({
            "companyName": draft.company,
            "attention": " ".join(filter(None, (draft.first_name, draft.last_name))),
            "address": f"{draft.street} {draft.building}",
            "extraInfo": draft.flat,
            "zipCode": draft.postcode,
            "city": draft.city,
            "countryCode": draft.country.iso,
            "email": draft.email,
            "phone": _phone(draft.phone),
            "comments": draft.comment,
            "timeWindow": window,
        }),
        "cargo": [
            _without_nothing({"type": "parcel", "amount": line.quantity, "barcode": line.ean})
            for line in draft.lines
            if not line.cancelled
        ],
        "price": {"amount": draft.goods() - draft.discount + draft.shipping},
        "comments": draft.note,
    })  # fmt: skip


def _phone(text: str | None) -> dict[str, int] | None:
    if text is None:
        return None
    prefix, _, number = text.partition(" ")
    return {"prefix": int(prefix), "number": int(number)}


def _without_nothing(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def row(job: Job, reading: str, dates: str) -> dict[str, Any]:
    """A job in a list.

    `reading`: `uploaded` (with the fields it was uploaded with), `bare` (without them) or `id` (nothing else).
    `dates`: under which name it says when it was made, or `absent`.
    """
    if reading == "id":
        return {"id": job.id}
    bare = {"id": job.id, "wuxusNumber": job.wuxus_number, "status": job.status}
    if reading == "bare":
        return bare
    made = {} if dates == "absent" else {dates: written(job.created)}
    return {**job.order, **bare, **made}


def tracked(job: Job, side: str) -> dict[str, Any]:
    """What a buyer is shown; `side` is pickup or delivery."""
    window = job.order.get("origin" if side == "pickup" else "destination", {}).get("timeWindow", {})
    return {
        "orderNumber": job.order.get("orderNumber"),
        "wuxusNumber": job.wuxus_number,
        "requisition": job.order.get("requisition"),
        "status": job.status,
        "type": side,
        "assignTime": None,
        "orderData": {
            "start": window.get("start"),
            "end": window.get("end"),
            "between": window.get("timeType") == "between",
            "lock": window.get("lock", False),
        },
        "timeWindow": window or None,
        "vehicleFound": False,
        "estimated": {"arrival": None, "departure": None},
        "actual": {"departure": None},
    }
