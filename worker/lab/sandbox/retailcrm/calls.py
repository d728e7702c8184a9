"""The calls of RetailCRM's API, version 5: from parameters to a response."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

from worker.lab.sandbox.retailcrm import shape
from worker.lab.sandbox.retailcrm.account import DuplicateError, InvalidError, RetailcrmAccount
from worker.lab.sandbox.retailcrm.payments import PaymentError
from worker.lab.sandbox.system import Response
from worker.lab.sandbox.wire import dump, merge

if TYPE_CHECKING:
    from collections.abc import Callable

    from worker.lab.sandbox.retailcrm.history import Event
    from worker.lab.sandbox.retailcrm.stored import Stored

_Row = TypeVar("_Row")
_LIMITS: Final = frozenset({20, 50, 100})
_UPLOAD_LIMIT: Final = 50
_PARTIAL: Final = 460
_ORDER_FILTERS: Final = frozenset(
    {"ids", "externalIds", "numbers", "sites", "extendedStatus", "createdAtFrom", "createdAtTo"}
)
_HISTORY_FILTERS: Final = frozenset({"sinceId", "orderId", "orderExternalId", "startDate", "endDate"})


class BadInputError(Exception):
    """A call has wrong parameters: a 400 with this message, and these errors by field."""

    def __init__(self, message: str, errors: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message, self.errors = message, errors


def failure(status: int, did: str, message: str, errors: object = None) -> Response:
    """Return an error in the documented form."""
    return Response(
        status, dump({"success": False, "errorMsg": message, **({"errors": errors} if errors else {})}), did
    )


def _success(did: str, body: dict[str, Any], status: int = 200) -> Response:
    return Response(status, dump({"success": True, **body}), did)


def _written(did: str, order: dict[str, Any], status: int = 200) -> Response:
    body = {"success": True, "id": order["id"], "order": shape.with_payment_list(order)}
    return Response(status, dump(body), did, order.get("externalId"), str(order["id"]))


def _invalid(*names: str, message: str = "This value is not valid.") -> BadInputError:
    return BadInputError("Errors in the input parameters", dict.fromkeys(names, message))


class AccountCall:
    """One call to one account. Its methods raise BadInputError."""

    def __init__(self, account: RetailcrmAccount, key: str, params: dict[str, Any], parts: tuple[str, ...]) -> None:
        self.account, self.key, self.params, self.parts = account, key, params, parts

    def run(self, op: str) -> Response:
        """Do the work of an operation."""
        work: dict[str, Callable[[], Response]] = {
            "list": self._orders, "get": self._get, "history": self._history, "statuses": self._statuses,
            "create": self._create, "edit": self._edit, "upload": self._upload,
            "settings": self._settings, "credentials": self._credentials, "versions": self._versions,
            "reference": self._reference, "payment_create": self._pay, "payment_edit": self._pay,
            "custom_fields": self._custom_fields,
        }  # fmt: skip
        try:
            return work[op]() if op in work else failure(404, "unknown_method", "Method not found")
        except InvalidError as error:
            return failure(400, "refused", "Errors in the entity format", error.errors)
        except PaymentError as error:
            return failure(404, "not_found", str(error))

    def _settings(self) -> Response:
        zone, currency = self.account.zone.key, self.account.currency
        values = {"default_currency": currency, "system_language": "RU", "timezone": zone}
        return _success("settings", {"settings": {name: {"value": value} for name, value in values.items()}})

    def _credentials(self) -> Response:
        scopes = ["order_read", "order_write", "reference_read"]
        access = {"siteAccess": "access_full", "sitesAvailable": self.account.sites}
        paths = ["/api/orders", "/api/orders/create", "/api/orders/history", "/api/orders/{externalId}/edit"]
        return _success("credentials", {"credentials": paths, "scopes": scopes, **access})

    def _reference(self) -> Response:
        if self.account.references == "denied":
            return failure(403, "refused", "Access denied.")
        if (found := self.account.reference.lists.get(self.parts[3])) is None:
            return failure(404, "unknown_method", "Method not found")
        field, value = found
        return _success("reference", {field: shape.php_map(value)})

    def _pay(self) -> Response:
        posted, number = self._body("payment", dict), self.parts[4]
        if number != "create" and not number.isdecimal():
            return failure(404, "not_found", "Payment not found")
        edits = number.isdecimal()
        made = self.account.pay(int(number) if edits else None, posted, self.key)
        return _success("paid", {"id": made}, 200 if edits else 201)

    def _versions(self) -> Response:
        return _success("versions", {"versions": ["3.0", "4.0", "5.0"]})

    def _custom_fields(self) -> Response:
        if self.account.fields is None:
            return failure(403, "forbidden", "Access denied.")
        wanted = self._filters(frozenset({"entity"})).get("entity", "order") == "order"
        rows = self.account.fields if wanted else []
        return self._page("customFields", "custom_fields", rows, lambda code: dump({"code": code, "entity": "order"}))

    def _orders(self) -> Response:
        filters = self._filters(_ORDER_FILTERS)
        self._check_times(filters, "createdAtFrom", "createdAtTo")
        ids = [str(value) for value in _as_list(filters["ids"])] if "ids" in filters else None
        orders = self.account.newest_first(lambda order: _order_matches(order, filters), ids)
        return self._page("orders", "listed", orders, lambda order: order.text)

    def _history(self) -> Response:
        filters = self._filters(_HISTORY_FILTERS)
        self._check_times(filters, "startDate", "endDate")
        if "sinceId" in filters and "page" in self.params:
            raise _invalid("page", message="Parameter 'page' cannot be used together with 'sinceId'.")
        since = filters.get("sinceId", "0")
        if not str(since).isdecimal():
            raise _invalid("children[sinceId]")
        events = self.account.history.after(int(since))
        if filters.keys() - {"sinceId"}:
            events = [event for event in events if _event_matches(event, filters)]
        head = {"generatedAt": self.account.now()}
        return self._page(
            "history", "history", events, lambda event: None if event.hidden else event.text(self.key), head
        )

    def _get(self) -> Response:
        order = self._find(self.parts[3])
        if order is None:
            return failure(404, "not_found", "Not found")
        return Response(200, b'{"success":true,"order":' + order.text + b"}", "got", order.external_id, str(order.id))

    def _statuses(self) -> Response:
        ids, external = ({str(v) for v in _as_list(self.params.get(name))} for name in ("ids", "externalIds"))
        orders = self.account.newest_first(lambda order: str(order.id) in ids or order.external_id in external)
        codes = self.account.reference.lists["statuses"][1]
        groups = {code: entry["group"] for code, entry in codes.items()}
        rows = [
            {"id": o.id, "externalId": o.external_id, "status": o.status, "group": groups.get(o.status)} for o in orders
        ]
        return _success("statuses", {"orders": rows})

    def _create(self) -> Response:
        posted, site = self._body("order", dict), self._site()
        try:
            return _written("created", self.account.create(posted, site, self.key), 201)
        except DuplicateError:
            text = _exists(posted["externalId"])
        if self.account.duplicate_in == "errors":
            response = failure(400, "repeated", "Errors in the entity format", [text])
        else:
            response = failure(400, "repeated", text)
        response.external_id = str(posted["externalId"])
        return response

    def _edit(self) -> Response:
        posted, stored = self._body("order", dict), self._find(self.parts[3])
        if stored is None:
            return failure(404, "not_found", "Not found")
        if self.account.edits == "merge" and isinstance(posted.get("delivery"), dict):
            posted["delivery"] = merge(json.loads(stored.text).get("delivery"), posted["delivery"])
        return _written("edited", self.account.edit(stored, posted, self.key))

    def _upload(self) -> Response:
        batch, site = self._body("orders", list), self._site()
        if len(batch) > _UPLOAD_LIMIT:
            raise _invalid("orders", message=f"No more than {_UPLOAD_LIMIT} orders are taken at once.")
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

    def _upload_answer(self, done: list[dict[str, Any]], failed: list[dict[str, Any]], errors: list[str]) -> Response:
        """Return the documented response, or one of the others that published clients expect."""
        form, status, did = self.account.upload, 201, "uploaded"
        head: dict[str, Any] = {"success": not failed}
        if failed:
            status, did = _PARTIAL, "uploaded_partly"
            head["errorMsg"] = "Orders are loaded with errors"
        if form == "bare":
            return Response(status if failed else 200, dump(head), did)
        if form == "maps":
            rows, texts = ({str(n): row for n, row in enumerate(items)} for items in (done, errors))
            maps = {"uploadedOrders": shape.php_map(rows)} | ({"errors": texts} if failed else {})
            return Response(status, dump({**head, **maps}), did)
        lists: dict[str, Any] = {"failedOrders": failed, "errors": errors} if failed else {}
        return Response(status, dump({**head, "uploadedOrders": done, **lists}), did)

    def _body(self, name: str, kind: type[Any]) -> Any:
        if name not in self.params:
            raise BadInputError(f"Parameter '{name}' is missing")
        try:
            value = json.loads(self.params[name])
        except (TypeError, ValueError):
            value = None
        if not isinstance(value, kind) or not all(isinstance(v, dict) for v in (value if kind is list else ())):
            raise _invalid(name)
        return value

    def _site(self) -> str:
        sites = self.account.sites
        site = self.params.get("site") or (sites[0] if len(sites) == 1 else None)
        if site is None:
            raise BadInputError("Parameter 'site' is missing")
        if site not in sites:
            raise _invalid("site")
        return str(site)

    def _find(self, uid: str) -> Stored | None:
        by = self.params.get("by", "externalId")
        if by not in {"id", "externalId"}:
            raise _invalid("by")
        return self.account.find(uid, by, None if by == "id" else self._site())

    def _filters(self, allowed: frozenset[str]) -> dict[str, Any]:
        filters = self.params.get("filter") or {}
        if not isinstance(filters, dict):
            return {}  # a published client sends `filter=None`, which RetailCRM accepts
        if extra := set(filters) - allowed:
            names = (f"children[{name}]" for name in extra)
            raise _invalid(*names, message="This form should not contain extra fields.")
        return filters

    @staticmethod
    def _check_times(filters: dict[str, Any], *names: str) -> None:
        wrong = [name for name in names if name in filters and not shape.is_local_time(filters[name])]
        if wrong:
            raise _invalid(*(f"children[{name}]" for name in wrong))

    def _number(self, name: str, default: int) -> int:
        value = str(self.params.get(name, default))
        if not value.isdecimal() or int(value) < 1:
            raise _invalid(name)
        return int(value)

    def _page(
        self, key: str, did: str, rows: list[_Row], text: Callable[[_Row], bytes | None], head: Any = None
    ) -> Response:
        limit, page = self._number("limit", 20), self._number("page", 1)
        if limit not in _LIMITS:
            raise _invalid("limit", message="The value you selected is not a valid choice.")
        block = {
            "limit": limit,
            "totalCount": len(rows),
            "currentPage": page,
            "totalPageCount": -(-len(rows) // limit),
        }
        shown = filter(None, map(text, rows[(page - 1) * limit : page * limit]))
        start = dump({"success": True, **(head or {}), "pagination": block})[:-1]
        return Response(200, start + b',"' + key.encode() + b'":[' + b",".join(shown) + b"]}", did, page_key=key)


def _exists(external_id: object) -> str:
    return f"Order with externalId={external_id} already exists."


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _order_matches(order: Stored, filters: dict[str, Any]) -> bool:
    values = (
        ("ids", str(order.id)),
        ("externalIds", order.external_id),
        ("numbers", order.number),
        ("sites", order.site),
        ("extendedStatus", order.status),
    )
    return (
        all(value in _as_list(filters[name]) for name, value in values if name in filters)
        and filters.get("createdAtFrom", "") <= order.created
        and ("createdAtTo" not in filters or order.created <= filters["createdAtTo"])
    )


def _event_matches(event: Event, filters: dict[str, Any]) -> bool:
    return (
        filters.get("startDate", "") <= event.at
        and ("endDate" not in filters or event.at <= filters["endDate"])
        and ("orderId" not in filters or filters["orderId"] == str(event.order_id))
        and ("orderExternalId" not in filters or filters["orderExternalId"] == event.external_id)
    )
