"""The report of a period as one HTML page without scripts, network requests and personal data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from worker.operations.reasons import reason
from worker.operations.report import plots
from worker.operations.report.figures import TROUBLES
from worker.operations.report.words import STATES, length, number, orders
from worker.reconcile.report import FAULTS
from worker.telemetry.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from worker.operations.report.figures import Figures, Sum
    from worker.operations.report.waiting import WaitingOrder
    from worker.watch.judgements import Judgement

#: The longest period, in days, that has a row for each day; a longer one has a row for each month.
_DAY_ROWS: Final = 31
#: What a table shows, for those who hear the page.
_LABELS: Final = {
    "days": "by day",
    "pairs": "by route",
    "systems": "by system",
    "troubles": "problems",
    "orders": "orders that wait",
    "compared": "comparisons",
}
_MEDIAN, _P95 = 0.5, 0.95
#: The columns of `_row`, and those of the troubles besides "failed".
_COLUMNS: Final = ("accepted", "delivered", "updated", "failed", "median time", "95th percentile")
_WAITING: Final = ("in_doubt", "held", "retry")


@dataclass(frozen=True, slots=True)
class Report:
    """The content of the page: the figures of the period and the present state."""

    figures: Figures
    #: The first and the last day, both whole, except for today.
    first: date
    last: date
    now: datetime
    #: The time of the first counted order; None without any.
    counted_since: datetime | None
    needs: Sequence[Judgement]
    #: The orders that wait for a person, and how many there are in all.
    orders: Sequence[WaitingOrder]
    #: The last comparison of each pair of provider and target; None without any.
    compared: Mapping[tuple[str, str], Mapping[str, Any] | None]
    waiting: int
    #: The address of the console, if there is one.
    console: str | None


def page(report: Report) -> str:
    """Return the HTML page."""
    title = _title(report)
    # For light and dark, on screen and on A4 paper.
    style = resources.files("worker.operations.report").joinpath("style.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>\n{style}</style></head>\n<body>\n{content(report)}\n</body></html>\n"
    )


def content(report: Report) -> str:
    """Return what the page shows, as HTML without a style: the console shows it as well."""
    parts = [
        f"<h1>{_title(report)}</h1>",
        f'<p class="soft">Days begin at midnight UTC. Created {report.now:%Y-%m-%d %H:%M} UTC.{_limits(report)}</p>',
        *_summary(report),
        *_by_day(report),
        *_by_account(report.figures),
        *_delays(report.figures),
        *_troubles(report),
        *_waiting(report),
        *_compared(report),
        _footer(),
    ]
    return printable("\n".join(parts))


def _title(report: Report) -> str:
    of = f" of {escape(report.figures.provider)}" if report.figures.provider else ""
    return f"Orders{of}, {_period(report)}"


def _period(report: Report) -> str:
    if report.first == report.last:
        return f"{report.first:%-d %B %Y}"
    return f"{report.first:%-d %B %Y} to {report.last:%-d %B %Y}"


def _limits(report: Report) -> str:
    """Return the sentences that say what the figures do not include."""
    sentences = ""
    if report.last >= report.now.date():
        sentences += f" Today is counted until {report.now:%H:%M}."
    if report.counted_since is None:
        return f"{sentences} <b>Nothing has been counted yet.</b>"
    if report.counted_since.date() >= report.first:
        sentences += f" <b>Counting began on {report.counted_since:%Y-%m-%d %H:%M}; earlier orders are missing.</b>"
    return sentences


def _summary(report: Report) -> Iterator[str]:
    total = report.figures.total()
    accepted, delivered, failed = total.all("in"), total.all("out"), total.all("dead")
    median, p95 = total.percentile(_MEDIAN), total.percentile(_P95)
    lead = f"{orders(accepted)} accepted, {number(delivered)} delivered"
    if median is not None:
        lead += f"; half of them within {length(median)}, 95% within {length(p95)}"
    lead += f". {number(failed)} could not be delivered." if failed else ". None failed."
    if report.waiting:
        lead += f" {orders(report.waiting)} need{'s' if report.waiting == 1 else ''} a decision now."
    yield f'<p class="lead">{lead}</p>'
    tiles = [
        ("accepted", number(accepted), ""),
        ("delivered", number(delivered), "good"),
        ("failed", number(failed), "bad" if failed else ""),
        ("median time", length(median), ""),
        ("95th percentile", length(p95), ""),
    ]
    yield (
        '<div class="tiles">'
        + "".join(f'<div class="tile {css}"><b>{value}</b><span>{name}</span></div>' for name, value, css in tiles)
        + "</div>"
    )
    if len(report.compared) > 1:
        yield '<p class="soft">An order that goes to two systems is counted for each of them.</p>'


def _by_day(report: Report) -> Iterator[str]:
    figures, days = report.figures, report.figures.dates
    totals = [figures.total([day]) for day in days]
    yield "<h2>By day</h2>"
    yield _key(("in", "accepted"), ("out", "delivered"), ("failed", "failed"))
    series = [
        ("in", "accepted", [total.all("in") for total in totals]),
        ("out", "delivered", [total.all("out") for total in totals]),
        ("failed", "failed", [total.all("dead") for total in totals]),
    ]
    yield plots.bars_by_day(days, series, "Orders accepted, delivered and failed, by day")
    unit, rows = "day", list(zip(map(str, days), totals, strict=True))
    if len(days) > _DAY_ROWS:
        months = groupby(days, key=lambda day: f"{day:%Y-%m}")
        unit, rows = "month", [(month, figures.total(list(dates))) for month, dates in months]
    yield _table((unit, *_COLUMNS), [[name, *_row(total)] for name, total in rows], name="days")


def _row(total: Sum) -> list[str]:
    counts = (total.all("in"), total.all("out"), total.changed, total.all("dead"))
    return [*map(number, counts), length(total.percentile(_MEDIAN)), length(total.percentile(_P95))]


def _by_account(figures: Figures) -> Iterator[str]:
    yield "<h2>By route</h2>"
    rows = [
        [provider, target, number(accepted), number(delivered)]
        for (provider, target), (accepted, delivered) in figures.pairs().items()
    ]
    yield _table(("shop", "system", "accepted", "delivered"), rows, text_columns=2, name="pairs")
    yield "<h2>By system</h2>"
    rows = []
    for target in figures.days:
        total = figures.total(target=target)
        rows.append([target, *_row(total), *(number(total.all(trouble)) for trouble in _WAITING)])
    yield _table(("system", *_COLUMNS, *(STATES[trouble] for trouble in _WAITING)), rows, name="systems")


def _delays(figures: Figures) -> Iterator[str]:
    yield "<h2>Delivery times, from acceptance to delivery</h2>"
    yield _key(("half", "median of the day"), ("most", "95th percentile"))
    for target in figures.days:
        totals = [figures.total([day], target) for day in figures.dates]
        series = [
            ("half", "median", [total.percentile(_MEDIAN) for total in totals]),
            ("most", "95th percentile", [total.percentile(_P95) for total in totals]),
        ]
        if any(value is not None for _, _, values in series for value in values):
            plot = plots.delays_by_day(figures.dates, series, f"Delivery times of {target} by day")
            yield f'<div class="plot"><h3>{escape(target)}</h3>{plot}</div>'


def _troubles(report: Report) -> Iterator[str]:
    yield "<h2>Problems and their reasons</h2>"
    rows = []
    for trouble in TROUBLES:
        counts: Counter[tuple[str, str]] = Counter()
        for target in report.figures.days:
            counts.update({(target, code): n for code, n in report.figures.total(target=target).by(trouble).items()})
        rows += [[STATES[trouble], reason(code), target, number(n)] for (target, code), n in counts.most_common()]
    if not rows:
        yield "<p>None.</p>"
        return
    yield _table(("result", "reason", "system", "times"), rows, text_columns=3, name="troubles")
    yield (
        '<p class="soft"><b>Not delivered</b>: a person has to decide. <b>Unclear</b>: the system may have the order, '
        "so it is searched for before it is sent again. <b>On hold</b>: it needs a setting or a decision. "
        "<b>Retried</b>: nothing to do; it recovered automatically.</p>"
    )


def _waiting(report: Report) -> Iterator[str]:
    yield "<h2>What needs a person now</h2>"
    if not report.needs and not report.orders:
        yield "<p>Nothing.</p>"
        return
    if report.console:
        yield f'<p>Decide in the console: <a href="{escape(report.console)}">{escape(report.console)}</a></p>'
    yield "<ul>" + "".join(f"<li>{escape(need.sentence)}</li>" for need in report.needs) + "</ul>"
    if not report.orders:
        return
    rows = [
        [
            _order_link(report, order),
            escape(order.shop),
            escape(order.system),
            f"{order.since:%Y-%m-%d %H:%M}",
            STATES[order.state],
            escape(order.why),
        ]
        for order in report.orders
    ]
    heads = ("order", "shop", "system", "since (UTC)", "state", "reason")
    yield _table(heads, rows, text_columns=len(heads), name="orders", content="html")
    if report.waiting > len(rows):
        yield f'<p class="soft">{number(report.waiting - len(rows))} more wait.</p>'


def _order_link(report: Report, order: WaitingOrder) -> str:
    """Return the number of an order, which links to its page of the console if there is one."""
    if report.console is None:
        return escape(order.number)
    address = f"{report.console}/orders/{quote(order.key, safe='')}"
    return f'<a href="{escape(address)}">{escape(order.number)}</a>'


def _compared(report: Report) -> Iterator[str]:
    yield "<h2>Comparisons</h2>"
    yield '<p class="soft">The last comparison of the orders of each shop with those of each system.</p>'
    rows = []
    for (provider, target), comparison in report.compared.items():
        if comparison is None:
            rows.append([provider, target, "never", *[""] * len(FAULTS)])
            continue
        counts = [number(comparison["counts"].get(fault, 0)) for fault in FAULTS]
        error = f": {comparison['error']}" if comparison["error"] else ""
        when = f"{datetime.fromtimestamp(comparison['at'], UTC):%Y-%m-%d %H:%M}{error}"
        rows.append([provider, target, when, *counts])
    yield _table(("shop", "system", "when (UTC)", *FAULTS), rows, text_columns=3, name="compared")


def _footer() -> str:
    return (
        "<footer>Created by Intake. A delivery time begins when an order is accepted, ends when its system has it, and "
        "is rounded to two significant digits. An order that was refused first and delivered later is counted as "
        "both. This page contains no personal data.</footer>"
    )


def _key(*entries: tuple[str, str]) -> str:
    return '<p class="key">' + "".join(f'<i class="{colour}"></i>{name}' for colour, name in entries) + "</p>"


def _table(
    heads: Iterable[str],
    rows: Iterable[Sequence[str]],
    *,
    text_columns: int = 1,
    name: str,
    content: Literal["text", "html"] = "text",
) -> str:
    """Return a table: the first columns are text, the others numbers. Text is escaped."""

    def row(cells: Iterable[str], tag: str) -> str:
        ready = (cell if content == "html" else escape(cell) for cell in cells)
        return "<tr>" + "".join(_cell(cell, tag, n >= text_columns) for n, cell in enumerate(ready)) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    table = f'<table id="{name}"><thead>{row(heads, "th")}</thead><tbody>{body}</tbody></table>'
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {_LABELS[name]}">{table}</div>'


def _cell(text: str, tag: str, right: object) -> str:
    return f'<{tag} class="n">{text}</{tag}>' if right else f"<{tag}>{text}</{tag}>"
