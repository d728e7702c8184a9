"""`intake dead` and `intake doubt`: their output and their effects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import intake
from support.http_server import Request, reply
from support.orders import order
from support.settings_texts import Configured, dropday, retailcrm, route
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome

if TYPE_CHECKING:
    from support.http_calls import Serve
    from worker.runtime import Runtime

NAME = "Somebody Personal"
FIELDS = '{"city": ["is required"]}'


@pytest.fixture
def rt(configured: Configured, serve: Serve) -> Runtime:
    """Return a runtime whose target `dropday` holds the order R1 and nothing else."""

    def answer(request: Request) -> Any:
        held = [{"external_id": "R1", "reference": "T1"}] if "external_id=R1&" in request.target else []
        return reply(body=json.dumps({"data": held, "meta": {"last_page": 1, "current_page": 1}}).encode())

    return configured.open(
        retailcrm("providers.shop")
        + dropday("targets.dropday", serve(answer).url)
        + dropday("targets.carrier")
        + route("shop", "dropday", "carrier")
    )


def settle(rt: Runtime, target: str, outcome: Outcome, *ids: str) -> None:
    """Settle these orders with this outcome."""
    orders = [Delivery(order(n, customer={"first_name": NAME}), f"R{n}") for n in ids]
    rt.ledger.accept(target, orders, "test")
    with rt.lanes[target].drain() as drain:
        while claims := drain.claim(10):
            drain.settle([(claim, outcome) for claim in claims])


def bury(rt: Runtime, *ids: str, target: str = "dropday", reason: str = "422: city") -> None:
    settle(rt, target, Outcome("bury", "rejected", reason, extra=FIELDS), *ids)


def leave_in_doubt(rt: Runtime, *ids: str) -> None:
    """Leave these orders in doubt."""
    settle(rt, "dropday", Outcome("doubt", "uncertain", "cut", uncertain=True), *ids)


def listed(*args: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(intake(*args, "--json").output)
    return result


def keys(*args: str) -> list[str]:
    return sorted(entry["key"] for entry in listed("dead", "list", *args)["orders"])


def state(rt: Runtime, n: str = "1", target: str = "dropday") -> dict[str, str]:
    return rt.ledger.entries([target], f"shop:{n}")[0].record


def test_dead_orders_are_grouped_by_reason(rt: Runtime) -> None:
    bury(rt, "1", "2", reason="line 1: city")
    bury(rt, "3", reason="line 2: city")
    bury(rt, "4", target="carrier", reason="no address")
    rt.cursors.bury("shop", "7", {"id": 7}, "items[0].quantity", "not a number")
    result = listed("dead", "list")
    assert result["count"] == 5
    assert result["reasons"] == [
        {"count": 3, "target": "dropday", "code": "rejected", "reason": "line N: city"},
        {"count": 1, "target": "", "code": "malformed", "reason": "items[N].quantity: not a number"},
        {"count": 1, "target": "carrier", "code": "rejected", "reason": "no address"},
    ]
    output = " ".join(intake("dead", "list").output.split())
    for part in ("line N: city", "shop:7", "Newest of 5", "intake dead replay"):
        assert part in output
    assert "Newest of 5" in intake("dead", "list", "--limit", "1").output
    assert intake("dead", "list", "--limit", "1").output.count("shop:") == 1


def test_a_reason_in_brackets_is_shown_unchanged(rt: Runtime) -> None:
    bury(rt, "1", reason="[city] is wrong")
    assert intake("dead", "list").output.count("[city] is wrong") == 2
    assert intake("dead", "show", "shop:1").output.count("[city] is wrong") == 2


def test_each_filter_selects_dead_orders_and_records(rt: Runtime) -> None:
    bury(rt, "1")
    bury(rt, "21", target="carrier", reason="phone")
    rt.cursors.bury("shop", "7", {"id": 7}, "items[0].quantity", "not a number")
    rt.redis.zadd("intake:lane:dropday:dead", {"shop:1": 1})
    everything = ["shop:1", "shop:21", "shop:7"]
    assert keys() == keys("--provider", "shop") == everything
    assert keys("--target", "carrier") == ["shop:21"]
    assert keys("--reason", "PHONE") == ["shop:21"]
    assert keys("--reason", "malformed") == ["shop:7"]
    assert keys("--match", "shop:?1") == ["shop:21"]
    assert (keys("--older", "1h"), keys("--newer", "1h")) == (["shop:1"], ["shop:21", "shop:7"])
    assert keys("--provider", "sho") == []
    assert "is not a duration" in intake("dead", "list", "--older", "soon").output
    assert "Choose from: dropday, carrier" in intake("dead", "list", "--target", "nobody").output
    assert intake("dead", "list", "--reason", "nothing like it").output == "Nothing is dead.\n"


def test_dead_show_prints_the_history_and_the_order_only_on_request(rt: Runtime) -> None:
    bury(rt, "1")
    output = intake("dead", "show", "shop:1").output
    for part in ("rejected", "422: city", "is required", "intake dead"):
        assert part in output
    assert NAME not in output
    assert NAME not in intake("dead", "show", "shop:1", "--json").output
    assert NAME in intake("dead", "show", "shop:1", "--payload").output
    assert NAME in intake("dead", "show", "shop:1", "--payload", "--json").output
    rt.cursors.bury("shop", "7", {"name": NAME}, "items", "none")
    assert NAME not in intake("dead", "show", "shop:7").output + intake("dead", "show", "shop:7", "--json").output
    assert NAME in intake("dead", "show", "shop:7", "--payload").output
    assert "shop:9 is not dead" in intake("dead", "show", "shop:9").output


def test_a_dry_run_touches_nothing(rt: Runtime) -> None:
    bury(rt, "1", "2")
    rt.cursors.bury("shop", "7", {"id": 7}, "items", "none")
    assert intake("dead", "replay", "--all", "--dry-run").output == "3 would be replayed.\n"
    assert listed("dead", "discard", "--all", "--dry-run") == {"discarded": 3, "dry_run": True}
    assert listed("dead", "list")["count"] == 3
    assert rt.fetches.count_waiting("shop") == 0


def test_replay_queues_orders_and_fetches_records(rt: Runtime) -> None:
    bury(rt, "1", "2")
    for record in ("7", "sha-0123456789abcdef"):
        rt.cursors.bury("shop", record, {}, "items", "none")
    assert intake("dead", "replay", "shop:1", stdin="y\n").output.endswith(
        "1 replayed. The next sweep sends or reads them.\n"
    )
    assert (state(rt)["state"], state(rt, "2")["state"]) == ("queued", "dead")
    assert listed("dead", "replay", "--all", "--yes") == {"replayed": 2, "without_id": 1, "dry_run": False}
    assert rt.lanes["dropday"].status()["queued"] == 2
    assert [fetch.external_id for fetch in rt.fetches.claim("shop", 5)] == ["7"]


def test_discard_deletes_personal_data(rt: Runtime) -> None:
    bury(rt, "1", "2")
    rt.cursors.bury("shop", "7", {"name": NAME}, "items", "none")
    assert intake("dead", "discard", "--target", "dropday", "--match", "*:1", "--yes").output == "1 discarded.\n"
    assert (state(rt)["state"], keys()) == ("discarded", ["shop:2", "shop:7"])
    assert "until it changes at the source" in intake("show", "shop:1").output
    assert intake("dead", "discard", "--all", "--yes").output == "2 discarded.\n"
    assert keys() == []
    assert not rt.redis.keys("intake:payload:*")


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_commands_on_dead_orders_name_them_and_ask_for_confirmation(rt: Runtime, command: str) -> None:
    bury(rt, "1", "2")
    declined = intake("dead", command, "--all", stdin="n\n")
    assert (declined.exit_code, "2 dead letters? [y/N]" in declined.output) == (1, True)
    for args in ([], ["--all", "shop:1"], ["--all", "--target", "dropday"]):
        assert intake("dead", command, "--yes", *args).exit_code == 2
    unknown = intake("dead", command, "shop:1", "shop:9", "--yes")
    assert (unknown.exit_code, "not dead: shop:9. Next: intake dead list" in unknown.output) == (1, True)
    assert keys() == ["shop:1", "shop:2"]


def test_orders_in_doubt_are_listed_with_their_reference(rt: Runtime) -> None:
    leave_in_doubt(rt, "1", "2")
    result = listed("doubt", "list", "--match", "*:2")
    assert [(entry["key"], entry["reference"]) for entry in result["orders"]] == [("shop:2", "R2")]
    assert "Newest of 2" in intake("doubt", "list").output
    assert intake("doubt", "list", "--target", "carrier").output == "Nothing is in doubt.\n"


def test_doubt_ask_settles_the_orders_that_the_target_can_find(rt: Runtime) -> None:
    leave_in_doubt(rt, "1", "2")
    assert intake("doubt", "ask", "--dry-run").output == "2 orders in doubt would be searched for.\n"
    assert listed("doubt", "ask", "dropday", "--yes") == {
        "found": 1,
        "queued_again": 1,
        "stay_in_doubt": 0,
        "dry_run": False,
    }
    assert (state(rt)["state"], state(rt)["target_id"]) == ("delivered", "T1")
    assert (state(rt, "2")["state"], state(rt, "2")["uncertain"]) == ("queued", "1")
    assert "is not a target" in intake("doubt", "ask", "nobody").output


def test_doubt_ask_reports_a_target_without_a_response(rt: Runtime) -> None:
    settle(rt, "carrier", Outcome("doubt", "uncertain", "cut", uncertain=True), "1")
    output = intake("doubt", "ask", "--yes").output
    assert "carrier does not respond" in output
    assert state(rt, target="carrier")["code"] == "unavailable"
    assert state(rt, target="carrier")["state"] == "in_doubt"


@pytest.mark.parametrize(
    ("verdict", "state_after"), [("--delivered", "delivered"), ("--send-again", "queued"), ("--dead", "dead")]
)
def test_doubt_resolve_records_the_decision_of_an_operator(rt: Runtime, verdict: str, state_after: str) -> None:
    leave_in_doubt(rt, "1", "2")
    args = ("doubt", "resolve", "shop:1", "shop:2", "--target", "dropday", verdict)
    assert intake(*args, stdin="n\n").exit_code == 1
    assert intake(*args, "--dry-run").output == "2 would be resolved.\n"
    assert state(rt)["state"] == "in_doubt"
    assert intake(*args, "--yes").output == "2 resolved.\n"
    assert [state(rt, n)["state"] for n in "12"] == [state_after, state_after]
    again = intake(*args, "--yes")
    assert (again.exit_code, "not in doubt in dropday: shop:1, shop:2" in again.output) == (1, True)


def test_doubt_resolve_records_the_target_id_of_a_delivered_order(rt: Runtime) -> None:
    leave_in_doubt(rt, "1", "2")
    resolve = ("doubt", "resolve", "--target", "dropday", "--yes")
    assert intake(*resolve, "shop:1", "--delivered", "--id", "T1").exit_code == 0
    assert state(rt)["target_id"] == "T1"
    assert intake(*resolve, "shop:2").exit_code == 2
    assert intake(*resolve, "shop:2", "--delivered", "--dead").exit_code == 2
    assert intake(*resolve, "shop:2", "--dead", "--id", "T1").exit_code == 2
    assert intake(*resolve, "shop:2", "shop:3", "--delivered", "--id", "T1").exit_code == 2
    assert state(rt, "2")["state"] == "in_doubt"


def test_status_names_the_commands_to_run(rt: Runtime) -> None:
    bury(rt, "1")
    leave_in_doubt(rt, "2")
    rt.cursors.bury("shop", "7", {"id": 7}, "items", "none")
    output = " ".join(intake("status").output.split())
    assert "1 dead in total → intake dead list --target dropday" in output
    assert "dropday: 1 order in doubt: possibly in the target, so not sent again → intake doubt list" in output
    assert "1 unreadable record → intake dead list --provider shop" in output
