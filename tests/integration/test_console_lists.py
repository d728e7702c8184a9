"""The lists of the console: by reason, filtered, exported, and acted on by many; nobody acts on what nobody saw."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

import pytest

from support.console import Consoles, running_console
from support.console_world import DELIVERED, PERSONAL, REFUSED, SETTINGS, an_order, fill, put
from worker.operations.cells import cell, csv_lines
from worker.operations.waiting import Wish, group, select
from worker.store.audit import read_audit
from worker.store.letters import Letter
from worker.store.orders.drains import Outcome
from worker.store.redis import keys
from worker.telemetry.printable import printable
from worker.web.list_words import ACTION_WORDS
from worker.web.pages import lists

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpx import Response

    from support.console import Browser
    from support.settings_texts import Configured
    from worker.runtime import Runtime


@pytest.fixture
def consoles(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> Iterator[Consoles]:
    rt = configured.open(SETTINGS)
    fill(rt)
    with rt.lanes["warehouse"].drain() as drain:  # the order that waits: a test may add others behind it
        drain.settle([(claim, DELIVERED) for claim in drain.claim(1)])
        drain.leave()
    rt.cursors.bury("shop-nl", "77", {"id": 77, "email": PERSONAL[2]}, "items[0].quantity", "is 3 and not a number")
    rt.inbox.add_letters([Letter("no_route", "no route for shop-x", PERSONAL[2].encode(), len(PERSONAL[2]), "shop-x")])
    with running_console(monkeypatch) as consoles:
        yield consoles


@pytest.fixture
def rt(consoles: Consoles) -> Runtime:
    return consoles.console.rt


def hidden(page: Response) -> dict[str, Any]:
    """Return the hidden fields of a page before an act; `id` has all its values."""
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text)
    return dict(fields) | {"id": [value for name, value in fields if name == "id"]}


def preview(browser: Browser, path: str, **form: Any) -> Response:
    return browser.send(path, form)


def states(rt: Runtime, target: str = "warehouse") -> dict[str, str]:
    """Return the state in a target of each order of the world."""
    keys = [f"shop-nl:0{n}" for n in (1, 2, 4, 5, 7)] + ["shop-de:03", "shop-de:06"]
    return {key: rt.ledger.standing(target, key).state for key in keys}


def test_each_list_shows_what_waits_by_reason_and_nothing_personal_to_a_viewer(consoles: Consoles) -> None:
    browser = consoles.as_role("viewer")
    for name, texts in {
        "dead": ("2 orders", "#NL-1002", "shop-nl → warehouse", "422: shipping_address.postcode: is not valid"),
        "held": ("1 order", "#NL-1005", "another order under this reference"),
        "in_doubt": ("1 order", "#NL-1004", "the response was lost"),
        "records": ("1 record", "shop-nl:77", "is 3 and not a number"),
        "jobs": ("1 job", "shop-x", "No route for shop-x"),
    }.items():
        page = browser.get(f"/lists/{name}")
        for text in texts:
            assert text in page.text, (name, text)
        assert not [value for value in PERSONAL if value in page.text]
        assert 'type="checkbox"' not in page.text, "a viewer may not act"
    assert browser.get("/lists").text == browser.get("/lists/dead").text
    assert browser.get("/lists/nothing").status_code == 404


def test_a_list_is_filtered_by_account_reason_and_age(consoles: Consoles, rt: Runtime) -> None:
    browser = consoles.as_role("viewer")
    assert "shop-de:03" not in browser.get("/lists/dead?account=shop-nl").text
    assert "Nothing matches" in browser.get("/lists/dead?account=returns").text
    assert "Nothing matches" in browser.get("/lists/dead?older=1h").text
    assert browser.get("/lists/dead?account=nobody").status_code == 404
    put(rt, an_order("08", "shop-de"), warehouse=Outcome("bury", "rejected", "the phone is missing"))
    groups = re.findall(r'href="/lists/dead\?group=(\w+)"', browser.get("/lists/dead").text)
    assert len(groups) == 2
    page = browser.get(f"/lists/dead?group={groups[1]}").text
    assert "#DE-1008" in page
    assert "#DE-1003" not in page


def test_ticked_orders_are_sent_again_after_a_preview_and_the_act_is_recorded(consoles: Consoles, rt: Runtime) -> None:
    browser = consoles.as_role("support")
    page = preview(browser, "/lists/dead/resend", scope="ticked", id=["warehouse shop-nl:02"])
    assert "Send 1 order again?" in page.text
    assert states(rt)["shop-nl:02"] == "dead", "a preview changes nothing"
    done = browser.post("/lists/dead/resend", hidden(page))
    assert done.status_code == 303
    assert "1 order sent again." in browser.get("/lists/dead").text
    assert states(rt)["shop-nl:02"] == "queued"
    assert states(rt)["shop-de:03"] == "dead"
    assert rt.ledger.entries(["warehouse"], "shop-nl:02")[0].history[-1][1].endswith("by support")
    (act,) = read_audit(rt.redis)
    assert (act.actor.name, act.actor.surface, act.action, act.orders) == (
        "support",
        "console",
        "dead replay",
        ("shop-nl:02",),
    )
    assert (act.counts, act.outcome) == ({"done": 1}, "done")


def test_all_that_match_are_acted_on_only_while_they_are_those_that_were_seen(consoles: Consoles, rt: Runtime) -> None:
    browser = consoles.as_role("operator")
    page = preview(browser, "/lists/dead/discard", scope="all", account="warehouse")
    assert "Discard 2 orders?" in page.text
    put(rt, an_order("08", "shop-de"), warehouse=REFUSED)
    refused = browser.post("/lists/dead/discard", hidden(page))
    assert refused.status_code == 409
    assert "When you looked, 2 matched; now 3 match" in refused.text
    # As many as before, and others.
    rt.stuck["warehouse"].move("replay", ["shop-nl:02"])
    assert browser.post("/lists/dead/discard", hidden(page)).status_code == 409
    assert states(rt)["shop-de:03"] == "dead"
    page = preview(browser, "/lists/dead/discard", scope="all", account="warehouse")
    browser.post("/lists/dead/discard", hidden(page))
    assert states(rt)["shop-de:03"] == "discarded"
    assert "Nothing is in this list" in browser.get("/lists/dead").text


@pytest.mark.parametrize(
    ("path", "row", "after"),
    [
        ("held/release", "warehouse shop-nl:05", ("shop-nl:05", "queued")),
        ("held/drop", "warehouse shop-nl:05", ("shop-nl:05", "dead")),
        ("in_doubt/delivered", "warehouse shop-nl:04", ("shop-nl:04", "delivered")),
        ("in_doubt/send", "warehouse shop-nl:04", ("shop-nl:04", "queued")),
        ("in_doubt/bury", "warehouse shop-nl:04", ("shop-nl:04", "dead")),
    ],
)
def test_held_orders_and_orders_in_doubt_are_settled(
    consoles: Consoles, rt: Runtime, path: str, row: str, after: tuple[str, str]
) -> None:
    browser = consoles.as_role("operator")
    browser.post(f"/lists/{path}", hidden(preview(browser, f"/lists/{path}", scope="ticked", id=[row])))
    assert states(rt)[after[0]] == after[1]


def test_records_are_read_again_and_jobs_pushed_again_or_discarded(consoles: Consoles, rt: Runtime) -> None:
    browser = consoles.as_role("operator")
    for path in ("records/resend", "records/discard", "jobs/resend"):
        browser.post(f"/lists/{path}", hidden(preview(browser, f"/lists/{path}", scope="all")))
    assert rt.redis.zrange(keys.fetches("shop-nl"), 0, -1) == ["77"]
    assert rt.cursors.letter_ids(["shop-nl"]) == []
    assert rt.inbox.status() | {"waiting": 1, "dead_now": 0} == rt.inbox.status()


def test_each_action_is_refused_to_who_may_not_do_it(consoles: Consoles, rt: Runtime) -> None:
    before = states(rt)
    for name, actions in ACTION_WORDS.items():
        for action, words in actions.items():
            status = preview(consoles.as_role("support"), f"/lists/{name}/{action}", scope="all").status_code
            assert status == (200 if words.role == "support" else 403), (name, action)
    assert preview(consoles.as_role("viewer"), "/lists/dead/resend", scope="all").status_code == 403
    assert states(rt) == before


def test_more_than_one_act_may_change_is_refused(consoles: Consoles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST", 1)
    refused = preview(consoles.as_role("operator"), "/lists/dead/discard", scope="all")
    assert refused.status_code == 409
    assert "At most 1 at a time" in refused.text


def test_an_export_holds_every_row_and_no_cell_is_a_formula(consoles: Consoles, rt: Runtime) -> None:
    put(rt, an_order("08", display_id='=HYPERLINK("x")'), warehouse=REFUSED, returns=REFUSED)
    response = consoles.as_role("viewer").get("/lists/dead/export.csv?account=warehouse")
    assert response.headers["content-disposition"] == 'attachment; filename="intake-dead.csv"'
    rows = list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))
    assert [row["key"] for row in rows] == ["shop-nl:02", "shop-de:03", "shop-nl:08"]
    assert rows[2]["number"] == """'=HYPERLINK("x")"""
    assert rows[0]["reason"] == REFUSED.detail
    assert not [value for value in PERSONAL if value in response.text]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\r=1", "\n=1", "  =1+1"])
def test_a_cell_that_a_spreadsheet_would_calculate_is_text(text: str) -> None:
    assert cell(text) == f"'{printable(text)}"
    assert "".join(csv_lines(["a"], [{"a": text}])).splitlines()[1].lstrip('"').startswith("'")


def test_reasons_that_differ_only_in_a_number_are_one_group(rt: Runtime) -> None:
    for number in ("08", "09"):
        put(rt, an_order(number), warehouse=Outcome("bury", "rejected", f"line {number}: no SKU"), returns=DELIVERED)
    groups = {each.reason: each.count for each in group(select(rt, "dead", Wish()))}
    assert groups == {"422: shipping_address.postcode: is not valid for the country": 2, "line N: no SKU": 2}
