"""Dropboy (by Wuxus): takes transport jobs in files, and tells later what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qsl

from worker.lab.sandbox.dropboy import multipart, shape
from worker.lab.sandbox.dropboy.account import DropboyAccount
from worker.lab.sandbox.system import Answer, Call, System, dump, web_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.lab.sandbox.journal import Journal

_ORDERS: Final = ("public", "orders")
_OPERATIONS: Final = {("GET", _ORDERS): "list", ("POST", (*_ORDERS, "batch")): "create"}
_UPLOAD_FAILED: Final = "File upload failed"
_TEXTS: Final = {
    400: "Bad request",
    401: "User does not have permission",
    403: "Invalid API key",
    405: "Method not allowed",
    415: _UPLOAD_FAILED,
    429: "Too many requests",
    500: "Internal server error",
}


def _error(status: int, did: str, text: str) -> Answer:
    return Answer(status, dump({"success": False, "errors": [text], "error": text, "result": None}), did)


class Dropboy(System):
    """All accounts of the simulated Dropboy. Its limit is announced for later, so there is none unless asked for."""

    name: ClassVar[str] = "dropboy"
    fragile_field: ClassVar[str] = "id"

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._accounts: dict[str, DropboyAccount] = {}

    @property
    def accounts(self) -> Mapping[str, DropboyAccount]:
        """The accounts by name."""
        return self._accounts

    def open_account(self, name: str, options: dict[str, str]) -> DropboyAccount:
        """Set up an account with its own options."""
        account = self._accounts[name] = DropboyAccount(name, options, self.journal)
        return account

    def operation(self, method: str, parts: tuple[str, ...]) -> str:
        """`create` (the upload), `status` (of a file), `list`, `track`, or `unknown`."""
        match method, parts:
            case "GET", ("public", "orders", "batch", "status", _):
                return "status"
            case "GET", ("public", "orders", "track", _, "key", _, "type", "pickup" | "delivery"):
                return "track"
        return _OPERATIONS.get((method, parts), "unknown")

    def throttled(self) -> Answer:
        """The status is reserved; no header is documented."""
        return _error(429, "refused_429", _TEXTS[429])

    def refusal(self, status: int) -> Answer:
        """The envelope for the statuses that are listed, else the web server's page."""
        return _error(status, "nothing", _TEXTS[status]) if status in _TEXTS else web_page(status, "nothing")

    def answer(self, call: Call, op: str) -> Answer:
        """Check the key, then do the work."""
        account = self._accounts.get(call.account)
        if account is None:
            return web_page(404, "unknown_account")
        key = call.headers.get("APIkey")
        if key != account.key:
            return _error(account.key_status, "unauthorized", "Invalid API key" if key else "Missing API key")
        if op == "create" and account.permission == "read":
            # The documents swap the two; where they are not swapped for the key, they are not for this.
            return _error(403 if account.key_status == 401 else 401, "forbidden", _TEXTS[401])  # noqa: PLR2004
        return self._work(account, call, op)

    def _work(self, account: DropboyAccount, call: Call, op: str) -> Answer:
        match op:
            case "list":
                return _list(account, call)
            case "create":
                return _upload(account, call)
            case "status":
                return _status(account, call.parts[4])
            case "track":
                return _track(account, call.parts[3], call.parts[7])
        if any(self.operation(method, call.parts) != "unknown" for method in ("GET", "POST")):
            return _error(405, "unknown_method", _TEXTS[405])
        return web_page(404, "unknown_method", f"Cannot {call.method} /{'/'.join(call.parts)}")


def _good(account: DropboyAccount, did: str, result: Any, info: dict[str, Any] | None = None) -> Answer:
    told = {} if info is None or account.info == "absent" else {"info": info}
    return Answer(200, dump({"success": True, **account.no_errors, "result": result, **told}), did)


def _list(account: DropboyAccount, call: Call) -> Answer:
    """Whatever else is asked for, is ignored: there are no filters."""
    given = dict(parse_qsl(call.query, keep_blank_values=True))
    try:
        asked: dict[str, int] = {name: _number(given[name]) for name in ("take", "skip") if name in given}
    except ValueError:
        return _error(400, "refused", "take and skip should be integers")
    take, skip = asked.get("take", account.default_take), asked.get("skip", 0)
    if take > account.max_take and account.over_max == "refuse":
        return _error(400, "refused", f"take should be <= {account.max_take}")
    take = min(take, account.max_take)
    info = asked if account.info == "asked" else {"take": take, "skip": skip}
    answer = _good(account, "listed", account.page(take, skip), info)
    answer.page_key = "result"
    return answer


def _number(text: str) -> int:
    if not (text.isdecimal() and text.isascii()):
        raise ValueError(text)
    return int(text)


def _upload(account: DropboyAccount, call: Call) -> Answer:
    try:
        parts = multipart.read(call.headers.get("Content-Type", ""), call.body)
    except ValueError:
        return _error(415, "refused", _UPLOAD_FAILED)
    files = [part for part in parts if part.name == "batch" and part.filename is not None]
    if len(files) != 1:
        return _error(400, "refused", _UPLOAD_FAILED)
    if files[0].content_type != "application/json":
        return _error(415, "refused", _UPLOAD_FAILED)
    batch = account.upload(files[0].content)
    if batch.unusable is not None and account.bad_file == "refuse":
        return _error(400, "refused", _UPLOAD_FAILED)
    answer = _good(account, "accepted", {"batchFileId": batch.id})
    answer.external_id, answer.reference = _only_number(batch.rows), batch.id
    return answer


def _only_number(rows: list[Any]) -> str | None:
    """The number of the order in a file of one, for the journal."""
    order = rows[0].get("order") if len(rows) == 1 and isinstance(rows[0], dict) else None
    number = order.get("orderNumber") if isinstance(order, dict) else None
    return None if number is None else str(number)


def _status(account: DropboyAccount, batch_id: str) -> Answer:
    batch = account.batch(batch_id)
    if batch is None:
        return _error(account.unknown_batch, "not_found", "Batch file not found")
    answer = _good(account, batch.status, account.batch_shown(batch))
    answer.external_id, answer.reference = _only_number(batch.rows), batch.id
    return answer


def _track(account: DropboyAccount, job_id: str, side: str) -> Answer:
    """Where the key comes from is not documented, so any is taken."""
    job = account.find(job_id)
    if job is None:
        return _error(400, "not_found", "Order not found")
    answer = _good(account, "tracked", shape.tracked(job, side))
    answer.external_id, answer.reference = job.number, job.id
    return answer
