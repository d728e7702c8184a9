"""The output of `intake status`, `show`, `pause`, `resume` and `release`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from support.command_line import intake
from support.orders import order
from support.settings_texts import NO_REDIS, Configured
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome

if TYPE_CHECKING:
    from worker.runtime import Runtime


def status() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(intake("status", "--json").output)
    return document


def test_status_of_an_idle_system_reports_that_nothing_needs_an_operator(rt: Runtime) -> None:
    output = intake("status").output
    assert "Nothing needs attention." in output
    assert "never" in output


def test_status_counts_waiting_and_created_orders(rt: Runtime) -> None:
    rt.ledger.accept("dropday", [Delivery(order(str(n)), str(n)) for n in range(3)], "test")
    with rt.lanes["dropday"].drain() as drain:
        drain.settle([(drain.claim(1)[0], Outcome("delivered", extra="98"))])
        drain.leave()
    lane = status()["lanes"]["dropday"]
    assert (lane["queued"], lane["delivered"], lane["accepted_new"]) == (2, 1, 3)


def test_status_reports_what_needs_an_operator_and_the_command_to_run(rt: Runtime) -> None:
    rt.cursors.pause("shop", "GET /orders: status 403")
    rt.cursors.bury("shop", "7", {"id": 7}, "items[0].quantity", "not a number")
    rt.scopes["dropday:dropday"].close(30.0)
    output = " ".join(intake("status").output.split())
    assert "shop: paused: GET /orders: status 403 → Fix the cause, then: intake resume shop" in output
    assert "1 unreadable record → intake dead list --provider shop" in output
    assert "dropday:dropday: closed for" in output


def test_show_prints_the_whole_history_of_an_order(rt: Runtime) -> None:
    rt.ledger.accept("dropday", [Delivery(order("1001"), "R-1001")], "poll shop")
    with rt.lanes["dropday"].drain() as drain:
        drain.settle([(drain.claim(1)[0], Outcome("retry", "uncertain", "POST: status 500", delay=0, uncertain=True))])
        drain.settle([(drain.claim(1)[0], Outcome("existed", "found", extra="98"))])
    output = intake("show", "shop:1001").output
    for part in (
        "delivered",
        "R-1001",
        "accepted poll shop",
        "retry 1 uncertain POST: status 500",
        "98",
        "it is delivered",
    ):
        assert part in output


def test_show_of_a_rejected_order_lists_the_invalid_fields(rt: Runtime) -> None:
    rt.ledger.accept("dropday", [Delivery(order("1"), "1")], "test")
    with rt.lanes["dropday"].drain() as drain:
        drain.settle(
            [(drain.claim(1)[0], Outcome("bury", "rejected", "status 422: city", extra="dropday said: city: required"))]
        )
    output = intake("show", "shop:1").output
    assert "dropday said: city: required" in output
    assert "until it changes at the source" in output


def test_show_lists_the_malformed_records_of_a_provider(rt: Runtime) -> None:
    rt.cursors.bury("shop", "7", {"id": 7}, "items[0].quantity", "not a number")
    assert "items[0].quantity" in intake("show", "shop").output
    assert '{"id": 7}' in intake("show", "shop:7").output


def test_show_of_an_unknown_order_explains_the_form_of_a_key(rt: Runtime) -> None:
    result = intake("show", "nobody:1")
    assert result.exit_code == 1
    assert "order keys (provider:external_id)" in result.output


def test_pause_and_resume_work_for_a_provider_and_a_target(rt: Runtime) -> None:
    assert "intake resume dropday" in intake("pause", "dropday", "--reason", "stocktaking").output
    assert status()["lanes"]["dropday"]["paused"] == "stocktaking"
    assert intake("resume", "dropday").exit_code == 0
    assert "paused" not in status()["lanes"]["dropday"]
    intake("pause", "shop")
    assert status()["providers"]["shop"]["paused"] == "by hand"
    assert "Choose from: shop, dropday" in intake("resume", "nobody").output


def test_an_unreachable_redis_is_reported_in_one_line(configured: Configured) -> None:
    configured.write(redis_url=NO_REDIS)
    result = intake("status")
    assert result.exit_code == 1
    assert result.output.startswith("Error: Redis does not respond: ")
    assert "Traceback" not in result.output


def hold(rt: Runtime) -> None:
    rt.ledger.accept("dropday", [Delivery(order(str(n)), f"R{n}") for n in (1, 2)], "test")
    with rt.lanes["dropday"].drain() as drain:
        drain.settle([(claim, Outcome("hold", "held", "no product for sku A")) for claim in drain.claim(2)])


def test_held_orders_are_shown_with_the_reason_and_the_command_to_run(rt: Runtime) -> None:
    hold(rt)
    assert "2 held orders → intake release dropday --dry-run" in " ".join(intake("status").output.split())
    output = intake("release", "dropday", "--dry-run").output
    for part in ("shop:1", "R2", "the order", "no product for sku A"):
        assert part in output
    assert status()["lanes"]["dropday"]["held_now"] == 2


def test_release_sends_only_the_named_orders(rt: Runtime) -> None:
    hold(rt)
    assert "1 order of dropday released" in intake("release", "dropday", "shop:1", "--yes").output
    lane = status()["lanes"]["dropday"]
    assert (lane["queued"], lane["held_now"]) == (1, 1)
    assert "1 order of dropday released" in intake("release", "dropday", "--yes").output
    assert intake("release", "dropday").output == "Nothing is held in dropday.\n"


def test_dropping_held_orders_asks_for_confirmation(rt: Runtime) -> None:
    hold(rt)
    assert intake("release", "dropday", "--drop").exit_code == 1
    assert status()["lanes"]["dropday"]["held_now"] == 2
    assert "2 orders of dropday discarded" in intake("release", "dropday", "--drop", "--yes").output
    assert status()["lanes"]["dropday"]["dead_now"] == 2


def test_release_reports_orders_that_are_not_held(rt: Runtime) -> None:
    hold(rt)
    assert "not held in dropday: shop:9" in intake("release", "dropday", "shop:9", "shop:1").output
    assert status()["lanes"]["dropday"]["held_now"] == 2
    assert "is not a target. Choose from: dropday" in intake("release", "dropboy").output
