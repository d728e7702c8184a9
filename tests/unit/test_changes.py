"""What changed since an order was sent: exactly the difference of the two orders, from a few bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings

from schemas import leaves
from schemas.changes import Changes, fingerprints, line_keys, uncertain, with_unknown
from schemas.leaves import LINE_LEAVES, ORDER_LEAVES
from schemas.order import Totals
from support.orders import order
from support.random_orders import orders

if TYPE_CHECKING:
    from schemas.order import Order


def flat(value: Any, path: str = "") -> dict[str, str]:
    """Return the texts of the leaves of a dump, by path; the parts of an order are flat, lists are leaves."""
    found: dict[str, str] = {}
    for name, item in value.items():
        own = f"{path}{name}"
        if isinstance(item, dict) and own in {path.rpartition(".")[0] for path in ORDER_LEAVES}:
            found |= flat(item, f"{own}.")
        else:
            found[own] = repr(item)
    return found


def content_of(given: Order) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Return the leaves of an order, and those of its lines by their keys."""
    dump = given.model_dump(mode="json", exclude_defaults=True)
    for name in ("provider", "external_id", "uncounted"):
        dump.pop(name, None)
    own = dict(zip(line_keys(given), (flat(line, "/") for line in dump.pop("lines")), strict=True))
    custom = {f"custom.{key}": repr(value) for key, value in dump.pop("custom", {}).items()}
    for name in given.uncounted:
        custom.pop(f"custom.{name}", None)
    return flat(dump) | custom, own


def difference(first: dict[str, str], second: dict[str, str]) -> set[str]:
    return {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}


@settings(deadline=None)
@given(orders, orders)
@example(order(custom={"a": 1}), order())
@example(order(lines=[]), order())
def test_the_changes_are_the_difference_of_the_two_orders(before: Order, now: Order) -> None:
    changes = Changes.between(fingerprints(before), now)
    (fields, sent), (new_fields, new) = content_of(before), content_of(now)
    differing = difference(fields, new_fields)
    custom = {path for path in differing if path.startswith("custom.")}
    gone = {path for path in custom if path.removeprefix("custom.") not in now.custom}
    assert changes.fields == differing - gone | ({"custom"} if custom else set())
    assert all(changes.touches(path) for path in differing)
    changed = {key: {leaf[1:] for leaf in difference(sent[key], new[key])} for key in sent.keys() & new.keys()}
    assert changes.lines == {key: leaves for key, leaves in changed.items() if leaves}
    assert changes.added == new.keys() - sent.keys()
    assert {key for key in [*sent, *new, "never"] if changes.removed(key)} == sent.keys() - new.keys()
    assert changes.touches("lines") == (sent != new)
    assert bool(changes) == bool(differing or sent != new)


@settings(deadline=None)
@given(orders, orders, orders)
def test_what_may_have_arrived_is_sent_again(sent: Order, tried: Order, now: Order) -> None:
    """The target has `sent`, in some fields perhaps `tried`: what differs from one of the two is to be written."""
    changes = Changes.between(uncertain(fingerprints(sent), tried), now)
    either = [Changes.between(fingerprints(one), now) for one in (sent, tried)]
    assert changes.fields >= either[0].fields | either[1].fields
    for key, line in zip(line_keys(now), now.lines, strict=True):
        own = [Changes.between(fingerprints(one), now).lines.get(key, frozenset()) for one in (sent, tried)]
        was = [key in line_keys(one) for one in (sent, tried)]
        if all(was):
            assert changes.lines.get(key, frozenset()) >= own[0] | own[1]
        elif any(was):
            # Added or removed, nobody knows: the whole line is to be written.
            assert changes.lines[key] >= leaves.line_leaves(line).keys()
        else:
            assert key in changes.added
    for key in {*line_keys(sent), *line_keys(tried)}:
        assert changes.removed(key) == (key not in line_keys(now))
    assert not Changes.between(uncertain(fingerprints(now), now), now)


def test_a_field_that_was_only_tried_is_written_although_it_is_as_before() -> None:
    sent, tried = order(note="call"), order(note="ring", gift_message="hi")
    assert Changes.between(uncertain(fingerprints(sent), tried), sent).fields == {"note", "gift_message"}


@pytest.mark.parametrize("memory", [b"", b"\0\0", b"from another shape of the schema"])
def test_without_a_memory_everything_counts_as_changed(memory: bytes) -> None:
    now = order(custom={"gift": 1})
    changes = Changes.between(memory, now)
    assert changes == Changes.all(now)
    assert changes
    assert changes.fields == {*ORDER_LEAVES, "custom", "custom.gift"}
    assert changes.lines == {"Mug": frozenset(LINE_LEAVES)}
    assert changes.touches("customer", "custom.other")
    assert changes.removed("Cup")
    assert not changes.removed("Mug")
    assert uncertain(memory, now) == b""


def test_the_memory_begins_with_a_mark_of_the_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fingerprints(order())
    assert memory.startswith(leaves.SHAPE)
    monkeypatch.setattr("schemas.changes.SHAPE", b"xy")
    assert not Changes.between(memory, order()).known


def test_a_cancellation_leaves_the_status_unknown() -> None:
    memory = with_unknown(fingerprints(order(note="call")), "status")
    assert Changes.between(memory, order(note="call")).fields == {"status"}
    assert with_unknown(b"", "status") == b""


def test_parts_of_the_memory_can_be_made_unknown() -> None:
    full = order(note="call", shipping_address={"city": "Delft"}, totals={"shipping": 1, "grand": 2})
    memory = with_unknown(fingerprints(full), "shipping_address.city", "totals")
    assert Changes.between(memory, full).fields == {
        "shipping_address.city",
        *(f"totals.{n}" for n in Totals.model_fields),
    }
    assert Changes.between(with_unknown(fingerprints(full), "lines"), full).lines == {"Mug": frozenset(LINE_LEAVES)}


def test_lines_are_known_by_their_ids_and_repeated_ones_are_numbered() -> None:
    mug = {"name": "Mug", "quantity": 1, "unit_price": 1}
    keyed = [{"id": "7", "sku": "M"}, {"sku": "M", "ean": "1"}, {"ean": "1"}, {"product_id": "P"}, {}, {}, {"id": "M"}]
    made = order(lines=[mug | ids for ids in keyed])
    assert line_keys(made) == ("7", "M", "1", "P", "Mug", "Mug#2", "M#2")
    clash = order(lines=[mug | {"id": key} for key in ("a", "a#2", "a", "a")])
    assert line_keys(clash) == ("a", "a#2", "a#3", "a#4")


def test_equal_values_have_different_digests_in_other_orders_and_fields() -> None:
    first, second = (fingerprints(order(number, note="call", internal_note="call")) for number in "12")
    digests = [{memory[n : n + 3] for n in range(len(memory) - 2)} for memory in (first, second)]
    # The mark, the bits, and the zeros between them are the same.
    assert len(digests[0] & digests[1]) < 15
    assert len({first[n : n + 3] for n in range(13, 28, 3)}) == 5


def test_a_typical_order_takes_about_150_bytes() -> None:
    person = {"first_name": "Ada", "last_name": "Byron", "phone": "+31"}
    address = person | {"street1": "Oude Delft 1", "city": "Delft", "postal_code": "2611", "country": "NL"}
    line = {"sku": "MUG", "name": "Mug", "quantity": 1, "unit_price": 5}
    typical = order(
        display_id="#1",
        currency="EUR",
        note="Ring",
        lines=[line | {"id": number} for number in "123"],
        totals={"items": 15, "shipping": 5, "tax": 3, "grand": 20},
        customer=person | {"id": "7", "email": "a@example.com"},
        shipping_address=address,
        payments=[{"method": "card", "paid": True}],
        shipping={"method": "post", "carrier": "PostNL"},
    )
    assert len(leaves.order_leaves(typical)) == 24
    assert len(fingerprints(typical)) == 153
