"""The batch file for uploads to Dropboy, and the answers (docs.dropboy.com/reference, "batch-upload")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from schemas import phone
from schemas.countries import country_code
from schemas.dropboy_window import window_of
from schemas.receiver import full_name, receiver_of
from schemas.remarks import goods, is_email, remarks

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from schemas.order import Order


#: What the driver needs and Dropboy has no field for: it goes into the comments of the destination.
_COMMENTS: Final = (
    "shipping_note", "note", "gift_message", "carrier", "method", "description", "promised_text", "ship_on",
    "cancel_after", "signature", "insured", "account", "pickup_point", "tracking_number", "warehouse", "phone2",
    "tax_id", "region",
)  # fmt: skip


class Request(BaseModel):
    """A part of a request. Fields that an order lacks are left out."""

    model_config = ConfigDict(
        defer_build=True, frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


class Phone(Request):
    """A number as two integers: the API refuses a text."""

    prefix: int
    number: int

    @classmethod
    def of(cls, text: str, country: str | None = None) -> Phone | None:
        """Return the two parts of a number; None if it cannot be split without loss."""
        parts = phone.split(text, country)
        return cls(prefix=parts[0], number=parts[1]) if parts else None


def _phone(value: object) -> object:
    if isinstance(value, str):
        if (number := Phone.of(value)) is None:
            raise ValueError("not a telephone number that begins with + and the country's code")
        return number
    return value


class TimeWindow(Request):
    """The time for a visit: UTC, with milliseconds and Z."""

    start: str
    end: str
    time_type: Literal["before", "after", "between", "anytime"]


class Party(Request):
    """One end of a transport; `attention` is the contact person."""

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
    """A number of pieces of one type."""

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
    """`contract_key` names the carrier of the order; without one it is the uploader."""

    contract_key: str | None = None
    order: Job


class Terms(NamedTuple):
    """The facts that an order lacks: its contract, its origin, and its type of cargo."""

    contract_key: str | None
    order_type: Literal["adhoc", "distribution"]
    cargo_type: str
    origin: Party
    #: The time zone of the promised day; None: the day is written into the comments.
    zone: ZoneInfo | None


class BatchFile(Request):
    """The part `batch` of `POST /public/orders/batch`. It has one order, so that its outcome is certain."""

    version: Literal["1.0"] = "1.0"
    data: tuple[Row]

    def missing(self) -> list[str]:
        """Return the fields of the destination that a driver cannot do without."""
        to = self.data[0].order.destination
        fields = [] if to.address else ["destination.address"]
        return fields if to.zip_code or to.city else [*fields, "destination.zipCode", "destination.city"]

    def body(self) -> dict[str, Any]:
        """Return the JSON of the file, without unknown fields."""
        return self.model_dump(by_alias=True, exclude_none=True)

    @classmethod
    def of(cls, order: Order, reference: str, terms: Terms, price: int | None) -> BatchFile:
        """Return the job to carry an order to its receiver, as one piece."""
        job = Job(
            order_number=reference,
            requisition=order.purchase_order or order.display_id,
            order_type=terms.order_type,
            origin=terms.origin,
            destination=_destination(order, terms.zone),
            cargo=(Cargo(type=terms.cargo_type, amount=1),),
            price=None if price is None else Price(amount=price),
            comments=goods_of(order),
        )
        return cls(data=(Row(contract_key=terms.contract_key, order=job),))


def goods_of(order: Order) -> str | None:
    """Return the goods, one line to a line: for Dropboy an order is one piece."""
    return "\n".join(map(goods, order.lines)) or None


def _destination(order: Order, zone: ZoneInfo | None) -> Party:
    """Return the receiver. Facts without a field, or that do not fit into theirs, go into the comments."""
    to = receiver_of(order)
    country = country_code(to.country) if to.country else None
    number = Phone.of(to.phone, country) if to.phone else None
    window = window_of(order.shipping, zone)
    unfit = {
        "phone": number is None,
        "email": not is_email(to.email),
        "promised": window is None,
        "country": country is None,
        "order_number": order.purchase_order is not None,
    }
    return Party(
        company_name=to.company,
        attention=full_name(to),
        address=to.street1,
        extra_info=to.street2,
        zip_code=to.postal_code,
        city=to.city,
        country_code=country,
        email=to.email if is_email(to.email) else None,
        phone=number,
        comments=remarks(order, *_COMMENTS, *(fact for fact, is_unfit in unfit.items() if is_unfit)),
        time_window=TimeWindow(start=window.start, end=window.end, time_type="between") if window else None,
    )


class Answer(BaseModel):
    """A part of an answer: unknown keys are ignored."""

    model_config = ConfigDict(defer_build=True, frozen=True, alias_generator=to_camel, coerce_numbers_to_str=True)


class Uploaded(Answer):
    """The answer to an upload: the file was received, and nothing is created yet."""

    batch_file_id: str = Field(min_length=1)


class Fault(Answer):
    """The reason why a row was refused: `path` begins with an empty text, `index` is the row's index in `data`."""

    index: int | None = None
    path: list[str] = []
    message: str | None = None


def _list(value: object) -> object:
    return [] if value is None else value


class Progress(Answer):
    """`GET /public/orders/batch/status/{batchFileId}`; a `completed` file may have rows that were refused."""

    status: Literal["processing", "completed", "failed"]
    created_order_ids: Annotated[list[str], BeforeValidator(_list)] = []
    errors: Annotated[list[Fault], BeforeValidator(_list)] = []
