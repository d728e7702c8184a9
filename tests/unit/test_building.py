"""A part that is built from usual values is the one that pydantic would have built, and any other is left to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, field_validator

from schemas.building import build, plan_of
from schemas.order import Address, Customer, Line, Option, Order, Part, Payment, PickupPoint, Shipping, Status, Totals

KINDS: tuple[type[Part], ...] = (Address, Customer, Line, Option, Order, Payment, PickupPoint, Shipping, Totals)
LINE = Line(name="Mug", quantity=1, unit_price=Decimal("9.90"))
TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ("", " ", "\t", "a", " a ", "a\tb", "a\x00b", "a\x7f", "\ud800", "\u00a0a", "e\u0301", "\U0001f600")
    ),
    st.sampled_from(("EUR", "eur", "EUR\n", "Netherlands", "nl", "Atlantis", "new", "deleted", "a" * 255, "a" * 256)),
    st.sampled_from(("2026-01-02", "2026-01-02 ", "\u0662026-01-02", "24:00", "09:30")),
)
MOMENTS = st.sampled_from(
    [
        datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=-3))),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Amsterdam"), fold=1),
        datetime(2026, 1, 2),  # noqa: DTZ001  # without a zone: refused
        datetime.max.replace(tzinfo=ZoneInfo("America/New_York")),
        "2026-01-02T03:04:05Z",
        1767323045,
    ]
)
NUMBERS = st.one_of(
    st.decimals(allow_nan=True, places=7),
    st.integers(-(2**70), 2**70),
    st.sampled_from(
        [Decimal("1E+3"), Decimal("-0.0"), Decimal("9.900"), "12.50", "1e3", " 5 ", 0.5, True, Decimal(10) ** 27]
    ),
)
VALUES = st.one_of(
    st.none(),
    TEXTS,
    NUMBERS,
    MOMENTS,
    st.booleans(),
    st.sampled_from(Status),
    st.lists(TEXTS, max_size=3).map(tuple),
    st.lists(TEXTS, max_size=3),
    st.dictionaries(st.one_of(TEXTS, st.integers(0, 3)), st.one_of(TEXTS, NUMBERS, st.none()), max_size=3),
    st.sampled_from(((LINE,), [LINE], (LINE, {"name": "Cup", "quantity": 1, "unit_price": 2}), (Payment(amount=1),))),
    st.sampled_from((Totals(), Customer(id="7"), Address(), Shipping(method="post"), PickupPoint())),
    st.just((Option(name="size", value="XL"),)),
)
#: A usual value of each field that must be given, so that few parts are refused.
REQUIRED: dict[type[Part], dict[str, Any]] = {
    Line: {"name": "Mug", "quantity": 2, "unit_price": Decimal("9.90")},
    Option: {"name": "size", "value": "XL"},
    Order: {
        "provider": "shop",
        "external_id": "1001",
        "status": Status.NEW,
        "ordered_at": datetime(2026, 1, 2, tzinfo=UTC),
        "lines": (LINE,),
        "totals": Totals(grand=Decimal("9.90")),
    },
}


def outcome(kind: type[Part], data: dict[str, Any], *, built: bool) -> Any:
    """Return everything of the part that `data` makes, by our way or by that of pydantic, or why it is refused."""
    try:
        part = kind(**data) if built else kind.model_validate(data)
    except ValidationError as error:
        return [(each["loc"], each["type"], each["msg"]) for each in error.errors(include_input=False)]
    return [(name, type(value), repr(value)) for name, value in part.__dict__.items()], part.model_fields_set, part


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(KINDS), st.data())
def test_a_part_is_built_as_pydantic_builds_it(kind: type[Part], data: Any) -> None:
    names = data.draw(st.lists(st.sampled_from([*kind.model_fields, "unknown"]), max_size=4, unique=True))
    values = {**REQUIRED.get(kind, {}), **{name: data.draw(VALUES) for name in names if name != "unknown" or names[1:]}}
    for name in data.draw(st.sampled_from([[], [], [], ["name"], ["status"]])):
        values.pop(name, None)
    assert outcome(kind, values, built=True) == outcome(kind, values, built=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_of_usual_values_is_built_without_pydantic(kind: type[Part]) -> None:
    texts = {name: "a" for name in kind.model_fields if name in plan_of(kind).texts}  # type: ignore[union-attr]
    assert build(kind.__new__(kind), {**texts, **REQUIRED.get(kind, {})})


def test_every_field_of_an_order_can_be_built_without_pydantic() -> None:
    for kind in KINDS:
        plan = plan_of(kind)
        assert plan is not None
        assert set(kind.model_fields) == plan.texts | plan.readers.keys()


def test_the_validators_of_a_derived_class_are_not_skipped() -> None:
    class Own(Customer):
        @field_validator("email")
        @classmethod
        def _lower(cls, text: str) -> str:
            return text.lower()

    assert Own(email="ADA@example.org").email == "ada@example.org"


def test_a_part_inside_of_a_document_is_read_by_pydantic_alone() -> None:
    class Holder(BaseModel):
        to: Address

    assert not Address.__pydantic_custom_init__
    assert Holder.model_validate({"to": {"city": " Reno "}}).to == Address(city="Reno")
