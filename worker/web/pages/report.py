"""The report of a period, of all shops or of one: the page of `intake report`, to read and to print."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from worker.operations.report.page import content
from worker.operations.report.read import read, shops
from worker.web.page import Page, Refused, missing

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.web.visit import Visit

#: Days of the report that the menu opens, and the most: the counters of a day are kept for 400.
_DAYS, _MOST = 7, 400


def _period(visit: Visit) -> tuple[date, date]:
    """Return the first and the last day that were asked for. Raise Refused if that is no period."""
    today = visit.rt.now().astimezone(UTC).date()
    try:
        last = min(date.fromisoformat(visit.query.get("until", "") or today.isoformat()), today)
        begin = date.fromisoformat(visit.query.get("since", "") or (last - timedelta(_DAYS - 1)).isoformat())
    except (ValueError, OverflowError):
        raise Refused(400, "These dates are not valid", "Choose the first and the last day.") from None
    if begin > last or (last - begin).days >= _MOST:
        text = f"Choose a first day not in the future or after the last one, and less than {_MOST} days before it."
        raise Refused(400, "There is no such period", text)
    return begin, last


def _show(visit: Visit) -> Response:
    begin, last = _period(visit)
    shop = visit.query.get("shop", "")
    known = shops(visit.rt)
    if shop and shop not in known:
        raise missing("This shop")
    # The links to orders stay within this console.
    report = replace(read(visit.rt, begin, last, shop), console="")
    now = datetime.now(UTC).date()
    return visit.render(
        "report.html", report=content(report), begin=begin, last=last, shop=shop, shops=known, today=now
    )


PAGES: Final = (Page("/report", _show, "viewer", menu="Report"),)
