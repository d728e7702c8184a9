"""Correct an order in the console: what the target refused is fixed, previewed as the request, and sent again."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest

from support.console_world import SETTINGS, fill
from worker.store.audit import read_audit
from worker.web.paths import correct_path, order_path

if TYPE_CHECKING:
    from support.console import Browser, Consoles
    from support.settings_texts import Configured
    from worker.runtime import Runtime

DEAD = "shop-nl:02"
PATH = correct_path("warehouse", DEAD)
POSTCODE = "field:shipping_address.postal_code"


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    rt = configured.open(SETTINGS)
    fill(rt)
    return rt


def form_of(page: str) -> dict[str, str]:
    """Return the fields of the last form of a page, as a browser would send them."""
    text = page.rpartition("<form")[2]
    return {
        unescape(name): unescape(value)
        for name, value in re.findall(r'<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"', text)
    }


def correct(operator: Browser, **changes: str) -> str:
    """Fill in the form, look at the preview, and confirm it; return the preview."""
    form = form_of(operator.get(PATH).text) | changes
    preview = operator.post(PATH, form)
    assert preview.status_code == 200, preview.text
    sent = operator.post(PATH, form_of(preview.text))
    assert (sent.status_code, sent.headers["location"]) == (303, order_path(DEAD))
    return preview.text


def test_a_field_is_corrected_after_its_request_was_shown_and_the_order_is_sent_again(
    consoles: Consoles, rt: Runtime
) -> None:
    operator = consoles.as_role("operator")
    assert PATH in operator.get(order_path(DEAD)).text
    preview = correct(operator, **{POSTCODE: "1015 KH"})
    assert "<del>1015KH</del> → <ins>1015 KH</ins>" in preview
    assert "POST http://127.0.0.1:9/" in preview
    assert "1015 KH" in preview.partition("The request to warehouse")[2]
    assert rt.ledger.standing("warehouse", DEAD).state == "queued"
    page = operator.get(order_path(DEAD)).text
    assert "shipping_address.postal_code: corrected." in page
    assert "shipping_address.postal_code, by operator." in page
    [record] = read_audit(rt.redis)
    assert (record.action, record.actor.name, record.orders) == ("correct", "operator", (DEAD,))
    assert "1015 KH" not in str(record)


def test_a_correction_is_undone(consoles: Consoles, rt: Runtime) -> None:
    operator = consoles.as_role("operator")
    correct(operator, **{POSTCODE: "1015 KH"})
    page = operator.get(PATH).text
    form = form_of(page.partition("</form>")[0]) | form_of(page)
    undo = {"csrf": form["csrf"], "seen": form["seen"], "undo": "shipping_address.postal_code"}
    preview = operator.post(PATH, undo)
    assert "<del>1015 KH</del> → <ins>1015KH</ins>" in preview.text
    assert operator.post(PATH, form_of(preview.text)).status_code == 303
    [stored] = rt.ledger.corrections.of("warehouse", [DEAD])
    assert stored.by_field == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Nothing would change"),
        ({"seen": "0"}, "Someone else changed it first"),
        ({"field:currency": "??"}, "This cannot be corrected"),
    ],
)
def test_what_cannot_be_corrected_is_said_and_changes_nothing(
    consoles: Consoles, rt: Runtime, changes: dict[str, str], said: str
) -> None:
    operator = consoles.as_role("operator")
    response = operator.post(PATH, form_of(operator.get(PATH).text) | changes)
    assert response.status_code == 409
    assert said in response.text
    assert rt.ledger.standing("warehouse", DEAD).state == "dead"


def test_an_order_without_content_or_for_another_role_cannot_be_corrected(consoles: Consoles) -> None:
    assert consoles.as_role("operator").get(correct_path("returns", DEAD)).status_code == 409
    for role in ("viewer", "support"):
        visitor = consoles.as_role(role)
        assert visitor.get(PATH).status_code == 403
        assert PATH not in visitor.get(order_path(DEAD)).text
