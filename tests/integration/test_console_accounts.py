"""The accounts in the console: their state, polls and backfills on demand, and what was compared."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

import tasks.sweep
from integration.test_console_correct import form_of
from support.console_world import SETTINGS, fill
from support.settings_texts import SECRET_KEY
from worker.settings.maintenance import Window
from worker.store.audit import read_audit
from worker.store.redis import keys
from worker.web.pages.pause import _account as account_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.console import Consoles
    from support.settings_texts import Configured
    from worker.runtime import Runtime
    from worker.web.visit import Visit


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    text = SETTINGS.replace("[targets.warehouse]", '[targets.warehouse]\nmaintenance = ["Sun 02:00-04:00"]')
    rt = configured.open(text)
    fill(rt)
    return rt


def nudged(rt: Runtime) -> list[tuple[str, str]]:
    """Return what the next sweep nudges."""
    found: list[tuple[str, str]] = []
    tasks.sweep.sweep(rt, lambda task, name, _: found.append((task, name)))
    return found


def test_accounts_show_their_state_limits_cursor_and_maintenance_and_no_credentials(
    consoles: Consoles, rt: Runtime
) -> None:
    rt.reports.save("shop-nl", "warehouse", {"source": 120, "missing": 2})
    browser = consoles.as_role("viewer")
    pages = {path: browser.get(path).text for path in ("/accounts", "/providers/shop-nl", "/targets/warehouse")}
    for path, texts in {
        "/accounts": ("shop-de", "returns", "2 missing", "of 120 orders", "/compared/shop-nl/warehouse"),
        "/providers/shop-nl": ("retailcrm", "10/s", "Poll", "Cursor"),
        "/targets/warehouse": ("Sun 02:00-04:00 (UTC)", "/lists/dead?account=warehouse", "at most 64"),
    }.items():
        for text in texts:
            assert text in pages[path], (path, text)
    assert not [page for page in pages.values() if SECRET_KEY in page]
    assert "Poll now" not in pages["/providers/shop-nl"], "a viewer may not act"
    assert "127.0.0.1" not in "".join(pages.values()), "the address of a system is nobody's business here"
    assert browser.get("/providers/nobody").status_code == browser.get("/targets/nobody").status_code == 404


def test_a_provider_is_polled_with_the_next_sweep_when_somebody_asks(consoles: Consoles, rt: Runtime) -> None:
    assert ("poll", "shop-nl") not in nudged(rt), "its last poll ended a moment ago"
    browser = consoles.as_role("operator")
    assert browser.send("/providers/shop-nl/poll").headers["location"] == "/providers/shop-nl"
    assert ("poll", "shop-nl") in nudged(rt)
    with rt.cursors.poll("shop-nl", 3600) as run:
        assert not isinstance(run, str), "the interval does not count for this poll"
    with rt.cursors.poll("shop-nl", 3600) as run:
        assert not isinstance(run, str) or run == "early"
    assert rt.redis.hget(keys.cursor("shop-nl"), "asked") is None
    (act,) = read_audit(rt.redis)
    assert (act.action, act.accounts, act.actor.surface) == ("poll", ("shop-nl",), "console")
    rt.cursors.pause("shop-nl", "stocktaking")
    assert browser.send("/providers/shop-nl/poll").status_code == 409


def test_a_backfill_is_previewed_begun_stopped_and_continued(consoles: Consoles, rt: Runtime) -> None:
    browser = consoles.as_role("operator")
    query = {"since": "2026-01-01", "until": "2026-01-31"}
    preview = browser.get("/providers/shop-nl/backfill?since=2026-01-01&until=2026-01-31")
    assert "from 2026-01-01 00:00 until 2026-02-01 00:00 UTC" in preview.text
    assert "since" not in rt.backfills.status("shop-nl"), "a preview changes nothing"
    assert browser.send("/providers/shop-nl/backfill", query).status_code == 303
    assert ("backfill", "shop-nl") in nudged(rt)
    page = browser.get("/providers/shop-nl").text
    assert "placed from 2026-01-01 00:00 until 2026-02-01 00:00 UTC" in page
    assert browser.send("/providers/shop-nl/backfill", query | {"until": "2026-01-30"}).status_code == 409
    browser.send("/providers/shop-nl/backfill/stop")
    assert "Continue the backfill" in browser.get("/providers/shop-nl").text
    assert "paused" in rt.backfills.status("shop-nl")
    browser.send("/providers/shop-nl/backfill/continue")
    assert "paused" not in rt.backfills.status("shop-nl")
    assert [act.outcome for act in read_audit(rt.redis)] == ["done", "done", "failed: Refused", "done"]


def test_a_cursor_is_moved_after_a_preview_and_moved_back_and_one_of_two_people_wins(
    consoles: Consoles, rt: Runtime
) -> None:
    first, second = consoles.as_role("operator"), consoles.as_role("operator")
    rt.cursors.place("shop-nl", "{}", rt.providers["shop-nl"].start(rt.now() - timedelta(days=1)))
    rt.redis.delete(keys.former("shop-nl"))
    before, since = rt.cursors.status("shop-nl")["value"], f"{rt.now() - timedelta(days=3):%Y-%m-%dT%H:%M}"
    path = f"/providers/shop-nl/cursor?since={since}"
    previews = [browser.get(path).text for browser in (first, second)]
    assert "are read again" in previews[0]
    assert rt.cursors.status("shop-nl")["value"] == before
    forms = [{"since": since, "seen": re.findall(r'name="seen" value="([^"]+)"', page)[0]} for page in previews]
    assert first.send("/providers/shop-nl/cursor", forms[0]).headers["location"] == "/providers/shop-nl"
    moved = rt.cursors.status("shop-nl")["value"]
    assert moved != before
    lost = second.send("/providers/shop-nl/cursor", forms[1])
    assert lost.status_code == 409
    assert "Someone else moved it first" in lost.text
    assert rt.cursors.status("shop-nl")["value"] == moved
    assert "Undo the last move" in first.get("/providers/shop-nl").text
    undo = first.get("/providers/shop-nl/cursor/undo").text
    assert "NOT read by polls" in undo
    seen = re.findall(r'name="seen" value="([^"]+)"', undo)[0]
    assert first.send("/providers/shop-nl/cursor/undo", {"seen": seen}).status_code == 303
    assert rt.cursors.status("shop-nl")["value"] == before
    assert first.send("/providers/shop-nl/cursor/undo", {"seen": seen}).status_code == 409
    acts = [(act.action, act.outcome) for act in read_audit(rt.redis)]
    assert acts == [("cursor undo", "done"), ("cursor set", "done")]
    for wrong in ("", "x", "2999-01-01T00:00", "0001-01-01T00:00"):
        assert first.get(f"/providers/shop-nl/cursor?since={wrong}").status_code in {200, 400}
    assert consoles.as_role("support").get(path).status_code == 403


@pytest.mark.parametrize("side", ["targets/warehouse", "providers/shop-nl"])
def test_of_two_people_who_pause_one_wins(consoles: Consoles, side: str) -> None:
    first, second = consoles.as_role("operator"), consoles.as_role("operator")
    assert first.send(f"/{side}/pause", {"reason": "Stock", "length": ""}).status_code == 303
    lost = second.send(f"/{side}/pause", {"reason": "Other", "length": ""})
    assert lost.status_code == 409
    assert "is already paused: “Stock”" in lost.text
    form = form_of(second.get(f"/{side}/pause").text)
    assert first.send(f"/{side}/resume", {"seen": form["seen"]}).status_code == 303
    assert first.send(f"/{side}/pause", {"reason": "Other", "length": ""}).status_code == 303
    # The second person resumes what is not the pause that was shown.
    lost = second.send(f"/{side}/resume", form)
    assert lost.status_code == 409
    assert "is already paused: “Other”" in lost.text


@pytest.mark.parametrize("side", ["targets/warehouse", "providers/shop-nl"])
def test_a_pause_between_the_look_and_the_act_is_not_replaced(
    consoles: Consoles, rt: Runtime, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, look, name = consoles.as_role("operator"), account_of, side.partition("/")[2]
    pause = rt.lanes[name].pause if name == "warehouse" else partial(rt.cursors.pause, name)
    resume = rt.lanes[name].resume if name == "warehouse" else partial(rt.cursors.resume, name)

    def meanwhile(act: Callable[[], object]) -> None:
        acts = [act]

        def seen_before(visit: Visit) -> tuple[str, bool, str | None]:
            seen = look(visit)
            if acts:
                acts.pop()()
            return seen

        monkeypatch.setattr("worker.web.pages.pause._account", seen_before)

    meanwhile(lambda: pause("Stock"))
    lost = operator.send(f"/{side}/pause", {"reason": "Other", "length": ""})
    assert lost.status_code == 409
    assert "is already paused: “Stock”" in lost.text
    form = form_of(operator.get(f"/{side}/pause").text)
    meanwhile(resume)
    lost = operator.send(f"/{side}/resume", form)
    assert lost.status_code == 409
    assert "is not paused any more" in lost.text
    assert [act.outcome for act in read_audit(rt.redis)] == ["failed: Refused"] * 2


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("", ""),
        ("x", "2026-01-01"),
        ("2026-02-01", "2026-01-01"),
        ("2020-01-01", "2026-01-01"),
        ("2999-01-01", "2999-01-02"),
        ("9999-12-31", "9999-12-31"),
    ],
)
def test_a_range_that_is_none_is_refused(consoles: Consoles, rt: Runtime, since: str, until: str) -> None:
    browser = consoles.as_role("operator")
    assert browser.get(f"/providers/shop-nl/backfill?since={since}&until={until}").status_code == 400
    assert browser.send("/providers/shop-nl/backfill", {"since": since, "until": until}).status_code == 400
    assert "since" not in rt.backfills.status("shop-nl")


@pytest.mark.parametrize("text", ["Sun 02:00-04:00", "Mon-Fri 22:00-06:00", "daily 03:00-03:30", "Fri-Mon 00:00-24:00"])
def test_a_window_of_maintenance_is_shown_as_it_was_written(text: str) -> None:
    assert str(Window.parse(text)) == text


def test_an_asked_poll_waits_for_the_end_of_the_running_one(rt: Runtime) -> None:
    rt.redis.hdel(keys.cursor("shop-nl"), "finished")
    with rt.cursors.poll("shop-nl", 0):
        rt.cursors.ask("shop-nl")
        time.sleep(0.002)
        assert ("poll", "shop-nl") not in nudged(rt)
    assert ("poll", "shop-nl") in nudged(rt)
