"""The accounts: the state of each provider and target, polls and backfills on demand, and what was compared."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from worker.operations.backfill_range import LONGEST, limit_range
from worker.operations.cursor_words import describe_cursor
from worker.operations.document import document
from worker.operations.states import lane_state, provider_state
from worker.reconcile.report import FAULTS
from worker.web.page import Page, Refused, missing

if TYPE_CHECKING:
    from starlette.responses import Response

    from worker.settings.accounts import ProviderSettings, TargetSettings
    from worker.web.visit import Visit


def _show_all(visit: Visit) -> Response:
    status = document(visit.rt)
    return visit.render(
        "accounts.html",
        providers=[(name, each, provider_state(each)) for name, each in status["providers"].items()],
        targets=[(name, each, lane_state(each)) for name, each in status["lanes"].items()],
        limits=status["limits"],
        compared=[_compared(pair, report) for pair, report in status["reconciled"].items()],
    )


def _compared(pair: str, report: dict[str, Any]) -> dict[str, Any]:
    provider, _, target = pair.partition(" > ")
    faults = [(fault.replace("_", " "), report["counts"][fault]) for fault in FAULTS if report["counts"].get(fault)]
    return {**report, "pair": pair, "provider": provider, "target": target, "faults": faults}


def _settings(account: ProviderSettings | TargetSettings) -> list[tuple[str, str]]:
    """Return what the settings say of an account, without its address and its credentials."""
    windows = ", ".join(map(str, account.maintenance.windows))
    return [
        ("Kind", account.kind),
        ("Limit", ", ".join(map(str, account.limits)) or "none"),
        ("Maintenance", f"{windows} ({account.maintenance.zone})" if windows else "none"),
    ]


def _show_provider(visit: Visit) -> Response:
    name = provider_of(visit)
    account, status = visit.rt.settings.providers[name], document(visit.rt)
    now, value = datetime.fromtimestamp(status["at"], UTC), visit.rt.cursors.status(name).get("value")
    provider = status["providers"][name]
    return visit.render(
        "provider.html",
        name=name,
        provider=provider,
        state=provider_state(provider),
        calls=status["limits"][provider["limit"]],
        settings=_settings(account),
        cursor=describe_cursor(value, now),
        now=now,
        moved=bool(visit.rt.cursors.former_values(name)),
        backfill=provider["backfill"],
        targets=visit.rt.settings.targets_of(name),
        today=now.date(),
    )


def provider_of(visit: Visit) -> str:
    """Return the provider of the path; raise Refused for an unknown one."""
    name = visit.values["name"]
    if name not in visit.rt.settings.providers:
        raise missing("This provider")
    return name


def _show_target(visit: Visit) -> Response:
    name = visit.values["name"]
    if name not in visit.rt.settings.targets:
        raise missing("This target")
    account, status = visit.rt.settings.targets[name], document(visit.rt)
    lane = status["lanes"][name]
    return visit.render(
        "target.html",
        name=name,
        lane=lane,
        state=lane_state(lane),
        calls=status["limits"][lane["limit"]],
        settings=[*_settings(account), ("Calls at the same time", f"at most {account.concurrency}")],
    )


def _poll(visit: Visit) -> Response:
    name = provider_of(visit)
    status = visit.rt.cursors.status(name)
    if "paused" in status:
        raise Refused(409, "This provider is paused", f"{name} is paused ({status['paused']}). Resume it first.")
    with visit.recorded("poll", name):
        visit.rt.cursors.ask(name)
    return visit.redirect(f"/providers/{name}", f"{name} is polled with the next sweep, about a second from now.")


def _range(visit: Visit, since: str, until: str) -> tuple[datetime, datetime]:
    """Return the range of a backfill: both days are part of it. Raise Refused if there is no such range."""
    try:
        first, last = date.fromisoformat(since), date.fromisoformat(until)
    except ValueError:
        raise Refused(400, "These dates are not valid", "Choose the first and the last day.") from None
    limited = None
    with suppress(OverflowError):
        begin, end = datetime.combine(first, time(), UTC), datetime.combine(last + timedelta(days=1), time(), UTC)
        limited = limit_range(begin, end, visit.rt.now())
    if limited is None:
        text = f"Choose a first day not in the future or after the last one, and at most {LONGEST.days} days before it."
        raise Refused(400, "There is no such range", text)
    return limited


def _preview_backfill(visit: Visit) -> Response:
    name = provider_of(visit)
    since, until = visit.query.get("since", ""), visit.query.get("until", "")
    begin, end = _range(visit, since, until)
    targets = visit.rt.settings.targets_of(name)
    return visit.render("backfill.html", name=name, since=since, until=until, begin=begin, end=end, targets=targets)


def _backfill(visit: Visit) -> Response:
    name = provider_of(visit)
    begin, end = _range(visit, visit.entry("since"), visit.entry("until"))
    visit.rt.installation.refuse()
    with visit.recorded("backfill", name, since=f"{begin:%Y-%m-%d %H:%M} UTC", until=f"{end:%Y-%m-%d %H:%M} UTC"):
        if not visit.rt.backfills.begin(name, begin, end):
            raise Refused(409, "Another range is being read", f"{name} reads another range. Wait, or stop it first.")
    return visit.redirect(f"/providers/{name}", "The backfill begins with the next sweep, after all live work.")


def _stop(visit: Visit) -> Response:
    name = provider_of(visit)
    with visit.recorded("backfill", name, stop=True):
        visit.rt.backfills.pause(name, "stopped")
    return visit.redirect(f"/providers/{name}", "The backfill is stopped. Accepted orders are still sent.")


def _continue(visit: Visit) -> Response:
    name = provider_of(visit)
    with visit.recorded("backfill", name, resume=True):
        visit.rt.backfills.resume(name)
    return visit.redirect(f"/providers/{name}", "The backfill continues with the next sweep.")


PAGES: Final = (
    Page("/accounts", _show_all, "viewer", menu="Accounts"),
    Page("/providers/{name}", _show_provider, "viewer", menu="Accounts"),
    Page("/targets/{name}", _show_target, "viewer", menu="Accounts"),
    Page("/providers/{name}/poll", _poll, "operator", "POST", menu="Accounts"),
    Page("/providers/{name}/backfill", _preview_backfill, "operator", menu="Accounts"),
    Page("/providers/{name}/backfill", _backfill, "operator", "POST", menu="Accounts"),
    Page("/providers/{name}/backfill/stop", _stop, "operator", "POST", menu="Accounts"),
    Page("/providers/{name}/backfill/continue", _continue, "operator", "POST", menu="Accounts"),
)
