"""Before an order is sent, the console shows the very request: of every kind of target, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.console import running_console
from support.console_world import DELIVERED, PERSONAL, REFUSED, SETTINGS, an_order, fill, put
from support.settings_texts import NOWHERE, SECRET_KEY, dropboy, dropday, ordercloud, retailcrm, route
from worker.errors import Unavailable
from worker.http.client import Answer
from worker.operations.would_send import would_send_now
from worker.store.orders.drains import Outcome
from worker.web.paths import decision_path

if TYPE_CHECKING:
    from support.settings_texts import Configured
    from worker.http.client import Client

KEY = "shop-nl:71"
TARGETS = {"dropday": dropday, "retailcrm": retailcrm, "dropboy": dropboy, "ordercloud": ordercloud}


@pytest.mark.parametrize("with_keys", [True, False], ids=["with credentials", "without"])
@pytest.mark.parametrize("kind", TARGETS)
def test_each_kind_of_target_shows_its_request_and_sends_nothing(
    configured: Configured, monkeypatch: pytest.MonkeyPatch, kind: str, *, with_keys: bool
) -> None:
    text = retailcrm("providers.shop-nl") + TARGETS[kind]("targets.t", f"{NOWHERE}/t") + route("shop-nl", "t")
    rt = configured.open(text)
    rt.ledger.assume_no_predecessor()
    put(rt, an_order("71"), t=Outcome("bury", "rejected", "422: name"))
    if not with_keys:
        for name in ("TEST_KEY", "TEST_ACCOUNT"):
            monkeypatch.delenv(name)

    sent: list[str] = []

    def send(_: Client, label: str, *__: Any) -> Answer:
        sent.append(label)
        raise Unavailable(f"{label}: nothing was sent")

    monkeypatch.setattr("worker.http.client.Client._send", send)
    with running_console(monkeypatch) as consoles:
        rt = consoles.console.rt
        [entry] = rt.ledger.entries(["t"], KEY)
        would = would_send_now(rt, "t", KEY, entry.record)
    # RetailCRM is asked for its time zone first.
    assert sent == (["GET /api/v5/settings"] if kind == "retailcrm" and with_keys else [])
    assert would
    assert would.request, would
    shown = would.request.text()
    assert SECRET_KEY not in shown
    assert "/oauth/" not in shown
    assert ("Femke" in shown) == (kind != "retailcrm")
    assert ("the credentials of t are not set here" in would.note) == (kind == "retailcrm" and not with_keys)


def test_what_a_target_is_read_for_is_read_and_then_its_write_is_shown(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt = configured.open(
        retailcrm("providers.shop-nl") + retailcrm("targets.t", f"{NOWHERE}/t") + route("shop-nl", "t")
    )
    rt.ledger.assume_no_predecessor()
    put(rt, an_order("71"), t=REFUSED)
    settings = b'{"success": true, "settings": {"timezone": {"value": "Europe/Amsterdam"}}}'
    monkeypatch.setattr("worker.http.client.Client._send", lambda *_: Answer(200, {}, settings, "GET"))
    [entry] = rt.ledger.entries(["t"], KEY)
    would = would_send_now(rt, "t", KEY, entry.record)
    assert would
    assert would.request
    assert would.request.method == "POST"
    assert '"firstName": "Femke"' in would.request.text()


def test_the_page_before_an_order_is_sent_shows_the_request_to_those_who_may_see_it(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(configured.open(SETTINGS))
    with running_console(monkeypatch) as consoles:
        support, operator = consoles.as_role("support"), consoles.as_role("operator")
        resend = support.get(decision_path("resend", "warehouse", "shop-nl:02")).text
        release = operator.get(decision_path("release", "warehouse", "shop-nl:05")).text
        ask = operator.get(decision_path("ask", "warehouse", "shop-nl:04")).text
        viewer = consoles.as_role("viewer").get(decision_path("resend", "warehouse", "shop-nl:02"))
    for page in (resend, release):
        request = page.partition("The request to warehouse")[2]
        assert "POST http://127.0.0.1:9/" in request
        assert all(text in request for text in PERSONAL[:2])
        assert SECRET_KEY not in page
    assert "The request to warehouse" not in ask
    assert viewer.status_code == 403


def test_a_change_of_a_delivered_order_names_what_is_read_first(configured: Configured) -> None:
    text = retailcrm("providers.shop-nl") + retailcrm("targets.t", f"{NOWHERE}/t") + route("shop-nl", "t")
    rt = configured.open(text + 'on_change = "update"\n')
    rt.ledger.assume_no_predecessor()
    put(rt, an_order("71"), t=DELIVERED)
    put(rt, an_order("71", version=2, note="ring"), t=REFUSED)
    [entry] = rt.ledger.entries(["t"], KEY)
    assert entry.record["state"] == "dead"
    would = would_send_now(rt, "t", KEY, entry.record)
    assert would
    assert would.request
    assert would.request.method == "GET"
    assert would.note.startswith("t is read first, because its content decides what is written; ")
