"""The fields by which a transport job in Dropboy is compared with the order that it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schemas.order import Shipping
from schemas.receiver import full_name, receiver_of
from schemas.remarks import is_email
from worker.systems.view import digits, lines_of, money, text_of

if TYPE_CHECKING:
    from schemas.dropboy_batch import Job
    from schemas.order import Order

#: The fields of the promised time, which only an account with a time zone has.
PROMISED: Final = ("promised_on", "promised_from", "promised_until")


def order_view(order: Order, job: Job | None) -> dict[str, str]:
    """Return the view of an order: at its source, where `job` is what is sent for it, or as read from Dropboy.

    Dropboy carries one piece to a place: its cargo is not that of the order, which stands in the comments.
    """
    to, shipping = receiver_of(order), order.shipping
    sent = job.destination if job else None
    number = to.phone
    if sent:
        number = f"{sent.phone.prefix}{sent.phone.number}" if sent.phone else None
        # What is no window is part of the comments.
        shipping = shipping if sent.time_window else Shipping()
    return {
        "name": text_of(full_name(to)),
        "company": text_of(to.company),
        "email": text_of(to.email if is_email(to.email) else None),
        "phone": digits(number),
        "street": text_of(to.street1, to.street2),
        "postal_code": text_of(to.postal_code),
        "city": text_of(to.city),
        "country": text_of(sent.country_code if sent else to.country),
        "total": money(order.grand_total),
        "goods": lines_of(job.comments if job else order.note),
        "note": lines_of(sent.comments if sent else shipping.note),
        "promised_on": text_of(shipping.promised_on),
        "promised_from": text_of(shipping.promised_from),
        "promised_until": text_of(shipping.promised_until),
    }
