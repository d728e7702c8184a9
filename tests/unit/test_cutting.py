"""A page that is not JSON because of some of its records is cut into its records."""

from __future__ import annotations

import json
import random
from typing import Any, Final

import pytest

from worker.jsontext.cutting import cut
from worker.jsontext.decoding import decode
from worker.jsontext.fragments import Fragment

_ENVELOPE: Final = b'{"success": true, "orders": [%s], "pagination": {"pages": [1], "of": {}}, "errors": []}'


def order(number: int) -> bytes:
    """Return an order with nested lists and objects, and a place to spoil."""
    items = [{"id": 10 * number + n, "name": "Mug", "quantity": 1} for n in range(3)]
    fields = {"id": number, "number": f"N-{number}", "items": items, "note": "XX", "total": 10, "address": {"id": 7}}
    return json.dumps(fields).encode()


def spoiled(old: bytes, new: bytes, number: int = 2) -> bytes:
    text = order(number)
    assert old in text
    return text.replace(old, new)


BROKEN: Final = {
    "a wrong byte": spoiled(b"XX", b"caf\xe9"),
    "a line break": spoiled(b"XX", b"a\r\n\tb"),
    "a null character": spoiled(b"XX", b"a\x00b"),
    "NaN": spoiled(b'"total": 10', b'"total": NaN'),
    "minus infinity": spoiled(b'"total": 10', b'"total": -Infinity'),
    "a quote": spoiled(b"XX", b'12" pipe'),
    "two quotes": spoiled(b"XX", b'say "so" now'),
    "a quote and a bracket": spoiled(b"XX", b'a"}b'),
    "an escape": spoiled(b"XX", b"C:\\x"),
    "half an escape": spoiled(b"XX", b"\\u12"),
    "two commas": spoiled(b'"total": 10', b'"total": 10,'),
    "no comma": spoiled(b'"N-2",', b'"N-2"'),
    "no value": spoiled(b'"total": 10', b'"total":'),
    "no quote at the end": spoiled(b'"XX"', b'"XX'),
    "no brace": order(2)[:-1],
    "no bracket": spoiled(b"]", b""),
    "a number that would fill the memory": spoiled(b'"total": 10', b'"total": 1E+999999999'),
    "a fraction that would fill the memory": spoiled(b'"total": 10', b'"total": 1e-99999999999999999999'),
    "too many digits": spoiled(b'"total": 10', b'"total": ' + b"1" * 5000),
    "nested too deep": spoiled(b'"total": 10', b'"total": ' + b"[" * 10_000 + b"]" * 10_000),
    "Python": spoiled(b'"total": 10', b'"total": None'),
    "a brace too many": order(2).replace(b'"note"', b'"note": }, "note"'),
    "cut off in a list": order(2)[:60],
    "cut off in a text": order(2)[: order(2).index(b"XX") + 1],
}


def read(body: bytes, key: str) -> Any:
    document = cut(body, key)
    assert document is not None
    return document


def ids(records: list[Any]) -> list[Any]:
    return [("broken" if isinstance(record, Fragment) else "whole", record.get("id")) for record in records]


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_record_hides_no_other(name: str, place: int) -> None:
    orders = [order(1), order(3), order(4)]
    orders.insert(place, BROKEN[name])
    body = _ENVELOPE % b", ".join(orders)
    assert not _is_json(body)
    document = read(body, "orders")
    expected: list[Any] = [("whole", 1), ("whole", 3), ("whole", 4)]
    expected.insert(place, ("broken", 2))
    assert ids(document["orders"]) == expected
    assert document["pagination"] == {"pages": [1], "of": {}}
    fragment = document["orders"][place]
    assert fragment.reason
    assert "N-2" in fragment.text
    assert [record for record in document["orders"] if record is not fragment] == [
        json.loads(order(number)) for number in (1, 3, 4)
    ]


@pytest.mark.parametrize("stub", [b'{"id": null}', b'{"id": 9, "items": []}', b"{}"])
def test_a_record_of_few_fields_does_not_make_records_of_the_parts_of_others(stub: bytes) -> None:
    broken = [BROKEN["no bracket"], BROKEN["no brace"], order(3), order(4), BROKEN["no value"].replace(b"2,", b"5,", 1)]
    records = read(_ENVELOPE % b", ".join([stub, *broken]), "orders")["orders"]
    assert [number for _, number in ids(records)] == [json.loads(stub).get("id"), 2, 2, 3, 4, 5]


@pytest.mark.parametrize("keys", [5, 20, 60])
def test_a_first_record_with_more_keys_inside_than_a_record_has_swallows_no_other(keys: int) -> None:
    inside = json.dumps({f"inner{n}": n for n in range(keys)}).encode()
    first = order(2).replace(b'"address": {"id": 7}}', b'"address": ' + inside[:-1] + b", ")
    assert first != order(2)
    records = read(_ENVELOPE % b", ".join([first, order(3), order(4), order(5)]), "orders")["orders"]
    assert ids(records) == [("broken", 2), ("whole", 3), ("whole", 4), ("whole", 5)]


def test_several_broken_records_are_told_apart() -> None:
    rng = random.Random(14)
    for _ in range(60):
        kinds = rng.sample(sorted(BROKEN), 3)
        numbers = iter((20, 21, 22))
        orders = [order(1)]
        for kind in kinds:
            orders += [BROKEN[kind].replace(b'{"id": 2,', b'{"id": %d,' % next(numbers)), order(rng.randrange(30, 99))]
        rng.shuffle(orders)
        records = read(_ENVELOPE % b",".join(orders), "orders")["orders"]
        found = [number for _, number in ids(records)]
        assert set(found) == {json.loads(text)["id"] if _is_json(text) else int(text[7:9]) for text in orders}, kinds
        whole = [record for record in records if not isinstance(record, Fragment)]
        assert whole == [json.loads(text) for text in orders if _is_json(text)], kinds


def _is_json(text: bytes) -> bool:
    try:
        decode(text)
    except ValueError:
        return False
    return True


def test_the_field_that_fails_is_named_and_no_value_is() -> None:
    fragment = read(_ENVELOPE % BROKEN["a wrong byte"], "orders")["orders"][0]
    assert (fragment.field, fragment.reason) == ("note", "note: not JSON: a byte that is not UTF-8")
    assert "caf\ufffd" in fragment.text


def test_a_list_without_an_envelope_is_cut() -> None:
    assert ids(read(b"[%s, %s]" % (BROKEN["NaN"], order(1)), "")) == [("broken", 2), ("whole", 1)]


@pytest.mark.parametrize(
    "body",
    [
        (_ENVELOPE % order(1))[:-60],
        (_ENVELOPE % order(1))[:120],
        (_ENVELOPE % order(1)).replace(b'"pages": [1]', b'"pages": NaN'),
        b"<html>orders: [</html>",
        b'{"orders": ',
        b'{"orders": {}}',
        b'{"others": [NaN]}',
        b"",
        b"\xff\xfe",
        b'{"orders": [' * 1000,
    ],
)
def test_a_page_that_cannot_be_told_apart_is_not_cut(body: bytes) -> None:
    assert cut(body, "orders") is None


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_is_kept() -> None:
    assert decode(rb'["\ud83d", "\ud83d\ude00", "\\ud83d", "\uDE00x", "\ud83d\ud83d\ude00"]') == [
        "\ufffd", "\U0001f600", r"\ud83d", "\ufffdx", "\ufffd\U0001f600",
    ]  # fmt: skip
