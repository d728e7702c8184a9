"""The calls of RetailCRM's API, version 5: from read parameters to an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from worker.lab.sandbox.retailcrm import shape
from worker.lab.sandbox.retailcrm.account import DuplicateError, Event, InvalidError, RetailcrmAccount, Stored
from worker.lab.sandbox.system import Answer, dump

if TYPE_CHECKING:
    from collections.abc import Callable

_Row = TypeVar("_Row")
_LIMITS: Final = frozenset({20, 50, 100})
_UPLOAD_LIMIT: Final = 50
_PARTIAL: Final = 460
_INPUT: Final = "Errors in the input parameters"
_ORDER_FILTERS: Final = frozenset(
    {"ids", "externalIds", "numbers", "sites", "extendedStatus", "createdAtFrom", "createdAtTo"}
)
_HISTORY_FILTERS: Final = frozenset({"sinceId", "orderId", "orderExternalId", "startDate", "endDate"})


class BadInputError(Exception):
    """The parameters are wrong: 400 with this message, and these errors by field."""

    def __init__(self, message: str, errors: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message, self.errors = message, errors


def failure(status: int, did: str, message: str, errors: object = None) -> Answer:
    """An error in the documented form."""
    return Answer(status, dump({"success": False, "errorMsg": message, **({"errors": errors} if errors else {})}), did)


def _success(did: str, body: dict[str, Any], status: int = 200) -> Answer:
    return Answer(status, dump({"success": True, **body}), did)


class Session:
    """One call to one account; raises BadInputError."""

    def __init__(self, account: RetailcrmAccount, key: str, given: dict[str, Any], parts: tuple[str, ...]) -> None:
        self.account, self.key, self.given, self.parts = account, key, given, parts

    def run(self, op: str) -> Answer:
        """Do what `op` names."""
        work: dict[str, Callable[[], Answer]] = {
            "list": self._orders, "get": self._get, "history": self._history, "statuses": self._statuses,
            "create": self._create, "edit": self._edit, "upload": self._upload,
            "settings": self._settings, "credentials": self._credentials, "versions": self._versions,
        }  # fmt: skip
        return work[op]() if op in work else failure(404, "unknown_method", "Method not found")

    def _settings(self) -> Answer:
        zone, currency = self.account.zone.key, self.account.currency
        values = {"default_currency": currency, "system_language": "RU", "timezone": zone}
        return _success("settings", {"settings": {name: {"value": value} for name, value in values.items()}})

    def _credentials(self) -> Answer:
        scopes = ["order_read", "order_write", "reference_read"]
        access = {"siteAccess": "access_full", "sitesAvailable": self.account.sites}
        paths = ["/api/orders", "/api/orders/create", "/api/orders/history", "/api/orders/{externalId}/edit"]
        return _success("credentials", {"credentials": paths, "scopes": scopes, **access})

    def _versions(self) -> Answer:
        return _success("versions", {"versions": ["3.0", "4.0", "5.0"]})

    def _orders(self) -> Answer:
        wanted = self._filter(_ORDER_FILTERS)
        self._times(wanted, "createdAtFrom", "createdAtTo")
        ids = [str(one) for one in _many(wanted["ids"])] if "ids" in wanted else None
        found = self.account.newest_first(lambda order: _wanted(order, wanted), ids)
        return self._page("orders", "listed", found, lambda order: order.text)

    def _history(self) -> Answer:
        wanted = self._filter(_HISTORY_FILTERS)
        self._times(wanted, "startDate", "endDate")
        if "sinceId" in wanted and "page" in self.given:
            raise BadInputError(_INPUT, {"page": "Parameter 'page' cannot be used together with 'sinceId'."})
        since = wanted.get("sinceId", "0")
        if not str(since).isdecimal():
            raise BadInputError(_INPUT, {"children[sinceId]": "This value is not valid."})
        events = self.account.after(int(since))
        if len(wanted) > ("sinceId" in wanted):
            events = [event for event in events if _happened(event, wanted)]
        head = {"generatedAt": self.account.now()}
        return self._page(
            "history", "history", events, lambda event: None if event.hidden else event.text(self.key), head
        )

    def _get(self) -> Answer:
        found = self._found(self.parts[3])
        if found is None:
            return failure(404, "not_found", "Not found")
        return Answer(200, b'{"success":true,"order":' + found.text + b"}", "got", found.external_id, str(found.id))

    def _statuses(self) -> Answer:
        ids, external = ({str(v) for v in _many(self.given.get(name))} for name in ("ids", "externalIds"))
        found = self.account.newest_first(lambda order: str(order.id) in ids or order.external_id in external)
        rows = [{"id": o.id, "externalId": o.external_id, "status": o.status, "group": "new"} for o in found]
        return _success("statuses", {"orders": rows})

    def _create(self) -> Answer:
        posted, site = self._body("order", dict), self._site()
        external_id = posted.get("externalId")
        try:
            order = self.account.create(posted, site, self.key)
        except DuplicateError:
            return self._duplicate(external_id)
        except InvalidError as error:
            return failure(400, "refused", "Errors in the entity format", error.errors)
        answer = _success("created", {"id": order["id"], "order": shape.replied(order)}, 201)
        answer.external_id, answer.reference = order.get("externalId"), str(order["id"])
        return answer

    def _edit(self) -> Answer:
        posted, found = self._body("order", dict), self._found(self.parts[3])
        if found is None:
            return failure(404, "not_found", "Not found")
        if self.account.edits == "merge" and isinstance(posted.get("delivery"), dict):
            posted["delivery"] = _merged(json.loads(found.text).get("delivery"), posted["delivery"])
        try:
            order = self.account.edit(found, posted, self.key)
        except InvalidError as error:
            return failure(400, "refused", "Errors in the entity format", error.errors)
        answer = _success("edited", {"id": found.id, "order": shape.replied(order)})
        answer.external_id, answer.reference = found.external_id, str(found.id)
        return answer

    def _upload(self) -> Answer:
        batch, site = self._body("orders", list), self._site()
        if len(batch) > _UPLOAD_LIMIT:
            raise BadInputError(_INPUT, {"orders": f"No more than {_UPLOAD_LIMIT} orders are taken at once."})
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        errors: list[str] = []
        for posted in batch:
            name = {"externalId": posted["externalId"]} if "externalId" in posted else {}
            try:
                order = self.account.create(posted, site, self.key)
            except DuplicateError:
                failed.append(name)
                errors.append(_exists(posted["externalId"]))
            except InvalidError as error:
                failed.append(name)
                errors += [f"{field}: {text}" for field, text in error.errors.items()]
            else:
                done.append({"id": order["id"], **name})
        return self._upload_answer(done, failed, errors)

    def _upload_answer(self, done: list[dict[str, Any]], failed: list[dict[str, Any]], errors: list[str]) -> Answer:
        """As documented, or in one of the other ways that clients were seen to expect."""
        reading, status, did = self.account.upload, 201, "uploaded"
        head: dict[str, Any] = {"success": not failed}
        if failed:
            status, did = _PARTIAL, "uploaded_partly"
            head["errorMsg"] = "Orders are loaded with errors"
        if reading == "bare":
            return Answer(status if failed else 200, dump(head), did)
        if reading == "maps":
            rows, texts = ({str(n): row for n, row in enumerate(many)} for many in (done, errors))
            maps = {"uploadedOrders": shape.php_map(rows)} | ({"errors": texts} if failed else {})
            return Answer(status, dump({**head, **maps}), did)
        lists: dict[str, Any] = {"failedOrders": failed, "errors": errors} if failed else {}
        return Answer(status, dump({**head, "uploadedOrders": done, **lists}), did)

    def _duplicate(self, external_id: object) -> Answer:
        if self.account.duplicate_in == "errors":
            answer = failure(400, "repeated", "Errors in the entity format", [_exists(external_id)])
        else:
            answer = failure(400, "repeated", _exists(external_id))
        answer.external_id = str(external_id)
        return answer

    def _body(self, name: str, kind: type[Any]) -> Any:
        if name not in self.given:
            raise BadInputError(f"Parameter '{name}' is missing")
        try:
            value = json.loads(self.given[name])
        except (TypeError, ValueError):
            value = None
        if not isinstance(value, kind) or not all(isinstance(v, dict) for v in (value if kind is list else ())):
            raise BadInputError(_INPUT, {name: "This value is not valid."})
        return value

    def _site(self) -> str:
        sites = self.account.sites
        site = self.given.get("site") or (sites[0] if len(sites) == 1 else None)
        if site is None:
            raise BadInputError("Parameter 'site' is missing")
        if site not in sites:
            raise BadInputError(_INPUT, {"site": "This value is not valid."})
        return str(site)

    def _found(self, uid: str) -> Stored | None:
        by = self.given.get("by", "externalId")
        if by not in {"id", "externalId"}:
            raise BadInputError(_INPUT, {"by": "This value is not valid."})
        return self.account.find(uid, by, None if by == "id" else self._site())

    def _filter(self, known: frozenset[str]) -> dict[str, Any]:
        wanted = self.given.get("filter") or {}
        if not isinstance(wanted, dict):
            return {}  # a client sends `filter=None` and is served
        if extra := set(wanted) - known:
            raise BadInputError(
                _INPUT, {f"children[{name}]": "This form should not contain extra fields." for name in extra}
            )
        return wanted

    @staticmethod
    def _times(wanted: dict[str, Any], *names: str) -> None:
        wrong = [name for name in names if name in wanted and not shape.is_local_time(wanted[name])]
        if wrong:
            raise BadInputError(_INPUT, {f"children[{name}]": "This value is not valid." for name in wrong})

    def _number(self, name: str, default: int) -> int:
        value = str(self.given.get(name, default))
        if not value.isdecimal() or int(value) < 1:
            raise BadInputError(_INPUT, {name: "This value is not valid."})
        return int(value)

    def _page(
        self, key: str, did: str, rows: list[_Row], text: Callable[[_Row], bytes | None], head: Any = None
    ) -> Answer:
        limit, page = self._number("limit", 20), self._number("page", 1)
        if limit not in _LIMITS:
            raise BadInputError(_INPUT, {"limit": "The value you selected is not a valid choice."})
        block = {
            "limit": limit,
            "totalCount": len(rows),
            "currentPage": page,
            "totalPageCount": -(-len(rows) // limit),
        }
        shown = filter(None, map(text, rows[(page - 1) * limit : page * limit]))
        start = dump({"success": True, **(head or {}), "pagination": block})[:-1]
        return Answer(200, start + b',"' + key.encode() + b'":[' + b",".join(shown) + b"]}", did, page_key=key)


def _exists(external_id: object) -> str:
    return f"Order with externalId={external_id} already exists."


def _merged(old: Any, new: Any) -> Any:
    """`new` over `old`, map by map."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: _merged(old.get(key), value) for key, value in new.items()}
    return new


def _many(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _wanted(order: Stored, wanted: dict[str, Any]) -> bool:
    asked = (
        ("ids", str(order.id)),
        ("externalIds", order.external_id),
        ("numbers", order.number),
        ("sites", order.site),
        ("extendedStatus", order.status),
    )
    return (
        all(value in _many(wanted[name]) for name, value in asked if name in wanted)
        and wanted.get("createdAtFrom", "") <= order.created
        and ("createdAtTo" not in wanted or order.created <= wanted["createdAtTo"])
    )


def _happened(event: Event, wanted: dict[str, Any]) -> bool:
    return (
        wanted.get("startDate", "") <= event.at
        and ("endDate" not in wanted or event.at <= wanted["endDate"])
        and ("orderId" not in wanted or wanted["orderId"] == str(event.order_id))
        and ("orderExternalId" not in wanted or wanted["orderExternalId"] == event.external_id)
    )
