"""The receiver: names, numbers and company fall back from the address to the customer and the billing address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.order import Address, Customer, Order, Status, Totals
from schemas.receiver import full_name, given_names, receiver_of

PLACE = {"street1": "High St 9", "city": "Leeds", "country": "GB"}
NAMES = ("first_name", "middle_name", "last_name", "company")


def order(
    to: dict[str, Any] | None = None, customer: dict[str, Any] | None = None, bill: dict[str, Any] | None = None
) -> Order:
    return Order(
        provider="p",
        external_id="1",
        status=Status.NEW,
        ordered_at=datetime(2026, 1, 5, tzinfo=UTC),
        lines=(),
        totals=Totals(),
        shipping_address=Address(**(to or {})),
        customer=Customer(**(customer or {})),
        billing_address=Address(**bill) if bill is not None else None,
    )


def person(**names: str) -> dict[str, str]:
    return names


ADA = person(first_name="Ada", last_name="Byron")
ANN = person(first_name="Ann", last_name="Buyer")
ACME = person(company="Acme")


@pytest.mark.parametrize(
    ("to", "customer", "bill", "expected", "required"),
    [
        # The address has the whole name: nothing else counts.
        (ADA, ANN, ACME, ("Ada", None, "Byron", None), ("Ada", None, "Byron", None)),
        # Nobody in the address: the customer, else the billing address.
        ({}, ANN, ADA, ("Ann", None, "Buyer", None), ("Ann", None, "Buyer", None)),
        ({}, {}, ADA | ACME, ("Ada", None, "Byron", "Acme"), ("Ada", None, "Byron", "Acme")),
        ({"first_name": " ", "last_name": ""}, ANN, None, ("Ann", None, "Buyer", None), ("Ann", None, "Buyer", None)),
        # Half a name: completed by the same person, and by another one only if a target requires it.
        (person(first_name="Ada"), ADA, None, ("Ada", None, "Byron", None), ("Ada", None, "Byron", None)),
        (person(first_name="ADA"), ANN, ADA, ("ADA", None, "Byron", None), ("ADA", None, "Byron", None)),
        (
            person(last_name="Byron"),
            ADA | {"middle_name": "A."},
            None,
            ("Ada", "A.", "Byron", None),
            ("Ada", "A.", "Byron", None),
        ),
        (person(first_name="Ada"), ANN, None, ("Ada", None, None, None), ("Ada", None, "Buyer", None)),
        (person(last_name="Byron"), ANN, None, (None, None, "Byron", None), ("Ann", None, "Byron", None)),
        (person(first_name="Ada") | ACME, {}, None, ("Ada", None, None, "Acme"), ("Ada", None, "Acme", "Acme")),
        # A full name in one field.
        (
            person(first_name="Ada King Byron"),
            ANN,
            None,
            ("Ada King Byron", None, None, None),
            ("Ada King", None, "Byron", None),
        ),
        (person(last_name="Ada Byron"), {}, None, (None, None, "Ada Byron", None), ("Ada", None, "Byron", None)),
        (
            person(first_name="Mary Jane"),
            person(first_name="Mary Jane", last_name="Moe"),
            None,
            ("Mary Jane", None, "Moe", None),
            ("Mary Jane", None, "Moe", None),
        ),
        # A company alone.
        (ACME, ANN, None, (None, None, None, "Acme"), ("Ann", None, "Buyer", "Acme")),
        (ACME, {}, None, (None, None, None, "Acme"), (None, None, "Acme", "Acme")),
        ({}, ACME, None, (None, None, None, "Acme"), (None, None, "Acme", "Acme")),
        # One name, and nothing is known.
        (person(first_name="Ada"), {}, None, ("Ada", None, None, None), ("Ada", None, None, None)),
        ({}, {}, None, (None, None, None, None), (None, None, None, None)),
    ],
)
def test_names_fall_back(to: Any, customer: Any, bill: Any, expected: Any, required: Any) -> None:
    for place in ({}, PLACE):
        one = order(to | place, customer, bill)
        results = [receiver_of(one), receiver_of(one, named=True)]
        assert [tuple(getattr(found, name) for name in NAMES) for found in results] == [expected, required]
        assert results[0].model_dump(include=set(PLACE)) == {name: place.get(name) for name in PLACE}


def test_numbers_and_email_fall_back() -> None:
    far = {"phone": "1", "phone2": "2", "email": "c@example.org"}
    cases = [
        (order({}, far), ("1", "2", "c@example.org")),
        (order({"phone": "3", "email": "a@example.org"}, far), ("3", "2", "a@example.org")),
        (order({"phone": "2"}, far), ("2", None, "c@example.org")),
        (order({"phone2": "4"}, far), ("1", "4", "c@example.org")),
        (order({"phone2": "4"}), ("4", None, None)),
        (order({}, {}, far), ("1", "2", "c@example.org")),
        (order(), (None, None, None)),
    ]
    found = [receiver_of(one) for one, _ in cases]
    assert [(each.phone, each.phone2, each.email) for each in found] == [expected for _, expected in cases]


def test_names_in_one_text() -> None:
    ada = Address(first_name="Ada", middle_name="King", last_name="Byron")
    assert (full_name(ada), given_names(ada)) == ("Ada King Byron", "Ada King")
    assert (full_name(Customer()), given_names(Customer())) == (None, None)
    assert full_name(Address(first_name="Ada Byron", last_name="Ada Byron")) == "Ada Byron"


_names = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(NAMES, st.sampled_from(["Ada", "Ann", "Byron", "A B", " ", "Acme"]))
)


@given(_names, _names, st.none() | _names, st.booleans())
def test_no_name_is_made_up_and_none_is_lost(to: Any, customer: Any, bill: Any, named: bool) -> None:  # noqa: FBT001
    one = order(to, customer, bill)
    found = receiver_of(one, named=named)
    known = " ".join(text for each in (to, customer, bill or {}) for text in each.values()).split()
    parts = [getattr(found, name) or "" for name in NAMES]
    assert set(" ".join(parts).split()) <= set(known)
    mine = {word for text in to.values() for word in text.split()}
    assert mine <= set(" ".join(parts).split())
    assert found.model_copy(update=dict.fromkeys(NAMES)) == one.shipping_address.model_copy(update=dict.fromkeys(NAMES))
    if named and " " in (to.get("first_name") or to.get("last_name") or "").strip():
        assert found.first_name
        assert found.last_name
