"""The numbers that people know orders by: each order is found by every number that it had, and by its beginning."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.command_line import intake
from support.orders import order
from support.settings_texts import NOWHERE, Configured, dropday, retailcrm, route
from tasks.accept import accept
from worker.store.orders.numbers import Numbers, plain
from worker.store.redis import catalog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis import Redis

    from schemas.order import Order
    from worker.runtime import Runtime

#: Numbers that sort closely together, with every kind of character.
NUMBERS = st.text(st.sampled_from("#1023aA-é \0\1\U0001f600"), max_size=6) | st.integers(0, 400).map(str)


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    return configured.open(
        retailcrm("providers.shop")
        + retailcrm("providers.web", f"{NOWHERE}/web")
        + dropday("targets.dropday")
        + route("shop", "dropday", reference="S-{external_id}")
        + 'only = { store = ["NL"] }\n'
        + route("web", "dropday", reference="W-{external_id}")
    )


def numbered(external_id: str, number: str | None, provider: str = "shop", store: str = "NL") -> Order:
    return order(external_id, provider=provider).model_copy(update={"display_id": number, "store": store})


def take(rt: Runtime, *orders: Order) -> None:
    accept(rt, orders, f"poll {orders[0].provider}", lambda task, name: None)


@pytest.mark.parametrize("asked", ["#NL-1001", "NL-1001", "nl-1001", " #nl-1001 "])
def test_show_finds_an_order_by_the_number_that_people_know(rt: Runtime, asked: str) -> None:
    take(rt, numbered("88", "#NL-1001"), numbered("89", "#NL-10012"))
    assert "shop:88 → dropday  queued" in intake("show", asked).output
    assert "shop:89" not in intake("show", asked).output


def test_show_lists_the_orders_whose_number_begins_so_where_none_has_it(rt: Runtime) -> None:
    take(rt, numbered("88", "NL-1001"), numbered("89", "NL-1002"), numbered("90", "NL-2001"))
    output = intake("show", "nl-100").output
    assert "the number nl-1001 at shop" in output
    assert "shop:89" in output
    assert "shop:90" not in output


def test_a_number_that_several_providers_have_shows_all_of_them(rt: Runtime) -> None:
    take(rt, numbered("88", "1001"))
    take(rt, numbered("7", "1001", provider="web"))
    found = json.loads(intake("show", "1001", "--json").output)["matches"]
    assert {each["key"] for each in found} == {"shop:88", "web:7"}


def test_an_order_that_gets_another_number_is_found_by_both(rt: Runtime) -> None:
    take(rt, numbered("88", "1001"))
    take(rt, numbered("88", "1001-B"))
    for number in ("1001", "1001-B"):
        assert "shop:88" in intake("show", number).output


def test_an_order_is_found_by_its_number_when_the_process_died_before_that_was_noted(rt: Runtime) -> None:
    first = numbered("88", "1001")
    with patch.object(rt.numbers, "note", side_effect=ConnectionError), pytest.raises(ConnectionError):
        take(rt, first)
    take(rt, first)
    assert "shop:88 → dropday  queued" in intake("show", "1001").output


def test_an_order_that_is_left_out_takes_no_place_in_the_index(rt: Runtime, redis: Redis) -> None:
    take(rt, numbered("88", "1001", store="DE"))
    assert not redis.keys("intake:numbers:*")
    assert "shop:88" in intake("show", "1001").output


def test_an_order_whose_number_is_its_id_takes_no_place_in_the_index(rt: Runtime, redis: Redis) -> None:
    take(rt, numbered("1001", "#1001"), numbered("1002", None), numbered("1003", "  "))
    assert not redis.keys("intake:numbers:*")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pages=st.lists(st.lists(st.tuples(NUMBERS, st.integers(0, 30)), max_size=30), max_size=8), asked=NUMBERS)
def test_what_is_found_is_what_a_plain_search_of_all_orders_finds(
    redis: Redis, pages: Sequence[Sequence[tuple[str, int]]], asked: str
) -> None:
    redis.flushall()
    numbers, known = Numbers(redis, page=4), set()
    for page in pages:
        numbers.note("shop", [numbered(f"id-{each}", number) for number, each in page])
        known |= {(plain(number), f"id-{each}") for number, each in page if plain(number)}
    whole = [(n, i) for n, i in known if n == plain(asked) and n]
    begin = sorted((n, i) for n, i in known if n.startswith(plain(asked)) and plain(asked))
    assert {(f.number, f.external_id) for f in numbers.find(["shop"], asked)} == set(whole)
    assert len(numbers.find_by_beginning(["shop"], asked, 5)) == min(5, len(begin))
    found = [(each.number, each.external_id) for each in numbers.find_by_beginning(["shop"], asked, 1000)]
    assert sorted(found) == begin


@pytest.mark.parametrize("order_of_numbers", ["ascending", "random"])
def test_a_number_costs_at_most_sixty_bytes_of_redis(redis: Redis, order_of_numbers: str) -> None:
    count, shift = 5_000, 1_000_000_000
    places = range(count) if order_of_numbers == "ascending" else random.Random(1).sample(range(10**7), count)
    numbers = Numbers(redis)
    before = redis.info("memory")["used_memory_dataset"]
    for first in range(0, count, 500):
        numbers.note("shop", [numbered(str(shift + at), f"NL-{at:07}") for at in places[first : first + 500]])
    cost = (redis.info("memory")["used_memory_dataset"] - before) / count
    assert cost < 60, cost
    assert len(numbers.find_by_beginning(["shop"], "NL-", count)) == count


def test_noting_the_same_numbers_again_writes_nothing(redis: Redis) -> None:
    numbers = Numbers(redis)
    orders = [numbered(f"id-{at}", str(at)) for at in range(300)]
    numbers.note("shop", orders)
    before = {key: redis.dump(key) for key in redis.keys("intake:numbers:*")}
    numbers.note("shop", orders)
    assert {key: redis.dump(key) for key in redis.keys("intake:numbers:*")} == before
    assert catalog.NUMBER.leaves_receipt
