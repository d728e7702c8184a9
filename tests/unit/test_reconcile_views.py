"""Reconcile compares digests of both sides in a file; only fields that both sides have can differ."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.order import Address, Customer, Line, Order, Shipping, Status, Totals
from support.gates import pass_gate
from worker.http.gates import Pace
from worker.reconcile.report import Finding, Report
from worker.reconcile.spill import Candidate, Spill
from worker.systems.target import Target
from worker.systems.targets import target_kinds
from worker.systems.view import differing

AT = datetime(2026, 3, 1, tzinfo=UTC)
OPTIONS: dict[str, dict[str, Any]] = {
    "retailcrm": {"api_key": "k"},
    "dropday": {"api_key": "k", "account_id": "1"},
    "ordercloud": {"client_id": "c", "client_secret": "s", "buyer_id": "b", "user_id": "u", "products": "sku"},
    "dropboy": {"api_key": "k", "origin": {"address": "Dock Rd 1", "zip_code": "8000", "city": "Aarhus"}},
}
CLIENT: Any = None  # a view makes no call


def account(kind: str, **options: Any) -> Target:
    adapter = target_kinds()[kind]
    return adapter(kind, adapter.Options.model_validate(OPTIONS[kind] | options), CLIENT)


def order(**fields: Any) -> Order:
    line = Line(sku="KS-1", product_id="KS-1", name="Kaasschaaf", quantity=Decimal(2), unit_price=Decimal("9.90"))
    to = Address(first_name="Zoë", last_name="Quist", street1="Gracht 7", postal_code="1017", city="Łódź", country="NL")
    values: dict[str, Any] = {"status": Status.NEW, "ordered_at": AT, "lines": (line,), "shipping_address": to}
    values |= {"totals": Totals(shipping=Decimal("4.95"), grand=Decimal("24.75"))}
    values |= {"customer": Customer(email="z@q.example", phone="+31 20 555")}
    return Order(provider="shop", external_id="1", **values | fields)


def digest_of(spill: Spill, text: str) -> bytes:
    return spill.digest({"total": text, "note": ""})


def test_each_kind_of_fault_is_listed_and_nothing_else() -> None:
    with Spill() as spill:
        digest = digest_of(spill, "1")
        spill.add_source([(f"r{n}", str(n), True, digest) for n in range(6)])
        spill.add_source([("late", "77", False, digest)])
        spill.add_target([(f"t{n}", f"r{n}", 5.0, digest) for n in (0, 1, 2)])
        spill.add_target([("t1b", "r1", 5.0, digest), ("t3", "r3", 5.0, digest_of(spill, "2"))])
        spill.add_target([("x", "foreign", 5.0, digest), ("y", "before", 1.0, digest)])
        assert list(spill.missing()) == [Candidate("r4", "4"), Candidate("r5", "5")]
        assert list(spill.duplicated()) == [Candidate("r1", "1", ("t1", "t1b"))]
        assert list(spill.different()) == [Candidate("r3", "3", ("t3",))]
        assert list(spill.unknown(2.0)) == [Candidate("foreign", "", ("x",))]
        assert spill.counts() == (6, 7)


def test_a_field_that_the_source_leaves_empty_is_not_a_difference() -> None:
    with Spill() as spill:
        spill.add_source([("r", "1", True, spill.digest({"total": "1", "note": ""}))])
        spill.add_target([("t", "r", 5.0, spill.digest({"total": "1", "note": "theirs"}))])
        assert list(spill.different()) == []


def test_every_candidate_is_yielded_once_across_pages() -> None:
    with Spill() as spill:
        digest, other = digest_of(spill, "1"), digest_of(spill, "2")
        spill.add_source([(f"r{n:05}", str(n), True, digest) for n in range(3000)])
        spill.add_target([(f"t{n}{copy}", f"r{n:05}", 5.0, other) for n in range(1200) for copy in "abc"])
        assert len({(c.reference, c.target_ids) for c in spill.different()}) == 3600
        assert len({c.reference for c in spill.duplicated()}) == 1200
        assert len({c.reference for c in spill.missing()}) == 1800


def test_the_file_contains_no_personal_data_and_is_deleted_at_the_end() -> None:
    with Spill() as spill:
        spill.add_source([("r", "1", True, spill.digest(account("dropday").view(order(), "source")))])
        (file,) = spill.path.iterdir()
        content = file.read_bytes()
        assert [word for word in ("Quist", "Gracht", "z@q", "Łódź".encode().decode()) if word.encode() in content] == []
    assert not spill.path.exists()


def test_a_later_reading_of_an_order_replaces_the_earlier_one() -> None:
    with Spill() as spill:
        spill.add_source([("r", "1", True, digest_of(spill, "1"))])
        spill.add_source([("r", "1", True, digest_of(spill, "2"))])
        spill.add_target([("t", "r", 5.0, digest_of(spill, "2"))])
        assert list(spill.different()) == []


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_a_view_has_the_same_fields_on_both_sides(kind: str) -> None:
    to = order().shipping_address.model_copy(update={"phone": "+31 20 555"})
    source_view, target_view = (account(kind).view(order(shipping_address=to), side) for side in ("source", "target"))
    assert list(source_view) == list(target_view)
    # Dropboy has the goods of an order in the comments of its job, which an order at its source has no field for.
    assert differing(source_view, target_view) == (("goods",) if kind == "dropboy" else ())


def test_every_kind_of_target_has_a_view() -> None:
    assert [kind for kind, adapter in target_kinds().items() if adapter.view is Target.view] == []
    assert target_kinds().keys() == OPTIONS.keys()


CHANGES: dict[str, dict[str, Any]] = {
    "shipping": {"totals": Totals(shipping=Decimal(5), grand=Decimal("24.75"))},
    "total": {"totals": Totals(shipping=Decimal("4.95"), grand=Decimal("24.76"))},
    "goods": {"lines": (order().lines[0].model_copy(update={"quantity": Decimal(3)}),)},
    "prices": {"lines": (order().lines[0].model_copy(update={"unit_price": Decimal("9.91")}),)},
    "city": {"shipping_address": order().shipping_address.model_copy(update={"city": "Lodz"})},
    "postal_code": {"shipping_address": order().shipping_address.model_copy(update={"postal_code": "1018"})},
    "street": {"shipping_address": order().shipping_address.model_copy(update={"street1": "Gracht 8"})},
    "last_name": {"shipping_address": order().shipping_address.model_copy(update={"last_name": "Kist"})},
    "email": {"customer": Customer(email="q@z.example", phone="+31 20 555")},
    "phone": {"customer": Customer(email="z@q.example", phone="+31 20 556")},
    "promised_on": {"shipping": Shipping(promised_on="2026-03-02")},
}


@pytest.mark.parametrize("field", sorted(CHANGES))
@pytest.mark.parametrize("kind", ["retailcrm", "dropday"])
def test_only_the_field_that_differs_in_the_target_is_named(kind: str, field: str) -> None:
    original = order(shipping=Shipping(promised_on="2026-03-01"))
    changed = original.model_copy(update=CHANGES[field])
    source_view, target_view = account(kind).view(original, "source"), account(kind).view(changed, "target")
    assert differing(source_view, target_view) == (field,)


def test_different_spellings_of_the_same_value_are_equal() -> None:
    to = order().shipping_address.model_copy(update={"first_name": "Zoe\u0308", "street1": "Gracht  7 "})
    customer = Customer(email="z@q.example", phone="003120555".removeprefix("00"))
    target_view = account("dropday").view(order(shipping_address=to, customer=customer), "target")
    assert differing(account("dropday").view(order(), "source"), target_view) == ()


def test_a_cancelled_order_must_be_cancelled_in_a_target_that_has_a_code_for_it() -> None:
    plain, mapped = account("retailcrm"), account("retailcrm", status_map={"cancelled": "cancel-other"})
    cancelled, active = order(status=Status.CANCELLED), order()
    for crm, fields in ((plain, ()), (mapped, ("cancelled",))):
        assert differing(crm.view(cancelled, "source"), crm.view(active, "target")) == fields
    assert differing(mapped.view(active, "source"), mapped.view(cancelled, "target")) == ()


def test_a_report_keeps_the_first_findings_counts_all_and_shows_no_values() -> None:
    report = Report("shop", "crm", AT, AT, "listed", most=2)
    assert report.clean
    for number in range(5):
        report.add(Finding("different", f"r{number}", fields=("email",), values={"email": ("z@q.example", "")}))
    assert (report.counts["different"], len(report.findings), report.clean) == (5, 2, False)
    assert "z@q.example" not in str(report.as_json())
    assert "z@q.example" not in str(report)


def test_a_pace_leaves_the_rest_of_the_limit_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    now, entered = [100.0], []
    monkeypatch.setattr("worker.http.gates.time.monotonic", lambda: now[0])
    monkeypatch.setattr("worker.http.gates.time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    gate: Any = SimpleNamespace(enter=lambda: None, depart=lambda: entered.append(now[0]))
    pace = Pace(gate, 0.5)
    for _ in range(4):
        pass_gate(pace)
    assert entered == [100.0, 100.5, 101.0, 101.5]


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("side", ["source", "target"])
def test_an_amount_of_any_size_has_a_view(kind: str, side: Any) -> None:
    for text in ("9" * 28, "-" + "9" * 28, "9" * 22 + ".999999", "0.000001"):
        line = Line(sku="KS-1", product_id="KS-1", name="Mug", quantity=Decimal(1), unit_price=Decimal(text))
        large = order(lines=(line,), totals=Totals(shipping=Decimal(text), grand=Decimal(text)))
        assert account(kind).view(large, side)
