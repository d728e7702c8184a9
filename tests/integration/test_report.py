"""`intake report`: orders with known delays over several days, and the exact numbers on the page."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

import pytest

from support.command_line import intake
from support.orders import order
from support.settings_texts import BY_PROVIDER, NOWHERE, Configured, dropday, retailcrm, route
from worker.cli.report.command import span
from worker.operations.reasons import REASONS
from worker.operations.report.figures import Sum
from worker.operations.report.words import length
from worker.store.orders.days import Days
from worker.store.orders.delivery import Delivery
from worker.store.orders.drains import Outcome
from worker.store.redis import lua_source, scripts

if TYPE_CHECKING:
    from pathlib import Path

    from redis import Redis

    from worker.runtime import Runtime

#: The key that holds the time of the ledger in these tests, in milliseconds.
NOW: Final = "report:now"
#: The clock of Redis would not do: to the ledger, its moves are steps, and no time passes.
_TIME: Final = f"""
local function ledger_time()
  local ms = redis.call('GET', '{NOW}')
  return {{math.floor(ms / 1000), ms % 1000 * 1000}}
end
"""
DONE = Outcome("delivered", extra="77")
#: Four days ago, at midnight.
FIRST = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=4)


class Period:
    """A runtime whose ledger has the time that the test sets."""

    def __init__(self, rt: Runtime) -> None:
        self.rt = rt
        self.at(0, "00:00:00")

    def at(self, day: int, clock: str, plus: float = 0.0) -> None:
        """Set the time to this day and clock time of the period, plus some seconds."""
        hours, minutes, seconds = map(int, clock.split(":"))
        moment = FIRST + timedelta(days=day, hours=hours, minutes=minutes, seconds=seconds + plus)
        self.rt.redis.set(NOW, int(moment.timestamp() * 1000))

    def accept(self, target: str, *ids: str, provider: str = "shop") -> None:
        orders = [Delivery(order(external_id, provider=provider), external_id) for external_id in ids]
        self.rt.ledger.accept(target, orders, f"poll {provider}")

    def settle(self, target: str, outcome: Outcome, most: int = 1) -> None:
        """Settle due orders with this outcome twice, as after a lost response."""
        with self.rt.lanes[target].drain() as drain:
            settled = [(claim, outcome) for claim in drain.claim(most)]
            assert settled
            assert drain.settle(settled) == drain.settle(settled)
            drain.leave()

    def report(self, first: int, until: int) -> tuple[str, Page]:
        """Return the page that these days have at noon of the fifth day of the period, which is today."""
        self.at(4, "12:00:00")
        html = intake("report", "--since", name_of(first), "--until", name_of(until), "--out", "-").stdout
        return html, Page(html)


@pytest.fixture
def period(configured: Configured, monkeypatch: pytest.MonkeyPatch) -> Period:
    # The cache would keep the changed scripts for other tests.
    source = lua_source.lua_source.__wrapped__
    monkeypatch.setattr(scripts, "lua_source", lambda name: source(name).replace(source("ledger_time"), _TIME))
    return Period(
        configured.open(
            retailcrm("providers.shop")
            + retailcrm("providers.web", f"{NOWHERE}/web")
            + dropday("targets.dropday")
            + retailcrm("targets.crm", f"{NOWHERE}/crm", site="main")
            + route("shop", "dropday", "crm", reference=BY_PROVIDER)
            + route("web", "dropday", reference=BY_PROVIDER)
        )
    )


class Page(HTMLParser):
    """The tables of a page by their id, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.text, self.tags = "", list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "table":
            self._rows = self.tables[dict(attrs)["id"] or ""] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"td", "th"}:
            self._rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.tables and self._rows and self._rows[-1]:
            self._rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._rows = []

    def rows(self, name: str) -> list[list[str]]:
        return self.tables[name][1:] if name in self.tables else []


def name_of(day: int) -> str:
    return f"{FIRST + timedelta(days=day):%Y-%m-%d}"


@pytest.fixture
def three_days(period: Period) -> Period:
    """Return a period with delays of 1 to 20 s, a day of failures, and an order accepted just before midnight."""
    period.at(0, "10:00:00")
    period.accept("dropday", *(f"a{n}" for n in range(1, 21)))
    for seconds in range(1, 21):
        period.at(0, "10:00:00", seconds)
        period.settle("dropday", DONE)
    period.at(0, "12:00:00")
    period.accept("crm", "a1", "a2")
    period.at(0, "12:00:00", 0.24)
    period.settle("crm", Outcome("existed", extra="8"), 2)

    period.at(1, "09:00:00")
    period.accept("dropday", "w1", provider="web")
    period.settle("dropday", Outcome("bury", "rejected", "no such article"))
    period.accept("dropday", "w2", provider="web")
    period.settle("dropday", Outcome("retry", "unavailable", "connection refused"))
    period.at(1, "09:05:00")
    period.settle("dropday", DONE)
    period.accept("dropday", "w3", provider="web")
    period.settle("dropday", Outcome("doubt", "uncertain", "it shows nothing", uncertain=True))
    period.accept("crm", "a3")
    period.settle("crm", Outcome("hold", "held", "no code for the status"))
    period.at(1, "23:59:50")
    period.accept("dropday", "a30")
    period.at(2, "00:00:20")
    period.settle("dropday", DONE)
    return period


def test_the_page_shows_the_exact_counts_and_delays(three_days: Period) -> None:
    _, page = three_days.report(0, 3)
    assert page.rows("days") == [
        [name_of(0), "22", "22", "0", "0", "9.0 s", "19 s"],
        [name_of(1), "5", "1", "0", "1", "5 min", "5 min"],
        [name_of(2), "0", "1", "0", "0", "30 s", "30 s"],
    ]
    assert page.rows("pairs") == [
        ["shop", "dropday", "21", "21"],
        ["web", "dropday", "3", "1"],
        ["shop", "crm", "3", "2"],
    ]
    assert page.rows("systems") == [
        ["dropday", "24", "22", "0", "1", "11 s", "30 s", "1", "0", "1"],
        ["crm", "3", "2", "0", "0", "0.2 s", "0.2 s", "0", "1", "0"],
    ]
    assert page.rows("troubles") == [
        ["not delivered", REASONS["rejected"], "dropday", "1"],
        ["unclear", REASONS["uncertain"], "dropday", "1"],
        ["on hold", REASONS["held"], "crm", "1"],
        ["retried", REASONS["unavailable"], "dropday", "1"],
    ]
    assert "27 orders accepted, 24 delivered; half of them within 10 s, 95% within 30 s" in page.text
    assert "1 could not be delivered. 3 orders need a decision now." in page.text


def test_a_long_period_has_a_row_per_month_and_bars_per_day(three_days: Period) -> None:
    html, page = three_days.report(-62, 3)
    rows = page.rows("days")
    assert page.tables["days"][0][0] == "month"
    assert {row[0] for row in rows} >= {name_of(0)[:7], name_of(-62)[:7]}
    assert sum(int(row[1]) for row in rows) == 27
    assert f"{name_of(1)}: 5 accepted" in html


def test_a_shorter_period_has_its_own_counts_and_a_day_without_orders_has_no_delays(three_days: Period) -> None:
    _, page = three_days.report(2, 4)
    dash = "\N{EN DASH}"
    assert page.rows("days") == [
        [name_of(2), "0", "1", "0", "0", "30 s", "30 s"],
        [name_of(3), "0", "0", "0", "0", dash, dash],
    ]
    assert page.rows("troubles") == []
    assert page.rows("orders") == [
        ["w1", "web", "dropday", f"{name_of(1)} 09:00", "not delivered", REASONS["rejected"]],
        ["w3", "web", "dropday", f"{name_of(1)} 09:05", "unclear", REASONS["uncertain"]],
        ["a3", "shop", "crm", f"{name_of(1)} 09:05", "on hold", REASONS["held"]],
    ]


def test_the_report_of_one_shop_counts_its_orders_only(three_days: Period) -> None:
    three_days.at(4, "12:00:00")
    options = ("--since", name_of(0), "--until", name_of(4), "--out", "-")
    pages = {shop: Page(intake("report", "--shop", shop, *options).stdout) for shop in ("shop", "web")}
    both = Page(intake("report", *options).stdout)
    for table in ("systems", "days", "troubles"):
        assert pages["web"].rows(table) != both.rows(table)
    assert "Orders of web, " in pages["web"].text
    for name in ("pairs", "orders"):
        rows = [row for shop in ("shop", "web") for row in pages[shop].rows(name)]
        assert sorted(rows) == sorted(both.rows(name))
    assert {row[0] for row in pages["web"].rows("systems")} == {"dropday"}
    for column in (1, 2, 3, 4):  # accepted, delivered, updated, failed
        sums = [sum(int(row[column]) for page in pages.values() for row in page.rows("systems"))]
        assert sums == [sum(int(row[column]) for row in both.rows("systems"))]
    times = {shop: [row[3] for row in page.rows("troubles")] for shop, page in pages.items()}
    assert sum(map(int, times["shop"] + times["web"])) == sum(int(row[3]) for row in both.rows("troubles"))
    assert times["web"]
    assert intake("report", "--shop", "nobody", *options).exit_code == 2


def test_orders_are_counted_by_the_hour_for_two_weeks(three_days: Period, redis: Redis) -> None:
    hours = Days(redis).read_hours(["dropday", "crm"], FIRST.date())
    counted = Days(redis).read(["dropday", "crm"], FIRST.date(), FIRST.date())
    for at, event in enumerate(("in ", "out ")):
        days = (count for days in counted.values() for counts in days.values() for name, count in counts.items()
                if name.startswith(event))  # fmt: skip
        assert sum(hour[at] for hour in hours) == sum(days) > 0
    assert hours[10][0] == 20
    assert all(14 * 86_400 < redis.ttl(name) <= 15 * 86_400 for name in redis.keys("intake:hours:*"))


def test_an_order_resolved_by_an_operator_is_counted_once(three_days: Period, redis: Redis) -> None:
    rt = three_days.rt
    three_days.at(2, "08:00:00")
    rt.stuck["dropday"].move("delivered", ["web:w3"], target_id="9")
    rt.stuck["dropday"].move("delivered", ["web:w3"], target_id="9")
    days = Days(redis).read(["dropday"], (FIRST + timedelta(days=2)).date(), (FIRST + timedelta(days=2)).date())
    [counts] = days["dropday"].values()
    # 22 h 55 min, rounded to two digits.
    assert counts == {"out shop": 1, "t300 shop": 1, "out web": 1, "t830000 web": 1}


def test_reading_a_page_again_does_not_change_the_counts(three_days: Period, redis: Redis) -> None:
    before = three_days.report(0, 5)[1].rows("days")
    three_days.at(2, "08:00:00")
    three_days.accept("dropday", *(f"a{n}" for n in range(1, 21)))
    assert three_days.report(0, 5)[1].rows("days") == before


def test_the_counters_of_a_day_expire_after_400_days_and_are_small(three_days: Period, redis: Redis) -> None:
    names = redis.keys("intake:day:*")
    assert len(names) == 5
    for name in names:
        assert 399 * 86_400 < redis.ttl(name) <= 400 * 86_400
        assert (redis.memory_usage(name) or 0) < 700
        assert redis.object("encoding", name) == "listpack"


def test_a_period_before_the_first_count_is_marked(three_days: Period, redis: Redis) -> None:
    assert "Counting began on" in three_days.report(0, 3)[0]
    assert "Counting began on" not in three_days.report(1, 3)[0]
    redis.flushall()
    _, page = three_days.report(0, 3)
    assert "Nothing has been counted yet." in page.text
    assert page.rows("pairs") == []


def test_the_page_is_one_file_without_scripts_network_requests_and_personal_data(three_days: Period) -> None:
    html, page = three_days.report(0, 3)
    assert not set(page.tags) & {"script", "link", "img", "iframe", "object", "base", "form"}
    for forbidden in ("http:", "https:", "url(", "@import", "javascript", "s3cret-key"):
        assert forbidden not in html
    for personal in ("Mug", "shop:a1", "web:w1", "19.80"):
        assert personal not in html
    for plot in html.split("<svg")[1:]:
        ET.fromstring("<svg" + plot.split("</svg>")[0] + "</svg>")


def test_the_plot_has_a_bar_for_each_count_above_zero(three_days: Period) -> None:
    html, _ = three_days.report(0, 3)
    bars = ET.fromstring("<svg" + html.split("<svg", 1)[1].split("</svg>")[0] + "</svg>")
    tips = [title.text for title in bars.iter("title")]
    assert tips == [
        f"{name_of(0)}: 22 accepted",
        f"{name_of(1)}: 5 accepted",
        f"{name_of(0)}: 22 delivered",
        f"{name_of(1)}: 1 delivered",
        f"{name_of(2)}: 1 delivered",
        f"{name_of(1)}: 1 failed",
    ]
    heights = [float(rect.attrib["height"]) for rect in bars.iter("rect")]
    assert heights[0] / heights[1] == pytest.approx(22 / 5, rel=0.02)


def test_names_and_reasons_are_escaped_on_the_page(period: Period) -> None:
    period.at(0, "09:00:00")
    period.accept("dropday", "1")
    said = json.dumps({"errors": ["<script>alert('Sanne')</script>"]})
    period.settle("dropday", Outcome("bury", "rejected", "refused", extra=said))
    html, page = period.report(0, 1)
    assert "<script" not in html
    [row] = page.rows("orders")
    assert row[-1] == f"""{REASONS["rejected"]} dropday responded: "<script>alert('Sanne')</script>\""""


def test_the_page_names_orders_by_number_links_them_into_the_console_and_shows_no_command(
    period: Period, configured: Configured
) -> None:
    period.at(0, "09:00:00")
    numbered = order("1", provider="shop", display_id="#1001", customer={"first_name": "Femke"})
    period.rt.ledger.accept("dropday", [Delivery(numbered, "R-1")], "poll shop")
    said = json.dumps({"address": ["Femke, the postcode is required."]})
    period.settle("dropday", Outcome("bury", "rejected", "refused", extra=said))
    html, page = period.report(0, 1)
    assert page.rows("orders")[0][0] == "#1001"
    assert 'dropday responded: "address: ***, the postcode is required."' in page.text
    assert "Femke" not in html
    assert "intake " not in page.text
    assert "<a " not in html
    configured.file.write_text(configured.file.read_text() + '\n[web]\nurl = "https://orders.example/"\n')
    html, _ = period.report(0, 1)
    assert '<a href="https://orders.example/orders/shop%3A1">#1001</a>' in html


def test_the_page_shows_the_differences_of_the_last_comparison(period: Period) -> None:
    period.rt.reports.save("shop", "crm", {"missing": 2, "source": 9})
    rows = period.report(0, 1)[1].rows("compared")
    assert [row[:2] + row[3:] for row in rows if row[1] == "crm"] == [["shop", "crm", "2", "0", "0", "0", "0"]]
    assert [row[2] for row in rows if row[1] == "dropday"] == ["never", "never"]


def test_the_report_command_writes_the_file_and_prints_its_period(period: Period, tmp_path: Path) -> None:
    period.at(4, "12:00:00")
    out = tmp_path / "week.html"
    result = intake("report", "--since", "7d", "--out", str(out))
    assert result.exit_code == 0
    assert out.read_text().startswith("<!doctype html>")
    assert f"{name_of(-2)} to {name_of(4)}" in result.stdout


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "until", "days"),
    [
        (timedelta(days=7), None, ("2026-11-15", "2026-11-21")),
        (timedelta(hours=12), None, ("2026-11-21", "2026-11-21")),
        (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), ("2026-11-01", "2026-11-21")),
        (datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC), ("2026-10-01", "2026-10-31")),
        (timedelta(days=2), timedelta(days=7), ("2026-11-13", "2026-11-14")),
    ],
)
def test_a_period_consists_of_whole_days(
    first: datetime | timedelta, until: datetime | timedelta | None, days: tuple[str, str]
) -> None:
    assert tuple(map(str, span(first, until, NOON))) == days


def test_a_percentile_is_the_delay_of_an_order() -> None:
    assert Sum.of([]).percentile(0.5) is None
    total = Sum.of([Counter({"t10 a": 1, "t20 a": 1}), Counter({"t30 a": 1, "t990000 b": 1})])
    assert (total.percentile(0.5), total.percentile(0.75), total.percentile(0.95)) == (2.0, 3.0, 99_000.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.1, "0.1 s"), (12, "12 s"), (60, "1 min"), (270, "4 min 30 s"), (7_800, "2 h 10 min"), (99_000, "1 d 3 h")],
)
def test_a_duration_is_written_in_at_most_two_units(seconds: float, text: str) -> None:
    assert length(seconds) == text
