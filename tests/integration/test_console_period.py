"""The pages about a period: the hours of a day on Home, the report, the audit log, and the comparisons."""

from __future__ import annotations

import csv
import io
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from support.console import Consoles, running_console
from support.console_world import PERSONAL, SETTINGS, fill, fill_days
from worker.errors import Unavailable
from worker.operations.report.page import content
from worker.operations.report.read import read
from worker.reconcile.one import Compared
from worker.reconcile.report import Finding
from worker.store.audit import Actor, record
from worker.store.orders.days import Days

if TYPE_CHECKING:
    from support.settings_texts import Configured
    from worker.runtime import Runtime


@pytest.fixture
def rt(configured: Configured) -> Runtime:
    rt = configured.open(SETTINGS)
    fill(rt)
    return rt


def test_home_shows_the_hours_of_today_and_of_the_day_that_is_chosen(consoles: Consoles, rt: Runtime) -> None:
    today = datetime.now(UTC).date()
    counted = Days(rt.redis).read_hours(rt.settings.targets, today)
    assert sum(accepted for accepted, _ in counted) == 12
    browser = consoles.as_role("viewer")
    page, before = browser.get("/").text, browser.get(f"/?day={today - timedelta(1)}").text
    assert "12 accepted and 6 delivered" in page.partition("Orders by hour")[2].partition("</title>")[0]
    assert "0 accepted and 0 delivered" in before.partition("Orders by hour")[2].partition("</title>")[0]
    assert f'href="/?day={today - timedelta(13)}"' in page
    for other in ("", "x", "2020-01-01", str(today + timedelta(1))):
        assert browser.get(f"/?day={other}").text.count("Today by hour") == 1


def test_the_report_is_that_of_the_command_of_all_shops_or_of_one(consoles: Consoles, rt: Runtime) -> None:
    fill_days(rt)
    browser, today = consoles.as_role("viewer"), datetime.now(UTC).date()
    page = browser.get("/report").text
    for shop in ("", "shop-de"):
        shown = browser.get(f"/report?since={today - timedelta(2)}&until={today}&shop={shop}").text
        report = content(read(rt, today - timedelta(2), today, shop))
        assert re.findall(r"<td.*?</td>", report)[:20] == re.findall(r"<td.*?</td>", shown)[:20]
        assert not any(text in shown for text in PERSONAL)
    assert 'href="/orders/shop-nl%3A02"' in page
    assert "style=" not in page
    assert f'value="{today - timedelta(6)}"' in page


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("since=x", 400),
        ("since=2026-01-02&until=2026-01-01", 400),
        ("since=2020-01-01", 400),
        ("until=0001-01-01", 400),
        ("shop=nobody", 404),
        ("until=9999-12-31", 200),
    ],
)
def test_a_period_or_a_shop_that_there_is_not_is_refused(consoles: Consoles, query: str, status: int) -> None:
    assert consoles.as_role("viewer").get(f"/report?{query}").status_code == status


def test_the_audit_log_is_filtered_exported_and_paged(consoles: Consoles, rt: Runtime) -> None:
    ada, ben = Actor("ada", "console", "203.0.113.9"), Actor("=ben", "cli", "ben@desk")
    with record(rt.redis, ada, "dead replay", accounts=["warehouse"], orders=["shop-nl:02"]) as act:
        act.count(replayed=1)
    with pytest.raises(ValueError, match="x"), record(rt.redis, ben, "pause", accounts=["returns"], reason="Stock"):
        raise ValueError("x")
    browser = consoles.as_role("operator")

    def rows(query: str = "") -> list[str]:
        page = browser.get(f"/audit?{query}").text.partition('<ol class="audit">')[2]
        return [re.sub(r"<[^>]+>", " ", row) for row in page.split("<li")[1:]]

    assert len(rows()) == 2
    for query in ("who=ada", "who=a*a", "who=AD", "what=replay", "what=warehouse", "order=shop-nl%3A02"):
        assert len(rows(query)) == 1, query
        assert "dead replay" in rows(query)[0]
        assert "1 replayed" in rows(query)[0]
    assert "failed: ValueError" in rows("what=pause")[0]
    assert "Stock" in rows("who=ben")[0]
    assert rows("who=nobody") == rows("order=shop") == []
    assert 'href="/orders/shop-nl%3A02"' in browser.get("/audit").text
    exported = browser.get("/audit/export.csv?what=pause")
    assert exported.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(exported.text.lstrip("\ufeff")))
    assert (row["actor"], row["outcome"], row["accounts"]) == ("'=ben", "failed: ValueError", "returns")
    for role in ("viewer", "support"):
        assert consoles.as_role(role).get("/audit").status_code == 403
        assert 'href="/audit"' not in consoles.as_role(role).get("/").text


def test_older_records_are_on_the_next_page(consoles: Consoles, rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.web.pages.audit._SHOWN", 2)
    for number in range(5):
        with record(rt.redis, Actor("ada", "cli"), f"act {number}"):
            time.sleep(0.002)
    browser, path, seen = consoles.as_role("operator"), "/audit?who=ada", []
    while path:
        page = browser.get(path).text
        seen += re.findall(r"act \d", page)
        path = (re.search(r'href="(/audit[^"]+before=[^"]+)">Older', page) or [""] * 2)[1].replace("&amp;", "&")
    assert seen == [f"act {number}" for number in reversed(range(5))]
    assert browser.get("/audit?before=x").status_code == 200


def compare(rt: Runtime) -> None:
    """Save a report with one finding of each kind of place."""
    found = [
        Finding("different", "NL-01", "shop-nl:01", ("48291",), ("shipping_address.city",), "delivered"),
        Finding("missing", "NL-99", "shop-nl:99"),
        Finding("extra", "NL-77", target_ids=("77",)),
    ]
    counts = {"source": 120, "different": 1, "missing": 3, "extra": 1}
    rt.reports.save("shop-nl", "warehouse", counts, findings=[each.as_json() for each in found])


def test_a_comparison_leads_to_each_single_difference(consoles: Consoles, rt: Runtime) -> None:
    compare(rt)
    viewer = consoles.as_role("viewer")
    assert 'href="/compared/shop-nl/warehouse"' in viewer.get("/accounts").text
    page = viewer.get("/compared/shop-nl/warehouse").text
    for text in ("of 120 orders", "shipping_address.city", "NL-77", "2 more, which are not kept"):
        assert text in page
    path = "/compared/shop-nl/warehouse/shop-nl%3A01"
    assert f'href="{path}"' in page
    one = viewer.get(path).text
    assert "48291" in one
    assert "Read both sides now" not in one
    assert viewer.send(path).status_code == 403
    for unknown in ("/compared/shop-de/warehouse", "/compared/x/y", "/compared/shop-nl/warehouse/shop-nl%3A55"):
        assert viewer.get(unknown).status_code == 404
    rt.reports.save("shop-nl", "warehouse", {}, error="unavailable: it is away")
    assert "It could not be compared" in viewer.get("/compared/shop-nl/warehouse").text


def test_support_sees_the_values_on_both_sides_as_they_are_now_and_they_are_kept_nowhere(
    rt: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(rt)
    path, asked = "/compared/shop-nl/warehouse/shop-nl%3A01", []

    def compared(_: object, *which: str) -> Compared:
        asked.append(which)
        if len(asked) > 1:
            raise Unavailable("GET /api: it is away")
        return Compared({"shipping_address.city": ("Amsterdam", "Utrecht")})

    monkeypatch.setattr("worker.web.pages.compared.compare_one", compared)
    with running_console(monkeypatch) as consoles:
        support = consoles.as_role("support")
        assert "Read both sides now" in support.get(path).text
        page = support.send(path, at=path).text
        assert "<td>Amsterdam</td><td>Utrecht</td>" in page
        assert asked == [("shop-nl", "warehouse", "01", "48291")]
        assert "Utrecht" not in str([rt.redis.dump(name) for name in rt.redis.scan_iter()])
        away = support.send(path, at=path)
    assert (away.status_code, "it is away" in away.text) == (409, True)
    monkeypatch.delenv("TEST_KEY")
    with running_console(monkeypatch) as consoles:
        refused = consoles.as_role("support").send(path, at=path)
    assert refused.status_code == 409
    assert "has no credentials for shop-nl" in refused.text
