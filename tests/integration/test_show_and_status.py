"""`intake show` and `intake status`: the order, its reason and the next step."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from support.command_line import intake
from support.gates import pass_gate
from support.orders import order
from support.settings_texts import NOWHERE, Configured, dropday, retailcrm, route
from worker.cli.status.screen import ROWS, screen
from worker.operations.document import document, full_document
from worker.store.letters import Letter
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome

if TYPE_CHECKING:
    from redis import Redis

    from worker.runtime import Runtime


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    return configured.open(
        retailcrm("providers.shop")
        + retailcrm("providers.web", f"{NOWHERE}/web")
        + dropday("targets.dropday")
        + route("shop", "dropday", reference="S-{external_id}")
        + route("web", "dropday", reference="W-{external_id}")
    )


def put(rt: Runtime, external_id: str, outcome: Outcome | None = None, provider: str = "shop") -> None:
    reference = f"{provider[0].upper()}-{external_id}"
    rt.ledger.accept("dropday", [Delivery(order(external_id, provider=provider), reference)], f"poll {provider}")
    if outcome is not None:
        with rt.lanes["dropday"].drain() as drain:
            drain.settle([(claim, outcome) for claim in drain.claim(1)])
            drain.leave()


@pytest.mark.parametrize("term", ["shop:1001", "1001", "S-1001"])
def test_show_finds_an_order_by_key_id_and_reference(rt: Runtime, term: str) -> None:
    put(rt, "1001")
    assert "shop:1001 → dropday  queued  (reference S-1001)" in intake("show", term).output


def test_show_lists_orders_with_the_same_id(rt: Runtime) -> None:
    put(rt, "7", provider="shop")
    put(rt, "7", provider="web")
    output = intake("show", "7").output
    assert "2 orders match 7" in output
    assert "shop:7" in output
    assert "web:7" in output
    assert len(json.loads(intake("show", "7", "--json").output)["matches"]) == 2


def test_show_reports_where_it_looked_for_an_unknown_order(rt: Runtime) -> None:
    result = intake("show", "nowhere")
    assert result.exit_code == 1
    for part in ("ids, numbers and beginnings of numbers at shop", '"S-{external_id}", "W-{external_id}"', "--ask"):
        assert part in result.output
    assert intake("show", "nowhere", "--json").exit_code == 1


NEXT = [
    (None, "sent now, due for"),
    (Outcome("retry", "unavailable", "POST: status 500", delay=240), "UTC (in 4 min), try 2 of 12"),
    (Outcome("hold", "held", "no product"), "waits for you: intake release dropday shop:1"),
    (Outcome("bury", "rejected", "city"), "intake dead replay shop:1 --target dropday"),
    (Outcome("doubt", "uncertain", "?"), "intake doubt resolve shop:1 --target dropday --delivered"),
    (Outcome("delivered", extra="98"), "nothing: it is delivered"),
]


@pytest.mark.parametrize(("outcome", "text"), NEXT)
def test_show_states_the_next_step_and_the_command_to_run(rt: Runtime, outcome: Outcome | None, text: str) -> None:
    put(rt, "1", outcome)
    assert text in intake("show", "shop:1").output


def test_show_of_an_order_of_a_paused_target_names_the_resume_command(rt: Runtime) -> None:
    put(rt, "1")
    rt.lanes["dropday"].pause("stocktaking")
    assert "dropday is paused (stocktaking): intake resume dropday" in intake("show", "1").output


def test_show_includes_hints_dead_letters_and_jobs_of_an_order(rt: Runtime) -> None:
    rt.fetches.add("shop", ["8"])
    rt.cursors.bury("web", "9", {"id": 9}, "items[0].quantity", "not a number")
    raw = b'{"external_id": "8"}'
    rt.inbox.add_letters([Letter("schema", "no provider", raw, len(raw))])
    output = intake("show", "8").output
    assert "shop:8 is fetched at" in output
    assert "intake inbox show" in output
    output = intake("show", "9").output
    assert "items[0].quantity: not a number" in output
    assert "intake dead replay web:9" in output


def attention_lines(rt: Runtime) -> list[str]:
    return [f"{need['what']} → {need['command']}" for need in document(rt)["attention"]]


def test_status_starts_with_everything_that_needs_an_operator_and_the_commands_to_run(
    rt: Runtime, redis: Redis
) -> None:
    put(rt, "1", Outcome("bury", "rejected", "status 422: city"))
    put(rt, "2", Outcome("doubt", "uncertain", "?"))
    put(rt, "3", Outcome("hold", "held", "no product"))
    rt.cursors.pause("shop", "status 403")
    rt.cursors.note_failure("web", "unavailable: connection refused", 90)
    redis.zadd("intake:signs", {"did sweep": 1000, "beat": rt.cursors.now()})
    lines = attention_lines(rt)
    assert len(lines) == len({line.partition(" → ")[0] for line in lines})
    assert lines[0].startswith("upkeep: ticks are not processed: no sweep for")
    assert set(lines[1:]) == {
        "shop: paused: status 403 → Fix the cause, then: intake resume shop",
        ("dropday: 1 order in doubt: possibly in the target, so not sent again → intake doubt list --target dropday"),
        "web: unavailable: connection refused (1 failure in a row, again in 90 s) → intake check",
        "dropday: 1 order died in the last hour; 1 dead in total → intake dead list --target dropday",
        "dropday: 1 held order → intake release dropday --dry-run",
    }


def test_status_reports_an_order_without_a_worker_and_a_provider_that_is_not_polled(rt: Runtime, redis: Redis) -> None:
    put(rt, "1")
    now = rt.cursors.now()
    redis.zadd("intake:lane:dropday:due", {"shop:1": now - 600_000})
    redis.hset("intake:cursor:shop", mapping={"started": 1, "finished": now - 7_200_000})
    output = " ".join(attention_lines(rt))
    assert "dropday: orders have been due for 10 min, and no worker sends them" in output
    assert "shop: no poll has succeeded for 2 h; it is polled every 5m" in output


def test_status_of_many_failures_fits_on_one_screen(rt: Runtime, redis: Redis) -> None:
    for n in range(12):
        put(rt, str(n), Outcome("bury", "rejected", f"{chr(97 + n)} is missing"))
        rt.cursors.bury("shop", str(n), {"id": n}, "items", "none")
    rt.cursors.pause("shop", "GET /api/v5/settings: status 403")
    rt.cursors.note_failure("web", "unavailable: " + "very long " * 12, 90)
    rt.scopes["dropday:dropday"].close(30.0)
    redis.zadd("intake:signs", {"did sweep": 1000})
    console = Console(width=100, record=True, highlight=False, file=StringIO())
    console.print(screen(full_document(rt), 100, ROWS))
    lines = console.export_text().rstrip().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert "need attention:" in lines[1]


def test_a_long_state_wraps_and_is_not_cut(rt: Runtime, redis: Redis) -> None:
    redis.hset("intake:lane:dropday", "closed_until", rt.cursors.now() + 59_500)
    console = Console(width=100, record=True, highlight=False, file=StringIO())
    console.print(screen(full_document(rt), 100, ROWS))
    lines = console.export_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("dropday "))
    column = lines[first].index("target down")
    state = " ".join(line[column:].strip() for line in lines[first : first + 2]).strip()
    assert re.fullmatch(r"target down, again in \d+ s", state)


def test_the_calls_of_the_last_minute_are_counted_for_each_limit(rt: Runtime) -> None:
    for _ in range(3):
        pass_gate(rt.scopes["dropday:dropday"])
    status: dict[str, Any] = document(rt)["limits"]["dropday:dropday"]
    assert status["used"] == 3
    assert status["allowed"] == 600


def test_status_shows_processes_and_tasks_by_their_signs_of_life(rt: Runtime) -> None:
    rt.signs.give("worker worker@here")
    rt.signs.give("did sweep")
    assert set(rt.signs.ages()) == {"worker worker@here", "did sweep"}
    assert "worker@here 0 s ago" in intake("status").output
