"""Routes: the orders that they accept, and the references that they give."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from schemas.order import Line, Order, Status, Totals
from support.settings_files import ENV, GOOD, SECOND, Shop, problems, read
from worker.errors import Rejected
from worker.settings.document import ConfigErrors
from worker.settings.filters import OrderFilter
from worker.settings.load import Settings, load

if TYPE_CHECKING:
    from pathlib import Path


def order(**given: Any) -> Order:
    values = {
        "provider": "shop-nl",
        "external_id": "7",
        "status": Status.NEW,
        "ordered_at": datetime(2026, 1, 1, tzinfo=UTC),
        "lines": (Line(name="x", quantity=Decimal(1), unit_price=Decimal(1)),),
        "totals": Totals(),
    }
    return Order(**values | given)


def two_providers(first: str, second: str) -> str:
    text = GOOD.replace('to = ["store"]', f'to = ["store"]\nreference = "{first}"')
    return text + SECOND.replace('to = ["store"]', f'to = ["store"]\nreference = "{second}"')


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{external_id}", "{external_id}"),
        ("{external_id}", "x-{external_id}"),
        (
            "{provider}-{external_id}",
            "{provider}-{external_id}",
        ),  # as for nl-5 of shop and 5 of shop-nl
        ("{external_id}-{store}", "{store}-{external_id}"),
    ],
)
def test_two_providers_whose_references_could_collide_in_one_target_are_refused(
    tmp_path: Path, first: str, second: str
) -> None:
    assert problems(tmp_path, two_providers(first, second)) == [
        (
            "routes[1].reference: an order of shop-nl and one of shop could get one reference in store,"
            ' and one of them would be lost. Write reference = "{provider}:{external_id}" in both routes.'
        )
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("{provider}:{external_id}", "{provider}:{external_id}"),
        ("A{external_id}", "B{external_id}"),
        ("{external_id}/a", "{external_id}/b"),
        ("{external_id}/{provider}", "{external_id}/{provider}"),
    ],
)
def test_two_providers_whose_references_can_never_collide_are_accepted(tmp_path: Path, first: str, second: str) -> None:
    assert len(read(tmp_path, two_providers(first, second)).routes) == 2


def test_two_routes_that_would_give_one_order_two_references_are_refused(tmp_path: Path) -> None:
    text = GOOD + '[[routes]]\nfrom = "shop-nl"\nto = "store"\nreference = "b{external_id}"'
    assert problems(tmp_path, text) == [
        (
            "routes[1].reference: an order of shop-nl could get two references in store, and be created twice."
            " Give all routes between the two the same reference."
        )
    ]


def test_a_route_accepts_orders_that_pass_each_key_of_its_filter(tmp_path: Path) -> None:
    text = GOOD + 'only = { status = ["new", "paid"], store = "nl", test = false, tag = ["b2b"] }'
    route = read(tmp_path, text).routes[0]
    fits = {"status": Status.PAID, "store": "nl", "tags": ("vip", "b2b")}
    assert route.accepts(order(**fits))
    for other in ({"status": Status.SHIPPED}, {"store": None}, {"test": True}, {"tags": ()}, {"provider": "else"}):
        assert not route.accepts(order(**fits | other))


def test_a_reference_is_made_from_the_order_and_refused_if_a_field_is_missing(tmp_path: Path) -> None:
    text = GOOD + 'reference = "{provider}:{store}/{source_id}!"'
    route = read(tmp_path, text).routes[0]
    assert route.reference_of(order(store="nl", source_id="{x}")) == "shop-nl:nl/{x}!"
    with pytest.raises(Rejected, match="the order has no source_id, which its reference needs"):
        route.reference_of(order(store="nl"))


class Hub(Shop):
    """A system that is both a provider and a target."""

    reference_field: ClassVar[str | None] = "source_id"


HUB = """
[providers.crm]
start = "2020-01-01"
kind = "hub"
api_key = "env:KEY"
[targets.hub]
kind = "hub"
api_key = "env:KEY"
url = "{url}"
[providers.shop-nl]
start = "2020-01-01"
kind = "shop"
api_key = "env:KEY"
[targets.store]
kind = "shop"
url = "https://store.example"
api_key = "env:KEY"
[[routes]]
from = "crm"
to = ["store"]
[[routes]]
from = "shop-nl"
to = ["hub"]
reference = "{reference}"
"""


def hub(tmp_path: Path, url: str, reference: str) -> Settings:
    file = tmp_path / "intake.toml"
    file.write_text(HUB.replace("{url}", url).replace("{reference}", reference))
    return load(file, ENV, {"hub": Hub, "shop": Shop}, {"hub": Hub, "shop": Shop}, {})


def test_a_target_that_is_also_a_provider_needs_recognisable_references(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"routes\[1\].reference: the account of hub is also a provider"):
        hub(tmp_path, "https://api.shop.example", "{external_id}")


@pytest.mark.parametrize(
    ("url", "reference", "mirrors"),
    [
        ("https://api.shop.example", "{provider}:{external_id}", ("hub",)),
        ("https://api.shop.example", "{external_id}-nl", ("hub",)),
        ("https://other.shop.example", "{external_id}", ()),
    ],
)
def test_an_account_that_is_read_and_written_is_recognised_by_kind_and_url(
    tmp_path: Path, url: str, reference: str, mirrors: tuple[str, ...]
) -> None:
    assert hub(tmp_path, url, reference).mirrors("crm") == mirrors


@pytest.mark.parametrize(
    ("reference", "ours"), [("shop-nl:7", True), ("shop-nl:", False), ("shop-nl", False), ("shop-be:7", False)]
)
def test_a_route_recognises_its_own_references(tmp_path: Path, reference: str, ours: object) -> None:
    route = hub(tmp_path, "https://api.shop.example", "{provider}:{external_id}").routes[1]
    assert route.may_have_made(reference) is ours


def test_two_routes_between_the_same_accounts_must_have_the_same_on_change(tmp_path: Path) -> None:
    second = '\n[[routes]]\nfrom = "shop-nl"\nto = ["store"]\non_change = "hold"\nonly = { store = ["nl"] }\n'
    assert problems(tmp_path, GOOD + second) == [
        (
            "routes[1].on_change: an order of shop-nl that changes could be treated in two ways in store."
            " Give all routes between the two the same on_change."
        )
    ]


def test_a_filter_may_name_countries_in_any_way() -> None:
    only = OrderFilter.model_validate({"country": ["Netherlands", "be", "Narnia"]})
    countries = ("nl", "Belgique", "Narnia", "DE", None)
    orders = [order(shipping_address={"country": country}) for country in countries]
    assert [only.matches(each) for each in orders] == [True, True, True, False, False]
