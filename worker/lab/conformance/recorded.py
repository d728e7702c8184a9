"""What has to be recorded of a system, and the error of a check whose recording is missing: no check passes without."""

from __future__ import annotations

from typing import Any, Final

_FETCH: Final = "shows, call = fetch, given (the cursor), exchanges, orders, cursor, more"
_CREATE: Final = "shows, call = create, given (the reference), exchanges, receipt"
_FIND: Final = "shows, call = find, given (the reference), exchanges, receipt"
_UPDATE: Final = "shows, call = update, given, target_id, order, exchanges"
_BATCH: Final = "shows, call = create_many, given (the references), exchanges, outcomes"
_WALK: Final = "shows, call = walk, given (the cursor), moved, listed, steps (the exchanges of each page)"
_ACCOUNT: Final = {
    "name": "the name of the account, such as shop-nl",
    "options": "the options of the account, with invented secrets",
    "since": "a time with its zone, from which `start` makes the first cursor",
    "start": "the cursor that `start` returns for `since`",
    "private": "the personal data in the recordings, which no message may repeat: names, e-mail addresses",
    "secret": "the secret of the producer",
    "other_secret": "a secret that is not that of the producer",
    "for": "the providers for which the producer pushes",
    "now": "the time at which the recorded calls are received, in Unix seconds",
}
#: For each sort of adapter and each recording: what to record, and the keys of its file.
_RECORDINGS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "providers": {
        "first": ("the first page of a list with several pages, from the cursor `start` of account.json", _FETCH),
        "following": ("the page after it, from the cursor of `first`", _FETCH),
        "empty": ("a page without orders: nothing is new", _FETCH),
        "malformed": ("a page with an order that cannot be read beside one that can", _FETCH),
        "one": ("one order, read by its id", "shows, call = fetch_one, given (the id), exchanges, orders"),
        "missing": ("an id that does not exist", "shows, call = fetch_one, given (the id), exchanges, orders = []"),
        "check": ("the call that checks the credentials", "shows, call = check, exchanges"),
        "inserted": ("a list to which an order is added between two pages (moved = inserted)", _WALK),
        "removed": ("a list from which an order is removed between two pages (moved = removed)", _WALK),
    },
    "targets": {
        "created": ("an order that is created", _CREATE),
        "again": ("an order that exists already (the target dedupes)", f"{_CREATE} with existed = true"),
        "found": ("an order that is found by its reference", _FIND),
        "missing": ("a reference that does not exist", f"{_FIND} = null"),
        "rejected": ("an order that is refused", f"{_CREATE[:-9]}, raises, message, fields, private"),
        "check": ("the call that checks the credentials", "shows, call = check, exchanges"),
        "resumed": ("a pending order that is created by now", "shows, call = resume, given, step, exchanges, receipt"),
        "processing": ("a pending order that still is", "shows, call = resume, given, step, exchanges, raises"),
        "rejected_later": ("a pending order that is refused", "shows, call = resume, given, step, exchanges, raises"),
        "batch": ("a call that creates several orders", _BATCH),
        "batch_in_part": ("a call of at least three orders of which one is refused", _BATCH),
        "batch_again": ("a call with an order that exists already", _BATCH),
        "absent": ("the question which orders do not exist", "shows, call = absent, given, exchanges, absent"),
        "updated": ("an order that is changed", _UPDATE),
        "updated_cancelled": ("an order that is cancelled", _UPDATE),
        "update_gone": ("a change of an order that no longer exists", f"{_UPDATE}, raises"),
        "update_rejected": ("a change that is refused", f"{_UPDATE}, raises, message, fields, private"),
    },
    "webhooks": {
        "accepted": ("a call that makes jobs", "shows, request (body, headers, query), forged, jobs"),
        "invalid": ("a call with a body that cannot be read", "shows, request, refused (status = 400, code)"),
    },
}
_HOW: Final = 'How: deploy/docs/adapters.md, "Record the calls".'


class NotRecorded(AssertionError):
    """A check cannot be made, because what it needs is not recorded."""

    def __init__(self, sort: str, kind: str, name: str, what: str = "") -> None:
        known, keys = _RECORDINGS.get(sort, {}).get(name, ("", ""))
        described = what or known or "the call of this name"
        fields = f" Its keys: {keys}." if keys else ""
        super().__init__(f"not checked: record {sort}/{kind}/{name}.json: {described}.{fields} {_HOW}")


class Scenes(dict[str, Any]):
    """The recordings of an adapter by name."""

    def __init__(self, scenes: dict[str, Any], sort: str, kind: str) -> None:
        super().__init__(scenes)
        self._sort, self._kind = sort, kind

    def __missing__(self, name: str) -> Any:
        raise NotRecorded(self._sort, self._kind, name)


class Facts(dict[str, Any]):
    """The file account.json: what the recordings have in common."""

    def __init__(self, facts: dict[str, Any], sort: str, kind: str) -> None:
        super().__init__(facts)
        self._sort, self._kind = sort, kind

    def __missing__(self, key: str) -> Any:
        what = f"the key {key}, {_ACCOUNT.get(key, 'which this check needs')}"
        raise NotRecorded(self._sort, self._kind, "account", what)
