"""The accounts: their state; pause, resume, poll, backfill, and the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from worker.operations.backfill_range import LONGEST, limit_range
from worker.operations.cursor_moves import CursorMove, carry_out, plan_move, plan_undo, seen_of
from worker.operations.cursor_words import cursor_time
from worker.operations.document import document
from worker.operations.states import lane_state, provider_state
from worker.store.audit import Actor, record
from worker.web.api import account_models as models
from worker.web.api.call import Asked, Call, Problem

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from worker.store.audit import Act

_BACKFILL: Final = ("state", "since", "until", "read", "records", "error")


def _show(asked: Asked) -> dict[str, Any]:
    status = document(asked.rt)
    return {
        "providers": [_provider_state(asked, name, each) for name, each in status["providers"].items()],
        "targets": [_target_state(asked, name, each) for name, each in status["lanes"].items()],
    }


def _provider_state(asked: Asked, name: str, each: dict[str, Any]) -> dict[str, Any]:
    cursor = asked.rt.cursors.status(name).get("value", "")
    backfill = each["backfill"]
    return {
        "name": name,
        "kind": each["kind"],
        "state": provider_state(each),
        "paused": each["paused"],
        "last_read_s": each["last_success_s"],
        "behind_s": each["lag_s"],
        "records": each["records"],
        "unreadable": each["malformed"],
        "error": each["error"],
        "cursor_seen": seen_of(cursor),
        "read_up_to": cursor_time(cursor),
        "backfill": backfill and {key: backfill[key] for key in _BACKFILL},
    }


def _target_state(asked: Asked, name: str, each: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "kind": asked.rt.settings.targets[name].kind,
        "state": lane_state(each),
        "paused": each.get("paused"),
        "queued": each["queued"],
        "being_sent": each["in_flight"],
        "oldest_s": each["oldest_s"],
        "dead": each["dead_now"],
        "held": each["held_now"],
        "in_doubt": each["in_doubt_now"],
    }


def _name(asked: Asked, *, target: bool = False) -> str:
    name = asked.values["name"]
    if name not in (asked.rt.settings.targets if target else asked.rt.settings.providers):
        raise Problem(404, "account_unknown", f"There is no such {'target' if target else 'provider'}.")
    return name


def _recorded(asked: Asked, action: str, name: str, reason: str = "", **given: object) -> AbstractContextManager[Act]:
    actor = Actor(asked.token.name, "api", asked.origin)
    return record(asked.rt.redis, actor, action, accounts=[name], reason=reason, given=given)


def _done(text: str) -> dict[str, str]:
    return {"result": "done", "text": text}


def _pausing(*, target: bool) -> Callable[[Asked], dict[str, str]]:
    def pause(asked: Asked) -> dict[str, str]:
        name, wish = _name(asked, target=target), asked.body
        if (paused := _paused(asked, name, target=target)) is not None:
            raise Problem(409, "changed", f"It is already paused ({paused}). Nothing was done.")
        with _recorded(asked, "pause", name, wish.reason, seconds=wish.seconds):
            if target:
                done = asked.rt.lanes[name].pause(wish.reason, wish.seconds, seen="")
            else:
                done = asked.rt.cursors.pause(name, wish.reason, wish.seconds, seen="")
            if not done:
                raise Problem(409, "changed", "Someone else paused it meanwhile. Nothing was done.")
        return _done(f"{name} is paused.")

    return pause


def _resuming(*, target: bool) -> Callable[[Asked], dict[str, str]]:
    def resume(asked: Asked) -> dict[str, str]:
        name = _name(asked, target=target)
        if (paused := _paused(asked, name, target=target)) is None:
            raise Problem(409, "changed", "It is not paused, or not any more. Nothing was done.")
        with _recorded(asked, "resume", name, was=paused):
            lanes, cursors = asked.rt.lanes, asked.rt.cursors
            if not (lanes[name].resume(seen=paused) if target else cursors.resume(name, seen=paused)):
                raise Problem(409, "changed", "Someone else resumed it meanwhile. Nothing was done.")
        return _done(f"{name} is resumed.")

    return resume


def _paused(asked: Asked, name: str, *, target: bool) -> str | None:
    status = asked.rt.lanes[name].status() if target else asked.rt.cursors.status(name)
    return str(status["paused"]) if "paused" in status else None


def _poll(asked: Asked) -> dict[str, str]:
    name = _name(asked)
    if (paused := _paused(asked, name, target=False)) is not None:
        raise Problem(409, "paused", f"It is paused ({paused}). Resume it first.")
    with _recorded(asked, "poll", name):
        asked.rt.cursors.ask(name)
    return _done(f"{name} is polled with the next sweep.")


def _backfill(asked: Asked) -> dict[str, str]:
    name, wish = _name(asked), asked.body
    limited = limit_range(wish.since, wish.until, asked.rt.now())
    if limited is None:
        raise Problem(409, "range", f"The range is empty, in the future, or longer than {LONGEST.days} days.")
    asked.rt.installation.refuse()
    begin, end = limited
    with _recorded(asked, "backfill", name, since=f"{begin:%Y-%m-%d %H:%M} UTC", until=f"{end:%Y-%m-%d %H:%M} UTC"):
        if not asked.rt.backfills.begin(name, begin, end):
            raise Problem(409, "changed", "Another range is being read. Nothing was done. Wait, or stop it first.")
    return _done(f"{name} reads the orders placed from {begin:%Y-%m-%d %H:%M} until {end:%Y-%m-%d %H:%M} UTC.")


def _stop(asked: Asked) -> dict[str, str]:
    name = _name(asked)
    _require_backfill(asked, name, "running")
    with _recorded(asked, "backfill", name, stop=True):
        if not asked.rt.backfills.pause(name, "stopped", seen=""):
            raise Problem(409, "changed", "Someone else stopped it meanwhile. Nothing was done.")
    return _done("The backfill is stopped. Accepted orders are still sent.")


def _continue(asked: Asked) -> dict[str, str]:
    name = _name(asked)
    _require_backfill(asked, name, "stopped")
    with _recorded(asked, "backfill", name, resume=True):
        if not asked.rt.backfills.resume(name, seen="stopped"):
            raise Problem(409, "changed", "Someone else continued it meanwhile. Nothing was done.")
    return _done("The backfill continues with the next sweep.")


def _require_backfill(asked: Asked, name: str, state: str) -> None:
    status = asked.rt.backfills.status(name)
    begun = "since" in status and "finished" not in status
    now = ("stopped" if "paused" in status else "running") if begun else "not begun, or finished"
    if now != state:
        raise Problem(409, "changed", f"The backfill is {now}. Nothing was done.")


def _move(asked: Asked, move: CursorMove) -> dict[str, str]:
    name = move.provider
    if asked.body.seen != move.seen:
        raise Problem(409, "changed", "The cursor moved since it was read. Nothing was done. Read it again.")
    if asked.body.dry_run or not move.changes:
        return {"result": "dry run" if asked.body.dry_run else "done", "text": move.consequence}
    asked.rt.installation.refuse()
    with _recorded(asked, f"cursor {'undo' if move.back else 'set'}", name, **move.given):
        if not carry_out(asked.rt, move):
            raise Problem(409, "changed", "The cursor moved meanwhile. Nothing was done. Read it again.")
    return _done(move.consequence)


def _set_cursor(asked: Asked) -> dict[str, str]:
    name, now, at = _name(asked), asked.rt.now(), asked.body.since
    if at > now:
        raise Problem(409, "range", "The time is in the future, or too early.")
    try:
        move = plan_move(asked.rt, name, at, now)
    except (ValueError, OverflowError):
        raise Problem(409, "range", "The provider cannot be read from this time.") from None
    return _move(asked, move)


def _undo_cursor(asked: Asked) -> dict[str, str]:
    move = plan_undo(asked.rt, _name(asked), asked.rt.now())
    if move is None:
        raise Problem(409, "changed", "The cursor was never moved by hand: there is nothing to undo.")
    return _move(asked, move)


def _act(path: str, run: Callable[[Asked], dict[str, str]], summary: str, body: Any = None) -> Call:
    return Call(path, "POST", run, summary, models.Changed, role="operator", body=body, refusals=(404, 409))


CALLS: Final = (
    Call("/accounts", "GET", _show, "Show the providers and the targets", models.Accounts, role="viewer"),
    _act("/providers/{name}/pause", _pausing(target=False), "Pause a provider", models.Pause),
    _act("/providers/{name}/resume", _resuming(target=False), "Resume a provider"),
    _act("/providers/{name}/poll", _poll, "Poll a provider with the next sweep"),
    _act("/providers/{name}/backfill", _backfill, "Read a range of a provider again", models.Range),
    _act("/providers/{name}/backfill/stop", _stop, "Stop the backfill of a provider"),
    _act("/providers/{name}/backfill/continue", _continue, "Continue the backfill of a provider"),
    _act("/providers/{name}/cursor", _set_cursor, "Read a provider again from a point in time", models.CursorTime),
    _act("/providers/{name}/cursor/undo", _undo_cursor, "Undo the last move of the cursor", models.CursorUndo),
    _act("/targets/{name}/pause", _pausing(target=True), "Pause a target", models.Pause),
    _act("/targets/{name}/resume", _resuming(target=True), "Resume a target"),
)
