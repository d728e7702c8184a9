"""The batch file that Dropboy is sent orders in, with its answers (docs.dropboy.com/reference, "batch-upload")."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from schemas import phone
from schemas.country import code_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from schemas.order import Order


class Request(BaseModel):
    """A part of what is sent; what an order lacks is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Phone(Request):
    """A number as two integers: a text is refused."""

    prefix: int
    number: int

    @classmethod
    def of(cls, text: str, country: str | None = None) -> Phone | None:
        """None where the number cannot be taken apart without loss."""
        parts = phone.split(text, country)
        return cls(prefix=parts[0], number=parts[1]) if parts else None


def _phone(value: object) -> object:
    if isinstance(value, str):
        if (read := Phone.of(value)) is None:
            raise ValueError("not a telephone number that begins with + and the country's code")
        return read
    return value


class TimeWindow(Request):
    """When somebody may come: UTC, with milliseconds and Z."""

    start: str
    end: str
    time_type: Literal["before", "after", "between", "anytime"]


class Party(Request):
    """An end of the way; `attention` is whom to ask for."""

    company_name: str | None = None
    attention: str | None = None
    address: str | None = None
    extra_info: str | None = None
    zip_code: str | None = None
    city: str | None = None
    country_code: str | None = None
    email: str | None = None
    phone: Annotated[Phone | None, BeforeValidator(_phone)] = None
    comments: str | None = None
    time_window: TimeWindow | None = None


class Cargo(Request):
    """So many of one kind of thing that is carried."""

    type: str
    amount: int


class Price(Request):
    """`amount` is in the smallest unit of the account's currency."""

    amount: int


class Job(Request):
    """One order; `order_number` is our reference, `requisition` the number that people of the shop use."""

    order_number: str
    requisition: str | None = None
    order_type: Literal["adhoc", "distribution"]
    origin: Party
    destination: Party
    cargo: tuple[Cargo, ...]
    price: Price | None = None
    comments: str | None = None


class Row(Request):
    """`contract_key` says who carries the order; without one it is the uploader."""

    contract_key: str | None = None
    order: Job


class Terms(NamedTuple):
    """What an order does not say: by which contract, from where, as what it goes."""

    contract_key: str | None
    order_type: Literal["adhoc", "distribution"]
    cargo_type: str
    origin: Party
    #: Whose day the promised one is; None: it is said in words.
    zone: ZoneInfo | None


class BatchFile(Request):
    """`POST /public/orders/batch`, the part `batch`; one order, because only then is it certain what became of it."""

    version: Literal["1.0"] = "1.0"
    data: tuple[Row]

    def body(self) -> dict[str, Any]:
        """What goes out; what is not known is left out."""
        return self.model_dump(by_alias=True, exclude_none=True)

    @classmethod
    def of(cls, order: Order, reference: str, terms: Terms, price: int | None) -> BatchFile:
        """The job of bringing an order to its receiver, as one piece."""
        job = Job(
            order_number=reference,
            requisition=order.display_id,
            order_type=terms.order_type,
            origin=terms.origin,
            destination=_destination(order, terms.zone),
            cargo=(Cargo(type=terms.cargo_type, amount=1),),
            price=None if price is None else Price(amount=price),
            comments="\n".join(f"{line.quantity:f} x {line.name}" for line in order.lines) or None,
        )
        return cls(data=(Row(contract_key=terms.contract_key, order=job),))


def _destination(order: Order, zone: ZoneInfo | None) -> Party:
    """What has no field of its own, or does not fit into it, goes into the comments: nothing is lost or guessed."""
    to, customer, day = order.shipping_address, order.customer, order.shipping.promised_on
    named: Any = to if to.first_name or to.last_name or to.company else customer
    country = code_of(to.country) if to.country else None
    number = to.phone or customer.phone
    phone_number = Phone.of(number, country) if number else None
    window = _window(day, zone) if day and zone else None
    said: Iterator[str | None] = iter(
        (
            order.shipping.note,
            order.note,
            f"Phone: {number}" if number and phone_number is None else None,
            f"Promised on: {day}" if day and window is None else None,
            f"Region: {to.region}" if to.region else None,
            f"Country: {to.country}" if to.country and country is None else None,
        )
    )
    return Party(
        company_name=named.company,
        attention=" ".join(filter(None, (named.first_name, named.last_name))) or None,
        address=to.street1,
        extra_info=to.street2,
        zip_code=to.postal_code,
        city=to.city,
        country_code=country,
        email=to.email or customer.email,
        phone=phone_number,
        comments="\n".join(filter(None, said)) or None,
        time_window=window,
    )


def _window(day: str, zone: ZoneInfo) -> TimeWindow | None:
    """The whole day where the receiver lives; None if there is no such day."""
    with suppress(ValueError, OverflowError):
        first = date.fromisoformat(day)
        start, end = _moment(first, zone), _moment(first + timedelta(days=1), zone)
        return TimeWindow(start=start, end=end, time_type="between")
    return None


def _moment(day: date, zone: ZoneInfo) -> str:
    at = datetime.combine(day, time(), zone).astimezone(UTC)
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class Answer(BaseModel):
    """A part of what is answered: keys that nobody reads are let pass."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, coerce_numbers_to_str=True)


class Uploaded(Answer):
    """The answer to an upload: the file is there, and nothing is created yet."""

    batch_file_id: str = Field(min_length=1)


class Fault(Answer):
    """Why a row was not taken: `path` begins with an empty text, `index` is the row's place in `data`."""

    index: int | None = None
    path: list[str] = []
    message: str | None = None


def _list(value: object) -> object:
    return [] if value is None else value


class Progress(Answer):
    """`GET /public/orders/batch/status/{batchFileId}`; a file that is `completed` may hold rows that were refused."""

    status: Literal["processing", "completed", "failed"]
    created_order_ids: Annotated[list[str], BeforeValidator(_list)] = []
    errors: Annotated[list[Fault], BeforeValidator(_list)] = []
