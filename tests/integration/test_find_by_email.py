"""Orders are found by an e-mail address while their data is held: exactly, by support only, and in no log."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from support.console_world import DELIVERED, PERSONAL, SETTINGS, an_order, fill, put
from support.pipeline import log_lines
from tasks.accept import accept
from worker.operations.correct import carry_out as carry_out_correction
from worker.operations.correct import find_correctable, plan_correction
from worker.operations.lookup import find_by_email
from worker.store.console.tokens import Tokens
from worker.store.orders.held_data import Place
from worker.web.paths import order_path

if TYPE_CHECKING:
    from support.console import Consoles
    from support.settings_texts import Configured
    from worker.runtime import Runtime

EMAIL = "Grace.Hopper+orders@Example.org"


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    rt = configured.open(SETTINGS)
    fill(rt)
    return rt


def of_grace(rt: Runtime, external_id: str, part: str = "customer", email: str = EMAIL) -> None:
    order = an_order(external_id)
    given = getattr(order, part)
    accept(rt, [order.model_copy(update={part: given.model_copy(update={"email": email})})], "poll shop-nl", _ignore)


def _ignore(_: str, __: str) -> None:
    pass


def found(rt: Runtime, email: str, seconds: float = 60.0) -> list[str]:
    """Return the keys that the whole search finds, in parts of so many seconds."""
    place: Place | None = Place()
    keys: list[str] = []
    while place is not None:
        orders, part = find_by_email(rt, email, place, seconds)
        keys += [order.key for order in orders]
        place = part.place and Place.read(str(part.place))
    return sorted(set(keys))


@pytest.mark.parametrize("part", ["customer", "shipping_address", "billing_address"])
@pytest.mark.parametrize("seconds", [60.0, 0.0], ids=["in one part", "in many parts"])
def test_an_order_that_waits_is_found_by_each_of_its_addresses(
    rt: Runtime, part: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.store.orders.held_data._AT_ONCE", 5)
    of_grace(rt, "41", part)
    assert found(rt, f" {EMAIL.lower()} ", seconds) == ["shop-nl:41"]
    for other in (EMAIL[:-1], EMAIL[1:], f"x{EMAIL}", "Hopper", "@", "shop-nl"):
        assert found(rt, other, seconds) == []


def test_addresses_with_every_kind_of_character_are_found(rt: Runtime) -> None:
    for number, email in enumerate(('"quoted\\"@x.nl', "jürgen@müller.de", "a'b@x.nl", "\u0130@x.nl")):
        of_grace(rt, f"5{number}", email=email)
        assert found(rt, email) == [f"shop-nl:5{number}"]


def test_an_order_is_not_found_any_more_after_its_delivery(rt: Runtime) -> None:
    rt.redis.delete("intake:lane:warehouse:due", "intake:lane:returns:due")
    email = "once@example.org"
    customer = an_order("61").customer
    assert customer
    put(
        rt,
        an_order("61", customer=customer.model_copy(update={"email": email})),
        warehouse=DELIVERED,
        returns=DELIVERED,
    )
    assert found(rt, email) == []
    assert email not in str([rt.redis.dump(name) for name in rt.redis.scan_iter()])


def test_a_record_that_could_not_be_read_and_a_corrected_address_are_found(rt: Runtime) -> None:
    rt.cursors.bury("shop-nl", "90", {"id": 90, "buyer": {"mail": EMAIL}}, "items", "is missing")
    assert found(rt, EMAIL) == ["shop-nl:90"]
    planned = plan_correction(rt, find_correctable(rt, "shop-nl:02", "warehouse"), {"customer.email": "n@x.nl"}, "ada")
    carry_out_correction(rt, planned)
    assert found(rt, "n@x.nl") == ["shop-nl:02"]
    assert "shop-nl:02" in found(rt, PERSONAL[2]), "what the source says is held as well"


def test_support_finds_it_in_the_console_and_a_viewer_does_not_even_learn_that_it_is_there(
    consoles: Consoles, rt: Runtime
) -> None:
    of_grace(rt, "41")
    with log_lines() as lines:
        response = consoles.as_role("support").send("/find", {"q": EMAIL})
        several = consoles.as_role("operator").send("/find", {"q": PERSONAL[2]})
        answers = [consoles.as_role("viewer").send("/find", {"q": each}) for each in (EMAIL, "nobody@example.org")]
    assert (response.status_code, response.headers["location"]) == (303, order_path("shop-nl:41"))
    assert "6 orders match" in several.text
    pages = [re.sub(r"\S+@\S+|value=\"[^\"]*\"", "", answer.text) for answer in answers]
    assert pages[0] == pages[1]
    assert "Your role cannot search for e-mail addresses" in pages[0]
    assert not any(text in lines.getvalue() for text in (EMAIL, "grace", *PERSONAL))


def test_a_long_search_shows_how_far_it_is_and_continues(
    consoles: Consoles, rt: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.store.orders.held_data._AT_ONCE", 1)
    monkeypatch.setattr("worker.web.pages.find._SECONDS", 0.0)
    of_grace(rt, "41")
    of_grace(rt, "42")
    browser, form, steps = consoles.as_role("support"), {"q": EMAIL}, 0
    response = browser.send("/find", form)
    while "Continue the search" in response.text:
        steps += 1
        hidden = re.findall(r'name="(place|key)" value="([^"]+)"', response.text)
        posted: dict[str, Any] = form | {"place": dict(hidden)["place"], "key": [v for k, v in hidden if k == "key"]}
        response = browser.send("/find", posted)
    assert steps >= 2
    assert "2 orders match" in response.text
    assert "of what waits was searched" not in response.text
    assert browser.send("/find", form | {"place": "nonsense"}).status_code == 200


def test_the_api_finds_it_by_a_body_only(consoles: Consoles, rt: Runtime) -> None:
    of_grace(rt, "41")
    tokens, client = Tokens(rt.redis), consoles.stranger().client
    for role, status in (("viewer", 403), ("support", 200)):
        headers = {"Authorization": f"Bearer {tokens.add(role, role)}"}  # type: ignore[arg-type]  # a role
        response = client.post("/api/v1/orders/search", json={"email": EMAIL}, headers=headers)
        assert response.status_code == status
        assert EMAIL not in response.text
        refused = client.get("/api/v1/orders", params={"number": EMAIL}, headers=headers)
        assert refused.status_code == 400
    answer = response.json()
    assert ([order["key"] for order in answer["orders"]], answer["place"], answer["share"]) == (["shop-nl:41"], None, 1)
    assert json.dumps(answer).count("@") == 0
