"""The API of Dropboy (by Wuxus): it takes transport jobs in files and reports later what became of them."""

from __future__ import annotations

from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

from worker.lab.sandbox.dropboy import multipart, shape
from worker.lab.sandbox.dropboy.account import DropboyAccount
from worker.lab.sandbox.system import Call, Response, System, web_page
from worker.lab.sandbox.wire import dump

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


def _error(status: int, did: str, text: str) -> Response:
    return Response(status, dump({"success": False, "errors": [text], "error": text, "result": None}), did)


class Dropboy(System[DropboyAccount]):
    """The simulated Dropboy. Its documents announce a limit for later, so it has none unless one is set."""

    name: ClassVar[str] = "dropboy"
    fragile_field: ClassVar[str] = "id"
    account_type = DropboyAccount
    #: `create` is the upload of a file, `status` that of its processing.
    routes = (
        ("GET", "public/orders", "list"),
        ("POST", "public/orders/batch", "create"),
        ("GET", "public/orders/batch/status/{id}", "status"),
        ("GET", "public/orders/track/{id}/key/{key}/type/pickup", "track"),
        ("GET", "public/orders/track/{id}/key/{key}/type/delivery", "track"),
    )

    def throttled(self) -> Response:
        """Return a 429, the reserved status; no header is documented."""
        return _error(429, "refused_429", _TEXTS[429])

    def refusal(self, status: int) -> Response:
        """Return the JSON envelope for a documented status, else the web server's page."""
        return _error(status, "nothing", _TEXTS[status]) if status in _TEXTS else web_page(status, "nothing")

    def respond(self, call: Call, op: str) -> Response:
        """Check the key, then do the work."""
        account = self.accounts.get(call.account)
        if account is None:
            return web_page(404, "unknown_account")
        key = call.headers.get("APIkey")
        if key != account.key:
            return _error(account.key_status, "unauthorized", "Invalid API key" if key else "Missing API key")
        if op == "create" and account.permission == "read":
            # The documents send 403 for a wrong key and 401 here; an account with 401 for a wrong key sends 403 here.
            return _error(403 if account.key_status == 401 else 401, "forbidden", _TEXTS[401])  # noqa: PLR2004
        return self._work(account, call, op)

    def _work(self, account: DropboyAccount, call: Call, op: str) -> Response:
        match op:
            case "list":
                return _list(account, call)
            case "create":
                return _upload(account, call)
            case "status":
                return _status(account, call.parts[4])
            case "track":
                return _track(account, call.parts[3], call.parts[7])
        if any(self.route(method, call.parts)[0] != "unknown" for method in ("GET", "POST")):
            return _error(405, "unknown_method", _TEXTS[405])
        return web_page(404, "unknown_method", f"Cannot {call.method} /{'/'.join(call.parts)}")


def _success(
    account: DropboyAccount, did: str, result: Any, external_id: str | None, reference: str | None, **extra: Any
) -> Response:
    body = {"success": True, **account.no_errors, "result": result, **extra}
    return Response(200, dump(body), did, external_id, reference)


def _list(account: DropboyAccount, call: Call) -> Response:
    """Return a page of the list; there are no filters, so other parameters are ignored."""
    params = dict(parse_qsl(call.query, keep_blank_values=True))
    try:
        asked: dict[str, int] = {name: _integer(params[name]) for name in ("take", "skip") if name in params}
    except ValueError:
        return _error(400, "refused", "take and skip should be integers")
    take, skip = asked.get("take", account.default_take), asked.get("skip", 0)
    if take > account.max_take and account.over_max == "refuse":
        return _error(400, "refused", f"take should be <= {account.max_take}")
    take = min(take, account.max_take)
    infos = {"asked": {"info": asked}, "effective": {"info": {"take": take, "skip": skip}}, "absent": {}}
    response = _success(account, "listed", account.page(take, skip), None, None, **infos[account.info])
    response.page_key = "result"
    return response


def _integer(text: str) -> int:
    if not (text.isdecimal() and text.isascii()):
        raise ValueError(text)
    return int(text)


def _upload(account: DropboyAccount, call: Call) -> Response:
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
    return _success(account, "accepted", {"batchFileId": batch.id}, _single_number(batch.rows), batch.id)


def _single_number(rows: list[Any]) -> str | None:
    """Return the order number of a file with a single order, for the journal."""
    order = rows[0].get("order") if len(rows) == 1 and isinstance(rows[0], dict) else None
    number = order.get("orderNumber") if isinstance(order, dict) else None
    return None if number is None else str(number)


def _status(account: DropboyAccount, batch_id: str) -> Response:
    batch = account.batch(batch_id)
    if batch is None:
        return _error(account.unknown_batch, "not_found", "Batch file not found")
    return _success(account, batch.status, account.batch_status(batch), _single_number(batch.rows), batch.id)


def _track(account: DropboyAccount, job_id: str, side: str) -> Response:
    """Return what a buyer sees of a job; any key is accepted, as its origin is not documented."""
    job = account.find(job_id)
    if job is None:
        return _error(400, "not_found", "Order not found")
    return _success(account, "tracked", shape.tracked(job, side), job.number, job.id)
