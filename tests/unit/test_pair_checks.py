"""`intake check` reports a pair of accounts that cannot meet, or that needs a setting to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from worker.cli.setup.pair_checks import examine_pair, examine_pairs
from worker.systems.target import Need

SET = 'Write sku = "any" for it.'
NEEDS = (
    Need("lines.sku", "every order is held", SET),
    Need("lines.ean", "every order is held", SET),
    Need("totals.grand", "every total is 0", "Write a currency.", required=False),
)


def pair(*lacks: str) -> tuple[Any, Any]:
    provider = SimpleNamespace(name="shop", kind="tiny", lacks=lambda: frozenset(lacks))
    return provider, SimpleNamespace(name="depot", kind="huge", needs=lambda: NEEDS)


def findings(*lacks: str) -> list[tuple[str, str, str]]:
    return [(found.state, found.detail, found.remedy) for found in examine_pair(*pair(*lacks))]


def test_a_required_field_that_the_provider_never_has_is_an_error_with_its_remedy() -> None:
    detail = "no order of shop (tiny) has lines.sku, lines.ean: at depot (huge) every order is held"
    assert findings("lines.sku", "lines.ean") == [("error", detail, SET)]


def test_a_field_that_people_expect_is_a_warning() -> None:
    detail = "no order of shop (tiny) has totals.grand: at depot (huge) every total is 0"
    assert findings("totals.grand") == [("warning", detail, "Write a currency.")]


def test_a_pair_that_meets_has_no_finding() -> None:
    assert findings("shipping.note") == findings() == []


def test_every_route_is_examined() -> None:
    provider, target = pair("lines.sku")
    route = SimpleNamespace(source="shop", targets=["depot"])
    adapters: Any = SimpleNamespace(
        settings=SimpleNamespace(routes=[route, SimpleNamespace(source="producer", targets=["depot"]), route]),
        providers={"shop": provider},
        targets={"depot": target},
    )
    assert [found.what for found in examine_pairs(adapters)] == ["route shop > depot"] * 2
