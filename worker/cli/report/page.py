"""The report of a period as one HTML page without scripts, network requests and personal data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib import resources
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, Literal

from worker.cli.report import plots
from worker.cli.report.figures import TROUBLES
from worker.cli.report.words import STATES, length, number, orders
from worker.operations.reasons import reason
from worker.reconcile.report import FAULTS
from worker.telemetry.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from worker.cli.report.figures import Figures, Sum
    from worker.watch.judgements import Judgement

#: The longest period, in days, that has a row for each day; a longer one has a row for each month.
_DAY_ROWS: Final = 31
_MEDIAN, _P95 = 0.5, 0.95
#: The columns of `_row`, and those of the troubles besides "failed".
_COLUMNS: Final = ("accepted", "delivered", "changed there", "failed", "half within", "95 of 100 within")
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
    #: The dead letters by target, code and reason (see `worker.store.health.details.dead_reasons`).
    dead: Sequence[Mapping[str, Any]]
    #: The last comparison of each pair of provider and target; None without any.
    compared: Mapping[tuple[str, str], Mapping[str, Any] | None]
    #: Orders that wait for a person.
    waiting: int


def page(report: Report) -> str:
    """Return the HTML page."""
    title = f"Orders, {_period(report)}"
    # For light and dark, on screen and on A4 paper.
    style = resources.files("worker.cli.report").joinpath("style.css").read_text("utf-8")
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="soft">Days begin at midnight UTC. Made {report.now:%Y-%m-%d %H:%M} UTC.{_limits(report)}</p>',
        *_summary(report),
        *_by_day(report),
        *_by_account(report.figures),
        *_delays(report.figures),
        *_troubles(report),
        *_waiting(report),
        *_compared(report),
        _footer(),
    ]
    return printable(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>\n{style}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _period(report: Report) -> str:
    if report.first == report.last:
        return f"{report.first:%-d %B %Y}"
    return f"{report.first:%-d %B %Y} to {report.last:%-d %B %Y}"


def _limits(report: Report) -> str:
    """Return the sentences that say what the figures do not include."""
    sentences = ""
    if report.last >= report.now.date():
        sentences += f" Today counts until {report.now:%H:%M}."
    if report.counted_since is None:
        return f"{sentences} <b>Nothing was ever counted here.</b>"
    if report.counted_since.date() >= report.first:
        sentences += f" <b>Counted since {report.counted_since:%Y-%m-%d %H:%M}: what was before is not in it.</b>"
    return sentences


def _summary(report: Report) -> Iterator[str]:
    total = report.figures.total()
    accepted, delivered, failed = total.all("in"), total.all("out"), total.all("dead")
    median, p95 = total.percentile(_MEDIAN), total.percentile(_P95)
    lead = f"{orders(accepted)} came in, {number(delivered)} {'was' if delivered == 1 else 'were'} delivered"
    if median is not None:
        lead += f": half of them within {length(median)}, 95 of 100 within {length(p95)}"
    lead += f". {number(failed)} could not be delivered." if failed else ". None failed."
    if report.waiting:
        lead += f" {orders(report.waiting)} wait{'s' if report.waiting == 1 else ''} for a person now."
    yield f'<p class="lead">{lead}</p>'
    tiles = [
        ("accepted", number(accepted), ""),
        ("delivered", number(delivered), "good"),
        ("failed", number(failed), "bad" if failed else ""),
        ("half within", length(median), ""),
        ("95 of 100 within", length(p95), ""),
    ]
    yield (
        '<div class="tiles">'
        + "".join(f'<div class="tile {css}"><b>{value}</b><span>{name}</span></div>' for name, value, css in tiles)
        + "</div>"
    )
    if len(report.compared) > 1:
        yield '<p class="soft">An order that goes to two systems counts for each of them.</p>'


def _by_day(report: Report) -> Iterator[str]:
    figures, days = report.figures, report.figures.dates
    totals = [figures.total([day]) for day in days]
    yield "<h2>Day by day</h2>"
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
    yield "<h2>From where to where</h2>"
    rows = [
        [provider, target, number(accepted), number(delivered)]
        for (provider, target), (accepted, delivered) in figures.pairs().items()
    ]
    yield _table(("from", "to", "accepted", "delivered"), rows, text_columns=2, name="pairs")
    yield "<h2>Each system</h2>"
    rows = []
    for target in figures.days:
        total = figures.total(target=target)
        rows.append([target, *_row(total), *(number(total.all(trouble)) for trouble in _WAITING)])
    yield _table(("to", *_COLUMNS, *(STATES[trouble] for trouble in _WAITING)), rows, name="systems")


def _delays(figures: Figures) -> Iterator[str]:
    yield "<h2>How long an order took, from accepted to delivered</h2>"
    yield _key(("half", "half of the day's orders within"), ("most", "95 of 100 within"))
    for target in figures.days:
        totals = [figures.total([day], target) for day in figures.dates]
        series = [
            ("half", "half within", [total.percentile(_MEDIAN) for total in totals]),
            ("most", "95 of 100 within", [total.percentile(_P95) for total in totals]),
        ]
        if any(value is not None for _, _, values in series for value in values):
            plot = plots.delays_by_day(figures.dates, series, f"Delays of {target} by day")
            yield f'<div class="plot"><h3>{escape(target)}</h3>{plot}</div>'


def _troubles(report: Report) -> Iterator[str]:
    yield "<h2>What went wrong, and why</h2>"
    rows = []
    for trouble in TROUBLES:
        counts: Counter[tuple[str, str]] = Counter()
        for target in report.figures.days:
            counts.update({(target, code): n for code, n in report.figures.total(target=target).by(trouble).items()})
        rows += [[STATES[trouble], reason(code), target, number(n)] for (target, code), n in counts.most_common()]
    if not rows:
        yield "<p>Nothing.</p>"
        return
    yield _table(("what became of it", "why", "to", "times"), rows, text_columns=3, name="troubles")
    yield (
        '<p class="soft"><b>Not delivered</b>: a person has to decide. <b>Unclear</b>: the order may be there; it '
        "is asked for, and never sent blindly. <b>Kept aside</b>: it waits for a setting or a decision. "
        "<b>Tried again</b>: nothing to do, it went on by itself.</p>"
    )


def _waiting(report: Report) -> Iterator[str]:
    yield "<h2>What waits for a person now</h2>"
    if not report.needs:
        yield "<p>Nothing.</p>"
        return
    rows = [[escape(need.sentence), _remedy(need.remedy)] for need in report.needs]
    yield _table(("what", "what to do"), rows, text_columns=2, name="needs", content="html")
    if report.dead:
        yield "<h3>What the systems said of the orders that are not delivered</h3>"
        rows = [[row["target"], reason(row["code"]), row["reason"], number(row["count"])] for row in report.dead]
        yield _table(("to", "why", "in its words", "orders"), rows, text_columns=3, name="dead")


def _remedy(text: str) -> str:
    """Return a remedy as HTML: a command as code, a sentence as text."""
    return f"<code>{escape(text)}</code>" if text.startswith("intake ") else escape(text)


def _compared(report: Report) -> Iterator[str]:
    yield "<h2>Both sides compared</h2>"
    yield '<p class="soft">The last comparison of each pair: what the source has, and what the system has.</p>'
    rows = []
    for (provider, target), comparison in report.compared.items():
        if comparison is None:
            rows.append([provider, target, "never", *[""] * len(FAULTS)])
            continue
        counts = [number(comparison["counts"].get(fault, 0)) for fault in FAULTS]
        error = f": {comparison['error']}" if comparison["error"] else ""
        when = f"{datetime.fromtimestamp(comparison['at'], UTC):%Y-%m-%d %H:%M}{error}"
        rows.append([provider, target, when, *counts])
    yield _table(("from", "to", "when (UTC)", *FAULTS), rows, text_columns=3, name="compared")


def _footer() -> str:
    return (
        "<footer>Made by <code>intake report</code>. A delay is counted from the moment an order was accepted to the "
        "moment its system had it, and kept with two digits. What was refused first and delivered later is both. "
        "There is no personal data in this page.</footer>"
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
    return f'<table id="{name}"><thead>{row(heads, "th")}</thead><tbody>{body}</tbody></table>'


def _cell(text: str, tag: str, right: object) -> str:
    return f'<{tag} class="n">{text}</{tag}>' if right else f"<{tag}>{text}</{tag}>"
