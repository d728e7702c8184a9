"""The transport order of Dropboy: as uploaded, as listed and as tracked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.lab.sandbox.wire import utc_text, without_none

if TYPE_CHECKING:
    from worker.lab.sandbox.drafts import Draft
    from worker.lab.sandbox.dropboy.job import Job

#: No document lists the states; these names follow those of its webhooks.
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


def from_draft(draft: Draft) -> dict[str, Any]:
    """Return a job from a warehouse to a buyer; without an external id it has no order number."""
    start = (draft.promised or draft.created + 24 * _HOUR) // _HOUR * _HOUR
    window = {"start": utc_text(start), "end": utc_text(start + 2 * _HOUR), "timeType": "between", "lock": False}
    destination = without_none(
        companyName=draft.company,
        attention=" ".join(filter(None, (draft.first_name, draft.last_name))),
        address=f"{draft.street} {draft.building}",
        extraInfo=draft.flat,
        zipCode=draft.postcode,
        city=draft.city,
        countryCode=draft.country.iso,
        email=draft.email,
        phone=_phone(draft.phone),
        comments=draft.comment,
        timeWindow=window,
    )
    return without_none(
        orderNumber=draft.external_id,
        orderType="distribution",
        origin=_WAREHOUSE,
        destination=destination,
        cargo=[without_none(type="parcel", amount=line.quantity, barcode=line.ean) for line in draft.active_lines()],
        price={"amount": draft.goods_total() - draft.discount + draft.shipping},
        comments=draft.note,
    )


def _phone(text: str | None) -> dict[str, int] | None:
    if text is None:
        return None
    prefix, _, number = text.partition(" ")
    return {"prefix": int(prefix), "number": int(number)}


def row(job: Job, fields: str, dates: str) -> dict[str, Any]:
    """Return a job as a list shows it.

    `fields`: `uploaded` (with the fields as uploaded), `nested` (with them in `order`, as in a batch file), `bare`
    (without them) or `id` (nothing else).
    `dates`: the name of the field with the moment of its creation, or `absent`.
    """
    if fields == "id":
        return {"id": job.id}
    bare = {"id": job.id, "wuxusNumber": job.wuxus_number, "status": job.status}
    if fields == "bare":
        return bare
    created = {} if dates == "absent" else {dates: utc_text(job.created)}
    if fields == "nested":
        return {**bare, **created, "order": job.order}
    return {**job.order, **bare, **created}


def tracked(job: Job, side: str) -> dict[str, Any]:
    """Return what a buyer sees of a job; `side` is pickup or delivery."""
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
