"""The report of a period as one HTML page: no script, nothing from the network, nothing personal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final

from worker.cli.report import plots
from worker.cli.report.figures import TROUBLES, Sum
from worker.cli.report.style import STYLE
from worker.cli.report.words import STATES, length, number, orders, reason
from worker.reconcile.report import FAULTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from worker.cli.report.figures import Figures
    from worker.watch.judgements import Judgement

#: Days that are told one by one; of a longer period each month is.
_ONE_BY_ONE: Final = 31
_HALF, _MOST = 0.5, 0.95


@dataclass(frozen=True, slots=True)
class Told:
    """What the page tells: the figures, and what is so at this moment."""

    figures: Figures
    #: The first and the last day, both whole, but for today.
    first: date
    last: date
    now: datetime
    #: When the first order was counted; None if none was.
    counted: datetime | None
    needs: Sequence[Judgement]
    #: Orders that are not delivered now, by target, code and reason (see `worker.store.health.state.dead_reasons`).
    dead: Sequence[Mapping[str, Any]]
    #: By pair, the last comparison of both sides; None if there was none.
    compared: Mapping[tuple[str, str], Mapping[str, Any] | None]
    waiting: int


def page(told: Told) -> str:
    """The whole page."""
    title = f"Orders, {_period(told)}"
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="soft">Days begin at midnight UTC. Made {told.now:%Y-%m-%d %H:%M} UTC.{_short_of(told)}</p>',
        *_summary(told),
        *_by_day(told),
        *_by_account(told.figures),
        *_delays(told.figures),
        *_troubles(told),
        *_waiting(told),
        *_compared(told),
        _footer(),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _period(told: Told) -> str:
    if told.first == told.last:
        return f"{told.first:%-d %B %Y}"
    return f"{told.first:%-d %B %Y} to {told.last:%-d %B %Y}"


def _short_of(told: Told) -> str:
    """What the figures leave out."""
    said = ""
    if told.last >= told.now.date():
        said += f" Today counts until {told.now:%H:%M}."
    if told.counted is None:
        return f"{said} <b>Nothing was ever counted here.</b>"
    if told.counted.date() >= told.first:
        said += f" <b>Counted since {told.counted:%Y-%m-%d %H:%M}: what was before is not in it.</b>"
    return said


def _summary(told: Told) -> Iterator[str]:
    total = told.figures.total()
    came, went, failed = total.all("in"), total.all("out"), total.all("dead")
    half, most = total.within(_HALF), total.within(_MOST)
    said = f"{orders(came)} came in, {number(went)} {'was' if went == 1 else 'were'} delivered"
    if half is not None:
        said += f": half of them within {length(half)}, 95 of 100 within {length(most)}"
    said += f". {number(failed)} could not be delivered." if failed else ". None failed."
    said += f" {orders(told.waiting)} wait{'s' if told.waiting == 1 else ''} for a person now." if told.waiting else ""
    yield f'<p class="lead">{said}</p>'
    tiles = [
        ("accepted", number(came), ""),
        ("delivered", number(went), "good"),
        ("failed", number(failed), "bad" if failed else ""),
        ("half within", length(half), ""),
        ("95 of 100 within", length(most), ""),
    ]
    yield (
        '<div class="tiles">'
        + "".join(f'<div class="tile {mood}"><b>{value}</b><span>{name}</span></div>' for name, value, mood in tiles)
        + "</div>"
    )
    if len(told.compared) > 1:
        yield '<p class="soft">An order that goes to two systems counts for each of them.</p>'


def _by_day(told: Told) -> Iterator[str]:
    figures, days = told.figures, told.figures.dates
    sums = [figures.day(day) for day in days]
    yield "<h2>Day by day</h2>"
    yield _key(("in", "accepted"), ("out", "delivered"), ("failed", "failed"))
    series = [
        ("in", "accepted", [one.all("in") for one in sums]),
        ("out", "delivered", [one.all("out") for one in sums]),
        ("failed", "failed", [one.all("dead") for one in sums]),
    ]
    yield plots.bars_by_day(days, series, "Orders accepted, delivered and failed, by day")
    rows = [(str(day), figures.day(day)) for day in days]
    if len(days) > _ONE_BY_ONE:
        months = sorted({(day.year, day.month) for day in days})
        rows = [(f"{y}-{m:02}", _month(figures, y, m)) for y, m in months]
    heads = (
        "month" if len(days) > _ONE_BY_ONE else "day",
        "accepted",
        "delivered",
        "changed there",
        "failed",
        "half within",
        "95 of 100 within",
    )
    yield _table(heads, [[name, *_row(it)] for name, it in rows], name="days")


def _month(figures: Figures, year: int, month: int) -> Sum:
    return Sum.of(
        counts
        for days in figures.days.values()
        for day, counts in days.items()
        if (day.year, day.month) == (year, month)
    )


def _row(it: Sum) -> list[str]:
    counts = (it.all("in"), it.all("out"), it.changed, it.all("dead"))
    return [*map(number, counts), length(it.within(_HALF)), length(it.within(_MOST))]


def _by_account(figures: Figures) -> Iterator[str]:
    yield "<h2>From where to where</h2>"
    rows = [[p, t, number(came), number(went)] for (p, t), (came, went) in figures.pairs().items()]
    yield _table(("from", "to", "accepted", "delivered"), rows, words=2, name="pairs")
    yield "<h2>Each system</h2>"
    rows = []
    for target in figures.days:
        it = figures.target(target)
        unclear = (number(it.all(what)) for what in ("in_doubt", "held", "retry"))
        rows.append([target, *_row(it), *unclear])
    heads = ("to", "accepted", "delivered", "changed there", "failed", "half within", "95 of 100 within")
    yield _table((*heads, *(STATES[what] for what in ("in_doubt", "held", "retry"))), rows, name="systems")


def _delays(figures: Figures) -> Iterator[str]:
    yield "<h2>How long an order took, from accepted to delivered</h2>"
    yield _key(("half", "half of the day's orders within"), ("most", "95 of 100 within"))
    for target in figures.days:
        sums = [figures.day(day, target) for day in figures.dates]
        series = [
            ("half", "half within", [one.within(_HALF) for one in sums]),
            ("most", "95 of 100 within", [one.within(_MOST) for one in sums]),
        ]
        if any(value is not None for _, _, values in series for value in values):
            drawn = plots.delays_by_day(figures.dates, series, f"Delays of {target} by day")
            yield f'<div class="plot"><h3>{escape(target)}</h3>{drawn}</div>'


def _troubles(told: Told) -> Iterator[str]:
    yield "<h2>What went wrong, and why</h2>"
    rows = []
    for what in TROUBLES:
        found: Counter[tuple[str, str]] = Counter()
        for target in told.figures.days:
            found.update({(target, code): n for code, n in told.figures.target(target).by(what).items()})
        rows += [[STATES[what], reason(code), target, number(n)] for (target, code), n in found.most_common()]
    if not rows:
        yield "<p>Nothing.</p>"
        return
    yield _table(("what became of it", "why", "to", "times"), rows, words=3, name="troubles")
    yield (
        '<p class="soft"><b>Not delivered</b>: a person has to decide. <b>Unclear</b>: the order may be there; it '
        "is asked for, and never sent blindly. <b>Kept aside</b>: it waits for a setting or a decision. "
        "<b>Tried again</b>: nothing to do, it went on by itself.</p>"
    )


def _waiting(told: Told) -> Iterator[str]:
    yield "<h2>What waits for a person now</h2>"
    if not told.needs:
        yield "<p>Nothing.</p>"
        return
    rows = [[escape(need.sentence), _remedy(need.remedy)] for need in told.needs]
    yield _table(("what", "what to do"), rows, words=2, name="needs", ready="html")
    if told.dead:
        yield "<h3>What the systems said of the orders that are not delivered</h3>"
        rows = [[it["target"], reason(it["code"]), it["reason"], number(it["count"])] for it in told.dead]
        yield _table(("to", "why", "in its words", "orders"), rows, words=3, name="dead")


def _remedy(text: str) -> str:
    """A command as one is typed, a sentence as one is read."""
    return f"<code>{escape(text)}</code>" if text.startswith("intake ") else escape(text)


def _compared(told: Told) -> Iterator[str]:
    yield "<h2>Both sides compared</h2>"
    yield '<p class="soft">The last comparison of each pair: what the source has, and what the system has.</p>'
    rows = []
    for (provider, target), report in told.compared.items():
        if report is None:
            rows.append([provider, target, "never", *[""] * len(FAULTS)])
            continue
        counts = [number(report["counts"].get(fault, 0)) for fault in FAULTS]
        when = f"{datetime.fromtimestamp(report['at'], UTC):%Y-%m-%d %H:%M}" + (
            f": {report['error']}" if report["error"] else ""
        )
        rows.append([provider, target, when, *counts])
    yield _table(("from", "to", "when (UTC)", *FAULTS), rows, words=3, name="compared")


def _footer() -> str:
    return (
        "<footer>Made by <code>intake report</code>. A delay is counted from the moment an order was accepted to the "
        "moment its system had it, and kept with two digits. What was refused first and delivered later is both. "
        "There is no personal data in this page.</footer>"
    )


def _key(*entries: tuple[str, str]) -> str:
    return '<p class="key">' + "".join(f'<i class="{colour}"></i>{name}' for colour, name in entries) + "</p>"


def _table(
    heads: Iterable[str], rows: Iterable[Sequence[str]], *, words: int = 1, name: str, ready: str = "text"
) -> str:
    """A table; its first `words` columns are text, the others numbers. Cells are escaped, unless they are HTML."""

    def row(cells: Iterable[str], tag: str) -> str:
        told = (cell if ready == "html" else escape(cell) for cell in cells)
        return "<tr>" + "".join(_cell(cell, tag, n >= words) for n, cell in enumerate(told)) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f'<table id="{name}"><thead>{row(heads, "th")}</thead><tbody>{body}</tbody></table>'


def _cell(text: str, tag: str, right: object) -> str:
    return f'<{tag} class="n">{text}</{tag}>' if right else f"<{tag}>{text}</{tag}>"
