"""What a target said of an order: for people who may see the order, and without anything of the order."""

from __future__ import annotations

import json

import pytest

from worker.operations.sentences import impersonal, sentences

ORDER = json.dumps(
    {
        "provider": "shop",
        "status": "new",
        "external_id": "1001",
        "customer": {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.org"},
        "shipping_address": {"street1": "St James Square 12", "postal_code": "SW1Y 4JH", "city": "London"},
        "lines": [{"sku": "MUG", "quantity": "2"}],
    }
)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"shipping_address.postcode": ["The postcode is required."], "products.0.ean": ["Is not an EAN."]},
            ["shipping_address.postcode: The postcode is required.", "products.0.ean: Is not an EAN."],
        ),
        ({"errors": ["One.", "One.", "Two."]}, ["One.", "Two."]),
        ({"errorMsg": "Order is not loaded", "errors": {"customer": {"phone": "Too long"}}, "success": False},
         ["Order is not loaded", "customer.phone: Too long"]),
        ({}, []),
    ],
)  # fmt: skip
def test_each_sentence_stands_after_its_field(fields: dict[str, object], expected: list[str]) -> None:
    assert sentences(json.dumps(fields)) == expected


def test_a_response_that_is_no_json_is_shown_as_it_is() -> None:
    assert sentences("Service for ada") == ["Service for ada"]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("last_name: The name Lovelace is blocked.", "last_name: The name *** is blocked."),
        ("email: ADA@example.org is not valid", "email: *** is not valid"),
        ("The postcode is required.", "The postcode is required."),
        ("postal_code: SW1Y 4JH does not exist in London", "postal_code: *** does not exist in ***"),
        ("Order 1001 exists", "Order *** exists"),
        ("status: new is not allowed for MUG", "status: new is not allowed for MUG"),
        ("street1: 'St James Square 12' is too short", "street1: '***' is too short"),
    ],
)
def test_a_sentence_for_other_people_has_nothing_of_the_order(sentence: str, expected: str) -> None:
    assert impersonal(sentence, ORDER) == expected


def test_no_text_of_an_order_survives_in_a_sentence() -> None:
    for text in ("Ada", "Lovelace", "Square", "SW1Y", "London", "ada@example.org"):
        assert text not in impersonal(f"before {text} after ({text}), '{text}'.", ORDER)
